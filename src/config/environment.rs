//! `${NAME}` in values, from the environment.

use super::dialect::is_of_nines;
use crate::spec::codes;
use crate::spec::reader::Reader;
use crate::spec::yaml::{Node, Value};

/// Replaces `${NAME}` in every value of a document; a variable that is not set is an error at its place. `$${` is a literal
/// `${`, and a dollar sign by itself stays; so does `${1}`, which is no variable but what a regular expression has
/// captured.
///
/// What stands below a key of Prometheus's in a file of Prometheus's, which replaces hardly anything, is lenient: what is
/// no set variable stays as it is written, and a rule's `replacement` stays as a whole, for there `${name}` is a group of
/// the rule's expression.
pub(super) fn expand(
    reader: &mut Reader<'_>,
    root: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    is_prometheus: bool,
) {
    match &mut root.value {
        Value::Map(entries) => {
            for entry in entries {
                let is_lenient = is_prometheus && !is_of_nines(&entry.key);
                expand_node(reader, &mut entry.value, env, is_lenient);
            }
        }
        _ => expand_node(reader, root, env, is_prometheus),
    }
}

fn expand_node(reader: &mut Reader<'_>, node: &mut Node, env: &dyn Fn(&str) -> Option<String>, is_lenient: bool) {
    match &mut node.value {
        Value::Seq(items) => items
            .iter_mut()
            .for_each(|item| expand_node(reader, item, env, is_lenient)),
        Value::Map(entries) => entries
            .iter_mut()
            .filter(|entry| !is_lenient || entry.key != "replacement")
            .for_each(|entry| expand_node(reader, &mut entry.value, env, is_lenient)),
        Value::Scalar(scalar) if scalar.text.contains("${") => match expand_text(&scalar.text, env) {
            Ok(text) => scalar.text = text,
            Err(_) if is_lenient => {}
            Err(message) => reader.report(&codes::VARIABLE, node.span, message),
        },
        Value::Null | Value::Scalar(_) => {}
    }
}

fn expand_text(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(literal) = before.strip_suffix('$') {
            expanded.push_str(literal);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (name, following) = after.split_once('}').ok_or("after ${ the closing } is missing")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err("between ${ and } stands the name of an environment variable".to_owned());
        }
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            expanded.extend(["${", name, "}"]);
            rest = following;
            continue;
        }
        let value = env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        expanded.push_str(&value);
        rest = following;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::expand_text;

    #[test]
    fn variables_are_replaced() {
        let env = |name: &str| (name == "PW").then(|| "${x}".to_owned());
        for (text, expected) in [
            ("a ${PW}b", Ok("a ${x}b")),
            ("$PW $", Ok("$PW $")),
            ("$${PW}", Ok("${PW}")),
            ("${1}-${PW}${12}", Ok("${1}-${x}${12}")),
            ("${NOPE}", Err("the environment variable NOPE is not set")),
            ("${", Err("after ${ the closing } is missing")),
            (
                "${a b}",
                Err("between ${ and } stands the name of an environment variable"),
            ),
        ] {
            let found = expand_text(text, &env);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
