//! Raw samples of a server, counted by the rules for pages: a chunk of them is a sequence of pages, one for each target
//! and time.
//!
//! A target is a `job` and `instance`, its visits are the times of the samples that the SLO uses. All visits are counted
//! in the order of time, and each is judged by what was before it alone: the same history gives the same counts however
//! it is divided into chunks.

mod lanes;
mod memory;
mod questions;
mod strange;
mod tally;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use self::lanes::{Lane, Place, lanes};
use self::memory::{Hours, TargetMemory};
use self::questions::{is_over, judge};
use self::strange::strange;
use self::tally::Tally;
use super::cursor::SloCursor;
use super::text::SharedText;
use super::units::{UsedSample, counter_units, counters_without_value, histogram_units};
use super::{Note, VisitFacts, placement};
use crate::domain::answer::{AnsweredSeries, ServerTarget};
use crate::domain::bounds::Bounds;
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind};
use crate::domain::labels::{Group, Labels};
use crate::domain::time::{Minute, Timestamp};

pub use self::questions::{Asides, Questions, START_HOLDS};
pub use self::tally::RangeCount;

/// Targets that are remembered although they are gone. Beyond it the longest unseen are forgotten at a chunk's end, so
/// that only then the counts of what returns depend on where that was.
pub const TARGETS_UNSEEN_MAX: usize = 10_000;

/// What one SLO remembers of a server's series between two chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeCursor {
    from: Timestamp,
    read_until: Timestamp,
    hours: Hours,
    targets: BTreeMap<ServerTarget, TargetMemory>,
}

impl RangeCursor {
    /// A cursor that has read nothing: the history up to `from` counts nothing.
    pub fn new(from: Timestamp) -> Self {
        Self {
            from,
            read_until: from,
            hours: Hours::default(),
            targets: BTreeMap::new(),
        }
    }

    /// Until when everything has been counted.
    pub fn read_until(&self) -> Timestamp {
        self.read_until
    }

    /// Takes the samples up to and including [`Self::read_until`] as baselines: what was shortly before the first chunk.
    pub fn take_baseline(&mut self, indicator: &Indicator, answer: &[AnsweredSeries]) {
        let until = self.read_until;
        let last_visit = |target: &ServerTarget| self.targets.get(target).and_then(|memory| memory.last_visit_at);
        let after = |target: &ServerTarget| last_visit(target).unwrap_or(Timestamp(i64::MIN));
        let lanes = lanes(indicator, answer, after, until);
        // What was before the range is no part of the usual rate either.
        let hours = self.hours.clone();
        self.read(indicator, &lanes, &Asides::default(), until);
        self.hours = hours;
    }

    /// Counts the samples in `(read_until, until]` and moves on to `until`.
    pub fn count(
        &mut self,
        indicator: &Indicator,
        answer: &[AnsweredSeries],
        asides: &Asides,
        until: Timestamp,
    ) -> RangeCount {
        let until = until.max(self.read_until);
        let lanes = lanes(indicator, answer, |_| self.read_until, until);
        let tally = self.read(indicator, &lanes, asides, until);
        self.read_until = until;
        tally.finish()
    }

    fn read(&mut self, indicator: &Indicator, lanes: &[Lane<'_>], asides: &Asides, until: Timestamp) -> Tally {
        let mut tally = Tally::default();
        let mut runs: Vec<Run<'_>> = lanes.iter().map(|lane| self.begin(indicator, lane, asides)).collect();
        let of_run = |(index, run): (usize, &Run<'_>)| Some(Reverse((run.place.next_at?, index)));
        let mut order: BinaryHeap<_> = runs.iter().enumerate().filter_map(of_run).collect();
        let mut samples = Vec::new();
        while let Some(Reverse((at, index))) = order.pop() {
            let run = &mut runs[index];
            run.place.take(run.lane, at, &mut samples);
            run.visit(indicator, &samples, at, self.from, &mut self.hours, &mut tally);
            order.extend(run.place.next_at.map(|next| Reverse((next, index))));
        }
        for run in runs {
            self.targets.insert(run.lane.target.clone(), run.memory);
        }
        if let Some(good) = gauge(indicator) {
            self.credit_gauges(indicator, good, until, &mut tally);
        }
        self.forget(until);
        tally
    }

    fn begin<'a>(&mut self, indicator: &Indicator, lane: &'a Lane<'a>, asides: &'a Asides) -> Run<'a> {
        let scraped_before = asides.scraped_before.contains(&lane.target);
        let memory = self.targets.remove(&lane.target);
        let memory = memory.unwrap_or_else(|| TargetMemory::new(scraped_before));
        let mut groups = GaugeGroups::default();
        if gauge(indicator).is_some() {
            groups = groups_of(indicator, &memory.slo);
            let shown = lane.tracks.iter().map(|track| &track.used);
            groups.extend(shown.map(|used| (used.key.clone(), used.group.clone())));
        }
        Run {
            lane,
            place: Place::begin(lane),
            memory,
            starts: asides.starts.get(&lane.target).map_or(&[], Vec::as_slice),
            scraped_before,
            groups,
        }
    }

    /// Credits the seconds of all gauges up to the chunk's end.
    fn credit_gauges(&mut self, indicator: &Indicator, good: (CompareOp, f64), until: Timestamp, tally: &mut Tally) {
        for memory in self.targets.values_mut() {
            let groups = groups_of(indicator, &memory.slo);
            count_gauges(memory, &[], good, until, &groups, tally);
        }
    }

    /// Forgets targets that were not seen for long, which a later visit would not know any more anyway.
    fn forget(&mut self, until: Timestamp) {
        self.targets.retain(|_, memory| !is_over(memory, until));
        if self.targets.len() > TARGETS_UNSEEN_MAX {
            let mut seen: Vec<_> = self.targets.values().map(|memory| memory.last_visit_at).collect();
            seen.sort_unstable_by_key(|at| Reverse(*at));
            // What was seen in the last hour is no target that is gone.
            let first_kept = seen[TARGETS_UNSEEN_MAX - 1].min(Some(Minute(until.minute().0 - 60).start()));
            self.targets.retain(|_, memory| memory.last_visit_at >= first_kept);
        }
    }
}

/// The groups of a target's gauges, by series.
type GaugeGroups = HashMap<SharedText, Group>;

fn gauge(indicator: &Indicator) -> Option<(CompareOp, f64)> {
    match indicator.kind {
        IndicatorKind::Gauge { op, value, .. } => Some((op, value)),
        _ => None,
    }
}

/// One target on its way through a chunk.
struct Run<'a> {
    lane: &'a Lane<'a>,
    place: Place,
    memory: TargetMemory,
    starts: &'a [(Timestamp, f64)],
    scraped_before: bool,
    groups: GaugeGroups,
}

impl Run<'_> {
    fn visit(
        &mut self,
        indicator: &Indicator,
        samples: &[UsedSample<'_>],
        at: Timestamp,
        from: Timestamp,
        hours: &mut Hours,
        tally: &mut Tally,
    ) {
        if is_over(&self.memory, at) {
            self.memory = TargetMemory::new(self.scraped_before);
        }
        let previous_at = self.memory.last_visit_at;
        if let Some(previous) = previous_at.filter(|previous| previous.minute().hour() != at.minute().hour()) {
            self.memory.slo.forget(previous);
        }
        tally.matched(at);
        if let Some(good) = gauge(indicator) {
            count_gauges(&mut self.memory, samples, good, at, &self.groups, tally);
            if self.memory.slo.feeds() {
                tally.observe(at.minute());
            }
        } else {
            let (process_start, start) = judge(self.starts, previous_at, at);
            let facts = VisitFacts {
                at,
                previous_at,
                start,
                process_start,
                interval: self.memory.interval.get(),
                // Only asked for at the first visit, which is this one then.
                listed_at: at,
                loaded_at: from,
                busiest_rate: hours.busiest_rate(at),
            };
            count_counters(&mut self.memory.slo, indicator, samples, &facts, hours, tally);
        }
        // What a visit is counted with was learned before it, so that a chunk's end between two visits changes nothing.
        if let Some(previous) = previous_at {
            self.memory.interval.learn(at.since(previous));
        }
        self.memory.last_visit_at = Some(at);
    }
}

fn count_counters(
    slo: &mut SloCursor,
    indicator: &Indicator,
    samples: &[UsedSample<'_>],
    facts: &VisitFacts,
    hours: &mut Hours,
    tally: &mut Tally,
) {
    let (units, missing) = match &indicator.kind {
        // Which bounds there are is the reader's to ask: only the threshold's bucket was.
        IndicatorKind::Latency { threshold, .. } => histogram_units(samples, *threshold, &Bounds::default()),
        _ => (counter_units(samples, indicator.good_is_rest()), Vec::new()),
    };
    for (series, value) in strange(slo, samples, facts) {
        tally.strange.add(series, value, facts);
    }
    let count = slo.count(&units, facts);
    slo.see_halves(&missing, facts);
    // One that has a value keeps the time of it: so it is told how long it has had none.
    let unknown: Vec<&str> = counters_without_value(samples)
        .filter(|key| !slo.units.contains_key(*key))
        .collect();
    slo.note_without_value(unknown.into_iter(), facts.at);
    for (group, (total, good)) in &count.credits {
        for (minute, total, good) in placement::place(*total, *good, facts.previous_at, facts.at, facts.interval) {
            // A group is there as soon as it was seen, also without events.
            let shows_group = !indicator.group_by.is_empty() && minute == facts.at.minute();
            if shows_group || total != 0 || good != 0 {
                tally.add(group, minute, total, good);
                hours.add(minute.hour(), total);
            }
        }
    }
    if count.counted && missing.is_empty() && slo.feeds() {
        tally.observe(facts.at.minute());
    }
    tally.reset(count.resets);
    let lacking = missing.into_iter().map(Note::from);
    count.notes.into_iter().chain(lacking).for_each(|note| tally.note(note));
}

fn count_gauges(
    memory: &mut TargetMemory,
    samples: &[UsedSample<'_>],
    good: (CompareOp, f64),
    at: Timestamp,
    groups: &GaugeGroups,
    tally: &mut Tally,
) {
    let interval = memory.interval.get();
    let credits = memory
        .slo
        .count_gauges(samples, good, at, interval, |key| groups.get(key).cloned());
    for ((group, minute), (total, good)) in credits {
        tally.add(&group, minute, total, good);
    }
}

/// The groups of all gauges that are remembered: their seconds count after they are gone, too.
fn groups_of(indicator: &Indicator, slo: &SloCursor) -> GaugeGroups {
    let group_of = |key: &str| {
        if indicator.group_by.is_empty() {
            Group::default()
        } else {
            indicator.group_of(&labels_of_key(key))
        }
    };
    slo.units.keys().map(|key| (key.clone(), group_of(key))).collect()
}

/// The labels of a series by its key.
fn labels_of_key(key: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = key.split_once('{').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut characters) = (String::new(), after.char_indices());
        let mut end = after.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => {}
                },
                other => value.push(other),
            }
        }
        labels.set(name, &value);
        rest = after[end..].strip_prefix(',').unwrap_or("");
    }
    labels
}

#[cfg(test)]
mod tests;
