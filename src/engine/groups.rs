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
        let group = if self.keys.get(credit.slo, Some(group)).is_some() || self.is_waiting(credit.slo, group) {
            group.clone()
        } else if self.keys.group_count(credit.slo) + self.new.get(&credit.slo).map_or(0, Vec::len) < GROUPS_MAX {
            self.new.entry(credit.slo).or_default().push(group.clone());
            group.clone()
        } else {
            let other = Group::other(group.0.iter().map(|(name, _)| name));
            if self.keys.get(credit.slo, Some(&other)).is_none() && !self.is_waiting(credit.slo, &other) {
                self.new.entry(credit.slo).or_default().push(other.clone());
            }
            other
        };
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

    fn is_waiting(&self, slo: i64, group: &Group) -> bool {
        self.new.get(&slo).is_some_and(|groups| groups.contains(group))
    }
}
