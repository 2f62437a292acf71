//! Which targets there are: those of the config, those of files that change, and those that providers know.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::client::Clients;
use super::failure::missing;
use super::job::Job;
use super::provider::{keep_looking, provider};
use super::settings::{REFUSED_SHOWN_MAX, ScrapeJob, TARGETS_MAX};
use super::target::{FoundTarget, Outcome, config_hash};
use super::visitor::HttpVisitor;
use crate::domain::digest::fnv1a;
use crate::domain::labels::Labels;
use crate::domain::reading::{Missing, MissingReason, Reading};
use crate::domain::selection::Selection;
use crate::engine::discovered::{Discovered, PROBLEMS_MAX, Problem};
use crate::engine::ports::{ListedTarget, Visitor};
use crate::engine::stats::Stats;

/// Files are looked at this often, however long their `refresh_interval` is: Prometheus hears of changes from the
/// kernel, and whoever writes a target into a file expects to see it soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Lists the targets now, then whenever files or providers say something new, until it is cancelled. Targets that are in
/// the channel already and have not changed stay the same, also across a reload that cancels this and spawns it anew with
/// a clone of the same sender. `shown` becomes what the API shows beside the targets.
pub fn spawn(
    jobs: Vec<ScrapeJob>,
    sender: watch::Sender<Arc<Vec<ListedTarget>>>,
    shown: Arc<ArcSwap<Discovered>>,
    stats: Arc<Stats>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut discovery = Discovery {
            stats,
            ..Discovery::new(jobs)
        };
        discovery.adopt(&sender.borrow());
        let changed = Arc::new(Notify::new());
        discovery.ask_providers(&changed, &cancel);
        let look_every = discovery.look_every();
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let listed = discovery.list_changed();
                (discovery, listed)
            });
            let Ok((back, listed)) = looked.await else {
                return; // The runtime is shutting down.
            };
            discovery = back;
            if cancel.is_cancelled() {
                return;
            }
            if let Some(listed) = listed {
                publish_shown(&shown, discovery.take_discovered());
                sender.send_if_modified(|known| publish(known, listed));
            }
            // Where nothing can change this waits on: a channel without a sender would look like the end to those who
            // listen.
            tokio::select! {
                () = cancel.cancelled() => return,
                () = changed.notified() => {}
                () = tokio::time::sleep(look_every.unwrap_or(LOOK_EVERY)), if look_every.is_some() => {}
            }
        }
    })
}

/// Lists the targets once, as far as they are known without asking anybody.
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

/// Swaps in what is shown where it has changed.
fn publish_shown(shown: &ArcSwap<Discovered>, discovered: Discovered) {
    let known = shown.load();
    let same = known.labels == discovered.labels
        && known.dropped == discovered.dropped
        && known.dropped_counts == discovered.dropped_counts
        && known.problems == discovered.problems;
    if !same {
        let revision = known.revision + 1;
        shown.store(Arc::new(Discovered { revision, ..discovered }));
    }
}

/// The targets of all jobs, and what is known of them from the last look.
#[derive(Default)]
pub struct Discovery {
    jobs: Vec<Job>,
    clients: Arc<Clients>,
    discovered: Discovered,
    /// By their keys.
    known: HashMap<String, ListedTarget>,
    /// What was wrong at the last look: it is not said again.
    problems: Vec<Problem>,
    stats: Arc<Stats>,
    /// Somebody has looked already.
    looked: bool,
}

impl Discovery {
    /// The targets of these jobs.
    pub fn new(jobs: Vec<ScrapeJob>) -> Self {
        let clients: Arc<Clients> = Arc::default();
        let job = |settings: ScrapeJob| Job::new(settings, &clients);
        Self {
            jobs: jobs.into_iter().map(job).collect(),
            clients: Arc::clone(&clients),
            ..Self::default()
        }
    }

    /// Begins to ask the providers of all jobs; `changed` hears of what they say.
    fn ask_providers(&self, changed: &Arc<Notify>, cancel: &CancellationToken) {
        for job in &self.jobs {
            for (settings, provided) in job.settings.providers.iter().zip(&job.provided) {
                let asked = provider(settings, &self.clients);
                let (name, changed, stats) = (job.settings.name.clone(), Arc::clone(changed), Arc::clone(&self.stats));
                let looking = keep_looking(name, asked, provided.clone(), changed, stats, cancel.clone());
                tokio::spawn(looking);
            }
        }
    }

    /// What was found on the way to the last list.
    pub(super) fn take_discovered(&mut self) -> Discovered {
        std::mem::take(&mut self.discovered)
    }

    /// Makes listed targets known, so that those that have not changed keep their visitors.
    pub fn adopt(&mut self, listed: &[ListedTarget]) {
        let entries = listed.iter().map(|listed| (listed.target.key(), listed.clone()));
        self.known.extend(entries);
    }

    /// How often to look; `None` when nothing can change.
    fn look_every(&self) -> Option<Duration> {
        let intervals = self.jobs.iter().flat_map(|job| &job.settings.file_discovery);
        let least = intervals.map(|files| files.refresh_interval).min()?;
        Some(least.clamp(Duration::from_millis(100), LOOK_EVERY))
    }

    /// The targets as they are now: of one that is listed twice, the first. Reads files. Until a provider has answered
    /// for the first time, known targets of its job stay: a reload loses nobody.
    pub fn list(&mut self) -> Vec<ListedTarget> {
        self.gather();
        self.resolve()
    }

    /// The targets, where files or providers say something new: rules for thousands of targets are work.
    pub(super) fn list_changed(&mut self) -> Option<Vec<ListedTarget>> {
        self.gather().then(|| self.resolve())
    }

    /// Takes in what files and providers say now; tells whether it is anything new.
    fn gather(&mut self) -> bool {
        let mut is_new = !std::mem::replace(&mut self.looked, true);
        for job in &mut self.jobs {
            is_new |= job.gather(&self.stats);
        }
        is_new
    }

    /// The targets of what was gathered.
    fn resolve(&mut self) -> Vec<ListedTarget> {
        let mut keys = HashSet::new();
        let mut discovered = Discovered::default();
        let mut listed = Vec::new();
        for job in &self.jobs {
            listed.extend(self.resolve_job(job, &mut keys, &mut discovered));
        }
        listed.extend(self.awaited(&keys));
        // Not cleared: where there were many once, their room is given back.
        self.known = HashMap::new();
        self.adopt(&listed);
        let said: HashSet<&Problem> = self.problems.iter().collect();
        for problem in discovered.problems.iter().filter(|problem| !said.contains(problem)) {
            warn!("job {}: {}", problem.job, problem.message);
        }
        self.problems.clone_from(&discovered.problems);
        discovered.problems.truncate(PROBLEMS_MAX);
        self.discovered = discovered;
        listed
    }

    /// The targets of one job. Of more than it may have, a few are listed and say why they are not visited; the others
    /// are only counted.
    fn resolve_job(&self, job: &Job, keys: &mut HashSet<String>, discovered: &mut Discovered) -> Vec<ListedTarget> {
        let settings = &job.settings;
        let limit = settings.target_limit.unwrap_or(TARGETS_MAX);
        let (mut found, mut count, mut dropped) = (Vec::new(), 0, Dropped::default());
        job.find(&mut discovered.problems, |outcome| match outcome {
            Outcome::Found(target) if keys.insert(target.target.key()) => {
                count += 1;
                if count <= limit {
                    found.push(*target);
                } else if found.len() > REFUSED_SHOWN_MAX {
                    found.truncate(REFUSED_SHOWN_MAX);
                    found.shrink_to_fit();
                }
            }
            Outcome::Found(_) => {}
            Outcome::Dropped(labels) => dropped.note(settings, labels),
        });
        discovered.dropped_counts.insert(settings.name.clone(), dropped.count);
        let shown = dropped.shown.into_iter();
        discovered
            .dropped
            .extend(shown.map(|labels| (settings.name.clone(), labels)));
        let refusal =
            (count > limit).then(|| format!("target_limit exceeded (number of targets: {count}, limit: {limit})"));
        if let Some(why) = &refusal {
            let listed = found.len();
            let message = format!("{why}: no target of the job is visited, and the first {listed} of them are listed");
            discovered
                .problems
                .push(Problem::new(&settings.name, "target_limit", &message));
        }
        let listed = found.into_iter().map(|mut target| {
            let labels = std::mem::take(&mut target.discovered);
            discovered.labels.insert(target.target.key(), labels);
            match &refusal {
                Some(why) => self.refused(settings, target, why),
                None => self.listed(job, target),
            }
        });
        listed.collect()
    }

    /// Known targets of jobs whose providers have not answered yet.
    fn awaited(&self, keys: &HashSet<String>) -> Vec<ListedTarget> {
        let waiting = self.jobs.iter().filter(|job| job.waits());
        let waiting: HashSet<&str> = waiting.map(|job| job.settings.name.as_str()).collect();
        let known = self.known.iter().filter(|(key, _)| !keys.contains(*key));
        let awaited = known.filter(|(_, known)| waiting.contains(known.target.job.as_str()));
        let mut awaited: Vec<ListedTarget> = awaited.map(|(_, known)| known.clone()).collect();
        awaited.sort_by_key(|listed| listed.target.key());
        awaited
    }

    /// The target as it is to be visited.
    fn listed(&self, job: &Job, found: FoundTarget) -> ListedTarget {
        let hash = config_hash(&job.settings, &found);
        self.known_or(found, hash, |found| {
            let settings = Arc::clone(&job.settings);
            Arc::new(HttpVisitor::new(
                found.target.clone(),
                &found.url,
                settings,
                job.access.clone(),
            ))
        })
    }

    /// The target of a job that has too many: it is shown, and every visit says why there is none.
    fn refused(&self, job: &ScrapeJob, found: FoundTarget, why: &str) -> ListedTarget {
        // Apart from that of a target that is visited.
        let hash = config_hash(job, &found) ^ fnv1a(why);
        self.known_or(found, hash, |_| Arc::new(Refused(missing(MissingReason::Limit, why))))
    }

    /// The target as it was listed before, where nothing about it has changed, else with a new visitor.
    fn known_or(
        &self,
        found: FoundTarget,
        config_hash: u64,
        visitor: impl FnOnce(&FoundTarget) -> Arc<dyn Visitor>,
    ) -> ListedTarget {
        let known = self.known.get(&found.target.key());
        match known.filter(|known| known.config_hash == config_hash) {
            Some(unchanged) => unchanged.clone(),
            None => ListedTarget {
                visitor: visitor(&found),
                target: found.target,
                config_hash,
            },
        }
    }
}

/// The targets of a job that rules drop.
#[derive(Default)]
struct Dropped {
    count: u64,
    shown: Vec<Labels>,
}

impl Dropped {
    /// Counts one more, and keeps it to be shown where there is room.
    fn note(&mut self, job: &ScrapeJob, labels: Labels) {
        self.count += 1;
        if self.shown.len() < job.keep_dropped {
            self.shown.push(labels);
        }
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
