//! What is shown: numbers where there are data, and null where there are none.

use nines::domain::reading::Reading;
use serde_json::{Value, json};

use super::world::{Database, NOW, Shop, World, page};

const HOURLY: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 90
    window: 1h
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn: [{severity: page, long: 10m, short: 2m, factor: 100}]
  - name: regions
    objective: 90
    window: 1h
    indicator: {total: regional_total, bad: regional_bad_total, group_by: [region]}
    alerting: false
";

fn shown(world: &World, id: &str) -> Value {
    serde_json::to_value(world.view(id)).expect("it serialises")
}

fn part(value: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), value[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub async fn without_data_numbers_are_null_and_never_a_hundred_percent(database: Database) {
    let Some(mut world) = World::begin(database, HOURLY).await else {
        return;
    };
    world.tick().await;
    let names = [
        "state",
        "sli",
        "events",
        "error_budget",
        "burn_rates",
        "exhausts_at",
        "coverage",
    ];
    let want = json!({
        "state": "no_data",
        "sli": null,
        "events": {"good": 0, "bad": 0, "total": 0},
        "error_budget": {"allowed": 0.0, "spent": 0.0, "remaining": 0.0, "remaining_ratio": null},
        "burn_rates": {"2m": null, "10m": null},
        "exhausts_at": null,
        "coverage": 0.0,
    });
    assert_eq!(part(&shown(&world, "shop/api"), &names), want);
}

pub async fn with_data_they_are_numbers(database: Database) {
    let Some(mut world) = World::begin(database, HOURLY).await else {
        return;
    };
    let mut shop = Shop::default();
    world.visit("a", &shop);
    world.live(&mut shop, 10, 475, 25).await;
    let view = shown(&world, "shop/api");
    let names = [
        "state",
        "sli",
        "events",
        "objective",
        "objective_text",
        "window",
        "as_of",
        "window_start",
    ];
    let want = json!({
        "state": "healthy",
        "sli": 0.95,
        "events": {"good": 9500, "bad": 500, "total": 10000},
        "objective": 0.9,
        "objective_text": "90%",
        "window": {"rolling": "1h"},
        "as_of": "2026-11-21T08:10:00Z",
        "window_start": "2026-11-21T07:10:00Z",
    });
    assert_eq!(part(&view, &names), want);
    let budget = json!({"allowed": 1000.0, "spent": 500.0, "remaining": 500.0, "remaining_ratio": 0.5});
    assert_eq!(view["error_budget"], budget);
    assert_eq!(view["burn_rates"], json!({"2m": 0.5, "10m": 0.5}));
    // Eleven of the hour's minutes were observed.
    assert_eq!(view["coverage"], json!(11.0 / 60.0));
    // Half of the budget at half its speed lasts as long as the window.
    assert_eq!(view["exhausts_at"], "2026-11-21T09:10:00Z");
    assert_eq!(view["conditions"][0]["holds"], json!(false));
    assert_eq!(NOW.to_string(), "2026-11-21T08:00:00Z");
}

pub async fn groups_have_a_budget_each_and_their_sum(database: Database) {
    let Some(mut world) = World::begin(database, HOURLY).await else {
        return;
    };
    for value in [0.0, 1.5] {
        world.pass(30);
        let samples = ["eu", "us"].iter().flat_map(|region| {
            let labels = vec![("region", *region)];
            [
                ("regional_total", labels.clone(), value * 10.0),
                ("regional_bad_total", labels, if *region == "eu" { value } else { 0.0 }),
            ]
        });
        world.read("a", Reading::Page(page(samples)));
        world.tick().await;
    }
    let names = ["id", "group", "events", "sli", "state"];
    let seen: Vec<Value> = [
        "shop/regions",
        "shop/regions{region=\"eu\"}",
        "shop/regions{region=\"us\"}",
    ]
    .map(|id| part(&shown(&world, id), &names))
    .into();
    let want = [
        json!({"id": "shop/regions", "group": null, "events": {"good": 28.5, "bad": 1.5, "total": 30}, "sli": 0.95, "state": "healthy"}),
        json!({"id": "shop/regions{region=\"eu\"}", "group": {"region": "eu"},
            "events": {"good": 13.5, "bad": 1.5, "total": 15}, "sli": 0.9, "state": "exhausted"}),
        json!({"id": "shop/regions{region=\"us\"}", "group": {"region": "us"},
            "events": {"good": 15, "bad": 0, "total": 15}, "sli": 1.0, "state": "healthy"}),
    ];
    assert_eq!(seen, want);
    let all = shown(&world, "shop/regions");
    assert!(all.get("group").is_none(), "the sum has no group");
    assert_eq!(
        all["coverage"],
        shown(&world, "shop/regions{region=\"eu\"}")["coverage"],
        "coverage is the SLO's"
    );
}

pub async fn what_nothing_has_ever_fed_says_so_when_everybody_was_asked(database: Database) {
    let Some(mut world) = World::begin(database, HOURLY).await else {
        return;
    };
    let codes = |world: &World| -> Vec<String> {
        let diagnostics = world.view("shop/api").diagnostics;
        diagnostics.into_iter().map(|found| found.code).collect()
    };
    world.list(&["a", "b"]).await;
    let empty = || Reading::Page(page([]));
    for (target, told) in [("a", false), ("a", false), ("b", false), ("b", true)] {
        world.pass(5);
        world.read(target, empty());
        world.tick().await;
        assert_eq!(codes(&world) == ["D010"], told, "{:?}", codes(&world));
    }
    // After a start nobody waits for a target for ever.
    let mut world = world.restart(5).await;
    for (seconds, told) in [(60, false), (60, true)] {
        world.pass(seconds);
        world.read("a", empty());
        world.tick().await;
        assert_eq!(codes(&world) == ["D010"], told, "{:?}", codes(&world));
    }
    world.live(&mut Shop::default(), 1, 0, 0).await;
    assert_eq!(codes(&world), [""; 0], "it is fed, though nothing has happened");
}
