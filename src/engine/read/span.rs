//! Spans of minutes: where chunks and commits end.

use crate::domain::counting::range::RangeCount;
use crate::domain::time::{HOUR_MINUTES, MINUTE_MS, Minute, Timestamp};

/// The last moment of a minute before `at`: samples up to it lie in whole minutes.
pub fn boundary(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(MINUTE_MS) * MINUTE_MS - 1)
}

/// The last minute of a part of so many minutes: at the end of an hour where there is one, since hours are what is left of
/// old days.
pub fn part_end(from: i64, minutes: i64) -> i64 {
    let end = (from + minutes).div_euclid(HOUR_MINUTES) * HOUR_MINUTES;
    if end > from { end - 1 } else { from + minutes - 1 }
}

/// The first minute from `first` on of which a count tells something; far in the future where there is none.
pub fn first_seen(count: &RangeCount, first: Minute) -> Minute {
    let counted = count.minutes.keys().map(|(_, minute)| *minute);
    let seen = counted.chain(count.observed.iter().copied());
    seen.filter(|minute| *minute >= first).min().unwrap_or(Minute(i64::MAX))
}

/// Puts what lies before a minute into it.
pub fn gather(count: &mut RangeCount, first: Minute) {
    for ((group, minute), events) in std::mem::take(&mut count.minutes) {
        count.add((group, minute.max(first)), events);
    }
}
