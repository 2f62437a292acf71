//! Pyrra's `ServiceLevelObjective`, `pyrra.dev/v1alpha1`. `docs/from-pyrra.md` says how each key is mapped.

mod alerting;
mod indicator;
mod metadata;
#[cfg(test)]
mod tests;

use super::codes;
use super::contents::Contents;
use super::foreign;
use super::lints::ConditionSpans;
use super::load::Context;
use super::reader::{Field, Fields, Reader};
use super::yaml::{Entry, Node};
use crate::domain::alert::policy::AlertPolicy;
use crate::domain::indicator::Indicator;
use crate::domain::labels::Labels;
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::time::parse_duration;
use crate::domain::window::{TimeWindow, WindowLength};
use metadata::Metadata;

/// What unknown keys are said to be ignored by.
const TOOL: &str = "Pyrra";
const KIND: &str = "ServiceLevelObjective";
const VERSION: &str = "pyrra.dev/v1alpha1";
/// Keys that are no slip of the finger, and those that are meant.
const MEANT: [(&str, &str); 7] = [
    ("objective", "did you mean `target`?"),
    ("slo", "did you mean `target`?"),
    ("period", "did you mean `window`?"),
    ("timeWindow", "did you mean `window`?"),
    ("sli", "did you mean `indicator`?"),
    ("alerts", "did you mean `alerting`?"),
    (
        "grouping",
        "it belongs into the form of the `indicator`, beside `total`",
    ),
];

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, _context: &Context<'_>, contents: &mut Contents) {
    let Some(mut fields) = Fields::of_document(root) else {
        return;
    };
    if let Some(field) = fields.get("apiVersion") {
        check_version(reader, field);
    }
    if let Some(kind) = fields.require("kind")
        && reader.choice(kind, &[(KIND, ())]).is_none()
    {
        return;
    }
    if !reader.is_strict() && is_patch(root) {
        let message = "this says too little for an SLO and looks like a patch for Kustomize; it is skipped";
        let hint = "point nines at what Kustomize builds".to_owned();
        reader.report_with(&codes::SKIPPED, root.span, message, Some(hint));
        return;
    }
    let metadata = fields.require("metadata").map(|field| metadata::read(reader, field));
    let metadata = metadata.unwrap_or_default();
    if let Some((name, field)) = &metadata.name {
        contents.named(metadata.service.as_deref(), Some(name.as_str()), field.key_span.line);
    }
    let spec = fields.require("spec").and_then(|field| read_spec(reader, field));
    // Kubernetes writes it; a file that was exported from a cluster has it.
    let _ = fields.get("status");
    fields.finish_foreign(reader, TOOL);
    let Metadata {
        name: Some((name, field)),
        service: Some(service),
        ..
    } = &metadata
    else {
        return;
    };
    let id = SloId::new(service.as_str(), name.as_str());
    let slo = spec.map(|spec| spec.into_slo(id.clone(), &metadata));
    contents.add(reader, id, *field, root.span, slo);
}

/// Pyrra's files are read whatever this says; Kubernetes would refuse them.
fn check_version(reader: &mut Reader<'_>, field: Field<'_>) {
    if field.node.text().map(str::trim) != Some(VERSION) {
        let message = format!("`apiVersion` is not {VERSION}; Pyrra reads such files, Kubernetes does not");
        let hint = Some(format!("write `apiVersion: {VERSION}`"));
        reader.report_lenient(&codes::READ_LENIENTLY, field.node.span, message, hint);
    }
}

/// Whether an object holds a part of a `spec` only: something, but no indicator, and no target or no window. A key that
/// Pyrra does not have is a slip, so that the object is none.
fn is_patch(root: &Node) -> bool {
    const KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
    const SPEC_KEYS: [&str; 8] = [
        "target",
        "window",
        "indicator",
        "description",
        "alerting",
        "partial_response_strategy",
        "performanceOverAccuracy",
        "ruleOutput",
    ];
    let all_of = |entries: &[Entry], keys: &[&str]| entries.iter().all(|entry| keys.contains(&entry.key.as_str()));
    let Some(spec) = root.get("spec") else {
        return false;
    };
    let has = |key| spec.entry(key).is_some();
    root.entries().is_some_and(|entries| all_of(entries, &KEYS))
        && spec
            .entries()
            .is_some_and(|entries| !entries.is_empty() && all_of(entries, &SPEC_KEYS))
        && !has("indicator")
        && !(has("target") && has("window"))
}

/// What `spec` gave.
struct Spec {
    description: Option<String>,
    indicator: Indicator,
    objective: Objective,
    window: TimeWindow,
    alerting: AlertPolicy,
}

impl Spec {
    fn into_slo(self, id: SloId, metadata: &Metadata<'_>) -> Slo {
        Slo {
            id,
            description: self.description,
            owner: None,
            labels: metadata.labels.clone(),
            annotations: Labels::new(),
            indicator: self.indicator,
            objective: self.objective,
            window: self.window,
            method: BudgetingMethod::Occurrences,
            no_data: NoDataPolicy::default(),
            policy: None,
            alerting: AlertPolicy {
                labels: metadata.alert_labels.clone(),
                annotations: metadata.alert_annotations.clone(),
                ..self.alerting
            },
            previous_names: Vec::new(),
            public: false,
            asks_server: true,
            origin: Origin::default(),
            source_text: String::new(),
        }
    }
}

/// Reads all keys, whatever is wrong with some of them; `None` when a needed one is.
fn read_spec(reader: &mut Reader<'_>, spec: Field<'_>) -> Option<Spec> {
    let mut fields = Fields::open(reader, spec)?;
    let target = fields.require("target");
    let objective = target.and_then(|field| read_target(reader, field));
    let window_field = fields.require("window");
    let window = window_field.and_then(|field| read_window(reader, field));
    let indicator = fields
        .require("indicator")
        .and_then(|field| indicator::read(reader, field));
    let description = fields.get("description").and_then(|field| reader.text(field));
    let spans = ConditionSpans {
        long: window_field.unwrap_or(spec).node.span,
        factor: target.unwrap_or(spec).node.span,
    };
    let goal = objective.zip(window.as_ref().map(TimeWindow::length));
    let alerting = alerting::read(reader, fields.get("alerting"), goal, spans);
    read_outputs(reader, &mut fields);
    say_what_is_meant(reader, &mut fields);
    fields.finish_foreign(reader, TOOL);
    Some(Spec {
        description: description.filter(|text| !text.trim().is_empty()),
        indicator: indicator?,
        objective: objective?,
        window: window?,
        alerting: alerting?,
    })
}

fn say_what_is_meant(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    for (key, hint) in MEANT {
        if fields.has_key(key)
            && let Some(field) = fields.get(key)
        {
            let message = format!("{TOOL} ignores the key \"{key}\", so it has no effect");
            reader.report_lenient(&codes::FOREIGN_KEY, field.key_span, message, Some(hint.to_owned()));
        }
    }
}

/// A percentage; a ratio is what it says, which is hardly what it means.
fn read_target(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.filled(field)?;
    let objective = foreign::objective(reader, field, ObjectiveUnit::Percent)?;
    let number = text.trim().parse::<f64>().unwrap_or_default();
    if number > 0.0 && number < 1.0 {
        let message = format!("`target` is a percentage, so that {text} is {objective}, not a ratio");
        let meant = (number * 100.0 * 1e7).round() / 1e7;
        reader.report_with(
            &codes::PERCENT,
            field.node.span,
            message,
            Some(format!("write \"{meant}\"")),
        );
    }
    Some(objective)
}

fn read_window(reader: &mut Reader<'_>, field: Field<'_>) -> Option<TimeWindow> {
    let written = reader.filled(field)?.trim().to_owned();
    let length = match parse_duration(&written) {
        Ok(duration) => WindowLength::from_duration(duration),
        Err(error) => {
            reader.report(&codes::DURATION, field.node.span, format!("`window` is {error}"));
            return None;
        }
    };
    if length.is_none() {
        let message = format!("`window` is {written}; it must be whole minutes, at least 1m and at most ten years");
        reader.report(&codes::DURATION, field.node.span, message);
    }
    length.map(|length| TimeWindow::Rolling { length, written })
}

/// What Pyrra does with the rules that it writes; nines writes none, so that only something other than the default is
/// worth a note.
fn read_outputs(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    if let Some(field) = fields.get("partial_response_strategy")
        && let Some(word) = reader.choice(field, &[("abort", false), ("warn", true), ("", false)])
        && word
    {
        let message = "`partial_response_strategy` is for Thanos's ruler; nines evaluates no rules there";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    if let Some(field) = fields.get("performanceOverAccuracy")
        && foreign::boolean(reader, field) == Some(true)
    {
        let message = "`performanceOverAccuracy` is not needed: nines keeps sums, which are exact and cheap";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    let Some(field) = fields.get("ruleOutput") else {
        return;
    };
    let Some(mut output) = Fields::open(reader, field) else {
        return;
    };
    let labels = ["shortRulesLabels", "longRulesLabels"].map(|key| output.get(key));
    for labels in labels.into_iter().flatten() {
        if !labels.node.entries().is_some_and(<[_]>::is_empty) {
            let message = format!(
                "`{}` are labels of rule objects in Kubernetes; nines writes none",
                labels.key
            );
            reader.report(&codes::NOT_CARRIED, labels.key_span, message);
        }
    }
    if let Some(flag) = output.get("enableDescriptionAsLabel")
        && foreign::boolean(reader, flag) == Some(true)
    {
        let message = "the description is shown with the SLO and in messages, but is no label of alerts";
        reader.report(&codes::NOT_CARRIED, flag.key_span, message);
    }
    output.finish_foreign(reader, TOOL);
}
