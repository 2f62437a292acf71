//! Conditions that must hold for a while before they call.

use std::time::Duration;

use nines::domain::slo::Slo;
use nines::domain::time::Timestamp;
use nines::engine::clock::Clock;
use nines::engine::ports::AlertStore;
use nines::engine::snapshot::SloAlertView;

use super::alerts::BOTH;
use super::faulty::Fault;
use super::world::{Database, NOW, QUICK, Shop, World};

/// Every condition must hold for so many seconds.
fn waiting(seconds: u64) -> impl Fn(&mut Slo) {
    move |slo| {
        for condition in &mut slo.alerting.burn {
            condition.pending_for = Duration::from_secs(seconds);
        }
    }
}

fn alert(world: &World) -> SloAlertView {
    world.view("shop/api").alerts[0].clone()
}

/// A world in which bad minutes make the page of `QUICK` hold from the first tick on.
async fn begin(database: Database, seconds: u64) -> Option<(World, Shop)> {
    let mut world = World::begin_as(database, QUICK, waiting(seconds)).await?;
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    Some((world, shop))
}

async fn stored(world: &World) -> Vec<String> {
    let records = world.store.inner.load_alerts().await.expect("alerts");
    records.into_iter().map(|record| record.body).collect()
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.expect("it is active").since(NOW) / 1000
}

pub async fn it_is_pending_until_its_time_is_over_and_nobody_hears_of_it(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 120).await else {
        return;
    };
    world.live(&mut shop, 1, 80, 20).await;
    let began = stored(&world).await;
    world.live(&mut shop, 1, 80, 20).await;
    let pending = alert(&world);
    assert_eq!((pending.state, seconds(pending.since)), ("pending", 90));
    assert_eq!(stored(&world).await, began, "a clock that runs is not written again");
    let shown = &world.engine.snapshot.load().alerts[0];
    assert_eq!((shown.state, seconds(shown.active_at)), ("pending", 90));
    assert!(
        shown.annotations["summary"].contains("both above 5x"),
        "{:?}",
        shown.annotations
    );
    assert_eq!(world.web.told(), Vec::<String>::new());
    world.live(&mut shop, 1, 80, 20).await;
    let firing = alert(&world);
    assert_eq!((firing.state, seconds(firing.since)), ("firing", 210));
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    world.live(&mut shop, 2, 1000, 0).await;
    assert_eq!(alert(&world).state, "inactive");
    assert_eq!(world.web.told(), ["resolve -SLOBurn/page"]);
}

pub async fn an_interruption_begins_the_time_anew(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 120).await else {
        return;
    };
    for _ in 0..3 {
        world.live(&mut shop, 1, 80, 20).await;
        assert_eq!(alert(&world).state, "pending");
        world.live(&mut shop, 2, 1000, 0).await;
        assert_eq!(alert(&world).state, "inactive");
        // The good minutes leave the long window before the next bad ones.
        world.live(&mut shop, 6, 1, 0).await;
    }
    assert_eq!(world.web.told(), Vec::<String>::new());
}

pub async fn the_first_condition_whose_time_is_over_calls(database: Database) {
    let one_severity = BOTH.replace("ticket", "page");
    let times = |slo: &mut Slo| {
        slo.alerting.burn[0].pending_for = Duration::from_mins(30);
        slo.alerting.burn[1].pending_for = Duration::from_mins(3);
    };
    let Some(mut world) = World::begin_as(database, &one_severity, times).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 3, 80, 20).await;
    assert_eq!(alert(&world).state, "pending");
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(alert(&world).state, "firing", "the second has held for three minutes");
}

pub async fn a_crash_and_a_takeover_neither_lose_nor_lengthen_what_was_seen(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 180).await else {
        return;
    };
    world.live(&mut shop, 2, 80, 20).await;
    assert_eq!((alert(&world).state, seconds(alert(&world).since)), ("pending", 90));
    // At 180 s it has held for 90 s. Nobody looks for ten minutes, and then not long enough to know anything.
    let mut world = world.restart(600).await;
    let mut world = {
        world.tick().await;
        assert_eq!(alert(&world).state, "pending", "nobody can tell yet");
        world.restart(600).await
    };
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(
        alert(&world).state,
        "pending",
        "the hours in which nobody looked are no bad hours"
    );
    let counted = world.clock.now().since(alert(&world).since.expect("it is pending")) / 1000;
    assert!((90..=120).contains(&counted), "{counted} s");
    world.live(&mut shop, 2, 80, 20).await;
    assert_eq!(alert(&world).state, "firing", "the minutes from before are not lost");
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
}

pub async fn a_reload_does_not_stop_the_clock(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 120).await else {
        return;
    };
    for _ in 0..2 {
        world.live(&mut shop, 1, 80, 20).await;
        world.reload_as(QUICK, waiting(120)).await;
        assert_eq!(alert(&world).state, "pending");
    }
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(seconds(alert(&world).since), 210, "as without a reload");
    // A condition that is another one begins anew.
    let Some((mut world, mut shop)) = begin(database, 120).await else {
        return;
    };
    world.live(&mut shop, 2, 80, 20).await;
    world
        .reload_as(&QUICK.replace("factor: 5", "factor: 6"), waiting(120))
        .await;
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(alert(&world).state, "pending");
}

pub async fn a_store_that_fails_stops_it(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 180).await else {
        return;
    };
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(seconds(alert(&world).since), 90);
    for _ in 0..6 {
        world.pass(30);
        world.store.fail("commit_evaluation", Fault::Before);
        let failed = world.try_tick().await;
        assert!(failed.is_err(), "the store has failed");
    }
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(
        alert(&world).state,
        "pending",
        "three minutes without a store are not seen"
    );
    world.live(&mut shop, 3, 80, 20).await;
    assert_eq!(alert(&world).state, "firing");
}

pub async fn other_labels_do_not_make_it_wait_again(database: Database) {
    let Some((mut world, mut shop)) = begin(database, 120).await else {
        return;
    };
    world.live(&mut shop, 3, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    let labelled = QUICK.replace("service: shop", "service: shop\nlabels: {team: two}");
    world.reload_as(&labelled, waiting(120)).await;
    world.live(&mut shop, 2, 80, 20).await;
    assert_eq!(alert(&world).state, "firing");
    let told = world.web.take();
    let mut alerts = told.iter().flat_map(|(_, message)| &message.alerts);
    let new = alerts.find(|alert| alert.firing).expect("it is told");
    assert_eq!(new.labels.get("team").map(String::as_str), Some("two"));
    assert_eq!(
        (new.starts_at - NOW.0) / 1000,
        270,
        "at the first tick after the reload that saw it"
    );
}
