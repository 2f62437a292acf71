//! One packed day of one ledger key.

use std::ops::Range;

use super::codec::{self, CodecError, HOURS};
use super::error::{corrupt, overflow};
use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::time::HOUR_MINUTES;
use crate::engine::ports::{KeyId, StoreError, StoreResult};

/// A day of a ledger key: the key, days since 1970-01-01.
pub(super) type DayKey = (KeyId, i64);

/// A day: 24 hour totals, and the minutes while their detail is kept.
#[derive(Clone, Debug)]
pub(super) struct Day {
    /// The hours' sums; where the minutes are gone, all that is left.
    pub(super) hours: [HourTotal; HOURS],
    /// The minutes; `None` once their detail is pruned.
    pub(super) minutes: Option<Box<[Bucket]>>,
}

impl Day {
    /// A day without a bucket.
    pub(super) fn empty() -> Self {
        Self {
            hours: [HourTotal::default(); HOURS],
            minutes: Some(codec::empty_minutes()),
        }
    }

    /// Reads the two columns.
    pub(super) fn decode(key: DayKey, hours: &[u8], minutes: &[u8]) -> StoreResult<Self> {
        Ok(Self {
            hours: decode_hours(key, hours)?,
            minutes: decode_minutes(key, minutes)?,
        })
    }

    /// The two columns: hours, minutes.
    pub(super) fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let minutes = self.minutes.as_ref().map(|minutes| codec::encode_minutes(minutes));
        (codec::encode_hours(&self.hours), minutes.unwrap_or_default())
    }

    /// Adds events to minutes of the day (0 to 1439). Where the detail is gone, a minute that was observed before may
    /// count twice in its hour's observed minutes, never in its events.
    pub(super) fn add(&mut self, credits: impl IntoIterator<Item = (usize, Bucket)>) -> StoreResult<()> {
        for (at, bucket) in credits {
            let newly_observed = match self.minutes.as_mut().and_then(|minutes| minutes.get_mut(at)) {
                Some(minute) => {
                    let newly = bucket.observed && !minute.observed;
                    *minute = sum(*minute, bucket)?;
                    newly
                }
                None => bucket.observed,
            };
            let hour = self.hours.get_mut(at / HOUR_MINUTES as usize);
            let hour = hour.ok_or_else(|| corrupt(format!("minute {at} of a day")))?;
            hour.total = hour.total.checked_add(bucket.total).ok_or_else(overflow)?;
            hour.good = hour.good.checked_add(bucket.good).ok_or_else(overflow)?;
            hour.observed = (hour.observed + u8::from(newly_observed)).min(HOUR_MINUTES as u8);
        }
        Ok(())
    }

    /// Sets a range of the day's minutes (within 0 to 1439) and says what that changed, where anything did. Where the
    /// detail is gone, hours are set as wholes: those of which the range holds all minutes, and those that hold nothing;
    /// others are left alone. Their difference stands at their first minute within the range.
    pub(super) fn set(
        &mut self,
        range: &Range<usize>,
        wanted: impl Fn(usize) -> Bucket,
    ) -> StoreResult<Vec<(usize, Bucket)>> {
        let mut differences = Vec::new();
        for (hour, first) in self.hours.iter_mut().zip((0..).step_by(HOUR_MINUTES as usize)) {
            let all = first..first + HOUR_MINUTES as usize;
            let within = all.start.max(range.start)..all.end.min(range.end);
            if within.is_empty() {
                continue;
            }
            match self.minutes.as_mut().and_then(|minutes| minutes.get_mut(all.clone())) {
                Some(minutes) => set_minutes(hour, minutes, first, within, &wanted, &mut differences)?,
                None if within == all || *hour == HourTotal::default() => {
                    differences.extend(set_hour(hour, within, &wanted)?);
                }
                None => {}
            }
        }
        Ok(differences)
    }

    /// Total and good events of the day.
    pub(super) fn totals(&self) -> StoreResult<(i64, i64)> {
        let add = |(total, good): (i64, i64), hour: &HourTotal| {
            total.checked_add(hour.total).zip(good.checked_add(hour.good))
        };
        self.hours.iter().try_fold((0, 0), add).ok_or_else(overflow)
    }
}

/// Sets minutes of an hour that begins at `first`.
fn set_minutes(
    hour: &mut HourTotal,
    minutes: &mut [Bucket],
    first: usize,
    within: Range<usize>,
    wanted: impl Fn(usize) -> Bucket,
    differences: &mut Vec<(usize, Bucket)>,
) -> StoreResult<()> {
    for (at, minute) in (first..).zip(minutes.iter_mut()).filter(|(at, _)| within.contains(at)) {
        let bucket = wanted(at);
        if *minute != bucket {
            let difference = difference(*minute, bucket)?;
            hour.total = hour.total.checked_add(difference.total).ok_or_else(overflow)?;
            hour.good = hour.good.checked_add(difference.good).ok_or_else(overflow)?;
            *minute = bucket;
            differences.push((at, difference));
        }
    }
    hour.observed = minutes.iter().map(|minute| u8::from(minute.observed)).sum();
    Ok(())
}

/// Sets an hour of which only the total is kept.
fn set_hour(
    hour: &mut HourTotal,
    within: Range<usize>,
    wanted: impl Fn(usize) -> Bucket,
) -> StoreResult<Option<(usize, Bucket)>> {
    let (mut all, mut observed) = (Bucket::default(), 0);
    let first = within.start;
    for bucket in within.map(wanted) {
        all = sum(all, bucket)?;
        observed += u8::from(bucket.observed);
    }
    let before = std::mem::replace(
        hour,
        HourTotal {
            total: all.total,
            good: all.good,
            observed,
        },
    );
    if before == *hour {
        return Ok(None);
    }
    let held = Bucket {
        total: before.total,
        good: before.good,
        observed: before.observed >= observed,
    };
    difference(held, all).map(|difference| Some((first, difference)))
}

/// Reads the column of hour totals.
pub(super) fn decode_hours(key: DayKey, bytes: &[u8]) -> StoreResult<[HourTotal; HOURS]> {
    codec::decode_hours(bytes).map_err(|error| unreadable(key, &error))
}

/// Reads the column of minutes; `None` when their detail is pruned.
pub(super) fn decode_minutes(key: DayKey, bytes: &[u8]) -> StoreResult<Option<Box<[Bucket]>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    codec::decode_minutes(bytes)
        .map(Some)
        .map_err(|error| unreadable(key, &error))
}

/// Two buckets of one minute as one.
pub(super) fn sum(a: Bucket, b: Bucket) -> StoreResult<Bucket> {
    Ok(Bucket {
        total: a.total.checked_add(b.total).ok_or_else(overflow)?,
        good: a.good.checked_add(b.good).ok_or_else(overflow)?,
        observed: a.observed || b.observed,
    })
}

/// What makes one bucket of another: events to be added, and whether it is observed only now.
pub(super) fn difference(from: Bucket, to: Bucket) -> StoreResult<Bucket> {
    Ok(Bucket {
        total: to.total.checked_sub(from.total).ok_or_else(overflow)?,
        good: to.good.checked_sub(from.good).ok_or_else(overflow)?,
        observed: to.observed && !from.observed,
    })
}

fn unreadable((key, day): DayKey, error: &CodecError) -> StoreError {
    corrupt(format!("day {day} of ledger key {key}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(total: i64, observed: bool) -> Bucket {
        Bucket {
            total,
            good: total - 1,
            observed,
        }
    }

    #[test]
    fn late_data_are_added_and_a_minute_is_observed_once() {
        let mut day = Day::empty();
        day.add([(60, bucket(5, true)), (61, bucket(7, false)), (60, bucket(3, true))])
            .expect("in range");
        let hour = HourTotal {
            total: 15,
            good: 12,
            observed: 1,
        };
        assert_eq!((day.hours[1], day.totals().expect("in range")), (hour, (15, 12)));
        let (hours, minutes) = day.encode();
        let again = Day::decode((1, 2), &hours, &minutes).expect("readable");
        assert_eq!((again.hours, again.minutes), (day.hours, day.minutes));
    }

    #[test]
    fn a_day_without_detail_keeps_its_hours() {
        let mut day = Day::empty();
        day.add([(0, bucket(5, true))]).expect("in range");
        day.minutes = None;
        day.add([(1, bucket(2, true))]).expect("in range");
        let (hours, minutes) = day.encode();
        assert!(minutes.is_empty());
        let again = Day::decode((1, 2), &hours, &minutes).expect("readable");
        assert_eq!(
            (again.hours[0].total, again.hours[0].observed, again.minutes),
            (7, 2, None)
        );
    }

    #[test]
    fn a_sum_beyond_64_bits_is_refused() {
        let mut day = Day::empty();
        let refused = day.add([(0, bucket(i64::MAX, true)), (1, bucket(2, true))]);
        assert!(matches!(refused, Err(StoreError::Data(_))));
    }
}
