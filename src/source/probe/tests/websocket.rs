//! `prober: websocket`.

use futures_util::{SinkExt, StreamExt};
use regex::bytes::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::super::script::Wire;
use super::super::settings::{Exchange, WebSocketModule};
use super::super::testing::{Authority, LASTING};
use super::*;
use crate::secret::Secret;
use crate::source::http::settings::{Auth, HttpSettings, SecretSource, TlsSettings};

/// What a server does when it is asked for this path.
async fn serve(wire: Box<dyn Wire>) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let accept = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let is_known =
            path != "/guarded" || header("authorization") == Some("Basic dTpw") && header("x-a") == Some("b");
        if is_known {
            Ok(response)
        } else {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = ::http::StatusCode::UNAUTHORIZED;
            Err(refused)
        }
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(wire, accept).await else {
        return;
    };
    match path.as_str() {
        "/greets" => {
            let _ = socket.send(Message::Ping(vec![1].into())).await;
            let _ = socket.send(Message::text("hello 7")).await;
            while let Some(Ok(said)) = socket.next().await {
                if said.is_text() {
                    let _ = socket.send(said).await;
                    break;
                }
            }
            let _ = socket.next().await;
        }
        "/closes" => drop(socket.close(None).await),
        "/big" => drop(socket.send(Message::text("x".repeat(2 << 20))).await),
        "/silent" => std::future::pending().await,
        _ => {}
    }
}

async fn server(acceptor: Option<TlsAcceptor>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &acceptor {
                None => drop(tokio::spawn(serve(Box::new(stream)))),
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        tokio::spawn(serve(Box::new(stream)));
                    }
                }
            }
        }
    });
    (address, task)
}

fn script(expected: &str) -> Vec<Exchange> {
    let first = Exchange {
        expect: Some(Regex::new(expected).unwrap()),
        send: Some("again ${1}".to_owned()),
        ..Exchange::default()
    };
    let second = Exchange {
        expect: Some(Regex::new("^again 7$").unwrap()),
        ..Exchange::default()
    };
    vec![first, second]
}

#[tokio::test]
async fn a_websocket_is_opened_and_spoken_through() {
    let authority = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let acceptor = TlsAcceptor::from(authority.issue(&["127.0.0.1"], LASTING).server(&[], None));
    let (plain, safe) = (server(None).await, server(Some(acceptor)).await);
    let http = HttpSettings {
        auth: Auth::Basic {
            username: SecretSource::Inline(Secret::new("u")),
            password: SecretSource::Inline(Secret::new("p")),
        },
        tls: TlsSettings {
            ca_file: Some(authority.write(folder.path())),
            ..TlsSettings::default()
        },
        ..HttpSettings::default()
    };
    let bare = WebSocketModule {
        http: HttpSettings {
            auth: Auth::None,
            ..http.clone()
        },
        ..WebSocketModule::default()
    };
    let known = WebSocketModule {
        http,
        headers: vec![("X-A".to_owned(), "b".to_owned())],
        ..WebSocketModule::default()
    };
    let says = |expected: &str| WebSocketModule {
        script: script(expected),
        ..bare.clone()
    };
    // Sentence, path, module, reason, status, failed due to a regex.
    let cases = [
        ("open", "/", bare.clone(), Reason::Ok, 101.0, None),
        ("with credentials", "/guarded", known, Reason::Ok, 101.0, None),
        ("without", "/guarded", bare.clone(), Reason::UpgradeRefused, 401.0, None),
        (
            "as expected",
            "/greets",
            says("^hello ([0-9])$"),
            Reason::Ok,
            101.0,
            Some(0.0),
        ),
        (
            "something else",
            "/greets",
            says("^bye"),
            Reason::ExpectMismatch,
            101.0,
            Some(1.0),
        ),
        (
            "closed",
            "/closes",
            says("^bye"),
            Reason::ConnectionClosed,
            101.0,
            Some(1.0),
        ),
        ("too long", "/big", says("^bye"), Reason::TooLarge, 101.0, Some(1.0)),
        ("silence", "/silent", says("^bye"), Reason::Timeout, 101.0, Some(1.0)),
    ];
    for (scheme, address) in [("ws", plain.0), ("wss", safe.0)] {
        for (sentence, path, module, expected, status, failed) in cases.clone() {
            let timeout = if expected == Reason::Timeout { SHORT } else { LONG };
            let target = format!("{scheme}://{address}{path}");
            let verdict = probed(Protocol::WebSocket(Box::new(module)), &target, timeout).await;
            let sentence = format!("{sentence}, {scheme}: {}", verdict.detail);
            assert_eq!(verdict.reason, expected, "{sentence}");
            let upgraded = f64::from(u8::from(status < 200.0));
            assert_eq!(
                value(&verdict, "probe_websocket_status_code", None),
                Some(status),
                "{sentence}"
            );
            assert_eq!(
                value(&verdict, "probe_websocket_connection_upgraded", None),
                Some(upgraded),
                "{sentence}"
            );
            assert_eq!(
                value(&verdict, "probe_websocket_failed_due_to_regex", None),
                failed,
                "{sentence}"
            );
        }
    }
    plain.1.abort();
    safe.1.abort();
}

#[tokio::test]
async fn what_is_no_websocket_says_so() {
    let says = async |bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 2048];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        });
        (format!("ws://{address}/"), task)
    };
    let page = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let unproven = says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n").await;
    let garbage = says(b"\x00\x01\x02\x03 what is this?\r\n\r\n").await;
    let silent = says(b"").await;
    for (sentence, target, expected) in [
        ("a page", page.0, Reason::UpgradeRefused),
        ("no proof", unproven.0, Reason::UpgradeRefused),
        ("no HTTP", garbage.0, Reason::UpgradeRefused),
        ("hangs up", silent.0, Reason::ConnectionClosed),
        ("nobody", format!("ws://{}/", nobody().await), Reason::ConnectRefused),
        (
            "another scheme",
            "http://127.0.0.1:9/".to_owned(),
            Reason::Misconfigured,
        ),
    ] {
        let verdict = probed(Protocol::WebSocket(Box::default()), &target, LONG).await;
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
    }
}
