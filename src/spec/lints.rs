//! Lints about alert policies: what is legal and wrong, whatever the format.

use super::codes;
use super::reader::Reader;
use super::yaml::Span;
use crate::domain::alert::policy::{BurnCondition, Severity};
use crate::domain::objective::Objective;
use crate::domain::slo::BudgetingMethod;
use crate::domain::window::WindowLength;

/// Where the parts of a burn condition stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConditionSpans {
    /// Of the long window.
    pub long: Span,
    /// Of the factor.
    pub factor: Span,
}

impl From<Span> for ConditionSpans {
    /// Where the condition has no parts of its own in the file.
    fn from(span: Span) -> Self {
        Self {
            long: span,
            factor: span,
        }
    }
}

/// Whether an objective was likely meant as a ratio: nobody wants 0.999 % of all events to be good. That is told once.
pub(super) fn is_like_a_ratio(objective: Objective) -> bool {
    let parts = objective.parts_per_billion();
    parts > 0 && parts <= 10_000_000
}

/// Says what is odd about one condition for this objective and window.
pub(super) fn condition(
    reader: &mut Reader<'_>,
    condition: &BurnCondition,
    objective: Objective,
    window: WindowLength,
    spans: ConditionSpans,
) {
    let (long, factor) = (&condition.long, condition.factor);
    if long.length > window {
        let message = format!("the alert window {} is longer than the SLO's window", long.written);
        reader.report(&codes::LONG_ALERT_WINDOW, spans.long, message);
    }
    let highest = 1.0 / objective.error_ratio();
    // A condition holds strictly above its factor.
    if factor >= highest && is_like_a_ratio(objective) {
        return;
    }
    if factor >= highest {
        let message = format!(
            "a burn rate above {} is impossible with the objective {objective}",
            shown(factor)
        );
        let hint = format!("when all events are bad it is {}", shown(highest));
        reader.report_with(&codes::NEVER_FIRES, spans.factor, message, Some(hint));
        return;
    }
    let spent = factor * f64::from(long.length.minutes()) / f64::from(window.minutes());
    if condition.severity == Severity::Page && spent >= 1.0 && long.length <= window {
        let message = format!(
            "burning at {} for {} spends {:.0} % of the budget before this page",
            shown(factor),
            long.written,
            spent * 100.0
        );
        let hint = "a shorter long window pages while there is budget left".to_owned();
        reader.report_with(&codes::LATE_PAGE, spans.long, message, Some(hint));
    }
}

/// Says where one bad slice of time spends the whole budget.
pub(super) fn slices(
    reader: &mut Reader<'_>,
    method: BudgetingMethod,
    objective: Objective,
    window: WindowLength,
    span: Span,
) {
    let BudgetingMethod::Timeslices { slice, .. } = method else {
        return;
    };
    let slices = f64::from(window.minutes()) / f64::from(slice.minutes());
    let allowed = slices * objective.error_ratio();
    if allowed < 1.0 && !objective.is_whole() {
        let message = format!(
            "the window holds {} slices of {}, and {objective} allows {} bad ones: the first bad slice spends the budget",
            shown(slices.floor()),
            slice.to_prometheus(),
            shown(allowed)
        );
        let hint = "a shorter slice, a longer window or a lower objective leaves a budget".to_owned();
        reader.report_with(&codes::FEW_EVENTS, span, message, Some(hint));
    }
}

fn shown(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
