//! What a receiver is told: a snapshot, taken when the message became due, so that a retry says what the first try said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// The first of its incident.
    Trigger,
    /// The group's alerts have changed.
    Update,
    /// `repeat_interval` has passed.
    Reminder,
    /// All of its alerts have ended.
    Resolve,
}

impl MessageKind {
    /// As the API shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Update => "update",
            Self::Reminder => "reminder",
            Self::Resolve => "resolve",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Trigger, Self::Update, Self::Reminder, Self::Resolve]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// One message about one group of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Why it is sent.
    pub kind: MessageKind,
    /// The receiver's name.
    pub receiver: String,
    /// The incident to which it belongs; all its messages to one integration are one thread.
    pub incident: String,
    /// Its place among the messages of this incident to this integration, from 0.
    pub sequence: u32,
    /// Alertmanager's group key.
    pub group_key: String,
    /// The labels by which the alerts were grouped.
    pub group_labels: BTreeMap<String, String>,
    /// Why it is sent, in Alertmanager's words: `first notification`.
    pub reason: String,
    /// Where nines is reached, without a trailing slash.
    pub external_url: String,
    /// The alerts, firing ones first; never empty.
    pub alerts: Vec<MessageAlert>,
    /// The SLO as the API shows it, when all alerts are of one SLO or group.
    pub slo: Option<serde_json::Value>,
}

/// One alert of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageAlert {
    /// It calls, or it has ended.
    pub firing: bool,
    /// `page | ticket`, whatever its label `severity` says; empty in messages of earlier versions.
    #[serde(default)]
    pub severity: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire, in unix milliseconds.
    pub starts_at: i64,
    /// When it ended, in unix milliseconds; `None` while it fires.
    pub ends_at: Option<i64>,
    /// The SLO's page.
    pub generator_url: String,
    /// The identity of its labels.
    pub fingerprint: String,
    /// One sentence that says what is wrong, or that it is over and why.
    pub summary: String,
}

impl Message {
    /// Any alert calls.
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.firing)
    }

    /// The labels that all alerts share.
    pub fn common_labels(&self) -> BTreeMap<String, String> {
        common(self.alerts.iter().map(|alert| &alert.labels))
    }

    /// The annotations that all alerts share.
    pub fn common_annotations(&self) -> BTreeMap<String, String> {
        common(self.alerts.iter().map(|alert| &alert.annotations))
    }
}

fn common<'a>(mut maps: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut shared = maps.next().cloned().unwrap_or_default();
    for map in maps {
        shared.retain(|name, value| map.get(name) == Some(value));
    }
    shared
}

/// One try to send one message.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The delivery's id, the same in every attempt.
    pub delivery_id: String,
    /// Which attempt, from 1.
    pub number: u32,
    /// When it begins.
    pub at: Timestamp,
    /// When the message became due.
    pub created_at: Timestamp,
    /// What is said.
    pub message: Message,
}
