//! The task that counts what is pushed: one transaction after the other, each with all that came during the last one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::beats::{Beats, Turn};
use super::{PushDone, PushRefusal, Pushes, Registry, Waiting, WaitingPing, answer};
use crate::domain::time::Timestamp;
use crate::engine::clock::Clock;
use crate::engine::ports::{KeyId, PushCommit, PushFailure, PushOutcome, Pushed, StoreError, StoreResult};
use crate::engine::read::books::Changes;
use crate::engine::read::reader::Writing;
use crate::engine::stats::Stats;

/// The longest time for which the task sleeps.
const IDLE: Duration = Duration::from_secs(30);
/// How long to wait after the store has failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A commit of unknown outcome may still take effect for so long: a server gives up a transaction after that.
const DOUBTFUL_FOR_MS: i64 = 90_000;
/// How often sums are read again meanwhile.
const DOUBT_EVERY: Duration = Duration::from_secs(10);

/// Counts what is pushed, until it is stopped.
pub struct PushTask {
    pushes: Arc<Pushes>,
    writing: Writing,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    beats: Beats,
    /// The registry for which everything was read.
    revision: Option<u64>,
    /// Keys of which the store may hold more than memory knows, and until when.
    doubts: Vec<(Timestamp, BTreeSet<KeyId>)>,
}

/// While it lives this process counts.
struct Opened(Arc<Pushes>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl PushTask {
    /// A task that has not begun.
    pub fn new(pushes: Arc<Pushes>, writing: Writing, clock: Arc<dyn Clock>, stats: Arc<Stats>) -> Self {
        let (beats, doubts) = (Beats::default(), Vec::new());
        Self {
            pushes,
            writing,
            clock,
            stats,
            beats,
            revision: None,
            doubts,
        }
    }

    /// Counts until it is stopped, or the lease is lost.
    pub async fn run(mut self, stop: CancellationToken) {
        let pushes = Arc::clone(&self.pushes);
        let _opened = self.open();
        loop {
            let outcome = self.step().await;
            let is_well = outcome.is_ok();
            let wait = match outcome {
                Err(StoreError::Fenced) => return,
                Err(error) => {
                    tracing::warn!(%error, "what was pushed could not be counted");
                    RETRY_AFTER
                }
                Ok(()) if pushes.has_waiting() => Duration::ZERO,
                Ok(()) => self.wait(),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = pushes.changed.notified(), if is_well => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// From now on pushes are taken, as long as what is given back lives.
    pub fn open(&self) -> impl Drop + use<> {
        self.pushes.open();
        Opened(Arc::clone(&self.pushes))
    }

    /// Counts what waits: all that goes into one transaction, and what is due of heartbeats.
    pub async fn step(&mut self) -> StoreResult<()> {
        let now = self.clock.now();
        let registry = Arc::clone(&self.pushes.lock().registry);
        let (requests, pings) = (self.pushes.take(), self.pushes.take_pings());
        if let Err(error) = self.read(&registry).await {
            refuse(requests, pings, &PushRefusal::NotCounted);
            return Err(error);
        }
        self.read_doubtful(now).await;
        let counted = self.count(requests, now).await;
        if let Err(error) = counted {
            self.beats.was_away |= !pings.is_empty();
            refuse(Vec::new(), pings, &refusal(&error, false));
            return Err(error);
        }
        self.beat(&registry, pings, now).await
    }

    /// Reads what another catalog needs.
    async fn read(&mut self, registry: &Registry) -> StoreResult<()> {
        if self.revision == Some(registry.revision) {
            return Ok(());
        }
        let store = self.writing.store.as_ref();
        let mut beats = Beats::load(store, registry).await?;
        if self.revision.is_some() {
            // Other files were read meanwhile, and no more.
            beats.was_away = self.beats.was_away;
        }
        self.beats = beats;
        // What was made while the files were read is known to the store alone.
        let made = store.load_keys().await?;
        let keys: Vec<KeyId> = registry.sums.iter().map(|(_, key)| *key).collect();
        let lifetimes = store.lifetimes(&keys).await?;
        let mut shared = self.pushes.lock();
        shared.groups.add_keys(&made);
        for ((slo, _), (_, lifetime)) in registry.sums.iter().zip(lifetimes) {
            if lifetime.total > 0 {
                shared.fed.insert(*slo);
            }
        }
        shared.states.clone_from(&self.beats.states);
        self.revision = Some(registry.revision);
        Ok(())
    }

    /// While a commit may still take effect its sums are read again and again.
    async fn read_doubtful(&mut self, now: Timestamp) {
        if self.doubts.is_empty() {
            return;
        }
        let mut changes = self.writing.books.lock().await;
        for (_, keys) in &self.doubts {
            changes.unknown.extend(keys);
        }
        self.doubts.retain(|(until, _)| *until > now);
    }

    /// Counts requests together; when the store refuses the data of one, the others without it.
    async fn count(&mut self, requests: Vec<Waiting>, now: Timestamp) -> StoreResult<()> {
        let mut parts = vec![requests];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.commit_requests(&mut part, now).await {
                Ok((places, pushed)) => self.answer(part, &places, &pushed, now),
                Err((StoreError::Data(_), _)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err((StoreError::Data(error), _)) => {
                    tracing::error!(%error, "the store refuses what was pushed");
                    refuse(part, Vec::new(), &PushRefusal::Refused);
                }
                Err((error, is_unknown)) => {
                    refuse(part, Vec::new(), &refusal(&error, is_unknown));
                    let rest = parts.into_iter().flatten().collect();
                    refuse(rest, Vec::new(), &refusal(&error, false));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Commits requests; gives their places in the commit. An error says also whether the outcome is unknown.
    async fn commit_requests(
        &mut self,
        part: &mut [Waiting],
        now: Timestamp,
    ) -> Result<(Vec<Option<usize>>, Pushed), (StoreError, bool)> {
        // Whoever reads sums from the store waits, so that what is counted here is seen by them once.
        let books = Arc::clone(&self.writing.books);
        let mut changes = books.lock().await;
        let lacking = self.pushes.admit(part);
        if !lacking.is_empty() {
            let records = self.writing.store.ensure_keys(self.writing.epoch, &lacking, now).await;
            let records = records.map_err(|error| (error, false))?;
            self.pushes.add_keys(&records);
            changes.new_keys.extend(records);
        }
        let mut commit = PushCommit {
            witness: *Uuid::now_v7().as_bytes(),
            at: now,
            ..PushCommit::default()
        };
        let mut places = Vec::with_capacity(part.len());
        for request in self.pushes.resolve(part) {
            places.push(request.is_some().then_some(commit.requests.len()));
            commit.requests.extend(request);
        }
        let pushed = self.commit(&commit, &mut changes, now).await?;
        Ok((places, pushed))
    }

    /// Commits, and enters what took effect for the sums in memory. An error says also whether the outcome is unknown.
    async fn commit(
        &mut self,
        commit: &PushCommit,
        changes: &mut Changes,
        now: Timestamp,
    ) -> Result<Pushed, (StoreError, bool)> {
        let pushed = match self.writing.store.commit_pushes(self.writing.epoch, commit).await {
            Ok(pushed) => pushed,
            Err(PushFailure { error, unknown: None }) => return Err((error, false)),
            Err(PushFailure {
                error,
                unknown: Some(pushed),
            }) => match self.find_out(pushed, now).await {
                Ok(pushed) => pushed,
                Err(doubtful) => {
                    changes.unknown.extend(doubtful);
                    return Err((error, true));
                }
            },
        };
        changes.credits.extend(&pushed.credits);
        Ok(pushed)
    }

    /// The outcome of a commit is unknown: whether it took effect is looked up before anybody is answered. When that
    /// cannot be seen either, its keys are doubtful for a while.
    async fn find_out(&mut self, pushed: Pushed, now: Timestamp) -> Result<Pushed, BTreeSet<KeyId>> {
        let found = match pushed.witness {
            None => Ok(true),
            Some(witness) => self.writing.store.is_pushed(&witness).await,
        };
        if matches!(found, Ok(true)) {
            return Ok(pushed);
        }
        let keys: BTreeSet<KeyId> = pushed.credits.iter().map(|credit| credit.key).collect();
        self.doubts.push((Timestamp(now.0 + DOUBTFUL_FOR_MS), keys.clone()));
        Err(keys)
    }

    fn answer(&self, part: Vec<Waiting>, places: &[Option<usize>], pushed: &Pushed, now: Timestamp) {
        let outcomes: Vec<_> = places
            .iter()
            .map(|place| place.and_then(|place| pushed.outcomes.get(place)))
            .collect();
        for (waiting, outcome) in part.into_iter().zip(outcomes) {
            let told = match outcome {
                // Its SLO has gone with a reload while it waited.
                None => Err(PushRefusal::NotCounted),
                Some(PushOutcome::Conflict { event }) => Err(PushRefusal::Conflict(*event)),
                Some(PushOutcome::Counted { accepted, duplicates }) => {
                    self.stats.pushed_events.add(&["accepted"], *accepted);
                    self.stats.pushed_events.add(&["duplicate"], *duplicates);
                    let slos: BTreeSet<i64> = waiting.request.events.iter().map(|event| event.slo).collect();
                    self.pushes.note_pushed(slos.into_iter(), now);
                    Ok(PushDone {
                        accepted: *accepted,
                        duplicates: *duplicates,
                    })
                }
            };
            answer(waiting.reply, told);
        }
    }

    /// Commits pings, deadlines and the minute that was listened to.
    async fn beat(&mut self, registry: &Registry, pings: Vec<WaitingPing>, now: Timestamp) -> StoreResult<()> {
        let Some(turn) = self.beats.turn(registry, &pings, now) else {
            return Ok(());
        };
        match self.commit_turn(&turn, now).await {
            Ok(()) => {
                self.beats = turn.after;
                let mut shared = self.pushes.lock();
                shared.states.clone_from(&self.beats.states);
                shared.heard = self.beats.listening.until();
                drop(shared);
                for (waiting, counts) in pings.into_iter().zip(turn.counts) {
                    answer(waiting.reply, Ok(counts));
                }
                Ok(())
            }
            Err((error, is_unknown)) => {
                self.beats.was_away = true;
                if is_unknown {
                    // Memory follows the store.
                    self.revision = None;
                }
                refuse(Vec::new(), pings, &refusal(&error, is_unknown));
                Err(error)
            }
        }
    }

    async fn commit_turn(&mut self, turn: &Turn, now: Timestamp) -> Result<(), (StoreError, bool)> {
        let books = Arc::clone(&self.writing.books);
        let mut changes = books.lock().await;
        let commit = PushCommit {
            requests: Vec::new(),
            credits: turn.credits.clone(),
            facts: turn.facts.clone(),
            witness: *Uuid::now_v7().as_bytes(),
            at: now,
        };
        self.commit(&commit, &mut changes, now).await.map(drop)
    }

    /// How long there is nothing to do.
    fn wait(&self) -> Duration {
        let registry = Arc::clone(&self.pushes.lock().registry);
        let due = self.beats.next_due(&registry).map_or(IDLE, |due| {
            let wait = due.since(self.clock.now()).max(0);
            Duration::from_millis(u64::try_from(wait).unwrap_or(0)).max(RETRY_AFTER)
        });
        let doubt = if self.doubts.is_empty() { IDLE } else { DOUBT_EVERY };
        due.min(doubt).min(IDLE)
    }
}

/// What is told of a failing store.
fn refusal(error: &StoreError, is_unknown: bool) -> PushRefusal {
    match error {
        StoreError::Fenced => PushRefusal::Standby,
        _ if is_unknown => PushRefusal::Unknown,
        _ => PushRefusal::NotCounted,
    }
}

fn refuse(requests: Vec<Waiting>, pings: Vec<WaitingPing>, why: &PushRefusal) {
    for waiting in requests {
        answer(waiting.reply, Err(why.clone()));
    }
    for waiting in pings {
        answer(waiting.reply, Err(why.clone()));
    }
}
