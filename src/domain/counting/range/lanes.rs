//! Raw samples in the order in which they were scraped: visit by visit, target by target.

use std::collections::BTreeMap;

use crate::domain::answer::{AnsweredSeries, ServerTarget};
use crate::domain::counting::units::{SeriesUse, UsedSample};
use crate::domain::indicator::Indicator;
use crate::domain::reading::Series;
use crate::domain::time::Timestamp;

/// One target's part of an answer.
pub(super) struct Lane<'a> {
    pub target: ServerTarget,
    /// Its series, in the order of their keys.
    pub tracks: Vec<Track<'a>>,
}

/// One series of a lane.
pub(super) struct Track<'a> {
    key: String,
    pub used: SeriesUse,
    /// Its samples within the range; never empty.
    pub samples: &'a [(Timestamp, f64)],
}

/// The series of an answer that the SLO uses, by target, with their samples up to `until` and after what `after` says of
/// the target. A series that two selectors have answered is there once.
pub(super) fn lanes<'a>(
    indicator: &Indicator,
    answer: &'a [AnsweredSeries],
    after: impl Fn(&ServerTarget) -> Timestamp,
    until: Timestamp,
) -> Vec<Lane<'a>> {
    let mut by_target: BTreeMap<ServerTarget, Vec<Track<'a>>> = BTreeMap::new();
    for answered in answer {
        let target = ServerTarget::of(&answered.labels);
        let after = after(&target);
        let begin = answered.samples.partition_point(|(at, _)| *at <= after);
        let samples = &answered.samples[begin..];
        let samples = &samples[..samples.partition_point(|(at, _)| *at <= until)];
        if samples.is_empty() {
            continue;
        }
        let series = Series::new(answered.metric.as_str(), answered.labels.clone());
        if let Some(used) = indicator.use_of(&series, &answered.metric, &answered.labels) {
            let key = series.key;
            by_target.entry(target).or_default().push(Track { key, used, samples });
        }
    }
    let lane = |(target, mut tracks): (ServerTarget, Vec<Track<'a>>)| {
        tracks.sort_by(|a, b| a.key.cmp(&b.key));
        tracks.dedup_by(|a, b| a.key == b.key && a.samples == b.samples);
        Lane { target, tracks }
    };
    by_target.into_iter().map(lane).collect()
}

impl Lane<'_> {
    /// The first visit.
    pub fn first_at(&self) -> Option<Timestamp> {
        self.tracks.iter().map(|track| track.samples[0].0).min()
    }
}

/// How far a lane has been read.
pub(super) struct Place {
    /// When the next visit is; `None` after the last one.
    pub next_at: Option<Timestamp>,
    /// Of each series, which sample is next.
    next: Vec<usize>,
    /// The series that have more samples.
    open: Vec<usize>,
}

impl Place {
    /// Before the first visit.
    pub fn begin(lane: &Lane<'_>) -> Self {
        Self {
            next_at: lane.first_at(),
            next: vec![0; lane.tracks.len()],
            open: (0..lane.tracks.len()).collect(),
        }
    }

    /// Takes the samples of the next visit, and moves on to the one after it.
    pub fn take<'t>(&mut self, lane: &'t Lane<'_>, at: Timestamp, samples: &mut Vec<UsedSample<'t>>) {
        samples.clear();
        let (mut next_at, mut has_ended) = (None::<Timestamp>, false);
        let mut last: Option<&Track<'_>> = None;
        for &index in &self.open {
            let (track, next) = (&lane.tracks[index], &mut self.next[index]);
            if let Some((_, value)) = track.samples.get(*next).filter(|(time, _)| *time == at) {
                *next += 1;
                // What two selectors have answered differently counts once all the same.
                if last.is_none_or(|last| last.key != track.key) {
                    samples.push(UsedSample {
                        series: &track.used,
                        value: *value,
                        created: None,
                        native: None,
                    });
                }
                last = Some(track);
            }
            match track.samples.get(*next) {
                Some((time, _)) => next_at = Some(next_at.map_or(*time, |least| least.min(*time))),
                None => has_ended = true,
            }
        }
        if has_ended {
            let next = &self.next;
            self.open
                .retain(|&index| next[index] < lane.tracks[index].samples.len());
        }
        self.next_at = next_at;
    }
}
