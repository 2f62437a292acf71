//! When a message that was not accepted is sent again.

use std::time::Duration;

use crate::domain::time::{Timestamp, millis};

/// A message that nobody has accepted for so long is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// Seconds to wait after the first, second, … failed attempt; the last one repeats.
const SCHEDULE: [i64; 6] = [1, 5, 15, 30, 60, 300];
/// A wait of the schedule is varied by so many thousandths up or down, so that receivers are not met by a herd.
const JITTER_PERMILLE: i64 = 150;
/// A wait that the receiver asked for is only ever lengthened, by so many thousandths at most.
const RETRY_AFTER_JITTER_PERMILLE: i64 = 100;

/// When the next attempt is due, `attempt` of them having been made (from 1). What the receiver asked for wins over the
/// schedule, and is never undercut. The same seed gives the same time.
pub fn next_attempt_at(attempt: u32, now: Timestamp, retry_after: Option<Duration>, seed: u64) -> Timestamp {
    let random = permille(seed, attempt);
    let wait = if let Some(asked) = retry_after {
        // Even "at once" leaves the receiver a moment.
        let asked = millis(asked).max(SCHEDULE[0] * 1000);
        asked.saturating_add(asked / 1000 * (random * RETRY_AFTER_JITTER_PERMILLE / 1000))
    } else {
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        // Seconds times thousandths are milliseconds.
        SCHEDULE[step.min(SCHEDULE.len() - 1)] * (1000 - JITTER_PERMILLE + random * 2 * JITTER_PERMILLE / 1000)
    };
    Timestamp(now.0.saturating_add(wait))
}

/// A number from 0 to 999 that looks random. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators" (`SplitMix64`'s finaliser).
fn permille(seed: u64, attempt: u32) -> i64 {
    let mut mixed = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) % 1000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn wait(attempt: u32, retry_after: Option<u64>, seed: u64) -> i64 {
        next_attempt_at(attempt, NOW, retry_after.map(Duration::from_secs), seed).since(NOW)
    }

    #[test]
    fn the_schedule_is_kept_within_its_jitter() {
        let table = [
            (0, 1),
            (1, 1),
            (2, 5),
            (3, 15),
            (4, 30),
            (5, 60),
            (6, 300),
            (7, 300),
            (u32::MAX, 300),
        ];
        for (attempt, seconds) in table {
            for seed in 0..500 {
                let wait = wait(attempt, None, seed);
                assert!(
                    (850 * seconds..=1150 * seconds).contains(&wait),
                    "{attempt}, {seed}: {wait} ms"
                );
            }
        }
    }

    #[test]
    fn what_the_receiver_asked_for_wins_and_is_never_undercut() {
        for (attempt, asked, least) in [(1, 6, 6_000), (7, 10, 10_000), (1, 0, 1_000), (2, 3600, 3_600_000)] {
            for seed in 0..500 {
                let wait = wait(attempt, Some(asked), seed);
                assert!((least..=least * 11 / 10).contains(&wait), "{asked}, {seed}: {wait} ms");
            }
        }
    }

    #[test]
    fn seeds_spread_the_attempts() {
        let mut waits: Vec<i64> = (0..100).map(|seed| wait(6, None, seed)).collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 80, "{} different waits", waits.len());
    }
}
