//! Time windows in whole minutes.

use std::time::Duration;

use super::time::{MINUTE_MS, Minute, Timestamp, format_duration};

/// The length of a window: whole minutes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLength(u32);

impl WindowLength {
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
}

impl TimeWindow {
    /// The length of the window.
    pub fn length(&self) -> WindowLength {
        match self {
            Self::Rolling { length, .. } => *length,
        }
    }

    /// As written in the file: `30d`.
    pub fn written(&self) -> &str {
        match self {
            Self::Rolling { written, .. } => written,
        }
    }
}
