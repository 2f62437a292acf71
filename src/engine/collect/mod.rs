//! Collecting: visits become counts that wait in memory until the next commit.
//!
//! A counter is its own redo log, so nothing is lost by waiting: what a crash, a failed commit or a lost connection
//! throws away is seen again at the next visit, counted from the cursor that was committed last.

pub mod cursor;
pub mod notes;
mod page;
pub mod schedule;
pub mod target;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::notes::Notes;
use self::target::TargetState;
use super::catalog::{Catalog, GROUPS_MAX, Keys};
use super::ports::{Credit, CursorRecord, KeyId, ListedTarget, StoreError, TargetCommit, TargetRecord};
use super::snapshot::{DiagnosticView, TargetView};
use super::stats::Stats;
use crate::domain::counting::cursor::{SloCursor, TargetHeader};
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::domain::reading::Reading;
use crate::domain::selection::Selection;
use crate::domain::time::{Minute, Timestamp};

/// Counts visits and keeps what is not committed yet.
pub struct Collector {
    state: Mutex<State>,
    stats: Arc<Stats>,
    /// Keep the visits of each commit, for the log that proofs replay.
    log_visits: bool,
    /// Targets are waiting for their cursors.
    cursors_wanted: Notify,
    /// Targets have got their cursors.
    cursors_set: Notify,
}

struct State {
    catalog: Arc<Catalog>,
    keys: Keys,
    /// Groups that have been seen but have no ledger key yet.
    new_groups: BTreeMap<i64, Vec<Group>>,
    targets: HashMap<String, TargetState>,
    notes: Notes,
    /// Events per second in the busiest hour, by SLO.
    busiest: HashMap<i64, f64>,
    downtimes: Vec<(Timestamp, Timestamp)>,
}

/// Events for one bucket that wait for their commit.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCredit {
    /// The SLO's number.
    pub slo: i64,
    /// The group; `None` for the SLO itself.
    pub group: Option<Group>,
    /// The minute.
    pub minute: Minute,
    /// What is added.
    pub bucket: Bucket,
}

/// What a commit takes along: one entry per target, in the order of their numbers.
#[derive(Debug, Default)]
pub struct Batch {
    /// What the store gets.
    pub commits: Vec<TargetCommit>,
    /// For the log that proofs replay, one entry per commit: job, URL and the visits, none when nobody keeps it.
    pub visits: Vec<serde_json::Value>,
}

/// How the targets of one SLO are doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SloHealth {
    /// Listed targets that ever held a match.
    pub feeding: usize,
    /// Every feeding target was visited, or missed, twice since this process took over.
    pub settled: bool,
    /// When a feeding target was last seen.
    pub seen_at: Option<Timestamp>,
    /// When a series was last matched.
    pub matched_at: Option<Timestamp>,
    /// Resets since this process took over.
    pub resets: u64,
    /// What is wrong with its data.
    pub diagnostics: Vec<DiagnosticView>,
}

impl Collector {
    /// Nothing is known yet.
    pub fn new(stats: Arc<Stats>, log_visits: bool, downtimes: Vec<(Timestamp, Timestamp)>) -> Self {
        let state = State {
            catalog: Arc::default(),
            keys: Keys::default(),
            new_groups: BTreeMap::new(),
            targets: HashMap::new(),
            notes: Notes::default(),
            busiest: HashMap::new(),
            downtimes,
        };
        Self {
            state: Mutex::new(state),
            stats,
            log_visits,
            cursors_wanted: Notify::new(),
            cursors_set: Notify::new(),
        }
    }

    /// Takes over another catalog: what waits for SLOs that are gone is dropped with them.
    pub fn set_catalog(&self, catalog: Arc<Catalog>, keys: Keys) {
        let mut state = self.lock();
        for target in state.targets.values_mut() {
            target.set_catalog(&catalog);
        }
        state.notes.retain(|slo| catalog.entry(slo).is_some());
        // What waits for groups that have no ledger key yet goes on waiting.
        state.new_groups.retain(|slo, groups| {
            groups.retain(|group| keys.get(*slo, Some(group)).is_none());
            catalog.entry(*slo).is_some() && !groups.is_empty()
        });
        (state.catalog, state.keys) = (catalog, keys);
    }

    /// What a scrape has to keep at present.
    pub fn selection(&self) -> Arc<Selection> {
        Arc::clone(&self.lock().catalog.selection)
    }

    /// Each SLO's rate in its busiest hour, in events per second.
    pub fn set_busiest(&self, busiest: HashMap<i64, f64>) {
        self.lock().busiest = busiest;
    }

    /// Takes over the list of targets. One that is not on it any more is forgotten as soon as nothing of it waits for a
    /// commit: what its last visits saw counts.
    pub fn set_targets(&self, listed: &[ListedTarget]) {
        let mut state = self.lock();
        let keys: HashMap<String, &ListedTarget> = listed.iter().map(|listed| (listed.target.key(), listed)).collect();
        for target in state.targets.values_mut() {
            target.leaving = true;
        }
        state
            .targets
            .retain(|key, target| keys.contains_key(key) || target.waits());
        for (key, listed) in keys {
            match state.targets.get_mut(&key) {
                Some(known) => {
                    known.set_target(listed.target.clone());
                    known.leaving = false;
                }
                None => drop(state.targets.insert(key, TargetState::new(listed.target.clone()))),
            }
        }
        if state.targets.values().any(|target| !target.has_cursor()) {
            self.cursors_wanted.notify_one();
        }
    }

    /// The keys of all listed targets, sorted.
    pub fn targets(&self) -> Vec<String> {
        let state = self.lock();
        let listed = state.targets.iter().filter(|(_, target)| !target.leaving);
        let mut keys: Vec<String> = listed.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// Waits until targets have come whose cursor must be read.
    pub async fn cursors_wanted(&self) {
        self.cursors_wanted.notified().await;
    }

    /// Waits until a target has its cursor: a visit before that would count nothing.
    pub async fn cursor_of(&self, key: &str) {
        loop {
            let set = self.cursors_set.notified();
            if self.lock().targets.get(key).is_none_or(TargetState::has_cursor) {
                return;
            }
            set.await;
        }
    }

    /// Targets whose cursor must be read before their visits can count.
    pub fn without_cursor(&self) -> Vec<String> {
        let state = self.lock();
        let mut keys: Vec<String> = state
            .targets
            .iter()
            .filter(|(_, target)| !target.has_cursor())
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort();
        keys
    }

    /// Gives targets their committed cursors.
    pub fn set_cursors(&self, records: &[(TargetRecord, CursorRecord)]) {
        let mut state = self.lock();
        let catalog = Arc::clone(&state.catalog);
        for (record, cursor) in records {
            let listed_at = shift_by_downtime(record.first_listed_at, &state.downtimes);
            if let Some(target) = state.targets.get_mut(&record.key) {
                let header = TargetHeader::decode(&cursor.header);
                let slos: Result<HashMap<i64, SloCursor>, _> = cursor
                    .slos
                    .iter()
                    .map(|(slo, body)| SloCursor::decode(body).map(|cursor| (*slo, cursor)))
                    .collect();
                let (header, slos) = header.and_then(|header| slos.map(|slos| (header, slos))).unwrap_or_else(|error| {
                    // It is a target seen for the first time then: a baseline invents nothing.
                    tracing::error!(target = record.key, %error, "the stored cursor is dropped; taking a new baseline");
                    (TargetHeader::default(), HashMap::new())
                });
                target.set_cursor(record.id, cursor.seq, listed_at, header, slos);
                target.set_catalog(&catalog);
            }
        }
        self.cursors_set.notify_waiters();
    }

    /// Counts one visit.
    pub fn apply(&self, key: &str, reading: Reading, at: Timestamp, took: Duration) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(target) = state.targets.get_mut(key).filter(|target| !target.leaving) else {
            return;
        };
        let visit = target.visit(reading, at, took, &state.catalog, &state.busiest, self.log_visits);
        match &visit.missing {
            None => self.stats.scrapes.increment(),
            Some(missing) => self.stats.scrape_failures.add(&[missing.reason.word()], 1),
        }
        self.stats.scrape_duration.observe(took);
        self.stats.samples_seen.add(visit.samples_seen);
        self.stats.samples_selected.add(visit.samples_selected);
        for (slo, notes) in visit.notes {
            state.notes.set(slo, key, notes, at);
        }
        let mut credits = Vec::new();
        for credit in visit.credits {
            credits.extend(state.admit(credit));
        }
        if let Some(target) = state.targets.get_mut(key) {
            target.pend(credits);
        }
    }

    /// Groups that need a ledger key before the next commit.
    pub fn groups_without_key(&self) -> Vec<(i64, Option<Group>)> {
        let state = self.lock();
        let groups = state
            .new_groups
            .iter()
            .flat_map(|(slo, groups)| groups.iter().map(|group| (*slo, Some(group.clone()))));
        groups.collect()
    }

    /// Makes new ledger keys known.
    pub fn add_keys(&self, records: &[super::ports::KeyRecord]) {
        let mut state = self.lock();
        state.keys.extend(records);
        for record in records {
            if let (Some(group), Some(waiting)) = (&record.group, state.new_groups.get_mut(&record.slo)) {
                waiting.retain(|known| known != group);
            }
        }
        state.new_groups.retain(|_, groups| !groups.is_empty());
    }

    /// Takes what waits. Until `committed` or `failed` is called the cursors move on in memory only.
    pub fn take_batch(&self) -> Batch {
        let mut guard = self.lock();
        let State { targets, keys, .. } = &mut *guard;
        let mut taken: Vec<_> = targets
            .values_mut()
            .filter_map(|target| target.take_commit(|slo, group| keys.get(slo, group)))
            .collect();
        taken.sort_by_key(|(commit, _)| commit.target);
        let (commits, visits) = taken.into_iter().unzip();
        Batch { commits, visits }
    }

    /// These commits took effect.
    pub fn committed(&self, commits: &[TargetCommit]) {
        let mut state = self.lock();
        for commit in commits {
            if let Some(target) = state
                .targets
                .values_mut()
                .find(|target| target.id() == Some(commit.target))
            {
                target.committed(commit.expected_seq + 1);
            }
        }
        state.targets.retain(|_, target| !target.leaving || target.waits());
    }

    /// It is not known whether commits took effect: everything that waits is dropped, and the cursors are read again.
    pub fn forget_uncommitted(&self, error: &StoreError) {
        tracing::debug!(reason = %error, "dropping uncommitted counts; they are counted again from the committed cursors");
        let mut state = self.lock();
        state.targets.retain(|_, target| !target.leaving);
        state.targets.values_mut().for_each(TargetState::drop_cursor);
    }

    /// The store refused the events of one target: its present values became the baseline instead.
    pub fn refused(&self, target: i64, at: Timestamp) {
        let mut guard = self.lock();
        let State { targets, notes, .. } = &mut *guard;
        for (key, state) in targets.iter().filter(|(_, state)| state.id() == Some(target)) {
            for slo in state.slos() {
                notes.refused(slo, key, at);
            }
        }
    }

    /// How the targets of each SLO are doing.
    pub fn health(&self) -> HashMap<i64, SloHealth> {
        let state = self.lock();
        let mut health: HashMap<i64, SloHealth> = HashMap::new();
        // As long as no target is listed nobody knows which ones feed an SLO.
        let any_listed = state.targets.values().any(|target| !target.leaving);
        for entry in &state.catalog.entries {
            let mut of_slo = SloHealth {
                settled: any_listed,
                ..SloHealth::default()
            };
            for target in state.targets.values().filter(|target| !target.leaving) {
                target.add_health(entry.id, &mut of_slo);
            }
            of_slo.diagnostics = state.notes.of(entry.id);
            health.insert(entry.id, of_slo);
        }
        health
    }

    /// The targets as the API shows them, by job and URL.
    pub fn target_views(&self) -> Vec<TargetView> {
        let state = self.lock();
        let mut views: Vec<TargetView> = state
            .targets
            .values()
            .filter(|target| !target.leaving)
            .map(|target| target.view(&state.catalog))
            .collect();
        views.sort_by(|a, b| (&a.scrape_pool, &a.scrape_url).cmp(&(&b.scrape_pool, &b.scrape_url)));
        views
    }

    /// Drops notes whose time is over.
    pub fn expire_notes(&self, now: Timestamp) {
        self.lock().notes.expire(now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a credit under its group, or under `other` beyond the hundredth, and under the SLO itself.
    fn admit(&mut self, credit: PendingCredit) -> Vec<PendingCredit> {
        let Some(group) = &credit.group else {
            return vec![credit];
        };
        let group = if self.keys.get(credit.slo, Some(group)).is_some() || self.is_waiting(credit.slo, group) {
            group.clone()
        } else if self.keys.group_count(credit.slo) + self.new_groups.get(&credit.slo).map_or(0, Vec::len) < GROUPS_MAX
        {
            self.new_groups.entry(credit.slo).or_default().push(group.clone());
            group.clone()
        } else {
            let other = Group(
                group
                    .0
                    .iter()
                    .map(|(name, _)| (name.clone(), Group::OTHER.to_owned()))
                    .collect(),
            );
            if self.keys.get(credit.slo, Some(&other)).is_none() && !self.is_waiting(credit.slo, &other) {
                self.new_groups.entry(credit.slo).or_default().push(other.clone());
            }
            other
        };
        // Coverage is the SLO's; a group's minutes carry counts only.
        let bucket = Bucket {
            observed: false,
            ..credit.bucket
        };
        vec![
            PendingCredit { group: None, ..credit },
            PendingCredit {
                group: Some(group),
                bucket,
                ..credit
            },
        ]
    }

    fn is_waiting(&self, slo: i64, group: &Group) -> bool {
        self.new_groups.get(&slo).is_some_and(|groups| groups.contains(group))
    }
}

/// The time before listing in which a process may have begun and still count from zero (counting rule 1).
const BORN_BEFORE_LISTED_MS: i64 = 10 * 60 * 1000;

/// When a target was first listed, moved back so that ten minutes before it hold ten minutes in which nines was up.
fn shift_by_downtime(listed_at: Timestamp, downtimes: &[(Timestamp, Timestamp)]) -> Timestamp {
    let (mut earliest, mut up_left) = (listed_at, BORN_BEFORE_LISTED_MS);
    let mut before: Vec<_> = downtimes.iter().filter(|(_, until)| *until <= listed_at).collect();
    before.sort_by_key(|(_, until)| std::cmp::Reverse(*until));
    for (from, until) in before {
        let up = earliest.since(*until);
        if up >= up_left {
            break;
        }
        up_left -= up.max(0);
        earliest = earliest.min(*from);
    }
    Timestamp(earliest.0 - up_left + BORN_BEFORE_LISTED_MS)
}

/// Adds up pending credits by bucket, in the order of their keys; those whose key is unknown are left out.
pub fn to_credits(pending: &[PendingCredit], key_of: impl Fn(i64, Option<&Group>) -> Option<KeyId>) -> Vec<Credit> {
    let mut sums: BTreeMap<(KeyId, Minute), Bucket> = BTreeMap::new();
    for credit in pending {
        let Some(key) = key_of(credit.slo, credit.group.as_ref()) else {
            continue;
        };
        let sum = sums.entry((key, credit.minute)).or_default();
        sum.total = sum.total.saturating_add(credit.bucket.total);
        sum.good = sum.good.saturating_add(credit.bucket.good);
        sum.observed |= credit.bucket.observed;
    }
    sums.into_iter()
        .map(|((key, minute), bucket)| Credit { key, minute, bucket })
        .collect()
}
