//! What the answers of servers mean that are none.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use url::Url;

use super::answer;
use crate::domain::reading::{Missing, MissingReason};
use crate::domain::shown::shown_url;
use crate::engine::ports::QueryFailureReason;

/// What a server says is cut to so many characters.
pub(super) const SAID_MAX: usize = 300;

/// Asking again later than this is not waited for, whatever `Retry-After` says.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Why there is no answer, before it is said who did not give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: QueryFailureReason,
    pub detail: String,
    pub retry_after: Option<Duration>,
}

impl Failure {
    pub fn new(reason: QueryFailureReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        let (reason, mend) = match missing.reason {
            MissingReason::Dns => (QueryFailureReason::Dns, "; check the host in `url`"),
            MissingReason::Connect => (
                QueryFailureReason::Connect,
                "; check that it runs, and host and port in `url`",
            ),
            MissingReason::Tls => (QueryFailureReason::Tls, "; check `tls_config`"),
            MissingReason::Timeout => (QueryFailureReason::Timeout, ""),
            MissingReason::Status => (QueryFailureReason::Status, ""),
            MissingReason::Body => (QueryFailureReason::Body, ""),
            MissingReason::TooLarge | MissingReason::Limit => (QueryFailureReason::TooMuch, ""),
            MissingReason::NotUtf8 | MissingReason::Format | MissingReason::AnotherProcess | MissingReason::Stale => {
                (QueryFailureReason::Format, "")
            }
        };
        Self::new(reason, format!("{}{mend}", missing.detail))
    }
}

/// What a status other than 2xx means, with what the server says beside it.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let said = Said::read(body);
    let reason = reason_of_status(status, &said);
    let number = status.as_u16();
    let words = match &said.words {
        words if words.is_empty() => String::new(),
        words => format!(": {words}"),
    };
    let detail = match reason {
        QueryFailureReason::Unauthorized => format!(
            "it refuses nines (HTTP status {number}){words}; check `basic_auth`, `authorization`, `oauth2` and `headers`"
        ),
        QueryFailureReason::Timeout => {
            format!("it did not compute the answer in time (HTTP status {number}){words}")
        }
        QueryFailureReason::Busy => format!("it is asked too often (HTTP status 429){words}"),
        QueryFailureReason::TooMuch => format!("the question asks for more than it may give{words}"),
        QueryFailureReason::BadQuery => format!("it does not take the query (HTTP status {number}){words}"),
        QueryFailureReason::Unavailable => format!("it cannot answer now (HTTP status {number}){words}"),
        _ if status == StatusCode::NOT_FOUND => format!(
            "HTTP status 404: this is no Prometheus query API; does `url` lack a path prefix such as /prometheus?{}",
            if said.is_json { words.as_str() } else { "" }
        ),
        _ if status.is_redirection() => {
            let to = redirects_to(headers).unwrap_or_else(|| "another address".to_owned());
            format!("HTTP status {number}: it redirects to {to}, which nines does not follow; write that as `url`")
        }
        _ => format!("HTTP status {number}{words}"),
    };
    Failure {
        reason,
        detail,
        retry_after: retry_after(headers),
    }
}

/// A server, for people, by the URL of an answer: without the question and without credentials.
pub(super) fn shown_server(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    for endpoint in ["/api/v1/query", "/api/v1/query_range"] {
        if let Some(path) = url.path().strip_suffix(endpoint) {
            let path = path.to_owned();
            url.set_path(&path);
            break;
        }
    }
    cut(&shown_url(url.as_str()))
}

/// Where a redirect leads that says so in full.
fn redirects_to(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    Some(shown_server(&Url::parse(location).ok()?))
}

/// What an answer means that says `error` and has the status 200: the kind of error stands for the status then.
pub(super) fn of_error(error_type: &str, error: &str) -> Failure {
    let status = match error_type {
        "bad_data" => StatusCode::BAD_REQUEST,
        "execution" | "422" => StatusCode::UNPROCESSABLE_ENTITY,
        "timeout" | "canceled" | "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "not_found" => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let said = Said {
        error_type: error_type.to_owned(),
        words: cut(error),
        is_json: true,
    };
    Failure::new(
        reason_of_status(status, &said),
        format!("it answers with an error: {}", said.words),
    )
}

/// What a server says beside a status.
struct Said {
    error_type: String,
    words: String,
    is_json: bool,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        if let Ok(envelope) = answer::parse(body)
            && !envelope.error.is_empty()
        {
            return Self {
                error_type: envelope.error_type.into_owned(),
                words: cut(&envelope.error),
                is_json: true,
            };
        }
        // Pages for people say nothing that fits in a line.
        let text = if is_page(body) {
            "".into()
        } else {
            String::from_utf8_lossy(body)
        };
        Self {
            error_type: String::new(),
            words: cut(&text),
            is_json: false,
        }
    }
}

fn reason_of_status(status: StatusCode, said: &Said) -> QueryFailureReason {
    let is_too_much = asks_too_much(&said.words);
    let is_timeout = matches!(said.error_type.as_str(), "timeout" | "canceled") || ran_out_of_time(&said.words);
    match status.as_u16() {
        401 | 403 => QueryFailureReason::Unauthorized,
        429 => QueryFailureReason::Busy,
        408 | 499 | 504 => QueryFailureReason::Timeout,
        400 | 422 | 500..=599 if is_too_much => QueryFailureReason::TooMuch,
        422 | 500..=599 if is_timeout => QueryFailureReason::Timeout,
        422 if lacks_parts(&said.words) => QueryFailureReason::Unavailable,
        400 | 422 => QueryFailureReason::BadQuery,
        500..=599 => QueryFailureReason::Unavailable,
        _ => QueryFailureReason::Status,
    }
}

/// How servers say that a question is too large.
fn asks_too_much(words: &str) -> bool {
    let words = words.to_lowercase();
    // A long query stays long, however little is asked of it.
    if words.contains("query-expression-size") || words.contains("maxquerylen") {
        return false;
    }
    [
        // Prometheus
        "too many samples",
        "exceeded maximum resolution",
        // Thanos
        "series limit",
        "chunks limit",
        "samples limit",
        "sample limit",
        "bytes limit",
        "size limit",
        "resourceexhausted",
        // Mimir and Cortex
        "err-mimir-max-",
        "exceeded the maximum number of",
        "max number of",
        "range exceeds the limit",
        "maximum allowed estimated amount of memory",
        "larger than max",
        // VictoriaMetrics
        "-search.maxsamples",
        "-search.maxpoints",
        "-search.maxunique",
        "-search.maxseries",
        "-search.maxmemory",
        "-search.maxresponse",
        "too many points",
        "too many timeseries",
        "too many time series",
        "not enough memory",
    ]
    .iter()
    .any(|mark| words.contains(mark))
}

/// How servers say that a question took too long, beside a status that says otherwise.
fn ran_out_of_time(words: &str) -> bool {
    let words = words.to_lowercase();
    ["timed out", "timeout exceeded", "deadline exceeded", "deadlineexceeded"]
        .iter()
        .any(|mark| words.contains(mark))
}

/// VictoriaMetrics, of nodes that it could not ask.
fn lacks_parts(words: &str) -> bool {
    words.contains("vmstorage") && words.contains("unavailable") || words.contains("cannot return full response")
}

/// The body is a page for people, or XML: it is nothing that an API says.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// One line of what somebody else says, of a length that can be shown.
pub(super) fn cut(text: &str) -> String {
    let mut words = String::new();
    for (number, word) in text.split_whitespace().enumerate() {
        if number > 0 {
            words.push(' ');
        }
        words.extend(word.chars().filter(|c| !c.is_control()));
        if words.len() > 4 * SAID_MAX {
            break;
        }
    }
    match words.char_indices().nth(SAID_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// `Retry-After` in seconds; dates are not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What servers really say, and what it means.
    #[test]
    fn the_words_of_servers_are_understood() {
        use QueryFailureReason::{BadQuery, Timeout, TooMuch, Unavailable};
        for (status, error_type, words, reason) in [
            (
                400,
                "bad_data",
                "invalid parameter \"query\": 1:5: parse error: unexpected right parenthesis ')'",
                BadQuery,
            ),
            (
                400,
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
                TooMuch,
            ),
            (
                422,
                "execution",
                "query processing would load too many samples into memory in query execution",
                TooMuch,
            ),
            (
                422,
                "execution",
                "found duplicate series for the match group {} on the right hand-side of the operation",
                BadQuery,
            ),
            (503, "timeout", "query timed out in expression evaluation", Timeout),
            (503, "canceled", "query was canceled in expression evaluation", Timeout),
            (
                500,
                "internal",
                "open /prometheus/chunks_head/000001: no such file",
                Unavailable,
            ),
            (
                422,
                "execution",
                "expanding series: rpc error: code = ResourceExhausted desc = exceeded series limit: limit 10 violated (got 11)",
                TooMuch,
            ),
            (
                422,
                "execution",
                "the query exceeded the maximum number of chunks (limit: 30 chunks) (err-mimir-max-chunks-per-query). Consider reducing the time range",
                TooMuch,
            ),
            (
                400,
                "bad_data",
                "the total query time range exceeds the limit (query length: 960h0m0s, limit: 720h0m0s) (err-mimir-max-total-query-length)",
                TooMuch,
            ),
            (
                400,
                "bad_data",
                "the raw query size in bytes exceeds the limit (err-mimir-max-query-expression-size-bytes)",
                BadQuery,
            ),
            (
                500,
                "internal",
                "expanding series: the query hit the max number of series limit (limit: 100000 series)",
                TooMuch,
            ),
            (
                422,
                "422",
                "cannot process MetricBlock #1: cannot select more than -search.maxSamplesPerQuery=1000 samples; possible solutions",
                TooMuch,
            ),
            (
                422,
                "422",
                "cannot perform search on vmstorage h: with timeout 30.000 seconds; the timeout can be adjusted with \
                 `-search.maxQueryDuration`: the number of matching unique timeseries exceeds 300000; either narrow down the \
                 search or increase -search.maxUniqueTimeseries",
                TooMuch,
            ),
            (
                422,
                "422",
                "error occurred during search: timeout exceeded while fetching data block #1 from storage: 30.000 seconds",
                Timeout,
            ),
            (
                422,
                "422",
                "cannot return full response, since some of vmstorage nodes are unavailable",
                Unavailable,
            ),
            (
                503,
                "503",
                "couldn't start executing the request in 10.000 seconds, since -search.maxConcurrentRequests=8",
                Unavailable,
            ),
        ] {
            let body = serde_json::json!({"status": "error", "errorType": error_type, "error": words}).to_string();
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = of_status(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!(failure.reason, reason, "{words}");
            let beginning = words.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            assert!(failure.detail.contains(&beginning), "{}", failure.detail);
            let within = of_error(error_type, words);
            assert_eq!(within.reason, reason, "with the status 200: {words}");
        }
    }

    #[test]
    fn what_others_say_is_cut_to_a_line() {
        assert_eq!(cut(" a\n\tb\u{1b}[31m  c "), "a b[31m c");
        assert_eq!(cut(&"x".repeat(10_000)).chars().count(), SAID_MAX + 1);
        assert_eq!(cut(&"é ".repeat(10_000)).chars().count(), SAID_MAX + 1);
    }
}
