//! History: the ledger in memory, rebuilt from the store and kept supplied with the hours that its windows lose.

use std::collections::{BTreeMap, HashMap};

use super::ports::{Credit, KeyId, Lifetime, Store, StoreResult};
use crate::domain::counts::{Bucket, HourTotal, MICRO};
use crate::domain::ledger::{KeyIndex, Ledger, WindowSum};
use crate::domain::time::{HOUR_MINUTES, Hour, Minute, Timestamp};
use crate::domain::window::WindowLength;

/// How many minutes ahead the hours that windows are about to lose are read.
const PREFETCH_MINUTES: i64 = 20;

/// What a key needs from the store: hour totals from here on, and these spans of minutes.
type Spans = (Hour, Vec<(Minute, Minute)>);

/// The ledger in memory, by the store's key numbers.
#[derive(Debug)]
pub struct History {
    ledger: Ledger,
    keys: HashMap<KeyId, (KeyIndex, Vec<WindowLength>)>,
    ids: HashMap<KeyIndex, KeyId>,
    lifetimes: HashMap<KeyId, Lifetime>,
}

impl History {
    /// An empty history at this time.
    pub fn new(now: Timestamp) -> Self {
        let (keys, ids, lifetimes) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self {
            ledger: Ledger::new(now.minute()),
            keys,
            ids,
            lifetimes,
        }
    }

    /// Reads everything about these keys; what was known before is forgotten.
    pub async fn load(store: &dyn Store, wanted: &[(KeyId, Vec<WindowLength>)], now: Timestamp) -> StoreResult<Self> {
        let mut history = Self::new(now);
        for (key, windows) in wanted {
            history.add(*key, windows.clone());
        }
        history
            .reload(store, &wanted.iter().map(|(key, _)| *key).collect::<Vec<_>>())
            .await?;
        Ok(history)
    }

    /// Adds a key that holds nothing yet.
    pub fn add(&mut self, key: KeyId, windows: Vec<WindowLength>) {
        if !self.keys.contains_key(&key) {
            let index = self.ledger.add(windows.clone());
            self.ids.insert(index, key);
            self.keys.insert(key, (index, windows));
        }
    }

    /// Reads these keys again: after a commit whose outcome is not known, memory follows the store.
    pub async fn reload(&mut self, store: &dyn Store, keys: &[KeyId]) -> StoreResult<()> {
        let known: Vec<(KeyId, KeyIndex)> = keys
            .iter()
            .filter_map(|key| self.keys.get(key).map(|(index, _)| (*key, *index)))
            .collect();
        // Keys with the same windows need the same spans, so one question serves many of them.
        let mut by_spans: BTreeMap<Spans, Vec<(KeyId, KeyIndex)>> = BTreeMap::new();
        for (key, index) in known {
            let spans = (self.ledger.hours_from(index), self.ledger.minute_spans(index));
            by_spans.entry(spans).or_default().push((key, index));
        }
        for ((hours_from, spans), keys) in by_spans {
            let ids: Vec<KeyId> = keys.iter().map(|(key, _)| *key).collect();
            let mut hours: HashMap<KeyId, Vec<(Hour, HourTotal)>> = HashMap::new();
            for (key, hour, total) in store.hour_totals(&ids, hours_from, self.ledger.now().hour()).await? {
                hours.entry(key).or_default().push((hour, total));
            }
            let mut minutes: HashMap<KeyId, BTreeMap<Minute, Bucket>> = HashMap::new();
            for (from, to) in spans {
                for (key, minute, bucket) in store.minutes(&ids, from, to).await? {
                    minutes.entry(key).or_default().insert(minute, bucket);
                }
            }
            for (key, index) in keys {
                let mut of_key = hours.remove(&key).unwrap_or_default();
                of_key.sort_unstable_by_key(|(hour, _)| *hour);
                let minutes: Vec<_> = minutes.remove(&key).unwrap_or_default().into_iter().collect();
                self.ledger.load(index, &of_key, &minutes);
            }
            for (key, lifetime) in store.lifetimes(&ids).await? {
                self.lifetimes.insert(key, lifetime);
            }
        }
        Ok(())
    }

    /// Moves on to the minute of a tick, reading the hours that are lost on the way and, while at it, those that are
    /// lost soon.
    pub async fn advance(&mut self, store: &dyn Store, now: Timestamp) -> StoreResult<()> {
        let until = now.minute();
        if until <= self.ledger.now() {
            return Ok(());
        }
        if until.0 - self.ledger.now().0 > 2 * HOUR_MINUTES {
            let wanted: Vec<_> = self
                .keys
                .iter()
                .map(|(key, (_, windows))| (*key, windows.clone()))
                .collect();
            *self = Self::load(store, &wanted, now).await?;
            return Ok(());
        }
        let mut by_hour: BTreeMap<Hour, Vec<KeyIndex>> = BTreeMap::new();
        for (index, hour) in self.ledger.missing_edges(Minute(until.0 + PREFETCH_MINUTES)) {
            by_hour.entry(hour).or_default().push(index);
        }
        for (hour, indices) in by_hour {
            let ids: Vec<KeyId> = indices
                .iter()
                .filter_map(|index| self.ids.get(index).copied())
                .collect();
            let first = hour.first_minute();
            let mut minutes: HashMap<KeyId, Vec<(Minute, Bucket)>> = HashMap::new();
            for (key, minute, bucket) in store.minutes(&ids, first, Minute(first.0 + HOUR_MINUTES - 1)).await? {
                minutes.entry(key).or_default().push((minute, bucket));
            }
            for index in indices {
                let of_key = self
                    .ids
                    .get(&index)
                    .and_then(|key| minutes.remove(key))
                    .unwrap_or_default();
                self.ledger.put_edge(index, hour, &of_key);
            }
        }
        self.ledger.advance(until);
        Ok(())
    }

    /// Whether memory keeps the detail of this minute, so that a credit to it is exact in every sum.
    pub fn is_recent(minute: Minute, now: Timestamp) -> bool {
        minute.0 > now.minute().0 - crate::domain::ledger::RECENT_MINUTES
    }

    /// Takes over credits that were committed.
    pub fn credit(&mut self, credits: &[Credit]) {
        for credit in credits {
            let Some((index, _)) = self.keys.get(&credit.key) else {
                continue;
            };
            self.ledger.credit(*index, credit.minute, credit.bucket);
            let lifetime = self.lifetimes.entry(credit.key).or_default();
            lifetime.total = lifetime.total.saturating_add(credit.bucket.total);
            lifetime.good = lifetime.good.saturating_add(credit.bucket.good);
        }
    }

    /// The sum over one of a key's windows; zero for a window that nobody asked for.
    pub fn sum(&self, key: KeyId, window: WindowLength) -> WindowSum {
        self.keys
            .get(&key)
            .and_then(|(index, _)| self.ledger.sum(*index, window))
            .unwrap_or_default()
    }

    /// All events ever credited.
    pub fn lifetime(&self, key: KeyId) -> Lifetime {
        self.lifetimes.get(&key).copied().unwrap_or_default()
    }

    /// Events per second in the busiest hour of the last seven days.
    pub fn busiest_rate(&self, key: KeyId) -> f64 {
        let hour = self
            .keys
            .get(&key)
            .map_or(0, |(index, _)| self.ledger.busiest_hour(*index));
        hour as f64 / MICRO as f64 / 3600.0
    }

    /// The key's hour totals, oldest first.
    pub fn hours(&self, key: KeyId) -> Vec<(Hour, HourTotal)> {
        self.keys
            .get(&key)
            .map(|(index, _)| self.ledger.hours(*index).copied().collect())
            .unwrap_or_default()
    }
}
