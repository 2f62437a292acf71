//! A store that fails: what is counted stays exact.

use std::collections::BTreeMap;

use nines::domain::reading::Reading;
use nines::engine::ports::{StoreError, StoreResult};

use super::faulty::Fault;
use super::world::{Database, QUICK, Shop, World, page};

/// Calls that a tick makes, or that follow a failed one.
const CALLS: [&str; 9] = [
    "commit_visits",
    "ensure_keys",
    "commit_evaluation",
    "commit_dispatch",
    "sync_targets",
    "load_cursors",
    "load_keys",
    "minutes",
    "silences",
];

const GROUPED: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}', group_by: [region]}
";

pub async fn counts_are_exact_whatever_a_failing_store_did(database: Database) {
    let Some(mut world) = World::begin(database, GROUPED).await else {
        return;
    };
    let mut random = 1_u64;
    let mut below = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    // Regions come one by one, so that keys are made on the way.
    let mut counters = vec![(0_u64, 0_u64)];
    let read = |world: &World, counters: &[(u64, u64)]| {
        let names: Vec<String> = (0..counters.len()).map(|n| format!("r{n}")).collect();
        let samples = counters.iter().zip(&names).flat_map(|((good, bad), region)| {
            [("200", good), ("500", bad)].map(|(code, value)| {
                (
                    "requests_total",
                    vec![("region", region.as_str()), ("code", code)],
                    *value as f64,
                )
            })
        });
        world.read("a", Reading::Page(page(samples)));
    };
    read(&world, &counters);
    world.tick().await;
    let mut failed = 0;
    for round in 0..150 {
        if round % 30 == 7 {
            counters.push((0, 0));
        }
        for counter in &mut counters {
            (counter.0, counter.1) = (counter.0 + below(50), counter.1 + below(3));
        }
        world.pass(20);
        read(&world, &counters);
        if below(2) == 0 {
            let fault = if below(2) == 0 { Fault::Before } else { Fault::After };
            world.store.fail(CALLS[below(CALLS.len() as u64) as usize], fault);
        }
        failed += u32::from(world.try_tick().await.is_err());
        if round % 50 == 49 {
            world = world.restart(5).await;
        }
    }
    assert!(failed > 30, "{failed} ticks failed");
    // The store is well again; one tick reads the cursors, the next one counts what was seen meanwhile.
    for _ in 0..12 {
        let _ = world.try_tick().await;
    }
    world.pass(20);
    read(&world, &counters);
    world.tick().await;
    let sum = |of: &[(u64, u64)]| {
        of.iter()
            .fold((0, 0), |all, one| (all.0 + one.0 + one.1, all.1 + one.1))
    };
    let (total, bad) = sum(&counters);
    assert_eq!(world.events("shop/api"), (total as i64, bad as i64));
    for (number, (good, bad)) in counters.iter().enumerate() {
        let id = format!("shop/api{{region=\"r{number}\"}}");
        assert_eq!(world.events(&id), ((good + bad) as i64, *bad as i64), "{id}");
    }
    world.prove().await;
}

pub async fn a_fenced_process_stops_writing(database: Database) {
    let writes = ["commit_visits", "commit_evaluation", "commit_dispatch"];
    for (nth, call) in writes.into_iter().enumerate() {
        let Some(mut world) = World::begin(database, QUICK).await else {
            return;
        };
        let mut shop = Shop::default();
        world.live(&mut shop, 1, 100, 0).await;
        world.pass(30);
        (shop.good, shop.bad) = (shop.good + 10, shop.bad + 90);
        world.visit("a", &shop);
        let before: BTreeMap<&str, usize> = writes.map(|call| (call, world.store.calls(call))).into();
        world.store.fail(call, Fault::Fenced);
        let fenced: StoreResult<()> = world.try_tick().await;
        assert!(matches!(fenced, Err(StoreError::Fenced)), "{call}: {fenced:?}");
        let done = writes.map(|call| world.store.calls(call) - before[call]);
        assert_eq!(
            done,
            [0, 1, 2].map(|write| usize::from(write < nth)),
            "no write follows {call}"
        );
    }
}

const HUGE: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
  - name: huge
    objective: 99
    window: 1d
    indicator: {total: huge_total, bad: huge_bad_total}
";

pub async fn data_that_the_store_refuses_harm_no_other_target(database: Database) {
    let Some(mut world) = World::begin(database, HUGE).await else {
        return;
    };
    world.list(&["a", "b", "c", "d"]).await;
    let mut shop = Shop::default();
    // Twice nine billion billions of millionths do not fit into one sum.
    for huge in [0.0, 9e12, 18e12, 18e12 + 100.0] {
        world.pass(30);
        shop.good += 100;
        for target in ["a", "b", "c"] {
            world.visit(target, &shop);
        }
        let samples = [("huge_total", Vec::new(), huge), ("huge_bad_total", Vec::new(), 0.0)];
        world.read("d", Reading::Page(page(samples)));
        world.tick().await;
    }
    assert_eq!(world.events("shop/api"), (900, 0), "three targets count on");
    assert_eq!(
        world.events("shop/huge").0,
        9_000_000_000_100,
        "what fits was counted, before and after"
    );
    let codes: Vec<String> = world
        .view("shop/huge")
        .diagnostics
        .into_iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, ["D003"]);
    assert!(world.view("shop/api").diagnostics.is_empty());
    world.prove().await;
}
