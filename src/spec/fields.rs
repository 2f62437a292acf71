//! The entries of a map that is being read.

use super::codes::{self, Code};
use super::reader::Reader;
use super::suggest::suggest;
use super::yaml::{Entry, Node, Span};

/// A value and the key under which it was found.
#[derive(Clone, Copy)]
pub struct Field<'n> {
    /// The key.
    pub key: &'static str,
    /// The key's place.
    pub key_span: Span,
    /// The value.
    pub node: &'n Node,
}

/// The entries of a map that is being read. Whatever was not asked for by the end is an unknown key.
pub struct Fields<'n> {
    #[cfg(test)]
    map: &'static str,
    span: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens a map; anything else is reported.
    pub fn open(reader: &mut Reader<'_>, field: Field<'n>) -> Option<Self> {
        let Some(entries) = field.node.entries() else {
            reader.expected(field, "a map");
            return None;
        };
        Some(Self {
            #[cfg(test)]
            map: field.key,
            span: field.node.span,
            entries,
            known: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// Opens a document.
    pub fn of_document(root: &'n Node) -> Option<Self> {
        Some(Self {
            #[cfg(test)]
            map: "",
            span: root.span,
            entries: root.entries()?,
            known: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// The place of the map.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value of a key; `null` counts as absent.
    pub fn get(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.known.push(key);
        #[cfg(test)]
        super::asked::note(self.map, key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then_some(Field {
            key,
            key_span: entry.key_span,
            node: &entry.value,
        })
    }

    /// The value of a key that must be there; [`Fields::finish`] says so when it is not.
    pub fn require(&mut self, key: &'static str) -> Option<Field<'n>> {
        let field = self.get(key);
        if field.is_none() {
            self.missing.push(key);
        }
        field
    }

    /// Keys that nines knows and does not support yet.
    pub fn refuse(&mut self, reader: &mut Reader<'_>, keys: &[&'static str]) {
        for key in keys {
            if let Some(field) = self.get(key) {
                let message = format!("`{key}` is not supported by this version yet");
                reader.report(&codes::UNSUPPORTED, field.key_span, message);
            }
        }
    }

    /// As [`Fields::finish`], for the formats of others: a key that nobody asked for is a warning, because `tool` ignores
    /// it in silence, and an error when strict.
    pub fn finish_foreign(self, reader: &mut Reader<'_>, tool: &str) {
        let free = self.free();
        let mut misspelt = Vec::new();
        for Entry { key, key_span, .. } in self.entries {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let same = |known: &&&str| squeeze(known) == squeeze(key);
            let meant = free
                .iter()
                .find(same)
                .copied()
                .or_else(|| suggest(key, free.iter().copied()));
            // A needed key that is misspelt is one mistake; that it is missing is the graver half of it.
            if let Some(meant) = meant.filter(|meant| self.missing.contains(meant) && !misspelt.contains(meant)) {
                misspelt.push(meant);
                let message = format!("`{meant}` is missing; it is written \"{key}\"");
                reader.report_with(&codes::MISSING_KEY, *key_span, message, Some(did_you_mean(meant)));
                continue;
            }
            let message = format!("{tool} ignores the key \"{key}\", so it has no effect");
            reader.report_lenient(
                &codes::FOREIGN_KEY,
                *key_span,
                message,
                meant.map(|meant| meant_for(key, meant)),
            );
        }
        self.report_missing(reader, &misspelt);
    }

    /// The keys that were asked for and are not there: what a stranger may mean.
    fn free(&self) -> Vec<&'static str> {
        let known = self.known.iter().copied();
        known.filter(|known| !self.has_key(known)).collect()
    }

    /// The entries that nobody has asked for so far.
    pub fn unasked(&self) -> impl Iterator<Item = &'n Entry> {
        let known = &self.known;
        self.entries
            .iter()
            .filter(move |entry| !known.contains(&entry.key.as_str()))
    }

    /// Whether the map has this key, whatever its value.
    pub fn has_key(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    fn report_missing(&self, reader: &mut Reader<'_>, misspelt: &[&str]) {
        for key in self.missing.iter().filter(|key| !misspelt.contains(key)) {
            let empty = self.entries.iter().find(|entry| entry.key == *key);
            let span = empty.map_or(self.span, |entry| entry.key_span);
            reader.report(&codes::MISSING_KEY, span, format!("`{key}` is missing"));
        }
    }

    /// Reports every key that nobody asked for, and every needed one that is not there, unless it is there misspelt.
    pub fn finish(self, reader: &mut Reader<'_>) {
        self.finish_with(reader, &[]);
    }

    /// As [`Fields::finish`], for a file that was written for Prometheus: a key that nobody asked for is a warning.
    pub fn finish_of_prometheus(self, reader: &mut Reader<'_>) {
        self.finish_as(reader, &codes::OF_PROMETHEUS, &[]);
    }

    /// As [`Fields::finish`]; these keys are often written here by people who come from elsewhere. Each with the key of
    /// this map that it stands for (or `""`), and the hint.
    pub fn finish_with(self, reader: &mut Reader<'_>, strangers: &[(&str, &'static str, &str)]) {
        self.finish_as(reader, &codes::UNKNOWN_KEY, strangers);
    }

    fn finish_as(self, reader: &mut Reader<'_>, code: &'static Code, strangers: &[(&str, &'static str, &str)]) {
        let free = self.free();
        let mut misspelt = Vec::new();
        for Entry { key, key_span, .. } in self.entries {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let stranger = strangers.iter().find(|(stranger, ..)| stranger == key);
            let meant = match stranger {
                Some((_, means, _)) => Some(*means),
                None => suggest(key, free.iter().copied()),
            };
            misspelt.extend(meant);
            // A key that is needed is missing, whoever reads over the one that stands for it.
            let is_needed = meant.is_some_and(|meant| self.missing.contains(&meant));
            let code = if is_needed { &codes::UNKNOWN_KEY } else { code };
            let hint = match stranger {
                Some((.., hint)) => Some((*hint).to_owned()),
                None => meant.map(|meant| meant_for(key, meant)),
            };
            reader.report_with(code, *key_span, format!("unknown key \"{key}\""), hint);
        }
        self.report_missing(reader, &misspelt);
    }
}

/// A key without what tells `pageAlert`, `page_alert` and `page-alert` apart.
fn squeeze(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The hint about a key that is nearly another one.
fn meant_for(key: &str, meant: &str) -> String {
    if key.contains(|c: char| c.is_whitespace() && c != ' ') && squeeze(key) == squeeze(meant) {
        return format!("it holds a no-break space, which looks like a space; write `{meant}` and indent with spaces");
    }
    did_you_mean(meant)
}

/// The usual hint.
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}
