//! What a visit to a target gives.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::digest::fnv1a;
use super::labels::Labels;
use super::native_histogram::NativeHistogram;
use super::relabel::RelabelRules;

/// One scraped endpoint. Its identity is job + URL with parameters; everything else are attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The job's name.
    pub job: String,
    /// The whole URL, with parameters, without credentials.
    pub url: String,
    /// `job`, `instance` and the target's own labels.
    pub labels: Labels,
    /// `honor_labels`: a page's labels win over the target's.
    pub honor_labels: bool,
    /// `metric_relabel_configs`: what selectors see of a series.
    pub metric_rules: RelabelRules,
    /// How often it is visited.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
}

impl Target {
    /// The identity under which its cursor is kept.
    pub fn key(&self) -> String {
        format!("{} {}", self.job, self.url)
    }

    /// A number that changes with what its labels add to its series, and is the same in every process.
    pub fn labels_digest(&self) -> u64 {
        fnv1a(&format!("{} {}", self.labels, self.honor_labels))
    }

    /// A series as selectors see it: its metric, and its own labels with the target's, after the target's rules; `None`
    /// when a rule drops it.
    pub fn seen<'a>(&self, metric: &'a str, own: &Labels) -> Option<(Cow<'a, str>, Labels)> {
        let labels = own.with_target(&self.labels, self.honor_labels);
        self.metric_rules.apply_to_series(metric, labels)
    }
}

/// One series of a page, identified by the page's own labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Canonical text: the metric's name and the page's own labels in the order of their names. It is the key under
    /// which a cursor keeps the last value.
    pub key: String,
    /// The metric's name, with any suffix: `http_requests_total`.
    pub metric: String,
    /// The page's own labels.
    pub labels: Labels,
}

impl Series {
    /// A series of this metric with these labels of its own.
    pub fn new(metric: impl Into<String>, mut labels: Labels) -> Self {
        let metric = metric.into();
        // There are many of them, and they stay.
        labels.shrink();
        let mut key = format!("{metric}{labels}");
        key.shrink_to_fit();
        Self { key, metric, labels }
    }
}

/// One sample of a page.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Of which series.
    pub series: Arc<Series>,
    /// The value as written; NaN and infinities included.
    pub value: f64,
    /// The series's `_created`, in unix seconds, where the page has one.
    pub created: Option<f64>,
}

/// One native histogram of a page.
#[derive(Clone, Debug)]
pub struct NativeSample {
    /// The family's name and labels: those of `_count`, without the suffix.
    pub series: Arc<Series>,
    /// What it counts.
    pub histogram: NativeHistogram,
    /// Since when it counts, in unix seconds, where the page says so.
    pub created: Option<f64>,
}

/// A whole page, of which only the selected series are kept.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The selected samples, in the page's order; of a series that is listed twice, the first.
    pub samples: Vec<Sample>,
    /// The selected native histograms; their families' other series are among the samples.
    pub native: Vec<NativeSample>,
    /// The bounds of histograms that SLOs with a threshold want, also of buckets that are not among the samples.
    pub bounds: Arc<Bounds>,
    /// The page's `process_start_time_seconds`, where it has one.
    pub process_start: Option<f64>,
    /// How many samples the page held in all.
    pub samples_seen: u64,
    /// How long a cache had kept the page, where it says so.
    pub age: Option<Duration>,
    /// How many bytes the page had, decoded.
    pub bytes: u64,
    /// What was wrong with it and has not lost it, each with its place; of very many the first.
    pub warnings: Vec<String>,
    /// How many lines were not understood.
    pub malformed: u64,
    /// How many samples are of a series that the page has listed before.
    pub duplicates: u64,
}

/// What one visit gave.
#[derive(Clone, Debug)]
pub enum Reading {
    /// A page.
    Page(Page),
    /// Nothing that counts, and why.
    Missing(Missing),
}

/// Why a visit gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// In one word, for metrics.
    pub reason: MissingReason,
    /// In a sentence, for people; without credentials.
    pub detail: String,
}

/// Why a visit gave nothing, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MissingReason {
    /// No connection.
    Connect,
    /// The name does not resolve.
    Dns,
    /// TLS failed.
    Tls,
    /// It took longer than the timeout.
    Timeout,
    /// An HTTP status other than 200.
    Status,
    /// The body ended early or could not be decoded.
    Body,
    /// The body is larger than `body_size_limit`.
    TooLarge,
    /// The page, or its job, is beyond a limit such as `sample_limit` or `target_limit`.
    Limit,
    /// The body is not UTF-8.
    NotUtf8,
    /// The page could not be understood.
    Format,
    /// Another process answers at this address (contract, counting rule 3).
    AnotherProcess,
    /// A cache has given out a page that is older than one that has counted already.
    Stale,
}

impl MissingReason {
    /// Nobody has answered: it may be a while until somebody does.
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Connect | Self::Dns | Self::Tls | Self::Timeout)
    }
}

impl MissingReason {
    /// As metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "http_status",
            Self::Body => "body",
            Self::TooLarge => "too_large",
            Self::Limit => "limit",
            Self::NotUtf8 => "not_utf8",
            Self::Format => "format",
            Self::AnotherProcess => "another_process",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
