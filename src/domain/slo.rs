//! The SLO: service, indicator, objective, window, method and alert policy.

use std::fmt;
use std::time::Duration;

use super::alert::policy::AlertPolicy;
use super::indicator::{Indicator, Sources};
use super::labels::{Group, Labels};
use super::objective::Objective;
use super::window::{TimeWindow, WindowLength};

/// An SLO's identity: service and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SloId {
    /// The service.
    pub service: String,
    /// The SLO's name within the service.
    pub name: String,
}

impl SloId {
    /// An id of these two.
    pub fn new(service: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            name: name.into(),
        }
    }

    /// The id of one group: `checkout/availability{region="eu"}`; the SLO's own for `None`.
    pub fn with_group(&self, group: Option<&Group>) -> String {
        format!("{self}{}", group.map(Group::to_label_set).unwrap_or_default())
    }
}

impl fmt::Display for SloId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

/// How good and bad add up to a budget (OpenSLO's `budgetingMethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetingMethod {
    /// Each event counts: sum(good) / sum(total).
    Occurrences,
    /// Each slice of time counts, and is good when its ratio meets the slice target.
    Timeslices {
        /// How long a slice is.
        slice: WindowLength,
        /// The ratio from which on a slice is good; above 0, at most 1.
        target: Objective,
    },
    /// The mean of the slices' ratios.
    RatioTimeslices {
        /// How long a slice is.
        slice: WindowLength,
    },
}

impl BudgetingMethod {
    /// As written in files and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Occurrences => "occurrences",
            Self::Timeslices { .. } => "timeslices",
            Self::RatioTimeslices { .. } => "ratio_timeslices",
        }
    }
}

/// What time without events counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoDataPolicy {
    /// Nothing: it is left out.
    #[default]
    Ignore,
    /// Good; for slices of time only.
    Good,
    /// Bad; for slices of time only.
    Bad,
    /// What was last seen goes on.
    Hold,
}

impl NoDataPolicy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ignore, Self::Good, Self::Bad, Self::Hold];

    /// As written in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Hold => "hold",
        }
    }
}

/// Where an SLO stands in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file's path as the API shows it.
    pub file: String,
    /// The line of the SLO's `- name`, from 1.
    pub line: u32,
}

/// One service level objective as it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Service and name.
    pub id: SloId,
    /// For people.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The file's labels, overridden by the SLO's.
    pub labels: Labels,
    /// `runbook_url` and others; they go into every alert.
    pub annotations: Labels,
    /// What is counted.
    pub indicator: Indicator,
    /// The wanted share.
    pub objective: Objective,
    /// Over which time.
    pub window: TimeWindow,
    /// How events add up.
    pub method: BudgetingMethod,
    /// What time without events counts as.
    pub no_data: NoDataPolicy,
    /// What people do when the budget is gone, in their own words.
    pub policy: Option<String>,
    /// When it alerts.
    pub alerting: AlertPolicy,
    /// Names under which its history may be found.
    pub previous_names: Vec<String>,
    /// It may be shown without authentication.
    pub public: bool,
    /// Its format knows the metrics of a Prometheus server only: its selectors ask the default one, where there is one.
    pub asks_server: bool,
    /// File and line.
    pub origin: Origin,
    /// The YAML of this SLO's document, for its page.
    pub source_text: String,
}

impl Slo {
    /// After how long without data `SLONoData` fires; `None` when it never does.
    pub fn no_data_for(&self) -> Option<Duration> {
        self.alerting.no_data_for
    }

    /// Why this version cannot compute it although it is valid; `None` when it runs.
    pub fn idle_reason(&self, sources: &Sources) -> Option<String> {
        if self.objective.is_whole() {
            return Some(
                "an objective of 100% leaves no error budget; nothing can burn and nothing is computed".to_owned(),
            );
        }
        if self.method != BudgetingMethod::Occurrences {
            return Some(format!(
                "`{}` is read, but not computed by this version yet",
                self.method.word()
            ));
        }
        if matches!(self.window, TimeWindow::Calendar(_)) {
            return Some("calendar windows are read, but not computed by this version yet".to_owned());
        }
        if self.no_data != NoDataPolicy::Ignore {
            return Some(format!(
                "`no_data: {}` is read, but not computed by this version yet",
                self.no_data.word()
            ));
        }
        self.indicator.idle_reason(sources)
    }

    /// The SLO as it runs where these servers can be asked.
    #[must_use]
    pub fn fed_by(mut self, sources: &Sources) -> Self {
        if self.asks_server && self.indicator.source.is_none() {
            self.indicator.source.clone_from(&sources.default);
        }
        self.indicator = self.indicator.fed_by(sources);
        self
    }
}
