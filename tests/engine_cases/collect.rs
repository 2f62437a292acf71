//! Visits that become counts: groups, baselines, restarts, reloads and lists of targets.

use nines::domain::reading::{Page, Reading};
use nines::domain::time::{MINUTE_MS, Minute};
use nines::engine::clock::Clock;
use nines::engine::ports::{CatalogStore, LedgerStore};

use super::world::{Database, NOW, QUICK, Shop, World, page};

const BY_REGION: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}', group_by: [region]}
";

const TWO: &str = "
version: nines/v1
service: shop
slos:
  - name: all
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
";

/// A page with one counter for each region, all at this value.
fn regions(count: usize, value: f64) -> Page {
    let names: Vec<String> = (0..count).map(|n| format!("r{n:03}")).collect();
    page(
        names
            .iter()
            .map(|name| ("requests_total", vec![("region", name.as_str())], value)),
    )
}

/// Events of the groups whose names begin so: how many groups, and the sum.
fn groups(world: &World, beginning: &str) -> (usize, i64) {
    let snapshot = world.engine.snapshot.load();
    let beginning = format!("shop/api{{region=\"{beginning}");
    let of_group =
        |view: &&nines::engine::snapshot::SloView| view.id.as_ref().is_some_and(|id| id.starts_with(&beginning));
    let events = snapshot
        .slos
        .iter()
        .filter(of_group)
        .map(|view| view.events.map_or(0, |e| e.total / 1_000_000));
    events.fold((0, 0), |all, total| (all.0 + 1, all.1 + total))
}

pub async fn the_hundred_and_first_group_is_other_for_ever(database: Database) {
    let Some(mut world) = World::begin(database, BY_REGION).await else {
        return;
    };
    world.read("a", Reading::Page(regions(99, 0.0)));
    world.tick().await;
    let steps: [(&str, usize, f64, (usize, i64), i64); 3] = [
        ("the first hundred have a budget each", 100, 10.0, (100, 1000), 0),
        ("the rest is other", 105, 20.0, (100, 2000), 100),
        ("and stays there", 105, 30.0, (100, 3000), 150),
    ];
    for (what, count, value, named, other) in steps {
        world.pass(30);
        world.read("a", Reading::Page(regions(count, value)));
        world.tick().await;
        assert_eq!(groups(&world, "r"), named, "{what}");
        assert_eq!(groups(&world, "other").1, other, "{what}");
        assert_eq!(
            world.events("shop/api").0,
            named.1 + other,
            "{what}: the SLO is the sum"
        );
    }
    world.reload(BY_REGION).await;
    let mut world = world.restart(10).await;
    world.read("a", Reading::Page(regions(105, 40.0)));
    world.tick().await;
    assert_eq!(
        (groups(&world, "r"), groups(&world, "other")),
        ((100, 4000), (1, 200)),
        "across reload and restart"
    );
    world.prove().await;
}

pub async fn a_group_that_appears_while_keys_are_made_waits_for_its_key(database: Database) {
    let Some(mut world) = World::begin(database, BY_REGION).await else {
        return;
    };
    world.read("a", Reading::Page(regions(1, 10.0)));
    world.tick().await;
    world.pass(10);
    // The keys have been made, and the batch is taken a moment later: this visit lies between.
    world.read("a", Reading::Page(regions(2, 15.0)));
    let taken = world.active.collector().take_batch();
    assert!(taken.commits.is_empty(), "{taken:?}");
    world.tick().await;
    assert_eq!((groups(&world, "r000"), groups(&world, "r001")), ((1, 5), (1, 15)));
    world.prove().await;
}

pub async fn a_removed_slo_that_returns_takes_a_baseline(database: Database) {
    let Some(mut world) = World::begin(database, TWO).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 2, 100, 0).await;
    assert_eq!((world.events("shop/all").0, world.events("shop/api").0), (300, 300));
    world.reload(QUICK).await;
    world.live(&mut shop, 1, 100, 0).await;
    world.reload(TWO).await;
    world.live(&mut shop, 1, 100, 0).await;
    assert_eq!(
        world.events("shop/all").0,
        400,
        "300 from before, and what came after the baseline"
    );
    assert_eq!(world.events("shop/api").0, 700, "its neighbour has counted on");
    world.prove().await;
}

pub async fn a_changed_indicator_takes_a_baseline_and_keeps_its_history(database: Database) {
    let Some(mut world) = World::begin(database, TWO).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 2, 90, 10).await;
    assert_eq!(world.events("shop/api"), (300, 30));
    let only_good = TWO.replacen(
        "- name: api\n    objective: 99\n    window: 1d\n    indicator: {total: requests_total",
        "- name: api\n    objective: 99\n    window: 1d\n    indicator: {total: 'requests_total{code=~\".+\"}'",
        1,
    );
    assert_ne!(only_good, TWO);
    world.reload(&only_good).await;
    world.live(&mut shop, 1, 90, 10).await;
    assert_eq!(
        world.events("shop/api"),
        (400, 40),
        "one of two visits was the baseline"
    );
    assert_eq!(world.events("shop/all"), (500, 50), "its neighbour has counted on");
    world.prove().await;
}

pub async fn another_process_is_the_new_baseline_after_five_minutes(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let began = NOW.as_seconds() - 86_400.0;
    let mut shop = Shop {
        began: Some(began),
        ..Shop::default()
    };
    world.live(&mut shop, 2, 100, 0).await;
    assert_eq!(world.events("shop/api").0, 300);
    let mut other = Shop {
        began: Some(began - 3600.0),
        good: 1_000_000,
        bad: 5,
    };
    world.live(&mut other, 5, 100, 0).await;
    assert_eq!(world.events("shop/api").0, 300, "another process does not count");
    let snapshot = world.engine.snapshot.load_full();
    assert!(
        snapshot.targets[0].last_error.contains("another process"),
        "{}",
        snapshot.targets[0].last_error
    );
    world.live(&mut other, 1, 100, 0).await;
    assert_eq!(world.events("shop/api").0, 400, "after a baseline it counts");
    let codes: Vec<String> = world
        .view("shop/api")
        .diagnostics
        .into_iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, ["D005"]);
    world.prove().await;
}

pub async fn a_cursor_survives_a_restart_and_its_gap_is_spread(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 2, 100, 0).await;
    let before = world.clock.now();
    let mut world = world.restart(600).await;
    shop.good += 2000;
    world.visit("a", &shop);
    world.tick().await;
    assert_eq!(world.events("shop/api").0, 2300, "what happened meanwhile counts");
    let records = world.store.inner.load_keys().await.expect("keys");
    let keys: Vec<i64> = records.iter().map(|record| record.id).collect();
    let (from, to) = (before.minute(), world.clock.now().minute());
    let minutes = world.store.inner.minutes(&keys, from, to).await.expect("minutes");
    for minute in from.0 + 1..to.0 {
        let found = minutes.iter().find(|(_, at, _)| *at == Minute(minute));
        let (_, _, bucket) = found.unwrap_or_else(|| panic!("minute {minute} has its share"));
        assert_eq!(
            (bucket.total, bucket.observed),
            (200 * 1_000_000, false),
            "evenly, and not observed"
        );
    }
    assert_eq!((to.0 - from.0) * MINUTE_MS, 600_000);
    world.prove().await;
}

pub async fn two_slos_count_one_series_each_by_itself(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 1).await;
    world.reload(TWO).await;
    world.live(&mut shop, 2, 100, 1).await;
    assert_eq!(world.events("shop/api"), (505, 5), "it was there before");
    assert_eq!(world.events("shop/all"), (303, 3), "it has begun with a baseline");
    world.prove().await;
}

pub async fn a_target_listed_twice_is_one(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    world.list(&["a", "a"]).await;
    let mut shop = Shop::default();
    for _ in 0..3 {
        world.pass(30);
        shop.good += 100;
        // Both listings are visited.
        world.visit("a", &shop);
        world.visit("a", &shop);
        world.tick().await;
    }
    assert_eq!(world.events("shop/api").0, 200);
    assert_eq!(world.engine.snapshot.load().targets.len(), 1);
}

pub async fn a_delisted_target_loses_nothing_that_was_seen(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    world.list(&["a", "b"]).await;
    let mut shops = [Shop::default(), Shop::default()];
    for _ in 0..2 {
        world.pass(30);
        for (name, shop) in ["a", "b"].iter().zip(&mut shops) {
            shop.good += 100;
            world.visit(name, shop);
        }
        world.tick().await;
    }
    assert_eq!(world.events("shop/api").0, 200);
    // It is seen a last time, and gone before the next commit.
    world.pass(10);
    shops[1].good += 50;
    world.visit("b", &shops[1]);
    world.list(&["a"]).await;
    world.tick().await;
    assert_eq!(world.events("shop/api").0, 250, "the last visit counts");
    world.tick().await;
    assert_eq!(
        world.engine.snapshot.load().targets.len(),
        1,
        "and then it is not shown any more"
    );
    // It comes back, and goes on from where it was.
    world.pass(30);
    world.list(&["a", "b"]).await;
    shops[1].good += 7;
    world.visit("b", &shops[1]);
    world.tick().await;
    assert_eq!(world.events("shop/api").0, 257);
    world.prove().await;
}

pub async fn a_reload_loses_nothing_that_waits(database: Database) {
    let Some(mut world) = World::begin(database, BY_REGION).await else {
        return;
    };
    world.read("a", Reading::Page(regions(1, 0.0)));
    world.tick().await;
    world.pass(30);
    // Three new regions have no ledger key yet.
    world.read("a", Reading::Page(regions(4, 10.0)));
    world.reload(&BY_REGION.replace("objective: 99", "objective: 98")).await;
    world.tick().await;
    assert_eq!(world.events("shop/api").0, 40);
    assert_eq!(groups(&world, "r"), (4, 40));
    world.prove().await;
}
