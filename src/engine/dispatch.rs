//! Dispatching: transitions and due timers become messages that are owed. One transaction notes the transitions as
//! taken into account, keeps the incidents, and puts the messages into the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::evaluate::alerts::{Alerts, StoredAlert, StoredTransition, key_text};
use super::message::{Message, MessageAlert, MessageKind};
use super::ports::{DispatchCommit, Epoch, IncidentRecord, Integration, NewDelivery, Store, StoreResult};
use super::snapshot::Snapshot;
use crate::domain::alert::AlertKey;
use crate::domain::alert::group::{GroupAlert, GroupState, Notice, NotifyReason, Told, Wants};
use crate::domain::alert::inhibition::inhibiting_page;
use crate::domain::alert::route::Route;
use crate::domain::alert::silence::Silence;
use crate::domain::alert::state::TransitionKind;
use crate::domain::labels::Labels;
use crate::domain::time::Timestamp;

/// At most so many transitions are taken into account at once.
const TRANSITIONS_MAX: u32 = 500;

/// Who is told, and how.
#[derive(Clone, Default)]
pub struct Routing {
    /// The route; `None` when nobody is to be told.
    pub route: Option<Route>,
    /// The integrations of every receiver.
    pub receivers: BTreeMap<String, Vec<Integration>>,
    /// Where nines is reached, without a trailing slash.
    pub external_url: String,
}

/// Dispatches.
pub struct Dispatcher {
    store: Arc<dyn Store>,
    epoch: Epoch,
    /// The open incidents by group key; `None` before they were read, and after a failed commit.
    incidents: Option<BTreeMap<String, Incident>>,
}

#[derive(Clone)]
struct Incident {
    record: IncidentRecord,
    state: GroupState,
}

/// What a pass looks at besides the store.
pub struct Present<'a> {
    /// Who is told, and how.
    pub routing: &'a Routing,
    /// The alerts as they stand.
    pub alerts: &'a Alerts,
    /// The numbers that messages carry.
    pub snapshot: &'a Snapshot,
    /// What people asked not to hear.
    pub silences: &'a [Silence],
    /// The time.
    pub now: Timestamp,
}

impl Dispatcher {
    /// Dispatches under this lease.
    pub fn new(store: Arc<dyn Store>, epoch: Epoch) -> Self {
        Self {
            store,
            epoch,
            incidents: None,
        }
    }

    /// Does what is due. Returns how many messages went into the outbox.
    pub async fn pass(&mut self, present: &Present<'_>) -> StoreResult<usize> {
        let mut incidents = match self.incidents.take() {
            Some(incidents) => incidents,
            None => self.load().await?,
        };
        let before: BTreeMap<String, GroupState> = incidents
            .iter()
            .map(|(key, incident)| (key.clone(), incident.state.clone()))
            .collect();
        let mut commit = DispatchCommit {
            at: present.now,
            ..DispatchCommit::default()
        };
        let firing: BTreeSet<AlertKey> = present.alerts.firing().map(|(_, alert)| alert.key()).collect();
        for transition in self.store.pending_transitions(TRANSITIONS_MAX).await? {
            commit.consumed.push(transition.id);
            match serde_json::from_str::<StoredTransition>(&transition.body) {
                // Each transition is flushed before the next, so that a trigger and its end in one pass are both told.
                Ok(stored) => {
                    apply(&mut incidents, &stored, present);
                    flush_all(&mut incidents, &firing, present, &mut commit);
                }
                Err(error) => tracing::error!(alert = transition.alert, %error, "a stored transition cannot be read"),
            }
        }
        adopt_untold(&mut incidents, present);
        flush_all(&mut incidents, &firing, present, &mut commit);
        close_over(&mut incidents, present);
        for (key, incident) in &mut incidents {
            if before.get(key) != Some(&incident.state) || incident.record.closed_at.is_some() {
                incident.record.body = serde_json::to_string(&incident.state).unwrap_or_default();
                commit.incidents.push(incident.record.clone());
            }
        }
        let owed = commit.deliveries.len();
        if !(commit.consumed.is_empty() && commit.incidents.is_empty() && commit.deliveries.is_empty()) {
            self.store.commit_dispatch(self.epoch, &commit).await?;
        }
        incidents.retain(|_, incident| incident.record.closed_at.is_none());
        self.incidents = Some(incidents);
        Ok(owed)
    }

    /// What keeps an alert quiet at present, by the alert's key.
    pub fn muted_by(&self, key: &str) -> Vec<String> {
        let incidents = self.incidents.iter().flat_map(BTreeMap::values);
        let mut alerts = incidents.flat_map(|incident| incident.state.alerts.values());
        alerts
            .find(|alert| alert.key == key && alert.ends_at.is_none())
            .map_or_else(Vec::new, |a| a.muted_by.clone())
    }

    async fn load(&self) -> StoreResult<BTreeMap<String, Incident>> {
        let mut incidents = BTreeMap::new();
        for record in self.store.open_incidents().await? {
            match serde_json::from_str(&record.body) {
                Ok(state) => drop(incidents.insert(record.group_key.clone(), Incident { record, state })),
                Err(error) => tracing::error!(incident = record.id, %error, "a stored incident cannot be read"),
            }
        }
        Ok(incidents)
    }
}

fn apply(incidents: &mut BTreeMap<String, Incident>, transition: &StoredTransition, present: &Present<'_>) {
    match transition.kind {
        TransitionKind::Fired => fire(incidents, &transition.alert, transition.starts_at, present),
        TransitionKind::Resolved => {
            let print = transition.alert.fingerprint();
            for incident in incidents.values_mut() {
                if let Some(alert) = incident
                    .state
                    .alerts
                    .get_mut(&print)
                    .filter(|alert| alert.ends_at.is_none())
                {
                    alert.ends_at = Some(transition.at);
                    alert.content = content_of(&transition.alert, Some(&transition.reason), present);
                }
            }
        }
    }
}

/// Puts an alert into the incident of its group, which is opened when there is none.
fn fire(incidents: &mut BTreeMap<String, Incident>, alert: &StoredAlert, starts_at: i64, present: &Present<'_>) {
    let Some(route) = &present.routing.route else { return };
    let labels: Labels = alert
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let group_labels = route.group_labels(&labels);
    let group_key = Route::group_key(&group_labels);
    let incident = incidents.entry(group_key.clone()).or_insert_with(|| Incident {
        record: IncidentRecord {
            id: Uuid::now_v7().to_string(),
            group_key,
            opened_at: present.now,
            closed_at: None,
            next_flush_at: None,
            body: String::new(),
        },
        state: GroupState {
            labels: group_labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            opened_at: present.now.0,
            ..GroupState::default()
        },
    });
    let fired = GroupAlert {
        key: key_text(&alert.key()),
        labels: alert.labels.clone(),
        starts_at,
        ends_at: None,
        content: content_of(alert, None, present),
        muted_by: Vec::new(),
    };
    incident.state.alerts.insert(alert.fingerprint(), fired);
}

/// Alerts that fire but are in no incident: they began when there was nobody to tell.
fn adopt_untold(incidents: &mut BTreeMap<String, Incident>, present: &Present<'_>) {
    if present.routing.route.is_none() {
        return;
    }
    let untold: Vec<StoredAlert> = present
        .alerts
        .firing()
        .filter(|(_, alert)| {
            let print = alert.fingerprint();
            !incidents
                .values()
                .any(|incident| incident.state.alerts.get(&print).is_some_and(|a| a.ends_at.is_none()))
        })
        .map(|(_, alert)| alert.clone())
        .collect();
    for alert in untold {
        fire(incidents, &alert, alert.status.since.unwrap_or(present.now.0), present);
    }
}

/// The stages, in their order: inhibit, silence, then for each integration what it does not know yet.
fn flush_all(
    incidents: &mut BTreeMap<String, Incident>,
    firing: &BTreeSet<AlertKey>,
    present: &Present<'_>,
    commit: &mut DispatchCommit,
) {
    let Some(route) = &present.routing.route else { return };
    for incident in incidents
        .values_mut()
        .filter(|incident| incident.record.closed_at.is_none())
    {
        mute(&mut incident.state, firing, present);
        let due_at = incident.state.flush_due_at(route);
        incident.record.next_flush_at = Some(due_at);
        let integrations = present
            .routing
            .receivers
            .get(&route.receiver)
            .map_or(&[][..], Vec::as_slice);
        for integration in integrations {
            let name = stream_name(&route.receiver, integration);
            incident.state.pass_over_ends(&name, wants(integration));
            let Some(notice) = incident.state.notice(&name, wants(integration), route, present.now) else {
                continue;
            };
            // A timer of its own: repeating does not wait for changes.
            if present.now < due_at && notice.reason != NotifyReason::Repeat {
                continue;
            }
            commit
                .deliveries
                .push(delivery(incident, &route.receiver, integration, &notice, present));
            incident.state.note_told(&name, &notice, present.now);
        }
    }
}

/// Notes for every alert what keeps it quiet: the reason is stored and shown.
fn mute(state: &mut GroupState, firing: &BTreeSet<AlertKey>, present: &Present<'_>) {
    let by_key: BTreeMap<String, &AlertKey> = firing.iter().map(|key| (key_text(key), key)).collect();
    for alert in state.alerts.values_mut().filter(|alert| alert.ends_at.is_none()) {
        let labels: Labels = alert
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let page = by_key.get(&alert.key).and_then(|key| inhibiting_page(key, firing));
        let inhibited = page.map(|page| format!("inhibited by {}", key_text(&page)));
        let silences = present
            .silences
            .iter()
            .filter(|silence| silence.mutes(&labels, present.now));
        alert.muted_by = inhibited
            .into_iter()
            .chain(silences.map(|silence| format!("silence {}", silence.id)))
            .collect();
    }
}

fn delivery(
    incident: &Incident,
    receiver: &str,
    integration: &Integration,
    notice: &Notice,
    present: &Present<'_>,
) -> NewDelivery {
    let told = incident.state.told.get(&stream_name(receiver, integration));
    let message = message(incident, receiver, notice, told, present);
    NewDelivery {
        id: Uuid::now_v7().to_string(),
        stream: format!("{} {}", incident.record.group_key, stream_name(receiver, integration)),
        receiver: receiver.to_owned(),
        integration: integration.name(),
        message,
    }
}

fn message(
    incident: &Incident,
    receiver: &str,
    notice: &Notice,
    told: Option<&Told>,
    present: &Present<'_>,
) -> Message {
    let state = &incident.state;
    let kind = match notice.reason {
        NotifyReason::First => MessageKind::Trigger,
        NotifyReason::NewAlerts | NotifyReason::SomeResolved => MessageKind::Update,
        NotifyReason::AllResolved => MessageKind::Resolve,
        NotifyReason::Repeat => MessageKind::Reminder,
    };
    let chosen = notice
        .firing
        .iter()
        .chain(&notice.resolved)
        .filter_map(|print| Some((print, state.alerts.get(print)?)));
    let (mut alerts, mut slos) = (Vec::new(), BTreeMap::new());
    for (print, alert) in chosen {
        let content = present_content(alert, present);
        let firing = alert.ends_at.is_none();
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let annotations = serde_json::from_value(content["annotations"].clone()).unwrap_or_default();
        alerts.push(MessageAlert {
            firing,
            severity: text("severity"),
            labels: alert.labels.clone(),
            annotations,
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            generator_url: format!("{}{}", present.routing.external_url, text("path")),
            fingerprint: print.clone(),
            summary: text("summary"),
        });
        slos.insert(text("slo_id"), content["slo"].clone());
    }
    let one_slo = if slos.len() == 1 {
        slos.into_values().next()
    } else {
        None
    };
    Message {
        kind,
        receiver: receiver.to_owned(),
        incident: incident.record.id.clone(),
        sequence: told.map_or(0, |told| told.messages),
        group_key: incident.record.group_key.clone(),
        group_labels: state.labels.clone(),
        reason: notice.reason.words().to_owned(),
        external_url: present.routing.external_url.clone(),
        alerts,
        slo: one_slo.filter(|slo| !slo.is_null()),
    }
}

/// What messages say of an alert: its words, and its SLO as it was shown at that tick.
fn content_of(alert: &StoredAlert, ended: Option<&str>, present: &Present<'_>) -> serde_json::Value {
    let key = alert.key();
    let slo_id = key.slo.with_group(key.group.as_ref());
    let view = present
        .snapshot
        .slos
        .iter()
        .find(|view| view.id.as_deref() == Some(&slo_id));
    let summary = match ended {
        None => alert.summary.clone(),
        Some("removed") => format!(
            "{slo_id} is no longer watched, so its alert {} has ended",
            alert.alertname
        ),
        Some("relabelled") => format!("{} of {slo_id} goes on under other labels", alert.alertname),
        Some(_) => format!("{slo_id} has recovered: {} has ended", alert.alertname),
    };
    let mut annotations = alert.annotations.clone();
    annotations
        .entry("summary".to_owned())
        .or_insert_with(|| summary.clone());
    serde_json::json!({
        "summary": summary,
        "severity": alert.severity,
        "annotations": annotations,
        "slo_id": slo_id,
        "path": page_path(&key),
        "slo": view.and_then(|view| serde_json::to_value(view).ok()),
    })
}

/// The stored words, with the present numbers where there are any.
fn present_content(alert: &GroupAlert, present: &Present<'_>) -> serde_json::Value {
    let mut content = alert.content.clone();
    let slo_id = content["slo_id"].as_str().unwrap_or_default().to_owned();
    let view = present
        .snapshot
        .slos
        .iter()
        .find(|view| view.id.as_deref() == Some(&slo_id));
    if let Some(view) = view.and_then(|view| serde_json::to_value(view).ok()) {
        content["slo"] = view;
    }
    let still = present.alerts.firing().find(|(key, _)| **key == alert.key);
    if let (None, Some((_, now))) = (alert.ends_at, still) {
        content["summary"] = now.summary.clone().into();
    }
    content
}

/// The SLO's page.
fn page_path(key: &AlertKey) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let path = format!("/slos/{}/{}", encode(&key.slo.service), encode(&key.slo.name));
    key.group.as_ref().map_or(path.clone(), |group| {
        format!("{path}?group={}", encode(&group.to_label_set()))
    })
}

fn close_over(incidents: &mut BTreeMap<String, Incident>, present: &Present<'_>) {
    let mut all_wants = BTreeMap::new();
    if let Some(route) = &present.routing.route {
        for integration in present.routing.receivers.get(&route.receiver).into_iter().flatten() {
            all_wants.insert(stream_name(&route.receiver, integration), wants(integration));
        }
    }
    for incident in incidents.values_mut() {
        if incident.state.is_over(&all_wants) {
            incident.record.closed_at = Some(present.now);
        } else {
            incident.state.forget_ended();
        }
    }
}

fn wants(integration: &Integration) -> Wants {
    Wants {
        resolved: integration.send_resolved,
        resend_every: integration.resend_every,
    }
}

fn stream_name(receiver: &str, integration: &Integration) -> String {
    format!("{receiver}/{}", integration.name())
}
