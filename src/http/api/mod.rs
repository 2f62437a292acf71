//! `/api/v1`: one noun per file, in Prometheus's envelope; silences are Alertmanager's bare JSON.

pub mod backfills;
pub mod engine;
pub mod events;
pub mod heartbeats;
pub mod notifications;
pub mod probe;
pub mod silences;
pub mod slos;
pub mod status;
pub mod targets;
#[cfg(test)]
mod tests;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Answers may be kept, but must be asked for again every time.
pub const REVALIDATE: &str = "private, no-cache";

#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
}

/// `data` in the envelope.
pub fn success<T: Serialize>(data: T) -> Response {
    (
        [(header::CACHE_CONTROL, REVALIDATE)],
        axum::Json(Success {
            status: "success",
            data,
        }),
    )
        .into_response()
}

/// `data` in the envelope with its entity tag; 304 when the client has it already.
pub fn tagged<T: Serialize>(headers: &HeaderMap, etag: &str, data: T) -> Response {
    let tags = [(header::CACHE_CONTROL, REVALIDATE), (header::ETAG, etag)];
    if is_known(headers, etag) {
        return (StatusCode::NOT_MODIFIED, tags).into_response();
    }
    (
        tags,
        axum::Json(Success {
            status: "success",
            data,
        }),
    )
        .into_response()
}

/// Whether `If-None-Match` names the tag; weak comparison, as RFC 9110 asks.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let known = value.to_str().unwrap_or("");
        known
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
