//! Cursors, buckets, packing and the double entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use nines::domain::counts::{Bucket, HourTotal, MICRO};
use nines::domain::time::{Hour, Minute, Timestamp};
use nines::engine::ports::{Credit, KeyId, LedgerStore, Lifetime, RetainStore, Retention, StoreError, TargetCommit};

use crate::support::store::{Fixture, NOW, commit, credit};

const FOREVER: (Minute, Minute) = (Minute(0), Minute(i32::MAX as i64));

/// The first minute of the hour that ended when the tests begin.
pub const HOUR_AGO: i64 = NOW.0 / 60_000 - 60;

pub async fn buckets(f: &Fixture, keys: &[KeyId]) -> BTreeMap<(KeyId, i64), Bucket> {
    let minutes = f.store.minutes(keys, FOREVER.0, FOREVER.1).await.expect("minutes");
    minutes
        .into_iter()
        .map(|(key, minute, bucket)| ((key, minute.0), bucket))
        .collect()
}

pub async fn pack_all(f: &Fixture, now: Timestamp) -> u64 {
    let mut rows = 0;
    loop {
        let report = f.store.pack(f.epoch, now, 7).await.expect("packed");
        rows += report.rows;
        if !report.more {
            return rows;
        }
    }
}

pub fn later(hours: i64) -> Timestamp {
    Timestamp(NOW.0 + hours * 3_600_000)
}

pub async fn targets_are_found_again_with_long_and_hostile_urls(f: Fixture) {
    let keys = [
        "a http://x/",
        "b http://x/\0",
        "b http://x/\u{fffd}",
        &"y".repeat(30_000),
        "a http://x/",
    ]
    .map(str::to_owned);
    let made = f.store.sync_targets(f.epoch, &keys, NOW).await.expect("made");
    let again = f.store.sync_targets(f.epoch, &keys, later(2)).await.expect("found");
    assert_eq!(made, again);
    assert_eq!(made.iter().map(|t| t.key.clone()).collect::<Vec<_>>(), keys);
    assert!(made[0].id == made[4].id && made[1].id != made[2].id && made[0].first_listed_at == NOW);
}

pub async fn a_commit_moves_cursors_and_adds_to_buckets(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(3).await);
    let slo = 1;
    let mut first = commit(targets[0], 0, vec![credit(keys[0], 10, 3), credit(keys[0], 10, 4)]);
    first.slos.insert(slo, Some(vec![9; 5000]));
    let second = commit(targets[1], 0, vec![credit(keys[0], 10, 5), credit(keys[1], 11, 1)]);
    f.store
        .commit_visits(f.epoch, &[second, first], NOW)
        .await
        .expect("committed");
    let asked = [targets[2], targets[0]];
    let cursors = f.store.load_cursors(&asked).await.expect("cursors");
    assert_eq!(
        (cursors[0].target, cursors[0].seq, cursors[0].header.len()),
        (targets[2], 0, 0)
    );
    assert_eq!((cursors[1].seq, &cursors[1].header), (1, &vec![1, 2, 3]));
    assert_eq!(cursors[1].slos, BTreeMap::from([(slo, vec![9; 5000])]));
    let found = buckets(&f, &keys).await;
    let ten = Bucket {
        total: 12 * MICRO,
        good: 9 * MICRO,
        observed: true,
    };
    assert_eq!((found.len(), found[&(keys[0], 10)]), (2, ten));

    let mut removing = commit(targets[0], 1, Vec::new());
    removing.slos.insert(slo, None);
    f.store
        .commit_visits(f.epoch, &[removing], NOW)
        .await
        .expect("committed");
    let cursors = f.store.load_cursors(&targets[..1]).await.expect("cursors");
    assert_eq!((cursors[0].seq, cursors[0].slos.len()), (2, 0));
    f.store.commit_visits(f.epoch, &[], NOW).await.expect("nothing to do");
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_conflict_changes_nothing(f: Fixture) {
    let (keys, targets) = (f.keys(1).await, f.targets(2).await);
    for wrong in [1, -1, 7] {
        let commits = [
            commit(targets[0], 0, vec![credit(keys[0], 1, 1)]),
            commit(targets[1], wrong, Vec::new()),
        ];
        let refused = f.store.commit_visits(f.epoch, &commits, NOW).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { target }) if target == targets[1]),
            "{refused:?}"
        );
    }
    assert_eq!(f.store.load_cursors(&targets).await.expect("cursors")[0].seq, 0);
    assert_eq!(buckets(&f, &keys).await.len(), 0);
    f.credit(targets[0], vec![credit(keys[0], 1, 1)]).await;
    let stale = f
        .store
        .commit_visits(f.epoch, &[commit(targets[0], 0, Vec::new())], NOW)
        .await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
}

pub async fn an_overflow_is_the_fault_of_its_data_alone(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(2).await);
    let huge = |total: i64| Credit {
        bucket: Bucket {
            total,
            good: 0,
            observed: true,
        },
        ..credit(keys[0], 1, 1)
    };
    f.credit(targets[0], vec![huge(i64::MAX - 5)]).await;
    let bad = commit(targets[0], 1, vec![huge(6)]);
    let good = commit(targets[1], 0, vec![credit(keys[1], 1, 1)]);
    let refused = f.store.commit_visits(f.epoch, &[bad.clone(), good.clone()], NOW).await;
    assert!(matches!(refused, Err(StoreError::Data(_))), "{refused:?}");
    let refused = f
        .store
        .commit_visits(f.epoch, &[commit(targets[0], 1, vec![huge(6), huge(i64::MAX)])], NOW)
        .await;
    assert!(matches!(refused, Err(StoreError::Data(_))), "{refused:?}");
    let refused = f.store.commit_visits(f.epoch, &[bad], NOW).await;
    assert!(matches!(refused, Err(StoreError::Data(_))), "{refused:?}");
    f.store
        .commit_visits(f.epoch, &[good], NOW)
        .await
        .expect("the others are committed by themselves");
    let found = buckets(&f, &keys).await;
    assert_eq!((found[&(keys[0], 1)].total, found.len()), (i64::MAX - 5, 2));
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
    let missing = f
        .store
        .commit_visits(f.epoch, &[commit(i64::MAX, 0, Vec::new())], NOW)
        .await;
    assert!(
        matches!(missing, Err(StoreError::Data(_))),
        "a target that is not there: {missing:?}"
    );
}

pub async fn packing_changes_no_bucket(f: Fixture) {
    let (keys, targets) = (f.keys(3).await, f.targets(1).await);
    let minutes = (HOUR_AGO - 3_000..HOUR_AGO + 60).step_by(7);
    let credits: Vec<Credit> = minutes
        .flat_map(|m| keys.iter().map(move |key| credit(*key, m, 1 + m % 5)))
        .collect();
    f.credit(targets[0], credits).await;
    let before = buckets(&f, &keys).await;
    let hours = f
        .store
        .hour_totals(&keys, Hour(0), Hour(i32::MAX.into()))
        .await
        .expect("hours");
    let first = f
        .store
        .pack(f.epoch, Timestamp(NOW.0 - 46 * 60_000), 1)
        .await
        .expect("packed");
    assert!(first.more && first.days == 1);
    assert!(pack_all(&f, later(0)).await > 1_000);
    assert_eq!(buckets(&f, &keys).await, before);
    assert_eq!(
        f.store
            .hour_totals(&keys, Hour(0), Hour(i32::MAX.into()))
            .await
            .expect("hours"),
        hours
    );
    // The last hour ended a moment ago: it waits for its quarter of an hour.
    let last: u64 = before.keys().filter(|(_, minute)| *minute >= HOUR_AGO).count() as u64;
    assert_eq!(pack_all(&f, Timestamp(NOW.0 + 15 * 60_000 - 1)).await, 0);
    assert_eq!(pack_all(&f, Timestamp(NOW.0 + 15 * 60_000)).await, last);
    assert_eq!(buckets(&f, &keys).await, before);
    let part = f
        .store
        .minutes(&keys[..1], Minute(HOUR_AGO), Minute(HOUR_AGO + 9))
        .await
        .expect("minutes");
    assert!(
        part.iter()
            .all(|(key, minute, _)| *key == keys[0] && (0..10).contains(&(minute.0 - HOUR_AGO)))
    );
    assert_eq!(
        part.len(),
        before
            .keys()
            .filter(|(k, m)| *k == keys[0] && (0..10).contains(&(m - HOUR_AGO)))
            .count()
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn late_data_are_packed_again(f: Fixture) {
    let (keys, targets) = (f.keys(1).await, f.targets(1).await);
    let hour = Minute(HOUR_AGO).hour();
    f.credit(targets[0], vec![credit(keys[0], HOUR_AGO, 3)]).await;
    assert_eq!(pack_all(&f, later(1)).await, 1);
    f.credit(
        targets[0],
        vec![credit(keys[0], HOUR_AGO, 2), credit(keys[0], HOUR_AGO + 1, 2)],
    )
    .await;
    let wanted = HourTotal {
        total: 7 * MICRO,
        good: 4 * MICRO,
        observed: 2,
    };
    for packed in [2, 0] {
        let hours = f.store.hour_totals(&keys, hour, hour).await.expect("hours");
        assert_eq!(hours, [(keys[0], hour, wanted)]);
        assert_eq!(pack_all(&f, later(1)).await, packed);
    }
    assert_eq!(buckets(&f, &keys).await[&(keys[0], HOUR_AGO)].total, 5 * MICRO);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn packing_and_late_commits_at_once_lose_nothing(f: Fixture) {
    const ROUNDS: i64 = 40;
    let (keys, targets) = (f.keys(5).await, f.targets(3).await);
    let f = Arc::new(f);
    let crediting = targets.iter().map(|target| {
        let (f, target, keys) = (Arc::clone(&f), *target, keys.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let minute = |key: &KeyId| credit(*key, HOUR_AGO - 60 * (round % 3) + round % 4, 2);
                f.credit(target, keys.iter().map(minute).collect()).await;
            }
        })
    });
    let crediting: Vec<_> = crediting.collect();
    while !crediting.iter().all(tokio::task::JoinHandle::is_finished) {
        pack_all(&f, later(1)).await;
        assert_eq!(f.store.prove().await.expect("a proof"), 0);
        tokio::task::yield_now().await;
    }
    for task in crediting {
        task.await.expect("all credits are committed");
    }
    pack_all(&f, later(1)).await;
    let total: i64 = buckets(&f, &keys).await.values().map(|bucket| bucket.total).sum();
    assert_eq!(total, ROUNDS * 3 * 5 * 2 * MICRO);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn packed_credits_are_credits(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(1).await);
    let credits: Vec<Credit> = (HOUR_AGO - 4_000..HOUR_AGO)
        .flat_map(|m| keys.iter().map(move |key| credit(*key, m, 2)))
        .collect();
    f.store.write_packed(f.epoch, &credits, NOW).await.expect("written");
    f.credit(targets[0], vec![credit(keys[0], HOUR_AGO - 1, 1)]).await;
    pack_all(&f, later(1)).await;
    let found = buckets(&f, &keys).await;
    assert_eq!((found.len(), found[&(keys[0], HOUR_AGO - 1)].total), (8_000, 3 * MICRO));
    let lifetimes = f.store.lifetimes(&[keys[1], 999, keys[0]]).await.expect("lifetimes");
    let lifetime = |total, good| Lifetime {
        total: total * MICRO,
        good: good * MICRO,
    };
    let wanted = [
        (keys[1], lifetime(8_000, 4_000)),
        (999, lifetime(0, 0)),
        (keys[0], lifetime(8_001, 4_000)),
    ];
    assert_eq!(lifetimes, wanted);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_tampered_row_is_found(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(1).await);
    f.credit(targets[0], keys.iter().map(|key| credit(*key, HOUR_AGO, 3)).collect())
        .await;
    f.run_raw(&format!(
        "update loose set total = total + 4, good = good - 1 where ledger_key = {}",
        keys[0]
    ))
    .await;
    f.run_raw(&format!(
        "update loose set total = total - 4 where ledger_key = {}",
        keys[1]
    ))
    .await;
    assert_eq!(f.store.prove().await.expect("a proof"), 9);
    pack_all(&f, later(1)).await;
    assert_eq!(f.store.prove().await.expect("a proof"), 9);
}

pub async fn a_day_that_cannot_be_packed_harms_no_other(f: Fixture) {
    let (keys, targets) = (f.keys(3).await, f.targets(1).await);
    for minute in [HOUR_AGO, HOUR_AGO + 1] {
        f.credit(targets[0], keys.iter().map(|key| credit(*key, minute, 3)).collect())
            .await;
        if minute == HOUR_AGO {
            pack_all(&f, later(1)).await;
            let garbage = if f.store.kind() == "sqlite" { "x'07'" } else { "'\\x07'" };
            f.run_raw(&format!(
                "update packed_day set minutes = {garbage} where ledger_key = {}",
                keys[0]
            ))
            .await;
        }
    }
    let refused = f.store.pack(f.epoch, later(1), 9).await;
    assert!(
        matches!(&refused, Err(StoreError::Corrupt(what)) if what.contains("ledger key")),
        "{refused:?}"
    );
    assert_eq!(buckets(&f, &keys[1..]).await.len(), 4);
    assert_eq!(
        f.store
            .pack(f.epoch, later(1), 9)
            .await
            .map(|report| report.rows)
            .unwrap_or_default(),
        0
    );
    f.run_raw(&format!("delete from loose where ledger_key = {}", keys[0]))
        .await;
    assert_eq!(pack_all(&f, later(1)).await, 0, "the others were packed");
    let early = f.store.write_packed(f.epoch, &[credit(keys[1], -1, 1)], NOW).await;
    assert!(matches!(early, Err(StoreError::Data(_))), "{early:?}");
}

pub async fn pruning_keeps_the_proof_and_the_lifetime(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(2).await);
    let day = |ago: i64| HOUR_AGO - ago * 1_440;
    let credits: Vec<Credit> = (0..50)
        .flat_map(|d| keys.iter().map(move |key| credit(*key, day(d), 2)))
        .collect();
    f.store.write_packed(f.epoch, &credits, NOW).await.expect("written");
    let retention = Retention {
        minutes_days: 10,
        hours_days: 20,
        messages_days: 1,
        targets_days: 30,
    };
    f.store.create_partitions(f.epoch, NOW).await.expect("partitions");
    f.store.prune(f.epoch, retention, NOW).await.expect("pruned");
    let hours = f
        .store
        .hour_totals(&keys, Hour(0), Hour(i32::MAX.into()))
        .await
        .expect("hours");
    assert_eq!((hours.len(), buckets(&f, &keys).await.len()), (2 * 21, 2 * 11));
    // Late data for a day without detail still count, and detail does not come back.
    f.credit(targets[0], vec![credit(keys[0], day(15), 5)]).await;
    pack_all(&f, NOW).await;
    let fifteen = Minute(day(15)).hour();
    let hour = f.store.hour_totals(&keys[..1], fifteen, fifteen).await.expect("hours");
    assert_eq!(
        hour[0].2,
        HourTotal {
            total: 7 * MICRO,
            good: 5 * MICRO,
            observed: 2
        }
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
    let lifetimes = f.store.lifetimes(&keys[1..]).await.expect("lifetimes");
    assert_eq!(
        lifetimes[0].1,
        Lifetime {
            total: 100 * MICRO,
            good: 50 * MICRO
        }
    );
    // Only the target that was listed since is remembered.
    let second = ["shop http://host-1/metrics".to_owned()];
    f.store
        .sync_targets(f.epoch, &second, later(24 * 31))
        .await
        .expect("listed");
    f.store.prune(f.epoch, retention, later(24 * 31)).await.expect("pruned");
    let cursors = f.store.load_cursors(&targets).await.expect("cursors");
    assert_eq!((cursors[0].seq, cursors[0].header.len()), (0, 0));
    let again = f
        .store
        .sync_targets(f.epoch, &second, later(24 * 31))
        .await
        .expect("listed");
    assert_eq!((again[0].id, again[0].first_listed_at), (targets[1], NOW));
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

/// Not a test of speed, but it tells it: `cargo test --test store a_thousand -- --nocapture`.
pub async fn a_thousand_credits(f: Fixture) {
    const COMMITS: i64 = 20;
    let (keys, targets) = (f.keys(250).await, f.targets(20).await);
    let mut commits = Vec::new();
    for round in 0..COMMITS {
        let each = |(at, target): (usize, &i64)| TargetCommit {
            slos: BTreeMap::from([(1, Some(vec![0; 400]))]),
            ..commit(
                *target,
                round,
                (0..50)
                    .map(|n| credit(keys[(at * 50 + n) % 250], HOUR_AGO + round, 3))
                    .collect(),
            )
        };
        commits.push(targets.iter().enumerate().map(each).collect::<Vec<_>>());
    }
    let started = stopwatch();
    for commits in commits {
        f.store.commit_visits(f.epoch, &commits, NOW).await.expect("committed");
    }
    let rate = COMMITS as f64 / started.elapsed().as_secs_f64();
    let started = stopwatch();
    let packed = f.store.pack(f.epoch, later(1), 50).await.expect("packed");
    assert_eq!((packed.days, packed.rows, packed.more), (50, 50 * COMMITS as u64, true));
    let (kind, elapsed) = (f.store.kind(), started.elapsed());
    println!(
        "{kind}: {rate:.0} commits/s of 1000 credits, {} rows packed in {elapsed:.1?}",
        packed.rows
    );
    let total: i64 = buckets(&f, &keys).await.values().map(|bucket| bucket.total).sum();
    assert_eq!(total, COMMITS * 1_000 * 3 * MICRO);
}

#[expect(clippy::disallowed_methods, reason = "a figure for people, on which nothing hangs")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

pub async fn a_broken_connection_is_told_and_mended(f: Fixture) {
    let (keys, targets) = (f.keys(1).await, f.targets(1).await);
    if f.store.kind() == "postgres" {
        f.run_raw(
            "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    }
    for attempt in 0.. {
        assert!(attempt < 20, "the store does not recover");
        let seq = match f.store.load_cursors(&targets).await {
            Ok(cursors) => cursors[0].seq,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                continue;
            }
        };
        match f
            .store
            .commit_visits(f.epoch, &[commit(targets[0], seq, vec![credit(keys[0], 1, 1)])], NOW)
            .await
        {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
        }
    }
    assert_eq!(buckets(&f, &keys).await.len(), 1);
}
