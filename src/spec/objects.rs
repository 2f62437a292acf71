//! Objects to which documents of any file may refer: OpenSLO's kinds, and Sloth's catalogs of alert windows.

use std::collections::HashMap;

use super::document::{Document, SourceFile};
use super::yaml::Node;

/// One object of one file.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    /// The file that holds it.
    pub file: &'a SourceFile,
    /// Its document.
    pub node: &'a Node,
}

impl Object<'_> {
    /// `targets.yaml:12`
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.file, self.node.span.line)
    }
}

/// The objects of all files, by kind and name; in the order of the files where a name occurs twice.
#[derive(Default)]
pub(super) struct Objects<'a> {
    by_name: HashMap<&'a str, HashMap<&'a str, Vec<Object<'a>>>>,
    by_kind: HashMap<&'a str, Vec<Object<'a>>>,
}

impl<'a> Objects<'a> {
    /// Collects the objects of these files.
    pub fn of(files: &[&'a SourceFile]) -> Self {
        let mut objects = Self::default();
        for file in files {
            for Document { root, .. } in &file.documents {
                let Some(kind) = root.get("kind").and_then(Node::text) else {
                    continue;
                };
                let object = Object { file, node: root };
                objects.by_kind.entry(kind).or_default().push(object);
                if let Some(name) = root
                    .get("metadata")
                    .and_then(|node| node.get("name"))
                    .and_then(Node::text)
                {
                    let of_kind = objects.by_name.entry(kind).or_default();
                    of_kind.entry(name).or_default().push(object);
                }
            }
        }
        objects
    }

    /// The objects with this kind and name, the first one first.
    pub fn named(&self, kind: &str, name: &str) -> &[Object<'a>] {
        let found = self.by_name.get(kind).and_then(|names| names.get(name));
        found.map_or(&[], Vec::as_slice)
    }

    /// The objects of a kind, in the order of the files.
    pub fn of_kind(&self, kind: &str) -> &[Object<'a>] {
        self.by_kind.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The names that objects of a kind have, for suggestions.
    pub fn names(&self, kind: &str) -> Vec<&'a str> {
        let mut names: Vec<&str> = self
            .by_name
            .get(kind)
            .into_iter()
            .flat_map(HashMap::keys)
            .copied()
            .collect();
        names.sort_unstable();
        names
    }
}
