//! `/-/healthy`, `/-/ready` and `/-/reload`.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::control::ReloadOutcome;
use super::error::ApiError;
use super::middleware::is_from_loopback;
use super::state::{HttpState, Readiness};

const NOT_CACHED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// 200 while the process serves.
pub async fn healthy() -> Response {
    (NOT_CACHED, "nines is healthy.\n").into_response()
}

/// 200 when it works, otherwise 503 and why not.
pub async fn ready(State(state): State<HttpState>) -> Response {
    match &**state.readiness.load() {
        Readiness::Ready => (NOT_CACHED, "nines is ready.\n").into_response(),
        Readiness::NotReady { reason } => (
            StatusCode::SERVICE_UNAVAILABLE,
            NOT_CACHED,
            format!("nines is not ready: {reason}\n"),
        )
            .into_response(),
    }
}

/// Reads config and SLO files again: from this machine always, from elsewhere only where it is allowed.
pub async fn reload(State(state): State<HttpState>, request: Request) -> Result<Response, ApiError> {
    if !state.lifecycle_enabled && !is_from_loopback(&request) {
        return Err(ApiError::forbidden(
            "a reload may be asked for from loopback only; start nines with --web.enable-lifecycle to allow it from \
             elsewhere",
        ));
    }
    match state.control.reload().await {
        ReloadOutcome::Done { warnings } => {
            let mut body = json!({"status": "success", "data": {}});
            if !warnings.is_empty() {
                body["warnings"] = json!(warnings);
            }
            Ok(axum::Json(body).into_response())
        }
        ReloadOutcome::Refused { errors } => {
            let message = format!(
                "the reload was refused, the old config keeps running: {}",
                errors.join("; ")
            );
            Err(ApiError::bad_data(message).with_errors(errors))
        }
    }
}
