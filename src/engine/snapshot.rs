//! The read model: what the API and the pages show. It is swapped in whole after every evaluation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::domain::counts::MICRO;
use crate::domain::reading::Target;
use crate::domain::shown::{cut, shown_label, shown_url};
use crate::domain::time::{Timestamp, format_duration};
use crate::domain::window::TimeWindow;
use crate::engine::probe::view::ProbeView;
use crate::engine::push::beats::HeartbeatView;
use crate::engine::read::progress::BackfillView;

/// Everything that is shown without asking the store, at one point in time.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Grows with every evaluation; the strong `ETag`.
    pub revision: u64,
    /// The tick at which it was taken.
    pub as_of: Timestamp,
    /// SLOs and their groups, and the documents that never loaded, in the order of their ids.
    pub slos: Vec<SloView>,
    /// Alerts that are pending or firing.
    pub alerts: Vec<AlertView>,
    /// The scraped targets.
    pub targets: Vec<TargetView>,
    /// What `nines_ledger_discrepancy_events` shows: buckets against credits, in millionths of an event; `None` before
    /// the first proof.
    pub discrepancy_micro: Option<i64>,
    /// Jobs that say when they have run; of a standby none.
    pub heartbeats: Vec<HeartbeatView>,
    /// This process counts and sends; otherwise it is a standby.
    pub active: bool,
}

/// One SLO, or one group of it, as `/api/v1/slos` shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SloView {
    /// `service/name`, with the group's labels for a group; `None` when it could not be read.
    pub id: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The group's label values, in the order of `group_by`; not present for the SLO itself.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_map")]
    pub group: Option<Vec<(String, String)>>,
    /// For people.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// `healthy | at_risk | exhausted | no_data`
    pub state: &'static str,
    /// `ok | invalid | paused`
    pub spec: &'static str,
    /// As a ratio: 0.999.
    pub objective: Option<f64>,
    /// As a percentage, exactly: `99.9%`.
    pub objective_text: Option<String>,
    /// `occurrences`
    pub method: Option<&'static str>,
    /// `{"rolling":"30d"}`
    pub window: Option<WindowView>,
    /// The tick at which the numbers were computed.
    #[serde(serialize_with = "as_time")]
    pub as_of: Option<Timestamp>,
    /// The first moment of the window.
    #[serde(serialize_with = "as_time")]
    pub window_start: Option<Timestamp>,
    /// Events in the window.
    pub events: Option<EventsView>,
    /// good / total.
    pub sli: Option<f64>,
    /// The budget over the window.
    pub error_budget: Option<BudgetView>,
    /// Burn rate by alert window.
    pub burn_rates: Option<OrderedMap<Option<f64>>>,
    /// When the budget will be gone.
    #[serde(serialize_with = "as_time")]
    pub exhausts_at: Option<Timestamp>,
    /// Its alerts, also the inactive ones.
    pub alerts: Vec<SloAlertView>,
    /// The burn conditions, as they run.
    pub conditions: Vec<ConditionView>,
    /// Observed minutes of the window over its minutes.
    pub coverage: Option<f64>,
    /// What is wrong with its file or its data.
    pub diagnostics: Vec<DiagnosticView>,
    /// Its file.
    pub file: Option<String>,
    /// The line of its `- name`.
    pub line: Option<u32>,
    /// The indicator in words: kind and selectors.
    pub indicator: Option<String>,
    /// How far it was read from its server; not present for what is scraped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<BackfillView>,
    /// The YAML of its document; for its page only.
    #[serde(skip)]
    pub source_text: String,
    /// Why nothing is computed for it although it is valid; empty for one that runs.
    #[serde(skip)]
    pub idle_reason: String,
    /// All events ever counted, in millionths: good, total; for `/metrics` only.
    #[serde(skip)]
    pub lifetime: Option<(i64, i64)>,
    /// Resets seen since this process started; for `/metrics` only.
    #[serde(skip)]
    pub resets: u64,
    /// Budget remaining at earlier times, oldest first, for the page's chart: time and ratio.
    #[serde(skip)]
    pub budget_history: Vec<(Timestamp, Option<f64>)>,
}

/// A time window in JSON: `{"rolling":"30d"}` or `{"calendar":"month","zone":"Europe/Berlin"}`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum WindowView {
    /// The last so many days.
    Rolling {
        /// As written: `30d`.
        rolling: String,
    },
    /// Since the last turn of a calendar unit.
    Calendar {
        /// `month`, `2 weeks`
        calendar: String,
        /// An IANA zone.
        zone: &'static str,
    },
}

impl WindowView {
    /// A window as the API shows it.
    pub fn of(window: &TimeWindow) -> Self {
        match window {
            TimeWindow::Rolling { written, .. } => Self::Rolling {
                rolling: written.clone(),
            },
            TimeWindow::Calendar(calendar) => Self::Calendar {
                calendar: window.written(),
                zone: calendar.zone.name(),
            },
        }
    }

    /// In a few words: `30d`, `month`.
    pub fn text(&self) -> &str {
        match self {
            Self::Rolling { rolling } => rolling,
            Self::Calendar { calendar, .. } => calendar,
        }
    }

    /// What its budget is the budget of: `30d`, `this month`.
    pub fn name(&self) -> String {
        match self {
            Self::Rolling { rolling } => rolling.clone(),
            Self::Calendar { calendar, .. } => this(calendar),
        }
    }

    /// As it is called within a sentence: `the last 30d`, `this month`, `this period of 2 weeks`.
    pub fn phrase(&self) -> String {
        match self {
            Self::Rolling { rolling } => format!("the last {rolling}"),
            Self::Calendar { calendar, .. } => this(calendar),
        }
    }

    /// With its zone: `30d`, `month (Europe/Berlin)`.
    pub fn long_text(&self) -> String {
        match self {
            Self::Rolling { rolling } => rolling.clone(),
            Self::Calendar { calendar, zone } => format!("{calendar} ({zone})"),
        }
    }
}

/// A calendar window within a sentence: `this month`, `this period of 2 weeks`.
pub fn this(calendar: &str) -> String {
    let period = if calendar.contains(' ') { "period of " } else { "" };
    format!("this {period}{calendar}")
}

/// Events, each with at most six decimals.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct EventsView {
    /// Good events, in millionths; shown in events.
    #[serde(serialize_with = "as_events")]
    pub good: i64,
    /// Bad events, in millionths; shown in events.
    #[serde(serialize_with = "as_events")]
    pub bad: i64,
    /// All events, in millionths; shown in events.
    #[serde(serialize_with = "as_events")]
    pub total: i64,
}

/// The error budget over the window, in events and as a ratio.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq)]
pub struct BudgetView {
    /// Events that may be bad.
    pub allowed: f64,
    /// Events that were bad.
    pub spent: f64,
    /// allowed - spent; may be negative.
    pub remaining: f64,
    /// remaining / allowed; `None` without events.
    pub remaining_ratio: Option<f64>,
}

/// One alert of one SLO.
#[derive(Clone, Debug, Serialize)]
pub struct SloAlertView {
    /// Its name.
    pub name: String,
    /// `page | ticket`
    pub severity: &'static str,
    /// What its label `severity` says: another word, where the policy has one.
    #[serde(skip)]
    pub called: String,
    /// `inactive | pending | firing`
    pub state: &'static str,
    /// Since when it is in this state; `None` while inactive.
    #[serde(serialize_with = "as_time")]
    pub since: Option<Timestamp>,
    /// It holds although data is missing.
    pub stale: bool,
}

/// One burn condition with its present values.
#[derive(Clone, Debug, Serialize)]
pub struct ConditionView {
    /// `page | ticket`
    pub severity: &'static str,
    /// The long window as written.
    pub long: String,
    /// The short window as written.
    pub short: String,
    /// The factor.
    pub factor: f64,
    /// For how long it must hold before it calls: `2m`; not present where it calls at once.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub pending_for: Option<String>,
    /// Burn rate over the long window.
    pub long_burn_rate: Option<f64>,
    /// Burn rate over the short window.
    pub short_burn_rate: Option<f64>,
    /// Both are above the factor; `None` when that is not known.
    pub holds: Option<bool>,
}

/// One diagnostic; file, line and column are `None` for those of the running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiagnosticView {
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// In which file.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// One alert in Prometheus's shape.
#[derive(Clone, Debug, Serialize)]
pub struct AlertView {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// `page | ticket`, whatever its label says.
    #[serde(skip)]
    pub severity: &'static str,
    /// `pending | firing`
    pub state: &'static str,
    /// Since when.
    #[serde(rename = "activeAt", serialize_with = "as_time")]
    pub active_at: Option<Timestamp>,
    /// The burn rate over the long window, as Prometheus writes values: a string.
    pub value: String,
    /// It holds although data is missing.
    pub stale: bool,
    /// Why it is not told at present: a silence's id, the inhibiting alert; empty when nothing mutes it.
    #[serde(rename = "mutedBy")]
    pub muted_by: Vec<String>,
}

/// One scraped or probed target, in Prometheus's shape.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    /// What it is.
    #[serde(flatten)]
    pub about: Arc<TargetAbout>,
    /// `up | down | unknown`
    pub health: &'static str,
    /// Why the last visit gave nothing; empty when it gave a page.
    #[serde(rename = "lastError")]
    pub last_error: String,
    /// What was wrong with the last page, and has not lost it.
    pub warnings: Arc<[String]>,
    /// Visits in a row that gave nothing.
    #[serde(rename = "consecutiveFailures")]
    pub consecutive_failures: u32,
    /// When it was last visited.
    #[serde(rename = "lastScrape", serialize_with = "as_time_or_zero")]
    pub last_scrape: Option<Timestamp>,
    /// When it is visited next.
    #[serde(rename = "nextScrape", serialize_with = "as_time_or_zero")]
    pub next_scrape: Option<Timestamp>,
    /// How long the last visit took, in seconds.
    #[serde(rename = "lastScrapeDuration")]
    pub last_scrape_duration: f64,
    /// Samples on the last page.
    #[serde(rename = "samplesSeen")]
    pub samples_seen: u64,
    /// Samples on the last page that some SLO selects.
    #[serde(rename = "samplesSelected")]
    pub samples_selected: u64,
    /// The ids of the SLOs that it feeds.
    pub feeds: Vec<String>,
    /// What its last probes came to; not present for what is scraped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeView>,
    /// A page of it was seen in this process; before that nobody knows what it will feed.
    #[serde(skip)]
    pub has_page: bool,
}

/// What a target is, whatever its visits give. There may be thousands of them, so views share it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TargetAbout {
    /// Job and URL as they are: what the target is known by.
    #[serde(skip)]
    pub key: String,
    /// `job`, `instance` and its own labels.
    pub labels: BTreeMap<String, String>,
    /// The job's name.
    #[serde(rename = "scrapePool")]
    pub scrape_pool: String,
    /// The URL without secrets.
    #[serde(rename = "scrapeUrl")]
    pub scrape_url: String,
    /// How often it is visited.
    #[serde(rename = "scrapeInterval")]
    pub scrape_interval: String,
    /// How long a visit may take.
    #[serde(rename = "scrapeTimeout")]
    pub scrape_timeout: String,
}

impl TargetAbout {
    /// A target as people may see it.
    pub fn of(target: &Target) -> Self {
        // Rules may make a label of a URL, or of a secret.
        let labels = target.labels.iter();
        let labels = labels.map(|(name, value)| (cut(name).into_owned(), shown_label(name, value)));
        Self {
            key: target.key(),
            labels: labels.collect(),
            scrape_pool: target.job.clone(),
            scrape_url: shown_url(&target.url),
            scrape_interval: format_duration(target.interval),
            scrape_timeout: format_duration(target.timeout),
        }
    }
}

/// A map that keeps its order in JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderedMap<V>(pub Vec<(String, V)>);

impl<V: Serialize> Serialize for OrderedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde decides the signature")]
/// Millionths of an event as a JSON number: whole where they are, else with at most six decimals.
fn as_events<S: Serializer>(micro: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if micro % MICRO == 0 {
        serializer.serialize_i64(micro / MICRO)
    } else {
        serializer.serialize_f64(events(*micro))
    }
}

/// Millionths of an event in events.
pub fn events(micro: i64) -> f64 {
    micro as f64 / MICRO as f64
}

#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// Prometheus writes the zero time for what has not happened yet.
#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_time_or_zero<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_str("0001-01-01T00:00:00Z"),
    }
}

#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_map<S: Serializer>(group: &Option<Vec<(String, String)>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(group.iter().flatten().map(|(name, value)| (name, value)))
}
