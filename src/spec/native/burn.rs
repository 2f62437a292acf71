//! Burn conditions.

use std::time::Duration;

use super::strangers;
use super::window::read_length;
use crate::domain::alert::policy::{AlertPolicy, AlertWindow, BurnCondition, Severity};
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;
use crate::spec::codes;
use crate::spec::lints::{self, ConditionSpans};
use crate::spec::reader::{Field, Fields, Reader};

/// More conditions than this make no policy that a person could follow.
const CONDITIONS_MAX: usize = 32;

/// Reads the list of conditions.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: Field<'_>,
    target: Option<(Objective, WindowLength)>,
) -> Vec<BurnCondition> {
    let items = reader.list(field);
    if items.len() > CONDITIONS_MAX {
        let message = format!("`burn` may hold {CONDITIONS_MAX} conditions");
        reader.report(&codes::TOO_MANY_NODES, field.node.span, message);
        return Vec::new();
    }
    let conditions = items.into_iter().map(|item| read_condition(reader, item, target));
    conditions.collect::<Vec<_>>().into_iter().flatten().collect()
}

fn read_condition(
    reader: &mut Reader<'_>,
    item: Field<'_>,
    target: Option<(Objective, WindowLength)>,
) -> Option<BurnCondition> {
    let mut fields = Fields::open(reader, item)?;
    let words = [Severity::Page, Severity::Ticket].map(|severity| (severity.word(), severity));
    let meanings = Some("`page` wakes somebody, `ticket` waits for the morning");
    let severity = fields
        .require("severity")
        .and_then(|field| reader.choice_with(field, &words, meanings));
    let long_field = fields.require("long");
    let long = long_field.and_then(|field| read_length(reader, field));
    let short_field = fields.get("short");
    let short = short_field.map_or(Some(long.clone()), |field| Some(Some(read_length(reader, field)?)));
    let factor_field = fields.require("factor");
    let factor = factor_field.and_then(|field| read_factor(reader, field));
    let pending_for = fields
        .get("for")
        .map_or(Some(Duration::ZERO), |field| reader.duration(field));
    fields.finish_with(reader, strangers::BURN);
    let (long, short) = (long?, short.flatten()?);
    check_windows(reader, item, short_field, &long, &short);
    let window = |(length, written): (WindowLength, String)| AlertWindow { length, written };
    let condition = BurnCondition {
        severity: severity?,
        long: window(long),
        short: window(short),
        factor: factor?,
        pending_for: pending_for?,
    };
    if let (Some((objective, window)), Some(long), Some(factor)) = (target, long_field, factor_field) {
        let spans = ConditionSpans {
            long: long.node.span,
            factor: factor.node.span,
        };
        lints::condition(reader, &condition, objective, window, spans);
    }
    Some(condition)
}

fn check_windows(
    reader: &mut Reader<'_>,
    item: Field<'_>,
    short_field: Option<Field<'_>>,
    long: &(WindowLength, String),
    short: &(WindowLength, String),
) {
    let Some(field) = short_field else {
        let message = format!(
            "without `short` this goes on calling until {} have forgotten the burn",
            long.1
        );
        let hint = Some("a twelfth of `long` is usual".to_owned());
        reader.report_with(&codes::ONE_WINDOW, item.node.span, message, hint);
        return;
    };
    if short.0 >= long.0 {
        let message = format!(
            "the short window ({}) must be shorter than the long one ({})",
            short.1, long.1
        );
        reader.report(&codes::ALERT_WINDOWS, field.node.span, message);
    }
}

fn read_factor(reader: &mut Reader<'_>, field: Field<'_>) -> Option<f64> {
    let factor = reader.number(field)?;
    if factor <= 0.0 {
        let message = format!("`factor` must be above 0, not {factor}");
        reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    Some(factor)
}

/// Says where `min_events` guards against nothing: one failure among so few is a burn rate above a factor already.
pub(super) fn lint_min_events(reader: &mut Reader<'_>, policy: &AlertPolicy, objective: Objective, field: Field<'_>) {
    if policy.min_events == 0 || policy.min_failures > 1 {
        return;
    }
    let rate = 1.0 / policy.min_events as f64;
    let burn_rate = rate / objective.error_ratio();
    let exceeded = policy.burn.iter().filter(|condition| burn_rate > condition.factor);
    let Some(condition) = exceeded.max_by(|a, b| a.factor.total_cmp(&b.factor)) else {
        return;
    };
    let shown = |number: f64| (number * 1e4).round() / 1e4;
    let message = format!(
        "one failure among {} events is {} %, a burn rate of {} with the objective {objective}: above the factor {} of \
         this policy, so that a single failure calls",
        policy.min_events,
        shown(rate * 100.0),
        shown(burn_rate),
        shown(condition.factor)
    );
    let enough = (1.0 / (condition.factor * objective.error_ratio())).ceil();
    let hint = format!("write `min_failures: 2` or more, or at least `min_events: {enough}`");
    reader.report_with(&codes::FEW_EVENTS, field.node.span, message, Some(hint));
}
