//! What readers have changed in the store and the running sums in memory do not know yet.

use std::collections::BTreeSet;

use tokio::sync::{Mutex, MutexGuard};

use crate::engine::ports::{Credit, KeyId, KeyRecord};

/// The changes. Whoever commits holds the lock from before the commit until the change is entered here, and whoever
/// reads sums from the store holds it meanwhile: so no change is seen twice, or not at all.
#[derive(Debug, Default)]
pub struct Books(Mutex<Changes>);

/// What has changed since it was last taken over.
#[derive(Debug, Default)]
pub struct Changes {
    /// What was added to buckets.
    pub credits: Vec<Credit>,
    /// Keys that must be read again: it is not known what became of a commit.
    pub unknown: BTreeSet<KeyId>,
    /// Keys that were made for new groups.
    pub new_keys: Vec<KeyRecord>,
}

impl Books {
    /// The changes, for as long as nobody else may commit or take over.
    pub async fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().await
    }
}

impl Changes {
    /// Memory is read anew as a whole: nothing of this matters any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
