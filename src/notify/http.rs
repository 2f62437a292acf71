//! One POST to a receiver: no redirects, no proxies, no trust in its answer.

use std::error::Error;
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::domain::egress::Origin;
use crate::domain::time::Timestamp;
use crate::egress::{Egress, Refused};
use crate::engine::ports::SendOutcome;
use crate::secret::Secret;

/// What nines calls itself.
pub(super) const USER_AGENT: &str = concat!("nines/", env!("CARGO_PKG_VERSION"));
/// A receiver may not put a message off for longer than this, whatever it says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);
/// How much of an answer is read, so that the connection can be used again; more is not worth the memory.
const MOST_ANSWER: usize = 64 * 1024;
/// How long a receiver may take to finish its answer after the status, which alone decides.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// Sends requests for all integrations of a receiver.
#[derive(Clone)]
pub(super) struct Sender {
    client: Client,
    egress: Egress,
}

/// The client for all integrations of a receiver. A redirect is a failure: a message with its signature goes where the
/// config says or nowhere. The environment's proxies are not asked, so that the config says all there is to say.
fn client(egress: &Egress) -> Result<Client, String> {
    // It is already installed, by the program or by an earlier call, in all but the first; that is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
        .dns_resolver(egress.resolver(Origin::Configured))
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| format!("the HTTP client cannot be set up: {}", explain(&error)))
}

/// Reads the URL of a receiver; the error does not repeat it, because it may hold a token.
pub(super) fn parse_url(secret: &Secret) -> Result<Url, String> {
    let url = Url::parse(secret.expose().trim()).map_err(|error| format!("url: not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("url: must begin with http:// or https:// and name a host".to_owned());
    }
    Ok(url)
}

/// A URL without what may be secret in it: `https://host:port`.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl Sender {
    /// Sends nothing yet.
    pub(super) fn new(egress: &Egress) -> Result<Self, String> {
        Ok(Self {
            client: client(egress)?,
            egress: egress.clone(),
        })
    }

    /// A request for [`Self::send`].
    pub(super) fn post(&self, url: &Url) -> RequestBuilder {
        self.client.post(url.clone())
    }

    /// Sends a request and judges the answer. The whole of it ends within the timeout.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        url: &Url,
        timeout: Duration,
        at: Timestamp,
    ) -> SendOutcome {
        let origin = origin(url);
        // Of a name the client's resolver judges the addresses.
        if let Err(refused) = self.egress.judge_url(url, Origin::Configured) {
            return not_allowed(&refused);
        }
        match tokio::time::timeout(timeout, request.send()).await {
            Ok(Ok(response)) => {
                let outcome = judge(response.status(), response.headers(), &origin, at);
                drain(response).await;
                outcome
            }
            Ok(Err(error)) => Refused::within(&error).map_or_else(
                || SendOutcome::Retry {
                    reason: "network".to_owned(),
                    detail: format!("{origin} cannot be reached: {}", explain(&error)),
                    retry_after: None,
                },
                not_allowed,
            ),
            Err(_) => SendOutcome::Retry {
                reason: "timeout".to_owned(),
                detail: format!("{origin} did not answer within {timeout:?}"),
                retry_after: None,
            },
        }
    }
}

/// Nothing was sent. It may be mended in the config, or in the DNS, while the message waits.
fn not_allowed(refused: &Refused) -> SendOutcome {
    SendOutcome::Retry {
        reason: "egress".to_owned(),
        detail: refused.to_string(),
        retry_after: None,
    }
}

/// What a status means for the message. A refused credential or a missing path is retried: an operator mends these
/// within the day that the outbox waits, and a page that was given up is lost.
fn judge(status: StatusCode, headers: &HeaderMap, origin: &str, at: Timestamp) -> SendOutcome {
    let reason = format!("http_{}", status.as_u16());
    match status.as_u16() {
        200..=299 => SendOutcome::Accepted,
        400 | 413 | 422 => SendOutcome::Rejected {
            reason,
            detail: format!("{origin} does not understand the message: HTTP {status}"),
        },
        410 => SendOutcome::Rejected {
            reason,
            detail: format!(
                "{origin} says that this address is gone for good: HTTP {status}; remove it from the config"
            ),
        },
        300..=399 => SendOutcome::Retry {
            reason,
            detail: format!(
                "{origin} redirects, which is not followed: HTTP {status}; put the final address in the config"
            ),
            retry_after: None,
        },
        401 | 403 => SendOutcome::Retry {
            reason,
            detail: format!("{origin} refuses the credentials: HTTP {status}; mend them and the message will follow"),
            retry_after: None,
        },
        404 => SendOutcome::Retry {
            reason,
            detail: format!("{origin} has nothing at this path: HTTP {status}; check the url"),
            retry_after: None,
        },
        _ => SendOutcome::Retry {
            reason,
            detail: format!("{origin} answered HTTP {status}"),
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| retry_after(value, at)),
        },
    }
}

/// Reads `Retry-After`: seconds, or a date, which is measured from the start of the attempt.
fn retry_after(value: &str, at: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = DateTime::parse_from_rfc2822(value).ok()?;
        Duration::from_millis(u64::try_from(Timestamp(date.timestamp_millis()).since(at)).unwrap_or(0))
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Reads the rest of a short answer, so that a well-behaved receiver sees no broken connection.
async fn drain(mut response: Response) {
    let read = async {
        let mut seen = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            seen += chunk.len();
            if seen > MOST_ANSWER {
                break;
            }
        }
    };
    // Whether it ended in time or not, the status has decided.
    let _ = tokio::time::timeout(ANSWER_PATIENCE, read).await;
}

/// The innermost cause, which is the one that people can mend; the layers above it only say that it failed. None of them
/// holds the URL.
fn explain(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "the request could not be made".to_owned();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(outcome: &SendOutcome) -> &'static str {
        match outcome {
            SendOutcome::Accepted => "accepted",
            SendOutcome::Retry { .. } => "retry",
            SendOutcome::Rejected { .. } => "rejected",
        }
    }

    #[test]
    fn the_status_decides() {
        let at = Timestamp(0);
        let table: [(&[u16], &str); 3] = [
            (&[200, 201, 202, 204, 299], "accepted"),
            (
                &[
                    301, 302, 307, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504,
                ],
                "retry",
            ),
            (&[400, 410, 413, 422], "rejected"),
        ];
        for (codes, expected) in table {
            for code in codes {
                let status = StatusCode::from_u16(*code).expect("a status");
                let outcome = judge(status, &HeaderMap::new(), "https://hook.example", at);
                assert_eq!(word(&outcome), expected, "{code}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        let at = Timestamp::parse_rfc3339("1994-11-06T08:49:30Z").expect("a time");
        let table = [
            ("6", Some(6)),
            (" 0 ", Some(0)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 2044 08:00:00 GMT", Some(3600)),
            ("-3", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(retry_after(value, at), expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for url in ["ftp://token@host/", "/hook?token", "http://", "mailto:token@host"] {
            let error = parse_url(&Secret::new(url)).expect_err(url);
            assert!(error.starts_with("url: ") && !error.contains("token"), "{error}");
        }
        let url = parse_url(&Secret::new("https://user:pass@host:8443/token?key=1")).expect("a URL");
        assert_eq!(origin(&url), "https://host:8443");
    }
}
