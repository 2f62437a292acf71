//! Sloth: `prometheus/v1`, its Kubernetes resource, and `AlertWindows`.

mod alerting;
mod catalog;
mod known_plugins;
mod sli;
mod sli_plugins;
mod slo;
mod slo_plugins;
#[cfg(test)]
mod tests;
mod words;

use super::codes;
use super::contents::Contents;
use super::detect::DocumentKind;
use super::document::Document;
use super::load::Context;
use super::reader::{Field, Fields, Reader};
use super::suggest::suggest;
use super::yaml::{Node, Span};
use crate::domain::labels::Labels;
use crate::domain::window::WindowLength;
use catalog::Catalog;
use words::Keys;

/// The tool, as diagnostics name it.
const TOOL: &str = "Sloth";
/// The kinds of Sloth's Kubernetes objects.
const KINDS: [&str; 2] = ["PrometheusServiceLevel", "AlertWindows"];

/// What the SLOs of one document have in common.
struct Group {
    keys: &'static Keys,
    service: Option<String>,
    labels: Labels,
    /// The plugin that lets alerts wait is in the chain.
    alerts_wait: bool,
    period: WindowLength,
    /// Which windows alert; `None` where no catalog has this period.
    catalog: Option<Catalog>,
}

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Document, context: &Context<'_>, contents: &mut Contents) {
    let root = &document.root;
    match document.kind {
        DocumentKind::AlertWindows => catalog::check(reader, root, context),
        DocumentKind::SlothResource => read_resource(reader, root, context, contents),
        _ => {
            let Some(mut fields) = Fields::of_document(root) else {
                return;
            };
            if let Some(version) = fields.get("version") {
                check_version_line(reader, version);
            }
            read_group(reader, fields, &words::FILE, context, contents);
        }
    }
}

/// Sloth finds its files by a line that holds nothing but the version.
fn check_version_line(reader: &mut Reader<'_>, version: Field<'_>) {
    let source = reader.source();
    let key = version.key_span;
    let rest = source.get(key.start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let value = line.strip_prefix("version: ").map(|value| value.trim_matches(' '));
    let unquoted = value.map(|value| value.strip_prefix(['\'', '"']).unwrap_or(value));
    let unquoted = unquoted.map(|value| value.strip_suffix(['\'', '"']).unwrap_or(value));
    if key.column != 1 || unquoted != Some("prometheus/v1") {
        let message = "Sloth knows its files by a line that holds the version alone, and would not know this one";
        let hint = Some("write `version: prometheus/v1` on a line of its own, without a comment".to_owned());
        reader.report_lenient(&codes::READ_LENIENTLY, version.node.span, message, hint);
    }
}

/// Whether a resource holds a part of a `spec` only, without what makes SLOs.
fn is_patch(root: &Node) -> bool {
    const KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
    const SPEC_KEYS: [&str; 2] = ["labels", "sloPlugins"];
    let all_of = |node: &Node, keys: &[&str]| {
        let entries = node.entries().filter(|entries| !entries.is_empty());
        entries.is_some_and(|entries| entries.iter().all(|entry| keys.contains(&entry.key.as_str())))
    };
    all_of(root, &KEYS) && root.get("spec").is_some_and(|spec| all_of(spec, &SPEC_KEYS))
}

fn read_resource(reader: &mut Reader<'_>, root: &Node, context: &Context<'_>, contents: &mut Contents) {
    let Some(mut fields) = Fields::of_document(root) else {
        return;
    };
    let _ = fields.get("apiVersion");
    let kind_field = fields.require("kind");
    let kind_is_known = kind_field.is_none_or(|field| check_kind(reader, field));
    if kind_is_known && !reader.is_strict() && is_patch(root) {
        let message = "this says too little for SLOs and looks like a patch for Kustomize; it is skipped";
        let hint = "point nines at what Kustomize builds".to_owned();
        reader.report_with(&codes::SKIPPED, root.span, message, Some(hint));
        return;
    }
    // A resource's name and labels name the Kubernetes object; Sloth puts none of them onto its rules.
    let (_, _) = (fields.get("metadata"), fields.get("status"));
    let spec = if kind_is_known {
        fields.require("spec")
    } else {
        fields.get("spec")
    };
    fields.finish_foreign(reader, TOOL);
    let Some(spec) = spec else {
        return;
    };
    // The content of another kind is read only where it looks like Sloth's.
    if (kind_is_known || spec.node.entry("slos").is_some())
        && let Some(fields) = Fields::open(reader, spec)
    {
        read_group(reader, fields, &words::RESOURCE, context, contents);
    }
}

fn check_kind(reader: &mut Reader<'_>, field: Field<'_>) -> bool {
    let kind = field.node.text().unwrap_or_default();
    if kind == KINDS[0] {
        return true;
    }
    let hint = match suggest(kind, KINDS) {
        Some(near) => format!("did you mean `{near}`?"),
        None if kind.ends_with("List") => {
            "a list is a `List` with `items`, each of kind PrometheusServiceLevel".to_owned()
        }
        None => format!(
            "SLOs are of kind `{}`, windows for alerts of kind `{}`",
            KINDS[0], KINDS[1]
        ),
    };
    let message = format!("Sloth has no kind \"{kind}\"");
    reader.report_with(&codes::CHOICE, field.node.span, message, Some(hint));
    false
}

/// Reads a service and its SLOs: the document of a file, or the `spec` of a resource.
fn read_group(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    keys: &'static Keys,
    context: &Context<'_>,
    contents: &mut Contents,
) {
    let service = fields.require("service").and_then(|field| words::name(reader, field));
    let labels = fields.get("labels").map(|field| words::labels(reader, field, &[]));
    let plugins = fields.get(keys.slo_plugins);
    let alerts_wait = plugins.is_some_and(|field| slo_plugins::read(reader, field));
    let slos = fields.require("slos");
    words::misread(reader, &mut fields, &words::PERIODS);
    fields.finish_foreign(reader, TOOL);
    let Some(slos) = slos else {
        return;
    };
    if slos.node.items().is_some_and(<[Node]>::is_empty) {
        let message = "`slos` is empty; Sloth refuses a file without SLOs";
        reader.report(&codes::MISSING_KEY, slos.node.span, message);
    }
    let period = context.options.default_period;
    let group = Group {
        keys,
        service,
        labels: labels.unwrap_or_default(),
        alerts_wait,
        period,
        catalog: Catalog::of_period(context, period),
    };
    if group.catalog.is_none() {
        report_unknown_period(reader, slos.key_span, context);
    }
    for item in reader.list(slos) {
        slo::read(reader, Field { key: "slos", ..item }, &group, contents);
    }
}

fn report_unknown_period(reader: &mut Reader<'_>, span: Span, context: &Context<'_>) {
    let message = format!(
        "no alert windows are known for SLOs over {}",
        context.options.default_period.to_prometheus()
    );
    let hint = format!(
        "known periods are {}; add a document of kind AlertWindows for another one",
        catalog::known_periods(context).join(", ")
    );
    reader.report_with(&codes::REFERENCE, span, message, Some(hint));
}
