//! What surrounds every handler: a time limit, the security headers, the guard against other sites, and the counting.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::state::HttpState;

/// A request may take so long, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Nothing is loaded from elsewhere, nothing inline is run, nobody frames the pages.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Ends what takes too long.
pub async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("the request took longer than {} s", REQUEST_TIMEOUT.as_secs()),
        )
        .into_response(),
    }
}

/// Sets the security headers, also on errors.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests that change something and were sent by another site's page through somebody's browser. Programs
/// send neither header and pass.
pub async fn same_site(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && is_foreign(request.headers(), request.uri(), &state.external_url.load()) {
        return ApiError::forbidden("this request was sent by a page of another site, so it is refused")
            .into_response();
    }
    next.run(request).await
}

/// Whether a request was sent by another site's page.
pub fn is_foreign(headers: &HeaderMap, uri: &Uri, external_url: &str) -> bool {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text("origin") else {
        return false;
    };
    let host = text("host").or_else(|| uri.authority().map(Authority::as_str));
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    if !host.is_some_and(|host| is_own_name(host, external_url)) {
        return true;
    }
    origin_host.is_none()
        || !origin_host
            .zip(host)
            .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

/// Whether a `Host` can be this daemon's: an address, `localhost`, or the name in the external URL. Another site's name
/// may be made to lead here (DNS rebinding), and its pages would then look like ours.
fn is_own_name(host: &str, external_url: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let own = url::Url::parse(external_url).ok();
            name == "localhost"
                || own
                    .and_then(|own| own.host_str().map(|own| own == name))
                    .unwrap_or(false)
        }
        Some(_) => true,
        None => false,
    }
}

/// Whether a request names this daemon, and not another site whose name was made to lead here.
pub fn names_us(headers: &HeaderMap, uri: &Uri, external_url: &str) -> bool {
    let host = headers.get(header::HOST).map(|value| value.to_str().unwrap_or("?"));
    let host = host.or_else(|| uri.authority().map(Authority::as_str));
    // No browser leaves it out.
    host.is_none_or(|host| is_own_name(host, external_url))
}

/// Counts requests by handler, method and status, and how long they took.
pub async fn count(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let handler = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let method = method_word(request.method());
    let began = state.clock.now();
    let response = next.run(request).await;
    let took = u64::try_from(state.clock.now().since(began)).unwrap_or(0);
    state.stats.http_duration.observe(Duration::from_millis(took));
    state
        .stats
        .http_requests
        .add(&[&handler, method, response.status().as_str()], 1);
    response
}

/// Anybody may invent methods; they must not invent label values.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Whether a request comes from this machine itself, and not through a proxy on it.
pub fn is_from_loopback(request: &Request) -> bool {
    let forwarded = [
        header::FORWARDED.as_str(),
        header::VIA.as_str(),
        "x-forwarded-for",
        "x-real-ip",
    ]
    .iter()
    .any(|name| request.headers().contains_key(*name));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    !forwarded && peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
}

/// What a handler that panicked answers.
pub fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked");
    ApiError::internal("nines failed to answer this request; the log says why").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_sites_pages_are_foreign() {
        for (names, foreign) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site")], true),
            (
                vec![("origin", "http://nines.example:8999"), ("host", "nines.example:8999")],
                false,
            ),
            (
                vec![("origin", "http://evil.example"), ("host", "nines.example:8999")],
                true,
            ),
            (vec![("origin", "http://evil.example"), ("host", "evil.example")], true),
            (
                vec![("origin", "http://127.0.0.1:8999"), ("host", "127.0.0.1:8999")],
                false,
            ),
            (vec![("origin", "null"), ("host", "nines.example:8999")], true),
            (vec![("origin", "http://nines.example:8999")], true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in &names {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(
                is_foreign(&headers, &Uri::from_static("/x"), "https://nines.example/slo"),
                foreign,
                "{names:?}"
            );
        }
    }
}
