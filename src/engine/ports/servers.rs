//! Prometheus-compatible servers: what they are asked, and how that can end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::answer::Answer;
use crate::domain::matcher::Selector;
use crate::domain::time::Timestamp;

/// Asks one server. Every question ends within the source's timeout, whatever the other side does, once it is its turn:
/// the concurrency and the rate of the source are kept here. What fails in passing is tried again within that time.
#[async_trait]
pub trait QueryServer: Send + Sync {
    /// The raw samples of a selector in `(after, until]`, as scraped: those of series that it selects, and no others.
    async fn samples(&self, selector: &Selector, after: Timestamp, until: Timestamp) -> Result<Answer, QueryFailure>;
    /// The values of an expression at `first`, `first + step` … `last`.
    async fn steps(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryFailure>;
    /// The value of an expression at one moment.
    async fn instant(&self, query: &str, at: Timestamp) -> Result<Answer, QueryFailure>;
}

/// A server of the configuration, and how to ask it.
#[derive(Clone)]
pub struct ListedServer {
    /// `name`: what SLOs call it.
    pub name: String,
    /// Its URL, for people: without credentials.
    pub shown_url: String,
    /// SLOs that name no source ask it.
    pub is_default: bool,
    /// `query_offset`: data are asked for when they are so old.
    pub query_offset: Duration,
    /// `interval`: how often each SLO is read; whole minutes.
    pub interval: Duration,
    /// `max_concurrency`: questions at the same time.
    pub concurrency: usize,
    /// How to ask it.
    pub server: Arc<dyn QueryServer>,
    /// Changes exactly when anything of it does.
    pub config_hash: u64,
}

/// Why a question has no answer. Nothing was seen then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct QueryFailure {
    /// In one word.
    pub reason: QueryFailureReason,
    /// In a sentence, for people; without credentials.
    pub detail: String,
    /// The server asked to be left alone for so long.
    pub retry_after: Option<Duration>,
}

/// Why a question has no answer, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueryFailureReason {
    /// The name does not resolve.
    Dns,
    /// No connection.
    Connect,
    /// TLS failed.
    Tls,
    /// It took longer than the timeout, here or there.
    Timeout,
    /// 401 or 403.
    Unauthorized,
    /// The server does not understand the question (400).
    BadQuery,
    /// Any other status that asking again does not mend, 404 for one: this is no such server.
    Status,
    /// The server would have to read or send more than it may (422, or an answer beyond our own limit): asking for less
    /// may help.
    TooMuch,
    /// 429.
    Busy,
    /// 5xx.
    Unavailable,
    /// The answer ended early or could not be decoded.
    Body,
    /// The answer could not be understood.
    Format,
    /// The answer is partial, and `partial_response: abort` refuses such.
    Partial,
    /// The server is left alone for a while after many failures: the circuit breaker is open.
    Resting,
}

impl QueryFailureReason {
    /// As metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::BadQuery => "bad_query",
            Self::Status => "http_status",
            Self::TooMuch => "too_much",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Body => "body",
            Self::Format => "format",
            Self::Partial => "partial",
            Self::Resting => "resting",
        }
    }
}
