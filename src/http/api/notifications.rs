//! `/api/v1/notifications`: what was told, and what could not be.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::json;

use super::success;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// The newest first.
pub async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Response, ApiError> {
    let limit = Query::of(&uri).limit(100, 1000)?;
    let notifications = state.ports()?.deliveries.notifications(limit as u32).await?;
    Ok(success(json!({"notifications": notifications})))
}

/// Makes a dead letter ready again.
pub async fn retry(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|error| ApiError::bad_data(error.body_text()))?;
    // NUL is no character that every store can be asked for.
    let is_known = !id.contains('\0') && state.ports()?.deliveries.retry_delivery(&id, state.clock.now()).await?;
    if !is_known {
        return Err(ApiError::not_found(
            "there is no dead delivery with this id; GET /api/v1/notifications lists them all",
        ));
    }
    state.nudge.notify_one();
    Ok(success(json!({"id": id})))
}
