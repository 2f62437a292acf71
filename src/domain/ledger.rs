//! The ledger in memory: running sums over every window of every ledger key.
//!
//! It is a cache of the store, rebuilt at start and refreshable at any time. The sums stand in columns over all keys;
//! an evaluation reads them and never walks history. Minutes are kept for the last six hours and for the hour that a
//! longer window is about to lose; everything older is kept as hour totals.

use std::collections::VecDeque;

use super::counts::{Bucket, EventCounts, HourTotal};
use super::time::{HOUR_MINUTES, Hour, Minute};
use super::window::WindowLength;

/// Windows up to this many minutes are summed from minutes alone.
pub const RECENT_MINUTES: i64 = 360;
/// Hour totals are kept at least this long, for the busiest hour of the last seven days (counting rule 4).
const HOURS_MIN: i64 = 7 * 24;

/// A ledger key's place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIndex(usize);

/// What one window of one key holds, as matched, in millionths of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSum {
    /// All events.
    pub total: i64,
    /// Good events.
    pub good: i64,
    /// Observed minutes.
    pub observed: u32,
}

impl WindowSum {
    /// Clamped to what can be (counting rule 7).
    pub fn counts(self) -> EventCounts {
        EventCounts::clamped(self.good, self.total)
    }
}

/// Running sums over every window of every key.
#[derive(Debug, Default)]
pub struct Ledger {
    now: Minute,
    keys: Vec<KeyHistory>,
    totals: Vec<i64>,
    goods: Vec<i64>,
    observed: Vec<u32>,
}

/// What one key remembers besides its sums.
#[derive(Debug)]
struct KeyHistory {
    /// Ascending; their sums stand at `slot`, `slot + 1`, …
    windows: Vec<WindowLength>,
    slot: usize,
    /// Ascending, without empty ones.
    minutes: VecDeque<(Minute, Bucket)>,
    /// Ascending, without empty ones.
    hours: VecDeque<(Hour, HourTotal)>,
    /// For each window longer than the recent minutes, the hours that it is losing or about to lose.
    edges: Vec<(Hour, Box<[Bucket; 60]>)>,
}

impl Ledger {
    /// An empty ledger at this minute.
    pub fn new(now: Minute) -> Self {
        Self { now, ..Self::default() }
    }

    /// The minute up to which the sums go.
    pub fn now(&self) -> Minute {
        self.now
    }

    /// Adds a key with these windows; it is empty until it is loaded or credited.
    pub fn add(&mut self, mut windows: Vec<WindowLength>) -> KeyIndex {
        windows.sort_unstable();
        windows.dedup();
        let slot = self.totals.len();
        for column in [&mut self.totals, &mut self.goods] {
            column.resize(slot + windows.len(), 0);
        }
        self.observed.resize(slot + windows.len(), 0);
        let (minutes, hours) = (VecDeque::new(), VecDeque::new());
        self.keys.push(KeyHistory {
            windows,
            slot,
            minutes,
            hours,
            edges: Vec::new(),
        });
        KeyIndex(self.keys.len() - 1)
    }

    /// The sum over one of the key's windows; `None` when it has no such window.
    pub fn sum(&self, key: KeyIndex, window: WindowLength) -> Option<WindowSum> {
        let history = &self.keys[key.0];
        let slot = history.slot + history.windows.binary_search(&window).ok()?;
        Some(WindowSum {
            total: self.totals[slot],
            good: self.goods[slot],
            observed: self.observed[slot],
        })
    }

    /// All events of the busiest hour of the last seven days, in millionths.
    pub fn busiest_hour(&self, key: KeyIndex) -> i64 {
        let from = Hour(self.now.hour().0 - HOURS_MIN);
        let hours = self.keys[key.0]
            .hours
            .iter()
            .rev()
            .take_while(|(hour, _)| *hour >= from);
        hours.map(|(_, sum)| sum.total).max().unwrap_or(0)
    }

    /// The hour totals that are kept, oldest first.
    pub fn hours(&self, key: KeyIndex) -> impl Iterator<Item = &(Hour, HourTotal)> {
        self.keys[key.0].hours.iter()
    }

    /// The first hour whose total a load must give.
    pub fn hours_from(&self, key: KeyIndex) -> Hour {
        self.keys[key.0].hours_from(self.now)
    }

    /// The spans of minutes, inclusive, that a load must give: the recent ones, and the hour at the edge of every longer
    /// window.
    pub fn minute_spans(&self, key: KeyIndex) -> Vec<(Minute, Minute)> {
        let recent = (Minute(self.now.0 - RECENT_MINUTES), self.now);
        let long = self.keys[key.0].windows.iter().filter(|window| is_long(**window));
        let edge = |window: &WindowLength| {
            let first = first_minute(*window, self.now).hour().first_minute();
            (first, Minute(first.0 + HOUR_MINUTES - 1))
        };
        std::iter::once(recent).chain(long.map(edge)).collect()
    }

    /// Replaces what is known of a key by what the store holds: ascending hour totals from `hours_from`, and ascending
    /// buckets of `minute_spans`.
    pub fn load(&mut self, key: KeyIndex, hours: &[(Hour, HourTotal)], minutes: &[(Minute, Bucket)]) {
        let now = self.now;
        let recent_from = Minute(now.0 - RECENT_MINUTES);
        let history = &mut self.keys[key.0];
        history.hours = hours.iter().copied().collect();
        history.minutes = minutes
            .iter()
            .filter(|(minute, _)| *minute >= recent_from)
            .copied()
            .collect();
        history.edges.clear();
        for window in history.windows.clone().into_iter().filter(|window| is_long(*window)) {
            history.put_edge(first_minute(window, now).hour(), minutes);
        }
        for (offset, window) in history.windows.clone().into_iter().enumerate() {
            let sum = history.sum_from_history(window, now);
            let slot = history.slot + offset;
            (self.totals[slot], self.goods[slot], self.observed[slot]) = (sum.total, sum.good, sum.observed);
        }
    }

    /// Adds events to one bucket and to every window that holds its minute.
    pub fn credit(&mut self, key: KeyIndex, minute: Minute, credit: Bucket) {
        let history = &mut self.keys[key.0];
        let newly_observed = history.credit(minute, credit, self.now);
        for (offset, window) in history.windows.iter().enumerate() {
            if minute <= self.now && minute >= first_minute(*window, self.now) {
                let slot = history.slot + offset;
                self.totals[slot] = self.totals[slot].saturating_add(credit.total);
                self.goods[slot] = self.goods[slot].saturating_add(credit.good);
                self.observed[slot] += u32::from(newly_observed);
            }
        }
    }

    /// Hours whose minutes must be put before the ledger can advance so far: their windows lose them on the way.
    pub fn missing_edges(&self, until: Minute) -> Vec<(KeyIndex, Hour)> {
        let mut missing = Vec::new();
        for (index, history) in self.keys.iter().enumerate() {
            for window in history.windows.iter().filter(|window| is_long(**window)) {
                let (first, last) = (
                    first_minute(*window, self.now).hour().0,
                    first_minute(*window, until).hour().0,
                );
                let wanted = (first..=last).map(Hour);
                missing.extend(
                    wanted
                        .filter(|hour| history.lacks_edge(*hour))
                        .map(|hour| (KeyIndex(index), hour)),
                );
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Gives the minutes of an hour that a window is about to lose.
    pub fn put_edge(&mut self, key: KeyIndex, hour: Hour, minutes: &[(Minute, Bucket)]) {
        self.keys[key.0].put_edge(hour, minutes);
    }

    /// Moves on to a later minute: what falls out of a window is subtracted, what was credited ahead comes in. The edges
    /// must be there (`missing_edges`).
    pub fn advance(&mut self, until: Minute) {
        let began = self.now;
        while self.now < until {
            let next = Minute(self.now.0 + 1);
            for history in &mut self.keys {
                let entering = history.minute(next);
                for (offset, window) in history.windows.iter().enumerate() {
                    let slot = history.slot + offset;
                    let leaving = history.minute(first_minute(*window, self.now));
                    let moved = |sum: i64, out: i64, into: i64| sum.saturating_sub(out).saturating_add(into);
                    self.totals[slot] = moved(self.totals[slot], leaving.total, entering.total);
                    self.goods[slot] = moved(self.goods[slot], leaving.good, entering.good);
                    let observed = self.observed[slot] + u32::from(entering.observed);
                    self.observed[slot] = observed.saturating_sub(u32::from(leaving.observed));
                }
                history.forget(next);
            }
            self.now = next;
        }
        if began.hour() != self.now.hour() {
            self.keys.iter_mut().for_each(|history| history.forget_edges(until));
        }
    }
}

/// A window longer than the minutes that are kept.
fn is_long(window: WindowLength) -> bool {
    i64::from(window.minutes()) > RECENT_MINUTES
}

fn first_minute(window: WindowLength, now: Minute) -> Minute {
    Minute(now.0 - i64::from(window.minutes()))
}

impl KeyHistory {
    fn hours_from(&self, now: Minute) -> Hour {
        let longest = self.windows.last().map_or(0, |window| i64::from(window.minutes()));
        Hour((now.0 - longest).div_euclid(HOUR_MINUTES).min(now.hour().0 - HOURS_MIN))
    }

    fn minute(&self, minute: Minute) -> Bucket {
        if let Ok(at) = self.minutes.binary_search_by_key(&minute, |(known, _)| *known) {
            return self.minutes[at].1;
        }
        let edge = self.edges.iter().find(|(hour, _)| *hour == minute.hour());
        edge.map_or(Bucket::default(), |(_, minutes)| minutes[minute.of_hour()])
    }

    /// The minutes of the hour would be needed, are not there, and are not all empty.
    fn lacks_edge(&self, hour: Hour) -> bool {
        let empty = self.hours.binary_search_by_key(&hour, |(known, _)| *known).is_err();
        !empty && self.edges.iter().all(|(known, _)| *known != hour)
    }

    fn put_edge(&mut self, hour: Hour, minutes: &[(Minute, Bucket)]) {
        if self.edges.iter().any(|(known, _)| *known == hour) {
            return;
        }
        let mut edge = Box::new([Bucket::default(); 60]);
        for (minute, bucket) in minutes.iter().filter(|(minute, _)| minute.hour() == hour) {
            edge[minute.of_hour()] = *bucket;
        }
        self.edges.push((hour, edge));
    }

    fn sum_from_history(&self, window: WindowLength, now: Minute) -> WindowSum {
        let first = first_minute(window, now);
        let mut sum = WindowSum::default();
        let mut add = |total: i64, good: i64, observed: u32| {
            sum.total = sum.total.saturating_add(total);
            sum.good = sum.good.saturating_add(good);
            sum.observed += observed;
        };
        if !is_long(window) {
            let inside = self
                .minutes
                .iter()
                .filter(|(minute, _)| *minute >= first && *minute <= now);
            inside.for_each(|(_, bucket)| add(bucket.total, bucket.good, u32::from(bucket.observed)));
            return sum;
        }
        let edge_end = Minute((first.hour().0 + 1) * HOUR_MINUTES);
        for minute in first.0..edge_end.0 {
            let bucket = self.minute(Minute(minute));
            add(bucket.total, bucket.good, u32::from(bucket.observed));
        }
        let whole = self
            .hours
            .iter()
            .filter(|(hour, _)| hour.0 > first.hour().0 && *hour <= now.hour());
        whole.for_each(|(_, hour)| add(hour.total, hour.good, u32::from(hour.observed)));
        sum
    }

    /// Adds to the minute, its hour and its edge; tells whether the minute is observed only now.
    fn credit(&mut self, minute: Minute, credit: Bucket, now: Minute) -> bool {
        let mut newly_observed = false;
        if minute.0 >= now.0 - RECENT_MINUTES {
            let at = self.minutes.partition_point(|(known, _)| *known < minute);
            if self.minutes.get(at).is_none_or(|(known, _)| *known != minute) {
                self.minutes.insert(at, (minute, Bucket::default()));
            }
            newly_observed = add_bucket(&mut self.minutes[at].1, credit);
        }
        if let Some((_, edge)) = self.edges.iter_mut().find(|(hour, _)| *hour == minute.hour()) {
            newly_observed |= add_bucket(&mut edge[minute.of_hour()], credit);
        }
        if minute.hour() >= self.hours_from(now) {
            let at = self.hours.partition_point(|(known, _)| *known < minute.hour());
            if self.hours.get(at).is_none_or(|(known, _)| *known != minute.hour()) {
                self.hours.insert(at, (minute.hour(), HourTotal::default()));
            }
            let hour = &mut self.hours[at].1;
            hour.total = hour.total.saturating_add(credit.total);
            hour.good = hour.good.saturating_add(credit.good);
            hour.observed = hour.observed.saturating_add(u8::from(newly_observed)).min(60);
        }
        newly_observed
    }

    fn forget(&mut self, now: Minute) {
        while self
            .minutes
            .front()
            .is_some_and(|(minute, _)| minute.0 < now.0 - RECENT_MINUTES)
        {
            self.minutes.pop_front();
        }
        if now.of_hour() != 0 {
            return;
        }
        let from = self.hours_from(now);
        while self.hours.front().is_some_and(|(hour, _)| *hour < from) {
            self.hours.pop_front();
        }
    }

    /// Edges are forgotten once an advance is over: a long one needs several at a time.
    fn forget_edges(&mut self, now: Minute) {
        let losing: Vec<Hour> = self
            .windows
            .iter()
            .map(|window| first_minute(*window, now).hour())
            .collect();
        self.edges
            .retain(|(hour, _)| losing.iter().any(|losing| losing == hour || losing.0 + 1 == hour.0));
    }
}

fn add_bucket(bucket: &mut Bucket, credit: Bucket) -> bool {
    let newly_observed = credit.observed && !bucket.observed;
    bucket.total = bucket.total.saturating_add(credit.total);
    bucket.good = bucket.good.saturating_add(credit.good);
    bucket.observed |= credit.observed;
    newly_observed
}

#[cfg(test)]
mod tests;
