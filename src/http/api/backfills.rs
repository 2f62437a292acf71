//! `/api/v1/backfills`: how far SLOs were read from the history of their servers.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::slos::find;
use super::{success, tagged};
use crate::domain::slo::SloId;
use crate::engine::snapshot::SloView;
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// All SLOs that are read from servers, in the order of their ids.
pub async fn list(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = state.shown()?;
    let backfills: Vec<Value> = snapshot.slos.iter().filter_map(view).collect();
    let data = json!({"backfills": backfills});
    Ok(tagged(&headers, &state.etag(&snapshot), data))
}

/// Reads the past of one SLO again, from the beginning of its longest window.
pub async fn ask(
    State(state): State<HttpState>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path((service, name)) = path.map_err(|error| ApiError::bad_data(error.body_text()))?;
    let snapshot = state.shown()?;
    let slo = find(&snapshot, &service, &name, None)?;
    let Some(view) = view(slo) else {
        return Err(ApiError::bad_data(format!(
            "{service}/{name} is not read from a Prometheus server: what it scrapes has no history"
        )));
    };
    if !snapshot.active {
        return Err(ApiError::unavailable(
            "this process is a standby; ask the active one, which reads the servers",
        ));
    }
    state.backfills.ask(SloId::new(service, name));
    Ok(success(view))
}

fn view(slo: &SloView) -> Option<Value> {
    let backfill = slo.backfill.as_ref()?;
    Some(json!({"slo": slo.id, "backfill": backfill}))
}
