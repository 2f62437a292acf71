//! `/slos/{service}/{name}`: one SLO, or one group of it.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Extract};
use axum::http::Uri;
use axum::response::Response;

use super::chart::Chart;
use super::slos::{Meter, Problem, Row, href, meter, problem, row, sli};
use super::verdict::{self, State};
use super::{Frame, Time, page, problem_page};
use crate::domain::time::Timestamp;
use crate::engine::snapshot::{BudgetView, ConditionView, EventsView, SloAlertView, SloView, Snapshot, WindowView};
use crate::http::api::slos::find;
use crate::http::error::ApiError;
use crate::http::format;
use crate::http::query::Query;
use crate::http::state::HttpState;

#[derive(Template)]
#[template(path = "slo.html")]
struct SloPage {
    frame: Frame,
    service: String,
    name: String,
    group: String,
    parent: String,
    state: State,
    description: String,
    owner: String,
    labels: Vec<(String, String)>,
    links: Vec<(String, String)>,
    window: String,
    window_phrase: String,
    why_unknown: &'static str,
    objective: String,
    sli: String,
    numbers: Numbers,
    budget: Option<Meter>,
    burn: String,
    burn_window: String,
    burn_short: String,
    burn_state: Option<State>,
    sentence: String,
    low_traffic: String,
    exhausts: Option<Time>,
    chart: Option<Chart>,
    conditions: Vec<Condition>,
    alerts: Vec<Alert>,
    groups: Vec<Row>,
    rates: Vec<(String, String)>,
    window_start: Option<Time>,
    coverage: String,
    problems: Vec<Problem>,
    is_invalid: bool,
    heading: &'static str,
    indicator: String,
    file: String,
    source_text: String,
    api: String,
    backfill: Option<Backfill>,
    read_until: Option<Time>,
}

/// A window that is being filled from a server's history.
struct Backfill {
    source: String,
    percent: String,
    from: Time,
}

struct Condition {
    verdict: State,
    severity: &'static str,
    factor: String,
    long: String,
    long_rate: String,
    one_window: bool,
    short: String,
    short_rate: String,
    holds: &'static str,
}

struct Alert {
    name: String,
    severity: String,
    state: String,
    class: &'static str,
    icon: &'static str,
    since: Option<Time>,
}

/// The page.
pub async fn slo(
    Extract(state): Extract<HttpState>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Response {
    let snapshot = state.snapshot.load();
    let found = path
        .map_err(|error| ApiError::bad_data(error.body_text()))
        .and_then(|Path((service, name))| find(&snapshot, &service, &name, Query::of(&uri).get("group")));
    match found {
        Ok(slo) => page(&SloPage::of(&state, &snapshot, slo)),
        Err(error) => problem_page(&error),
    }
}

impl SloPage {
    fn of(state: &HttpState, snapshot: &Snapshot, slo: &SloView) -> Self {
        let now = state.clock.now();
        let unknown = || format::UNKNOWN.to_owned();
        let shown = verdict::shown(slo);
        let group = slo
            .group
            .clone()
            .map_or_else(String::new, |pairs| crate::domain::labels::Group(pairs).to_label_set());
        let parent = SloView {
            group: None,
            service: slo.service.clone(),
            name: slo.name.clone(),
            ..SloView::default()
        };
        Self {
            frame: Frame::of(state, snapshot, slo.id.clone().unwrap_or_else(unknown), "slos"),
            service: slo.service.clone().unwrap_or_default(),
            name: slo.name.clone().unwrap_or_default(),
            parent: if group.is_empty() { String::new() } else { href(&parent) },
            group,
            state: verdict::state(slo),
            description: slo.description.clone().unwrap_or_default(),
            owner: slo.owner.clone().unwrap_or_default(),
            labels: slo.labels.clone().into_iter().collect(),
            links: links(slo),
            window: slo.window.as_ref().map_or_else(unknown, WindowView::long_text),
            window_phrase: slo.window.as_ref().map_or_else(String::new, WindowView::phrase),
            why_unknown: why_unknown(slo),
            objective: slo.objective_text.clone().unwrap_or_else(unknown),
            sli: sli(slo),
            numbers: Numbers::of(slo),
            budget: slo.error_budget.and_then(meter),
            burn: format::rate(shown.and_then(|condition| condition.long_burn_rate)),
            burn_window: shown.map_or_else(String::new, |condition| condition.long.clone()),
            burn_short: shown
                .filter(|condition| condition.short != condition.long)
                .map_or_else(String::new, |condition| {
                    format!("{} over {}", format::rate(condition.short_burn_rate), condition.short)
                }),
            burn_state: shown.map(verdict::burn),
            sentence: verdict::sentence(slo),
            low_traffic: verdict::low_traffic(slo).unwrap_or_default(),
            exhausts: slo.exhausts_at.map(|at| Time::of(at, now)),
            chart: Chart::of(&slo.budget_history),
            conditions: slo.conditions.iter().map(condition).collect(),
            alerts: alerts(slo, now),
            groups: groups(snapshot, slo, now),
            rates: slo
                .burn_rates
                .iter()
                .flat_map(|rates| &rates.0)
                .map(|(window, rate)| (window.clone(), format::rate(*rate)))
                .collect(),
            window_start: slo.window_start.map(|start| Time::of(start, now)),
            coverage: slo
                .coverage
                .map_or_else(unknown, |coverage| format::percent(coverage, 2)),
            problems: slo.diagnostics.iter().map(problem).collect(),
            is_invalid: slo.spec == "invalid",
            heading: heading(slo),
            indicator: slo.indicator.clone().unwrap_or_default(),
            file: slo.file.clone().map_or_else(String::new, |file| {
                slo.line.map_or(file.clone(), |line| format!("{file}:{line}"))
            }),
            source_text: slo.source_text.clone(),
            api: format!("/api/v1{}", href(slo)),
            backfill: backfill(slo, now),
            read_until: slo.backfill.as_ref().and_then(|it| Some(Time::of(it.read_until?, now))),
        }
    }
}

/// How far the window was filled, while it is.
fn backfill(slo: &SloView, now: Timestamp) -> Option<Backfill> {
    let backfill = slo.backfill.as_ref().filter(|it| it.missing.is_some())?;
    // Rounded down: not whole before all of it was read.
    let percent = (backfill.done_ratio * 100.0).floor();
    Some(Backfill {
        source: backfill.source.clone(),
        percent: format!("{percent} %"),
        from: Time::of(backfill.from?, now),
    })
}

fn why_unknown(slo: &SloView) -> &'static str {
    if slo.idle_reason.is_empty() {
        "no events in the window"
    } else {
        "nothing is computed"
    }
}

/// What stands above the diagnostics.
fn heading(slo: &SloView) -> &'static str {
    match (slo.spec, slo.idle_reason.is_empty()) {
        ("invalid", true) => "The file on disk does not load; an earlier revision runs",
        ("invalid", false) => "The file on disk does not load, and the earlier revision is not computed",
        _ => "Diagnostics",
    }
}

/// Events and budget as texts.
struct Numbers {
    good: String,
    bad: String,
    total: String,
    allowed: String,
    spent: String,
}

impl Numbers {
    fn of(slo: &SloView) -> Self {
        let unknown = || format::UNKNOWN.to_owned();
        let events = |pick: fn(&EventsView) -> i64| {
            slo.events
                .as_ref()
                .map_or_else(unknown, |events| format::events(pick(events)))
        };
        let amount = |pick: fn(&BudgetView) -> f64| {
            slo.error_budget
                .as_ref()
                .map_or_else(unknown, |budget| format::amount(pick(budget)))
        };
        Self {
            good: events(|events| events.good),
            bad: events(|events| events.bad),
            total: events(|events| events.total),
            allowed: amount(|budget| budget.allowed),
            spent: amount(|budget| budget.spent),
        }
    }
}

fn condition(condition: &ConditionView) -> Condition {
    Condition {
        verdict: verdict::burn(condition),
        severity: condition.severity,
        factor: match &condition.pending_for {
            Some(time) => format!("{} for {time}", format::factor(condition.factor)),
            None => format::factor(condition.factor),
        },
        long: condition.long.clone(),
        long_rate: format::rate(condition.long_burn_rate),
        one_window: condition.long == condition.short,
        short: condition.short.clone(),
        short_rate: format::rate(condition.short_burn_rate),
        holds: match condition.holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        },
    }
}

fn alerts(slo: &SloView, now: Timestamp) -> Vec<Alert> {
    let alert = |alert: &SloAlertView| {
        let (class, icon) = match alert.state {
            "firing" => ("bad", "■"),
            "pending" => ("warn", "▲"),
            _ => ("none", "○"),
        };
        let stale = if alert.stale { " (stale: data is missing)" } else { "" };
        Alert {
            name: alert.name.clone(),
            severity: if alert.called.is_empty() || alert.called == alert.severity {
                alert.severity.to_owned()
            } else {
                format!("{} (called {})", alert.severity, alert.called)
            },
            state: format!("{}{stale}", alert.state),
            class,
            icon,
            since: alert.since.map(|since| Time::of(since, now)),
        }
    };
    slo.alerts.iter().map(alert).collect()
}

/// All groups of an SLO, the worst first.
fn groups(snapshot: &Snapshot, slo: &SloView, now: Timestamp) -> Vec<Row> {
    if slo.group.is_some() {
        return Vec::new();
    }
    let is_own = |other: &&SloView| other.group.is_some() && (&other.service, &other.name) == (&slo.service, &slo.name);
    let mut rows: Vec<Row> = snapshot
        .slos
        .iter()
        .filter(is_own)
        .map(|group| row(group, now))
        .collect();
    rows.sort_by_key(|row| row.state.rank);
    rows
}

/// Annotations that are addresses of the web; others are no links, whatever they say.
fn links(slo: &SloView) -> Vec<(String, String)> {
    let is_web = |url: &str| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let urls = slo
        .annotations
        .iter()
        .filter(|(name, url)| name.ends_with("_url") && is_web(url));
    urls.map(|(name, url)| (name.trim_end_matches("_url").replace('_', " "), url.clone()))
        .collect()
}
