//! What of an SLO is read: how far back, and by which questions.

use std::time::Duration;

use crate::domain::indicator::{Indicator, IndicatorKind, PromQlForm};
use crate::domain::slo::Slo;

/// Farther back nothing is read: hour totals are kept for 400 days.
const PAST_MAX: Duration = Duration::from_hours(399 * 24);

/// How far back an SLO reaches: its longest window, and its longest alert window.
pub fn reach(slo: &Slo) -> (Duration, Duration) {
    let of_alerts = slo
        .alerting
        .windows()
        .into_iter()
        .map(|window| window.length.duration());
    let alerting = of_alerts.max().unwrap_or_default();
    let longest = slo.window.length().duration().max(alerting).min(PAST_MAX);
    (longest, alerting.min(longest))
}

/// The expressions by which a server can compute an SLO; those of a latency read native histograms.
pub fn form(slo: &Slo) -> Option<PromQlForm> {
    match &slo.indicator.kind {
        IndicatorKind::PromQl(promql) => Some(promql.form.clone()),
        IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        } => Some(PromQlForm::Latency {
            histogram: histogram.clone(),
            threshold: *threshold,
            written: written.clone(),
        }),
        _ => None,
    }
}

/// What the raw samples of an SLO are counted for; `None` where only a server can tell what its expressions count.
pub fn counted(slo: &Slo) -> Option<Indicator> {
    match &slo.indicator.kind {
        IndicatorKind::PromQl(promql) if matches!(promql.form, PromQlForm::Latency { .. }) => None,
        IndicatorKind::PromQl(promql) => promql.scraped.as_ref().map(|kind| Indicator {
            kind: (**kind).clone(),
            ..slo.indicator.clone()
        }),
        _ => Some(slo.indicator.clone()),
    }
}
