//! `prober: websocket`: a connection, its upgrade, and a script whose lines are messages.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{SinkExt, StreamExt};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Request};
use regex::bytes::Regex;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::Goal;
use super::course::Course;
use super::measures::phase_gauges;
use super::reach::Reach;
use super::script::{Wire, expanded, note_labels, shown};
use super::settings::{Exchange, WebSocketModule};
use super::tls::handshake;
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::http::request::expose;
use crate::source::http::settings::{Auth, SecretSource};

/// A message is no longer, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

const DURATION: &str = "probe_websocket_duration_seconds";
const PHASES: [(&str, &[Phase]); 5] = [
    ("resolve", &[Phase::Resolve]),
    ("connect", &[Phase::Connect]),
    ("tls", &[Phase::Tls]),
    ("upgrade", &[Phase::Ttfb]),
    ("query_response", &[Phase::Script]),
];

/// One connection.
pub(super) async fn speak(
    module: &WebSocketModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    course.gauge("probe_websocket_status_code", 0.0);
    course.gauge("probe_websocket_connection_upgraded", 0.0);
    let result = talk(module, goal, address, reach, course).await;
    phase_gauges(course, DURATION, &PHASES);
    result
}

async fn talk(
    module: &WebSocketModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    let url = Url::parse(&goal.target)
        .ok()
        .filter(|url| matches!(url.scheme(), "ws" | "wss"));
    let unusable = || {
        Fault::new(
            Reason::Misconfigured,
            "the target is no URL that begins with ws:// or wss://",
        )
    };
    let url = url.ok_or_else(unusable)?;
    let port = url.port_or_known_default().ok_or_else(unusable)?;
    let request = request(module, goal, &url).await?;
    let stream = reach.connect(SocketAddr::new(address, port), None, course).await?;
    let wire: Box<dyn Wire> = if url.scheme() == "wss" {
        Box::new(handshake(stream, &module.http.tls, goal.called(), &[b"http/1.1"], course).await?)
    } else {
        Box::new(stream)
    };
    let mut socket = upgrade(wire, request, course).await?;
    course.gauge("probe_websocket_connection_upgraded", 1.0);
    if module.script.is_empty() {
        return Ok(());
    }
    course.gauge("probe_websocket_failed_due_to_regex", 0.0);
    for exchange in &module.script {
        step(&mut socket, exchange, course).await?;
    }
    Ok(())
}

/// The request of the upgrade: with the headers of the module, and what says who nines is.
async fn request(module: &WebSocketModule, goal: &Goal, url: &Url) -> Result<Request<()>, Fault> {
    let mut bare = url.clone();
    // It was a URL with a host a moment ago, so that it may be without a user.
    let _ = (bare.set_username(""), bare.set_password(None));
    let unusable = |what: &str| Fault::new(Reason::Misconfigured, format!("{what} cannot be sent in a header"));
    let mut request = bare
        .as_str()
        .into_client_request()
        .map_err(|error| Fault::new(Reason::Misconfigured, format!("the target cannot be asked: {error}")))?;
    let headers = request.headers_mut();
    if let Some(name) = &goal.hostname {
        headers.insert(HOST, HeaderValue::from_str(name).map_err(|_| unusable("hostname"))?);
    }
    for (name, value) in &module.headers {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(name))?;
        headers.insert(key, HeaderValue::from_str(value).map_err(|_| unusable(name))?);
    }
    for header in &module.http.headers {
        let key = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| unusable(&header.name))?;
        for source in &header.values {
            let text = secret("a header", source).await?;
            let mut value = HeaderValue::from_str(&text).map_err(|_| unusable(&header.name))?;
            value.set_sensitive(true);
            headers.append(key.clone(), value);
        }
    }
    if let Some(text) = authorization(module, url).await? {
        let mut value = HeaderValue::from_str(&text).map_err(|_| unusable("the credentials"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

async fn authorization(module: &WebSocketModule, url: &Url) -> Result<Option<String>, Fault> {
    let basic = |user: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
    match &module.http.auth {
        Auth::None if url.username().is_empty() => Ok(None),
        Auth::None => Ok(Some(basic(url.username(), url.password().unwrap_or_default()))),
        Auth::Basic { username, password } => {
            let user = secret("the user", username).await?;
            Ok(Some(basic(&user, &secret("the password", password).await?)))
        }
        Auth::Header { kind, credentials } => {
            let credentials = secret("the credentials", credentials).await?;
            Ok(Some(format!("{kind} {credentials}")))
        }
        Auth::OAuth2(_) => Err(Fault::new(Reason::Misconfigured, "oauth2 is not there for WebSockets")),
    }
}

async fn secret(what: &str, source: &SecretSource) -> Result<String, Fault> {
    let read = expose(what, source).await;
    read.map_err(|missing| Fault::new(Reason::Misconfigured, missing.detail))
}

async fn upgrade(
    wire: Box<dyn Wire>,
    request: Request<()>,
    course: &mut Course,
) -> Result<WebSocketStream<Box<dyn Wire>>, Fault> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let asked = async { Ok(client_async_with_config(request, wire, Some(config)).await) };
    let (socket, status) = match course.during(Phase::Ttfb, Reason::Timeout, asked).await? {
        Ok((socket, answer)) => (Ok(socket), Some(answer.status())),
        Err(Error::Http(answer)) => {
            let detail = format!(
                "the server has answered HTTP {}, and not switched to WebSocket",
                answer.status()
            );
            (Err(Fault::new(Reason::UpgradeRefused, detail)), Some(answer.status()))
        }
        Err(Error::Io(error)) => (Err(closed(&error)), None),
        Err(Error::Protocol(ProtocolError::HandshakeIncomplete)) => {
            let detail = "the server has closed the connection without an answer";
            (Err(Fault::new(Reason::ConnectionClosed, detail)), None)
        }
        Err(Error::Protocol(error)) => {
            let detail = format!("the server does not switch to WebSocket: {error}");
            (Err(Fault::new(Reason::UpgradeRefused, detail)), None)
        }
        Err(error) => {
            let detail = format!("the answer to the upgrade cannot be read: {error}");
            (Err(Fault::new(Reason::Protocol, detail)), None)
        }
    };
    if let Some(status) = status {
        course.gauge("probe_websocket_status_code", f64::from(status.as_u16()));
    }
    socket
}

fn closed(error: &std::io::Error) -> Fault {
    Fault::new(Reason::ConnectionClosed, format!("the connection broke: {error}"))
}

type Socket = WebSocketStream<Box<dyn Wire>>;

/// One step: the next message must match, and something is sent.
async fn step(socket: &mut Socket, exchange: &Exchange, course: &mut Course) -> Result<(), Fault> {
    let mut send = exchange.send.clone().unwrap_or_default();
    if let Some(regex) = &exchange.expect {
        let message = course
            .during(Phase::Script, Reason::Timeout, next_message(socket, regex))
            .await;
        let found = message.as_ref().ok().and_then(|message| regex.captures(message));
        course.gauge(
            "probe_websocket_failed_due_to_regex",
            f64::from(u8::from(found.is_none())),
        );
        if let Some(found) = found {
            send = expanded(&found, &send);
            note_labels(&exchange.labels, &found, course);
        } else {
            let message = message?;
            let detail = format!("the message `{}` does not match {regex}", shown(&message));
            return Err(Fault::new(Reason::ExpectMismatch, detail));
        }
    }
    if send.is_empty() {
        return Ok(());
    }
    let sent = async { socket.send(Message::text(send)).await.map_err(|error| unsent(&error)) };
    course.during(Phase::Script, Reason::Timeout, sent).await
}

/// The next message of text or octets; the rest is answered by the library.
async fn next_message(socket: &mut Socket, regex: &Regex) -> Result<Vec<u8>, Fault> {
    loop {
        match socket.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(message.into_data().to_vec()),
            Some(Ok(Message::Close(_))) | None => {
                let detail = format!("the WebSocket was closed where a message that matches {regex} was expected");
                return Err(Fault::new(Reason::ConnectionClosed, detail));
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Capacity(_))) => {
                let detail = format!("a message is longer than {MESSAGE_MAX} bytes");
                return Err(Fault::new(Reason::TooLarge, detail));
            }
            Some(Err(error)) => return Err(unsent(&error)),
        }
    }
}

fn unsent(error: &Error) -> Fault {
    match error {
        Error::Io(error) => closed(error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Fault::new(Reason::ConnectionClosed, "the server has closed the WebSocket")
        }
        other => Fault::new(
            Reason::Protocol,
            format!("the server breaks the rules of WebSocket: {other}"),
        ),
    }
}
