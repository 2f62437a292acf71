//! Crashes, and receivers that are out of reach.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nines::engine::message::MessageKind;
use nines::engine::ports::{DeliveryState, DeliveryStore, SendOutcome};

use super::faulty::Fault;
use super::world::{Answer, Database, QUICK, Receiver, Shop, World, webhook};

/// Where the process is killed: a sentence, the call that is the last one, and whether it took effect.
const STEPS: [(&str, &str, Fault); 10] = [
    ("visits were not committed", "commit_visits", Fault::Before),
    ("visits were committed", "commit_visits", Fault::After),
    ("the evaluation was not committed", "commit_evaluation", Fault::Before),
    ("the evaluation was committed", "commit_evaluation", Fault::After),
    ("the dispatch was not committed", "commit_dispatch", Fault::Before),
    ("the dispatch was committed", "commit_dispatch", Fault::After),
    ("the delivery was not claimed", "claim_deliveries", Fault::Before),
    ("the delivery was claimed", "claim_deliveries", Fault::After),
    (
        "the receiver had it, but that was not stored",
        "finish_attempt",
        Fault::Before,
    ),
    (
        "the receiver had it, and that was stored",
        "finish_attempt",
        Fault::After,
    ),
];

pub async fn a_crash_at_any_step_loses_no_message_and_repeats_at_most_one(database: Database) {
    for ending in [false, true] {
        for step in STEPS {
            crash_at(database, step, ending).await;
        }
    }
}

/// Kills the process at this step of an alert's beginning, or of its end.
async fn crash_at(database: Database, (what, call, fault): (&str, &'static str, Fault), ending: bool) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    if ending {
        world.live(&mut shop, 1, 80, 20).await;
        world.live(&mut shop, 1, 100, 0).await;
        world.pass(30);
        world.tick().await;
    }
    // At the next tick the alert fires, or resolves, and the process is killed on the way.
    world.pass(30);
    (shop.good, shop.bad) = if ending {
        (shop.good + 100, shop.bad)
    } else {
        (shop.good + 80, shop.bad + 20)
    };
    world.visit("a", &shop);
    world.store.fail(call, fault);
    if world.try_tick().await.is_ok() {
        world.deliver().await;
    }
    assert_eq!(world.store.unmet(), 0, "{what}: the process got that far");
    let mut world = world.restart(60).await;
    if !ending {
        world.live(&mut shop, 1, 80, 20).await;
    }
    world.live(&mut shop, 4, 100, 0).await;

    let got = world.web.take();
    let kinds: Vec<MessageKind> = got.iter().map(|(_, message)| message.kind).collect();
    let ids_of = |kind: MessageKind| -> BTreeSet<&String> {
        got.iter()
            .filter(|(_, message)| message.kind == kind)
            .map(|(id, _)| id)
            .collect()
    };
    let what = format!("{what}, ending: {ending}: {kinds:?}");
    assert_eq!(ids_of(MessageKind::Trigger).len(), 1, "{what}");
    assert_eq!(ids_of(MessageKind::Resolve).len(), 1, "{what}");
    assert!((2..=3).contains(&got.len()), "{what}");
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&MessageKind::Trigger), Some(&MessageKind::Resolve)),
        "{what}"
    );
    assert!(
        kinds.is_sorted_by_key(|kind| *kind == MessageKind::Resolve),
        "no trigger after its resolve: {what}"
    );
    let all = (shop.good + shop.bad - 100) as i64;
    assert_eq!(world.events("shop/api"), (all, shop.bad as i64), "{what}");
    world.prove().await;
}

pub async fn a_trigger_that_was_not_delivered_goes_out_before_its_resolve(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    let away = || SendOutcome::Retry {
        reason: "status".into(),
        detail: "503".into(),
        retry_after: None,
    };
    world.live(&mut shop, 1, 100, 0).await;
    for _ in 0..3 {
        world.web.answer(Answer::Says(away()));
    }
    world.live(&mut shop, 1, 80, 20).await;
    for _ in 0..8 {
        world.pass(30);
        shop.good += 100;
        world.visit("a", &shop);
        world.tick().await;
    }
    assert_eq!(world.web.told(), Vec::<String>::new(), "nothing has got through");
    let mut world = world.restart(600).await;
    world.live(&mut shop, 2, 100, 0).await;
    assert_eq!(world.web.told(), ["trigger +SLOBurn/page", "resolve -SLOBurn/page"]);
}

pub async fn a_dead_trigger_supersedes_its_resolve(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    let no = SendOutcome::Rejected {
        reason: "status".into(),
        detail: "404".into(),
    };
    // It is refused only after its resolve waits behind it.
    for _ in 0..2 {
        world.pass(30);
        (shop.good, shop.bad) = (shop.good + 80, shop.bad + 20);
        world.visit("a", &shop);
        world.tick().await;
    }
    for _ in 0..8 {
        world.pass(30);
        shop.good += 100;
        world.visit("a", &shop);
        world.tick().await;
    }
    world.web.answer(Answer::Says(no));
    world.deliver().await;
    assert_eq!(world.web.told(), Vec::<String>::new());
    let owed = world.store.notifications(10).await.expect("they are read");
    let states: Vec<_> = owed.iter().map(|one| (one.kind, one.state)).collect();
    let want = [
        (MessageKind::Resolve, DeliveryState::Superseded),
        (MessageKind::Trigger, DeliveryState::Dead),
    ];
    assert_eq!(states, want);
}

pub async fn an_integration_that_hangs_delays_no_other(database: Database) {
    let Some(mut world) = World::begin(database, QUICK).await else {
        return;
    };
    let other = Arc::new(Receiver::default());
    world.routing.send_modify(|routing| {
        let mut changed = (**routing).clone();
        changed
            .receivers
            .insert("oncall".to_owned(), vec![webhook(0, &world.web), webhook(1, &other)]);
        *routing = Arc::new(changed);
    });
    let mut shop = Shop::default();
    world.live(&mut shop, 1, 100, 0).await;
    world.web.answer(Answer::Hangs);
    world.store.hung.store(1, Ordering::SeqCst);
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(other.told(), ["trigger +SLOBurn/page"]);
    assert_eq!(world.web.told(), Vec::<String>::new());
    let mut world = world.restart(60).await;
    world.live(&mut shop, 1, 80, 20).await;
    assert_eq!(
        world.web.told(),
        ["trigger +SLOBurn/page"],
        "the claim is over, and it is told"
    );
    world.live(&mut shop, 4, 100, 0).await;
    assert_eq!(world.web.told(), ["resolve -SLOBurn/page"]);
    assert_eq!(other.told(), ["resolve -SLOBurn/page"]);
}
