//! Groups: what an incident has told to whom, and what it has to tell next. The decisions return their reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::route::Route;
use crate::domain::time::{Timestamp, millis};

/// One alert of an incident, by its fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupAlert {
    /// The alert's key.
    pub key: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it began to fire, in unix milliseconds.
    pub starts_at: i64,
    /// When it ended.
    pub ends_at: Option<i64>,
    /// What messages say of it, opaque to the rules here.
    pub content: serde_json::Value,
    /// Why it is not told at present; empty when nothing mutes it.
    #[serde(default)]
    pub muted_by: Vec<String>,
}

/// What one integration has been told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Alerts that it believes to fire.
    pub firing: BTreeSet<String>,
    /// When it was last told anything, in unix milliseconds.
    pub at: i64,
    /// How many messages it got.
    pub messages: u32,
}

/// An incident's memory, in the form in which it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// The labels that its alerts have in common.
    pub labels: BTreeMap<String, String>,
    /// When it was opened, in unix milliseconds.
    pub opened_at: i64,
    /// When anything was last told, in unix milliseconds.
    pub flushed_at: Option<i64>,
    /// Its alerts by fingerprint.
    pub alerts: BTreeMap<String, GroupAlert>,
    /// What was told, by `receiver/integration`.
    pub told: BTreeMap<String, Told>,
}

/// What an integration wants to hear.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    /// Resolves.
    pub resolved: bool,
    /// Firing alerts again after this time, whatever the route says.
    pub resend_every: Option<Duration>,
}

/// Why something is told, in Alertmanager's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyReason {
    /// The first message of the incident.
    First,
    /// Alerts have come.
    NewAlerts,
    /// Some alerts have ended.
    SomeResolved,
    /// All alerts have ended.
    AllResolved,
    /// It was told long ago.
    Repeat,
}

impl NotifyReason {
    /// As Alertmanager's webhook has it.
    pub fn words(self) -> &'static str {
        match self {
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::SomeResolved => "some alerts resolved",
            Self::AllResolved => "all alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

/// What to tell one integration now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Why.
    pub reason: NotifyReason,
    /// Fingerprints of firing alerts.
    pub firing: BTreeSet<String>,
    /// Fingerprints of alerts that it was told of and that have ended.
    pub resolved: BTreeSet<String>,
}

impl GroupState {
    /// When the group may next tell anything about changes: `group_wait` after it was opened, then `group_interval`
    /// after each message.
    pub fn flush_due_at(&self, route: &Route) -> Timestamp {
        match self.flushed_at {
            None => Timestamp(self.opened_at.saturating_add(millis(route.group_wait))),
            Some(at) => Timestamp(at.saturating_add(millis(route.group_interval))),
        }
    }

    /// What an integration must be told now; `None` when it knows all there is to know.
    pub fn notice(&self, name: &str, wants: Wants, route: &Route, now: Timestamp) -> Option<Notice> {
        let unknown = Told::default();
        let told = self.told.get(name).unwrap_or(&unknown);
        let all_firing = self.alerts.iter().filter(|(_, alert)| alert.ends_at.is_none());
        let firing: BTreeSet<String> = all_firing
            .filter(|(_, alert)| alert.muted_by.is_empty())
            .map(|(print, _)| print.clone())
            .collect();
        let ended = |print: &&String| self.alerts.get(*print).is_none_or(|alert| alert.ends_at.is_some());
        let resolved: BTreeSet<String> = told.firing.iter().filter(ended).cloned().collect();
        let every = wants.resend_every.unwrap_or(route.repeat_interval);
        let reason = if !firing.is_subset(&told.firing) {
            if told.messages == 0 {
                NotifyReason::First
            } else {
                NotifyReason::NewAlerts
            }
        } else if !resolved.is_empty() && wants.resolved {
            if resolved.len() == told.firing.len() {
                NotifyReason::AllResolved
            } else {
                NotifyReason::SomeResolved
            }
        } else if !firing.is_empty() && now.0 >= told.at.saturating_add(millis(every)) {
            NotifyReason::Repeat
        } else {
            return None;
        };
        let resolved = if wants.resolved { resolved } else { BTreeSet::new() };
        Some(Notice {
            reason,
            firing,
            resolved,
        })
    }

    /// For who does not want to hear of ends they pass unheard: an alert that comes back is news then.
    pub fn pass_over_ends(&mut self, name: &str, wants: Wants) {
        let Self { told, alerts, .. } = self;
        if let Some(told) = told.get_mut(name).filter(|_| !wants.resolved) {
            told.firing
                .retain(|print| alerts.get(print).is_some_and(|alert| alert.ends_at.is_none()));
        }
    }

    /// Notes that a notice was taken over into the outbox.
    pub fn note_told(&mut self, name: &str, notice: &Notice, now: Timestamp) {
        let told = self.told.entry(name.to_owned()).or_default();
        told.firing.retain(|print| !notice.resolved.contains(print));
        told.firing.extend(notice.firing.iter().cloned());
        told.at = now.0;
        told.messages += 1;
        // Repeating is no news: it does not put off the next change.
        if notice.reason != NotifyReason::Repeat {
            self.flushed_at = Some(now.0);
        }
    }

    /// All alerts have ended and everybody who wants to know has been told.
    pub fn is_over(&self, wants: &BTreeMap<String, Wants>) -> bool {
        let ended = self.alerts.values().all(|alert| alert.ends_at.is_some());
        let owes = |(name, told): (&String, &Told)| {
            !told.firing.is_empty() && wants.get(name).is_some_and(|wants| wants.resolved)
        };
        ended && !self.told.iter().any(owes)
    }

    /// Drops alerts that have ended and of which nobody is still to hear.
    pub fn forget_ended(&mut self) {
        let told = &self.told;
        self.alerts
            .retain(|print, alert| alert.ends_at.is_none() || told.values().any(|told| told.firing.contains(print)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants = Wants {
        resolved: true,
        resend_every: None,
    };

    fn alert(ends_at: Option<i64>) -> GroupAlert {
        GroupAlert {
            key: String::new(),
            labels: BTreeMap::new(),
            starts_at: 0,
            ends_at,
            content: serde_json::Value::Null,
            muted_by: Vec::new(),
        }
    }

    fn tell(group: &mut GroupState, now: i64) -> Option<NotifyReason> {
        let route = Route::to("oncall");
        let notice = group.notice("web", WANTS, &route, Timestamp(now))?;
        group.note_told("web", &notice, Timestamp(now));
        Some(notice.reason)
    }

    #[test]
    fn an_incident_is_told_once_for_each_change() {
        let mut group = GroupState::default();
        group.alerts.insert("a".into(), alert(None));
        assert_eq!(tell(&mut group, 0), Some(NotifyReason::First));
        assert_eq!(tell(&mut group, 1), None);
        group.alerts.insert("b".into(), alert(None));
        assert_eq!(tell(&mut group, 2), Some(NotifyReason::NewAlerts));
        assert_eq!(tell(&mut group, 2 + 4 * 3_600_000), Some(NotifyReason::Repeat));
        group.alerts.insert("a".into(), alert(Some(3)));
        assert_eq!(tell(&mut group, 4), Some(NotifyReason::SomeResolved));
        group.alerts.insert("b".into(), alert(Some(5)));
        assert_eq!(tell(&mut group, 6), Some(NotifyReason::AllResolved));
        assert!(group.is_over(&BTreeMap::from([("web".to_owned(), WANTS)])));
    }

    #[test]
    fn a_muted_alert_is_told_when_it_is_unmuted_and_its_end_is_never_kept_back() {
        let mut group = GroupState::default();
        group.alerts.insert(
            "a".into(),
            GroupAlert {
                muted_by: vec!["silence".into()],
                ..alert(None)
            },
        );
        assert_eq!(tell(&mut group, 0), None);
        group.alerts.insert("a".into(), alert(None));
        assert_eq!(tell(&mut group, 1), Some(NotifyReason::First));
        group.alerts.insert(
            "a".into(),
            GroupAlert {
                muted_by: vec!["silence".into()],
                ..alert(Some(2))
            },
        );
        assert_eq!(tell(&mut group, 3), Some(NotifyReason::AllResolved));
    }

    #[test]
    fn what_was_never_told_needs_no_end() {
        let mut group = GroupState::default();
        group.alerts.insert("a".into(), alert(Some(1)));
        assert_eq!(tell(&mut group, 2), None);
        assert!(group.is_over(&BTreeMap::from([("web".to_owned(), WANTS)])));
    }
}
