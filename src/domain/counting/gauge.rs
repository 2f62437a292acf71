//! Gauges: each second of a series is one event, good while the comparison holds, for at most two intervals after a
//! sample.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cursor::{SloCursor, UnitState};
use super::placement::split_by_minute;
use super::units::UsedSample;
use crate::domain::indicator::CompareOp;
use crate::domain::labels::Group;
use crate::domain::time::{Minute, Timestamp};

/// Millionths of an event in a millisecond.
const MICRO_PER_MS: i64 = 1_000;

/// Total and good millionths by group and minute.
pub type GaugeCredits = BTreeMap<(Group, Minute), (i64, i64)>;

impl SloCursor {
    /// Credits the seconds that have passed since each series' last sample, by the value that it had then, and takes
    /// the new samples. A series that is absent now is credited up to two intervals after its last sample, in
    /// `groups`, which knows the group of every series that was ever used.
    pub fn count_gauges(
        &mut self,
        samples: &[UsedSample<'_>],
        good: (CompareOp, f64),
        at: Timestamp,
        interval: Duration,
        group_of: impl Fn(&str) -> Option<Group>,
    ) -> GaugeCredits {
        let mut credits = GaugeCredits::new();
        for (key, unit) in &mut self.units {
            let until = at.min(unit.sampled_at + 2 * interval);
            if until <= unit.mark_at {
                continue;
            }
            let is_good = good.0.holds(unit.values[0], good.1);
            let Some(group) = group_of(key) else { continue };
            for (minute, ms) in split_by_minute(unit.mark_at, until) {
                let credit = credits.entry((group.clone(), minute)).or_default();
                credit.0 += ms * MICRO_PER_MS;
                credit.1 += if is_good { ms * MICRO_PER_MS } else { 0 };
            }
            unit.mark_at = until;
            self.changed = true;
        }
        for sample in samples.iter().filter(|sample| !sample.value.is_nan()) {
            let mut sampled = UnitState {
                values: [sample.value, 0.0],
                created: None,
                mark_at: at,
                sampled_at: at,
                seen: at.minute(),
            };
            if let Some(unit) = self.units.get_mut(&sample.series.key) {
                sampled.mark_at = unit.mark_at.max(at);
                *unit = sampled;
            } else {
                self.units.insert(sample.series.key.clone(), sampled);
            }
        }
        self.changed |= !self.known || !samples.is_empty();
        self.known = true;
        credits
    }
}
