//! The health service of gRPC.

use std::convert::Infallible;

use ::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::settings::GrpcModule;
use super::super::testing::{Authority, LASTING};
use super::*;
use crate::source::http::settings::TlsSettings;

/// What a server answers to which service: HTTP status, message, trailers.
fn answer(service: &str) -> (u16, Vec<u8>, HeaderMap) {
    let state = |state| vec![0, 0, 0, 0, 2, 8, state];
    let trailers = |code: &'static str, message: &'static str| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(code));
        trailers.insert("grpc-message", HeaderValue::from_static(message));
        trailers
    };
    match service {
        "" => (200, state(1), trailers("0", "")),
        "down" => (200, state(2), trailers("0", "")),
        "nil" => (200, vec![0, 0, 0, 0, 0], trailers("0", "")),
        "none" => (200, vec![], trailers("5", "unknown%20service")),
        "garbage" => (200, b"hello".to_vec(), trailers("0", "")),
        "big" => (200, vec![0; 100_000], trailers("0", "")),
        "proxy" => (503, b"no upstream".to_vec(), HeaderMap::new()),
        _ => (404, vec![], HeaderMap::new()),
    }
}

async fn serve(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    let is_grpc = request.headers().get("te").is_some_and(|te| te == "trailers")
        && request.headers().get("x-token").is_some_and(|token| token == "t")
        && request.headers().get("x-bin").is_some_and(|token| token == "AQ")
        && request.uri().path() == "/grpc.health.v1.Health/Check";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let service = String::from_utf8_lossy(body.get(7..).unwrap_or_default()).into_owned();
    if service == "slow" {
        std::future::pending::<()>().await;
    }
    let (status, body, trailers) = answer(if is_grpc { &service } else { "no metadata" });
    let full = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(Response::builder().status(status).body(full.boxed()).unwrap())
}

async fn server(acceptor: Option<TlsAcceptor>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let wire: Box<dyn super::super::script::Wire> = match acceptor {
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => return,
                    },
                    None => Box::new(stream),
                };
                let builder = http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(wire), service_fn(serve)).await;
            });
        }
    });
    (address, task)
}

fn module(service: &str) -> GrpcModule {
    GrpcModule {
        service: service.to_owned(),
        metadata: vec![
            ("x-token".to_owned(), "t".to_owned()),
            ("x-bin".to_owned(), "\u{1}".to_owned()),
        ],
        ..GrpcModule::default()
    }
}

#[tokio::test]
async fn a_service_says_how_it_is() {
    let authority = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let tls_settings = TlsSettings {
        ca_file: Some(authority.write(folder.path())),
        ..TlsSettings::default()
    };
    let issued = authority.issue(&["127.0.0.1"], LASTING);
    let acceptor = TlsAcceptor::from(issued.server(&[b"h2"], None));
    let (plain, safe) = (server(None).await, server(Some(acceptor)).await);
    // Sentence, service, reason, code, state that is shown.
    let cases = [
        ("serving", "", Reason::Ok, 0.0, "SERVING"),
        ("not serving", "down", Reason::GrpcNotServing, 0.0, "NOT_SERVING"),
        ("says nothing", "nil", Reason::GrpcNotServing, 0.0, "UNKNOWN"),
        ("not known", "none", Reason::GrpcStatus, 5.0, ""),
        ("no message", "garbage", Reason::Protocol, 14.0, ""),
        ("too long", "big", Reason::TooLarge, 14.0, ""),
        ("a proxy in between", "proxy", Reason::GrpcStatus, 14.0, ""),
        ("no such service", "else", Reason::GrpcStatus, 12.0, ""),
        ("silence", "slow", Reason::Timeout, 4.0, ""),
    ];
    for tls in [false, true] {
        let address = if tls { safe.0 } else { plain.0 };
        for (sentence, service, expected, code, state) in cases {
            let timeout = if expected == Reason::Timeout { SHORT } else { LONG };
            let module = GrpcModule {
                tls,
                tls_settings: tls_settings.clone(),
                ..module(service)
            };
            let verdict = probed(Protocol::Grpc(Box::new(module)), &address.to_string(), timeout).await;
            let sentence = format!("{sentence}, tls: {tls}: {}", verdict.detail);
            assert_eq!(verdict.reason, expected, "{sentence}");
            assert_eq!(
                value(&verdict, "probe_grpc_status_code", None),
                Some(code),
                "{sentence}"
            );
            for word in ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] {
                let shown = value(&verdict, "probe_grpc_healthcheck_response", Some(word));
                assert_eq!(shown, Some(f64::from(u8::from(word == state))), "{sentence}: {word}");
            }
            let ssl = f64::from(u8::from(tls && !state.is_empty()));
            assert_eq!(value(&verdict, "probe_grpc_ssl", None), Some(ssl), "{sentence}");
            assert!(
                value(&verdict, "probe_grpc_duration_seconds", Some("check")) > Some(0.0),
                "{sentence}"
            );
        }
    }
    let untrusted = GrpcModule {
        tls: true,
        ..module("")
    };
    let verdict = probed(Protocol::Grpc(Box::new(untrusted)), &safe.0.to_string(), LONG).await;
    assert_eq!(verdict.reason, Reason::TlsUntrusted);
    plain.1.abort();
    safe.1.abort();
}

#[tokio::test]
async fn what_is_no_grpc_says_so() {
    let says = async |bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read_u8().await;
            let _ = stream.write_all(bytes).await;
            if !bytes.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        (address, task)
    };
    let hangs_up = says(b"").await;
    let http1 = says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    for (sentence, address, expected) in [
        ("HTTP/1", http1.0, Reason::Protocol),
        ("hangs up", hangs_up.0, Reason::ConnectionClosed),
        ("nobody", nobody().await, Reason::ConnectRefused),
    ] {
        let verdict = probed(Protocol::Grpc(Box::new(module(""))), &format!("http://{address}"), LONG).await;
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
    }
    http1.1.abort();
    hangs_up.1.abort();
}
