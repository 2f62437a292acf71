//! What all sections of a configuration need: the reader, the folder, and what is secret.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::shown::HIDDEN;
use crate::notify::settings::SecretRef;
use crate::secret::Secret;
use crate::source::scrape::settings::SecretSource;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Node, Value};

/// A configuration that is being read.
pub(super) struct Context<'a> {
    /// Values and diagnostics.
    pub reader: Reader<'a>,
    /// Values that must not be shown, by their place: what is shown instead.
    pub secrets: HashMap<usize, String>,
    /// The file was written for Prometheus: what nines does not know is a warning.
    pub is_prometheus: bool,
    base: &'a Path,
}

/// A secret, or the file that holds it.
pub(super) enum SecretPlace {
    Inline(Secret),
    File(PathBuf),
}

impl From<SecretPlace> for SecretRef {
    fn from(place: SecretPlace) -> Self {
        match place {
            SecretPlace::Inline(secret) => Self::Inline(secret),
            SecretPlace::File(path) => Self::File(path),
        }
    }
}

impl From<SecretPlace> for SecretSource {
    fn from(place: SecretPlace) -> Self {
        match place {
            SecretPlace::Inline(secret) => Self::Inline(secret),
            SecretPlace::File(path) => Self::File(path),
        }
    }
}

impl<'a> Context<'a> {
    pub fn new(reader: Reader<'a>, base: &'a Path) -> Self {
        Self {
            reader,
            secrets: HashMap::new(),
            is_prometheus: false,
            base,
        }
    }

    /// Ends a map of Prometheus's: whatever was not asked for is an error, and a warning in a file of Prometheus's.
    pub fn finish(&mut self, fields: Fields<'_>) {
        if self.is_prometheus {
            for entry in fields.unasked() {
                self.hide_all(&entry.value);
            }
            fields.finish_of_prometheus(&mut self.reader);
        } else {
            fields.finish(&mut self.reader);
        }
    }

    /// Settings of Prometheus that nines does not have, each with what follows from that.
    pub fn unsupported(&mut self, fields: &mut Fields<'_>, keys: &[(&'static str, &str)]) {
        for (key, what) in keys {
            if let Some(field) = fields.get(key).filter(|field| !is_empty(field.node)) {
                self.hide_all(field.node);
                let message = format!("`{key}` is not supported: {what}");
                self.reader.report(&codes::OF_PROMETHEUS, field.key_span, message);
            }
        }
    }

    /// A switch of Prometheus's that nines does not have: it always behaves as if it were written `as_if`.
    pub fn fixed(&mut self, fields: &mut Fields<'_>, key: &'static str, as_if: bool, what: &str) {
        if let Some(field) = fields.get(key)
            && self.reader.boolean(field) == Some(!as_if)
        {
            let message = format!("`{key}` has no effect: {what}");
            self.reader.report(&codes::NO_EFFECT, field.key_span, message);
        }
    }

    /// A value is shown as this text from now on.
    pub fn hide_as(&mut self, node: &Node, shown: String) {
        self.secrets.insert(node.span.start, shown);
    }

    /// Nothing below is shown: nobody knows what of it is secret.
    pub fn hide_all(&mut self, node: &Node) {
        match &node.value {
            Value::Map(entries) => entries.iter().for_each(|entry| self.hide_all(&entry.value)),
            Value::Seq(items) => items.iter().for_each(|item| self.hide_all(item)),
            Value::Null | Value::Scalar(_) => self.hide_as(node, HIDDEN.to_owned()),
        }
    }

    /// A secret text that is not empty.
    pub fn secret(&mut self, field: Field<'_>) -> Option<Secret> {
        self.hide_as(field.node, HIDDEN.to_owned());
        self.reader.filled(field).map(Secret::new)
    }

    /// A secret under one key, or the path of its file under the other.
    pub fn secret_or_file(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<SecretPlace> {
        let (inline, file) = (fields.get(key), fields.get(file_key));
        if let (Some(_), Some(file)) = (inline, file) {
            self.exclude(file, key);
        }
        let inline = inline.and_then(|field| self.secret(field)).map(SecretPlace::Inline);
        let file = file.and_then(|field| self.path(field)).map(SecretPlace::File);
        inline.or(file)
    }

    /// A key stands beside another one that excludes it.
    pub fn exclude(&mut self, field: Field<'_>, other: &str) {
        let message = format!("`{}` and `{other}` exclude each other", field.key);
        self.reader.report(&codes::CONFLICT, field.key_span, message);
    }

    /// The folder of the configuration.
    pub fn base(&self) -> &Path {
        self.base
    }

    /// A path, resolved against the folder of the configuration.
    pub fn path(&mut self, field: Field<'_>) -> Option<PathBuf> {
        self.reader.filled(field).map(|text| self.base.join(text))
    }

    /// A list of paths and globs, resolved against the folder of the configuration. In a glob the folder's own name is
    /// taken literally.
    pub fn patterns(&mut self, field: Field<'_>) -> Vec<PathBuf> {
        let mut patterns = Vec::new();
        for item in self.reader.list(field) {
            let Some(text) = self.reader.filled(item) else {
                continue;
            };
            if !text.contains(['*', '?', '[']) {
                patterns.push(self.base.join(text));
            } else if let Err(error) = glob::Pattern::new(&text) {
                let message = format!("`{}` holds no valid pattern: {}", field.key, error.msg);
                self.reader.report(&codes::ADDRESS, item.node.span, message);
            } else {
                let base = self.base.to_str().map(glob::Pattern::escape);
                patterns.push(base.map_or(self.base.join(&text), |base| PathBuf::from(base).join(&text)));
            }
        }
        patterns
    }

    /// A duration above zero, or a default.
    pub fn period(&mut self, fields: &mut Fields<'_>, key: &'static str, default: Duration) -> Duration {
        fields
            .get(key)
            .and_then(|field| self.positive(field))
            .unwrap_or(default)
    }

    /// A duration above zero.
    pub fn positive(&mut self, field: Field<'_>) -> Option<Duration> {
        let duration = self.reader.duration(field)?;
        if duration.is_zero() {
            let message = format!("`{}` must be longer than 0", field.key);
            self.reader.report(&codes::DURATION, field.node.span, message);
            return None;
        }
        Some(duration)
    }

    /// A boolean, or a default.
    pub fn boolean(&mut self, fields: &mut Fields<'_>, key: &'static str, default: bool) -> bool {
        fields
            .get(key)
            .and_then(|field| self.reader.boolean(field))
            .unwrap_or(default)
    }

    /// A name that may be given once in its list.
    pub fn unique_name(&mut self, field: Field<'_>, known: &[&str]) -> Option<String> {
        let name = self.reader.filled(field)?;
        if known.contains(&name.as_str()) {
            let message = format!("`{}: {name}` is given twice", field.key);
            self.reader.report(&codes::DUPLICATE_NAME, field.node.span, message);
        }
        Some(name)
    }
}

/// Nothing is written behind a key.
pub(super) fn is_empty(node: &Node) -> bool {
    node.entries().is_some_and(<[_]>::is_empty) || node.items().is_some_and(<[_]>::is_empty)
}
