//! What people may ask of the running process over HTTP.

use async_trait::async_trait;

/// The handle by which the API asks the process to do something.
#[async_trait]
pub trait Control: Send + Sync {
    /// Reads config and SLO files again. What is refused leaves everything as it was.
    async fn reload(&self) -> ReloadOutcome;
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// It took.
    Done {
        /// What is wrong all the same, one sentence each: invalid SLO files, empty folders.
        warnings: Vec<String>,
    },
    /// The old config keeps running.
    Refused {
        /// Why, one sentence each.
        errors: Vec<String>,
    },
}
