//! What a page's start time says about who answers (rule 3).

use std::time::Duration;

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

/// A page's start time, unless it lies in the future by more than clocks differ, or is none at all: then nothing is known.
pub fn believable_start(start: Option<f64>, at: Timestamp) -> Option<f64> {
    start.filter(|start| (0.0..=at.as_seconds() + BEFORE_LAST_VISIT_MAX).contains(start))
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

/// What the age of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAge {
    /// It was made after the one that counted last.
    Newer,
    /// It is the one that counted last, or was made within a second of it: it has nothing to add.
    Same,
    /// It was made before the one that counted last: its values would look like resets.
    Older,
}

/// Ages are whole seconds, rounded down.
const AGE_WITHIN: Duration = Duration::from_secs(1);

/// Compares when a page was made with when the last one that counted was. `age` is how long a cache has kept it.
pub fn judge_age(header: &TargetHeader, age: Option<Duration>, at: Timestamp) -> PageAge {
    let (Some(age), Some(last)) = (age.filter(|age| !age.is_zero()), header.page_at) else {
        return PageAge::Newer;
    };
    let made_at = at - age;
    if header.last_visit_at.is_some_and(|last_visit| at < last_visit) || made_at - AGE_WITHIN > last {
        // After the clock went back nothing can be told.
        PageAge::Newer
    } else if made_at < last - AGE_WITHIN {
        PageAge::Older
    } else {
        PageAge::Same
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
            ..TargetHeader::default()
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

    #[test]
    fn a_start_that_cannot_be_is_none() {
        let at = Timestamp(1_000_000);
        for (start, expected) in [
            (999.0, true),
            (1_059.0, true),
            (1_061.0, false),
            (1e308, false),
            (-1.0, false),
        ] {
            assert_eq!(believable_start(Some(start), at).is_some(), expected, "{start}");
        }
        assert_eq!(believable_start(Some(f64::NAN), at), None);
    }

    #[test]
    fn a_page_from_a_cache_counts_once() {
        let header = TargetHeader {
            last_visit_at: Some(Timestamp(100_000)),
            page_at: Some(Timestamp(90_000)),
            ..TargetHeader::default()
        };
        let cases = [
            (115_000, None, PageAge::Newer, "no cache between"),
            (115_000, Some(0), PageAge::Newer, "a cache that has just asked"),
            (115_000, Some(23), PageAge::Newer, "made two seconds after the last one"),
            (115_000, Some(25), PageAge::Same, "the same page again"),
            (115_000, Some(24), PageAge::Same, "it may be the same: ages are rounded"),
            (115_000, Some(26), PageAge::Same, "it may be the same: ages are rounded"),
            (115_000, Some(40), PageAge::Older, "made before the one that counted"),
            (
                99_000,
                Some(40),
                PageAge::Newer,
                "nothing can be told when the clock went back",
            ),
        ];
        for (at, age, verdict, what) in cases {
            let age = age.map(Duration::from_secs);
            assert_eq!(judge_age(&header, age, Timestamp(at)), verdict, "{what}");
        }
    }
}
