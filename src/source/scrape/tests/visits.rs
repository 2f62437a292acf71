//! Visits to servers that behave and to servers that do not.

use std::sync::Arc;
use std::time::Duration;

use super::protobuf::encoder;
use super::server::{Act, Server, response};
use super::{job, labels, selection};
use crate::domain::reading::{Missing, MissingReason, Page, Reading};
use crate::engine::ports::ListedTarget;
use crate::secret::Secret;
use crate::source::scrape::discovery::list_once;
use crate::source::scrape::settings::{Auth, HttpSettings, Protocol, Protocols, ScrapeJob, SecretSource, TargetGroup};

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";
const OPEN_METRICS: &str = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
const PAGE: &str = "# TYPE a_total counter\na_total{code=\"200\"} 12345\nb_total 1\nprocess_start_time_seconds 1.5e9\n";

/// The one target of a job at this address.
fn listed(mut job: ScrapeJob, address: impl Into<String>) -> ListedTarget {
    let _ = rustls::crypto::ring::default_provider().install_default();
    job.static_targets = vec![TargetGroup {
        targets: vec![address.into()],
        labels: labels(&[("env", "prod")]),
    }];
    list_once(vec![job]).remove(0)
}

fn authorized(auth: Auth) -> HttpSettings {
    HttpSettings {
        auth,
        ..HttpSettings::default()
    }
}

fn quick() -> ScrapeJob {
    ScrapeJob {
        timeout: Duration::from_millis(200),
        ..job("shop")
    }
}

async fn visit(job: ScrapeJob, server: &Server) -> Reading {
    listed(job, server.address.to_string())
        .visitor
        .visit(&selection(&["a_total"]))
        .await
}

fn page(reading: Reading) -> Page {
    match reading {
        Reading::Page(page) => page,
        Reading::Missing(missing) => panic!("{missing}"),
    }
}

fn missing(reading: Reading) -> (MissingReason, String) {
    match reading {
        Reading::Page(page) => panic!("{page:?}"),
        Reading::Missing(Missing { reason, detail }) => (reason, detail),
    }
}

#[tokio::test]
async fn a_page_gives_the_selected_series_and_the_process_start() {
    let server = Server::answering("200 OK", TEXT, PAGE).await;
    let page = page(visit(job("shop"), &server).await);
    let samples: Vec<_> = page
        .samples
        .iter()
        .map(|sample| (sample.series.key.as_str(), sample.value))
        .collect();
    assert_eq!(samples, [(r#"a_total{code="200"}"#, 12345.0)]);
    assert_eq!(
        (page.process_start, page.samples_seen, page.bytes),
        (Some(1.5e9), 3, PAGE.len() as u64)
    );
}

#[tokio::test]
async fn a_page_in_protobuf_gives_what_its_text_gives() {
    const PROTOBUF: &str = "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n";
    let body = encoder::page(&[
        encoder::family(
            "a_total",
            encoder::COUNTER,
            [encoder::counter(&[("code", "200")], 12345.0, None)],
        ),
        encoder::family("b_total", encoder::COUNTER, [encoder::counter(&[], 1.0, None)]),
    ]);
    let server = Server::answering("200 OK", PROTOBUF, &body[..body.len() - 3]).await;
    let preferring = ScrapeJob {
        protocols: Protocols {
            accepted: Protocol::ALL.to_vec(),
            fallback: None,
        },
        ..job("shop")
    };
    let refused = missing(visit(preferring.clone(), &server).await);
    assert_eq!(refused.0, MissingReason::Format);
    assert!(
        refused
            .1
            .starts_with("the page is not understood: byte 45: the page ends"),
        "{refused:?}"
    );
    let accept =
        "accept: application/vnd.google.protobuf;proto=io.prometheus.client.metricfamily;encoding=delimited;q=0.6,";
    assert!(server.last_request().to_lowercase().contains(accept));
    let server = Server::answering("200 OK", PROTOBUF, &body).await;
    let page = page(visit(preferring, &server).await);
    assert_eq!(
        (page.samples.len(), page.samples[0].value, page.samples_seen),
        (1, 12345.0, 2)
    );
}

#[tokio::test]
async fn a_request_says_what_it_wants_and_connections_are_kept() {
    let server = Server::answering("200 OK", TEXT, PAGE).await;
    let target = listed(job("shop"), server.address.to_string());
    for _ in 0..3 {
        page(target.visitor.visit(&selection(&["a_total"])).await);
    }
    let request = server.last_request().to_lowercase();
    for expected in [
        "get /metrics http/1.1\r\n",
        "accept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
        // Pages from this machine come plain.
        "accept-encoding: identity\r\n",
        "x-prometheus-scrape-timeout-seconds: 10\r\n",
        concat!("user-agent: nines/", env!("CARGO_PKG_VERSION"), "\r\n"),
    ] {
        assert!(request.contains(expected), "{expected:?} in {request}");
    }
    assert_eq!(*server.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_other_side_has_given_up_costs_no_visit() {
    let server = Server::forgetting(vec![Act::Send(response("200 OK", TEXT, PAGE))]).await;
    let target = listed(job("shop"), server.address.to_string());
    for _ in 0..3 {
        page(target.visitor.visit(&selection(&["a_total"])).await);
    }
    assert_eq!(*server.connections.lock().unwrap(), 3);
}

#[tokio::test]
async fn without_compression_gzip_is_not_asked_for() {
    let server = Server::answering("200 OK", TEXT, PAGE).await;
    let plain = ScrapeJob {
        compression: Some(false),
        ..job("shop")
    };
    page(visit(plain, &server).await);
    assert!(server.last_request().contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn credentials_are_sent_and_files_are_read_again() {
    let server = Server::answering("200 OK", TEXT, PAGE).await;
    let basic = ScrapeJob {
        http: authorized(Auth::Basic {
            username: SecretSource::Inline(Secret::new("nines")),
            password: SecretSource::Inline(Secret::new("hidden")),
        }),
        ..job("shop")
    };
    page(visit(basic, &server).await);
    assert!(
        server
            .last_request()
            .contains("authorization: Basic bmluZXM6aGlkZGVu\r\n")
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let bearer = ScrapeJob {
        http: authorized(Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(path.clone()),
        }),
        ..job("shop")
    };
    let target = listed(bearer, server.address.to_string());
    let (reason, detail) = missing(target.visitor.visit(&selection(&[])).await);
    assert_eq!(reason, MissingReason::Connect);
    assert!(detail.starts_with("the credentials cannot be read from /"), "{detail}");
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        page(target.visitor.visit(&selection(&[])).await);
        assert!(
            server
                .last_request()
                .contains(&format!("authorization: Bearer {token}\r\n"))
        );
    }
}

/// What is answered, and why it is no page: the reason and a part of the sentence.
type Broken = (&'static str, Vec<u8>, MissingReason, &'static str);

fn broken_transfers() -> Vec<Broken> {
    let half = response("200 OK", TEXT, PAGE);
    let cut = half[..half.len() - 2].to_vec();
    let chunk_cut =
        format!("HTTP/1.1 200 OK\r\n{TEXT}Transfer-Encoding: chunked\r\n\r\nb\r\na_total 123\r\n").into_bytes();
    let until_close = format!("HTTP/1.1 200 OK\r\n{TEXT}\r\na_total 123").into_bytes();
    vec![
        (
            "a status other than 200",
            response("500 Internal Server Error", TEXT, "the service is on fire"),
            MissingReason::Status,
            "HTTP status 500 Internal Server Error",
        ),
        (
            "a body that ends early",
            cut,
            MissingReason::Body,
            "the body ended early",
        ),
        (
            "a chunked body that ends early",
            chunk_cut,
            MissingReason::Body,
            "the body ended early",
        ),
        (
            "a body without a length that ends within a line",
            until_close,
            MissingReason::Format,
            "line 1, column 12: the page ends within a line",
        ),
        (
            "a body that is not UTF-8",
            response("200 OK", TEXT, b"a_total{v=\"\xff\"} 1\n"),
            MissingReason::NotUtf8,
            "the page is not UTF-8 at byte 12",
        ),
    ]
}

fn broken_contents() -> Vec<Broken> {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    vec![
        (
            "a web page",
            response("200 OK", html, "<html>"),
            MissingReason::Format,
            "the page is text/html",
        ),
        (
            "a document without a single sample",
            response("200 OK", TEXT, "{\"a\": 1}"),
            MissingReason::Format,
            "the page is not understood: line 1",
        ),
        (
            "OpenMetrics without an end",
            response("200 OK", OPEN_METRICS, "a_total 1\n"),
            MissingReason::Format,
            "the page is not understood: line 2, column 1: the page does not end with `# EOF`",
        ),
        (
            "a selected line that is broken",
            response("200 OK", TEXT, "b 1\na_total{x=1} 1\n"),
            MissingReason::Format,
            "line 2, column 11: a label's value must be quoted",
        ),
        (
            "no HTTP",
            b"SSH-2.0-OpenSSH\r\n".to_vec(),
            MissingReason::Connect,
            "no usable answer",
        ),
        ("nothing at all", Vec::new(), MissingReason::Connect, "no usable answer"),
        (
            "bad gzip",
            response("200 OK", &format!("{TEXT}Content-Encoding: gzip\r\n"), "no gzip"),
            MissingReason::Body,
            "the body ended early or could not be decoded",
        ),
    ]
}

#[tokio::test]
async fn answers_that_are_no_page_say_why() {
    for (what, answer, expected, text) in broken_transfers().into_iter().chain(broken_contents()) {
        let server = Server::acting(vec![Act::Send(answer)]).await;
        let (reason, detail) = missing(visit(job("shop"), &server).await);
        assert_eq!(reason, expected, "{what}: {detail}");
        assert!(detail.contains(text), "{what}: {detail}");
    }
}

#[tokio::test]
async fn a_visit_ends_with_its_timeout_whatever_the_other_side_does() {
    let head = format!("HTTP/1.1 200 OK\r\n{TEXT}Content-Length: 100\r\n\r\na_total 1\n").into_bytes();
    let behaviours = [
        ("no answer", vec![Act::Hang]),
        ("half a head", vec![Act::Send(b"HTTP/1.1 200".to_vec()), Act::Hang]),
        ("half a body", vec![Act::Send(head), Act::Hang]),
    ];
    for (what, acts) in behaviours {
        let server = Server::acting(acts).await;
        let (reason, detail) = missing(visit(quick(), &server).await);
        assert_eq!(
            (reason, detail.as_str()),
            (MissingReason::Timeout, "timed out after 200ms"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_page_beyond_the_limit_is_cut() {
    let limited = || ScrapeJob {
        body_size_limit: 1_000_000,
        ..job("shop")
    };
    let endless = format!("HTTP/1.1 200 OK\r\n{TEXT}\r\n").into_bytes();
    let server = Server::acting(vec![Act::Send(endless), Act::Repeat(b"junk_total 1\n".repeat(1000))]).await;
    let (reason, detail) = missing(visit(limited(), &server).await);
    assert_eq!(reason, MissingReason::TooLarge);
    assert_eq!(detail, "the page is larger than body_size_limit (1 MB)");

    let announced = format!("HTTP/1.1 200 OK\r\n{TEXT}Content-Length: 1000001\r\n\r\n").into_bytes();
    let server = Server::acting(vec![Act::Send(announced), Act::Hang]).await;
    assert_eq!(missing(visit(limited(), &server).await).0, MissingReason::TooLarge);
}

#[tokio::test]
async fn no_connection_is_told_from_an_unknown_name() {
    let server = Server::acting(vec![]).await;
    let address = server.address;
    drop(server);
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_ne!(address, unused);
    let target = listed(job("shop"), unused.to_string());
    let refused = missing(target.visitor.visit(&selection(&[])).await);
    assert_eq!(refused, (MissingReason::Connect, "connection refused".to_owned()));
    let unknown = listed(quick(), "no-such-host.invalid:80");
    let (reason, _) = missing(unknown.visitor.visit(&selection(&[])).await);
    assert!(
        matches!(reason, MissingReason::Dns | MissingReason::Timeout),
        "{reason:?}"
    );
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_or_not_at_all() {
    let end = Server::answering("200 OK", TEXT, PAGE).await;
    let to = format!("Location: http://user:hidden@{}/elsewhere\r\n", end.address);
    let begin = Server::answering("302 Found", &to, "").await;
    let with_secret = || ScrapeJob {
        http: authorized(Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::Inline(Secret::new("hidden")),
        }),
        ..job("shop")
    };
    page(visit(with_secret(), &begin).await);
    assert!(begin.last_request().contains("authorization: Bearer hidden"));
    assert!(!end.last_request().contains("Bearer hidden"), "{}", end.last_request());

    let mut stay = with_secret();
    stay.http.no_redirects = true;
    let (reason, detail) = missing(visit(stay, &begin).await);
    assert_eq!(
        (reason, detail.as_str()),
        (MissingReason::Status, "HTTP status 302 Found")
    );

    let around = Server::answering("302 Found", "Location: /metrics\r\n", "").await;
    let (reason, detail) = missing(visit(with_secret(), &around).await);
    assert_eq!((reason, detail.as_str()), (MissingReason::Status, "too many redirects"));
}

#[tokio::test]
async fn a_target_keeps_its_visitor_until_something_about_it_changes() {
    let first = listed(job("shop"), "127.0.0.1:9100");
    let mut again = crate::source::scrape::discovery::Discovery::new(vec![ScrapeJob {
        static_targets: vec![TargetGroup {
            targets: vec!["127.0.0.1:9100".to_owned()],
            labels: labels(&[("env", "prod")]),
        }],
        ..job("shop")
    }]);
    again.adopt(std::slice::from_ref(&first));
    assert!(Arc::ptr_eq(&again.list()[0].visitor, &first.visitor));
    let changed = ScrapeJob {
        honor_labels: true,
        ..job("shop")
    };
    assert_ne!(listed(changed, "127.0.0.1:9100").config_hash, first.config_hash);
}
