//! A file as its documents, before anybody knows what they mean.

use super::detect::DocumentKind;
use super::diagnostic::Diagnostic;
use super::yaml::{self, Node, Value, YamlError};

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
    /// It is a template of Helm, from which YAML is yet to be made.
    pub(super) is_template: bool,
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
            is_template: !parsed.errors.is_empty() && is_helm_template(text),
            errors: parsed.errors,
            unreadable: None,
        }
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

/// Whether a text that is no YAML is a template of Helm.
fn is_helm_template(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        ".Values",
        ".Release",
        ".Chart",
        ".Files",
        "include ",
        "template ",
        "if ",
        "range ",
        "with ",
        "end ",
        "define ",
        "toYaml ",
        "$",
    ];
    text.split("{{").skip(1).any(|rest| {
        let inner = rest.trim_start_matches('-').trim_start();
        WORDS.iter().any(|word| inner.starts_with(word)) || inner.starts_with("end}") || inner.starts_with("else")
    })
}
