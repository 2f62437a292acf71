//! What waits for a commit, of one SLO.

use std::collections::BTreeMap;

use crate::domain::counts::Bucket;
use crate::domain::labels::Group;
use crate::domain::time::Minute;
use crate::engine::collect::pending::PendingCredit;
use crate::engine::ports::{Credit, KeyId, TargetCommit};

/// So many minutes are kept while the store is away, a week; of more the oldest go.
const MINUTES_MAX: usize = 7 * 24 * 60;

/// Buckets by minute and group.
type Buckets = BTreeMap<(Minute, Option<Group>), Bucket>;

/// What waits, and what is under way.
#[derive(Debug)]
pub struct Waiting {
    /// The hash of the indicator that it was counted by.
    pub indicator: u64,
    /// The pseudo target's number and the `seq` of its cursor; `None` while they are to be read.
    cursor: Option<(i64, i64)>,
    /// What no commit has taken yet.
    pending: Buckets,
    /// What a commit has taken, and the `seq` that its cursor had.
    under_way: Option<(i64, Buckets)>,
}

impl Waiting {
    /// Nothing waits.
    pub fn new(indicator: u64) -> Self {
        Self {
            indicator,
            cursor: None,
            pending: Buckets::new(),
            under_way: None,
        }
    }

    /// Whether it can be committed.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// Its cursor was read: what was under way took effect where the cursor has moved on from where it was.
    pub fn set_cursor(&mut self, target: i64, seq: i64) {
        self.cursor = Some((target, seq));
        if let Some((before, buckets)) = self.under_way.take()
            && before == seq
        {
            for (place, bucket) in buckets {
                add(&mut self.pending, place, bucket);
            }
        }
    }

    /// One more event.
    pub fn add(&mut self, credit: PendingCredit) {
        add(&mut self.pending, (credit.minute, credit.group), credit.bucket);
        let minutes = || self.pending.keys().map(|(minute, _)| minute);
        if let (Some(first), Some(last)) = (minutes().next(), minutes().next_back())
            && last.0 - first.0 > MINUTES_MAX as i64
        {
            let first = *first;
            self.pending.retain(|(minute, _), _| *minute != first);
        }
    }

    /// Takes what waits for a commit; `None` where nothing does, or a key or the cursor is missing.
    pub fn take(&mut self, key_of: impl Fn(Option<&Group>) -> Option<KeyId>) -> Option<TargetCommit> {
        let (target, expected_seq) = self.cursor?;
        if self.pending.is_empty() || self.under_way.is_some() {
            return None;
        }
        let credits = self.pending.iter().map(|((minute, group), bucket)| {
            Some(Credit {
                key: key_of(group.as_ref())?,
                minute: *minute,
                bucket: *bucket,
            })
        });
        let credits = credits.collect::<Option<Vec<_>>>()?;
        self.under_way = Some((expected_seq, std::mem::take(&mut self.pending)));
        Some(TargetCommit {
            target,
            expected_seq,
            credits,
            ..TargetCommit::default()
        })
    }

    /// What was under way took effect.
    pub fn committed(&mut self, seq: i64) {
        self.under_way = None;
        if let Some((_, known)) = &mut self.cursor {
            *known = seq;
        }
    }

    /// Nobody knows what became of what was under way; what has not been sent off is none of that.
    pub fn unsure(&mut self) {
        if self.under_way.is_some() {
            self.cursor = None;
        }
    }
}

/// Adds one bucket; verdicts are far too few to be beyond what fits.
fn add(buckets: &mut Buckets, place: (Minute, Option<Group>), bucket: Bucket) {
    let sum = buckets.entry(place).or_default();
    sum.total = sum.total.saturating_add(bucket.total);
    sum.good = sum.good.saturating_add(bucket.good);
    sum.observed |= bucket.observed;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::counts::MICRO;

    fn one(minute: i64) -> PendingCredit {
        PendingCredit {
            slo: 1,
            group: None,
            minute: Minute(minute),
            bucket: Bucket {
                total: MICRO,
                good: MICRO,
                observed: true,
            },
        }
    }

    fn totals(commit: Option<TargetCommit>) -> Vec<(i64, i64)> {
        let credits = commit.into_iter().flat_map(|commit| commit.credits);
        credits
            .map(|credit| (credit.minute.0, credit.bucket.total / MICRO))
            .collect()
    }

    #[test]
    fn nothing_is_lost_or_counted_twice_whatever_becomes_of_a_commit() {
        let mut waiting = Waiting::new(7);
        waiting.add(one(5));
        assert!(waiting.take(|_| Some(3)).is_none(), "without a cursor");
        waiting.set_cursor(9, 4);
        assert!(waiting.take(|_| None).is_none(), "without a key");
        assert_eq!(totals(waiting.take(|_| Some(3))), [(5, 1)]);
        waiting.add(one(5));
        waiting.unsure();
        assert!(!waiting.has_cursor());
        waiting.set_cursor(9, 4);
        assert_eq!(totals(waiting.take(|_| Some(3))), [(5, 2)], "it had not taken effect");
        waiting.add(one(6));
        waiting.unsure();
        waiting.set_cursor(9, 5);
        assert_eq!(totals(waiting.take(|_| Some(3))), [(6, 1)], "it had taken effect");
        waiting.committed(6);
        assert!(waiting.take(|_| Some(3)).is_none(), "all is committed");
    }

    #[test]
    fn a_store_that_is_away_for_weeks_costs_the_oldest_minutes() {
        let mut waiting = Waiting::new(7);
        (0..MINUTES_MAX as i64 + 10).for_each(|minute| waiting.add(one(minute)));
        waiting.set_cursor(9, 0);
        let kept = totals(waiting.take(|_| Some(3)));
        assert_eq!((kept.len(), kept[0].0), (MINUTES_MAX + 1, 9));
    }
}
