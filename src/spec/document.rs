//! A file as its documents, before anybody knows what they mean.

use std::ffi::OsStr;

use super::detect::DocumentKind;
use super::diagnostic::Diagnostic;
use super::helm;
use super::yaml::{self, Node, Value, YamlError};

const TEMPLATE: &str = "this is a template of Helm, not YAML; point nines at what Helm renders";
const VALUES: &str = "these are values for Helm, no SLOs; they are skipped";

/// A file that was read and parsed.
#[derive(Clone, Debug, Default)]
pub struct SourceFile {
    /// What diagnostics and SLOs call it.
    pub file: String,
    /// Its text, without a byte order mark.
    pub text: String,
    /// Its documents; those that are lists of objects are taken apart.
    pub(super) documents: Vec<Document>,
    /// What is wrong with the YAML.
    pub(super) errors: Vec<YamlError>,
    /// Why nothing in it is read, where that is no mistake.
    pub(super) skipped: Option<&'static str>,
    /// Why it could not even be read.
    pub(super) unreadable: Option<Diagnostic>,
}

/// One document and its format.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub root: Node,
    pub kind: DocumentKind,
}

impl SourceFile {
    /// Parses a text; `file` is what diagnostics call it.
    pub fn new(file: impl Into<String>, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = yaml::parse(text);
        let roots = parsed.documents.into_iter().flat_map(take_apart);
        let documents = roots.map(|root| Document {
            kind: DocumentKind::of(&root),
            root,
        });
        Self {
            file: file.into(),
            text: text.to_owned(),
            documents: documents.collect(),
            skipped: helm::breaks(text, &parsed.errors).then_some(TEMPLATE),
            errors: parsed.errors,
            unreadable: None,
        }
    }

    /// Whether a file of this name may hold the values of a Helm chart: `values.yaml`, `values-prod.yaml`,
    /// `values.prod.yml`.
    pub fn is_name_of_values(name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let is_yaml = [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending));
        let rest = name.strip_prefix("values");
        is_yaml && rest.is_some_and(|rest| rest.starts_with(['.', '-', '_']))
    }

    /// A file with such a name that nobody asked for by it, found in a folder. What the values of a chart look like
    /// nobody knows, so that they are skipped by their name, unless they look like SLOs.
    #[must_use]
    pub fn found_in_folder(mut self) -> Self {
        let is_unknown = |document: &Document| document.kind == DocumentKind::Unknown && !document.is_meant_as_slo();
        if self.errors.is_empty() && self.documents.iter().all(is_unknown) {
            self.skipped = self.skipped.or(Some(VALUES));
        }
        self
    }

    /// The format of the first document.
    pub fn kind(&self) -> DocumentKind {
        self.documents.first().map(|document| document.kind).unwrap_or_default()
    }

    /// The format of the document that holds this line.
    pub fn kind_at(&self, line: u32) -> DocumentKind {
        // Documents stand in the order of the text, those of a list too.
        let after = self
            .documents
            .partition_point(|document| document.root.span.line <= line);
        let document = self.documents.get(after.saturating_sub(1));
        document.map(|document| document.kind).unwrap_or_default()
    }

    /// It holds objects to which documents of other files may refer.
    pub fn has_objects(&self) -> bool {
        self.documents
            .iter()
            .any(|document| document.root.get("kind").is_some())
    }

    /// A file that could not even be read.
    pub fn unreadable(diagnostic: Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            unreadable: Some(diagnostic),
            ..Self::default()
        }
    }
}

impl Document {
    /// It has a key with which only SLO files begin, though not all that is needed.
    fn is_meant_as_slo(&self) -> bool {
        ["version", "apiVersion", "slos"]
            .iter()
            .any(|key| self.root.entry(key).is_some())
    }
}

/// A document that is a list of objects, or a Kubernetes `List`, stands for its items.
fn take_apart(root: Node) -> Vec<Node> {
    let is_object = |node: &Node| node.entry("apiVersion").is_some();
    let is_list = root
        .get("kind")
        .and_then(Node::text)
        .is_some_and(|kind| kind.ends_with("List"));
    match root.value {
        Value::Seq(items) if !items.is_empty() && items.iter().all(is_object) => items,
        Value::Map(entries) if is_list => {
            let items = entries.iter().find(|entry| entry.key == "items");
            match items.map(|entry| &entry.value.value) {
                Some(Value::Seq(items)) if items.iter().all(is_object) => items.clone(),
                _ => vec![Node {
                    value: Value::Map(entries),
                    span: root.span,
                }],
            }
        }
        value => vec![Node { value, span: root.span }],
    }
}
