//! The kind SLO of v1alpha.

use super::alert::Policies;
use super::metadata::{self, Named};
use super::method::{self, Method, Slices};
use super::metric::{self, Metric};
use super::objective::{read_objective, read_op};
use super::sli::{self, Comparison, Sli};
use super::slo::{Head, Part, objectives, open_spec};
use super::window::{self, Only, Shorthand};
use super::{Scope, TOOL, rules};
use crate::domain::indicator::{Indicator, RatioPart};
use crate::domain::objective::ObjectiveUnit;
use crate::domain::promql::Known;
use crate::domain::window::{CalendarUnit, TimeWindow};
use crate::spec::codes;
use crate::spec::contents::Contents;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::Node;

/// The units of time windows. Source: the specification of v1alpha; its SDK knows fewer.
const UNITS: [(&str, CalendarUnit); 7] = [
    ("Minute", CalendarUnit::Minute),
    ("Hour", CalendarUnit::Hour),
    ("Day", CalendarUnit::Day),
    ("Week", CalendarUnit::Week),
    ("Month", CalendarUnit::Month),
    ("Quarter", CalendarUnit::Quarter),
    ("Year", CalendarUnit::Year),
];

/// Whether a document with another version's marker is written as v1alpha has it.
pub(super) fn is_meant(root: &Node) -> bool {
    let Some(spec) = root.get("spec") else {
        return false;
    };
    let items = spec.get("objectives").and_then(Node::items).unwrap_or_default();
    let threshold = spec.get("indicator").and_then(|node| node.get("thresholdMetric"));
    let has_metrics =
        items.iter().any(|item| item.get("ratioMetrics").is_some()) || threshold.is_some_and(metric::is_v1alpha);
    has_metrics && spec.get("timeWindow").is_none()
}

/// Reads an SLO.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &Node,
    mut fields: Fields<'_>,
    scope: Scope<'_>,
    contents: &mut Contents,
) {
    let metadata = metadata::read(reader, fields.get("metadata"), root.span, Named::Must, scope);
    let spec = fields.get("spec");
    fields.finish_foreign(reader, TOOL);
    let Some(mut fields) = open_spec(reader, spec, root) else {
        return;
    };
    let description = fields
        .get("description")
        .and_then(|field| rules::description(reader, field));
    let service = fields.require("service");
    let head = Head::new(reader, metadata, service, description, root);
    let method = method::read(reader, &mut fields, scope);
    let items = objectives(reader, &mut fields);
    let moved = window::under_objectives(reader, &fields, "timeWindows", &items);
    let window = match moved.filter(|field| is_of_v1(field.node)) {
        Some(_) => window::read(reader, &mut fields, moved, scope),
        None => read_window(reader, &mut fields, moved, scope),
    };
    let indicator = fields.get("indicator");
    if let Some(field) = fields.get("alertPolicies") {
        let message = "`alertPolicies` do not exist in v1alpha; the default policy holds";
        rules::refused(
            reader,
            field.key_span,
            message,
            Some("write the SLO as openslo/v1".to_owned()),
        );
    }
    fields.finish_foreign(reader, TOOL);
    let has_ratios = items.iter().any(|item| item.node.get("ratioMetrics").is_some());
    if has_ratios == indicator.is_some() {
        let found = if has_ratios { "both" } else { "neither" };
        let message = format!("`spec` has exactly one of `indicator` and `objectives[].ratioMetrics`, not {found}");
        let span = indicator.or(spec).map_or(root.span, |field| field.key_span);
        reader.report(&codes::EXCLUSIVE, span, message);
    }
    let threshold = indicator.and_then(|field| read_threshold(reader, field));
    head.announce(contents, items.len());
    for (index, item) in items.into_iter().enumerate() {
        let part = read_item(reader, item, threshold.as_ref(), method, moved.is_some(), scope);
        let part = part.zip(window.clone()).map(|(part, window)| part.over(window));
        head.add(reader, contents, index, part, &Policies::default());
    }
}

/// A part that does not know its window yet.
struct Unwindowed(Part);

impl Unwindowed {
    fn over(self, window: TimeWindow) -> Part {
        Part { window, ..self.0 }
    }
}

fn read_threshold(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Sli> {
    let mut fields = Fields::open(reader, field)?;
    let metric = fields.require("thresholdMetric");
    fields.finish_foreign(reader, TOOL);
    metric::read_v1alpha(reader, metric?).map(sli::threshold_of)
}

fn read_item(
    reader: &mut Reader<'_>,
    item: Field<'_>,
    threshold: Option<&Sli>,
    method: Option<Method>,
    takes_window: bool,
    scope: Scope<'_>,
) -> Option<Unwindowed> {
    let mut fields = Fields::open(reader, item)?;
    let display_name = fields
        .get("displayName")
        .and_then(|field| rules::description(reader, field));
    let target_field = fields.require("target");
    let objective = target_field.and_then(|field| read_objective(reader, field, ObjectiveUnit::Ratio));
    let (op, value) = (fields.get("op"), fields.get("value"));
    let slices = Slices {
        target: fields.get("timeSliceTarget"),
        window: fields.get("timeSliceWindow"),
        item,
    };
    if let Some(field) = slices.window {
        rules::refused(
            reader,
            field.key_span,
            "`timeSliceWindow` does not exist in v1alpha",
            None,
        );
    }
    let ratio = fields.get("ratioMetrics");
    if let Some(window) = fields.get("timeWindow") {
        window::report_misplaced(reader, window, takes_window, &codes::FOREIGN_KEY);
    }
    fields.finish_foreign(reader, TOOL);
    let method = method.and_then(|method| method::of_objective(reader, method, slices, scope));
    let indicator = match ratio {
        Some(ratio) => {
            check_ratio_comparison(reader, item, op, value);
            read_ratio(reader, ratio)
        }
        None => threshold.and_then(|sli| {
            let comparison = read_comparison(reader, item, op, value);
            sli.indicator(reader, comparison.as_ref())
        }),
    };
    if ratio.is_none() && threshold.is_none() && op.is_none() && value.is_none() {
        let message = "this objective has no `ratioMetrics`, so that nothing is counted";
        reader.report(&codes::MISSING_KEY, item.node.span, message);
    }
    Some(Unwindowed(Part {
        display_name,
        indicator: indicator?,
        objective: objective?,
        method: method?,
        window: window::default_window(scope),
    }))
}

/// The SDK wants a value beside a ratio, for which nobody has a use, and no `op`.
fn check_ratio_comparison(reader: &mut Reader<'_>, item: Field<'_>, op: Option<Field<'_>>, value: Option<Field<'_>>) {
    if value.is_none() && reader.is_strict() {
        rules::refused(
            reader,
            item.node.span,
            "`value` is missing; the SDK wants one beside `ratioMetrics` too",
            None,
        );
    }
    if let Some(field) = op {
        rules::refused(reader, field.key_span, "`op` has no effect with `ratioMetrics`", None);
    }
}

fn read_comparison(
    reader: &mut Reader<'_>,
    item: Field<'_>,
    op: Option<Field<'_>>,
    value: Option<Field<'_>>,
) -> Option<Comparison> {
    for (key, field) in [("op", op), ("value", value)] {
        if field.is_none() {
            let message = format!("`{key}` is missing: a `thresholdMetric` needs `op` and `value`");
            reader.report(&codes::MISSING_KEY, item.node.span, message);
        }
    }
    let op = op.and_then(|field| read_op(reader, field));
    let number = value.and_then(|field| rules::number(reader, field));
    let field = value?;
    Some(Comparison {
        op: op?,
        value: number?,
        written: field.node.text().unwrap_or_default().trim().to_owned(),
        span: field.node.span,
    })
}

fn read_ratio(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    // Counters or not: nines counts either way.
    let counter = fields.get("incremental").or_else(|| fields.get("counter"));
    let is_counter = counter.and_then(|field| reader.boolean(field));
    let (good, bad, total) = (fields.get("good"), fields.get("bad"), fields.require("total"));
    if good.is_some() == bad.is_some() {
        let message = "`ratioMetrics` needs `good` beside `total`";
        reader.report(&codes::EXCLUSIVE, field.key_span, message);
    } else if let Some(bad) = bad {
        rules::refused(reader, bad.key_span, "`bad` does not exist in v1alpha", None);
    }
    fields.finish_foreign(reader, TOOL);
    let mut read = |field: Option<Field<'_>>| -> Option<Metric> { metric::read_v1alpha(reader, field?) };
    let (good, bad, total) = (read(good), read(bad), read(total));
    let (part, part_is) = match (good, bad) {
        (Some(good), None) => (good, RatioPart::Good),
        (None, Some(bad)) => (bad, RatioPart::Bad),
        _ => return None,
    };
    let known = if is_counter == Some(true) {
        Known::Counters
    } else {
        Known::Nothing
    };
    Some(sli::ratio_indicator(
        reader,
        field.key_span,
        [total?, part],
        part_is,
        known,
    ))
}

/// Whether a window is written as v1 has it.
fn is_of_v1(window: &Node) -> bool {
    let first = window.items().and_then(<[Node]>::first).unwrap_or(window);
    first.get("duration").is_some()
}

/// Reads `timeWindows`, which holds exactly one window.
fn read_window(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    moved: Option<Field<'_>>,
    scope: Scope<'_>,
) -> Option<TimeWindow> {
    let field = fields.get("timeWindows").or(moved);
    let item = match window::only_item(reader, field, fields, "timeWindows") {
        Only::Item(item) => item,
        Only::Absent => return Some(window::default_window(scope)),
        Only::Wrong => return None,
    };
    let mut fields = Fields::open(reader, item)?;
    let unit_field = fields.require("unit");
    let unit = unit_field.and_then(|field| read_unit(reader, field));
    let count_field = fields.require("count");
    let count = count_field.and_then(|field| read_count(reader, field));
    let alignment = window::alignment(reader, &mut fields, item, "timeWindow");
    fields.finish_foreign(reader, TOOL);
    let duration = Shorthand {
        count: count?,
        unit: unit?,
    };
    window::finish(reader, count_field?, duration, alignment)
}

fn read_unit(reader: &mut Reader<'_>, field: Field<'_>) -> Option<CalendarUnit> {
    let unit = reader.choice(field, &UNITS)?;
    if matches!(unit, CalendarUnit::Minute | CalendarUnit::Hour | CalendarUnit::Year) {
        let word = field.node.text().unwrap_or_default();
        rules::refused(
            reader,
            field.node.span,
            format!("the SDK knows no `unit: {word}`"),
            None,
        );
    }
    Some(unit)
}

fn read_count(reader: &mut Reader<'_>, field: Field<'_>) -> Option<u32> {
    let count = u32::try_from(reader.whole(field)?).ok().filter(|count| *count > 0);
    rules::check_is_number(reader, field);
    if count.is_none() {
        let message = "`count` must be above 0, and small enough for ten years";
        reader.report(&codes::NUMBER, field.node.span, message);
    }
    count
}
