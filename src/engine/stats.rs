//! What nines counts about itself; `/metrics` shows it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by label values, in the order of the family's label names.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<Vec<String>, u64>>);

impl Family {
    /// So many more for these label values.
    pub fn add(&self, values: &[&str], amount: u64) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .entry(owned(values))
            .or_default() += amount;
    }

    /// All of them.
    pub fn get(&self) -> BTreeMap<Vec<String>, u64> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Gauges by label values, in the order of the family's label names.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<BTreeMap<Vec<String>, i64>>);

impl Gauges {
    /// Sets the one with these label values.
    pub fn set(&self, values: &[&str], value: i64) {
        let mut gauges = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        gauges.insert(owned(values), value);
    }

    /// What it was about is gone.
    pub fn remove(&self, values: &[&str]) {
        let mut gauges = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        gauges.remove(&owned(values));
    }

    /// All of them.
    pub fn get(&self) -> BTreeMap<Vec<String>, i64> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Histograms by label values, in the order of the family's label names.
#[derive(Debug, Default)]
pub struct Histograms(Mutex<BTreeMap<Vec<String>, Histogram>>);

impl Histograms {
    /// One more of this duration for these label values.
    pub fn observe(&self, values: &[&str], duration: Duration) {
        let mut histograms = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        histograms.entry(owned(values)).or_default().observe(duration);
    }

    /// All of them, as `Histogram::get` gives each.
    pub fn get(&self) -> BTreeMap<Vec<String>, Buckets> {
        let histograms = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        histograms
            .iter()
            .map(|(values, histogram)| (values.clone(), histogram.get()))
            .collect()
    }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

/// Upper bounds of the histograms, in seconds.
pub const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

/// Cumulative buckets by bound, sum in seconds, count.
pub type Buckets = (Vec<(f64, u64)>, f64, u64);

/// Durations by the bounds above.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// One more of this duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            if seconds <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.sum_us.fetch_add(
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Cumulative buckets by bound, sum in seconds, count.
    pub fn get(&self) -> Buckets {
        let buckets = BOUNDS
            .iter()
            .zip(&self.buckets)
            .map(|(bound, n)| (*bound, n.load(Ordering::Relaxed)))
            .collect();
        (
            buckets,
            self.sum_us.load(Ordering::Relaxed) as f64 / 1e6,
            self.count.load(Ordering::Relaxed),
        )
    }
}

/// Everything that nines counts about itself since it started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Visits that gave a page.
    pub scrapes: Counter,
    /// Visits that gave nothing, by reason.
    pub scrape_failures: Family,
    /// Events that were pushed, by what became of them.
    pub pushed_events: Family,
    /// How long visits took.
    pub scrape_duration: Histogram,
    /// From the moment that a visit was due until it began.
    pub scrape_lag: Histogram,
    /// Visits that were due while the one before was under way, or waited for its turn.
    pub scrapes_skipped: Counter,
    /// What was wrong with pages and has not lost them, by job and kind: `malformed | duplicate`.
    pub scrape_warnings: Family,
    /// Looks for targets that gave no list, by job and mechanism: `file | http | dns | kubernetes`.
    pub sd_failures: Family,
    /// Samples on all pages.
    pub samples_seen: Counter,
    /// Samples that some SLO selects.
    pub samples_selected: Counter,
    /// Questions to Prometheus-compatible servers, by source and outcome: `ok` or a reason.
    pub source_queries: Family,
    /// How long they took, by source.
    pub source_query_duration: Histograms,
    /// Samples in their answers, by source.
    pub source_samples: Family,
    /// By source: 1 while it is left alone after many failures, else 0.
    pub source_breakers: Gauges,
    /// Verdicts of probes, by prober, verdict and reason.
    pub probes: Family,
    /// How long probes took, by prober.
    pub probe_duration: Histograms,
    /// From the moment that a probe was due until it began.
    pub probe_lag: Histogram,
    /// Probes that were due while the one before was under way, or had no turn, by job.
    pub probes_skipped: Family,
    /// Commits of counted visits, by outcome: `ok | failed | conflict`.
    pub commits: Family,
    /// How long commits took.
    pub commit_duration: Histogram,
    /// Evaluations of all SLOs.
    pub evaluations: Counter,
    /// Evaluation ticks that came too late to be run.
    pub missed_ticks: Counter,
    /// How long evaluations took.
    pub evaluation_duration: Histogram,
    /// Alert transitions, by kind.
    pub transitions: Family,
    /// Delivered messages, by receiver and integration.
    pub notifications: Family,
    /// Failed attempts, by receiver, integration and reason.
    pub notifications_failed: Family,
    /// From the moment a message became due until it was accepted.
    pub notification_latency: Histogram,
    /// Messages that were given up and are still shown.
    pub dead_letters: Gauge,
    /// HTTP requests, by handler, method and status.
    pub http_requests: Family,
    /// How long HTTP requests took.
    pub http_duration: Histogram,
    /// The last reload took: 1, or was refused: 0.
    pub last_reload_ok: Gauge,
    /// When the last reload took, in unix milliseconds.
    pub last_reload_ok_at: Gauge,
    /// The epoch of this process's lease; 0 for a standby.
    pub lease_epoch: Gauge,
}
