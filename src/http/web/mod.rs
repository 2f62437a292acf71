//! The pages: complete without JavaScript, nothing from elsewhere, everything escaped.

mod assets;
mod chart;
mod heartbeats;
mod pages;
mod probed;
mod slo;
mod slos;
mod tables;
mod targets;
mod verdict;

#[cfg(test)]
mod tests;

use askama::Template;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::api::REVALIDATE;
use super::error::ApiError;
use super::format;
use super::state::{HttpState, Readiness};
use crate::domain::time::Timestamp;
use crate::engine::snapshot::Snapshot;

pub use self::assets::asset;
pub use self::slo::slo;
pub use self::slos::slos;
pub use self::tables::{alerts, notifications};
pub use self::targets::targets;

/// What every page has around its content.
struct Frame {
    title: String,
    /// Which link of the navigation is current.
    section: &'static str,
    /// What everybody who looks must know first.
    banners: Vec<String>,
    css: &'static str,
    js: &'static str,
    version: String,
    /// When the numbers were computed, if ever.
    as_of: Option<Time>,
}

/// A point in time for `<time>`.
struct Time {
    iso: String,
    text: String,
    distance: String,
}

impl Time {
    fn of(time: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: time.to_rfc3339(),
            text: format::time(time),
            distance: format::distance(time, now),
        }
    }
}

impl Frame {
    fn of(state: &HttpState, snapshot: &Snapshot, title: impl Into<String>, section: &'static str) -> Self {
        let now = state.clock.now();
        Self {
            title: title.into(),
            section,
            banners: banners(state, snapshot, now),
            css: assets::css_path(),
            js: assets::js_path(),
            version: state.info.version.clone(),
            as_of: (snapshot.as_of.0 > 0).then(|| Time::of(snapshot.as_of, now)),
        }
    }
}

/// Numbers older than this are called so.
const STALE_MS: i64 = 5 * 60 * 1000;

fn banners(state: &HttpState, snapshot: &Snapshot, now: Timestamp) -> Vec<String> {
    let mut banners = Vec::new();
    if let Readiness::NotReady { reason } = &**state.readiness.load() {
        banners.push(format!("nines is not ready: {reason}"));
    } else if !snapshot.active {
        banners.push(
            "This process is a standby: it shows what the active one counts, and neither counts nor sends.".into(),
        );
    }
    if snapshot.as_of.0 > 0 && now.since(snapshot.as_of) > STALE_MS {
        let ago = format::distance(snapshot.as_of, now);
        banners.push(format!("These numbers are old: the last evaluation was {ago}."));
    }
    let reloaded_at = state.stats.last_reload_ok_at.get();
    if state.stats.last_reload_ok.get() == 0 && reloaded_at > 0 {
        let since = format::time(Timestamp(reloaded_at));
        banners.push(format!(
            "The last reload was refused; the config of {since} keeps running. The log says why."
        ));
    }
    let mut synthetic = snapshot
        .slos
        .iter()
        .flat_map(|slo| [&slo.labels, &slo.annotations])
        .filter_map(|map| map.get("nines_demo"));
    if let Some(what) = synthetic.next() {
        banners.push(format!(
            "Demo data: {what}. What lies before the start of the demo was never measured."
        ));
    }
    banners
}

/// A page, or the error page when its template fails.
fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, [(header::CACHE_CONTROL, REVALIDATE)], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(err = %error, "a page could not be rendered");
            ApiError::internal("nines failed to render this page; the log says why").into_response()
        }
    }
}

/// Says in a page what is wrong, and what to do.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    css: &'static str,
    title: String,
    message: String,
}

/// What is at no address.
pub async fn not_found(uri: Uri) -> Response {
    refuse(&uri, ApiError::not_found("there is nothing at this address"))
}

/// What is there, but not for this method.
pub async fn method_not_allowed(uri: Uri) -> Response {
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "bad_data",
        "this address does not know this method",
    );
    refuse(&uri, error)
}

/// The envelope for programs, a small page for people.
fn refuse(uri: &Uri, error: ApiError) -> Response {
    let is_for_programs = ["/api", "/-/", "/metrics"]
        .iter()
        .any(|start| uri.path().starts_with(start));
    if is_for_programs {
        error.into_response()
    } else {
        problem_page(&error)
    }
}

fn problem_page(error: &ApiError) -> Response {
    let status = error.status();
    let template = ProblemPage {
        css: assets::css_path(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        message: error.message().to_owned(),
    };
    page_with(status, &template)
}
