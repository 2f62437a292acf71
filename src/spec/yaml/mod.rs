//! YAML as a tree in which every value and key knows its place.
//!
//! Scalars keep the text as it was written, so that `99.90` stays exact and nothing is guessed about `no`, `1e3` or
//! `12:30`. JSON is YAML, so JSON files are read by the same code.

mod build;
mod mend;

use super::codes::Code;

pub use build::parse;

/// The largest file, in bytes.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deeply maps and lists may be nested.
pub const DEPTH_MAX: usize = 64;
/// How many values a document may hold, its aliases written out.
pub const NODES_MAX: usize = 200_000;
/// How much text the aliases of a document may repeat, in bytes.
pub const ALIAS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many documents a file may hold.
pub const DOCUMENTS_MAX: usize = 1_000;

/// A piece of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The file's first character.
    pub const FIRST: Self = Self {
        line: 1,
        column: 1,
        start: 0,
        end: 0,
    };
}

/// A value and its place. A value that came by an alias keeps the place where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place.
    pub span: Span,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    /// Anything that is neither list nor map.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A scalar's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, its escapes undone.
    pub text: String,
    /// It stands without quotes, so that `true` may mean a boolean.
    pub plain: bool,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key's place.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// Why a text, or a part of it, could not be taken.
#[derive(Clone, Debug)]
pub struct YamlError {
    /// Which kind.
    pub code: &'static Code,
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// The documents of a text that could be read, and all that is wrong in it. Empty documents are left out.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The documents.
    pub documents: Vec<Node>,
    /// The errors.
    pub errors: Vec<YamlError>,
}

impl Node {
    /// The entries of a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The entry of a map with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value of a map's key; `null` is no value.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// There is no value.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value's kind, with its article.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
