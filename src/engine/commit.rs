//! Committing: what the visits since the last evaluation came to goes into the store, in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::collect::{Batch, Collector};
use super::ports::{Epoch, KeyRecord, Store, StoreError, StoreResult, TargetCommit};
use super::probe::Probes;
use super::stats::Stats;
use crate::domain::time::Timestamp;

/// Credits in one write transaction; a target with more goes alone.
const CREDITS_AT_A_TIME: usize = 1000;

/// Targets in one write transaction: each moves a cursor.
const TARGETS_AT_A_TIME: usize = 500;

/// Where visits are written down, before and after their commit, for proofs that replay them.
pub type VisitLog = Arc<dyn Fn(&serde_json::Value) + Send + Sync>;

/// Commits what waits.
pub struct Committer {
    /// Where it goes.
    pub store: Arc<dyn Store>,
    /// Under which lease.
    pub epoch: Epoch,
    /// Where it waits.
    pub collector: Arc<Collector>,
    /// Where verdicts wait.
    pub probes: Arc<Probes>,
    /// For durations.
    pub clock: Arc<dyn Clock>,
    /// What is counted about it.
    pub stats: Arc<Stats>,
    /// Where committed visits are written down.
    pub visit_log: Option<VisitLog>,
}

/// What a commit did.
#[derive(Debug, Default)]
pub struct Committed {
    /// What took effect.
    pub commits: Vec<TargetCommit>,
    /// Ledger keys that were made for new groups.
    pub new_keys: Vec<KeyRecord>,
}

impl Committer {
    /// Commits everything that waits: together; when the store refuses the data of one target, the others without it,
    /// and that one with its present values as its baseline. After an error nothing that waited is kept.
    pub async fn commit(&self, now: Timestamp) -> StoreResult<Committed> {
        let began = self.clock.now();
        let result = self.try_commit(now).await;
        let took = self.clock.now().since(began).max(0);
        self.stats.commit_duration.observe(Duration::from_millis(took as u64));
        self.stats
            .commits
            .add(&[if result.is_ok() { "ok" } else { "failed" }], 1);
        if let Err(error) = &result {
            self.collector.forget_uncommitted(error);
            self.probes.unsure();
        }
        result
    }

    async fn try_commit(&self, now: Timestamp) -> StoreResult<Committed> {
        let mut groups = self.collector.groups_without_key();
        groups.extend(self.probes.groups_without_key());
        let mut committed = Committed::default();
        if !groups.is_empty() {
            committed.new_keys = self.store.ensure_keys(self.epoch, &groups, now).await?;
            self.collector.add_keys(&committed.new_keys);
            self.probes.add_keys(&committed.new_keys);
        }
        let Batch { mut commits, visits } = self.collector.take_batch();
        let mut notes = self.visit_log.as_ref().map(|log| {
            let targets = commits.iter().map(|commit| commit.target);
            Notes::new(log, self.epoch, targets.zip(visits).collect())
        });
        commits.extend(self.probes.take_commits());
        let mut waiting = in_small_parts(commits);
        while let Some(mut part) = waiting.pop() {
            if let Some(notes) = &notes {
                notes.write("begin", &part);
            }
            let result = self.store.commit_visits(self.epoch, &part, now).await;
            if let Some(notes) = &notes {
                notes.write_end(&result, &part);
            }
            match result {
                Ok(()) => {
                    self.collector.committed(&part);
                    self.probes.committed(&part);
                    committed.commits.append(&mut part);
                }
                Err(StoreError::Data(_)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    waiting.extend([rest, part]);
                }
                Err(StoreError::Data(error)) if part.iter().any(|commit| !commit.credits.is_empty()) => {
                    for commit in &mut part {
                        tracing::error!(target.id = commit.target, %error, "the store refuses events; taking a new baseline");
                        self.collector.refused(commit.target, now);
                        self.probes.refused(commit.target, now);
                        commit.credits.clear();
                        if let Some(notes) = &mut notes {
                            notes.refused.insert(commit.target);
                        }
                    }
                    waiting.push(part);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(committed)
    }
}

/// What the log of visits says of one batch.
struct Notes<'a> {
    log: &'a VisitLog,
    epoch: Epoch,
    /// Job, URL and visits, by target.
    visits: HashMap<i64, serde_json::Value>,
    /// Targets whose events the store does not take.
    refused: BTreeSet<i64>,
}

impl<'a> Notes<'a> {
    fn new(log: &'a VisitLog, epoch: Epoch, visits: HashMap<i64, serde_json::Value>) -> Self {
        let refused = BTreeSet::new();
        Self {
            log,
            epoch,
            visits,
            refused,
        }
    }

    /// How a commit ended, as far as that is known.
    fn write_end(&self, result: &StoreResult<()>, part: &[TargetCommit]) {
        match result {
            Ok(()) => self.write("commit", part),
            Err(StoreError::Unavailable(_)) => {}
            Err(_) => self.write("failed", part),
        }
    }

    fn write(&self, kind: &str, part: &[TargetCommit]) {
        for commit in part {
            let Some(visits) = self.visits.get(&commit.target) else {
                continue;
            };
            (self.log)(&serde_json::json!({
                "kind": kind,
                "epoch": self.epoch,
                "job": visits["job"],
                "url": visits["url"],
                "seq": commit.expected_seq + 1,
                "refused": self.refused.contains(&commit.target),
                "visits": visits["visits"],
            }));
        }
    }
}

/// Splits a batch, so that no write transaction takes long; each target stays whole.
fn in_small_parts(commits: Vec<TargetCommit>) -> Vec<Vec<TargetCommit>> {
    let (mut parts, mut size): (Vec<Vec<TargetCommit>>, usize) = (Vec::new(), 0);
    for commit in commits {
        let credits = commit.credits.len();
        match parts.last_mut() {
            Some(part) if part.len() < TARGETS_AT_A_TIME && size + credits <= CREDITS_AT_A_TIME => {
                size += credits;
                part.push(commit);
            }
            _ => {
                size = credits;
                parts.push(vec![commit]);
            }
        }
    }
    // The last is taken first: the parts go out in the order of their targets.
    parts.reverse();
    parts
}
