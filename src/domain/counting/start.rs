//! What a page's start time says about who answers (rule 3).

use super::cursor::TargetHeader;
use crate::domain::time::Timestamp;

/// Start times within this many seconds are the same.
const SAME_WITHIN: f64 = 5.0;
/// A newer process that began longer than this before the last visit cannot have replaced what answered then.
const BEFORE_LAST_VISIT_MAX: f64 = 60.0;
/// When nothing but another process has answered for this long, it is the new baseline; in milliseconds.
pub const ANOTHER_PROCESS_PATIENCE_MS: i64 = 5 * 60 * 1000;

/// What a page's start time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartVerdict {
    /// The page, or the one before, does not tell.
    Unknown,
    /// The same process as at the last visit.
    Same,
    /// A process that began since.
    Newer,
    /// Another process at the same address: its start goes back, or it ran beside the one that answered last time.
    Another,
}

/// Compares a page's start time with the last one.
pub fn judge_start(header: &TargetHeader, process_start: Option<f64>) -> StartVerdict {
    let (Some(now), Some(then)) = (process_start, header.process_start) else {
        return StartVerdict::Unknown;
    };
    if (now - then).abs() <= SAME_WITHIN {
        return StartVerdict::Same;
    }
    let ran_before_last_visit = header
        .last_visit_at
        .is_some_and(|at: Timestamp| now < at.as_seconds() - BEFORE_LAST_VISIT_MAX);
    if now < then || ran_before_last_visit {
        StartVerdict::Another
    } else {
        StartVerdict::Newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_tell_who_answers() {
        let header = TargetHeader {
            last_visit_at: Some(Timestamp(10_000_000)),
            process_start: Some(5_000.0),
        };
        let cases = [
            (None, StartVerdict::Unknown, "a page without a start time"),
            (Some(5_004.0), StartVerdict::Same, "within five seconds"),
            (Some(4_990.0), StartVerdict::Another, "a start that goes back"),
            (
                Some(9_000.0),
                StartVerdict::Another,
                "newer, but it ran before the last visit",
            ),
            (
                Some(9_941.0),
                StartVerdict::Newer,
                "within a minute before the last visit",
            ),
            (Some(10_500.0), StartVerdict::Newer, "after the last visit"),
        ];
        for (start, verdict, what) in cases {
            assert_eq!(judge_start(&header, start), verdict, "{what}");
        }
    }
}
