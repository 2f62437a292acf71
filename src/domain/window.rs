//! Time windows in whole minutes.

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::time::{MINUTE_MS, Minute, Timestamp, format_duration};

/// The length of a window: whole minutes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLength(u32);

impl WindowLength {
    /// The usual window.
    pub const DAYS_30: Self = Self(30 * 24 * 60);
    /// The longest window: ten years.
    pub const MAX_MINUTES: u32 = 10 * 365 * 24 * 60;

    /// A length in minutes; `None` below one minute and above ten years.
    pub fn from_minutes(minutes: u32) -> Option<Self> {
        (1..=Self::MAX_MINUTES).contains(&minutes).then_some(Self(minutes))
    }

    /// A duration of whole minutes; `None` for anything else.
    pub fn from_duration(duration: Duration) -> Option<Self> {
        let whole = duration.as_millis().is_multiple_of(MINUTE_MS as u128);
        u32::try_from(duration.as_secs() / 60)
            .ok()
            .filter(|_| whole)
            .and_then(Self::from_minutes)
    }

    /// In minutes.
    pub fn minutes(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 60)
    }

    /// The first minute of the window that ends now: the one that holds `now - W` (contract, native SLO file).
    pub fn first_minute(self, now: Timestamp) -> Minute {
        (now - self.duration()).minute()
    }

    /// As Prometheus writes durations: `2h24m`.
    pub fn to_prometheus(self) -> String {
        format_duration(self.duration())
    }
}

/// The window over which an SLO keeps its budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeWindow {
    /// The last so-and-so many minutes.
    Rolling {
        /// How long.
        length: WindowLength,
        /// As written in the file: `30d`.
        written: String,
    },
    /// From the last turn of a calendar unit until now.
    Calendar(CalendarWindow),
}

/// A window that begins anew with each calendar month, week …, in local civil time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarWindow {
    /// How many units one period has, at least 1.
    pub count: u32,
    /// The unit.
    pub unit: CalendarUnit,
    /// When some period began, as civil time in the zone: `2026-01-01 00:00:00`. Without it periods begin where people
    /// expect: on the first of the month, on Monday.
    pub start: Option<NaiveDateTime>,
    /// An IANA zone: `Europe/Berlin`.
    pub zone: Tz,
}

/// Units of calendar windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarUnit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight.
    Day,
    /// Seven days, from Monday on.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months.
    Quarter,
    /// A calendar year.
    Year,
}

impl CalendarUnit {
    /// All units, the shortest first.
    pub const ALL: [Self; 7] = [
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// As written in files: `month`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// A month counts as 30 days, a quarter as 90, a year as 365 (contract, default policy).
    pub fn minutes(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 1_440,
            Self::Week => 7 * 1_440,
            Self::Month => 30 * 1_440,
            Self::Quarter => 90 * 1_440,
            Self::Year => 365 * 1_440,
        }
    }
}

impl CalendarWindow {
    /// The nominal length, by which the default policy goes; `None` beyond ten years.
    pub fn length(&self) -> Option<WindowLength> {
        self.count
            .checked_mul(self.unit.minutes())
            .and_then(WindowLength::from_minutes)
    }
}

impl TimeWindow {
    /// The length of the window; that of a calendar window is nominal.
    pub fn length(&self) -> WindowLength {
        match self {
            Self::Rolling { length, .. } => *length,
            Self::Calendar(window) => window.length().unwrap_or(WindowLength(WindowLength::MAX_MINUTES)),
        }
    }

    /// As written in the file: `30d`; a calendar window as `month` or `2 weeks`.
    pub fn written(&self) -> String {
        match self {
            Self::Rolling { written, .. } => written.clone(),
            Self::Calendar(CalendarWindow { count: 1, unit, .. }) => unit.word().to_owned(),
            Self::Calendar(CalendarWindow { count, unit, .. }) => format!("{count} {}s", unit.word()),
        }
    }
}
