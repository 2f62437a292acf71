//! What every way not to answer means, and what is said about it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{EMPTY, ONE, json, packed, server, settings};
use crate::domain::time::Timestamp;
use crate::engine::ports::QueryFailureReason::{self, *};
use crate::engine::ports::{QueryFailure, QueryServer};
use crate::source::prometheus::settings::{PartialResponse, ServerSettings};
use crate::source::testing::{Act, Server, response};

const JSON: &str = "Content-Type: application/json\r\n";

async fn ask(settings: ServerSettings) -> Result<usize, QueryFailure> {
    let (server, _) = server(settings);
    let answer = server.instant("up", Timestamp(60_000)).await?;
    Ok(answer.sample_count())
}

fn error(kind: &str, words: &str) -> String {
    serde_json::json!({"status": "error", "errorType": kind, "error": words}).to_string()
}

#[tokio::test]
async fn every_answer_that_is_none_has_its_reason_and_says_what_mends_it() {
    let page = "<!DOCTYPE html><html>Sign in</html>";
    let cases: Vec<(&str, Vec<Act>, QueryFailureReason, &[&str])> = vec![
        (
            "a query that it does not understand",
            json(
                "400 Bad Request",
                &error("bad_data", "1:4: parse error: unexpected \")\""),
            ),
            BadQuery,
            &["HTTP status 400", "unexpected \")\""],
        ),
        (
            "no credentials",
            json("401 Unauthorized", ""),
            Unauthorized,
            &["HTTP status 401", "`basic_auth`"],
        ),
        (
            "the wrong ones, which are repeated",
            json("403 Forbidden", "no org hunter2"),
            Unauthorized,
            &["no org <secret>", "`headers`"],
        ),
        (
            "another server",
            vec![Act::Send(response(
                "404 Not Found",
                "Content-Type: text/html\r\n",
                page,
            ))],
            Status,
            &["no Prometheus query API", "/prometheus"],
        ),
        (
            "a redirect elsewhere",
            vec![Act::Send(response(
                "302 Found",
                "Location: https://login.invalid/\r\n",
                "",
            ))],
            Status,
            &["redirects to https://login.invalid/,", "write that as `url`"],
        ),
        (
            "too much",
            json(
                "422 Unprocessable Entity",
                &error("execution", "query processing would load too many samples into memory"),
            ),
            TooMuch,
            &["too many samples"],
        ),
        (
            "what cannot be computed",
            json(
                "422 Unprocessable Entity",
                &error("execution", "found duplicate series for the match group"),
            ),
            BadQuery,
            &["duplicate series"],
        ),
        (
            "too often",
            vec![Act::Send(response(
                "429 Too Many Requests",
                "Retry-After: 7\r\n",
                "slow down",
            ))],
            Busy,
            &["asked too often", "slow down"],
        ),
        (
            "a crash",
            json("500 Internal Server Error", &error("internal", "disk is gone")),
            Unavailable,
            &["disk is gone"],
        ),
        (
            "a gateway",
            json("502 Bad Gateway", page),
            Unavailable,
            &["HTTP status 502"],
        ),
        (
            "its own timeout",
            json(
                "503 Service Unavailable",
                &error("timeout", "query timed out in expression evaluation"),
            ),
            Timeout,
            &["in time", "timed out"],
        ),
        (
            "it starts",
            json("503 Service Unavailable", "Service Unavailable"),
            Unavailable,
            &["HTTP status 503"],
        ),
        (
            "the gateway's timeout",
            json("504 Gateway Timeout", ""),
            Timeout,
            &["HTTP status 504"],
        ),
        (
            "a status nobody knows",
            json("418 I'm a teapot", "tea"),
            Status,
            &["HTTP status 418: tea"],
        ),
        (
            "an error with the status 200",
            json("200 OK", &error("execution", "limit: too many samples")),
            TooMuch,
            &["too many samples"],
        ),
        (
            "the login of a proxy",
            vec![Act::Send(response(
                "200 OK",
                "Content-Type: text/html; charset=utf-8\r\n",
                page,
            ))],
            Format,
            &["a web page", "check `url`"],
        ),
        ("a page of another type", json("200 OK", page), Format, &["a web page"]),
        ("no JSON", json("200 OK", "up 1"), Format, &["is not JSON"]),
        (
            "other JSON",
            json("200 OK", "[1,2]"),
            Format,
            &["not of Prometheus's query API"],
        ),
        (
            "JSON of another API",
            json("200 OK", r#"{"hits":[]}"#),
            Format,
            &["no `status`"],
        ),
        (
            "success without data",
            json("200 OK", r#"{"status":"success","data":{"result":null}}"#),
            Format,
            &["no `data.result`"],
        ),
        (
            "a sample that is none",
            json("200 OK", &ONE.replace("\"1\"]", "\"x\"]")),
            Format,
            &["a value is no number"],
        ),
        (
            "half of its JSON",
            json("200 OK", &ONE[..ONE.len() - 4]),
            Body,
            &["ended early"],
        ),
        (
            "text that is no UTF-8",
            vec![Act::Send(response("200 OK", JSON, b"{\"status\":\"\xff\"}"))],
            Format,
            &["is not JSON"],
        ),
        (
            "half a body",
            vec![Act::Send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"status\"".to_vec(),
            )],
            Body,
            &["the body ended early"],
        ),
        (
            "gzip that is none",
            vec![Act::Send(response("200 OK", "Content-Encoding: gzip\r\n", EMPTY))],
            Body,
            &["gzip"],
        ),
        (
            "half of its gzip",
            vec![Act::Send(response(
                "200 OK",
                "Content-Encoding: gzip\r\n",
                &packed(EMPTY)[..40],
            ))],
            Body,
            &["gzip"],
        ),
        (
            "nothing",
            vec![],
            Connect,
            &["server main at http://127.0.0.1:", "host and port in `url`"],
        ),
    ];
    let mut wrong = Vec::new();
    for (what, acts, reason, words) in cases {
        let server = Server::acting(acts).await;
        let url = format!("http://{}/?token=hunter2", server.address);
        let failure = ask(settings(&url)).await.expect_err(what);
        let is_said = words.iter().all(|word| failure.detail.contains(word));
        if failure.reason != reason || !is_said || failure.detail.contains("hunter2") {
            wrong.push(format!("{what}: {failure:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// The address of somebody who says this to whoever connects, and reads nothing.
async fn speaking_first(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(words).await;
        }
    });
    address
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_with_the_reason() {
    let plain = speaking_first(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    for (url, reason, words) in [
        (
            "http://no-such-host.invalid:9090".to_owned(),
            Dns,
            "check the host in `url`",
        ),
        (
            format!("http://{gone}"),
            Connect,
            "connection refused; check that it runs",
        ),
        (format!("https://{plain}"), Tls, "check `tls_config`"),
    ] {
        let failure = ask(settings(&url)).await.expect_err(&url);
        assert!(
            failure.reason == reason && failure.detail.contains(words),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn whoever_is_silent_or_drips_costs_the_timeout_and_no_more() {
    let silent = Server::acting(vec![Act::Hang]).await;
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
    let dripping = Server::acting(vec![Act::Send(head), Act::Hang]).await;
    for server in [silent, dripping] {
        let failure = ask(ServerSettings {
            timeout: Duration::from_millis(300),
            ..settings(&format!("http://{}", server.address))
        });
        let failure = failure.await.expect_err("a timeout");
        assert_eq!(failure.reason, Timeout);
        assert!(failure.detail.ends_with("within `timeout` (0.3 s)"), "{failure}");
        assert!(server.count() <= 1, "what took too long once is not tried again");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_too_much() {
    let long = format!("{}{}", " ".repeat(5000), ONE);
    let packed = response("200 OK", "Content-Encoding: gzip\r\n", packed(&long));
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
    for acts in [
        json("200 OK", &long),
        vec![Act::Send(packed)],
        vec![Act::Send(endless), Act::Repeat(vec![b' '; 1000])],
    ] {
        let server = Server::acting(acts).await;
        let limited = |answer_bytes_max| ServerSettings {
            answer_bytes_max,
            ..settings(&format!("http://{}", server.address))
        };
        let failure = ask(limited(5000)).await.expect_err("a limit");
        assert_eq!(failure.reason, TooMuch);
        assert!(failure.detail.contains("`max_answer_size` (5000 bytes)"), "{failure}");
    }
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    let server = Server::scripted(vec![vec![Act::Send(response(
        "429 Too Many Requests",
        "Retry-After: 7\r\n",
        "",
    ))]])
    .await;
    let failure = ask(settings(&format!("http://{}", server.address)))
        .await
        .expect_err("busy");
    assert_eq!(
        (failure.reason, failure.retry_after),
        (Busy, Some(Duration::from_secs(7)))
    );
    assert_eq!(server.count(), 1, "who asks for a pause is not asked again at once");
}

#[tokio::test]
async fn a_partial_answer_is_refused_or_noted() {
    let with = |more: &str| ONE.replacen('{', &format!("{{{more},"), 1);
    let thanos = with(r#""warnings":["No StoreAPIs matched for this query: store b is down"]"#);
    let victoria = with(r#""isPartial":true"#);
    for (what, body, refused, noted) in [
        (
            "a store that is down",
            &thanos,
            Some("store b is down"),
            "store b is down",
        ),
        (
            "a store that repeats its tenant",
            &with(r#""warnings":["no store of hunter2"]"#),
            Some("no store of <secret>"),
            "no store of <secret>",
        ),
        ("nodes that are down", &victoria, Some("isPartial"), "isPartial"),
        (
            "remarks about the query",
            &with(r#""warnings":["PromQL warning: x","PromQL info: y"],"infos":["PromQL info: z"]"#),
            None,
            "PromQL info: z",
        ),
        (
            "nothing",
            &with(r#""warnings":null,"infos":null,"isPartial":false"#),
            None,
            "",
        ),
    ] {
        let fake = Server::scripted(vec![json("200 OK", body)]).await;
        let strict = settings(&format!("http://{}", fake.address));
        let lenient = ServerSettings {
            partial_response: PartialResponse::Warn,
            ..strict.clone()
        };
        match (ask(strict).await, refused) {
            (Err(failure), Some(words)) => {
                assert!(
                    failure.reason == Partial && failure.detail.contains(words),
                    "{what}: {failure:?}"
                );
            }
            (found, expected) => assert!(found == Ok(1) && expected.is_none(), "{what}: {found:?}"),
        }
        let (lenient, _) = server(lenient);
        let answer = lenient.instant("up", Timestamp(60_000)).await.expect(what);
        assert_eq!(answer.sample_count(), 1);
        assert!(
            answer.notes.is_empty() == noted.is_empty(),
            "{what}: {:?}",
            answer.notes
        );
        assert!(answer.notes.concat().contains(noted), "{what}: {:?}", answer.notes);
    }
}
