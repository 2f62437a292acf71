//! `budgetingMethod`, and the slices of time that belong to it.

use super::window::{self, Shorthand, bare_minutes};
use super::{Scope, Version, rules};
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::BudgetingMethod;
use crate::domain::window::{CalendarUnit, WindowLength};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields, Reader};

/// The methods' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Occurrences,
    Timeslices,
    RatioTimeslices,
}

/// What an objective says about its slices.
#[derive(Clone, Copy)]
pub(super) struct Slices<'n> {
    /// `timeSliceTarget`
    pub target: Option<Field<'n>>,
    /// `timeSliceWindow`
    pub window: Option<Field<'n>>,
    /// The objective.
    pub item: Field<'n>,
}

/// Reads `budgetingMethod`.
pub(super) fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>, scope: Scope<'_>) -> Option<Method> {
    let Some(field) = fields.get("budgetingMethod") else {
        let message = "`budgetingMethod` is missing; it is Occurrences";
        rules::refused(
            reader,
            fields.span(),
            message,
            Some("add `budgetingMethod: Occurrences`".to_owned()),
        );
        return Some(Method::Occurrences);
    };
    let words = [
        ("Occurrences", Method::Occurrences),
        ("Timeslices", Method::Timeslices),
        ("RatioTimeslices", Method::RatioTimeslices),
    ];
    let method = reader.choice(field, &words)?;
    if scope.version == Version::V1Alpha && method == Method::RatioTimeslices {
        let message = "`budgetingMethod: RatioTimeslices` does not exist in v1alpha";
        rules::refused(reader, field.node.span, message, None);
    }
    Some(method)
}

/// The method of one objective; `None` where its slices are wrong.
pub(super) fn of_objective(
    reader: &mut Reader<'_>,
    method: Method,
    slices: Slices<'_>,
    scope: Scope<'_>,
) -> Option<BudgetingMethod> {
    let unused: &[Option<Field<'_>>] = match method {
        Method::Occurrences => &[slices.target, slices.window],
        Method::RatioTimeslices => &[slices.target],
        Method::Timeslices => &[],
    };
    for field in unused.iter().flatten() {
        let message = format!("`{}` has no effect with this `budgetingMethod`", field.key);
        reader.report(&codes::NO_EFFECT, field.key_span, message);
    }
    match method {
        Method::Occurrences => Some(BudgetingMethod::Occurrences),
        Method::RatioTimeslices => slice(reader, slices, scope).map(|slice| BudgetingMethod::RatioTimeslices { slice }),
        Method::Timeslices if scope.version == Version::V1Alpha && slices.target.is_none() => {
            let message = "`timeSliceTarget` is missing, so that events are counted, as Sloth does";
            rules::refused(reader, slices.item.node.span, message, None);
            Some(BudgetingMethod::Occurrences)
        }
        Method::Timeslices => {
            let target = slice_target(reader, slices);
            let slice = slice(reader, slices, scope);
            Some(BudgetingMethod::Timeslices {
                slice: slice?,
                target: target?,
            })
        }
    }
}

fn slice_target(reader: &mut Reader<'_>, slices: Slices<'_>) -> Option<Objective> {
    let Some(field) = slices.target else {
        let message = "`timeSliceTarget` is missing: the ratio from which on a slice is good";
        reader.report(&codes::MISSING_KEY, slices.item.node.span, message);
        return None;
    };
    let text = reader.text(field)?;
    rules::check_is_number(reader, field);
    let Ok((target, _)) = Objective::from_foreign(&text, ObjectiveUnit::Ratio) else {
        let message = format!("`timeSliceTarget` is {text}; it is above 0 and at most 1");
        reader.report(&codes::OBJECTIVE, field.node.span, message);
        return None;
    };
    if target.parts_per_billion() == 0 {
        let message = "`timeSliceTarget` is 0, so that every slice is good";
        rules::refused(reader, field.node.span, message, None);
    }
    Some(target)
}

fn slice(reader: &mut Reader<'_>, slices: Slices<'_>, scope: Scope<'_>) -> Option<WindowLength> {
    let Some(field) = slices.window else {
        if scope.version == Version::V1Alpha {
            return WindowLength::from_minutes(1);
        }
        let message = "`timeSliceWindow` is missing: how long a slice is";
        let hint = Some("write for example `timeSliceWindow: 1m`".to_owned());
        reader.report_with(&codes::MISSING_KEY, slices.item.node.span, message, hint);
        return None;
    };
    if let Some(minutes) = bare_minutes(field.node) {
        let message = format!("`timeSliceWindow` is a number; it is read as {minutes}m");
        rules::refused(reader, field.node.span, message, Some(format!("write `{minutes}m`")));
        let duration = Shorthand {
            count: minutes,
            unit: CalendarUnit::Minute,
        };
        return window::length(reader, field, duration);
    }
    let duration = window::shorthand(reader, field, scope)?;
    window::length(reader, field, duration)
}
