//! What the formats of others have in common: names, labels and objectives that are looser than ours.

use super::codes;
use super::reader::{Field, RESERVED_LABELS, Reader};
use super::yaml::{Entry, Node, Value};
use crate::domain::labels::Labels;
use crate::domain::objective::{Objective, ObjectiveError, ObjectiveUnit};
use crate::domain::selector_parser::is_label_name;

/// Reads a map of labels. Numbers and booleans become text; characters that Prometheus forbids become `_`; labels that
/// nines sets itself are not carried, and a note says so. `kept` are reserved names that may stay.
pub(super) fn labels(reader: &mut Reader<'_>, field: Field<'_>, kept: &[&str]) -> Labels {
    let mut labels = Labels::new();
    let Some(entries) = field.node.entries() else {
        reader.expected(field, "a map");
        return labels;
    };
    for Entry { key, key_span, value } in entries {
        let Some(text) = scalar(reader, key, value) else {
            continue;
        };
        let name = label_name(key);
        if RESERVED_LABELS.contains(&name.as_str()) && !kept.contains(&name.as_str()) {
            let message = format!("the label `{name}` is set by nines; its value \"{text}\" is not carried");
            reader.report(&codes::NOT_CARRIED, *key_span, message);
            continue;
        }
        if name != *key {
            let message = format!("`{key}` is no label name in Prometheus; the label is `{name}`");
            reader.report(&codes::NOT_CARRIED, *key_span, message);
        }
        labels.set(name, text);
    }
    labels
}

/// Reads a map of annotations; their names may be anything.
pub(super) fn annotations(reader: &mut Reader<'_>, field: Field<'_>) -> Labels {
    let Some(entries) = field.node.entries() else {
        reader.expected(field, "a map");
        return Labels::new();
    };
    let texts = entries
        .iter()
        .map(|Entry { key, value, .. }| (key, scalar(reader, key, value)));
    let texts: Vec<_> = texts.collect();
    texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.as_str(), text?)))
        .collect()
}

/// A name of a Prometheus label that says the same: `app.kubernetes.io/name` is `app_kubernetes_io_name`.
pub(super) fn label_name(key: &str) -> String {
    if is_label_name(key) && !key.starts_with("__") {
        return key.to_owned();
    }
    let plain = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let plain: String = plain.collect();
    let plain = plain.trim_start_matches('_');
    if plain.starts_with(|c: char| c.is_ascii_digit()) || plain.is_empty() {
        format!("_{plain}")
    } else {
        plain.to_owned()
    }
}

/// The longest name of a service or an SLO, in characters.
const NAME_MAX: usize = 253;

/// Reports a name that is too long; whatever it holds, it is not repeated.
pub(super) fn is_too_long(reader: &mut Reader<'_>, field: Field<'_>, name: &str) -> bool {
    let is_too_long = name.len() > NAME_MAX && name.chars().nth(NAME_MAX).is_some();
    if is_too_long {
        let count = name.chars().count();
        let message = format!("`{}` has {count} characters; a name has at most {NAME_MAX}", field.key);
        reader.report(&codes::NAME, field.node.span, message);
    }
    is_too_long
}

/// Whether a text can be the name of one of our services and SLOs: `[A-Za-z0-9][A-Za-z0-9_.-]*`, not too long.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The hint where something is nearly a name.
pub(super) fn as_name(text: &str) -> Option<String> {
    let plain = text.trim().chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || "_.-".contains(c) => c,
        _ => '-',
    });
    let plain: String = plain.take(60).collect();
    let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    is_name(plain).then(|| format!("write `{plain}`; a longer text fits into `description`"))
}

/// Reads a name of a service, an SLO or a server; what is none is an error.
pub fn name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = reader.filled(field)?;
    if is_too_long(reader, field, &name) {
        return None;
    }
    if !is_name(&name) {
        let message = format!(
            "`{}`: \"{name}\" is no name; letters, digits, _, . and - are possible, a letter or digit first",
            field.key
        );
        reader.report_with(&codes::NAME, field.node.span, message, as_name(&name));
        return None;
    }
    Some(name)
}

/// `true` or `false`, and YAML 1.1's other words for them, which Go's YAML takes where a boolean is expected.
pub(super) fn boolean(reader: &mut Reader<'_>, field: Field<'_>) -> Option<bool> {
    let meant = match &field.node.value {
        Value::Scalar(scalar) if scalar.plain => match scalar.text.to_lowercase().as_str() {
            "yes" | "on" | "y" => Some(true),
            "no" | "off" | "n" => Some(false),
            _ => None,
        },
        _ => None,
    };
    let Some(meant) = meant else {
        return reader.boolean(field);
    };
    let written = field.node.text().unwrap_or_default();
    let message = format!("`{}: {written}` is read as {meant}, as YAML 1.1 has it", field.key);
    reader.report_with(
        &codes::READ_LENIENTLY,
        field.node.span,
        message,
        Some(format!("write `{}: {meant}`", field.key)),
    );
    Some(meant)
}

/// Says which values of an alert's labels or annotations hold templates, which only Prometheus fills in.
pub(super) fn note_templates(reader: &mut Reader<'_>, field: Field<'_>) {
    for Entry { key, value, .. } in field.node.entries().unwrap_or_default() {
        if value.text().is_some_and(|text| text.contains("{{")) {
            let message = format!("`{key}` goes out as it is written; nines fills in no templates");
            reader.report(&codes::NOT_CARRIED, value.span, message);
        }
    }
}

/// Reads an objective; 0 and 1 (or 100 %) are read with a warning, too many decimals are rounded with one.
pub(super) fn objective(reader: &mut Reader<'_>, field: Field<'_>, unit: ObjectiveUnit) -> Option<Objective> {
    let text = reader.text(field)?;
    let span = field.node.span;
    match Objective::from_foreign(&text, unit) {
        Ok((objective, exact)) => {
            if !exact {
                reader.report(
                    &codes::ROUNDED,
                    span,
                    format!("the objective {text} is read as {objective}"),
                );
            }
            if objective.is_whole() {
                let message = "an objective of 100% leaves no error budget, so that nothing can be computed";
                reader.report_with(
                    &codes::OBJECTIVE_EDGE,
                    span,
                    message,
                    Some("99.99 % may be meant".to_owned()),
                );
            } else if objective.parts_per_billion() == 0 {
                reader.report(&codes::OBJECTIVE_EDGE, span, "an objective of 0% is never missed");
            }
            Some(objective)
        }
        Err(error) => {
            let ranges = match unit {
                ObjectiveUnit::Percent => "0 to 100 (percent)",
                ObjectiveUnit::Ratio => "0 to 1 (a ratio)",
            };
            let message = match error {
                ObjectiveError::OutsideUnit => format!("`{}` is {text}, outside of {ranges}", field.key),
                other => format!("`{}` is \"{text}\": {other}", field.key),
            };
            reader.report_with(&codes::OBJECTIVE, span, message, plain_number(&text, unit));
            None
        }
    }
}

/// How a number with a sign for percent or a decimal comma is written; `None` for anything else.
fn plain_number(text: &str, unit: ObjectiveUnit) -> Option<String> {
    let text = text.trim();
    let plain = text.strip_suffix('%').unwrap_or(text).trim_end().replacen(',', ".", 1);
    let is_ratio_in_percent = text.ends_with('%') && matches!(unit, ObjectiveUnit::Ratio);
    let is_meant = plain != text && !is_ratio_in_percent && Objective::from_foreign(&plain, unit).is_ok();
    is_meant.then(|| format!("write {plain}"))
}

fn scalar(reader: &mut Reader<'_>, key: &str, value: &Node) -> Option<String> {
    match &value.value {
        Value::Null => Some(String::new()),
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::Seq(_) | Value::Map(_) => {
            let message = format!("the value of `{key}` must be a text, not {}", value.kind());
            reader.report(&codes::WRONG_TYPE, value.span, message);
            None
        }
    }
}
