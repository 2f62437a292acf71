//! The active process: what it does from the moment it holds the lease, tick by tick.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::catalog::{Catalog, Keys};
use super::collect::Collector;
use super::commit::Committer;
use super::dispatch::{Dispatcher, Present};
use super::editions::{EDITIONS, Editions};
use super::evaluate::Evaluator;
use super::ports::{Epoch, SloRecord, StoreError, StoreResult};
use super::probe::Probes;
use super::read::Readers;
use super::retain::Discrepancy;
use super::supervisor::{Engine, Readiness, Settings};
use crate::domain::time::Timestamp;

/// Downtimes that are remembered, and the name of the fact.
const DOWNTIMES: (&str, usize) = ("downtimes", 16);

/// How often the store is told which targets are still listed: the others are forgotten some day.
const LIST_EVERY_MS: i64 = 3_600_000;

/// Everything that lives as long as the lease is held.
pub struct Active {
    engine: Engine,
    epoch: Epoch,
    settings: Arc<Settings>,
    collector: Arc<Collector>,
    readers: Arc<Readers>,
    probes: Arc<Probes>,
    committer: Committer,
    evaluator: Evaluator,
    dispatcher: Dispatcher,
    discrepancy: Arc<Discrepancy>,
    outbox: Arc<Notify>,
    /// When the store was last told which targets are listed.
    listed_at: Option<Timestamp>,
}

impl Active {
    /// Takes over what the store holds. `outbox` is nudged when something was put into the outbox.
    pub async fn begin(
        engine: Engine,
        epoch: Epoch,
        discrepancy: Arc<Discrepancy>,
        outbox: Arc<Notify>,
    ) -> StoreResult<Self> {
        let downtimes = note_downtime(&engine, epoch).await?;
        let log_visits = engine.visit_log.is_some();
        let collector = Arc::new(Collector::new(Arc::clone(&engine.stats), log_visits, downtimes));
        let probes = Arc::new(Probes::new(Arc::clone(&engine.stats)));
        let committer = Committer {
            store: Arc::clone(&engine.store),
            epoch,
            collector: Arc::clone(&collector),
            probes: Arc::clone(&probes),
            clock: Arc::clone(&engine.clock),
            stats: Arc::clone(&engine.stats),
            visit_log: engine.visit_log.clone(),
        };
        let settings = Arc::clone(&engine.settings.borrow());
        let readers: Arc<Readers> = Arc::default();
        let evaluator = load(&engine, epoch, (&collector, &readers, &probes), &settings).await?;
        let dispatcher = Dispatcher::new(Arc::clone(&engine.store), epoch);
        Ok(Self {
            engine,
            epoch,
            settings,
            collector,
            readers,
            probes,
            committer,
            evaluator,
            dispatcher,
            discrepancy,
            outbox,
            listed_at: None,
        })
    }

    /// Where visits are counted.
    pub fn collector(&self) -> &Arc<Collector> {
        &self.collector
    }

    /// Where what servers keep is read.
    pub fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    /// Where verdicts are counted.
    pub fn probes(&self) -> &Arc<Probes> {
        &self.probes
    }

    /// The settings that are in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Takes over other settings. What was visited and is not committed yet goes on waiting.
    pub async fn reload(&mut self, settings: Arc<Settings>) -> StoreResult<()> {
        let mut evaluator = load(
            &self.engine,
            self.epoch,
            (&self.collector, &self.readers, &self.probes),
            &settings,
        )
        .await?;
        evaluator.go_on_from(&self.evaluator);
        self.evaluator = evaluator;
        self.settings = settings;
        Ok(())
    }

    /// One tick: cursors are read, visits committed, everything evaluated, told to the outbox, and shown. After an error
    /// memory follows the store at the next tick.
    pub async fn step(&mut self, now: Timestamp) -> StoreResult<()> {
        let result = self.try_step(now).await;
        match &result {
            Ok(()) => {
                let before = self.engine.readiness.swap(Arc::new(Readiness::Ready));
                if *before != Readiness::Ready {
                    tracing::info!("ready");
                }
            }
            Err(StoreError::Fenced) => {}
            Err(error) => {
                self.engine.not_ready(error);
                self.collector.forget_uncommitted(error);
                self.probes.unsure();
                self.dispatcher = Dispatcher::new(Arc::clone(&self.engine.store), self.epoch);
            }
        }
        result
    }

    /// Gives new targets, and those whose last commit failed, their committed cursors.
    pub async fn read_cursors(&self, now: Timestamp) -> StoreResult<()> {
        let mut keys = self.collector.without_cursor();
        keys.extend(self.probes.without_cursor());
        if keys.is_empty() {
            return Ok(());
        }
        let store = &self.engine.store;
        let targets = store.sync_targets(self.epoch, &keys, now).await?;
        let cursors = store
            .load_cursors(&targets.iter().map(|target| target.id).collect::<Vec<_>>())
            .await?;
        let records: Vec<_> = targets.into_iter().zip(cursors).collect();
        if let Some(log) = &self.engine.visit_log {
            // It tells what has become of a commit whose end nobody heard of.
            for (target, cursor) in &records {
                log(&serde_json::json!({
                    "kind": "cursor",
                    "epoch": self.epoch,
                    "target": target.key,
                    "seq": cursor.seq,
                }));
            }
        }
        self.collector.set_cursors(&records);
        self.probes.set_cursors(&records);
        Ok(())
    }

    /// A stop: what was visited since the last tick is committed while the lease still holds.
    pub async fn commit_rest(&self) {
        if let Err(error) = self.committer.commit(self.engine.clock.now()).await {
            tracing::warn!(%error, "the last visits are not committed; they will be counted after the next start");
        }
    }

    async fn note_listed(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.listed_at.is_none_or(|at| now.since(at) >= LIST_EVERY_MS) {
            let mut listed = self.collector.targets();
            listed.extend(self.readers.target_keys());
            listed.extend(self.probes.target_keys());
            self.engine.store.sync_targets(self.epoch, &listed, now).await?;
            self.listed_at = Some(now);
        }
        Ok(())
    }

    async fn try_step(&mut self, now: Timestamp) -> StoreResult<()> {
        self.read_cursors(now).await?;
        self.note_listed(now).await?;
        let (engine, dispatcher) = (&self.engine, &mut self.dispatcher);
        let began = engine.clock.now();
        let mut snapshot = self
            .evaluator
            .tick(&self.committer, &engine.stats, now, |key| dispatcher.muted_by(key))
            .await?;
        let took = engine.clock.now().since(began).max(0);
        engine
            .stats
            .evaluation_duration
            .observe(Duration::from_millis(took as u64));
        snapshot.discrepancy_micro = self.discrepancy.get();
        snapshot.heartbeats = engine.pushes.heartbeats(now);
        let snapshot = Arc::new(snapshot);
        engine.snapshot.store(Arc::clone(&snapshot));
        let routing = Arc::clone(&engine.routing.borrow());
        let silences = engine.store.silences(now).await?;
        let present = Present {
            routing: &routing,
            alerts: self.evaluator.alerts(),
            snapshot: &snapshot,
            silences: &silences,
            now,
        };
        if dispatcher.pass(&present).await? > 0 {
            self.outbox.notify_one();
        }
        Ok(())
    }
}

/// Makes the SLOs known to the store and reads everything about them.
async fn load(
    engine: &Engine,
    epoch: Epoch,
    (collector, readers, probes): (&Collector, &Arc<Readers>, &Probes),
    settings: &Settings,
) -> StoreResult<Evaluator> {
    let now = engine.clock.now();
    let loaded = settings.desired.to_loaded();
    let records: Vec<SloRecord> = engine.store.sync_slos(epoch, &loaded, now).await?;
    engine.store.save_revisions(epoch, &settings.revisions).await?;
    let mut catalog = Catalog::new(&settings.desired, &records, settings.revision);
    let mut editions = Editions::parse(engine.store.load_fact(EDITIONS).await?.as_deref());
    if editions.assign(&mut catalog, epoch) {
        engine.store.save_fact(epoch, EDITIONS, &editions.to_text()).await?;
    }
    let catalog = Arc::new(catalog);
    let sums: Vec<_> = catalog.entries.iter().map(|entry| (entry.id, None)).collect();
    engine.store.ensure_keys(epoch, &sums, now).await?;
    let mut keys = Keys::default();
    keys.extend(&engine.store.load_keys().await?);
    collector.set_catalog(Arc::clone(&catalog), keys.clone());
    readers.set_catalog(&catalog, &keys);
    engine.pushes.set_catalog(&catalog, &keys, &settings.heartbeats);
    probes.set_catalog(&catalog, keys.clone());
    let revision = engine.snapshot.load().revision;
    let (store, readers) = (Arc::clone(&engine.store), Arc::clone(readers));
    let mut evaluator = Evaluator::load(store, epoch, readers, (catalog, keys), now, revision).await?;
    evaluator.listen_to(Arc::clone(&engine.pushes));
    Ok(evaluator)
}

/// Remembers the time in which nobody evaluated, for counting rule 1.
async fn note_downtime(engine: &Engine, epoch: Epoch) -> StoreResult<Vec<(Timestamp, Timestamp)>> {
    let (name, most) = DOWNTIMES;
    let stored = engine.store.load_fact(name).await?.unwrap_or_default();
    let mut downtimes: Vec<(i64, i64)> = serde_json::from_str(&stored).unwrap_or_default();
    if let Some(last) = engine.store.last_evaluation_at().await? {
        downtimes.push((last.0, engine.clock.now().0.max(last.0)));
    }
    downtimes.drain(..downtimes.len().saturating_sub(most));
    engine
        .store
        .save_fact(epoch, name, &serde_json::json!(downtimes).to_string())
        .await?;
    Ok(downtimes
        .into_iter()
        .map(|(from, until)| (Timestamp(from), Timestamp(until)))
        .collect())
}
