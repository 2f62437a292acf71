//! `GET /probe?target=…&module=…`: one probe now, answered as blackbox exporter answers.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::domain::probe_page::{probe_debug, probe_page};
use crate::domain::shown::shown_address;
use crate::engine::ports::{Admission, ProbeRequest, Refusal};
use crate::http::error::ApiError;
use crate::http::middleware::{is_foreign, is_from_loopback, names_us};
use crate::http::query::Query;
use crate::http::state::HttpState;

/// The module that is used where none is named.
const MODULE: &str = "http_2xx";
/// How much earlier than Prometheus gives up a probe must end.
const OFFSET: Duration = Duration::from_millis(500);
/// How long a probe may take at most: the request itself is ended soon after.
const TIMEOUT_MAX: Duration = Duration::from_secs(28);
/// How Prometheus says how long it waits.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One probe.
pub async fn get(State(state): State<HttpState>, request: Request) -> Result<Response, ApiError> {
    let from_here = is_from_loopback(&request);
    let (asking, _) = request.into_parts();
    let external_url = state.external_url.load();
    // A page of another site whose name leads here looks like ours to its browser.
    let is_local = from_here && names_us(&asking.headers, &asking.uri, &external_url);
    if is_foreign(&asking.headers, &asking.uri, &external_url) {
        let why = "this request was sent by a page of another site, so it is refused";
        return Err(ApiError::forbidden(why));
    }
    if let Some(refused) = refusal(&state, &asking.headers, is_local).await? {
        return Ok(refused);
    }
    let asked = Query::of(&asking.uri);
    let filled = |name| asked.get(name).filter(|value| !value.is_empty()).map(ToOwned::to_owned);
    let wanted = ProbeRequest {
        target: filled("target").ok_or_else(|| ApiError::bad_data("Target parameter is missing"))?,
        module: filled("module").unwrap_or_else(|| MODULE.to_owned()),
        hostname: filled("hostname"),
        timeout: timeout(&asking.headers)?,
    };
    let probed = state.probes.probe(&wanted).await;
    let (verdict, timeout) = probed.map_err(|refusal| match refusal {
        Refusal::Invalid(why) => ApiError::bad_data(why),
        Refusal::Busy => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too many probes are asked for at the same time; ask again later",
        ),
    })?;
    let not_cached = (header::CACHE_CONTROL, "no-store");
    if asked.get("debug") == Some("true") {
        let target = shown_address(&wanted.target);
        let text = probe_debug(&verdict, &wanted.module, &target, timeout);
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), not_cached], text).into_response());
    }
    let page = probe_page(&verdict, timeout);
    Ok(([(header::CONTENT_TYPE, TEXT), not_cached], page).into_response())
}

/// The answer to somebody who may not ask; `None` for who may.
async fn refusal(state: &HttpState, headers: &HeaderMap, is_local: bool) -> Result<Option<Response>, ApiError> {
    match state.probes.admission().await.map_err(ApiError::unavailable)? {
        Admission::Loopback if is_local => Ok(None),
        Admission::Loopback => Err(ApiError::forbidden(
            "probes may be asked for from loopback only, by address or as localhost; `probe_endpoint: {bearer_token_file: …}` in nines.yml lets \
             those ask who know the token",
        )),
        Admission::Token(hash) if presents(headers, &hash) => Ok(None),
        Admission::Token(_) => {
            let error = ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "a probe needs `Authorization: Bearer` with the token of `probe_endpoint` in nines.yml",
            );
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"nines\"")];
            Ok(Some((challenge, error).into_response()))
        }
    }
}

/// Whether the token of this hash is presented. Hashes are compared, so that the time that takes tells nothing of it.
fn presents(headers: &HeaderMap, hash: &[u8; 32]) -> bool {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((kind, token)) = value.split_once(' ') else {
        return false;
    };
    let presented: [u8; 32] = Sha256::digest(token.trim()).into();
    kind.eq_ignore_ascii_case("bearer") && presented == *hash
}

/// How long a probe may take: a little less than Prometheus waits.
fn timeout(headers: &HeaderMap) -> Result<Duration, ApiError> {
    let Some(value) = headers.get(TIMEOUT_HEADER) else {
        return Ok(TIMEOUT_MAX);
    };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    let given = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let given =
        given.ok_or_else(|| ApiError::bad_data("X-Prometheus-Scrape-Timeout-Seconds is no number of seconds"))?;
    let less = given.saturating_sub(OFFSET);
    // Who waits for less than the offset gets what can be had in that time.
    let most = if less.is_zero() { given } else { less };
    Ok(if most.is_zero() {
        TIMEOUT_MAX
    } else {
        most.min(TIMEOUT_MAX)
    })
}

#[cfg(test)]
mod tests;
