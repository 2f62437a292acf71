//! Tests of what is shown of SLOs that are paused, of alerts that are pending, and of severities by other words.

use std::sync::Arc;

use serde_json::{Value, json};

use super::state::HttpState;
use super::testing::{self, get};
use crate::domain::alert::policy::AlertPolicy;
use crate::domain::indicator::{Indicator, IndicatorKind, Sources};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::window::{CalendarUnit, CalendarWindow, TimeWindow};
use crate::engine::catalog::IdleSlo;
use crate::engine::evaluate::view::idle_view;
use crate::engine::snapshot::{DiagnosticView, SloView};

/// A state with one more SLO, which is valid and not computed.
pub fn state() -> HttpState {
    let state = testing::state();
    let mut snapshot = testing::snapshot();
    snapshot.slos.insert(0, paused(false));
    state.snapshot.store(Arc::new(snapshot));
    state
}

fn paused(invalid: bool) -> SloView {
    let window = TimeWindow::Calendar(CalendarWindow {
        count: 1,
        unit: CalendarUnit::Month,
        start: None,
        zone: chrono_tz::Europe::Berlin,
    });
    let objective = Objective::from_percent("99.9").expect("an objective");
    let slo = Slo {
        id: SloId::new("billing", "invoices"),
        description: None,
        owner: None,
        labels: Labels::new(),
        annotations: Labels::new(),
        indicator: Indicator {
            kind: IndicatorKind::Composite(Vec::new()),
            source: None,
            group_by: Vec::new(),
        },
        objective,
        alerting: AlertPolicy::default_for(window.length(), objective),
        window,
        method: BudgetingMethod::Occurrences,
        no_data: NoDataPolicy::Ignore,
        policy: None,
        previous_names: Vec::new(),
        public: false,
        asks_server: false,
        origin: Origin::default(),
        source_text: String::new(),
    };
    let reason = slo.idle_reason(&Sources::default()).expect("it is not computed");
    idle_view(&IdleSlo {
        reason: reason.clone(),
        service: Some("billing".to_owned()),
        name: Some("invoices".to_owned()),
        file: "slos/billing.yaml".to_owned(),
        line: Some(4),
        invalid,
        diagnostics: vec![DiagnosticView {
            code: "I004".to_owned(),
            message: format!("billing/invoices is not computed: {reason}"),
            file: Some("slos/billing.yaml".to_owned()),
            line: Some(4),
            column: Some(1),
            hint: None,
        }],
        slo: Some(Arc::new(slo)),
    })
}

#[tokio::test]
async fn the_api_lists_it_and_knows_no_numbers() {
    let state = state();
    for (query, count) in [
        ("spec[]=paused", 1),
        ("spec[]=invalid", 2),
        ("spec[]=paused&state[]=healthy", 0),
    ] {
        let list: Value = json_of(&state, &format!("/api/v1/slos?{query}")).await;
        assert_eq!(list["slos"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let slo = json_of(&state, "/api/v1/slos/billing/invoices").await;
    for (field, value) in [
        ("state", json!("no_data")),
        ("spec", json!("paused")),
        ("objective", json!(0.999)),
        ("window", json!({"calendar": "month", "zone": "Europe/Berlin"})),
        ("sli", Value::Null),
        ("events", Value::Null),
        ("error_budget", Value::Null),
        ("burn_rates", Value::Null),
        ("alerts", json!([])),
    ] {
        assert_eq!(slo[field], value, "{field}");
    }
    assert!(slo.get("idle_reason").is_none());
}

async fn json_of(state: &HttpState, path: &str) -> Value {
    let (status, _, text) = get(state, path).await;
    assert!(status.is_success(), "{path}: {text}");
    let mut answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["data"].take()
}

#[tokio::test]
async fn pages_say_why_in_a_sentence() {
    let state = state();
    let list = get(&state, "/").await.2;
    for needed in ["1 paused", "It is not computed: calendar windows", "6 total"] {
        assert!(list.contains(needed), "{needed} is not shown");
    }
    let shown = get(&state, "/?state=paused").await.2;
    assert!(shown.contains("invoices") && !shown.contains("latency-p300ms"));
    assert!(
        !get(&state, "/?state=no_data").await.2.contains("invoices"),
        "it is paused, not without data"
    );
    let page = get(&state, "/slos/billing/invoices").await.2;
    for needed in [
        "Paused",
        "This SLO is paused: calendar windows",
        "over this month",
        "month (Europe/Berlin)",
        "I004",
    ] {
        assert!(page.contains(needed), "{needed} is not shown");
    }
    assert!(!page.contains("Invalid") && !page.contains("does not load"), "{page}");
}

#[tokio::test]
async fn one_whose_file_broke_as_well_is_invalid_and_says_both() {
    let state = state();
    let mut snapshot = testing::snapshot();
    snapshot.slos = vec![paused(true)];
    state.snapshot.store(Arc::new(snapshot));
    let list = get(&state, "/").await.2;
    assert!(
        list.contains("1 invalid") && list.contains("of the earlier revision calendar windows"),
        "{list}"
    );
    let page = get(&state, "/slos/billing/invoices").await.2;
    assert!(page.contains("The file on disk does not load, and the earlier revision is not computed"));
    assert!(
        get(&state, "/metrics")
            .await
            .2
            .contains("nines_slo_spec_valid{file=\"slos/billing.yaml\"} 0")
    );
}

#[tokio::test]
async fn metrics_name_it_and_count_no_broken_file() {
    let page = get(&state(), "/metrics").await.2;
    let own: Vec<&str> = page.lines().filter(|line| line.contains("billing")).collect();
    let begins = |name: &str| own.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(
        (begins("nines_slo_info{"), begins("nines_slo_objective_ratio{")),
        (1, 1),
        "{own:?}"
    );
    assert_eq!((begins("nines_slo_no_data"), own.len()), (0, 3), "{own:?}");
    assert!(own.iter().any(|line| line.contains("window=\"month\"")));
    assert!(own.contains(&"nines_slo_spec_valid{file=\"slos/billing.yaml\"} 1"));
}

#[tokio::test]
async fn pending_alerts_and_other_words_are_shown_and_counted_as_what_they_are() {
    let state = state();
    let mut snapshot = testing::snapshot();
    let mut pending = snapshot.alerts[0].clone();
    pending.state = "pending";
    snapshot.alerts[0]
        .labels
        .insert("severity".to_owned(), "critical".to_owned());
    snapshot.alerts.push(pending);
    let exhausted = snapshot
        .slos
        .iter_mut()
        .find(|slo| slo.state == "exhausted")
        .expect("one is");
    exhausted.alerts[0].called = "critical".to_owned();
    exhausted.conditions[0].pending_for = Some("2m".to_owned());
    exhausted.conditions[1].short = exhausted.conditions[1].long.clone();
    state.snapshot.store(Arc::new(snapshot));
    let alerts = json_of(&state, "/api/v1/alerts").await;
    let states: Vec<&Value> = alerts["alerts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|alert| &alert["state"])
        .collect();
    assert_eq!(states, ["firing", "pending"]);
    assert_eq!(alerts["alerts"][0]["labels"]["severity"], "critical");
    let page = get(&state, "/alerts").await.2;
    assert!(page.contains("critical") && page.contains("pending"));
    let metrics = get(&state, "/metrics").await.2;
    assert!(
        metrics.contains("nines_alerts_firing{severity=\"page\"} 1"),
        "a pending one does not fire"
    );
    let page = get(&state, "/slos/checkout/requests-availability").await.2;
    assert!(
        page.contains("page (called critical)") && page.contains("14.4× for 2m"),
        "{page}"
    );
    let slo = json_of(&state, "/api/v1/slos/checkout/requests-availability").await;
    assert_eq!(
        (&slo["conditions"][0]["for"], &slo["alerts"][0]["severity"]),
        (&json!("2m"), &json!("page"))
    );
    assert!(slo["conditions"][1].get("for").is_none());
}
