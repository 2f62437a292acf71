//! Why a visit failed, in one sentence.

use std::error::Error;
use std::io;

use crate::domain::reading::{Missing, MissingReason};
use crate::domain::shown::shown_url;
use crate::egress::Refused;

/// A visit that gave nothing. What others say may be long, and hold a URL with secrets.
pub fn missing(reason: MissingReason, detail: impl Into<String>) -> Missing {
    Missing {
        reason,
        detail: shown_url(&detail.into()),
    }
}

/// Why no answer came. The sentence is made from the innermost cause only, so that no URL gets into it.
pub fn no_answer(error: &reqwest::Error) -> Missing {
    if let Some(refused) = Refused::within(error) {
        return not_allowed(refused);
    }
    if error.is_dns() {
        let detail = format!("the host's name does not resolve: {}", innermost(error));
        return missing(MissingReason::Dns, detail);
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return missing(MissingReason::Tls, format!("TLS failed: {tls}"));
    }
    let detail = match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "the connection was reset".to_owned(),
        Some(io::ErrorKind::HostUnreachable) => "the host is unreachable".to_owned(),
        Some(io::ErrorKind::NetworkUnreachable) => "the network is unreachable".to_owned(),
        Some(io::ErrorKind::TimedOut) => "the connection timed out".to_owned(),
        _ if error.is_connect() => format!("no connection: {}", innermost(error)),
        _ => format!("no usable answer: {}", innermost(error)),
    };
    missing(MissingReason::Connect, detail)
}

/// Why nobody was asked.
pub fn not_allowed(refused: &Refused) -> Missing {
    missing(MissingReason::Connect, refused.to_string())
}

/// Why an answer that had begun did not come to its end.
pub fn broken_body(error: &reqwest::Error) -> Missing {
    let detail = format!("the body ended early or could not be decoded: {}", innermost(error));
    missing(MissingReason::Body, detail)
}

/// Why a packed body could not be unpacked.
pub fn broken_gzip(error: &io::Error) -> Missing {
    let detail = format!("the body ended early or could not be decoded: gzip: {error}");
    missing(MissingReason::Body, detail)
}

/// The first error of this type in the chain, inside of I/O errors too: these do not name what they wrap as their
/// source.
fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// What the chain of causes ends in.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "the request could not be made".to_owned();
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
