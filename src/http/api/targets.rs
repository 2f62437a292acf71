//! `/api/v1/targets`, in Prometheus's shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::tagged;
use crate::engine::discovered::{Discovered, shown_labels};
use crate::engine::snapshot::TargetView;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// A target that is visited, with what discovery saw of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget {
    discovered_labels: BTreeMap<String, String>,
    #[serde(flatten)]
    view: TargetView,
    global_url: String,
}

/// A target that a rule drops.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedTarget<'a> {
    discovered_labels: BTreeMap<String, String>,
    scrape_pool: &'a str,
}

/// The targets, and those that relabelling drops; `state` is `active`, `dropped` or `any`, `scrapePool` one job.
pub async fn targets(State(state): State<HttpState>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = state.shown()?;
    let discovered = [state.discovered.load_full(), state.discovered_probes.load_full()];
    let query = Query::of(&uri);
    let (active, dropped) = match query.get("state").map(str::to_lowercase).as_deref() {
        None | Some("" | "any") => (true, true),
        Some("active") => (true, false),
        Some("dropped") => (false, true),
        Some(_) => return Err(ApiError::bad_data("state is active, dropped or any")),
    };
    let pool = query.get("scrapePool").filter(|pool| !pool.is_empty());
    let is_asked = |name: &str| pool.is_none_or(|pool| pool == name);
    let external_url = state.external_url.load();
    let views = snapshot
        .targets
        .iter()
        .filter(|view| active && is_asked(&view.about.scrape_pool));
    let listed: Vec<ActiveTarget> = views
        .map(|view| active_target(view, &discovered, &external_url))
        .collect();
    let left_out = discovered.iter().flat_map(|found| &found.dropped);
    let left_out = left_out.filter(|(job, _)| dropped && is_asked(job));
    let left_out = left_out.map(|(job, labels)| DroppedTarget {
        discovered_labels: shown_labels(labels),
        scrape_pool: job,
    });
    let counts = discovered
        .iter()
        .flat_map(|found| &found.dropped_counts)
        .filter(|(job, _)| dropped && is_asked(job));
    let problems = discovered.iter().flat_map(|found| &found.problems);
    let problems = problems.filter(|problem| is_asked(&problem.job));
    let data = json!({
        "activeTargets": listed,
        "droppedTargets": left_out.collect::<Vec<_>>(),
        "droppedTargetCounts": counts.collect::<BTreeMap<_, _>>(),
        "discoveryErrors": problems.collect::<Vec<_>>(),
    });
    let etag = state.etag(&snapshot);
    let revisions = discovered.iter().map(|found| found.revision).sum::<u64>();
    let etag = format!("{}-{}\"", etag.trim_end_matches('"'), revisions);
    Ok(tagged(&headers, &etag, data))
}

fn active_target(view: &TargetView, discovered: &[Arc<Discovered>], external_url: &str) -> ActiveTarget {
    let mut labels = discovered.iter().filter_map(|found| found.labels.get(&view.about.key));
    ActiveTarget {
        discovered_labels: labels.next().map(shown_labels).unwrap_or_default(),
        global_url: global_url(&view.about.scrape_url, external_url),
        view: view.clone(),
    }
}

/// The URL as others reach it: a target on this machine has the host of nines itself.
fn global_url(url: &str, external_url: &str) -> String {
    let (Ok(mut parsed), Ok(external)) = (url::Url::parse(url), url::Url::parse(external_url)) else {
        return url.to_owned();
    };
    let is_near = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if is_near && parsed.set_host(external.host_str()).is_ok() {
        return parsed.to_string();
    }
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::labels::Labels;
    use crate::engine::discovered::Problem;
    use crate::http::testing::{get, state};

    fn found(state: &HttpState) -> Discovered {
        let view = &state.snapshot.load().targets[0];
        let key = view.about.key.clone();
        let labels = |token: &str| -> Labels {
            let pairs = [("__address__", "a:1"), ("__param_token", token)];
            pairs.into_iter().collect()
        };
        Discovered {
            revision: 7,
            labels: [(key, labels("hunter2"))].into(),
            dropped: vec![("other".to_owned(), labels("hunter2"))],
            dropped_counts: [("other".to_owned(), 3), ("shop".to_owned(), 0)].into(),
            problems: vec![Problem::new("other", "http", "no answer")],
        }
    }

    async fn data(state: &HttpState, query: &str) -> Value {
        let (status, _, text) = get(state, &format!("/api/v1/targets{query}")).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        value["data"].clone()
    }

    #[tokio::test]
    async fn dropped_targets_and_discovered_labels_are_shown_without_secrets() {
        let state = state();
        let known = found(&state);
        let pool = known
            .labels
            .keys()
            .next()
            .and_then(|key| key.split_once(' '))
            .map(|(job, _)| job.to_owned());
        state.discovered.store(Arc::new(known));
        let all = data(&state, "").await;
        let labels = json!({"__address__": "a:1", "__param_token": "<secret>"});
        assert_eq!(all["activeTargets"][0]["discoveredLabels"], labels);
        assert_eq!(
            all["droppedTargets"],
            json!([{"discoveredLabels": labels, "scrapePool": "other"}])
        );
        assert_eq!(all["droppedTargetCounts"], json!({"other": 3, "shop": 0}));
        assert!(
            all["activeTargets"][0]["globalUrl"]
                .as_str()
                .is_some_and(|url| url.starts_with("http"))
        );
        let failed = json!([{"scrapePool": "other", "mechanism": "http", "error": "no answer"}]);
        assert_eq!(all["discoveryErrors"], failed);
        assert_eq!(data(&state, "?scrapePool=shop").await["discoveryErrors"], json!([]));
        let of_probes = Discovered {
            problems: vec![Problem::new("web", "address", "target \"x y\" is left out")],
            ..Discovered::default()
        };
        state.discovered_probes.store(Arc::new(of_probes));
        assert_eq!(data(&state, "").await["discoveryErrors"][1]["scrapePool"], "web");
        let page = get(&state, "/targets").await.2;
        assert!(
            page.contains("Discovery") && page.contains("no answer") && page.contains("left out"),
            "{page}"
        );
        let number = |value: &Value| value.as_array().map_or(0, Vec::len);
        let active = data(&state, "?state=active").await;
        assert_eq!(
            (number(&active["activeTargets"]), number(&active["droppedTargets"])),
            (number(&all["activeTargets"]), 0)
        );
        let dropped = data(&state, "?state=dropped&scrapePool=other").await;
        assert_eq!(
            (number(&dropped["activeTargets"]), number(&dropped["droppedTargets"])),
            (0, 1)
        );
        let none = data(&state, "?scrapePool=nobody").await;
        assert_eq!(
            (number(&none["activeTargets"]), number(&none["droppedTargets"])),
            (0, 0)
        );
        let own = data(&state, &format!("?scrapePool={}", pool.unwrap_or_default())).await;
        assert!(number(&own["activeTargets"]) > 0);
        assert_eq!(get(&state, "/api/v1/targets?state=up").await.0, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn targets_on_this_machine_are_reached_under_its_name() {
        for (url, global) in [
            ("http://localhost:9100/metrics", "http://nines.example:9100/metrics"),
            ("https://127.0.0.1/metrics", "https://nines.example/metrics"),
            ("http://[::1]:1/m?a=b", "http://nines.example:1/m?a=b"),
            ("http://db:9100/metrics", "http://db:9100/metrics"),
        ] {
            assert_eq!(global_url(url, "http://nines.example"), global);
        }
    }
}
