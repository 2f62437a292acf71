//! One rule of relabelling.

use std::hash::{Hash, Hasher};

use md5::{Digest, Md5};
use regex::Regex;

use super::METRIC_NAME;
use super::expand::expand;
use crate::domain::labels::Labels;
use crate::domain::matcher::compiled;

const SEPARATOR: &str = ";";
const PATTERN: &str = "(.*)";
const REPLACEMENT: &str = "$1";

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelabelAction {
    /// Sets the target label to the replacement where the pattern matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops where source and target differ.
    KeepEqual,
    /// Drops where source and target are the same.
    DropEqual,
    /// Sets the target label to a hash of the source modulo a number.
    HashMod,
    /// Copies labels whose names match to the names that the replacement gives.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl RelabelAction {
    /// All actions with the words for them.
    pub const WORDS: [(&str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        let own = Self::WORDS.iter().find(|(_, action)| *action == self);
        own.map_or("", |(word, _)| word)
    }

    fn needs_target(self) -> bool {
        use RelabelAction::{DropEqual, HashMod, KeepEqual, Lowercase, Replace, Uppercase};
        matches!(self, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual)
    }
}

/// A rule as it is written; `None` is what is not written.
#[derive(Clone, Debug, Default)]
pub struct WrittenRule {
    /// `source_labels`
    pub source_labels: Option<Vec<String>>,
    /// `separator`
    pub separator: Option<String>,
    /// `regex`
    pub regex: Option<String>,
    /// `modulus`
    pub modulus: Option<u64>,
    /// `target_label`
    pub target_label: Option<String>,
    /// `replacement`
    pub replacement: Option<String>,
    /// `action`
    pub action: RelabelAction,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The key at which it shows.
    pub key: &'static str,
    /// What is wrong, in Prometheus's words where it has some.
    pub message: String,
}

/// A rule that makes sense.
#[derive(Clone, Debug)]
pub struct RelabelRule {
    source_labels: Vec<String>,
    separator: String,
    pattern: String,
    regex: Regex,
    modulus: u64,
    target_label: String,
    replacement: String,
    action: RelabelAction,
}

impl RelabelRule {
    /// A rule with its defaults filled in.
    pub fn new(written: WrittenRule) -> Result<Self, RuleError> {
        check(&written)?;
        let pattern = written.regex.unwrap_or_else(|| PATTERN.to_owned());
        let regex = compiled(&pattern).map_err(|why| RuleError {
            key: "regex",
            message: format!("`regex` is no regular expression: {}", last_line(&why)),
        })?;
        Ok(Self {
            source_labels: written.source_labels.unwrap_or_default(),
            separator: written.separator.unwrap_or_else(|| SEPARATOR.to_owned()),
            pattern,
            regex,
            modulus: written.modulus.unwrap_or_default(),
            target_label: written.target_label.unwrap_or_default(),
            replacement: written.replacement.unwrap_or_else(|| REPLACEMENT.to_owned()),
            action: written.action,
        })
    }

    /// Changes the labels; `false` when it drops them.
    pub(super) fn apply(&self, labels: &mut Labels) -> bool {
        let source = || {
            let values: Vec<&str> = self.source_labels.iter().map(|name| labels.get(name)).collect();
            values.join(&self.separator)
        };
        match self.action {
            RelabelAction::Keep => return self.regex.is_match(&source()),
            RelabelAction::Drop => return !self.regex.is_match(&source()),
            RelabelAction::KeepEqual => return labels.get(&self.target_label) == source(),
            RelabelAction::DropEqual => return labels.get(&self.target_label) != source(),
            RelabelAction::Replace => self.replace(&source(), labels),
            RelabelAction::HashMod => labels.set(self.target_label.as_str(), self.hash_of(&source())),
            RelabelAction::Lowercase => labels.set(self.target_label.as_str(), in_case(&source(), lower)),
            RelabelAction::Uppercase => labels.set(self.target_label.as_str(), in_case(&source(), upper)),
            RelabelAction::LabelMap => self.map_names(labels),
            RelabelAction::LabelDrop => self.retain_names(labels, false),
            RelabelAction::LabelKeep => self.retain_names(labels, true),
        }
        true
    }

    /// See [`super::RelabelRules::may_rename`].
    pub(super) fn may_rename(&self) -> bool {
        let can_be = |template: &str| template == METRIC_NAME || template.contains('$');
        match self.action {
            RelabelAction::Replace | RelabelAction::HashMod | RelabelAction::Lowercase | RelabelAction::Uppercase => {
                can_be(&self.target_label)
            }
            RelabelAction::LabelMap => can_be(&self.replacement),
            RelabelAction::LabelDrop => self.regex.is_match(METRIC_NAME),
            RelabelAction::LabelKeep => !self.regex.is_match(METRIC_NAME),
            RelabelAction::Keep | RelabelAction::Drop | RelabelAction::KeepEqual | RelabelAction::DropEqual => false,
        }
    }

    /// See [`super::RelabelRules::may_drop`].
    pub(super) fn may_drop(&self) -> bool {
        use RelabelAction::{Drop, DropEqual, Keep, KeepEqual};
        matches!(self.action, Keep | Drop | KeepEqual | DropEqual)
    }

    /// A text that changes exactly when the rule does.
    pub(super) fn fingerprint(&self) -> String {
        let parts = [
            self.action.word(),
            &self.source_labels.join(","),
            &self.separator,
            &self.pattern,
            &self.modulus.to_string(),
            &self.target_label,
            &self.replacement,
        ];
        parts.join("\0")
    }

    fn replace(&self, source: &str, labels: &mut Labels) {
        let Some(captures) = self.regex.captures(source) else {
            return;
        };
        let target = expand(&self.target_label, &captures);
        if !target.is_empty() {
            labels.set(target, expand(&self.replacement, &captures));
        }
    }

    /// The last eight bytes of the MD5 sum as one number, modulo `modulus`.
    fn hash_of(&self, source: &str) -> String {
        let sum = Md5::digest(source.as_bytes());
        let number = sum
            .iter()
            .skip(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        number.checked_rem(self.modulus).unwrap_or_default().to_string()
    }

    /// Keeps the labels whose names match, or those whose names do not.
    fn retain_names(&self, labels: &mut Labels, matching: bool) {
        let kept = labels.iter().filter(|(name, _)| self.regex.is_match(name) == matching);
        *labels = kept.collect();
    }

    fn map_names(&self, labels: &mut Labels) {
        let mapped = |(name, value): (&str, &str)| {
            let captures = self.regex.captures(name)?;
            Some((expand(&self.replacement, &captures), value.to_owned()))
        };
        let mapped: Vec<(String, String)> = labels.iter().filter_map(mapped).collect();
        for (name, value) in mapped.into_iter().filter(|(name, _)| !name.is_empty()) {
            labels.set(name, value);
        }
    }
}

impl PartialEq for RelabelRule {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for RelabelRule {}

impl Hash for RelabelRule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

/// Refuses what Prometheus 3 refuses: to it, any text is a label's name.
fn check(rule: &WrittenRule) -> Result<(), RuleError> {
    let (action, word) = (rule.action, rule.action.word());
    let refuse = |key, message: String| Err(RuleError { key, message });
    if rule.source_labels.iter().flatten().any(String::is_empty) {
        return refuse("source_labels", "\"\" is not a valid label name".to_owned());
    }
    if action == RelabelAction::HashMod && rule.modulus.unwrap_or_default() == 0 {
        return refuse("modulus", "hashmod requires a `modulus` that is not 0".to_owned());
    }
    let target = rule.target_label.as_deref().unwrap_or_default();
    if action.needs_target() && target.is_empty() {
        return refuse("target_label", format!("the {word} action requires a `target_label`"));
    }
    if action == RelabelAction::LabelMap && rule.replacement.as_deref() == Some("") {
        return refuse(
            "replacement",
            format!("\"\" is an invalid `replacement` for the {word} action"),
        );
    }
    match excess(rule) {
        Some((key, message)) => refuse(key, message),
        None => Ok(()),
    }
}

/// A key that the rule's action does not take.
fn excess(rule: &WrittenRule) -> Option<(&'static str, String)> {
    use RelabelAction::{DropEqual, KeepEqual, LabelDrop, LabelKeep, Lowercase, Uppercase};
    let word = rule.action.word();
    let differs = |written: &Option<String>, default: &str| written.as_ref().is_some_and(|text| text != default);
    let replaced = differs(&rule.replacement, REPLACEMENT);
    let common = [
        ("modulus", rule.modulus.is_some_and(|modulus| modulus != 0)),
        ("separator", differs(&rule.separator, SEPARATOR)),
        ("replacement", replaced),
    ];
    let (own, needs) = match rule.action {
        KeepEqual | DropEqual => (
            vec![("regex", rule.regex.is_some())],
            "`source_labels` and `target_label`",
        ),
        LabelDrop | LabelKeep => {
            let own = vec![
                ("source_labels", rule.source_labels.is_some()),
                ("target_label", differs(&rule.target_label, "")),
            ];
            (own, "`regex`")
        }
        Lowercase | Uppercase if replaced => {
            return Some((
                "replacement",
                format!("`replacement` cannot be set for the {word} action"),
            ));
        }
        _ => return None,
    };
    let (key, _) = own.into_iter().chain(common).find(|(_, is_excess)| *is_excess)?;
    Some((
        key,
        format!("the {word} action takes only {needs}, and no other fields"),
    ))
}

/// Regular expressions explain themselves in several lines; the last one says why.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

/// Letter by letter, as Go does it: a letter that becomes several stays as it is.
fn in_case(text: &str, of: fn(char) -> char) -> String {
    text.chars().map(of).collect()
}

fn lower(letter: char) -> char {
    // Go knows the dotted capital I by a simple mapping, which the standard library lacks.
    if letter == 'İ' {
        'i'
    } else {
        single(letter, letter.to_lowercase())
    }
}

fn upper(letter: char) -> char {
    single(letter, letter.to_uppercase())
}

fn single(letter: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}
