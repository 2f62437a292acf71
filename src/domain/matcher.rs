//! Label matchers and vector selectors, in PromQL's notation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use regex::Regex;

use super::labels::Labels;
use super::selector_parser::is_label_name;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Regex,
    /// `!~`, anchored at both ends
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label; a missing label counts as an empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name; `__name__` for the metric's.
    pub name: String,
    /// How it compares.
    pub op: MatchOp,
    /// What it compares with.
    pub value: String,
    regex: Option<Regex>,
}

/// The largest compiled regular expression, in bytes: hostile patterns are refused, not run.
const REGEX_SIZE_MAX: usize = 1 << 20;

impl Matcher {
    /// A matcher; the error says why the regular expression is none.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, String> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(compiled(&value)?),
        };
        Ok(Self { name, op, value, regex })
    }

    /// Whether a value (empty for a missing label) fulfils the condition.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            _ => value == self.value,
        }
    }
}

/// The patterns that were compiled last are kept: files of many SLOs write the same few again and again.
const KEPT_MAX: usize = 64;
/// The longest pattern that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 256;

thread_local! {
    static KEPT: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// An expression anchored at both ends, whose `.` matches newlines too, as in Prometheus.
pub(super) fn compiled(pattern: &str) -> Result<Regex, String> {
    if let Some(regex) = KEPT.with_borrow(|kept| kept.get(pattern).cloned()) {
        return Ok(regex);
    }
    let build = |pattern: &str| {
        regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(REGEX_SIZE_MAX)
            .build()
            .map_err(|error| error.to_string())
    };
    // What Prometheus takes literally is an error of grammar here: `/users/{id}`.
    let regex = build(pattern).or_else(|error| build(&with_literals(pattern)).map_err(|_| error))?;
    if pattern.len() <= KEPT_BYTES_MAX {
        KEPT.with_borrow_mut(|kept| {
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(pattern.to_owned(), regex.clone());
        });
    }
    Ok(regex)
}

/// The pattern with a backslash before each brace that begins no repetition, and before brackets within brackets.
pub fn with_literals(pattern: &str) -> String {
    let is_repetition = |rest: &str| {
        let (bounds, _) = rest.split_once('}').unwrap_or_default();
        let (least, most) = bounds.split_once(',').unwrap_or((bounds, ""));
        !least.is_empty()
            && [least, most]
                .iter()
                .all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut escaped = String::with_capacity(pattern.len() + 8);
    let (mut is_escaped, mut in_class, mut in_name) = (false, false, false);
    for (at, c) in pattern.char_indices() {
        let is_plain = !is_escaped && !in_class && !in_name;
        let rest = &pattern[at + c.len_utf8()..];
        let is_literal_brace = c == '{' && is_plain && !is_repetition(rest);
        // Within a class only `[:` opens anything.
        let is_literal_bracket = c == '[' && in_class && !is_escaped && !rest.starts_with(':');
        if is_literal_brace || is_literal_bracket {
            escaped.push('\\');
        }
        // Of `\p{Greek}` and `\x{41}` the braces belong to the escape.
        in_name = (is_escaped && "pPx".contains(c)) || (in_name && c != '}');
        match c {
            '[' if is_plain => in_class = true,
            ']' if in_class && !is_escaped => in_class = false,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        escaped.push(c);
    }
    escaped
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write_quoted(f, &self.name)?;
        }
        f.write_str(self.op.symbol())?;
        write_quoted(f, &self.value)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

/// A vector selector: `http_requests_total{job="shop",code=~"5.."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric's name, when the selector names one.
    pub metric: Option<String>,
    /// All conditions; those on `__name__` only where the name is not given by `metric`.
    pub matchers: Vec<Matcher>,
}

impl Selector {
    /// Whether a series fulfils it. `labels` are those of the series with its target's, as in Prometheus.
    pub fn matches(&self, metric: &str, labels: &Labels) -> bool {
        self.metric.as_deref().is_none_or(|wanted| wanted == metric)
            && self.matchers.iter().all(|matcher| {
                matcher.matches(if matcher.name == "__name__" {
                    metric
                } else {
                    labels.get(&matcher.name)
                })
            })
    }

    /// The same conditions on another metric, as a histogram's parts need them.
    #[must_use]
    pub fn with_metric(&self, metric: impl Into<String>) -> Self {
        Self {
            metric: Some(metric.into()),
            matchers: self.matchers.clone(),
        }
    }
}

impl fmt::Display for Selector {
    /// As it is read again: names that PromQL writes in quotes stand within the braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |name: &&str| is_label_name(&name.replace(':', "_"));
        let metric = self.metric.as_deref();
        let plain = metric.filter(is_plain);
        let quoted = metric.filter(|_| plain.is_none());
        f.write_str(plain.unwrap_or_default())?;
        if quoted.is_none() && self.matchers.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        if let Some(name) = quoted {
            write_quoted(f, name)?;
        }
        for (position, matcher) in self.matchers.iter().enumerate() {
            let comma = if position > 0 || quoted.is_some() { "," } else { "" };
            write!(f, "{comma}{matcher}")?;
        }
        f.write_str("}")
    }
}

/// Why a text is no selector, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// Byte offset into the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::{MatchOp, Matcher};

    #[test]
    fn patterns_match_whole_values_as_in_prometheus() {
        for (pattern, value, expected) in [
            ("5..", "503", true),
            ("5..", "5030", false),
            ("a|b", "b", true),
            ("/users/{id}", "/users/{id}", true),
            ("/users/{id}/x{2}", "/users/{id}/xx", true),
            ("[{]a{1,}{", "{aa{", true),
            ("\\p{Greek}{x}", "α{x}", true),
            ("\\{x{", "{x{", true),
            ("[[a]{2}", "[a", true),
            ("é{[é[a]", "é{[", true),
            ("[[:alpha:]]{", "a{", true),
        ] {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern).expect(pattern);
            assert_eq!(matcher.matches(value), expected, "{pattern} {value}");
        }
        for pattern in ["(", "/users/{id}("] {
            assert!(Matcher::new("l", MatchOp::Regex, pattern).is_err(), "{pattern}");
        }
    }
}
