//! One objective, or several over the same indicator.

use super::slo::read_name;
use crate::domain::objective::{Objective, ObjectiveError};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader, as_number};

/// More objectives than this are no help to anybody.
const OBJECTIVES_MAX: usize = 32;

/// One objective and what it changes.
pub(super) struct Target<'n> {
    pub objective: Option<Objective>,
    /// What its name adds to the SLO's: nothing, `-1`, `-fast`.
    pub suffix: String,
    /// Its own name's place.
    pub named_at: Option<Field<'n>>,
    pub threshold: Option<Field<'n>>,
    pub value: Option<Field<'n>>,
    pub alerting: Option<Field<'n>>,
    /// Where lints about its default policy stand.
    pub at: Field<'n>,
}

/// Reads `objective` or `objectives`. There is at least one target, so that the rest of the SLO is read in any case.
pub(super) fn read<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, item: Field<'n>) -> Vec<Target<'n>> {
    let several = fields.get("objectives");
    let Some(several) = several else {
        let field = fields.require("objective");
        return vec![Target {
            objective: field.and_then(|field| read_objective(reader, field)),
            ..empty(field.unwrap_or(item))
        }];
    };
    if let Some(one) = fields.get("objective") {
        let message = "`objective` and `objectives` exclude each other";
        reader.report(&codes::CONFLICT, one.key_span, message);
    }
    let items = reader.list(several);
    if items.is_empty() || items.len() > OBJECTIVES_MAX {
        if several.node.items().is_some() {
            let message = format!("`objectives` has 1 to {OBJECTIVES_MAX} items, not {}", items.len());
            reader.report(&codes::RANGE, several.node.span, message);
        }
        return vec![empty(several)];
    }
    let mut targets = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        targets.push(read_item(reader, item, index).unwrap_or_else(|| empty(item)));
    }
    targets
}

fn read_item<'n>(reader: &mut Reader<'_>, item: Field<'n>, index: usize) -> Option<Target<'n>> {
    let mut fields = Fields::open(reader, item)?;
    let objective = fields.require("objective");
    let name = fields.get("name");
    let suffix = name
        .and_then(|field| read_name(reader, field))
        .map(|name| format!("-{name}"));
    let numbered = if index == 0 { String::new() } else { format!("-{index}") };
    let target = Target {
        objective: objective.and_then(|field| read_objective(reader, field)),
        suffix: suffix.unwrap_or(numbered),
        named_at: name,
        threshold: fields.get("threshold"),
        value: fields.get("value"),
        alerting: fields.get("alerting"),
        at: objective.unwrap_or(item),
    };
    fields.finish_with(
        reader,
        &[
            ("target", "objective", "the key is `objective`, in percent"),
            ("displayName", "name", "the key is `name`"),
            (
                "op",
                "",
                "`op` belongs into `indicator`; `value` may differ from objective to objective",
            ),
            (
                "indicator",
                "",
                "all objectives of an SLO share its `indicator`; other events need another SLO",
            ),
            (
                "window",
                "",
                "all objectives of an SLO share its `window`; another window needs another SLO",
            ),
        ],
    );
    Some(target)
}

fn empty(at: Field<'_>) -> Target<'_> {
    Target {
        objective: None,
        suffix: String::new(),
        named_at: None,
        threshold: None,
        value: None,
        alerting: None,
        at,
    }
}

fn read_objective(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.text(field)?;
    let text = text.trim();
    match Objective::from_percent(text) {
        Ok(objective) => {
            lint_ratio(reader, field, objective, text);
            Some(objective)
        }
        Err(error) => {
            let hint = match text.strip_suffix('%') {
                Some(number) => {
                    let number = number.trim_end().replace(',', ".");
                    Some(format!("write the percentage without %: `{number}`"))
                }
                None if text.contains(',') => as_number(text),
                None if error == ObjectiveError::OutOfRange && text == "100" => {
                    Some("100 leaves no error budget; `99.99` may be meant".to_owned())
                }
                None => None,
            };
            let message = format!("objective {text}: {error}");
            reader.report_with(&codes::OBJECTIVE, field.node.span, message, hint);
            None
        }
    }
}

/// Nobody wants 0.999 % of all events to be good.
fn lint_ratio(reader: &mut Reader<'_>, field: Field<'_>, objective: Objective, text: &str) {
    let ratio = Objective::from_parts_per_billion(objective.parts_per_billion() * 100);
    let Some(meant) = ratio.filter(|meant| !meant.is_whole()) else {
        return;
    };
    let meant = meant.to_string();
    let message = format!("objective {text} is {objective} of all events; objectives are percentages");
    let hint = format!("write `{}` if that is meant", meant.trim_end_matches('%'));
    reader.report_with(&codes::PERCENT, field.node.span, message, Some(hint));
}
