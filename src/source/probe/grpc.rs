//! `prober: grpc`: the health service of gRPC (`grpc.health.v1.Health/Check`). Its messages are one text and one number,
//! so they are read and written here.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::Goal;
use super::course::Course;
use super::measures::phase_gauges;
use super::place::port_of;
use super::reach::Reach;
use super::script::Wire;
use super::settings::GrpcModule;
use super::tls::handshake;
use crate::domain::verdict::{Fault, Phase, Reason};

/// An answer is no longer, in bytes.
const ANSWER_MAX: usize = 64 << 10;
/// So much of a server's message is shown, in characters.
const MESSAGE_MAX: usize = 200;

const DURATION: &str = "probe_grpc_duration_seconds";
const RESOLVE: (&str, &[Phase]) = ("resolve", &[Phase::Resolve]);
const CHECK: (&str, &[Phase]) = ("check", &[Phase::Connect, Phase::Tls, Phase::Request]);

/// The codes of gRPC.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const UNKNOWN: u32 = 2;
const DEADLINE_EXCEEDED: u32 = 4;
const UNAVAILABLE: u32 = 14;

/// What a server says of a service, in the order of their numbers.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// One check.
pub(super) async fn speak(
    module: &GrpcModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    phase_gauges(course, DURATION, &[RESOLVE]);
    course.gauge("probe_grpc_ssl", 0.0);
    course.gauge("probe_grpc_status_code", 0.0);
    let checked = check(module, goal, address, reach, course).await;
    phase_gauges(course, DURATION, &[RESOLVE, CHECK]);
    let (code, state) = match &checked {
        Ok(Answer::State(state)) => (0, Some(*state)),
        Ok(Answer::Error(code, _)) => (*code, None),
        Err(fault) if matches!(fault.reason, Reason::Timeout | Reason::ConnectTimeout) => (DEADLINE_EXCEEDED, None),
        Err(_) => (UNAVAILABLE, None),
    };
    course.gauge("probe_grpc_status_code", f64::from(code));
    for (number, word) in STATES.iter().enumerate() {
        let is_it = state == Some(number as u64);
        let labels = vec![("serving_status", (*word).to_owned())];
        course.measure("probe_grpc_healthcheck_response", labels, f64::from(u8::from(is_it)));
    }
    match checked? {
        Answer::State(state) => {
            course.gauge("probe_grpc_ssl", f64::from(u8::from(module.tls)));
            let word = STATES
                .get(state as usize)
                .map_or_else(|| state.to_string(), |word| (*word).to_owned());
            let what = if module.service.is_empty() {
                "the server"
            } else {
                module.service.as_str()
            };
            match state {
                SERVING => Ok(()),
                _ => Err(Fault::new(Reason::GrpcNotServing, format!("{what} is {word}"))),
            }
        }
        Answer::Error(_, detail) => Err(Fault::new(Reason::GrpcStatus, detail)),
    }
}

/// What a server has answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    State(u64),
    Error(u32, String),
}

async fn check(
    module: &GrpcModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<Answer, Fault> {
    let bare = goal.target.trim_start_matches("http://").trim_start_matches("https://");
    let bare = bare.split('/').next().unwrap_or(bare);
    let port = port_of(bare, Some(if module.tls { 443 } else { 80 }))?;
    let host = goal.called();
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let scheme = if module.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{host}:{port}/grpc.health.v1.Health/Check");
    let request = request(module, &uri, course)?;
    let stream = reach.connect(SocketAddr::new(address, port), None, course).await?;
    let wire: Box<dyn Wire> = if module.tls {
        Box::new(handshake(stream, &module.tls_settings, goal.called(), &[b"h2"], course).await?)
    } else {
        Box::new(stream)
    };
    course
        .during(Phase::Request, Reason::Timeout, exchange(wire, request))
        .await
}

fn request(module: &GrpcModule, uri: &str, course: &Course) -> Result<Request<Full<Bytes>>, Fault> {
    let unusable = |what: String| Fault::new(Reason::Misconfigured, what);
    let mut request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", concat!("nines/", env!("CARGO_PKG_VERSION")))
        .header(
            "grpc-timeout",
            format!("{}m", course.left().as_millis().clamp(1, 99_999_999)),
        )
        .body(Full::new(message(&module.service)))
        .map_err(|error| unusable(format!("the target cannot be asked: {error}")))?;
    for (name, value) in &module.metadata {
        // The values of names with this end are octets.
        let value = if name.ends_with("-bin") {
            BASE64.encode(value)
        } else {
            value.clone()
        };
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(&value)) else {
            return Err(unusable("metadata holds what no header can hold".to_owned()));
        };
        value.set_sensitive(true);
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// `HealthCheckRequest { service }` behind its length.
fn message(service: &str) -> Bytes {
    let mut body = Vec::new();
    if !service.is_empty() {
        body.push(0x0a);
        push_varint(&mut body, service.len() as u64);
        body.extend(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend((body.len() as u32).to_be_bytes());
    message.extend(body);
    message.into()
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Ends the task of a connection with the probe.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(wire: Box<dyn Wire>, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire))
        .await
        .map_err(|error| broken(&error))?;
    let _driven = Driven(tokio::spawn(async move {
        // What ends the connection early is told to the request, too.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let (head, body) = answer.into_parts();
    if head.status != StatusCode::OK {
        let code = code_of(head.status);
        return Ok(Answer::Error(
            code,
            format!("the server has answered HTTP {}, which is no gRPC", head.status),
        ));
    }
    if let Some(error) = error_of(&head.headers) {
        return Ok(error);
    }
    let body =
        Limited::new(body, ANSWER_MAX)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<hyper::Error>() {
                Some(error) => broken(error),
                None => Fault::new(
                    Reason::TooLarge,
                    format!("the answer is longer than {ANSWER_MAX} bytes"),
                ),
            })?;
    if let Some(error) = body.trailers().and_then(error_of) {
        return Ok(error);
    }
    state_of(&body.to_bytes())
        .map(Answer::State)
        .ok_or_else(|| Fault::new(Reason::Protocol, "the answer is no answer of a health service"))
}

/// The error in headers or trailers; nothing where there is none, or all is well.
fn error_of(headers: &HeaderMap) -> Option<Answer> {
    let status = headers.get("grpc-status")?;
    let code = status
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(UNKNOWN);
    if code == 0 {
        return None;
    }
    let word = CODES.get(code as usize).copied().unwrap_or("an unknown code");
    let message = headers
        .get("grpc-message")
        .map(|message| percent_decoded(message.as_bytes()));
    let message = message.map_or_else(String::new, |message| format!(": {message}"));
    Some(Answer::Error(
        code,
        format!("the server has answered {word} ({code}){message}"),
    ))
}

fn percent_decoded(bytes: &[u8]) -> String {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            decoded.push((high * 16 + low) as u8);
            at += 3;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    let text = String::from_utf8_lossy(&decoded);
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX).collect()
}

/// The code that stands for an answer of plain HTTP.
fn code_of(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// The state in a `HealthCheckResponse` behind its length.
fn state_of(bytes: &[u8]) -> Option<u64> {
    let [0, a, b, c, d, rest @ ..] = bytes else { return None };
    let body = rest.get(..u32::from_be_bytes([*a, *b, *c, *d]) as usize)?;
    let mut state = 0;
    let mut at = 0;
    while at < body.len() {
        let tag = varint(body, &mut at)?;
        match tag & 7 {
            0 if tag >> 3 == 1 => state = varint(body, &mut at)?,
            0 => {
                varint(body, &mut at)?;
            }
            1 => at += 8,
            2 => {
                let length = varint(body, &mut at)?;
                at = at.checked_add(length as usize)?;
            }
            5 => at += 4,
            _ => return None,
        }
    }
    (at == body.len()).then_some(state)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Why a connection gave no answer.
fn broken(error: &hyper::Error) -> Fault {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            return Fault::new(Reason::ConnectionClosed, format!("the connection broke: {error}"));
        }
        source = inner.source();
    }
    if error.is_closed() || error.is_canceled() {
        return Fault::new(
            Reason::ConnectionClosed,
            "the server has closed the connection without an answer",
        );
    }
    Fault::new(
        Reason::Protocol,
        format!("the server does not speak HTTP/2 there: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_and_read() {
        assert_eq!(message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(message("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(message(&"x".repeat(300))[5..8], [0x0a, 0xac, 2]);
        let cases: [(&str, &[u8], Option<u64>); 9] = [
            ("nothing is unknown", &[0, 0, 0, 0, 0], Some(0)),
            ("serving", &[0, 0, 0, 0, 2, 8, 1], Some(1)),
            (
                "fields of a later version",
                &[0, 0, 0, 0, 7, 0x12, 1, b'a', 0x18, 5, 8, 2],
                Some(2),
            ),
            ("packed", &[1, 0, 0, 0, 2, 8, 1], None),
            ("cut off", &[0, 0, 0, 0, 3, 8, 1], None),
            ("a field that is cut off", &[0, 0, 0, 0, 2, 0x12, 9], None),
            ("a number without an end", &[0, 0, 0, 0, 2, 8, 0x80], None),
            (
                "a number that is too long",
                &[0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
                None,
            ),
            ("no message", &[], None),
        ];
        for (sentence, bytes, expected) in cases {
            assert_eq!(state_of(bytes), expected, "{sentence}");
        }
    }

    #[test]
    fn an_error_is_shown_as_the_server_says_it() {
        let headers = |code: &'static str, message: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_static(code));
            headers.insert("grpc-message", HeaderValue::from_static(message));
            error_of(&headers)
        };
        let shown = |answer| match answer {
            Some(Answer::Error(code, detail)) => Some((code, detail)),
            _ => None,
        };
        for (code, message, expected) in [
            ("0", "", None),
            (
                "5",
                "unknown%20service%",
                Some((5, "the server has answered NOT_FOUND (5): unknown service%")),
            ),
            ("99", "x", Some((99, "the server has answered an unknown code (99): x"))),
            ("x", "%0Ay", Some((2, "the server has answered UNKNOWN (2): y"))),
        ] {
            let expected = expected.map(|(code, detail): (u32, &str)| (code, detail.to_owned()));
            assert_eq!(shown(headers(code, message)), expected, "{code}");
        }
    }
}
