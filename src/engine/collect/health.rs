//! How one target is doing, for people and for the SLOs that it feeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::SloHealth;
use crate::domain::reading::{Missing, Page};
use crate::domain::time::Timestamp;
use crate::engine::snapshot::{TargetAbout, TargetView};

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
    /// What was wrong with that page, and has not lost it.
    warnings: Arc<[String]>,
    /// What people were last told of that.
    told: BTreeSet<String>,
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
    /// A visit has begun to count, whatever it gives. Without a duration it was not made.
    pub fn visited(&mut self, at: Timestamp, took: Option<Duration>) {
        self.visits = self.visits.saturating_add(1);
        if let Some(took) = took {
            (self.last_visit_at, self.took) = (Some(at), took);
        }
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

    /// Takes over what was wrong with the last page; tells whether it is something that people have not been told yet.
    /// Lines move from page to page, so places make no difference, nor does a page between that was well.
    pub fn warned(&mut self, page: &Page) -> bool {
        if page.warnings.is_empty() {
            self.warnings = Arc::default();
            return false;
        }
        let more = (page.malformed + page.duplicates).saturating_sub(page.warnings.len() as u64);
        let more = (more > 0).then(|| format!("{more} more of these"));
        self.warnings = page.warnings.iter().cloned().chain(more).collect();
        let told = page.warnings.iter().map(|warning| what(warning).to_owned()).collect();
        let is_new = self.told != told;
        self.told = told;
        is_new
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
    pub fn view(&self, about: &Arc<TargetAbout>, mut feeds: Vec<String>) -> TargetView {
        feeds.sort();
        TargetView {
            about: Arc::clone(about),
            health: match (&self.error, self.last_visit_at) {
                (_, None) => "unknown",
                (None, Some(_)) => "up",
                (Some(_), Some(_)) => "down",
            },
            last_error: self.error.clone().unwrap_or_default(),
            warnings: Arc::clone(&self.warnings),
            consecutive_failures: self.failures,
            last_scrape: self.last_visit_at,
            next_scrape: self.next_visit_at,
            last_scrape_duration: self.took.as_secs_f64(),
            samples_seen: self.samples_seen,
            samples_selected: self.samples_selected,
            feeds,
            probe: None,
            has_page: self.seen_at.is_some(),
        }
    }
}

/// What a warning says, without its place.
fn what(warning: &str) -> &str {
    warning.split_once(": ").map_or(warning, |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(warnings: &[&str], malformed: u64) -> Page {
        Page {
            warnings: warnings.iter().map(|warning| (*warning).to_owned()).collect(),
            malformed,
            ..Page::default()
        }
    }

    #[test]
    fn people_are_told_of_mistakes_once_for_each_change() {
        let (twice, value) = ("a series that the page lists twice", "a value is expected");
        let at = |line: u32, what: &str| format!("line {line}, column 5: {what}");
        let mut health = Health::default();
        for (what, lines, told) in [
            ("nothing is wrong", vec![], false),
            ("a mistake", vec![at(3, twice)], true),
            ("the same", vec![at(3, twice)], false),
            ("the same elsewhere", vec![at(7, twice), at(8, twice)], false),
            ("a page that is well", vec![], false),
            ("the same as before", vec![at(3, twice)], false),
            ("another one too", vec![at(3, twice), at(4, value)], true),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(health.warned(&page(&lines, 0)), told, "{what}");
            assert_eq!(&*health.view(&Arc::default(), Vec::new()).warnings, lines, "{what}");
        }
        health.warned(&page(&["line 1, column 1: x"], 8));
        assert_eq!(*health.warnings, ["line 1, column 1: x", "7 more of these"]);
    }

    #[test]
    fn a_visit_that_is_not_made_changes_nothing_about_the_last_one() {
        let mut health = Health::default();
        health.visited(Timestamp(5), Some(Duration::from_secs(2)));
        health.visited(Timestamp(9), None);
        let view = health.view(&Arc::default(), Vec::new());
        assert_eq!((view.last_scrape, view.last_scrape_duration), (Some(Timestamp(5)), 2.0));
        assert_eq!(health.visits, 2);
    }
}
