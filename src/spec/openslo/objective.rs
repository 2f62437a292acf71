//! One item of `objectives`.

use super::method::Slices;
use super::sli::Comparison;
use super::{Scope, TOOL, Version, rules};
use crate::domain::indicator::CompareOp;
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields, Reader};

/// What an item says, as far as it can be read without its indicator.
pub(super) struct Item<'n> {
    /// Its place.
    pub field: Field<'n>,
    /// For people.
    pub display_name: Option<String>,
    /// `target` or `targetPercent`.
    pub target: Option<Objective>,
    /// `op`
    pub op: Option<Field<'n>>,
    /// `value`
    pub value: Option<Field<'n>>,
    /// Its slices.
    pub slices: Slices<'n>,
    /// An inline indicator of its own.
    pub inline: Option<Field<'n>>,
    /// A reference to an indicator of its own.
    pub reference: Option<Field<'n>>,
    /// `compositeWeight`
    pub weight: Option<Field<'n>>,
}

/// Where an indicator stands: `indicator` and `indicatorRef`, or in v2alpha `sli` and `sliRef`.
pub(super) fn indicator_keys(scope: Scope<'_>) -> (&'static str, &'static str) {
    if scope.version == Version::V2Alpha {
        ("sli", "sliRef")
    } else {
        ("indicator", "indicatorRef")
    }
}

impl<'n> Item<'n> {
    /// Reads an item. `takes_window` tells whether its window is that of the SLO.
    pub fn read(reader: &mut Reader<'_>, field: Field<'n>, takes_window: bool, scope: Scope<'_>) -> Option<Self> {
        let mut fields = Fields::open(reader, field)?;
        let (inline, reference) = indicator_keys(scope);
        let item = Self {
            field,
            display_name: fields
                .get("displayName")
                .and_then(|field| rules::text(reader, field))
                .filter(|name| !name.trim().is_empty()),
            target: read_target(reader, &mut fields, field),
            op: fields.get("op"),
            value: fields.get("value"),
            slices: Slices {
                target: fields.get("timeSliceTarget"),
                window: fields.get("timeSliceWindow"),
                item: field,
            },
            inline: fields.get(inline),
            reference: fields.get(reference),
            weight: fields.get("compositeWeight"),
        };
        if let Some(window) = fields.get("timeWindow") {
            super::window::report_misplaced(reader, window, takes_window, &codes::UNKNOWN_KEY);
        }
        fields.finish_foreign(reader, TOOL);
        Some(item)
    }

    /// It has an indicator of its own: a part of a composite.
    pub fn is_member(&self) -> bool {
        self.inline.is_some() || self.reference.is_some()
    }

    /// What its value is compared with. `is_inline` tells whether the SDK knows that it is needed.
    pub fn comparison(&self, reader: &mut Reader<'_>, is_inline: bool) -> Option<Comparison> {
        for (key, field) in [("op", self.op), ("value", self.value)] {
            if field.is_some() {
                continue;
            }
            let message = format!("`{key}` is missing: a `thresholdMetric` needs `op` and `value`");
            let (span, hint) = (
                self.field.node.span,
                "write for example `op: lte` and `value: 0.5`".to_owned(),
            );
            if is_inline {
                reader.report_with(&codes::MISSING_KEY, span, message, Some(hint));
            } else {
                rules::uncomputable(reader, &codes::MISSING_KEY, span, message, Some(hint));
            }
        }
        let op = self.op.and_then(|field| read_op(reader, field));
        let value = self.value.and_then(|field| rules::number(reader, field));
        let field = self.value?;
        Some(Comparison {
            op: op?,
            value: value?,
            written: field.node.text().unwrap_or_default().trim().to_owned(),
            span: field.node.span,
        })
    }

    /// A ratio is not compared. The SDK refuses it where it sees the ratio.
    pub fn refuse_comparison(&self, reader: &mut Reader<'_>, is_inline: bool) {
        for field in [self.op, self.value].into_iter().flatten() {
            let message = format!("`{}` has no effect with a `ratioMetric`", field.key);
            if is_inline {
                rules::refused(reader, field.key_span, message, Some("remove it".to_owned()));
            } else {
                reader.report(&codes::NO_EFFECT, field.key_span, message);
            }
        }
    }

    /// How much it weighs in a composite.
    pub fn weight(&self, reader: &mut Reader<'_>) -> Option<f64> {
        let Some(field) = self.weight else {
            return Some(1.0);
        };
        let weight = rules::number(reader, field)?;
        if weight <= 0.0 {
            let message = format!("`compositeWeight` must be above 0, not {weight}");
            reader.report(&codes::NUMBER, field.node.span, message);
            return None;
        }
        Some(weight)
    }
}

fn read_target(reader: &mut Reader<'_>, fields: &mut Fields<'_>, item: Field<'_>) -> Option<Objective> {
    let (ratio, percent) = (fields.get("target"), fields.get("targetPercent"));
    let (field, unit) = match (ratio, percent) {
        (Some(field), None) => (field, ObjectiveUnit::Ratio),
        (None, Some(field)) => (field, ObjectiveUnit::Percent),
        (both, _) => {
            let found = if both.is_some() { "both" } else { "neither" };
            let message = format!("each of `objectives` has exactly one of `target` and `targetPercent`, not {found}");
            reader.report(&codes::EXCLUSIVE, item.node.span, message);
            return None;
        }
    };
    read_objective(reader, field, unit)
}

/// Reads a target; the SDK wants it below 1.
pub(super) fn read_objective(reader: &mut Reader<'_>, field: Field<'_>, unit: ObjectiveUnit) -> Option<Objective> {
    let objective = read_share(reader, field, unit)?;
    rules::check_is_number(reader, field);
    if objective.is_whole() && reader.is_strict() {
        let one = if unit == ObjectiveUnit::Ratio { "1" } else { "100" };
        let message = format!("`{}` must be below {one}", field.key);
        rules::refused(reader, field.node.span, message, None);
    }
    Some(objective)
}

/// `target: 99.9` is a percentage in the wrong place; the mend is worth saying.
fn read_share(reader: &mut Reader<'_>, field: Field<'_>, unit: ObjectiveUnit) -> Option<Objective> {
    let text = field.node.text().unwrap_or_default().trim();
    let share = text.trim_end_matches('%');
    let is_percentage = unit == ObjectiveUnit::Ratio
        && share
            .parse::<f64>()
            .is_ok_and(|number| (number > 1.0 && number <= 100.0) || share != text);
    if is_percentage {
        let message = format!("`{}` is {text}; it is a ratio, from 0 to 1", field.key);
        let hint = Some(format!("write `targetPercent: {share}`"));
        reader.report_with(&codes::OBJECTIVE, field.node.span, message, hint);
        return None;
    }
    let objective = foreign::objective(reader, field, unit)?;
    if unit == ObjectiveUnit::Percent && (1..=10_000_000).contains(&objective.parts_per_billion()) {
        let message = format!(
            "`{}: {text}` is {objective} of all events; it is a percentage",
            field.key
        );
        let hint = Some(format!("write `target: {text}` if a ratio is meant"));
        reader.report_with(&codes::PERCENT, field.node.span, message, hint);
    }
    Some(objective)
}

/// `op`
pub(super) fn read_op(reader: &mut Reader<'_>, field: Field<'_>) -> Option<CompareOp> {
    let words = [CompareOp::Lte, CompareOp::Lt, CompareOp::Gte, CompareOp::Gt].map(|op| (op.word(), op));
    reader.choice(field, &words)
}
