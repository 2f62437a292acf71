//! What the engine needs from the world: a store, targets to visit, receivers to tell. Adapters implement these.

mod probes;
mod pushes;
mod records;
mod servers;
mod world;

use std::time::Duration;

use async_trait::async_trait;

pub use self::probes::*;
pub use self::pushes::*;
pub use self::records::*;
pub use self::servers::*;
pub use self::world::*;
use crate::domain::alert::silence::Silence;
use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::labels::Group;
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
    /// that they take a baseline when they return), never their ledgers; a previous name's history is taken over. A changed
    /// indicator begins a new generation of ledger keys where the SLO asks for that.
    async fn sync_slos(&self, epoch: Epoch, slos: &[LoadedSlo], now: Timestamp) -> StoreResult<Vec<SloRecord>>;
    /// The loaded SLOs as they are known, without changing anything; for a standby.
    async fn load_slos(&self) -> StoreResult<Vec<SloRecord>>;
    /// All ledger keys of SLOs that are not removed, of their present generations.
    async fn load_keys(&self) -> StoreResult<Vec<KeyRecord>>;
    /// Finds or makes ledger keys of the SLOs' present generations, in the order asked for.
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
    /// Moves the cursors of readers as `commit_visits` does, and makes the minutes of their spans hold exactly what is
    /// given, `observed` included: all of it in one transaction, or none. What is booked are the differences to what the
    /// minutes held, so doing it again changes nothing. Minutes that have settled (see `pack`) go straight into packed
    /// days.
    ///
    /// Where only hour totals are left of a day, an hour is set as a whole: to the sum of what is given, when the span
    /// covers all of it or when it holds nothing; any other hour is left alone, since nobody knows what its minutes held.
    /// Of days that are pruned altogether nothing is known, so nothing older than the retention of hours may be set.
    ///
    /// Returns the differences, by key and minute and without those that are nothing, for sums that are kept in memory:
    /// `observed` says that a minute is observed now and was not before (the opposite is not told). The difference of an
    /// hour that was set as a whole stands at its first minute.
    async fn commit_reads(&self, epoch: Epoch, commits: &[ReadCommit], now: Timestamp) -> StoreResult<Vec<Credit>>;
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
pub trait Store:
    LeaseStore + CatalogStore + LedgerStore + PushStore + RetainStore + AlertStore + DeliveryStore
{
}

impl<T: LeaseStore + CatalogStore + LedgerStore + PushStore + RetainStore + AlertStore + DeliveryStore> Store for T {}
