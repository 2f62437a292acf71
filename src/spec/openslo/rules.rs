//! The rules that all kinds share, and the two ways to break one: against the SDK, and against sense.

use super::{Kind, Scope, TOOL};
use crate::domain::promql::excerpt;
use crate::spec::codes::{self, Code};
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::suggest::suggest;
use crate::spec::yaml::{Node, Scalar, Span, Value};

/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 1_050;
/// The longest display name, in characters.
const DISPLAY_NAME_MAX: usize = 63;
/// The longest DNS label, in characters.
const DNS_LABEL_MAX: usize = 63;

/// The SDK refuses this, and its meaning is clear: a warning, and an error when strict.
pub(super) fn refused(reader: &mut Reader<'_>, span: Span, message: impl Into<String>, hint: Option<String>) {
    reader.report_lenient(&codes::SDK_RULE, span, message, hint);
}

/// The SDK accepts this, and nothing can be computed from it: an error, and a warning when strict, which is the SDK's
/// verdict.
pub(super) fn uncomputable(
    reader: &mut Reader<'_>,
    code: &'static Code,
    span: Span,
    message: impl Into<String>,
    hint: Option<String>,
) {
    let code = if reader.is_strict() {
        &codes::READ_LENIENTLY
    } else {
        code
    };
    reader.report_with(code, span, message, hint);
}

/// A text. The SDK takes no numbers and booleans for texts; what is meant is clear.
pub(super) fn text(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let text = reader.text(field)?;
    check_is_text(reader, field.key, field.node);
    Some(text)
}

/// Under `--strict` a number or boolean is no text.
pub(super) fn check_is_text(reader: &mut Reader<'_>, key: &str, node: &Node) {
    if let Value::Scalar(scalar) = &node.value
        && reader.is_strict()
        && !is_text(scalar)
    {
        let hint = Some(format!("write \"{}\"", scalar.text));
        refused(reader, node.span, format!("`{key}` must be a text, in quotes"), hint);
    }
}

/// A text that is not empty.
pub(super) fn filled(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let text = reader.filled(field)?;
    check_is_text(reader, field.key, field.node);
    Some(text)
}

/// `description`
pub(super) fn description(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    limited(reader, field, DESCRIPTION_MAX)
}

/// `displayName`
pub(super) fn display_name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    limited(reader, field, DISPLAY_NAME_MAX)
}

fn limited(reader: &mut Reader<'_>, field: Field<'_>, max: usize) -> Option<String> {
    let text = text(reader, field)?;
    let length = text.chars().count();
    if length > max {
        let message = format!("`{}` may have {max} characters, not {length}", field.key);
        refused(reader, field.node.span, message, None);
    }
    Some(text).filter(|text| !text.trim().is_empty())
}

/// A finite number. The SDK takes no texts for numbers.
pub(super) fn number(reader: &mut Reader<'_>, field: Field<'_>) -> Option<f64> {
    let number = reader.number(field)?;
    check_is_number(reader, field);
    Some(number)
}

/// Under `--strict` a quoted number is none.
pub(super) fn check_is_number(reader: &mut Reader<'_>, field: Field<'_>) {
    if matches!(&field.node.value, Value::Scalar(scalar) if !scalar.plain) {
        let message = format!("`{}` must be a number, without quotes", field.key);
        refused(reader, field.node.span, message, None);
    }
}

/// A reference to an object by its name.
pub(super) fn reference(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = filled(reader, field)?;
    check_dns_label(reader, field, &name);
    Some(name)
}

/// Names are DNS labels, says RFC 1123 and with it the specification.
pub(super) fn check_dns_label(reader: &mut Reader<'_>, field: Field<'_>, name: &str) {
    if !is_dns_label(name) {
        let message = format!(
            "`{}` is \"{name}\", which is no RFC 1123 label: lower-case letters, digits and -, at most {DNS_LABEL_MAX}",
            field.key
        );
        refused(reader, field.node.span, message, None);
    }
}

/// `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, at most 63 characters.
pub(super) fn is_dns_label(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= DNS_LABEL_MAX
        && bytes.first().copied().is_some_and(is_word)
        && bytes.last().copied().is_some_and(is_word)
        && bytes.iter().all(|byte| is_word(*byte) || *byte == b'-')
}

/// A reference, looked up in all files.
pub(super) enum Resolved<T> {
    /// No file has it.
    Missing,
    /// It is there, and wrong; this was reported.
    Invalid,
    /// What was read.
    Found(T),
}

/// Looks an object up and reads its `spec` with a reader of its own: what is wrong in it is reported at its own place,
/// once, however often it is referred to.
pub(super) fn resolve<'a, T>(
    reader: &mut Reader<'_>,
    scope: Scope<'a>,
    kind: Kind,
    field: Field<'_>,
    read: impl FnOnce(&mut Reader<'_>, &'a Node, Scope<'a>) -> Option<T>,
) -> Resolved<T> {
    let name = field.node.text().unwrap_or_default();
    let Some((object, version)) = scope.named(kind, name).next() else {
        return Resolved::Missing;
    };
    let mut other = Reader::new(&object.file.text, &object.file.file);
    other.set_strict(reader.is_strict());
    let value = read(&mut other, object.node, scope.at(version));
    if let Some(value) = value.filter(|_| other.errors() == 0) {
        return Resolved::Found(value);
    }
    let message = format!("{} {name} is invalid, see {}", kind.word(), object.place());
    reader.report(&codes::REFERENCE, field.node.span, message);
    Resolved::Invalid
}

/// Says that a reference leads nowhere, and what comes of it.
pub(super) fn warn_unresolved(
    reader: &mut Reader<'_>,
    scope: Scope<'_>,
    kind: Kind,
    field: Field<'_>,
    consequence: &str,
) {
    let name = field.node.text().unwrap_or_default();
    let message = format!("there is no {} {name} in these files{consequence}", kind.word());
    let hint = suggest(name, scope.context.objects.names(kind.word())).map(|meant| format!("did you mean `{meant}`?"));
    reader.report_with(&codes::UNRESOLVED, field.node.span, message, hint);
}

/// An object that can be written in place or referred to.
pub(super) enum Reference<'n> {
    /// In place.
    Inline(Field<'n>),
    /// The name of another document.
    To(Field<'n>),
}

/// Which of the two an item of a list is; `None` where it is neither, which was reported.
pub(super) fn inline_or_reference<'n>(
    reader: &mut Reader<'_>,
    item: Field<'n>,
    key: &'static str,
) -> Option<Reference<'n>> {
    if item.node.text().is_some() {
        let field = Field { key, ..item };
        let message = format!("`{}` holds maps; a bare name is read as `{key}`", item.key);
        let name = reference(reader, field)?;
        refused(
            reader,
            item.node.span,
            message,
            Some(format!("write `- {key}: {name}`")),
        );
        return Some(Reference::To(field));
    }
    let mut fields = Fields::open(reader, item)?;
    let Some(field) = fields.get(key) else {
        let is_inline = ["kind", "metadata", "spec"]
            .iter()
            .any(|key| item.node.entry(key).is_some());
        if !is_inline {
            let message = format!(
                "each of `{}` has a `{key}` or is written in place, with `kind`, `metadata` and `spec`",
                item.key
            );
            reader.report(&codes::EXCLUSIVE, item.node.span, message);
            return None;
        }
        return Some(Reference::Inline(item));
    };
    if item.node.get("spec").is_some() {
        let message = format!("each of `{}` has exactly one of `{key}` and `spec`, not both", item.key);
        reader.report(&codes::EXCLUSIVE, item.node.span, message);
        return None;
    }
    fields.finish_foreign(reader, TOOL);
    reference(reader, field)?;
    Some(Reference::To(field))
}

/// The `kind` of an object that is written in place; `None` when it is another one's.
pub(super) fn inline_kind(reader: &mut Reader<'_>, fields: &mut Fields<'_>, kind: Kind) -> Option<()> {
    let Some(field) = fields.get("kind") else {
        let message = format!("`kind` is missing; it is {}", kind.word());
        refused(
            reader,
            fields.span(),
            message,
            Some(format!("add `kind: {}`", kind.word())),
        );
        return Some(());
    };
    only_word(reader, field, kind.word(), None)
}

/// A value that can be one word only; `elsewhere` says where what is meant belongs.
pub(super) fn only_word(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    word: &str,
    elsewhere: Option<String>,
) -> Option<()> {
    let text = reader.text(field)?;
    if text == word {
        return Some(());
    }
    let message = format!("`{}` is `{word}`, not \"{}\"", field.key, excerpt(&text));
    let hint = elsewhere.or_else(|| Some(format!("write `{}: {word}`", field.key)));
    reader.report_with(&codes::CHOICE, field.node.span, message, hint);
    None
}

/// Whether YAML 1.1, which the SDK reads, takes a scalar for a text.
fn is_text(scalar: &Scalar) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    let text = scalar.text.as_str();
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && text.parse::<f64>().is_ok();
    !scalar.plain || !(is_number || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)))
}
