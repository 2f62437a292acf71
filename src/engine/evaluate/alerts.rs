//! Alerts at one tick: which ones there are, how they step, and what must be stored of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::alert::policy::{BurnCondition, NO_DATA_NAME, Severity};
use crate::domain::alert::state::{AlertCause, AlertStatus, TransitionKind, any_holds};
use crate::domain::alert::{AlertKey, AlertState, fingerprint};
use crate::domain::evaluation::{ConditionResult, Evaluation};
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::{Group, Labels};
use crate::domain::slo::{Slo, SloId};
use crate::domain::time::{Timestamp, format_duration, millis};
use crate::engine::collect::SloHealth;
use crate::engine::ports::{AlertRecord, EvaluationCommit};

/// How exactly the time without data is stored, in milliseconds.
const UNSEEN_STEP_MS: i64 = 10_000;
/// How exactly it is stored when a condition last held, for `keep_firing_for`; in milliseconds.
const HELD_STEP_MS: i64 = 60_000;

/// Labels or annotations in their stored form.
pub type Pairs = BTreeMap<String, String>;

/// One alert in the form in which it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAlert {
    /// The service.
    pub service: String,
    /// The SLO's name.
    pub name: String,
    /// The group's label values.
    pub group: Option<Vec<(String, String)>>,
    /// `SLOBurn`
    pub alertname: String,
    /// `page | ticket`
    pub severity: String,
    /// The labels under which it fires; it resolves under them, whatever the file says by then.
    pub labels: Pairs,
    /// The annotations that it had when it fired.
    pub annotations: Pairs,
    /// What is wrong, in one sentence.
    pub summary: String,
    /// Where it stands.
    pub status: AlertStatus,
}

/// A transition in the form in which it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredTransition {
    /// What happened.
    pub kind: TransitionKind,
    /// When, in unix milliseconds.
    pub at: i64,
    /// When the alert began to fire, in unix milliseconds.
    pub starts_at: i64,
    /// Why it ended: `recovered | removed | relabelled`.
    pub reason: String,
    /// The alert.
    pub alert: StoredAlert,
}

/// What is known of one alert's conditions at one tick.
pub struct Condition<'a> {
    /// Which alert.
    pub key: AlertKey,
    /// Its SLO.
    pub slo: &'a Slo,
    /// What makes it call: any of these.
    pub causes: Vec<AlertCause>,
    /// The burn rate over the long window.
    pub value: Option<f64>,
    /// What is wrong, in one sentence.
    pub summary: String,
}

/// All alerts, and what changed since the last store.
#[derive(Debug, Default)]
pub struct Alerts {
    stored: BTreeMap<String, StoredAlert>,
}

impl Alerts {
    /// From the store; what cannot be read is left out and logged. Nobody has looked at the conditions since
    /// `last_look`: their pending clocks stand still until they are seen to hold again.
    pub fn load(records: &[AlertRecord], last_look: Option<Timestamp>) -> Self {
        let mut stored = BTreeMap::new();
        for record in records {
            match serde_json::from_str::<StoredAlert>(&record.body) {
                Ok(mut alert) => {
                    // The next step changes each clock that this stops, and so stores it.
                    alert.status.look_away(last_look.unwrap_or_default());
                    stored.insert(record.key.clone(), alert);
                }
                Err(error) => {
                    tracing::error!(alert = record.key, %error, "a stored alert cannot be read; it starts anew");
                }
            }
        }
        Self { stored }
    }

    /// Goes on from these alerts, whose conditions were looked at until now: their pending clocks did not stop.
    pub fn go_on_from(&mut self, before: &Self) {
        for (key, alert) in &mut self.stored {
            if let Some(before) = before.stored.get(key) {
                alert.status.clocks.clone_from(&before.status.clocks);
            }
        }
    }

    /// An alert's stored state.
    pub fn status(&self, key: &AlertKey) -> AlertStatus {
        self.stored
            .get(&key_text(key))
            .map(|alert| alert.status.clone())
            .unwrap_or_default()
    }

    /// All alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = (&String, &StoredAlert)> {
        self.stored.iter().filter(|(_, alert)| alert.status.firing)
    }

    /// All alerts that are pending or fire.
    pub fn active(&self) -> impl Iterator<Item = (&String, &StoredAlert)> {
        let is_active = |alert: &StoredAlert| alert.status.state() != AlertState::Inactive;
        self.stored.iter().filter(move |(_, alert)| is_active(alert))
    }

    /// How long an SLO has been without data, in milliseconds, by its `SLONoData`.
    pub fn unseen_ms(&self, key: &AlertKey) -> i64 {
        self.stored
            .get(&key_text(key))
            .map_or(0, |alert| alert.status.unseen_ms)
    }

    /// Steps every alert by its condition, ends those that have none any more, and adds what must be stored to the
    /// commit. Returns the alerts as they will be once the commit has taken effect.
    #[must_use]
    pub fn step(
        &self,
        conditions: Vec<Condition<'_>>,
        unseen: &BTreeMap<SloId, i64>,
        commit: &mut EvaluationCommit,
    ) -> Self {
        let mut next = BTreeMap::new();
        let mut present = BTreeSet::new();
        for condition in conditions {
            let key = key_text(&condition.key);
            present.insert(key.clone());
            let before = self.stored.get(&key);
            let mut alert = before.cloned().unwrap_or_else(|| describe(&condition));
            let labels = pairs(&condition.key.labels(condition.slo));
            let is_relabelled = alert.status.firing && alert.labels != labels;
            if is_relabelled {
                let ended = alert.clone();
                alert.status.resolve();
                push(commit, &key, TransitionKind::Resolved, "relabelled", &ended);
            }
            step_one(&mut alert, &condition, unseen, commit, (&key, is_relabelled));
            if before.map(StoredAlert::lasting) != Some(alert.lasting()) {
                store(commit, &key, &alert);
            }
            next.insert(key, alert);
        }
        for (key, alert) in self.stored.iter().filter(|(key, _)| !present.contains(*key)) {
            if alert.status.firing {
                push(commit, key, TransitionKind::Resolved, "removed", alert);
            }
            commit.removed.push(key.clone());
        }
        Self { stored: next }
    }
}

/// Steps one alert. One that has just ended under its old labels does not wait again before it calls under the new.
fn step_one(
    alert: &mut StoredAlert,
    condition: &Condition<'_>,
    unseen: &BTreeMap<SloId, i64>,
    commit: &mut EvaluationCommit,
    (key, is_relabelled): (&str, bool),
) {
    let before = alert.clone();
    if condition.key.alertname == NO_DATA_NAME {
        alert.status.unseen_ms = unseen.get(&condition.key.slo).copied().unwrap_or(0);
    }
    if condition.value.is_some() {
        alert.status.value = condition.value;
    }
    let keep_for = condition.slo.alerting.keep_firing_for;
    let step = alert.status.step(&condition.causes, keep_for, commit.at);
    let goes_on = is_relabelled && any_holds(condition.causes.iter().map(|cause| cause.holds)) == Some(true);
    match step.or_else(|| goes_on.then(|| alert.status.fire(commit.at))) {
        Some(TransitionKind::Fired) => {
            alert.say(describe(condition));
            push(commit, key, TransitionKind::Fired, "", alert);
        }
        Some(TransitionKind::Resolved) => push(commit, key, TransitionKind::Resolved, "recovered", &before),
        None if alert.status.firing => alert.summary.clone_from(&condition.summary),
        None if alert.status.state() == AlertState::Pending => alert.say(describe(condition)),
        None => {}
    }
}

fn push(commit: &mut EvaluationCommit, key: &str, kind: TransitionKind, reason: &str, alert: &StoredAlert) {
    let transition = StoredTransition {
        kind,
        at: commit.at.0,
        starts_at: alert.status.since.unwrap_or(commit.at.0),
        reason: reason.to_owned(),
        alert: alert.clone(),
    };
    // A struct of strings and numbers always serialises.
    commit
        .transitions
        .push((key.to_owned(), serde_json::to_string(&transition).unwrap_or_default()));
}

fn store(commit: &mut EvaluationCommit, key: &str, alert: &StoredAlert) {
    let body = serde_json::to_string(alert).unwrap_or_default();
    commit.alerts.push(AlertRecord {
        key: key.to_owned(),
        body,
    });
}

fn describe(condition: &Condition<'_>) -> StoredAlert {
    let (key, slo) = (&condition.key, condition.slo);
    let mut annotations = pairs(&slo.annotations);
    annotations.extend(pairs(&slo.alerting.annotations));
    annotations.extend(pairs(&slo.alerting.settings(key.severity).annotations));
    StoredAlert {
        service: key.slo.service.clone(),
        name: key.slo.name.clone(),
        group: key.group.as_ref().map(|group| group.0.clone()),
        alertname: key.alertname.clone(),
        severity: key.severity.word().to_owned(),
        labels: pairs(&key.labels(slo)),
        annotations,
        summary: condition.summary.clone(),
        status: AlertStatus::default(),
    }
}

/// Labels in their stored form.
pub fn pairs(labels: &Labels) -> Pairs {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl StoredAlert {
    /// The alert's identity.
    pub fn key(&self) -> AlertKey {
        AlertKey {
            slo: SloId::new(self.service.clone(), self.name.clone()),
            group: self.group.clone().map(Group),
            alertname: self.alertname.clone(),
            severity: Severity::parse(&self.severity).unwrap_or(Severity::Ticket),
        }
    }

    /// Takes over labels and words.
    fn say(&mut self, fresh: Self) {
        (self.labels, self.annotations, self.summary) = (fresh.labels, fresh.annotations, fresh.summary);
    }

    /// What is worth a write: not the numbers that change with every tick. Of a pending clock that is that it begins,
    /// stops, goes on and ends.
    fn lasting(&self) -> Self {
        let unseen_ms = self.status.unseen_ms / UNSEEN_STEP_MS * UNSEEN_STEP_MS;
        let mut status = AlertStatus {
            value: None,
            held_at: self.status.held_at.map(|at| at / HELD_STEP_MS),
            unseen_ms,
            ..self.status.clone()
        };
        for clock in status.clocks.values_mut().filter(|clock| !clock.stopped) {
            clock.seen_at = clock.since;
        }
        Self {
            status,
            summary: String::new(),
            ..self.clone()
        }
    }

    /// The identity of its labels.
    pub fn fingerprint(&self) -> String {
        fingerprint(
            &self
                .labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        )
    }
}

/// An alert's identity as text.
pub fn key_text(key: &AlertKey) -> String {
    format!(
        "{} {} {}",
        key.slo.with_group(key.group.as_ref()),
        key.alertname,
        key.severity.word()
    )
}

/// The burn alerts of an SLO or a group: one per severity that has a condition.
pub fn burn_conditions<'a>(slo: &'a Slo, group: Option<&Group>, evaluation: &Evaluation) -> Vec<Condition<'a>> {
    let severities: BTreeSet<Severity> = slo.alerting.burn.iter().map(|condition| condition.severity).collect();
    let of = |severity: Severity| {
        let results: Vec<(&ConditionResult, &BurnCondition)> = evaluation
            .conditions
            .iter()
            .zip(&slo.alerting.burn)
            .filter(|(result, _)| result.severity == severity)
            .collect();
        let holding = results
            .iter()
            .find(|(result, _)| result.holds == Some(true))
            .or(results.first());
        Condition {
            key: AlertKey {
                slo: slo.id.clone(),
                group: group.cloned(),
                alertname: slo.alerting.name.clone(),
                severity,
            },
            slo,
            causes: results
                .iter()
                .map(|(result, condition)| cause(result, condition))
                .collect(),
            value: holding.and_then(|(result, _)| result.long),
            summary: holding.map_or_else(String::new, |(result, condition)| {
                format!("{} {}", slo.id.with_group(group), complaint(result, condition))
            }),
        }
    };
    severities.into_iter().map(of).collect()
}

/// A burn condition as a cause; a changed `for` leaves it the condition that it was.
fn cause(result: &ConditionResult, condition: &BurnCondition) -> AlertCause {
    let name = || {
        let [long, short] = [&condition.long, &condition.short].map(|window| window.length.to_prometheus());
        format!("{long}/{short} {}", condition.factor)
    };
    AlertCause {
        // Most call at once, and this is done for every condition at every tick.
        name: if condition.pending_for.is_zero() {
            String::new()
        } else {
            name()
        },
        holds: result.holds,
        pending_for: condition.pending_for,
    }
}

fn complaint(result: &ConditionResult, condition: &BurnCondition) -> String {
    let rate = |rate: Option<f64>| rate.map_or("unknown".to_owned(), |rate| format!("{rate:.1}x"));
    let BurnCondition {
        long, short, factor, ..
    } = condition;
    let burns = format!("burns its error budget: {} over {}", rate(result.long), long.written);
    let holds = result.holds == Some(true);
    if long.length == short.length {
        let comparison = if holds { "above" } else { "against" };
        return format!("{burns}, {comparison} {factor}x");
    }
    let comparison = if holds { "both above" } else { "against" };
    let short_rate = rate(result.short);
    format!(
        "{burns} and {short_rate} over {}, {comparison} {factor}x",
        short.written
    )
}

/// The key of an SLO's `SLONoData`.
pub fn no_data_key(slo: &Slo) -> AlertKey {
    AlertKey {
        slo: slo.id.clone(),
        group: None,
        alertname: NO_DATA_NAME.to_owned(),
        severity: Severity::Ticket,
    }
}

/// The condition of `SLONoData`: nothing was seen for `no_data_for` while nines looked. `None` when it is turned off.
pub fn no_data_condition<'a>(
    slo: &'a Slo,
    health: &SloHealth,
    unseen_ms: i64,
    now: Timestamp,
) -> Option<Condition<'a>> {
    let after = slo.no_data_for()?;
    let seen = health
        .seen_at
        .is_some_and(|at| now.since(at) < millis(after).min(unseen_ms.max(1)));
    let what = match (health.feeding, seen) {
        _ if matches!(slo.indicator.kind, IndicatorKind::Events) => "nothing was pushed",
        _ if matches!(slo.indicator.kind, IndicatorKind::Heartbeat { .. }) => "no ping was heard",
        (0, _) => "no series has matched on any target",
        (_, true) => "the targets answer, but no series matches",
        (_, false) => "no feeding target was seen",
    };
    Some(Condition {
        key: no_data_key(slo),
        slo,
        causes: vec![AlertCause {
            name: NO_DATA_NAME.to_owned(),
            holds: Some(unseen_ms >= millis(after)),
            pending_for: Duration::ZERO,
        }],
        value: None,
        summary: format!("{} has no data: for {} {what}", slo.id, format_duration(after)),
    })
}
