//! Histograms of which a page shows one half, and processes that look like one.

use nines::domain::reading::Reading;

use super::fleets::LATENCY;
use super::world::{Database, NOW, QUICK, Shop, World, page};

/// What it is, the count, the threshold's bucket, and all and good events then.
type Steps = [(&'static str, Option<f64>, Option<f64>, (i64, i64))];

pub async fn half_a_histogram_counts_nothing_and_hides_no_reset(database: Database) {
    let (count, bucket) = ("request_duration_seconds_count", "request_duration_seconds_bucket");
    let first_seen: &Steps = &[
        ("a bucket alone", None, Some(7000.0), (0, 0)),
        ("the first whole one is a baseline", Some(8000.0), Some(7000.0), (0, 0)),
        ("from which it counts", Some(8010.0), Some(7005.0), (10, 5)),
    ];
    let not_a_number: &Steps = &[
        ("a count that is none", Some(f64::NAN), Some(1100.0), (0, 0)),
        (
            "the first that is one is a baseline",
            Some(1200.0),
            Some(1100.0),
            (0, 0),
        ),
        ("from which it counts", Some(1210.0), Some(1110.0), (10, 10)),
    ];
    let reset_unseen: &Steps = &[
        ("a baseline", Some(1000.0), Some(900.0), (0, 0)),
        ("begun anew, without the bucket", Some(50.0), None, (0, 0)),
        ("all since then", Some(1200.0), Some(950.0), (1200, 950)),
    ];
    for steps in [first_seen, not_a_number, reset_unseen] {
        let Some(mut world) = World::begin(database, LATENCY).await else {
            return;
        };
        for (what, of_count, of_bucket, expected) in steps {
            world.pass(30);
            let mut samples = vec![(bucket, vec![("le", "+Inf")], 9000.0)];
            samples.extend(of_count.map(|value| (count, vec![], value)));
            samples.extend(of_bucket.map(|value| (bucket, vec![("le", "0.3")], value)));
            world.read("a", Reading::Page(page(samples)));
            world.tick().await;
            let view = world.view("shop/latency");
            let events = view
                .events
                .map_or((0, 0), |it| (it.total / 1_000_000, it.good / 1_000_000));
            assert_eq!(events, *expected, "{what}");
            let is_whole = of_count.is_some_and(|count| !count.is_nan()) && of_bucket.is_some();
            let is_told = view.diagnostics.iter().any(|one| one.code == "D001");
            assert_eq!(is_told, !is_whole, "{what}");
        }
        world.prove().await;
    }
}

pub async fn two_processes_that_began_together_behind_one_address_are_told(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    for good in [1000, 2000, 1001, 2001] {
        world.pass(30);
        let shop = Shop {
            good,
            began: Some(NOW.as_seconds() - 3600.0 + (good % 2) as f64),
            ..Shop::default()
        };
        world.visit("a", &shop);
        world.tick().await;
    }
    let told = world.view("shop/api").diagnostics;
    assert!(told.iter().any(|one| one.code == "D009"), "{told:?}");
}
