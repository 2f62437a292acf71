//! Which targets there are: those of the config, and those of files that change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::client::Clients;
use super::failure::missing;
use super::files::TargetFiles;
use super::settings::ScrapeJob;
use super::target::{FoundTarget, config_hash, find_target};
use super::visitor::HttpVisitor;
use crate::domain::digest::fnv1a;
use crate::domain::reading::{Missing, MissingReason, Reading};
use crate::domain::selection::Selection;
use crate::engine::ports::{ListedTarget, Visitor};

/// Files are looked at this often, however long their `refresh_interval` is: Prometheus hears of changes from the
/// kernel, and whoever writes a target into a file expects to see it soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Lists the targets now, then whenever the files change, until it is cancelled. Targets that are in the channel
/// already and have not changed stay the same, also across a reload that cancels this, awaits its end and spawns it anew
/// with a clone of the same sender.
pub fn spawn(
    jobs: Vec<ScrapeJob>,
    sender: watch::Sender<Arc<Vec<ListedTarget>>>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut discovery = Discovery::new(jobs);
        discovery.adopt(&sender.borrow());
        let look_every = discovery.look_every();
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let listed = discovery.list();
                (discovery, listed)
            });
            let Ok((back, listed)) = looked.await else {
                return; // The runtime is shutting down.
            };
            discovery = back;
            if cancel.is_cancelled() {
                return;
            }
            sender.send_if_modified(|known| publish(known, listed));
            let Some(look_every) = look_every else {
                // Nothing can change, but a channel without a sender would look like the end to those who listen.
                return cancel.cancelled().await;
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(look_every) => {}
            }
        }
    })
}

/// Lists the targets once, for the start.
pub fn list_once(jobs: Vec<ScrapeJob>) -> Vec<ListedTarget> {
    Discovery::new(jobs).list()
}

/// Replaces the list where it has changed.
fn publish(known: &mut Arc<Vec<ListedTarget>>, listed: Vec<ListedTarget>) -> bool {
    let same =
        |(old, new): (&ListedTarget, &ListedTarget)| old.config_hash == new.config_hash && old.target == new.target;
    if known.len() == listed.len() && known.iter().zip(&listed).all(same) {
        return false;
    }
    *known = Arc::new(listed);
    true
}

/// The targets of all jobs, and what is known of them from the last look.
#[derive(Default)]
pub struct Discovery {
    jobs: Vec<(Arc<ScrapeJob>, TargetFiles)>,
    clients: Arc<Clients>,
    /// By their keys.
    known: HashMap<String, ListedTarget>,
    /// What was complained of at the last look: it is not said again.
    complaints: HashSet<String>,
}

impl Discovery {
    /// The targets of these jobs.
    pub fn new(jobs: Vec<ScrapeJob>) -> Self {
        let jobs = jobs.into_iter().map(|job| (Arc::new(job), TargetFiles::default()));
        Self {
            jobs: jobs.collect(),
            ..Self::default()
        }
    }

    /// Makes listed targets known, so that those that have not changed keep their visitors.
    pub fn adopt(&mut self, listed: &[ListedTarget]) {
        let entries = listed.iter().map(|listed| (listed.target.key(), listed.clone()));
        self.known.extend(entries);
    }

    /// How often to look; `None` when nothing can change.
    fn look_every(&self) -> Option<Duration> {
        let intervals = self.jobs.iter().flat_map(|(job, _)| &job.file_discovery);
        let least = intervals.map(|files| files.refresh_interval).min()?;
        Some(least.clamp(Duration::from_millis(100), LOOK_EVERY))
    }

    /// The targets as they are now: of one that is listed twice, the first. Reads files.
    pub fn list(&mut self) -> Vec<ListedTarget> {
        let (mut listed, mut keys) = (Vec::new(), HashSet::new());
        let mut complaints = Vec::new();
        for (job, files) in &mut self.jobs {
            let found = files.read(&job.file_discovery, &mut complaints);
            for group in job.static_targets.iter().chain(&found) {
                for address in &group.targets {
                    match find_target(job, address, &group.labels) {
                        Ok(Some(found)) if keys.insert(found.target.key()) => listed.push((Arc::clone(job), found)),
                        Ok(_) => {}
                        Err(complaint) => complaints.push(complaint),
                    }
                }
            }
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        for (job, _) in &listed {
            *counts.entry(job.name.clone()).or_default() += 1;
        }
        let listed = listed.into_iter().map(|(job, found)| {
            let count = counts.get(&job.name).copied().unwrap_or_default();
            match job.target_limit.filter(|limit| count > *limit) {
                Some(limit) => self.refused(&job, found, count, limit),
                None => self.listed(job, found),
            }
        });
        let listed: Vec<ListedTarget> = listed.collect();
        self.known.clear();
        self.adopt(&listed);
        self.complain(complaints);
        listed
    }

    /// The target as it was listed before, where nothing about it has changed, else with a new visitor.
    fn listed(&self, job: Arc<ScrapeJob>, found: FoundTarget) -> ListedTarget {
        let config_hash = config_hash(&job, &found);
        let known = self.known.get(&found.target.key());
        if let Some(unchanged) = known.filter(|known| known.config_hash == config_hash) {
            return unchanged.clone();
        }
        let clients = Arc::clone(&self.clients);
        let visitor = HttpVisitor::new(found.target.clone(), &found.url, found.scheme, job, clients);
        ListedTarget {
            target: found.target,
            visitor: Arc::new(visitor),
            config_hash,
        }
    }

    /// The target of a job that has too many: it is shown, and every visit says why there is none.
    fn refused(&self, job: &ScrapeJob, found: FoundTarget, count: u64, limit: u64) -> ListedTarget {
        let detail = format!("target_limit exceeded (number of targets: {count}, limit: {limit})");
        // Apart from that of a target that is visited.
        let config_hash = config_hash(job, &found) ^ fnv1a(&detail);
        let known = self.known.get(&found.target.key());
        if let Some(unchanged) = known.filter(|known| known.config_hash == config_hash) {
            return unchanged.clone();
        }
        ListedTarget {
            target: found.target,
            visitor: Arc::new(Refused(missing(MissingReason::Limit, detail))),
            config_hash,
        }
    }

    fn complain(&mut self, complaints: Vec<String>) {
        for complaint in &complaints {
            if !self.complaints.contains(complaint) {
                warn!("{complaint}");
            }
        }
        self.complaints = complaints.into_iter().collect();
    }
}

/// Stands for a target that is not to be visited.
struct Refused(Missing);

#[async_trait]
impl Visitor for Refused {
    async fn visit(&self, _: &Arc<Selection>) -> Reading {
        Reading::Missing(self.0.clone())
    }
}
