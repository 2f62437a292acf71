//! What goes to the store and comes from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Epoch;
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::domain::slo::SloId;
use crate::domain::time::{Minute, Timestamp};
use crate::engine::message::{Message, MessageKind};

/// What came of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It is ours, under this epoch.
    Held(Epoch),
    /// Somebody else's.
    Taken {
        /// Who holds it.
        holder: String,
    },
}

/// A ledger key: one sequence of buckets, of one SLO or one of its groups.
pub type KeyId = i64;

/// An SLO as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SloRecord {
    /// The store's number for it.
    pub id: i64,
    /// Its identity.
    pub slo: SloId,
    /// When it was first loaded with its present indicator.
    pub indicator_loaded_at: Timestamp,
    /// Which generation of ledger keys is the present one, beginning with 1.
    pub generation: i64,
}

/// What the store is told of an SLO that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedSlo {
    /// Its identity.
    pub slo: SloId,
    /// Names within the service under which its history may be found.
    pub previous_names: Vec<String>,
    /// The indicator's fingerprint.
    pub indicator: String,
    /// A changed indicator begins a new generation of ledger keys, because its source has history to fill it.
    pub begins_anew: bool,
}

/// A ledger key as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its number.
    pub id: KeyId,
    /// The SLO's number.
    pub slo: i64,
    /// The group; `None` for the SLO itself, which is the sum of its groups.
    pub group: Option<Group>,
}

/// A target as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRecord {
    /// Its number.
    pub id: i64,
    /// Its key: job and URL.
    pub key: String,
    /// When it was first listed.
    pub first_listed_at: Timestamp,
}

/// The committed cursor of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CursorRecord {
    /// The target's number.
    pub target: i64,
    /// How many commits it has seen; 0 before the first.
    pub seq: i64,
    /// What the target is remembered by, opaque to the store; empty before the first commit.
    pub header: Vec<u8>,
    /// The last values by SLO number, opaque to the store.
    pub slos: BTreeMap<i64, Vec<u8>>,
}

/// What the visits to one target since its last commit came to.
#[derive(Clone, Debug, Default)]
pub struct TargetCommit {
    /// The target's number.
    pub target: i64,
    /// The `seq` that the cursor must have; the commit adds 1.
    pub expected_seq: i64,
    /// The new header.
    pub header: Vec<u8>,
    /// The SLO cursors that changed; `None` removes one.
    pub slos: BTreeMap<i64, Option<Vec<u8>>>,
    /// What is credited.
    pub credits: Vec<Credit>,
}

/// Events to be added to one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Whose.
    pub key: KeyId,
    /// In which minute.
    pub minute: Minute,
    /// What is added: total and good in millionths (either may be negative, as matched), and whether it was observed.
    pub bucket: Bucket,
}

/// What was read of a server for one SLO: minutes that are set, and the state that goes with them.
#[derive(Clone, Debug, Default)]
pub struct ReadCommit {
    /// The number of the reader's pseudo target.
    pub target: i64,
    /// The `seq` that its cursor must have; the commit adds 1.
    pub expected_seq: i64,
    /// The reader's new state, opaque to the store.
    pub header: Vec<u8>,
    /// All minutes of these keys within this span are set: those that are not among `minutes` to nothing. `None` sets
    /// nothing.
    pub span: Option<ReadSpan>,
    /// The buckets of the span that hold something, each (key, minute) once, keys and minutes within the span.
    pub minutes: Vec<Credit>,
    /// What is added to minutes beyond the span.
    pub added: Vec<Credit>,
}

/// Which minutes are set: all of these keys from `from` to `to` inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSpan {
    /// Ledger keys; no other commit of the same transaction sets one of them.
    pub keys: Vec<KeyId>,
    /// The first minute.
    pub from: Minute,
    /// The last minute; at most 400 days after the first.
    pub to: Minute,
}

/// All events ever credited to a ledger key, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// All events.
    pub total: i64,
    /// Good events.
    pub good: i64,
}

/// What packing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackReport {
    /// Loose rows that were merged.
    pub rows: u64,
    /// Day rows that were written.
    pub days: u64,
    /// There is more to do.
    pub more: bool,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days of minute detail.
    pub minutes_days: i64,
    /// Days of hour totals; at least 400.
    pub hours_days: i64,
    /// Days of deliveries, attempts and consumed transitions.
    pub messages_days: i64,
    /// Days after which a target that nobody lists is forgotten.
    pub targets_days: i64,
}

/// One alert's stored state.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// The alert's identity as text: unique, opaque to the store.
    pub key: String,
    /// Everything about it as JSON, opaque to the store.
    pub body: String,
}

/// A numbered change of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionRecord {
    /// Its number; grows within one writer.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The alert's key.
    pub alert: String,
    /// Everything about it as JSON, opaque to the store.
    pub body: String,
}

/// The outcome of one evaluation that must not be lost: all of it in one transaction.
#[derive(Clone, Debug, Default)]
pub struct EvaluationCommit {
    /// The tick.
    pub at: Timestamp,
    /// Alert states that changed.
    pub alerts: Vec<AlertRecord>,
    /// Keys of alerts that are no more.
    pub removed: Vec<String>,
    /// Changes, as (alert key, body), in order.
    pub transitions: Vec<(String, String)>,
}

/// An incident: one open conversation per route and group key.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRecord {
    /// A UUID.
    pub id: String,
    /// Route and group key: at most one open incident has it.
    pub group_key: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When it must be looked at again.
    pub next_flush_at: Option<Timestamp>,
    /// Everything about it as JSON, opaque to the store.
    pub body: String,
}

/// A message that is owed to one integration.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// A UUID, sortable by time.
    pub id: String,
    /// Deliveries of one stream go out in order, one at a time: route, group key and integration.
    pub stream: String,
    /// The receiver's name.
    pub receiver: String,
    /// `webhook/0`: kind and place in the receiver.
    pub integration: String,
    /// What is said.
    pub message: Message,
}

/// What dispatching decided: all of it in one transaction.
#[derive(Clone, Debug, Default)]
pub struct DispatchCommit {
    /// When.
    pub at: Timestamp,
    /// Transitions that were taken into account.
    pub consumed: Vec<i64>,
    /// Incidents as they are now.
    pub incidents: Vec<IncidentRecord>,
    /// Messages that are owed.
    pub deliveries: Vec<NewDelivery>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It waits for its turn or its next attempt.
    Ready,
    /// An attempt is under way.
    Sending,
    /// The receiver has accepted it.
    Delivered,
    /// It was given up.
    Dead,
    /// It was overtaken by something that makes it pointless.
    Superseded,
}

impl DeliveryState {
    /// As the store and the API show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Ready,
            Self::Sending,
            Self::Delivered,
            Self::Dead,
            Self::Superseded,
        ]
        .into_iter()
        .find(|state| state.word() == word)
    }
}

/// A delivery that this process has claimed and must finish.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: String,
    /// Its stream.
    pub stream: String,
    /// The receiver's name.
    pub receiver: String,
    /// Kind and place in the receiver.
    pub integration: String,
    /// Attempts so far, this one included.
    pub attempt: u32,
    /// When it became due.
    pub created_at: Timestamp,
    /// What proves the claim.
    pub claim: String,
    /// What is said.
    pub message: Message,
}

/// How an attempt ended, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver has accepted it.
    Delivered,
    /// Another attempt follows.
    Retry {
        /// Not before this time.
        not_before: Timestamp,
        /// Why this one failed.
        error: String,
    },
    /// It is given up. When it was a trigger that nobody accepted, the resolves that wait behind it in its stream, up
    /// to the next trigger, are superseded.
    Dead {
        /// Why.
        error: String,
    },
    /// No attempt was made: it does not count, and is made later.
    Postponed {
        /// Not before this time.
        not_before: Timestamp,
        /// Why it was not made.
        error: String,
    },
    /// The attempt was broken off by a stop: it does not count, and is made again at once.
    Interrupted,
}

/// A delivery as `/api/v1/notifications` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotificationRecord {
    /// Its id.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// `webhook | email | alertmanager`
    pub integration: String,
    /// Why it is sent.
    pub kind: MessageKind,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// How the last failed attempt ended.
    pub last_error: Option<String>,
    /// When it became due, RFC 3339.
    pub created_at: String,
    /// When it was accepted or given up, RFC 3339.
    pub finished_at: Option<String>,
    /// When the next attempt is due, RFC 3339; `None` when there is none.
    pub next_attempt_at: Option<String>,
    /// The group key of its alerts.
    pub group_key: String,
    /// The ids of the SLOs that it is about, as far as it names one.
    pub slo: Option<String>,
}

/// The last text of an SLO file that loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRecord {
    /// The file's path as the API shows it.
    pub file: String,
    /// SHA-256 of the text, hexadecimal.
    pub hash: String,
    /// The text.
    pub text: String,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}
