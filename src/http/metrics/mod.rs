//! `/metrics`: the snapshot and what nines counts about itself, as Prometheus's text or as OpenMetrics.

mod probe;
mod process;
mod slo;
#[cfg(test)]
mod tests;
mod writer;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::state::HttpState;
use writer::Writer;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page, in the format that the client asks for.
pub async fn get(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let is_open = accepted
        .into_iter()
        .any(|accept| accept.contains("application/openmetrics-text"));
    let kind = if is_open { OPEN_METRICS } else { TEXT };
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")],
        page(&state, is_open),
    )
        .into_response()
}

/// The page's text.
pub fn page(state: &HttpState, is_open_metrics: bool) -> String {
    let snapshot = state.snapshot.load();
    let mut writer = Writer::new(is_open_metrics);
    slo::write(&mut writer, &snapshot);
    probe::write(&mut writer, &state.stats, &snapshot);
    process::write(&mut writer, state, &snapshot);
    writer.finish()
}
