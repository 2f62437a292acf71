//! One packed day of one ledger key.

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

    /// Total and good events of the day.
    pub(super) fn totals(&self) -> StoreResult<(i64, i64)> {
        let add = |(total, good): (i64, i64), hour: &HourTotal| {
            total.checked_add(hour.total).zip(good.checked_add(hour.good))
        };
        self.hours.iter().try_fold((0, 0), add).ok_or_else(overflow)
    }
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
