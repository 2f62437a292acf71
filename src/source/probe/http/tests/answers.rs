//! Answers and what modules want of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use regex::bytes::Regex;
use serde_json::json;
use serde_json_path::JsonPath;

use super::*;
use crate::domain::indicator::CompareOp;
use crate::source::probe::settings::{HeaderMatch, JsonCondition, JsonTest};

fn regexp(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

fn header(header: &str, text: &str, allow_missing: bool) -> Vec<HeaderMatch> {
    vec![HeaderMatch {
        header: header.to_owned(),
        regexp: regexp(text),
        allow_missing,
    }]
}

fn condition(path: &str, test: JsonTest) -> Vec<JsonCondition> {
    vec![JsonCondition {
        path: JsonPath::parse(path).unwrap(),
        written: path.to_owned(),
        test,
    }]
}

async fn check(answer: Vec<u8>, cases: Vec<(&str, HttpModule, Reason)>) {
    let server = Server::acting(vec![Act::Send(answer)]).await;
    for (sentence, module, reason) in cases {
        let ended = probe(&format!("http://{}/", server.address), &module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        let judges_text = !module.fail_if_header_matches.is_empty()
            || !module.fail_if_header_not_matches.is_empty()
            || !module.fail_if_body_matches.is_empty()
            || !module.fail_if_body_not_matches.is_empty();
        let by_regex = judges_text && matches!(reason, Reason::HeaderMismatch | Reason::BodyMismatch);
        assert_eq!(
            ended.value("probe_failed_due_to_regex"),
            Some(f64::from(u8::from(by_regex))),
            "{sentence}"
        );
        assert_eq!(ended.value("probe_http_status_code"), Some(200.0), "{sentence}");
    }
}

#[tokio::test]
async fn status_and_version_must_be_valid() {
    let codes = |codes: &[u16]| HttpModule {
        valid_status_codes: codes.to_vec(),
        ..module()
    };
    let versions = |versions: &[&str]| HttpModule {
        valid_http_versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        ..module()
    };
    for (sentence, status, module, reason) in [
        ("2xx will do", "200 OK", module(), Reason::Ok),
        ("another of them", "204 No Content", module(), Reason::Ok),
        ("not found", "404 Not Found", module(), Reason::HttpStatus),
        ("an error", "503 Service Unavailable", module(), Reason::HttpStatus),
        ("wanted so", "404 Not Found", codes(&[403, 404]), Reason::Ok),
        ("not wanted so", "200 OK", codes(&[404]), Reason::HttpStatus),
        ("a redirect to nowhere", "302 Found", module(), Reason::HttpStatus),
        ("its version", "200 OK", versions(&["HTTP/2.0", "HTTP/1.1"]), Reason::Ok),
        (
            "another version",
            "200 OK",
            versions(&["HTTP/2.0"]),
            Reason::HttpVersion,
        ),
    ] {
        let server = Server::answering(status, "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "").await;
        let ended = probe(&server.address.to_string(), &module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        assert_eq!(
            ended.value("probe_http_status_code"),
            status[..3].parse().ok(),
            "{sentence}"
        );
        assert_eq!(ended.value("probe_http_version"), Some(1.1), "{sentence}");
        let changed = ended.value("probe_http_last_modified_timestamp_seconds");
        assert_eq!(changed, Some(1_445_412_480.0), "{sentence}");
    }
}

#[tokio::test]
async fn the_length_is_what_comes_over_the_wire() {
    let wanting = |method: &str| HttpModule {
        method: method.to_owned(),
        ..module()
    };
    for (sentence, answer, method, expected) in [
        ("said", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 5.0),
        ("not said", "HTTP/1.1 200 OK\r\n\r\nhello", "GET", -1.0),
        (
            "in chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET",
            -1.0,
        ),
        ("no body", "HTTP/1.1 204 No Content\r\n\r\n", "GET", 0.0),
        (
            "no body though it is said",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "GET",
            0.0,
        ),
        (
            "the length that GET would have",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HEAD",
            5.0,
        ),
        ("the length that nobody says", "HTTP/1.1 200 OK\r\n\r\n", "HEAD", -1.0),
    ] {
        let server = Server::acting(vec![Act::Send(answer.as_bytes().to_vec())]).await;
        let ended = probe(&server.address.to_string(), &wanting(method)).await;
        assert_eq!(ended.value("probe_http_content_length"), Some(expected), "{sentence}");
    }
}

#[tokio::test]
async fn what_is_no_whole_answer_is_a_fault_of_its_own() {
    let acting = async |bytes: &str| Server::acting(vec![Act::Send(bytes.as_bytes().to_vec())]).await;
    for (sentence, answer, reason) in [
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", Reason::Protocol),
        ("nothing", "", Reason::ConnectionClosed),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-", Reason::ConnectionClosed),
        (
            "half a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            Reason::ConnectionClosed,
        ),
        (
            "half a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            Reason::ConnectionClosed,
        ),
        (
            "no chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            Reason::Protocol,
        ),
        ("a body until the end", "HTTP/1.0 200 OK\r\n\r\nhello", Reason::Ok),
    ] {
        let server = acting(answer).await;
        let ended = probe(&server.address.to_string(), &module()).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
    }
    let server = acting(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(300 * 1024))).await;
    let ended = probe(&server.address.to_string(), &module()).await;
    assert_eq!(ended.reason, Reason::Protocol, "{}", ended.detail);
    let nobody = format!("127.0.0.1:{}", free_port());
    assert_eq!(probe(&nobody, &module()).await.reason, Reason::ConnectRefused);
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn headers_must_be_as_they_should() {
    let failing = |header| HttpModule {
        fail_if_header_matches: header,
        ..module()
    };
    let wanting = |header| HttpModule {
        fail_if_header_not_matches: header,
        ..module()
    };
    let answer = response("200 OK", "Server: shop\r\nVia: a\r\nVia: b\r\n", "");
    check(
        answer,
        vec![
            (
                "matches",
                failing(header("server", "^shop", false)),
                Reason::HeaderMismatch,
            ),
            ("does not match", failing(header("Server", "^pay", false)), Reason::Ok),
            (
                "one of several matches",
                failing(header("Via", "b", false)),
                Reason::HeaderMismatch,
            ),
            (
                "is missing",
                failing(header("X-Other", "b", false)),
                Reason::HeaderMismatch,
            ),
            ("may be missing", failing(header("X-Other", "b", true)), Reason::Ok),
            (
                "matches as wanted",
                wanting(header("Server", "shop", false)),
                Reason::Ok,
            ),
            (
                "does not match as wanted",
                wanting(header("Server", "pay", false)),
                Reason::HeaderMismatch,
            ),
            (
                "one of several as wanted",
                wanting(header("Via", "a", false)),
                Reason::Ok,
            ),
            (
                "is missing and wanted",
                wanting(header("X-Other", "b", false)),
                Reason::HeaderMismatch,
            ),
            (
                "may be missing though wanted",
                wanting(header("X-Other", "b", true)),
                Reason::Ok,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn bodies_must_be_as_they_should() {
    let failing = |text| HttpModule {
        fail_if_body_matches: vec![regexp(text)],
        ..module()
    };
    let wanting = |text| HttpModule {
        fail_if_body_not_matches: vec![regexp("welcome"), regexp(text)],
        ..module()
    };
    let limited = |body_size_limit, text: &str| HttpModule {
        body_size_limit,
        fail_if_body_not_matches: vec![regexp(text)],
        ..module()
    };
    let body = "welcome to the shop";
    check(
        response("200 OK", "", body),
        vec![
            ("matches", failing("(?i)SHOP"), Reason::BodyMismatch),
            ("does not match", failing("error"), Reason::Ok),
            ("matches as wanted", wanting("shop$"), Reason::Ok),
            ("does not match as wanted", wanting("checkout"), Reason::BodyMismatch),
            (
                "just as large as it may be",
                limited(body.len() as u64, "shop"),
                Reason::Ok,
            ),
            ("larger", limited(body.len() as u64 - 1, "shop"), Reason::TooLarge),
            (
                "larger, and nobody looks at it",
                HttpModule {
                    body_size_limit: 5,
                    ..module()
                },
                Reason::TooLarge,
            ),
            (
                "no JSON",
                HttpModule {
                    json_conditions: condition("$.a", JsonTest::Exists),
                    ..module()
                },
                Reason::JsonMismatch,
            ),
            (
                "no TLS",
                HttpModule {
                    fail_if_not_ssl: true,
                    ..module()
                },
                Reason::NotTls,
            ),
            (
                "no TLS, as wanted",
                HttpModule {
                    fail_if_ssl: true,
                    ..module()
                },
                Reason::Ok,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn json_must_be_as_it_should() {
    let asking = |path, test| HttpModule {
        json_conditions: condition(path, test),
        ..module()
    };
    let failing = |text: &str| HttpModule {
        fail_if_json_matches_cel: Some(text.to_owned()),
        ..module()
    };
    let wanting = |text: &str| HttpModule {
        fail_if_json_not_matches_cel: Some(text.to_owned()),
        ..module()
    };
    let body = json!({"status": "ok", "count": 3, "checks": [{"up": true, "ms": 12}, {"up": true, "ms": 80.5}]});
    let all = "$.checks[*].ms";
    let bad = Reason::JsonMismatch;
    check(
        response("200 OK", "", body.to_string()),
        vec![
            ("is there", asking("$.status", JsonTest::Exists), Reason::Ok),
            ("is not there", asking("$.state", JsonTest::Exists), bad),
            (
                "is equal",
                asking("$.status", JsonTest::Equals(json!("ok"))),
                Reason::Ok,
            ),
            ("is not equal", asking("$.status", JsonTest::Equals(json!("down"))), bad),
            (
                "an equal number, written otherwise",
                asking("$.count", JsonTest::Equals(json!(3.0))),
                Reason::Ok,
            ),
            (
                "all are true",
                asking("$.checks[*].up", JsonTest::Equals(json!(true))),
                Reason::Ok,
            ),
            (
                "all are small",
                asking(all, JsonTest::Compares(CompareOp::Lt, 100.0)),
                Reason::Ok,
            ),
            ("one is not", asking(all, JsonTest::Compares(CompareOp::Lt, 80.0)), bad),
            (
                "a text is no number",
                asking("$.status", JsonTest::Compares(CompareOp::Lt, 80.0)),
                bad,
            ),
            (
                "matches",
                asking("$.status", JsonTest::Matches(regexp("^o"))),
                Reason::Ok,
            ),
            (
                "a number matches",
                asking("$.count", JsonTest::Matches(regexp("^3$"))),
                Reason::Ok,
            ),
            (
                "does not match",
                asking("$.status", JsonTest::Matches(regexp("^x"))),
                bad,
            ),
            ("CEL that should not hold", failing("body.status == 'ok'"), bad),
            ("CEL that does not hold", failing("body.status != 'ok'"), Reason::Ok),
            (
                "CEL as wanted",
                wanting("body.status == 'ok' && body.checks.all(c, c.up)"),
                Reason::Ok,
            ),
            (
                "CEL compares numbers",
                wanting("body.count == 3 && body.count > 2 && body.checks[0].ms < 13.5"),
                Reason::Ok,
            ),
            ("CEL not as wanted", wanting("body.checks.exists(c, c.ms > 100.0)"), bad),
            ("CEL of what is not there", wanting("body.state == 'ok'"), bad),
            ("CEL that gives no truth", wanting("body.status"), bad),
            ("CEL that cannot be read", wanting("body.("), Reason::Misconfigured),
        ],
    )
    .await;
}

fn packed(packing: &str, body: &[u8]) -> Vec<u8> {
    match packing {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "zlib" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        // "hello" in Brotli, stored and ended.
        "br" => vec![0x0f, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03],
        _ => body.to_vec(),
    }
}

#[tokio::test]
async fn packed_bodies_are_unpacked_as_the_module_says() {
    for (sentence, packing, said, cut, reason) in [
        ("gzip", "gzip", "gzip", 0, Reason::Ok),
        (
            "deflate as blackbox exporter has it",
            "deflate",
            "deflate",
            0,
            Reason::Ok,
        ),
        ("deflate as the standard has it", "zlib", "deflate", 0, Reason::Ok),
        ("Brotli", "br", "br", 0, Reason::Ok),
        ("nothing", "identity", "identity", 0, Reason::Ok),
        ("not packed", "identity", "gzip", 0, Reason::BodyMismatch),
        ("packed, and not said so", "gzip", "identity", 0, Reason::BodyMismatch),
        ("no Brotli", "gzip", "br", 0, Reason::BodyMismatch),
        ("half of gzip", "gzip", "gzip", 9, Reason::BodyMismatch),
        ("half of Brotli", "br", "br", 2, Reason::BodyMismatch),
    ] {
        let mut body = packed(packing, b"hello");
        body.truncate(body.len() - cut);
        let server = Server::answering("200 OK", "", body).await;
        let module = HttpModule {
            compression: Some(said.to_owned()),
            fail_if_body_not_matches: vec![regexp("^hello$")],
            ..module()
        };
        let ended = probe(&server.address.to_string(), &module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        assert!(
            server.last_request().contains(&format!("accept-encoding: {said}\r\n")),
            "{sentence}"
        );
        if reason == Reason::Ok {
            assert_eq!(
                ended.value("probe_http_uncompressed_body_length"),
                Some(5.0),
                "{sentence}"
            );
        }
    }
}

#[tokio::test]
async fn a_bomb_is_unpacked_only_so_far() {
    let bomb = packed("gzip", &vec![0; 32 << 20]);
    let server = Server::answering("200 OK", "", bomb).await;
    let module = HttpModule {
        compression: Some("gzip".to_owned()),
        body_size_limit: 1 << 20,
        fail_if_body_matches: vec![regexp("x")],
        ..module()
    };
    let ended = probe(&server.address.to_string(), &module).await;
    assert_eq!(ended.reason, Reason::TooLarge, "{}", ended.detail);
    assert_eq!(
        ended.value("probe_http_uncompressed_body_length"),
        Some(f64::from(1 << 20))
    );
}

#[tokio::test]
async fn a_body_without_an_end_is_read_only_so_far() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = Server::acting(vec![Act::Send(head), Act::Repeat(vec![b'x'; 1 << 20])]).await;
    let wanting = HttpModule {
        fail_if_body_matches: vec![regexp("y")],
        ..module()
    };
    // A body that nobody has limited is good; one that must be looked at as a whole is not.
    for (module, reason) in [(module(), Reason::Ok), (wanting, Reason::TooLarge)] {
        let ended = probe(&server.address.to_string(), &module).await;
        assert_eq!(ended.reason, reason, "{}", ended.detail);
    }
}

#[tokio::test]
async fn interim_answers_without_an_end_are_no_answer() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100);
    let server = Server::acting(vec![Act::Repeat(interim.clone())]).await;
    let ended = probe(&server.address.to_string(), &module()).await;
    assert_eq!(ended.reason, Reason::Protocol, "{}", ended.detail);
    assert!(ended.detail.contains("before the head"), "{}", ended.detail);
    let whole = [interim, response("200 OK", "", vec![b'x'; 3 << 20])].concat();
    let server = Server::acting(vec![Act::Send(whole)]).await;
    let ended = probe(&server.address.to_string(), &module()).await;
    assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
}
