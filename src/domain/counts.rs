//! Event counts: exact integers in millionths of an event.

/// Millionths in one event.
pub const MICRO: i64 = 1_000_000;

/// Good and total events of a window, in millionths of an event; `0 <= good <= total` always holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    good: i64,
    total: i64,
}

impl EventCounts {
    /// Counts as they were matched, clamped to `0 <= good <= total` (contract, counting rule 7).
    pub fn clamped(good: i64, total: i64) -> Self {
        let total = total.max(0);
        Self {
            good: good.clamp(0, total),
            total,
        }
    }

    /// Good events, in millionths.
    pub fn good(self) -> i64 {
        self.good
    }

    /// Bad events, in millionths.
    pub fn bad(self) -> i64 {
        self.total - self.good
    }

    /// All events, in millionths.
    pub fn total(self) -> i64 {
        self.total
    }

    /// good / total; `None` when there were no events.
    pub fn sli(self) -> Option<f64> {
        (self.total > 0).then(|| self.good as f64 / self.total as f64)
    }

    /// bad / total; `None` when there were no events.
    pub fn error_ratio(self) -> Option<f64> {
        (self.total > 0).then(|| self.bad() as f64 / self.total as f64)
    }
}

/// What one minute of one ledger key holds: as matched, signed and unclamped, in millionths of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// All events.
    pub total: i64,
    /// Good events: as matched, or total - bad.
    pub good: i64,
    /// A visit that counted fell into this minute.
    pub observed: bool,
}

/// The sum of an hour's buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourTotal {
    /// All events, in millionths.
    pub total: i64,
    /// Good events, in millionths.
    pub good: i64,
    /// Observed minutes, 0 to 60.
    pub observed: u8,
}

/// A counter's value in millionths, exact for every whole value: the fraction alone is rounded, so that differences of
/// values telescope and no remainder is ever lost. `None` for what is no finite number.
pub fn to_micro(value: f64) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    let whole = value.trunc();
    (whole.abs() < 1e30).then(|| whole as i128 * i128::from(MICRO) + ((value - whole) * MICRO as f64).round() as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_clamped_and_empty_windows_have_no_sli() {
        assert_eq!(EventCounts::clamped(-2, 3), EventCounts { good: 0, total: 3 });
        assert_eq!(EventCounts::clamped(5, 3), EventCounts { good: 3, total: 3 });
        assert_eq!(EventCounts::clamped(5, -1).sli(), None);
    }

    #[test]
    fn whole_values_are_exact_up_to_the_largest_integer_of_a_float() {
        assert_eq!(
            to_micro(9_007_199_254_740_993.0),
            Some(9_007_199_254_740_992 * 1_000_000)
        );
        assert_eq!(to_micro(0.1).zip(to_micro(0.3)), Some((100_000, 300_000)));
        assert_eq!(
            (to_micro(f64::NAN), to_micro(f64::INFINITY), to_micro(1e300)),
            (None, None, None)
        );
    }
}
