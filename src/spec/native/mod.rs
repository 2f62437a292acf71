//! The native format, `nines/v1`.

mod alerting;
mod burn;
mod composite;
mod indicator;
mod method;
mod objectives;
mod query;
mod slo;
mod strangers;
#[cfg(test)]
mod tests;
pub(super) mod threshold;
mod window;

pub(super) use query::is_expression;
pub(super) use window::START_FORMAT;

use super::codes;
use super::contents::Contents;
use super::reader::{Field, Fields, RESERVED_LABELS, Reader};
use super::yaml::{Entry, Node};
use crate::domain::labels::Labels;

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
        service: fields
            .require("service")
            .and_then(|field| slo::read_name(reader, field)),
        labels: fields
            .get("labels")
            .map(|field| reader.labels(field, &RESERVED_LABELS))
            .unwrap_or_default(),
    };
    let slos = fields.require("slos");
    fields.finish_with(reader, strangers::DOCUMENT);
    let Some(slos) = slos else {
        return;
    };
    if slos.node.items().is_some_and(<[Node]>::is_empty) {
        reader.report(&codes::NO_SLOS, slos.node.span, "the list of SLOs is empty");
    }
    if let Some(first) = slos.node.entries().and_then(<[Entry]>::first) {
        let message = "`slos` must be a list, not a map";
        let hint = match first.key.as_str() {
            "name" => "begin each SLO with `- `: `- name: …`".to_owned(),
            key => format!("begin each SLO with `- name: `: `- name: {key}`"),
        };
        reader.report_with(&codes::WRONG_TYPE, first.key_span, message, Some(hint));
        return;
    }
    for item in reader.list(slos) {
        slo::read(reader, Field { key: "slos", ..item }, &common, contents);
    }
}
