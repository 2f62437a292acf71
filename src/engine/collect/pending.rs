//! What waits for a commit.

use std::collections::BTreeMap;

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

/// Adds up pending credits by bucket, in the order of their keys; `None` while one has no key yet.
pub fn to_credits(
    pending: &[PendingCredit],
    key_of: impl Fn(i64, Option<&Group>) -> Option<KeyId>,
) -> Option<Vec<Credit>> {
    let mut sums: BTreeMap<(KeyId, Minute), Bucket> = BTreeMap::new();
    for credit in pending {
        let key = key_of(credit.slo, credit.group.as_ref())?;
        let sum = sums.entry((key, credit.minute)).or_default();
        sum.total = sum.total.saturating_add(credit.bucket.total);
        sum.good = sum.good.saturating_add(credit.bucket.good);
        sum.observed |= credit.bucket.observed;
    }
    let credits = sums.into_iter();
    Some(
        credits
            .map(|((key, minute), bucket)| Credit { key, minute, bucket })
            .collect(),
    )
}
