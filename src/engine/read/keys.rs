//! The ledger keys of one SLO, and what its counts credit.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::counting::range::RangeCount;
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::domain::time::Minute;
use crate::engine::catalog::{GROUPS_MAX, Keys};
use crate::engine::ports::{Credit, KeyId, KeyRecord};

/// The keys of one SLO: its own, and its groups'.
#[derive(Clone, Debug, Default)]
pub struct SloKeys {
    /// Its own.
    pub sum: KeyId,
    groups: BTreeMap<Group, KeyId>,
}

impl SloKeys {
    /// The keys of an SLO as far as they are known; `None` when it has none of its own yet.
    pub fn of(slo: i64, keys: &Keys) -> Option<Self> {
        Some(Self {
            sum: keys.get(slo, None)?,
            groups: keys.groups_of(slo).into_iter().collect(),
        })
    }

    /// All of them.
    pub fn all(&self) -> Vec<KeyId> {
        std::iter::once(self.sum).chain(self.groups.values().copied()).collect()
    }

    /// Keys that were made.
    pub fn extend(&mut self, records: &[KeyRecord]) {
        for record in records {
            if let Some(group) = &record.group {
                self.groups.insert(group.clone(), record.id);
            }
        }
    }

    /// Groups that need a key before this can be credited: at most a hundred in all, in the order in which they came;
    /// the rest is `other`.
    pub fn lacking(&self, count: &RangeCount, group_by: &[String]) -> Vec<Group> {
        if group_by.is_empty() {
            return Vec::new();
        }
        let mut came: Vec<(Minute, &Group)> = Vec::new();
        let mut seen = BTreeSet::new();
        for (group, minute) in count.minutes.keys() {
            if seen.insert(group) && !self.groups.contains_key(group) {
                came.push((*minute, group));
            }
        }
        came.sort();
        let other = Group::other(group_by);
        let known = self.groups.keys().filter(|group| **group != other).count();
        let room = GROUPS_MAX.saturating_sub(known);
        let mut lacking: Vec<Group> = came.iter().take(room).map(|(_, group)| (*group).clone()).collect();
        if came.len() > room && !self.groups.contains_key(&other) {
            lacking.push(other);
        }
        lacking
    }

    /// What a count adds up to, by key and minute. Coverage is the SLO's; its groups' minutes carry counts only.
    pub fn buckets(&self, count: &RangeCount, group_by: &[String]) -> BTreeMap<(KeyId, Minute), Bucket> {
        let mut buckets: BTreeMap<(KeyId, Minute), Bucket> = BTreeMap::new();
        let other = (!group_by.is_empty())
            .then(|| self.groups.get(&Group::other(group_by)))
            .flatten();
        for ((group, minute), (total, good)) in &count.minutes {
            let group = (!group_by.is_empty())
                .then(|| self.groups.get(group).or(other))
                .flatten();
            for key in std::iter::once(&self.sum).chain(group) {
                let bucket = buckets.entry((*key, *minute)).or_default();
                bucket.total = bucket.total.saturating_add(*total);
                bucket.good = bucket.good.saturating_add(*good);
            }
        }
        for minute in &count.observed {
            buckets.entry((self.sum, *minute)).or_default().observed = true;
        }
        buckets
    }
}

/// Buckets as credits, in the order of their keys; empty ones are left out.
pub fn credits(buckets: BTreeMap<(KeyId, Minute), Bucket>) -> Vec<Credit> {
    let filled = buckets.into_iter().filter(|(_, bucket)| *bucket != Bucket::default());
    filled
        .map(|((key, minute), bucket)| Credit { key, minute, bucket })
        .collect()
}
