//! Reloading: config and SLO files are read whole, judged whole, and taken over whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::specs::{self, LastGood, SpecFiles};
use crate::config::{self, Config};
use crate::domain::indicator::Sources;
use crate::egress::Egress;
use crate::engine::catalog::Desired;
use crate::engine::clock::Clock;
use crate::engine::discovered::Discovered;
use crate::engine::dispatch::Routing;
use crate::engine::ports::{ListedProbes, ListedServer, ListedTarget, RevisionRecord};
use crate::engine::stats::Stats;
use crate::engine::supervisor::Settings;
use crate::http::control::{Control, ReloadOutcome};
use crate::source::http::client::Clients;
use crate::source::probe::listing;
use crate::source::probe::on_demand::OnDemand;
use crate::source::probe::probing::Probing;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::source::prometheus;
use crate::source::scrape::discovery;
use crate::source::sql;
use crate::spec::Options;

/// Where files are, how they are read, and what of them a reload may remove.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The config file.
    pub config: PathBuf,
    /// `--slo.path`
    pub slos: Vec<PathBuf>,
    /// `--slo.allow-removal`
    pub allow_removal: bool,
    /// How SLO files are read: `--slo.default-period`.
    pub options: Options,
}

/// Config and SLO files as they were read, before anything of them runs.
pub struct Read {
    /// The config.
    pub config: Config,
    /// The SLO files.
    pub files: SpecFiles,
    /// What is odd about the config.
    pub warnings: Vec<String>,
}

/// Why files cannot be taken over, one sentence each.
pub type Refused = Vec<String>;

impl Paths {
    /// The folder to which paths in the config are relative.
    pub fn base(&self) -> PathBuf {
        let config = std::path::absolute(&self.config).unwrap_or_else(|_| self.config.clone());
        config.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
    }

    /// Reads everything.
    pub fn read(&self) -> Result<Read, Refused> {
        let shown = self.config.display().to_string();
        let text = std::fs::read_to_string(&self.config).map_err(|error| {
            vec![format!(
                "cannot read the config file {shown}: {error}; name another one with --config.file"
            )]
        })?;
        let base = self.base();
        let (config, diagnostics) = config::parse(&text, &shown, &base, &environment);
        let Some(config) = config else {
            return Err(diagnostics
                .iter()
                .map(crate::spec::diagnostic::Diagnostic::concise)
                .collect());
        };
        let mut paths = config.slo_files.clone();
        paths.extend(
            self.slos
                .iter()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        );
        let mut files =
            specs::read(&paths, &base, self.options).map_err(|error| vec![format!("SLO files: {error}")])?;
        files.servers = sources(&config);
        let warnings = diagnostics.iter().map(crate::spec::diagnostic::Diagnostic::concise);
        Ok(Read {
            config,
            files,
            warnings: warnings.collect(),
        })
    }
}

/// The servers that SLOs may name.
fn sources(config: &Config) -> Sources {
    let default = config.servers.iter().find(|server| server.is_default);
    Sources {
        names: Some(config.servers.iter().map(|server| server.name.clone()).collect()),
        default: default.map(|server| server.name.clone()),
        heartbeats: Some(
            config
                .heartbeats
                .iter()
                .map(|known| known.heartbeat.name.clone())
                .collect(),
        ),
        databases: Some(config.databases.iter().map(|server| server.name.clone()).collect()),
        probes: Some(config.probes.jobs.iter().map(|job| job.name.clone()).collect()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the config names environment variables; they are read here alone"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What runs, and how to change it.
pub struct Reloader {
    paths: Paths,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    last_good: Mutex<LastGood>,
    settings: watch::Sender<Arc<Settings>>,
    routing: watch::Sender<Arc<Routing>>,
    targets: watch::Sender<Arc<Vec<ListedTarget>>>,
    probes: watch::Sender<Arc<ListedProbes>>,
    servers: watch::Sender<Arc<Vec<ListedServer>>>,
    /// Where connections may go.
    egress: Egress,
    /// The HTTP clients by which targets, their discoveries and servers are asked.
    clients: Arc<Clients>,
    discovery: Mutex<CancellationToken>,
    config_shown: Arc<ArcSwap<String>>,
    external_url: Arc<ArcSwap<String>>,
    discovered: Arc<ArcSwap<Discovered>>,
    /// The same of probes.
    discovered_probes: Arc<ArcSwap<Discovered>>,
    on_demand: Arc<OnDemand>,
    /// The config's `storage.url` at the start: a store is not changed under way.
    storage_at_start: ArcSwap<Option<String>>,
    stop: CancellationToken,
}

/// The ends of the channels that the engine listens to.
pub struct Channels {
    /// SLOs and intervals.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Who is told.
    pub routing: watch::Receiver<Arc<Routing>>,
    /// The targets.
    pub targets: watch::Receiver<Arc<Vec<ListedTarget>>>,
    /// What is probed.
    pub probes: watch::Receiver<Arc<ListedProbes>>,
    /// The servers that can be asked.
    pub servers: watch::Receiver<Arc<Vec<ListedServer>>>,
}

impl Reloader {
    /// A reloader; nothing runs until `start`.
    pub fn new(
        paths: Paths,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
        shown: (Arc<ArcSwap<String>>, Arc<ArcSwap<String>>),
        stop: CancellationToken,
    ) -> (Self, Channels) {
        let (settings, settings_seen) = watch::channel(Arc::default());
        let (routing, routing_seen) = watch::channel(Arc::default());
        let (targets, targets_seen) = watch::channel(Arc::default());
        let (probes, probes_seen) = watch::channel(Arc::default());
        let (servers, servers_seen) = watch::channel(Arc::default());
        let (config_shown, external_url) = shown;
        let on_demand = Arc::new(OnDemand::new(probes_seen.clone()));
        let egress = Egress::default();
        let reloader = Self {
            paths,
            clock,
            stats,
            last_good: Mutex::default(),
            settings,
            routing,
            targets,
            probes,
            servers,
            clients: Arc::new(Clients::new(egress.clone())),
            egress,
            discovery: Mutex::new(stop.child_token()),
            config_shown,
            external_url,
            discovered: Arc::default(),
            discovered_probes: Arc::default(),
            on_demand,
            storage_at_start: ArcSwap::default(),
            stop,
        };
        (
            reloader,
            Channels {
                settings: settings_seen,
                routing: routing_seen,
                targets: targets_seen,
                probes: probes_seen,
                servers: servers_seen,
            },
        )
    }

    /// What discovery saw, for the API.
    pub fn discovered(&self) -> Arc<ArcSwap<Discovered>> {
        Arc::clone(&self.discovered)
    }

    /// What discovery saw of probes.
    pub fn discovered_probes(&self) -> Arc<ArcSwap<Discovered>> {
        Arc::clone(&self.discovered_probes)
    }

    /// Probes what it is asked for.
    pub fn on_demand(&self) -> Arc<OnDemand> {
        Arc::clone(&self.on_demand)
    }

    /// Takes over what was read at start, once the store has said which revisions loaded last.
    pub async fn start(&self, read: Read, revisions: Vec<RevisionRecord>) -> Result<(), Refused> {
        *self.last_good.lock().await = revisions
            .into_iter()
            .map(|record| (record.file.clone(), record))
            .collect();
        self.storage_at_start.store(Arc::new(read.config.storage_url.clone()));
        self.take_over(read, false)
            .await
            .map(|warnings| log_warnings(&warnings))
    }

    /// Reads everything again.
    async fn try_reload(&self) -> Result<Vec<String>, Refused> {
        let paths = self.paths.clone();
        let read = tokio::task::spawn_blocking(move || paths.read())
            .await
            .map_err(|fault| vec![format!("reading the files has failed: {fault}")])??;
        self.take_over(read, true).await
    }

    async fn take_over(&self, read: Read, is_reload: bool) -> Result<Vec<String>, Refused> {
        let Read {
            config,
            files,
            mut warnings,
        } = read;
        // One reload at a time: the lock is held to the end.
        let mut last_good = self.last_good.lock().await;
        let specs = files.resolve(&last_good, self.clock.now());
        let before = Arc::clone(&self.settings.borrow());
        if is_reload {
            judge(&before.desired, &specs.desired, self.paths.allow_removal)?;
        }
        let routing = build_routing(&config, &self.external_url.load(), &self.egress)?;
        let heartbeats = super::heartbeats::list(&config.heartbeats)?;
        self.egress.set(config.probes.egress.clone());
        for revision in &specs.revisions {
            last_good.insert(revision.file.clone(), revision.clone());
        }
        self.settings.send_replace(Arc::new(Settings {
            desired: Arc::new(specs.desired),
            revisions: Arc::new(specs.revisions),
            evaluation_interval: config.evaluation_interval,
            revision: before.revision + 1,
            heartbeats: Arc::new(heartbeats),
        }));
        self.routing.send_replace(Arc::new(routing));
        // One that has not changed is asked through the same client, which knows how it behaves.
        let known = Arc::clone(&self.servers.borrow());
        let mut servers = prometheus::list(&config.servers, &known, &self.clients, &self.stats);
        servers.extend(sql::list(&config.databases, &known, &self.stats));
        self.servers.send_replace(Arc::new(servers));
        self.config_shown.store(Arc::new(config.shown));
        let mut discovering = self.discovery.lock().await;
        discovering.cancel();
        *discovering = self.stop.child_token();
        let shown = Arc::clone(&self.discovered);
        let (targets, stats) = (self.targets.clone(), Arc::clone(&self.stats));
        discovery::spawn(config.jobs, &self.clients, targets, shown, stats, discovering.clone());
        self.probe(config.probes, &discovering);
        self.stats.last_reload_ok.set(1);
        self.stats.last_reload_ok_at.set(self.clock.now().0);
        warnings.extend(specs.warnings);
        if is_reload && config.storage_url != *self.storage_at_start.load_full() {
            warnings.push("storage.url has changed; that takes effect at the next start".to_owned());
        }
        Ok(warnings)
    }
}

impl Reloader {
    /// Takes over what is probed, how, and for whom.
    fn probe(&self, settings: ProbeSettings, cancel: &CancellationToken) {
        let probing = Probing::new(&settings, Arc::clone(&self.clock));
        let probing = Arc::new(probing.watched(settings.connectivity));
        self.on_demand.replace(Arc::clone(&probing), settings.token);
        let clients = Arc::clone(&self.clients);
        let listed = (settings.limits, self.probes.clone());
        let (shown, stats) = (Arc::clone(&self.discovered_probes), Arc::clone(&self.stats));
        listing::spawn(settings.jobs, &probing, clients, listed, shown, stats, cancel.clone());
    }
}

/// A reload that would leave nothing, or much less than there was, is refused.
fn judge(before: &Desired, after: &Desired, allow_removal: bool) -> Result<(), Refused> {
    match specs::refuse_removal(before, after) {
        Some(why) if !allow_removal => Err(vec![why]),
        _ => Ok(()),
    }
}

fn build_routing(config: &Config, external_url: &str, egress: &Egress) -> Result<Routing, Refused> {
    let mut routing = Routing {
        route: config.route.clone(),
        external_url: external_url.to_owned(),
        ..Routing::default()
    };
    let mut refused = Vec::new();
    for receiver in &config.receivers {
        match crate::notify::build(receiver, egress) {
            Ok(integrations) => drop(routing.receivers.insert(receiver.name.clone(), integrations)),
            Err(why) => refused.push(why),
        }
    }
    if refused.is_empty() { Ok(routing) } else { Err(refused) }
}

fn log_warnings(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(diagnostic = warning, "configuration");
    }
}

#[async_trait]
impl Control for Reloader {
    async fn reload(&self) -> ReloadOutcome {
        match self.try_reload().await {
            Ok(warnings) => {
                tracing::info!(warnings = warnings.len(), "reloaded");
                log_warnings(&warnings);
                ReloadOutcome::Done { warnings }
            }
            Err(errors) => {
                self.stats.last_reload_ok.set(0);
                for error in &errors {
                    tracing::error!(error, "the reload is refused; what ran before runs on");
                }
                ReloadOutcome::Refused { errors }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::clock::ManualClock;

    #[tokio::test]
    async fn a_reload_answers_with_the_warnings_of_the_config_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("nines.yml");
        let text = "remote_write: [{url: 'http://x/'}]\nscrape_configs: [{job_name: a, bearer_token: hunter2}]\n";
        std::fs::write(&file, text).expect("a file");
        let paths = Paths {
            config: file,
            slos: Vec::new(),
            allow_removal: false,
            options: Options::default(),
        };
        let read = paths.read().expect("it is valid");
        let stop = CancellationToken::new();
        let clock = Arc::new(ManualClock::at(crate::domain::time::Timestamp(0)));
        let (reloader, _channels) = Reloader::new(paths, clock, Arc::default(), Default::default(), stop.clone());
        reloader.start(read, Vec::new()).await.expect("it starts");
        let ReloadOutcome::Done { warnings } = reloader.reload().await else {
            panic!("it is refused")
        };
        let codes: Vec<&str> = warnings.iter().filter_map(|said| said.split(' ').nth(1)).collect();
        assert!(codes.contains(&"L023"), "{warnings:?}");
        assert!(!warnings.concat().contains("hunter2"), "{warnings:?}");
        stop.cancel();
    }
}
