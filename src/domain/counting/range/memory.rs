//! What is remembered of a server's series between two chunks, and its form in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use super::RangeCursor;
use crate::domain::answer::ServerTarget;
use crate::domain::counting::cursor::{CursorError, Reader, SloCursor};
use crate::domain::counts::MICRO;
use crate::domain::time::{Hour, MINUTE_MS, Timestamp};

/// The scrape interval is the median of so many last differences: gaps do not move it, and a changed one is soon learned.
const DIFFERENCES: usize = 9;
/// The scrape interval of a target of which too little is known.
const INTERVAL_DEFAULT: Duration = Duration::from_millis(MINUTE_MS as u64);
/// The busiest hour is sought in so many hours (rule 4).
const BUSIEST_HOURS: i64 = 7 * 24;

/// What is remembered of one target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TargetMemory {
    /// Its last visit.
    pub last_visit_at: Option<Timestamp>,
    /// How often it is scraped.
    pub interval: Interval,
    /// The last values of its series.
    pub slo: SloCursor,
}

impl TargetMemory {
    /// A target that was never visited. Where it is known that it was scraped before, its series count from zero.
    pub fn new(known: bool) -> Self {
        let slo = SloCursor {
            known,
            ..SloCursor::default()
        };
        Self {
            last_visit_at: None,
            interval: Interval::default(),
            slo,
        }
    }
}

/// A target's scrape interval, learned from visit to visit. It never looks ahead, so that it is the same however the
/// visits are divided into chunks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Interval {
    /// The last differences of visits in milliseconds; the oldest is replaced next.
    differences: Vec<i64>,
    next: usize,
    median: i64,
}

impl Interval {
    /// As learned so far.
    pub fn get(&self) -> Duration {
        u64::try_from(self.median)
            .ok()
            .filter(|ms| *ms > 0)
            .map_or(INTERVAL_DEFAULT, Duration::from_millis)
    }

    /// Another difference between two visits.
    pub fn learn(&mut self, difference: i64) {
        if self.differences.len() < DIFFERENCES {
            self.differences.push(difference);
        } else if std::mem::replace(&mut self.differences[self.next], difference) == difference {
            self.next = (self.next + 1) % DIFFERENCES;
            return;
        } else {
            self.next = (self.next + 1) % DIFFERENCES;
        }
        self.find_median();
    }

    fn find_median(&mut self) {
        let mut sorted = self.differences.clone();
        sorted.sort_unstable();
        self.median = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    }
}

/// What was credited by hour, for the usual rate (rule 4).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hours {
    totals: BTreeMap<Hour, i64>,
    busiest: i64,
}

impl Hours {
    /// Adds a credit, in millionths of an event.
    pub fn add(&mut self, hour: Hour, total: i64) {
        let sum = self.totals.entry(hour).or_default();
        *sum = sum.saturating_add(total);
        self.busiest = self.busiest.max(*sum);
    }

    /// Events per second in the busiest hour of the seven days before.
    pub fn busiest_rate(&mut self, at: Timestamp) -> f64 {
        let oldest = Hour(at.minute().hour().0 - BUSIEST_HOURS);
        if self.totals.first_key_value().is_some_and(|(hour, _)| *hour < oldest) {
            self.totals = self.totals.split_off(&oldest);
            self.busiest = self.totals.values().copied().max().unwrap_or(0);
        }
        self.busiest as f64 / MICRO as f64 / 3600.0
    }
}

/// The form that is written.
const FORMAT: u8 = 1;

impl RangeCursor {
    /// Its form in the store: little-endian numbers, each text with its length before it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        for number in [self.from.0, self.read_until.0] {
            out.extend(number.to_le_bytes());
        }
        put_length(&mut out, self.hours.totals.len());
        for (hour, total) in &self.hours.totals {
            out.extend(hour.0.to_le_bytes());
            out.extend(total.to_le_bytes());
        }
        put_length(&mut out, self.targets.len());
        for (target, memory) in &self.targets {
            put_bytes(&mut out, target.job.as_bytes());
            put_bytes(&mut out, target.instance.as_bytes());
            out.extend(memory.last_visit_at.map_or(i64::MIN, |at| at.0).to_le_bytes());
            put_length(&mut out, memory.interval.differences.len());
            // The oldest comes first, so that nothing else need be kept of their order.
            let (newer, older) = memory.interval.differences.split_at(memory.interval.next);
            for difference in older.iter().chain(newer) {
                out.extend(difference.to_le_bytes());
            }
            put_bytes(&mut out, &memory.slo.encode());
        }
        out
    }

    /// From the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        let mut reader = Reader(bytes);
        if reader.take(1)?[0] != FORMAT {
            return Err(CursorError);
        }
        let [from, read_until] = [Timestamp(reader.i64()?), Timestamp(reader.i64()?)];
        let mut cursor = Self {
            read_until,
            ..Self::new(from)
        };
        for _ in 0..reader.u32()? {
            let hour = Hour(reader.i64()?);
            cursor.hours.add(hour, reader.i64()?);
        }
        for _ in 0..reader.u32()? {
            let target = ServerTarget {
                job: read_text(&mut reader)?,
                instance: read_text(&mut reader)?,
            };
            cursor.targets.insert(target, read_memory(&mut reader)?);
        }
        Ok(cursor)
    }
}

fn read_memory(reader: &mut Reader<'_>) -> Result<TargetMemory, CursorError> {
    let last_visit_at = Some(reader.i64()?).filter(|at| *at != i64::MIN).map(Timestamp);
    let mut interval = Interval::default();
    for _ in 0..reader.u32()? {
        interval.learn(reader.i64()?);
    }
    let length = reader.u32()? as usize;
    let slo = SloCursor::decode(reader.take(length)?)?;
    Ok(TargetMemory {
        last_visit_at,
        interval,
        slo,
    })
}

fn read_text(reader: &mut Reader<'_>) -> Result<String, CursorError> {
    let length = reader.u32()? as usize;
    let text = std::str::from_utf8(reader.take(length)?).map_err(|_| CursorError)?;
    Ok(text.to_owned())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend(bytes);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u32).to_le_bytes());
}
