//! Sloth: `prometheus/v1`, its Kubernetes resource, and `AlertWindows`.

mod alerting;
mod catalog;
#[cfg(test)]
mod golden;
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
            let _ = fields.get("version");
            read_group(reader, fields, &words::FILE, context, contents);
        }
    }
}

fn read_resource(reader: &mut Reader<'_>, root: &Node, context: &Context<'_>, contents: &mut Contents) {
    let Some(mut fields) = Fields::of_document(root) else {
        return;
    };
    let _ = fields.get("apiVersion");
    let kind_field = fields.require("kind");
    let kind_is_known = kind_field.is_none_or(|field| check_kind(reader, field));
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
