//! Indicators of the native format.

use super::threshold;
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, RatioPart};
use crate::domain::matcher::Selector;
use crate::domain::selector_parser::parse_selector;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, RESERVED_LABELS, Reader};

/// The keys that begin a form that is known, but not supported yet.
const NOT_YET: [&str; 4] = ["probe", "source", "error_ratio", "events"];
/// More labels than this make no group that a person could name.
const GROUP_LABELS_MAX: usize = 8;

/// Reads an indicator: exactly one of its forms, and `group_by`.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let errors_before = reader.errors();
    fields.refuse(reader, &NOT_YET);
    let is_refused = reader.errors() > errors_before;
    let [total, bad, good] = ["total", "bad", "good"].map(|key| fields.get(key));
    let [latency, threshold] = ["latency", "threshold"].map(|key| fields.get(key));
    let [gauge, op, value] = ["gauge", "op", "value"].map(|key| fields.get(key));
    let group_by = fields
        .get("group_by")
        .map(|field| read_group_by(reader, field))
        .unwrap_or_default();
    fields.finish(reader);
    if is_refused {
        return None;
    }
    let ratio = total.or(bad).or(good);
    let kind = match (ratio, latency.or(threshold), gauge.or(op).or(value)) {
        (Some(_), None, None) => read_ratio(reader, field, total, bad, good),
        (None, Some(_), None) => read_latency(reader, field, latency, threshold),
        (None, None, Some(_)) => read_gauge(reader, field, gauge, op, value),
        (None, None, None) => {
            let message = "the indicator says nothing; write `total` and `bad`, `latency` and `threshold`, or `gauge`, \
                           `op` and `value`";
            reader.report(&codes::INDICATOR, field.key_span, message);
            None
        }
        (first, second, third) => {
            let mixed: Vec<_> = [first, second, third]
                .into_iter()
                .flatten()
                .map(|f| format!("`{}`", f.key))
                .collect();
            let message = format!(
                "{} belong to different forms of indicators; one is possible",
                mixed.join(" and ")
            );
            reader.report(&codes::INDICATOR, field.key_span, message);
            None
        }
    }?;
    let by_bound = matches!(kind, IndicatorKind::Latency { .. }) && group_by.iter().any(|name| name == "le");
    if by_bound {
        reader.report(
            &codes::LABEL,
            field.key_span,
            "a histogram cannot be grouped by its own label `le`",
        );
        return None;
    }
    Some(Indicator {
        kind,
        source: None,
        group_by,
    })
}

fn read_ratio(
    reader: &mut Reader<'_>,
    indicator: Field<'_>,
    total: Option<Field<'_>>,
    bad: Option<Field<'_>>,
    good: Option<Field<'_>>,
) -> Option<IndicatorKind> {
    let read_total = needed(reader, indicator, "total", total).and_then(|field| read_selector(reader, field));
    let (part_field, part_is) = match (bad, good) {
        (Some(_), Some(good)) => {
            let message = "`bad` and `good` exclude each other; one of them and `total` say all";
            reader.report(&codes::CONFLICT, good.key_span, message);
            return None;
        }
        (None, None) => {
            reader.report(&codes::MISSING_KEY, indicator.node.span, "`bad` (or `good`) is missing");
            return None;
        }
        (Some(bad), None) => (bad, RatioPart::Bad),
        (None, Some(good)) => (good, RatioPart::Good),
    };
    let part = read_selector(reader, part_field)?;
    let total = read_total?;
    if part == total {
        let message = format!("`{}` is the same selector as `total`", part_field.key);
        reader.report(&codes::BAD_IS_TOTAL, part_field.node.span, message);
    }
    Some(IndicatorKind::Ratio { total, part, part_is })
}

fn read_latency(
    reader: &mut Reader<'_>,
    indicator: Field<'_>,
    latency: Option<Field<'_>>,
    threshold: Option<Field<'_>>,
) -> Option<IndicatorKind> {
    let threshold = needed(reader, indicator, "threshold", threshold);
    let latency = needed(reader, indicator, "latency", latency);
    let written = threshold.and_then(|field| reader.filled(field));
    let latency = latency?;
    let histogram = read_selector(reader, latency)?;
    let problem = match &histogram.metric {
        None => Some("a histogram needs its name".to_owned()),
        Some(name) => name
            .strip_suffix("_bucket")
            .map(|family| format!("name the histogram without `_bucket`: {family}")),
    };
    let problem = problem.or_else(|| {
        let has_bound = histogram.matchers.iter().any(|matcher| matcher.name == "le");
        has_bound.then(|| "`threshold` chooses the bucket; leave out the matcher on `le`".to_owned())
    });
    if let Some(message) = problem {
        reader.report(&codes::SELECTOR, latency.node.span, message);
        return None;
    }
    let (written, field) = written.zip(threshold)?;
    let metric = histogram.metric.as_deref().unwrap_or_default();
    match threshold::in_unit_of(metric, &written) {
        Ok(threshold) => Some(IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        }),
        Err(message) => {
            reader.report(&codes::THRESHOLD, field.node.span, message);
            None
        }
    }
}

fn read_gauge(
    reader: &mut Reader<'_>,
    indicator: Field<'_>,
    gauge: Option<Field<'_>>,
    op: Option<Field<'_>>,
    value: Option<Field<'_>>,
) -> Option<IndicatorKind> {
    let all = [CompareOp::Lte, CompareOp::Lt, CompareOp::Gte, CompareOp::Gt];
    let words = all.map(|op| (op.word(), op));
    let gauge = needed(reader, indicator, "gauge", gauge).and_then(|field| read_selector(reader, field));
    let op = needed(reader, indicator, "op", op).and_then(|field| reader.choice(field, &words));
    let value = needed(reader, indicator, "value", value).and_then(|field| reader.number(field));
    Some(IndicatorKind::Gauge {
        gauge: gauge?,
        op: op?,
        value: value?,
    })
}

fn needed<'n>(reader: &mut Reader<'_>, indicator: Field<'_>, key: &str, field: Option<Field<'n>>) -> Option<Field<'n>> {
    if field.is_none() {
        reader.report(&codes::MISSING_KEY, indicator.node.span, format!("`{key}` is missing"));
    }
    field
}

fn read_selector(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Selector> {
    let text = reader.text(field)?;
    parse_selector(&text)
        .map_err(|error| {
            let span = reader.place_within(field.node, error.at);
            reader.report(
                &codes::SELECTOR,
                span,
                format!("`{}` is no selector: {error}", field.key),
            );
        })
        .ok()
}

fn read_group_by(reader: &mut Reader<'_>, field: Field<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let items = reader.list(field);
    if items.len() > GROUP_LABELS_MAX {
        let message = format!("`group_by` may name {GROUP_LABELS_MAX} labels, not {}", items.len());
        reader.report(&codes::LABEL, field.node.span, message);
        return names;
    }
    for item in items {
        let Some(name) = reader.text(item) else {
            continue;
        };
        if names.contains(&name) {
            reader.report(
                &codes::DUPLICATE_NAME,
                item.node.span,
                format!("`group_by` names \"{name}\" twice"),
            );
        } else if reader.check_label(&name, item.node.span, &RESERVED_LABELS) {
            names.push(name);
        }
    }
    names
}
