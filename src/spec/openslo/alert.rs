//! The alert policies of one SLO, put together into one.

use super::policy::{self, Policy};
use super::rules::{Reference, Resolved};
use super::{Kind, Scope, condition, rules};
use crate::domain::alert::policy::{
    AlertPolicy, DEFAULT_NAME, NO_DATA_NAME, Severity, SeveritySettings, default_conditions,
};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::lints;
use crate::spec::reader::{Field, Reader};
use crate::spec::yaml::Span;

/// The label that names an OpenSLO policy's targets.
const TARGETS_LABEL: &str = "notification_targets";

/// The policies of an SLO.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    found: Vec<Policy>,
}

/// Reads `alertPolicies`.
pub(super) fn read(reader: &mut Reader<'_>, field: Option<Field<'_>>, scope: Scope<'_>) -> Policies {
    let mut policies = Policies::default();
    let Some(field) = field else {
        return policies;
    };
    for item in reader.list(field) {
        match rules::inline_or_reference(reader, item, "alertPolicyRef") {
            Some(Reference::Inline(field)) => policies.found.extend(policy::read_inline(reader, field, scope)),
            Some(Reference::To(field)) => {
                match rules::resolve(reader, scope, Kind::AlertPolicy, field, policy::read_object) {
                    Resolved::Found(policy) => policies.found.push(policy.seen_from(field.node.span)),
                    Resolved::Invalid => {}
                    Resolved::Missing => {
                        let consequence = "; without any policy the default one holds";
                        rules::warn_unresolved(reader, scope, Kind::AlertPolicy, field, consequence);
                    }
                }
            }
            None => {}
        }
    }
    condition::note_one_window(reader, policies.found.iter().flat_map(|policy| &policy.conditions));
    let mut names = policies.found.iter().filter_map(|policy| policy.name.as_deref());
    if let (Some(first), rest) = (names.next(), names.collect::<Vec<_>>())
        && !rest.is_empty()
    {
        let message = format!("an SLO has one policy in nines: {first} takes in {}", rest.join(", "));
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    policies
}

impl Policies {
    /// The policy of one objective; the default one where there is none. Lints about that stand at `at`.
    pub fn for_objective(
        &self,
        reader: &mut Reader<'_>,
        objective: Objective,
        window: WindowLength,
        at: Span,
    ) -> AlertPolicy {
        let default = AlertPolicy::default_for(window, objective);
        if self.found.is_empty() {
            lint_lowered(reader, objective, window, at);
            return default;
        }
        let name = self.found.iter().find_map(|policy| policy.name.clone());
        let mut merged = AlertPolicy {
            name: name
                .filter(|name| name != NO_DATA_NAME)
                .unwrap_or_else(|| DEFAULT_NAME.to_owned()),
            burn: Vec::new(),
            ..default
        };
        if self.found.iter().all(|policy| policy.no_data == Some(false)) {
            merged.no_data_for = None;
        }
        let mut targets: Vec<&str> = Vec::new();
        for target in self.found.iter().flat_map(|policy| &policy.targets) {
            if !targets.contains(&target.as_str()) {
                targets.push(target);
            }
        }
        for policy in &self.found {
            add_missing(&mut merged.labels, &policy.labels);
            add_missing(&mut merged.annotations, &policy.annotations);
            describe(&mut merged.annotations, policy.description.as_deref());
            add_conditions(reader, &mut merged, policy, objective, window);
        }
        if !targets.is_empty() {
            merged.labels.set(TARGETS_LABEL, targets.join(","));
        }
        merged
    }
}

fn add_conditions(
    reader: &mut Reader<'_>,
    merged: &mut AlertPolicy,
    policy: &Policy,
    objective: Objective,
    window: WindowLength,
) {
    for condition in &policy.conditions {
        let Some(burn) = &condition.burn else {
            continue;
        };
        lints::condition(reader, burn, objective, window, condition.spans);
        let settings = match burn.severity {
            Severity::Page => &mut merged.page,
            Severity::Ticket => &mut merged.ticket,
        };
        add_missing(&mut settings.labels, &condition.labels);
        add_missing(&mut settings.annotations, &condition.annotations);
        describe(&mut settings.annotations, condition.description.as_deref());
        if let Some(word) = &condition.word {
            set_severity(reader, settings, burn.severity, word, condition.spans.long);
        }
        if !merged.burn.contains(burn) {
            merged.burn.push(burn.clone());
        }
    }
}

/// Alerts keep the word that people know; one alert has one word.
fn set_severity(reader: &mut Reader<'_>, settings: &mut SeveritySettings, severity: Severity, word: &str, at: Span) {
    let written = settings.labels.get("severity").to_owned();
    if written.is_empty() {
        if word != severity.word() {
            settings.labels.set("severity", word);
        }
    } else if written != word {
        let message = format!(
            "the severity `{word}` is one with `{written}` in nines: both are a {}",
            severity.word()
        );
        reader.report(&codes::NOT_CARRIED, at, message);
    }
}

fn add_missing(labels: &mut Labels, more: &Labels) {
    for (name, value) in more.iter() {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
}

fn describe(annotations: &mut Labels, description: Option<&str>) {
    let Some(description) = description else {
        return;
    };
    let before = annotations.get("description").to_owned();
    if before.is_empty() {
        annotations.set("description", description);
    } else if !before.contains(description) {
        annotations.set("description", format!("{before}; {description}"));
    }
}

/// Says which default conditions are not quite the workbook's.
fn lint_lowered(reader: &mut Reader<'_>, objective: Objective, window: WindowLength, at: Span) {
    let lowered = default_conditions(window, objective).1.len();
    if lowered > 0 && objective.parts_per_billion() > 0 {
        let message = format!(
            "with the objective {objective}, {lowered} of the default policy's factors cannot be reached; they are lowered"
        );
        reader.report(&codes::FACTOR_LOWERED, at, message);
    }
}
