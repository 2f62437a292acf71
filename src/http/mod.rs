//! The status API, `/metrics` and the pages: what the engine's snapshot and the store hold, and nothing else. No
//! request ever asks an upstream.

pub mod control;
pub mod error;
pub mod format;
pub mod metrics;
pub mod state;

mod api;
mod label_set;
mod middleware;
mod nearest;
mod probes;
mod query;
mod serve;
mod web;

#[cfg(test)]
pub(crate) mod paused;
#[cfg(test)]
pub(crate) mod testing;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub use self::control::{Control, ReloadOutcome};
pub use self::serve::serve;
pub use self::state::{HttpState, Readiness, RuntimeInfo, StorePorts};

/// The largest request body, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// Requests that are answered at the same time; more of them wait.
const CONCURRENT_MAX: usize = 256;

/// Every address that nines answers.
pub fn router(state: HttpState) -> Router {
    let limited = Router::new()
        .merge(pages())
        .merge(api())
        .route("/metrics", get(metrics::get))
        .route("/probe", get(api::probe::get))
        .route("/-/reload", post(probes::reload).put(probes::reload))
        .fallback(web::not_found)
        .method_not_allowed_fallback(web::method_not_allowed)
        .layer(GlobalConcurrencyLimitLayer::new(CONCURRENT_MAX));
    // Probes stand outside the limit, so that a busy process is not taken for a dead one.
    Router::new()
        .route("/-/healthy", get(probes::healthy))
        .route("/-/ready", get(probes::ready))
        .merge(limited)
        .layer(CatchPanicLayer::custom(middleware::panicked as fn(_) -> Response))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(state.clone(), middleware::same_site))
        .layer(from_fn(middleware::time_limit))
        .layer(from_fn(error::negotiate))
        .layer(from_fn_with_state(state.clone(), middleware::count))
        .layer(from_fn(middleware::security_headers))
        .layer(CompressionLayer::new())
        .with_state(state)
}

fn pages() -> Router<HttpState> {
    Router::new()
        .route("/", get(web::slos))
        .route("/slos/{service}/{name}", get(web::slo))
        .route("/alerts", get(web::alerts))
        .route("/targets", get(web::targets))
        .route("/notifications", get(web::notifications))
        .route("/static/{file}", get(web::asset))
}

fn api() -> Router<HttpState> {
    let silence = || get(api::silences::one).delete(api::silences::expire);
    Router::new()
        .route("/api/v1/slos", get(api::slos::list))
        .route("/api/v1/slos/{service}/{name}", get(api::slos::one))
        .route("/api/v1/slos/{service}/{name}/backfill", post(api::backfills::ask))
        .route("/api/v1/backfills", get(api::backfills::list))
        .route(
            "/api/v1/events",
            post(api::events::push).layer(DefaultBodyLimit::max(api::events::BODY_MAX)),
        )
        .route("/api/v1/heartbeats", get(api::heartbeats::list))
        .route(
            "/api/v1/heartbeat/{token}",
            get(api::heartbeats::ended).post(api::heartbeats::ended),
        )
        .route(
            "/api/v1/heartbeat/{token}/{word}",
            get(api::heartbeats::told).post(api::heartbeats::told),
        )
        .route("/api/v1/alerts", get(api::engine::alerts))
        .route("/api/v1/targets", get(api::targets::targets))
        .route("/api/v1/notifications", get(api::notifications::list))
        .route("/api/v1/notifications/{id}/retry", post(api::notifications::retry))
        .route("/api/v1/silences", get(api::silences::list).post(api::silences::save))
        .route("/api/v2/silences", get(api::silences::list).post(api::silences::save))
        .route("/api/v1/silences/{id}", silence())
        .route("/api/v1/silence/{id}", silence())
        .route("/api/v2/silences/{id}", silence())
        .route("/api/v2/silence/{id}", silence())
        .route("/api/v1/status/config", get(api::status::config))
        .route("/api/v1/status/flags", get(api::status::flags))
        .route("/api/v1/status/runtimeinfo", get(api::status::runtimeinfo))
        .route("/api/v1/status/buildinfo", get(api::status::buildinfo))
}
