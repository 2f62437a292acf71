//! The API as clients see it, on a hand-made snapshot.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::http::control::Control;
use crate::http::state::Readiness;
use crate::http::testing::{HOSTILE, Refusing, ask, get, request, state, state_without_store};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn ids(list: &Value) -> Vec<String> {
    let slos = list["data"]["slos"].as_array().expect("slos");
    slos.iter()
        .map(|slo| slo["id"].as_str().unwrap_or("null").to_owned())
        .collect()
}

#[tokio::test]
async fn the_list_has_pages_that_follow_one_another() {
    let state = state();
    let mut seen = Vec::new();
    let mut path = "/api/v1/slos?limit=3".to_owned();
    for _ in 0..10 {
        let page = json_of(&get(&state, &path).await.2);
        seen.extend(ids(&page));
        let Some(token) = page["data"]["next_token"].as_str() else {
            assert!(page["data"]["next_token"].is_null());
            break;
        };
        path = format!("/api/v1/slos?limit=3&next_token={token}");
    }
    assert_eq!(seen, ids(&json_of(&get(&state, "/api/v1/slos").await.2)));
    assert_eq!(seen.len(), 7);
}

#[tokio::test]
async fn the_list_is_filtered() {
    let state = state();
    for (query, count) in [
        ("state[]=exhausted", 1),
        ("state[]=exhausted&state[]=at_risk", 2),
        ("service[]=search", 3),
        ("spec[]=invalid", 2),
        ("search=LATENCY", 1),
        ("search=nothing-like-it", 0),
    ] {
        let list = json_of(&get(&state, &format!("/api/v1/slos?{query}")).await.2);
        assert_eq!(ids(&list).len(), count, "{query}");
    }
}

#[tokio::test]
async fn an_slo_has_every_field_and_null_for_what_is_unknown() {
    let (status, headers, text) = get(&state(), "/api/v1/slos/export/jobs").await;
    let slo = &json_of(&text)["data"];
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert_eq!(
        (&slo["state"], &slo["spec"], &slo["sli"]),
        (&json!("no_data"), &json!("invalid"), &Value::Null)
    );
    assert_eq!(slo["events"], json!({"good": 0, "bad": 0, "total": 0}));
    assert_eq!(
        slo["error_budget"],
        json!({"allowed": 0.0, "spent": 0.0, "remaining": 0.0, "remaining_ratio": null})
    );
    assert_eq!(slo["burn_rates"], json!({"5m": null, "1h": null}));
    assert_eq!(slo["window"], json!({"rolling": "30d"}));
    assert_eq!(slo["as_of"], json!("2026-11-21T08:00:00Z"));
    assert_eq!(slo["diagnostics"][0]["line"], json!(12));
    for field in ["source_text", "budget_history", "lifetime", "resets", "group"] {
        assert!(slo.get(field).is_none(), "{field} is not for the API");
    }
}

#[tokio::test]
async fn a_group_is_found_by_its_labels_whatever_they_hold() {
    let state = state();
    for value in ["eu".to_owned(), HOSTILE.to_owned()] {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let group: String =
            url::form_urlencoded::byte_serialize(format!("{{region=\"{escaped}\"}}").as_bytes()).collect();
        let (status, _, text) = get(&state, &format!("/api/v1/slos/search/availability?group={group}")).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert_eq!(json_of(&text)["data"]["group"], json!({"region": value}));
    }
    assert!(
        json_of(&get(&state, "/api/v1/slos/search/availability").await.2)["data"]
            .get("group")
            .is_none()
    );
}

#[tokio::test]
async fn errors_have_their_status_and_envelope() {
    let state = state();
    for (path, status, kind, word) in [
        (
            "/api/v1/slos/search/availabilty",
            404,
            "not_found",
            "did you mean search/availability",
        ),
        (
            "/api/v1/slos/search/availability?group=%7Bregion%3D%22us%22%7D",
            404,
            "not_found",
            "region=\"eu\"",
        ),
        (
            "/api/v1/slos/search/availability?group=%7B%22%7D%7B",
            400,
            "bad_data",
            "group",
        ),
        ("/api/v1/slos/%ff%fe/%c0%af", 400, "bad_data", "UTF-8"),
        ("/api/v1/slos/%zz/%", 404, "not_found", "no SLO"),
        ("/api/v1/slos?limit=0", 400, "bad_data", "limit"),
        ("/api/v1/slos?limit=x", 400, "bad_data", "limit"),
        ("/api/v1/slos?next_token=!!", 400, "bad_data", "next_token"),
        ("/api/v1/nothing", 404, "not_found", "nothing"),
        ("/api/v1", 404, "not_found", "nothing"),
        ("/api/v1/notifications/nope", 404, "not_found", "nothing"),
    ] {
        let (got, _, text) = get(&state, path).await;
        let body = json_of(&text);
        assert_eq!(
            (got.as_u16(), &body["status"], &body["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{path}"
        );
        assert!(
            body["error"].as_str().expect("a message").contains(word),
            "{path}: {text}"
        );
    }
    let long = format!("/api/v1/slos/{}", "a".repeat(60_000));
    assert_eq!(get(&state, &long).await.0, StatusCode::NOT_FOUND);
    for (method, path) in [("DELETE", "/api/v1/slos"), ("POST", "/api/v1/targets")] {
        let (status, _, text) = ask(&state, request(method, path, "{}")).await;
        assert_eq!(
            (status, &json_of(&text)["status"]),
            (StatusCode::METHOD_NOT_ALLOWED, &json!("error")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn problem_details_are_for_those_who_ask() {
    let mut wanted = request("GET", "/api/v1/slos/a/b", "");
    wanted
        .headers_mut()
        .insert("accept", "application/problem+json".parse().expect("a value"));
    let (status, headers, text) = ask(&state(), wanted).await;
    let body = json_of(&text);
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::NOT_FOUND, &"application/problem+json".parse().unwrap())
    );
    assert_eq!(
        (&body["status"], &body["instance"]),
        (&json!(404), &json!("/api/v1/slos/a/b"))
    );
}

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    let state = state();
    let etag = get(&state, "/api/v1/slos").await.1["etag"].clone();
    assert!(etag.to_str().expect("text").starts_with('"'), "strong");
    let mut again = request("GET", "/api/v1/slos", "");
    again.headers_mut().insert("if-none-match", etag);
    let (status, _, text) = ask(&state, again).await;
    assert_eq!((status, text.as_str()), (StatusCode::NOT_MODIFIED, ""));
}

#[tokio::test]
async fn alerts_and_targets_have_prometheus_shapes() {
    let state = state();
    let alerts = json_of(&get(&state, "/api/v1/alerts").await.2);
    assert_eq!(alerts["data"]["alerts"][0]["activeAt"], json!("2026-11-21T07:50:00Z"));
    assert_eq!(alerts["data"]["alerts"][0]["labels"]["evil"], json!(HOSTILE));
    let targets = json_of(&get(&state, "/api/v1/targets").await.2);
    assert_eq!(targets["data"]["droppedTargets"], json!([]));
    assert_eq!(
        targets["data"]["activeTargets"][2]["lastScrape"],
        json!("0001-01-01T00:00:00Z")
    );
}

#[tokio::test]
async fn notifications_are_listed_and_dead_ones_retried() {
    let state = state();
    let list = json_of(&get(&state, "/api/v1/notifications?limit=1").await.2);
    let notifications = list["data"]["notifications"].as_array().expect("a list");
    assert_eq!((notifications.len(), &notifications[0]["state"]), (1, &json!("dead")));
    let retried = ask(&state, request("POST", "/api/v1/notifications/dead-1/retry", "")).await;
    assert_eq!(retried.0, StatusCode::OK);
    for id in ["other", "%00"] {
        let path = format!("/api/v1/notifications/{id}/retry");
        assert_eq!(
            ask(&state, request("POST", &path, "")).await.0,
            StatusCode::NOT_FOUND,
            "{id}"
        );
    }
}

#[tokio::test]
async fn without_a_store_its_parts_are_unavailable_and_the_rest_works() {
    let state = state_without_store();
    for path in ["/api/v1/notifications", "/api/v1/silences", "/api/v2/silence/x"] {
        let (status, _, text) = get(&state, path).await;
        let kind = &json_of(&text)["errorType"];
        assert_eq!(
            (status, kind),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
            "{path}"
        );
    }
    assert_eq!(get(&state, "/api/v1/slos").await.0, StatusCode::OK);
}

#[tokio::test]
async fn status_has_prometheus_shapes_and_the_role() {
    let state = state();
    let data = |text: String| json_of(&text)["data"].clone();
    assert_eq!(
        data(get(&state, "/api/v1/status/config").await.2),
        json!({"yaml": "global: {}\n"})
    );
    assert_eq!(
        data(get(&state, "/api/v1/status/flags").await.2),
        json!({"config.file": "nines.yml"})
    );
    assert_eq!(
        data(get(&state, "/api/v1/status/buildinfo").await.2)["version"],
        json!("0.1.0")
    );
    let runtime = data(get(&state, "/api/v1/status/runtimeinfo").await.2);
    assert_eq!((&runtime["role"], &runtime["revision"]), (&json!("active"), &json!(42)));
}

#[tokio::test]
async fn probes_say_whether_it_works_and_why_not() {
    let state = state();
    for method in ["GET", "HEAD"] {
        for path in ["/-/healthy", "/-/ready"] {
            assert_eq!(
                ask(&state, request(method, path, "")).await.0,
                StatusCode::OK,
                "{method} {path}"
            );
        }
    }
    state.readiness.store(Arc::new(Readiness::NotReady {
        reason: "the store cannot be reached".to_owned(),
    }));
    let (status, _, text) = get(&state, "/-/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("the store cannot be reached"), "{text}");
    assert_eq!(get(&state, "/-/healthy").await.0, StatusCode::OK);
}

fn reload_from(peer: &str) -> Request<Body> {
    let mut request = request("POST", "/-/reload", "");
    request
        .extensions_mut()
        .insert(ConnectInfo(peer.parse::<SocketAddr>().expect("an address")));
    request
}

#[tokio::test]
async fn a_reload_is_for_loopback_unless_it_is_enabled() {
    let mut state = state();
    for (peer, status) in [
        ("127.0.0.1:5", 200),
        ("[::1]:5", 200),
        ("[::ffff:127.0.0.1]:5", 200),
        ("192.0.2.1:5", 403),
    ] {
        assert_eq!(ask(&state, reload_from(peer)).await.0.as_u16(), status, "{peer}");
    }
    let mut proxied = reload_from("127.0.0.1:5");
    proxied
        .headers_mut()
        .insert("x-forwarded-for", "192.0.2.1".parse().expect("a value"));
    assert_eq!(ask(&state, proxied).await.0, StatusCode::FORBIDDEN);
    let mut foreign = reload_from("127.0.0.1:5");
    foreign
        .headers_mut()
        .insert("sec-fetch-site", "cross-site".parse().expect("a value"));
    assert_eq!(ask(&state, foreign).await.0, StatusCode::FORBIDDEN);
    state.lifecycle_enabled = true;
    assert_eq!(ask(&state, reload_from("192.0.2.1:5")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_reload_tells_its_warnings_or_its_errors() {
    let mut state = state();
    let taken = ask(&state, reload_from("127.0.0.1:5")).await;
    assert_eq!(
        json_of(&taken.2)["warnings"],
        json!(["slos/search.yaml:12:9: unknown key"])
    );
    let refusing: Arc<dyn Control> = Arc::new(Refusing);
    state.control = refusing;
    let (status, _, text) = ask(&state, reload_from("127.0.0.1:5")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        text.contains("nines.yml:3:1: one") && text.contains("nines.yml:9:1: two"),
        "{text}"
    );
}

fn silence(change: impl FnOnce(&mut Value)) -> String {
    let mut silence = json!({
        "matchers": [{"name": "service", "value": "shop", "isRegex": false, "isEqual": true}],
        "startsAt": "2026-11-21T07:00:00.123456+00:00", "endsAt": "2026-11-21T10:00:00+01:00",
        "createdBy": "me", "comment": "planned work",
    });
    change(&mut silence);
    silence.to_string()
}

#[tokio::test]
async fn a_silence_lives_as_in_alertmanager() {
    let state = state();
    let (status, _, text) = ask(&state, request("POST", "/api/v2/silences", &silence(|_| ()))).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let id = json_of(&text)["silenceID"].as_str().expect("an id").to_owned();
    let listed = json_of(&get(&state, "/api/v1/silences").await.2);
    assert_eq!(listed[0]["status"]["state"], json!("active"));
    assert_eq!(listed[0]["endsAt"], json!("2026-11-21T09:00:00Z"));
    assert_eq!(
        listed[0]["matchers"][0],
        json!({"name": "service", "value": "shop", "isRegex": false, "isEqual": true})
    );

    let longer = silence(|silence| {
        silence["id"] = json!(id);
        silence["endsAt"] = json!("2026-11-21T12:00:00Z");
    });
    assert_eq!(
        json_of(&ask(&state, request("POST", "/api/v1/silences", &longer)).await.2)["silenceID"],
        json!(id)
    );
    assert_eq!(
        json_of(&get(&state, &format!("/api/v2/silence/{id}")).await.2)["endsAt"],
        json!("2026-11-21T12:00:00Z")
    );

    assert_eq!(
        ask(&state, request("DELETE", &format!("/api/v1/silences/{id}"), ""))
            .await
            .0,
        StatusCode::OK
    );
    let gone = json_of(&get(&state, &format!("/api/v1/silence/{id}")).await.2);
    assert_eq!(
        (&gone["status"]["state"], &gone["endsAt"]),
        (&json!("expired"), &json!("2026-11-21T08:00:08Z"))
    );
    let again = json_of(&ask(&state, request("POST", "/api/v1/silences", &longer)).await.2);
    assert_ne!(again["silenceID"], json!(id), "what is over stays over");
}

#[tokio::test]
async fn what_is_no_silence_is_refused() {
    let state = state();
    for (body, status, word) in [
        ("{".to_owned(), 400, "JSON"),
        ("7".to_owned(), 400, "JSON"),
        (silence(|s| s["matchers"] = json!([])), 400, "empty string"),
        (silence(|s| s["matchers"][0]["value"] = json!("")), 400, "empty string"),
        (
            silence(|s| s["matchers"] = json!([{"name": "a", "value": ".*", "isRegex": true}])),
            400,
            "empty string",
        ),
        (
            silence(|s| s["matchers"] = json!([{"name": "a", "value": "(", "isRegex": true}])),
            400,
            "matcher",
        ),
        (silence(|s| s["matchers"][0]["name"] = json!("")), 400, "name"),
        (silence(|s| s["matchers"][0]["value"] = json!("a\0b")), 400, "NUL"),
        (silence(|s| s["endsAt"] = json!("2026-11-21T07:30:00Z")), 400, "past"),
        (silence(|s| s["endsAt"] = json!("soon")), 400, "endsAt"),
        (silence(|s| s["startsAt"] = json!("2027-01-01T00:00:00Z")), 400, "after"),
        (silence(|s| s["createdBy"] = json!("")), 400, "createdBy"),
        (silence(|s| s["comment"] = json!(" ")), 400, "comment"),
        (silence(|s| s["comment"] = json!("x".repeat(5000))), 400, "longer"),
        (silence(|s| s["id"] = json!("unknown")), 404, "no silence"),
        ("x".repeat(2 << 20), 413, "1 MiB"),
    ] {
        let (got, _, text) = ask(&state, request("POST", "/api/v1/silences", &body)).await;
        assert_eq!(got.as_u16(), status, "{word}: {text}");
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(
        ask(&state, request("DELETE", "/api/v2/silence/unknown", "")).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(json_of(&get(&state, "/api/v1/silences").await.2), json!([]));
}
