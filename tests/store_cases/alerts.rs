//! Alert states, transitions, incidents, silences, and what is pruned of them.

use nines::domain::alert::silence::Silence;
use nines::domain::matcher::{MatchOp, Matcher};
use nines::domain::time::Timestamp;
use nines::engine::message::MessageKind;
use nines::engine::ports::{
    AlertRecord, AlertStore, AttemptOutcome, DeliveryStore, DispatchCommit, EvaluationCommit, IncidentRecord,
    RetainStore, Retention, StoreError,
};

use super::deliveries::{claim, owe};
use crate::support::store::{Fixture, NOW};

const DAY_MS: i64 = 86_400_000;

fn alert(key: &str, body: &str) -> AlertRecord {
    AlertRecord {
        key: key.to_owned(),
        body: body.to_owned(),
    }
}

fn changes(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), format!("{{\"to\":\"{name}\"}}")))
        .collect()
}

fn incident(id: &str, group_key: &str, closed_at: Option<Timestamp>) -> IncidentRecord {
    IncidentRecord {
        id: id.to_owned(),
        group_key: group_key.to_owned(),
        opened_at: NOW,
        closed_at,
        next_flush_at: Some(NOW),
        body: "{}".to_owned(),
    }
}

pub async fn an_evaluation_is_kept_as_a_whole(f: Fixture) {
    assert_eq!(f.store.last_evaluation_at().await.expect("read"), None);
    let long = "k".repeat(10_000);
    let first = EvaluationCommit {
        at: NOW,
        alerts: vec![alert("a", "1"), alert("b", "1"), alert(&long, "1")],
        ..EvaluationCommit::default()
    };
    f.store.commit_evaluation(f.epoch, &first).await.expect("kept");
    let second = EvaluationCommit {
        at: Timestamp(NOW.0 + 1),
        alerts: vec![alert("a", "2\\u0000")],
        removed: vec!["b".to_owned(), "never there".to_owned()],
        ..EvaluationCommit::default()
    };
    f.store.commit_evaluation(f.epoch, &second).await.expect("kept");
    let mut alerts = f.store.load_alerts().await.expect("read");
    alerts.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(alerts, [alert("a", "2\\u0000"), alert(&long, "1")]);
    assert_eq!(f.store.last_evaluation_at().await.expect("read"), Some(second.at));
}

pub async fn transitions_are_consumed_once_and_in_order(f: Fixture) {
    for (at, names) in [(NOW, ["a", "b"]), (Timestamp(NOW.0 + 5), ["c", "d"])] {
        let commit = EvaluationCommit {
            at,
            transitions: changes(&names),
            ..EvaluationCommit::default()
        };
        f.store.commit_evaluation(f.epoch, &commit).await.expect("kept");
    }
    let pending = f.store.pending_transitions(3).await.expect("read");
    assert_eq!(
        pending.iter().map(|t| t.alert.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(pending.is_sorted_by_key(|t| t.id) && pending[2].at.0 == NOW.0 + 5);
    let commit = DispatchCommit {
        at: NOW,
        consumed: vec![pending[0].id, pending[2].id],
        ..DispatchCommit::default()
    };
    f.store.commit_dispatch(f.epoch, &commit).await.expect("kept");
    let left = f.store.pending_transitions(9).await.expect("read");
    assert_eq!(
        left.iter().map(|t| t.body.as_str()).collect::<Vec<_>>(),
        ["{\"to\":\"b\"}", "{\"to\":\"d\"}"]
    );
}

pub async fn one_incident_is_open_for_each_group_key(f: Fixture) {
    let dispatch = |incidents: Vec<IncidentRecord>| DispatchCommit {
        at: NOW,
        incidents,
        ..DispatchCommit::default()
    };
    let first = dispatch(vec![incident("1", "g", None), incident("2", "h", None)]);
    f.store.commit_dispatch(f.epoch, &first).await.expect("kept");
    let refused = f
        .store
        .commit_dispatch(f.epoch, &dispatch(vec![incident("3", "g", None)]))
        .await;
    assert!(matches!(refused, Err(StoreError::Data(_))), "{refused:?}");
    // The next may open in the same breath in which the last closes.
    let next = dispatch(vec![incident("3", "g", None), incident("1", "g", Some(NOW))]);
    f.store.commit_dispatch(f.epoch, &next).await.expect("kept");
    let mut open = f.store.open_incidents().await.expect("read");
    open.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(open, [incident("2", "h", None), incident("3", "g", None)]);
}

pub async fn silences_come_from_anybody(f: Fixture) {
    let matcher = |op, value| Matcher::new("service", op, value).expect("a matcher");
    let mut silence = Silence {
        id: "0199-a".to_owned(),
        matchers: vec![matcher(MatchOp::Equal, "shop"), matcher(MatchOp::NotRegex, "x\0|y.*")],
        starts_at: NOW,
        ends_at: Timestamp(NOW.0 + 10),
        created_by: "ann".to_owned(),
        comment: "a deploy".to_owned(),
        updated_at: NOW,
    };
    f.store.save_silence(&silence).await.expect("kept");
    silence.ends_at = Timestamp(NOW.0 + 20);
    f.store.save_silence(&silence).await.expect("changed");
    assert_eq!(f.store.silences(NOW).await.expect("read"), [silence.clone()]);
    let day_after = Timestamp(silence.ends_at.0 + DAY_MS);
    assert_eq!(f.store.silences(day_after).await.expect("read").len(), 1);
    assert_eq!(f.store.silences(Timestamp(day_after.0 + 1)).await.expect("read"), []);
}

pub async fn what_is_old_is_pruned_and_what_is_owed_stays(f: Fixture) {
    f.store.create_partitions(f.epoch, NOW).await.expect("partitions");
    f.store
        .create_partitions(f.epoch, NOW)
        .await
        .expect("they are there already");
    let commit = EvaluationCommit {
        at: NOW,
        transitions: changes(&["a", "b"]),
        ..EvaluationCommit::default()
    };
    f.store.commit_evaluation(f.epoch, &commit).await.expect("kept");
    let pending = f.store.pending_transitions(9).await.expect("read");
    let commit = DispatchCommit {
        at: NOW,
        consumed: vec![pending[0].id],
        incidents: vec![incident("1", "g", Some(NOW)), incident("2", "g", None)],
        deliveries: Vec::new(),
    };
    f.store.commit_dispatch(f.epoch, &commit).await.expect("kept");
    owe(
        &f,
        &[("old", "s", MessageKind::Trigger), ("owed", "s", MessageKind::Resolve)],
    )
    .await;
    let old = claim(&f, NOW, &[]).await.remove(0);
    f.store
        .finish_attempt(f.epoch, &old, NOW, NOW, &AttemptOutcome::Delivered)
        .await
        .expect("finished");
    let retention = Retention {
        minutes_days: 35,
        hours_days: 400,
        messages_days: 30,
        targets_days: 30,
    };
    let after = |days: i64| Timestamp(NOW.0 + days * DAY_MS + 1);
    f.store.prune(f.epoch, retention, after(29)).await.expect("pruned");
    assert_eq!(f.store.notifications(9).await.expect("read").len(), 2);
    // By then the month's partitions are empty of what is old, and go.
    f.store.prune(f.epoch, retention, after(62)).await.expect("pruned");
    partitions_are(&f, &["delivery_attempt_y2026m11"], false).await;
    partitions_are(&f, &["packed_day_y2026m11", "transition_y2026m11"], true).await;
    f.store.prune(f.epoch, retention, after(500)).await.expect("pruned");
    partitions_are(&f, &["packed_day_y2026m11", "packed_day_y2026m12"], false).await;
    let left = f.store.notifications(9).await.expect("read");
    assert_eq!(left.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["owed"]);
    assert_eq!(f.store.pending_transitions(9).await.expect("read"), pending[1..]);
    assert_eq!(
        f.store.open_incidents().await.expect("read"),
        [incident("2", "g", None)]
    );
    f.store
        .create_partitions(f.epoch, after(500))
        .await
        .expect("partitions");
    f.run_raw("insert into transition (at, alert, body) values (1, 'x', '{}')")
        .await;
}

/// Only Postgres has any.
async fn partitions_are(f: &Fixture, names: &[&str], there: bool) {
    for name in names.iter().filter(|_| f.store.kind() == "postgres") {
        let check = format!(
            "do $$ begin if (to_regclass('{name}') is not null) <> {there} then raise exception '{name}'; end if; end $$"
        );
        f.run_raw(&check).await;
    }
}
