//! How one target is doing, for people and for the SLOs that it feeds.

use std::time::Duration;

use super::SloHealth;
use crate::domain::reading::{Missing, Target};
use crate::domain::shown::{cut, shown_url};
use crate::domain::time::{Timestamp, format_duration};
use crate::engine::snapshot::TargetView;

/// How one target is doing.
#[derive(Default)]
pub struct Health {
    /// Visits since this process took over, failed ones too.
    pub visits: u32,
    /// When it was last visited.
    pub last_visit_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Why it gave nothing.
    pub error: Option<String>,
    /// Visits in a row that gave nothing.
    pub failures: u32,
    /// When it is visited again.
    pub next_visit_at: Option<Timestamp>,
    /// Samples on its last page.
    pub samples_seen: u64,
    /// Those that some SLO selects.
    pub samples_selected: u64,
    /// Since when nothing but another process has answered.
    pub other_since: Option<Timestamp>,
    /// When it last gave a page.
    pub seen_at: Option<Timestamp>,
    /// What it is to SLOs that it has ever matched in this process, in the order of their numbers.
    slos: Vec<(i64, OfSlo)>,
}

/// What a target is to one SLO.
#[derive(Clone, Copy, Debug, Default)]
struct OfSlo {
    matched_at: Option<Timestamp>,
    resets: u64,
}

impl Health {
    /// A visit has begun to count, whatever it gives.
    pub fn visited(&mut self, at: Timestamp, took: Duration) {
        (self.visits, self.last_visit_at, self.took) = (self.visits.saturating_add(1), Some(at), took);
    }

    /// A visit gave nothing.
    pub fn missed(&mut self, missing: &Missing) {
        self.failures = self.failures.saturating_add(1);
        self.error = Some(missing.detail.clone());
    }

    /// A visit gave a page.
    pub fn seen(&mut self, at: Timestamp, samples_seen: u64, samples_selected: u64) {
        (self.error, self.failures, self.seen_at) = (None, 0, Some(at));
        (self.samples_seen, self.samples_selected) = (samples_seen, samples_selected);
    }

    /// A visit has matched series of an SLO, or seen them reset.
    pub fn note_slo(&mut self, slo: i64, matched_at: Option<Timestamp>, resets: u32) {
        if matched_at.is_none() && resets == 0 {
            return;
        }
        let at = self
            .slos
            .binary_search_by_key(&slo, |(known, _)| *known)
            .unwrap_or_else(|at| {
                self.slos.insert(at, (slo, OfSlo::default()));
                at
            });
        let (_, of_slo) = &mut self.slos[at];
        of_slo.matched_at = of_slo.matched_at.max(matched_at);
        of_slo.resets += u64::from(resets);
    }

    /// Keeps what concerns SLOs that still run.
    pub fn retain_slos(&mut self, keep: impl Fn(i64) -> bool) {
        self.slos.retain(|(slo, _)| keep(*slo));
    }

    /// The resets that it has seen, by SLO.
    pub fn resets(&self) -> impl Iterator<Item = (i64, u64)> {
        self.slos.iter().map(|(slo, of_slo)| (*slo, of_slo.resets))
    }

    /// Adds how it is doing to an SLO that it feeds.
    pub fn add_to(&self, slo: i64, health: &mut SloHealth) {
        let found = self.slos.binary_search_by_key(&slo, |(known, _)| *known);
        let matched_at = found.ok().and_then(|at| self.slos[at].1.matched_at);
        health.feeding += 1;
        health.settled &= self.visits >= 2;
        // What nines itself says of a target is seen on visits that give no page, too.
        health.seen_at = health.seen_at.max(self.seen_at).max(matched_at);
        health.matched_at = health.matched_at.max(matched_at);
    }

    /// As the API shows it; `feeds` are the ids of the SLOs that it feeds.
    pub fn view(&self, target: &Target, mut feeds: Vec<String>) -> TargetView {
        feeds.sort();
        let labels = target.labels.iter();
        TargetView {
            key: target.key(),
            // Rules may make a label of a URL.
            labels: labels
                .map(|(name, value)| (cut(name).into_owned(), shown_url(value)))
                .collect(),
            scrape_pool: target.job.clone(),
            scrape_url: shown_url(&target.url),
            health: match (&self.error, self.last_visit_at) {
                (_, None) => "unknown",
                (None, Some(_)) => "up",
                (Some(_), Some(_)) => "down",
            },
            last_error: self.error.clone().unwrap_or_default(),
            consecutive_failures: self.failures,
            last_scrape: self.last_visit_at,
            next_scrape: self.next_visit_at,
            last_scrape_duration: self.took.as_secs_f64(),
            scrape_interval: format_duration(target.interval),
            scrape_timeout: format_duration(target.timeout),
            samples_seen: self.samples_seen,
            samples_selected: self.samples_selected,
            feeds,
        }
    }
}
