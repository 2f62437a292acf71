//! When things are due: fixed ticks, each target with its own phase.

use std::time::Duration;

use super::digest::fnv1a;
use super::time::{Timestamp, millis};

/// The first tick of a period after `now`; ticks are multiples of the period since 1970, so that they do not drift.
pub fn next_tick(period: Duration, now: Timestamp) -> Timestamp {
    let period = millis(period).max(1);
    Timestamp((now.0.div_euclid(period) + 1) * period)
}

/// The next visit to a target after `now`: its phase is a hash of its key, so that visits are spread over the period.
pub fn next_visit(key: &str, period: Duration, now: Timestamp) -> Timestamp {
    let length = millis(period).max(1);
    let phase = (fnv1a(key) % length as u64) as i64;
    let tick = next_tick(period, Timestamp(now.0 - phase));
    Timestamp(tick.0 + phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_lie_ahead_and_do_not_drift() {
        let period = Duration::from_secs(15);
        assert_eq!(next_tick(period, Timestamp(15_000)), Timestamp(30_000));
        assert_eq!(next_tick(period, Timestamp(29_999)), Timestamp(30_000));
        let first = next_visit("shop", period, Timestamp(1_000_000));
        let second = next_visit("shop", period, first);
        assert!(first.0 > 1_000_000 && first.0 <= 1_015_000);
        assert_eq!(second.since(first), 15_000);
    }
}
