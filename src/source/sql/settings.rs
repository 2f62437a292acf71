//! `sql_servers`: databases that are asked for events.

use std::time::Duration;

use crate::source::http::settings::SecretSource;

/// Data are asked for when they are so old, where nothing else is said.
pub const QUERY_OFFSET: Duration = Duration::from_mins(1);
/// How often each SLO is looked at, where nothing else is said.
pub const INTERVAL: Duration = Duration::from_mins(1);
/// How long a query may take, where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// How many queries a server gets at the same time, where nothing else is said.
pub const CONCURRENCY: usize = 1;
/// How many queries a server gets in a second at most, where nothing else is said.
pub const QUERIES_PER_SECOND: f64 = 5.0;
/// A query that does not tell moments apart is asked for so many periods at once at most, each by itself.
pub const PERIODS_MAX: i64 = 100;
/// The rows of one answer.
pub const ROWS_MAX: usize = 200_000;

/// One entry of `sql_servers`.
#[derive(Clone, Debug, Hash)]
pub struct SqlSettings {
    /// `name`: what SLOs call it.
    pub name: String,
    /// `url` or `url_file`: `postgres://…`
    pub url: SecretSource,
    /// `query_offset`
    pub query_offset: Duration,
    /// `timeout`
    pub timeout: Duration,
    /// `max_concurrency`
    pub concurrency: usize,
    /// `queries_per_second`, as the time from one to the next.
    pub pace: Duration,
}
