//! The schedule: every target has its own period and a phase from a hash of its key, so that load is even.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Asked, Collector};
use crate::domain::reading::{Missing, Reading};
use crate::domain::schedule::{VisitBreaker, next_visit};
use crate::domain::time::{Timestamp, millis};
use crate::engine::clock::Clock;
use crate::engine::ports::ListedTarget;

/// Visits that are under way at the same time; further ones wait for their turn.
pub const VISITS_MAX: usize = 512;

/// What all targets share.
struct Shared {
    collector: Arc<Collector>,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
}

/// Visits the listed targets until it is cancelled; a change of the list takes effect at once.
pub async fn visit_targets(
    collector: Arc<Collector>,
    clock: Arc<dyn Clock>,
    mut targets: watch::Receiver<Arc<Vec<ListedTarget>>>,
    cancel: CancellationToken,
) {
    let shared = Arc::new(Shared {
        collector,
        clock,
        turns: Semaphore::new(VISITS_MAX),
    });
    let mut running: HashMap<String, (u64, CancellationToken)> = HashMap::new();
    let tracker = TaskTracker::new();
    loop {
        let listed = Arc::clone(&targets.borrow_and_update());
        shared.collector.set_targets(&listed);
        let hashes: HashMap<String, u64> = listed.iter().map(|t| (t.target.key(), t.config_hash)).collect();
        running.retain(|key, (hash, stop)| {
            let keeps = hashes.get(key) == Some(hash);
            if !keeps {
                stop.cancel();
            }
            keeps
        });
        running.shrink_to(2 * listed.len());
        for target in listed.iter() {
            running.entry(target.target.key()).or_insert_with(|| {
                let stop = cancel.child_token();
                let visits = visit_target(Arc::clone(&shared), target.clone());
                tracker.spawn(stop.clone().run_until_cancelled_owned(visits));
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

/// Visits one target at its times, for ever.
async fn visit_target(shared: Arc<Shared>, listed: ListedTarget) {
    let (key, interval) = (listed.target.key(), listed.target.interval);
    let Shared { collector, clock, .. } = &*shared;
    // While the store is away nothing can count, but people want to see who answers.
    tokio::select! {
        () = collector.cursor_of(&key) => {}
        () = tokio::time::sleep(interval) => {}
    }
    let (mut breaker, mut silence) = (VisitBreaker::default(), None);
    let mut due = next_visit(&key, interval, clock.now());
    loop {
        let next = due + interval * breaker.turns_left(interval);
        collector.plan(&key, next);
        sleep_until(due, clock.as_ref()).await;
        if let Some(missing) = silence.as_ref().filter(|_| !breaker.allow(interval)) {
            skip(&shared, &listed, missing, next);
        } else {
            silence = visit(&shared, &listed, due).await;
            match &silence {
                Some(_) => breaker.unanswered(),
                None => breaker.answered(),
            }
        }
        // A visit that was early by the clock must not be made twice.
        let next = next_visit(&key, interval, clock.now().max(due));
        let skipped = next.since(due) / millis(interval).max(1) - 1;
        collector.stats.scrapes_skipped.add(u64::try_from(skipped).unwrap_or(0));
        due = next;
    }
}

async fn sleep_until(due: Timestamp, clock: &dyn Clock) {
    tokio::time::sleep(clock.now().until(due)).await;
}

/// One visit, in its turn; tells if nobody has answered.
async fn visit(shared: &Shared, listed: &ListedTarget, due: Timestamp) -> Option<Missing> {
    let Shared {
        collector,
        clock,
        turns,
    } = shared;
    // The semaphore is never closed.
    let _turn = turns.acquire().await.ok();
    let began = clock.now();
    let selection = collector.selection();
    let asked = Asked::of(&listed.target, &selection);
    let reading = listed.visitor.visit(&selection).await;
    let at = clock.now();
    let took = began.until(at);
    collector.stats.scrape_lag.observe(due.until(began));
    collector.stats.scrape_duration.observe(took);
    let silence = match &reading {
        Reading::Missing(missing) if missing.reason.is_silence() => Some(missing.clone()),
        _ => None,
    };
    collector.apply(&listed.target.key(), asked, reading, at, took);
    silence
}

/// A visit that is not made, because nobody has answered for long: it gives what the last one gave.
fn skip(shared: &Shared, listed: &ListedTarget, last: &Missing, next: Timestamp) {
    let Missing { reason, detail } = last;
    let missing = Missing {
        reason: *reason,
        detail: format!("not visited: {detail}; next try at {next}"),
    };
    let asked = Asked::of(&listed.target, &shared.collector.selection());
    let now = shared.clock.now();
    shared.collector.skip(&listed.target.key(), asked, missing, now);
}
