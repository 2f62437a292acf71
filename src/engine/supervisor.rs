//! The supervisor: waits for the lease as a standby, and runs the tasks while it holds it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::active::Active;
use super::catalog::{Catalog, Desired, Keys};
use super::clock::Clock;
use super::collect::schedule;
use super::commit::VisitLog;
use super::deliver::Deliverer;
use super::dispatch::Routing;
use super::evaluate::Evaluator;
use super::ports::{
    Epoch, LeaseState, ListedProbes, ListedServer, ListedTarget, RevisionRecord, Store, StoreError, StoreResult,
};
use super::probe::schedule::probe_targets;
use super::push::Pushes;
use super::push::beats::ListedHeartbeat;
use super::push::task::PushTask;
use super::read::reader::Writing;
use super::read::{BackfillRequests, ReadTask};
use super::retain::{DEFAULT_RETENTION, Discrepancy, Retainer};
use super::snapshot::Snapshot;
use super::stats::Stats;
use crate::domain::schedule::next_tick;
use crate::domain::time::{Timestamp, millis};

/// How long the lease is good without a renewal.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often a standby asks for it.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a standby reads the store for what it shows.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What may change while it runs; a change takes effect at the next tick.
#[derive(Clone, Default)]
pub struct Settings {
    /// The SLOs that are to run.
    pub desired: Arc<Desired>,
    /// Texts of SLO files that loaded, to be kept.
    pub revisions: Arc<Vec<RevisionRecord>>,
    /// How often everything is evaluated.
    pub evaluation_interval: Duration,
    /// Grows with every reload.
    pub revision: u64,
    /// Jobs that say when they have run.
    pub heartbeats: Arc<Vec<ListedHeartbeat>>,
}

/// Whether the process works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Not yet, or not now.
    NotReady {
        /// Why, for people.
        reason: String,
    },
}

/// Everything that the engine needs from outside.
#[derive(Clone)]
pub struct Engine {
    /// Who asks for the lease: host and process.
    pub holder: String,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What nines counts about itself.
    pub stats: Arc<Stats>,
    /// The read model.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Whether it works.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// SLOs and intervals.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Who is told, and how.
    pub routing: watch::Receiver<Arc<Routing>>,
    /// The targets that discovery has found.
    pub targets: watch::Receiver<Arc<Vec<ListedTarget>>>,
    /// What is probed.
    pub probes: watch::Receiver<Arc<ListedProbes>>,
    /// The servers that can be asked.
    pub servers: watch::Receiver<Arc<Vec<ListedServer>>>,
    /// SLOs whose past is to be read again.
    pub backfills: Arc<BackfillRequests>,
    /// Where events and pings come in.
    pub pushes: Arc<Pushes>,
    /// A silence has changed, or a dead letter was revived.
    pub nudge: Arc<Notify>,
    /// Where committed visits are written down, for proofs.
    pub visit_log: Option<VisitLog>,
}

impl Engine {
    /// Runs until it is cancelled: standby, active, and standby again when the lease is lost.
    pub async fn run(self, cancel: CancellationToken) {
        let mut looked_at: Option<Timestamp> = None;
        while !cancel.is_cancelled() {
            match self.store.acquire_lease(&self.holder, None, LEASE_TTL).await {
                Ok(LeaseState::Held(epoch)) => {
                    self.lead(epoch, &cancel).await;
                    looked_at = None;
                }
                Ok(LeaseState::Taken { holder }) => {
                    let now = self.clock.now();
                    if looked_at.is_none() {
                        tracing::info!(holder, "standby: another process holds the lease");
                    }
                    if looked_at.is_none_or(|at| now.since(at) >= millis(LOOK_EVERY)) {
                        self.look(now).await;
                        looked_at = Some(now);
                    }
                }
                Err(error) => self.not_ready(&error),
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    /// Shows what the store holds, as a standby.
    async fn look(&self, now: Timestamp) {
        let result = async {
            let settings = Arc::clone(&self.settings.borrow());
            let catalog = Arc::new(Catalog::new(
                &settings.desired,
                &self.store.load_slos().await?,
                settings.revision,
            ));
            let mut keys = Keys::default();
            keys.extend(&self.store.load_keys().await?);
            let revision = self.snapshot.load().revision;
            let mut evaluator = Evaluator::load(
                Arc::clone(&self.store),
                0,
                Arc::default(),
                (catalog, keys),
                now,
                revision,
            )
            .await?;
            Ok::<_, StoreError>(evaluator.look(now))
        };
        match result.await {
            Ok(snapshot) => {
                self.snapshot.store(Arc::new(snapshot));
                self.readiness.store(Arc::new(Readiness::Ready));
            }
            Err(error) => self.not_ready(&error),
        }
    }

    /// Shows that the store does not work.
    pub(super) fn not_ready(&self, error: &StoreError) {
        let reason = format!("{error}{}", causes(error));
        let not_ready = Readiness::NotReady { reason: reason.clone() };
        if **self.readiness.load() != not_ready {
            tracing::warn!(
                reason,
                "the store does not work: nothing is committed or told until it does; trying again"
            );
            self.readiness.store(Arc::new(not_ready));
        }
    }

    /// Holds the lease and runs the tasks until it is cancelled, or the lease is lost.
    async fn lead(&self, epoch: Epoch, cancel: &CancellationToken) {
        tracing::info!(epoch, "active: this process holds the lease");
        self.stats.lease_epoch.set(epoch);
        let stop = cancel.child_token();
        let keeper = tokio::spawn(self.clone().keep_lease(epoch, stop.clone()));
        let tasks = {
            let (engine, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move { engine.run_tasks(epoch, &stop).await })
        };
        let result = tasks.await;
        stop.cancel();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "no longer active");
                self.not_ready(&error);
            }
            // A panic ends a term, not the daemon: the next one begins with what the store holds.
            Err(fault) => tracing::error!(%fault, "the evaluation has ended by a fault; beginning anew"),
        }
        // The keeper only waits and renews; it cannot panic, and it has been cancelled.
        let _ = keeper.await;
        self.stats.lease_epoch.set(0);
        if let Err(error) = self.store.release_lease(epoch).await {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
    }

    /// Renews the lease; cancels the tasks when somebody else has it.
    async fn keep_lease(self, epoch: Epoch, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            match self.store.acquire_lease(&self.holder, Some(epoch), LEASE_TTL).await {
                Ok(LeaseState::Held(held)) if held == epoch => {}
                Ok(_) => {
                    tracing::warn!("the lease is lost");
                    stop.cancel();
                }
                // Every write is fenced by the epoch, so waiting for the store is safe.
                Err(error) => tracing::debug!(%error, "the lease could not be renewed; trying again"),
            }
        }
    }

    async fn run_tasks(&self, epoch: Epoch, stop: &CancellationToken) -> StoreResult<()> {
        let discrepancy = Arc::new(Discrepancy::default());
        let outbox = Arc::new(Notify::new());
        let mut active = Active::begin(self.clone(), epoch, Arc::clone(&discrepancy), Arc::clone(&outbox)).await?;
        let collector = Arc::clone(active.collector());
        let visits = schedule::visit_targets(
            collector,
            Arc::clone(&self.clock),
            self.targets.clone(),
            stop.child_token(),
        );
        let visiting = tokio::spawn(ending_all(stop.clone(), visits));
        let probes = probe_targets(
            Arc::clone(active.probes()),
            Arc::clone(&self.clock),
            Arc::clone(&self.stats),
            self.probes.clone(),
            stop.child_token(),
        );
        let probing = tokio::spawn(ending_all(stop.clone(), probes));
        let writing = Writing {
            store: Arc::clone(&self.store),
            epoch,
            books: Arc::clone(&active.readers().books),
        };
        let reader = ReadTask {
            readers: Arc::clone(active.readers()),
            writing: writing.clone(),
            clock: Arc::clone(&self.clock),
            servers: self.servers.clone(),
            requests: Arc::clone(&self.backfills),
        };
        let reading = tokio::spawn(ending_all(stop.clone(), reader.run(stop.child_token())));
        let pusher = self.pusher(writing);
        let pushing = tokio::spawn(ending_all(stop.clone(), pusher.run(stop.child_token())));
        let deliverer = self.deliverer(epoch, outbox);
        let delivering = tokio::spawn(ending_all(stop.clone(), deliverer.run(stop.child_token())));
        let retainer = self.retainer(epoch, discrepancy);
        let retaining = tokio::spawn(ending_all(stop.clone(), retainer.run(stop.child_token())));
        let result = self.run_ticks(&mut active, stop).await;
        stop.cancel();
        let ended = tokio::join!(visiting, probing, reading, pushing, delivering, retaining);
        let faults = [
            ended.0.err(),
            ended.1.err(),
            ended.2.err(),
            ended.3.err(),
            ended.4.err(),
            ended.5.err(),
        ];
        for fault in faults.into_iter().flatten() {
            tracing::error!(%fault, "a task has ended by a fault");
        }
        result
    }

    fn pusher(&self, writing: Writing) -> PushTask {
        let (pushes, clock) = (Arc::clone(&self.pushes), Arc::clone(&self.clock));
        PushTask::new(pushes, writing, clock, Arc::clone(&self.stats))
    }

    fn deliverer(&self, epoch: Epoch, nudge: Arc<Notify>) -> Deliverer {
        Deliverer {
            store: Arc::clone(&self.store),
            epoch,
            clock: Arc::clone(&self.clock),
            routing: self.routing.clone(),
            nudge,
            stats: Arc::clone(&self.stats),
        }
    }

    fn retainer(&self, epoch: Epoch, discrepancy: Arc<Discrepancy>) -> Retainer {
        Retainer {
            store: Arc::clone(&self.store),
            epoch,
            clock: Arc::clone(&self.clock),
            discrepancy,
            stats: Arc::clone(&self.stats),
            retention: DEFAULT_RETENTION,
        }
    }

    async fn run_ticks(&self, active: &mut Active, stop: &CancellationToken) -> StoreResult<()> {
        let mut changes = self.settings.clone();
        // What `begin` has seen may have changed since: the first look finds that out.
        let mut settings = Arc::clone(active.settings());
        let mut last = self.clock.now();
        loop {
            let newest = Arc::clone(&changes.borrow_and_update());
            if !Arc::ptr_eq(&newest, &settings) {
                settings = newest;
                active.reload(Arc::clone(&settings)).await?;
            }
            if let Err(StoreError::Fenced) = active.step(last).await {
                return Err(StoreError::Fenced);
            }
            if !self
                .wait_for_tick(active, &mut last, &settings, &mut changes, stop)
                .await
            {
                break;
            }
        }
        active.commit_rest().await;
        Ok(())
    }

    /// Waits for the next tick, a changed catalog or a nudge; false when it is time to stop. Tick time never goes back.
    async fn wait_for_tick(
        &self,
        active: &Active,
        last: &mut Timestamp,
        settings: &Settings,
        changes: &mut watch::Receiver<Arc<Settings>>,
        stop: &CancellationToken,
    ) -> bool {
        let clock = &self.clock;
        let interval = settings.evaluation_interval.max(Duration::from_millis(100));
        let due = next_tick(interval, (*last).max(clock.now() - interval));
        loop {
            let wait = Duration::from_millis(due.since(clock.now()).max(0) as u64);
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                _ = changes.changed() => break,
                () = self.nudge.notified() => break,
                () = active.collector().cursors_wanted() => {
                    // A target that has just come should not wait for the next tick to be counted.
                    if let Err(error) = active.read_cursors(clock.now()).await {
                        tracing::warn!(%error, "cursors cannot be read; trying again at the next tick");
                    }
                }
                () = tokio::time::sleep(wait) => break,
            }
        }
        let now = clock.now();
        let late = now.since(due) / millis(interval).max(1);
        self.stats.missed_ticks.add(u64::try_from(late).unwrap_or(0));
        *last = now.max(*last);
        true
    }
}

/// A task whose end, also by a fault, ends the term: none of the others goes on without it.
async fn ending_all<T>(stop: CancellationToken, task: impl Future<Output = T>) -> T {
    let _guard = stop.drop_guard();
    task.await
}

/// The chain of causes, for a message.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
