//! `metadata`: names, labels and annotations.

use super::{Scope, TOOL, Version, rules};
use crate::domain::labels::Labels;
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node, Scalar, Span, Value};

/// What `metadata` says.
#[derive(Clone, Default)]
pub(super) struct Metadata<'n> {
    /// The name and its place.
    pub name: Option<(String, Field<'n>)>,
    /// For people.
    pub display_name: Option<String>,
    /// A list of values is joined by commas.
    pub labels: Labels,
    /// As they are.
    pub annotations: Labels,
}

impl Metadata<'_> {
    /// The name's text.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|(name, _)| name.as_str())
    }
}

/// Whether an object can do without a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A document of its own is known by its name.
    Must,
    /// Something inline is known by its place; only the SDK wants a name.
    Should,
}

/// Reads `metadata`; `around` is the place of what it belongs to.
pub(super) fn read<'n>(
    reader: &mut Reader<'_>,
    field: Option<Field<'n>>,
    around: Span,
    named: Named,
    scope: Scope<'_>,
) -> Metadata<'n> {
    let Some(field) = field else {
        missing(reader, around, named, "`metadata` is missing");
        return Metadata::default();
    };
    let Some(mut fields) = Fields::open(reader, field) else {
        return Metadata::default();
    };
    let name_field = fields.get("name");
    if name_field.is_none() {
        missing(reader, fields.span(), named, "`name` is missing in `metadata`");
    }
    let name = name_field.and_then(|field| Some((rules::reference(reader, field)?, field)));
    let mut metadata = Metadata {
        name,
        ..Metadata::default()
    };
    if let Some(field) = fields.get("displayName") {
        if scope.version == Version::V2Alpha {
            let message = "`displayName` does not exist in v2alpha";
            rules::refused(reader, field.key_span, message, None);
        }
        metadata.display_name = rules::display_name(reader, field);
    }
    for key in ["labels", "annotations"] {
        if let Some(field) = fields.get(key) {
            if scope.version == Version::V1Alpha {
                let message = format!("`{key}` does not exist in v1alpha");
                rules::refused(reader, field.key_span, message, None);
            }
            if key == "labels" {
                metadata.labels = read_labels(reader, field, scope);
            } else {
                metadata.annotations = read_annotations(reader, field);
            }
        }
    }
    fields.finish_foreign(reader, TOOL);
    metadata
}

fn missing(reader: &mut Reader<'_>, span: Span, named: Named, message: &str) {
    if named == Named::Must {
        reader.report(&codes::MISSING_KEY, span, message);
    } else {
        rules::refused(reader, span, message, None);
    }
}

fn read_labels(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Labels {
    for Entry { key, key_span, value } in field.node.entries().unwrap_or_default() {
        if !is_label_key(key, scope) {
            let name = foreign::label_name(key);
            let message = format!("`labels`: \"{key}\" is no key of a label in OpenSLO; here it is `{name}`");
            rules::refused(reader, *key_span, message, None);
        }
        match &value.value {
            Value::Seq(items) => {
                if scope.version == Version::V2Alpha {
                    let message = format!("`labels`: in v2alpha `{key}` has one value, not a list");
                    rules::refused(reader, value.span, message, None);
                }
                for item in items {
                    rules::check_is_text(reader, "labels", item);
                }
            }
            Value::Scalar(scalar) if scope.version == Version::V2Alpha && !is_kubernetes_value(&scalar.text) => {
                let message = format!("`labels`: \"{}\" is no value of a label in v2alpha", scalar.text);
                rules::refused(reader, value.span, message, None);
            }
            _ => rules::check_is_text(reader, "labels", value),
        }
    }
    let joined = joined(field.node, scope);
    foreign::labels(reader, Field { node: &joined, ..field }, &[])
}

fn is_label_key(key: &str, scope: Scope<'_>) -> bool {
    if scope.version == Version::V2Alpha {
        is_qualified_name(key)
    } else {
        is_name_part(key)
    }
}

/// The labels with each list of values as one text. What was refused as a key has got its other name already.
fn joined(node: &Node, scope: Scope<'_>) -> Node {
    let Some(entries) = node.entries() else {
        return node.clone();
    };
    let entries = entries.iter().map(|entry| {
        let key = if is_label_key(&entry.key, scope) {
            entry.key.clone()
        } else {
            foreign::label_name(&entry.key)
        };
        let Some(items) = entry.value.items() else {
            return Entry { key, ..entry.clone() };
        };
        let texts: Vec<&str> = items.iter().filter_map(Node::text).collect();
        Entry {
            key,
            value: Node {
                value: Value::Scalar(Scalar {
                    text: texts.join(","),
                    plain: false,
                }),
                span: entry.value.span,
            },
            ..entry.clone()
        }
    });
    Node {
        value: Value::Map(entries.collect()),
        span: node.span,
    }
}

fn read_annotations(reader: &mut Reader<'_>, field: Field<'_>) -> Labels {
    for Entry { key, key_span, value } in field.node.entries().unwrap_or_default() {
        if !is_qualified_name(key) {
            let message = format!("`annotations`: \"{key}\" is no key of an annotation in OpenSLO");
            let hint = Some("keys look like `owner` or `example.org/owner`".to_owned());
            rules::refused(reader, *key_span, message, hint);
        }
        rules::check_is_text(reader, "annotations", value);
    }
    foreign::annotations(reader, field)
}

/// `^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$`
fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// A name, with or without a DNS subdomain before a slash.
fn is_qualified_name(text: &str) -> bool {
    let Some((domain, name)) = text.split_once('/') else {
        return is_name_part(text);
    };
    domain.len() <= 253 && domain.split('.').all(rules::is_dns_label) && is_name_part(name)
}

/// A value of a label in Kubernetes, in the SDK's lower-case reading of it.
fn is_kubernetes_value(text: &str) -> bool {
    text.is_empty() || (is_name_part(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()))
}
