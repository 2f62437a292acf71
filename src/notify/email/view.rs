//! What a mail says, before it is a mail: a verdict, then the numbers, each with its window and its time.

use serde_json::Value;

use crate::domain::alert::policy::{NO_DATA_NAME, Severity};
use crate::domain::time::Timestamp;
use crate::engine::message::{Attempt, Message, MessageAlert};
use crate::engine::snapshot::this;
use crate::notify::figures;

/// More alerts than this are only counted; the page shows them all.
const MOST_ALERTS: usize = 20;
/// Longer values are cut.
const LONGEST_VALUE: usize = 300;
/// A message that is later than this says so.
const WORTH_MENTIONING_MS: i64 = 60_000;
/// Labels that the rest of the mail shows already.
const SHOWN_ELSEWHERE: [&str; 4] = ["alertname", "service", "slo", "severity"];

/// Everything that the templates show; plain text, not escaped.
pub(super) struct View {
    /// `[FIRING] checkout/availability burns its error budget (page)`
    pub(super) subject: String,
    /// `firing | resolved`
    pub(super) state: &'static str,
    /// The service, for the list's name.
    pub(super) service: String,
    /// The SLO's id, or its name as far as the labels tell.
    pub(super) slo: String,
    /// What the loudest alerts call themselves: `page`, or the policy's word for it.
    pub(super) severity: String,
    /// An alert is a page, whatever it calls itself.
    pub(super) is_page: bool,
    /// One sentence.
    pub(super) verdict: String,
    /// The message comes late, and by how much.
    pub(super) delay: Option<String>,
    /// Name and value.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The burn conditions.
    pub(super) conditions: Vec<Condition>,
    /// The alerts.
    pub(super) alerts: Vec<AlertLine>,
    /// How many more there are.
    pub(super) more_alerts: usize,
    /// What to do about it, as its author wrote it.
    pub(super) runbook: Option<String>,
    /// The SLO's page; only ever below the external URL.
    pub(super) link: Option<String>,
    /// Who told whom, and why.
    pub(super) footer: String,
}

impl View {
    /// The stripe's colour; readable on light and on dark.
    pub(super) fn colour(&self) -> &'static str {
        match (self.state, self.is_page) {
            ("resolved", _) => "#2e9e5b",
            (_, true) => "#d9413a",
            _ => "#d98a1f",
        }
    }
}

/// One burn condition in words.
pub(super) struct Condition {
    pub(super) severity: String,
    pub(super) long: String,
    /// `None` where there is one window only.
    pub(super) short: Option<String>,
    pub(super) factor: String,
    pub(super) holds: &'static str,
}

/// One alert in words.
pub(super) struct AlertLine {
    pub(super) name: String,
    pub(super) labels: String,
    pub(super) when: String,
    pub(super) summary: String,
}

/// What the mail of this attempt says.
pub(super) fn of(attempt: &Attempt) -> View {
    let message = &attempt.message;
    let slo = message.slo.as_ref().unwrap_or(&Value::Null);
    let name = slo_name(message, slo);
    let severity = severity(message);
    let state = if message.is_firing() { "firing" } else { "resolved" };
    let verdict = message
        .alerts
        .first()
        .map(|alert| clean(&alert.summary))
        .filter(|text| !text.is_empty());
    let tail = format!("{name} {} ({severity})", complaint(message));
    let late = attempt.at.since(attempt.created_at);
    View {
        subject: format!("[{}] {tail}", state.to_uppercase()),
        state,
        service: label(message, "service"),
        severity,
        is_page: message.alerts.iter().any(is_page),
        verdict: verdict.unwrap_or_else(|| format!("{state}: {tail}.")),
        delay: (late >= WORTH_MENTIONING_MS).then(|| {
            format!(
                "This message comes {} late: it could not be delivered before.",
                figures::span(late)
            )
        }),
        facts: facts(slo),
        conditions: conditions(message, slo),
        alerts: message
            .alerts
            .iter()
            .take(MOST_ALERTS)
            .map(|alert| alert_line(alert, attempt.at))
            .collect(),
        more_alerts: message.alerts.len().saturating_sub(MOST_ALERTS),
        runbook: runbook(message, slo),
        link: link(message),
        footer: format!(
            "Sent by nines to {} ({}); incident {}.",
            clean(&message.receiver),
            clean(&message.reason),
            clean(&message.incident)
        ),
        slo: name,
    }
}

/// Characters that no line of a mail may hold: controls, and those that turn the direction of writing around.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn clean(text: &str) -> String {
    let mut cleaned: String = text
        .chars()
        .take(LONGEST_VALUE)
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .collect();
    if text.chars().nth(LONGEST_VALUE).is_some() {
        cleaned.push('…');
    }
    cleaned.trim().to_owned()
}

fn slo_name(message: &Message, slo: &Value) -> String {
    match slo["id"].as_str() {
        Some(id) => clean(id),
        None => match (label(message, "service"), label(message, "slo")) {
            (service, slo) if service.is_empty() && slo.is_empty() => clean(&message.group_key),
            (service, slo) if slo.is_empty() => service,
            (service, slo) => format!("{service}/{slo}"),
        },
    }
}

/// A label that all alerts share, or by which they are grouped.
fn label(message: &Message, name: &str) -> String {
    let shared = message.group_labels.get(name).cloned();
    clean(
        &shared
            .or_else(|| message.common_labels().remove(name))
            .unwrap_or_default(),
    )
}

fn severity(message: &Message) -> String {
    let alerts = &message.alerts;
    let loudest = alerts.iter().find(|alert| is_page(alert)).or(alerts.first());
    let word = loudest
        .and_then(|alert| alert.labels.get("severity"))
        .map(|word| clean(word));
    word.filter(|word| !word.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn is_page(alert: &MessageAlert) -> bool {
    let word = if alert.severity.is_empty() {
        alert.labels.get("severity").map_or("", String::as_str)
    } else {
        &alert.severity
    };
    word == Severity::Page.word()
}

/// What the alerts of a severity call themselves in this message.
fn called(message: &Message, severity: &str) -> String {
    let own = message.alerts.iter().find(|alert| {
        alert.severity == severity && alert.labels.get("alertname").is_some_and(|name| name != NO_DATA_NAME)
    });
    clean(
        own.and_then(|alert| alert.labels.get("severity"))
            .map_or(severity, String::as_str),
    )
}

fn complaint(message: &Message) -> &'static str {
    let silent = |alert: &MessageAlert| alert.labels.get("alertname").is_some_and(|name| name == NO_DATA_NAME);
    if message.alerts.iter().all(silent) {
        "has no data"
    } else {
        "burns its error budget"
    }
}

fn facts(slo: &Value) -> Vec<(&'static str, String)> {
    if !slo.is_object() {
        return Vec::new();
    }
    let number = |path: &str| slo.pointer(path).and_then(Value::as_f64);
    let window = match (slo["window"]["rolling"].as_str(), slo["window"]["calendar"].as_str()) {
        (Some(rolling), _) => format!("over {}", clean(rolling)),
        (_, Some(calendar)) => this(&clean(calendar)),
        _ => "in its window".to_owned(),
    };
    let objective = slo["objective_text"]
        .as_str()
        .map_or_else(|| figures::percent(number("/objective"), 4), clean);
    let as_of = slo["as_of"].as_str().and_then(Timestamp::parse_rfc3339);
    let exhausts = slo["exhausts_at"].as_str().and_then(Timestamp::parse_rfc3339);
    let left = number("/error_budget/remaining_ratio");
    let gone = match (exhausts, as_of, left) {
        (Some(at), Some(now), _) => format!(
            "{} (in {}), at the present rate",
            figures::time(at),
            figures::span(at.since(now))
        ),
        (Some(at), None, _) => format!("{}, at the present rate", figures::time(at)),
        (None, _, Some(left)) if left <= 0.0 => "it is gone".to_owned(),
        (None, _, Some(_)) => "not within its window, at the present rate".to_owned(),
        (None, _, None) => "unknown".to_owned(),
    };
    vec![
        (
            "Error budget left",
            format!(
                "{} {window}: {} of {} allowed bad events",
                figures::percent(left, 1),
                figures::events(number("/error_budget/remaining")),
                figures::events(number("/error_budget/allowed"))
            ),
        ),
        ("Budget used up", gone),
        (
            "SLI",
            format!(
                "{} {window}; the objective is {objective}",
                figures::percent(number("/sli"), 4)
            ),
        ),
        (
            "Events",
            format!(
                "{} bad of {} {window}",
                figures::events(number("/events/bad")),
                figures::events(number("/events/total"))
            ),
        ),
        ("As of", as_of.map_or_else(|| "unknown".to_owned(), figures::time)),
    ]
}

fn conditions(message: &Message, slo: &Value) -> Vec<Condition> {
    let list = slo["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|condition| {
            let word = |key: &str| clean(condition[key].as_str().unwrap_or(figures::UNKNOWN));
            let number = |key: &str| condition[key].as_f64();
            let rate = |key: &str, window: &str| format!("{} over {}", figures::times(number(key)), word(window));
            let one_window = condition["long"] == condition["short"];
            Condition {
                severity: called(message, &word("severity")),
                long: rate("long_burn_rate", "long"),
                short: (!one_window).then(|| rate("short_burn_rate", "short")),
                factor: match condition["for"].as_str() {
                    Some(time) => format!("{} for {}", figures::times(number("factor")), clean(time)),
                    None => figures::times(number("factor")),
                },
                holds: match condition["holds"].as_bool() {
                    Some(true) => "holds",
                    Some(false) => "does not hold",
                    None => "unknown",
                },
            }
        })
        .collect()
}

fn alert_line(alert: &MessageAlert, now: Timestamp) -> AlertLine {
    let since = Timestamp(alert.starts_at);
    let labels: Vec<String> = alert
        .labels
        .iter()
        .filter(|(name, _)| !SHOWN_ELSEWHERE.contains(&name.as_str()))
        .map(|(name, value)| format!("{}={}", clean(name), clean(value)))
        .collect();
    AlertLine {
        name: clean(alert.labels.get("alertname").map_or("", String::as_str)),
        labels: clean(&labels.join(", ")),
        when: match alert.ends_at.filter(|_| !alert.firing).map(Timestamp) {
            Some(end) => format!(
                "fired {}, resolved {} (after {})",
                figures::time(since),
                figures::time(end),
                figures::span(end.since(since))
            ),
            None if alert.firing => format!(
                "firing since {} ({})",
                figures::time(since),
                figures::span(now.since(since))
            ),
            None => format!("fired {}, resolved", figures::time(since)),
        },
        summary: clean(&alert.summary),
    }
}

fn runbook(message: &Message, slo: &Value) -> Option<String> {
    let of_alert = message
        .alerts
        .iter()
        .find_map(|alert| alert.annotations.get("runbook_url"));
    let of_slo = || slo.pointer("/annotations/runbook_url").and_then(Value::as_str);
    of_alert
        .map(String::as_str)
        .or_else(of_slo)
        .map(clean)
        .filter(|text| !text.is_empty())
}

/// The page of the SLO; what does not lie below the external URL is not trusted to be a link.
fn link(message: &Message) -> Option<String> {
    let home = message.external_url.trim_end_matches('/');
    let of_slo = message.alerts.first().map(|alert| alert.generator_url.clone());
    let link = of_slo
        .filter(|url| url.strip_prefix(home).is_some_and(|rest| rest.starts_with('/')))
        .unwrap_or_else(|| format!("{home}/"));
    let plain = link.chars().all(|c| !c.is_whitespace() && !is_unprintable(c));
    (plain && (link.starts_with("http://") || link.starts_with("https://"))).then_some(link)
}
