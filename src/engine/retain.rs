//! Retaining: packs minutes into days, proves that credits equal buckets, and deletes what is too old.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::ports::{Epoch, Retention, Store, StoreError, StoreResult};
use super::stats::Stats;
use crate::domain::time::Timestamp;

/// How often it looks for something to do.
const PERIOD: Duration = Duration::from_mins(1);
/// Days that are packed at a time; between two lots others get to write.
const DAYS_AT_A_TIME: u32 = 50;
/// How often what is too old is deleted.
const PRUNE_EVERY_MS: i64 = 3_600_000;
/// A jump of the clock between two rounds after which nothing is pruned until two agree.
const JUMP_MS: i64 = 3_600_000;

/// The default retention.
pub const DEFAULT_RETENTION: Retention = Retention {
    minutes_days: 400,
    hours_days: 400,
    messages_days: 30,
    targets_days: 30,
};

/// What the last proof found, in millionths of an event; before the first, nothing.
#[derive(Debug)]
pub struct Discrepancy(AtomicI64);

impl Default for Discrepancy {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Discrepancy {
    /// What the last proof found; `None` before the first.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != i64::MIN)
    }

    fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Does the housekeeping until it is cancelled.
pub struct Retainer {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Under which lease.
    pub epoch: Epoch,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the proof's result is shown.
    pub discrepancy: Arc<Discrepancy>,
    /// What is counted about it.
    pub stats: Arc<Stats>,
    /// For how long things are kept.
    pub retention: Retention,
}

impl Retainer {
    /// Runs until it is cancelled or fenced.
    pub async fn run(self, cancel: CancellationToken) -> StoreResult<()> {
        let (mut last_round, mut pruned_at): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        loop {
            let now = self.clock.now();
            let trusted = last_round.is_some_and(|last| (0..=JUMP_MS).contains(&now.since(last)));
            let prune = trusted && pruned_at.is_none_or(|at| now.since(at) >= PRUNE_EVERY_MS);
            match self.round(now, prune).await {
                Err(StoreError::Fenced) => return Err(StoreError::Fenced),
                Err(error) => tracing::warn!(%error, "housekeeping failed; trying again in a minute"),
                Ok(()) if prune => pruned_at = Some(now),
                Ok(()) => {}
            }
            last_round = Some(now);
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    async fn round(&self, now: Timestamp, prune: bool) -> StoreResult<()> {
        self.store.create_partitions(self.epoch, now).await?;
        while self.store.pack(self.epoch, now, DAYS_AT_A_TIME).await?.more {
            tokio::task::yield_now().await;
        }
        let discrepancy = self.store.prove().await?;
        if discrepancy != 0 {
            tracing::error!(
                discrepancy_micro = discrepancy,
                "the ledger's credits do not equal its buckets"
            );
        }
        self.discrepancy.set(discrepancy);
        self.stats
            .dead_letters
            .set(i64::try_from(self.store.dead_letters().await?).unwrap_or(i64::MAX));
        if prune {
            self.store.prune(self.epoch, self.retention, now).await?;
        }
        Ok(())
    }
}
