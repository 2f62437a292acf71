//! `/alerts` and `/notifications`: plain tables.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Response;

use super::{Frame, Time, page};
use crate::domain::time::Timestamp;
use crate::engine::ports::DeliveryState;
use crate::engine::snapshot::AlertView;
use crate::http::format;
use crate::http::state::HttpState;

/// Notifications on the page.
const NOTIFICATIONS_SHOWN: u32 = 200;

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    alerts: Vec<AlertRow>,
    silences: Vec<SilenceRow>,
    silences_error: String,
}

struct AlertRow {
    is_firing: bool,
    state: String,
    name: String,
    /// Pages come first, whatever they are called.
    rank: &'static str,
    severity: String,
    slo: String,
    href: String,
    labels: Vec<(String, String)>,
    value: String,
    since: Option<Time>,
    muted: String,
}

struct SilenceRow {
    state: &'static str,
    matchers: String,
    until: Time,
    by: String,
    comment: String,
    id: String,
}

/// Alerts that are pending or firing, and the silences.
pub async fn alerts(Extract(state): Extract<HttpState>) -> Response {
    let now = state.clock.now();
    let (silences, silences_error) = match silences(&state, now).await {
        Ok(silences) => (silences, String::new()),
        Err(error) => (Vec::new(), error),
    };
    let snapshot = state.snapshot.load();
    let mut alerts: Vec<AlertRow> = snapshot.alerts.iter().map(|alert| alert_row(alert, now)).collect();
    alerts.sort_by(|a, b| (!a.is_firing, a.rank, &a.slo).cmp(&(!b.is_firing, b.rank, &b.slo)));
    page(&AlertsPage {
        frame: Frame::of(&state, &snapshot, "Alerts", "alerts"),
        alerts,
        silences,
        silences_error,
    })
}

fn alert_row(alert: &AlertView, now: Timestamp) -> AlertRow {
    let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
    let (service, slo) = (label("service"), label("slo"));
    let known = ["alertname", "severity", "service", "slo"];
    let stale = if alert.stale { ", stale" } else { "" };
    AlertRow {
        is_firing: alert.state == "firing",
        state: format!("{}{stale}", alert.state),
        name: label("alertname"),
        rank: alert.severity,
        severity: label("severity"),
        href: format!("/slos/{}/{}", format::escaped(&service), format::escaped(&slo)),
        slo: format!("{service}/{slo}"),
        labels: alert
            .labels
            .clone()
            .into_iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .collect(),
        value: alert
            .value
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .map_or_else(|| format::UNKNOWN.to_owned(), |value| format::rate(Some(value))),
        since: alert.active_at.map(|since| Time::of(since, now)),
        muted: alert.muted_by.join(", "),
    }
}

async fn silences(state: &HttpState, now: Timestamp) -> Result<Vec<SilenceRow>, String> {
    let ports = state.ports().map_err(|error| error.message().to_owned())?;
    let silences = ports.alerts.silences(now).await.map_err(|error| error.to_string())?;
    let row = |silence: crate::domain::alert::silence::Silence| SilenceRow {
        state: silence.state(now).word(),
        matchers: silence
            .matchers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        until: Time::of(silence.ends_at, now),
        by: silence.created_by,
        comment: silence.comment,
        id: silence.id,
    };
    Ok(silences.into_iter().map(row).collect())
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    notifications: Vec<NotificationRow>,
    dead: usize,
    error: String,
}

struct NotificationRow {
    created: Option<Time>,
    receiver: String,
    integration: String,
    kind: &'static str,
    state: &'static str,
    class: &'static str,
    icon: &'static str,
    attempts: u32,
    about: String,
    error: String,
    next: Option<Time>,
}

/// What was told, the newest first.
pub async fn notifications(Extract(state): Extract<HttpState>) -> Response {
    let now = state.clock.now();
    let read = match state.ports() {
        Ok(ports) => ports
            .deliveries
            .notifications(NOTIFICATIONS_SHOWN)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.message().to_owned()),
    };
    let (records, error) = match read {
        Ok(records) => (records, String::new()),
        Err(error) => (Vec::new(), error),
    };
    let time = |text: &str| crate::domain::time::Timestamp::parse_rfc3339(text).map(|time| Time::of(time, now));
    let row = |record: crate::engine::ports::NotificationRecord| {
        let (class, icon) = match record.state {
            DeliveryState::Delivered => ("good", "●"),
            DeliveryState::Dead => ("bad", "■"),
            DeliveryState::Superseded => ("none", "○"),
            DeliveryState::Ready | DeliveryState::Sending => ("warn", "▲"),
        };
        NotificationRow {
            created: time(&record.created_at),
            receiver: record.receiver,
            integration: record.integration,
            kind: record.kind.word(),
            state: record.state.word(),
            class,
            icon,
            attempts: record.attempts,
            about: record.slo.unwrap_or(record.group_key),
            error: record.last_error.unwrap_or_default(),
            next: record.next_attempt_at.as_deref().and_then(time),
        }
    };
    let dead = records
        .iter()
        .filter(|record| record.state == DeliveryState::Dead)
        .count();
    let notifications = records.into_iter().map(row).collect();
    let snapshot = state.snapshot.load();
    let frame = Frame::of(&state, &snapshot, "Notifications", "notifications");
    page(&NotificationsPage {
        frame,
        notifications,
        dead,
        error,
    })
}
