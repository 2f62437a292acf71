//! Composites: other indicators and SLOs, weighed.

use super::indicator::{self, Outside};
use super::slo::split_id;
use crate::domain::indicator::{CompositeMember, CompositePart, IndicatorKind};
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::SloId;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::references::PARTS_MAX;

/// Reads the parts of a composite.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, outside: &Outside<'_>) -> Option<IndicatorKind> {
    let items = reader.list(field);
    if items.is_empty() || items.len() > PARTS_MAX {
        if field.node.items().is_some() {
            let message = format!("a composite has 1 to {PARTS_MAX} parts, not {}", items.len());
            reader.report(&codes::RANGE, field.node.span, message);
        }
        return None;
    }
    let count = items.len();
    let mut members: Vec<CompositeMember> = Vec::new();
    for item in items {
        let Some(member) = read_member(reader, item, outside) else {
            continue;
        };
        if members.iter().any(|known| known.name == member.name) {
            let message = format!("the composite has two parts of the name \"{}\"", member.name);
            reader.report(&codes::DUPLICATE_NAME, item.node.span, message);
        }
        members.push(member);
    }
    (members.len() == count).then_some(IndicatorKind::Composite(members))
}

fn read_member(reader: &mut Reader<'_>, item: Field<'_>, outside: &Outside<'_>) -> Option<CompositeMember> {
    let mut fields = Fields::open(reader, item)?;
    let weight = fields
        .get("weight")
        .map_or(Some(1.0), |field| read_weight(reader, field));
    let slo = fields.get("slo");
    let name = fields.get("name");
    let name = if slo.is_none() && name.is_none() {
        let message = "`name` is missing (or `slo`, to refer to another SLO)";
        reader.report(&codes::MISSING_KEY, item.node.span, message);
        None
    } else {
        name
    };
    let (objective, indicator) = (fields.get("objective"), fields.get("indicator"));
    let member = match (slo, indicator) {
        (Some(slo), None) => {
            if let Some(field) = objective {
                let message = "`objective` and `slo` exclude each other; the SLO has its own";
                reader.report(&codes::CONFLICT, field.key_span, message);
            }
            let id = read_reference(reader, slo, outside);
            let name = name.map_or_else(|| id.as_ref().map(ToString::to_string), |field| reader.filled(field));
            name.zip(id.map(CompositePart::Slo))
        }
        (None, Some(indicator)) => {
            if objective.is_none() {
                reader.report(&codes::MISSING_KEY, item.node.span, "`objective` is missing");
            }
            let objective = objective.and_then(|field| read_objective(reader, field));
            let inner = Outside {
                threshold: None,
                value: None,
                ..*outside
            };
            let indicator = indicator::read(reader, indicator, &inner);
            let name = name.and_then(|field| reader.filled(field));
            let part = indicator.zip(objective);
            name.zip(part.map(|(indicator, objective)| CompositePart::Indicator { indicator, objective }))
        }
        (slo, _) => {
            let message = "a part of a composite is either `slo` or `indicator` with its `objective`";
            let at = slo.map_or(item.node.span, |field| field.key_span);
            reader.report(&codes::EXCLUSIVE, at, message);
            None
        }
    };
    fields.finish(reader);
    let (name, part) = member?;
    Some(CompositeMember {
        name,
        weight: weight?,
        part,
    })
}

fn read_weight(reader: &mut Reader<'_>, field: Field<'_>) -> Option<f64> {
    let weight = reader.number(field)?;
    if weight <= 0.0 {
        let message = format!("`weight` must be above 0, not {weight}");
        reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    Some(weight)
}

/// `service/name`, or the name of another SLO of the same service.
fn read_reference(reader: &mut Reader<'_>, field: Field<'_>, outside: &Outside<'_>) -> Option<SloId> {
    let text = reader.filled(field)?;
    let Some((service, name)) = split_id(&text) else {
        let message = format!("\"{text}\" is no SLO; write `service/name`");
        reader.report(&codes::NAME, field.node.span, message);
        return None;
    };
    Some(SloId::new(service.or(outside.service)?, name))
}

/// A percentage; that of a part may be 0 or 100.
fn read_objective(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.text(field)?;
    let read = Objective::from_foreign(&text, ObjectiveUnit::Percent);
    if let Ok((objective, true)) = read {
        return Some(objective);
    }
    let message = format!("objective {text}: it is a percentage from 0 to 100 with at most seven decimals");
    reader.report(&codes::OBJECTIVE, field.node.span, message);
    None
}
