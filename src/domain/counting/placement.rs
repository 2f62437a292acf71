//! Placement: into which minutes a visit's events go (rule 6).

use std::time::Duration;

use crate::domain::counts::MICRO;
use crate::domain::time::{MINUTE_MS, Minute, Timestamp, millis};

/// A gap up to this long is no gap: its events go into the visit's minute.
const GAP_MIN: Duration = Duration::from_secs(90);

/// Places total and good events (in millionths) of a visit: in its minute, or, after a gap of more than 90 s or one and
/// a half intervals, spread evenly over the gap by time; whole events stay whole, the sum is exact.
pub fn place(
    total: i64,
    good: i64,
    previous: Option<Timestamp>,
    at: Timestamp,
    interval: Duration,
) -> Vec<(Minute, i64, i64)> {
    let gap_min = millis(GAP_MIN).max(millis(interval).saturating_mul(3) / 2);
    match previous {
        // Good and bad are spread each by itself, so that no minute holds more good events than events.
        Some(previous) if at.since(previous) > gap_min => {
            let good = spread(good, previous, at);
            let bad = spread_more(total, &good, previous, at);
            good.iter()
                .zip(bad)
                .map(|((minute, good), bad)| (*minute, good + bad, *good))
                .collect()
        }
        _ => vec![(at.minute(), total, good)],
    }
}

fn spread_more(total: i64, good: &[(Minute, i64)], previous: Timestamp, at: Timestamp) -> Vec<i64> {
    let good_sum: i64 = good.iter().map(|(_, amount)| amount).sum();
    spread(total.saturating_sub(good_sum), previous, at)
        .into_iter()
        .map(|(_, amount)| amount)
        .collect()
}

/// Spreads an amount over a span, each minute by its share of the time: cumulative sums are rounded down to whole
/// events, and what is no whole event goes into the last minute.
pub fn spread(amount: i64, from: Timestamp, to: Timestamp) -> Vec<(Minute, i64)> {
    let (first, last) = (from.minute().0, to.minute().0);
    let (span, whole) = (i128::from(to.since(from).max(1)), amount / MICRO);
    let mut placed = 0_i64;
    let minutes = (first..=last).map(|minute| {
        let elapsed = i128::from((((minute + 1) * MINUTE_MS).min(to.0) - from.0).max(0));
        let until = if minute == last {
            amount
        } else {
            (i128::from(whole) * elapsed / span) as i64 * MICRO
        };
        let part = until - placed;
        placed = until;
        (Minute(minute), part)
    });
    minutes.collect()
}

/// The milliseconds of a span, by minute; for gauges, whose seconds are events.
pub fn split_by_minute(from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Minute, i64)> {
    let last = if to > from {
        (to.0 - 1).div_euclid(MINUTE_MS)
    } else {
        from.minute().0 - 1
    };
    (from.minute().0..=last).map(move |minute| {
        let (begin, end) = ((minute * MINUTE_MS).max(from.0), ((minute + 1) * MINUTE_MS).min(to.0));
        (Minute(minute), end - begin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn up_to_ninety_seconds_the_visits_minute_has_it_all() {
        let at = Timestamp(600_000);
        let second = Duration::from_secs(1);
        assert_eq!(place(5, 4, Some(Timestamp(510_000)), at, second), [(Minute(10), 5, 4)]);
        assert_eq!(place(5, 4, None, at, second), [(Minute(10), 5, 4)]);
        assert_eq!(
            place(5, 4, Some(Timestamp(480_000)), at, Duration::from_mins(2)).len(),
            1
        );
        assert_eq!(place(5, 4, Some(Timestamp(480_000)), at, second).len(), 3);
    }

    #[test]
    fn a_gap_is_filled_by_time() {
        let parts = spread(10 * MICRO, Timestamp(30_000), Timestamp(180_000));
        let want = [(Minute(0), 2), (Minute(1), 4), (Minute(2), 4), (Minute(3), 0)];
        assert_eq!(parts, want.map(|(minute, events)| (minute, events * MICRO)));
    }

    proptest! {
        #[test]
        fn spreading_keeps_the_sum_and_whole_events(
            amount in -1_000_000_000_000_i64..1_000_000_000_000, from in 0_i64..10_000_000, length in 1_i64..100_000_000,
        ) {
            let parts = spread(amount, Timestamp(from), Timestamp(from + length));
            prop_assert_eq!(parts.iter().map(|(_, part)| part).sum::<i64>(), amount);
            let (_, all_but_last) = parts.split_last().unwrap();
            prop_assert!(all_but_last.iter().all(|(_, part)| part % MICRO == 0 && part * amount.signum() >= 0));
        }

        #[test]
        fn no_minute_of_a_gap_holds_more_good_events_than_events(
            bad in 0_i64..1_000_000, good in 0_i64..1_000_000, from in 0_i64..10_000_000, length in 100_000_i64..100_000_000,
        ) {
            let (from, to) = (Timestamp(from), Timestamp(from + length));
            let placed = place((good + bad) * MICRO, good * MICRO, Some(from), to, Duration::from_secs(1));
            prop_assert!(placed.iter().all(|(_, total, good)| 0 <= *good && good <= total));
            prop_assert_eq!(placed.iter().map(|(_, total, _)| total).sum::<i64>(), (good + bad) * MICRO);
        }

        #[test]
        fn splitting_by_minute_keeps_every_millisecond(from in 0_i64..10_000_000, length in 0_i64..10_000_000) {
            let parts: Vec<_> = split_by_minute(Timestamp(from), Timestamp(from + length)).collect();
            prop_assert_eq!(parts.iter().map(|(_, part)| part).sum::<i64>(), length);
            prop_assert!(parts.iter().all(|(_, part)| (1..=MINUTE_MS).contains(part)));
        }
    }
}
