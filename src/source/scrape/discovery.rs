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
use super::files::TargetFiles;
use super::provider::{Provided, keep_looking, provider};
use super::request::Access;
use super::settings::{ScrapeJob, TargetGroup};
use super::target::{FoundTarget, Outcome, config_hash, find_target};
use super::visitor::HttpVisitor;
use crate::domain::digest::fnv1a;
use crate::domain::labels::Labels;
use crate::domain::reading::{Missing, MissingReason, Reading};
use crate::domain::selection::Selection;
use crate::domain::shown::cut;
use crate::engine::discovered::Discovered;
use crate::engine::ports::{ListedTarget, Visitor};

/// Files are looked at this often, however long their `refresh_interval` is: Prometheus hears of changes from the
/// kernel, and whoever writes a target into a file expects to see it soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// So many unusable addresses of a job are named at most.
const COMPLAINTS_MAX: usize = 20;

/// Lists the targets now, then whenever files or providers say something new, until it is cancelled. Targets that are in
/// the channel already and have not changed stay the same, also across a reload that cancels this and spawns it anew with
/// a clone of the same sender. `shown` becomes what the API shows beside the targets.
pub fn spawn(
    jobs: Vec<ScrapeJob>,
    sender: watch::Sender<Arc<Vec<ListedTarget>>>,
    shown: Arc<ArcSwap<Discovered>>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut discovery = Discovery::new(jobs);
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
        && known.dropped_counts == discovered.dropped_counts;
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
    /// What is wrong with files; `None` before the first look.
    of_files: Option<Vec<String>>,
    /// What was complained of at the last look: it is not said again.
    complaints: HashSet<String>,
}

impl Discovery {
    /// The targets of these jobs.
    pub fn new(jobs: Vec<ScrapeJob>) -> Self {
        let clients: Arc<Clients> = Arc::default();
        let job = |settings: ScrapeJob| Job {
            access: Access::new(settings.http.clone(), Arc::clone(&clients)),
            files: TargetFiles::default(),
            gathered: Gathered::default(),
            provided: settings.providers.iter().map(|_| Provided::default()).collect(),
            settings: Arc::new(settings),
        };
        Self {
            jobs: jobs.into_iter().map(job).collect(),
            clients,
            ..Self::default()
        }
    }

    /// Begins to ask the providers of all jobs; `changed` hears of what they say.
    fn ask_providers(&self, changed: &Arc<Notify>, cancel: &CancellationToken) {
        for job in &self.jobs {
            for (settings, provided) in job.settings.providers.iter().zip(&job.provided) {
                let asked = provider(settings, &self.clients);
                let (name, changed) = (job.settings.name.clone(), Arc::clone(changed));
                tokio::spawn(keep_looking(name, asked, provided.clone(), changed, cancel.clone()));
            }
        }
    }

    /// What was found on the way to the last list.
    fn take_discovered(&mut self) -> Discovered {
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
        let mut complaints = Vec::new();
        let mut is_new = false;
        for job in &mut self.jobs {
            is_new |= job.gather(&mut complaints);
        }
        is_new |= self.of_files.as_ref() != Some(&complaints);
        self.of_files = Some(complaints);
        is_new
    }

    /// The targets of what was gathered.
    fn resolve(&mut self) -> Vec<ListedTarget> {
        let (mut found, mut keys) = (Vec::new(), HashSet::new());
        let mut complaints = self.of_files.clone().unwrap_or_default();
        self.discovered = Discovered::default();
        let counts = self.jobs.iter().map(|job| (job.settings.name.clone(), 0));
        self.discovered.dropped_counts = counts.collect();
        for (index, job) in self.jobs.iter().enumerate() {
            for outcome in job.find(&mut complaints) {
                match outcome {
                    Outcome::Found(target) if keys.insert(target.target.key()) => found.push((index, *target)),
                    Outcome::Found(_) => {}
                    Outcome::Dropped(labels) => note_dropped(&mut self.discovered, &job.settings, labels),
                }
            }
        }
        let mut counts = vec![0; self.jobs.len()];
        for (index, _) in &found {
            counts[*index] += 1;
        }
        let mut listed = Vec::new();
        for (index, mut target) in found {
            let (job, count) = (&self.jobs[index], counts[index]);
            let labels = std::mem::take(&mut target.discovered);
            self.discovered.labels.insert(target.target.key(), labels);
            listed.push(match job.settings.target_limit.filter(|limit| count > *limit) {
                Some(limit) => self.refused(&job.settings, target, count, limit),
                None => self.listed(job, target),
            });
        }
        listed.extend(self.awaited(&keys));
        self.known.clear();
        self.adopt(&listed);
        self.complain(complaints);
        listed
    }

    /// Known targets of jobs whose providers have not answered yet.
    fn awaited(&self, keys: &HashSet<String>) -> Vec<ListedTarget> {
        let waits = |job: &&Job| job.gathered.of_providers.iter().any(Option::is_none);
        let waiting: HashSet<&str> = self
            .jobs
            .iter()
            .filter(waits)
            .map(|job| job.settings.name.as_str())
            .collect();
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
    fn refused(&self, job: &ScrapeJob, found: FoundTarget, count: u64, limit: u64) -> ListedTarget {
        let detail = format!("target_limit exceeded (number of targets: {count}, limit: {limit})");
        // Apart from that of a target that is visited.
        let hash = config_hash(job, &found) ^ fnv1a(&detail);
        self.known_or(found, hash, |_| {
            Arc::new(Refused(missing(MissingReason::Limit, detail)))
        })
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

    fn complain(&mut self, complaints: Vec<String>) {
        for complaint in &complaints {
            if !self.complaints.contains(complaint) {
                warn!("{}", cut(complaint));
            }
        }
        self.complaints = complaints.into_iter().collect();
    }
}

/// A job with what belongs to it.
struct Job {
    settings: Arc<ScrapeJob>,
    access: Access,
    files: TargetFiles,
    /// What its providers say, in their order.
    provided: Vec<Provided>,
    gathered: Gathered,
}

/// What files and providers said at the last look.
#[derive(Default, PartialEq)]
struct Gathered {
    of_files: Vec<TargetGroup>,
    /// `None` of a provider that has not answered yet.
    of_providers: Vec<Option<Arc<Vec<TargetGroup>>>>,
}

impl Job {
    /// Takes in what files and providers say now; tells whether it is anything new.
    fn gather(&mut self, complaints: &mut Vec<String>) -> bool {
        let gathered = Gathered {
            of_files: self.files.read(&self.settings.file_discovery, complaints),
            of_providers: self.provided.iter().map(Provided::groups).collect(),
        };
        let is_new = gathered != self.gathered;
        self.gathered = gathered;
        is_new
    }

    /// What becomes of every address of the job.
    fn find(&self, complaints: &mut Vec<String>) -> Vec<Outcome> {
        let job = &self.settings;
        let of_files = &self.gathered.of_files;
        let of_providers = self.gathered.of_providers.iter().flatten();
        let of_providers = of_providers.flat_map(|groups| groups.iter());
        let (mut outcomes, mut left_out) = (Vec::new(), 0_usize);
        for group in job.static_targets.iter().chain(of_files).chain(of_providers) {
            for address in &group.targets {
                match find_target(job, address, &group.labels) {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(complaint) => {
                        left_out += 1;
                        if left_out <= COMPLAINTS_MAX {
                            complaints.push(complaint);
                        }
                    }
                }
            }
        }
        if let Some(more) = left_out.checked_sub(COMPLAINTS_MAX).filter(|more| *more > 0) {
            complaints.push(format!("job {}: {more} more targets are left out", job.name));
        }
        outcomes
    }
}

/// Counts a target that a rule drops, and keeps it to be shown where there is room.
fn note_dropped(discovered: &mut Discovered, job: &ScrapeJob, labels: Labels) {
    let count = discovered.dropped_counts.entry(job.name.clone()).or_default();
    *count += 1;
    if *count <= job.keep_dropped as u64 {
        discovered.dropped.push((job.name.clone(), labels));
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
