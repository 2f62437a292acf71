//! A target's cursor between its commits, and how one SLO counts with it.

use std::collections::{BTreeSet, HashMap};

use super::pending::PendingCredit;
use crate::domain::bounds::Bounds;
use crate::domain::counting::cursor::{CountedWith, SloCursor, TargetHeader};
use crate::domain::counting::units::{UsedSample, counter_units, counters_without_value, histogram_units};
use crate::domain::counting::{Note, VisitFacts, placement};
use crate::domain::counts::Bucket;
use crate::domain::indicator::{CompareOp, IndicatorKind};
use crate::domain::labels::Group;
use crate::domain::time::{Minute, Timestamp};
use crate::engine::catalog::Entry;

/// The cursor as the visits since the last commit have moved it.
pub struct Cursor {
    /// The store's number of the target.
    pub id: i64,
    /// How many commits it has seen.
    pub seq: i64,
    /// When the target was first listed.
    pub listed_at: Timestamp,
    /// What the target is remembered by.
    pub header: TargetHeader,
    /// The last values, by SLO.
    pub slos: HashMap<i64, SloCursor>,
    /// SLOs whose values are to be removed from the store.
    pub removed: BTreeSet<i64>,
    /// A visit has counted since the last commit.
    pub visited: bool,
    /// A commit is under way.
    pub in_flight: bool,
}

/// What of a visit concerns one SLO.
#[derive(Debug, Default)]
pub struct SloCount {
    /// What is to be credited.
    pub credits: Vec<PendingCredit>,
    /// What a person should know.
    pub notes: Vec<Note>,
    /// Series that were reset.
    pub resets: u32,
}

/// Nothing began after it: every series takes a baseline.
const BASELINE: Timestamp = Timestamp(i64::MAX);

impl Cursor {
    /// Counts what one SLO matched. `with` decides what it matches as much as its selectors do. Where the rules that
    /// relabel series have changed, all series take a new baseline; where the target's labels have, those that the SLO
    /// did not have before do: none of them counts what it was while it was another's.
    pub fn count_slo(
        &mut self,
        entry: &Entry,
        samples: &[UsedSample<'_>],
        bounds: &Bounds,
        facts: &VisitFacts,
        with: &CountedWith,
    ) -> SloCount {
        let mut facts = *facts;
        let mut cursor = self.take_known(entry, with, &mut facts);
        let before = self.header.counted_with;
        let count = if let IndicatorKind::Gauge { op, value, .. } = &entry.slo.indicator.kind {
            count_gauges(&mut cursor, entry, samples, (*op, *value), &facts)
        } else {
            if cursor.known && before.is_some_and(|before| before.labels != with.labels) {
                let shown = samples.iter().map(|sample| sample.series.key.as_str()).collect();
                cursor.forget_values_beside(&shown, facts.at);
                (cursor.known, facts.loaded_at) = (false, BASELINE);
            }
            count_counters(&mut cursor, entry, samples, bounds, &facts)
        };
        self.keep(entry.id, cursor);
        count
    }

    /// The last values of an SLO, as far as they still hold. Whether it has seen the target before is told by its
    /// values, or by the target's last visit.
    fn take_known(&mut self, entry: &Entry, with: &CountedWith, facts: &mut VisitFacts) -> SloCursor {
        let indicator = entry.indicator ^ with.rules;
        let before = self.header.counted_with;
        let has_seen = before.is_some_and(|before| before.edition >= entry.edition);
        let stored = self.slos.remove(&entry.id);
        let had_values = stored.is_some();
        // A gauge has no baseline, and may be taken where no visit has ever counted.
        let is_gauge = matches!(entry.slo.indicator.kind, IndicatorKind::Gauge { .. });
        let holds = |stored: &SloCursor| stored.indicator == indicator && (has_seen || before.is_none() || is_gauge);
        if let Some(stored) = stored.filter(holds) {
            return stored;
        }
        let known = !had_values && has_seen && before.is_some_and(|before| before.rules == with.rules);
        if !known && (had_values || has_seen) {
            facts.loaded_at = BASELINE;
        }
        SloCursor {
            indicator,
            known,
            changed: had_values,
            ..SloCursor::default()
        }
    }

    /// An SLO that has nothing to count from needs no row.
    fn keep(&mut self, slo: i64, cursor: SloCursor) {
        if !cursor.units.is_empty() {
            self.slos.insert(slo, cursor);
        } else if cursor.changed {
            self.removed.insert(slo);
        }
    }
}

fn count_gauges(
    cursor: &mut SloCursor,
    entry: &Entry,
    samples: &[UsedSample<'_>],
    good: (CompareOp, f64),
    facts: &VisitFacts,
) -> SloCount {
    let groups: HashMap<&str, &Group> = samples
        .iter()
        .map(|sample| (sample.series.key.as_str(), &sample.series.group))
        .collect();
    // Without groups every series' seconds go to the SLO itself, also those of a series that is gone.
    let ungrouped = entry.slo.indicator.group_by.is_empty().then(Group::default);
    let group_of = |key: &str| groups.get(key).map(|group| (*group).clone()).or(ungrouped.clone());
    let credits = cursor.count_gauges(samples, good, facts.at, facts.interval, group_of);
    let credits = credits
        .into_iter()
        .map(|((group, minute), sums)| (group, minute, sums.0, sums.1));
    SloCount {
        credits: pending(entry, credits.collect(), cursor.feeds(), facts),
        ..SloCount::default()
    }
}

fn count_counters(
    cursor: &mut SloCursor,
    entry: &Entry,
    samples: &[UsedSample<'_>],
    bounds: &Bounds,
    facts: &VisitFacts,
) -> SloCount {
    let (units, missing) = match &entry.slo.indicator.kind {
        IndicatorKind::Latency { threshold, .. } => histogram_units(samples, *threshold, bounds),
        _ => (counter_units(samples, entry.slo.indicator.good_is_rest()), Vec::new()),
    };
    let mut count = cursor.count(&units, facts);
    // What has no bucket now has no last value when it gets one: what it counted until then is no credit.
    cursor.see_halves(&missing, facts);
    cursor.note_without_value(counters_without_value(samples), facts.at);
    let placed = count.credits.into_iter().flat_map(|(group, (total, good))| {
        let parts = placement::place(total, good, facts.previous_at, facts.at, facts.interval);
        parts
            .into_iter()
            .map(move |(minute, total, good)| (group.clone(), minute, total, good))
    });
    let counted = count.counted && missing.is_empty();
    let credits = pending(entry, placed.collect(), counted && cursor.feeds(), facts);
    count.notes.extend(missing.into_iter().map(Note::from));
    SloCount {
        credits,
        notes: count.notes,
        resets: count.resets,
    }
}

/// Credits as they wait: by group, and for the SLO itself the mark that the visit's minute was observed.
fn pending(
    entry: &Entry,
    placed: Vec<(Group, Minute, i64, i64)>,
    observed: bool,
    facts: &VisitFacts,
) -> Vec<PendingCredit> {
    let grouped = !entry.slo.indicator.group_by.is_empty();
    let mut credits: Vec<PendingCredit> = placed
        .into_iter()
        .filter(|(_, minute, total, good)| grouped && *minute == facts.at.minute() || *total != 0 || *good != 0)
        .map(|(group, minute, total, good)| PendingCredit {
            slo: entry.id,
            group: grouped.then_some(group),
            minute,
            bucket: Bucket {
                total,
                good,
                observed: false,
            },
        })
        .collect();
    if observed {
        let bucket = Bucket {
            observed: true,
            ..Bucket::default()
        };
        credits.push(PendingCredit {
            slo: entry.id,
            group: None,
            minute: facts.at.minute(),
            bucket,
        });
    }
    credits
}
