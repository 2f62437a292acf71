//! How fast questions follow one another: a token bucket that holds one second's worth.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::source::http::now;

/// Lets questions through at a steady rate, and a second's worth of them at once after a pause.
#[derive(Debug)]
pub(in crate::source) struct Pace {
    gap: Duration,
    /// How far ahead of its turn a question may go.
    burst: Duration,
    /// When the next question is due if all went at the steady rate.
    due: Mutex<Instant>,
}

impl Pace {
    /// One question per `gap` in the long run.
    pub fn new(gap: Duration) -> Self {
        Self {
            gap,
            burst: Duration::from_secs(1).saturating_sub(gap),
            due: Mutex::new(now()),
        }
    }

    /// Returns when it is the caller's turn. Turns are given out in the order in which they are asked for.
    pub async fn turn(&self) {
        let now = now();
        let turn = {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*due).max(now);
            *due = turn + self.gap;
            turn
        };
        sleep_until(turn.checked_sub(self.burst).unwrap_or(now)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_goes_at_once_and_the_rest_at_the_steady_rate() {
        let pace = Pace::new(Duration::from_millis(100));
        let begun = now();
        for (turn, millis) in (0..10).map(|turn| (turn, 0)).chain([(10, 100), (11, 200)]) {
            pace.turn().await;
            assert_eq!(begun.elapsed().as_millis(), millis, "turn {turn}");
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        let begun = now();
        for _ in 0..11 {
            pace.turn().await;
        }
        assert_eq!(
            begun.elapsed().as_millis(),
            100,
            "a pause saves up one second, not more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_one_question_a_second_is_possible() {
        let pace = Pace::new(Duration::from_secs(5));
        let begun = now();
        for _ in 0..3 {
            pace.turn().await;
        }
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
