//! A day's minutes and hours as compact bytes.
//!
//! Minutes, format 1: the format, a power of ten by which all values were divided, the runs of minutes that are absent,
//! present or observed (length * 3 + kind), then for every present minute the change of its total since the last one
//! and its bad events. All numbers are variable-length; signed ones are zigzag. Hours, format 1: the format, then total,
//! bad events and observed minutes of 24 hours. Differences wrap, so that any value survives the way there and back.

use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::time::{DAY_MINUTES, HOUR_MINUTES};

/// Minutes of a day.
pub(super) const MINUTES: usize = DAY_MINUTES as usize;
/// Hours of a day.
pub(super) const HOURS: usize = 24;

const FORMAT: u8 = 1;
/// Events are mostly whole: a million millionths.
const LARGEST_POWER: u8 = 6;
const ABSENT: u64 = 0;
const PRESENT: u64 = 1;
const OBSERVED: u64 = 2;

/// Why bytes are no day.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct CodecError(&'static str);

/// Packs the minutes of a day, all 1440.
pub(super) fn encode_minutes(minutes: &[Bucket]) -> Vec<u8> {
    let power = common_power(minutes);
    let divisor = 10_i64.pow(u32::from(power));
    let mut bytes = vec![FORMAT, power];
    for run in minutes.chunk_by(|a, b| kind(a) == kind(b)) {
        write_unsigned(&mut bytes, run.len() as u64 * 3 + kind(&run[0]));
    }
    let mut last = 0_i64;
    for minute in minutes.iter().filter(|minute| kind(minute) != ABSENT) {
        let (total, good) = (minute.total / divisor, minute.good / divisor);
        write_signed(&mut bytes, total.wrapping_sub(last));
        write_signed(&mut bytes, total.wrapping_sub(good));
        last = total;
    }
    bytes
}

/// Unpacks the minutes of a day, all 1440.
pub(super) fn decode_minutes(bytes: &[u8]) -> Result<Box<[Bucket]>, CodecError> {
    let mut input = Input(bytes);
    if input.byte()? != FORMAT {
        return Err(CodecError("its format is unknown"));
    }
    let power = input.byte()?;
    if power > LARGEST_POWER {
        return Err(CodecError("its scale is unknown"));
    }
    let kinds = decode_runs(&mut input)?;
    let divisor = 10_i64.pow(u32::from(power));
    let scaled = |value: i64| value.checked_mul(divisor).ok_or(CodecError("a value is too large"));
    let mut minutes = empty_minutes();
    let mut last = 0_i64;
    for (minute, kind) in minutes.iter_mut().zip(kinds).filter(|(_, kind)| *kind != ABSENT) {
        last = last.wrapping_add(input.signed()?);
        let good = last.wrapping_sub(input.signed()?);
        *minute = Bucket {
            total: scaled(last)?,
            good: scaled(good)?,
            observed: kind == OBSERVED,
        };
    }
    input.end().map(|()| minutes)
}

/// A day without a bucket.
pub(super) fn empty_minutes() -> Box<[Bucket]> {
    vec![Bucket::default(); MINUTES].into_boxed_slice()
}

/// Packs the hour totals of a day.
pub(super) fn encode_hours(hours: &[HourTotal; HOURS]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for hour in hours {
        write_signed(&mut bytes, hour.total);
        write_signed(&mut bytes, hour.total.wrapping_sub(hour.good));
        bytes.push(hour.observed);
    }
    bytes
}

/// Unpacks the hour totals of a day.
pub(super) fn decode_hours(bytes: &[u8]) -> Result<[HourTotal; HOURS], CodecError> {
    let mut input = Input(bytes);
    if input.byte()? != FORMAT {
        return Err(CodecError("the format of its hours is unknown"));
    }
    let mut hours = [HourTotal::default(); HOURS];
    for hour in &mut hours {
        let total = input.signed()?;
        let good = total.wrapping_sub(input.signed()?);
        let observed = input.byte()?;
        if i64::from(observed) > HOUR_MINUTES {
            return Err(CodecError("an hour has more than 60 minutes"));
        }
        *hour = HourTotal { total, good, observed };
    }
    input.end().map(|()| hours)
}

fn kind(bucket: &Bucket) -> u64 {
    match bucket {
        Bucket { observed: true, .. } => OBSERVED,
        Bucket { total: 0, good: 0, .. } => ABSENT,
        Bucket { .. } => PRESENT,
    }
}

/// The largest power of ten that divides all values.
fn common_power(minutes: &[Bucket]) -> u8 {
    let divides = |power: &u8| {
        let divisor = 10_i64.pow(u32::from(*power));
        minutes.iter().all(|m| m.total % divisor == 0 && m.good % divisor == 0)
    };
    (1..=LARGEST_POWER).rev().find(divides).unwrap_or(0)
}

fn decode_runs(input: &mut Input<'_>) -> Result<Vec<u64>, CodecError> {
    let mut kinds = Vec::with_capacity(MINUTES);
    while kinds.len() < MINUTES {
        let run = input.unsigned()?;
        let (length, kind) = (run / 3, run % 3);
        if length == 0 || length > (MINUTES - kinds.len()) as u64 {
            return Err(CodecError("its runs do not make a day"));
        }
        kinds.resize(kinds.len() + length as usize, kind);
    }
    Ok(kinds)
}

fn write_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn write_signed(bytes: &mut Vec<u8>, value: i64) {
    write_unsigned(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, CodecError> {
        let (first, rest) = self.0.split_first().ok_or(CodecError("it ends early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn unsigned(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError("a number is too long"))
    }

    fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn end(&self) -> Result<(), CodecError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(CodecError("something follows its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> impl Strategy<Value = Bucket> {
        let value = prop_oneof![
            any::<i64>(),
            (0..5_000_i64).prop_map(|n| n * 1_000_000),
            Just(0),
            Just(i64::MIN),
            Just(i64::MAX)
        ];
        (value.clone(), value, any::<bool>()).prop_map(|(total, good, observed)| Bucket { total, good, observed })
    }

    fn day() -> impl Strategy<Value = Box<[Bucket]>> {
        proptest::collection::vec((0..MINUTES, 1..90_usize, bucket()), 0..30).prop_map(|runs| {
            let mut day = empty_minutes();
            for (from, length, bucket) in runs {
                day.iter_mut()
                    .skip(from)
                    .take(length)
                    .for_each(|minute| *minute = bucket);
            }
            day
        })
    }

    proptest! {
        #[test]
        fn any_day_survives_the_way_there_and_back(day in day()) {
            prop_assert_eq!(decode_minutes(&encode_minutes(&day)), Ok(day));
        }

        #[test]
        fn any_hours_survive_the_way_there_and_back(
            values in proptest::collection::vec((any::<i64>(), any::<i64>(), 0..=60_u8), HOURS)
        ) {
            let mut hours = [HourTotal::default(); HOURS];
            for (hour, (total, good, observed)) in hours.iter_mut().zip(values) {
                *hour = HourTotal { total, good, observed };
            }
            prop_assert_eq!(decode_hours(&encode_hours(&hours)), Ok(hours));
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (decode_minutes(&bytes), decode_hours(&bytes));
            let mut framed = vec![FORMAT, 0];
            framed.extend(&bytes);
            let _ = (decode_minutes(&framed), decode_hours(&framed[..1]));
        }

        #[test]
        fn a_day_that_was_cut_or_lengthened_is_refused(day in day(), cut in 1..50_usize) {
            let whole = encode_minutes(&day);
            prop_assert!(decode_minutes(&whole[..whole.len().saturating_sub(cut)]).is_err());
            let longer = [whole, vec![0]].concat();
            prop_assert!(decode_minutes(&longer).is_err());
        }
    }

    #[test]
    fn a_full_day_takes_about_six_kilobytes() {
        let mut day = empty_minutes();
        for (at, minute) in day.iter_mut().enumerate() {
            let total = (6_000 + (at as i64 * 7_919) % 900) * 1_000_000;
            let good = total - (at as i64 % 50) * 1_000_000;
            *minute = Bucket {
                total,
                good,
                observed: true,
            };
        }
        let bytes = encode_minutes(&day).len();
        assert!(bytes < 6_500, "{bytes}");
        assert!(encode_minutes(&empty_minutes()).len() < 8);
    }

    #[test]
    fn an_unknown_format_and_impossible_runs_are_refused() {
        for bytes in [&[][..], &[2, 0, 0], &[1, 7, 0], &[1, 0, 0], &[1, 0, 0xff, 0xff, 0x7f]] {
            assert!(decode_minutes(bytes).is_err(), "{bytes:?}");
        }
    }
}
