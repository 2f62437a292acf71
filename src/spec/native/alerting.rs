//! The alert policy of an SLO.

use std::time::Duration;

use super::{burn, strangers};
use crate::domain::alert::policy::{
    AlertPolicy, BurnCondition, NO_DATA_NAME, Severity, SeveritySettings, default_conditions,
};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::foreign::annotations;
use crate::spec::lints;
use crate::spec::reader::{Field, Fields, RESERVED_LABELS, Reader};
use crate::spec::yaml::Value;

/// The labels that nines sets on every alert; a severity's own settings may give `severity` another word.
const RESERVED: [&str; 3] = ["alertname", "service", "slo"];

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
    if is_false(field) {
        return default.map(|policy| AlertPolicy {
            enabled: false,
            no_data_for: None,
            ..policy
        });
    }
    if field.node.entries().is_none() {
        reader.expected(field, "a map, or false");
        return None;
    }
    let mut fields = Fields::open(reader, field)?;
    // Where the target is unknown the keys are read all the same, for their errors.
    let mut policy = default.clone().unwrap_or_else(placeholder);
    read_scalars(reader, &mut fields, &mut policy);
    let burn = fields.get("burn");
    if let Some(burn) = burn {
        policy.burn = burn::read(reader, burn, target);
    } else {
        lint_lowered(reader, target, at);
    }
    for severity in [Severity::Page, Severity::Ticket] {
        if let Some(field) = fields.get(severity.word()) {
            read_severity(reader, field, severity, burn.is_some(), &mut policy);
        }
    }
    if let (Some(field), Some((objective, _))) = (fields.get("min_events"), target) {
        burn::lint_min_events(reader, &policy, objective, field);
    }
    fields.finish_with(reader, strangers::ALERTING);
    default.map(|_| policy)
}

/// `page: false`, or what pages carry besides.
fn read_severity(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    severity: Severity,
    has_burn: bool,
    policy: &mut AlertPolicy,
) {
    if is_false(field) {
        let named = policy.burn.iter().any(|condition| condition.severity == severity);
        if has_burn && named {
            let message = format!(
                "`{0}: false`, and `burn` has a condition of the severity {0}",
                severity.word()
            );
            reader.report(&codes::CONFLICT, field.key_span, message);
        }
        policy.burn.retain(|condition| condition.severity != severity);
        return;
    }
    if field.node.entries().is_none() {
        reader.expected(field, "a map, or false");
        return;
    }
    let Some(mut fields) = Fields::open(reader, field) else {
        return;
    };
    let labels = fields.get("labels").map(|field| reader.labels(field, &RESERVED));
    let texts = fields.get("annotations").map(|field| annotations(reader, field));
    fields.finish(reader);
    let settings = SeveritySettings {
        labels: labels.unwrap_or_default(),
        annotations: texts.unwrap_or_default(),
    };
    match severity {
        Severity::Page => policy.page = settings,
        Severity::Ticket => policy.ticket = settings,
    }
}

fn is_false(field: Field<'_>) -> bool {
    matches!(&field.node.value, Value::Scalar(scalar)
        if scalar.plain && matches!(scalar.text.as_str(), "false" | "False" | "FALSE"))
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
    if let Some(enabled) = fields.get("enabled").and_then(|field| reader.boolean(field)) {
        policy.enabled = enabled;
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
        policy.annotations = annotations(reader, field);
    }
}

/// Says which default conditions are not quite the workbook's.
fn lint_lowered(reader: &mut Reader<'_>, target: Option<(Objective, WindowLength)>, at: Field<'_>) {
    // Of an objective that was meant as a ratio nothing else is worth a word.
    let Some((objective, window)) = target.filter(|(objective, _)| !lints::is_like_a_ratio(*objective)) else {
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
