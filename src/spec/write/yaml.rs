//! Writes YAML that is pleasant to read and can be read in one way only.

use std::fmt::Write;

/// Lines in flow style are not longer than this.
const LINE_MAX: usize = 110;

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) enum Out {
    /// A number, `true` or `false`: as it is.
    Bare(String),
    /// A text, quoted where it must be.
    Text(String),
    /// A list, an item a line.
    List(Vec<Out>),
    /// A map, a key a line.
    Map(Vec<(String, Out)>),
    /// A short list or map on one line, if it fits.
    Inline(Box<Out>),
}

impl Out {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn bare(value: impl std::fmt::Display) -> Self {
        Self::Bare(format!("{value}"))
    }

    pub fn inline(self) -> Self {
        Self::Inline(Box::new(self))
    }

    /// A map of pairs of texts, on one line if it fits.
    pub fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Map(pairs.map(|(key, value)| (key.to_owned(), Self::text(value))).collect()).inline()
    }
}

/// The keys of a map as they are put together.
#[derive(Default)]
pub(super) struct Map(Vec<(String, Out)>);

impl Map {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set(&mut self, key: &str, value: Out) {
        self.0.push((key.to_owned(), value));
    }

    pub fn text(&mut self, key: &str, text: impl Into<String>) {
        self.set(key, Out::Text(text.into()));
    }

    /// Adds the key if there is a text.
    pub fn optional(&mut self, key: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.text(key, text.as_str());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn done(self) -> Out {
        Out::Map(self.0)
    }
}

/// One document.
pub(super) fn document(root: &Out) -> String {
    let mut text = String::new();
    match root {
        Out::Map(entries) if !entries.is_empty() => block_map(&mut text, entries, 0, false),
        other => {
            text += &flow(other);
            text.push('\n');
        }
    }
    text
}

/// Writes a map's lines; the first one stands after `- ` already where `begun`.
fn block_map(text: &mut String, entries: &[(String, Out)], indent: usize, begun: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !begun {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        text.push_str(&scalar(key, false));
        text.push(':');
        block_value(text, value, indent);
    }
}

/// What stands after `key:`.
fn block_value(text: &mut String, value: &Out, indent: usize) {
    match value {
        Out::Inline(inner) => {
            let line = flow(inner);
            if indent + line.len() <= LINE_MAX {
                text.push(' ');
                text.push_str(&line);
                text.push('\n');
            } else {
                block_value(text, inner, indent);
            }
        }
        Out::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            block_map(text, entries, indent + 2, false);
        }
        Out::List(items) if !items.is_empty() => {
            text.push('\n');
            for item in items {
                text.extend(std::iter::repeat_n(' ', indent + 2));
                text.push('-');
                block_item(text, item, indent + 2);
            }
        }
        Out::Text(content) if is_block_text(content) => literal(text, content, indent + 2),
        other => {
            text.push(' ');
            text.push_str(&match other {
                Out::Text(content) => scalar(content, false),
                other => flow(other),
            });
            text.push('\n');
        }
    }
}

/// What stands after the `-` of a list's item.
fn block_item(text: &mut String, item: &Out, indent: usize) {
    match item {
        Out::Inline(inner) if indent + flow(inner).len() > LINE_MAX => block_item(text, inner, indent),
        Out::Map(entries) if !entries.is_empty() => {
            text.push(' ');
            block_map(text, entries, indent + 2, true);
        }
        other => block_value(text, other, indent),
    }
}

fn flow(value: &Out) -> String {
    match value {
        Out::Bare(value) => value.clone(),
        Out::Text(content) => scalar(content, true),
        Out::Inline(inner) => flow(inner),
        Out::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Out::Map(entries) => {
            let pairs = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key, true), flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text of several lines that a literal block can hold as it is.
fn is_block_text(content: &str) -> bool {
    content.trim_end_matches('\n').contains('\n')
        && !content.starts_with([' ', '\t', '\n'])
        && content.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn literal(text: &mut String, content: &str, indent: usize) {
    let body = content.trim_end_matches('\n');
    text.push_str(match content.len() - body.len() {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    });
    for line in content.strip_suffix('\n').unwrap_or(content).split('\n') {
        if !line.is_empty() {
            text.extend(std::iter::repeat_n(' ', indent));
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// A text on one line: plain where every reader takes it for a text, else quoted.
fn scalar(content: &str, in_flow: bool) -> String {
    if is_plain(content, in_flow) {
        return content.to_owned();
    }
    let fits_single = content.chars().all(is_printable);
    let has_quote = content.contains('\'');
    if fits_single && (!has_quote || content.contains(['"', '\\'])) {
        return format!("'{}'", content.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for character in content.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other if is_printable(other) => quoted.push(other),
            // Writing into a String cannot fail.
            other => drop(write!(quoted, "\\U{:08X}", u32::from(other))),
        }
    }
    quoted.push('"');
    quoted
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn is_plain(content: &str, in_flow: bool) -> bool {
    const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`=<~";
    let Some(first) = content.chars().next() else {
        return false;
    };
    let trims = content.trim() != content;
    let breaks = content.contains(": ") || content.contains(" #") || content.ends_with(':');
    let breaks_flow = in_flow && content.contains([',', '[', ']', '{', '}', ':', '"', '\'']);
    !trims
        && !breaks
        && !breaks_flow
        && !INDICATORS.contains(first)
        && content.chars().all(is_printable)
        && !means_something_else(content)
}

/// Words, numbers, dates and times that some reader of YAML does not take for a text.
fn means_something_else(content: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let lower = content.to_ascii_lowercase();
    let number = lower.replace(['_', ','], "");
    let digits_first = number
        .trim_start_matches(['+', '-', '.'])
        .starts_with(|c: char| c.is_ascii_digit());
    WORDS.contains(&lower.as_str())
        || number.parse::<f64>().is_ok()
        || matches!(lower.as_str(), ".inf" | ".nan" | "+.inf")
        || digits_first && (number.starts_with("0x") || number.starts_with("0o") || number.starts_with("0b"))
        || digits_first
            && lower
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b":.-+ tz".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::yaml::{Node, Value, parse};

    #[test]
    fn texts_are_quoted_only_when_they_must_be() {
        for (content, block, in_flow) in [
            ("payments", "payments", "payments"),
            ("30d", "30d", "30d"),
            (
                "x_total{job=\"shop\"}",
                "x_total{job=\"shop\"}",
                "'x_total{job=\"shop\"}'",
            ),
            ("yes", "'yes'", "'yes'"),
            ("0123", "'0123'", "'0123'"),
            ("1e3", "'1e3'", "'1e3'"),
            ("0x1F", "'0x1F'", "'0x1F'"),
            ("null", "'null'", "'null'"),
            ("2026-01-01", "'2026-01-01'", "'2026-01-01'"),
            ("12:30", "'12:30'", "'12:30'"),
            ("a: b", "'a: b'", "'a: b'"),
            ("a #b", "'a #b'", "'a #b'"),
            ("", "''", "''"),
            (" a", "' a'", "' a'"),
            ("- a", "'- a'", "'- a'"),
            ("It's late.", "It's late.", "\"It's late.\""),
            ("{{.window}}", "'{{.window}}'", "'{{.window}}'"),
            ("a\tb\u{7}", "\"a\\tb\\U00000007\"", "\"a\\tb\\U00000007\""),
        ] {
            assert_eq!(
                (scalar(content, false), scalar(content, true)),
                (block.to_owned(), in_flow.to_owned())
            );
        }
    }

    fn any_out() -> impl Strategy<Value = Out> {
        let text = prop_oneof![
            "\\PC{0,12}",
            "[a-z:#{}\\[\\],&*!|>'\"%@` \n\t-]{0,12}",
            "[0-9xeob_.:+-]{1,8}",
            Just("yes".to_owned()),
            "([a-z# ]{0,6}\n){1,4}[a-z]{0,3}\n{0,3}",
            any::<String>(),
        ];
        let leaf = text.clone().prop_map(Out::Text);
        leaf.prop_recursive(4, 40, 4, move |inner| {
            let map = proptest::collection::vec((text.clone(), inner.clone()), 0..4).prop_map(|mut entries| {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries.dedup_by(|a, b| a.0 == b.0);
                entries.retain(|(key, _)| key != "<<");
                Out::Map(entries)
            });
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Out::List),
                map,
                inner.prop_map(Out::inline),
            ]
        })
    }

    fn same(written: &Out, read: &Node) -> bool {
        match (written, &read.value) {
            (Out::Text(text), Value::Scalar(scalar)) => *text == scalar.text,
            (Out::Inline(inner), _) => same(inner, read),
            (Out::List(items), Value::Seq(found)) => {
                items.len() == found.len() && items.iter().zip(found).all(|(a, b)| same(a, b))
            }
            (Out::Map(entries), Value::Map(found)) => {
                entries.len() == found.len()
                    && entries
                        .iter()
                        .zip(found)
                        .all(|((key, value), entry)| *key == entry.key && same(value, &entry.value))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any_out()) {
            let root = Out::Map(vec![("root".to_owned(), value)]);
            let text = document(&root);
            let parsed = parse(&text);
            prop_assert!(parsed.errors.is_empty(), "{text}\n{:?}", parsed.errors);
            prop_assert!(same(&root, &parsed.documents[0]), "{text}\n{:?}", parsed.documents);
        }
    }
}
