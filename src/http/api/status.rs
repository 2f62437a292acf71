//! `/api/v1/status/…`, in Prometheus's shapes.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::success;
use crate::domain::time::Timestamp;
use crate::http::state::{HttpState, Readiness};

/// The config as it runs, without secrets.
pub async fn config(State(state): State<HttpState>) -> Response {
    success(json!({"yaml": **state.config_shown.load()}))
}

/// The flags as they run.
pub async fn flags(State(state): State<HttpState>) -> Response {
    let flags: Map<String, Value> = state
        .info
        .flags
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    success(flags)
}

/// What the process is doing.
pub async fn runtimeinfo(State(state): State<HttpState>) -> Response {
    let snapshot = state.snapshot.load();
    let last_config = state.stats.last_reload_ok_at.get();
    success(json!({
        "startTime": state.info.start_time.to_rfc3339(),
        "serverTime": state.clock.now().to_rfc3339(),
        "reloadConfigSuccess": state.stats.last_reload_ok.get() == 1,
        "lastConfigTime": (last_config > 0).then(|| Timestamp(last_config).to_rfc3339()),
        "role": if snapshot.active { "active" } else { "standby" },
        "ready": **state.readiness.load() == Readiness::Ready,
        "storage": state.info.storage,
        "as_of": (snapshot.as_of.0 > 0).then(|| snapshot.as_of.to_rfc3339()),
        "revision": snapshot.revision,
        "external_url": **state.external_url.load(),
    }))
}

/// Which build runs. The names are Prometheus's; what nines does not know is empty.
pub async fn buildinfo(State(state): State<HttpState>) -> Response {
    success(json!({
        "version": state.info.version,
        "revision": state.info.revision,
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}
