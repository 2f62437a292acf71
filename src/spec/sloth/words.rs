//! The words of Sloth's format: how keys are spelt, and what names and labels may be.

use super::TOOL;
use crate::domain::labels::Labels;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node, Value};
use crate::spec::{codes, foreign};

/// The keys that files and resources spell differently.
pub(super) struct Keys {
    pub slo_plugins: &'static str,
    pub page_alert: &'static str,
    pub ticket_alert: &'static str,
    pub error_query: &'static str,
    pub total_query: &'static str,
    pub error_ratio_query: &'static str,
}

/// `version: prometheus/v1`
pub(super) static FILE: Keys = Keys {
    slo_plugins: "slo_plugins",
    page_alert: "page_alert",
    ticket_alert: "ticket_alert",
    error_query: "error_query",
    total_query: "total_query",
    error_ratio_query: "error_ratio_query",
};

/// `kind: PrometheusServiceLevel`
pub(super) static RESOURCE: Keys = Keys {
    slo_plugins: "sloPlugins",
    page_alert: "pageAlert",
    ticket_alert: "ticketAlert",
    error_query: "errorQuery",
    total_query: "totalQuery",
    error_ratio_query: "errorRatioQuery",
};

/// A key that people write although Sloth reads none of this name, and what they mean.
type Misread = (&'static str, &'static str);

const PERIOD: &str = "in Sloth all SLOs have the same period: `--default-slo-period`, 30d where it is not set";

/// Windows, where Sloth has none.
pub(super) const PERIODS: [Misread; 6] = [
    ("window", PERIOD),
    ("time_window", PERIOD),
    ("timeWindow", PERIOD),
    ("period", PERIOD),
    ("slo_period", PERIOD),
    ("sloPeriod", PERIOD),
];

/// Says what is meant by keys that are no slip of the finger.
pub(super) fn misread(reader: &mut Reader<'_>, fields: &mut Fields<'_>, keys: &[Misread]) {
    for (key, hint) in keys {
        if fields.has_key(key)
            && let Some(field) = fields.get(key)
        {
            let message = format!("{TOOL} ignores the key \"{key}\", so it has no effect");
            reader.report_lenient(&codes::FOREIGN_KEY, field.key_span, message, Some((*hint).to_owned()));
        }
    }
}

/// Reads a name of a service or an SLO: at least two characters, the last one a letter or digit too.
pub(super) fn name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = foreign::name(reader, field)?;
    let problem = if name.len() < 2 {
        "is too short; Sloth wants at least two characters"
    } else if !name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        "ends with a sign; the last character must be a letter or digit"
    } else {
        return Some(name);
    };
    let message = format!("`{}`: \"{name}\" {problem}", field.key);
    reader.report(&codes::NAME, field.node.span, message);
    None
}

/// Reads labels. `kept` are names that nines sets itself and that may stay.
pub(super) fn labels(reader: &mut Reader<'_>, field: Field<'_>, kept: &[&str]) -> Labels {
    for Entry { key, key_span, value } in field.node.entries().unwrap_or_default() {
        if key.is_empty() || key == "__name__" {
            let message = format!("\"{key}\" cannot be a label; it would be the name of the metric");
            reader.report(&codes::LABEL, *key_span, message);
        }
        check_value(reader, "label", key, value);
    }
    foreign::labels(reader, field, kept)
}

/// Reads annotations.
pub(super) fn annotations(reader: &mut Reader<'_>, field: Field<'_>) -> Labels {
    for Entry { key, key_span, value } in field.node.entries().unwrap_or_default() {
        if key.is_empty() {
            reader.report(&codes::LABEL, *key_span, "an annotation needs a name");
        }
        check_value(reader, "annotation", key, value);
    }
    foreign::annotations(reader, field)
}

fn check_value(reader: &mut Reader<'_>, what: &str, key: &str, value: &Node) {
    let is_empty = match &value.value {
        Value::Null => true,
        Value::Scalar(scalar) => scalar.text.is_empty(),
        Value::Seq(_) | Value::Map(_) => false,
    };
    if is_empty {
        let message = format!("the {what} `{key}` has no value; give it one or remove it");
        reader.report(&codes::LABEL, value.span, message);
    }
}
