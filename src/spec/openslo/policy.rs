//! Alert policies: when, on what conditions, and who is told.

use super::condition::{self, Condition};
use super::metadata::{self, Named};
use super::rules::{Reference, Resolved};
use super::{Kind, Scope, TOOL, object, rules};
use crate::domain::labels::Labels;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Node, Span};

/// A policy that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    /// Its name.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Of its metadata.
    pub labels: Labels,
    /// Of its metadata.
    pub annotations: Labels,
    /// `alertWhenNoData`, where it is written.
    pub no_data: Option<bool>,
    /// Its conditions; none where it does not alert about them.
    pub conditions: Vec<Condition>,
    /// The names of those who are told.
    pub targets: Vec<String>,
}

impl Policy {
    /// The same policy, seen from where it is referred to.
    #[must_use]
    pub fn seen_from(self, span: Span) -> Self {
        let conditions = self.conditions.into_iter().map(|condition| condition.seen_from(span));
        Self {
            conditions: conditions.collect(),
            ..self
        }
    }
}

/// Reads a policy that is a document of its own, for a reference to it.
pub(super) fn read_object(reader: &mut Reader<'_>, root: &Node, scope: Scope<'_>) -> Option<Policy> {
    let mut fields = Fields::of_document(root)?;
    read_fields(reader, &mut fields, Named::Must, scope)
}

/// Reads a policy that stands within an SLO.
pub(super) fn read_inline(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Policy> {
    let mut fields = Fields::open(reader, field)?;
    rules::inline_kind(reader, &mut fields, Kind::AlertPolicy)?;
    let policy = read_fields(reader, &mut fields, Named::Should, scope);
    fields.finish_foreign(reader, TOOL);
    policy
}

/// Reads `metadata` and `spec`.
pub(super) fn read_fields(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    named: Named,
    scope: Scope<'_>,
) -> Option<Policy> {
    let metadata = metadata::read(reader, fields.get("metadata"), fields.span(), named, scope);
    let Some(spec) = fields.get("spec") else {
        let message = "`spec` is missing; it holds `conditions` and `notificationTargets`";
        rules::refused(reader, fields.span(), message, None);
        return Some(Policy::default());
    };
    let name = metadata.name().map(ToOwned::to_owned);
    let mut fields = Fields::open(reader, spec)?;
    let description = fields
        .get("description")
        .and_then(|field| rules::description(reader, field));
    let [no_data, breaching, resolved] = ["alertWhenNoData", "alertWhenBreaching", "alertWhenResolved"].map(|key| {
        let field = fields.get(key)?;
        Some((reader.boolean(field)?, field))
    });
    let conditions = fields.get("conditions");
    let targets = fields.get("notificationTargets");
    let span = fields.span();
    fields.finish_foreign(reader, TOOL);
    if let Some((_, field)) = resolved {
        let message = "`alertWhenResolved` is not carried; `send_resolved` of the receivers in nines.yml decides";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    let mut conditions = read_conditions(reader, conditions, span, scope);
    if let Some((false, field)) = breaching {
        let message = "`alertWhenBreaching: false`: the conditions of this policy are left out";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
        conditions.clear();
    }
    Some(Policy {
        name,
        description: description.or(metadata.display_name),
        labels: metadata.labels,
        annotations: metadata.annotations,
        no_data: no_data.map(|(alerts, _)| alerts),
        conditions,
        targets: read_targets(reader, targets, span, scope),
    })
}

fn read_conditions(reader: &mut Reader<'_>, field: Option<Field<'_>>, span: Span, scope: Scope<'_>) -> Vec<Condition> {
    let items = field.map(|field| reader.list(field)).unwrap_or_default();
    if items.len() != 1 && field.is_none_or(|field| field.node.items().is_some()) {
        let message = format!("`conditions` holds exactly one condition, not {}", items.len());
        rules::refused(reader, field.map_or(span, |field| field.key_span), message, None);
    }
    let mut conditions = Vec::new();
    for item in items {
        match rules::inline_or_reference(reader, item, "conditionRef") {
            Some(Reference::Inline(field)) => conditions.extend(condition::read_inline(reader, field, scope)),
            Some(Reference::To(field)) => {
                let found = rules::resolve(reader, scope, Kind::AlertCondition, field, condition::read_object);
                match found {
                    Resolved::Found(condition) => conditions.push(condition.seen_from(field.node.span)),
                    Resolved::Invalid => {}
                    Resolved::Missing => {
                        let consequence = ", so that the policy lacks this condition";
                        rules::warn_unresolved(reader, scope, Kind::AlertCondition, field, consequence);
                    }
                }
            }
            None => {}
        }
    }
    conditions
}

fn read_targets(reader: &mut Reader<'_>, field: Option<Field<'_>>, span: Span, scope: Scope<'_>) -> Vec<String> {
    let items = field.map(|field| reader.list(field)).unwrap_or_default();
    if items.is_empty() && field.is_none_or(|field| field.node.items().is_some()) {
        let message = "`notificationTargets` is missing or empty; routes in nines.yml decide who is told";
        rules::refused(reader, field.map_or(span, |field| field.key_span), message, None);
    }
    if let (Some(field), false) = (field, items.is_empty()) {
        let message =
            "`notificationTargets` become the label `notification_targets`; routes in nines.yml decide who is told";
        reader.report(&codes::NOT_CARRIED, field.key_span, message);
    }
    let mut names = Vec::new();
    for item in items {
        match rules::inline_or_reference(reader, item, "targetRef") {
            Some(Reference::Inline(field)) => names.extend(object::inline_target(reader, field, scope)),
            Some(Reference::To(field)) => {
                names.extend(field.node.text().map(ToOwned::to_owned));
                let kind = Kind::AlertNotificationTarget;
                if let Resolved::Missing = rules::resolve(reader, scope, kind, field, object::read_target) {
                    rules::warn_unresolved(reader, scope, kind, field, "");
                }
            }
            None => {}
        }
    }
    names
}
