//! The schedule: every target has its own period and a phase from a hash of its key, so that load is even.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Collector;
use crate::domain::schedule::next_visit;
use crate::engine::clock::Clock;
use crate::engine::ports::ListedTarget;

/// Visits the listed targets until it is cancelled; a change of the list takes effect at once.
pub async fn visit_targets(
    collector: Arc<Collector>,
    clock: Arc<dyn Clock>,
    mut targets: watch::Receiver<Arc<Vec<ListedTarget>>>,
    cancel: CancellationToken,
) {
    let mut running: HashMap<String, (u64, CancellationToken)> = HashMap::new();
    let tracker = TaskTracker::new();
    loop {
        let listed = Arc::clone(&targets.borrow_and_update());
        collector.set_targets(&listed);
        let hashes: HashMap<String, u64> = listed.iter().map(|t| (t.target.key(), t.config_hash)).collect();
        running.retain(|key, (hash, stop)| {
            let keeps = hashes.get(key) == Some(hash);
            if !keeps {
                stop.cancel();
            }
            keeps
        });
        for target in listed.iter() {
            running.entry(target.target.key()).or_insert_with(|| {
                let stop = cancel.child_token();
                let (collector, clock) = (Arc::clone(&collector), Arc::clone(&clock));
                tracker.spawn(visit_target(collector, clock, target.clone(), stop.clone()));
                (target.config_hash, stop)
            });
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            changed = targets.changed() => if changed.is_err() { cancel.cancelled().await; break },
        }
    }
    tracker.close();
    tracker.wait().await;
}

/// Visits one target at its times.
async fn visit_target(collector: Arc<Collector>, clock: Arc<dyn Clock>, listed: ListedTarget, stop: CancellationToken) {
    let key = listed.target.key();
    // While the store is away nothing can count, but people want to see who answers.
    tokio::select! {
        () = stop.cancelled() => return,
        () = collector.cursor_of(&key) => {}
        () = tokio::time::sleep(listed.target.interval) => {}
    }
    loop {
        let now = clock.now();
        let wait = next_visit(&key, listed.target.interval, now).since(now).max(0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(wait as u64)) => {}
        }
        let began = clock.now();
        let selection = collector.selection();
        tokio::select! {
            () = stop.cancelled() => return,
            reading = listed.visitor.visit(&selection) => {
                let at = clock.now();
                let took = Duration::from_millis(at.since(began).max(0) as u64);
                collector.apply(&key, reading, at, took);
            }
        }
    }
}
