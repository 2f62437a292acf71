//! One item of `slos`: one SLO, or as many as it has objectives.

use super::indicator::{self, Outside};
use super::objectives::{self, Target};
use super::{Common, alerting, method, strangers, window};
use crate::domain::labels::Labels;
use crate::domain::slo::{Origin, Slo, SloId};
use crate::domain::window::TimeWindow;
use crate::spec::codes;
use crate::spec::contents::Contents;
use crate::spec::foreign::{annotations, as_name, is_name, is_too_long};
use crate::spec::reader::{Field, Fields, RESERVED_LABELS, Reader};
use crate::spec::yaml::Entry;

/// Reads one item of the list.
pub(super) fn read(reader: &mut Reader<'_>, item: Field<'_>, common: &Common, contents: &mut Contents) {
    if item.node.entries().is_none() {
        let message = format!("each item of `slos` is a map, not {}", item.node.kind());
        let hint = Some("it begins with `- name: availability`; its other keys stand below `name`".to_owned());
        reader.report_with(&codes::WRONG_TYPE, item.node.span, message, hint);
        return;
    }
    let Some(mut fields) = Fields::open(reader, item) else {
        return;
    };
    let name_field = fields.require("name");
    let name = name_field.and_then(|field| read_name(reader, field));
    let line = name_field.map_or(item.node.span.line, |field| field.key_span.line);
    let targets = objectives::read(reader, &mut fields, item);
    if let Some(name) = &name {
        for target in &targets {
            let name = format!("{name}{}", target.suffix);
            contents.named(common.service.as_deref(), Some(&name), line);
        }
    }
    let bodies: Vec<Option<Slo>> = targets
        .iter()
        .map(|target| read_body(reader, &mut fields, common, name.as_deref(), target))
        .collect();
    fields.finish_with(reader, strangers::SLO);
    let (Some(service), Some(name), Some(field)) = (&common.service, name, name_field) else {
        return;
    };
    for (target, slo) in targets.iter().zip(bodies) {
        let id = SloId::new(service.as_str(), format!("{name}{}", target.suffix));
        contents.add(reader, id, target.named_at.unwrap_or(field), item.node.span, slo);
    }
}

/// Reads all keys, whatever is wrong with some of them; `None` when a needed one is.
fn read_body(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    common: &Common,
    name: Option<&str>,
    target: &Target<'_>,
) -> Option<Slo> {
    let objective = target.objective;
    let window = fields.require("window").and_then(|field| window::read(reader, field));
    let outside = Outside {
        service: common.service.as_deref(),
        threshold: target.threshold,
        value: target.value,
    };
    let indicator = fields
        .require("indicator")
        .and_then(|field| indicator::read(reader, field, &outside));
    let mut text = |reader: &mut Reader<'_>, key| fields.get(key).and_then(|field| reader.text(field));
    let [description, owner, policy] = ["description", "owner", "policy"].map(|key| text(reader, key));
    let public = fields
        .get("public")
        .and_then(|field| reader.boolean(field))
        .unwrap_or(false);
    let labels = read_labels(reader, fields, common);
    let annotations = fields
        .get("annotations")
        .map(|field| annotations(reader, field))
        .unwrap_or_default();
    let previous_names = fields
        .get("previous_names")
        .map(|field| read_previous_names(reader, field, &target.suffix))
        .unwrap_or_default();
    let goal = objective.zip(window.as_ref().map(TimeWindow::length));
    let method = method::read(reader, fields, goal);
    let general = fields.get("alerting");
    let alerting = alerting::read(reader, target.alerting.or(general), goal, target.at);
    let (method, no_data) = method?;
    Some(Slo {
        id: SloId::new(common.service.as_deref()?, format!("{}{}", name?, target.suffix)),
        description,
        owner,
        labels,
        annotations,
        indicator: indicator?,
        objective: objective?,
        window: window?,
        method,
        no_data,
        policy,
        alerting: alerting?,
        previous_names,
        public,
        asks_server: false,
        origin: Origin::default(),
        source_text: String::new(),
    })
}

fn read_labels(reader: &mut Reader<'_>, fields: &mut Fields<'_>, common: &Common) -> Labels {
    let mut labels = common.labels.clone();
    if let Some(field) = fields.get("labels") {
        let own = reader.labels(field, &RESERVED_LABELS);
        // An own label wins even where it is empty: then there is none of this name.
        for Entry { key, .. } in field.node.entries().unwrap_or_default() {
            labels.set(key.as_str(), own.get(key));
        }
    }
    labels
}

/// A name of a service or an SLO.
pub(super) fn read_name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = reader.text(field)?;
    if is_too_long(reader, field, &name) {
        return None;
    }
    if !is_name(&name) {
        let message =
            format!("\"{name}\" is no name; letters, digits, _, . and - are possible, a letter or digit first");
        reader.report_with(&codes::NAME, field.node.span, message, as_name(&name));
        return None;
    }
    Some(name)
}

/// `service/name`, or a name alone; `None` where it is neither.
pub(super) fn split_id(text: &str) -> Option<(Option<&str>, &str)> {
    let (service, name) = match text.split_once('/') {
        Some((service, name)) => (Some(service), name),
        None => (None, text),
    };
    (service.is_none_or(is_name) && is_name(name)).then_some((service, name))
}

/// `name`, or `service/name` after a move to another service. Where an SLO has several objectives, their names end as
/// today's do.
fn read_previous_names(reader: &mut Reader<'_>, field: Field<'_>, suffix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for item in reader.list(field) {
        let Some(name) = reader.text(item) else {
            continue;
        };
        if split_id(&name).is_some() {
            names.push(name + suffix);
        } else {
            let message = format!("\"{name}\" is no earlier name; write `name` or `service/name`");
            reader.report(&codes::NAME, item.node.span, message);
        }
    }
    names
}
