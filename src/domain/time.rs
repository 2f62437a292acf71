//! Points in time as unix milliseconds, the ledger's minutes and hours, and Prometheus durations.

use std::fmt::{self, Write};
use std::ops::{Add, Sub};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute, the ledger's resolution.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Minutes in an hour.
pub const HOUR_MINUTES: i64 = 60;
/// Minutes in a day.
pub const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A minute of the ledger: minutes since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub i64);

/// An hour of the ledger: hours since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub i64);

impl Timestamp {
    /// The unix time in seconds, as metrics pages write it.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// A unix time in seconds; saturates at the ends of the range, `None` for NaN.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        (!seconds.is_nan()).then(|| Self((seconds * 1e3).round() as i64))
    }

    /// The minute that holds this time.
    pub fn minute(self) -> Minute {
        Minute(self.0.div_euclid(MINUTE_MS))
    }

    /// Milliseconds since an earlier time; negative when it lies ahead.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is until a later time; nothing when that lies behind.
    pub fn until(self, later: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(later.since(self)).unwrap_or(0))
    }

    /// RFC 3339 in UTC, with milliseconds only where there are any: `2026-11-21T08:00:00Z`.
    pub fn to_rfc3339(self) -> String {
        let format = if self.0 % SECOND_MS == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Millis
        };
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .map_or_else(|| self.0.to_string(), |time| time.to_rfc3339_opts(format, true))
    }

    /// Reads RFC 3339, whatever its offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text.trim())
            .ok()
            .map(|time| Self(time.timestamp_millis()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(duration)))
    }
}

impl Minute {
    /// The first millisecond of the minute.
    pub fn start(self) -> Timestamp {
        Timestamp(self.0 * MINUTE_MS)
    }

    /// The hour that holds this minute.
    pub fn hour(self) -> Hour {
        Hour(self.0.div_euclid(HOUR_MINUTES))
    }

    /// The minute's place in its hour, 0 to 59.
    pub fn of_hour(self) -> usize {
        self.0.rem_euclid(HOUR_MINUTES) as usize
    }

    /// Days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MINUTES)
    }
}

impl Hour {
    /// The first minute of the hour.
    pub fn first_minute(self) -> Minute {
        Minute(self.0 * HOUR_MINUTES)
    }

    /// Days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(24)
    }

    /// The hour's place in its day, 0 to 23.
    pub fn of_day(self) -> usize {
        self.0.rem_euclid(24) as usize
    }
}

/// A duration in whole milliseconds, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Why a text is no Prometheus duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: {0}")]
pub struct DurationError(String);

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a Prometheus duration: `1h30m`, `30d`, `250ms`, `0`; each unit at most once, from the largest to the
/// smallest. Source: Prometheus's `model.ParseDuration`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let fail = |why: &str| DurationError(format!("{text:?} ({why}; write for example 30d, 1h30m or 250ms)"));
    let (mut rest, mut total, mut next_unit) = (text, 0_u64, 0);
    if rest.is_empty() {
        return Err(fail("it is empty"));
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit_length = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + unit_length]);
        if digits == 0 {
            return Err(fail("a number is missing"));
        }
        let Some(position) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(fail("the units are y, w, d, h, m, s and ms"));
        };
        if position < next_unit {
            return Err(fail("units go from the largest to the smallest, each once"));
        }
        let count: u64 = number.parse().map_err(|_| fail("the number is too large"))?;
        let part = count
            .checked_mul(UNITS[position].1)
            .ok_or_else(|| fail("it is too long"))?;
        total = total
            .checked_add(part)
            .filter(|sum| i64::try_from(*sum).is_ok())
            .ok_or_else(|| fail("it is too long"))?;
        next_unit = position + 1;
        rest = &rest[digits + unit_length..];
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as Prometheus does: `2h24m`, `1d`, `5m`, `0s`; weeks and years only where they divide exactly.
pub fn format_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        let only_exact = matches!(unit, "y" | "w");
        if left >= size && (!only_exact || left.is_multiple_of(size)) {
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{unit}", left / size);
            left %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, ms) in [
            ("30d", 2_592_000_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("1w2d", 777_600_000),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), Ok(ms), "{text}");
        }
        for text in [
            "",
            "1",
            "1 parsec",
            "m",
            "1m1h",
            "1m1m",
            "-1m",
            "1.5h",
            "99999999999999y",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_prometheus_writes_them() {
        for (minutes, text) in [
            (144, "2h24m"),
            (5, "5m"),
            (1440, "1d"),
            (4320, "3d"),
            (10080, "1w"),
            (43200, "30d"),
        ] {
            assert_eq!(format_duration(Duration::from_secs(minutes * 60)), text);
        }
    }

    #[test]
    fn times_are_written_in_rfc_3339() {
        assert_eq!(Timestamp(1_795_248_000_000).to_rfc3339(), "2026-11-21T08:00:00Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2026-11-21T09:00:00.5+01:00"),
            Some(Timestamp(1_795_248_000_500))
        );
    }
}
