//! Counting what is pushed: keys, buckets and the double entry move together or not at all.

use std::collections::HashMap;

use async_trait::async_trait;

use super::SqlStore;
use super::catalog::save_fact;
use super::db::{Db, Tx};
use super::error::unavailable;
use super::value::{Column, args};
use super::visits::{OBSERVED_ONCE, add_loose, add_to_sums, aggregate, sums};
use crate::domain::time::{Minute, Timestamp};
use crate::engine::ports::{
    Credit, Epoch, KeyedContent, PushCommit, PushFailure, PushKey, PushOutcome, PushRequest, PushStore, Pushed,
    StoreResult,
};

/// How often a commit begins again.
const ATTEMPTS: usize = 3;

#[async_trait]
impl PushStore for SqlStore {
    async fn commit_pushes(&self, epoch: Epoch, commit: &PushCommit) -> Result<Pushed, PushFailure> {
        for _ in 0..ATTEMPTS {
            if let Some(pushed) = attempt(&self.db, epoch, commit).await? {
                return Ok(pushed);
            }
        }
        Err(unavailable("another transaction remembers the same keys").into())
    }

    async fn is_pushed(&self, key: &PushKey) -> StoreResult<bool> {
        let mut tx = self.db.read().await?;
        let sql = "select at from push_key where key = $1";
        Ok(!tx.rows(sql, args![key.to_vec()]).await?.is_empty())
    }
}

/// Judges and counts; `None` when a commit of which nobody had heard has remembered one of the keys meanwhile.
async fn attempt(db: &Db, epoch: Epoch, commit: &PushCommit) -> Result<Option<Pushed>, PushFailure> {
    let mut tx = db.write(epoch).await?;
    let mut judged = Judged::new(known_keys(&mut tx, &commit.requests).await?);
    let outcomes: Vec<PushOutcome> = commit.requests.iter().map(|request| judged.judge(request)).collect();
    let buckets = aggregate(judged.credits.iter().chain(&commit.credits))?;
    let mut new_keys = judged.new_keys;
    if new_keys.is_empty() && !(buckets.is_empty() && commit.facts.is_empty()) {
        let (key, content) = (commit.witness, 0);
        new_keys.push(KeyedContent { key, content });
    }
    if add_keys(&mut tx, &new_keys, commit.at).await? != new_keys.len() as u64 {
        return Ok(None);
    }
    add_loose(&mut tx, &buckets, OBSERVED_ONCE).await?;
    add_to_sums(&mut tx, &sums(&buckets)?).await?;
    for (name, value) in &commit.facts {
        save_fact(&mut tx, name, value).await?;
    }
    let credit = |((key, minute), bucket)| Credit {
        key,
        minute: Minute(minute),
        bucket,
    };
    let pushed = Pushed {
        outcomes,
        credits: buckets.into_iter().map(credit).collect(),
        witness: new_keys.first().map(|first| first.key),
    };
    match tx.commit().await {
        Ok(()) => Ok(Some(pushed)),
        Err(error) => Err(PushFailure {
            error,
            unknown: Some(pushed),
        }),
    }
}

/// Requests, judged one by one.
struct Judged {
    /// The content of keys that are known, from the store or from earlier requests.
    known: HashMap<PushKey, i64>,
    /// Keys that are to be remembered.
    new_keys: Vec<KeyedContent>,
    /// What counts.
    credits: Vec<Credit>,
}

impl Judged {
    fn new(known: HashMap<PushKey, i64>) -> Self {
        Self {
            known,
            new_keys: Vec::new(),
            credits: Vec::new(),
        }
    }

    fn judge(&mut self, request: &PushRequest) -> PushOutcome {
        let all = request.events.len() as u64;
        match request.key.map(|key| (key, self.known.get(&key.key))) {
            Some((key, Some(content))) if *content != key.content => return PushOutcome::Conflict { event: None },
            Some((_, Some(_))) => {
                return PushOutcome::Counted {
                    accepted: 0,
                    duplicates: all,
                };
            }
            _ => {}
        }
        let (keys_before, credits_before) = (self.new_keys.len(), self.credits.len());
        self.remember(request.key);
        let mut accepted = 0;
        for (place, event) in request.events.iter().enumerate() {
            let before = event.key.and_then(|key| self.known.get(&key.key).copied());
            match (event.key, before) {
                (Some(key), Some(content)) if content != key.content => {
                    for undone in self.new_keys.drain(keys_before..) {
                        self.known.remove(&undone.key);
                    }
                    self.credits.truncate(credits_before);
                    return PushOutcome::Conflict { event: Some(place) };
                }
                (_, Some(_)) => {}
                (key, None) => {
                    self.remember(key);
                    self.credits.extend(event.credits());
                    accepted += 1;
                }
            }
        }
        PushOutcome::Counted {
            accepted,
            duplicates: all - accepted,
        }
    }

    fn remember(&mut self, key: Option<KeyedContent>) {
        if let Some(key) = key {
            self.known.insert(key.key, key.content);
            self.new_keys.push(key);
        }
    }
}

/// Which of the keys are known, with their content.
async fn known_keys(tx: &mut Tx, requests: &[PushRequest]) -> StoreResult<HashMap<PushKey, i64>> {
    let of_request = |request: &'_ PushRequest| {
        let events = request.events.iter().filter_map(|event| event.key);
        events.chain(request.key).collect::<Vec<_>>()
    };
    let mut keys: Vec<PushKey> = requests.iter().flat_map(of_request).map(|key| key.key).collect();
    // In their order neighbours stand on the same page.
    keys.sort_unstable();
    keys.dedup();
    let columns = [("k", keys.iter().map(|key| key.to_vec()).collect::<Column>())];
    let sql = "select p.key, p.content from v join push_key p on p.key = v.k";
    let mut known = HashMap::new();
    for row in tx.rows_bulk(sql, Vec::new(), &columns).await? {
        if let Ok(key) = PushKey::try_from(row.bytes(0)?) {
            known.insert(key, row.int(1)?);
        }
    }
    Ok(known)
}

/// Remembers keys that are not known yet; says how many. It waits for a transaction that remembers one of them, too.
async fn add_keys(tx: &mut Tx, keys: &[KeyedContent], at: Timestamp) -> StoreResult<u64> {
    let mut keys: Vec<&KeyedContent> = keys.iter().collect();
    keys.sort_unstable_by_key(|key| key.key);
    let columns = [
        ("k", keys.iter().map(|key| key.key.to_vec()).collect::<Column>()),
        ("c", keys.iter().map(|key| key.content).collect()),
    ];
    let sql = "insert into push_key (key, content, at) select k, c, $1 from v where true on conflict do nothing";
    tx.run_bulk(sql, args![at.0], &columns).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::counts::{Bucket, MICRO};
    use crate::engine::ports::PushEvent;

    fn key(name: u8, content: i64) -> Option<KeyedContent> {
        let keyed = KeyedContent {
            key: [name; 16],
            content,
        };
        (name > 0).then_some(keyed)
    }

    fn request(of_request: (u8, i64), events: &[(u8, i64)]) -> PushRequest {
        let event = |(name, content): &(u8, i64)| PushEvent {
            key: key(*name, *content),
            slo: 1,
            group: None,
            minute: Minute(1),
            bucket: Bucket {
                total: MICRO,
                good: 0,
                observed: true,
            },
        };
        PushRequest {
            key: key(of_request.0, of_request.1),
            events: events.iter().map(event).collect(),
        }
    }

    #[test]
    fn a_key_counts_once_and_a_conflict_undoes_its_request_alone() {
        let mut judged = Judged::new(HashMap::from([([9; 16], 90)]));
        let counted = |accepted, duplicates| PushOutcome::Counted { accepted, duplicates };
        for (request, outcome) in [
            (request((0, 0), &[(0, 0), (0, 0)]), counted(2, 0)),
            (request((1, 10), &[(2, 20), (9, 90)]), counted(1, 1)),
            (request((1, 10), &[(2, 20), (9, 90)]), counted(0, 2)),
            (request((1, 11), &[(3, 30)]), PushOutcome::Conflict { event: None }),
            (
                request((4, 40), &[(3, 30), (2, 21)]),
                PushOutcome::Conflict { event: Some(1) },
            ),
            (request((4, 40), &[(3, 30), (3, 30)]), counted(1, 1)),
        ] {
            assert_eq!(judged.judge(&request), outcome, "{request:?}");
        }
        let names: Vec<u8> = judged.new_keys.iter().map(|key| key.key[0]).collect();
        assert_eq!((names, judged.credits.len()), (vec![1, 2, 4, 3], 4));
    }
}
