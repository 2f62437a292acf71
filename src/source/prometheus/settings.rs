//! A Prometheus-compatible server as it is meant: defaults filled in, durations read, paths resolved.

use std::time::Duration;

use crate::secret::Secret;
use crate::source::http::settings::HttpSettings;

/// The default of `query_offset`.
pub const QUERY_OFFSET: Duration = Duration::from_mins(1);

/// The default of `interval`.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// The default of `timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The default of `max_concurrency`.
pub const CONCURRENCY: usize = 4;

/// The default of `queries_per_second`.
pub const QUERIES_PER_SECOND: f64 = 20.0;

/// The default of `max_answer_size`, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1000 * 1000;

/// One entry of `prometheus_servers`.
#[derive(Clone, Debug, Hash)]
pub struct ServerSettings {
    /// `name`: what SLOs call it.
    pub name: String,
    /// `url`, to which `/api/v1/query` is added. Its parameters, which may be secret, are sent with every question.
    pub url: Secret,
    /// Who nines is, whom it trusts, and through whom it goes; with `headers`.
    pub http: HttpSettings,
    /// `query_offset`: data are asked for when they are so old.
    pub query_offset: Duration,
    /// `interval`: how often each SLO is read; whole minutes.
    pub interval: Duration,
    /// `timeout` of a question.
    pub timeout: Duration,
    /// `max_concurrency`: questions at the same time.
    pub concurrency: usize,
    /// `queries_per_second`, as the time from one question to the next.
    pub pace: Duration,
    /// `partial_response`
    pub partial_response: PartialResponse,
    /// `max_answer_size` in bytes of decoded text.
    pub answer_bytes_max: u64,
    /// SLOs that name no source ask it: `default: true`, or it is the only one.
    pub is_default: bool,
}

/// What becomes of an answer that holds only a part of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartialResponse {
    /// It is refused: nothing was seen.
    #[default]
    Abort,
    /// It counts, with a note.
    Warn,
}
