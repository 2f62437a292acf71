//! Indicators of Pyrra: each metric is a plain selector.

use super::TOOL;
use crate::domain::alert::group_label;
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, PromQlIndicator, RatioPart};
use crate::domain::matcher::{MatchOp, Matcher, Selector};
use crate::domain::selector_parser::{NEEDS_A_SERVER, is_label_name, parse_selector};
use crate::domain::time::parse_duration;
use crate::spec::codes;
use crate::spec::native::threshold;
use crate::spec::reader::{Field, Fields, Reader};

const BOUND: &str = "le";
const AGGREGATIONS: [&str; 12] = [
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "topk",
    "bottomk",
    "quantile",
    "stddev",
    "stdvar",
    "count_values",
];

/// Reads the indicator: exactly one of its four forms.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let forms = ["ratio", "latency", "latencyNative", "bool_gauge"].map(|key| fields.get(key));
    fields.finish_foreign(reader, TOOL);
    let mut forms: Vec<Field<'_>> = forms.into_iter().flatten().collect();
    forms.sort_by_key(|form| form.key_span.start);
    match forms.as_slice() {
        [] => {
            let message = "one of `ratio`, `latency`, `latencyNative` and `bool_gauge` must be set";
            reader.report(&codes::EXCLUSIVE, field.key_span, message);
            None
        }
        [form] => read_form(reader, *form),
        [first, second, ..] => {
            let message = format!("`{}` and `{}` exclude each other", first.key, second.key);
            reader.report(&codes::EXCLUSIVE, second.key_span, message);
            for form in &forms {
                read_form(reader, *form);
            }
            None
        }
    }
}

fn read_form(reader: &mut Reader<'_>, form: Field<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, form)?;
    let kind = match form.key {
        "ratio" => read_ratio(reader, &mut fields),
        "latency" => read_latency(reader, &mut fields),
        "latencyNative" => read_native(reader, &mut fields),
        _ => read_metric(reader, &mut fields, form.key).map(|(_, gauge)| IndicatorKind::Gauge {
            gauge,
            op: CompareOp::Gte,
            value: 1.0,
        }),
    };
    let is_histogram = form.key.starts_with("latency");
    let group_by = fields
        .get("grouping")
        .map(|field| read_grouping(reader, field, is_histogram))
        .unwrap_or_default();
    fields.finish_foreign(reader, TOOL);
    Some(Indicator {
        kind: kind?,
        source: None,
        group_by,
    })
}

fn read_ratio(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<IndicatorKind> {
    let errors = read_query(reader, fields, "errors");
    let total = read_query(reader, fields, "total");
    let ((field, part), (_, total)) = errors.zip(total)?;
    if part == total {
        let message = "`errors` and `total` are the same metric, so that every event is an error";
        reader.report(&codes::BAD_IS_TOTAL, field.node.span, message);
    }
    crate::spec::query::selects_good(reader, field.node.span, &part);
    Some(IndicatorKind::Ratio {
        total,
        part,
        part_is: RatioPart::Bad,
    })
}

fn read_latency(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<IndicatorKind> {
    let success = read_query(reader, fields, "success");
    let total = read_query(reader, fields, "total");
    if let Some((field, success)) = &success {
        check_bound(reader, *field, success);
    }
    let ((field, success), (total_field, total)) = success.zip(total)?;
    if success == total {
        let message = "`success` and `total` are the same metric, so that every event is good";
        reader.report(&codes::BAD_IS_TOTAL, field.node.span, message);
    }
    if !is_named(&success, "_bucket") {
        let message = "`success` is usually a histogram's bucket: …_bucket{le=\"0.5\"}";
        reader.report(&codes::READ_LENIENTLY, field.node.span, message);
    }
    let is_last_bucket = is_named(&total, "_bucket") && infinite_bound(&total);
    if !is_named(&total, "_count") && !is_last_bucket {
        let message = "`total` is usually a histogram's count: …_count";
        reader.report(&codes::READ_LENIENTLY, total_field.node.span, message);
    }
    Some(histogram(&success, &total).unwrap_or_else(|| IndicatorKind::Ratio {
        total: with_any_bound(total),
        part: with_any_bound(success),
        part_is: RatioPart::Good,
    }))
}

/// A success needs a bound, and the bound is a number.
fn check_bound(reader: &mut Reader<'_>, field: Field<'_>, success: &Selector) {
    let Some(bound) = success.matchers.iter().find(|matcher| matcher.name == BOUND) else {
        let message = "`success` needs a matcher on `le`, the bound up to which a request is fast enough";
        let hint = "write for example …_bucket{le=\"0.5\"}".to_owned();
        reader.report_with(&codes::SELECTOR, field.node.span, message, Some(hint));
        return;
    };
    if bound.value.parse::<f64>().is_err() {
        let message = format!("the bound le=\"{}\" is no number", bound.value);
        reader.report(&codes::SELECTOR, field.node.span, message);
    }
}

/// One histogram whose bucket and count are asked with the same matchers; anything else is two counters.
fn histogram(success: &Selector, total: &Selector) -> Option<IndicatorKind> {
    let family = success.metric.as_deref()?.strip_suffix("_bucket")?;
    let (bounds, others): (Vec<&Matcher>, Vec<&Matcher>) =
        success.matchers.iter().partition(|matcher| matcher.name == BOUND);
    let [bound] = bounds.as_slice() else {
        return None;
    };
    let threshold = bound.value.parse::<f64>().ok()?;
    let is_threshold = bound.op == MatchOp::Equal && threshold.is_finite() && threshold > 0.0;
    let (total_bounds, total_others): (Vec<&Matcher>, Vec<&Matcher>) =
        total.matchers.iter().partition(|matcher| matcher.name == BOUND);
    let is_count = total.metric.as_deref() == Some(format!("{family}_count").as_str()) && total_bounds.is_empty();
    let is_last_bucket = total.metric == success.metric && total_bounds.len() == 1 && infinite_bound(total);
    if !is_threshold || !(is_count || is_last_bucket) || sorted(&others) != sorted(&total_others) {
        return None;
    }
    Some(IndicatorKind::Latency {
        histogram: Selector {
            metric: Some(family.to_owned()),
            matchers: others.into_iter().cloned().collect(),
        },
        threshold,
        written: bound.value.clone(),
    })
}

fn is_named(selector: &Selector, suffix: &str) -> bool {
    selector.metric.as_deref().is_some_and(|name| name.ends_with(suffix))
}

fn infinite_bound(selector: &Selector) -> bool {
    let is_infinite = |matcher: &Matcher| {
        matcher.name == BOUND
            && matcher.op == MatchOp::Equal
            && matcher.value.parse::<f64>().is_ok_and(|bound| bound == f64::INFINITY)
    };
    selector.matchers.iter().any(is_infinite)
}

fn sorted(matchers: &[&Matcher]) -> Vec<String> {
    let mut written: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    written.sort_unstable();
    written
}

/// Some expose `le="1"`, others `le="1.0"`; Pyrra asks for both.
fn with_any_bound(mut selector: Selector) -> Selector {
    for matcher in &mut selector.matchers {
        let whole = matcher.value.strip_suffix(".0").unwrap_or(&matcher.value);
        let is_whole = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
        if matcher.name == BOUND
            && matcher.op == MatchOp::Equal
            && is_whole
            && let Ok(either) = Matcher::new(BOUND, MatchOp::Regex, format!("{whole}(\\.0)?"))
        {
            *matcher = either;
        }
    }
    selector
}

fn read_native(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<IndicatorKind> {
    let total = read_query(reader, fields, "total");
    let field = fields.require("latency");
    let latency = field.and_then(|field| read_threshold(reader, field));
    let ((_, histogram), (threshold, written)) = total.zip(latency)?;
    if let Some(field) = field {
        threshold::check_native(reader, field.node.span, threshold, &written);
    }
    Some(IndicatorKind::PromQl(PromQlIndicator::native_latency(
        histogram, threshold, written,
    )))
}

/// A duration, in seconds whatever the metric is called: Pyrra asks for a fraction of seconds.
fn read_threshold(reader: &mut Reader<'_>, field: Field<'_>) -> Option<(f64, String)> {
    let written = reader.filled(field)?.trim().to_owned();
    match parse_duration(&written) {
        Ok(duration) if !duration.is_zero() => Some((duration.as_secs_f64(), written)),
        Ok(_) => {
            reader.report(
                &codes::THRESHOLD,
                field.node.span,
                "`latency` must be longer than nothing",
            );
            None
        }
        Err(error) => {
            let seconds = written.strip_suffix('s').unwrap_or(&written).parse::<f64>();
            let millis = seconds
                .ok()
                .map(|seconds| seconds * 1e3)
                .filter(|millis| *millis >= 1.0);
            let hint = millis.map(|millis| format!("for {written} seconds write {millis:.0}ms"));
            let message = format!("`latency` is {error}");
            reader.report_with(&codes::DURATION, field.node.span, message, hint);
            None
        }
    }
}

/// `total: {metric: …}`
fn read_query<'n>(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'n>,
    key: &'static str,
) -> Option<(Field<'n>, Selector)> {
    let field = fields.require(key)?;
    if field.node.text().is_some() {
        let message = format!("`{key}` must be a map with `metric`, not a text");
        let hint = format!("write `{key}: {{metric: …}}`");
        reader.report_with(&codes::WRONG_TYPE, field.node.span, message, Some(hint));
        return None;
    }
    let mut query = Fields::open(reader, field)?;
    let metric = read_metric(reader, &mut query, key);
    query.finish_foreign(reader, TOOL);
    metric
}

/// The `metric` of `total`, `errors` and so on.
fn read_metric<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, of: &str) -> Option<(Field<'n>, Selector)> {
    let field = fields.require("metric")?;
    let text = reader.text(field)?;
    if text.trim().is_empty() {
        let message = format!("the metric of `{of}` must be set");
        reader.report(&codes::MISSING_KEY, field.node.span, message);
        return None;
    }
    match parse_selector(&text) {
        Ok(selector) => Some((field, selector)),
        Err(error) if error.message == NEEDS_A_SERVER => {
            let message = format!(
                "the metric of `{of}` must be a plain selector, but this is {}",
                found(&text)
            );
            let hint =
                "write the metric with its matchers; what Pyrra puts around it, nines counts by itself".to_owned();
            reader.report_with(&codes::SELECTOR, field.node.span, message, Some(hint));
            None
        }
        Err(error) => {
            let span = reader.place_within(field.node, error.at);
            reader.report(&codes::SELECTOR, span, format!("the metric of `{of}`: {error}"));
            None
        }
    }
}

/// What stands where a selector should.
fn found(text: &str) -> String {
    let text = text.trim();
    let word: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let rest = text[word.len()..].trim_start();
    if text.starts_with('(') {
        "an expression in parentheses".to_owned()
    } else if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
        "a calculation".to_owned()
    } else if AGGREGATIONS.contains(&word.to_lowercase().as_str()) && rest.starts_with(['(', 'b', 'w']) {
        format!("an aggregation with `{word}`")
    } else if rest.starts_with('(') {
        format!("a call of `{word}`")
    } else if text.ends_with(']') {
        "a range".to_owned()
    } else if text.contains(" offset ") || text.contains('@') {
        "a selector at another time".to_owned()
    } else {
        "a calculation with several selectors".to_owned()
    }
}

fn read_grouping(reader: &mut Reader<'_>, field: Field<'_>, is_histogram: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in reader.list(field) {
        let Some(name) = reader.text(item) else {
            continue;
        };
        let span = item.node.span;
        if !is_label_name(&name) {
            reader.check_label(&name, span, &[]);
        } else if is_histogram && name == BOUND {
            reader.report(
                &codes::LABEL,
                span,
                "a histogram cannot be grouped by its own label `le`",
            );
        } else if names.contains(&name) {
            reader.report(
                &codes::READ_LENIENTLY,
                span,
                format!("`grouping` names \"{name}\" twice"),
            );
        } else {
            if group_label(&name) != name {
                let message = format!(
                    "nines sets the label `{name}` on every alert; the group's value is `{}` there",
                    group_label(&name)
                );
                reader.report(&codes::NOT_CARRIED, span, message);
            }
            names.push(name);
        }
    }
    names
}
