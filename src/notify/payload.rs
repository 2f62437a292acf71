//! Alertmanager's JSON: the webhook message, version 4, and the alerts that its API takes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::time::Timestamp;
use crate::engine::message::{Message, MessageAlert};

/// How Alertmanager writes "not ended".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The webhook message. Source: Alertmanager's `notify/webhook` and `template.Data`; `slo` is ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookMessage<'a> {
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: &'a BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    #[serde(rename = "notification_reason")]
    notification_reason: &'a str,
    alerts: Vec<WebhookAlert<'a>>,
    slo: Option<&'a serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookAlert<'a> {
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
}

/// An alert for `POST /api/v2/alerts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableAlert<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

/// The webhook message with at most `max_alerts` alerts, 0 for all. The common labels are those of all alerts.
pub(super) fn webhook(message: &Message, max_alerts: usize) -> WebhookMessage<'_> {
    let shown = if max_alerts == 0 { usize::MAX } else { max_alerts };
    WebhookMessage {
        version: "4",
        group_key: &message.group_key,
        truncated_alerts: message.alerts.len().saturating_sub(shown),
        status: status(message.is_firing()),
        receiver: &message.receiver,
        group_labels: &message.group_labels,
        common_labels: message.common_labels(),
        common_annotations: common_annotations(message),
        external_url: &message.external_url,
        notification_reason: &message.reason,
        alerts: message.alerts.iter().take(shown).map(webhook_alert).collect(),
        slo: message.slo.as_ref(),
    }
}

/// The alerts for an Alertmanager; a firing one ends at `expires` unless it is posted again.
pub(super) fn postable(message: &Message, expires: Timestamp) -> Vec<PostableAlert<'_>> {
    message
        .alerts
        .iter()
        .map(|alert| postable_alert(alert, expires))
        .collect()
}

fn postable_alert(alert: &MessageAlert, expires: Timestamp) -> PostableAlert<'_> {
    let ended = Timestamp(alert.ends_at.unwrap_or(alert.starts_at));
    PostableAlert {
        labels: &alert.labels,
        annotations: annotations(alert),
        starts_at: Timestamp(alert.starts_at).to_rfc3339(),
        ends_at: if alert.firing { expires } else { ended }.to_rfc3339(),
        generator_url: &alert.generator_url,
    }
}

fn webhook_alert(alert: &MessageAlert) -> WebhookAlert<'_> {
    let ended = alert.ends_at.filter(|_| !alert.firing);
    WebhookAlert {
        status: status(alert.firing),
        labels: &alert.labels,
        annotations: annotations(alert),
        starts_at: Timestamp(alert.starts_at).to_rfc3339(),
        ends_at: ended.map_or_else(|| NEVER.to_owned(), |at| Timestamp(at).to_rfc3339()),
        generator_url: &alert.generator_url,
        fingerprint: &alert.fingerprint,
    }
}

/// The alert's annotations, with its sentence as `summary` unless the SLO file gives another.
fn annotations(alert: &MessageAlert) -> BTreeMap<String, String> {
    let mut annotations = alert.annotations.clone();
    if !alert.summary.is_empty() {
        annotations
            .entry("summary".to_owned())
            .or_insert_with(|| alert.summary.clone());
    }
    annotations
}

fn common_annotations(message: &Message) -> BTreeMap<String, String> {
    let mut alerts = message.alerts.iter().map(annotations);
    let first = alerts.next().unwrap_or_default();
    alerts.fold(first, |mut shared, other| {
        shared.retain(|name, value| other.get(name) == Some(value));
        shared
    })
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::testing::{firing, resolved};

    #[test]
    fn a_firing_message_is_alertmanagers_version_4() {
        let message = firing();
        let expected = json!({
            "version": "4",
            "groupKey": "{}:{service=\"checkout\", slo=\"availability\"}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "oncall",
            "groupLabels": {"service": "checkout", "slo": "availability"},
            "commonLabels": {"alertname": "SLOBurn", "region": "eu", "service": "checkout", "severity": "page",
                             "slo": "availability"},
            "commonAnnotations": {"runbook_url": "https://wiki.example/checkout",
                                  "summary": "checkout/availability burns its budget 20 times too fast."},
            "externalURL": "https://nines.example/slo",
            "notification_reason": "first notification",
            "alerts": [{
                "status": "firing",
                "labels": {"alertname": "SLOBurn", "region": "eu", "service": "checkout", "severity": "page",
                           "slo": "availability"},
                "annotations": {"runbook_url": "https://wiki.example/checkout",
                                "summary": "checkout/availability burns its budget 20 times too fast."},
                "startsAt": "2026-11-21T08:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://nines.example/slo/slos/checkout/availability",
                "fingerprint": "00000000000000aa",
            }],
            "slo": message.slo,
        });
        assert_eq!(serde_json::to_value(webhook(&message, 0)).expect("JSON"), expected);
    }

    #[test]
    fn a_resolved_message_says_when_it_ended() {
        let message = resolved();
        let json = serde_json::to_value(webhook(&message, 0)).expect("JSON");
        assert_eq!(
            (&json["status"], &json["alerts"][0]["status"]),
            (&json!("resolved"), &json!("resolved"))
        );
        assert_eq!(json["alerts"][0]["endsAt"], "2026-11-21T08:07:00Z");
    }

    #[test]
    fn more_alerts_than_asked_for_are_counted() {
        let mut message = firing();
        let mut other = message.alerts[0].clone();
        other.labels.insert("region".to_owned(), "us".to_owned());
        message.alerts.push(other);
        let json = serde_json::to_value(webhook(&message, 1)).expect("JSON");
        assert_eq!(
            (&json["truncatedAlerts"], json["alerts"].as_array().map(Vec::len)),
            (&json!(1), Some(1))
        );
        assert_eq!(json["commonLabels"].get("region"), None);
    }

    #[test]
    fn an_alertmanager_gets_an_end_that_lies_ahead_while_it_fires() {
        let expires = Timestamp::parse_rfc3339("2026-11-21T08:04:00Z").expect("a time");
        let json = serde_json::to_value(postable(&firing(), expires)).expect("JSON");
        assert_eq!(json[0]["endsAt"], "2026-11-21T08:04:00Z");
        let json = serde_json::to_value(postable(&resolved(), expires)).expect("JSON");
        assert_eq!(json[0]["endsAt"], "2026-11-21T08:07:00Z");
    }
}
