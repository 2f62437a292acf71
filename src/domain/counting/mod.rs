//! Counting: what a visit to a target adds to an SLO, by the contract's counting rules.
//!
//! Everything is decided for each SLO by itself, from its own last values on that target ([`SloCursor`]): a new SLO
//! takes its baseline while its neighbours go on counting, and a changed indicator starts over alone.

pub mod cursor;
pub mod gauge;
pub mod listing;
pub mod placement;
pub mod range;
pub mod start;
pub mod steps;
pub mod text;
pub mod units;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use self::cursor::{SloCursor, UnitState};
use self::listing::BORN_BEFORE_LISTED_MAX;
use self::start::StartVerdict;
use self::units::{MissingBucket, Unit, UnitRoles};
use super::counts::{MICRO, to_micro};
use super::labels::Group;
use super::time::{SECOND_MS, Timestamp};

/// A credit from zero may be this many times the usual rate before it is not believed (rule 4).
const BELIEVABLE_FACTOR: f64 = 10.0;
/// The usual rate is taken to be at least this, in events per second (rule 4).
const USUAL_RATE_MIN: f64 = 1000.0;
/// With an unchanged start a fall below this share of the last value is jitter (rule 3).
const JITTER_SHARE: f64 = 0.01;
/// A `_created` within so many seconds of the last one is the same: formats round it differently.
const SAME_CREATED_WITHIN: f64 = 0.001;
/// A `_created` that lies farther than this before the last visit, or in the future, tells of no reset since that visit,
/// whatever the clocks of the two machines do; in seconds.
const CREATED_OFF_MAX: f64 = 60.0;

/// What a half of a histogram is to a person: it lacks its count, or its threshold's bucket.
impl From<MissingBucket> for Note {
    fn from(missing: MissingBucket) -> Self {
        let (histogram, nearest) = (missing.histogram, missing.nearest);
        match missing.count {
            None if nearest.is_empty() => Self::MissingCount { histogram },
            _ => Self::MissingBucket { histogram, nearest },
        }
    }
}

/// What is known about a visit besides its samples.
#[derive(Clone, Copy, Debug)]
pub struct VisitFacts {
    /// When, by nines' clock.
    pub at: Timestamp,
    /// The visit before it that counted, if any.
    pub previous_at: Option<Timestamp>,
    /// What the page's start time says.
    pub start: StartVerdict,
    /// The page's start time, in unix seconds.
    pub process_start: Option<f64>,
    /// The target's scrape interval.
    pub interval: Duration,
    /// When the target was first listed, moved back by nines' downtime before that.
    pub listed_at: Timestamp,
    /// When the SLO was first loaded with its present indicator.
    pub loaded_at: Timestamp,
    /// The SLO's events per second in its busiest hour of the last seven days.
    pub busiest_rate: f64,
}

/// What a visit adds to one SLO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisitCount {
    /// Total and good in millionths of an event, by group.
    pub credits: BTreeMap<Group, (i64, i64)>,
    /// Series that were reset.
    pub resets: u32,
    /// The visit counts: its minute is observed.
    pub counted: bool,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// What a person should know about how a visit was counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// Rule 4: credits from zero that cannot be true.
    Unbelievable {
        /// Events from zero in this visit.
        events: f64,
        /// Events by which known series grew in this visit; they are not counted either.
        beside: f64,
        /// The rate that they imply, in events per second.
        rate: f64,
        /// The rate that would have been believed.
        limit: f64,
    },
    /// Rule 8: a histogram without its count.
    MissingCount {
        /// Which histogram.
        histogram: String,
    },
    /// A counter fell although the process is the same: it counted from zero.
    FellWithoutRestart {
        /// Of which series.
        series: String,
    },
    /// Rule 8: a histogram without the threshold's bucket.
    MissingBucket {
        /// Which histogram.
        histogram: String,
        /// The nearest bounds below and above, as written on the page.
        nearest: Vec<String>,
    },
    /// Rule 3: only another process has answered for five minutes; it is the new baseline.
    Replaced,
    /// A difference that does not fit the ledger.
    Overflow {
        /// Of which series.
        series: String,
    },
    /// A server's query gave values that are no number of events; the steps were not seen.
    NoEvents {
        /// What was asked for.
        asked: &'static str,
        /// The first such value.
        value: String,
        /// When it was.
        at: Timestamp,
        /// How many such values there were.
        values: u64,
    },
    /// Samples of a server's counters that are no count; they counted nothing.
    NoCount {
        /// The first series that had one.
        series: String,
        /// The first such value.
        value: String,
        /// When it was.
        at: Timestamp,
        /// How many such samples there were.
        samples: u64,
    },
    /// A server's ratio lay outside 0 to 1; it was taken to be the nearer of the two.
    RatioOutside {
        /// The first such value.
        value: String,
        /// When it was.
        at: Timestamp,
        /// How many such values there were.
        values: u64,
    },
}

impl SloCursor {
    /// Counts the units that an SLO matched on one page, and moves the last values on.
    pub fn count(&mut self, units: &[Unit<'_>], facts: &VisitFacts) -> VisitCount {
        let mut count = VisitCount {
            counted: true,
            ..VisitCount::default()
        };
        let reset_families = self.reset_families(units, facts);
        let mut from_zero = FromZero::default();
        for unit in units {
            let credit = self.credit_of(unit, facts, &reset_families);
            if credit.reset {
                count.resets += 1;
                self.doubt_reset(unit, facts, &mut count);
            }
            let Some(deltas) = credit.deltas(unit) else {
                count.notes.push(Note::Overflow {
                    series: unit.key.to_string(),
                });
                count.counted = false;
                continue;
            };
            if let Some(elapsed) = credit.from_zero_over {
                from_zero.add(unit, &deltas, elapsed);
            }
            add(&mut count, unit, &deltas);
        }
        self.remember(units, facts, &reset_families);
        let limit = BELIEVABLE_FACTOR * facts.busiest_rate.max(USUAL_RATE_MIN);
        if from_zero.rate() > limit {
            let in_all: i64 = count
                .credits
                .values()
                .map(|(total, _)| *total)
                .fold(0, i64::saturating_add);
            let beside = (in_all as f64 / MICRO as f64 - from_zero.events()).max(0.0);
            let note = Note::Unbelievable {
                beside,
                events: from_zero.events(),
                rate: from_zero.rate(),
                limit,
            };
            count = VisitCount {
                notes: vec![note],
                resets: count.resets,
                ..VisitCount::default()
            };
        }
        count
    }

    /// The families of which one series fell although the process is newer: all of their series begin anew (rule 3).
    fn reset_families(&self, units: &[Unit<'_>], facts: &VisitFacts) -> HashSet<String> {
        if facts.start != StartVerdict::Newer {
            return HashSet::new();
        }
        let fell = |unit: &&Unit<'_>| self.units.get(unit.key).is_some_and(|last| last.falls_to(unit));
        units.iter().filter(fell).map(|unit| unit.family.to_owned()).collect()
    }

    /// A process that goes on has no reason to begin its counters anew: two of them may answer at one address.
    fn doubt_reset(&self, unit: &Unit<'_>, facts: &VisitFacts, count: &mut VisitCount) {
        let fell = self.units.get(unit.key).is_some_and(|last| last.falls_to(unit));
        let is_told = count
            .notes
            .iter()
            .any(|note| matches!(note, Note::FellWithoutRestart { .. }));
        if fell && facts.start == StartVerdict::Same && !is_told {
            let series = unit.key.to_string();
            count.notes.push(Note::FellWithoutRestart { series });
        }
    }

    /// Histograms of which a page shows one half: without a last value the next whole one is a baseline; one whose count
    /// shows that it was reset counts from zero when it is whole again.
    pub fn see_halves(&mut self, halves: &[MissingBucket], facts: &VisitFacts) {
        for half in halves {
            let count = half.count.unwrap_or(f64::INFINITY);
            let Some(unit) = self.units.get_mut(half.histogram.as_str()) else {
                continue;
            };
            let is_jitter = facts.start == StartVerdict::Same && unit.values[0] - count < unit.values[0] * JITTER_SHARE;
            if count < unit.values[0] && !is_jitter {
                (unit.values, unit.mark_at) = ([0.0, 0.0], facts.at);
                self.changed = true;
            }
        }
        self.note_without_value(halves.iter().map(|half| half.histogram.as_str()), facts.at);
    }

    fn credit_of(&self, unit: &Unit<'_>, facts: &VisitFacts, reset_families: &HashSet<String>) -> UnitCredit {
        let Some(last) = self.units.get(unit.key) else {
            return self.credit_of_new(unit, facts);
        };
        if !last.has_value() {
            return UnitCredit::nothing();
        }
        let created_anew = unit.created.zip(last.created);
        let created_anew =
            created_anew.is_some_and(|(now, then)| now > then + SAME_CREATED_WITHIN && facts.may_begin(now));
        let fell = last.falls_to(unit);
        if fell && !created_anew && facts.start == StartVerdict::Same && last.jitters_to(unit) {
            return UnitCredit::nothing();
        }
        if fell || created_anew || reset_families.contains(unit.family) {
            return UnitCredit::from_zero(facts.elapsed_since(last.mark_at), true);
        }
        UnitCredit {
            since: Some(last.values),
            from_zero_over: None,
            reset: false,
        }
    }

    /// A series without a last value: a baseline at the first visit unless it began after the SLO was loaded (rule 1),
    /// from zero at any later one (rule 2).
    fn credit_of_new(&self, unit: &Unit<'_>, facts: &VisitFacts) -> UnitCredit {
        if self.known {
            return UnitCredit::from_zero(facts.elapsed_since(facts.previous_at.unwrap_or(facts.at)), false);
        }
        let began = unit.created.or(facts.process_start).and_then(Timestamp::from_seconds);
        match began {
            Some(began) if began > facts.loaded_at && began >= facts.listed_at - BORN_BEFORE_LISTED_MAX => {
                UnitCredit::from_zero(facts.elapsed_since(began), false)
            }
            _ => UnitCredit::nothing(),
        }
    }

    fn remember(&mut self, units: &[Unit<'_>], facts: &VisitFacts, reset_families: &HashSet<String>) {
        if !reset_families.is_empty() {
            // Series of a reset family that are absent now count from zero when they come back.
            self.units
                .retain(|key, _| !reset_families.contains(units::family_of_key(key)));
        }
        for unit in units {
            let jitter =
                |last: &UnitState| facts.start == StartVerdict::Same && last.falls_to(unit) && last.jitters_to(unit);
            self.changed |= match self.units.get_mut(unit.key) {
                // A jittering counter keeps its highest value, so that climbing back is not counted twice.
                Some(last) if jitter(last) => last.see(facts.at),
                Some(last) => last.move_to(unit, facts.at),
                None => self
                    .units
                    .insert(unit.key.clone(), UnitState::first(unit, facts.at))
                    .is_none(),
            }
        }
        self.changed |= !self.known || !reset_families.is_empty();
        self.known = true;
    }
}

impl VisitFacts {
    /// Whether a series can have begun anew at this time, in unix seconds, since the last visit.
    fn may_begin(&self, created: f64) -> bool {
        let since = self.previous_at.unwrap_or(Timestamp(0));
        (since.as_seconds() - CREATED_OFF_MAX..=self.at.as_seconds() + CREATED_OFF_MAX).contains(&created)
    }

    /// Seconds since an earlier time, at least one scrape interval (rule 4).
    fn elapsed_since(&self, earlier: Timestamp) -> f64 {
        (self.at.since(earlier) as f64 / SECOND_MS as f64).max(self.interval.as_secs_f64())
    }
}

/// How one unit counts.
struct UnitCredit {
    /// Count from these values; `None` for nothing.
    since: Option<[f64; 2]>,
    /// The credit is from zero, over so many seconds.
    from_zero_over: Option<f64>,
    reset: bool,
}

impl UnitCredit {
    fn nothing() -> Self {
        Self {
            since: None,
            from_zero_over: None,
            reset: false,
        }
    }

    fn from_zero(over: f64, reset: bool) -> Self {
        Self {
            since: Some([0.0, 0.0]),
            from_zero_over: Some(over),
            reset,
        }
    }

    /// The differences in millionths; `None` when one does not fit.
    fn deltas(&self, unit: &Unit<'_>) -> Option<[i64; 2]> {
        let Some(since) = self.since else { return Some([0, 0]) };
        let delta = |now: f64, then: f64| i64::try_from(to_micro(now)? - to_micro(then)?).ok();
        Some([delta(unit.values[0], since[0])?, delta(unit.values[1], since[1])?])
    }
}

/// All credits from zero of one visit: their events and the rate that they imply, for both numbers.
#[derive(Default)]
struct FromZero {
    events: [f64; 2],
    rates: [f64; 2],
}

impl FromZero {
    fn add(&mut self, unit: &Unit<'_>, deltas: &[i64; 2], elapsed: f64) {
        for side in unit.sides() {
            let events = deltas[if unit.is_pair() { side } else { 0 }] as f64 / MICRO as f64;
            self.events[side] += events;
            self.rates[side] += events / elapsed;
        }
    }

    fn rate(&self) -> f64 {
        self.rates[0].max(self.rates[1])
    }

    fn events(&self) -> f64 {
        self.events[0].max(self.events[1])
    }
}

/// Adds a unit's differences to its group's credit; good is total - bad where bad is what was matched (rule 7).
fn add(count: &mut VisitCount, unit: &Unit<'_>, deltas: &[i64; 2]) {
    let (total, good) = match unit.roles {
        UnitRoles::Histogram => (deltas[0], deltas[1]),
        UnitRoles::Counter { total, bad, good } => {
            let delta = deltas[0];
            let if_set = |set: bool| if set { delta } else { 0 };
            let counts_good_by_rest = unit.good_is_rest && total;
            (if_set(total), if_set(good) + if_set(counts_good_by_rest) - if_set(bad))
        }
    };
    // Most units go to a group that is there already.
    let Some(credit) = count.credits.get_mut(unit.group) else {
        count.credits.insert(unit.group.clone(), (total, good));
        return;
    };
    if let (Some(total), Some(good)) = (credit.0.checked_add(total), credit.1.checked_add(good)) {
        *credit = (total, good);
    } else {
        count.notes.push(Note::Overflow {
            series: unit.key.to_string(),
        });
        count.counted = false;
    }
}

impl UnitState {
    /// A value lies below the last one.
    fn falls_to(&self, unit: &Unit<'_>) -> bool {
        self.values[0] > unit.values[0] || (unit.is_pair() && self.values[1] > unit.values[1])
    }

    /// No value lies more than one percent below the last one.
    fn jitters_to(&self, unit: &Unit<'_>) -> bool {
        let small = |then: f64, now: f64| then <= now || then - now < then * JITTER_SHARE;
        small(self.values[0], unit.values[0]) && (!unit.is_pair() || small(self.values[1], unit.values[1]))
    }
}

#[cfg(test)]
mod tests;
