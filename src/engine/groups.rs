//! Which group a credit belongs to: at most a hundred of an SLO, first come and sticky, the rest is `other`.

use std::collections::BTreeMap;

use super::catalog::{Catalog, GROUPS_MAX, Keys};
use super::collect::pending::PendingCredit;
use super::ports::KeyRecord;
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;

/// The ledger keys of groups, and groups that have been seen but have no key yet.
#[derive(Debug, Default)]
pub struct Groups {
    keys: Keys,
    new: BTreeMap<i64, Vec<Group>>,
}

impl Groups {
    /// Takes over another catalog. What waits for groups that have no ledger key yet goes on waiting.
    pub fn set_catalog(&mut self, catalog: &Catalog, keys: Keys) {
        self.new.retain(|slo, groups| {
            groups.retain(|group| keys.get(*slo, Some(group)).is_none());
            catalog.entry(*slo).is_some() && !groups.is_empty()
        });
        self.keys = keys;
    }

    /// The ledger keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Puts a credit under its group, or under `other` beyond the hundredth, and under the SLO itself.
    pub fn admit(&mut self, credit: PendingCredit, admitted: &mut Vec<PendingCredit>) {
        let Some(group) = &credit.group else {
            admitted.push(credit);
            return;
        };
        let group = self.admit_group(credit.slo, group);
        // Coverage is the SLO's; a group's minutes carry counts only.
        let bucket = Bucket {
            observed: false,
            ..credit.bucket
        };
        admitted.push(PendingCredit { group: None, ..credit });
        admitted.push(PendingCredit {
            group: Some(group),
            bucket,
            ..credit
        });
    }

    /// The group under which events of this group are counted: itself, or `other` beyond the hundredth.
    pub fn admit_group(&mut self, slo: i64, group: &Group) -> Group {
        if self.is_known(slo, group) {
            return group.clone();
        }
        if self.keys.group_count(slo) + self.new.get(&slo).map_or(0, Vec::len) < GROUPS_MAX {
            self.new.entry(slo).or_default().push(group.clone());
            return group.clone();
        }
        let other = Group::other(group.0.iter().map(|(name, _)| name));
        if !self.is_known(slo, &other) {
            self.new.entry(slo).or_default().push(other.clone());
        }
        other
    }

    /// Groups that need a ledger key before the next commit.
    pub fn without_key(&self) -> Vec<(i64, Option<Group>)> {
        let groups = self
            .new
            .iter()
            .flat_map(|(slo, groups)| groups.iter().map(|group| (*slo, Some(group.clone()))));
        groups.collect()
    }

    /// Makes new ledger keys known.
    pub fn add_keys(&mut self, records: &[KeyRecord]) {
        self.keys.extend(records);
        for record in records {
            if let (Some(group), Some(waiting)) = (&record.group, self.new.get_mut(&record.slo)) {
                waiting.retain(|known| known != group);
            }
        }
        self.new.retain(|_, groups| !groups.is_empty());
    }

    fn is_known(&self, slo: i64, group: &Group) -> bool {
        let waits = || self.new.get(&slo).is_some_and(|groups| groups.contains(group));
        self.keys.get(slo, Some(group)).is_some() || waits()
    }
}
