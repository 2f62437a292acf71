//! Evaluation: from the sums over an SLO's windows to its SLI, budget, burn rates and burn conditions.

use super::alert::policy::{BurnCondition, Severity};
use super::counts::{EventCounts, MICRO};
use super::ledger::WindowSum;
use super::objective::Objective;
use super::slo::Slo;
use super::time::{Timestamp, millis};
use super::window::WindowLength;

/// Below this share of the budget an SLO is at risk.
const AT_RISK_BELOW: f64 = 0.2;

/// Where a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetState {
    /// At least a fifth is left.
    Healthy,
    /// Less than a fifth is left.
    AtRisk,
    /// Nothing is left.
    Exhausted,
    /// The window holds no events.
    NoData,
}

impl BudgetState {
    /// As the API shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::AtRisk => "at_risk",
            Self::Exhausted => "exhausted",
            Self::NoData => "no_data",
        }
    }
}

/// The error budget over the window, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorBudget {
    /// total x (1 - objective)
    pub allowed: f64,
    /// Bad events.
    pub spent: f64,
    /// allowed - spent; may be negative.
    pub remaining: f64,
    /// remaining / allowed; `None` without events.
    pub remaining_ratio: Option<f64>,
}

impl ErrorBudget {
    /// The budget of these events: exact in integers, rounded once at the end.
    pub fn of(counts: EventCounts, objective: Objective) -> Self {
        const BILLION: i128 = 1_000_000_000;
        let in_events = |amount: i128| amount as f64 / (BILLION as f64 * MICRO as f64);
        let allowed = objective.allowed(counts);
        let spent = i128::from(counts.bad()) * BILLION;
        let remaining = allowed - spent;
        let remaining_ratio = (allowed > 0).then(|| remaining as f64 / allowed as f64);
        Self {
            allowed: in_events(allowed),
            spent: in_events(spent),
            remaining: in_events(remaining),
            remaining_ratio,
        }
    }
}

/// Error rate / (1 - objective): 1.0 spends exactly the budget in the window. `None` without events.
pub fn burn_rate(counts: EventCounts, objective: Objective) -> Option<f64> {
    let allowed = objective.allowed(counts);
    (allowed > 0).then(|| (i128::from(counts.bad()) * 1_000_000_000) as f64 / allowed as f64)
}

/// One window's burn rate.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowBurn {
    /// The window as written.
    pub written: String,
    /// Its length.
    pub length: WindowLength,
    /// `None` without events.
    pub rate: Option<f64>,
}

/// One burn condition at one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionResult {
    /// What it raises.
    pub severity: Severity,
    /// Burn rate over the long window.
    pub long: Option<f64>,
    /// Burn rate over the short window.
    pub short: Option<f64>,
    /// Whether it holds; `None` where a window is empty.
    pub holds: Option<bool>,
}

/// What one SLO, or one group of it, comes to at one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Events in the window.
    pub counts: EventCounts,
    /// More bad (or good) events than events were matched: the counts are clamped.
    pub clamped: bool,
    /// Where the budget stands.
    pub state: BudgetState,
    /// The budget.
    pub budget: ErrorBudget,
    /// The burn rates over the alert windows, shortest first.
    pub burn_rates: Vec<WindowBurn>,
    /// When the budget will be gone at the burn rate of the longest page window.
    pub exhausts_at: Option<Timestamp>,
    /// Observed minutes over the window's minutes.
    pub coverage: f64,
    /// The burn conditions, in the policy's order.
    pub conditions: Vec<ConditionResult>,
}

/// Evaluates an SLO from its window sums; pure.
pub fn evaluate(slo: &Slo, sum: impl Fn(WindowLength) -> WindowSum, now: Timestamp) -> Evaluation {
    let whole = sum(slo.window.length());
    let counts = whole.counts();
    let budget = ErrorBudget::of(counts, slo.objective);
    let state = match budget.remaining_ratio {
        None => BudgetState::NoData,
        Some(left) if left <= 0.0 => BudgetState::Exhausted,
        Some(left) if left < AT_RISK_BELOW => BudgetState::AtRisk,
        Some(_) => BudgetState::Healthy,
    };
    let rate_of = |length: WindowLength| burn_rate(sum(length).counts(), slo.objective);
    let burn_rates = slo
        .alerting
        .windows()
        .into_iter()
        .map(|window| WindowBurn {
            rate: rate_of(window.length),
            written: window.written,
            length: window.length,
        })
        .collect();
    Evaluation {
        counts,
        clamped: whole.total != counts.total() || whole.good != counts.good(),
        state,
        exhausts_at: exhausts_at(slo, &budget, rate_of, now),
        budget,
        burn_rates,
        coverage: (f64::from(whole.observed) / f64::from(slo.window.length().minutes())).min(1.0),
        conditions: slo
            .alerting
            .burn
            .iter()
            .map(|condition| check(slo, condition, &sum))
            .collect(),
    }
}

/// `as_of` + W x `remaining_ratio` / burn rate of the longest page window (else the longest window); `None` when exhausted,
/// unknown, or later than `as_of` + W (contract, fine print).
fn exhausts_at(
    slo: &Slo,
    budget: &ErrorBudget,
    rate_of: impl Fn(WindowLength) -> Option<f64>,
    now: Timestamp,
) -> Option<Timestamp> {
    let remaining = budget.remaining_ratio.filter(|left| *left > 0.0)?;
    let pages = slo
        .alerting
        .burn
        .iter()
        .filter(|condition| condition.severity == Severity::Page);
    let longest_page = pages.map(|condition| condition.long.length).max();
    let longest = slo.alerting.burn.iter().map(|condition| condition.long.length).max();
    let rate = rate_of(longest_page.or(longest)?)?;
    let share_of_window = remaining / rate;
    let window = millis(slo.window.length().duration()) as f64;
    (rate > 0.0 && share_of_window <= 1.0).then(|| Timestamp(now.0 + (window * share_of_window) as i64))
}

fn check(slo: &Slo, condition: &BurnCondition, sum: &impl Fn(WindowLength) -> WindowSum) -> ConditionResult {
    let (long, short) = (
        sum(condition.long.length).counts(),
        sum(condition.short.length).counts(),
    );
    let known = long.total() > 0 && short.total() > 0;
    let enough = long.total() >= in_micro(slo.alerting.min_events) && long.bad() >= in_micro(slo.alerting.min_failures);
    let above = |counts: EventCounts| burns_above(counts, slo.objective, condition.factor);
    ConditionResult {
        severity: condition.severity,
        long: burn_rate(long, slo.objective),
        short: burn_rate(short, slo.objective),
        holds: known.then(|| enough && above(long) && above(short)),
    }
}

/// Strictly above the factor; compared by products, so that a rate of exactly the factor is not above it.
fn burns_above(counts: EventCounts, objective: Objective, factor: f64) -> bool {
    let spent = (i128::from(counts.bad()) * 1_000_000_000) as f64;
    spent > objective.allowed(counts) as f64 * factor
}

fn in_micro(events: u64) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX).saturating_mul(MICRO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bad: i64, total: i64) -> EventCounts {
        EventCounts::clamped((total - bad) * MICRO, total * MICRO)
    }

    #[test]
    fn the_budget_follows_from_the_counts_exactly() {
        let objective = Objective::from_percent("99.9").expect("an objective");
        let budget = ErrorBudget::of(counts(10, 100_000), objective);
        assert_eq!((budget.allowed, budget.spent, budget.remaining), (100.0, 10.0, 90.0));
        assert_eq!(budget.remaining_ratio, Some(0.9));
        assert_eq!(burn_rate(counts(10, 100_000), objective), Some(0.1));
        assert_eq!(ErrorBudget::of(counts(0, 0), objective).remaining_ratio, None);
    }

    #[test]
    fn a_burn_rate_of_exactly_the_factor_is_not_above_it() {
        let objective = Objective::from_percent("90").expect("an objective");
        assert!(!burns_above(counts(200, 1000), objective, 2.0));
        assert!(burns_above(counts(201, 1000), objective, 2.0));
    }
}
