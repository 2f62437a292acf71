//! What the engine needs from the world: a store, targets to visit, receivers to tell. Adapters implement these.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::message::{Attempt, Message, MessageKind};
use crate::domain::alert::silence::Silence;
use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::labels::Group;
use crate::domain::reading::{Reading, Target};
use crate::domain::selection::Selection;
use crate::domain::slo::SloId;
use crate::domain::time::{Hour, Minute, Timestamp};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or the connection broke: whether a write took effect is not known. Try again later.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process holds the lease: this one must stop writing.
    #[error("another process holds the lease")]
    Fenced,
    /// A cursor was not where it was expected: read it again.
    #[error("the cursor of target {target} has moved")]
    Conflict {
        /// The target's id.
        target: i64,
    },
    /// The store refuses these data, now and later.
    #[error("the store refuses the data")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read back is not what nines writes.
    #[error("unreadable data in the store: {0}")]
    Corrupt(String),
}

/// What the store answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// The lease of the one writer: its number grows with every holder.
pub type Epoch = i64;

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

/// The lease of the one writer.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes the lease when it is free or over, or renews it when `held` is ours.
    async fn acquire_lease(&self, holder: &str, held: Option<Epoch>, ttl: Duration) -> StoreResult<LeaseState>;
    /// Gives it back, so that a standby need not wait.
    async fn release_lease(&self, epoch: Epoch) -> StoreResult<()>;
}

/// SLOs, ledger keys, spec revisions and small facts.
#[async_trait]
pub trait CatalogStore: Send + Sync {
    /// Makes the loaded SLOs known. Those that are not named any more are marked as removed and lose their cursors (so
    /// that they take a baseline when they return), never their ledgers; a previous name's history is taken over.
    async fn sync_slos(&self, epoch: Epoch, slos: &[LoadedSlo], now: Timestamp) -> StoreResult<Vec<SloRecord>>;
    /// The loaded SLOs as they are known, without changing anything; for a standby.
    async fn load_slos(&self) -> StoreResult<Vec<SloRecord>>;
    /// All ledger keys of SLOs that are not removed.
    async fn load_keys(&self) -> StoreResult<Vec<KeyRecord>>;
    /// Finds or makes ledger keys, in the order asked for.
    async fn ensure_keys(
        &self,
        epoch: Epoch,
        wanted: &[(i64, Option<Group>)],
        now: Timestamp,
    ) -> StoreResult<Vec<KeyRecord>>;
    /// The last good text of every SLO file.
    async fn load_revisions(&self) -> StoreResult<Vec<RevisionRecord>>;
    /// Keeps texts that loaded.
    async fn save_revisions(&self, epoch: Epoch, revisions: &[RevisionRecord]) -> StoreResult<()>;
    /// A small fact by its name.
    async fn load_fact(&self, name: &str) -> StoreResult<Option<String>>;
    /// Keeps a small fact.
    async fn save_fact(&self, epoch: Epoch, name: &str, value: &str) -> StoreResult<()>;
}

/// Targets, cursors and the ledger.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Finds or makes the listed targets, in the order asked for, and notes that they were listed now.
    async fn sync_targets(&self, epoch: Epoch, keys: &[String], now: Timestamp) -> StoreResult<Vec<TargetRecord>>;
    /// The committed cursors of these targets, in the order asked for; an empty one where there is none.
    async fn load_cursors(&self, targets: &[i64]) -> StoreResult<Vec<CursorRecord>>;
    /// Credits visits and moves their cursors: all of it in one transaction, or none. Within it every cursor is moved
    /// first, by its `seq`; rows are written in the order of their keys.
    async fn commit_visits(&self, epoch: Epoch, commits: &[TargetCommit], now: Timestamp) -> StoreResult<()>;
    /// Hour totals of these keys, packed and loose together, from `from` to `to` inclusive; hours without a bucket are
    /// left out.
    async fn hour_totals(&self, keys: &[KeyId], from: Hour, to: Hour) -> StoreResult<Vec<(KeyId, Hour, HourTotal)>>;
    /// Buckets of these keys, packed and loose together, from `from` to `to` inclusive; empty ones are left out.
    async fn minutes(&self, keys: &[KeyId], from: Minute, to: Minute) -> StoreResult<Vec<(KeyId, Minute, Bucket)>>;
    /// All events ever credited to these keys.
    async fn lifetimes(&self, keys: &[KeyId]) -> StoreResult<Vec<(KeyId, Lifetime)>>;
    /// Writes whole hours of buckets in packed form and credits them (backfill and synthetic history).
    async fn write_packed(&self, epoch: Epoch, credits: &[Credit], now: Timestamp) -> StoreResult<()>;
}

/// The housekeeping of the ledger.
#[async_trait]
pub trait RetainStore: Send + Sync {
    /// Packs loose minutes of hours that ended 15 minutes before `now` into their day rows, up to `limit` days.
    async fn pack(&self, epoch: Epoch, now: Timestamp, limit: u32) -> StoreResult<PackReport>;
    /// Proves in SQL that credits equal buckets; the sum of the absolute differences, in millionths of an event.
    async fn prove(&self) -> StoreResult<i64>;
    /// Makes the partitions of this month and the next, where the store has any.
    async fn create_partitions(&self, epoch: Epoch, now: Timestamp) -> StoreResult<()>;
    /// Deletes what is older than the retention, in bounded batches; the sums of deleted buckets go to their base.
    async fn prune(&self, epoch: Epoch, retention: Retention, now: Timestamp) -> StoreResult<()>;
}

/// Alerts and what is told about them.
#[async_trait]
pub trait AlertStore: Send + Sync {
    /// All stored alert states.
    async fn load_alerts(&self) -> StoreResult<Vec<AlertRecord>>;
    /// Keeps what one evaluation decided.
    async fn commit_evaluation(&self, epoch: Epoch, commit: &EvaluationCommit) -> StoreResult<()>;
    /// When the last evaluation was committed.
    async fn last_evaluation_at(&self) -> StoreResult<Option<Timestamp>>;
    /// Transitions that no dispatch has taken into account, oldest first.
    async fn pending_transitions(&self, limit: u32) -> StoreResult<Vec<TransitionRecord>>;
    /// Incidents that are open.
    async fn open_incidents(&self) -> StoreResult<Vec<IncidentRecord>>;
    /// Keeps what dispatching decided.
    async fn commit_dispatch(&self, epoch: Epoch, commit: &DispatchCommit) -> StoreResult<()>;
    /// All silences that are not over for longer than a day.
    async fn silences(&self, now: Timestamp) -> StoreResult<Vec<Silence>>;
    /// Creates or replaces a silence. Silences come from people, through any process, so no lease is asked for.
    async fn save_silence(&self, silence: &Silence) -> StoreResult<()>;
}

/// The outbox.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// Claims deliveries whose time has come, at most one per stream, each the oldest open one of its stream, none of a
    /// stream in `busy`. A claim whose time is over is free again.
    async fn claim_deliveries(
        &self,
        epoch: Epoch,
        now: Timestamp,
        claim_for: Duration,
        busy: &[String],
        limit: u32,
    ) -> StoreResult<Vec<ClaimedDelivery>>;
    /// Notes how an attempt ended; `false` when the claim was lost meanwhile.
    async fn finish_attempt(
        &self,
        epoch: Epoch,
        delivery: &ClaimedDelivery,
        started: Timestamp,
        now: Timestamp,
        outcome: &AttemptOutcome,
    ) -> StoreResult<bool>;
    /// When the next delivery becomes due.
    async fn next_due(&self) -> StoreResult<Option<Timestamp>>;
    /// Makes a dead delivery ready again; `false` when there is none with this id.
    async fn retry_delivery(&self, id: &str, now: Timestamp) -> StoreResult<bool>;
    /// The newest deliveries first.
    async fn notifications(&self, limit: u32) -> StoreResult<Vec<NotificationRecord>>;
    /// How many deliveries were given up and are still kept.
    async fn dead_letters(&self) -> StoreResult<u64>;
}

/// All of the store.
pub trait Store: LeaseStore + CatalogStore + LedgerStore + RetainStore + AlertStore + DeliveryStore {}

impl<T: LeaseStore + CatalogStore + LedgerStore + RetainStore + AlertStore + DeliveryStore> Store for T {}

/// Visits one target.
#[async_trait]
pub trait Visitor: Send + Sync {
    /// One visit: ends within the target's timeout, whatever the other side does.
    async fn visit(&self, selection: &Arc<Selection>) -> Reading;
}

/// A target that discovery has found, and how to visit it.
#[derive(Clone)]
pub struct ListedTarget {
    /// The target.
    pub target: Target,
    /// How to visit it.
    pub visitor: Arc<dyn Visitor>,
    /// Changes exactly when target or visitor do; an unchanged target goes on undisturbed.
    pub config_hash: u64,
}

/// What came of one attempt to tell a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Accepted.
    Accepted,
    /// Worth another try.
    Retry {
        /// In one word, for metrics.
        reason: String,
        /// In a sentence, for people; without secrets.
        detail: String,
        /// The receiver asked to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// Trying again is pointless.
    Rejected {
        /// In one word, for metrics.
        reason: String,
        /// In a sentence, for people; without secrets.
        detail: String,
    },
}

/// Tells one integration of one receiver.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// One attempt: ends within its own timeout, whatever the other side does.
    async fn send(&self, attempt: &Attempt) -> SendOutcome;
}

/// One integration of a receiver.
#[derive(Clone)]
pub struct Integration {
    /// `webhook | email | alertmanager`
    pub kind: &'static str,
    /// Its place among the receiver's integrations of this kind, from 0.
    pub index: usize,
    /// It wants to hear of resolves.
    pub send_resolved: bool,
    /// A firing alert is told again after this time, whatever the route's `repeat_interval`.
    pub resend_every: Option<Duration>,
    /// How to tell it.
    pub notifier: Arc<dyn Notifier>,
}

impl Integration {
    /// `webhook/0`: its name within its receiver.
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.index)
    }
}
