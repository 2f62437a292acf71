//! The kinds that are no SLOs, each as a document of its own.

use super::metadata::{self, Named};
use super::metric::is_prometheus;
use super::{Kind, Scope, TOOL, condition, policy, rules, sli};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::Node;

/// Checks a document of a kind that is no SLO; what others refer to is read again where it is referred to.
pub(super) fn read(reader: &mut Reader<'_>, kind: Kind, mut fields: Fields<'_>, scope: Scope<'_>) {
    match kind {
        Kind::AlertPolicy => {
            let policy = policy::read_fields(reader, &mut fields, Named::Must, scope);
            condition::note_one_window(reader, policy.iter().flat_map(|policy| &policy.conditions));
        }
        Kind::AlertCondition => {
            let condition = condition::read_fields(reader, &mut fields, Named::Must, scope);
            condition::note_one_window(reader, condition.iter());
        }
        _ => {
            let metadata = fields.get("metadata");
            metadata::read(reader, metadata, fields.span(), Named::Must, scope);
            let spec = fields.get("spec");
            read_other_spec(reader, kind, &fields, spec, scope);
        }
    }
    fields.finish_foreign(reader, TOOL);
}

fn read_other_spec(
    reader: &mut Reader<'_>,
    kind: Kind,
    fields: &Fields<'_>,
    spec: Option<Field<'_>>,
    scope: Scope<'_>,
) {
    match (kind, spec) {
        (Kind::Service, Some(spec)) => read_service_spec(reader, spec),
        (Kind::DataSource, Some(spec)) => {
            let system = data_source_spec(reader, spec);
            if system.is_some_and(|system| is_prometheus(&system)) {
                let message = "a DataSource says who speaks PromQL; its address is not carried";
                let hint = Some("name the server under `prometheus_servers` in nines.yml".to_owned());
                reader.report_with(&codes::NOT_CARRIED, spec.key_span, message, hint);
            }
        }
        (Kind::Sli, Some(spec)) => drop(sli::read_spec(reader, spec, scope)),
        (Kind::AlertNotificationTarget, Some(spec)) => read_target_spec(reader, spec),
        (Kind::Service, None) | (_, Some(_)) => {}
        (kind, None) => {
            let message = format!("`spec` is missing in this {}", kind.word());
            reader.report(&codes::MISSING_KEY, fields.span(), message);
        }
    }
}

fn read_service_spec(reader: &mut Reader<'_>, field: Field<'_>) {
    let Some(mut fields) = Fields::open(reader, field) else {
        return;
    };
    if let Some(field) = fields.get("description") {
        rules::description(reader, field);
    }
    fields.finish_foreign(reader, TOOL);
}

/// Reads the `spec` of a data source and gives its type.
pub(super) fn data_source_spec(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let mut fields = Fields::open(reader, field)?;
    if let Some(field) = fields.get("description") {
        rules::description(reader, field);
    }
    let type_field = fields.get("type");
    if type_field.is_none() {
        let message = "`type` is missing: the kind of system, such as Prometheus";
        rules::refused(reader, field.key_span, message, None);
    }
    if fields.get("connectionDetails").is_none() {
        let message = "`connectionDetails` are missing";
        rules::refused(reader, field.key_span, message, None);
    }
    fields.finish_foreign(reader, TOOL);
    type_field.and_then(|field| rules::filled(reader, field))
}

fn read_target_spec(reader: &mut Reader<'_>, field: Field<'_>) {
    let Some(mut fields) = Fields::open(reader, field) else {
        return;
    };
    if let Some(field) = fields.get("description") {
        rules::description(reader, field);
    }
    match fields.get("target") {
        // An operator's targets are maps, which mean something to the operator only.
        Some(target) if target.node.text().is_none() => {
            rules::refused(reader, target.key_span, "`target` must be a text, such as email", None);
        }
        Some(target) => drop(rules::filled(reader, target)),
        None => {
            let message = "`target` is missing: who is told, such as email or slack";
            rules::refused(reader, field.key_span, message, None);
        }
    }
    fields.finish_foreign(reader, TOOL);
}

/// Checks a target that is a document of its own, for a reference to it.
pub(super) fn read_target(reader: &mut Reader<'_>, root: &Node, scope: Scope<'_>) -> Option<()> {
    let fields = Fields::of_document(root)?;
    read(reader, Kind::AlertNotificationTarget, header_read(fields), scope);
    Some(())
}

/// The keys that every document has.
fn header_read(mut fields: Fields<'_>) -> Fields<'_> {
    fields.get("apiVersion");
    fields.get("kind");
    fields
}

/// Reads a target that stands within a policy and gives its name.
pub(super) fn inline_target(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<String> {
    let mut fields = Fields::open(reader, field)?;
    rules::inline_kind(reader, &mut fields, Kind::AlertNotificationTarget)?;
    let metadata = metadata::read(reader, fields.get("metadata"), fields.span(), Named::Should, scope);
    let spec = fields.get("spec");
    read_other_spec(reader, Kind::AlertNotificationTarget, &fields, spec, scope);
    fields.finish_foreign(reader, TOOL);
    let target = spec.and_then(|field| field.node.get("target")?.text());
    metadata.name().or(target).map(ToOwned::to_owned)
}
