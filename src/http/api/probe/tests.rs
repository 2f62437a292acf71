use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use sha2::{Digest, Sha256};

use crate::engine::ports::Admission;
use crate::http::testing::probes::Probes;
use crate::http::testing::{ask, request, state};

const TOKEN: &str = "a-token-that-is-long-enough";

async fn answer(
    admission: Admission,
    peer: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String, Vec<u128>) {
    let mut state = state();
    let probes = Arc::new(Probes {
        admission,
        ..Probes::default()
    });
    state.probes = probes.clone();
    let mut request = request("GET", path, "");
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(ConnectInfo(peer));
    for (name, value) in headers {
        let name = axum::http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (status, headers, text) = ask(&state, request).await;
    if status == StatusCode::UNAUTHORIZED {
        assert!(headers.contains_key("www-authenticate"));
    }
    let asked = probes.asked.lock().expect("nobody panics");
    (
        status,
        text,
        asked.iter().map(|asked| asked.timeout.as_millis()).collect(),
    )
}

#[tokio::test]
async fn only_who_may_ask_is_answered() {
    let token = Admission::Token(Sha256::digest(TOKEN).into());
    let bearer = format!("Bearer {TOKEN}");
    let (here, there) = ("127.0.0.1:5", "192.0.2.1:5");
    for (what, admission, peer, headers, status) in [
        ("this machine", Admission::Loopback, here, vec![], 200),
        ("another machine", Admission::Loopback, there, vec![], 403),
        (
            "through a proxy",
            Admission::Loopback,
            here,
            vec![("x-forwarded-for", "192.0.2.1")],
            403,
        ),
        ("no token on this machine", token, here, vec![], 401),
        ("the token", token, there, vec![("authorization", bearer.as_str())], 200),
        (
            "in small letters",
            token,
            there,
            vec![("authorization", "bearer a-token-that-is-long-enough")],
            200,
        ),
        (
            "another token",
            token,
            there,
            vec![("authorization", "Bearer a-token-that-is-long-enough2")],
            401,
        ),
        ("a user", token, there, vec![("authorization", "Basic YTpi")], 401),
        ("only the token", token, there, vec![("authorization", TOKEN)], 401),
        (
            "another site's name that was made to lead here",
            Admission::Loopback,
            here,
            vec![("host", "evil.example:8999"), ("sec-fetch-site", "same-origin")],
            403,
        ),
        (
            "this machine by name",
            Admission::Loopback,
            here,
            vec![("host", "localhost:8999")],
            200,
        ),
        (
            "through a proxy",
            Admission::Loopback,
            here,
            vec![("via", "1.1 proxy")],
            403,
        ),
        (
            "another site's page",
            Admission::Loopback,
            here,
            vec![("sec-fetch-site", "cross-site")],
            403,
        ),
    ] {
        let (found, text, asked) = answer(admission, peer, "/probe?target=x", &headers).await;
        assert_eq!(found.as_u16(), status, "{what}: {text}");
        assert_eq!(asked.len(), usize::from(status == 200), "{what}");
    }
}

#[tokio::test]
async fn a_probe_is_answered_as_blackbox_exporter_does() {
    for (path, status, part) in [
        ("/probe?target=x", 200, "probe_http_status_code 200\n"),
        (
            "/probe?target=x&module=",
            200,
            "# TYPE probe_success gauge\nprobe_success 1\n",
        ),
        (
            "/probe?target=x&debug=true",
            200,
            "Metrics that would have been returned:",
        ),
        ("/probe", 400, "Target parameter is missing"),
        ("/probe?target=", 400, "Target parameter is missing"),
        ("/probe?target=wrong&module=x", 400, "Unknown module"),
        ("/probe?target=busy", 429, "too many probes"),
    ] {
        let (found, text, _) = answer(Admission::Loopback, "127.0.0.1:5", path, &[]).await;
        assert_eq!(found.as_u16(), status, "{path}: {text}");
        assert!(text.contains(part), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_probe_ends_before_prometheus_gives_up() {
    for (written, timeout) in [
        (None, Some(28_000)),
        (Some("10"), Some(9_500)),
        (Some("0.2"), Some(200)),
        (Some("0"), Some(28_000)),
        (Some("1000"), Some(28_000)),
        (Some("-1"), None),
        (Some("NaN"), None),
        (Some("1e300"), None),
        (Some("x"), None),
    ] {
        let headers: Vec<_> = written
            .map(|text| ("x-prometheus-scrape-timeout-seconds", text))
            .into_iter()
            .collect();
        let (status, _, asked) = answer(Admission::Loopback, "127.0.0.1:5", "/probe?target=x", &headers).await;
        assert_eq!(asked.first().copied(), timeout, "{written:?}");
        assert_eq!(
            status.as_u16(),
            if timeout.is_some() { 200 } else { 400 },
            "{written:?}"
        );
    }
}
