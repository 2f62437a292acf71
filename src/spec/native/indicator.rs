//! Indicators of the native format.

use std::time::Duration;

use super::query::{self, Counted, read_selector};
use super::{composite, strangers, threshold};
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, PromQlForm, PromQlIndicator, RatioPart};
use crate::domain::matcher::Selector;
use crate::domain::sql::SqlIndicator;
use crate::domain::time::{DAY_MINUTES, MINUTE_MS, millis};
use crate::spec::codes;
use crate::spec::query::{Ranges, ratio, raw_ratio, selects_good, threshold as query_threshold};
use crate::spec::reader::{Field, Fields, Reader};

/// More labels than this make no group that a person could name.
const GROUP_LABELS_MAX: usize = 16;
/// The forms of an indicator, each with its keys; the first one gives it its name.
const FORMS: [&[&str]; 10] = [
    &["total", "bad", "good"],
    &["latency", "threshold", "histogram"],
    &["gauge", "op", "value"],
    &["boolean"],
    &["error_ratio", "success_ratio"],
    &["probe"],
    &["events"],
    &["heartbeat"],
    &["sql", "every"],
    &["composite"],
];

/// What an indicator takes from around it.
#[derive(Clone, Copy)]
pub(super) struct Outside<'n> {
    /// The document's service.
    pub service: Option<&'n str>,
    /// The threshold of one of several objectives.
    pub threshold: Option<Field<'n>>,
    /// The value of one of several objectives.
    pub value: Option<Field<'n>>,
}

/// The keys of an indicator while its form is read.
struct Keys<'n> {
    whole: Field<'n>,
    found: Vec<Field<'n>>,
    ranges: Ranges,
    /// No server is asked.
    is_scraped: bool,
}

impl<'n> Keys<'n> {
    /// `fixed_ranges: true`: what is no selector is a query, whatever its ranges.
    fn is_fixed(&self) -> bool {
        self.ranges == Ranges::Any
    }

    fn get(&self, key: &str) -> Option<Field<'n>> {
        self.found.iter().find(|field| field.key == key).copied()
    }

    fn need(&self, reader: &mut Reader<'_>, key: &str) -> Option<Field<'n>> {
        let field = self.get(key);
        if field.is_none() {
            reader.report(&codes::MISSING_KEY, self.whole.node.span, format!("`{key}` is missing"));
        }
        field
    }

    /// The one of two keys that is there.
    fn either(&self, reader: &mut Reader<'_>, one: &str, other: &str) -> Option<Field<'n>> {
        match (self.get(one), self.get(other)) {
            (Some(_), Some(second)) => {
                let message = format!("`{one}` and `{other}` exclude each other; one of them says all");
                reader.report(&codes::CONFLICT, second.key_span, message);
                None
            }
            (None, None) => {
                let message = format!("`{one}` (or `{other}`) is missing");
                reader.report(&codes::MISSING_KEY, self.whole.node.span, message);
                None
            }
            (first, second) => first.or(second),
        }
    }
}

/// Reads an indicator: exactly one of its forms, and what all forms have.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, outside: &Outside<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let mut found: Vec<Field<'_>> = FORMS.concat().iter().filter_map(|key| fields.get(key)).collect();
    let source = fields.get("source");
    let fixed = fields.get("fixed_ranges").and_then(|field| reader.boolean(field));
    let group_by = fields.get("group_by").map(|field| read_group_by(reader, field));
    fields.finish_with(reader, strangers::INDICATOR);
    let form = choose_form(reader, field, &found)?;
    take_outside(reader, &mut found, form, outside)?;
    let keys = Keys {
        whole: field,
        found,
        ranges: if fixed == Some(true) {
            Ranges::Any
        } else {
            Ranges::Template
        },
        is_scraped: source.is_none(),
    };
    let mut indicator = match form {
        "total" => read_ratio(reader, &keys),
        "latency" => read_latency(reader, &keys).map(plain),
        "gauge" => read_gauge(reader, &keys),
        "boolean" => keys
            .get("boolean")
            .and_then(|field| read_compared(reader, field, CompareOp::Gte, 1.0, keys.is_fixed())),
        "error_ratio" => read_raw_ratio(reader, &keys),
        "probe" => keys
            .get("probe")
            .and_then(|field| reader.filled(field))
            .map(|job| plain(IndicatorKind::Probe { job })),
        "events" => keys.get("events").and_then(|field| {
            Fields::open(reader, field)?.finish(reader);
            Some(plain(IndicatorKind::Events))
        }),
        "heartbeat" => keys
            .get("heartbeat")
            .and_then(|field| reader.filled(field))
            .map(|name| plain(IndicatorKind::Heartbeat { name })),
        "sql" => read_sql(reader, &keys).map(plain),
        _ => keys
            .get("composite")
            .and_then(|field| composite::read(reader, field, outside))
            .map(plain),
    }?;
    if let Some(group_by) = group_by {
        indicator.group_by = group_by;
    }
    check_group_by(reader, field, &indicator)?;
    if let Some(source) = source {
        set_source(reader, source, &mut indicator)?;
    }
    Some(indicator)
}

fn plain(kind: IndicatorKind) -> Indicator {
    Indicator {
        kind,
        source: None,
        group_by: Vec::new(),
    }
}

fn choose_form(reader: &mut Reader<'_>, whole: Field<'_>, found: &[Field<'_>]) -> Option<&'static str> {
    let forms = FORMS.iter().filter_map(|keys| {
        let first = found.iter().find(|field| keys.contains(&field.key))?;
        Some((keys[0], first.key))
    });
    let forms: Vec<_> = forms.collect();
    match forms.as_slice() {
        [(form, _)] => Some(form),
        [] => {
            let message = "the indicator says nothing; write `total` and `bad`, `latency` and `threshold`, or `gauge`, \
                           `op` and `value`";
            let hint =
                "other forms are `boolean`, `error_ratio`, `probe`, `events`, `heartbeat`, `sql` and `composite`";
            reader.report_with(&codes::INDICATOR, whole.key_span, message, Some(hint.to_owned()));
            None
        }
        several => {
            let mixed: Vec<_> = several.iter().map(|(_, key)| format!("`{key}`")).collect();
            let message = format!(
                "{} belong to different forms of indicators; one is possible",
                mixed.join(" and ")
            );
            reader.report(&codes::INDICATOR, whole.key_span, message);
            None
        }
    }
}

/// What one of several objectives says itself takes the place of what the indicator says.
fn take_outside<'n>(
    reader: &mut Reader<'_>,
    found: &mut Vec<Field<'n>>,
    form: &str,
    outside: &Outside<'n>,
) -> Option<()> {
    for (given, wanted) in [(outside.threshold, "latency"), (outside.value, "gauge")] {
        let Some(given) = given else {
            continue;
        };
        if form != wanted {
            let message = format!("`{}` needs an indicator by `{wanted}`", given.key);
            reader.report(&codes::CONFLICT, given.key_span, message);
            return None;
        }
        found.retain(|field| field.key != given.key);
        found.push(given);
    }
    Some(())
}

fn read_ratio(reader: &mut Reader<'_>, keys: &Keys<'_>) -> Option<Indicator> {
    let total = keys
        .need(reader, "total")
        .and_then(|field| query::read(reader, field, keys.ranges, keys.is_fixed()));
    let part_field = keys.either(reader, "bad", "good")?;
    let part_is = if part_field.key == "bad" {
        RatioPart::Bad
    } else {
        RatioPart::Good
    };
    let part = query::read(reader, part_field, keys.ranges, keys.is_fixed())?;
    match (total?, part) {
        (Counted::Selector(total), Counted::Selector(part)) => {
            if part == total {
                let message = format!("`{}` is the same selector as `total`", part_field.key);
                reader.report(&codes::BAD_IS_TOTAL, part_field.node.span, message);
            } else if part_is == RatioPart::Bad {
                selects_good(reader, part_field.node.span, &part);
            }
            Some(plain(IndicatorKind::Ratio { total, part, part_is }))
        }
        (Counted::Query(total), Counted::Query(part)) => Some(ratio(reader, &total, &part, part_is)),
        _ => {
            let message = format!(
                "one of `total` and `{}` is a selector, the other a query",
                part_field.key
            );
            let hint = "write both as selectors, or both as queries over [{{.window}}]".to_owned();
            reader.report_with(&codes::INDICATOR, part_field.node.span, message, Some(hint));
            None
        }
    }
}

fn read_raw_ratio(reader: &mut Reader<'_>, keys: &Keys<'_>) -> Option<Indicator> {
    let field = keys.either(reader, "error_ratio", "success_ratio")?;
    let ratio_of = if field.key == "error_ratio" {
        RatioPart::Bad
    } else {
        RatioPart::Good
    };
    let read = crate::spec::query::read(reader, field, keys.ranges)?;
    Some(raw_ratio(reader, &read, ratio_of))
}

fn read_latency(reader: &mut Reader<'_>, keys: &Keys<'_>) -> Option<IndicatorKind> {
    let threshold = keys.need(reader, "threshold");
    let latency = keys.need(reader, "latency");
    let is_native = keys
        .get("histogram")
        .map(|field| reader.choice(field, &[("classic", false), ("native", true)]));
    let written = threshold.and_then(|field| reader.filled(field));
    let histogram = read_histogram(reader, latency?)?;
    let (written, field) = written.zip(threshold)?;
    let metric = histogram.metric.as_deref().unwrap_or_default();
    let threshold = match threshold::in_unit_of(metric, &written) {
        Ok(threshold) => threshold,
        Err(message) => {
            reader.report(&codes::THRESHOLD, field.node.span, message);
            return None;
        }
    };
    Some(if is_native.unwrap_or(Some(false))? {
        // A server interpolates between bounds; scraping counts at bounds only.
        if keys.is_scraped {
            threshold::check_native(reader, field.node.span, threshold, &written);
        }
        IndicatorKind::PromQl(PromQlIndicator::native_latency(histogram, threshold, written))
    } else {
        IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        }
    })
}

fn read_histogram(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Selector> {
    let histogram = read_selector(reader, field)?;
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
        reader.report(&codes::SELECTOR, field.node.span, message);
        return None;
    }
    Some(histogram)
}

fn read_gauge(reader: &mut Reader<'_>, keys: &Keys<'_>) -> Option<Indicator> {
    let all = [CompareOp::Lte, CompareOp::Lt, CompareOp::Gte, CompareOp::Gt];
    let words = all.map(|op| (op.word(), op));
    let gauge = keys.need(reader, "gauge");
    let op = keys.need(reader, "op").and_then(|field| reader.choice(field, &words));
    let value = keys.need(reader, "value").and_then(|field| reader.number(field));
    // The gauge's own errors are told also where the rest is wrong.
    let indicator = read_compared(
        reader,
        gauge?,
        op.unwrap_or(CompareOp::Lte),
        value.unwrap_or(0.0),
        keys.is_fixed(),
    )?;
    op.zip(value).map(|_| indicator)
}

/// A query to a database, and how long the periods are that it is asked for.
fn read_sql(reader: &mut Reader<'_>, keys: &Keys<'_>) -> Option<IndicatorKind> {
    let field = keys.need(reader, "sql")?;
    let every = match keys.get("every") {
        None => Some(Duration::from_mins(1)),
        Some(field) => reader.duration(field).filter(|every| {
            let minutes = millis(*every) / MINUTE_MS;
            let fits = millis(*every) % MINUTE_MS == 0 && minutes > 0 && DAY_MINUTES % minutes == 0;
            if !fits {
                let message = "`every` must be whole minutes that divide a day evenly, such as 1m, 5m, 1h or 1d";
                reader.report(&codes::DURATION, field.node.span, message);
            }
            fits
        }),
    };
    let query = reader.filled(field)?;
    if let Some(problem) = SqlIndicator::problem(&query) {
        let hint = "select count(*) as total, count(*) filter (where paid_at < created_at + interval '1 day') as good \
                    from orders where created_at >= {{.from}} and created_at < {{.until}}";
        reader.report_with(&codes::INDICATOR, field.node.span, problem, Some(hint.to_owned()));
        return None;
    }
    every.map(|every| IndicatorKind::Sql(SqlIndicator { query, every }))
}

/// A value that is compared: a gauge, or what a query gives; its ranges are its own affair.
fn read_compared(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    op: CompareOp,
    value: f64,
    is_query: bool,
) -> Option<Indicator> {
    Some(match query::read(reader, field, Ranges::Any, is_query)? {
        Counted::Selector(gauge) => plain(IndicatorKind::Gauge { gauge, op, value }),
        Counted::Query(query) => query_threshold(reader, &query, op, value),
    })
}

/// A server is asked for series and expressions.
fn set_source(reader: &mut Reader<'_>, field: Field<'_>, indicator: &mut Indicator) -> Option<()> {
    let what = match &indicator.kind {
        IndicatorKind::Probe { .. } => "probes",
        IndicatorKind::Events => "pushed events",
        IndicatorKind::Heartbeat { .. } => "heartbeats",
        IndicatorKind::Composite(_) => "composites (their parts may have one)",
        _ => "",
    };
    if !what.is_empty() {
        let message = format!("`source` names a Prometheus server or a database, which means nothing for {what}");
        reader.report(&codes::CONFLICT, field.key_span, message);
        return None;
    }
    indicator.source = Some(reader.filled(field)?);
    Some(())
}

fn check_group_by(reader: &mut Reader<'_>, field: Field<'_>, indicator: &Indicator) -> Option<()> {
    let by_bound = match &indicator.kind {
        IndicatorKind::Latency { .. } => true,
        IndicatorKind::PromQl(promql) => matches!(promql.form, PromQlForm::Latency { .. }),
        _ => false,
    };
    if matches!(indicator.kind, IndicatorKind::Heartbeat { .. }) && !indicator.group_by.is_empty() {
        let message = "a heartbeat has no labels to be grouped by";
        reader.report(&codes::CONFLICT, field.key_span, message);
        return None;
    }
    if by_bound && indicator.group_by.iter().any(|name| name == "le") {
        let message = "a histogram cannot be grouped by its own label `le`";
        reader.report(&codes::LABEL, field.key_span, message);
        return None;
    }
    Some(())
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
            let message = format!("`group_by` names \"{name}\" twice");
            reader.report(&codes::DUPLICATE_NAME, item.node.span, message);
        } else if reader.check_label(&name, item.node.span, &[]) {
            names.push(name);
        }
    }
    names
}
