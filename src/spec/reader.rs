//! Reads maps and values out of a YAML tree and collects what is wrong on the way.

use std::collections::HashSet;
use std::time::Duration;

use super::codes::{self, Code, Severity};
use super::diagnostic::Diagnostic;
use super::place::written_offset;
use super::suggest::suggest;
use super::yaml::{Entry, Node, Span, Value, YamlError};
use crate::domain::labels::Labels;
use crate::domain::selector_parser::is_label_name;
use crate::domain::time::parse_duration;

use super::fields::did_you_mean;
pub use super::fields::{Field, Fields};

pub use crate::domain::alert::RESERVED_LABELS;

/// How many errors, and how many warnings, are kept of one file; nobody mends more in one pass.
const DIAGNOSTICS_MAX: usize = 200;
/// How many notes are kept of one file: they are the report of what is lost, so that there may be one for each SLO.
const NOTES_MAX: usize = 1_000;
/// A value is repeated in a message up to so many characters.
const SHOWN_MAX: usize = 60;
/// A message is cut to so many characters: it may repeat what a hostile file holds.
const MESSAGE_MAX: usize = 600;
/// Lines longer than this, in bytes, are no help to a reader and are not shown.
pub(super) const SNIPPET_MAX: usize = 2_000;
/// How many labels may be set at one place.
const LABELS_MAX: usize = 64;

/// A file that is being read: its text for the snippets, and the diagnostics so far.
pub struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    diagnostics: Vec<Diagnostic>,
    /// How many there are of each severity.
    counts: [usize; 3],
    /// What was found beyond the limits: severity, code, line and column.
    left_out: HashSet<(Severity, &'static str, u32, u32)>,
    repeats_values: bool,
    strict: bool,
}

impl<'a> Reader<'a> {
    /// A reader of this text; `file` is what diagnostics call it.
    pub fn new(text: &'a str, file: &'a str) -> Self {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes());
        Self {
            file,
            text,
            line_starts: std::iter::once(0).chain(starts.map(|at| at + 1)).collect(),
            diagnostics: Vec::new(),
            counts: [0; 3],
            left_out: HashSet::new(),
            repeats_values: true,
            strict: false,
        }
    }

    /// What the original tool would refuse is an error.
    pub(super) fn set_strict(&mut self, strict: bool) {
        self.strict = strict;
    }

    /// What the original tool would refuse is an error.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The original tool would refuse this, yet its meaning is clear: a warning, and an error when strict.
    pub fn report_lenient(
        &mut self,
        code: &'static Code,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let severity = if self.strict { Severity::Error } else { code.severity() };
        self.report_as(severity, code, span, &message.into(), hint);
    }

    /// A reader whose messages about wrong kinds do not repeat the value: it may be a secret in a wrong place.
    #[must_use]
    pub fn discreet(self) -> Self {
        Self {
            repeats_values: false,
            ..self
        }
    }

    /// The text.
    pub fn source(&self) -> &'a str {
        self.text
    }

    /// The file's name.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Something is wrong at a place.
    pub fn report(&mut self, code: &'static Code, span: Span, message: impl Into<String>) {
        self.report_with(code, span, message, None);
    }

    /// Something is wrong at a place, and this is how to mend it.
    pub fn report_with(&mut self, code: &'static Code, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.report_as(code.severity(), code, span, &message.into(), hint);
    }

    fn report_as(&mut self, severity: Severity, code: &'static Code, span: Span, message: &str, hint: Option<String>) {
        let count = &mut self.counts[severity as usize];
        if *count >= most(severity) {
            self.left_out.insert((severity, code.code, span.line, span.column));
            return;
        }
        *count += 1;
        let line = Some(self.line(span.line)).filter(|line| line.len() <= SNIPPET_MAX);
        let meant = self.text.get(span.start..span.end).unwrap_or_default();
        let first_line = meant.lines().next().unwrap_or_default();
        let hint = match hint {
            // Whatever the format, words in a duration are mended alike.
            None if *code == codes::DURATION => as_duration(meant.trim_matches(['"', '\''])),
            hint => hint,
        };
        self.diagnostics.push(Diagnostic {
            severity,
            line: span.line,
            column: span.column,
            length: u32::try_from(first_line.chars().count()).unwrap_or(u32::MAX).max(1),
            hint: hint.map(|hint| one_line(&hint)),
            snippet: line.map(ToOwned::to_owned),
            ..Diagnostic::of_file(code, self.file, one_line(&cut(message, MESSAGE_MAX)))
        });
    }

    /// An error of the YAML itself.
    pub fn report_yaml(&mut self, error: YamlError) {
        self.report_with(error.code, error.span, error.message, error.hint);
    }

    /// All that was reported, in the order of the text; what was read twice is said once.
    pub fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|found| (found.line, found.column));
        self.diagnostics.dedup();
        for found in &self.diagnostics {
            let kept = (found.severity, found.code, found.line, found.column);
            self.left_out.remove(&kept);
        }
        for (severity, code) in [
            (Severity::Error, &codes::MORE_ERRORS),
            (Severity::Warning, &codes::MORE_WARNINGS),
            (Severity::Note, &codes::MORE_NOTES),
        ] {
            let places = self.left_out.iter().filter(|found| found.0 == severity);
            let number = places.clone().count();
            let last_line = self.diagnostics.last().map_or(1, |found| found.line);
            if number > 0 {
                let plural = if number == 1 { "" } else { "s" };
                let message = format!("and {number} more {}{plural}, not listed here", severity.word());
                self.diagnostics.push(Diagnostic {
                    line: places.map(|found| found.2).max().unwrap_or(1).max(last_line),
                    hint: (severity != Severity::Note).then(|| "mend those above, then check again".to_owned()),
                    ..Diagnostic::of_file(code, self.file, message)
                });
            }
        }
        self.diagnostics
    }

    /// How many diagnostics there are that keep the file from loading.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.is_error()).count()
    }

    /// The place of byte `at` of a scalar's text, wherever folding, escapes and indentation moved it; the whole scalar
    /// where that cannot be told.
    pub fn place_within(&self, node: &Node, at: usize) -> Span {
        let (span, text) = (node.span, node.text().unwrap_or_default());
        let raw = self.text.get(span.start..span.end).unwrap_or_default();
        let Some(offset) = text
            .get(..at)
            .and_then(|before| written_offset(raw, before, &text[at..]))
        else {
            return span;
        };
        let before = &raw[..offset];
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or_default();
        let (line, column) = match before.rsplit_once('\n') {
            None => (span.line, span.column + chars(before)),
            Some((above, last)) => {
                let breaks = memchr::memchr_iter(b'\n', above.as_bytes()).count() + 1;
                (span.line + u32::try_from(breaks).unwrap_or_default(), chars(last) + 1)
            }
        };
        Span {
            line,
            column,
            start: span.start + offset,
            ..span
        }
    }

    /// A text, as it is written: numbers and booleans too.
    pub fn text(&mut self, field: Field<'_>) -> Option<String> {
        let text = field.node.text().map(ToOwned::to_owned);
        if text.is_none() {
            self.expected(field, "a text");
        }
        text
    }

    /// A text that is not empty.
    pub fn filled(&mut self, field: Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            self.report(
                &codes::MISSING_KEY,
                field.node.span,
                format!("`{}` is empty", field.key),
            );
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, field: Field<'_>) -> Option<bool> {
        match &field.node.value {
            Value::Scalar(scalar) if scalar.plain => match scalar.text.as_str() {
                "true" | "True" | "TRUE" => return Some(true),
                "false" | "False" | "FALSE" => return Some(false),
                _ => {}
            },
            _ => {}
        }
        let meant = match field.node.text() {
            Some("yes" | "Yes" | "YES" | "on" | "On" | "ON") => Some("true"),
            Some("no" | "No" | "NO" | "off" | "Off" | "OFF") => Some("false"),
            _ => None,
        };
        let before = self.diagnostics.len();
        self.expected(field, "true or false");
        if let Some((found, meant)) = self.diagnostics.get_mut(before).zip(meant) {
            found.hint = Some(format!("write `{meant}`"));
        }
        None
    }

    /// A finite decimal number.
    pub fn number(&mut self, field: Field<'_>) -> Option<f64> {
        let text = self.text(field)?;
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if number.is_none() {
            let message = format!("`{}` must be a number, not \"{}\"", field.key, cut(&text, SHOWN_MAX));
            self.report_with(&codes::NUMBER, field.node.span, message, as_number(&text));
        }
        number
    }

    /// A whole number that is not negative.
    pub fn whole(&mut self, field: Field<'_>) -> Option<u64> {
        let text = self.text(field)?;
        let number = text.trim().parse().ok();
        if number.is_none() {
            let text = cut(&text, SHOWN_MAX);
            let message = format!("`{}` must be a whole number of at least 0, not \"{text}\"", field.key);
            self.report(&codes::NUMBER, field.node.span, message);
        }
        number
    }

    /// A Prometheus duration.
    pub fn duration(&mut self, field: Field<'_>) -> Option<Duration> {
        let text = self.text(field)?;
        parse_duration(&text)
            .map_err(|error| {
                let message = format!("`{}` is {error}", field.key);
                self.report(&codes::DURATION, field.node.span, message);
            })
            .ok()
    }

    /// The items of a list, each as a field of the same name; `None` items are reported.
    pub fn list<'n>(&mut self, field: Field<'n>) -> Vec<Field<'n>> {
        let Some(items) = field.node.items() else {
            let before = self.diagnostics.len();
            self.expected(field, "a list");
            if let Some(found) = self.diagnostics.get_mut(before) {
                found.hint = Some("begin each item with `- `".to_owned());
            }
            return Vec::new();
        };
        items
            .iter()
            .map(|node| Field {
                node,
                key_span: node.span,
                ..field
            })
            .collect()
    }

    /// A list of texts.
    pub fn texts(&mut self, field: Field<'_>) -> Vec<String> {
        let items = self.list(field);
        items.into_iter().filter_map(|item| self.filled(item)).collect()
    }

    /// A map of label names and values; `reserved` names are refused.
    pub fn labels(&mut self, field: Field<'_>, reserved: &[&str]) -> Labels {
        let mut labels = Labels::new();
        let Some(entries) = field.node.entries() else {
            self.expected(field, "a map");
            return labels;
        };
        if entries.len() > LABELS_MAX {
            let message = format!("`{}` may hold {LABELS_MAX} labels, not {}", field.key, entries.len());
            self.report(&codes::LABEL, field.node.span, message);
            return labels;
        }
        for Entry { key, key_span, value } in entries {
            self.check_label(key, *key_span, reserved);
            match &value.value {
                Value::Null => {}
                Value::Scalar(scalar) => labels.set(key.as_str(), scalar.text.as_str()),
                _ => {
                    let message = format!("the value of `{key}` must be a text, not {}", value.kind());
                    self.report(&codes::WRONG_TYPE, value.span, message);
                }
            }
        }
        labels
    }

    /// Whether a label of this name may be set.
    pub fn check_label(&mut self, name: &str, span: Span, reserved: &[&str]) -> bool {
        let problem = if !is_label_name(name) {
            format!("\"{name}\" is no label name; letters, digits and _ are possible, with no digit in front")
        } else if name.starts_with("__") {
            format!("labels whose names begin with __ belong to Prometheus; \"{name}\" cannot be set")
        } else if reserved.contains(&name) {
            format!("the label \"{name}\" is set by nines and cannot be set here")
        } else {
            return true;
        };
        self.report(&codes::LABEL, span, problem);
        false
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, field: Field<'_>, words: &[(&str, T)]) -> Option<T> {
        self.choice_with(field, words, None)
    }

    /// One of some words; `meanings` is the hint where no word is nearly the one that is written.
    pub fn choice_with<T: Copy>(&mut self, field: Field<'_>, words: &[(&str, T)], meanings: Option<&str>) -> Option<T> {
        let text = self.text(field)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let shown = cut(&text, SHOWN_MAX);
            let message = format!("`{}` is one of {}, not \"{shown}\"", field.key, all.join(", "));
            let hint = suggest(&text, all)
                .map(did_you_mean)
                .or_else(|| meanings.map(ToOwned::to_owned));
            self.report_with(&codes::CHOICE, field.node.span, message, hint);
        }
        found
    }

    /// A value is of another kind than expected.
    pub fn expected(&mut self, field: Field<'_>, what: &str) {
        let found = match &field.node.value {
            Value::Scalar(scalar) if self.repeats_values => {
                format!("\"{}\"", cut(&scalar.text, SHOWN_MAX))
            }
            _ => field.node.kind().to_owned(),
        };
        let message = format!("`{}` must be {what}, not {found}", field.key);
        self.report(&codes::WRONG_TYPE, field.node.span, message);
    }

    fn line(&self, number: u32) -> &'a str {
        let index = number.saturating_sub(1) as usize;
        let start = self.line_starts.get(index).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// The hint where a number is written with a comma or a percent sign.
pub(super) fn as_number(text: &str) -> Option<String> {
    let plain = text.trim().trim_end_matches('%').trim_end().replace(',', ".");
    let is_number = plain.starts_with(|c: char| c.is_ascii_digit()) && plain.parse::<f64>().is_ok();
    (is_number && plain != text).then(|| format!("write `{plain}`"))
}

/// The hint where a duration is written without its unit, or with the unit as a word: `30 days`.
pub(super) fn as_duration(text: &str) -> Option<String> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    if number.is_empty() || number.len() > 6 {
        return None;
    }
    let letter = match unit.trim_start().to_lowercase().trim_end_matches('s') {
        "" if unit.is_empty() => {
            return Some(format!(
                "a number needs its unit: `{number}m` are minutes, `{number}s` seconds"
            ));
        }
        "sec" | "second" => 's',
        "min" | "minute" => 'm',
        "h" | "hr" | "hour" => 'h',
        "d" | "day" => 'd',
        "w" | "week" => 'w',
        "y" | "year" => 'y',
        _ => return None,
    };
    let meant = format!("{number}{letter}");
    (meant != text).then(|| format!("write `{meant}`"))
}

/// How many diagnostics of a severity are kept.
fn most(severity: Severity) -> usize {
    match severity {
        Severity::Error | Severity::Warning => DIAGNOSTICS_MAX,
        Severity::Note => NOTES_MAX,
    }
}

/// The beginning of a text, with an ellipsis where it was cut.
fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The text with what would break its line, or command a terminal, written as an escape: `\n`.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
