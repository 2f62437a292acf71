//! The alerts of an SLO: one that pages and one that makes a ticket, over the windows of the period's catalog.

use std::time::Duration;

use super::words::{self, Keys};
use super::{Group, TOOL};
use crate::domain::alert::policy::{
    AlertPolicy, BurnCondition, DEFAULT_NAME, DEFAULT_NO_DATA_FOR, NO_DATA_NAME, Severity, SeveritySettings,
};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::slo::SloId;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node, Span};
use crate::spec::{codes, foreign, lints};

/// The label that routes may look at, and that an SLO's author may choose.
const SEVERITY: &str = "severity";

/// Of what SLO the alerts are.
pub(super) struct Subject<'a> {
    /// Its id, where it could be read.
    pub id: Option<&'a SloId>,
    /// Its objective, where it could be read.
    pub objective: Option<Objective>,
    /// The place of the objective, which decides whether a factor can be reached.
    pub span: Span,
    /// The place of the SLO.
    pub item: Span,
    /// The plugin that lets alerts wait is in a chain.
    pub alerts_wait: bool,
}

/// `alerting` as it is written.
#[derive(Default)]
struct Written {
    name: Option<String>,
    labels: Labels,
    annotations: Labels,
    page: Alert,
    ticket: Alert,
}

/// `page_alert` or `ticket_alert`.
#[derive(Default)]
struct Alert {
    disabled: bool,
    settings: SeveritySettings,
    pending_for: Duration,
}

/// Reads `alerting`; `None` where the objective or the windows are unknown, or the id.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: Option<Field<'_>>,
    group: &Group,
    subject: &Subject<'_>,
) -> Option<AlertPolicy> {
    let written = field.and_then(|field| read_written(reader, field, group.keys, subject));
    let unreadable = field.is_some() && written.is_none();
    let written = written.unwrap_or_default();
    let has_name = field.is_some_and(|field| field.node.get("name").is_some());
    let is_on = !(written.page.disabled && written.ticket.disabled);
    if is_on && !has_name && !unreadable {
        report_nameless(reader, field, group.keys, &written, subject);
    }
    let conditions = group.catalog.as_ref()?.conditions();
    let policy = policy(written, conditions, subject.id?);
    let objective = subject.objective?;
    if policy.enabled && !objective.is_whole() {
        for condition in &policy.burn {
            lints::condition(reader, condition, objective, group.period, subject.span.into());
        }
    }
    Some(policy)
}

fn policy(written: Written, conditions: [BurnCondition; 4], id: &SloId) -> AlertPolicy {
    let Written {
        name,
        mut labels,
        annotations,
        page,
        ticket,
    } = written;
    let enabled = !(page.disabled && ticket.disabled);
    let burn = conditions.into_iter().filter_map(|condition| {
        let alert = match condition.severity {
            Severity::Page => &page,
            Severity::Ticket => &ticket,
        };
        // Without any alert the windows are computed all the same, to be looked at.
        (!enabled || !alert.disabled).then_some(BurnCondition {
            pending_for: alert.pending_for,
            ..condition
        })
    });
    let burn = burn.collect();
    let severity = labels.get(SEVERITY).to_owned();
    labels.set(SEVERITY, "");
    labels.set("sloth_id", format!("{}-{}", id.service, id.name));
    labels.set("sloth_service", id.service.as_str());
    labels.set("sloth_slo", id.name.as_str());
    AlertPolicy {
        name: name.unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        enabled,
        burn,
        min_events: 0,
        min_failures: 1,
        no_data_for: enabled.then_some(DEFAULT_NO_DATA_FOR),
        keep_firing_for: Duration::ZERO,
        labels,
        annotations,
        page: settings(page, Severity::Page, &severity),
        ticket: settings(ticket, Severity::Ticket, &severity),
    }
}

/// What an alert carries, with what Sloth adds, so that routes written for it go on working.
fn settings(alert: Alert, severity: Severity, shared: &str) -> SeveritySettings {
    let mut settings = alert.settings;
    if settings.labels.get(SEVERITY).is_empty() {
        settings.labels.set(SEVERITY, shared);
    }
    settings.labels.set("sloth_severity", severity.word());
    settings
}

fn read_written(reader: &mut Reader<'_>, field: Field<'_>, keys: &Keys, subject: &Subject<'_>) -> Option<Written> {
    let mut fields = Fields::open(reader, field)?;
    let name = fields.get("name").and_then(|field| read_name(reader, field));
    let SeveritySettings { labels, annotations } = read_settings(reader, &mut fields);
    let page = fields
        .get(keys.page_alert)
        .and_then(|field| read_alert(reader, field, subject));
    let ticket = fields
        .get(keys.ticket_alert)
        .and_then(|field| read_alert(reader, field, subject));
    // `page` is too far from `page_alert` for a slip of the finger.
    let snake = keys.page_alert.contains('_');
    let (for_page, for_ticket) = if snake {
        ("did you mean `page_alert`?", "did you mean `ticket_alert`?")
    } else {
        ("did you mean `pageAlert`?", "did you mean `ticketAlert`?")
    };
    let switch = "each alert has a switch of its own: `disable: true`";
    let shared = [("disable", switch), ("disabled", switch), ("enabled", switch)];
    words::misread(reader, &mut fields, &[("page", for_page), ("ticket", for_ticket)]);
    words::misread(reader, &mut fields, &shared);
    fields.finish_foreign(reader, TOOL);
    Some(Written {
        name,
        labels,
        annotations,
        page: page.unwrap_or_default(),
        ticket: ticket.unwrap_or_default(),
    })
}

/// `labels` and `annotations`, shared ones or those of one alert.
fn read_settings(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> SeveritySettings {
    let (labels, annotations) = (fields.get("labels"), fields.get("annotations"));
    for field in [labels, annotations].into_iter().flatten() {
        foreign::note_templates(reader, field);
    }
    SeveritySettings {
        labels: labels.map_or_else(Labels::new, |field| words::labels(reader, field, &[SEVERITY])),
        annotations: annotations.map_or_else(Labels::new, |field| words::annotations(reader, field)),
    }
}

fn read_name(reader: &mut Reader<'_>, field: Field<'_>) -> Option<String> {
    let name = reader.filled(field)?;
    if name == NO_DATA_NAME {
        let message = format!("{NO_DATA_NAME} is the name of the alert about missing data");
        reader.report(&codes::NAME, field.node.span, message);
        return None;
    }
    Some(name)
}

fn read_alert(reader: &mut Reader<'_>, field: Field<'_>, subject: &Subject<'_>) -> Option<Alert> {
    let mut fields = Fields::open(reader, field)?;
    let disabled = fields.get("disable").and_then(|field| foreign::boolean(reader, field));
    let settings = read_settings(reader, &mut fields);
    let pending_field = fields.get("for");
    let pending_for = pending_field.and_then(|field| reader.duration(field));
    let switch = "an alert is on unless `disable: true` is written";
    words::misread(reader, &mut fields, &[("enabled", switch), ("enable", switch)]);
    fields.finish_foreign(reader, TOOL);
    if let Some(field) = pending_field
        && !subject.alerts_wait
    {
        let message = "nines waits as `for` says; Sloth does so only with the plugin sloth.dev/contrib/alert_for/v1";
        reader.report(&codes::READ_LENIENTLY, field.key_span, message);
    }
    Some(Alert {
        disabled: disabled.unwrap_or(false),
        settings,
        pending_for: pending_for.unwrap_or_default(),
    })
}

/// An alert is on and has no name; often because the key that should switch it off is misspelt.
fn report_nameless(
    reader: &mut Reader<'_>,
    field: Option<Field<'_>>,
    keys: &Keys,
    written: &Written,
    subject: &Subject<'_>,
) {
    let on = match (written.page.disabled, written.ticket.disabled) {
        (false, false) => "the alerts for pages and tickets are on",
        (false, true) => "the alert for pages is on",
        _ => "the alert for tickets is on",
    };
    let known = ["name", "labels", "annotations", keys.page_alert, keys.ticket_alert];
    let node = field.map(|field| field.node);
    let culprit = node.and_then(|node| unread(node, &known)).or_else(|| {
        let alerts = [keys.page_alert, keys.ticket_alert].into_iter();
        let mut alerts = alerts.filter_map(|key| node?.get(key));
        alerts.find_map(|alert| unread(alert, &["disable", "labels", "annotations", "for"]))
    });
    let hint = match culprit {
        Some(entry) => format!(
            "Sloth does not read `{}` in line {}; alerts are switched off with `disable: true` in `{}` and `{}`",
            entry.key, entry.key_span.line, keys.page_alert, keys.ticket_alert
        ),
        None => format!(
            "name the alerts, or write `disable: true` in `{}` and `{}`",
            keys.page_alert, keys.ticket_alert
        ),
    };
    let span = field.map_or(subject.item, |field| field.key_span);
    let message = format!("`alerting.name` is missing, and {on}");
    reader.report_with(&codes::MISSING_KEY, span, message, Some(hint));
}

/// The first entry of a map that nothing reads.
fn unread<'n>(node: &'n Node, known: &[&str]) -> Option<&'n Entry> {
    let mut entries = node.entries()?.iter();
    entries.find(|entry| !known.contains(&entry.key.as_str()))
}
