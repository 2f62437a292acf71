//! One target: its cursor, what waits for the next commit, and how it is doing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Asked;
use super::cursor::Cursor;
use super::health::Health;
use super::page::{by_slo, describe_visit};
use super::pending::{PendingCredit, to_credits};
use super::reports::{Report, ReportUses};
use super::uses::{ByKey, uses_of};
use crate::domain::counting::cursor::{CountedWith, SloCursor, TargetHeader};
use crate::domain::counting::start::{
    ANOTHER_PROCESS_PATIENCE_MS, PageAge, StartVerdict, believable_start, judge_age, judge_start,
};
use crate::domain::counting::text::SharedText;
use crate::domain::counting::units::{SeriesUse, UsedSample};
use crate::domain::counting::{Note, VisitFacts};
use crate::domain::labels::Group;
use crate::domain::reading::{Missing, MissingReason, Page, Reading, Series, Target};
use crate::domain::shown::shown_url;
use crate::domain::time::{Timestamp, format_duration};
use crate::engine::catalog::Catalog;
use crate::engine::ports::{KeyId, TargetCommit};
use crate::engine::snapshot::{TargetAbout, TargetView};

/// One target between its commits.
pub struct TargetState {
    target: Target,
    /// The same for people.
    about: Arc<TargetAbout>,
    labels_digest: u64,
    cursor: Option<Cursor>,
    /// How the SLOs use each series; found once per catalog.
    uses: HashMap<ByKey, Arc<[(i64, SeriesUse)]>, foldhash::fast::RandomState>,
    /// The same of what nines itself says of the target.
    report_uses: Option<ReportUses>,
    pending: Vec<PendingCredit>,
    visit_log: Vec<serde_json::Value>,
    /// SLOs of which the last visit had something to say.
    noted: Vec<i64>,
    /// How it is doing.
    pub health: Health,
    /// Nobody lists it any more; it stays until what was seen of it is committed.
    pub leaving: bool,
}

/// One visit, and what must be known to count it.
#[derive(Clone, Copy)]
pub struct VisitContext<'a> {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took; `None` when it was not made, because nobody has answered for long.
    pub took: Option<Duration>,
    /// Its page has everything that the catalog selects of the target as it is listed now.
    pub is_whole: bool,
    /// The SLOs.
    pub catalog: &'a Catalog,
    /// Events per second in each SLO's busiest hour.
    pub busiest: &'a HashMap<i64, f64>,
    /// Keep it for the log that proofs replay.
    pub log: bool,
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
    /// What was wrong with the page and has not lost it, by kind.
    pub warnings: [(&'static str, u64); 2],
}

/// What a target gives to a commit.
pub struct Taken {
    /// What the store gets.
    pub commit: TargetCommit,
    /// For the log that proofs replay.
    pub log: serde_json::Value,
    /// SLOs of which some events do not fit the ledger together.
    pub beyond: BTreeSet<i64>,
}

impl TargetState {
    /// A target whose cursor has not been read yet.
    pub fn new(target: Target) -> Self {
        Self {
            about: Arc::new(TargetAbout::of(&target)),
            labels_digest: target.labels_digest(),
            target,
            cursor: None,
            uses: HashMap::default(),
            report_uses: None,
            pending: Vec::new(),
            visit_log: Vec::new(),
            noted: Vec::new(),
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

    /// A visit that began so was asked for what is wanted now of this target.
    pub fn was_asked(&self, asked: Asked) -> bool {
        (asked.labels, asked.rules) == (self.labels_digest, self.target.metric_rules.digest())
    }

    /// Its job's name.
    pub fn job(&self) -> &str {
        &self.target.job
    }

    /// The SLOs that it feeds.
    pub fn slos(&self) -> impl Iterator<Item = i64> {
        let slos = self.cursor.iter().flat_map(|cursor| &cursor.slos);
        slos.filter(|(_, cursor)| cursor.feeds()).map(|(slo, _)| *slo)
    }

    /// Takes over changed attributes.
    pub fn set_target(&mut self, target: Target) {
        if self.target != target {
            (self.uses, self.report_uses) = (HashMap::default(), None);
            self.about = Arc::new(TargetAbout::of(&target));
            (self.labels_digest, self.target) = (target.labels_digest(), target);
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
        let is_there = |slo: i64| catalog.entry(slo).is_some();
        (self.uses, self.report_uses) = (HashMap::default(), None);
        self.pending.retain(|credit| is_there(credit.slo));
        self.health.retain_slos(is_there);
        if let Some(cursor) = &mut self.cursor {
            let gone: Vec<i64> = cursor.slos.keys().copied().filter(|slo| !is_there(*slo)).collect();
            for slo in gone {
                cursor.slos.remove(&slo);
                cursor.removed.insert(slo);
            }
        }
    }

    /// Counts one visit. Without a cursor nothing counts, nor from a page that was asked for less than is wanted now:
    /// it will be seen again.
    pub fn visit(&mut self, reading: Reading, visit: &VisitContext<'_>) -> VisitOutcome {
        self.health.visited(visit.at, visit.took);
        let mut page = match reading {
            Reading::Page(page) => page,
            Reading::Missing(missing) => return self.missed(missing, visit),
        };
        page.process_start = believable_start(page.process_start, visit.at);
        let header = self.cursor.as_ref().map(|cursor| cursor.header).unwrap_or_default();
        let age = judge_age(&header, page.age, visit.at);
        if age == PageAge::Older {
            return self.missed(stale(page.age.unwrap_or_default()), visit);
        }
        let start = judge_start(&header, page.process_start);
        let replaced = start == StartVerdict::Another;
        if !replaced {
            self.health.other_since = None;
        } else if let Some(missing) = self.another_process(visit.at) {
            return self.missed(missing, visit);
        }
        let (samples_seen, samples_selected) = (page.samples_seen, (page.samples.len() + page.native.len()) as u64);
        self.health.seen(visit.at, samples_seen, samples_selected);
        if self.health.warned(&page) {
            let (target, warning) = (shown_url(&self.target.key()), page.warnings.first());
            tracing::warn!(
                target,
                warning,
                warnings = page.malformed + page.duplicates,
                "a page has mistakes"
            );
        }
        let mut outcome = VisitOutcome::default();
        // A page that has counted already, or may have, has nothing to add.
        if visit.is_whole && age == PageAge::Newer {
            outcome = self.count(&page, visit, start);
            if visit.log && self.cursor.is_some() {
                self.visit_log.push(describe_visit(&page, visit.at));
            }
        }
        if replaced {
            outcome
                .notes
                .iter_mut()
                .for_each(|(_, notes)| notes.push(Note::Replaced));
        }
        (outcome.samples_seen, outcome.samples_selected) = (samples_seen, samples_selected);
        outcome.warnings = [("malformed", page.malformed), ("duplicate", page.duplicates)];
        outcome
    }

    /// A visit that gave no page: what nines itself says of the target counts, and nothing else is touched.
    fn missed(&mut self, missing: Missing, visit: &VisitContext<'_>) -> VisitOutcome {
        self.health.missed(&missing);
        let mut outcome = VisitOutcome::default();
        if visit.is_whole && self.cursor.is_some() {
            let report = Report::of(None, visit.took.unwrap_or_default());
            let uses = self.report_uses(visit.catalog);
            let mut by_slo: HashMap<i64, Vec<UsedSample<'_>>> = HashMap::new();
            for (slo, sample) in uses.samples(&report) {
                by_slo.entry(slo).or_default().push(sample);
            }
            let slos: Vec<i64> = by_slo.keys().copied().collect();
            self.count_slos(
                &slos,
                &by_slo,
                visit,
                StartVerdict::Unknown,
                &Page::default(),
                &mut outcome,
            );
            if let Some(cursor) = self.cursor.as_mut().filter(|_| !slos.is_empty()) {
                cursor.visited = true;
            }
            self.report_uses = Some(uses);
        }
        outcome.missing = Some(missing);
        outcome
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
            target = shown_url(&self.target.key()),
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

    fn count(&mut self, page: &Page, visit: &VisitContext<'_>, start: StartVerdict) -> VisitOutcome {
        let mut outcome = VisitOutcome::default();
        let Some(cursor) = &self.cursor else { return outcome };
        let mut slos: Vec<i64> = cursor.slos.keys().copied().chain(self.noted.drain(..)).collect();
        let used = self.used_series(page, visit.catalog);
        let uses = self.report_uses(visit.catalog);
        let mut by_slo = by_slo(page, &used);
        for (slo, sample) in uses.samples(&Report::of(Some(page), visit.took.unwrap_or_default())) {
            by_slo.entry(slo).or_default().push(sample);
        }
        slos.extend(by_slo.keys());
        slos.sort_unstable();
        slos.dedup();
        self.count_slos(&slos, &by_slo, visit, start, page, &mut outcome);
        self.report_uses = Some(uses);
        if let Some(cursor) = &mut self.cursor {
            cursor.header = TargetHeader {
                last_visit_at: Some(visit.at),
                process_start: page.process_start.or(cursor.header.process_start),
                page_at: Some(visit.at - page.age.unwrap_or_default()),
                counted_with: Some(counted_with(&self.target, self.labels_digest, visit.catalog)),
            };
            cursor.visited = true;
        }
        outcome
    }

    /// Counts for the SLOs that this visit concerns: those that its series match, and those that it has fed before.
    fn count_slos(
        &mut self,
        slos: &[i64],
        by_slo: &HashMap<i64, Vec<UsedSample<'_>>>,
        visit: &VisitContext<'_>,
        start: StartVerdict,
        page: &Page,
        outcome: &mut VisitOutcome,
    ) {
        let with = counted_with(&self.target, self.labels_digest, visit.catalog);
        let Some(cursor) = &mut self.cursor else { return };
        for entry in slos.iter().filter_map(|slo| visit.catalog.entry(*slo)) {
            let samples = by_slo.get(&entry.id).map_or(&[][..], Vec::as_slice);
            let facts = VisitFacts {
                at: visit.at,
                previous_at: cursor.header.last_visit_at,
                start,
                process_start: page.process_start,
                interval: self.target.interval,
                listed_at: cursor.listed_at,
                // A new baseline counts nothing, however young its process is.
                loaded_at: if start == StartVerdict::Another {
                    visit.at
                } else {
                    entry.loaded_at
                },
                busiest_rate: visit.busiest.get(&entry.id).copied().unwrap_or(0.0),
            };
            let count = cursor.count_slo(entry, samples, &page.bounds, &facts, &with);
            let matched_at = (!samples.is_empty()).then_some(visit.at);
            self.health.note_slo(entry.id, matched_at, count.resets);
            if !count.notes.is_empty() {
                self.noted.push(entry.id);
            }
            outcome.credits.extend(count.credits);
            outcome.notes.push((entry.id, count.notes));
        }
    }

    /// Taken out, to be put back after use.
    fn report_uses(&mut self, catalog: &Catalog) -> ReportUses {
        let known = self.report_uses.take();
        known.unwrap_or_else(|| ReportUses::new(&self.target, catalog))
    }

    /// How each sample of the page is used, in the page's order, and then each native histogram.
    fn used_series(&mut self, page: &Page, catalog: &Catalog) -> Vec<Arc<[(i64, SeriesUse)]>> {
        // Series that no page shows any more must not fill the memory.
        if self.uses.len() > 2 * (page.samples.len() + page.native.len()) + 1000 {
            self.uses.clear();
        }
        let (target, cursor, all) = (&self.target, self.cursor.as_ref(), &mut self.uses);
        let mut family = SharedText::from("");
        let mut find = |series: &Arc<Series>| {
            if let Some(known) = all.get(series.key.as_str()) {
                return Arc::clone(known);
            }
            let used = uses_of(target, series, cursor, &mut family, catalog);
            all.insert(ByKey(Arc::clone(series)), Arc::clone(&used));
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

    /// Takes what waits; `None` when there is nothing, or a commit is under way, or a group has appeared since keys were
    /// made: all of it waits for the next commit then, as the cursor moves with the last of its events.
    pub fn take_commit(&mut self, key_of: impl Fn(i64, Option<&Group>) -> Option<KeyId>) -> Option<Taken> {
        let cursor = self
            .cursor
            .as_mut()
            .filter(|cursor| cursor.visited && !cursor.in_flight)?;
        let (credits, beyond) = to_credits(&self.pending, key_of)?;
        self.pending.clear();
        let mut slos: BTreeMap<i64, Option<Vec<u8>>> = std::mem::take(&mut cursor.removed)
            .into_iter()
            .map(|slo| (slo, None))
            .collect();
        let last_visit = cursor.header.last_visit_at.unwrap_or_default();
        for (slo, of_slo) in cursor.slos.iter_mut().filter(|(_, of_slo)| of_slo.changed) {
            of_slo.forget(last_visit);
            of_slo.changed = false;
            slos.insert(*slo, Some(of_slo.encode()));
        }
        (cursor.visited, cursor.in_flight) = (false, true);
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
        Some(Taken { commit, log, beyond })
    }

    /// The commit that was under way took effect.
    pub fn committed(&mut self, seq: i64) {
        if let Some(cursor) = self.cursor.as_mut().filter(|cursor| cursor.in_flight) {
            (cursor.seq, cursor.in_flight) = (seq, false);
        }
    }

    /// As the API shows it.
    pub fn view(&self, catalog: &Catalog) -> TargetView {
        let entries = self.slos().filter_map(|slo| catalog.entry(slo));
        let feeds = entries.map(|entry| entry.slo.id.to_string()).collect();
        self.health.view(&self.about, feeds)
    }
}

fn counted_with(target: &Target, labels: u64, catalog: &Catalog) -> CountedWith {
    CountedWith {
        edition: catalog.edition,
        labels,
        rules: target.metric_rules.digest(),
    }
}

fn stale(age: Duration) -> Missing {
    let detail = format!(
        "the page is stale: a cache has kept it for {}, and a newer one has counted already; take the cache away from \
         this address",
        format_duration(age)
    );
    Missing {
        reason: MissingReason::Stale,
        detail,
    }
}
