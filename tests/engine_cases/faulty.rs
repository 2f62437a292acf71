//! A store that fails when it is told to: before it has done anything, or after it has done all of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nines::domain::alert::silence::Silence;
use nines::domain::counts::{Bucket, HourTotal};
use nines::domain::labels::Group;
use nines::domain::time::{Hour, Minute, Timestamp};
use nines::engine::ports::{
    AlertRecord, AlertStore, AttemptOutcome, CatalogStore, ClaimedDelivery, Credit, CursorRecord, DeliveryStore,
    DispatchCommit, Epoch, EvaluationCommit, IncidentRecord, KeyId, KeyRecord, LeaseState, LeaseStore, LedgerStore,
    Lifetime, LoadedSlo, NotificationRecord, PackReport, PushCommit, PushFailure, PushKey, PushStore, Pushed,
    ReadCommit, RetainStore, Retention, RevisionRecord, SloRecord, StoreError, StoreResult, TargetCommit, TargetRecord,
    TransitionRecord,
};
use nines::store::SqlStore;
use tokio::sync::Notify;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing, and says that it cannot tell.
    Before,
    /// It does everything, and says that it cannot tell.
    After,
    /// Somebody else holds the lease.
    Fenced,
}

pub struct Faulty {
    pub inner: SqlStore,
    faults: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    /// Calls that were let through, by name.
    calls: Mutex<BTreeMap<&'static str, usize>>,
    /// Deliveries that are claimed and not finished.
    open: AtomicI64,
    /// How many of them nobody expects to be finished.
    pub hung: AtomicI64,
    /// The outbox was asked for more and had nothing, while nothing was under way.
    pub idle: Notify,
}

impl Faulty {
    pub fn new(inner: SqlStore) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            calls: Mutex::default(),
            open: AtomicI64::new(0),
            hung: AtomicI64::new(0),
            idle: Notify::new(),
        }
    }

    /// The next call by this name fails so.
    pub fn fail(&self, call: &'static str, fault: Fault) {
        let mut faults = self.faults.lock().expect("no panic");
        faults.entry(call).or_default().push_back(fault);
    }

    /// Faults that nobody met.
    pub fn unmet(&self) -> usize {
        let faults = self.faults.lock().expect("no panic");
        faults.values().map(VecDeque::len).sum()
    }

    /// How many calls by this name were let through.
    pub fn calls(&self, call: &str) -> usize {
        self.calls.lock().expect("no panic").get(call).copied().unwrap_or(0)
    }

    async fn around<T>(&self, call: &'static str, done: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let fault = self
            .faults
            .lock()
            .expect("no panic")
            .get_mut(call)
            .and_then(VecDeque::pop_front);
        if matches!(fault, None | Some(Fault::After)) {
            *self.calls.lock().expect("no panic").entry(call).or_default() += 1;
        }
        match fault {
            None => done.await,
            Some(Fault::Before) => Err(unavailable()),
            Some(Fault::Fenced) => Err(StoreError::Fenced),
            Some(Fault::After) => {
                done.await?;
                Err(unavailable())
            }
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the connection broke".into())
}

macro_rules! forward {
    ($port:ident { $(fn $call:ident($($name:ident: $of:ty),*) -> $gives:ty;)+ }) => {
        #[async_trait]
        impl $port for Faulty {
            $(async fn $call(&self, $($name: $of),*) -> StoreResult<$gives> {
                self.around(stringify!($call), self.inner.$call($($name),*)).await
            })+
        }
    };
}

forward! { LeaseStore {
    fn acquire_lease(holder: &str, held: Option<Epoch>, ttl: Duration) -> LeaseState;
    fn release_lease(epoch: Epoch) -> ();
} }

forward! { CatalogStore {
    fn sync_slos(epoch: Epoch, slos: &[LoadedSlo], now: Timestamp) -> Vec<SloRecord>;
    fn load_slos() -> Vec<SloRecord>;
    fn load_keys() -> Vec<KeyRecord>;
    fn ensure_keys(epoch: Epoch, wanted: &[(i64, Option<Group>)], now: Timestamp) -> Vec<KeyRecord>;
    fn load_revisions() -> Vec<RevisionRecord>;
    fn save_revisions(epoch: Epoch, revisions: &[RevisionRecord]) -> ();
    fn load_fact(name: &str) -> Option<String>;
    fn save_fact(epoch: Epoch, name: &str, value: &str) -> ();
} }

forward! { LedgerStore {
    fn sync_targets(epoch: Epoch, keys: &[String], now: Timestamp) -> Vec<TargetRecord>;
    fn load_cursors(targets: &[i64]) -> Vec<CursorRecord>;
    fn commit_visits(epoch: Epoch, commits: &[TargetCommit], now: Timestamp) -> ();
    fn commit_reads(epoch: Epoch, commits: &[ReadCommit], now: Timestamp) -> Vec<Credit>;
    fn hour_totals(keys: &[KeyId], from: Hour, to: Hour) -> Vec<(KeyId, Hour, HourTotal)>;
    fn minutes(keys: &[KeyId], from: Minute, to: Minute) -> Vec<(KeyId, Minute, Bucket)>;
    fn lifetimes(keys: &[KeyId]) -> Vec<(KeyId, Lifetime)>;
    fn write_packed(epoch: Epoch, credits: &[Credit], now: Timestamp) -> ();
} }

forward! { RetainStore {
    fn pack(epoch: Epoch, now: Timestamp, limit: u32) -> PackReport;
    fn prove() -> i64;
    fn create_partitions(epoch: Epoch, now: Timestamp) -> ();
    fn prune(epoch: Epoch, retention: Retention, now: Timestamp) -> ();
} }

forward! { AlertStore {
    fn load_alerts() -> Vec<AlertRecord>;
    fn commit_evaluation(epoch: Epoch, commit: &EvaluationCommit) -> ();
    fn last_evaluation_at() -> Option<Timestamp>;
    fn pending_transitions(limit: u32) -> Vec<TransitionRecord>;
    fn open_incidents() -> Vec<IncidentRecord>;
    fn commit_dispatch(epoch: Epoch, commit: &DispatchCommit) -> ();
    fn silences(now: Timestamp) -> Vec<Silence>;
    fn save_silence(silence: &Silence) -> ();
} }

#[async_trait]
impl PushStore for Faulty {
    async fn commit_pushes(&self, epoch: Epoch, commit: &PushCommit) -> Result<Pushed, PushFailure> {
        let pushed = Mutex::new(None);
        let done = async {
            let done = self
                .inner
                .commit_pushes(epoch, commit)
                .await
                .map_err(|failure| failure.error)?;
            *pushed.lock().expect("no panic") = Some(done.clone());
            Ok(done)
        };
        let outcome = self.around("commit_pushes", done).await;
        // Where it was done and says otherwise, the outcome is what nobody knows.
        outcome.map_err(|error| PushFailure {
            error,
            unknown: pushed.into_inner().expect("no panic"),
        })
    }

    async fn is_pushed(&self, key: &PushKey) -> StoreResult<bool> {
        self.around("is_pushed", self.inner.is_pushed(key)).await
    }
}

#[async_trait]
impl DeliveryStore for Faulty {
    async fn claim_deliveries(
        &self,
        epoch: Epoch,
        now: Timestamp,
        claim_for: Duration,
        busy: &[String],
        limit: u32,
    ) -> StoreResult<Vec<ClaimedDelivery>> {
        let call = self.inner.claim_deliveries(epoch, now, claim_for, busy, limit);
        let claimed = self.around("claim_deliveries", call).await?;
        let open = self.open.fetch_add(claimed.len() as i64, Ordering::SeqCst) + claimed.len() as i64;
        if claimed.is_empty() && open == self.hung.load(Ordering::SeqCst) {
            self.idle.notify_one();
        }
        Ok(claimed)
    }

    async fn finish_attempt(
        &self,
        epoch: Epoch,
        delivery: &ClaimedDelivery,
        started: Timestamp,
        now: Timestamp,
        outcome: &AttemptOutcome,
    ) -> StoreResult<bool> {
        let call = self.inner.finish_attempt(epoch, delivery, started, now, outcome);
        let finished = self.around("finish_attempt", call).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        finished
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        self.inner.next_due().await
    }

    async fn retry_delivery(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        self.inner.retry_delivery(id, now).await
    }

    async fn notifications(&self, limit: u32) -> StoreResult<Vec<NotificationRecord>> {
        self.inner.notifications(limit).await
    }

    async fn dead_letters(&self) -> StoreResult<u64> {
        self.inner.dead_letters().await
    }
}
