//! Conditions on the JSON of a body: CEL as in blackbox exporter, and paths with tests.

use cel::Program;
use serde_json_path::JsonPath;

use super::patterns::{items, read_one};
use crate::config::context::Context;
use crate::domain::indicator::CompareOp;
use crate::source::probe::settings::{JsonCondition, JsonTest};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};
use crate::spec::yaml::{Node, Value};

/// The longest expression or path, in bytes.
const BYTES_MAX: usize = 2048;
/// How deeply an expression or path may be nested: what reads them does so by calling itself, again and again.
const DEPTH_MAX: usize = 10;
/// How many operators it may have: those that stand in a row are nested, too.
const OPERATORS_MAX: usize = 100;

/// How many commas a path may have: each selector of a list selects by itself, and lists multiply.
const COMMAS_MAX: usize = 4;

const OPS: [(&str, CompareOp); 4] = [
    ("lte", CompareOp::Lte),
    ("lt", CompareOp::Lt),
    ("gte", CompareOp::Gte),
    ("gt", CompareOp::Gt),
];

/// An expression in CEL, which sees the JSON as `body`.
pub(super) fn read_cel(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let field = fields.get(key)?;
    let text = context.reader.filled(field)?;
    let problem = too_much(&text).or_else(|| {
        let errors = Program::compile(&text).err()?.errors;
        Some(errors.into_iter().next().map_or_else(String::new, |error| error.msg))
    });
    let Some(why) = problem else {
        return Some(text);
    };
    let message = format!("`{key}` is no expression in CEL: {why}");
    context.reader.report(&codes::PATTERN, field.node.span, message);
    None
}

/// Why a text is not even tried: it is too long, or nested so deeply that reading it would be the end of the stack.
fn too_much(text: &str) -> Option<String> {
    if text.len() > BYTES_MAX {
        return Some(format!("it may have {BYTES_MAX} bytes"));
    }
    let (mut depth, mut operators) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        operators += usize::from(b"([{.?!-+*/%<>=&|".contains(&byte));
        if depth > DEPTH_MAX {
            return Some(format!("it may be nested {DEPTH_MAX} deep"));
        }
    }
    operators += text.matches(" in ").count();
    (operators > OPERATORS_MAX).then(|| format!("it may have {OPERATORS_MAX} operators"))
}

/// Why a path is not tried that a small body could keep busy for ever: every `..` looks at all that lies below all that the
/// one before has found.
fn explodes(path: &str) -> Option<String> {
    if path.matches("..").count() > 1 {
        return Some("it may have one `..`".to_owned());
    }
    (path.matches(',').count() > COMMAS_MAX).then(|| format!("it may have {COMMAS_MAX} commas"))
}

/// `fail_if_body_json_not_matches`
pub(super) fn read_conditions(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<JsonCondition> {
    let items = items(context, fields, "fail_if_body_json_not_matches");
    items
        .into_iter()
        .filter_map(|item| read_condition(context, item))
        .collect()
}

fn read_condition(context: &mut Context<'_>, item: Field<'_>) -> Option<JsonCondition> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let path = fields.require("path").and_then(|field| read_path(context, field));
    let (exists, equals) = (fields.get("exists"), fields.get("equals"));
    let (regexp, op, value) = (fields.get("regexp"), fields.get("op"), fields.get("value"));
    context.finish(fields);
    let forms = [exists, equals, regexp, op.or(value)];
    if forms.iter().flatten().count() != 1 {
        let message = "a condition has exactly one of `exists`, `equals`, `regexp`, or `op` with `value`";
        context.reader.report(&codes::EXCLUSIVE, item.node.span, message);
        return None;
    }
    let test = if let Some(field) = exists {
        if !context.reader.boolean(field)? {
            let message = "`exists` must be true; what must not be there is said with `fail_if_body_json_matches_cel`";
            context.reader.report(&codes::CHOICE, field.node.span, message);
            return None;
        }
        JsonTest::Exists
    } else if let Some(field) = equals {
        JsonTest::Equals(as_json(field.node))
    } else if let Some(field) = regexp {
        JsonTest::Matches(read_one(context, field)?)
    } else {
        let (Some(op), Some(value)) = (op, value) else {
            let message = "`op` (lte, lt, gte or gt) and `value` belong together";
            context.reader.report(&codes::MISSING_KEY, item.node.span, message);
            return None;
        };
        let op = context.reader.choice(op, &OPS);
        let value = context.reader.number(value);
        JsonTest::Compares(op?, value?)
    };
    let (path, written) = path?;
    Some(JsonCondition { path, written, test })
}

fn read_path(context: &mut Context<'_>, field: Field<'_>) -> Option<(JsonPath, String)> {
    let text = context.reader.filled(field)?;
    let read = too_much(&text).or_else(|| explodes(&text)).map_or_else(
        || JsonPath::parse(&text).map_err(|error| error.message().to_owned()),
        Err,
    );
    match read {
        Ok(path) => Some((path, text)),
        Err(why) => {
            let message = format!("`path` is no JSON path such as `$.status` or `$.checks[*].ok`: {why}");
            context.reader.report(&codes::PATTERN, field.node.span, message);
            None
        }
    }
}

/// A value as JSON has it: what stands without quotes may be a number, a boolean or nothing.
fn as_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar(scalar) => {
            let plain = scalar.plain.then(|| serde_json::from_str(&scalar.text).ok()).flatten();
            plain.unwrap_or_else(|| scalar.text.as_str().into())
        }
        Value::Seq(items) => items.iter().map(as_json).collect(),
        Value::Map(entries) => {
            let pair = |entry: &crate::spec::yaml::Entry| (entry.key.clone(), as_json(&entry.value));
            serde_json::Value::Object(entries.iter().map(pair).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::explodes;

    #[test]
    fn paths_that_multiply_are_refused() {
        for (path, refused) in [
            ("$.status", false),
            ("$..status", false),
            ("$.checks[*,'a',1].ok", false),
            ("$..items..status", true),
            ("$..*..*..*", true),
            ("$[?@..a][?@..b]", true),
            ("$[*,*][*,*][*,*][*,*][*,*]", true),
        ] {
            assert_eq!(explodes(path).is_some(), refused, "{path}");
        }
    }
}
