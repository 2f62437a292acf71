//! A month of a ledger that is set, credited, packed and pruned, beside a map of minutes that says what it should hold.
//!
//! Reads reach back over hours that are loose, packed, or without detail; some are broken off at any of their waits and
//! done again. `NINES_LEDGER_SEEDS` says how many such months are lived through.

use std::collections::BTreeMap;

use nines::domain::counts::Bucket;
use nines::domain::time::{DAY_MINUTES, Hour, MINUTE_MS, Minute, Timestamp};
use nines::engine::ports::{Credit, KeyId, LedgerStore, RetainStore, StoreError};

use super::ledger::buckets;
use super::reads::{RETENTION, as_map};
use super::simulation::{Random, difference, hours, number, patient};
use crate::support::store::{Fixture, NOW, commit, read};

pub async fn any_reads_follow_a_map_of_minutes(mut f: Fixture) {
    let (first, seeds) = (number("NINES_LEDGER_FIRST_SEED", 1), number("NINES_LEDGER_SEEDS", 2));
    let keys = f.keys(3).await;
    for seed in first..first + seeds {
        f.run_raw("delete from loose; delete from ledger_sum; delete from packed_day; delete from target")
            .await;
        let targets = f.targets(2).await;
        let mut history = History {
            f,
            seed,
            random: Random(seed),
            now: NOW,
            keys: keys.clone(),
            targets,
            minutes: BTreeMap::new(),
            sums: BTreeMap::new(),
        };
        while history.now.0 < NOW.0 + 30 * DAY_MINUTES * MINUTE_MS {
            history.step().await;
        }
        history.check().await;
        f = history.f;
    }
}

/// What a ledger should hold, beside one that is set, credited, packed and pruned.
struct History {
    f: Fixture,
    seed: u64,
    random: Random,
    now: Timestamp,
    keys: Vec<KeyId>,
    /// A reader and a visited one.
    targets: Vec<i64>,
    minutes: BTreeMap<(KeyId, i64), Bucket>,
    /// Total and good as the returned differences add up.
    sums: BTreeMap<KeyId, (i64, i64)>,
}

impl History {
    async fn step(&mut self) {
        self.now = Timestamp(self.now.0 + (self.random.below(660) - 60) * MINUTE_MS);
        match self.random.below(12) {
            0..5 => self.read().await,
            5 | 6 => self.visit().await,
            7 | 8 => {
                let limit = 1 + self.random.below(9) as u32;
                self.f.store.pack(self.f.epoch, self.now, limit).await.expect("packed");
            }
            9 => self
                .f
                .store
                .prune(self.f.epoch, RETENTION, self.now)
                .await
                .expect("pruned"),
            10 => self.f.restart().await,
            _ => self.check().await,
        }
    }

    async fn read(&mut self) {
        let newest = self.now.minute().0;
        let (mut from, mut to) = match self.random.below(3) {
            0 => (newest - self.random.below(200), newest + self.random.below(5)),
            1 => (newest - self.random.below(4 * DAY_MINUTES), newest),
            _ => (newest - self.random.below(25 * DAY_MINUTES), 0),
        };
        to = to.max(from + self.random.below(DAY_MINUTES));
        // Where the detail may be gone, whole hours are set.
        if from < newest - 8 * DAY_MINUTES {
            (from, to) = (from / 60 * 60, to / 60 * 60 + 59);
        }
        let mut keys = self.keys.clone();
        keys.retain(|_| self.random.below(2) == 0);
        let density = self.random.below(4);
        let mut minutes = Vec::new();
        for key in &keys {
            for minute in from..=to {
                if self.random.below(4) < density {
                    minutes.push(self.credit(*key, minute));
                }
            }
        }
        let (told, whole) = self.commit(&keys, (from, to), &minutes).await;
        let mut wanted = BTreeMap::new();
        let span = |key: &KeyId| (*key, from)..=(*key, to);
        for (at, held) in keys.iter().flat_map(|key| self.minutes.range(span(key))) {
            wanted.insert(*at, bucket_between(*held, Bucket::default()));
        }
        for Credit { key, minute, bucket } in &minutes {
            let held = self.minutes.get(&(*key, minute.0)).copied().unwrap_or_default();
            wanted.insert((*key, minute.0), bucket_between(held, *bucket));
        }
        wanted.retain(|_, difference| *difference != Bucket::default());
        let detailed = from >= newest - 8 * DAY_MINUTES;
        if whole && detailed {
            assert_eq!(
                difference(&as_map(&told), &wanted),
                0,
                "seed {} at {}",
                self.seed,
                self.now
            );
        }
        for (key, difference) in told.iter().map(|credit| (credit.key, credit.bucket)) {
            let sum = self.sums.entry(key).or_default();
            *sum = (sum.0 + difference.total, sum.1 + difference.good);
        }
        self.minutes
            .retain(|(key, minute), _| !(keys.contains(key) && (from..=to).contains(minute)));
        self.minutes.extend(as_map(&minutes));
        self.minutes.retain(|_, bucket| *bucket != Bucket::default());
        if !whole {
            self.sums = self.sums_of_minutes();
        }
    }

    /// Commits a read, which may be broken off and is then repeated; says whether it was not.
    async fn commit(&mut self, keys: &[KeyId], span: (i64, i64), minutes: &[Credit]) -> (Vec<Credit>, bool) {
        for attempt in 0..20 {
            let cursors = self.f.store.load_cursors(&self.targets[..1]).await.expect("a cursor");
            let commit = [read(self.targets[0], cursors[0].seq, keys, span, minutes)];
            let waits = self.random.patience();
            match patient(waits, self.f.store.commit_reads(self.f.epoch, &commit, self.now)).await {
                Some(Ok(told)) => return (told, attempt == 0),
                None | Some(Err(StoreError::Conflict { .. } | StoreError::Unavailable(_))) => {}
                Some(Err(other)) => panic!("seed {} at {}: {other:?}", self.seed, self.now),
            }
        }
        panic!("seed {} at {}: no commit came through", self.seed, self.now);
    }

    async fn visit(&mut self) {
        let target = self.targets[1];
        let first = self.now.minute().0 - self.random.below(3 * DAY_MINUTES);
        let mut credits = Vec::new();
        for minute in first..first + self.random.below(90) {
            let key = self.keys[self.random.below(3) as usize];
            credits.push(self.credit(key, minute));
        }
        let cursors = self.f.store.load_cursors(&[target]).await.expect("a cursor");
        let commit = commit(target, cursors[0].seq, credits.clone());
        self.f
            .store
            .commit_visits(self.f.epoch, &[commit], self.now)
            .await
            .expect("committed");
        for Credit { key, minute, bucket } in credits {
            let held = self.minutes.entry((key, minute.0)).or_default();
            held.total += bucket.total;
            held.good += bucket.good;
            held.observed |= bucket.observed;
            let sum = self.sums.entry(key).or_default();
            *sum = (sum.0 + bucket.total, sum.1 + bucket.good);
        }
        self.minutes.retain(|_, bucket| *bucket != Bucket::default());
    }

    fn credit(&mut self, key: KeyId, minute: i64) -> Credit {
        let total = self.random.below(9_000_000_000) - 10_000_000;
        Credit {
            key,
            minute: Minute(minute),
            bucket: Bucket {
                total,
                good: total - self.random.below(5) * 1_000_003,
                observed: self.random.below(3) > 0,
            },
        }
    }

    fn sums_of_minutes(&self) -> BTreeMap<KeyId, (i64, i64)> {
        let mut sums: BTreeMap<KeyId, (i64, i64)> = self.keys.iter().map(|key| (*key, (0, 0))).collect();
        for ((key, _), bucket) in &self.minutes {
            let sum = sums.entry(*key).or_default();
            *sum = (sum.0 + bucket.total, sum.1 + bucket.good);
        }
        sums
    }

    async fn check(&self) {
        let told = format!("{}, seed {} at {}", self.f.store.kind(), self.seed, self.now);
        assert_eq!(self.f.store.prove().await.expect("a proof"), 0, "{told}");
        let sums = self.sums_of_minutes();
        for (key, sum) in &sums {
            assert_eq!(self.sums.get(key).copied().unwrap_or_default(), *sum, "{told}");
        }
        for (key, lifetime) in self.f.store.lifetimes(&self.keys).await.expect("lifetimes") {
            assert_eq!((lifetime.total, lifetime.good), sums[&key], "{told}");
        }
        let from = (self.now.minute().day() - RETENTION.minutes_days + 1) * DAY_MINUTES;
        let mut found = buckets(&self.f, &self.keys).await;
        found.retain(|(_, minute), _| *minute >= from);
        let wanted = self.minutes.iter().filter(|((_, minute), _)| *minute >= from);
        let wanted = wanted.map(|(at, bucket)| (*at, *bucket)).collect();
        assert_eq!(difference(&found, &wanted), 0, "{told}");
        let read = self
            .f
            .store
            .hour_totals(&self.keys, Hour(0), Hour(i32::MAX.into()))
            .await
            .expect("hours");
        let read = read
            .into_iter()
            .map(|(key, hour, total)| ((key, hour.0), total))
            .collect();
        assert_eq!(difference(&read, &hours(&self.minutes, Hour(0))), 0, "{told}");
    }
}

fn bucket_between(from: Bucket, to: Bucket) -> Bucket {
    Bucket {
        total: to.total - from.total,
        good: to.good - from.good,
        observed: to.observed && !from.observed,
    }
}
