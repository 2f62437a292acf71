//! One probed target: what its last verdicts were.

use std::collections::VecDeque;
use std::sync::Arc;

use super::view::{ProbeView, VerdictView};
use crate::domain::labels::Labels;
use crate::domain::shown::{shown_label, shown_url};
use crate::domain::time::{Timestamp, format_duration};
use crate::domain::verdict::{Outcome, ProbeKind, ProbeTarget, Verdict};
use crate::engine::collect::SloHealth;
use crate::engine::snapshot::{TargetAbout, TargetView};

/// So many verdicts are shown of each target.
const SHOWN_MAX: usize = 10;

/// One probed target.
pub struct Seat {
    target: ProbeTarget,
    about: Arc<TargetAbout>,
    /// Verdicts since this process took over.
    visits: u32,
    /// Bad verdicts in a row.
    failures: u32,
    skipped: u64,
    /// When a verdict last said something about the service.
    seen_at: Option<Timestamp>,
    /// When it is probed next.
    pub next_at: Option<Timestamp>,
    last: Option<(Timestamp, Verdict)>,
    /// The last verdicts in short, the newest first.
    earlier: VecDeque<VerdictView>,
}

impl Seat {
    /// Nothing has been probed yet.
    pub fn new(target: &ProbeTarget) -> Self {
        Self {
            about: Arc::new(about(target)),
            target: target.clone(),
            visits: 0,
            failures: 0,
            skipped: 0,
            seen_at: None,
            next_at: None,
            last: None,
            earlier: VecDeque::new(),
        }
    }

    /// Takes over its attributes.
    pub fn set_target(&mut self, target: &ProbeTarget) {
        if self.target != *target {
            self.about = Arc::new(about(target));
            self.target = target.clone();
        }
    }

    /// Its job's name.
    pub fn job(&self) -> &str {
        &self.target.job
    }

    /// What it speaks.
    pub fn kind(&self) -> ProbeKind {
        self.target.kind
    }

    /// `job`, `instance` and its own labels.
    pub fn labels(&self) -> &Labels {
        &self.target.labels
    }

    /// Takes in a verdict.
    pub fn note(&mut self, verdict: Verdict, at: Timestamp) {
        self.visits = self.visits.saturating_add(1);
        self.failures = match verdict.outcome {
            Outcome::Bad => self.failures.saturating_add(1),
            Outcome::Good => 0,
            Outcome::Unknown => self.failures,
        };
        if verdict.outcome != Outcome::Unknown {
            self.seen_at = Some(at);
        }
        self.earlier.truncate(SHOWN_MAX - 1);
        self.earlier.push_front(VerdictView::of(&verdict, at));
        self.last = Some((at, verdict));
    }

    /// Probes were due and not made.
    pub fn overrun(&mut self, skipped: u64) {
        self.skipped = self.skipped.saturating_add(skipped);
    }

    /// As the API shows it.
    pub fn view(&self, mut feeds: Vec<String>) -> TargetView {
        feeds.sort();
        let last = self.last.as_ref().map(|(_, verdict)| verdict);
        TargetView {
            about: Arc::clone(&self.about),
            health: match last.map(|verdict| verdict.outcome) {
                Some(Outcome::Good) => "up",
                Some(Outcome::Bad) => "down",
                Some(Outcome::Unknown) | None => "unknown",
            },
            last_error: last.map(|verdict| verdict.detail.clone()).unwrap_or_default(),
            warnings: Arc::default(),
            consecutive_failures: self.failures,
            last_scrape: self.last.as_ref().map(|(at, _)| *at),
            next_scrape: self.next_at,
            last_scrape_duration: last.map_or(0.0, |verdict| verdict.took.as_secs_f64()),
            samples_seen: 0,
            samples_selected: 0,
            feeds,
            probe: Some(ProbeView::of(&self.target, last, self.skipped, &self.earlier)),
            has_page: true,
        }
    }
}

/// How the targets of a job are doing, for an SLO that they feed.
pub fn health<'a>(seats: impl Iterator<Item = &'a Seat>) -> SloHealth {
    let mut health = SloHealth {
        settled: true,
        looked: true,
        ..SloHealth::default()
    };
    for seat in seats {
        health.feeding += 1;
        health.settled &= seat.visits >= 2;
        health.looked &= seat.visits >= 1;
        health.seen_at = health.seen_at.max(seat.seen_at);
    }
    // A verdict is an event: whoever was seen has matched.
    health.matched_at = health.seen_at;
    health.settled &= health.feeding > 0;
    health
}

fn about(target: &ProbeTarget) -> TargetAbout {
    let labels = target.labels.iter();
    TargetAbout {
        key: target.key(),
        labels: labels
            .map(|(name, value)| (name.to_owned(), shown_label(name, value)))
            .collect(),
        scrape_pool: target.job.clone(),
        scrape_url: shown_url(&target.target),
        scrape_interval: format_duration(target.interval),
        scrape_timeout: format_duration(target.timeout),
    }
}
