//! One file: its documents, whatever their formats.

use super::codes;
use super::contents::Contents;
use super::detect::{DocumentKind, MARKERS, family};
use super::diagnostic::{Diagnostic, has_errors};
use super::document::{Document, SourceFile};
use super::objects::Objects;
use super::options::Options;
use super::reader::Reader;
use super::set::load_files;
use super::suggest::suggest;
use super::yaml::{Node, Span};
use super::{native, openslo, pyrra, slo_generator, sloth};
use crate::domain::indicator::Sources;
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
    fn unreadable(diagnostic: Diagnostic) -> Self {
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

/// What the documents of all formats are read with.
pub(super) struct Context<'a> {
    /// How files are read.
    pub options: &'a Options,
    /// What they may refer to.
    pub objects: &'a Objects<'a>,
}

/// Reads one SLO file by itself, leniently. Every error of every document is reported; `file` is what diagnostics and
/// SLOs call it.
pub fn load(text: &str, file: &str) -> Loaded {
    let files = load_files(&[&SourceFile::new(file, text)], &Options::default());
    files.files.into_iter().next().unwrap_or_default()
}

/// Reads one file of several.
pub(super) fn load_file(file: &SourceFile, context: &Context<'_>) -> Loaded {
    if let Some(diagnostic) = &file.unreadable {
        return Loaded::unreadable(diagnostic.clone());
    }
    let mut reader = Reader::new(&file.text, &file.file);
    reader.set_strict(context.options.strict);
    let mut contents = Contents::default();
    if let Some(reason) = file.skipped {
        reader.report(&codes::SKIPPED, Span::FIRST, reason);
    } else {
        for error in &file.errors {
            reader.report_yaml(error.clone());
        }
        if file.documents.is_empty() && file.errors.is_empty() {
            let hint = Some("an SLO file begins with `version: nines/v1`".to_owned());
            reader.report_with(&codes::FORMAT, Span::FIRST, "the file is empty", hint);
        }
        for document in &file.documents {
            read_document(&mut reader, document, context, &mut contents);
        }
    }
    for slo in &contents.slos {
        if let Some(reason) = slo.idle_reason(&Sources::default()) {
            let line = Span {
                line: slo.origin.line,
                ..Span::FIRST
            };
            reader.report(&codes::IDLE, line, format!("{} is not computed: {reason}", slo.id));
        }
    }
    let diagnostics = reader.into_diagnostics();
    let slos = if has_errors(&diagnostics) {
        Vec::new()
    } else {
        contents.slos
    };
    Loaded {
        file: file.file.clone(),
        slos,
        diagnostics,
        names: contents.names,
        kind: file.kind(),
    }
}

fn read_document(reader: &mut Reader<'_>, document: &Document, context: &Context<'_>, contents: &mut Contents) {
    let root = &document.root;
    match document.kind {
        DocumentKind::Native => native::read(reader, root, contents),
        DocumentKind::OpenSloV1 | DocumentKind::OpenSloV1Alpha | DocumentKind::OpenSloV2Alpha => {
            openslo::read(reader, document, context, contents);
        }
        DocumentKind::Sloth | DocumentKind::SlothResource | DocumentKind::AlertWindows => {
            sloth::read(reader, document, context, contents);
        }
        DocumentKind::Pyrra => pyrra::read(reader, root, context, contents),
        DocumentKind::SloGenerator => slo_generator::read(reader, root, context, contents),
        DocumentKind::Config => {
            let message = "this is a nines configuration, not an SLO file";
            reader.report(&codes::FORMAT, root.span, message);
        }
        DocumentKind::Blackbox => {
            let message =
                "these are modules of blackbox exporter, no SLOs; `probe_module_files` in nines.yml names them";
            reader.report(&codes::SKIPPED, root.span, message);
        }
        DocumentKind::OtherObject => {
            let kind = root.get("kind").and_then(Node::text).unwrap_or_default();
            let message = format!("a Kubernetes object of kind {kind} is no SLO; it is skipped");
            reader.report(&codes::SKIPPED, root.span, message);
        }
        DocumentKind::PrometheusRules => {
            let message = "these are rules for Prometheus, no SLOs; they are skipped";
            reader.report(&codes::SKIPPED, root.span, message);
        }
        DocumentKind::HelmTemplate => {
            let message = "this is a template of Helm; point nines at what Helm renders";
            reader.report(&codes::SKIPPED, root.span, message);
        }
        DocumentKind::HelmChart => {
            let message = "this describes a chart of Helm, no SLOs; it is skipped";
            reader.report(&codes::SKIPPED, root.span, message);
        }
        DocumentKind::Kustomize => {
            let message = "this is for Kustomize, no SLO by itself; it is skipped";
            let hint = "point nines at what Kustomize builds".to_owned();
            reader.report_with(&codes::SKIPPED, root.span, message, Some(hint));
        }
        DocumentKind::UnknownVersion | DocumentKind::Unknown => read_unknown(reader, document, context, contents),
    }
}

/// The markers of all formats, for people whose file has none of them.
fn all_formats(marker: Option<&str>) -> String {
    let near = marker.and_then(|marker| suggest(marker, MARKERS));
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    format!(
        "{near}nines reads `version:` nines/v1 and prometheus/v1 (Sloth), and `apiVersion:` openslo/v1, openslo/v1alpha, \
         openslo.com/v2alpha, sloth.slok.dev/v1, pyrra.dev/v1alpha1 and sre.google.com/v2"
    )
}

/// Whether the SLOs of a document without a marker are written as Sloth's.
fn is_like_sloth(root: &Node) -> bool {
    let items = root.get("slos").and_then(Node::items).unwrap_or_default();
    items.iter().any(|item| item.entry("sli").is_some())
}

fn read_unknown(reader: &mut Reader<'_>, document: &Document, context: &Context<'_>, contents: &mut Contents) {
    let root = &document.root;
    let begin = Some("an SLO file begins with `version: nines/v1`".to_owned());
    let marker = root.get("version").or_else(|| root.get("apiVersion"));
    let Some(marker) = marker else {
        if root.entries().is_none() {
            let message = format!("an SLO file is a map, not {}", root.kind());
            reader.report_with(&codes::FORMAT, root.span, message, begin);
        } else if is_like_sloth(root) {
            let hint = "files of Sloth, whose SLOs have `sli`, begin with `version: prometheus/v1`".to_owned();
            reader.report_with(&codes::MISSING_KEY, root.span, "`version` is missing", Some(hint));
            sloth::read(reader, document, context, contents);
        } else if root.entry("slos").is_some() {
            reader.report_with(&codes::MISSING_KEY, root.span, "`version` is missing", begin);
            native::read(reader, root, contents);
        } else {
            reader.report_with(
                &codes::FORMAT,
                root.span,
                "this is no SLO format that nines knows",
                begin,
            );
        }
        return;
    };
    match marker.text().and_then(family) {
        Some(versions) => {
            let written = marker.text().unwrap_or_default();
            let key = if versions.starts_with("nines/") || versions.starts_with("prometheus/") {
                "version"
            } else {
                "apiVersion"
            };
            if root.entry(key).is_none() {
                let message = format!("the format \"{written}\" is named by another key");
                reader.report_with(
                    &codes::VERSION,
                    marker.span,
                    message,
                    Some(format!("write `{key}: {written}`")),
                );
                return;
            }
            let message = format!("nines does not know the version \"{written}\"");
            reader.report_with(
                &codes::VERSION,
                marker.span,
                message,
                Some(format!("it reads {versions}")),
            );
        }
        None => reader.report_with(
            &codes::FORMAT,
            marker.span,
            "this is no SLO format that nines knows",
            Some(all_formats(marker.text())),
        ),
    }
}
