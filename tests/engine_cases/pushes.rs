//! Pushed events and heartbeats: each key counts once, and a deadline that nobody could hear is no missed one.

use std::collections::BTreeMap;
use std::sync::Arc;

use nines::domain::counts::MICRO;
use nines::domain::heartbeat::Ping;
use nines::domain::time::Timestamp;
use nines::engine::push::event::PushedEvent;
use nines::engine::push::task::PushTask;
use nines::engine::push::{PushDone, PushRefusal, Pushes};
use tokio::task::JoinHandle;

use super::faulty::Fault;
use super::world::{Database, NOW, TOKEN, World};

const PUSHED: &str = "
version: nines/v1
service: shop
slos:
  - name: orders
    objective: 99
    window: 1d
    indicator: {events: {}, group_by: [region]}
  - name: mails
    objective: 99
    window: 1d
    indicator: {events: {}}
  - name: backup
    objective: 90
    window: 1d
    indicator: {heartbeat: backup}
";

type Answer<T> = Result<T, PushRefusal>;

fn event(slo: &str, total: i64, bad: i64) -> PushedEvent {
    PushedEvent {
        slo: slo.to_owned(),
        total: total * MICRO,
        good: (total - bad) * MICRO,
        ..PushedEvent::default()
    }
}

fn in_region(region: &str, total: i64, bad: i64) -> PushedEvent {
    PushedEvent {
        group: BTreeMap::from([("region".to_owned(), region.to_owned())]),
        ..event("shop/orders", total, bad)
    }
}

/// Somebody pushes, and waits for the answer.
async fn send(world: &World, events: Vec<PushedEvent>, key: Option<&str>) -> JoinHandle<Answer<PushDone>> {
    let (pushes, now): (Arc<Pushes>, Timestamp) = (Arc::clone(&world.engine.pushes), nines_now(world));
    let (events, key) = (events.into_iter().map(Ok).collect(), key.map(str::to_owned));
    let waiting = tokio::spawn(async move { pushes.push(events, key.as_deref(), now).await });
    tokio::task::yield_now().await;
    waiting
}

fn nines_now(world: &World) -> Timestamp {
    use nines::engine::clock::Clock;
    world.clock.now()
}

/// Pushes, and counts what waits.
async fn push(world: &World, task: &mut PushTask, events: Vec<PushedEvent>, key: Option<&str>) -> Answer<PushDone> {
    let waiting = send(world, events, key).await;
    let _ = task.step().await;
    waiting.await.expect("no panic")
}

async fn ping(world: &World, task: &mut PushTask, ping: Ping) -> Answer<bool> {
    let pushes = Arc::clone(&world.engine.pushes);
    let waiting = tokio::spawn(async move { pushes.ping(TOKEN, ping).await });
    tokio::task::yield_now().await;
    let _ = task.step().await;
    waiting.await.expect("no panic")
}

fn done(accepted: u64, duplicates: u64) -> Answer<PushDone> {
    Ok(PushDone { accepted, duplicates })
}

pub async fn what_is_pushed_is_shown_by_group_and_beyond_a_hundred_as_other(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    assert_eq!(
        push(&world, &mut task, vec![in_region("eu", 10, 1)], Some("a")).await,
        done(1, 0)
    );
    world.tick().await;
    assert_eq!(
        (world.events("shop/orders"), world.events("shop/orders{region=\"eu\"}")),
        ((10, 1), (10, 1))
    );
    assert!(world.view("shop/mails").events.is_none_or(|events| events.total == 0));
    assert_eq!(
        push(&world, &mut task, vec![in_region("eu", 10, 1)], Some("a")).await,
        done(0, 1)
    );
    let many = (0..130).map(|n| in_region(&format!("r{n}"), 2, 1)).collect();
    assert_eq!(push(&world, &mut task, many, None).await, done(130, 0));
    world.tick().await;
    assert_eq!(world.events("shop/orders"), (270, 131));
    assert_eq!(
        world.events("shop/orders{region=\"other\"}"),
        (62, 31),
        "99 of 130 have found a place"
    );
    let late = PushedEvent {
        at: Some(Timestamp(NOW.0 - 5 * 3_600_000)),
        ..event("shop/mails", 3, 0)
    };
    assert_eq!(push(&world, &mut task, vec![late], None).await, done(1, 0));
    world.tick().await;
    assert_eq!(world.events("shop/mails"), (3, 0));
    world.prove().await;
    let mut world = world.restart(30).await;
    world.tick().await;
    assert_eq!(world.events("shop/orders{region=\"other\"}"), (62, 31));
    world.prove().await;
}

pub async fn a_push_counts_once_whatever_a_failing_store_did(database: Database) {
    const CALLS: [&str; 6] = [
        "commit_pushes",
        "commit_pushes",
        "is_pushed",
        "ensure_keys",
        "commit_evaluation",
        "lifetimes",
    ];
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut random = 7_u64;
    let mut below = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    let mut task = world.push_task();
    let mut open = Some(task.open());
    let (mut wanted, mut tries, mut regions) = ((0, 0), 0, BTreeMap::new());
    for number in 0..150 {
        let (total, bad) = (1 + below(20) as i64, below(2) as i64);
        let region = format!("r{}", below(1 + number / 15));
        let sent = vec![in_region(&region, total, bad), event("shop/mails", 1, 0)];
        let key = format!("push {number}");
        let mut told = Err(PushRefusal::NotCounted);
        while told.is_err() {
            if below(2) == 0 {
                let fault = if below(2) == 0 { Fault::Before } else { Fault::After };
                world.store.fail(CALLS[below(CALLS.len() as u64) as usize], fault);
            }
            world.pass(1);
            told = push(&world, &mut task, sent.clone(), Some(&key)).await;
            tries += 1;
            if below(3) == 0 {
                let _ = world.try_tick().await;
            }
            if below(25) == 0 {
                drop((task, open.take()));
                world = world.restart(2).await;
                task = world.push_task();
                open = Some(task.open());
            }
        }
        (wanted.0, wanted.1) = (wanted.0 + total, wanted.1 + bad);
        *regions.entry(region).or_insert(0) += total;
    }
    assert!(tries > 170, "{tries} tries");
    for _ in 0..20 {
        let _ = world.try_tick().await;
    }
    world.tick().await;
    assert_eq!(world.events("shop/orders"), wanted);
    assert_eq!(world.events("shop/mails"), (150, 0));
    for (region, total) in regions {
        assert_eq!(world.events(&format!("shop/orders{{region=\"{region}\"}}")).0, total);
    }
    world.prove().await;
}

pub async fn nobody_is_told_what_nobody_knows(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    let mails = || vec![event("shop/mails", 5, 0)];
    world.store.fail("commit_pushes", Fault::Before);
    assert_eq!(
        push(&world, &mut task, mails(), None).await,
        Err(PushRefusal::NotCounted)
    );
    world.store.fail("commit_pushes", Fault::After);
    assert_eq!(
        push(&world, &mut task, mails(), None).await,
        done(1, 0),
        "it was looked up"
    );
    world.store.fail("commit_pushes", Fault::After);
    world.store.fail("is_pushed", Fault::Before);
    assert_eq!(
        push(&world, &mut task, mails(), Some("k")).await,
        Err(PushRefusal::Unknown)
    );
    assert_eq!(push(&world, &mut task, mails(), Some("k")).await, done(0, 1));
    let other = vec![event("shop/mails", 6, 0)];
    assert_eq!(
        push(&world, &mut task, other, Some("k")).await,
        Err(PushRefusal::Conflict(None))
    );
    world.tick().await;
    assert_eq!(world.events("shop/mails"), (10, 0));
    world.prove().await;
}

pub async fn a_standby_counts_nothing_and_says_so(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let mails = || vec![event("shop/mails", 5, 0)];
    assert_eq!(push(&world, &mut task, mails(), None).await, Err(PushRefusal::Standby));
    let open = task.open();
    let waiting = send(&world, mails(), None).await;
    drop(open);
    assert_eq!(
        waiting.await.expect("no panic"),
        Err(PushRefusal::Standby),
        "what waits has not counted"
    );
    let open = task.open();
    world.store.fail("commit_pushes", Fault::Fenced);
    assert_eq!(push(&world, &mut task, mails(), None).await, Err(PushRefusal::Standby));
    drop(open);
    world.tick().await;
    assert!(world.view("shop/mails").events.is_none_or(|events| events.total == 0));
}

pub async fn data_that_the_store_refuses_harm_no_other_push(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    let huge = || {
        (0..9_300)
            .map(|_| event("shop/mails", 1_000_000_000, 0))
            .collect::<Vec<_>>()
    };
    let waiting = [
        send(&world, vec![in_region("eu", 3, 0)], None).await,
        send(&world, huge(), None).await,
        send(&world, vec![in_region("us", 4, 0)], None).await,
    ];
    for _ in 0..3 {
        task.step().await.expect("the store works");
    }
    let mut told = Vec::new();
    for one in waiting {
        told.push(one.await.expect("no panic"));
    }
    assert_eq!(told, [done(1, 0), Err(PushRefusal::Refused), done(1, 0)]);
    world.tick().await;
    assert_eq!(world.events("shop/orders"), (7, 0));
    world.prove().await;
}

pub async fn what_cannot_count_is_said_of_each_event(database: Database) {
    let Some(world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    let at = |seconds: i64| PushedEvent {
        at: Some(Timestamp(NOW.0 + seconds * 1000)),
        ..event("shop/mails", 1, 0)
    };
    let named = PushedEvent {
        group: BTreeMap::from([("zone".to_owned(), "eu".to_owned())]),
        ..event("shop/orders", 1, 0)
    };
    let keyed = PushedEvent {
        key: Some("k".repeat(256)),
        ..event("shop/mails", 1, 0)
    };
    let cases = [
        (event("shop/mails", 1, 0), None),
        (event("shop/mial", 1, 0), Some("did you mean shop/mails?")),
        (event("shop/backup", 1, 0), Some("not fed by pushes")),
        (event("shop/mails", 1, 2), Some("negative")),
        (event("shop/mails", 2_000_000_000, 2), Some("above 1000000000")),
        (at(59), None),
        (at(61), Some("ahead")),
        (at(-23 * 3600), None),
        (at(-25 * 3600), Some("before the window")),
        (at(-36 * 86_400), Some("35 days")),
        (named, Some("grouped by region")),
        (keyed, Some("at most 255")),
    ];
    let events = cases.iter().map(|(event, _)| event.clone()).collect();
    let Err(PushRefusal::Invalid(wrong)) = push(&world, &mut task, events, None).await else {
        panic!("it is refused")
    };
    let wrong: BTreeMap<usize, String> = wrong.into_iter().collect();
    for (place, (_, wanted)) in cases.iter().enumerate() {
        match (wrong.get(&place), wanted) {
            (None, None) => {}
            (Some(said), Some(wanted)) if said.contains(wanted) => {}
            (said, wanted) => panic!("event {place}: {said:?}, not {wanted:?}"),
        }
    }
}

pub async fn runs_of_a_job_are_events_and_so_is_one_that_does_not_come(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    let state = |world: &World| world.engine.pushes.heartbeats(nines_now(world))[0].state;
    task.step().await.expect("the store works");
    assert_eq!(state(&world), "waiting");
    assert_eq!(ping(&world, &mut task, Ping::Start).await, Ok(false));
    assert_eq!(state(&world), "running");
    world.pass(120);
    assert_eq!(ping(&world, &mut task, Ping::Success).await, Ok(true));
    assert_eq!(
        ping(&world, &mut task, Ping::Success).await,
        Ok(false),
        "a client has tried again"
    );
    // Somebody listens all the time.
    let pass = async |world: &World, task: &mut PushTask, minutes: i64| {
        for _ in 0..minutes {
            world.pass(60);
            task.step().await.expect("the store works");
        }
    };
    pass(&world, &mut task, 30).await;
    assert_eq!(ping(&world, &mut task, Ping::Exit(3)).await, Ok(true));
    world.tick().await;
    assert_eq!((world.events("shop/backup"), state(&world)), ((2, 1), "failed"));
    pass(&world, &mut task, 61).await;
    assert_eq!(state(&world), "late");
    pass(&world, &mut task, 10).await;
    world.tick().await;
    assert_eq!((world.events("shop/backup"), state(&world)), ((3, 2), "missed"));
    pass(&world, &mut task, 60).await;
    world.tick().await;
    assert_eq!(world.events("shop/backup"), (4, 3), "the next one is an interval later");
    assert_eq!(ping(&world, &mut task, Ping::Exit(0)).await, Ok(true));
    world.tick().await;
    assert_eq!((world.events("shop/backup"), state(&world)), ((5, 3), "up"));
    let coverage = world.view("shop/backup").coverage.expect("it is known");
    assert!((0.11..0.12).contains(&coverage), "164 minutes of a day: {coverage}");
    let alerts = world.view("shop/backup").alerts;
    let no_data = alerts
        .iter()
        .find(|alert| alert.name == "SLONoData")
        .map(|alert| alert.state);
    assert!(
        no_data.is_none_or(|state| state == "inactive"),
        "silence is what a job does between two runs"
    );
    world.prove().await;
}

pub async fn a_deadline_that_nobody_could_hear_is_unknown(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let mut open = Some(task.open());
    assert_eq!(ping(&world, &mut task, Ping::Success).await, Ok(true));
    // Down from minute 40 to 55: the run is due at 60 and missed at 70.
    for _ in 0..40 {
        world.pass(60);
        task.step().await.expect("the store works");
    }
    drop((task, open.take()));
    world = world.restart(15 * 60).await;
    task = world.push_task();
    open = Some(task.open());
    for _ in 0..20 {
        task.step().await.expect("the store works");
        world.pass(60);
    }
    task.step().await.expect("the store works");
    world.tick().await;
    assert_eq!(
        world.events("shop/backup"),
        (1, 0),
        "somebody was away between 50 and 70"
    );
    assert_eq!(world.engine.pushes.heartbeats(nines_now(&world))[0].state, "unknown");
    // The next one is heard of: due at 120, missed at 130.
    for _ in 0..60 {
        world.pass(60);
        task.step().await.expect("the store works");
    }
    world.tick().await;
    assert_eq!(world.events("shop/backup"), (2, 1));
    // A store that is away hears nothing either, and a ping that was not kept is said to be lost.
    world.store.fail("commit_pushes", Fault::Before);
    world.pass(60);
    assert_eq!(
        ping(&world, &mut task, Ping::Success).await,
        Err(PushRefusal::NotCounted)
    );
    assert_eq!(ping(&world, &mut task, Ping::Success).await, Ok(true));
    world.tick().await;
    assert_eq!(world.events("shop/backup"), (3, 1));
    let pushes = Arc::clone(&world.engine.pushes);
    let strange = pushes.ping("0123456789abcdeF", Ping::Success).await;
    assert_eq!(strange, Err(PushRefusal::NoSuchToken));
    world.prove().await;
    drop(open);
}

pub async fn a_push_that_was_there_first_is_no_missing_data(database: Database) {
    let Some(mut world) = World::begin(database, PUSHED).await else {
        return;
    };
    let mut task = world.push_task();
    let _open = task.open();
    task.step().await.expect("the store works");
    world.tick().await;
    let said = |world: &World, id: &str| {
        let view = world.view(id);
        view.diagnostics.first().map(|found| found.message.clone())
    };
    assert_eq!(said(&world, "shop/mails").as_deref(), Some("nothing was pushed yet"));
    assert!(said(&world, "shop/backup").is_some_and(|said| said.contains("no ping")));
    assert_eq!(
        push(&world, &mut task, vec![event("shop/mails", 1, 0)], None).await,
        done(1, 0)
    );
    world.pass(10);
    world.tick().await;
    assert_eq!(said(&world, "shop/mails"), None);
}
