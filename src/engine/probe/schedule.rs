//! The schedule of probes: every target has its own period and a phase from a hash of its key, so that load is even.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Probes;
use crate::domain::schedule::next_visit;
use crate::domain::time::millis;
use crate::domain::verdict::ProbeKind;
use crate::engine::clock::Clock;
use crate::engine::ports::{ListedProbe, ListedProbes, ProbeLimits};
use crate::engine::stats::Stats;

/// What all probes share.
struct Shared {
    probes: Arc<Probes>,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
}

/// The turns of kinds and hosts.
struct Turns {
    limits: ProbeLimits,
    kinds: HashMap<ProbeKind, Arc<Semaphore>>,
    hosts: HashMap<String, Arc<Semaphore>>,
}

impl Turns {
    fn new(limits: ProbeLimits) -> Self {
        let kinds = ProbeKind::ALL
            .into_iter()
            .map(|kind| (kind, Arc::new(Semaphore::new(limits.of(kind).max(1)))));
        Self {
            kinds: kinds.collect(),
            hosts: HashMap::new(),
            limits,
        }
    }

    /// What a probe of this target must wait for: its host first, so that one host's queue takes nobody else's turn.
    fn of(&mut self, listed: &ListedProbe) -> [Arc<Semaphore>; 2] {
        let most = self.limits.per_host.max(1);
        let host = self
            .hosts
            .entry(listed.host.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(most)));
        [Arc::clone(host), Arc::clone(&self.kinds[&listed.target.kind])]
    }

    /// Drops hosts that nobody probes any more.
    fn forget_gone(&mut self) {
        self.hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
    }
}

/// Probes the listed targets until it is cancelled; a change of the list takes effect at once.
pub async fn probe_targets(
    probes: Arc<Probes>,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    mut listed: watch::Receiver<Arc<ListedProbes>>,
    cancel: CancellationToken,
) {
    let shared = Arc::new(Shared { probes, clock, stats });
    let mut running: HashMap<String, (u64, CancellationToken)> = HashMap::new();
    let mut turns = Turns::new(ProbeLimits::default());
    let tracker = TaskTracker::new();
    loop {
        let now_listed = Arc::clone(&listed.borrow_and_update());
        shared.probes.set_probes(&now_listed.probes);
        if turns.limits != now_listed.limits {
            for (_, (_, stop)) in running.drain() {
                stop.cancel();
            }
            turns = Turns::new(now_listed.limits.clone());
        }
        let hashes: HashMap<String, u64> = now_listed
            .probes
            .iter()
            .map(|p| (p.target.key(), p.config_hash))
            .collect();
        running.retain(|key, (hash, stop)| {
            let keeps = hashes.get(key) == Some(hash);
            if !keeps {
                stop.cancel();
            }
            keeps
        });
        turns.forget_gone();
        for probe in &now_listed.probes {
            running.entry(probe.target.key()).or_insert_with(|| {
                let stop = cancel.child_token();
                let probing = probe_target(Arc::clone(&shared), probe.clone(), turns.of(probe));
                tracker.spawn(stop.clone().run_until_cancelled_owned(probing));
                (probe.config_hash, stop)
            });
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            changed = listed.changed() => if changed.is_err() { cancel.cancelled().await; break },
        }
    }
    tracker.close();
    tracker.wait().await;
}

/// Probes one target at its times, for ever.
async fn probe_target(shared: Arc<Shared>, listed: ListedProbe, turns: [Arc<Semaphore>; 2]) {
    let (key, interval) = (listed.target.key(), listed.target.interval);
    let Shared { probes, clock, stats } = &*shared;
    let mut due = next_visit(&key, interval, clock.now());
    loop {
        probes.plan(&key, due);
        tokio::time::sleep(clock.now().until(due)).await;
        // Whoever has no turn until it is due again is skipped.
        let turn = tokio::time::timeout(interval, take(&turns)).await;
        let made = turn.is_ok();
        if made {
            stats.probe_lag.observe(due.until(clock.now()));
            let verdict = listed.prober.probe().await;
            stats.probe_duration.observe(&[listed.target.kind.word()], verdict.took);
            probes.apply(&key, verdict, clock.now());
        }
        drop(turn);
        // A probe that was early by the clock must not be made twice.
        let next = next_visit(&key, interval, clock.now().max(due));
        let skipped = next.since(due) / millis(interval).max(1) - i64::from(made);
        probes.overrun(&key, u64::try_from(skipped).unwrap_or(0));
        due = next;
    }
}

async fn take(turns: &[Arc<Semaphore>; 2]) -> Vec<OwnedSemaphorePermit> {
    let mut taken = Vec::with_capacity(2);
    for turn in turns {
        // The semaphores are never closed.
        taken.extend(Arc::clone(turn).acquire_owned().await.ok());
    }
    taken
}
