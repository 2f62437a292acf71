//! `/targets`: what is scraped and probed, those that fail first, by job, and what feeds which SLO.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as Extract;
use axum::http::Uri;
use axum::response::Response;

use super::heartbeats::{self, HeartbeatRow};
use super::pages::{self, PageLink};
use super::probed::Probed;
use super::{Frame, Time, page};
use crate::domain::time::Timestamp;
use crate::engine::discovered::Problem;
use crate::engine::snapshot::TargetView;
use crate::http::format;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// The health that a target can have, the worst first, with class and icon.
const HEALTHS: [(&str, &str, &str); 3] = [("down", "bad", "■"), ("unknown", "none", "○"), ("up", "good", "●")];

#[derive(Template)]
#[template(path = "targets.html")]
struct TargetsPage {
    frame: Frame,
    total: usize,
    problems: Vec<Problem>,
    counts: Vec<Count>,
    jobs: Vec<JobRow>,
    rows: Vec<TargetRow>,
    filter: Filter,
    kept: usize,
    pages: Vec<PageLink>,
    heartbeats: Vec<HeartbeatRow>,
}

/// How many targets have one health.
struct Count {
    word: &'static str,
    class: &'static str,
    icon: &'static str,
    number: usize,
    href: String,
}

/// One job in one line.
#[derive(Default)]
struct JobRow {
    name: String,
    href: String,
    up: usize,
    down: usize,
    unknown: usize,
    selected: u64,
    seen: u64,
    is_probed: bool,
}

/// One target.
struct TargetRow {
    health: &'static str,
    class: &'static str,
    icon: &'static str,
    pool: String,
    url: String,
    labels: Vec<(String, String)>,
    last: Option<Time>,
    took: String,
    interval: String,
    samples: String,
    feeds: Vec<(String, String)>,
    error: String,
    has_page: bool,
    warnings: Arc<[String]>,
    next: Option<Time>,
    probe: Option<Probed>,
}

/// What is asked for.
#[derive(Default)]
struct Filter {
    search: String,
    health: String,
    job: String,
}

/// The page.
pub async fn targets(Extract(state): Extract<HttpState>, uri: Uri) -> Response {
    let now = state.clock.now();
    let snapshot = state.snapshot.load();
    let query = Query::of(&uri);
    let filter = Filter::of(&query);
    let mut kept: Vec<&TargetView> = snapshot.targets.iter().filter(|target| filter.keeps(target)).collect();
    // The snapshot has them by job and URL already.
    kept.sort_by_key(|target| rank(target.health));
    let number = pages::number(&query);
    let rows = pages::slice(&kept, number).iter().map(|target| target_row(target, now));
    page(&TargetsPage {
        frame: Frame::of(&state, &snapshot, "Targets", "targets"),
        total: snapshot.targets.len(),
        problems: [&state.discovered, &state.discovered_probes]
            .into_iter()
            .flat_map(|discovered| discovered.load().problems.clone())
            .collect(),
        counts: counts(&snapshot.targets),
        jobs: jobs(&snapshot.targets),
        rows: rows.collect(),
        pages: pages::links(kept.len(), number, |number| format!("{}&page={number}", filter.href())),
        kept: kept.len(),
        heartbeats: heartbeats::rows(&snapshot.heartbeats, now),
        filter,
    })
}

impl Filter {
    fn of(query: &Query) -> Self {
        let get = |name: &str| query.get(name).unwrap_or("").trim().to_owned();
        Self {
            search: get("q"),
            health: get("health"),
            job: get("job"),
        }
    }

    fn keeps(&self, target: &TargetView) -> bool {
        let search = self.search.to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&search);
        let labels = || {
            target
                .about
                .labels
                .iter()
                .any(|(name, value)| holds(&format!("{name}={value}")))
        };
        (self.health.is_empty() || self.health == target.health)
            && (self.job.is_empty() || self.job == target.about.scrape_pool)
            && (search.is_empty() || holds(&target.about.scrape_url) || holds(&target.last_error) || labels())
    }

    fn is_empty(&self) -> bool {
        self.search.is_empty() && self.health.is_empty() && self.job.is_empty()
    }

    fn href(&self) -> String {
        let [q, health, job] = [&self.search, &self.health, &self.job].map(|text| format::escaped(text));
        format!("/targets?q={q}&health={health}&job={job}")
    }
}

fn rank(health: &str) -> usize {
    let known = HEALTHS.iter().position(|(word, ..)| *word == health);
    known.unwrap_or(HEALTHS.len())
}

fn counts(targets: &[TargetView]) -> Vec<Count> {
    let count = |(word, class, icon)| Count {
        word,
        class,
        icon,
        number: targets.iter().filter(|target| target.health == word).count(),
        href: format!("/targets?health={word}"),
    };
    HEALTHS.into_iter().map(count).collect()
}

fn jobs(targets: &[TargetView]) -> Vec<JobRow> {
    let mut jobs: BTreeMap<&str, JobRow> = BTreeMap::new();
    for target in targets {
        let job = jobs.entry(&target.about.scrape_pool).or_default();
        match target.health {
            "up" => job.up += 1,
            "down" => job.down += 1,
            _ => job.unknown += 1,
        }
        job.selected += target.samples_selected;
        job.seen += target.samples_seen;
        job.is_probed |= target.probe.is_some();
    }
    let named = |(name, job): (&str, JobRow)| JobRow {
        name: name.to_owned(),
        href: format!("/targets?job={}", format::escaped(name)),
        ..job
    };
    jobs.into_iter().map(named).collect()
}

fn target_row(target: &TargetView, now: Timestamp) -> TargetRow {
    let (health, class, icon) = HEALTHS.get(rank(target.health)).copied().unwrap_or(HEALTHS[1]);
    let took = target.last_scrape.map(|_| format::seconds(target.last_scrape_duration));
    let own = target.about.labels.iter().filter(|(name, _)| *name != "job");
    let feeds = target.feeds.iter().map(|id| (id.clone(), slo_href(id)));
    TargetRow {
        health,
        class,
        icon,
        pool: target.about.scrape_pool.clone(),
        url: target.about.scrape_url.clone(),
        labels: own.map(|(name, value)| (name.clone(), value.clone())).collect(),
        last: target.last_scrape.map(|time| Time::of(time, now)),
        took: took.unwrap_or_else(|| format::UNKNOWN.to_owned()),
        interval: target.about.scrape_interval.clone(),
        samples: format!("{} of {}", target.samples_selected, target.samples_seen),
        feeds: feeds.collect(),
        error: target.last_error.clone(),
        has_page: target.has_page,
        warnings: Arc::clone(&target.warnings),
        next: target
            .next_scrape
            .filter(|_| target.health == "down")
            .map(|time| Time::of(time, now)),
        probe: target.probe.as_ref().map(|view| Probed::of(view, now)),
    }
}

pub(super) fn slo_href(id: &str) -> String {
    let (service, name) = id.split_once('/').unwrap_or((id, ""));
    format!("/slos/{}/{}", format::escaped(service), format::escaped(name))
}
