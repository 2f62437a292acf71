//! The alert policy of an SLO.

use std::time::Duration;

use super::read_window_length;
use crate::domain::alert::policy::{
    AlertPolicy, AlertWindow, BurnCondition, NO_DATA_NAME, Severity, SeveritySettings, default_conditions,
};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::lints::{self, ConditionSpans};
use crate::spec::reader::{Field, Fields, RESERVED_LABELS, Reader};
use crate::spec::yaml::Value;

/// More conditions than this make no policy that a person could follow.
const CONDITIONS_MAX: usize = 32;

/// Reads `alerting`; without it the default policy holds. `target` is the objective with the window, where both could
/// be read; without them only the form is checked. Lints about the default policy stand at `at`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: Option<Field<'_>>,
    target: Option<(Objective, WindowLength)>,
    at: Field<'_>,
) -> Option<AlertPolicy> {
    let default = target.map(|(objective, window)| AlertPolicy::default_for(window, objective));
    let Some(field) = field else {
        lint_lowered(reader, target, at);
        return default;
    };
    match &field.node.value {
        Value::Scalar(scalar) if scalar.plain && matches!(scalar.text.as_str(), "false" | "False" | "FALSE") => {
            return default.map(|policy| AlertPolicy {
                enabled: false,
                no_data_for: None,
                ..policy
            });
        }
        Value::Map(_) => {}
        _ => {
            reader.expected(field, "a map, or false");
            return None;
        }
    }
    let mut fields = Fields::open(reader, field)?;
    // Where the target is unknown the keys are read all the same, for their errors.
    let mut policy = default.clone().unwrap_or_else(placeholder);
    read_scalars(reader, &mut fields, &mut policy);
    if let Some(burn) = fields.get("burn") {
        policy.burn = read_burn(reader, burn, target);
    } else {
        lint_lowered(reader, target, at);
    }
    fields.finish(reader);
    default.map(|_| policy)
}

fn placeholder() -> AlertPolicy {
    AlertPolicy {
        name: String::new(),
        enabled: true,
        burn: Vec::new(),
        min_events: 0,
        min_failures: 1,
        no_data_for: None,
        keep_firing_for: Duration::ZERO,
        labels: Labels::new(),
        annotations: Labels::new(),
        page: SeveritySettings::default(),
        ticket: SeveritySettings::default(),
    }
}

fn read_scalars(reader: &mut Reader<'_>, fields: &mut Fields<'_>, policy: &mut AlertPolicy) {
    if let Some(field) = fields.get("name")
        && let Some(name) = reader.filled(field)
    {
        if name == NO_DATA_NAME {
            let message = format!("{NO_DATA_NAME} is the name of the alert about missing data");
            reader.report(&codes::NAME, field.node.span, message);
        }
        policy.name = name;
    }
    if let Some(events) = fields.get("min_events").and_then(|field| reader.whole(field)) {
        policy.min_events = events;
    }
    if let Some(failures) = fields.get("min_failures").and_then(|field| reader.whole(field)) {
        policy.min_failures = failures;
    }
    if let Some(duration) = fields.get("no_data_for").and_then(|field| reader.duration(field)) {
        policy.no_data_for = (!duration.is_zero()).then_some(duration);
    }
    if let Some(duration) = fields.get("keep_firing_for").and_then(|field| reader.duration(field)) {
        policy.keep_firing_for = duration;
    }
    if let Some(field) = fields.get("labels") {
        policy.labels = reader.labels(field, &RESERVED_LABELS);
    }
    if let Some(field) = fields.get("annotations") {
        policy.annotations = reader.labels(field, &[]);
    }
}

fn read_burn(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    target: Option<(Objective, WindowLength)>,
) -> Vec<BurnCondition> {
    let items = reader.list(field);
    if items.len() > CONDITIONS_MAX {
        let message = format!("`burn` may hold {CONDITIONS_MAX} conditions");
        reader.report(&codes::TOO_MANY_NODES, field.node.span, message);
        return Vec::new();
    }
    let conditions = items.into_iter().map(|item| read_condition(reader, item, target));
    conditions.collect::<Vec<_>>().into_iter().flatten().collect()
}

fn read_condition(
    reader: &mut Reader<'_>,
    item: Field<'_>,
    target: Option<(Objective, WindowLength)>,
) -> Option<BurnCondition> {
    let mut fields = Fields::open(reader, item)?;
    let words = [Severity::Page, Severity::Ticket].map(|severity| (severity.word(), severity));
    let severity = fields
        .require("severity")
        .and_then(|field| reader.choice(field, &words));
    let long_field = fields.require("long");
    let long = long_field.and_then(|field| read_window_length(reader, field));
    let short_field = fields.require("short");
    let short = short_field.and_then(|field| read_window_length(reader, field));
    let factor_field = fields.require("factor");
    let factor = factor_field.and_then(|field| read_factor(reader, field));
    fields.finish(reader);
    if let (Some(long), Some(short), Some(field)) = (&long, &short, short_field)
        && short.0 >= long.0
    {
        let message = format!(
            "the short window ({}) must be shorter than the long one ({})",
            short.1, long.1
        );
        reader.report(&codes::ALERT_WINDOWS, field.node.span, message);
    }
    let window = |(length, written): (WindowLength, String)| AlertWindow { length, written };
    let condition = BurnCondition {
        severity: severity?,
        long: window(long?),
        short: window(short?),
        factor: factor?,
        pending_for: Duration::ZERO,
    };
    if let (Some((objective, window)), Some(long), Some(factor)) = (target, long_field, factor_field) {
        let spans = ConditionSpans {
            long: long.node.span,
            factor: factor.node.span,
        };
        lints::condition(reader, &condition, objective, window, spans);
    }
    Some(condition)
}

fn read_factor(reader: &mut Reader<'_>, field: Field<'_>) -> Option<f64> {
    let factor = reader.number(field)?;
    if factor <= 0.0 {
        reader.report(
            &codes::NUMBER,
            field.node.span,
            format!("`factor` must be above 0, not {factor}"),
        );
        return None;
    }
    Some(factor)
}

/// Says which default conditions are not quite the workbook's.
fn lint_lowered(reader: &mut Reader<'_>, target: Option<(Objective, WindowLength)>, at: Field<'_>) {
    let Some((objective, window)) = target else {
        return;
    };
    let (conditions, lowered) = default_conditions(window, objective);
    let lowered: Vec<String> = lowered
        .iter()
        .filter_map(|index| conditions.get(*index))
        .map(describe)
        .collect();
    if !lowered.is_empty() {
        let message = format!(
            "with the objective {objective} the default policy's factors cannot be reached; lowered: {}",
            lowered.join(", ")
        );
        reader.report(&codes::FACTOR_LOWERED, at.node.span, message);
    }
}

fn describe(condition: &BurnCondition) -> String {
    let factor = (condition.factor * 1e4).round() / 1e4;
    format!(
        "{} {factor}x over {}",
        condition.severity.word(),
        condition.long.written
    )
}
