//! A circuit breaker for one receiver or server: one that is down is asked now and then, not by every message.

use std::time::Duration;

use crate::domain::time::{Timestamp, millis};

/// So many failures in a row open it.
const OPENS_AFTER: u32 = 5;
/// How long it stays open the first time; every failed probe doubles it.
const FIRST_OPEN: Duration = Duration::from_secs(30);
/// The longest that it stays open.
const LONGEST_OPEN: Duration = Duration::from_mins(5);
/// A probe whose outcome nobody reported is forgotten after this time.
const PROBE_PATIENCE: Duration = Duration::from_mins(1);

/// Closed while attempts succeed; open after several transient failures in a row; half open while one probe is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    state: State,
    first_ms: i64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::opening_for(FIRST_OPEN)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Timestamp,
        length_ms: i64,
    },
    HalfOpen {
        probe_until: Timestamp,
        length_ms: i64,
    },
}

impl Breaker {
    /// A closed one, which stays open for so long the first time.
    pub fn opening_for(first: Duration) -> Self {
        Self {
            failures: 0,
            state: State::Closed,
            first_ms: millis(first),
        }
    }

    /// Whether an attempt may be made now. When it was open for long enough, the first to ask becomes the probe.
    pub fn allow(&mut self, now: Timestamp) -> bool {
        let length_ms = match self.state {
            State::Closed => return true,
            State::Open { until, length_ms } if now >= until => length_ms,
            State::HalfOpen { probe_until, length_ms } if now >= probe_until => length_ms,
            State::Open { .. } | State::HalfOpen { .. } => return false,
        };
        self.state = State::HalfOpen {
            probe_until: Timestamp(now.0.saturating_add(millis(PROBE_PATIENCE))),
            length_ms,
        };
        true
    }

    /// An attempt was accepted, or refused for good: the receiver answers.
    pub fn success(&mut self) {
        self.failures = 0;
        self.state = State::Closed;
    }

    /// An attempt failed in a way that may pass.
    pub fn failure(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let length_ms = match self.state {
            State::Closed if self.failures < OPENS_AFTER => return,
            State::Closed => self.first_ms,
            // An attempt that began before it opened says nothing new.
            State::Open { .. } => return,
            State::HalfOpen { length_ms, .. } => (2 * length_ms).min(millis(LONGEST_OPEN)),
        };
        self.state = State::Open {
            until: Timestamp(now.0.saturating_add(length_ms)),
            length_ms,
        };
    }

    /// When it is worth asking again; `None` while it is closed.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } => Some(until),
            State::HalfOpen { probe_until, .. } => Some(probe_until),
        }
    }

    /// It is open or half open; for metrics.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for second in 0..5 {
            assert!(breaker.allow(at(second)), "{second}");
            breaker.failure(at(second));
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failure(at(0));
        }
        breaker.success();
        for _ in 0..4 {
            breaker.failure(at(1));
        }
        assert!(breaker.allow(at(1)) && !breaker.is_open());
        breaker.failure(at(1));
        assert!(!breaker.allow(at(30)) && breaker.is_open());
        assert_eq!(breaker.retry_at(), Some(at(31)));
    }

    #[test]
    fn after_its_time_one_probe_goes_out_and_closes_it() {
        let mut breaker = opened();
        assert!(!breaker.allow(at(33)));
        assert!(breaker.allow(at(34)));
        assert!(!breaker.allow(at(34)), "only one probe");
        breaker.success();
        assert!(breaker.allow(at(35)) && breaker.retry_at().is_none());
    }

    #[test]
    fn failed_probes_lengthen_the_wait_up_to_five_minutes() {
        let mut breaker = opened();
        let mut now = 4;
        for length in [30, 60, 120, 240, 300, 300] {
            assert_eq!(breaker.retry_at(), Some(at(now + length)));
            now += length;
            assert!(breaker.allow(at(now)));
            breaker.failure(at(now));
        }
    }

    #[test]
    fn a_probe_that_was_never_reported_is_followed_by_another() {
        let mut breaker = opened();
        assert!(breaker.allow(at(40)));
        assert!(!breaker.allow(at(99)));
        assert!(breaker.allow(at(100)));
    }
}
