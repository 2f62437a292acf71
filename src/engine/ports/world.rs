//! The world beyond the store: targets to visit, receivers to tell.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::reading::{Reading, Target};
use crate::domain::selection::Selection;
use crate::engine::message::Attempt;

/// Visits one target.
#[async_trait]
pub trait Visitor: Send + Sync {
    /// One visit: ends within the target's timeout, whatever the other side does.
    async fn visit(&self, selection: &Arc<Selection>) -> Reading;
}

/// A target that discovery has found, and how to visit it.
#[derive(Clone)]
pub struct ListedTarget {
    /// The target.
    pub target: Target,
    /// How to visit it.
    pub visitor: Arc<dyn Visitor>,
    /// Changes exactly when target or visitor do; an unchanged target goes on undisturbed.
    pub config_hash: u64,
}

/// What came of one attempt to tell a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Accepted.
    Accepted,
    /// Worth another try.
    Retry {
        /// In one word, for metrics.
        reason: String,
        /// In a sentence, for people; without secrets.
        detail: String,
        /// The receiver asked to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// Trying again is pointless.
    Rejected {
        /// In one word, for metrics.
        reason: String,
        /// In a sentence, for people; without secrets.
        detail: String,
    },
}

/// Tells one integration of one receiver.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// One attempt: ends within its own timeout, whatever the other side does.
    async fn send(&self, attempt: &Attempt) -> SendOutcome;
}

/// One integration of a receiver.
#[derive(Clone)]
pub struct Integration {
    /// `webhook | email | alertmanager`
    pub kind: &'static str,
    /// Its place among the receiver's integrations of this kind, from 0.
    pub index: usize,
    /// It wants to hear of resolves.
    pub send_resolved: bool,
    /// A firing alert is told again after this time, whatever the route's `repeat_interval`.
    pub resend_every: Option<Duration>,
    /// How to tell it.
    pub notifier: Arc<dyn Notifier>,
}

impl Integration {
    /// `webhook/0`: its name within its receiver.
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.index)
    }
}
