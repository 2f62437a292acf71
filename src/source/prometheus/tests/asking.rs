//! How a server is asked: with what, how often, and when not at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{ONE, json, selector, series, server, settings};
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailureReason, QueryServer};
use crate::secret::Secret;
use crate::source::http::settings::{Auth, SecretSource};
use crate::source::prometheus::list;
use crate::source::prometheus::settings::{PartialResponse, ServerSettings};
use crate::source::testing::{Act, Server, response};

/// What a server does at request after request.
type Script = Vec<Vec<Act>>;

/// Five in a row put a server to rest.
const OPENS_AFTER: usize = 5;

#[tokio::test]
async fn questions_are_forms_with_all_that_the_server_must_know() {
    let fake = Server::scripted(vec![json("200 OK", &series(""))]).await;
    let mut settings = settings(&format!("http://{}/prometheus/?extra_label=a%3Db", fake.address));
    settings.http.auth = Auth::Basic {
        username: SecretSource::Inline(Secret::new("u")),
        password: SecretSource::Inline(Secret::new("p")),
    };
    let (strict, _) = server(settings.clone());
    let (lenient, _) = server(ServerSettings {
        partial_response: PartialResponse::Warn,
        timeout: Duration::from_millis(1500),
        ..settings
    });
    let (after, until) = (Timestamp(1_000), Timestamp(61_000));
    let all = "timeout=30&partial_response=false&max_source_resolution=0s&nocache=1&deny_partial_response=1";
    let some = "timeout=1.500&partial_response=true&max_source_resolution=0s&nocache=1";
    strict
        .samples(&selector("a{b=\"+\"}"), after, until)
        .await
        .expect("an answer");
    let first = fake.last_request();
    assert!(
        first.starts_with("POST /prometheus/api/v1/query?extra_label=a%3Db HTTP/1.1\r\n"),
        "{first}"
    );
    assert!(
        first.ends_with(&format!("\r\n\r\nquery=a%7Bb%3D%22%2B%22%7D%5B60s%5D&time=61&{all}")),
        "{first}"
    );
    let lower = first.to_lowercase();
    for line in [
        "content-type: application/x-www-form-urlencoded",
        "accept-encoding: gzip",
        "x-scope-orgid: hunter2",
        "authorization: basic dtpw",
    ] {
        assert!(lower.contains(&format!("\r\n{line}\r\n")), "{line} not in {first}");
    }
    lenient
        .steps("up", after, until, Duration::from_mins(1))
        .await
        .expect("an answer");
    let second = fake.last_request();
    assert!(second.starts_with("POST /prometheus/api/v1/query_range?"), "{second}");
    assert!(
        second.ends_with(&format!("\r\n\r\nquery=up&start=1&end=61&step=60&{some}")),
        "{second}"
    );
    assert_eq!(
        strict
            .samples(&selector("a"), until, until)
            .await
            .map(|answer| answer.series.len()),
        Ok(0)
    );
    assert_eq!(fake.count(), 2, "an empty range is not asked for");
}

#[tokio::test]
async fn who_takes_no_post_is_asked_by_get_and_remembered() {
    for status in ["405 Method Not Allowed", "404 Not Found", "501 Not Implemented"] {
        let fake = Server::scripted(vec![json(status, ""), json("200 OK", ONE)]).await;
        let (server, _) = server(settings(&format!("http://{}/?a=1", fake.address)));
        for _ in 0..2 {
            let answer = server.instant("up", Timestamp(60_000)).await.expect("an answer");
            assert_eq!(answer.sample_count(), 1);
        }
        let methods: Vec<String> = fake
            .requests
            .lock()
            .unwrap()
            .iter()
            .map(|head| head[..5].to_owned())
            .collect();
        assert_eq!(methods, ["POST ", "GET /", "GET /"], "{status}");
        assert!(
            fake.last_request()
                .starts_with("GET /api/v1/query?a=1&query=up&time=60&timeout=30&")
        );
    }
}

#[tokio::test]
async fn a_question_that_a_redirect_has_lost_is_asked_by_get_or_says_where_to_ask() {
    let to = |question: &str| {
        let location = format!("Location: /p/api/v1/query{question}\r\n");
        vec![Act::Send(response("301 Moved Permanently", &location, ""))]
    };
    let lost = || {
        json(
            "422 Unprocessable Entity",
            r#"{"status":"error","error":"missing query"}"#,
        )
    };
    let login = || vec![Act::Send(response("200 OK", "Content-Type: text/html\r\n", "<html>"))];
    let (with, without) = (to("?query=up"), to(""));
    for (what, script, said, methods) in [
        (
            "it keeps the question of a GET",
            vec![without.clone(), lost(), with.clone(), json("200 OK", ONE)],
            None,
            "POST GET GET GET",
        ),
        (
            "it loses that too",
            vec![without.clone(), lost(), without.clone(), lost()],
            Some("missing query (it redirects to http://ADDRESS/p: write that as `url`)"),
            "POST GET GET GET",
        ),
        (
            "it leads to a page",
            vec![without.clone(), login()],
            Some("and what nines says who it is with (it redirects to http://ADDRESS/p: write that as `url`)"),
            "POST GET",
        ),
    ] {
        let fake = Server::scripted(script).await;
        let (server, _) = server(settings(&format!("http://{}", fake.address)));
        let answer = server.instant("up", Timestamp(60_000)).await;
        let said = said.map(|said| said.replace("ADDRESS", &fake.address.to_string()));
        match (answer, said) {
            (Ok(answer), None) => assert_eq!(answer.sample_count(), 1, "{what}"),
            (Err(failure), Some(said)) => assert!(failure.detail.ends_with(&said), "{what}: {failure}"),
            (answer, _) => panic!("{what}: {answer:?}"),
        }
        let requests = fake.requests.lock().unwrap();
        let asked: Vec<&str> = requests.iter().filter_map(|head| head.split(' ').next()).collect();
        assert_eq!(asked.join(" "), methods, "{what}");
    }
}

#[tokio::test]
async fn what_fails_in_passing_is_tried_three_times() {
    let down = json("503 Service Unavailable", "");
    let cases: [(&str, Script, Option<QueryFailureReason>, usize); 4] = [
        ("it is back at once", vec![down.clone(), json("200 OK", ONE)], None, 2),
        (
            "it is back soon",
            vec![down.clone(), down.clone(), json("200 OK", ONE)],
            None,
            3,
        ),
        (
            "it stays away",
            vec![down.clone()],
            Some(QueryFailureReason::Unavailable),
            3,
        ),
        (
            "it wants to be left alone for longer than the timeout",
            vec![vec![Act::Send(response(
                "503 Service Unavailable",
                "Retry-After: 31\r\n",
                "",
            ))]],
            Some(QueryFailureReason::Unavailable),
            1,
        ),
    ];
    for (what, script, failed, tries) in cases {
        let fake = Server::scripted(script).await;
        let (server, stats) = server(settings(&format!("http://{}", fake.address)));
        let answer = server.instant("up", Timestamp(60_000)).await;
        assert_eq!(answer.err().map(|failure| failure.reason), failed, "{what}");
        assert_eq!(fake.count(), tries, "{what}");
        let count = |outcome: &str| {
            stats
                .source_queries
                .get()
                .get(&["main", outcome].map(str::to_owned)[..])
                .copied()
        };
        let good = u64::from(failed.is_none());
        assert_eq!(count("ok").unwrap_or(0), good, "{what}");
        assert_eq!(count("unavailable").unwrap_or(0), tries as u64 - good, "{what}");
        assert_eq!(
            stats.source_query_duration.get()[&["main".to_owned()][..]].2,
            tries as u64
        );
        assert_eq!(stats.source_samples.get().values().sum::<u64>(), good);
    }
}

#[tokio::test]
async fn whoever_fails_again_and_again_is_left_alone_and_then_probed() {
    let down = json("504 Gateway Timeout", "");
    let mut script = vec![down; OPENS_AFTER + 1];
    script.push(json("200 OK", ONE));
    let fake = Server::scripted(script).await;
    let (server, stats) = server(settings(&format!("http://{}", fake.address)));
    let ask = || server.instant("up", Timestamp(60_000));
    let reason = async || ask().await.err().map(|failure| failure.reason);
    let is_open = || stats.source_breakers.get()[&["main".to_owned()][..]];
    for _ in 0..OPENS_AFTER {
        assert_eq!(is_open(), 0);
        assert_eq!(reason().await, Some(QueryFailureReason::Timeout));
    }
    let resting = ask().await.expect_err("a rest");
    assert_eq!(
        (resting.reason, fake.count(), is_open()),
        (QueryFailureReason::Resting, OPENS_AFTER, 1)
    );
    assert!(
        resting.detail.contains("HTTP status 504") && resting.detail.contains("left alone for 15 s"),
        "{resting}"
    );
    assert!(resting.retry_after.is_some_and(|after| after.as_secs() >= 14));
    // The probe fails: it rests twice as long.
    for (seconds, expected) in [(15, Some(QueryFailureReason::Timeout)), (30, None)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds - 1)).await;
        assert_eq!(reason().await, Some(QueryFailureReason::Resting), "{seconds} s");
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_eq!(reason().await, expected, "{seconds} s");
    }
    assert_eq!((reason().await, is_open(), fake.count()), (None, 0, OPENS_AFTER + 3));
    drop(server);
    assert!(stats.source_breakers.get().is_empty());
}

#[tokio::test]
async fn a_server_that_refuses_is_there() {
    let fake = Server::scripted(vec![json("400 Bad Request", "")]).await;
    let (server, _) = server(settings(&format!("http://{}", fake.address)));
    for _ in 0..2 * OPENS_AFTER {
        let failure = server.instant("up(", Timestamp(60_000)).await.expect_err("no query");
        assert_eq!(failure.reason, QueryFailureReason::BadQuery);
    }
    assert_eq!(fake.count(), 2 * OPENS_AFTER);
}

#[tokio::test]
async fn no_more_questions_are_under_way_than_may_be() {
    let fake = Server::acting(vec![Act::Hang]).await;
    let (server, _) = server(ServerSettings {
        concurrency: 2,
        ..settings(&format!("http://{}", fake.address))
    });
    let all = join_all((0..5).map(|_| server.instant("up", Timestamp(60_000))));
    let watch = async {
        while fake.count() < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = all => panic!("nobody answers"),
        () = watch => assert_eq!(fake.count(), 2),
    }
}

#[test]
fn servers_are_listed_and_those_that_have_not_changed_stay() {
    let first = settings("http://h:9090/p?token=hunter2");
    let mut second = first.clone();
    second.name = "other".to_owned();
    let (clients, stats) = (Arc::default(), Arc::default());
    let listed = list(&[first.clone(), second.clone()], &[], &clients, &stats);
    let main = &listed[0];
    assert_eq!(
        (main.name.as_str(), main.shown_url.as_str()),
        ("main", "http://h:9090/p?token=<secret>")
    );
    assert!(main.is_default && main.concurrency == 4);
    second.pace = Duration::from_secs(1);
    let again = list(&[second, first], &listed, &clients, &stats);
    assert_eq!(again[1].config_hash, main.config_hash);
    assert!(Arc::ptr_eq(&again[1].server, &main.server));
    assert_ne!(again[0].config_hash, listed[1].config_hash);
    assert!(!Arc::ptr_eq(&again[0].server, &listed[1].server));
}
