//! The outbox: order, claims, retries, dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use nines::domain::time::Timestamp;
use nines::engine::message::{Message, MessageAlert, MessageKind};
use nines::engine::ports::{
    AlertStore, AttemptOutcome, ClaimedDelivery, DeliveryState, DeliveryStore, DispatchCommit, NewDelivery,
};

use crate::support::store::{Fixture, NOW};

use DeliveryState::{Dead, Ready, Superseded};
use MessageKind::{Reminder, Resolve, Trigger, Update};

const CLAIM_FOR: Duration = Duration::from_secs(30);

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000)
}

fn message(kind: MessageKind) -> Message {
    let labels = |pairs: [(&str, &str); 2]| BTreeMap::from(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
    Message {
        kind,
        receiver: "ops".to_owned(),
        incident: "i".to_owned(),
        sequence: 0,
        group_key: "{}:{slo=\"a\"}".to_owned(),
        group_labels: BTreeMap::new(),
        reason: "first notification".to_owned(),
        external_url: "http://nines".to_owned(),
        alerts: vec![MessageAlert {
            severity: "page".to_owned(),
            firing: true,
            labels: labels([("service", "shop"), ("slo", "a\0b")]),
            annotations: BTreeMap::new(),
            starts_at: 0,
            ends_at: None,
            generator_url: String::new(),
            fingerprint: "f".to_owned(),
            summary: "it burns".to_owned(),
        }],
        slo: None,
    }
}

/// Owes deliveries: id, stream, kind.
pub async fn owe(f: &Fixture, deliveries: &[(&str, &str, MessageKind)]) {
    let delivery = |(id, stream, kind): &(&str, &str, MessageKind)| NewDelivery {
        id: (*id).to_owned(),
        stream: (*stream).to_owned(),
        receiver: "ops".to_owned(),
        integration: "webhook/0".to_owned(),
        message: message(*kind),
    };
    let commit = DispatchCommit {
        at: NOW,
        deliveries: deliveries.iter().map(delivery).collect(),
        ..DispatchCommit::default()
    };
    f.store.commit_dispatch(f.epoch, &commit).await.expect("owed");
}

pub async fn claim(f: &Fixture, now: Timestamp, busy: &[&str]) -> Vec<ClaimedDelivery> {
    let busy: Vec<String> = busy.iter().map(ToString::to_string).collect();
    f.store
        .claim_deliveries(f.epoch, now, CLAIM_FOR, &busy, 10)
        .await
        .expect("claimed")
}

async fn claimed_ids(f: &Fixture, now: Timestamp, busy: &[&str]) -> Vec<String> {
    claim(f, now, busy)
        .await
        .into_iter()
        .map(|delivery| delivery.id)
        .collect()
}

async fn finish(f: &Fixture, delivery: &ClaimedDelivery, now: Timestamp, outcome: AttemptOutcome) -> bool {
    f.store
        .finish_attempt(f.epoch, delivery, now, now, &outcome)
        .await
        .expect("an answer")
}

async fn states(f: &Fixture) -> BTreeMap<String, DeliveryState> {
    let all = f.store.notifications(100).await.expect("read");
    all.into_iter().map(|n| (n.id, n.state)).collect()
}

pub async fn each_stream_goes_in_order_one_at_a_time(f: Fixture) {
    assert_eq!(f.store.next_due().await.expect("read"), None);
    owe(
        &f,
        &[
            ("a1", "a", Trigger),
            ("b1", "b", Trigger),
            ("a2", "a", Resolve),
            ("c1", "c", Trigger),
        ],
    )
    .await;
    assert_eq!(f.store.next_due().await.expect("read"), Some(NOW));
    assert_eq!(claimed_ids(&f, at(-1), &[]).await, Vec::<String>::new());
    let claimed = claim(&f, at(0), &["c"]).await;
    assert_eq!(claimed.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["a1", "b1"]);
    let first = &claimed[0];
    assert_eq!(
        (first.attempt, first.created_at, &first.message),
        (1, NOW, &message(Trigger))
    );
    assert_eq!(claimed_ids(&f, at(0), &["c"]).await, Vec::<String>::new());
    assert!(finish(&f, first, at(1), AttemptOutcome::Delivered).await);
    assert!(
        !finish(&f, first, at(1), AttemptOutcome::Delivered).await,
        "a claim ends once"
    );
    assert_eq!(claimed_ids(&f, at(1), &[]).await, ["a2", "c1"]);
}

pub async fn retries_wait_and_claims_run_out(f: Fixture) {
    owe(&f, &[("a1", "a", Trigger), ("a2", "a", Resolve)]).await;
    let first = claim(&f, at(0), &[]).await.remove(0);
    let retry = AttemptOutcome::Retry {
        not_before: at(60),
        error: "503\0".to_owned(),
    };
    assert!(finish(&f, &first, at(1), retry).await);
    assert_eq!(f.store.next_due().await.expect("read"), Some(at(60)));
    assert_eq!(claimed_ids(&f, at(59), &[]).await, Vec::<String>::new());
    let second = claim(&f, at(60), &[]).await.remove(0);
    assert_eq!((second.id.as_str(), second.attempt), ("a1", 2));
    // Nobody finishes: the claim ends, and what comes late is not believed.
    assert_eq!(f.store.next_due().await.expect("read"), Some(at(90)));
    assert_eq!(claimed_ids(&f, at(89), &[]).await, Vec::<String>::new());
    let third = claim(&f, at(91), &[]).await.remove(0);
    assert_eq!((third.id.as_str(), third.attempt), ("a1", 3));
    assert!(!finish(&f, &second, at(92), AttemptOutcome::Delivered).await);
    assert!(finish(&f, &third, at(92), AttemptOutcome::Delivered).await);
    assert_eq!(claimed_ids(&f, at(92), &[]).await, ["a2"]);
    let shown = f.store.notifications(2).await.expect("read");
    assert_eq!(
        (shown[1].attempts, shown[1].last_error.as_deref()),
        (3, Some("503\u{fffd}"))
    );
}

pub async fn an_interrupted_attempt_does_not_count(f: Fixture) {
    owe(&f, &[("a1", "a", Trigger)]).await;
    let first = claim(&f, at(0), &[]).await.remove(0);
    assert!(finish(&f, &first, at(5), AttemptOutcome::Interrupted).await);
    let again = claim(&f, at(5), &[]).await.remove(0);
    assert_eq!(again.attempt, 1);
}

pub async fn a_dead_trigger_takes_its_followers_with_it(f: Fixture) {
    let owed = [
        ("a1", "a", Trigger),
        ("a2", "a", Update),
        ("b1", "b", Update),
        ("a3", "a", Reminder),
        ("a4", "a", Resolve),
        ("b2", "b", Resolve),
        ("a5", "a", Trigger),
        ("a6", "a", Resolve),
    ];
    owe(&f, &owed).await;
    let dead = || AttemptOutcome::Dead {
        error: "401".to_owned(),
    };
    for delivery in claim(&f, at(0), &[]).await {
        assert!(finish(&f, &delivery, at(1), dead()).await);
    }
    let wanted = [
        ("a1", Dead),
        ("a2", Superseded),
        ("a3", Superseded),
        ("a4", Superseded),
        ("a5", Ready),
        ("a6", Ready),
        ("b1", Dead),
        // What died was no trigger: somebody may have heard of it, and hears of its end.
        ("b2", Ready),
    ];
    assert_eq!(
        states(&f).await,
        wanted.into_iter().map(|(id, state)| (id.to_owned(), state)).collect()
    );
    assert_eq!(f.store.dead_letters().await.expect("read"), 2);
    assert_eq!(claimed_ids(&f, at(2), &[]).await, ["b2", "a5"]);
}

pub async fn a_dead_letter_can_be_sent_again(f: Fixture) {
    owe(&f, &[("a1", "a", Trigger)]).await;
    assert!(
        !f.store.retry_delivery("a1", at(0)).await.expect("an answer"),
        "it is not dead"
    );
    assert!(!f.store.retry_delivery("nobody", at(0)).await.expect("an answer"));
    let first = claim(&f, at(0), &[]).await.remove(0);
    assert!(
        finish(
            &f,
            &first,
            at(1),
            AttemptOutcome::Dead {
                error: "gone".to_owned()
            }
        )
        .await
    );
    assert!(f.store.retry_delivery("a1", at(9)).await.expect("an answer"));
    assert_eq!(f.store.next_due().await.expect("read"), Some(at(9)));
    let again = claim(&f, at(9), &[]).await.remove(0);
    assert_eq!(again.attempt, 2);
    assert!(finish(&f, &again, at(9), AttemptOutcome::Delivered).await);
    assert_eq!(f.store.dead_letters().await.expect("read"), 0);
}

pub async fn notifications_show_the_newest_first(f: Fixture) {
    owe(&f, &[("a1", "a", Trigger), ("a2", "a", Resolve), ("b1", "b", Trigger)]).await;
    let shown = f.store.notifications(2).await.expect("read");
    assert_eq!(shown.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["b1", "a2"]);
    let newest = &shown[0];
    assert_eq!(
        (newest.integration.as_str(), newest.kind, newest.state),
        ("webhook", Trigger, DeliveryState::Ready)
    );
    assert_eq!(
        (newest.created_at.as_str(), newest.finished_at.as_deref()),
        ("2026-11-21T08:00:00Z", None)
    );
    assert_eq!(newest.next_attempt_at.as_deref(), Some("2026-11-21T08:00:00Z"));
    assert_eq!(newest.slo.as_deref(), Some("shop/a\u{fffd}b"));
}
