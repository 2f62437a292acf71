//! Collecting: visits become counts that wait in memory until the next commit.
//!
//! A counter is its own redo log, so nothing is lost by waiting: what a crash, a failed commit or a lost connection
//! throws away is seen again at the next visit, counted from the cursor that was committed last.

pub mod cursor;
mod health;
pub mod notes;
mod page;
pub mod pending;
pub mod reports;
pub mod schedule;
pub mod target;
mod uses;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::notes::Notes;
use self::target::{TargetState, VisitContext};
use super::catalog::{Catalog, Keys};
use super::groups::Groups;
use super::ports::{CursorRecord, ListedTarget, StoreError, TargetCommit, TargetRecord};
use super::snapshot::{DiagnosticView, TargetView};
use super::stats::Stats;
use crate::domain::counting::cursor::{SloCursor, TargetHeader};
use crate::domain::counting::listing::shift_by_downtime;
use crate::domain::labels::Group;
use crate::domain::reading::{Missing, Reading, Target};
use crate::domain::selection::Selection;
use crate::domain::shown::shown_url;
use crate::domain::time::Timestamp;

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
    /// What a scrape has to keep; it stays the same through catalogs that want the same.
    selection: Arc<Selection>,
    groups: Groups,
    targets: HashMap<Arc<str>, TargetState>,
    /// The targets' keys by the store's numbers.
    by_id: HashMap<i64, Arc<str>>,
    notes: Notes,
    /// Events per second in the busiest hour, by SLO.
    busiest: HashMap<i64, f64>,
    downtimes: Vec<(Timestamp, Timestamp)>,
}

impl State {
    /// Drops what is left of targets that are gone, and gives back their room where there were many.
    fn forget_gone(&mut self) {
        let Self {
            targets, by_id, notes, ..
        } = self;
        by_id.retain(|_, key| targets.contains_key(key));
        notes.retain_targets(|key| targets.contains_key(key));
        let room = 2 * targets.len();
        targets.shrink_to(room);
        by_id.shrink_to(room);
    }
}

/// For what a visit was asked: its page tells nothing of series that were not wanted when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The selection's revision.
    pub selection: u64,
    /// The digest of the target's labels.
    pub labels: u64,
    /// The digest of the rules that relabel its series.
    pub rules: u64,
}

impl Asked {
    /// What is asked of this target.
    pub fn of(target: &Target, selection: &Selection) -> Self {
        Self {
            selection: selection.revision(),
            labels: target.labels_digest(),
            rules: target.metric_rules.digest(),
        }
    }
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
    /// Whatever could feed it was asked twice, or read as far as there is anything to read.
    pub looked: bool,
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
            selection: Arc::default(),
            groups: Groups::default(),
            targets: HashMap::new(),
            by_id: HashMap::new(),
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
        state.groups.set_catalog(&catalog, keys);
        if !state.selection.selects_alike(&catalog.selection) {
            state.selection = Arc::clone(&catalog.selection);
        }
        state.catalog = catalog;
    }

    /// What a scrape has to keep at present.
    pub fn selection(&self) -> Arc<Selection> {
        Arc::clone(&self.lock().selection)
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
            .retain(|key, target| keys.contains_key(key.as_ref()) || target.waits());
        state.forget_gone();
        for (key, listed) in keys {
            match state.targets.get_mut(key.as_str()) {
                Some(known) => {
                    known.set_target(listed.target.clone());
                    known.leaving = false;
                }
                None => drop(
                    state
                        .targets
                        .insert(key.into(), TargetState::new(listed.target.clone())),
                ),
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
        let mut keys: Vec<String> = listed.map(|(key, _)| key.to_string()).collect();
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
            .map(|(key, _)| key.to_string())
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
            let key = state
                .targets
                .get_key_value(record.key.as_str())
                .map(|(key, _)| Arc::clone(key));
            if let Some(key) = key {
                state.by_id.insert(record.id, key);
            }
            if let Some(target) = state.targets.get_mut(record.key.as_str()) {
                let header = TargetHeader::decode(&cursor.header);
                let slos: Result<HashMap<i64, SloCursor>, _> = cursor
                    .slos
                    .iter()
                    .map(|(slo, body)| SloCursor::decode(body).map(|cursor| (*slo, cursor)))
                    .collect();
                let (header, slos) = header.and_then(|header| slos.map(|slos| (header, slos))).unwrap_or_else(|error| {
                    // It is a target seen for the first time then: a baseline invents nothing.
                    tracing::error!(target = shown_url(&record.key), %error, "the stored cursor is dropped; taking a new baseline");
                    (TargetHeader::default(), HashMap::new())
                });
                target.set_cursor(record.id, cursor.seq, listed_at, header, slos);
                target.set_catalog(&catalog);
            }
        }
        self.cursors_set.notify_waiters();
    }

    /// Counts one visit, which was asked for this.
    pub fn apply(&self, key: &str, asked: Asked, reading: Reading, at: Timestamp, took: Duration) {
        self.count(key, asked, reading, at, Some(took));
    }

    /// Counts a visit that is not made, because nobody has answered for long.
    pub fn skip(&self, key: &str, asked: Asked, missing: Missing, at: Timestamp) {
        self.count(key, asked, Reading::Missing(missing), at, None);
    }

    fn count(&self, key: &str, asked: Asked, reading: Reading, at: Timestamp, took: Option<Duration>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(target) = state.targets.get_mut(key).filter(|target| !target.leaving) else {
            return;
        };
        let context = VisitContext {
            at,
            took,
            is_whole: asked.selection == state.selection.revision() && target.was_asked(asked),
            catalog: &state.catalog,
            busiest: &state.busiest,
            log: self.log_visits,
        };
        let visit = target.visit(reading, &context);
        match &visit.missing {
            None => self.stats.scrapes.increment(),
            Some(missing) => self.stats.scrape_failures.add(&[missing.reason.word()], 1),
        }
        self.stats.samples_seen.add(visit.samples_seen);
        self.stats.samples_selected.add(visit.samples_selected);
        for (kind, number) in visit.warnings.into_iter().filter(|(_, number)| *number > 0) {
            self.stats.scrape_warnings.add(&[target.job(), kind], number);
        }
        for (slo, notes) in visit.notes {
            state.notes.set(slo, key, notes, at);
        }
        let mut credits = Vec::with_capacity(visit.credits.len());
        for credit in visit.credits {
            state.groups.admit(credit, &mut credits);
        }
        if let Some(target) = state.targets.get_mut(key) {
            target.pend(credits);
        }
    }

    /// When a target is visited next, for people.
    pub fn plan(&self, key: &str, at: Timestamp) {
        if let Some(target) = self.lock().targets.get_mut(key) {
            target.health.next_visit_at = Some(at);
        }
    }

    /// Groups that need a ledger key before the next commit.
    pub fn groups_without_key(&self) -> Vec<(i64, Option<Group>)> {
        self.lock().groups.without_key()
    }

    /// Makes new ledger keys known.
    pub fn add_keys(&self, records: &[super::ports::KeyRecord]) {
        self.lock().groups.add_keys(records);
    }

    /// Takes what waits. Until `committed` or `failed` is called the cursors move on in memory only.
    pub fn take_batch(&self) -> Batch {
        let mut guard = self.lock();
        let State {
            targets, groups, notes, ..
        } = &mut *guard;
        let keys = groups.keys();
        let mut taken = Vec::new();
        for (key, target) in targets.iter_mut() {
            let Some(of_target) = target.take_commit(|slo, group| keys.get(slo, group)) else {
                continue;
            };
            for slo in &of_target.beyond {
                notes.beyond(*slo, key, target.health.last_visit_at.unwrap_or_default());
            }
            taken.push((of_target.commit, of_target.log));
        }
        taken.sort_by_key(|(commit, _)| commit.target);
        let (commits, visits) = taken.into_iter().unzip();
        Batch { commits, visits }
    }

    /// These commits took effect.
    pub fn committed(&self, commits: &[TargetCommit]) {
        let mut guard = self.lock();
        let State { targets, by_id, .. } = &mut *guard;
        let mut is_gone = false;
        for commit in commits {
            let Some(key) = by_id.get(&commit.target) else { continue };
            let Some(target) = targets.get_mut(key) else { continue };
            target.committed(commit.expected_seq + 1);
            if target.leaving && !target.waits() {
                targets.remove(key);
                is_gone = true;
            }
        }
        if is_gone {
            guard.forget_gone();
        }
    }

    /// It is not known whether commits took effect: everything that waits is dropped, and the cursors are read again.
    pub fn forget_uncommitted(&self, error: &StoreError) {
        tracing::debug!(reason = %error, "dropping uncommitted counts; they are counted again from the committed cursors");
        let mut state = self.lock();
        state.targets.retain(|_, target| !target.leaving);
        state.targets.values_mut().for_each(TargetState::drop_cursor);
        state.by_id.clear();
    }

    /// The store refused the events of one target: its present values became the baseline instead.
    pub fn refused(&self, target: i64, at: Timestamp) {
        let mut guard = self.lock();
        let State {
            targets, by_id, notes, ..
        } = &mut *guard;
        let key = by_id.get(&target);
        if let Some((key, target)) = key.and_then(|key| targets.get_key_value(key)) {
            for slo in target.slos() {
                notes.refused(slo, key, at);
            }
        }
    }

    /// How the targets of each SLO are doing.
    pub fn health(&self) -> HashMap<i64, SloHealth> {
        let state = self.lock();
        let listed = || state.targets.values().filter(|target| !target.leaving);
        // As long as no target is listed, or one's cursor is not read, nobody knows which ones feed an SLO.
        let settled = listed().next().is_some() && listed().all(TargetState::has_cursor);
        let looked = settled && listed().all(|target| target.health.visits >= 2);
        let of_slo = |slo: i64| SloHealth {
            settled,
            looked,
            diagnostics: state.notes.of(slo),
            ..SloHealth::default()
        };
        let entries = state.catalog.entries.iter();
        let mut health: HashMap<i64, SloHealth> = entries.map(|entry| (entry.id, of_slo(entry.id))).collect();
        for target in listed() {
            for (slo, resets) in target.health.resets() {
                if let Some(of_slo) = health.get_mut(&slo) {
                    of_slo.resets += resets;
                }
            }
            for slo in target.slos() {
                if let Some(of_slo) = health.get_mut(&slo) {
                    target.health.add_to(slo, of_slo);
                }
            }
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
        views.sort_by(|a, b| a.about.key.cmp(&b.about.key));
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
