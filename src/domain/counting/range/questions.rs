//! What must be asked besides before a chunk can be judged, and what the answers say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::RangeCursor;
use super::lanes::{Lane, Track, lanes};
use super::memory::TargetMemory;
use crate::domain::answer::{AnsweredSeries, ServerTarget};
use crate::domain::counting::cursor::{TargetHeader, UNIT_DAYS_MAX};
use crate::domain::counting::start::{StartVerdict, judge_start};
use crate::domain::counting::units::SeriesRole;
use crate::domain::indicator::{Indicator, IndicatorKind};
use crate::domain::time::Timestamp;

/// How long a start time holds after its sample, as a value does for Prometheus.
pub const START_HOLDS: Duration = Duration::from_mins(5);

/// What must be asked besides. Without the answers the chunk counts, too, but as if nothing were known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Targets of which raw samples of `process_start_time_seconds` are needed, from after this time to the chunk's end:
    /// some of their series fell, or they are new.
    pub starts: BTreeMap<ServerTarget, Timestamp>,
    /// Targets that are new, with the time of their first sample: was their `up` 1 within the ten minutes before it?
    pub newcomers: BTreeMap<ServerTarget, Timestamp>,
}

impl Questions {
    /// There is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.newcomers.is_empty()
    }
}

/// The answers to the questions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asides {
    /// Raw samples of `process_start_time_seconds`, in unix seconds, oldest first; more than was asked for does no harm.
    pub starts: BTreeMap<ServerTarget, Vec<(Timestamp, f64)>>,
    /// The newcomers that were scraped within the ten minutes before their first sample: their series count from zero,
    /// as those that appear on a known target do (rule 2).
    pub scraped_before: BTreeSet<ServerTarget>,
}

impl RangeCursor {
    /// What must be asked besides before this chunk, the samples after [`Self::read_until`], can be judged.
    pub fn questions(&self, indicator: &Indicator, answer: &[AnsweredSeries]) -> Questions {
        let mut questions = Questions::default();
        let threshold = match &indicator.kind {
            IndicatorKind::Gauge { .. } => return questions,
            IndicatorKind::Latency { threshold, .. } => *threshold,
            _ => f64::NAN,
        };
        for lane in lanes(indicator, answer, |_| self.read_until, Timestamp(i64::MAX)) {
            let Some(first) = lane.first_at() else { continue };
            let memory = self.targets.get(&lane.target).filter(|memory| !is_over(memory, first));
            let since = if let Some(memory) = memory {
                first_fall(&lane, memory, threshold)
            } else {
                questions.newcomers.insert(lane.target.clone(), first);
                Some(first)
            };
            if let Some(since) = since {
                questions.starts.insert(lane.target, since - START_HOLDS);
            }
        }
        questions
    }
}

/// At this time nothing is remembered any more of a target that was last visited then.
pub(super) fn is_over(memory: &TargetMemory, at: Timestamp) -> bool {
    let is_old = |last: Timestamp| at.minute().day() - last.minute().day() > UNIT_DAYS_MAX;
    memory.last_visit_at.is_some_and(is_old)
}

/// A visit that lies before the first fall of a series: until that one all values are at least what they were.
fn first_fall(lane: &Lane<'_>, memory: &TargetMemory, threshold: f64) -> Option<Timestamp> {
    let before_fall = |track: &Track<'_>| {
        let side = match track.used.role {
            SeriesRole::HistogramBucket { le, .. } if (le - threshold).abs() <= threshold.abs() * 1e-12 => 1,
            SeriesRole::HistogramBucket { .. } => return None,
            _ => 0,
        };
        let unit = memory.slo.units.get(&track.used.key);
        let mut highest = unit.map(|unit| unit.values[side]).filter(|value| !value.is_nan());
        let mut before = memory.last_visit_at.unwrap_or(track.samples[0].0);
        for (at, value) in track.samples {
            let is_count = *value >= 0.0 && value.is_finite();
            if is_count && highest.is_some_and(|highest| *value < highest) {
                return Some(before);
            }
            if is_count {
                highest = Some(*value);
            }
            before = *at;
        }
        None
    };
    lane.tracks.iter().filter_map(before_fall).min()
}

/// What the start times of a target say about a visit: the start that holds then, and the verdict. A server has
/// collected what answered at an address, whoever it was, so that another process makes no visit missing here: its
/// verdict is that nothing is known, and what fell was reset.
pub(super) fn judge(
    starts: &[(Timestamp, f64)],
    previous_at: Option<Timestamp>,
    at: Timestamp,
) -> (Option<f64>, StartVerdict) {
    if starts.is_empty() {
        return (None, StartVerdict::Unknown);
    }
    let start = start_at(starts, at);
    let header = TargetHeader {
        last_visit_at: previous_at,
        process_start: previous_at.and_then(|previous| start_at(starts, previous)),
        ..TargetHeader::default()
    };
    match judge_start(&header, start) {
        StartVerdict::Another => (start, StartVerdict::Unknown),
        verdict => (start, verdict),
    }
}

fn start_at(starts: &[(Timestamp, f64)], at: Timestamp) -> Option<f64> {
    let until = starts.partition_point(|(time, _)| *time <= at);
    let (time, start) = starts.get(until.checked_sub(1)?)?;
    (*time > at - START_HOLDS && start.is_finite()).then_some(*start)
}
