//! Samples that are no count: they count nothing, and a person should know of them.

use crate::domain::counting::cursor::{SloCursor, UnitState};
use crate::domain::counting::units::{SeriesRole, UsedSample, is_count};
use crate::domain::counting::{Note, VisitFacts};
use crate::domain::time::MINUTE_MS;

/// The samples of counters and histograms at one visit that are no count, with their series' keys.
///
/// A NaN soon after a count may be a staleness marker, which some servers give out as it is: it only says that the series
/// has ended. One that comes when the last count is older than that is a value.
pub(super) fn strange<'a>(
    slo: &SloCursor,
    samples: &'a [UsedSample<'_>],
    facts: &VisitFacts,
) -> impl Iterator<Item = (&'a str, f64)> {
    let marked_within = 2 * facts.interval;
    let may_have_ended = move |unit: &UnitState| {
        let since_seen = facts.at.since(unit.seen.start()) - MINUTE_MS;
        unit.has_value() && since_seen <= marked_within.as_millis() as i64
    };
    let counted = samples.iter().filter(|sample| sample.series.role != SeriesRole::Gauge);
    let strange = counted.filter(|sample| !is_count(sample.value));
    let strange = strange.filter(move |sample| {
        let last = slo.units.get(&sample.series.key);
        !(sample.value.is_nan() && last.is_some_and(may_have_ended))
    });
    strange.map(|sample| (sample.series.key.as_str(), sample.value))
}

/// All of them in one chunk, for people.
#[derive(Default)]
pub(super) struct StrangeSamples(Option<Note>);

impl StrangeSamples {
    /// One more.
    pub fn add(&mut self, series: &str, value: f64, facts: &VisitFacts) {
        if let Some(Note::NoCount { samples, .. }) = &mut self.0 {
            *samples += 1;
        } else {
            self.0 = Some(Note::NoCount {
                series: series.to_owned(),
                value: value.to_string(),
                at: facts.at,
                samples: 1,
            });
        }
    }

    /// What is said of them.
    pub fn note(self) -> Option<Note> {
        self.0
    }
}
