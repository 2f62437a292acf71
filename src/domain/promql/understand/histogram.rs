//! Counters that are the parts of one histogram.

use super::same;
use crate::domain::indicator::{IndicatorKind, RatioPart};
use crate::domain::matcher::{MatchOp, Selector};

const BOUND_LABEL: &str = "le";

/// The latency indicator that two counters are: all observations, and those at or below a bound.
pub(super) fn latency(total: &Selector, part: &Selector, part_is: RatioPart) -> Option<IndicatorKind> {
    let (histogram, written) = bucket(part).filter(|_| part_is == RatioPart::Good)?;
    let all = observations(total)?;
    let threshold: f64 = written.parse().ok()?;
    if !same(&histogram, &all) || !threshold.is_finite() || threshold <= 0.0 {
        return None;
    }
    Some(IndicatorKind::Latency {
        histogram,
        threshold,
        written,
    })
}

/// Whether two selectors are all observations of the same histogram, by its count or its last bucket.
pub(super) fn same_total(a: &Selector, b: &Selector) -> bool {
    observations(a).is_some_and(|a| observations(b).is_some_and(|b| same(&a, &b)))
}

/// The histogram of which a selector is all observations: `x_count`, or `x_bucket{le="+Inf"}`.
fn observations(selector: &Selector) -> Option<Selector> {
    if let Some(family) = selector.metric.as_deref()?.strip_suffix("_count") {
        let has_bound = selector.matchers.iter().any(|matcher| matcher.name == BOUND_LABEL);
        return (!has_bound).then(|| selector.with_metric(family));
    }
    let (histogram, written) = bucket(selector)?;
    (written == "+Inf").then_some(histogram)
}

/// The histogram and the bound of a selector of one bucket. A regular expression may write one bound in several ways.
fn bucket(selector: &Selector) -> Option<(Selector, String)> {
    let family = selector.metric.as_deref()?.strip_suffix("_bucket")?;
    let (bounds, others): (Vec<_>, Vec<_>) = selector
        .matchers
        .iter()
        .cloned()
        .partition(|matcher| matcher.name == BOUND_LABEL);
    let [bound] = bounds.as_slice() else {
        return None;
    };
    let written = match bound.op {
        MatchOp::Equal => bound.value.clone(),
        MatchOp::Regex => one_bound(&bound.value)?,
        MatchOp::NotEqual | MatchOp::NotRegex => return None,
    };
    let histogram = Selector {
        metric: Some(family.to_owned()),
        matchers: others,
    };
    Some((histogram, written))
}

/// The bound of which all alternatives are notations: `0.3`, `1|1\.0`.
fn one_bound(pattern: &str) -> Option<String> {
    let inner = pattern
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(pattern);
    let mut alternatives = inner.split('|').map(|text| text.replace("\\.", "."));
    let first = alternatives.next()?;
    let number: f64 = first.parse().ok()?;
    let is_same = |text: String| text.parse::<f64>().is_ok_and(|other| other.total_cmp(&number).is_eq());
    alternatives.all(is_same).then_some(first)
}
