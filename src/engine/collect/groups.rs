//! Which group a credit belongs to: at most a hundred of an SLO, the rest is `other`.

use super::State;
use super::pending::PendingCredit;
use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::engine::catalog::GROUPS_MAX;

impl State {
    /// Puts a credit under its group, or under `other` beyond the hundredth, and under the SLO itself.
    pub(super) fn admit(&mut self, credit: PendingCredit, admitted: &mut Vec<PendingCredit>) {
        let Some(group) = &credit.group else {
            admitted.push(credit);
            return;
        };
        let group = if self.keys.get(credit.slo, Some(group)).is_some() || self.is_waiting(credit.slo, group) {
            group.clone()
        } else if self.keys.group_count(credit.slo) + self.new_groups.get(&credit.slo).map_or(0, Vec::len) < GROUPS_MAX
        {
            self.new_groups.entry(credit.slo).or_default().push(group.clone());
            group.clone()
        } else {
            let other = Group::other(group.0.iter().map(|(name, _)| name));
            if self.keys.get(credit.slo, Some(&other)).is_none() && !self.is_waiting(credit.slo, &other) {
                self.new_groups.entry(credit.slo).or_default().push(other.clone());
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

    fn is_waiting(&self, slo: i64, group: &Group) -> bool {
        self.new_groups.get(&slo).is_some_and(|groups| groups.contains(group))
    }
}
