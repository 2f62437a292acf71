//! `/api/v1/heartbeats`: jobs that say when they have run, and `/api/v1/heartbeat/{token}`, where they say it.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::events::refused;
use super::{success, tagged};
use crate::domain::heartbeat::Ping;
use crate::engine::push::PushRefusal;
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// All heartbeats, by their names; never their tokens.
pub async fn list(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = state.shown()?;
    let data = json!({"heartbeats": snapshot.heartbeats});
    Ok(tagged(&headers, &state.etag(&snapshot), data))
}

/// A run has ended well.
pub async fn ended(State(state): State<HttpState>, Path(token): Path<String>) -> Result<Response, ApiError> {
    ping(&state, &token, None).await
}

/// A run has begun, failed, or ended with an exit code.
pub async fn told(
    State(state): State<HttpState>,
    Path((token, word)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    ping(&state, &token, Some(&word)).await
}

async fn ping(state: &HttpState, token: &str, word: Option<&str>) -> Result<Response, ApiError> {
    let unit = |_| String::new();
    let ping = Ping::parse(word).ok_or_else(|| refused(PushRefusal::NoSuchToken, &unit, true))?;
    let counted = state.pushes.ping(token, ping).await;
    // A ping that comes again soon is the same one, so it may be sent again.
    let counted = counted.map_err(|refusal| refused(refusal, &unit, true))?;
    Ok(success(json!({"counted": counted})))
}
