//! A target's cursor between its commits, and how one SLO counts with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::PendingCredit;
use crate::domain::counting::cursor::{SloCursor, TargetHeader};
use crate::domain::counting::units::{MissingBucket, SeriesUse, UsedSample, counter_units, histogram_units};
use crate::domain::counting::{Note, VisitFacts, placement};
use crate::domain::counts::Bucket;
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::Group;
use crate::domain::relabel::RelabelRules;
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

impl Cursor {
    /// Counts what one SLO matched: credits, notes, resets. `rules` decide what it matches as much as its selectors do:
    /// where either has changed, series take a new baseline, and none of them counts twice, however young it is.
    pub fn count_slo(
        &mut self,
        entry: &Entry,
        samples: &[UsedSample<'_>],
        facts: &VisitFacts,
        used: &[Arc<[(i64, SeriesUse)]>],
        rules: &RelabelRules,
    ) -> (Vec<PendingCredit>, Vec<Note>, u32) {
        let cursor = self.slos.entry(entry.id).or_default();
        let indicator = entry.indicator ^ rules.digest();
        let mut facts = *facts;
        if cursor.indicator != indicator {
            if cursor.known {
                facts.loaded_at = facts.at;
            }
            *cursor = SloCursor {
                indicator,
                changed: true,
                ..SloCursor::default()
            };
        }
        let facts = &facts;
        match &entry.slo.indicator.kind {
            IndicatorKind::Gauge { op, value, .. } => {
                let groups: HashMap<&str, &Group> = used
                    .iter()
                    .flat_map(|uses| uses.iter())
                    .filter(|(slo, _)| *slo == entry.id)
                    .map(|(_, used)| (used.key.as_str(), &used.group))
                    .collect();
                // Without groups every series' seconds go to the SLO itself, also those of a series that is gone.
                let ungrouped = entry.slo.indicator.group_by.is_empty().then(Group::default);
                let group_of = |key: &str| groups.get(key).map(|group| (*group).clone()).or(ungrouped.clone());
                let credits = cursor.count_gauges(samples, (*op, *value), facts.at, facts.interval, group_of);
                let credits = credits
                    .into_iter()
                    .map(|((group, minute), sums)| (group, minute, sums.0, sums.1));
                (
                    pending(entry, credits.collect(), true, !cursor.units.is_empty(), facts),
                    Vec::new(),
                    0,
                )
            }
            kind => {
                let (units, missing) = match kind {
                    IndicatorKind::Latency { threshold, .. } => histogram_units(samples, *threshold),
                    _ => (counter_units(samples, entry.slo.indicator.good_is_rest()), Vec::new()),
                };
                let mut count = cursor.count(&units, facts);
                let placed = count.credits.into_iter().flat_map(|(group, (total, good))| {
                    let parts = placement::place(total, good, facts.previous_at, facts.at, facts.interval);
                    parts
                        .into_iter()
                        .map(move |(minute, total, good)| (group.clone(), minute, total, good))
                });
                let counted = count.counted && missing.is_empty();
                let credits = pending(entry, placed.collect(), counted, !cursor.units.is_empty(), facts);
                let lacking = |missing: MissingBucket| Note::MissingBucket {
                    histogram: missing.histogram,
                    nearest: missing.nearest,
                };
                count.notes.extend(missing.into_iter().map(lacking));
                (credits, count.notes, count.resets)
            }
        }
    }
}

/// Credits as they wait: by group, and for the SLO itself the mark that the visit's minute was observed.
fn pending(
    entry: &Entry,
    placed: Vec<(Group, Minute, i64, i64)>,
    counted: bool,
    feeds: bool,
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
    if counted && feeds {
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
