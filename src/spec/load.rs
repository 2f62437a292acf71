//! One file: its documents, whatever their format.

use super::codes;
use super::detect::DocumentKind;
use super::diagnostic::{Diagnostic, has_errors};
use super::native;
use super::reader::Reader;
use super::yaml::{self, Node, Span};
use crate::domain::slo::Slo;

/// An SLO whose name can be read, in a valid file or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedSlo {
    /// Its service, where it can be read.
    pub service: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The line of its `- name`.
    pub line: u32,
}

/// What one file gave.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The file as it was named by the caller.
    pub file: String,
    /// Its SLOs; none when there is any error.
    pub slos: Vec<Slo>,
    /// All that is wrong or odd in it.
    pub diagnostics: Vec<Diagnostic>,
    /// Every SLO whose name can be read, also in a file that does not load.
    pub names: Vec<NamedSlo>,
    /// The format of its first document.
    pub kind: DocumentKind,
}

impl Loaded {
    /// A file that could not even be read.
    pub fn unreadable(diagnostic: Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            diagnostics: vec![diagnostic],
            ..Self::default()
        }
    }

    /// The file loads.
    pub fn is_valid(&self) -> bool {
        !has_errors(&self.diagnostics)
    }
}

/// Reads an SLO file. Every error of every document is reported; `file` is what diagnostics and SLOs call it.
pub fn load(text: &str, file: &str) -> Loaded {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = yaml::parse(text);
    let mut reader = Reader::new(text, file);
    let is_torn = !parsed.errors.is_empty();
    for error in parsed.errors {
        reader.report_yaml(error);
    }
    if parsed.documents.is_empty() && !is_torn {
        let span = Span {
            line: 1,
            column: 1,
            ..Span::default()
        };
        let hint = Some("an SLO file begins with `version: nines/v1`".to_owned());
        reader.report_with(&codes::FORMAT, span, "the file is empty", hint);
    }
    let kind = parsed.documents.first().map(DocumentKind::of).unwrap_or_default();
    let mut contents = native::Contents::default();
    for root in &parsed.documents {
        read_document(&mut reader, root, &mut contents);
    }
    let diagnostics = reader.into_diagnostics();
    let slos = if has_errors(&diagnostics) {
        Vec::new()
    } else {
        contents.slos
    };
    Loaded {
        file: file.to_owned(),
        slos,
        diagnostics,
        names: contents.names,
        kind,
    }
}

fn read_document(reader: &mut Reader<'_>, root: &Node, contents: &mut native::Contents) {
    let kind = DocumentKind::of(root);
    let marker = root
        .get("version")
        .or_else(|| root.get("apiVersion"))
        .map_or(root.span, |node| node.span);
    let begin = Some("an SLO file begins with `version: nines/v1`".to_owned());
    match kind {
        DocumentKind::Native => native::read(reader, root, contents),
        DocumentKind::Unknown if root.entries().is_none() => {
            let message = format!("an SLO file is a map, not {}", root.kind());
            reader.report_with(&codes::FORMAT, root.span, message, begin);
        }
        DocumentKind::Unknown if root.entry("slos").is_some() && marker == root.span => {
            reader.report_with(&codes::MISSING_KEY, root.span, "`version` is missing", begin);
            native::read(reader, root, contents);
        }
        DocumentKind::Unknown => {
            reader.report_with(&codes::FORMAT, marker, "this is no format that nines knows", begin);
        }
        DocumentKind::Config => {
            let message = "this is a nines configuration, not an SLO file";
            reader.report(&codes::FORMAT, root.span, message);
        }
        other => {
            let message = format!("this is {}, which is not supported by this version yet", other.name());
            reader.report(&codes::UNSUPPORTED, marker, message);
        }
    }
}
