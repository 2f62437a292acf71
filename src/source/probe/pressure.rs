//! How late nines itself is: a task that wants to be woken at fixed times, and notes when it was not. A probe that ran
//! out of time meanwhile says nothing of its service.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::source::http::now;

/// How often the task wants to be woken.
const TICK: Duration = Duration::from_millis(100);
/// What is less is not noted.
const NOTED_MIN: Duration = Duration::from_millis(50);
/// So many delays are remembered; the oldest ones go first.
const NOTED_MAX: usize = 512;

/// The delays of late.
#[derive(Debug, Default)]
pub struct Pressure(Mutex<Delays>);

#[derive(Debug, Default)]
struct Delays {
    due: Option<Instant>,
    noted: VecDeque<(Instant, Duration)>,
}

impl Pressure {
    /// Measures from now on, as long as somebody holds it.
    pub fn start() -> Arc<Self> {
        let pressure = Arc::new(Self::default());
        let watched = Arc::downgrade(&pressure);
        tokio::spawn(async move {
            loop {
                let due = now() + TICK;
                let Some(pressure) = watched.upgrade() else { return };
                pressure.expect(due);
                drop(pressure);
                tokio::time::sleep_until(due).await;
                let Some(pressure) = watched.upgrade() else { return };
                pressure.note(now());
            }
        });
        pressure
    }

    /// By how much nines was late at the worst since then.
    pub fn since(&self, began: Instant) -> Duration {
        self.between(began, now())
    }

    /// A delay that is due to be noted, for tests.
    #[cfg(test)]
    pub(super) fn late_by(late: Duration) -> Self {
        let pressure = Self::default();
        let woken = now();
        pressure.expect(woken - late);
        pressure.note(woken);
        pressure
    }

    fn expect(&self, due: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).due = Some(due);
    }

    fn note(&self, woken: Instant) {
        let mut delays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(due) = delays.due.take() else { return };
        let late = woken.saturating_duration_since(due);
        if late < NOTED_MIN {
            return;
        }
        if delays.noted.len() >= NOTED_MAX {
            delays.noted.pop_front();
        }
        delays.noted.push_back((woken, late));
    }

    /// The longest delay as far as it fell into this time; one that still lasts counts.
    fn between(&self, began: Instant, until: Instant) -> Duration {
        let delays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = delays.due.map(|due| (until, until.saturating_duration_since(due)));
        let all = delays.noted.iter().copied().chain(lasting);
        let within = all.map(|(woken, late)| late.min(woken.saturating_duration_since(began)));
        within.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_delay_counts_for_those_who_lived_through_it() {
        let start = now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let pressure = Pressure::default();
        assert_eq!(pressure.between(at(0), at(9_000)), Duration::ZERO, "nobody measures");
        for (due, woken) in [(1_000, 1_020), (2_000, 3_500), (5_000, 5_200)] {
            pressure.expect(at(due));
            pressure.note(at(woken));
        }
        pressure.expect(at(8_000));
        for (sentence, began, until, expected) in [
            ("all of it", 0, 7_000, 1_500),
            ("the end of it", 3_000, 7_000, 500),
            ("a later one", 4_000, 7_000, 200),
            ("none", 6_000, 7_000, 0),
            ("one that still lasts", 6_000, 8_900, 900),
        ] {
            let late = pressure.between(at(began), at(until));
            assert_eq!(late, Duration::from_millis(expected), "{sentence}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_wakes_in_time_is_not_late() {
        let began = now();
        let pressure = Pressure::start();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(pressure.since(began), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(pressure.since(began) >= Duration::from_millis(2_900));
    }
}
