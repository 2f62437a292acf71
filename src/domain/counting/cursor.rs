//! Cursors: what a target and its SLOs are remembered by between visits, and their form in the store.

use std::collections::HashMap;

use super::units::Unit;
use crate::domain::time::Timestamp;

/// What a target is remembered by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TargetHeader {
    /// The last visit that counted.
    pub last_visit_at: Option<Timestamp>,
    /// The page's start time then, in unix seconds.
    pub process_start: Option<f64>,
}

/// What one SLO remembers of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SloCursor {
    /// The hash of the indicator for which the values hold.
    pub indicator: u64,
    /// The SLO has seen this target: series that appear from now on count from zero.
    pub known: bool,
    /// The last values, by unit.
    pub units: HashMap<String, UnitState>,
    /// Something has changed since it was last taken for a commit; not stored.
    pub changed: bool,
}

/// The last values of one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitState {
    /// The counter's value; or the histogram's count, then its bucket; or the gauge's value.
    pub values: [f64; 2],
    /// Its `_created`, in unix seconds.
    pub created: Option<f64>,
    /// When the values last changed; for a gauge, until when its seconds are credited.
    pub mark_at: Timestamp,
    /// For a gauge, when the value was sampled.
    pub sampled_at: Timestamp,
    /// The day on which it was last on a page, for forgetting.
    pub seen_day: i64,
}

impl UnitState {
    /// The state after a unit's first visit.
    pub fn first(unit: &Unit<'_>, at: Timestamp) -> Self {
        let seen_day = at.minute().day();
        Self {
            values: unit.values,
            created: unit.created,
            mark_at: at,
            sampled_at: Timestamp(0),
            seen_day,
        }
    }

    /// The state after another visit; tells whether it is another one.
    pub fn move_to(&mut self, unit: &Unit<'_>, at: Timestamp) -> bool {
        let before = *self;
        if self.values.map(f64::to_bits) != unit.values.map(f64::to_bits) {
            self.mark_at = at;
        }
        self.values = unit.values;
        self.created = unit.created.or(self.created);
        self.seen_day = at.minute().day();
        *self != before
    }
}

/// Units of one SLO on one target that are kept at most: churn must not fill the memory.
pub const UNITS_MAX: usize = 200_000;
/// A unit that no page has shown for so many days is forgotten.
pub const UNIT_DAYS_MAX: i64 = 30;

impl SloCursor {
    /// Forgets units that no page has shown for long, and the longest unseen beyond the cap.
    pub fn forget(&mut self, today: i64) {
        self.units.retain(|_, unit| today - unit.seen_day <= UNIT_DAYS_MAX);
        if self.units.len() > UNITS_MAX {
            let mut days: Vec<i64> = self.units.values().map(|unit| unit.seen_day).collect();
            let excess = days.len() - UNITS_MAX;
            let (_, oldest_kept, _) = days.select_nth_unstable(excess);
            let oldest_kept = *oldest_kept;
            self.units
                .retain(|_, unit| unit.seen_day >= oldest_kept || unit.seen_day == today);
        }
    }
}

const FORMAT: u8 = 1;

/// Why stored bytes are no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable cursor")]
pub struct CursorError;

impl TargetHeader {
    /// Its form in the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(self.last_visit_at.map_or(i64::MIN, |at| at.0).to_le_bytes());
        out.extend(self.process_start.unwrap_or(f64::NAN).to_le_bytes());
        out
    }

    /// From the store; nothing at all is a target that was never visited.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader(bytes);
        reader.format()?;
        let (at, start) = (reader.i64()?, reader.f64()?);
        let last_visit_at = (at != i64::MIN).then_some(Timestamp(at));
        Ok(Self {
            last_visit_at,
            process_start: (!start.is_nan()).then_some(start),
        })
    }
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
            for value in [unit.values[0], unit.values[1], unit.created.unwrap_or(f64::NAN)] {
                out.extend(value.to_le_bytes());
            }
            for value in [unit.mark_at.0, unit.sampled_at.0, unit.seen_day] {
                out.extend(value.to_le_bytes());
            }
        }
        out
    }

    /// From the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        let mut reader = Reader(bytes);
        reader.format()?;
        let known = reader.take(1)?[0] != 0;
        let indicator = reader.i64()? as u64;
        let count = reader.u32()?;
        let mut units = HashMap::new();
        for _ in 0..count {
            let length = reader.u32()? as usize;
            let key = std::str::from_utf8(reader.take(length)?)
                .map_err(|_| CursorError)?
                .to_owned();
            let values = [reader.f64()?, reader.f64()?];
            let created = Some(reader.f64()?).filter(|created| !created.is_nan());
            let (mark_at, sampled_at) = (Timestamp(reader.i64()?), Timestamp(reader.i64()?));
            let seen_day = reader.i64()?;
            units.insert(
                key,
                UnitState {
                    values,
                    created,
                    mark_at,
                    sampled_at,
                    seen_day,
                },
            );
        }
        Ok(Self {
            indicator,
            known,
            units,
            changed: false,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CursorError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(CursorError)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        self.take(N)?.try_into().map_err(|_| CursorError)
    }

    fn format(&mut self) -> Result<(), CursorError> {
        if self.take(1)?[0] == FORMAT {
            Ok(())
        } else {
            Err(CursorError)
        }
    }

    fn u32(&mut self) -> Result<u32, CursorError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, CursorError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn f64(&mut self) -> Result<f64, CursorError> {
        Ok(f64::from_le_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_store_and_garbage_is_refused() {
        let unit = UnitState {
            values: [3.5, 2.0],
            mark_at: Timestamp(9),
            seen_day: 4,
            ..UnitState::default()
        };
        let units = HashMap::from([("a{b=\"\\\"\"}".to_owned(), unit)]);
        let cursor = SloCursor {
            indicator: u64::MAX,
            known: true,
            units,
            changed: false,
        };
        assert_eq!(SloCursor::decode(&cursor.encode()), Ok(cursor.clone()));
        for length in 0..cursor.encode().len() {
            assert_eq!(
                SloCursor::decode(&cursor.encode()[..length]),
                Err(CursorError),
                "{length} bytes"
            );
        }
        let header = TargetHeader {
            last_visit_at: Some(Timestamp(7)),
            process_start: Some(1.5),
        };
        assert_eq!(TargetHeader::decode(&header.encode()), Ok(header));
        assert_eq!(TargetHeader::decode(&[]), Ok(TargetHeader::default()));
    }
}
