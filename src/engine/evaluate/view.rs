//! Views: an evaluation as the API shows it.

use super::alerts::{Alerts, burn_conditions, no_data_key, pairs};
use crate::domain::evaluation::Evaluation;
use crate::domain::indicator::{Indicator, IndicatorKind, PromQlForm, RatioPart};
use crate::domain::labels::Group;
use crate::domain::time::{Timestamp, format_duration};
use crate::engine::catalog::{Entry, IdleSlo};
use crate::engine::ports::Lifetime;
use crate::engine::read::progress::BackfillView;
use crate::engine::snapshot::{
    AlertView, BudgetView, ConditionView, DiagnosticView, EventsView, OrderedMap, SloAlertView, SloView, WindowView,
};

/// What a view needs besides the SLO and its evaluation.
pub struct ViewFacts<'a> {
    /// The group; `None` for the SLO itself.
    pub group: Option<&'a Group>,
    /// The alerts as they stand.
    pub alerts: &'a Alerts,
    /// All events ever counted.
    pub lifetime: Lifetime,
    /// Resets since this process took over.
    pub resets: u64,
    /// Observed minutes over the window's minutes; groups have their SLO's.
    pub coverage: f64,
    /// What is wrong with its data.
    pub diagnostics: Vec<DiagnosticView>,
    /// How far it was read from its server.
    pub backfill: Option<BackfillView>,
    /// The budget at earlier times.
    pub budget_history: Vec<(Timestamp, Option<f64>)>,
}

/// One SLO, or one group, as the API shows it.
pub fn slo_view(entry: &Entry, evaluation: &Evaluation, facts: ViewFacts<'_>, now: Timestamp) -> SloView {
    let slo = &entry.slo;
    let rates = evaluation
        .burn_rates
        .iter()
        .map(|burn| (burn.written.clone(), burn.rate))
        .collect();
    let (counts, budget) = (evaluation.counts, evaluation.budget);
    let mut diagnostics = entry.diagnostics.clone();
    diagnostics.extend(facts.diagnostics);
    SloView {
        id: Some(slo.id.with_group(facts.group)),
        service: Some(slo.id.service.clone()),
        name: Some(slo.id.name.clone()),
        group: facts.group.map(|group| group.0.clone()),
        description: slo.description.clone(),
        owner: slo.owner.clone(),
        labels: pairs(&slo.labels),
        annotations: pairs(&slo.annotations),
        state: evaluation.state.word(),
        spec: if entry.invalid { "invalid" } else { "ok" },
        objective: Some(slo.objective.ratio()),
        objective_text: Some(slo.objective.to_string()),
        method: Some(slo.method.word()),
        window: Some(WindowView::of(&slo.window)),
        as_of: Some(now),
        window_start: Some(slo.window.length().first_minute(now).start()),
        events: Some(EventsView {
            good: counts.good(),
            bad: counts.bad(),
            total: counts.total(),
        }),
        sli: counts.sli(),
        error_budget: Some(BudgetView {
            allowed: budget.allowed,
            spent: budget.spent,
            remaining: budget.remaining,
            remaining_ratio: budget.remaining_ratio,
        }),
        burn_rates: Some(OrderedMap(rates)),
        exhausts_at: evaluation.exhausts_at,
        alerts: alert_states(entry, evaluation, facts.group, facts.alerts),
        conditions: condition_views(entry, evaluation),
        coverage: Some(facts.coverage),
        diagnostics,
        file: Some(slo.origin.file.clone()),
        line: Some(slo.origin.line),
        indicator: Some(describe_indicator(&slo.indicator)),
        source_text: slo.source_text.clone(),
        idle_reason: String::new(),
        lifetime: Some((facts.lifetime.good, facts.lifetime.total)),
        resets: facts.resets,
        backfill: facts.backfill,
        budget_history: facts.budget_history,
    }
}

/// An SLO that does not run as the API shows it: what the file says of it, and no numbers.
pub fn idle_view(idle: &IdleSlo) -> SloView {
    let id = idle
        .service
        .as_ref()
        .zip(idle.name.as_ref())
        .map(|(service, name)| format!("{service}/{name}"));
    let view = SloView {
        id,
        service: idle.service.clone(),
        name: idle.name.clone(),
        state: "no_data",
        spec: if idle.invalid { "invalid" } else { "paused" },
        diagnostics: idle.diagnostics.clone(),
        file: Some(idle.file.clone()),
        line: idle.line,
        ..SloView::default()
    };
    let Some(slo) = &idle.slo else {
        return view;
    };
    SloView {
        description: slo.description.clone(),
        owner: slo.owner.clone(),
        labels: pairs(&slo.labels),
        annotations: pairs(&slo.annotations),
        objective: Some(slo.objective.ratio()),
        objective_text: Some(slo.objective.to_string()),
        method: Some(slo.method.word()),
        window: Some(WindowView::of(&slo.window)),
        indicator: Some(describe_indicator(&slo.indicator)),
        source_text: slo.source_text.clone(),
        idle_reason: idle.reason.clone(),
        ..view
    }
}

fn condition_views(entry: &Entry, evaluation: &Evaluation) -> Vec<ConditionView> {
    let view = |(result, condition): (
        &crate::domain::evaluation::ConditionResult,
        &crate::domain::alert::policy::BurnCondition,
    )| {
        ConditionView {
            severity: condition.severity.word(),
            long: condition.long.written.clone(),
            short: condition.short.written.clone(),
            factor: condition.factor,
            pending_for: (!condition.pending_for.is_zero()).then(|| format_duration(condition.pending_for)),
            long_burn_rate: result.long,
            short_burn_rate: result.short,
            holds: result.holds,
        }
    };
    evaluation
        .conditions
        .iter()
        .zip(&entry.slo.alerting.burn)
        .map(view)
        .collect()
}

/// The alerts of an SLO or a group, also the inactive ones; the sum over groups does not alert.
fn alert_states(entry: &Entry, evaluation: &Evaluation, group: Option<&Group>, alerts: &Alerts) -> Vec<SloAlertView> {
    let slo = &entry.slo;
    let is_sum = group.is_none() && !slo.indicator.group_by.is_empty();
    let mut keys: Vec<_> = Vec::new();
    if slo.alerting.enabled && !is_sum {
        keys.extend(
            burn_conditions(slo, group, evaluation)
                .into_iter()
                .map(|condition| condition.key),
        );
    }
    if slo.no_data_for().is_some() && group.is_none() {
        keys.push(no_data_key(slo));
    }
    let view = |key| {
        let status = alerts.status(&key);
        SloAlertView {
            state: status.state().word(),
            since: status.active_since().map(Timestamp),
            stale: status.stale,
            severity: key.severity.word(),
            called: key.labels(slo).get("severity").to_owned(),
            name: key.alertname,
        }
    };
    keys.into_iter().map(view).collect()
}

/// The alerts that are pending or fire, in Prometheus's shape.
pub fn active_views(alerts: &Alerts, muted_by: impl Fn(&str) -> Vec<String>) -> Vec<AlertView> {
    let views = alerts.active().map(|(key, alert)| {
        let mut annotations = alert.annotations.clone();
        annotations
            .entry("summary".to_owned())
            .or_insert_with(|| alert.summary.clone());
        AlertView {
            labels: alert.labels.clone(),
            annotations,
            severity: alert.key().severity.word(),
            state: alert.status.state().word(),
            active_at: alert.status.active_since().map(Timestamp),
            value: alert
                .status
                .value
                .map_or_else(|| "1e+00".to_owned(), |value| format!("{value:e}")),
            stale: alert.status.stale,
            muted_by: muted_by(key),
        }
    });
    views.collect()
}

fn describe_promql(form: &PromQlForm) -> String {
    let word = |part: &RatioPart| match part {
        RatioPart::Bad => "bad",
        RatioPart::Good => "good",
    };
    match form {
        PromQlForm::Ratio { total, part, part_is } => format!("{} {part} of total {total}", word(part_is)),
        PromQlForm::RawRatio { query, ratio_of } => format!("share of {} seconds: {query}", word(ratio_of)),
        PromQlForm::Threshold { query, op, value } => format!("seconds in which {query} is {} {value}", op.word()),
        PromQlForm::Latency { histogram, written, .. } => format!("{histogram} within {written}"),
    }
}

fn describe_indicator(indicator: &Indicator) -> String {
    let what = match &indicator.kind {
        IndicatorKind::Ratio {
            total,
            part,
            part_is: RatioPart::Bad,
        } => format!("bad {part} of total {total}"),
        IndicatorKind::Ratio {
            total,
            part,
            part_is: RatioPart::Good,
        } => format!("good {part} of total {total}"),
        IndicatorKind::Latency { histogram, written, .. } => format!("{histogram} within {written}"),
        IndicatorKind::Gauge { gauge, op, value } => format!("seconds in which {gauge} is {} {value}", op.word()),
        IndicatorKind::PromQl(promql) => describe_promql(&promql.form),
        IndicatorKind::Probe { job } => format!("verdicts of the probe {job}"),
        IndicatorKind::Events => "pushed events".to_owned(),
        IndicatorKind::Heartbeat { name } => format!("runs of the job {name}"),
        IndicatorKind::Sql(sql) => format!("rows of a database, every {}", format_duration(sql.every)),
        IndicatorKind::Composite(members) => format!("a composite of {}", members.len()),
        IndicatorKind::Foreign { system } => format!("a query to {system}"),
    };
    if indicator.group_by.is_empty() {
        what
    } else {
        format!("{what} by {}", indicator.group_by.join(", "))
    }
}
