//! When the default policy calls, against the arithmetic that people do in their heads.

use super::world::{Database, Shop, World};

const DEFAULT: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
";

/// Events in a minute: a hundred a second.
const PER_MINUTE: u64 = 6000;
/// For how long all was well before: the longest page window.
const WELL_MINUTES: i64 = 6 * 60;

/// What page and ticket say at present, by severity.
fn firing(world: &World, severity: &str) -> bool {
    world
        .view("shop/api")
        .alerts
        .iter()
        .any(|alert| alert.severity == severity && alert.name == "SLOBurn" && alert.state == "firing")
}

async fn minute(world: &mut World, shop: &mut Shop, bad: u64) {
    world.pass(60);
    (shop.good, shop.bad) = (shop.good + PER_MINUTE - bad, shop.bad + bad);
    world.visit("a", shop);
    world.tick().await;
}

/// A long window of `length` minutes fires when the share of it that burned, at this burn rate, exceeds the factor; the
/// window's first minute is whole, so it holds a minute more than its length.
fn minutes_until(burn_rate: f64, length: f64, factor: f64) -> i64 {
    (factor / burn_rate * (length + 1.0)).floor() as i64 + 1
}

pub async fn an_incident_fires_within_the_time_that_the_formula_says(database: Database) {
    // Error percentage, and the minute in which the page begins: 1h/5m above 14.4x or 6h/30m above 6x.
    for error_percent in [100_u64, 10, 5, 2] {
        let burn_rate = error_percent as f64 * 10.0;
        let by_hour = minutes_until(burn_rate, 60.0, 14.4);
        let by_six = minutes_until(burn_rate, 360.0, 6.0);
        let want = by_hour.min(by_six);
        let Some(mut world) = World::begin(database, DEFAULT).await else {
            return;
        };
        let mut shop = Shop::default();
        world.visit("a", &shop);
        world.tick().await;
        for _ in 0..WELL_MINUTES {
            minute(&mut world, &mut shop, 0).await;
        }
        assert!(!firing(&world, "page"));
        let mut at = 0;
        while !firing(&world, "page") {
            at += 1;
            assert!(at <= want + 5, "{error_percent} %: not even after {at} minutes");
            minute(&mut world, &mut shop, PER_MINUTE * error_percent / 100).await;
        }
        assert_eq!(at, want, "{error_percent} % errors");
    }
}

pub async fn just_below_the_slowest_page_nobody_is_woken(database: Database) {
    let Some(mut world) = World::begin(database, DEFAULT).await else {
        return;
    };
    let mut shop = Shop::default();
    world.visit("a", &shop);
    world.tick().await;
    // 0.6 % of errors burn at exactly six: not above it. They burn a fifth of the month's budget in a day.
    for _ in 0..600 {
        minute(&mut world, &mut shop, 36).await;
        assert!(!firing(&world, "page"));
    }
    assert!(firing(&world, "ticket"), "but somebody has a ticket");
    minute(&mut world, &mut shop, 36 * 20).await;
    assert!(firing(&world, "page"), "and a little more is too much");
}
