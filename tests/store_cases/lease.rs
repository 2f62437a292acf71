//! One writer at a time.

use std::time::Duration;

use nines::domain::time::Timestamp;
use nines::engine::ports::{
    AlertStore, CatalogStore, DeliveryStore, DispatchCommit, EvaluationCommit, LeaseState, LeaseStore, LedgerStore,
    RetainStore, Retention, StoreError,
};
use nines::store::SqlStore;

use crate::support::store::{Fixture, NOW, hold};

const TTL: Duration = Duration::from_secs(10);

pub async fn the_holder_renews_and_nobody_else_gets_it(ours: Fixture) {
    let other = SqlStore::connect(&ours.url).await.expect("a second store");
    let asked = other.acquire_lease("other", None, TTL).await.expect("an answer");
    assert_eq!(
        asked,
        LeaseState::Taken {
            holder: "me".to_owned()
        }
    );
    assert_eq!(hold(&ours.store, Some(ours.epoch)).await, ours.epoch);
}

pub async fn a_released_lease_is_free_at_once_under_a_higher_epoch(ours: Fixture) {
    let other = SqlStore::connect(&ours.url).await.expect("a second store");
    ours.store.release_lease(ours.epoch).await.expect("it is given back");
    assert!(hold(&other, None).await > ours.epoch);
}

pub async fn a_lost_lease_fences_every_write(ours: Fixture) {
    // The lease runs out, as it does for a process that hangs; on SQLite only the end of the process frees it.
    ours.run_raw("update lease set expires_at = 0").await;
    if ours.store.kind() == "sqlite" {
        ours.store.release_lease(ours.epoch).await.expect("it is given back");
    }
    let other = SqlStore::connect(&ours.url).await.expect("a second store");
    let epoch = hold(&other, None).await;
    assert_eq!(epoch, ours.epoch + 1);
    let (store, old) = (&ours.store, ours.epoch);
    let renewed = store.acquire_lease("me", Some(old), TTL).await.expect("an answer");
    assert_eq!(
        renewed,
        LeaseState::Taken {
            holder: "me".to_owned()
        }
    );
    let retention = Retention {
        minutes_days: 1,
        hours_days: 1,
        messages_days: 1,
        targets_days: 1,
    };
    let commit = crate::support::store::commit(1, 0, Vec::new());
    let read = crate::support::store::read(1, 0, &[1], (1, 1), &[]);
    let refused = [
        store.sync_slos(old, &[], NOW).await.map(|_| ()),
        store.ensure_keys(old, &[], NOW).await.map(|_| ()),
        store.save_revisions(old, &[]).await,
        store.save_fact(old, "a", "b").await,
        store.sync_targets(old, &[], NOW).await.map(|_| ()),
        store.commit_visits(old, &[commit], NOW).await,
        store.commit_reads(old, &[read], NOW).await.map(|_| ()),
        store
            .write_packed(old, &[crate::support::store::credit(1, 1, 1)], NOW)
            .await,
        store.prune(old, retention, NOW).await,
        store.commit_evaluation(old, &EvaluationCommit::default()).await,
        store.commit_dispatch(old, &DispatchCommit::default()).await,
        store.claim_deliveries(old, Timestamp(0), TTL, &[], 1).await.map(|_| ()),
    ];
    for (at, outcome) in refused.into_iter().enumerate() {
        assert!(matches!(outcome, Err(StoreError::Fenced)), "write {at}: {outcome:?}");
    }
    other.save_fact(epoch, "a", "c").await.expect("the new holder writes");
}

pub async fn migrating_at_once_makes_the_tables_once(f: Fixture) {
    let url = f.empty_url().await;
    let mut starting = Vec::new();
    for _ in 0..4 {
        let store = SqlStore::connect(&url).await.expect("a store");
        starting.push(tokio::spawn(async move { store.migrate().await.map(|()| store) }));
    }
    for start in starting {
        let store = start.await.expect("no panic").expect("the tables are made");
        store.migrate().await.expect("and made only once");
        assert_eq!(store.load_fact("a").await.expect("read"), None);
    }
}
