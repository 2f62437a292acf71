//! How events add up, and what time without them counts as.

use super::window::read_length;
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::{BudgetingMethod, NoDataPolicy};
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::lints;
use crate::spec::reader::{Field, Fields, Reader};

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Occurrences,
    Timeslices,
    RatioTimeslices,
}

const METHODS: [(&str, Word); 3] = [
    ("occurrences", Word::Occurrences),
    ("timeslices", Word::Timeslices),
    ("ratio_timeslices", Word::RatioTimeslices),
];

/// Reads the method, what belongs to it, and `no_data`. `target` is the objective with the window, where both could be
/// read.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    target: Option<(Objective, WindowLength)>,
) -> Option<(BudgetingMethod, NoDataPolicy)> {
    let method = fields.get("method");
    let slice = fields.get("timeslice");
    let slice_target = fields.get("timeslice_target");
    let no_data = fields.get("no_data");
    let at = fields.span();
    let word = method.map_or(Some(Word::Occurrences), |field| reader.choice(field, &METHODS));
    let slice_read = slice.map(|field| read_length(reader, field).map(|(length, _)| length));
    let target_read = slice_target.map(|field| read_target(reader, field));
    let policies = NoDataPolicy::ALL.map(|policy| (policy.word(), policy));
    let policy = no_data.map_or(Some(NoDataPolicy::Ignore), |field| reader.choice(field, &policies));
    let (word, policy) = (word?, policy?);
    let place = method.map_or(at, |field| field.node.span);
    let errors_before = reader.errors();
    if word == Word::Occurrences {
        for field in [slice, slice_target].into_iter().flatten() {
            let message = format!("`{}` needs `method: timeslices`; occurrences have no slices", field.key);
            reader.report(&codes::CONFLICT, field.key_span, message);
        }
        if let (Some(field), NoDataPolicy::Good | NoDataPolicy::Bad) = (no_data, policy) {
            let message = format!(
                "`no_data: {}` needs `method: timeslices`: without slices, time without events has no events to count",
                policy.word()
            );
            reader.report(&codes::CONFLICT, field.node.span, message);
        }
        return (reader.errors() == errors_before).then_some((BudgetingMethod::Occurrences, policy));
    }
    if slice.is_none() {
        let hint = Some("write for example `timeslice: 1m`".to_owned());
        reader.report_with(&codes::MISSING_KEY, place, "`timeslice` is missing", hint);
    }
    let read = if word == Word::Timeslices {
        if slice_target.is_none() {
            let hint = Some("the ratio from which on a slice is good: `timeslice_target: 95`".to_owned());
            reader.report_with(&codes::MISSING_KEY, place, "`timeslice_target` is missing", hint);
        }
        BudgetingMethod::Timeslices {
            slice: slice_read??,
            target: target_read??,
        }
    } else {
        if let Some(field) = slice_target {
            let message = "`timeslice_target` needs `method: timeslices`; ratio_timeslices has no good or bad slices";
            reader.report(&codes::CONFLICT, field.key_span, message);
        }
        BudgetingMethod::RatioTimeslices { slice: slice_read?? }
    };
    if let (Some((objective, window)), Some(field)) = (target, slice) {
        check_slice(reader, read, objective, window, field);
    }
    (reader.errors() == errors_before).then_some((read, policy))
}

fn check_slice(
    reader: &mut Reader<'_>,
    method: BudgetingMethod,
    objective: Objective,
    window: WindowLength,
    field: Field<'_>,
) {
    let (BudgetingMethod::Timeslices { slice, .. } | BudgetingMethod::RatioTimeslices { slice }) = method else {
        return;
    };
    if slice > window {
        let message = "`timeslice` is longer than the SLO's window";
        reader.report(&codes::DURATION, field.node.span, message);
        return;
    }
    lints::slices(reader, method, objective, window, field.node.span);
}

/// A percentage above 0; 100 is possible.
fn read_target(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let text = reader.text(field)?;
    let read = Objective::from_foreign(&text, ObjectiveUnit::Percent).ok();
    let target = read.filter(|(target, exact)| *exact && target.parts_per_billion() > 0);
    if target.is_none() {
        let message = format!("`timeslice_target` is \"{text}\"; it is a percentage above 0, at most 100: `95`");
        reader.report(&codes::OBJECTIVE, field.node.span, message);
    }
    target.map(|(target, _)| target)
}
