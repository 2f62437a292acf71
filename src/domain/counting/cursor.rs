//! Cursors: what a target and its SLOs are remembered by between visits, and their form in the store.

use std::collections::{HashMap, HashSet};

use super::text::SharedText;
use super::units::Unit;
use crate::domain::time::{DAY_MINUTES, Minute, Timestamp};

/// What a target is remembered by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TargetHeader {
    /// The last visit that counted.
    pub last_visit_at: Option<Timestamp>,
    /// The page's start time then, in unix seconds.
    pub process_start: Option<f64>,
    /// When the page that counted last was made: before the visit where a cache gave it out.
    pub page_at: Option<Timestamp>,
    /// With what that visit was counted; `None` when an older nines has written this.
    pub counted_with: Option<CountedWith>,
}

/// What decided which series an SLO saw at a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedWith {
    /// The edition of the catalog: every SLO of that edition or an older one has seen the target.
    pub edition: u64,
    /// The digest of the target's labels.
    pub labels: u64,
    /// The digest of the rules that relabel its series.
    pub rules: u64,
}

/// The last values, by unit.
pub type Units = HashMap<SharedText, UnitState, foldhash::fast::RandomState>;

/// What one SLO remembers of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SloCursor {
    /// The hash of the indicator for which the values hold.
    pub indicator: u64,
    /// The SLO has seen this target: series that appear from now on count from zero.
    pub known: bool,
    /// The last values, by unit.
    pub units: Units,
    /// Something has changed since it was last taken for a commit; not stored.
    pub changed: bool,
}

/// The last values of one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitState {
    /// The counter's value; or the histogram's count, then its bucket; or the gauge's value. NaN where it is known and
    /// has no last value: the next one is a baseline.
    pub values: [f64; 2],
    /// Its `_created`, in unix seconds.
    pub created: Option<f64>,
    /// When the values last changed; for a gauge, until when its seconds are credited.
    pub mark_at: Timestamp,
    /// For a gauge, when the value was sampled.
    pub sampled_at: Timestamp,
    /// When it was last on a page, for forgetting. The store hears of it when something else changes, and once a day.
    pub seen: Minute,
}

impl UnitState {
    /// The state after a unit's first visit.
    pub fn first(unit: &Unit<'_>, at: Timestamp) -> Self {
        Self {
            values: unit.values,
            created: unit.created,
            mark_at: at,
            sampled_at: Timestamp(0),
            seen: at.minute(),
        }
    }

    /// A unit that is known, and whose next value is a baseline.
    pub fn without_value(at: Timestamp) -> Self {
        Self {
            values: [f64::NAN, f64::NAN],
            mark_at: at,
            seen: at.minute(),
            ..Self::default()
        }
    }

    /// There is a last value to count from.
    pub fn has_value(&self) -> bool {
        !self.values[0].is_nan()
    }

    /// The state after another visit; tells whether the store must hear of it.
    pub fn move_to(&mut self, unit: &Unit<'_>, at: Timestamp) -> bool {
        let created = unit.created.or(self.created);
        let has_moved = self.values.map(f64::to_bits) != unit.values.map(f64::to_bits);
        let has_changed = has_moved || self.created != created;
        if has_moved {
            self.mark_at = at;
        }
        (self.values, self.created) = (unit.values, created);
        self.see(at) || has_changed
    }

    /// It is on a page; tells whether it was last seen on another day.
    pub fn see(&mut self, at: Timestamp) -> bool {
        let before = std::mem::replace(&mut self.seen, at.minute());
        before.day() != self.seen.day()
    }
}

/// Units of one SLO on one target that are kept although the last page did not show them; where the page shows more,
/// as many as it shows. Churn must fill neither the memory nor the store.
pub const UNSEEN_UNITS_MAX: usize = 10_000;
/// A unit that no page has shown for so many days is forgotten.
pub const UNIT_DAYS_MAX: i64 = 30;

impl SloCursor {
    /// It has something to count from: the target feeds the SLO.
    pub fn feeds(&self) -> bool {
        self.units.values().any(UnitState::has_value)
    }

    /// Forgets units that no page has shown for long, and the longest unseen beyond the cap. What the visits since
    /// `last_visit` have shown stays.
    pub fn forget(&mut self, last_visit: Timestamp) {
        let (now, today) = (last_visit.minute(), last_visit.minute().day());
        self.units.retain(|_, unit| today - unit.seen.day() <= UNIT_DAYS_MAX);
        let mut unseen: Vec<i64> = self
            .units
            .values()
            .map(|unit| unit.seen.0)
            .filter(|seen| *seen < now.0)
            .collect();
        let kept_max = UNSEEN_UNITS_MAX.max(self.units.len() - unseen.len());
        let Some(excess) = unseen.len().checked_sub(kept_max).filter(|excess| *excess > 0) else {
            return;
        };
        let (_, first_kept, _) = unseen.select_nth_unstable(excess);
        let first_kept = *first_kept;
        self.units.retain(|_, unit| unit.seen.0 >= first_kept);
        self.units.shrink_to_fit();
    }

    /// Another page's way to see the target is in force: what this page does not show has no value to count from, since
    /// what it did in the meantime was somebody else's.
    pub fn forget_values_beside(&mut self, shown: &HashSet<&str>, at: Timestamp) {
        for (_, unit) in self.units.iter_mut().filter(|(key, _)| !shown.contains(key.as_str())) {
            let seen = unit.seen;
            *unit = UnitState {
                seen,
                ..UnitState::without_value(at)
            };
            self.changed = true;
        }
    }

    /// Remembers units that a page has shown without a value that counts.
    pub fn note_without_value<'a>(&mut self, keys: impl Iterator<Item = &'a str>, at: Timestamp) {
        for key in keys {
            if let Some(unit) = self.units.get_mut(key) {
                self.changed |= unit.see(at);
            } else {
                self.units.insert(key.into(), UnitState::without_value(at));
                self.changed = true;
            }
        }
    }
}

/// The form that is written.
const FORMAT: u8 = 2;
/// The form before it; it is still read.
const FORMAT_1: u8 = 1;

/// Why stored bytes are no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable cursor")]
pub struct CursorError;

impl TargetHeader {
    /// Its form in the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        let with = self.counted_with;
        put_time(&mut out, self.last_visit_at);
        out.extend(self.process_start.unwrap_or(f64::NAN).to_le_bytes());
        put_time(&mut out, self.page_at);
        for number in [
            with.map(|it| it.edition),
            with.map(|it| it.labels),
            with.map(|it| it.rules),
        ] {
            out.extend(number.unwrap_or(0).to_le_bytes());
        }
        out.push(u8::from(with.is_some()));
        out
    }

    /// From the store; nothing at all is a target that was never visited.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader(bytes);
        let format = reader.format()?;
        let last_visit_at = reader.time()?;
        let process_start = Some(reader.f64()?).filter(|start| !start.is_nan());
        let mut header = Self {
            last_visit_at,
            process_start,
            ..Self::default()
        };
        if format != FORMAT_1 {
            header.page_at = reader.time()?;
            let [edition, labels, rules] = [reader.u64()?, reader.u64()?, reader.u64()?];
            let with = CountedWith { edition, labels, rules };
            header.counted_with = (reader.take(1)?[0] != 0).then_some(with);
        }
        Ok(header)
    }
}

/// Which fields of a unit follow.
mod field {
    pub const SECOND_VALUE: u8 = 1;
    pub const CREATED: u8 = 2;
    pub const SAMPLED_AT: u8 = 4;
}

impl SloCursor {
    /// Its form in the store: little-endian numbers, each key with its length before it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, u8::from(self.known)];
        out.extend(self.indicator.to_le_bytes());
        out.extend((self.units.len() as u32).to_le_bytes());
        for (key, unit) in &self.units {
            out.extend((key.len() as u32).to_le_bytes());
            out.extend(key.as_bytes());
            let second = (unit.values[1].to_bits() != 0).then_some(unit.values[1]);
            let sampled_at = (unit.sampled_at.0 != 0).then_some(unit.sampled_at);
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            let fields = flag(second.is_some(), field::SECOND_VALUE)
                | flag(unit.created.is_some(), field::CREATED)
                | flag(sampled_at.is_some(), field::SAMPLED_AT);
            out.push(fields);
            for value in [Some(unit.values[0]), second, unit.created].into_iter().flatten() {
                out.extend(value.to_le_bytes());
            }
            out.extend(unit.mark_at.0.to_le_bytes());
            if let Some(at) = sampled_at {
                out.extend(at.0.to_le_bytes());
            }
            out.extend(unit.seen.0.to_le_bytes());
        }
        out
    }

    /// From the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        let mut reader = Reader(bytes);
        let format = reader.format()?;
        let known = reader.take(1)?[0] != 0;
        let indicator = reader.u64()?;
        let count = reader.u32()?;
        let mut units = Units::default();
        for _ in 0..count {
            let length = reader.u32()? as usize;
            let key = std::str::from_utf8(reader.take(length)?).map_err(|_| CursorError)?;
            let unit = if format == FORMAT_1 {
                reader.unit_1()?
            } else {
                reader.unit()?
            };
            units.insert(key.into(), unit);
        }
        Ok(Self {
            indicator,
            known,
            units,
            changed: false,
        })
    }
}

fn put_time(out: &mut Vec<u8>, at: Option<Timestamp>) {
    out.extend(at.map_or(i64::MIN, |at| at.0).to_le_bytes());
}

/// Reads what was encoded, piece by piece.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CursorError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(CursorError)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        self.take(N)?.try_into().map_err(|_| CursorError)
    }

    fn format(&mut self) -> Result<u8, CursorError> {
        let format = self.take(1)?[0];
        matches!(format, FORMAT | FORMAT_1).then_some(format).ok_or(CursorError)
    }

    fn unit(&mut self) -> Result<UnitState, CursorError> {
        let fields = self.take(1)?[0];
        let has = |flag: u8| fields & flag != 0;
        let first = self.f64()?;
        let second = if has(field::SECOND_VALUE) { self.f64()? } else { 0.0 };
        let created = if has(field::CREATED) { Some(self.f64()?) } else { None };
        let mark_at = Timestamp(self.i64()?);
        let sampled_at = Timestamp(if has(field::SAMPLED_AT) { self.i64()? } else { 0 });
        let seen = Minute(self.i64()?);
        Ok(UnitState {
            values: [first, second],
            created,
            mark_at,
            sampled_at,
            seen,
        })
    }

    fn unit_1(&mut self) -> Result<UnitState, CursorError> {
        let values = [self.f64()?, self.f64()?];
        let created = Some(self.f64()?).filter(|created| !created.is_nan());
        let (mark_at, sampled_at) = (Timestamp(self.i64()?), Timestamp(self.i64()?));
        let seen = Minute(self.i64()?.saturating_mul(DAY_MINUTES));
        Ok(UnitState {
            values,
            created,
            mark_at,
            sampled_at,
            seen,
        })
    }

    fn time(&mut self) -> Result<Option<Timestamp>, CursorError> {
        let at = self.i64()?;
        Ok((at != i64::MIN).then_some(Timestamp(at)))
    }

    fn u64(&mut self) -> Result<u64, CursorError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CursorError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, CursorError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn f64(&mut self) -> Result<f64, CursorError> {
        Ok(f64::from_le_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor_with(units: impl IntoIterator<Item = (&'static str, UnitState)>) -> SloCursor {
        SloCursor {
            indicator: u64::MAX,
            known: true,
            units: units.into_iter().map(|(key, unit)| (key.into(), unit)).collect(),
            changed: false,
        }
    }

    #[test]
    fn cursors_survive_the_store_and_garbage_is_refused() {
        let counter = UnitState {
            values: [3.5, 0.0],
            mark_at: Timestamp(9),
            seen: Minute(4),
            ..UnitState::default()
        };
        let gauge = UnitState {
            values: [-1.0, -0.0],
            created: Some(12.5),
            sampled_at: Timestamp(8),
            ..counter
        };
        let cursor = cursor_with([("a{b=\"\\\"\"}", counter), ("g", gauge)]);
        assert_eq!(SloCursor::decode(&cursor.encode()), Ok(cursor.clone()));
        let valueless = cursor_with([("h", UnitState::without_value(Timestamp(60_000)))]);
        let read = SloCursor::decode(&valueless.encode()).expect("it is read");
        assert!(!read.feeds() && read.units["h"].seen == Minute(1), "{read:?}");
        for length in 0..cursor.encode().len() {
            let cut = SloCursor::decode(&cursor.encode()[..length]);
            assert_eq!(cut, Err(CursorError), "{length} bytes");
        }
        let with = CountedWith {
            edition: 3,
            labels: 4,
            rules: u64::MAX,
        };
        for (page_at, counted_with) in [(Some(Timestamp(6)), Some(with)), (None, None)] {
            let header = TargetHeader {
                last_visit_at: Some(Timestamp(7)),
                process_start: Some(1.5),
                page_at,
                counted_with,
            };
            assert_eq!(TargetHeader::decode(&header.encode()), Ok(header));
        }
        assert_eq!(TargetHeader::decode(&[]), Ok(TargetHeader::default()));
    }

    #[test]
    fn what_an_older_nines_has_written_is_read() {
        let mut header = vec![1];
        header.extend(7_i64.to_le_bytes());
        header.extend(1.5_f64.to_le_bytes());
        let read = TargetHeader {
            last_visit_at: Some(Timestamp(7)),
            process_start: Some(1.5),
            ..TargetHeader::default()
        };
        assert_eq!(TargetHeader::decode(&header), Ok(read));
        let mut cursor = vec![1, 1];
        cursor.extend(u64::MAX.to_le_bytes());
        cursor.extend(1_u32.to_le_bytes());
        cursor.extend(1_u32.to_le_bytes());
        cursor.push(b'a');
        for value in [3.5, 2.0, f64::NAN] {
            cursor.extend(value.to_le_bytes());
        }
        for value in [9_i64, 0, 4] {
            cursor.extend(value.to_le_bytes());
        }
        let unit = UnitState {
            values: [3.5, 2.0],
            mark_at: Timestamp(9),
            seen: Minute(4 * DAY_MINUTES),
            ..UnitState::default()
        };
        assert_eq!(SloCursor::decode(&cursor), Ok(cursor_with([("a", unit)])));
    }

    #[test]
    fn what_no_page_shows_is_forgotten_by_age_and_beyond_the_cap_longest_unseen_first() {
        let now = Timestamp(100 * 86_400_000);
        let unit = |minutes_ago: i64| UnitState {
            seen: Minute(now.minute().0 - minutes_ago),
            ..UnitState::default()
        };
        let unseen = (0..=UNSEEN_UNITS_MAX as i64).map(|at| (format!("gone{at}").into(), unit(1 + at % 1000)));
        let mut cursor = cursor_with([("shown", unit(0)), ("old", unit(31 * DAY_MINUTES))]);
        cursor.units.extend(unseen);
        cursor.forget(now);
        let longest_unseen = cursor.units.values().map(|unit| now.minute().0 - unit.seen.0).max();
        assert!(cursor.units.contains_key("shown") && !cursor.units.contains_key("old"));
        assert_eq!(longest_unseen, Some(1000), "as many as are kept, to the minute");
        assert!(cursor.units.len() <= UNSEEN_UNITS_MAX + 11, "{}", cursor.units.len());
    }
}
