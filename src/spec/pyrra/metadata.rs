//! `metadata`: the names of an SLO, and the labels and annotations that Pyrra hands on.

use super::TOOL;
use crate::domain::labels::Labels;
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node, Value};

/// Labels and annotations with this prefix are copied onto rules without it.
const HANDED_ON: &str = "pyrra.dev/";
/// The labels that can name the service, the best one first.
const SERVICE_LABELS: [&str; 3] = ["pyrra.dev/service", "service", "app.kubernetes.io/name"];
/// The service of an object that says nothing about one.
const NO_SERVICE: &str = "pyrra";
/// Keys that Kubernetes itself writes.
const WRITTEN_BY_KUBERNETES: [&str; 10] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "selfLink",
];
/// What deployment tools write into labels and annotations for themselves; it changes with every release and says
/// nothing about the SLO.
const WRITTEN_BY_TOOLS: [&str; 8] = [
    "kubectl.kubernetes.io/",
    "app.kubernetes.io/managed-by",
    "helm.sh/",
    "meta.helm.sh/",
    "helm.toolkit.fluxcd.io/",
    "kustomize.toolkit.fluxcd.io/",
    "argocd.argoproj.io/",
    "objectset.rio.cattle.io/",
];

/// What `metadata` gave.
#[derive(Default)]
pub(super) struct Metadata<'n> {
    /// The SLO's name and its field.
    pub name: Option<(String, Field<'n>)>,
    /// The service; `None` where what is written can be none.
    pub service: Option<String>,
    /// The SLO's labels.
    pub labels: Labels,
    /// The labels that Pyrra puts onto alerts.
    pub alert_labels: Labels,
    /// The annotations that Pyrra puts onto alerts.
    pub alert_annotations: Labels,
}

/// Reads `metadata`.
pub(super) fn read<'n>(reader: &mut Reader<'_>, field: Field<'n>) -> Metadata<'n> {
    let Some(mut fields) = Fields::open(reader, field) else {
        return Metadata::default();
    };
    let name_field = fields.require("name");
    let name = name_field
        .and_then(|field| foreign::name(reader, field))
        .zip(name_field);
    let namespace = fields.get("namespace");
    let namespace = namespace.filter(|field| field.node.text() != Some(""));
    let labels_field = fields.get("labels");
    let named_by = labels_field.and_then(service_label);
    if namespace.is_none() {
        let message = "`namespace` is missing in `metadata`; Kubernetes needs one";
        let service = format!("without one, and without a label `service`, the service is called `{NO_SERVICE}`");
        let hint = named_by.is_none().then_some(service);
        reader.report_with(&codes::READ_LENIENTLY, field.key_span, message, hint);
    }
    let service = match (named_by, namespace) {
        (Some(label), _) => service_name(reader, label),
        (None, Some(namespace)) => foreign::name(reader, namespace),
        (None, None) => Some(NO_SERVICE.to_owned()),
    };
    let mut metadata = Metadata {
        name,
        service,
        ..Metadata::default()
    };
    if let Some(field) = labels_field {
        read_labels(reader, field, named_by, &mut metadata);
    }
    if let (Some(_), Some(namespace)) = (named_by, namespace)
        && metadata.labels.get("namespace").is_empty()
    {
        metadata
            .labels
            .set("namespace", reader.text(namespace).unwrap_or_default());
    }
    if let Some(field) = fields.get("annotations") {
        metadata.alert_annotations = read_annotations(reader, field);
    }
    for key in WRITTEN_BY_KUBERNETES {
        let _ = fields.get(key);
    }
    fields.finish_foreign(reader, TOOL);
    metadata
}

/// The label that names the service.
fn service_label(labels: Field<'_>) -> Option<&Entry> {
    let filled = |entry: &&Entry| entry.value.text().is_some_and(|text| !text.is_empty());
    let mut found = SERVICE_LABELS.iter().filter_map(|key| labels.node.entry(key));
    found.find(filled)
}

fn service_name(reader: &mut Reader<'_>, label: &Entry) -> Option<String> {
    let field = Field {
        key: "service",
        key_span: label.key_span,
        node: &label.value,
    };
    foreign::name(reader, field)
}

fn read_labels(reader: &mut Reader<'_>, field: Field<'_>, service: Option<&Entry>, metadata: &mut Metadata<'_>) {
    let Some(entries) = field.node.entries() else {
        reader.expected(field, "a map");
        return;
    };
    // The service is said already; a second label that says the same is no loss.
    let is_service = |entry: &Entry| {
        service.is_some_and(|label| {
            entry.key == label.key
                || (SERVICE_LABELS.contains(&entry.key.as_str()) && entry.value.text() == label.value.text())
        })
    };
    let kept = entries
        .iter()
        .filter(|entry| !is_service(entry) && !is_of_a_tool(&entry.key));
    let (handed_on, own): (Vec<Entry>, Vec<Entry>) = kept.cloned().partition(|entry| entry.key.starts_with(HANDED_ON));
    metadata.labels = with_entries(field, own, |field| foreign::labels(reader, field, &[]));
    metadata.alert_labels = with_entries(field, without_prefix(handed_on), |field| {
        foreign::note_templates(reader, field);
        foreign::labels(reader, field, &[])
    });
}

fn read_annotations(reader: &mut Reader<'_>, field: Field<'_>) -> Labels {
    let Some(entries) = field.node.entries() else {
        reader.expected(field, "a map");
        return Labels::new();
    };
    let kept = entries.iter().filter(|entry| !is_of_a_tool(&entry.key)).cloned();
    let (handed_on, own): (Vec<Entry>, Vec<Entry>) = kept.partition(|entry| entry.key.starts_with(HANDED_ON));
    for Entry { key, key_span, .. } in own {
        let message = format!("the annotation `{key}` is not carried, as Pyrra puts only {HANDED_ON}… onto alerts");
        reader.report(&codes::NOT_CARRIED, key_span, message);
    }
    with_entries(field, without_prefix(handed_on), |field| {
        foreign::note_templates(reader, field);
        foreign::annotations(reader, field)
    })
}

fn is_of_a_tool(key: &str) -> bool {
    WRITTEN_BY_TOOLS.iter().any(|written| key.starts_with(written))
}

fn without_prefix(entries: Vec<Entry>) -> Vec<Entry> {
    let stripped = entries.into_iter().map(|entry| Entry {
        key: entry.key.strip_prefix(HANDED_ON).unwrap_or(&entry.key).to_owned(),
        ..entry
    });
    stripped.collect()
}

/// Reads these entries as if they were all of the field's map.
fn with_entries(field: Field<'_>, entries: Vec<Entry>, read: impl FnOnce(Field<'_>) -> Labels) -> Labels {
    let node = Node {
        value: Value::Map(entries),
        span: field.node.span,
    };
    read(Field { node: &node, ..field })
}
