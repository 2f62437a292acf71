//! Minutes that are set: reads of servers with history.

use std::collections::BTreeMap;
use std::sync::Arc;

use nines::domain::counts::{Bucket, HourTotal, MICRO};
use nines::domain::time::{DAY_MINUTES, Hour, MINUTE_MS, Minute, Timestamp};
use nines::engine::ports::{Credit, KeyId, LedgerStore, Lifetime, ReadCommit, RetainStore, Retention, StoreError};

use super::ledger::{HOUR_AGO, buckets, later, pack_all, stopwatch};
use crate::support::store::{Fixture, NOW, credit, read};

pub const RETENTION: Retention = Retention {
    minutes_days: 10,
    hours_days: 400,
    messages_days: 30,
    targets_days: 400,
};

impl Fixture {
    /// Commits one read, wherever its cursor is.
    async fn set(&self, target: i64, keys: &[KeyId], span: (i64, i64), minutes: &[Credit]) -> Vec<Credit> {
        let cursors = self.store.load_cursors(&[target]).await.expect("a cursor");
        let read = read(target, cursors[0].seq, keys, span, minutes);
        self.store
            .commit_reads(self.epoch, &[read], NOW)
            .await
            .expect("the read is committed")
    }
}

pub fn as_map(credits: &[Credit]) -> BTreeMap<(KeyId, i64), Bucket> {
    credits.iter().map(|c| ((c.key, c.minute.0), c.bucket)).collect()
}

fn bucket(total: i64, good: i64, observed: bool) -> Bucket {
    Bucket {
        total: total * MICRO,
        good: good * MICRO,
        observed,
    }
}

pub async fn a_read_sets_its_minutes_and_doing_it_again_changes_nothing(f: Fixture) {
    let (keys, targets) = (f.keys(3).await, f.targets(2).await);
    // Two days of settled hours, and the hour that has just ended.
    let span = (HOUR_AGO - 2 * DAY_MINUTES, HOUR_AGO + 60);
    let minutes: Vec<Credit> = (span.0..span.1)
        .step_by(3)
        .map(|minute| credit(keys[0], minute, 5))
        .collect();
    let first = read(targets[0], 0, &keys[..2], span, &minutes);
    let other = read(
        targets[1],
        0,
        &keys[2..],
        (HOUR_AGO, HOUR_AGO),
        &[credit(keys[2], HOUR_AGO, 1)],
    );
    let told = f
        .store
        .commit_reads(f.epoch, &[other, first], NOW)
        .await
        .expect("committed");
    assert_eq!(as_map(&told), buckets(&f, &keys).await);
    assert_eq!((told.len(), &told[..told.len() - 1]), (minutes.len() + 1, &minutes[..]));
    let cursors = f.store.load_cursors(&targets).await.expect("cursors");
    assert_eq!((cursors[0].seq, cursors[1].seq, cursors[0].header.len()), (1, 1, 8));

    assert_eq!(f.set(targets[0], &keys[..2], span, &minutes).await, []);
    let nothing = ReadCommit {
        target: targets[0],
        expected_seq: 2,
        ..ReadCommit::default()
    };
    assert_eq!(f.store.commit_reads(f.epoch, &[nothing], NOW).await.expect("moved"), []);
    assert_eq!(f.store.load_cursors(&targets).await.expect("cursors")[0].seq, 3);
    assert_eq!(as_map(&told), buckets(&f, &keys).await);
    let loose = minutes.iter().filter(|credit| credit.minute.0 >= HOUR_AGO).count() as u64;
    assert_eq!(
        pack_all(&f, later(1)).await,
        loose + 1,
        "what had settled went straight into its day"
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);

    // Less, more, nothing, and not observed any more; the rest of the span as it was.
    let at = [HOUR_AGO - 60, HOUR_AGO - 57, HOUR_AGO - 54, HOUR_AGO - 51];
    let set = |minute, bucket| Credit {
        bucket,
        ..credit(keys[0], minute, 0)
    };
    let changed = [
        set(at[0], bucket(2, 2, true)),
        set(at[1], bucket(9, -1, true)),
        set(at[3], bucket(5, 4, false)),
        set(at[3] + 1, bucket(0, 0, true)),
    ];
    let told = f.set(targets[0], &keys[..1], (at[0], at[3] + 1), &changed).await;
    let wanted = [
        set(at[0], bucket(-3, -2, false)),
        set(at[1], bucket(4, -5, false)),
        set(at[2], bucket(-5, -4, false)),
        set(at[3] + 1, bucket(0, 0, true)),
    ];
    assert_eq!(told, wanted);
    let found = buckets(&f, &keys).await;
    let found: Vec<_> = (at[0]..=at[3] + 1)
        .filter_map(|m| Some(set(m, *found.get(&(keys[0], m))?)))
        .collect();
    assert_eq!(found, changed);
    let hour = Minute(at[0]).hour();
    let hours = f.store.hour_totals(&keys[..1], hour, hour).await.expect("hours");
    assert_eq!(hours[0].2.observed, 20 - 1, "one is gone, one not observed, one is new");
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_read_sets_what_visits_counted_wherever_it_is(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(2).await);
    let now_minute = HOUR_AGO + 60;
    // Packed; packed and loose; loose though settled; loose.
    let minutes = [HOUR_AGO - 200, HOUR_AGO - 199, HOUR_AGO - 100, now_minute - 3];
    f.credit(
        targets[0],
        minutes[..2].iter().map(|m| credit(keys[0], *m, 7)).collect(),
    )
    .await;
    pack_all(&f, NOW).await;
    f.credit(
        targets[0],
        minutes[1..].iter().map(|m| credit(keys[0], *m, 7)).collect(),
    )
    .await;
    f.credit(
        targets[0],
        vec![credit(keys[1], minutes[2], 7), credit(keys[0], HOUR_AGO - 300, 7)],
    )
    .await;
    let wanted: Vec<Credit> = minutes.iter().map(|m| credit(keys[0], *m, 9)).collect();
    let told = f.set(targets[1], &keys[..1], (minutes[0], now_minute), &wanted).await;
    let added: Vec<i64> = told.iter().map(|credit| credit.bucket.total / MICRO).collect();
    assert_eq!(added, [2, -5, 2, 2]);
    let mut all = as_map(&wanted);
    all.extend(as_map(&[
        credit(keys[1], minutes[2], 7),
        credit(keys[0], HOUR_AGO - 300, 7),
    ]));
    assert_eq!(
        buckets(&f, &keys).await,
        all,
        "and what lies beyond the span is as it was"
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
    // A settled minute that is loose, and right already, is packed on the way.
    let alone = [credit(keys[1], HOUR_AGO - 3 * DAY_MINUTES, 7)];
    f.credit(targets[0], alone.to_vec()).await;
    let minute = alone[0].minute.0;
    assert_eq!(f.set(targets[1], &keys[1..], (minute, minute), &alone).await, []);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
    assert_eq!(f.set(targets[1], &keys[1..], (minute, minute), &[]).await.len(), 1);
    assert_eq!(f.set(targets[1], &keys, (minutes[0], now_minute), &[]).await.len(), 5);
    assert_eq!(buckets(&f, &keys).await.len(), 1);
    pack_all(&f, later(2)).await;
    let left = Lifetime {
        total: 7 * MICRO,
        good: 6 * MICRO,
    };
    let lifetimes = f.store.lifetimes(&keys).await.expect("lifetimes");
    assert_eq!(lifetimes, [(keys[0], left), (keys[1], Lifetime::default())]);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_read_that_cannot_be_is_refused_as_a_whole(f: Fixture) {
    let (keys, targets) = (f.keys(2).await, f.targets(2).await);
    let good = || read(targets[0], 0, &keys[..1], (10, 20), &[credit(keys[0], 15, 2)]);
    let (one, two, key) = (targets[0], targets[1], &keys[1..]);
    let half = |minute| Credit {
        bucket: bucket(i64::MAX / MICRO, 0, true),
        ..credit(keys[1], minute, 0)
    };
    let long = (0, 400 * DAY_MINUTES + 1);
    for (why, bad) in [
        (
            "a minute before the span",
            read(two, 0, key, (10, 20), &[credit(keys[1], 9, 2)]),
        ),
        (
            "a minute after the span",
            read(two, 0, key, (10, 20), &[credit(keys[1], 21, 2)]),
        ),
        (
            "a key that is not set",
            read(two, 0, key, (10, 20), &[credit(keys[0], 15, 2)]),
        ),
        (
            "a minute twice",
            read(two, 0, key, (10, 20), &[credit(keys[1], 15, 2); 2]),
        ),
        ("a key in two commits", read(two, 0, &keys, (10, 20), &[])),
        ("a key twice", read(two, 0, &[keys[1]; 2], (10, 20), &[])),
        ("a span that ends before it begins", read(two, 0, key, (20, 19), &[])),
        ("a span before 1970", read(two, 0, key, (-1, 19), &[])),
        ("a span that is too long", read(two, 0, key, long, &[])),
        ("a target twice", read(one, 0, key, (10, 20), &[])),
        ("a target that is not there", read(i64::MAX, 0, key, (10, 20), &[])),
        (
            "a sum beyond 64 bits",
            read(two, 0, key, (10, 20), &[half(15), half(16)]),
        ),
        (
            "minutes without a span",
            ReadCommit {
                span: None,
                ..read(two, 0, key, (10, 20), &[credit(keys[1], 15, 2)])
            },
        ),
    ] {
        let refused = f.store.commit_reads(f.epoch, &[good(), bad], NOW).await;
        assert!(matches!(refused, Err(StoreError::Data(_))), "{why}: {refused:?}");
    }
    for wrong in [1, -1] {
        let refused = f
            .store
            .commit_reads(f.epoch, &[good(), read(two, wrong, key, (10, 20), &[])], NOW)
            .await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { target }) if target == two),
            "{refused:?}"
        );
    }
    let cursors = f.store.load_cursors(&targets).await.expect("cursors");
    assert_eq!(
        (cursors[0].seq, cursors[1].seq, buckets(&f, &keys).await.len()),
        (0, 0, 0)
    );
    assert_eq!(
        f.store.commit_reads(f.epoch, &[], NOW).await.expect("nothing to do"),
        []
    );
    assert_eq!(
        f.store
            .commit_reads(f.epoch, &[good()], NOW)
            .await
            .expect("committed")
            .len(),
        1
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn hours_without_detail_are_set_as_wholes(f: Fixture) {
    let (keys, target) = (f.keys(1).await, f.targets(1).await[0]);
    let day = HOUR_AGO - 15 * DAY_MINUTES;
    let hour = |at: i64| day + at * 60;
    let held: Vec<Credit> = [hour(0), hour(0) + 30, hour(2) + 1]
        .map(|m| credit(keys[0], m, 4))
        .to_vec();
    f.set(target, &keys, (hour(0), hour(3)), &held).await;
    f.store.prune(f.epoch, RETENTION, NOW).await.expect("pruned");
    assert_eq!(buckets(&f, &keys).await.len(), 0, "the detail is gone");
    let late = [hour(0) + 25, hour(2) + 2].map(|m| credit(keys[0], m, 4));
    f.credit(target, late.to_vec()).await;

    // Half of an hour, an hour that held nothing, a whole one, and the beginning of another.
    let minutes: Vec<Credit> = [hour(0) + 40, hour(1), hour(1) + 59, hour(2) + 5, hour(3)]
        .map(|m| credit(keys[0], m, 6))
        .to_vec();
    let span = (hour(0) + 20, hour(3) + 10);
    let told = f.set(target, &keys, span, &minutes).await;
    let set = |minute, bucket| Credit {
        bucket,
        ..credit(keys[0], minute, 0)
    };
    let wanted = [
        set(hour(1), bucket(12, 10, true)),
        set(hour(2), bucket(-2, -1, false)),
        set(hour(3), bucket(6, 5, true)),
    ];
    assert_eq!(told, wanted);
    assert_eq!(f.set(target, &keys, span, &minutes).await, []);
    let first = Minute(hour(0)).hour();
    let totals = f
        .store
        .hour_totals(&keys, first, Hour(first.0 + 9))
        .await
        .expect("hours");
    let totals: Vec<_> = totals
        .into_iter()
        .map(|(_, hour, total)| (hour.0 - first.0, total))
        .collect();
    let total = |total: i64, good: i64, observed| HourTotal {
        total: total * MICRO,
        good: good * MICRO,
        observed,
    };
    let wanted = [
        (0, total(12, 9, 3)),
        (1, total(12, 10, 2)),
        (2, total(6, 5, 1)),
        (3, total(6, 5, 1)),
    ];
    assert_eq!(totals, wanted);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

pub async fn a_clock_that_goes_back_finds_its_minutes_packed(f: Fixture) {
    let (keys, target) = (f.keys(1).await, f.targets(1).await[0]);
    f.credit(
        target,
        vec![credit(keys[0], HOUR_AGO, 4), credit(keys[0], HOUR_AGO + 7, 4)],
    )
    .await;
    assert_eq!(pack_all(&f, later(2)).await, 2);
    f.credit(target, vec![credit(keys[0], HOUR_AGO + 7, 4)]).await;
    let wanted = [
        Credit {
            bucket: bucket(1, 1, false),
            ..credit(keys[0], HOUR_AGO + 7, 0)
        },
        credit(keys[0], HOUR_AGO + 9, 2),
        credit(keys[0], HOUR_AGO + 62, 2),
    ];
    f.set(target, &keys, (HOUR_AGO, HOUR_AGO + 70), &wanted).await;
    assert_eq!(buckets(&f, &keys).await, as_map(&wanted));
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

/// The same keys, which is more than ever happens: each ledger key has one writer.
pub async fn reads_visits_and_packing_at_once_lose_nothing(f: Fixture) {
    const ROUNDS: i64 = 40;
    let (keys, targets) = (f.keys(5).await, f.targets(3).await);
    let f = Arc::new(f);
    let writing = targets.iter().enumerate().map(|(at, target)| {
        let (f, target, keys) = (Arc::clone(&f), *target, keys.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                // Hours that have settled, and such that have not.
                let minutes = [-121, -70, 5, 55].map(|minute| HOUR_AGO + minute + round % 4);
                let credits: Vec<Credit> = keys
                    .iter()
                    .flat_map(|key| minutes.map(|m| credit(*key, m, 2)))
                    .collect();
                if at == 0 {
                    f.set(target, &keys, (HOUR_AGO - 100, HOUR_AGO + 80), &credits[..0])
                        .await;
                    let later = |credit: &&Credit| credit.minute.0 > HOUR_AGO - 100;
                    let credits: Vec<Credit> = credits.iter().filter(later).copied().collect();
                    f.set(target, &keys, (HOUR_AGO - 100, HOUR_AGO + 80), &credits).await;
                } else {
                    f.credit(target, credits).await;
                }
            }
        })
    });
    let writing: Vec<_> = writing.collect();
    while !writing.iter().all(tokio::task::JoinHandle::is_finished) {
        pack_all(&f, NOW).await;
        assert_eq!(f.store.prove().await.expect("a proof"), 0);
        tokio::task::yield_now().await;
    }
    for task in writing {
        task.await.expect("all writes are committed");
    }
    let untouched: i64 = buckets(&f, &keys)
        .await
        .iter()
        .filter(|((_, minute), _)| *minute < HOUR_AGO - 100)
        .map(|(_, bucket)| bucket.total)
        .sum();
    assert_eq!(
        untouched,
        ROUNDS * 2 * 5 * 2 * MICRO,
        "what visits counted beyond the span"
    );
    let last = [credit(keys[0], HOUR_AGO + 3, 1)];
    f.set(targets[0], &keys, (HOUR_AGO - 200, HOUR_AGO + 80), &last).await;
    assert_eq!(buckets(&f, &keys).await, as_map(&last));
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

/// Not a test of speed, but it tells it: `cargo test --test store a_day_of_minutes -- --nocapture`.
pub async fn a_day_of_minutes(f: Fixture) {
    const DAYS: i64 = 30;
    let (keys, target) = (f.keys(1).await, f.targets(1).await[0]);
    let today = NOW.minute().day();
    let span = |day: i64| (day * DAY_MINUTES, (day + 1) * DAY_MINUTES - 1);
    let minutes = |day: i64, events: i64| -> Vec<Credit> {
        let (from, to) = span(day);
        (from..=to)
            .map(|minute| credit(keys[0], minute, events + minute % 900))
            .collect()
    };
    let mut took = Vec::new();
    let passes = [("new", 6_000), ("the same", 6_000), ("other", 7_000)];
    for (what, events) in passes {
        let started = stopwatch();
        for day in today - DAYS..today {
            f.set(target, &keys, span(day), &minutes(day, events)).await;
        }
        let each = started.elapsed().as_secs_f64() * 1e3 / DAYS as f64;
        took.push(format!("{what} {each:.1} ms"));
    }
    let (from, to) = (span(today - DAYS).0, span(today - 1).1);
    let month: Vec<Credit> = (today - DAYS..today).flat_map(|day| minutes(day, 8_000)).collect();
    let started = stopwatch();
    f.set(target, &keys, (from, to), &month).await;
    let at_once = started.elapsed().as_secs_f64() * 1e3;
    let days = took.join(", ");
    println!(
        "{}: a day of 1440 minutes: {days}; {DAYS} days at once {at_once:.0} ms",
        f.store.kind()
    );
    assert_eq!(buckets(&f, &keys).await.len() as i64, DAYS * DAY_MINUTES);
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}

/// Neither is this: what a hundred SLOs read every minute.
pub async fn the_last_ten_minutes_of_a_hundred(f: Fixture) {
    const ROUNDS: i64 = 20;
    let (keys, targets) = (f.keys(100).await, f.targets(100).await);
    let first = HOUR_AGO + 60;
    let started = stopwatch();
    for round in 0..ROUNDS {
        let span = (first + round - 10, first + round - 1);
        let minutes = |key: KeyId| -> Vec<Credit> { (span.0..=span.1).map(|m| credit(key, m, 9)).collect() };
        let pairs = keys.iter().zip(&targets);
        let reads = pairs.map(|(key, target)| read(*target, round, &[*key], span, &minutes(*key)));
        let now = Timestamp(NOW.0 + round * MINUTE_MS);
        let told = f
            .store
            .commit_reads(f.epoch, &reads.collect::<Vec<_>>(), now)
            .await
            .expect("committed");
        assert_eq!(told.len(), if round == 0 { 1_000 } else { 100 }, "one minute is new");
    }
    let each = started.elapsed().as_secs_f64() * 1e3 / ROUNDS as f64;
    println!(
        "{}: ten minutes of 100 SLOs, one of them new: {each:.1} ms",
        f.store.kind()
    );
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
}
