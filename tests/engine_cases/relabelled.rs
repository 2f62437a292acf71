//! Targets whose series are relabelled: what selectors see changes, what is counted does not.

use nines::domain::reading::{Page, Reading};
use nines::domain::relabel::{RelabelRule, RelabelRules, WrittenRule};

use super::world::{Database, NOW, QUICK, World, page};

/// `old_total` is seen as `requests_total`.
fn renaming() -> RelabelRules {
    let rule = WrittenRule {
        source_labels: Some(vec!["__name__".to_owned()]),
        regex: Some("old_total".to_owned()),
        target_label: Some("__name__".to_owned()),
        replacement: Some("requests_total".to_owned()),
        ..WrittenRule::default()
    };
    RelabelRule::new(rule).into_iter().collect()
}

/// What both counters show, in a process that is younger than the SLO.
fn both(requests: f64, old: f64) -> Reading {
    let samples = [("requests_total", requests), ("old_total", old)];
    let page = page(samples.map(|(metric, value)| (metric, vec![("code", "200")], value)));
    Reading::Page(Page {
        process_start: Some(NOW.as_seconds() + 20.0),
        ..page
    })
}

pub async fn other_rules_take_a_baseline_and_what_looks_alike_is_counted_apart(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let steps = [
        ("a young process counts from zero", "", (100.0, 1000.0), 100),
        ("and goes on", "", (110.0, 1100.0), 110),
        ("with a rule, both take a baseline", "add", (120.0, 1200.0), 110),
        ("and both count, each from its own value", "", (130.0, 1203.0), 123),
        ("the same rules disturb nothing", "same", (131.0, 1205.0), 126),
        (
            "without the rule there is a baseline again",
            "restart",
            (140.0, 1300.0),
            126,
        ),
        ("and one of them counts", "", (145.0, 1400.0), 131),
    ];
    for (what, change, (requests, old), total) in steps {
        world.pass(30);
        match change {
            "add" | "same" => world.list_with("a", renaming()).await,
            "restart" => world = world.restart(10).await,
            _ => {}
        }
        world.read("a", both(requests, old));
        world.tick().await;
        assert_eq!(world.events("shop/api").0, total, "{what}");
    }
    world.prove().await;
}
