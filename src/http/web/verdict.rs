//! What the numbers mean, in words: the state of a budget, of a burn condition, and one sentence about the SLO.

use crate::domain::time::{Timestamp, parse_duration};
use crate::engine::collect::notes::UNFED;
use crate::engine::snapshot::{ConditionView, SloView};
use crate::http::format;

/// A state with its word, its shape and its class: colour alone tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// For people.
    pub word: &'static str,
    /// A shape of its own.
    pub icon: &'static str,
    /// For the style sheet.
    pub class: &'static str,
    /// The worst is first.
    pub rank: u8,
}

const EXHAUSTED: State = State {
    word: "Exhausted",
    icon: "■",
    class: "bad",
    rank: 0,
};
const BURNING: State = State {
    word: "Burning",
    icon: "◆",
    class: "bad",
    rank: 1,
};
const AT_RISK: State = State {
    word: "At risk",
    icon: "▲",
    class: "warn",
    rank: 2,
};
/// The file on disk does not load.
pub const INVALID: State = State {
    word: "Invalid",
    icon: "✕",
    class: "warn",
    rank: 3,
};
const NO_DATA: State = State {
    word: "No data",
    icon: "○",
    class: "none",
    rank: 4,
};
/// Valid, and not computed.
pub const PAUSED: State = State {
    word: "Paused",
    icon: "‖",
    class: "none",
    rank: 5,
};
const HEALTHY: State = State {
    word: "Healthy",
    icon: "●",
    class: "good",
    rank: 6,
};

/// All of them, the worst first.
pub const STATES: [State; 7] = [EXHAUSTED, BURNING, AT_RISK, INVALID, NO_DATA, PAUSED, HEALTHY];

/// The state that a row shows. Burning is a healthy or shrinking budget whose page fires.
pub fn state(slo: &SloView) -> State {
    let pages = slo
        .alerts
        .iter()
        .any(|alert| alert.severity == "page" && alert.state == "firing" && alert.name != "SLONoData");
    match slo.state {
        "exhausted" => EXHAUSTED,
        _ if slo.objective.is_none() => INVALID,
        _ if slo.spec == "paused" => PAUSED,
        "no_data" => NO_DATA,
        _ if pages => BURNING,
        "at_risk" => AT_RISK,
        "healthy" => HEALTHY,
        _ => NO_DATA,
    }
}

/// The verdict on a burn condition: a long window alone says what was, a short one alone what may come.
pub fn burn(condition: &ConditionView) -> State {
    let above = |rate: Option<f64>| rate.map(|rate| rate > condition.factor);
    match (above(condition.short_burn_rate), above(condition.long_burn_rate)) {
        (Some(true), Some(true)) => State {
            word: "Critical",
            ..BURNING
        },
        (Some(false), Some(true)) => State {
            word: "Recovering",
            icon: "▽",
            class: "warn",
            rank: 3,
        },
        (Some(true), Some(false)) => State {
            word: "Increasing",
            icon: "△",
            class: "warn",
            rank: 2,
        },
        (Some(false), Some(false)) => State {
            word: "Acceptable",
            ..HEALTHY
        },
        _ => NO_DATA,
    }
}

/// The condition by whose long window the future is told: the longest that pages, else the longest.
pub fn outlook(slo: &SloView) -> Option<&ConditionView> {
    let length = |condition: &&ConditionView| parse_duration(&condition.long).unwrap_or_default();
    let pages = slo
        .conditions
        .iter()
        .filter(|condition| condition.severity == "page")
        .max_by_key(length);
    pages.or_else(|| slo.conditions.iter().max_by_key(length))
}

/// The condition whose rates are shown: the one with the worst verdict, and that of the outlook where all is well.
pub fn shown(slo: &SloView) -> Option<&ConditionView> {
    let worst = slo.conditions.iter().min_by_key(|condition| burn(condition).rank)?;
    if burn(worst).rank < NO_DATA.rank {
        Some(worst)
    } else {
        outlook(slo)
    }
}

/// One sentence or two: where the budget stands, and where it goes.
pub fn sentence(slo: &SloView) -> String {
    let Some(window) = slo.window.as_ref() else {
        return "This document has never loaded, so nothing is counted for it yet.".to_owned();
    };
    if !slo.idle_reason.is_empty() {
        let reason = slo.idle_reason.trim_end_matches('.');
        return format!("This SLO is paused: {reason}. What was counted for it earlier is kept.");
    }
    let (Some(budget), Some(ratio)) = (
        slo.error_budget,
        slo.error_budget.and_then(|budget| budget.remaining_ratio),
    ) else {
        let unfed = slo.diagnostics.iter().find(|found| found.code == UNFED);
        let why = match unfed {
            Some(unfed) => unfed.message.as_str(),
            None if slo.coverage.unwrap_or(0.0) > 0.0 => "its targets answer, but they counted no events",
            None => "nothing that feeds it was counted in that time",
        };
        let window = window.phrase();
        return format!("Nothing is known about {window}: {why}. The budget is unknown, not full.");
    };
    let window = window.name();
    let (left, allowed) = (format::amount(budget.remaining), format::amount(budget.allowed));
    if ratio <= 0.0 {
        let spent = format::budget_percent(1.0 - ratio);
        let head =
            format!("The budget of {window} is exhausted: {spent} of it is spent ({left} of {allowed} events left).");
        return format!("{head} {}", after_the_end(slo));
    }
    let head = format!(
        "{} of the budget of {window} is left ({left} of {allowed} events).",
        format::budget_percent(ratio)
    );
    format!("{head} {}", before_the_end(slo, slo.exhausts_at))
}

fn after_the_end(slo: &SloView) -> String {
    match outlook(slo).and_then(|condition| Some((condition, condition.long_burn_rate?))) {
        Some((condition, rate)) if rate > 1.0 => {
            let rate = format::rate(Some(rate));
            format!(
                "At the burn rate of the last {} ({rate}) it goes on sinking.",
                condition.long
            )
        }
        Some((condition, rate)) => {
            let rate = format::rate(Some(rate));
            format!(
                "At the burn rate of the last {} ({rate}) it recovers as past errors leave the window.",
                condition.long
            )
        }
        None => "It recovers as past errors leave the window.".to_owned(),
    }
}

fn before_the_end(slo: &SloView, exhausts_at: Option<Timestamp>) -> String {
    let Some((condition, rate)) = outlook(slo).and_then(|condition| Some((condition, condition.long_burn_rate?)))
    else {
        return "How fast it is spent is not known.".to_owned();
    };
    let (long, shown) = (&condition.long, format::rate(Some(rate)));
    match exhausts_at {
        Some(at) => format!(
            "At the burn rate of the last {long} ({shown}) it is gone by {}.",
            format::time(at)
        ),
        None if rate > 1.0 => {
            format!("It is spent faster than it comes back ({shown} over {long}), but lasts longer than the window.")
        }
        None => format!("At the burn rate of the last {long} ({shown}) it lasts."),
    }
}

/// What few events mean for the budget; `None` when there are enough.
pub fn low_traffic(slo: &SloView) -> Option<String> {
    let (budget, events, window) = (slo.error_budget?, slo.events?, slo.window.as_ref()?);
    (events.total > 0 && budget.allowed < 1.0).then(|| {
        format!(
            "Little traffic: {} events in {} allow {} bad ones, so a single failure overspends the budget.",
            format::events(events.total),
            window.name(),
            format::amount(budget.allowed),
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::indicator::{Indicator, IndicatorKind};
    use std::time::Duration;

    use super::*;
    use crate::engine::collect::notes;
    use crate::engine::snapshot::{BudgetView, EventsView, WindowView};
    use crate::http::testing::{NOW, snapshot};

    fn slo(ratio: Option<f64>, burn: Option<f64>) -> SloView {
        let condition = |severity, long: &str| ConditionView {
            severity,
            long: long.to_owned(),
            short: "5m".to_owned(),
            factor: 6.0,
            long_burn_rate: burn,
            short_burn_rate: burn,
            holds: None,
            pending_for: None,
        };
        SloView {
            window: Some(WindowView::Rolling {
                rolling: "30d".to_owned(),
            }),
            error_budget: Some(BudgetView {
                allowed: 1000.0,
                spent: 0.0,
                remaining: ratio.unwrap_or(0.0) * 1000.0,
                remaining_ratio: ratio,
            }),
            conditions: vec![
                condition("page", "1h"),
                condition("page", "6h"),
                condition("ticket", "3d"),
            ],
            ..SloView::default()
        }
    }

    #[test]
    fn the_sentence_says_where_the_budget_stands_and_goes() {
        let mut ending = slo(Some(0.18), Some(2.2));
        let unfed = SloView {
            diagnostics: vec![notes::unfed(&Indicator {
                kind: IndicatorKind::Events,
                source: None,
                group_by: Vec::new(),
            })],
            ..slo(None, None)
        };
        let idle = SloView {
            coverage: Some(0.1),
            ..slo(None, None)
        };
        ending.exhausts_at = Some(NOW + Duration::from_hours(24));
        for (slo, words) in [
            (
                slo(Some(-0.29), Some(2.2)),
                ["129% of it is spent", "−290 of 1,000", "goes on sinking"],
            ),
            (slo(Some(0.0), Some(0.2)), ["exhausted", "0 of 1,000", "recovers"]),
            (
                ending,
                ["18% of the budget", "last 6h (2.2×)", "gone by 2026-11-22 08:00:00 UTC"],
            ),
            (
                slo(Some(0.8), Some(0.2)),
                ["80% of the budget", "800 of 1,000", "it lasts"],
            ),
            (
                slo(Some(0.9), Some(1.05)),
                ["90%", "faster than it comes back", "longer than the window"],
            ),
            (slo(Some(0.9), None), ["90%", "900", "not known"]),
            (
                slo(None, None),
                [
                    "Nothing is known",
                    "nothing that feeds it was counted",
                    "unknown, not full",
                ],
            ),
            (
                unfed,
                ["Nothing is known", "no series on any target matches", "unknown"],
            ),
            (idle, ["Nothing is known", "counted no events", "unknown"]),
            (SloView::default(), ["never loaded", "nothing", "yet"]),
        ] {
            let text = sentence(&slo);
            for word in words {
                assert!(text.contains(word), "{text:?} lacks {word:?}");
            }
            assert!(!text.contains("NaN"), "{text}");
        }
    }

    #[test]
    fn both_windows_are_needed_to_be_critical() {
        let mut condition = slo(Some(1.0), Some(7.0)).conditions.remove(0);
        for (short, long, word) in [
            (Some(7.0), Some(7.0), "Critical"),
            (Some(6.0), Some(7.0), "Recovering"),
            (Some(7.0), Some(6.0), "Increasing"),
            (Some(0.0), Some(0.0), "Acceptable"),
            (None, Some(7.0), "No data"),
        ] {
            (condition.short_burn_rate, condition.long_burn_rate) = (short, long);
            assert_eq!(burn(&condition).word, word);
        }
    }

    #[test]
    fn every_condition_of_an_slo_has_its_state() {
        let words: Vec<_> = snapshot()
            .slos
            .iter()
            .map(|slo| (slo.id.clone().unwrap_or_default(), state(slo).word))
            .collect();
        let word = |id: &str| words.iter().find(|(known, _)| known == id).map(|(_, word)| *word);
        assert_eq!(word(""), Some("Invalid"));
        assert_eq!(word("checkout/requests-availability"), Some("Exhausted"));
        assert_eq!(word("checkout/latency-p300ms"), Some("At risk"));
        assert_eq!(word("export/jobs"), Some("No data"));
        assert_eq!(word("search/availability"), Some("Healthy"));
    }

    #[test]
    fn a_budget_below_one_event_is_called_so() {
        let mut small = slo(Some(1.0), None);
        small.events = Some(EventsView {
            good: 180_000_000,
            bad: 0,
            total: 180_000_000,
        });
        assert_eq!(low_traffic(&small), None);
        if let Some(budget) = small.error_budget.as_mut() {
            budget.allowed = 0.18;
        }
        assert!(low_traffic(&small).is_some_and(|text| text.contains("180 events in 30d allow 0.18")));
    }
}
