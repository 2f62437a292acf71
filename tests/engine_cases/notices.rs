//! What receivers are told, and when.

use std::sync::Arc;
use std::time::Duration;

use nines::domain::alert::silence::Silence;
use nines::domain::matcher::{MatchOp, Matcher};
use nines::domain::time::Timestamp;
use nines::engine::clock::Clock;
use nines::engine::dispatch::Routing;
use nines::engine::ports::AlertStore;

use super::world::{Database, QUICK, Receiver, Shop, World, webhook};

/// Two SLOs on one counter, so that both fire at once.
const PAIR: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn: [{severity: page, long: 5m, short: 1m, factor: 5}]
  - name: late
    objective: 99
    window: 1d
    indicator: {total: late_total, bad: late_bad_total}
    alerting:
      burn: [{severity: page, long: 5m, short: 1m, factor: 5}]
";

fn change(world: &World, change: impl FnOnce(&mut Routing)) {
    world.routing.send_modify(|routing| {
        let mut changed = (**routing).clone();
        change(&mut changed);
        *routing = Arc::new(changed);
    });
}

async fn firing(database: Database, setup: impl FnOnce(&mut Routing)) -> Option<(World, Shop)> {
    let mut world = World::begin(database, QUICK).await?;
    change(&world, setup);
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.pass(30);
    (shop.good, shop.bad) = (shop.good + 80, shop.bad + 20);
    world.visit("a", &shop);
    world.tick().await;
    world.deliver().await;
    Some((world, shop))
}

/// Ticks every so many seconds, with the alert going on; at which of them something was told, in seconds.
async fn told_at(world: &mut World, shop: &mut Shop, seconds: i64, every: i64) -> Vec<(i64, String)> {
    let (mut at, mut told) = (0, Vec::new());
    while at < seconds {
        world.pass(every);
        at += every;
        (shop.good, shop.bad) = (shop.good + 80, shop.bad + 20);
        world.visit("a", shop);
        world.tick().await;
        world.deliver().await;
        told.extend(world.web.told().into_iter().map(|words| (at, words)));
    }
    told
}

pub async fn a_silence_keeps_quiet_and_its_end_is_heard(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let now = world.clock.now();
    let silence = Silence {
        id: "0197a000-0000-7000-8000-000000000001".to_owned(),
        matchers: vec![Matcher::new("slo", MatchOp::Equal, "api").expect("a matcher")],
        starts_at: now,
        ends_at: now + Duration::from_mins(5),
        created_by: "me".to_owned(),
        comment: String::new(),
        updated_at: now,
    };
    world.store.save_silence(&silence).await.expect("it is kept");
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 3, 80, 20).await;
    assert_eq!(world.web.told(), Vec::<String>::new());
    let alerts = world.engine.snapshot.load().alerts.clone();
    assert_eq!(alerts[0].state, "firing", "it fires all the same");
    assert_eq!(alerts[0].muted_by, [format!("silence {}", silence.id)]);
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"], "the silence is over");
    // A silence that comes later never keeps the end back.
    let later = Silence {
        ends_at: Timestamp(i64::MAX / 2),
        ..silence
    };
    world.store.save_silence(&later).await.expect("it is kept");
    world.live(&mut shop, 5, 100, 0).await;
    assert_eq!(world.web.told(), ["resolve -SLOBurn/page"]);
}

pub async fn an_unchanged_alert_is_told_again_after_the_repeat_interval(database: Database) {
    let Some((mut world, mut shop)) = firing(database, |_| {}).await else {
        return;
    };
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    let told = told_at(&mut world, &mut shop, 8 * 3600, 60).await;
    let want = [4 * 3600, 8 * 3600].map(|at| (at, "reminder +SLOBurn/page".to_owned()));
    assert_eq!(told, want);
}

pub async fn an_alertmanager_is_told_every_minute(database: Database) {
    let Some((mut world, mut shop)) = firing(database, |routing| {
        for integration in routing.receivers.values_mut().flatten() {
            (integration.kind, integration.resend_every) = ("alertmanager", Some(Duration::from_mins(1)));
        }
    })
    .await
    else {
        return;
    };
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    let told = told_at(&mut world, &mut shop, 180, 20).await;
    let want = [60, 120, 180].map(|at| (at, "reminder +SLOBurn/page".to_owned()));
    assert_eq!(told, want);
}

pub async fn a_group_waits_for_company(database: Database) {
    let Some(mut world) = World::begin(database, PAIR).await else {
        return;
    };
    change(&world, |routing| {
        if let Some(route) = &mut routing.route {
            route.group_by = nines::domain::alert::route::GroupBy::Names(vec!["service".to_owned()]);
            (route.group_wait, route.group_interval) = (Duration::from_secs(30), Duration::from_mins(5));
        }
    });
    let mut shop = Shop::default();
    let (mut late, mut told) = ((0.0, 0.0), Vec::new());
    for at in (0..900).step_by(10) {
        world.pass(10);
        shop.good += 100;
        late.0 += 100.0;
        if at >= 60 {
            shop.bad += 50;
        }
        // The other one follows after a minute, and both end together.
        if at >= 120 {
            late.1 += 50.0;
        }
        if at >= 600 {
            (shop.bad, late.1) = (shop.bad - 50, late.1 - 50.0);
        }
        let mut page = shop.page();
        let other = super::world::page([("late_total", vec![], late.0), ("late_bad_total", vec![], late.1)]);
        page.samples.extend(other.samples);
        world.read("a", nines::domain::reading::Reading::Page(page));
        world.tick().await;
        world.deliver().await;
        told.extend(world.web.told().into_iter().map(|words| (at, words)));
    }
    let want = [
        (90, "trigger +SLOBurn/page"),
        (390, "update +SLOBurn/page +SLOBurn/page"),
        (690, "resolve -SLOBurn/page -SLOBurn/page"),
    ];
    let told: Vec<(i64, &str)> = told.iter().map(|(at, words)| (*at, words.as_str())).collect();
    assert_eq!(told, want, "30 s after the first, then five minutes after each message");
}

pub async fn who_does_not_want_resolves_hears_none(database: Database) {
    let quiet = Arc::new(Receiver::default());
    let also = Arc::clone(&quiet);
    let Some((mut world, mut shop)) = firing(database, move |routing| {
        let integration = nines::engine::ports::Integration {
            send_resolved: false,
            ..webhook(1, &also)
        };
        routing
            .receivers
            .entry("oncall".to_owned())
            .or_default()
            .push(integration);
    })
    .await
    else {
        return;
    };
    world.live(&mut shop, 5, 100, 0).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page", "resolve -SLOBurn/page"]);
    assert_eq!(quiet.told(), ["trigger +SLOBurn/page"]);
    // The next incident is told to both again, as a new one.
    world.live(&mut shop, 2, 50, 50).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    assert_eq!(quiet.told(), ["trigger +SLOBurn/page"]);
}

pub async fn a_page_that_comes_back_is_heard_by_who_wants_no_resolves(database: Database) {
    let Some(mut world) = World::begin(database, super::alerts::BOTH).await else {
        return;
    };
    change(&world, |routing| {
        for integration in routing.receivers.values_mut().flatten() {
            integration.send_resolved = false;
        }
    });
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.live(&mut shop, 2, 80, 20).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page"]);
    // The page ends, its ticket goes on in the same incident.
    world.live(&mut shop, 6, 97, 3).await;
    assert_eq!(world.web.told(), ["update +SLOBurn/ticket"]);
    world.live(&mut shop, 2, 50, 50).await;
    assert_eq!(world.web.told().len(), 1, "the page is back");
}
