//! Which targets there are: those of the config, those of files that change, and those that providers know.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::client::Clients;
use super::job::{Found, Job, Kind, Listed, Outcome, Places};
use super::provider::{keep_looking, provider};
use super::settings::{REFUSED_SHOWN_MAX, ScrapeJob};
use super::target::ScrapeKind;
use crate::domain::digest::fnv1a;
use crate::domain::labels::Labels;
use crate::engine::discovered::{Discovered, PROBLEMS_MAX, Problem};
use crate::engine::ports::ListedTarget;
use crate::engine::stats::Stats;

/// Files are looked at this often, however long their `refresh_interval` is: Prometheus hears of changes from the
/// kernel, and whoever writes a target into a file expects to see it soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Lists the targets now, then whenever files or providers say something new, until it is cancelled. Targets that are in
/// the channel already and have not changed stay the same, also across a reload that cancels this and spawns it anew with
/// a clone of the same sender. `shown` becomes what the API shows beside the targets.
pub fn spawn(
    jobs: Vec<ScrapeJob>,
    clients: &Arc<Clients>,
    sender: watch::Sender<Arc<Vec<ListedTarget>>>,
    shown: Arc<ArcSwap<Discovered>>,
    stats: Arc<Stats>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    let mut discovery = Discovery::through(clients, jobs);
    discovery.adopt(&sender.borrow());
    let give = move |listed: Vec<ListedTarget>| {
        sender.send_if_modified(|known| {
            let is_new = !are_same(known, &listed);
            if is_new {
                *known = Arc::new(listed);
            }
            is_new
        });
    };
    keep_listing(discovery, give, shown, stats, cancel)
}

/// As [`spawn`], for whatever has targets, and whoever takes them.
pub fn keep_listing<K: Kind>(
    mut discovery: Discovery<K>,
    mut give: impl FnMut(Vec<K::Listed>) + Send + 'static,
    shown: Arc<ArcSwap<Discovered>>,
    stats: Arc<Stats>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        discovery.stats = stats;
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
                give(listed);
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

/// Whether two lists are of the same targets, asked in the same way.
pub fn are_same<L: Listed>(known: &[L], listed: &[L]) -> bool {
    let same = |(old, new): (&L, &L)| old.config_hash() == new.config_hash() && old.key() == new.key();
    known.len() == listed.len() && known.iter().zip(listed).all(same)
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
pub struct Discovery<K: Kind> {
    jobs: Vec<Job<K>>,
    clients: Arc<Clients>,
    discovered: Discovered,
    /// By their keys.
    known: HashMap<String, K::Listed>,
    /// What was wrong at the last look: it is not said again.
    problems: Vec<Problem>,
    stats: Arc<Stats>,
    /// Somebody has looked already.
    looked: bool,
}

impl Discovery<ScrapeKind> {
    /// The targets of these jobs.
    pub fn new(jobs: Vec<ScrapeJob>) -> Self {
        Self::through(&Arc::default(), jobs)
    }

    /// The targets of these jobs, which are visited by these clients.
    pub fn through(clients: &Arc<Clients>, jobs: Vec<ScrapeJob>) -> Self {
        let kinds = jobs.into_iter().map(|settings| ScrapeKind::new(settings, clients));
        Self::of(kinds.collect(), Arc::clone(clients))
    }
}

impl<K: Kind> Discovery<K> {
    /// The targets of these; providers are asked through these clients.
    pub fn of(kinds: Vec<K>, clients: Arc<Clients>) -> Self {
        Self {
            jobs: kinds.into_iter().map(Job::new).collect(),
            clients,
            discovered: Discovered::default(),
            known: HashMap::new(),
            problems: Vec::new(),
            stats: Arc::default(),
            looked: false,
        }
    }

    /// Begins to ask the providers of all jobs; `changed` hears of what they say.
    fn ask_providers(&self, changed: &Arc<Notify>, cancel: &CancellationToken) {
        for job in &self.jobs {
            let places = job.kind.places();
            for (settings, provided) in places.providers.iter().zip(&job.provided) {
                let asked = provider(settings, &self.clients);
                let (name, changed, stats) = (places.name.to_owned(), Arc::clone(changed), Arc::clone(&self.stats));
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
    pub fn adopt(&mut self, listed: &[K::Listed]) {
        let entries = listed.iter().map(|listed| (listed.key(), listed.clone()));
        self.known.extend(entries);
    }

    /// How often to look; `None` when nothing can change.
    fn look_every(&self) -> Option<Duration> {
        let intervals = self.jobs.iter().flat_map(|job| job.kind.places().files);
        let least = intervals.map(|files| files.refresh_interval).min()?;
        Some(least.clamp(Duration::from_millis(100), LOOK_EVERY))
    }

    /// The targets as they are now: of one that is listed twice, the first. Reads files. Until a provider has answered
    /// for the first time, known targets of its job stay: a reload loses nobody.
    pub fn list(&mut self) -> Vec<K::Listed> {
        self.gather();
        self.resolve()
    }

    /// The targets, where files or providers say something new: rules for thousands of targets are work.
    pub(super) fn list_changed(&mut self) -> Option<Vec<K::Listed>> {
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
    fn resolve(&mut self) -> Vec<K::Listed> {
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
    fn resolve_job(&self, job: &Job<K>, keys: &mut HashSet<String>, discovered: &mut Discovered) -> Vec<K::Listed> {
        let places = job.kind.places();
        let limit = places.target_limit;
        let (mut found, mut count, mut dropped) = (Vec::new(), 0, Dropped::default());
        job.find(&mut discovered.problems, |outcome| match outcome {
            Outcome::Found(target) if keys.insert(target.key()) => {
                count += 1;
                if count <= limit {
                    found.push(*target);
                } else if found.len() > REFUSED_SHOWN_MAX {
                    found.truncate(REFUSED_SHOWN_MAX);
                    found.shrink_to_fit();
                }
            }
            Outcome::Found(_) => {}
            Outcome::Dropped(labels) => dropped.note(&places, labels),
        });
        discovered.dropped_counts.insert(places.name.to_owned(), dropped.count);
        let shown = dropped.shown.into_iter();
        discovered
            .dropped
            .extend(shown.map(|labels| (places.name.to_owned(), labels)));
        let refusal =
            (count > limit).then(|| format!("target_limit exceeded (number of targets: {count}, limit: {limit})"));
        if let Some(why) = &refusal {
            let listed = found.len();
            let message = format!("{why}: no target of the job is visited, and the first {listed} of them are listed");
            discovered
                .problems
                .push(Problem::new(places.name, "target_limit", &message));
        }
        let listed = found.into_iter().map(|mut target| {
            let labels = target.take_discovered();
            discovered.labels.insert(target.key(), labels);
            match &refusal {
                Some(why) => self.refused(job, target, why),
                None => self.listed(job, target),
            }
        });
        listed.collect()
    }

    /// Known targets of jobs whose providers have not answered yet.
    fn awaited(&self, keys: &HashSet<String>) -> Vec<K::Listed> {
        let waiting = self.jobs.iter().filter(|job| job.waits());
        let waiting: HashSet<&str> = waiting.map(|job| job.kind.places().name).collect();
        let known = self.known.iter().filter(|(key, _)| !keys.contains(*key));
        let awaited = known.filter(|(_, known)| waiting.contains(known.job()));
        let mut awaited: Vec<K::Listed> = awaited.map(|(_, known)| known.clone()).collect();
        awaited.sort_by_key(Listed::key);
        awaited
    }

    /// The target as it is to be asked: as it was listed before, where nothing about it has changed.
    fn listed(&self, job: &Job<K>, found: K::Found) -> K::Listed {
        let hash = job.kind.hash(&found);
        self.unchanged(&found, hash)
            .unwrap_or_else(|| job.kind.list(found, hash))
    }

    /// The target of a job that has too many.
    fn refused(&self, job: &Job<K>, found: K::Found, why: &str) -> K::Listed {
        // Apart from that of a target that is asked.
        let hash = job.kind.hash(&found) ^ fnv1a(why);
        self.unchanged(&found, hash)
            .unwrap_or_else(|| job.kind.refuse(found, hash, why))
    }

    fn unchanged(&self, found: &K::Found, config_hash: u64) -> Option<K::Listed> {
        let known = self.known.get(&found.key());
        known.filter(|known| known.config_hash() == config_hash).cloned()
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
    fn note(&mut self, places: &Places<'_>, labels: Labels) {
        self.count += 1;
        if self.shown.len() < places.keep_dropped {
            self.shown.push(labels);
        }
    }
}
