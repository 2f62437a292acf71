//! The native format, `nines/v1`.

mod alerting;
mod indicator;
mod threshold;

use super::codes;
use super::contents::Contents;
use super::reader::{Field, Fields, RESERVED_LABELS, Reader};
use super::yaml::Node;
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::time::parse_duration;
use crate::domain::window::{TimeWindow, WindowLength};

/// What the SLOs of one document have in common.
struct Common {
    service: Option<String>,
    labels: Labels,
}

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, contents: &mut Contents) {
    let Some(mut fields) = Fields::of_document(root) else {
        return;
    };
    let _ = fields.get("version");
    let common = Common {
        service: fields.require("service").and_then(|field| read_name(reader, field)),
        labels: fields
            .get("labels")
            .map(|field| reader.labels(field, &RESERVED_LABELS))
            .unwrap_or_default(),
    };
    let slos = fields.require("slos");
    fields.finish(reader);
    let Some(slos) = slos else {
        return;
    };
    if slos.node.items().is_some_and(<[Node]>::is_empty) {
        reader.report(&codes::NO_SLOS, slos.node.span, "the list of SLOs is empty");
    }
    for item in reader.list(slos) {
        read_slo(reader, Field { key: "slos", ..item }, &common, contents);
    }
}

fn read_slo(reader: &mut Reader<'_>, item: Field<'_>, common: &Common, contents: &mut Contents) {
    let Some(mut fields) = Fields::open(reader, item) else {
        return;
    };
    let name_field = fields.require("name");
    let name = name_field.and_then(|field| read_name(reader, field));
    let line = name_field.map_or(item.node.span.line, |field| field.key_span.line);
    if name.is_some() {
        contents.named(common.service.as_deref(), name.as_deref(), line);
    }
    let slo = read_body(reader, &mut fields, item, common, name.as_deref());
    fields.finish(reader);
    let (Some(service), Some(name), Some(field)) = (&common.service, name, name_field) else {
        return;
    };
    contents.add(reader, SloId::new(service.as_str(), name), field, item.node.span, slo);
}

/// Reads all keys, whatever is wrong with some of them; `None` when a needed one is.
fn read_body(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    item: Field<'_>,
    common: &Common,
    name: Option<&str>,
) -> Option<Slo> {
    let objective_field = fields.require("objective");
    let objective = objective_field.and_then(|field| read_objective(reader, field));
    let window = fields.require("window").and_then(|field| read_window(reader, field));
    let indicator = fields
        .require("indicator")
        .and_then(|field| indicator::read(reader, field));
    let description = fields.get("description").and_then(|field| reader.text(field));
    let owner = fields.get("owner").and_then(|field| reader.text(field));
    let public = fields
        .get("public")
        .and_then(|field| reader.boolean(field))
        .unwrap_or(false);
    let mut labels = common.labels.clone();
    if let Some(field) = fields.get("labels") {
        for (label, value) in reader.labels(field, &RESERVED_LABELS).iter() {
            labels.set(label, value);
        }
    }
    let annotations = fields
        .get("annotations")
        .map(|field| reader.labels(field, &[]))
        .unwrap_or_default();
    let previous_names = fields
        .get("previous_names")
        .map(|field| read_previous_names(reader, field))
        .unwrap_or_default();
    read_method(reader, fields);
    let target = objective.zip(window.as_ref().map(TimeWindow::length));
    let alerting_field = fields.get("alerting");
    let at = objective_field.unwrap_or(item);
    let alerting = alerting::read(reader, alerting_field, target, at);
    Some(Slo {
        id: SloId::new(common.service.as_deref()?, name?),
        description,
        owner,
        labels,
        annotations,
        indicator: indicator?,
        objective: objective?,
        window: window?,
        method: BudgetingMethod::Occurrences,
        no_data: NoDataPolicy::default(),
        policy: None,
        alerting: alerting?,
        previous_names,
        public,
        origin: Origin::default(),
        source_text: String::new(),
    })
}

/// A name of a service or an SLO.
fn read_name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = reader.text(field)?;
    if !is_name(&name) {
        let message =
            format!("\"{name}\" is no name; letters, digits, _, . and - are possible, a letter or digit first");
        reader.report(&codes::NAME, field.node.span, message);
        return None;
    }
    Some(name)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// `name`, or `service/name` after a move to another service.
fn read_previous_names(reader: &mut Reader<'_>, field: Field<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in reader.list(field) {
        let Some(name) = reader.text(item) else {
            continue;
        };
        let (service, slo) = name.split_once('/').unwrap_or(("any", &name));
        if is_name(service) && is_name(slo) {
            names.push(name);
        } else {
            let message = format!("\"{name}\" is no earlier name; write `name` or `service/name`");
            reader.report(&codes::NAME, item.node.span, message);
        }
    }
    names
}

fn read_objective(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.text(field)?;
    Objective::from_percent(text.trim())
        .map_err(|error| {
            let hint = text.ends_with('%').then(|| "write the percentage without %".to_owned());
            reader.report_with(
                &codes::OBJECTIVE,
                field.node.span,
                format!("objective {text}: {error}"),
                hint,
            );
        })
        .ok()
}

fn read_window(reader: &mut Reader<'_>, field: Field<'_>) -> Option<TimeWindow> {
    if field.node.entry("calendar").is_some() {
        let message = "calendar windows are not supported by this version yet";
        reader.report(&codes::UNSUPPORTED, field.node.span, message);
        return None;
    }
    let (length, written) = read_window_length(reader, field)?;
    Some(TimeWindow::Rolling { length, written })
}

/// A length in whole minutes, and as it was written.
fn read_window_length(reader: &mut Reader<'_>, field: Field<'_>) -> Option<(WindowLength, String)> {
    if field.node.text().is_none() {
        reader.expected(field, "a duration such as 30d");
        return None;
    }
    let written = reader.text(field)?;
    let length = match parse_duration(&written) {
        Err(error) => {
            reader.report(&codes::DURATION, field.node.span, format!("`{}` is {error}", field.key));
            return None;
        }
        Ok(duration) => WindowLength::from_duration(duration),
    };
    if length.is_none() {
        let message = format!(
            "`{}` is {written}; it must be whole minutes, at least 1m and at most ten years",
            field.key
        );
        reader.report(&codes::DURATION, field.node.span, message);
    }
    length.map(|length| (length, written))
}

/// The budgeting method and what belongs to it; one method exists so far.
fn read_method(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Known {
        Supported,
        NotYet,
    }
    use Known::{NotYet, Supported};
    let methods = [
        ("occurrences", Supported),
        ("timeslices", NotYet),
        ("ratio_timeslices", NotYet),
    ];
    let policies = [
        ("ignore", Supported),
        ("good", NotYet),
        ("bad", NotYet),
        ("hold", NotYet),
    ];
    for (key, words) in [("method", methods.as_slice()), ("no_data", policies.as_slice())] {
        let Some(field) = fields.get(key) else {
            continue;
        };
        if reader.choice(field, words) == Some(NotYet) {
            let word = field.node.text().unwrap_or_default();
            let message = format!("`{key}: {word}` is not supported by this version yet");
            reader.report(&codes::UNSUPPORTED, field.node.span, message);
        }
    }
    fields.refuse(reader, &["timeslice", "timeslice_target", "policy"]);
}
