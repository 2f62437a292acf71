//! Forty days of a ledger on a virtual clock, against sums that are computed afresh from all that was credited.
//!
//! Every target has a log of credits, and its cursor remembers how many of them are committed: what a counter is to a
//! scrape. Data come late and across gaps, hours are packed, days pruned, the store is closed and opened again; and any
//! commit or packing may be dropped at any of its waits, as by a stop or a cut connection. `NINES_LEDGER_SEEDS` says how
//! many such histories are lived through.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use nines::domain::counts::{Bucket, HourTotal};
use nines::domain::time::{DAY_MINUTES, Hour, MINUTE_MS, Minute, Timestamp};
use nines::engine::ports::{Credit, KeyId, LedgerStore, RetainStore, Retention, StoreError, TargetCommit};

use crate::support::store::{Fixture, NOW};

const DAYS: i64 = 40;
const KEYS: usize = 4;
const TARGETS: usize = 3;
/// Seeds when the environment names no number.
const SEEDS: u64 = 3;
const RETENTION: Retention = Retention {
    minutes_days: 10,
    hours_days: 20,
    messages_days: 30,
    targets_days: 400,
};

/// A number from the environment, for people who want to look longer.
#[expect(
    clippy::disallowed_methods,
    reason = "how long to look is for people who run the tests"
)]
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub async fn forty_days_keep_every_event(mut f: Fixture) {
    let (first, seeds) = (
        number("NINES_LEDGER_FIRST_SEED", 1),
        number("NINES_LEDGER_SEEDS", SEEDS),
    );
    let keys = f.keys(KEYS).await;
    let (mut dropped, mut discrepancy) = (0, 0);
    for seed in first..first + seeds {
        f.run_raw("delete from loose; delete from ledger_sum; delete from packed_day; delete from target")
            .await;
        let mut history = History::begin(f, &keys, seed).await;
        while history.now.0 < NOW.0 + DAYS * DAY_MINUTES * MINUTE_MS {
            history.step().await;
        }
        discrepancy += history.check().await;
        dropped += history.dropped;
        f = history.f;
    }
    println!(
        "{}: {seeds} seeds from {first}, {dropped} broken off, discrepancy {discrepancy}",
        f.store.kind()
    );
    assert_eq!(discrepancy, 0);
}

struct History {
    f: Fixture,
    seed: u64,
    random: Random,
    now: Timestamp,
    keys: Vec<KeyId>,
    targets: Vec<i64>,
    /// Per target, all that its counters ever counted.
    logs: Vec<Vec<Credit>>,
    /// What was written past the cursors.
    backfilled: Vec<Credit>,
    dropped: u64,
}

impl History {
    async fn begin(f: Fixture, keys: &[KeyId], seed: u64) -> Self {
        Self {
            targets: f.targets(TARGETS).await,
            f,
            seed,
            random: Random(seed),
            now: NOW,
            keys: keys.to_vec(),
            logs: vec![Vec::new(); TARGETS],
            backfilled: Vec::new(),
            dropped: 0,
        }
    }

    async fn step(&mut self) {
        self.now = Timestamp(self.now.0 + self.random.below(600) * MINUTE_MS);
        self.count();
        self.commit().await;
        match self.random.below(12) {
            0..5 => self.pack().await,
            5 => self.prune().await,
            6 => self.f.restart().await,
            7 => self.backfill().await,
            8 => assert_eq!(self.check().await, 0, "seed {} at {}", self.seed, self.now),
            _ => {}
        }
    }

    /// Counters count: mostly now, sometimes late, sometimes over a gap.
    fn count(&mut self) {
        for at in 0..TARGETS {
            let (newest, late) = (self.now.minute().0, self.random.below(3 * DAY_MINUTES));
            let (first, length, observed) = match self.random.below(10) {
                0 => (newest - late, 1 + self.random.below(30), true),
                1 => (newest - late, 30 + self.random.below(600), false),
                2 => continue,
                _ => (newest - 10, self.random.below(11), true),
            };
            let credits: Vec<Credit> = (first..first + length)
                .map(|minute| self.credit(minute, observed))
                .collect();
            self.logs[at].extend(credits);
        }
    }

    fn credit(&mut self, minute: i64, observed: bool) -> Credit {
        let total = self.random.below(9_000_000_000) - 10_000_000;
        let good = total - self.random.below(5) * 1_000_003;
        let key = self.keys[self.random.below(KEYS as i64) as usize];
        Credit {
            key,
            minute: Minute(minute),
            bucket: Bucket { total, good, observed },
        }
    }

    /// Commits what the cursors have not seen; a commit of unknown outcome is followed by reading them again.
    async fn commit(&mut self) {
        for _ in 0..20 {
            let cursors = self.f.store.load_cursors(&self.targets).await.expect("cursors");
            let commits = cursors.iter().zip(&self.logs).map(|(cursor, log)| TargetCommit {
                target: cursor.target,
                expected_seq: cursor.seq,
                header: (log.len() as u64).to_le_bytes().to_vec(),
                slos: BTreeMap::new(),
                credits: log[committed(&cursor.header)..].to_vec(),
            });
            let commits: Vec<_> = commits.collect();
            let waits = self.random.patience();
            match patient(waits, self.f.store.commit_visits(self.f.epoch, &commits, self.now)).await {
                Some(Ok(())) => return,
                None | Some(Err(StoreError::Conflict { .. } | StoreError::Unavailable(_))) => self.dropped += 1,
                Some(Err(other)) => panic!("seed {} at {}: {other:?}", self.seed, self.now),
            }
        }
        panic!("seed {} at {}: no commit came through", self.seed, self.now);
    }

    async fn pack(&mut self) {
        let (limit, waits) = (1 + self.random.below(20) as u32, self.random.patience());
        match patient(waits, self.f.store.pack(self.f.epoch, self.now, limit)).await {
            Some(Ok(_)) => {}
            None | Some(Err(StoreError::Unavailable(_))) => self.dropped += 1,
            Some(Err(other)) => panic!("seed {} at {}: {other:?}", self.seed, self.now),
        }
    }

    async fn prune(&mut self) {
        self.f
            .store
            .create_partitions(self.f.epoch, self.now)
            .await
            .expect("partitions");
        self.f
            .store
            .prune(self.f.epoch, RETENTION, self.now)
            .await
            .expect("pruned");
    }

    async fn backfill(&mut self) {
        let first = self.now.minute().0 - self.random.below(2 * DAY_MINUTES);
        let credits: Vec<Credit> = (first..first + 100).map(|minute| self.credit(minute, true)).collect();
        self.f
            .store
            .write_packed(self.f.epoch, &credits, self.now)
            .await
            .expect("written");
        self.backfilled.extend(credits);
    }

    /// Compares all that the store says with what was credited; the sum of all differences.
    async fn check(&mut self) -> i64 {
        let mut minutes: BTreeMap<(KeyId, i64), Bucket> = BTreeMap::new();
        for credit in self.logs.iter().flatten().chain(&self.backfilled) {
            let bucket = minutes.entry((credit.key, credit.minute.0)).or_default();
            bucket.total += credit.bucket.total;
            bucket.good += credit.bucket.good;
            bucket.observed |= credit.bucket.observed;
        }
        let today = self.now.minute().day();
        let store = &self.f.store;
        let mut wrong = store.prove().await.expect("a proof");
        for (key, lifetime) in store.lifetimes(&self.keys).await.expect("lifetimes") {
            let all = minutes
                .iter()
                .filter(|((owner, _), _)| *owner == key)
                .map(|(_, bucket)| bucket);
            let (total, good) = all.fold((0, 0), |sum, b| (sum.0 + b.total, sum.1 + b.good));
            wrong += (lifetime.total - total).abs() + (lifetime.good - good).abs();
        }
        let from = Minute((today - RETENTION.minutes_days) * DAY_MINUTES);
        let read = store
            .minutes(&self.keys, from, Minute(i32::MAX.into()))
            .await
            .expect("minutes");
        let read: BTreeMap<(KeyId, i64), Bucket> = read.into_iter().map(|(k, m, bucket)| ((k, m.0), bucket)).collect();
        let wanted = minutes.iter().filter(|((_, minute), _)| *minute >= from.0);
        wrong += difference(&read, &wanted.map(|(at, bucket)| (*at, *bucket)).collect());
        let from = Hour((today - RETENTION.hours_days) * 24);
        let read = store
            .hour_totals(&self.keys, from, Hour(i32::MAX.into()))
            .await
            .expect("hours");
        let read: BTreeMap<(KeyId, i64), HourTotal> = read.into_iter().map(|(k, h, total)| ((k, h.0), total)).collect();
        wrong + difference(&read, &hours(&minutes, from))
    }
}

fn committed(header: &[u8]) -> usize {
    header.try_into().map_or(0, |bytes| u64::from_le_bytes(bytes) as usize)
}

pub fn hours(minutes: &BTreeMap<(KeyId, i64), Bucket>, from: Hour) -> BTreeMap<(KeyId, i64), HourTotal> {
    let mut hours: BTreeMap<(KeyId, i64), HourTotal> = BTreeMap::new();
    for ((key, minute), bucket) in minutes {
        let hour = Minute(*minute).hour();
        if hour >= from {
            let total = hours.entry((*key, hour.0)).or_default();
            total.total += bucket.total;
            total.good += bucket.good;
            total.observed += u8::from(bucket.observed);
        }
    }
    hours.retain(|_, total| *total != HourTotal::default());
    hours
}

/// At how many places the store and the log differ; each is printed.
pub fn difference<T: PartialEq + Debug>(a: &BTreeMap<(KeyId, i64), T>, b: &BTreeMap<(KeyId, i64), T>) -> i64 {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let differing = keys.into_iter().filter(|key| a.get(*key) != b.get(*key));
    differing
        .inspect(|key| eprintln!("{key:?}: {:?} in the store, {:?} counted", a.get(*key), b.get(*key)))
        .count() as i64
}

/// Waits for a future, but drops it after so many of its waits; then `None`.
pub async fn patient<T>(waits: Option<i64>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = waits.unwrap_or(i64::MAX);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Splitmix64: the same history for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % end.unsigned_abs()) as i64
    }

    /// After how many waits something is dropped; mostly never.
    pub fn patience(&mut self) -> Option<i64> {
        (self.below(3) == 0).then(|| self.below(25))
    }
}
