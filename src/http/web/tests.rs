//! The pages as browsers see them, on a hand-made snapshot.

use std::sync::Arc;

use axum::http::StatusCode;

use crate::engine::snapshot::Snapshot;
use crate::http::testing::{HOSTILE, ask, get, request, snapshot, state, state_without_store};

const PAGES: [&str; 8] = [
    "/",
    "/slos/checkout/requests-availability",
    "/slos/checkout/latency-p300ms",
    "/slos/export/jobs",
    "/slos/search/availability",
    "/alerts",
    "/targets",
    "/notifications",
];

#[tokio::test]
async fn no_page_runs_what_others_wrote_or_loads_what_is_elsewhere() {
    let state = state();
    for path in PAGES {
        let (status, headers, text) = get(&state, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(
            !text.contains("<script>") && !text.contains("javascript:"),
            "{path} runs what it shows"
        );
        assert!(
            !text.contains(" style=") && !text.contains(" onclick"),
            "{path} needs what the policy forbids"
        );
        assert!(!text.contains("NaN"), "{path} shows NaN");
        let elsewhere = ["src=\"http", "href=\"http", "url(http"]
            .iter()
            .filter(|link| text.contains(**link))
            .count();
        let allowed = usize::from(path == "/slos/checkout/requests-availability");
        assert_eq!(elsewhere, allowed, "{path} has links to elsewhere");
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn every_page_has_one_heading_a_skip_link_and_landmarks() {
    let state = state();
    for path in PAGES {
        let text = get(&state, path).await.2;
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        for needed in [
            "<html lang=\"en\">",
            "href=\"#main\"",
            "<main id=\"main\"",
            "<nav aria-label",
            "datetime=\"2026-",
        ] {
            assert!(text.contains(needed), "{path} lacks {needed}");
        }
    }
}

#[tokio::test]
async fn a_target_shows_the_mistakes_of_its_page_and_does_not_say_what_it_does_not_know() {
    let text = get(&state(), "/targets").await.2;
    assert_eq!(text.matches("unknown until its first page").count(), 1);
    assert_eq!(text.matches("The last page has mistakes").count(), 1);
    assert!(text.contains("line 3, column 5: &#60;script&#62;"), "{text}");
    let down = text
        .split("<tr>")
        .find(|row| row.contains("b:9100"))
        .expect("a target that is down");
    assert!(down.contains("next <time") && down.contains(">in 7 s<"), "{down}");
}

#[tokio::test]
async fn the_list_shows_the_worst_first_and_what_does_not_load_in_its_place() {
    let text = get(&state(), "/").await.2;
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not shown"));
    assert!(place("requests-availability</a>") < place("latency-p300ms</a>"));
    assert!(place("latency-p300ms</a>") < place("slos/search2.yaml:12:9"));
    assert!(place("slos/search2.yaml:12:9") < place("search/</span>availability</a>"));
    for needed in [
        "5 total",
        "1 exhausted",
        "1 at risk",
        "did you mean",
        "−29%",
        "−290 events",
        "99.871%",
        "in 4 d",
    ] {
        assert!(text.contains(needed), "{needed} is not shown");
    }
    assert!(
        text.contains("&#60;script&#62;") || text.contains("&lt;script&gt;"),
        "the hostile group is shown, escaped"
    );
}

#[tokio::test]
async fn the_list_is_filtered_and_says_so_when_nothing_is_left() {
    let state = state();
    let filtered = get(&state, "/?q=checkout&state=at_risk").await.2;
    assert!(filtered.contains("latency-p300ms") && !filtered.contains("requests-availability"));
    let nothing = get(&state, "/?q=%3Cscript%3Ezzz").await.2;
    assert!(nothing.contains("0 of 5 SLOs") && !nothing.contains("<script>"));
    assert!(get(&state, "/?page=99999999999999999999").await.0.is_success());
    assert!(get(&state, "/?page=18446744073709551615").await.0.is_success());
}

#[tokio::test]
async fn an_empty_list_says_why_and_how_to_go_on() {
    let state = state();
    state.snapshot.store(Arc::new(Snapshot::default()));
    assert!(get(&state, "/").await.2.contains("first evaluation has not happened"));
    state.snapshot.store(Arc::new(Snapshot {
        as_of: snapshot().as_of,
        active: true,
        ..Snapshot::default()
    }));
    let text = get(&state, "/").await.2;
    for way in ["No SLOs yet", "nines check", "nines demo", "slo_files"] {
        assert!(text.contains(way), "{way}");
    }
}

#[tokio::test]
async fn an_slos_page_holds_its_numbers_and_its_spec() {
    let text = get(&state(), "/slos/checkout/requests-availability").await.2;
    for needed in [
        "it goes on sinking",
        "Critical",
        "14.4×",
        "slos/checkout.yaml:5",
        "service: checkout",
        "<title id=\"chart-title\">How the budget of the last 30d was spent",
        "https://runbooks.example/checkout",
        "998,710 good of 1,000,000 events",
    ] {
        assert!(text.contains(needed), "{needed} is not shown");
    }
    let group = get(&state(), "/slos/search/availability?group=%7Bregion%3D%22eu%22%7D")
        .await
        .2;
    assert!(group.contains("All groups together"), "{group}");
}

#[tokio::test]
async fn banners_say_standby_demo_and_not_ready() {
    let state = state();
    let mut demo = snapshot();
    demo.active = false;
    demo.slos[0]
        .annotations
        .insert("nines_demo".to_owned(), format!("synthetic history {HOSTILE}"));
    state.snapshot.store(Arc::new(demo));
    let text = get(&state, "/").await.2;
    assert!(text.contains("is a standby") && text.contains("synthetic history") && !text.contains("<script>"));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_shown_as_empty() {
    let state = state_without_store();
    for (path, words) in [
        ("/notifications", "Notifications cannot be read"),
        ("/alerts", "Silences cannot be read"),
    ] {
        let (status, _, text) = get(&state, path).await;
        assert!(status.is_success() && text.contains(words), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_gets_a_small_page() {
    let state = state();
    for (path, status) in [
        ("/nothing", 404),
        ("/../../etc/passwd", 404),
        ("/slos/search/availabilty", 404),
        ("/slos/search/availability?group=%7B", 400),
        ("/slos/%ff/x", 400),
        ("/static/none.css", 404),
        ("/static/%ff", 404),
    ] {
        let (got, headers, text) = get(&state, path).await;
        assert_eq!(got.as_u16(), status, "{path}");
        assert!(
            headers["content-type"].to_str().expect("text").starts_with("text/html"),
            "{path}"
        );
        assert!(text.contains("<h1>"), "{path}");
    }
    assert_eq!(
        ask(&state, request("POST", "/", "")).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn assets_are_small_and_known_by_their_hash() {
    let state = state();
    for (path, most) in [
        ("/static/nines.css", 15_000),
        ("/static/nines.js", 2_048),
        ("/static/icon.svg", 1_000),
    ] {
        let (status, headers, text) = get(&state, path).await;
        assert!(
            status.is_success() && text.len() <= most,
            "{path}: {} bytes",
            text.len()
        );
        let mut again = request("GET", path, "");
        again.headers_mut().insert("if-none-match", headers["etag"].clone());
        assert_eq!(ask(&state, again).await.0, StatusCode::NOT_MODIFIED, "{path}");
    }
}

#[tokio::test]
async fn targets_are_filtered_on_the_server_and_those_that_fail_come_first() {
    let state = state();
    let all = get(&state, "/targets").await.2;
    let place = |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not shown"));
    assert!(place(&all, "http://b:9100/metrics") < place(&all, "http://a:9100/metrics"));
    for needed in [
        "3 total",
        "1 down",
        "1 unknown",
        "1 up",
        "6 of 812",
        "href=\"/slos/checkout/requests-availability\"",
    ] {
        assert!(all.contains(needed), "{needed} is not shown");
    }
    for (query, shown) in [
        ("?health=up", vec!["a"]),
        ("?health=down", vec!["b"]),
        ("?q=REFUSED", vec!["b"]),
        ("?q=instance%3Da%3A9100", vec!["a"]),
        ("?job=shop&page=1", vec!["a", "b", "c"]),
        ("?job=shop&page=2", vec![]),
        ("?job=none", vec![]),
        ("?q=%3Cscript%3E&health=%22", vec![]),
    ] {
        let text = get(&state, &format!("/targets{query}")).await.2;
        for instance in ["a", "b", "c"] {
            let is_shown = text.contains(&format!("http://{instance}:9100/metrics"));
            assert_eq!(is_shown, shown.contains(&instance), "{instance} with {query}");
        }
        assert!(!text.contains("<script>"), "{query}");
    }
}
