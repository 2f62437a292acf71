//! Probes: verdicts become counts that wait in memory until the next commit.
//!
//! A verdict is seen once, so what waits is kept through a store that is away: each SLO has a pseudo target whose cursor
//! says, after a commit whose end nobody heard of, whether it took effect. What a crash takes are the verdicts since the
//! last commit; they count neither as good nor as bad, and their minute is observed by the others.

pub mod schedule;
mod seat;
pub mod view;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::seat::Seat;
use self::waiting::Waiting;
use super::catalog::{Catalog, Entry, Keys};
use super::collect::SloHealth;
use super::collect::notes::Notes;
use super::collect::pending::PendingCredit;
use super::groups::Groups;
use super::ports::{CursorRecord, KeyRecord, ListedProbe, TargetCommit, TargetRecord};
use super::snapshot::TargetView;
use super::stats::Stats;
use crate::domain::counts::{Bucket, MICRO};
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::Group;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Outcome, Verdict};

/// Counts verdicts and keeps what is not committed yet.
pub struct Probes {
    state: Mutex<State>,
    stats: Arc<Stats>,
}

#[derive(Default)]
struct State {
    /// The SLOs that are fed by each job.
    fed: HashMap<String, Vec<Entry>>,
    groups: Groups,
    /// The probed targets, by their keys.
    seats: BTreeMap<Arc<str>, Seat>,
    /// What waits, by SLO.
    waiting: BTreeMap<i64, Waiting>,
    /// The SLOs by the numbers of their pseudo targets.
    by_target: HashMap<i64, i64>,
    notes: Notes,
}

/// The key of the pseudo target of an SLO.
fn target_key(slo: i64) -> String {
    format!("probes slo {slo}")
}

impl Probes {
    /// Nothing is known yet.
    pub fn new(stats: Arc<Stats>) -> Self {
        let state = Mutex::default();
        Self { state, stats }
    }

    /// Takes over another catalog: what waits for SLOs that are gone, or count something else now, is dropped.
    pub fn set_catalog(&self, catalog: &Catalog, keys: Keys) {
        let mut state = self.lock();
        let mut fed: HashMap<String, Vec<Entry>> = HashMap::new();
        let mut known: BTreeMap<i64, Waiting> = std::mem::take(&mut state.waiting);
        for entry in &catalog.entries {
            if let IndicatorKind::Probe { job } = &entry.slo.indicator.kind {
                fed.entry(job.clone()).or_default().push(entry.clone());
                let waiting = known.remove(&entry.id).filter(|it| it.indicator == entry.indicator);
                let waiting = waiting.unwrap_or_else(|| Waiting::new(entry.indicator));
                state.waiting.insert(entry.id, waiting);
            }
        }
        let State {
            by_target,
            waiting,
            notes,
            ..
        } = &mut *state;
        by_target.retain(|_, slo| waiting.get(slo).is_some_and(Waiting::has_cursor));
        notes.retain(|slo| waiting.contains_key(&slo));
        state.groups.set_catalog(catalog, keys);
        state.fed = fed;
    }

    /// Takes over the list of probes.
    pub fn set_probes(&self, listed: &[ListedProbe]) {
        let mut state = self.lock();
        let mut known = std::mem::take(&mut state.seats);
        for probe in listed {
            let key = probe.target.key();
            let (key, mut seat) = known
                .remove_entry(key.as_str())
                .unwrap_or_else(|| (key.into(), Seat::new(&probe.target)));
            seat.set_target(&probe.target);
            state.seats.insert(key, seat);
        }
    }

    /// Counts one verdict.
    pub fn apply(&self, key: &str, verdict: Verdict, at: Timestamp) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(seat) = state.seats.get_mut(key) else { return };
        self.stats
            .probes
            .add(&[seat.kind().word(), verdict.outcome.word(), verdict.reason.word()], 1);
        let good = match verdict.outcome {
            Outcome::Good => Some(MICRO),
            Outcome::Bad => Some(0),
            Outcome::Unknown => None,
        };
        let mut credits = Vec::new();
        for entry in state.fed.get(seat.job()).into_iter().flatten() {
            let Some(good) = good else { continue };
            let indicator = &entry.slo.indicator;
            let group = (!indicator.group_by.is_empty()).then(|| indicator.group_of(seat.labels()));
            let credit = PendingCredit {
                slo: entry.id,
                group,
                minute: at.minute(),
                bucket: Bucket {
                    total: MICRO,
                    good,
                    observed: true,
                },
            };
            state.groups.admit(credit, &mut credits);
        }
        for credit in credits {
            if let Some(waiting) = state.waiting.get_mut(&credit.slo) {
                waiting.add(credit);
            }
        }
        seat.note(verdict, at);
    }

    /// Probes that were due and not made, because the one before was still under way or too many others were.
    pub fn overrun(&self, key: &str, skipped: u64) {
        if skipped == 0 {
            return;
        }
        let mut state = self.lock();
        if let Some(seat) = state.seats.get_mut(key) {
            seat.overrun(skipped);
            self.stats.probes_skipped.add(&[seat.job()], skipped);
        }
    }

    /// When a target is probed next, for people.
    pub fn plan(&self, key: &str, at: Timestamp) {
        if let Some(seat) = self.lock().seats.get_mut(key) {
            seat.next_at = Some(at);
        }
    }

    /// Groups that need a ledger key before the next commit.
    pub fn groups_without_key(&self) -> Vec<(i64, Option<Group>)> {
        self.lock().groups.without_key()
    }

    /// Makes new ledger keys known.
    pub fn add_keys(&self, records: &[KeyRecord]) {
        self.lock().groups.add_keys(records);
    }

    /// The keys of all pseudo targets.
    pub fn target_keys(&self) -> Vec<String> {
        self.lock().waiting.keys().map(|slo| target_key(*slo)).collect()
    }

    /// Pseudo targets whose cursor must be read before anything can be committed.
    pub fn without_cursor(&self) -> Vec<String> {
        let state = self.lock();
        let unread = state.waiting.iter().filter(|(_, waiting)| !waiting.has_cursor());
        unread.map(|(slo, _)| target_key(*slo)).collect()
    }

    /// Gives pseudo targets their committed cursors.
    pub fn set_cursors(&self, records: &[(TargetRecord, CursorRecord)]) {
        let mut guard = self.lock();
        let State { waiting, by_target, .. } = &mut *guard;
        let by_key: HashMap<&str, &(TargetRecord, CursorRecord)> =
            records.iter().map(|record| (record.0.key.as_str(), record)).collect();
        for (slo, of_slo) in waiting {
            if let Some((target, cursor)) = by_key.get(target_key(*slo).as_str()) {
                by_target.insert(target.id, *slo);
                of_slo.set_cursor(target.id, cursor.seq);
            }
        }
    }

    /// Takes what waits, as far as it has cursors and keys.
    pub fn take_commits(&self) -> Vec<TargetCommit> {
        let mut guard = self.lock();
        let State { waiting, groups, .. } = &mut *guard;
        let keys = groups.keys();
        let taken = waiting
            .iter_mut()
            .filter_map(|(slo, of_slo)| of_slo.take(|group| keys.get(*slo, group)));
        taken.collect()
    }

    /// These commits took effect.
    pub fn committed(&self, commits: &[TargetCommit]) {
        let mut guard = self.lock();
        let State { waiting, by_target, .. } = &mut *guard;
        for commit in commits {
            let slo = by_target.get(&commit.target);
            if let Some(of_slo) = slo.and_then(|slo| waiting.get_mut(slo)) {
                of_slo.committed(commit.expected_seq + 1);
            }
        }
    }

    /// It is not known whether what is under way took effect: its cursors say so when they are read again.
    pub fn unsure(&self) {
        self.lock().waiting.values_mut().for_each(Waiting::unsure);
    }

    /// The store refuses what was taken of this pseudo target: it is lost, and said.
    pub fn refused(&self, target: i64, at: Timestamp) {
        let mut guard = self.lock();
        let State { by_target, notes, .. } = &mut *guard;
        if let Some(slo) = by_target.get(&target) {
            notes.refused(*slo, "its probes", at);
        }
    }

    /// How the SLOs that are fed by probes are doing.
    pub fn health(&self, now: Timestamp) -> HashMap<i64, SloHealth> {
        let mut guard = self.lock();
        guard.notes.expire(now);
        let state = &*guard;
        let mut health = HashMap::new();
        for (job, entries) in &state.fed {
            let seats = || state.seats.values().filter(|seat| seat.job() == job);
            let of_job = seat::health(seats());
            for entry in entries {
                let mut of_slo = of_job.clone();
                of_slo.diagnostics = state.notes.of(entry.id);
                health.insert(entry.id, of_slo);
            }
        }
        health
    }

    /// The probed targets as the API shows them, by job and target.
    pub fn views(&self) -> Vec<TargetView> {
        let state = self.lock();
        let feeds = |seat: &Seat| {
            let entries = state.fed.get(seat.job()).into_iter().flatten();
            entries.map(|entry| entry.slo.id.to_string()).collect()
        };
        state.seats.values().map(|seat| seat.view(feeds(seat))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
