//! Values that a server has computed at aligned steps, as events.
//!
//! The value at a step stands for the time since the step before. A group of which one value is no number of events was
//! not seen at that step: a sum with something unknown in it is unknown.

mod queries;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::queries::weight;
use super::Note;
use super::range::RangeCount;
use crate::domain::answer::Answer;
use crate::domain::counts::to_micro;
use crate::domain::indicator::{CompareOp, PromQlForm, RatioPart};
use crate::domain::labels::{Group, Labels};
use crate::domain::time::{MINUTE_MS, Minute, Timestamp, millis};

pub use self::queries::{Role, StepQuery, interval_from_count, interval_query, learned_step, queries};

/// Millionths of an event in a millisecond of which each second weighs one event.
const MICRO_PER_MS: i64 = 1_000;
/// More millionths than this are in no step: sums and differences of two such numbers still fit.
const MICRO_MAX: i128 = i64::MAX as i128 / 2;
/// How far a ratio may lie outside 0 to 1 by the rounding of floating-point sums.
const ROUNDING: f64 = 1e-9;

/// Counts the values at the steps `first`, `first + step` … `last`, all of them multiples of the step, which is a whole
/// number of minutes. Values at other times are not looked at.
pub fn count_steps(
    form: &PromQlForm,
    group_by: &[String],
    answers: &[(Role, Answer)],
    first: Timestamp,
    last: Timestamp,
    step: Duration,
) -> RangeCount {
    let (minutes, step_ms) = length(step);
    let mut reader = Reader::new(form, step_ms);
    let mut count = RangeCount::default();
    reader.count((group_by, answers), (first, last), minutes, &mut count);
    reader.notes().for_each(|note| count.add_note(note));
    count
}

/// Counts what rows say of the periods that end at `first`, `first + every` … `last`: their values are events as they
/// stand. Whoever has answered has told of all periods, also of those of which there is no row: nothing happened then.
pub fn count_rows(
    part_is: RatioPart,
    group_by: &[String],
    answers: &[(Role, Answer)],
    first: Timestamp,
    last: Timestamp,
    every: Duration,
) -> RangeCount {
    let (minutes, step_ms) = length(every);
    let mut reader = Reader::plain(part_is, step_ms);
    let mut count = RangeCount::default();
    let unseen = reader.count((group_by, answers), (first, last), minutes, &mut count);
    let mut at = first;
    while at <= last {
        if !unseen.contains(&at) {
            count
                .observed
                .extend((at.minute().0 - minutes..at.minute().0).map(Minute));
        }
        at = at + every;
    }
    count.matched_at = Some(last);
    reader.notes().for_each(|note| count.add_note(note));
    count
}

/// The length of a step in whole minutes, and in milliseconds.
fn length(step: Duration) -> (i64, i64) {
    let minutes = (millis(step) / MINUTE_MS).max(1);
    (minutes, minutes * MINUTE_MS)
}

fn group_of(group_by: &[String], labels: &Labels) -> Group {
    let pairs = group_by.iter().map(|name| (name.clone(), labels.get(name).to_owned()));
    Group(pairs.collect())
}

fn fitting(micro: i128) -> Option<i64> {
    i64::try_from(micro).ok().filter(|_| micro.abs() <= MICRO_MAX)
}

/// Spreads the events of a step evenly over its minutes. Good and bad ones are spread each by themselves, so that no
/// minute holds more good events than events; what does not divide goes into the last one.
fn spread(total: i64, good: i64, begin: Minute, minutes: i64) -> impl Iterator<Item = (Minute, i64, i64)> {
    let bad = total - good;
    (0..minutes).map(move |index| {
        let part = |amount: i64| {
            let rest = if index == minutes - 1 { amount % minutes } else { 0 };
            amount / minutes + rest
        };
        (Minute(begin.0 + index), part(good) + part(bad), part(good))
    })
}

/// The values of one group at one step.
#[derive(Default)]
struct Cell {
    /// All events, in millionths.
    total: i128,
    /// Bad or good events, in millionths.
    part: i128,
    /// The share of good events.
    fraction: Option<f64>,
    /// A value tells how many events there were.
    is_seen: bool,
    /// A value is no number of events.
    is_spoiled: bool,
}

/// Reads values as events.
struct Reader {
    step_ms: i64,
    total_weight: f64,
    part_weight: f64,
    part_is: RatioPart,
    holds: Option<(CompareOp, f64)>,
    by_fraction: bool,
    no_events: BTreeMap<Role, Complaint>,
    outside: Option<Complaint>,
}

/// Values that are not what they should be.
struct Complaint {
    value: f64,
    at: Timestamp,
    values: u64,
}

impl Complaint {
    fn again(earlier: Option<Self>, value: f64, at: Timestamp) -> Self {
        let mut complaint = earlier.unwrap_or(Self { value, at, values: 0 });
        complaint.values += 1;
        complaint
    }
}

impl Reader {
    /// Values are events as they stand.
    fn plain(part_is: RatioPart, step_ms: i64) -> Self {
        Self {
            step_ms,
            total_weight: 1.0,
            part_weight: 1.0,
            part_is,
            holds: None,
            by_fraction: false,
            no_events: BTreeMap::new(),
            outside: None,
        }
    }

    fn new(form: &PromQlForm, step_ms: i64) -> Self {
        let step = Duration::from_millis(step_ms.unsigned_abs());
        let mut reader = Self::plain(RatioPart::Good, step_ms);
        match form {
            PromQlForm::Ratio { total, part, part_is } => {
                (reader.total_weight, reader.part_weight) = (weight(total, step), weight(part, step));
                reader.part_is = *part_is;
            }
            PromQlForm::RawRatio { ratio_of, .. } => reader.part_is = *ratio_of,
            PromQlForm::Threshold { op, value, .. } => reader.holds = Some((*op, *value)),
            PromQlForm::Latency { .. } => reader.by_fraction = true,
        }
        reader
    }

    /// Adds the events of all groups at all steps between `first` and `last`; gives back the steps at which a group was
    /// not seen.
    fn count(
        &mut self,
        (group_by, answers): (&[String], &[(Role, Answer)]),
        (first, last): (Timestamp, Timestamp),
        minutes: i64,
        count: &mut RangeCount,
    ) -> BTreeSet<Timestamp> {
        let mut unseen = BTreeSet::new();
        let mut by_group: BTreeMap<Group, BTreeMap<Timestamp, Cell>> = BTreeMap::new();
        for (role, answer) in answers {
            for series in &answer.series {
                let cells = by_group.entry(group_of(group_by, &series.labels)).or_default();
                for (at, value) in &series.samples {
                    if (first..=last).contains(at) && at.since(first) % self.step_ms == 0 {
                        self.read(*role, *value, *at, cells.entry(*at).or_default());
                        count.matched_at = count.matched_at.max(Some(*at));
                    }
                }
            }
        }
        for (group, cells) in &by_group {
            for (at, cell) in cells {
                let Some((total, good)) = self.events(cell, *at) else {
                    unseen.insert(*at);
                    continue;
                };
                let (Some(total), Some(good)) = (fitting(total), fitting(good)) else {
                    let series = group.to_label_set();
                    count.add_note(Note::Overflow { series });
                    unseen.insert(*at);
                    continue;
                };
                let begin = Minute(at.minute().0 - minutes);
                for (minute, total, good) in spread(total, good, begin, minutes) {
                    count.minutes.insert((group.clone(), minute), (total, good));
                    if cell.is_seen {
                        count.observed.insert(minute);
                    }
                }
            }
        }
        unseen
    }

    fn read(&mut self, role: Role, value: f64, at: Timestamp, cell: &mut Cell) {
        match role {
            Role::Total => match events_of(value, self.total_weight) {
                Some(micro) => (cell.total, cell.is_seen) = (cell.total.saturating_add(micro), true),
                None => self.spoil(role, value, at, cell),
            },
            Role::Part => match events_of(value, self.part_weight) {
                Some(micro) => cell.part = cell.part.saturating_add(micro),
                None => self.spoil(role, value, at, cell),
            },
            // Nothing divided by nothing: the server has looked, and there were no events.
            Role::Ratio | Role::Value if value.is_nan() => cell.is_seen = true,
            Role::Ratio if value.is_infinite() => self.spoil(role, value, at, cell),
            Role::Ratio => {
                let share = self.clamped(value, at);
                self.add_seconds(share, cell);
            }
            Role::Value => {
                let is_good = self.holds.is_some_and(|(op, bound)| op.holds(value, bound));
                self.add_seconds(if is_good { 1.0 } else { 0.0 }, cell);
            }
            // A share of nothing is NaN.
            Role::Fraction if value.is_nan() => {}
            Role::Fraction if value.is_infinite() => self.spoil(role, value, at, cell),
            Role::Fraction => cell.fraction = Some(self.clamped(value, at)),
        }
    }

    /// Each second of the step is an event, of which a share is bad or good.
    fn add_seconds(&self, share: f64, cell: &mut Cell) {
        let all = self.step_ms * MICRO_PER_MS;
        cell.total += i128::from(all);
        cell.part += (all as f64 * share).round() as i128;
        cell.is_seen = true;
    }

    fn clamped(&mut self, value: f64, at: Timestamp) -> f64 {
        let clamped = value.clamp(0.0, 1.0);
        // Rounding may lead a little out of the range; that is nothing to tell anybody.
        if (value - clamped).abs() > ROUNDING {
            self.outside = Some(Complaint::again(self.outside.take(), value, at));
        }
        clamped
    }

    fn spoil(&mut self, role: Role, value: f64, at: Timestamp, cell: &mut Cell) {
        cell.is_spoiled = true;
        let complaint = Complaint::again(self.no_events.remove(&role), value, at);
        self.no_events.insert(role, complaint);
    }

    /// Total and good events of a group at a step, in millionths; `None` where it was not seen.
    fn events(&mut self, cell: &Cell, at: Timestamp) -> Option<(i128, i128)> {
        if cell.is_spoiled {
            return None;
        }
        let total = cell.total;
        if self.by_fraction {
            if total > 0 && cell.fraction.is_none() {
                let complaint = Complaint::again(self.no_events.remove(&Role::Fraction), f64::NAN, at);
                self.no_events.insert(Role::Fraction, complaint);
                return None;
            }
            let good = (total as f64 * cell.fraction.unwrap_or(0.0)).round() as i128;
            return Some((total, good.min(total)));
        }
        match self.part_is {
            RatioPart::Good => Some((total, cell.part)),
            RatioPart::Bad => Some((total, total.saturating_sub(cell.part))),
        }
    }

    /// What a person should know.
    fn notes(self) -> impl Iterator<Item = Note> {
        let no_events = self.no_events.into_iter().map(|(role, complaint)| Note::NoEvents {
            asked: role.word(),
            value: complaint.value.to_string(),
            at: complaint.at,
            values: complaint.values,
        });
        let outside = self.outside.map(|complaint| Note::RatioOutside {
            value: complaint.value.to_string(),
            at: complaint.at,
            values: complaint.values,
        });
        no_events.chain(outside)
    }
}

/// A value's events in millionths; `None` where it is no number of events.
fn events_of(value: f64, weight: f64) -> Option<i128> {
    (value >= 0.0).then(|| to_micro(value * weight)).flatten()
}

#[cfg(test)]
mod tests;
