//! What severities are called, and what is said of SLOs that are paused.

use nines::domain::alert::policy::AlertPolicy;
use nines::domain::slo::Slo;
use nines::domain::window::{CalendarUnit, CalendarWindow, TimeWindow};
use serde_json::json;

use super::alerts::BOTH;
use super::world::{Database, QUICK, Shop, World, words};

/// Pages and tickets that are called otherwise.
fn called(page: &'static str, ticket: &'static str) -> impl Fn(&mut Slo) {
    move |slo| {
        let AlertPolicy {
            page: pages,
            ticket: tickets,
            ..
        } = &mut slo.alerting;
        pages.labels.set("severity", page);
        pages.annotations.set("priority", "P1");
        tickets.labels.set("severity", ticket);
    }
}

pub async fn a_page_by_another_word_keeps_its_ticket_quiet(database: Database) {
    let Some(mut world) = World::begin_as(database, BOTH, called("critical", "warning")).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 2, 80, 20).await;
    let told = world.web.take();
    assert_eq!(told.len(), 1, "the page keeps the ticket quiet");
    let message = &told[0].1;
    assert_eq!(words(message), "trigger +SLOBurn/critical");
    assert_eq!(message.alerts[0].severity, "page");
    assert_eq!(message.alerts[0].annotations["priority"], "P1");
    let severities: Vec<_> = world
        .view("shop/api")
        .alerts
        .iter()
        .map(|alert| alert.severity)
        .collect();
    assert_eq!(
        severities,
        ["page", "ticket", "ticket"],
        "inside they are what they were"
    );
    let snapshot = world.engine.snapshot.load_full();
    let labels: Vec<_> = snapshot
        .alerts
        .iter()
        .map(|alert| (alert.severity, alert.labels["severity"].as_str()))
        .collect();
    assert_eq!(labels, [("page", "critical"), ("ticket", "warning")]);
    assert_eq!(snapshot.alerts[1].muted_by, ["inhibited by shop/api SLOBurn page"]);
    world.live(&mut shop, 6, 97, 3).await;
    assert_eq!(world.web.told(), ["update +SLOBurn/warning -SLOBurn/critical"]);
}

pub async fn another_word_ends_it_under_the_old_and_begins_it_under_the_new(database: Database) {
    let Some(mut world) = World::begin_as(database, QUICK, called("critical", "warning")).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/critical"]);
    world.reload_as(QUICK, called("urgent", "warning")).await;
    world.live(&mut shop, 2, 80, 20).await;
    let mut seen = Vec::new();
    for (_, message) in world.web.take() {
        let alerts = message.alerts.iter();
        seen.extend(alerts.map(|alert| (alert.labels["severity"].clone(), alert.firing)));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [("critical".to_owned(), false), ("urgent".to_owned(), true)]);
}

/// A window that this version does not compute.
fn monthly(slo: &mut Slo) {
    slo.window = TimeWindow::Calendar(CalendarWindow {
        count: 1,
        unit: CalendarUnit::Month,
        start: None,
        zone: "Europe/Berlin".parse().expect("a zone"),
    });
}

pub async fn a_paused_slo_resolves_is_shown_and_takes_a_baseline(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    assert_eq!(world.events("shop/api").0, 300);
    world.reload_as(QUICK, monthly).await;
    world.live(&mut shop, 1, 80, 20).await;
    let told = world.web.take();
    assert_eq!(words(&told[0].1), "resolve -SLOBurn/page");
    assert!(told[0].1.alerts[0].summary.contains("no longer watched"));
    let view = serde_json::to_value(world.view("shop/api")).expect("JSON");
    assert_eq!(
        (
            &view["state"],
            &view["spec"],
            &view["sli"],
            &view["events"],
            &view["alerts"]
        ),
        (
            &json!("no_data"),
            &json!("paused"),
            &json!(null),
            &json!(null),
            &json!([])
        )
    );
    assert_eq!(view["window"], json!({"calendar": "month", "zone": "Europe/Berlin"}));
    assert!(!world.view("shop/api").idle_reason.is_empty());
    world.reload(QUICK).await;
    world.live(&mut shop, 1, 100, 0).await;
    assert_eq!(
        world.events("shop/api").0,
        400,
        "300 from before, and what came after the baseline"
    );
    world.prove().await;
}

pub async fn one_window_makes_one_sentence(database: Database) {
    let one = |slo: &mut Slo| slo.alerting.burn[0].short = slo.alerting.burn[0].long.clone();
    let Some(mut world) = World::begin_as(database, QUICK, one).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 2, 80, 20).await;
    let rates = world.view("shop/api").burn_rates.expect("burn rates").0;
    assert_eq!(rates.len(), 1, "{rates:?}");
    let told = world.web.take();
    let summary = &told.last().expect("it was told").1.alerts[0].summary;
    assert!(
        summary.starts_with("shop/api burns its error budget: ") && summary.ends_with("x over 5m, above 5x"),
        "{summary}"
    );
}
