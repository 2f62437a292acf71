//! The ledger in memory against the store, over a day.

use super::world::{Database, Shop, World};

const WINDOWS: &str = "
version: nines/v1
service: shop
slos:
  - name: month
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: half-day
    objective: 99
    window: 12h
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: hours
    objective: 99
    window: 5h
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
";

pub async fn memory_follows_the_store_through_a_day_of_ticks_gaps_packing_and_restarts(database: Database) {
    for seed in 1..=1_u64 {
        let Some(mut world) = World::begin(database, WINDOWS).await else {
            return;
        };
        let mut random = seed;
        let mut below = |end: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % end
        };
        let mut shop = Shop::default();
        let mut seconds = 0;
        while seconds < 86_400 {
            // Mostly minutes, sometimes hours without a visit, once in a while many hours at once.
            let step = match below(30) {
                0 => 3600 + below(4 * 3600),
                1..4 => 300 + below(3000),
                _ => 60 + below(900),
            };
            seconds += step;
            world.pass(step as i64);
            (shop.good, shop.bad) = (shop.good + below(5000), shop.bad + below(20));
            if below(8) > 0 {
                world.visit("a", &shop);
            }
            world.tick().await;
            match below(20) {
                0 => world = world.restart(below(1200) as i64).await,
                1..4 => world.pack().await,
                4 => world.prove().await,
                _ => {}
            }
        }
        world.visit("a", &shop);
        world.tick().await;
        world.prove().await;
        let all = world.view("shop/month").events.expect("events");
        assert_eq!(
            (all.bad / 1_000_000) as u64,
            shop.bad - first_bad(&world, &shop),
            "seed {seed}"
        );
    }
}

/// What the first visit showed is the baseline; here it is what the lifetime lacks.
fn first_bad(world: &World, shop: &Shop) -> u64 {
    let (good, total) = world.view("shop/month").lifetime.expect("a lifetime");
    shop.bad - ((total - good) / 1_000_000) as u64
}
