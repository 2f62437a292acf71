//! Selectors of bad events that select the good ones.

use crate::domain::matcher::{MatchOp, Matcher, Selector};

/// Ends of names of counters of successes.
const SUCCESSES: [&str; 4] = [
    "_success_total",
    "_successes_total",
    "_succeeded_total",
    "_successful_total",
];
/// What turns such a name into its contrary.
const NEGATIONS: [&str; 4] = ["no", "non", "not", "un"];

/// Why a selector of bad events selects the good ones, and the mend.
pub(super) fn reason(selector: &Selector) -> Option<(String, String)> {
    if let Some(matcher) = selector.matchers.iter().find(|matcher| is_success(matcher)) {
        let message = format!("the bad events are asked for, and {matcher} selects the good ones");
        return Some((message, "for bad events write for example code=~\"5..\"".to_owned()));
    }
    let metric = selector.metric.as_deref()?;
    if let Some(bound) = Bucket::of(selector).filter(|bucket| bucket.bound.is_finite()) {
        let Bucket { family, written, .. } = bound;
        let message = format!(
            "the bad events are asked for, and {metric} with le=\"{written}\" selects those of at most {written}"
        );
        let hint = format!("the others are {family}_count - {family}_bucket{{le=\"{written}\"}}");
        return Some((message, hint));
    }
    if counts_successes(metric) {
        let message = format!("the bad events are asked for, and {metric} counts the good ones by its name");
        return Some((message, "all events less these are the bad ones".to_owned()));
    }
    None
}

/// A bucket of a histogram, or all of its observations.
pub(super) struct Bucket<'s> {
    /// The histogram's name.
    pub family: &'s str,
    /// Up to where it counts.
    pub bound: f64,
    /// The same as it is written.
    pub written: &'s str,
}

impl<'s> Bucket<'s> {
    /// The bucket that a selector selects; `_count` is the last one.
    pub fn of(selector: &'s Selector) -> Option<Self> {
        let metric = selector.metric.as_deref()?;
        let mut bounds = selector.matchers.iter().filter(|matcher| matcher.name == "le");
        if let Some(family) = metric.strip_suffix("_count") {
            return bounds.next().is_none().then_some(Self {
                family,
                bound: f64::INFINITY,
                written: "+Inf",
            });
        }
        let family = metric.strip_suffix("_bucket")?;
        let bound = bounds.next().filter(|matcher| matcher.op == MatchOp::Equal)?;
        Some(Self {
            family,
            bound: bound.value.parse().ok()?,
            written: &bound.value,
        })
    }
}

fn counts_successes(metric: &str) -> bool {
    let Some(stem) = SUCCESSES.iter().find_map(|end| metric.strip_suffix(end)) else {
        return false;
    };
    let last = stem.rsplit('_').next().unwrap_or_default();
    !NEGATIONS.contains(&last)
}

/// Whether a matcher on a status lets successes through and no failure, either as numbers or as words.
fn is_success(matcher: &Matcher) -> bool {
    const NUMBERS: ([&str; 2], [&str; 3]) = (["200", "204"], ["500", "503", "504"]);
    const WORDS: ([&str; 2], [&str; 3]) = (["OK", "success"], ["INTERNAL", "error", "failure"]);
    let name = matcher.name.to_ascii_lowercase();
    let is_status = ["code", "status", "result", "outcome"]
        .iter()
        .any(|word| name.contains(word));
    is_status
        && [NUMBERS, WORDS].iter().any(|(good, bad)| {
            good.iter().any(|value| matcher.matches(value)) && !bad.iter().any(|value| matcher.matches(value))
        })
}
