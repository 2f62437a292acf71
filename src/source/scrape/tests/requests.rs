//! How targets are asked: tokens of `oauth2`, proxies, headers, compression.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};

use super::server::Server;
use super::{job, labels, selection};
use crate::domain::reading::{Missing, MissingReason, Reading};
use crate::engine::ports::ListedTarget;
use crate::secret::Secret;
use crate::source::scrape::discovery::list_once;
use crate::source::scrape::settings::{
    Auth, HttpSettings, OAuth2, ProxySettings, ScrapeJob, SecretHeader, SecretSource, TargetGroup, TlsSettings,
};

const TEXT: &str = "Content-Type: text/plain\r\n";

fn target(http: HttpSettings, address: &str) -> ListedTarget {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shop = ScrapeJob {
        http,
        static_targets: vec![TargetGroup {
            targets: vec![address.to_owned()],
            labels: labels(&[]),
        }],
        ..job("shop")
    };
    list_once(vec![shop]).remove(0)
}

async fn visit(target: &ListedTarget) -> Result<(), Missing> {
    match target.visitor.visit(&selection(&["a_total"])).await {
        Reading::Page(_) => Ok(()),
        Reading::Missing(missing) => Err(missing),
    }
}

/// A server of tokens and a target that takes only the last of them.
#[derive(Default)]
struct Guarded {
    /// The bodies, and the `Authorization` of all requests for tokens.
    asked: Vec<(String, String)>,
    /// How many tokens were given.
    given: u32,
    /// What is written behind `expires_in`.
    expires_in: String,
    /// Credentials are taken from the body only.
    only_in_body: bool,
    /// The target takes no token that was given before.
    revoked: u32,
    visits: u32,
}

type Shared = Arc<Mutex<Guarded>>;

async fn give(State(guarded): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let mut guarded = guarded.lock().unwrap();
    let said = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    guarded.asked.push((body.clone(), said.to_owned()));
    let in_body = body.contains("client_secret=s%26cret");
    let is_known = if guarded.only_in_body {
        in_body
    } else {
        said == "Basic bWU6cyUyNmNyZXQ=" || in_body
    };
    if !is_known {
        let why = r#"{"error":"invalid_client","error_description":"who are you?"}"#;
        return (StatusCode::UNAUTHORIZED, why.to_owned());
    }
    guarded.given += 1;
    let expires_in = if guarded.expires_in.is_empty() {
        "3600"
    } else {
        &guarded.expires_in
    };
    let token = format!("t{}", guarded.given);
    (
        StatusCode::OK,
        format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{expires_in}}}"#),
    )
}

async fn page(State(guarded): State<Shared>, headers: HeaderMap) -> (StatusCode, &'static str) {
    let mut guarded = guarded.lock().unwrap();
    guarded.visits += 1;
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let number = token
        .strip_prefix("Bearer t")
        .and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(number) if number > guarded.revoked => (StatusCode::OK, "a_total 1\n"),
        _ => (StatusCode::UNAUTHORIZED, ""),
    }
}

/// The state of the server, its address, and settings that get tokens from it.
async fn guarded(secret: &str) -> (Shared, String, HttpSettings) {
    let shared = Shared::default();
    let router = Router::new()
        .route("/token", post(give))
        .route("/metrics", get(page))
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let oauth2 = OAuth2 {
        client_id: "me".to_owned(),
        client_secret: SecretSource::Inline(Secret::new(secret)),
        token_url: format!("http://{address}/token"),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        endpoint_params: BTreeMap::from([("audience".to_owned(), Secret::new("metrics"))]),
        tls: TlsSettings::default(),
        proxy: ProxySettings::default(),
    };
    let http = HttpSettings {
        auth: Auth::OAuth2(Box::new(oauth2)),
        ..HttpSettings::default()
    };
    (shared, address, http)
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let (shared, address, http) = guarded("s&cret").await;
    let target = target(http, &address);
    for _ in 0..3 {
        visit(&target).await.unwrap();
    }
    {
        let mut guarded = shared.lock().unwrap();
        let body = "grant_type=client_credentials&scope=read+write&audience=metrics";
        assert_eq!(guarded.asked, [(body.to_owned(), "Basic bWU6cyUyNmNyZXQ=".to_owned())]);
        guarded.revoked = 1;
        guarded.visits = 0;
    }
    visit(&target).await.unwrap();
    let guarded = shared.lock().unwrap();
    assert_eq!((guarded.given, guarded.visits), (2, 2), "one more token, one more try");
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_not_used() {
    for (expires_in, given) in [("10", 2), (r#""9""#, 2), (r#""3600""#, 1), ("null", 1), ("0", 1)] {
        let (shared, address, http) = guarded("s&cret").await;
        shared.lock().unwrap().expires_in = expires_in.to_owned();
        let target = target(http, &address);
        visit(&target).await.unwrap();
        visit(&target).await.unwrap();
        assert_eq!(shared.lock().unwrap().given, given, "{expires_in}");
    }
}

#[tokio::test]
async fn a_server_that_wants_the_credentials_in_the_body_gets_them_there() {
    let (shared, address, http) = guarded("s&cret").await;
    shared.lock().unwrap().only_in_body = true;
    let target = target(http, &address);
    visit(&target).await.unwrap();
    shared.lock().unwrap().revoked = 1;
    visit(&target).await.unwrap();
    let guarded = shared.lock().unwrap();
    let in_header: Vec<bool> = guarded.asked.iter().map(|(_, said)| !said.is_empty()).collect();
    assert_eq!(in_header, [true, false, false]);
}

#[tokio::test]
async fn why_there_is_no_token_is_why_the_visit_failed() {
    let (shared, address, http) = guarded("wrong").await;
    let target = target(http, &address);
    let why = visit(&target).await.unwrap_err();
    assert_eq!(why.reason, MissingReason::Status);
    assert_eq!(
        why.detail,
        "no token from oauth2's token_url: HTTP status 401 Unauthorized (invalid_client: who are you?)"
    );
    let asked = shared.lock().unwrap().asked.len();
    visit(&target).await.unwrap_err();
    assert_eq!(
        shared.lock().unwrap().asked.len(),
        asked,
        "the server is left alone for a while"
    );
    assert_eq!(shared.lock().unwrap().visits, 0);
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_target_unless_it_is_excepted() {
    let (proxy, direct) = (
        Server::answering("200 OK", TEXT, "a_total 1\n").await,
        Server::answering("200 OK", TEXT, "a_total 1\n").await,
    );
    let through = |no_proxy: &str| HttpSettings {
        proxy: ProxySettings {
            url: Some(Secret::new(format!("http://me:pw@{}", proxy.address))),
            no_proxy: no_proxy.to_owned(),
            ..ProxySettings::default()
        },
        ..HttpSettings::default()
    };
    let far = target(through(""), "target.invalid:9100");
    visit(&far).await.unwrap();
    visit(&far).await.unwrap();
    let request = proxy.last_request().to_lowercase();
    assert!(
        request.starts_with("get http://target.invalid:9100/metrics"),
        "{request}"
    );
    assert!(request.contains("proxy-authorization: basic"), "{request}");
    assert!(
        request.contains("accept-encoding: zstd"),
        "the proxy is near, the target is not: {request}"
    );
    visit(&target(through("127.0.0.0/8"), &direct.address.to_string()))
        .await
        .unwrap();
    assert_eq!((proxy.count(), direct.count()), (2, 1));
}

#[tokio::test]
async fn headers_of_the_config_are_sent_and_secret_ones_stay_with_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenant");
    std::fs::write(&file, "from-file\n").unwrap();
    let headers = |is_secret| HttpSettings {
        headers: vec![SecretHeader {
            name: "X-Tenant".to_owned(),
            values: vec![
                SecretSource::Inline(Secret::new("a b")),
                SecretSource::File(file.clone()),
            ],
            is_secret,
        }],
        ..HttpSettings::default()
    };
    let end = Server::answering("200 OK", TEXT, "a_total 1\n").await;
    visit(&target(headers(true), &end.address.to_string())).await.unwrap();
    let request = end.last_request().to_lowercase();
    assert!(
        request.contains("x-tenant: a b\r\nx-tenant: from-file\r\n"),
        "{request}"
    );
    let to = format!("Location: http://{}/metrics\r\n", end.address);
    let begin = Server::answering("302 Found", &to, "").await;
    visit(&target(headers(false), &begin.address.to_string()))
        .await
        .unwrap();
    let why = visit(&target(headers(true), &begin.address.to_string()))
        .await
        .unwrap_err();
    assert_eq!((why.reason, end.count()), (MissingReason::Status, 2));
}

#[tokio::test]
async fn compression_is_asked_for_first_and_then_only_where_the_target_is_not_on_this_machine() {
    let server = Server::answering("200 OK", TEXT, "a_total 1\n").await;
    let encodings = || {
        let heard = server.requests.lock().unwrap();
        let encoding = |head: &String| {
            let line = head
                .lines()
                .find(|line| line.to_lowercase().starts_with("accept-encoding: "));
            line.unwrap_or_default()["accept-encoding: ".len()..].to_owned()
        };
        heard.iter().map(encoding).collect::<Vec<_>>()
    };
    let near = target(HttpSettings::default(), &server.address.to_string());
    visit(&near).await.unwrap();
    visit(&near).await.unwrap();
    assert_eq!(encodings(), ["zstd, gzip;q=0.5", "identity"]);
    let asked = list_once(vec![ScrapeJob {
        compression: Some(true),
        static_targets: vec![TargetGroup {
            targets: vec![server.address.to_string()],
            labels: labels(&[]),
        }],
        ..job("asked")
    }])
    .remove(0);
    visit(&asked).await.unwrap();
    visit(&asked).await.unwrap();
    assert_eq!(encodings()[2..], ["zstd, gzip;q=0.5", "zstd, gzip;q=0.5"]);
}

const BY_THE_ENVIRONMENT: &str = "source::scrape::tests::requests::visits_go_where_the_environment_says";

#[tokio::test]
#[ignore = "what it sees depends on the environment; the test below runs it in one with a proxy"]
async fn visits_go_where_the_environment_says() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let through = |from_environment| HttpSettings {
        proxy: ProxySettings {
            from_environment,
            ..ProxySettings::default()
        },
        ..HttpSettings::default()
    };
    visit(&target(through(true), "target.invalid:9100")).await.unwrap();
    for (settings, address) in [
        (through(true), "excepted.invalid:9100"),
        (through(false), "target.invalid:9100"),
    ] {
        let why = visit(&target(settings, address)).await.unwrap_err();
        assert_eq!(why.reason, MissingReason::Dns, "{address}: {why}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_where_the_config_says_so() {
    let proxy = Server::answering("200 OK", TEXT, "a_total 1\n").await;
    let mut tests = tokio::process::Command::new(std::env::current_exe().unwrap());
    tests.args(["--exact", BY_THE_ENVIRONMENT, "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "http_proxy"] {
        tests.env(name, format!("http://{}", proxy.address));
    }
    for name in ["NO_PROXY", "no_proxy"] {
        tests.env(name, "excepted.invalid");
    }
    // A program that answers web requests does not believe this variable.
    tests.env_remove("REQUEST_METHOD");
    let ran = tests.output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.count(), 1);
    assert!(
        proxy
            .last_request()
            .starts_with("GET http://target.invalid:9100/metrics ")
    );
}
