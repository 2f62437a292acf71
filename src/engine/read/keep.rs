//! Keeping what was read: minutes are set in the ledger in the transaction that moves the state.

use std::collections::BTreeMap;

use super::keys::credits;
use super::reader::{ReadError, Reader, Writing};
use super::span::{first_seen, part_end};
use super::state::ReadState;
use crate::domain::counting::range::RangeCount;
use crate::domain::counts::Bucket;
use crate::domain::time::{Minute, Timestamp};
use crate::engine::ports::{KeyId, ReadCommit, ReadSpan};

/// Buckets of one write transaction.
const BUCKETS_AT_A_TIME: usize = 2000;

impl Reader {
    /// Sets the minutes of a span to what was counted, adds what lies before it, and keeps the state with it. In several
    /// transactions where it is much: only the last one moves the state, and setting again changes nothing.
    pub(super) async fn keep(
        &mut self,
        writing: &Writing,
        state: ReadState,
        (first, last): (Minute, Minute),
        count: &RangeCount,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        // What a server has forgotten, or does not tell for a while, stays as it was once seen.
        let first = first_seen(count, first).min(Minute(last.0 + 1));
        self.keep_all(writing, state, (first, last), count, now).await
    }

    /// The same, also for minutes of which nothing is told any more.
    pub(super) async fn keep_all(
        &mut self,
        writing: &Writing,
        state: ReadState,
        (first, last): (Minute, Minute),
        count: &RangeCount,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        let group_by = &self.entry.slo.indicator.group_by;
        let lacking = self.keys.lacking(count, group_by);
        if !lacking.is_empty() {
            let wanted: Vec<_> = lacking.into_iter().map(|group| (self.slo, Some(group))).collect();
            let mut changes = writing.books.lock().await;
            let made = writing.store.ensure_keys(writing.epoch, &wanted, now).await?;
            self.keys.extend(&made);
            changes.new_keys.extend(made);
        }
        let mut before = self.keys.buckets(count, group_by);
        let mut within: BTreeMap<(Minute, KeyId), Bucket> = BTreeMap::new();
        before.retain(|(key, minute), bucket| {
            let is_within = *minute >= first;
            if is_within {
                within.insert((*minute, *key), *bucket);
            }
            !is_within
        });
        let keys = self.keys.all();
        let minutes_at_a_time = (BUCKETS_AT_A_TIME / keys.len().max(1)).max(1) as i64;
        let mut from = first;
        loop {
            let to = Minute(part_end(from.0, minutes_at_a_time).min(last.0));
            let is_last = to >= last;
            let part = within.range((from, KeyId::MIN)..=(to, KeyId::MAX));
            let part = part.map(|((minute, key), bucket)| ((*key, *minute), *bucket)).collect();
            let minutes = credits(part);
            let added = if is_last {
                credits(std::mem::take(&mut before))
            } else {
                Vec::new()
            };
            let stands = if is_last { Some(&state) } else { self.state.as_ref() };
            let header = stands.map(ReadState::encode).unwrap_or_default();
            let span = (from <= to).then(|| ReadSpan {
                keys: keys.clone(),
                from,
                to,
            });
            let commit = ReadCommit {
                target: self.target.0,
                expected_seq: self.target.1,
                header,
                span,
                minutes,
                added,
            };
            self.commit(writing, commit, now).await?;
            if is_last {
                break;
            }
            from = Minute(to.0 + 1);
        }
        self.state = Some(state);
        Ok(())
    }

    async fn commit(&mut self, writing: &Writing, commit: ReadCommit, now: Timestamp) -> Result<(), ReadError> {
        let mut changes = writing.books.lock().await;
        match writing.store.commit_reads(writing.epoch, &[commit], now).await {
            Ok(credited) => {
                changes.credits.extend(credited);
                self.target.1 += 1;
                Ok(())
            }
            Err(error) => {
                // Whether it took effect is not known, or somebody else has moved on: the store tells.
                changes.unknown.extend(self.keys.all());
                self.state = None;
                Err(error.into())
            }
        }
    }
}
