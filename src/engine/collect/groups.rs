//! Which group a credit belongs to: at most a hundred of an SLO, the rest is `other`.

use std::collections::BTreeMap;

use super::State;
use super::pending::PendingCredit;
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::engine::catalog::{GROUPS_MAX, Keys};

impl State {
    /// Puts a credit under its group, or under `other` beyond the hundredth, and under the SLO itself.
    pub(super) fn admit(&mut self, credit: PendingCredit, admitted: &mut Vec<PendingCredit>) {
        let Some(group) = &credit.group else {
            admitted.push(credit);
            return;
        };
        let group = admit(credit.slo, group, &self.keys, &mut self.new_groups);
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
}

/// The group under which events of this group are counted: itself, or `other` beyond the hundredth. One that has no
/// ledger key yet is noted.
pub fn admit(slo: i64, group: &Group, keys: &Keys, new_groups: &mut BTreeMap<i64, Vec<Group>>) -> Group {
    let is_known = |group: &Group, new_groups: &BTreeMap<i64, Vec<Group>>| {
        keys.get(slo, Some(group)).is_some() || new_groups.get(&slo).is_some_and(|groups| groups.contains(group))
    };
    if is_known(group, new_groups) {
        return group.clone();
    }
    let waiting = new_groups.get(&slo).map_or(0, Vec::len);
    if keys.group_count(slo) + waiting < GROUPS_MAX {
        new_groups.entry(slo).or_default().push(group.clone());
        return group.clone();
    }
    let other = Group::other(group.0.iter().map(|(name, _)| name));
    if !is_known(&other, new_groups) {
        new_groups.entry(slo).or_default().push(other.clone());
    }
    other
}
