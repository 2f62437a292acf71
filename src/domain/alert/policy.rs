//! Alert policies: burn conditions, the default policy and its scaling to other windows.

use std::time::Duration;

use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::window::WindowLength;

/// How loudly an alert calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Wakes somebody.
    Page,
    /// Waits for office hours.
    Ticket,
}

impl Severity {
    /// As written in files, labels and the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "page" => Some(Self::Page),
            "ticket" => Some(Self::Ticket),
            _ => None,
        }
    }
}

/// A window of a burn condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertWindow {
    /// How long.
    pub length: WindowLength,
    /// As written in the file, or as Prometheus writes durations where it was computed.
    pub written: String,
}

/// A burn condition: holds while the burn rate over both windows is strictly above the factor.
#[derive(Clone, Debug, PartialEq)]
pub struct BurnCondition {
    /// What it raises.
    pub severity: Severity,
    /// The window that shows that enough budget was spent.
    pub long: AlertWindow,
    /// The window that shows that it is still being spent.
    pub short: AlertWindow,
    /// The burn rate above which it holds.
    pub factor: f64,
    /// For how long it must hold before it calls.
    pub pending_for: Duration,
}

/// What the alerts of one severity carry besides the policy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeveritySettings {
    /// Labels; `severity` may be overridden here, for people whose routes know other words.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}

/// When an SLO alerts, and with what words.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertPolicy {
    /// The alert's name.
    pub name: String,
    /// No alert of any kind when false (`alerting: false`); the conditions' windows are still computed.
    pub enabled: bool,
    /// The conditions; those of one severity are OR'd into one alert.
    pub burn: Vec<BurnCondition>,
    /// Events that the long window must hold, in whole events.
    pub min_events: u64,
    /// Bad events that the long window must hold, in whole events.
    pub min_failures: u64,
    /// After how long without data `SLONoData` fires; `None`: never.
    pub no_data_for: Option<Duration>,
    /// How long an alert goes on firing after its condition has ended.
    pub keep_firing_for: Duration,
    /// Labels that go onto every alert.
    pub labels: Labels,
    /// Annotations that go onto every alert.
    pub annotations: Labels,
    /// What pages carry besides.
    pub page: SeveritySettings,
    /// What tickets carry besides.
    pub ticket: SeveritySettings,
}

/// The default alert name.
pub const DEFAULT_NAME: &str = "SLOBurn";
/// The name of the alert that says that there is no data.
pub const NO_DATA_NAME: &str = "SLONoData";
/// The default of `no_data_for`.
pub const DEFAULT_NO_DATA_FOR: Duration = Duration::from_mins(15);

impl AlertPolicy {
    /// The policy of an SLO that says nothing about alerting.
    pub fn default_for(window: WindowLength, objective: Objective) -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            enabled: true,
            burn: default_conditions(window, objective).0,
            min_events: 0,
            min_failures: 1,
            no_data_for: Some(DEFAULT_NO_DATA_FOR),
            keep_firing_for: Duration::ZERO,
            labels: Labels::new(),
            annotations: Labels::new(),
            page: SeveritySettings::default(),
            ticket: SeveritySettings::default(),
        }
    }

    /// What the alerts of a severity carry besides the policy's own.
    pub fn settings(&self, severity: Severity) -> &SeveritySettings {
        match severity {
            Severity::Page => &self.page,
            Severity::Ticket => &self.ticket,
        }
    }

    /// Every distinct window of the conditions, shortest first.
    pub fn windows(&self) -> Vec<AlertWindow> {
        let mut windows: Vec<AlertWindow> = self
            .burn
            .iter()
            .flat_map(|c| [c.short.clone(), c.long.clone()])
            .collect();
        windows.sort_by(|a, b| (a.length, &a.written).cmp(&(b.length, &b.written)));
        windows.dedup();
        windows
    }
}

const MONTH_MINUTES: u64 = 30 * 24 * 60;
/// Severity, long and short window in minutes, factor. Source: Google, The Site Reliability Workbook, chapter 5,
/// "Alerting on SLOs", table 5-8.
const WORKBOOK: [(Severity, u64, u64, f64); 4] = [
    (Severity::Page, 60, 5, 14.4),
    (Severity::Page, 360, 30, 6.0),
    (Severity::Ticket, 1440, 120, 3.0),
    (Severity::Ticket, 4320, 360, 1.0),
];
/// The largest share of the error rate 1 that a default factor may ask for, so that a total outage always fires.
const REACHABLE_SHARE: f64 = 0.8;

/// The default conditions for an SLO window, and which of them were lowered to stay reachable (a lint).
///
/// For 28 to 31 days the windows are the workbook's and the factors are scaled by W/30d; for other lengths the factors
/// stay and the windows are scaled, to the nearest whole minute (half up), at least one. A factor above
/// 0.8/(1 - objective) is lowered to it, but never below 1.
pub fn default_conditions(window: WindowLength, objective: Objective) -> (Vec<BurnCondition>, Vec<usize>) {
    let minutes = u64::from(window.minutes());
    let month_like = (28 * 1440..=31 * 1440).contains(&minutes);
    let highest = (REACHABLE_SHARE / objective.error_ratio()).max(1.0);
    let scaled = |length: u64| {
        let minutes = if month_like {
            length
        } else {
            (2 * length * minutes + MONTH_MINUTES) / (2 * MONTH_MINUTES)
        };
        let length = WindowLength::from_minutes(minutes.clamp(1, u64::from(WindowLength::MAX_MINUTES)) as u32);
        // The clamp keeps the length in range.
        let length = length.unwrap_or(window);
        AlertWindow {
            length,
            written: length.to_prometheus(),
        }
    };
    let mut lowered = Vec::new();
    let conditions = WORKBOOK
        .iter()
        .enumerate()
        .map(|(index, (severity, long, short, factor))| {
            let factor = if month_like {
                factor * minutes as f64 / MONTH_MINUTES as f64
            } else {
                *factor
            };
            // Decimal factors such as 13.44 are not exact in binary; nine decimals are what a person meant.
            let factor = (factor * 1e9).round() / 1e9;
            if factor > highest {
                lowered.push(index);
            }
            BurnCondition {
                severity: *severity,
                long: scaled(*long),
                short: scaled(*short),
                factor: factor.min(highest),
                pending_for: Duration::ZERO,
            }
        });
    (conditions.collect(), lowered)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "factors are decimals that must come out as written")]
mod tests {
    use super::*;

    fn conditions(days: f64, percent: &str) -> Vec<(String, String, f64)> {
        let window = WindowLength::from_minutes((days * 1440.0) as u32).expect("a window");
        let objective = Objective::from_percent(percent).expect("an objective");
        let written = |c: BurnCondition| (c.long.written, c.short.written, c.factor);
        default_conditions(window, objective)
            .0
            .into_iter()
            .map(written)
            .collect()
    }

    #[test]
    fn a_month_has_the_workbooks_windows_and_scaled_factors() {
        let factors = |days| conditions(days, "99.9").into_iter().map(|c| c.2).collect::<Vec<_>>();
        assert_eq!(factors(30.0), [14.4, 6.0, 3.0, 1.0]);
        assert_eq!(factors(28.0), [13.44, 5.6, 2.8, 0.933_333_333]);
        assert_eq!(conditions(31.0, "99.9")[3].0, "3d");
    }

    #[test]
    fn other_lengths_scale_the_windows() {
        let day: Vec<_> = conditions(1.0, "99.9").into_iter().map(|c| (c.0, c.1)).collect();
        let want = [("2m", "1m"), ("12m", "1m"), ("48m", "4m"), ("2h24m", "12m")];
        assert_eq!(day, want.map(|(long, short)| (long.to_owned(), short.to_owned())));
    }

    #[test]
    fn a_factor_that_could_never_be_reached_is_lowered_but_not_below_one() {
        assert_eq!(conditions(30.0, "95")[0].2, 14.4);
        let lowered = conditions(30.0, "90");
        assert!((lowered[0].2 - 8.0).abs() < 1e-9 && lowered[1].2 == 6.0);
        assert_eq!(conditions(30.0, "10")[0].2, 1.0);
    }
}
