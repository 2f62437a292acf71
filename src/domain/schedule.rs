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

/// So many visits in a row that nobody answers make the next ones rarer.
const FAILURES_MAX: u32 = 5;
/// However long nobody answers, a target is visited once in this time.
const THINNED_MAX: Duration = Duration::from_mins(1);

/// A circuit breaker for the visits to one target: while nobody answers, it is visited every second, fourth, eighth …
/// time, but at least once a minute. One answer closes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VisitBreaker {
    failures: u32,
    skipped: u32,
}

impl VisitBreaker {
    /// Whether the visit that is due now is made; tell what came of it.
    pub fn allow(&mut self, period: Duration) -> bool {
        if self.skipped + 1 < self.every(period) {
            self.skipped += 1;
            return false;
        }
        self.skipped = 0;
        true
    }

    /// Somebody has answered.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// Nobody has answered.
    pub fn unanswered(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Every how many periods the target is visited now.
    pub fn every(&self, period: Duration) -> u32 {
        let Some(beyond) = (self.failures + 1)
            .checked_sub(FAILURES_MAX)
            .filter(|beyond| *beyond > 0)
        else {
            return 1;
        };
        let most = millis(THINNED_MAX) / millis(period).max(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        2_u32.saturating_pow(beyond).min(most)
    }

    /// How many turns pass before a visit is made; none when the next one is.
    pub fn turns_left(&self, period: Duration) -> u32 {
        self.every(period).saturating_sub(self.skipped + 1)
    }
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

    #[test]
    fn who_does_not_answer_is_visited_less_often_and_at_least_once_a_minute() {
        let cases = [
            (15, 4, 1, "four failures are not enough"),
            (15, 5, 2, "every second visit"),
            (15, 6, 4, "every fourth, which is once a minute"),
            (15, 50, 4, "never less often"),
            (1, 8, 16, "with short intervals it doubles for longer"),
            (1, 10_000, 60, "up to a minute"),
            (31, 50, 1, "above thirty seconds every visit is made"),
            (3600, 50, 1, "above a minute, too"),
        ];
        for (period, failures, every, what) in cases {
            let period = Duration::from_secs(period);
            let mut breaker = VisitBreaker::default();
            (0..failures).for_each(|_| breaker.unanswered());
            assert_eq!(breaker.every(period), every, "{what}");
            for _ in 0..2 {
                assert_eq!(breaker.turns_left(period), every - 1, "{what}");
                let made: Vec<bool> = (0..every).map(|_| breaker.allow(period)).collect();
                let expected: Vec<bool> = (1..=every).map(|turn| turn == every).collect();
                assert_eq!(made, expected, "{what}");
            }
            breaker.answered();
            assert!(breaker.allow(period), "{what}: one answer closes it");
        }
    }
}
