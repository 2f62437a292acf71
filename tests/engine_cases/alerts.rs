//! When alerts begin and end.

use nines::engine::clock::Clock;
use nines::engine::snapshot::SloAlertView;

use super::world::{Database, NOW, QUICK, Shop, World};

/// The page and the ticket of the SLO; a ticket calls at a lower rate.
pub const BOTH: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn:
        - {severity: page, long: 5m, short: 1m, factor: 5}
        - {severity: ticket, long: 10m, short: 2m, factor: 2}
";

fn alert(world: &World, name: &str) -> SloAlertView {
    let alerts = world.view("shop/api").alerts;
    alerts
        .into_iter()
        .find(|alert| alert.name == name)
        .expect("the alert is shown")
}

fn with(line: &str) -> String {
    format!("{}      {line}\n", QUICK.trim_end_matches(' '))
}

pub async fn it_fires_only_strictly_above_in_both_windows(database: Database) {
    // A burn rate of five is five bad events in a hundred.
    let cases: [(&str, [(u64, u64); 3], &str); 4] = [
        ("exactly the factor", [(95, 5), (95, 5), (95, 5)], "inactive"),
        ("above it in both windows", [(94, 6), (94, 6), (94, 6)], "firing"),
        (
            "above it in the long window only",
            [(80, 20), (100, 0), (100, 0)],
            "inactive",
        ),
        (
            "above it in the short window only",
            [(100, 0), (100, 0), (94, 6)],
            "inactive",
        ),
    ];
    for (what, minutes, state) in cases {
        let Some(mut world) = World::begin(database, QUICK).await else {
            return;
        };
        let mut shop = Shop::default();
        world.visit("a", &shop);
        // Nothing is decided before there is something to decide on: the long window is full of good events.
        for (good, bad) in minutes {
            for _ in 0..4 {
                world.pass(15);
                (shop.good, shop.bad) = (shop.good + good, shop.bad + bad);
                world.visit("a", &shop);
            }
        }
        // The first tick sees all of it at once.
        world.tick().await;
        world.tick().await;
        assert_eq!(
            alert(&world, "SLOBurn").state,
            state,
            "{what}: {:?}",
            world.view("shop/api").burn_rates
        );
    }
}

pub async fn without_data_it_holds_and_is_stale(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    for _ in 0..20 {
        world.pass(30);
        world.miss("a");
        world.tick().await;
    }
    let held = alert(&world, "SLOBurn");
    assert_eq!(
        (held.state, held.stale),
        ("firing", true),
        "nothing was heard for ten minutes"
    );
    world.live(&mut shop, 2, 1000, 0).await;
    assert_eq!(alert(&world, "SLOBurn").state, "inactive", "data ends it");
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page", "resolve -SLOBurn/page"]);
}

pub async fn nothing_changes_after_a_start_until_there_was_time_to_look(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    world.pass(90);
    shop.good += 100;
    world.visit("a", &shop);
    world.tick().await;
    assert_eq!(
        alert(&world, "SLOBurn").state,
        "firing",
        "the last minute still holds bad events"
    );
    // By now it does not, and the new process knows no better.
    let mut world = world.restart(40).await;
    let steps: [(&str, &[&'static str], i64, &str); 4] = [
        ("no target is listed yet", &[], 0, "firing"),
        ("one is, and was not visited", &["a"], 0, "firing"),
        ("one visit is not enough", &["a"], 1, "firing"),
        ("two are", &["a"], 1, "inactive"),
    ];
    for (what, targets, visits, state) in steps {
        world.list(targets).await;
        for _ in 0..visits {
            world.visit("a", &shop);
        }
        world.tick().await;
        assert_eq!(alert(&world, "SLOBurn").state, state, "{what}");
    }
}

pub async fn a_target_that_never_answers_is_waited_for_two_minutes(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    world.list(&["a", "b"]).await;
    let mut shop = Shop::default();
    for bad in [0, 0, 20] {
        world.pass(30);
        (shop.good, shop.bad) = (shop.good + 100, shop.bad + bad);
        world.visit("a", &shop);
        world.visit("b", &shop);
        world.tick().await;
    }
    assert_eq!(alert(&world, "SLOBurn").state, "firing");
    let mut world = world.restart(120).await;
    for (seconds, state) in [(0, "firing"), (60, "firing"), (59, "firing"), (1, "inactive")] {
        world.pass(seconds);
        shop.good += 10_000;
        world.visit("a", &shop);
        world.tick().await;
        assert_eq!(alert(&world, "SLOBurn").state, state, "{seconds} s later");
    }
}

pub async fn no_data_is_told_and_says_which(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 2, 100, 0).await;
    // The target goes away for fourteen minutes, and nines itself for an hour: that is not held against anybody.
    for _ in 0..14 {
        world.pass(60);
        world.miss("a");
        world.tick().await;
    }
    let mut world = world.restart(3600).await;
    world.miss("a");
    world.tick().await;
    assert_eq!(
        alert(&world, "SLONoData").state,
        "inactive",
        "the clock stood still meanwhile"
    );
    for _ in 0..3 {
        world.pass(60);
        world.miss("a");
        world.tick().await;
    }
    world.deliver().await;
    assert_eq!(alert(&world, "SLONoData").state, "firing");
    let told = world.web.take();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].1.alerts[0].summary.ends_with("no feeding target was seen"),
        "{}",
        told[0].1.alerts[0].summary
    );
    world.live(&mut shop, 2, 1, 0).await;
    assert_eq!(world.web.told(), ["resolve -SLONoData/ticket"]);
    // It answers again, but shows another page.
    for _ in 0..16 {
        world.pass(60);
        world.read("a", nines::domain::reading::Reading::Page(super::world::page([])));
        world.tick().await;
    }
    world.deliver().await;
    let told = world.web.take();
    assert!(
        told[0].1.alerts[0].summary.ends_with("but no series matches"),
        "{}",
        told[0].1.alerts[0].summary
    );
}

pub async fn no_data_can_be_turned_off_and_no_traffic_is_data(database: Database) {
    for (slos, misses) in [(with("no_data_for: 0"), true), (with("no_data_for: 5m"), false)] {
        let Some(mut world) = World::begin(database, &slos).await else {
            return;
        };
        let shop = Shop {
            good: 5,
            bad: 0,
            began: None,
        };
        for _ in 0..40 {
            world.pass(30);
            if misses {
                world.miss("a");
            } else {
                world.visit("a", &shop);
            }
            world.tick().await;
            world.deliver().await;
        }
        assert_eq!(world.web.told(), Vec::<String>::new(), "{slos}");
    }
}

pub async fn a_removed_slo_resolves_with_its_reason(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    world.reload(&QUICK.replace("name: api", "name: other")).await;
    world.pass(60);
    world.tick().await;
    world.deliver().await;
    let told = world.web.take();
    assert_eq!(super::world::words(&told[0].1), "resolve -SLOBurn/page");
    assert!(
        told[0].1.alerts[0].summary.contains("no longer watched"),
        "{}",
        told[0].1.alerts[0].summary
    );
}

pub async fn changed_labels_end_it_under_the_old_and_begin_it_under_the_new(database: Database) {
    let labelled = |team: &str| QUICK.replace("service: shop", &format!("service: shop\nlabels: {{team: {team}}}"));
    let Some(mut world) = World::begin(database, &labelled("one")).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    world.web.take();
    world.reload(&labelled("two")).await;
    world.live(&mut shop, 2, 80, 20).await;
    let mut seen = Vec::new();
    for (_, message) in world.web.take() {
        seen.extend(
            message
                .alerts
                .iter()
                .map(|alert| (alert.labels["team"].clone(), alert.firing)),
        );
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [("one".to_owned(), false), ("two".to_owned(), true)]);
}

pub async fn it_is_kept_firing_as_long_as_asked(database: Database) {
    let Some(mut world) = World::begin(database, &with("keep_firing_for: 10m")).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    world.live(&mut shop, 9, 1000, 0).await;
    assert_eq!(alert(&world, "SLOBurn").state, "firing");
    world.live(&mut shop, 1, 1000, 0).await;
    assert_eq!(alert(&world, "SLOBurn").state, "inactive");
}

pub async fn a_restart_and_a_reload_do_not_shorten_that(database: Database) {
    let Some(mut world) = World::begin(database, &with("keep_firing_for: 10m")).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 20, 80, 20).await;
    let mut world = world.restart(30).await;
    world.reload(&with("keep_firing_for: 10m")).await;
    world.live(&mut shop, 8, 10_000, 0).await;
    assert_eq!(alert(&world, "SLOBurn").state, "firing");
    world.live(&mut shop, 2, 10_000, 0).await;
    assert_eq!(alert(&world, "SLOBurn").state, "inactive");
}

pub async fn few_events_and_few_failures_call_nobody(database: Database) {
    let cases = [
        ("min_events: 101", (40, 10), "inactive"),
        ("min_events: 100", (40, 10), "firing"),
        ("min_failures: 21", (40, 10), "inactive"),
        ("min_failures: 20", (40, 10), "firing"),
    ];
    for (line, (good, bad), state) in cases {
        let Some(mut world) = World::begin(database, &with(line)).await else {
            return;
        };
        let mut shop = Shop::default();
        world.visit("a", &shop);
        world.tick().await;
        world.live(&mut shop, 1, good, bad).await;
        assert_eq!(alert(&world, "SLOBurn").state, state, "{line}");
    }
}

pub async fn a_jump_of_the_clock_resolves_nothing(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 1, 80, 20).await;
    let before = world.clock.now();
    // Two hours pass at once; what comes then is good.
    world.pass(7200);
    shop.good += 1000;
    world.visit("a", &shop);
    world.tick().await;
    assert_eq!(
        alert(&world, "SLOBurn").state,
        "firing",
        "one tick after a jump is not believed"
    );
    world.pass(10);
    world.tick().await;
    assert_eq!(alert(&world, "SLOBurn").state, "inactive", "two are");
    assert!(before > NOW);
}

pub async fn a_page_and_its_ticket(database: Database) {
    let Some(mut world) = World::begin(database, BOTH).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 2, 80, 20).await;
    assert_eq!(
        world.web.told(),
        ["trigger +SLOBurn/page"],
        "the page keeps the ticket quiet"
    );
    // Three in a hundred: below the page's rate, above the ticket's.
    world.live(&mut shop, 6, 97, 3).await;
    assert_eq!(
        world.web.told().join(", "),
        "update +SLOBurn/ticket -SLOBurn/page",
        "the page ends, the ticket is told"
    );
    world.live(&mut shop, 12, 1000, 0).await;
    assert_eq!(world.web.told(), ["resolve -SLOBurn/ticket"]);
}
