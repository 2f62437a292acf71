//! What is pushed: events and what came of them, each counted once by its key.

use async_trait::async_trait;

use super::{Credit, Epoch, KeyId, StoreError, StoreResult};
use crate::domain::counts::Bucket;
use crate::domain::time::{Minute, Timestamp};

/// For so many days what comes again under the same key counts once.
pub const PUSH_KEY_DAYS: i64 = 7;

/// What is pushed is counted in the transaction that remembers its keys.
#[async_trait]
pub trait PushStore: Send + Sync {
    /// Counts what was pushed, in its order, and keeps the facts that go with it: all of it in one transaction, or none.
    /// A key that is known, or stands earlier in the same commit, counts nothing a second time; with other content it
    /// refuses its whole request, and no other one.
    async fn commit_pushes(&self, epoch: Epoch, commit: &PushCommit) -> Result<Pushed, PushFailure>;
    /// Whether something was counted under this key.
    async fn is_pushed(&self, key: &PushKey) -> StoreResult<bool>;
}

/// What tells one push from another: the beginning of a SHA-256 of the key as it was given, and of what it is a key of.
pub type PushKey = [u8; 16];

/// A key, with a digest of all that was pushed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedContent {
    /// The key.
    pub key: PushKey,
    /// The digest.
    pub content: i64,
}

/// Everything that is committed together.
#[derive(Clone, Debug, Default)]
pub struct PushCommit {
    /// Requests, in the order in which they came.
    pub requests: Vec<PushRequest>,
    /// What is credited whatever becomes of the requests.
    pub credits: Vec<Credit>,
    /// Small facts, name and value.
    pub facts: Vec<(String, String)>,
    /// A key that nobody has used: it is remembered where nothing else could tell that the commit took effect.
    pub witness: PushKey,
    /// When.
    pub at: Timestamp,
}

/// One request: all of its events count, or none does.
#[derive(Clone, Debug, Default)]
pub struct PushRequest {
    /// The key of the request as a whole.
    pub key: Option<KeyedContent>,
    /// Its events.
    pub events: Vec<PushEvent>,
}

/// One event, or several of a kind.
#[derive(Clone, Debug)]
pub struct PushEvent {
    /// Its own key.
    pub key: Option<KeyedContent>,
    /// The ledger key of the SLO.
    pub slo: KeyId,
    /// The ledger key of the group.
    pub group: Option<KeyId>,
    /// In which minute.
    pub minute: Minute,
    /// What is added.
    pub bucket: Bucket,
}

impl PushEvent {
    /// What it adds to the SLO and to its group. Coverage is the SLO's; a group's minutes carry counts only.
    pub fn credits(&self) -> impl Iterator<Item = Credit> {
        let Self {
            slo,
            group,
            minute,
            bucket,
            ..
        } = *self;
        let of_group = Bucket {
            observed: false,
            ..bucket
        };
        let credit = move |key: KeyId, bucket: Bucket| Credit { key, minute, bucket };
        std::iter::once(credit(slo, bucket)).chain(group.map(|key| credit(key, of_group)))
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// What became of each request.
    pub outcomes: Vec<PushOutcome>,
    /// What was credited, by key and minute.
    pub credits: Vec<Credit>,
    /// A key that is known exactly when the commit took effect; `None` when there was nothing to write.
    pub witness: Option<PushKey>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// It counted, or had before.
    Counted {
        /// Its events that count from now on.
        accepted: u64,
        /// Its events that had been counted before.
        duplicates: u64,
    },
    /// A key was used before for something else; nothing of the request counts.
    Conflict {
        /// The place of the event whose key it is; `None` for the key of the request.
        event: Option<usize>,
    },
}

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
#[error("what was pushed could not be committed")]
pub struct PushFailure {
    /// Why.
    #[source]
    pub error: StoreError,
    /// When nobody knows whether it took effect: what it has done if it did. `None`: it did nothing.
    pub unknown: Option<Pushed>,
}

impl From<StoreError> for PushFailure {
    fn from(error: StoreError) -> Self {
        Self { error, unknown: None }
    }
}
