//! slo-generator's `sre.google.com/v2`: its Prometheus backend whole, objectives for others as what they are.
//! `docs/from-slo-generator.md` says how each key is mapped.

mod prometheus;
#[cfg(test)]
mod tests;

use super::codes;
use super::contents::Contents;
use super::foreign;
use super::load::Context;
use super::reader::{Field, Fields, Reader};
use super::suggest::suggest;
use super::yaml::{Entry, Node, Value};
use crate::domain::alert::policy::{AlertPolicy, default_conditions};
use crate::domain::indicator::{Indicator, IndicatorKind};
use crate::domain::labels::Labels;
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::window::{TimeWindow, WindowLength};

/// What unknown keys are said to be ignored by.
const TOOL: &str = "slo-generator";
/// The service of an objective without `service_name`.
const NO_SERVICE: &str = "slo-generator";
const PROMETHEUS: &str = "prometheus";
/// The other backends, and what people call them.
const OTHERS: [(&str, &str); 9] = [
    ("cloud_monitoring", "Cloud Monitoring"),
    ("cloud_monitoring_mql", "Cloud Monitoring"),
    ("cloud_service_monitoring", "Cloud Service Monitoring"),
    ("datadog", "Datadog"),
    ("dynatrace", "Dynatrace"),
    ("elasticsearch", "Elasticsearch"),
    ("open_search", "OpenSearch"),
    ("opensearch", "OpenSearch"),
    ("splunk", "Splunk"),
];

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, context: &Context<'_>, contents: &mut Contents) {
    let Some(mut fields) = Fields::of_document(root) else {
        return;
    };
    let _ = fields.get("apiVersion");
    if let Some(kind) = fields.require("kind")
        && reader.choice(kind, &[("ServiceLevelObjective", ())]).is_none()
    {
        return;
    }
    let metadata = fields.require("metadata").map(|field| read_metadata(reader, field));
    let metadata = metadata.unwrap_or_default();
    if let Some((name, field)) = &metadata.name {
        contents.named(metadata.service.as_deref(), Some(name.as_str()), field.key_span.line);
    }
    let window = context.options.default_period;
    let spec = fields
        .require("spec")
        .and_then(|field| read_spec(reader, field, window));
    fields.finish_foreign(reader, TOOL);
    let (Some((name, field)), Some(service)) = (metadata.name, metadata.service) else {
        return;
    };
    let id = SloId::new(service, name);
    let slo = spec.map(|spec| Slo {
        id: id.clone(),
        description: spec.description,
        owner: None,
        labels: metadata.labels,
        annotations: Labels::new(),
        indicator: spec.indicator,
        objective: spec.objective,
        window: TimeWindow::Rolling {
            length: window,
            written: window.to_prometheus(),
        },
        method: BudgetingMethod::Occurrences,
        no_data: NoDataPolicy::default(),
        policy: None,
        alerting: AlertPolicy::default_for(window, spec.objective),
        previous_names: Vec::new(),
        public: false,
        asks_server: false,
        origin: Origin::default(),
        source_text: String::new(),
    });
    contents.add(reader, id, field, root.span, slo);
}

/// What `metadata` gave.
#[derive(Default)]
struct Metadata<'n> {
    name: Option<(String, Field<'n>)>,
    service: Option<String>,
    labels: Labels,
}

fn read_metadata<'n>(reader: &mut Reader<'_>, field: Field<'n>) -> Metadata<'n> {
    let Some(mut fields) = Fields::open(reader, field) else {
        return Metadata::default();
    };
    let name_field = fields.require("name");
    let name = name_field
        .and_then(|field| foreign::name(reader, field))
        .zip(name_field);
    let labels_field = fields.get("labels");
    fields.finish_foreign(reader, TOOL);
    let mut metadata = Metadata {
        name,
        service: Some(NO_SERVICE.to_owned()),
        labels: Labels::new(),
    };
    let Some(field) = labels_field else {
        return metadata;
    };
    let Some(entries) = field.node.entries() else {
        reader.expected(field, "a map");
        return metadata;
    };
    let (service, others): (Vec<Entry>, Vec<Entry>) =
        entries.iter().cloned().partition(|entry| entry.key == "service_name");
    if let Some(entry) = service.first().filter(|entry| entry.value.text() != Some("")) {
        let named = Field {
            key: "service_name",
            key_span: entry.key_span,
            node: &entry.value,
        };
        metadata.service = foreign::name(reader, named);
    }
    say_variables(reader, field.node);
    let node = Node {
        value: Value::Map(others),
        span: field.node.span,
    };
    metadata.labels = foreign::labels(reader, Field { node: &node, ..field }, &[]);
    metadata
}

/// What `spec` gave.
struct Spec {
    description: Option<String>,
    indicator: Indicator,
    objective: Objective,
}

/// Reads all keys, whatever is wrong with some of them; `None` when a needed one is.
fn read_spec(reader: &mut Reader<'_>, spec: Field<'_>, window: WindowLength) -> Option<Spec> {
    let mut fields = Fields::open(reader, spec)?;
    let description = fields.get("description").and_then(|field| reader.text(field));
    if description.is_none() {
        let message = "`description` is missing; slo-generator needs one";
        reader.report(&codes::READ_LENIENTLY, spec.key_span, message);
    }
    let goal = fields.require("goal");
    let objective = goal.and_then(|field| read_goal(reader, field));
    if let (Some(field), Some(objective)) = (goal, objective) {
        say_lowered(reader, field, objective, window);
    }
    let backend = fields.require("backend").and_then(|field| read_backend(reader, field));
    let method = fields.require("method");
    let indicator_field = fields.require("service_level_indicator");
    say_what_is_elsewhere(reader, &mut fields);
    fields.finish_foreign(reader, TOOL);
    let indicator = match backend? {
        Backend::Prometheus => {
            let (method, field) = (method?, indicator_field?);
            say_variables(reader, field.node);
            prometheus::read(reader, method, field)
        }
        Backend::Other(system) => Some(Indicator {
            kind: IndicatorKind::Foreign { system },
            source: None,
            group_by: Vec::new(),
        }),
    };
    Some(Spec {
        description: description.filter(|text| !text.trim().is_empty()),
        indicator: indicator?,
        objective: objective?,
    })
}

fn read_goal(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.filled(field)?;
    if let Some(percent) = text
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|number| (1.0..=100.0).contains(number) && *number > 1.0)
    {
        let ratio = (percent / 100.0 * 1e9).round() / 1e9;
        let message = format!("`goal` is {text}, outside of 0 to 1 (a ratio)");
        reader.report_with(
            &codes::OBJECTIVE,
            field.node.span,
            message,
            Some(format!("write {ratio}")),
        );
        return None;
    }
    foreign::objective(reader, field, ObjectiveUnit::Ratio)
}

/// Says that the default policy was adapted to the objective.
fn say_lowered(reader: &mut Reader<'_>, field: Field<'_>, objective: Objective, window: WindowLength) {
    let (conditions, lowered) = default_conditions(window, objective);
    let written: Vec<String> = lowered
        .iter()
        .filter_map(|index| conditions.get(*index))
        .map(|condition| {
            let factor = (condition.factor * 1e4).round() / 1e4;
            format!(
                "{} {factor}x over {}",
                condition.severity.word(),
                condition.long.written
            )
        })
        .collect();
    if !written.is_empty() {
        let message = format!(
            "with the objective {objective} the default policy's factors cannot be reached; lowered: {}",
            written.join(", ")
        );
        reader.report(&codes::FACTOR_LOWERED, field.node.span, message);
    }
}

/// Which system is asked.
enum Backend {
    Prometheus,
    Other(String),
}

/// A backend's name, with an instance's after a slash; a class of its own is named with dots.
fn read_backend(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Backend> {
    let text = reader.filled(field)?;
    let (name, instance) = text
        .trim()
        .split_once('/')
        .map_or((text.trim(), None), |(name, instance)| (name, Some(instance)));
    if name.eq_ignore_ascii_case(PROMETHEUS) {
        if name != PROMETHEUS {
            let message = format!("slo-generator knows no backend \"{name}\"; it is read as `prometheus`");
            reader.report_lenient(&codes::READ_LENIENTLY, field.node.span, message, None);
        }
        if let Some(instance) = instance {
            let message = format!(
                "where the backend \"{instance}\" is stands in a shared configuration that nines does not read"
            );
            reader.report(&codes::NOT_CARRIED, field.node.span, message);
        }
        return Some(Backend::Prometheus);
    }
    let known = OTHERS.iter().find(|(key, _)| *key == name).map(|(_, system)| *system);
    if known.is_none() && !name.contains('.') {
        let words = OTHERS.iter().map(|(key, _)| *key).chain([PROMETHEUS]);
        let hint = suggest(name, words).map(|word| format!("did you mean `{word}`?"));
        let message = format!("slo-generator knows no backend \"{name}\"");
        reader.report_lenient(&codes::READ_LENIENTLY, field.node.span, message, hint);
    }
    Some(Backend::Other(known.unwrap_or(name).to_owned()))
}

/// Where reports go, and what their steps are, stands in slo-generator's shared configuration.
fn say_what_is_elsewhere(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    if let Some(field) = fields.get("exporters")
        && !field.node.items().is_some_and(<[Node]>::is_empty)
    {
        let message = "`exporters` are not carried; nines keeps the numbers itself and has them at /metrics";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    if let Some(field) = fields.get("error_budget_policy")
        && let Some(policy) = reader.text(field)
        && !["", "default"].contains(&policy.trim())
    {
        let message = format!(
            "the steps of \"{policy}\" stand in a shared configuration; this SLO alerts by the default policy of nines"
        );
        reader.report(&codes::NOT_CARRIED, field.node.span, message);
    }
}

/// slo-generator puts environment variables in; here a text stays as it is written.
fn say_variables(reader: &mut Reader<'_>, node: &Node) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(scalar) => {
            let Some((at, variable)) = variable(&scalar.text) else {
                return;
            };
            let message =
                format!("environment variables are not put into SLO files; {variable} stays as it is written");
            let hint = "write the value, or put it in before nines reads the file (envsubst)".to_owned();
            let span = reader.place_within(node, at);
            reader.report_with(&codes::READ_LENIENTLY, span, message, Some(hint));
        }
        Value::Seq(items) => items.iter().for_each(|item| say_variables(reader, item)),
        Value::Map(entries) => entries.iter().for_each(|entry| say_variables(reader, &entry.value)),
    }
}

/// The first `${NAME}` of a text, and where it is.
fn variable(text: &str) -> Option<(usize, &str)> {
    text.match_indices("${").find_map(|(at, _)| {
        let length = text[at + 2..].find('}').filter(|length| *length > 0)?;
        let name = &text[at + 2..at + 2 + length];
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| (at, &text[at..=at + 2 + length]))
    })
}
