//! What waits for a commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::domain::time::Minute;
use crate::engine::ports::{Credit, KeyId};

/// Events for one bucket that wait for their commit.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCredit {
    /// The SLO's number.
    pub slo: i64,
    /// The group; `None` for the SLO itself.
    pub group: Option<Group>,
    /// The minute.
    pub minute: Minute,
    /// What is added.
    pub bucket: Bucket,
}

/// Adds up pending credits by bucket, in the order of their keys; `None` while one has no key yet. Also the SLOs of which
/// some sum does not fit: what cannot be added is left out, and its minute is not observed.
pub fn to_credits(
    pending: &[PendingCredit],
    key_of: impl Fn(i64, Option<&Group>) -> Option<KeyId>,
) -> Option<(Vec<Credit>, BTreeSet<i64>)> {
    let mut sums: BTreeMap<(KeyId, Minute), Bucket> = BTreeMap::new();
    let mut beyond = BTreeSet::new();
    for credit in pending {
        let key = key_of(credit.slo, credit.group.as_ref())?;
        let sum = sums.entry((key, credit.minute)).or_default();
        let Bucket { total, good, observed } = credit.bucket;
        if let (Some(total), Some(good)) = (sum.total.checked_add(total), sum.good.checked_add(good)) {
            (sum.total, sum.good) = (total, good);
        } else {
            beyond.insert((credit.slo, credit.minute));
        }
        sum.observed |= observed;
    }
    let is_beyond = |credit: &&PendingCredit| !beyond.is_empty() && beyond.contains(&(credit.slo, credit.minute));
    for credit in pending.iter().filter(is_beyond) {
        let key = key_of(credit.slo, credit.group.as_ref())?;
        if let Some(sum) = sums.get_mut(&(key, credit.minute)) {
            sum.observed = false;
        }
    }
    let credits = sums.into_iter();
    let credits = credits.map(|((key, minute), bucket)| Credit { key, minute, bucket });
    Some((credits.collect(), beyond.into_iter().map(|(slo, _)| slo).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_together_is_left_out_and_said() {
        let credit = |slo: i64, minute: i64, total: i64, observed: bool| PendingCredit {
            slo,
            group: None,
            minute: Minute(minute),
            bucket: Bucket {
                total,
                good: 0,
                observed,
            },
        };
        let most = i64::MAX - 1;
        let pending = [
            credit(1, 5, most, false),
            credit(1, 5, 0, true),
            credit(1, 5, 10, false),
            credit(1, 6, 10, true),
            credit(2, 5, 7, true),
        ];
        let (credits, beyond) = to_credits(&pending, |slo, _| Some(slo)).expect("all have keys");
        let shown = credits
            .iter()
            .map(|it| (it.key, it.minute.0, it.bucket.total, it.bucket.observed));
        let expected = [(1, 5, most, false), (1, 6, 10, true), (2, 5, 7, true)];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert_eq!(beyond.into_iter().collect::<Vec<_>>(), [1]);
    }
}
