//! What the handlers see: the read model, the store's ports, and a few facts about the process.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::control::Control;
use super::error::ApiError;
use crate::domain::time::Timestamp;
use crate::engine::clock::Clock;
use crate::engine::discovered::Discovered;
use crate::engine::ports::{AlertStore, DeliveryStore, ProbeOnDemand};
use crate::engine::push::Pushes;
use crate::engine::read::BackfillRequests;
use crate::engine::snapshot::Snapshot;
use crate::engine::stats::Stats;
pub use crate::engine::supervisor::Readiness;

/// Everything that the API and the pages show, and the few things that they may change. Clones share all of it.
#[derive(Clone)]
pub struct HttpState {
    /// The read model, swapped in whole by the engine.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What nines counts about itself.
    pub stats: Arc<Stats>,
    /// The store's ports that the API needs; `None` until the store is connected.
    pub store: Arc<ArcSwapOption<StorePorts>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether `/-/ready` says yes.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Reloads.
    pub control: Arc<dyn Control>,
    /// Facts that do not change while the process runs.
    pub info: Arc<RuntimeInfo>,
    /// What discovery saw: targets before relabelling, and those that it drops.
    pub discovered: Arc<ArcSwap<Discovered>>,
    /// The same of probes.
    pub discovered_probes: Arc<ArcSwap<Discovered>>,
    /// The config as `/api/v1/status/config` shows it: without secrets.
    pub config_shown: Arc<ArcSwap<String>>,
    /// Where nines is reached, without a trailing slash.
    pub external_url: Arc<ArcSwap<String>>,
    /// `--web.enable-lifecycle`: a reload may be asked for from elsewhere than loopback.
    pub lifecycle_enabled: bool,
    /// Notified when a silence has changed or a delivery is to be tried again.
    pub nudge: Arc<tokio::sync::Notify>,
    /// Takes events and pings.
    pub pushes: Arc<Pushes>,
    /// Probes what it is asked for.
    pub probes: Arc<dyn ProbeOnDemand>,
    /// Takes requests to read the past of SLOs again.
    pub backfills: Arc<BackfillRequests>,
}

/// The parts of the store that the API needs. An `Arc<dyn Store>` gives both by upcasting.
#[derive(Clone)]
pub struct StorePorts {
    /// Silences.
    pub alerts: Arc<dyn AlertStore>,
    /// Notifications.
    pub deliveries: Arc<dyn DeliveryStore>,
}

/// Facts about the process that do not change while it runs.
#[derive(Clone, Debug, Default)]
pub struct RuntimeInfo {
    /// The version: `0.1.0`.
    pub version: String,
    /// The revision of the source, or `unknown`.
    pub revision: String,
    /// When the process started.
    pub start_time: Timestamp,
    /// The kind of store and where it is, without credentials: `sqlite:nines.db`.
    pub storage: String,
    /// The flags as they run, name and value, without secrets.
    pub flags: Vec<(String, String)>,
}

impl HttpState {
    /// The store's ports, or the error that says that they are not there yet.
    pub fn ports(&self) -> Result<Arc<StorePorts>, ApiError> {
        self.store.load_full().ok_or_else(|| {
            ApiError::unavailable("the store is not connected yet; GET /-/ready says why, and this works once it is")
        })
    }

    /// What is shown now, or the error that says that there is nothing yet: an empty list would look like peace.
    pub fn shown(&self) -> Result<Arc<Snapshot>, ApiError> {
        let snapshot = self.snapshot.load_full();
        if snapshot.revision == 0 {
            return Err(ApiError::unavailable(
                "nothing has been evaluated yet; GET /-/ready says why",
            ));
        }
        Ok(snapshot)
    }

    /// The strong entity tag of what is shown now. Revisions begin anew with each process, so its start is part of it.
    pub fn etag(&self, snapshot: &Snapshot) -> String {
        format!("\"{:x}-{}\"", self.info.start_time.0, snapshot.revision)
    }
}
