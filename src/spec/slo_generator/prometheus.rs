//! The three methods of slo-generator's Prometheus backend.
//!
//! slo-generator replaces `[window` in a query by its window, or puts `[…]` behind a query without it, and puts operators
//! around that. Here the window is the template `{{.window}}`; bare selectors under the usual operators are counters.

use super::TOOL;
use crate::domain::indicator::{Indicator, IndicatorKind, RatioPart};
use crate::domain::matcher::Selector;
use crate::domain::promql;
use crate::domain::selector_parser::{NEEDS_A_SERVER, parse_selector};
use crate::spec::codes;
use crate::spec::query::{self, Query, Ranges};
use crate::spec::reader::{Field, Fields, Reader};

/// What slo-generator writes for its window.
const PLACEHOLDER: &str = "[window";
const TEMPLATE: &str = "[{{.window}}";
const DEFAULT_OPERATORS: [&str; 2] = ["increase", "sum"];
const BOUND: &str = "le";

#[derive(Clone, Copy)]
enum Method {
    GoodBadRatio,
    QuerySli,
    DistributionCut,
}

/// Reads `service_level_indicator` by its method.
pub(super) fn read(reader: &mut Reader<'_>, method: Field<'_>, field: Field<'_>) -> Option<Indicator> {
    let words = [
        ("good_bad_ratio", Method::GoodBadRatio),
        ("query_sli", Method::QuerySli),
        ("distribution_cut", Method::DistributionCut),
    ];
    let method = reader.choice(method, &words)?;
    let mut fields = Fields::open(reader, field)?;
    let indicator = match method {
        Method::GoodBadRatio => read_ratio(reader, &mut fields, field),
        Method::QuerySli => read_sli(reader, &mut fields),
        Method::DistributionCut => read_cut(reader, &mut fields),
    };
    fields.finish_foreign(reader, TOOL);
    indicator
}

fn read_ratio(reader: &mut Reader<'_>, fields: &mut Fields<'_>, whole: Field<'_>) -> Option<Indicator> {
    let good = fields.require("filter_good");
    let good = good.and_then(|field| Some((field, reader.filled(field)?)));
    let [bad, valid] = ["filter_bad", "filter_valid"].map(|key| filled(fields, key));
    let operators = fields.get("operators").map(|field| reader.texts(field));
    let operators = operators.unwrap_or_else(|| DEFAULT_OPERATORS.map(str::to_owned).to_vec());
    if let (Some(bad), Some(valid)) = (bad, valid) {
        let message = format!("with `{}`, `{}` has no effect", bad.key, valid.key);
        reader.report(&codes::NO_EFFECT, valid.key_span, message);
    }
    let Some(second) = bad.or(valid) else {
        let message = "one of `filter_bad` and `filter_valid` must be set";
        reader.report(&codes::EXCLUSIVE, whole.key_span, message);
        return None;
    };
    let second = (second, reader.filled(second)?);
    let good = good?;
    let are_broken = [(good.0, &good.1), (second.0, &second.1)].map(|(field, text)| is_broken(reader, field, text));
    if are_broken.contains(&true) {
        return None;
    }
    let are_usual =
        matches!(operators.as_slice(), [range, sum] if sum == "sum" && ["increase", "rate"].contains(&range.as_str()));
    if are_usual && let Some(kind) = counters(&good.1, &second.1, bad.is_some()) {
        if let IndicatorKind::Ratio { total, part, .. } = &kind
            && total == part
        {
            let message = format!(
                "`{}` is the same as `filter_good`, so that every event is good",
                second.0.key
            );
            reader.report(&codes::BAD_IS_TOTAL, second.0.node.span, message);
        }
        return Some(of_kind(kind));
    }
    let good_query = parse(reader, good.0, &around(&good.1, &operators));
    let second_query = parse(reader, second.0, &around(&second.1, &operators));
    let (good_query, second_query) = (good_query?, second_query?);
    if bad.is_none() {
        return Some(query::ratio(reader, &second_query, &good_query, RatioPart::Good));
    }
    let both = format!("({}) + ({})", good_query.text, second_query.text);
    let total = parse(reader, second.0, &both)?;
    Some(query::ratio(reader, &total, &second_query, RatioPart::Bad))
}

/// The value of a key; slo-generator takes an empty one for none.
fn filled<'n>(fields: &mut Fields<'n>, key: &'static str) -> Option<Field<'n>> {
    let field = fields.get(key)?;
    let is_empty = field.node.text().is_some_and(|text| text.trim().is_empty());
    (!is_empty).then_some(field)
}

/// Counters that are counted as they are: good of valid events, or bad ones and the good ones that complete them.
fn counters(good: &str, second: &str, second_is_bad: bool) -> Option<IndicatorKind> {
    let (good, second) = (selector(good)?, selector(second)?);
    if !second_is_bad {
        return Some(IndicatorKind::Ratio {
            total: second,
            part: good,
            part_is: RatioPart::Good,
        });
    }
    let total = promql::union(&[good, second.clone()])?;
    Some(IndicatorKind::Ratio {
        total,
        part: second,
        part_is: RatioPart::Bad,
    })
}

/// The expression gives the SLI itself.
fn read_sli(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Indicator> {
    let field = fields.require("expression")?;
    let text = reader.filled(field)?;
    let query = if text.contains(PLACEHOLDER) {
        parse(reader, field, &text.replace(PLACEHOLDER, TEMPLATE))?
    } else {
        let message = "the expression has no `[window]`, so that it is the same whatever window is asked for";
        let hint = "write `[window]` as the range: rate(http_requests_total[window])".to_owned();
        reader.report_with(&codes::FIXED_RANGE, field.node.span, message, Some(hint));
        query::parse(reader, field.node, &text, Ranges::Any)?
    };
    Some(query::raw_ratio(reader, &query, RatioPart::Good))
}

/// A histogram's buckets up to a threshold.
fn read_cut(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Indicator> {
    let expression = fields.require("expression");
    let expression = expression.and_then(|field| Some((field, reader.filled(field)?)));
    let bound = fields.require("threshold_bucket");
    let bound = bound.and_then(|field| Some((field, reader.number(field)?)));
    let ((field, text), (bound_field, threshold)) = expression.zip(bound)?;
    let written = bound_field.node.text().unwrap_or_default().trim().to_owned();
    if is_broken(reader, field, &text) {
        return None;
    }
    let Some(buckets) = selector(&text) else {
        let operators = DEFAULT_OPERATORS.map(str::to_owned);
        let with_bound = text.trim().replace('}', &format!(", {BOUND}=\"{written}\"}}"));
        let good = parse(reader, field, &around(&with_bound, &operators));
        let total = parse(reader, field, &around(&text.replace("_bucket", "_count"), &operators));
        return Some(query::ratio(reader, &total?, &good?, RatioPart::Good));
    };
    if threshold <= 0.0 {
        let message = format!("`threshold_bucket` is {written}; it must be above 0");
        reader.report(&codes::THRESHOLD, bound_field.node.span, message);
        return None;
    }
    if buckets.matchers.iter().any(|matcher| matcher.name == BOUND) {
        let message = "`threshold_bucket` chooses the bucket; leave out the matcher on `le`";
        reader.report(&codes::SELECTOR, field.node.span, message);
        return None;
    }
    let Some(family) = buckets.metric.as_deref().and_then(|name| name.strip_suffix("_bucket")) else {
        let message = "`expression` must name a histogram's buckets: …_bucket{…}";
        reader.report(&codes::SELECTOR, field.node.span, message);
        return None;
    };
    Some(of_kind(IndicatorKind::Latency {
        histogram: buckets.with_metric(family),
        threshold,
        written,
    }))
}

fn of_kind(kind: IndicatorKind) -> Indicator {
    Indicator {
        kind,
        source: None,
        group_by: Vec::new(),
    }
}

/// A query that is one selector, with slo-generator's range behind it or without.
fn selector(text: &str) -> Option<Selector> {
    let text = text.trim();
    parse_selector(text.strip_suffix("[window]").unwrap_or(text)).ok()
}

/// Reports a query that is meant as a selector and is none, before operators around it hide where it is wrong.
fn is_broken(reader: &mut Reader<'_>, field: Field<'_>, text: &str) -> bool {
    let text = text.trim();
    match parse_selector(text.strip_suffix("[window]").unwrap_or(text)) {
        Err(error) if error.message != NEEDS_A_SERVER && !text.contains('(') => {
            let span = reader.place_within(field.node, error.at);
            reader.report(
                &codes::SELECTOR,
                span,
                format!("`{}` is no selector: {error}", field.key),
            );
            true
        }
        _ => false,
    }
}

/// The query as slo-generator builds it.
fn around(text: &str, operators: &[String]) -> String {
    let text = text.trim();
    let ranged = if text.contains(PLACEHOLDER) {
        text.replace(PLACEHOLDER, TEMPLATE)
    } else {
        format!("{text}{TEMPLATE}]")
    };
    operators
        .iter()
        .fold(ranged, |inner, operator| format!("{operator}({inner})"))
}

fn parse(reader: &mut Reader<'_>, field: Field<'_>, text: &str) -> Option<Query> {
    query::parse(reader, field.node, text, Ranges::Template)
}
