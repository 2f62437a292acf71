//! The page as Prometheus reads it, on a hand-made snapshot.

use std::sync::Arc;

use crate::engine::snapshot::Snapshot;
use crate::http::testing::{ask, get, request, snapshot, state};

/// The value of one series, as it is written.
fn value<'a>(page: &'a str, series: &str) -> Option<&'a str> {
    page.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[tokio::test]
async fn the_documented_families_have_their_values() {
    let (_, headers, page) = get(&state(), "/metrics").await;
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let slo = r#"service="checkout",slo="requests-availability",slo_id="checkout/requests-availability""#;
    for (series, wanted) in [
        (format!("nines_slo_events_total{{{slo}}}"), "13000.5"),
        (format!("nines_slo_good_events_total{{{slo}}}"), "12999"),
        (format!("nines_slo_error_budget_remaining_ratio{{{slo}}}"), "-0.29"),
        (format!("nines_slo_burn_rate_ratio{{{slo},window=\"1h\"}}"), "15"),
        (format!("nines_slo_sli_ratio{{{slo},window=\"30d\"}}"), "0.99871"),
        (format!("nines_slo_no_data{{{slo}}}"), "0"),
        ("nines_ledger_discrepancy_events".to_owned(), "0"),
        ("nines_alerts_firing{severity=\"page\"}".to_owned(), "1"),
        ("nines_target_up{job=\"shop\",instance=\"b:9100\"}".to_owned(), "0"),
        ("nines_slo_spec_valid{file=\"slos/export.yaml\"}".to_owned(), "0"),
        ("nines_scrape_duration_seconds_bucket{le=\"+Inf\"}".to_owned(), "1"),
        ("nines_scrape_failures_total{reason=\"timeout\"}".to_owned(), "3"),
        (
            r#"nines_source_queries_total{source="main",outcome="ok"}"#.to_owned(),
            "7",
        ),
        (
            r#"nines_source_query_duration_seconds_bucket{source="main",le="10"}"#.to_owned(),
            "0",
        ),
        (
            r#"nines_source_query_duration_seconds_bucket{source="main",le="30"}"#.to_owned(),
            "1",
        ),
        (r#"nines_source_samples_total{source="main"}"#.to_owned(), "1000"),
        (r#"nines_source_breaker_open{source="main"}"#.to_owned(), "1"),
        ("nines_config_last_reload_successful".to_owned(), "1"),
        ("nines_lease_epoch".to_owned(), "4"),
    ] {
        assert_eq!(value(&page, &series), Some(wanted), "{series}");
    }
}

#[tokio::test]
async fn what_is_unknown_is_absent_and_nothing_is_nan() {
    let state = state();
    let page = get(&state, "/metrics").await.2;
    assert!(!page.contains("NaN") && !page.contains("nines_slo_sli_ratio{service=\"export\""));
    assert!(
        !page.contains("instance=\"c:9100\""),
        "a target that was never visited is neither up nor down"
    );
    let mut unproven = snapshot();
    unproven.discrepancy_micro = None;
    unproven.slos[0].sli = Some(f64::NAN);
    state.snapshot.store(Arc::new(unproven));
    let page = get(&state, "/metrics").await.2;
    assert!(!page.contains("nines_ledger_discrepancy_events") && !page.contains("NaN"));
}

#[tokio::test]
async fn no_series_is_written_twice_and_labels_are_escaped() {
    let state = state();
    let mut twice = snapshot();
    twice.slos.extend(snapshot().slos);
    twice.targets.extend(snapshot().targets);
    state.snapshot.store(Arc::new(twice));
    let page = get(&state, "/metrics").await.2;
    let mut series: Vec<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series))
        .collect();
    let count = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), count);
    assert!(page.contains(r#"evil="<script>alert('x')</script>\"\n\\""#), "{page}");
}

#[tokio::test]
async fn prometheus_libraries_read_the_page() {
    let page = get(&state(), "/metrics").await.2;
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    let scraped = prometheus_parse::Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).expect("a page");
    assert!(scraped.samples.len() > 50 && scraped.samples.len() <= samples);
}

#[tokio::test]
async fn open_metrics_are_for_those_who_ask() {
    let mut wanted = request("GET", "/metrics", "");
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    wanted.headers_mut().insert("accept", accept.parse().expect("a value"));
    let (_, headers, page) = ask(&state(), wanted).await;
    assert!(
        headers["content-type"]
            .to_str()
            .expect("text")
            .starts_with("application/openmetrics-text")
    );
    assert!(page.ends_with("# EOF\n") && page.contains("# TYPE nines_slo_events counter\n"));
}

#[tokio::test]
async fn before_the_first_evaluation_the_process_shows_itself() {
    let state = state();
    state.snapshot.store(Arc::new(Snapshot::default()));
    let page = get(&state, "/metrics").await.2;
    assert!(value(&page, "nines_active") == Some("0") && page.contains("nines_build_info{version=\"0.1.0\""));
}

/// The panels of the dashboards that ship must not ask for what nines does not export.
#[tokio::test]
async fn every_metric_of_the_dashboards_is_exported() {
    let page = get(&state(), "/metrics").await.2;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let files = std::fs::read_dir(folder).expect("the folder of dashboards");
    let mut asked = 0;
    for file in files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        let text = std::fs::read_to_string(&file).expect("a dashboard");
        let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(
            dashboard["uid"].is_string() && dashboard.get("__inputs").is_none(),
            "{}",
            file.display()
        );
        for metric in metrics_of(&dashboard) {
            let lines = [format!("\n{metric}{{"), format!("\n{metric} ")];
            assert!(
                lines.iter().any(|line| page.contains(line)),
                "{}: {metric} is not exported",
                file.display()
            );
            asked += 1;
        }
    }
    assert!(
        asked > 10,
        "the dashboards ask for {asked} metrics only: does this test still find them?"
    );
}

/// Every `nines_…` in every expression and variable query.
fn metrics_of(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if matches!(key.as_str(), "expr" | "query" | "definition") => words_of(text),
                _ => metrics_of(value),
            })
            .collect(),
        serde_json::Value::Array(values) => values.iter().flat_map(metrics_of).collect(),
        _ => Vec::new(),
    }
}

fn words_of(query: &str) -> Vec<String> {
    let words = query.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words
        .filter(|word| word.starts_with("nines_"))
        .map(str::to_owned)
        .collect()
}
