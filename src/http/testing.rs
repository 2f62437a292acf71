//! A hand-made state for tests: SLOs in every condition, hostile labels, a store in memory.

pub mod probes;
mod targets;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;

use self::targets::{heartbeat, hostile_target, target};
use super::control::{Control, ReloadOutcome};
use super::state::{HttpState, Readiness, RuntimeInfo, StorePorts};
use crate::domain::alert::silence::Silence;
use crate::domain::time::Timestamp;
use crate::engine::clock::ManualClock;
use crate::engine::message::MessageKind;
use crate::engine::ports::{
    AlertRecord, AlertStore, AttemptOutcome, ClaimedDelivery, DeliveryState, DeliveryStore, DispatchCommit, Epoch,
    EvaluationCommit, IncidentRecord, NotificationRecord, StoreResult, TransitionRecord,
};
use crate::engine::snapshot::{
    AlertView, BudgetView, ConditionView, DiagnosticView, EventsView, OrderedMap, SloAlertView, SloView, Snapshot,
    WindowView,
};
use crate::engine::stats::Stats;

/// 2026-11-21T08:00:00Z
pub const NOW: Timestamp = Timestamp(1_795_248_000_000);
/// What a hostile target or file may call itself.
pub const HOSTILE: &str = "<script>alert('x')</script>\"\n\\";

/// A store in memory with silences and one dead letter.
#[derive(Default)]
pub struct MemoryStore {
    silences: Mutex<Vec<Silence>>,
}

/// Refuses every reload, in two sentences.
pub struct Refusing;

#[async_trait]
impl Control for Refusing {
    async fn reload(&self) -> ReloadOutcome {
        ReloadOutcome::Refused {
            errors: vec!["nines.yml:3:1: one".to_owned(), "nines.yml:9:1: two".to_owned()],
        }
    }
}

/// Takes every reload, with one warning.
pub struct Taking;

#[async_trait]
impl Control for Taking {
    async fn reload(&self) -> ReloadOutcome {
        ReloadOutcome::Done {
            warnings: vec!["slos/search.yaml:12:9: unknown key".to_owned()],
        }
    }
}

/// A state that is ready and has a store.
pub fn state() -> HttpState {
    let state = state_without_store();
    let store = Arc::new(MemoryStore::default());
    state.store.store(Some(Arc::new(StorePorts {
        alerts: store.clone(),
        deliveries: store,
    })));
    state
}

/// A state that is ready although its store is not connected.
pub fn state_without_store() -> HttpState {
    HttpState {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot())),
        stats: Arc::new(stats()),
        store: Arc::new(ArcSwapOption::empty()),
        clock: Arc::new(ManualClock::at(NOW + Duration::from_secs(8))),
        readiness: Arc::new(ArcSwap::from_pointee(Readiness::Ready)),
        control: Arc::new(Taking),
        info: Arc::new(RuntimeInfo {
            version: "0.1.0".to_owned(),
            revision: "1a2b3c4".to_owned(),
            start_time: NOW - Duration::from_hours(1),
            storage: "sqlite:nines.db".to_owned(),
            flags: vec![("config.file".to_owned(), "nines.yml".to_owned())],
        }),
        discovered: Arc::default(),
        discovered_probes: Arc::default(),
        config_shown: Arc::new(ArcSwap::from_pointee("global: {}\n".to_owned())),
        external_url: Arc::new(ArcSwap::from_pointee("http://nines.example".to_owned())),
        lifecycle_enabled: false,
        nudge: Arc::new(tokio::sync::Notify::new()),
        probes: Arc::new(probes::Probes::default()),
        backfills: Arc::default(),
        pushes: Arc::default(),
    }
}

/// Status, headers and text of the answer to one request.
pub async fn ask(state: &HttpState, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = super::router(state.clone())
        .oneshot(request)
        .await
        .expect("the router cannot fail");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.expect("a body in memory");
    (
        parts.status,
        parts.headers,
        String::from_utf8(bytes.to_vec()).expect("text"),
    )
}

/// The answer to a plain GET.
pub async fn get(state: &HttpState, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(state, request("GET", path, "")).await
}

/// A request with a body.
pub fn request(method: &str, path: &str, body: &str) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    request.body(Body::from(body.to_owned())).expect("a request")
}

fn stats() -> Stats {
    let stats = Stats::default();
    stats.scrapes.add(120);
    stats.scrape_failures.add(&["timeout"], 3);
    stats.scrape_duration.observe(Duration::from_millis(4));
    stats.source_queries.add(&["main", "ok"], 7);
    stats.source_query_duration.observe(&["main"], Duration::from_secs(20));
    stats.source_samples.add(&["main"], 1000);
    stats.source_breakers.set(&["main"], 1);
    stats.commits.add(&["ok"], 12);
    stats.transitions.add(&["firing"], 1);
    stats.notifications.add(&["oncall", "webhook"], 1);
    stats.notifications_failed.add(&[HOSTILE, "webhook", "timeout"], 2);
    stats.http_requests.add(&["/api/v1/slos", "GET", "200"], 5);
    stats.last_reload_ok.set(1);
    stats.last_reload_ok_at.set(NOW.0);
    stats.lease_epoch.set(4);
    stats
}

/// Every condition that an SLO can be in.
pub fn snapshot() -> Snapshot {
    let mut grouped = healthy("search", "availability", 0.804);
    grouped.indicator = Some("ratio of search_requests_total by region".to_owned());
    let mut europe = healthy("search", "availability", 0.61);
    into_group(&mut europe, &[("region", "eu")]);
    let mut hostile_group = healthy("search", "availability", 0.9);
    into_group(&mut hostile_group, &[("region", HOSTILE)]);
    let mut slos = vec![
        exhausted(),
        at_risk(),
        no_data(),
        never_loaded(),
        grouped,
        europe,
        hostile_group,
    ];
    slos.sort_by(|a, b| a.id.cmp(&b.id));
    Snapshot {
        revision: 42,
        as_of: NOW,
        alerts: vec![alert()],
        slos,
        targets: vec![
            target("a:9100", "up", ""),
            target("b:9100", "down", "connection refused"),
            hostile_target(),
        ],
        discrepancy_micro: Some(0),
        heartbeats: vec![heartbeat()],
        active: true,
    }
}

fn healthy(service: &str, name: &str, left: f64) -> SloView {
    let total = 1_000_000.0;
    let (allowed, spent) = (total * 0.001, total * 0.001 * (1.0 - left));
    SloView {
        id: Some(format!("{service}/{name}")),
        service: Some(service.to_owned()),
        name: Some(name.to_owned()),
        description: Some("Requests that are answered without an error.".to_owned()),
        owner: Some("team-search".to_owned()),
        labels: BTreeMap::from([
            ("team".to_owned(), "payments".to_owned()),
            ("evil".to_owned(), HOSTILE.to_owned()),
        ]),
        state: "healthy",
        spec: "ok",
        objective: Some(0.999),
        objective_text: Some("99.9%".to_owned()),
        method: Some("occurrences"),
        window: Some(WindowView::Rolling {
            rolling: "30d".to_owned(),
        }),
        as_of: Some(NOW),
        window_start: Some(NOW - Duration::from_hours(720)),
        events: Some(EventsView {
            good: ((total - spent) * 1e6) as i64,
            bad: (spent * 1e6) as i64,
            total: (total * 1e6) as i64,
        }),
        sli: Some(1.0 - spent / total),
        error_budget: Some(BudgetView {
            allowed,
            spent,
            remaining: allowed - spent,
            remaining_ratio: Some(left),
        }),
        burn_rates: Some(rates(&[("5m", 0.2), ("30m", 0.2), ("1h", 0.2), ("6h", 0.21)])),
        conditions: vec![
            condition("page", "1h", "5m", 14.4, Some(0.2)),
            condition("page", "6h", "30m", 6.0, Some(0.21)),
        ],
        alerts: vec![slo_alert("page", "inactive")],
        coverage: Some(0.998),
        file: Some(format!("slos/{service}.yaml")),
        line: Some(5),
        indicator: Some(format!(
            "ratio: total {service}_requests_total, bad {service}_requests_total{{code=~\"5..\"}}"
        )),
        source_text: format!("version: nines/v1\nservice: {service}\nslos:\n  - name: {name}\n"),
        lifetime: Some((12_999_000_000, 13_000_500_000)),
        resets: 2,
        budget_history: history(left),
        ..SloView::default()
    }
}

fn history(left: f64) -> Vec<(Timestamp, Option<f64>)> {
    let at = |hours: u64| NOW - Duration::from_hours(720 - hours);
    let value = |hours: u64| 1.0 - (1.0 - left) * (hours as f64 / 720.0).powi(3);
    (0..=720)
        .step_by(6)
        .map(|hours| (at(hours), (!(240..300).contains(&hours)).then(|| value(hours))))
        .collect()
}

fn into_group(slo: &mut SloView, labels: &[(&str, &str)]) {
    let pairs: Vec<_> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let set = crate::domain::labels::Group(pairs.clone()).to_label_set();
    slo.id = slo.id.take().map(|id| format!("{id}{set}"));
    slo.group = Some(pairs);
    slo.alerts.clear();
}

fn exhausted() -> SloView {
    let mut slo = healthy("checkout", "requests-availability", -0.29);
    slo.state = "exhausted";
    slo.alerts = vec![slo_alert("page", "firing"), slo_alert("ticket", "pending")];
    slo.burn_rates = Some(rates(&[("5m", 16.2), ("30m", 9.0), ("1h", 15.0), ("6h", 2.2)]));
    slo.conditions = vec![
        condition("page", "1h", "5m", 14.4, Some(15.0)),
        condition("page", "6h", "30m", 6.0, Some(2.2)),
    ];
    slo.annotations = BTreeMap::from([
        ("runbook_url".to_owned(), "https://runbooks.example/checkout".to_owned()),
        ("dashboard_url".to_owned(), "javascript:alert(1)".to_owned()),
    ]);
    slo
}

fn at_risk() -> SloView {
    let mut slo = healthy("checkout", "latency-p300ms", 0.18);
    slo.state = "at_risk";
    slo.exhausts_at = Some(NOW + Duration::from_hours(96));
    slo.diagnostics = vec![DiagnosticView {
        code: "R008".to_owned(),
        message: format!("the histogram has no bucket 0.3 {HOSTILE}"),
        file: None,
        line: None,
        column: None,
        hint: Some("the nearest are 0.25 and 0.5".to_owned()),
    }];
    slo
}

fn no_data() -> SloView {
    let mut slo = healthy("export", "jobs", 1.0);
    slo.state = "no_data";
    slo.spec = "invalid";
    slo.sli = None;
    slo.events = Some(EventsView::default());
    slo.error_budget = Some(BudgetView::default());
    slo.burn_rates = Some(OrderedMap(vec![("5m".to_owned(), None), ("1h".to_owned(), None)]));
    slo.conditions = vec![condition("page", "1h", "5m", 14.4, None)];
    slo.coverage = Some(0.0);
    slo.budget_history = Vec::new();
    slo.diagnostics = vec![unknown_key("slos/export.yaml")];
    slo
}

fn never_loaded() -> SloView {
    SloView {
        state: "no_data",
        spec: "invalid",
        file: Some("slos/search2.yaml".to_owned()),
        line: Some(12),
        diagnostics: vec![unknown_key("slos/search2.yaml")],
        ..SloView::default()
    }
}

fn unknown_key(file: &str) -> DiagnosticView {
    DiagnosticView {
        code: "N004".to_owned(),
        message: "unknown key \"objektive\"".to_owned(),
        file: Some(file.to_owned()),
        line: Some(12),
        column: Some(9),
        hint: Some("did you mean \"objective\"?".to_owned()),
    }
}

fn rates(rates: &[(&str, f64)]) -> OrderedMap<Option<f64>> {
    OrderedMap(
        rates
            .iter()
            .map(|(window, rate)| ((*window).to_owned(), Some(*rate)))
            .collect(),
    )
}

fn condition(severity: &'static str, long: &str, short: &str, factor: f64, rate: Option<f64>) -> ConditionView {
    ConditionView {
        severity,
        long: long.to_owned(),
        short: short.to_owned(),
        factor,
        pending_for: None,
        long_burn_rate: rate,
        short_burn_rate: rate.map(|rate| rate * 1.1),
        holds: rate.map(|rate| rate > factor),
    }
}

fn slo_alert(severity: &'static str, state: &'static str) -> SloAlertView {
    let since = (state != "inactive").then_some(NOW - Duration::from_mins(10));
    SloAlertView {
        name: "SLOBurn".to_owned(),
        severity,
        called: severity.to_owned(),
        state,
        since,
        stale: false,
    }
}

fn alert() -> AlertView {
    let labels = [
        ("alertname", "SLOBurn"),
        ("service", "checkout"),
        ("slo", "requests-availability"),
        ("severity", "page"),
        ("evil", HOSTILE),
    ];
    AlertView {
        labels: labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        annotations: BTreeMap::new(),
        severity: "page",
        state: "firing",
        active_at: Some(NOW - Duration::from_mins(10)),
        value: "15".to_owned(),
        stale: false,
        muted_by: Vec::new(),
    }
}

#[async_trait]
impl AlertStore for MemoryStore {
    async fn load_alerts(&self) -> StoreResult<Vec<AlertRecord>> {
        Ok(Vec::new())
    }

    async fn commit_evaluation(&self, _: Epoch, _: &EvaluationCommit) -> StoreResult<()> {
        Ok(())
    }

    async fn last_evaluation_at(&self) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn pending_transitions(&self, _: u32) -> StoreResult<Vec<TransitionRecord>> {
        Ok(Vec::new())
    }

    async fn open_incidents(&self) -> StoreResult<Vec<IncidentRecord>> {
        Ok(Vec::new())
    }

    async fn commit_dispatch(&self, _: Epoch, _: &DispatchCommit) -> StoreResult<()> {
        Ok(())
    }

    async fn silences(&self, _: Timestamp) -> StoreResult<Vec<Silence>> {
        Ok(self.silences.lock().expect("no panic").clone())
    }

    async fn save_silence(&self, silence: &Silence) -> StoreResult<()> {
        let mut silences = self.silences.lock().expect("no panic");
        silences.retain(|known| known.id != silence.id);
        silences.push(silence.clone());
        Ok(())
    }
}

#[async_trait]
impl DeliveryStore for MemoryStore {
    async fn claim_deliveries(
        &self,
        _: Epoch,
        _: Timestamp,
        _: Duration,
        _: &[String],
        _: u32,
    ) -> StoreResult<Vec<ClaimedDelivery>> {
        Ok(Vec::new())
    }

    async fn finish_attempt(
        &self,
        _: Epoch,
        _: &ClaimedDelivery,
        _: Timestamp,
        _: Timestamp,
        _: &AttemptOutcome,
    ) -> StoreResult<bool> {
        Ok(true)
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn retry_delivery(&self, id: &str, _: Timestamp) -> StoreResult<bool> {
        Ok(id == "dead-1")
    }

    async fn notifications(&self, limit: u32) -> StoreResult<Vec<NotificationRecord>> {
        let record = |id: &str, state, error: Option<&str>| NotificationRecord {
            id: id.to_owned(),
            receiver: "oncall".to_owned(),
            integration: "webhook".to_owned(),
            kind: MessageKind::Trigger,
            state,
            attempts: 2,
            last_error: error.map(str::to_owned),
            created_at: NOW.to_rfc3339(),
            finished_at: None,
            next_attempt_at: None,
            group_key: format!("{{}}:{{service={HOSTILE:?}}}"),
            slo: Some("checkout/requests-availability".to_owned()),
        };
        let all = vec![
            record("dead-1", DeliveryState::Dead, Some(HOSTILE)),
            record("fine-1", DeliveryState::Delivered, None),
        ];
        Ok(all.into_iter().take(limit as usize).collect())
    }

    async fn dead_letters(&self) -> StoreResult<u64> {
        Ok(1)
    }
}
