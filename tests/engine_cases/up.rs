//! What nines itself says of its targets, and gauges of targets that come and go.

use nines::domain::reading::Reading;

use super::world::{Database, World, page};

const UP: &str = "
version: nines/v1
service: shop
slos:
  - name: up
    objective: 99
    window: 1d
    indicator: {gauge: 'up{job=\"shop\"}', op: gte, value: 1}
  - name: quick
    objective: 99
    window: 1d
    indicator: {gauge: 'scrape_duration_seconds{job=\"shop\"}', op: lt, value: 1}
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: depth
    objective: 99
    window: 1d
    indicator: {gauge: queue_depth, op: lte, value: 10}
";

pub async fn up_is_taken_on_failed_visits_and_nothing_else_is_touched(database: Database) {
    let Some(mut world) = World::begin(database, UP).await else {
        return;
    };
    let shown = |requests: f64| {
        let samples = [
            ("requests_total", vec![("code", "200")], requests),
            ("queue_depth", vec![], 5.0),
        ];
        Reading::Page(page(samples))
    };
    // Total and good seconds of `up`, of `scrape_duration_seconds`, of `queue_depth`, and requests.
    let steps: [(&str, Option<f64>, [(i64, i64); 3], i64); 6] = [
        ("seen", Some(10.0), [(0, 0), (0, 0), (0, 0)], 0),
        (
            "seen: it was up, quick and short",
            Some(20.0),
            [(30, 30), (30, 30), (30, 30)],
            10,
        ),
        ("missed: it was up until now", None, [(60, 60), (60, 60), (30, 30)], 10),
        (
            "missed again: it was down since",
            None,
            [(90, 60), (90, 90), (30, 30)],
            10,
        ),
        (
            "seen: two intervals of the queue",
            Some(25.0),
            [(120, 60), (120, 120), (90, 90)],
            15,
        ),
        ("seen", Some(26.0), [(150, 90), (150, 150), (120, 120)], 16),
    ];
    for (what, page, gauges, requests) in steps {
        world.pass(30);
        match page {
            Some(requests) => world.read("a", shown(requests)),
            None => world.miss("a"),
        }
        world.tick().await;
        let events = |id: &str| {
            world
                .view(id)
                .events
                .map_or((0, 0), |it| (it.total / 1_000_000, it.good / 1_000_000))
        };
        assert_eq!(["shop/up", "shop/quick", "shop/depth"].map(events), gauges, "{what}");
        assert_eq!(events("shop/api").0, requests, "{what}");
    }
    world.prove().await;
}

pub async fn a_target_that_never_answers_is_down_in_its_up(database: Database) {
    let Some(mut world) = World::begin(database, UP).await else {
        return;
    };
    for _ in 0..4 {
        world.pass(30);
        world.miss("a");
        world.tick().await;
    }
    let mut world = world.restart(30).await;
    world.miss("a");
    world.tick().await;
    let view = world.view("shop/up");
    let events = view.events.expect("events");
    assert_eq!(
        (events.total / 1_000_000, events.good),
        (120, 0),
        "each second counts, and none is good"
    );
    assert_eq!(
        world.engine.snapshot.load().targets[0].consecutive_failures,
        1,
        "of this process"
    );
    world.prove().await;
}

pub async fn the_seconds_of_a_target_that_left_end_two_intervals_after_its_last_sample(database: Database) {
    let Some(mut world) = World::begin(database, UP).await else {
        return;
    };
    let depth = || Reading::Page(page([("queue_depth", vec![], 5.0)]));
    world.list(&["a", "b"]).await;
    for _ in 0..2 {
        world.pass(30);
        world.read("b", depth());
        world.tick().await;
    }
    world.list(&["a"]).await;
    world.pass(3600);
    world.tick().await;
    world.list(&["a", "b"]).await;
    world.read("b", depth());
    world.tick().await;
    assert_eq!(world.events("shop/depth").0, 30 + 60, "an hour is not counted");
    world.prove().await;
}
