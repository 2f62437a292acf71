//! One request over a connection of its own: so every phase is there to be measured.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::response::Parts;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::Hop;
use super::metered::Metered;
use super::request::{Sent, other_name};
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::http::settings::{ProxySettings, TlsSettings};
use crate::source::probe::course::Course;
use crate::source::probe::settings::{HttpModule, IpChoice};
use crate::source::probe::{Goal, tls};

/// The head of an answer may not be larger than this, in bytes.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Nor hold more headers.
const HEADERS_MAX: usize = 256;
/// What a proxy says to CONNECT may not be longer than this, in bytes.
const PROXY_HEAD_BYTES_MAX: usize = 8 * 1024;
/// How much of a body may be on its way in HTTP/2, in bytes.
const WINDOW_BYTES: u32 = 256 * 1024;

/// An answer, whose body is still to be read.
pub(super) struct Answer {
    pub head: Parts,
    pub body: Incoming,
    /// Moves the bytes while the answer is read.
    _connection: AbortOnDropHandle<()>,
}

/// Sends one request and waits for the head of its answer.
pub(super) async fn ask(
    module: &HttpModule,
    ip: IpChoice,
    goal: &Goal,
    hop: &Hop,
    sent: &Sent,
    course: &mut Course,
) -> Result<Answer, Fault> {
    let proxy = proxy_for(&module.http.proxy, &hop.url);
    let is_tls = hop.url.scheme() == "https";
    let mut stream = connect(ip, hop, proxy.as_ref(), course).await?;
    if is_tls {
        if let Some(proxy) = &proxy {
            let tunnel = tunnel(&mut stream, proxy, &module.http.proxy, hop);
            course.during(Phase::Connect, Reason::Timeout, tunnel).await?;
        }
        return secure(stream, module, goal, hop, sent, course).await;
    }
    let target = match &proxy {
        None => path_of(&hop.url),
        Some(_) => format!("http://{}{}", endpoint(hop), path_of(&hop.url)),
    };
    let mut request = request(sent, &target)?;
    if let Some(auth) = proxy.as_ref().and_then(|proxy| proxy.basic_auth().cloned()) {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, auth);
    }
    speak_http1(Stream::Plain(stream), request, sent, course).await
}

/// The proxy through which a URL is asked for.
pub(super) fn proxy_for(settings: &ProxySettings, url: &Url) -> Option<Intercept> {
    if !settings.is_used() {
        return None;
    }
    let matcher = match &settings.url {
        Some(proxy) => Matcher::builder()
            .all(proxy.expose())
            .no(settings.no_proxy.as_str())
            .build(),
        None => Matcher::from_env(),
    };
    matcher.intercept(&url.as_str().parse::<Uri>().ok()?)
}

async fn connect(ip: IpChoice, hop: &Hop, proxy: Option<&Intercept>, course: &mut Course) -> Result<TcpStream, Fault> {
    let misconfigured = |why: &str| Fault::new(Reason::Misconfigured, why);
    let port = hop.url.port_or_known_default().unwrap_or(80);
    let Some(proxy) = proxy else {
        let address = hop.address.ok_or_else(|| misconfigured("the target has no host"))?;
        return hop.reach.connect(SocketAddr::new(address, port), None, course).await;
    };
    // The proxy goes on to this address: it is as if nines went there.
    let literal = match hop.url.host() {
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
        _ => None,
    };
    if let Some(address) = hop.address.or(literal) {
        hop.reach.judge(address)?;
    }
    if proxy.uri().scheme_str() != Some("http") {
        return Err(misconfigured(
            "probes go only through proxies that speak plain HTTP: `http://proxy:3128`",
        ));
    }
    let host = proxy
        .uri()
        .host()
        .ok_or_else(|| misconfigured("proxy_url has no host"))?;
    let reach = hop.reach.by_configuration();
    let found = reach.resolve(host, ip, course).await?;
    let address = found
        .first()
        .copied()
        .ok_or_else(|| misconfigured("proxy_url has no address"))?;
    let at = SocketAddr::new(address, proxy.uri().port_u16().unwrap_or(80));
    let stream = reach.connect(at, None, course).await?;
    course.address = hop.address;
    Ok(stream)
}

/// Where a proxy goes on to: the address that was judged, not a name which it might resolve otherwise.
fn endpoint(hop: &Hop) -> String {
    let port = hop.url.port_or_known_default().unwrap_or(80);
    match hop.address {
        Some(address) => SocketAddr::new(address, port).to_string(),
        None => format!("{}:{port}", hop.url.host_str().unwrap_or_default()),
    }
}

/// Asks a proxy for a way through.
async fn tunnel(stream: &mut TcpStream, proxy: &Intercept, settings: &ProxySettings, hop: &Hop) -> Result<(), Fault> {
    let to = endpoint(hop);
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend(value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
        head.extend_from_slice(b"\r\n");
    };
    if let Some(auth) = proxy.basic_auth() {
        add("Proxy-Authorization", auth.as_bytes());
    }
    for (name, values) in &settings.connect_headers {
        for value in values {
            add(name, value.expose().as_bytes());
        }
    }
    head.extend_from_slice(b"\r\n");
    let broken = |error: io::Error| Fault::new(Reason::ConnectionClosed, format!("the proxy has failed: {error}"));
    stream.write_all(&head).await.map_err(broken)?;
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        if said.len() >= PROXY_HEAD_BYTES_MAX {
            return Err(Fault::new(
                Reason::Protocol,
                "the proxy's answer to CONNECT is larger than 8 KiB",
            ));
        }
        said.push(stream.read_u8().await.map_err(broken)?);
    }
    let said = String::from_utf8_lossy(&said);
    let status = said.split(' ').nth(1).unwrap_or_default();
    if said.starts_with("HTTP/1.") && status.starts_with('2') && status.len() == 3 {
        return Ok(());
    }
    let first = said.lines().next().unwrap_or_default();
    let first: String = first.chars().filter(|c| !c.is_control()).take(100).collect();
    Err(Fault::new(
        Reason::ConnectFailed,
        format!("the proxy does not let it through: {first}"),
    ))
}

/// The request over TLS, in the version of HTTP that the server chooses.
async fn secure(
    stream: TcpStream,
    module: &HttpModule,
    goal: &Goal,
    hop: &Hop,
    sent: &Sent,
    course: &mut Course,
) -> Result<Answer, Fault> {
    let own = hop.url.host_str().unwrap_or_default();
    // `server_name` and `Host` name the host that the configuration means, not those to which it redirects.
    let elsewhere = TlsSettings {
        server_name: None,
        ..module.http.tls.clone()
    };
    let (settings, name) = if hop.at_home {
        let other = other_name(module, goal).map(without_port);
        (&module.http.tls, other.unwrap_or(own))
    } else {
        (&elsewhere, own)
    };
    let alpn: &[&[u8]] = if module.enable_http2 {
        &[b"h2", b"http/1.1"]
    } else {
        &[b"http/1.1"]
    };
    let stream = tls::handshake(stream, settings, name, alpn, course).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let target = format!("https://{}{}", sent.authority, path_of(&hop.url));
        return speak_http2(Stream::Tls(Box::new(stream)), request(sent, &target)?, course).await;
    }
    let request = request(sent, &path_of(&hop.url))?;
    speak_http1(Stream::Tls(Box::new(stream)), request, sent, course).await
}

/// A host without its port.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.contains(':') => host,
        Some((host, _)) if host.starts_with('[') && host.ends_with(']') => host,
        _ => authority,
    }
}

fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

type Body = Full<bytes::Bytes>;

fn request(sent: &Sent, target: &str) -> Result<Request<Body>, Fault> {
    let uri = target.parse::<Uri>();
    let uri = uri.map_err(|_| Fault::new(Reason::Misconfigured, "the URL cannot be asked for"))?;
    let mut request = Request::new(Full::new(sent.body.clone()));
    *request.method_mut() = sent.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = sent.headers.clone();
    Ok(request)
}

async fn speak_http1(
    stream: Stream,
    mut request: Request<Body>,
    sent: &Sent,
    course: &mut Course,
) -> Result<Answer, Fault> {
    let host = HeaderValue::from_str(&sent.authority);
    let host = host.map_err(|_| Fault::new(Reason::Misconfigured, "the host cannot be named in a header"))?;
    request.headers_mut().insert(header::HOST, host);
    let closes = request.headers_mut().entry(header::CONNECTION);
    closes.or_insert(HeaderValue::from_static("close"));
    let (stream, allowance) = Metered::new(stream);
    let exchange = async {
        let (mut sender, connection) = http1::Builder::new()
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
        Ok((sender.send_request(request).await?, connection))
    };
    let answer = answer(exchange, course).await;
    allowance.lift();
    answer
}

async fn speak_http2(stream: Stream, request: Request<Body>, course: &mut Course) -> Result<Answer, Fault> {
    let (stream, allowance) = Metered::new(stream);
    let exchange = async {
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .handshake(TokioIo::new(stream))
            .await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
        Ok((sender.send_request(request).await?, connection))
    };
    let answer = answer(exchange, course).await;
    allowance.lift();
    answer
}

async fn answer(
    exchange: impl Future<Output = Result<(hyper::Response<Incoming>, AbortOnDropHandle<()>), hyper::Error>>,
    course: &mut Course,
) -> Result<Answer, Fault> {
    let exchange = async { exchange.await.map_err(|error| broken(&error)) };
    let (response, connection) = course.during(Phase::Ttfb, Reason::Timeout, exchange).await?;
    let (head, body) = response.into_parts();
    Ok(Answer {
        head,
        body,
        _connection: connection,
    })
}

/// Why an exchange failed.
pub(super) fn broken(error: &hyper::Error) -> Fault {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut text = String::new();
    let mut hung_up = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    while let Some(inner) = cause {
        let of_io = inner.downcast_ref::<io::Error>();
        // In TLS 1.3 a server refuses a client after the handshake.
        let of_tls = of_io.filter(|io| holds_tls(io));
        if let Some(refused) = of_tls {
            return tls::fault(refused);
        }
        hung_up |= of_io.is_some_and(|io| has_hung_up(io.kind()));
        text = inner.to_string();
        cause = inner.source();
    }
    if hung_up {
        let detail = format!("the server has closed the connection before its answer was whole: {text}");
        return Fault::new(Reason::ConnectionClosed, detail);
    }
    Fault::new(Reason::Protocol, format!("the answer is no HTTP: {text}"))
}

fn holds_tls(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some()
}

fn has_hung_up(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
    )
}

/// A connection with or without TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            // Many servers hang up without a word of TLS. A body whose length is known is missed all the same.
            Self::Tls(stream) => match Pin::new(stream).poll_read(cx, buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                other => other,
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
