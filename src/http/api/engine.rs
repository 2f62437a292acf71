//! `/api/v1/alerts`, in Prometheus's shape.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::tagged;
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// Alerts that are pending or firing.
pub async fn alerts(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = state.shown()?;
    Ok(tagged(
        &headers,
        &state.etag(&snapshot),
        json!({"alerts": snapshot.alerts}),
    ))
}
