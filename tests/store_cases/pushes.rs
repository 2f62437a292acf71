//! What is pushed counts once by its key, in the transaction that counts it.

use std::collections::{BTreeMap, BTreeSet};

use nines::domain::counts::{Bucket, MICRO};
use nines::domain::time::{DAY_MINUTES, MINUTE_MS, Minute, Timestamp};
use nines::engine::ports::{
    CatalogStore, KeyId, KeyedContent, LedgerStore, PUSH_KEY_DAYS, PushCommit, PushEvent, PushOutcome, PushRequest,
    PushStore, RetainStore, Retention, StoreError,
};

use super::simulation::{Random, number, patient};
use crate::support::store::{Fixture, NOW, credit};

const RETENTION: Retention = Retention {
    minutes_days: 400,
    hours_days: 400,
    messages_days: 30,
    targets_days: 30,
};

fn keyed(key: u64, content: i64) -> Option<KeyedContent> {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Some(KeyedContent { key: bytes, content })
}

fn event(slo: KeyId, group: Option<KeyId>, key: Option<KeyedContent>, total: i64) -> PushEvent {
    PushEvent {
        key,
        slo,
        group,
        minute: NOW.minute(),
        bucket: Bucket {
            total: total * MICRO,
            good: (total - 1) * MICRO,
            observed: true,
        },
    }
}

fn request(key: Option<KeyedContent>, events: Vec<PushEvent>) -> PushRequest {
    PushRequest { key, events }
}

fn pushes(requests: Vec<PushRequest>, witness: u8) -> PushCommit {
    PushCommit {
        requests,
        witness: [witness; 16],
        at: NOW,
        ..PushCommit::default()
    }
}

fn counted(accepted: u64, duplicates: u64) -> PushOutcome {
    PushOutcome::Counted { accepted, duplicates }
}

/// Total and good of a key, in whole events.
async fn lifetime(f: &Fixture, key: KeyId) -> (i64, i64) {
    let lifetimes = f.store.lifetimes(&[key]).await.expect("a lifetime");
    (lifetimes[0].1.total / MICRO, lifetimes[0].1.good / MICRO)
}

pub async fn a_key_counts_once_through_restarts(mut f: Fixture) {
    let keys = f.keys(2).await;
    let requests = || {
        vec![
            request(keyed(1, 10), vec![event(keys[0], Some(keys[1]), None, 5)]),
            request(
                None,
                vec![
                    event(keys[0], None, keyed(2, 20), 3),
                    event(keys[0], None, keyed(2, 20), 3),
                ],
            ),
        ]
    };
    let first = f
        .store
        .commit_pushes(f.epoch, &pushes(requests(), 1))
        .await
        .expect("kept");
    assert_eq!(first.outcomes, [counted(1, 0), counted(1, 1)]);
    assert_eq!(first.credits.len(), 2, "one bucket for each ledger key");
    assert!(
        f.store
            .is_pushed(&first.witness.expect("a witness"))
            .await
            .expect("read")
    );
    f.restart().await;
    let again = f
        .store
        .commit_pushes(f.epoch, &pushes(requests(), 2))
        .await
        .expect("kept");
    assert_eq!(again.outcomes, [counted(0, 1), counted(0, 2)]);
    assert_eq!((again.credits, again.witness), (Vec::new(), None));
    assert!(!f.store.is_pushed(&[2; 16]).await.expect("read"));
    assert_eq!(
        (lifetime(&f, keys[0]).await, lifetime(&f, keys[1]).await),
        ((8, 6), (5, 4))
    );
    let now = NOW.minute();
    let minutes = f.store.minutes(&keys, now, now).await.expect("minutes");
    let observed: Vec<bool> = minutes.iter().map(|(_, _, bucket)| bucket.observed).collect();
    assert_eq!(observed, [true, false], "coverage is the SLO's");
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_conflict_refuses_its_request_alone(f: Fixture) {
    let keys = f.keys(1).await;
    let commit = pushes(
        vec![
            request(keyed(1, 10), vec![event(keys[0], None, keyed(2, 20), 5)]),
            request(
                keyed(3, 30),
                vec![
                    event(keys[0], None, keyed(4, 40), 7),
                    event(keys[0], None, keyed(2, 21), 7),
                ],
            ),
            request(keyed(1, 11), vec![event(keys[0], None, None, 7)]),
            request(keyed(3, 31), vec![event(keys[0], None, keyed(4, 41), 2)]),
        ],
        1,
    );
    let pushed = f.store.commit_pushes(f.epoch, &commit).await.expect("kept");
    let conflict = |event| PushOutcome::Conflict { event };
    assert_eq!(
        pushed.outcomes,
        [counted(1, 0), conflict(Some(1)), conflict(None), counted(1, 0)]
    );
    assert_eq!(lifetime(&f, keys[0]).await, (7, 5));
}

pub async fn facts_and_credits_need_no_key_and_leave_a_witness(f: Fixture) {
    let keys = f.keys(1).await;
    let commit = PushCommit {
        credits: vec![credit(keys[0], NOW.minute().0, 4)],
        facts: vec![("heartbeat backup".to_owned(), "{}".to_owned())],
        ..pushes(vec![request(None, vec![event(keys[0], None, None, 2)])], 9)
    };
    let pushed = f.store.commit_pushes(f.epoch, &commit).await.expect("kept");
    assert_eq!(pushed.witness, Some([9; 16]));
    assert!(f.store.is_pushed(&[9; 16]).await.expect("read"));
    assert_eq!(lifetime(&f, keys[0]).await, (6, 4));
    let fact = f.store.load_fact("heartbeat backup").await.expect("read");
    assert_eq!(fact.as_deref(), Some("{}"));
    let fenced = f.store.commit_pushes(f.epoch + 1, &commit).await.expect_err("not ours");
    assert!(matches!(fenced.error, StoreError::Fenced) && fenced.unknown.is_none());
}

pub async fn a_sum_beyond_64_bits_counts_nothing(f: Fixture) {
    let keys = f.keys(1).await;
    let huge = |key| event(keys[0], None, keyed(key, 1), 9_000_000_000_000);
    let commit = pushes(vec![request(None, vec![huge(1)])], 1);
    f.store.commit_pushes(f.epoch, &commit).await.expect("it fits");
    let commit = pushes(vec![request(None, vec![huge(2)])], 2);
    let refused = f
        .store
        .commit_pushes(f.epoch, &commit)
        .await
        .expect_err("it does not fit");
    assert!(matches!(refused.error, StoreError::Data(_)), "{:?}", refused.error);
    assert_eq!(lifetime(&f, keys[0]).await.0, 9_000_000_000_000);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn keys_are_kept_for_a_week(f: Fixture) {
    let keys = f.keys(1).await;
    let again = || pushes(vec![request(keyed(1, 1), vec![event(keys[0], None, None, 2)])], 1);
    f.store.commit_pushes(f.epoch, &again()).await.expect("kept");
    for (days, outcome) in [(PUSH_KEY_DAYS, counted(0, 1)), (PUSH_KEY_DAYS + 1, counted(1, 0))] {
        let later = Timestamp(NOW.0 + days * DAY_MINUTES * MINUTE_MS);
        f.store.create_partitions(f.epoch, later).await.expect("partitions");
        f.store.prune(f.epoch, RETENTION, later).await.expect("pruned");
        let pushed = f.store.commit_pushes(f.epoch, &again()).await.expect("kept");
        assert_eq!(pushed.outcomes, [outcome], "after {days} days");
    }
}

/// Clients try until they hear that it counted; commits are dropped at any of their waits, and processes restart.
pub async fn any_interleaving_counts_each_key_once(mut f: Fixture) {
    let keys = f.keys(3).await;
    let (first, seeds) = (number("NINES_LEDGER_FIRST_SEED", 1), number("NINES_LEDGER_SEEDS", 3));
    let (mut wanted, mut dropped, mut next_key): (BTreeMap<KeyId, i64>, _, _) = (BTreeMap::new(), 0, 1);
    for seed in first..first + seeds {
        let mut random = Random(seed);
        let mut waiting: Vec<PushRequest> = Vec::new();
        let mut done: Vec<PushRequest> = Vec::new();
        let mut heard: BTreeSet<[u8; 16]> = BTreeSet::new();
        for _ in 0..150 {
            for _ in 0..random.below(4) {
                let slo = keys[random.below(2) as usize];
                let by_event = random.below(2) == 0;
                let events = (0..=random.below(3)).map(|_| {
                    next_key += 1;
                    let total = 1 + random.below(9);
                    *wanted.entry(slo).or_default() += total;
                    *wanted.entry(keys[2]).or_default() += total;
                    event(slo, Some(keys[2]), keyed(next_key, total).filter(|_| by_event), total)
                });
                let events = events.collect();
                next_key += 1;
                waiting.push(request(keyed(next_key, 7).filter(|_| !by_event), events));
            }
            if let Some(repeated) = done.get(random.below(20) as usize) {
                waiting.push(repeated.clone());
            }
            let many = (1 + random.below(6) as usize).min(waiting.len());
            let batch: Vec<PushRequest> = waiting.drain(..many).collect();
            let commit = pushes(batch.clone(), (seed % 250) as u8);
            match patient(random.patience(), f.store.commit_pushes(f.epoch, &commit)).await {
                Some(Ok(pushed)) => {
                    assert!(
                        pushed
                            .outcomes
                            .iter()
                            .all(|one| matches!(one, PushOutcome::Counted { .. }))
                    );
                    heard.extend(pushed.witness);
                    done.extend(batch);
                }
                Some(Err(failure)) => panic!("seed {seed}: {failure:?}"),
                // The answer was lost: it is tried again, later and in another order.
                None => {
                    dropped += 1;
                    let place = random.below(waiting.len() as i64 + 1) as usize;
                    waiting.splice(place..place, batch);
                }
            }
            if random.below(40) == 0 {
                f.restart().await;
            }
            if random.below(20) == 0 {
                let later = Timestamp(NOW.0 + 2 * 60 * MINUTE_MS);
                f.store.pack(f.epoch, later, 10).await.expect("packed");
            }
        }
        let commit = pushes(waiting, 251);
        f.store.commit_pushes(f.epoch, &commit).await.expect("kept");
        for witness in heard {
            assert!(f.store.is_pushed(&witness).await.expect("read"), "seed {seed}");
        }
        for (key, total) in &wanted {
            assert_eq!(lifetime(&f, *key).await.0, *total, "seed {seed}, ledger key {key}");
        }
        assert_eq!(f.store.prove().await.expect("a proof"), 0, "seed {seed}");
    }
    println!(
        "{}: {seeds} seeds from {first}, {dropped} broken off, {next_key} keys",
        f.store.kind()
    );
    assert!(dropped > 0);
}

/// Whole minutes elsewhere are none of its business.
pub async fn late_events_reach_hours_that_are_packed(f: Fixture) {
    let keys = f.keys(1).await;
    let old = Minute(NOW.minute().0 - 3 * DAY_MINUTES);
    let late = PushEvent {
        minute: old,
        ..event(keys[0], None, keyed(1, 1), 6)
    };
    f.store
        .write_packed(f.epoch, &[credit(keys[0], old.0, 4)], NOW)
        .await
        .expect("written");
    let commit = pushes(vec![request(None, vec![late])], 1);
    f.store.commit_pushes(f.epoch, &commit).await.expect("kept");
    for _ in 0..2 {
        let minutes = f.store.minutes(&keys, old, old).await.expect("minutes");
        assert_eq!(minutes[0].2.total, 10 * MICRO);
        f.store.pack(f.epoch, NOW, 10).await.expect("packed");
        assert_eq!(f.store.prove().await.expect("a proof"), 0);
    }
}
