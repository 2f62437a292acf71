//! OpenSLO v1, v1alpha and v2alpha.
//!
//! Source: the specification (<https://github.com/OpenSLO/OpenSLO>) for what things mean, and the rules of its Go SDK
//! (<https://github.com/OpenSLO/go-sdk>) for `--strict`.

mod alert;
mod alpha;
mod condition;
mod metadata;
mod method;
mod metric;
mod object;
mod objective;
mod policy;
mod rules;
mod sli;
mod slo;
#[cfg(test)]
mod tests;
mod window;

use super::codes;
use super::contents::Contents;
use super::detect::DocumentKind;
use super::document::Document;
use super::load::Context;
use super::objects::Object;
use super::reader::{Field, Fields, Reader};
use super::suggest::suggest;
use super::yaml::Node;

/// The format's name in messages.
const TOOL: &str = "OpenSLO";

/// The versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V1Alpha,
    V2Alpha,
}

impl Version {
    /// The version of a document; `None` when it is no OpenSLO.
    fn of(kind: DocumentKind) -> Option<Self> {
        match kind {
            DocumentKind::OpenSloV1 => Some(Self::V1),
            DocumentKind::OpenSloV1Alpha => Some(Self::V1Alpha),
            DocumentKind::OpenSloV2Alpha => Some(Self::V2Alpha),
            _ => None,
        }
    }

    /// As the SDK wants it in `apiVersion`.
    fn word(self) -> &'static str {
        match self {
            Self::V1 => "openslo/v1",
            Self::V1Alpha => "openslo/v1alpha",
            Self::V2Alpha => "openslo.com/v2alpha",
        }
    }
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Slo,
    Sli,
    DataSource,
    Service,
    AlertPolicy,
    AlertCondition,
    AlertNotificationTarget,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Slo,
        Self::Sli,
        Self::DataSource,
        Self::Service,
        Self::AlertPolicy,
        Self::AlertCondition,
        Self::AlertNotificationTarget,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Slo => "SLO",
            Self::Sli => "SLI",
            Self::DataSource => "DataSource",
            Self::Service => "Service",
            Self::AlertPolicy => "AlertPolicy",
            Self::AlertCondition => "AlertCondition",
            Self::AlertNotificationTarget => "AlertNotificationTarget",
        }
    }
}

/// What a part of a document is read with.
#[derive(Clone, Copy)]
struct Scope<'a> {
    version: Version,
    context: &'a Context<'a>,
}

impl<'a> Scope<'a> {
    /// The OpenSLO objects with this kind and name; Kubernetes knows a `Service` too.
    fn named(self, kind: Kind, name: &str) -> impl Iterator<Item = (Object<'a>, Version)> {
        let exact = self.context.objects.named(kind.word(), name).iter();
        // The operator's spelling.
        let operator = if kind == Kind::DataSource { "Datasource" } else { "" };
        let all = exact.chain(self.context.objects.named(operator, name));
        all.filter_map(|object| Some((*object, Version::of(DocumentKind::of(object.node))?)))
    }

    /// The scope of an object in another document.
    fn at(self, version: Version) -> Self {
        Self { version, ..self }
    }
}

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Document, context: &Context<'_>, contents: &mut Contents) {
    let root = &document.root;
    let (Some(version), Some(mut fields)) = (Version::of(document.kind), Fields::of_document(root)) else {
        return;
    };
    let mut scope = Scope { version, context };
    let api_version = fields.get("apiVersion");
    check_version(reader, api_version, version);
    let Some(kind) = read_kind(reader, &mut fields, version) else {
        return;
    };
    if version != Version::V1Alpha && kind == Kind::Slo && alpha::is_meant(root) {
        let message = format!("the fields of {} under another version", Version::V1Alpha.word());
        let hint = Some(format!("write `apiVersion: {}`", Version::V1Alpha.word()));
        let span = api_version.map_or(root.span, |field| field.node.span);
        rules::refused(reader, span, message, hint);
        scope = scope.at(Version::V1Alpha);
    }
    match kind {
        Kind::Slo if scope.version == Version::V1Alpha => alpha::read(reader, root, fields, scope, contents),
        Kind::Slo => slo::read(reader, root, fields, scope, contents),
        _ => {
            warn_about_twins(reader, root, kind, scope);
            object::read(reader, kind, fields, scope);
        }
    }
}

/// Other spellings of the same version, such as an operator's, are clear.
fn check_version(reader: &mut Reader<'_>, field: Option<Field<'_>>, version: Version) {
    let Some(field) = field else {
        return;
    };
    if field.node.text() != Some(version.word()) {
        let written = field.node.text().unwrap_or_default();
        let message = format!(
            "`apiVersion` is \"{written}\"; the specification has `{}`",
            version.word()
        );
        rules::refused(reader, field.node.span, message, None);
    }
}

fn read_kind(reader: &mut Reader<'_>, fields: &mut Fields<'_>, version: Version) -> Option<Kind> {
    let Some(field) = fields.get("kind") else {
        let message = "`kind` is missing; `kind: SLO`, for example";
        reader.report(&codes::MISSING_KEY, fields.span(), message);
        return None;
    };
    let word = reader.text(field)?;
    let Some(kind) = Kind::ALL
        .into_iter()
        .find(|kind| kind.word().eq_ignore_ascii_case(&word))
    else {
        let words = Kind::ALL.map(Kind::word);
        let message = format!("`kind` is one of {}, not \"{word}\"", words.join(", "));
        let hint = suggest(&word, words).map(|meant| format!("did you mean `{meant}`?"));
        reader.report_with(&codes::CHOICE, field.node.span, message, hint);
        return None;
    };
    if kind.word() != word {
        let message = format!("`kind` is \"{word}\"; the specification has `{}`", kind.word());
        rules::refused(reader, field.node.span, message, None);
    } else if version == Version::V1Alpha && !matches!(kind, Kind::Slo | Kind::Service) {
        let message = format!(
            "`kind: {word}` does not exist in {}; it is read as in openslo/v1",
            version.word()
        );
        rules::refused(reader, field.node.span, message, None);
    }
    Some(kind)
}

/// Two objects of one kind and name are legal, and only one of them is ever meant.
fn warn_about_twins(reader: &mut Reader<'_>, root: &Node, kind: Kind, scope: Scope<'_>) {
    let Some(name) = root.get("metadata").and_then(|node| node.get("name")) else {
        return;
    };
    let first = name.text().and_then(|text| scope.named(kind, text).next());
    if let Some((first, _)) = first.filter(|(first, _)| !std::ptr::eq(first.node, root)) {
        let name_text = name.text().unwrap_or_default();
        let message = format!("{} {name_text} is defined already, in {}", kind.word(), first.place());
        reader.report(&codes::DUPLICATE_OBJECT, name.span, message);
    }
}
