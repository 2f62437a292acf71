//! The daemon: straight-line wiring, and an orderly end.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::SystemClock;
use super::reload::{Channels, Paths, Reloader};
use crate::domain::shown::shown_url;
use crate::engine::clock::Clock;
use crate::engine::commit::VisitLog;
use crate::engine::ports::{CatalogStore, Store, StoreError};
use crate::engine::snapshot::Snapshot;
use crate::engine::stats::Stats;
use crate::engine::supervisor::{Engine, Readiness, causes};
use crate::http::{Control, HttpState, RuntimeInfo, StorePorts};
use crate::store::SqlStore;

/// How long a store that does not answer is left alone.
const CONNECT_EVERY: Duration = Duration::from_secs(2);
/// How long the engine may take to end.
const ENGINE_PATIENCE: Duration = Duration::from_secs(6);
/// How long the store may take to close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How long requests under way may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// The default store.
pub const DEFAULT_STORAGE: &str = "sqlite:nines.db";

/// What `nines serve` is told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Config and SLO files.
    pub paths: Paths,
    /// `--storage.url`, where it was given.
    pub storage_url: Option<String>,
    /// `--web.listen-address`
    pub listen: Vec<String>,
    /// `--web.external-url`
    pub external_url: Option<String>,
    /// `--web.enable-lifecycle`
    pub enable_lifecycle: bool,
    /// `--debug.visit-log`
    pub visit_log: Option<std::path::PathBuf>,
    /// All flags, for `/api/v1/status/flags`.
    pub flags: Vec<(String, String)>,
}

/// Files that do not load at start: their errors, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Invalid(pub Vec<String>);

/// Runs the daemon until a signal, or `stop`, ends it.
pub async fn serve(options: ServeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stats: Arc<Stats> = Arc::default();
    let read = options.paths.read().map_err(Invalid)?;
    let storage_url = options.storage_url.clone().or_else(|| read.config.storage_url.clone());
    let storage_url = storage_url.unwrap_or_else(|| DEFAULT_STORAGE.to_owned());
    let listeners = bind(&options.listen)?;
    let bound: Vec<SocketAddr> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let external_url = options
        .external_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", bound[0]));
    let external_url = Arc::new(ArcSwap::from_pointee(external_url.trim_end_matches('/').to_owned()));
    let config_shown = Arc::new(ArcSwap::from_pointee(read.config.shown.clone()));
    let shown = (Arc::clone(&config_shown), Arc::clone(&external_url));
    let (reloader, channels) = Reloader::new(
        options.paths.clone(),
        Arc::clone(&clock),
        Arc::clone(&stats),
        shown,
        stop.clone(),
    );
    let reloader = Arc::new(reloader);
    let not_ready = Readiness::NotReady {
        reason: "starting: the store is not connected yet".to_owned(),
    };
    let state = HttpState {
        snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
        stats: Arc::clone(&stats),
        store: Arc::new(ArcSwapOption::empty()),
        clock: Arc::clone(&clock),
        readiness: Arc::new(ArcSwap::from_pointee(not_ready)),
        control: Arc::clone(&reloader) as Arc<dyn Control>,
        info: Arc::new(runtime_info(&options, &storage_url, clock.as_ref())),
        discovered: reloader.discovered(),
        discovered_probes: reloader.discovered_probes(),
        config_shown,
        external_url,
        lifecycle_enabled: options.enable_lifecycle,
        nudge: Arc::default(),
        probes: reloader.on_demand(),
        backfills: Arc::default(),
        pushes: Arc::default(),
    };
    // The web ends last, so that a stop can be watched.
    let (tracker, web_stop) = (TaskTracker::new(), CancellationToken::new());
    for (listener, addr) in listeners.into_iter().zip(&bound) {
        tracing::info!(addr = %addr, "listening");
        let serving = crate::http::serve(listener, crate::http::router(state.clone()), web_stop.clone());
        tracker.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the web server has ended");
            }
        });
    }
    tracker.spawn(watch_signals(Arc::clone(&reloader), stop.clone()));
    let result = run_engine(&options, &storage_url, read, &reloader, channels, &state, &stop).await;
    stop.cancel();
    web_stop.cancel();
    tracker.close();
    if tokio::time::timeout(STOP_PATIENCE, tracker.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    tracing::info!("stopped");
    result
}

async fn run_engine(
    options: &ServeOptions,
    storage_url: &str,
    read: super::reload::Read,
    reloader: &Arc<Reloader>,
    channels: Channels,
    state: &HttpState,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(store) = connect(storage_url, state, stop).await? else {
        return Ok(());
    };
    let revisions = store.load_revisions().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the last good revisions of SLO files cannot be read");
        Vec::new()
    });
    reloader.start(read, revisions).await.map_err(Invalid)?;
    let ports: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    let of_http = StorePorts {
        alerts: Arc::clone(&store) as _,
        deliveries: Arc::clone(&store) as _,
    };
    state.store.store(Some(Arc::new(of_http)));
    let engine = Engine {
        holder: format!("{}:{}", hostname(), std::process::id()),
        store: ports,
        clock: Arc::clone(&state.clock),
        stats: Arc::clone(&state.stats),
        snapshot: Arc::clone(&state.snapshot),
        readiness: Arc::clone(&state.readiness),
        settings: channels.settings,
        routing: channels.routing,
        targets: channels.targets,
        probes: channels.probes,
        servers: channels.servers,
        backfills: Arc::clone(&state.backfills),
        pushes: Arc::clone(&state.pushes),
        nudge: Arc::clone(&state.nudge),
        visit_log: options.visit_log.as_deref().map(open_visit_log).transpose()?,
    };
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(ENGINE_PATIENCE).await;
    };
    tokio::select! {
        () = engine.run(stop.clone()) => {}
        // A store that is away must not keep the process from ending; what is not committed is counted after the start.
        () = too_long => tracing::warn!("the store did not answer in time; stopping without it"),
    }
    // Dropping the pools ends the connections as well; closing them is only the polite way.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, store.close()).await;
    Ok(())
}

/// Connects and migrates, however long that takes; `None` when a stop came first. A URL that can never work is an
/// error.
async fn connect(url: &str, state: &HttpState, stop: &CancellationToken) -> anyhow::Result<Option<Arc<SqlStore>>> {
    loop {
        let attempt = async {
            let store = SqlStore::connect(url).await?;
            store.migrate().await?;
            Ok::<_, StoreError>(store)
        };
        match attempt.await {
            Ok(store) => return Ok(Some(Arc::new(store))),
            Err(StoreError::Unavailable(cause)) => {
                let error = StoreError::Unavailable(cause);
                let reason = format!("{error}{}", causes(&error));
                tracing::warn!(reason, "the database does not answer; trying again");
                state.readiness.store(Arc::new(Readiness::NotReady { reason }));
            }
            Err(error) => return Err(anyhow::Error::new(error).context("the storage cannot be used")),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(CONNECT_EVERY) => {}
        }
    }
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
async fn watch_signals(reloader: Arc<Reloader>, stop: CancellationToken) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals cannot be watched; SIGTERM ends nines at once");
        return;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = terminate.recv() => { tracing::info!("stopping: SIGTERM"); stop.cancel(); }
            _ = interrupt.recv() => { tracing::info!("stopping: SIGINT"); stop.cancel(); }
            _ = hangup.recv() => drop(reloader.reload().await),
        }
    }
}

fn bind(addresses: &[String]) -> anyhow::Result<Vec<TcpListener>> {
    let bind_one = |address: &String| {
        let resolved: Vec<SocketAddr> = address
            .to_socket_addrs()
            .with_context(|| format!("--web.listen-address={address} is no HOST:PORT"))?
            .collect();
        TcpListener::bind(&resolved[..]).with_context(|| {
            format!("cannot listen on {address}; another one can be given with --web.listen-address=HOST:PORT")
        })
    };
    addresses.iter().map(bind_one).collect()
}

fn runtime_info(options: &ServeOptions, storage_url: &str, clock: &dyn Clock) -> RuntimeInfo {
    RuntimeInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("NINES_REVISION").unwrap_or("unknown").to_owned(),
        start_time: clock.now(),
        storage: shown_url(storage_url),
        flags: options.flags.clone(),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/etc/hostname").map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// A log of visits and their commits, one JSON object a line, for proofs that replay them. A line is written at once.
fn open_visit_log(path: &std::path::Path) -> anyhow::Result<VisitLog> {
    use std::io::Write;
    let file = std::fs::File::options().create(true).append(true).open(path);
    let file = std::sync::Mutex::new(file.with_context(|| format!("cannot write {}", path.display()))?);
    Ok(Arc::new(move |entry| {
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{entry}\n").as_bytes()) {
            tracing::warn!(%error, "the visit log cannot be written");
        }
    }))
}
