//! One target: its cursor, what waits for the next commit, and how it is doing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::cursor::Cursor;
use super::page::{by_slo, describe_visit};
use super::{PendingCredit, SloHealth, to_credits};
use crate::domain::counting::cursor::{SloCursor, TargetHeader};
use crate::domain::counting::start::{ANOTHER_PROCESS_PATIENCE_MS, StartVerdict, judge_start};
use crate::domain::counting::units::SeriesUse;
use crate::domain::counting::{Note, VisitFacts};
use crate::domain::indicator::Indicator;
use crate::domain::labels::Group;
use crate::domain::reading::{Missing, MissingReason, Page, Reading, Series, Target};
use crate::domain::time::{Timestamp, format_duration};
use crate::engine::catalog::Catalog;
use crate::engine::ports::{KeyId, TargetCommit};
use crate::engine::snapshot::TargetView;

/// One target between its commits.
pub struct TargetState {
    target: Target,
    cursor: Option<Cursor>,
    /// How the SLOs use each series, by the series' key; found once per catalog.
    uses: HashMap<String, Arc<[(i64, SeriesUse)]>>,
    pending: Vec<PendingCredit>,
    visit_log: Vec<serde_json::Value>,
    health: Health,
    /// Nobody lists it any more; it stays until what was seen of it is committed.
    pub leaving: bool,
}

#[derive(Default)]
struct Health {
    visits: u32,
    last_visit_at: Option<Timestamp>,
    took: Duration,
    error: Option<String>,
    samples_seen: u64,
    samples_selected: u64,
    /// The other process that answers, and since when nothing else has.
    other_since: Option<Timestamp>,
    seen_at: Option<Timestamp>,
    matched_at: HashMap<i64, Timestamp>,
    resets: HashMap<i64, u64>,
}

/// What one visit came to.
#[derive(Default)]
pub struct VisitOutcome {
    /// Why it gave nothing.
    pub missing: Option<Missing>,
    /// What is to be credited.
    pub credits: Vec<PendingCredit>,
    /// What a person should know, by SLO.
    pub notes: Vec<(i64, Vec<Note>)>,
    /// Samples on the page.
    pub samples_seen: u64,
    /// Samples that some SLO selects.
    pub samples_selected: u64,
}

impl TargetState {
    /// A target whose cursor has not been read yet.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            cursor: None,
            uses: HashMap::new(),
            pending: Vec::new(),
            visit_log: Vec::new(),
            health: Health::default(),
            leaving: false,
        }
    }

    /// Something of it is not committed yet.
    pub fn waits(&self) -> bool {
        self.cursor
            .as_ref()
            .is_some_and(|cursor| cursor.visited || cursor.in_flight)
    }

    /// The store's number, once the cursor has been read.
    pub fn id(&self) -> Option<i64> {
        self.cursor.as_ref().map(|cursor| cursor.id)
    }

    /// The cursor has been read.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// The SLOs that it feeds.
    pub fn slos(&self) -> Vec<i64> {
        let slos = self.cursor.iter().flat_map(|cursor| &cursor.slos);
        slos.filter(|(_, cursor)| !cursor.units.is_empty())
            .map(|(slo, _)| *slo)
            .collect()
    }

    /// Takes over changed attributes.
    pub fn set_target(&mut self, target: Target) {
        if self.target != target {
            self.uses.clear();
            self.target = target;
        }
    }

    /// Takes over the committed cursor.
    pub fn set_cursor(
        &mut self,
        id: i64,
        seq: i64,
        listed_at: Timestamp,
        header: TargetHeader,
        slos: HashMap<i64, SloCursor>,
    ) {
        let removed = BTreeSet::new();
        self.cursor = Some(Cursor {
            id,
            seq,
            listed_at,
            header,
            slos,
            removed,
            visited: false,
            in_flight: false,
        });
        self.pending.clear();
        self.visit_log.clear();
    }

    /// Forgets everything that is not committed.
    pub fn drop_cursor(&mut self) {
        self.cursor = None;
        self.pending.clear();
        self.visit_log.clear();
    }

    /// Drops what belongs to SLOs that are gone: they take a baseline when they return.
    pub fn set_catalog(&mut self, catalog: &Catalog) {
        self.uses.clear();
        self.pending.retain(|credit| catalog.entry(credit.slo).is_some());
        if let Some(cursor) = &mut self.cursor {
            let gone: Vec<i64> = cursor
                .slos
                .keys()
                .copied()
                .filter(|slo| catalog.entry(*slo).is_none())
                .collect();
            for slo in gone {
                cursor.slos.remove(&slo);
                cursor.removed.insert(slo);
            }
        }
    }

    /// Counts one visit. Without a cursor nothing counts: it will be seen again.
    pub fn visit(
        &mut self,
        reading: Reading,
        at: Timestamp,
        took: Duration,
        catalog: &Catalog,
        busiest: &HashMap<i64, f64>,
        log_visits: bool,
    ) -> VisitOutcome {
        let health = &mut self.health;
        (health.visits, health.last_visit_at, health.took) = (health.visits.saturating_add(1), Some(at), took);
        let page = match reading {
            Reading::Page(page) => page,
            Reading::Missing(missing) => return self.missed(missing),
        };
        let verdict = self
            .cursor
            .as_ref()
            .map_or(StartVerdict::Unknown, |c| judge_start(&c.header, page.process_start));
        let replaced = verdict == StartVerdict::Another;
        if !replaced {
            self.health.other_since = None;
        } else if let Some(missing) = self.another_process(at) {
            return self.missed(missing);
        }
        let health = &mut self.health;
        (health.error, health.samples_seen) = (None, page.samples_seen);
        let (samples_seen, samples_selected) = (page.samples_seen, (page.samples.len() + page.native.len()) as u64);
        (health.samples_selected, health.seen_at) = (samples_selected, Some(at));
        let mut outcome = self.count(&page, at, verdict, catalog, busiest);
        if replaced {
            outcome
                .notes
                .iter_mut()
                .for_each(|(_, notes)| notes.push(Note::Replaced));
        }
        if log_visits && self.cursor.is_some() {
            self.visit_log.push(describe_visit(&page, at));
        }
        (outcome.samples_seen, outcome.samples_selected) = (samples_seen, samples_selected);
        outcome
    }

    fn missed(&mut self, missing: Missing) -> VisitOutcome {
        self.health.error = Some(missing.detail.clone());
        VisitOutcome {
            missing: Some(missing),
            ..VisitOutcome::default()
        }
    }

    /// The visit is missing while another process answers; after five minutes of nothing else it is the new baseline.
    fn another_process(&mut self, at: Timestamp) -> Option<Missing> {
        let since = *self.health.other_since.get_or_insert(at);
        if at.since(since) < ANOTHER_PROCESS_PATIENCE_MS {
            let detail = "another process answers at this address: its start time is not that of the one before \
                          (its page does not count)";
            return Some(Missing {
                reason: MissingReason::AnotherProcess,
                detail: detail.to_owned(),
            });
        }
        tracing::warn!(
            target = self.target.key(),
            "only another process has answered for five minutes; new baseline"
        );
        self.health.other_since = None;
        if let Some(cursor) = &mut self.cursor {
            for known in cursor.slos.values_mut() {
                *known = SloCursor {
                    indicator: known.indicator,
                    changed: true,
                    ..SloCursor::default()
                };
            }
            // Without a last visit nothing is spread over the time before the new baseline.
            cursor.header = TargetHeader::default();
        }
        None
    }

    fn count(
        &mut self,
        page: &Page,
        at: Timestamp,
        start: StartVerdict,
        catalog: &Catalog,
        busiest: &HashMap<i64, f64>,
    ) -> VisitOutcome {
        let mut outcome = VisitOutcome::default();
        let used = self.used_series(page, catalog);
        let by_slo = by_slo(page, &used);
        let Some(cursor) = &mut self.cursor else { return outcome };
        for entry in &catalog.entries {
            let samples = by_slo.get(&entry.id).map_or(&[][..], Vec::as_slice);
            if !samples.is_empty() {
                self.health.matched_at.insert(entry.id, at);
            }
            let facts = VisitFacts {
                at,
                previous_at: cursor.header.last_visit_at,
                start,
                process_start: page.process_start,
                interval: self.target.interval,
                listed_at: cursor.listed_at,
                // A new baseline counts nothing, however young its process is.
                loaded_at: if start == StartVerdict::Another {
                    at
                } else {
                    entry.loaded_at
                },
                busiest_rate: busiest.get(&entry.id).copied().unwrap_or(0.0),
            };
            let (credits, notes, resets) = cursor.count_slo(entry, samples, &facts, &used, &self.target.metric_rules);
            outcome.credits.extend(credits);
            outcome.notes.push((entry.id, notes));
            *self.health.resets.entry(entry.id).or_default() += u64::from(resets);
        }
        cursor.header = TargetHeader {
            last_visit_at: Some(at),
            process_start: page.process_start.or(cursor.header.process_start),
        };
        cursor.visited = true;
        outcome
    }

    /// How each sample of the page is used, in the page's order, and then each native histogram.
    fn used_series(&mut self, page: &Page, catalog: &Catalog) -> Vec<Arc<[(i64, SeriesUse)]>> {
        // Series that no page shows any more must not fill the memory.
        if self.uses.len() > 2 * (page.samples.len() + page.native.len()) + 1000 {
            self.uses.clear();
        }
        let mut find = |series: &Arc<Series>| {
            if let Some(known) = self.uses.get(&series.key) {
                return Arc::clone(known);
            }
            let seen = self.target.seen(&series.metric, &series.labels);
            let used: Arc<[(i64, SeriesUse)]> = seen.map_or_else(Default::default, |(metric, labels)| {
                let used = |indicator: &Indicator| indicator.use_of(series, &metric, &labels);
                let entries = catalog.entries.iter();
                entries
                    .filter_map(|entry| used(&entry.slo.indicator).map(|used| (entry.id, used)))
                    .collect()
            });
            self.uses.insert(series.key.clone(), Arc::clone(&used));
            used
        };
        let samples = page.samples.iter().map(|sample| &sample.series);
        let native = page.native.iter().map(|sample| &sample.series);
        samples.chain(native).map(&mut find).collect()
    }

    /// Adds what waits for the next commit.
    pub fn pend(&mut self, credits: Vec<PendingCredit>) {
        if self.cursor.is_some() {
            self.pending.extend(credits);
        }
    }

    /// Takes what waits; `None` when there is nothing, or a commit is under way.
    pub fn take_commit(
        &mut self,
        key_of: impl Fn(i64, Option<&Group>) -> Option<KeyId>,
    ) -> Option<(TargetCommit, serde_json::Value)> {
        let cursor = self
            .cursor
            .as_mut()
            .filter(|cursor| cursor.visited && !cursor.in_flight)?;
        let mut slos: BTreeMap<i64, Option<Vec<u8>>> = std::mem::take(&mut cursor.removed)
            .into_iter()
            .map(|slo| (slo, None))
            .collect();
        let today = cursor.header.last_visit_at.map_or(0, |at| at.minute().day());
        for (slo, of_slo) in cursor.slos.iter_mut().filter(|(_, of_slo)| of_slo.changed) {
            of_slo.forget(today);
            of_slo.changed = false;
            slos.insert(*slo, Some(of_slo.encode()));
        }
        (cursor.visited, cursor.in_flight) = (false, true);
        let credits = to_credits(&std::mem::take(&mut self.pending), key_of);
        let header = cursor.header.encode();
        let commit = TargetCommit {
            target: cursor.id,
            expected_seq: cursor.seq,
            header,
            slos,
            credits,
        };
        let visits = std::mem::take(&mut self.visit_log);
        let log = serde_json::json!({ "job": self.target.job, "url": self.target.url, "visits": visits });
        Some((commit, log))
    }

    /// The commit that was under way took effect.
    pub fn committed(&mut self, seq: i64) {
        if let Some(cursor) = self.cursor.as_mut().filter(|cursor| cursor.in_flight) {
            (cursor.seq, cursor.in_flight) = (seq, false);
        }
    }

    /// Adds how this target is doing to an SLO that it feeds.
    pub fn add_health(&self, slo: i64, health: &mut SloHealth) {
        health.resets += self.health.resets.get(&slo).copied().unwrap_or(0);
        let Some(cursor) = &self.cursor else {
            health.settled = false;
            return;
        };
        if cursor.slos.get(&slo).is_none_or(|cursor| cursor.units.is_empty()) {
            return;
        }
        health.feeding += 1;
        health.settled &= self.health.visits >= 2;
        health.seen_at = health.seen_at.max(self.health.seen_at);
        health.matched_at = health.matched_at.max(self.health.matched_at.get(&slo).copied());
    }

    /// As the API shows it.
    pub fn view(&self, catalog: &Catalog) -> TargetView {
        let ids = self
            .slos()
            .into_iter()
            .filter_map(|slo| catalog.entry(slo).map(|entry| entry.slo.id.to_string()));
        let mut feeds: Vec<String> = ids.collect();
        feeds.sort();
        let health = &self.health;
        TargetView {
            labels: self
                .target
                .labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            scrape_pool: self.target.job.clone(),
            scrape_url: self.target.url.clone(),
            health: match (&health.error, health.last_visit_at) {
                (_, None) => "unknown",
                (None, Some(_)) => "up",
                (Some(_), Some(_)) => "down",
            },
            last_error: health.error.clone().unwrap_or_default(),
            last_scrape: health.last_visit_at,
            last_scrape_duration: health.took.as_secs_f64(),
            scrape_interval: format_duration(self.target.interval),
            scrape_timeout: format_duration(self.target.timeout),
            samples_seen: health.samples_seen,
            samples_selected: health.samples_selected,
            feeds,
        }
    }
}
