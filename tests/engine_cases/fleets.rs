//! What real fleets do between two visits: reloads, labels that change, failing and stale pages, churn.

use std::time::Duration;

use nines::domain::reading::{Page, Reading};
use nines::engine::ports::LedgerStore;

use super::world::{Database, NOW, QUICK, Shop, World, page};

const WITH_ALL: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn: [{severity: page, long: 5m, short: 1m, factor: 5}]
  - name: jobs
    objective: 99
    window: 1d
    indicator: {total: jobs_total, bad: 'jobs_total{code=\"500\"}'}
";

const BLUE: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: blue
    objective: 99
    window: 1d
    indicator: {total: 'requests_total{color=\"blue\"}', bad: 'requests_total{color=\"blue\",code=\"500\"}'}
  - name: by-color
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}', group_by: [color]}
";

pub const LATENCY: &str = "
version: nines/v1
service: shop
slos:
  - name: latency
    objective: 99
    window: 1d
    indicator: {latency: 'request_duration_seconds', threshold: 300ms}
";

/// A page with these counters without labels.
fn counters(values: &[(&str, f64)]) -> Page {
    page(
        values
            .iter()
            .map(|(metric, value)| (*metric, vec![("code", "200")], *value)),
    )
}

pub async fn a_page_that_was_asked_for_less_counts_nothing_and_is_seen_again(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    world.read("a", Reading::Page(counters(&[("requests_total", 100.0)])));
    world.tick().await;
    // A visit begins; before it ends, an SLO comes whose series its page cannot have.
    world.pass(30);
    let asked = world.ask("a");
    world.reload(WITH_ALL).await;
    world.read_as("a", asked, Reading::Page(counters(&[("requests_total", 110.0)])));
    world.tick().await;
    assert_eq!(world.engine.snapshot.load().targets[0].health, "up", "it was seen");
    let both = |requests: f64, jobs: f64| {
        let page = counters(&[("requests_total", requests), ("jobs_total", jobs)]);
        Reading::Page(page)
    };
    for (requests, jobs, expected, what) in [
        (120.0, 5000.0, (20, 0), "nothing was lost, nothing invented"),
        (130.0, 5007.0, (30, 7), "and both go on"),
    ] {
        world.pass(30);
        world.read("a", both(requests, jobs));
        world.tick().await;
        let counted = (
            world.events("shop/api").0,
            world.view("shop/jobs").events.map_or(0, |it| it.total / 1_000_000),
        );
        assert_eq!(counted, expected, "{what}");
    }
    // The same where the target's own labels change while it is visited.
    world.pass(30);
    let asked = world.ask("a");
    world.list_labelled("a", &[("color", "blue")]).await;
    world.read_as("a", asked, both(140.0, 5010.0));
    world.tick().await;
    assert_eq!(
        world.events("shop/api").0,
        30,
        "a page of the target as it was listed before"
    );
    world.pass(30);
    world.read("a", both(150.0, 5020.0));
    world.tick().await;
    assert_eq!((world.events("shop/api").0, world.events("shop/jobs").0), (50, 20));
    world.prove().await;
}

pub async fn a_visit_goes_on_counting_through_a_reload_that_wants_the_same(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    world.read("a", Reading::Page(counters(&[("requests_total", 100.0)])));
    world.tick().await;
    world.pass(30);
    let asked = world.ask("a");
    world.reload(&QUICK.replace("objective: 99", "objective: 98")).await;
    world.read_as("a", asked, Reading::Page(counters(&[("requests_total", 110.0)])));
    world.tick().await;
    assert_eq!(world.events("shop/api").0, 10);
}

pub async fn an_slo_that_never_matched_a_target_is_known_to_it_without_a_row(database: Database) {
    let Some(mut world) = World::begin(database, WITH_ALL).await else {
        return;
    };
    let steps = [
        ("the first visit", "", &[("requests_total", 10.0)][..], (0, 0)),
        ("only one of them matches", "", &[("requests_total", 20.0)], (10, 0)),
        (
            "after a restart a new series counts from zero",
            "restart",
            &[("requests_total", 20.0), ("jobs_total", 5.0)],
            (10, 5),
        ),
        (
            "away with the second SLO",
            "remove",
            &[("requests_total", 30.0), ("jobs_total", 7.0)],
            (20, 5),
        ),
        (
            "when it returns it takes a baseline",
            "return",
            &[("requests_total", 30.0), ("jobs_total", 9.0)],
            (20, 5),
        ),
        (
            "and counts again, new series too",
            "restart",
            &[("requests_total", 31.0), ("jobs_total", 12.0)],
            (21, 8),
        ),
    ];
    for (what, change, values, expected) in steps {
        match change {
            "restart" => world = world.restart(1).await,
            "remove" => world.reload(QUICK).await,
            "return" => world.reload(WITH_ALL).await,
            _ => {}
        }
        world.pass(30);
        world.read("a", Reading::Page(counters(values)));
        world.tick().await;
        let total = |id: &str| {
            let snapshot = world.engine.snapshot.load();
            let found = snapshot.slos.iter().find(|view| view.id.as_deref() == Some(id));
            found
                .and_then(|view| view.events)
                .map(|events| events.total / 1_000_000)
        };
        assert_eq!(total("shop/api"), Some(expected.0), "{what}");
        assert!(
            total("shop/jobs").is_none_or(|jobs| jobs == expected.1),
            "{what}: {:?}",
            total("shop/jobs")
        );
        let cursors = world.store.inner.load_cursors(&[1]).await.expect("cursors");
        let matched = 1 + usize::from(values.len() > 1 && change != "remove");
        assert_eq!(cursors[0].slos.len(), matched, "{what}: a row only for what matched");
    }
    world.prove().await;
}

pub async fn a_target_that_is_relabelled_counts_on_where_it_matched_and_not_what_it_was_before(database: Database) {
    let Some(mut world) = World::begin(database, BLUE).await else {
        return;
    };
    world.list_labelled("a", &[("color", "green")]).await;
    let steps = [
        ("green: a baseline", "", 1000.0, 0, 0),
        ("green", "", 1010.0, 10, 0),
        ("blue: its 1,020 requests were not blue", "blue", 1020.0, 20, 0),
        ("blue", "", 1030.0, 30, 10),
        ("green again", "green", 1040.0, 40, 10),
        ("green, and much happens", "", 2040.0, 1040, 10),
        (
            "blue again: what happened meanwhile was green",
            "blue",
            2050.0,
            1050,
            10,
        ),
        ("blue", "", 2055.0, 1055, 15),
        (
            "the same labels after a restart disturb nothing",
            "restart",
            2060.0,
            1060,
            20,
        ),
    ];
    let mut color = "green";
    for (what, change, requests, all, blue) in steps {
        world.pass(30);
        match change {
            "restart" => {
                world = world.restart(1).await;
                world.list_labelled("a", &[("color", color)]).await;
            }
            "" => {}
            other => {
                color = other;
                world.list_labelled("a", &[("color", color)]).await;
            }
        }
        world.read("a", Reading::Page(counters(&[("requests_total", requests)])));
        world.tick().await;
        let total = |id: &str| world.view(id).events.map_or(0, |events| events.total / 1_000_000);
        assert_eq!((total("shop/api"), total("shop/blue")), (all, blue), "{what}");
        assert_eq!(total("shop/by-color"), all, "{what}: the sum of the groups");
    }
    assert_eq!(
        world.events("shop/by-color{color=\"blue\"}").0,
        10 + 10 + 10 + 5 + 5,
        "each under the color at its visit"
    );
    world.prove().await;
}

pub async fn a_page_that_is_older_than_one_that_counted_is_missing(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let steps = [
        ("a baseline", 1000.0, None, 0, ""),
        ("from a cache, and newer", 1010.0, Some(10), 10, ""),
        ("the same page again", 1010.0, Some(40), 10, ""),
        (
            "an older page, of another cache: no reset",
            1005.0,
            Some(75),
            10,
            "stale",
        ),
        ("and after a restart neither", 1005.0, Some(106), 10, "stale"),
        ("a fresh one", 1030.0, None, 30, ""),
    ];
    for (what, requests, age, counted, error) in steps {
        world.pass(30);
        if what.contains("restart") {
            world = world.restart(1).await;
        }
        let age = age.map(Duration::from_secs);
        let page = counters(&[("requests_total", requests)]);
        world.read("a", Reading::Page(Page { age, ..page }));
        world.tick().await;
        let total = world
            .view("shop/api")
            .events
            .map_or(0, |events| events.total / 1_000_000);
        assert_eq!(total, counted, "{what}");
        let shown = world.engine.snapshot.load().targets[0].last_error.clone();
        assert!(
            shown.contains(error) && shown.is_empty() == error.is_empty(),
            "{what}: {shown}"
        );
    }
    world.prove().await;
}

pub async fn node_exporter_restarts_and_its_counters_go_on(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let start = NOW.as_seconds() - 86_400.0;
    let steps = [
        ("a baseline", start, 1000.0, 0),
        ("counting", start, 1100.0, 100),
        (
            "the exporter restarts, the machine does not",
            NOW.as_seconds() + 65.0,
            1150.0,
            150,
        ),
        (
            "the machine restarts, the exporter says nothing of it",
            NOW.as_seconds() + 65.0,
            40.0,
            190,
        ),
        ("and counts on", NOW.as_seconds() + 65.0, 60.0, 210),
    ];
    for (what, start, requests, counted) in steps {
        world.pass(30);
        let page = counters(&[("requests_total", requests)]);
        let process_start = Some(start);
        world.read("a", Reading::Page(Page { process_start, ..page }));
        world.tick().await;
        assert_eq!(
            world.view("shop/api").events.map_or(0, |it| it.total / 1_000_000),
            counted,
            "{what}"
        );
    }
    world.prove().await;
}

pub async fn two_processes_that_take_turns_behind_one_address_count_as_the_one_that_was_first(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let began = NOW.as_seconds() - 86_400.0;
    let mut first = Shop {
        began: Some(began),
        good: 1000,
        bad: 0,
    };
    let mut other = Shop {
        began: Some(began + 3600.0),
        good: 9_000_000,
        bad: 0,
    };
    for turn in 0..40 {
        world.pass(30);
        (first.good, other.good) = (first.good + 10, other.good + 1000);
        world.visit("a", if turn % 2 == 0 { &first } else { &other });
        world.tick().await;
    }
    assert_eq!(
        world.events("shop/api").0,
        10 * 38,
        "of the first one, up to its last visit"
    );
    world.prove().await;
}

pub async fn a_histogram_whose_threshold_bucket_comes_and_goes_counts_while_it_is_there(database: Database) {
    let Some(mut world) = World::begin(database, LATENCY).await else {
        return;
    };
    // The count, and the bucket of the threshold where there is one.
    let steps = [
        ("without the bucket nothing counts", 5000.0, None, (0, 0)),
        (
            "it comes: what it holds was counted before",
            5100.0,
            Some(4000.0),
            (0, 0),
        ),
        ("and counts", 5110.0, Some(4009.0), (10, 9)),
        ("it goes", 5120.0, None, (10, 9)),
        (
            "and comes back, and goes on from where it was",
            5130.0,
            Some(4019.0),
            (30, 19),
        ),
        ("a deploy begins anew", 8.0, Some(8.0), (38, 27)),
    ];
    for (what, count, bucket, expected) in steps {
        world.pass(30);
        let mut samples = vec![
            ("request_duration_seconds_count", vec![], count),
            ("request_duration_seconds_bucket", vec![("le", "+Inf")], count),
        ];
        samples.extend(bucket.map(|value| ("request_duration_seconds_bucket", vec![("le", "0.3")], value)));
        world.read("a", Reading::Page(page(samples)));
        world.tick().await;
        let view = world.view("shop/latency");
        let events = view
            .events
            .map_or((0, 0), |it| (it.total / 1_000_000, it.good / 1_000_000));
        assert_eq!(events, expected, "{what}");
        assert_eq!(
            view.diagnostics.iter().any(|one| one.code == "D001"),
            bucket.is_none(),
            "{what}"
        );
    }
    world.pass(30);
    let without = [("request_duration_seconds_count", vec![], 9.0)];
    world.read("a", Reading::Page(page(without)));
    world.tick().await;
    assert!(!world.view("shop/latency").diagnostics.is_empty());
    world.list(&[]).await;
    world.pass(30);
    world.tick().await;
    world.tick().await;
    let left = world.view("shop/latency").diagnostics;
    assert!(
        !left.iter().any(|one| one.code == "D001"),
        "it went with its target: {left:?}"
    );
    world.prove().await;
}

pub async fn labels_of_the_page_that_collide_with_the_targets_tell_its_series_apart(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    // Both become instance="a"; on the page they are two.
    let shown = |x: f64, y: f64| {
        let samples = [("x", x), ("y", y)];
        Reading::Page(page(
            samples.map(|(instance, value)| ("requests_total", vec![("instance", instance)], value)),
        ))
    };
    for (x, y, counted) in [(1000.0, 10.0, 0), (1001.0, 12.0, 3), (1001.0, 13.0, 4)] {
        world.pass(30);
        world.read("a", shown(x, y));
        world.tick().await;
        assert_eq!(
            world.view("shop/api").events.map_or(0, |it| it.total / 1_000_000),
            counted
        );
    }
    world.prove().await;
}

pub async fn a_million_series_that_live_a_day_or_less_leave_a_small_cursor(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let (series, visits) = (5_000, 200);
    for visit in 0..visits {
        world.pass(1800);
        let names: Vec<String> = (0..series).map(|at| format!("{visit}-{at}")).collect();
        let samples = names
            .iter()
            .map(|name| ("requests_total", vec![("pod", name.as_str())], 3.0));
        world.read("a", Reading::Page(page(samples)));
        if visit % 10 == 9 {
            world.tick().await;
        }
    }
    // A day's window holds the last 48 visits; each of their series counted once, from zero.
    let counted = world.view("shop/api").lifetime.expect("all events").0 / 1_000_000;
    assert_eq!(counted, 3 * series * (visits - 1));
    let cursors = world.store.inner.load_cursors(&[1]).await.expect("cursors");
    let bytes: usize = cursors[0].slos.values().map(Vec::len).sum();
    assert!(bytes < 15_001 * 80, "{bytes} bytes are stored");
    world.prove().await;
}

pub async fn a_value_that_cannot_count_at_first_is_a_baseline_when_it_can(database: Database) {
    for first in [f64::NAN, f64::INFINITY, -1.0, 1e308] {
        let Some(mut world) = World::begin(database, QUICK).await else {
            return;
        };
        for (value, expected) in [(first, 0), (1002.0, 0), (1003.0, 1), (first, 1), (1005.0, 3)] {
            world.read("a", Reading::Page(counters(&[("requests_total", value)])));
            world.tick().await;
            assert_eq!(world.events("shop/api").0, expected, "{first}, then {value}");
            world.pass(30);
        }
        world.prove().await;
    }
}
