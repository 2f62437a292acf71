//! HTTP over TLS.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::source::http::settings::TlsSettings;
use crate::source::probe::testing::{Authority, Issued, LASTING};

/// Says what it was asked, over TLS.
async fn serve(issued: &Issued, alpn: &[&[u8]]) -> SocketAddr {
    serve_as(issued.server(alpn, None)).await
}

async fn serve_as(config: Arc<rustls::ServerConfig>) -> SocketAddr {
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let asked = stream.get_ref().1.server_name().unwrap_or("nothing").to_owned();
                let answer = service_fn(|request: Request<Incoming>| {
                    let host = request.uri().authority().map(ToString::to_string);
                    let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
                    let body = format!("{asked} as {}", host.unwrap_or_default());
                    async move { Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(body)))) }
                });
                let io = TokioIo::new(stream);
                if is_h2 {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, answer)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, answer)
                        .await;
                }
            });
        }
    });
    address
}

fn trusting(authority: &Authority, folder: &std::path::Path) -> HttpModule {
    let mut module = module();
    module.http.tls = TlsSettings {
        ca_file: Some(authority.write(folder)),
        ..TlsSettings::default()
    };
    module
}

#[tokio::test]
async fn certificates_are_judged() {
    let (root, other) = (Authority::new("root", LASTING), Authority::new("other", LASTING));
    let folder = tempfile::tempdir().unwrap();
    let trusting = trusting(&root, folder.path());
    let here = &["127.0.0.1"][..];
    let careless = HttpModule {
        http: crate::source::http::settings::HttpSettings {
            tls: TlsSettings {
                insecure_skip_verify: true,
                ..TlsSettings::default()
            },
            ..trusting.http.clone()
        },
        ..trusting.clone()
    };
    let unwanted = HttpModule {
        fail_if_ssl: true,
        ..trusting.clone()
    };
    let wanted = HttpModule {
        fail_if_not_ssl: true,
        ..trusting.clone()
    };
    for (sentence, issued, module, reason) in [
        ("trusted", root.issue(here, LASTING), &trusting, Reason::Ok),
        ("expired", root.issue(here, (2010, 2021)), &trusting, Reason::TlsExpired),
        (
            "another name",
            root.issue(&["shop.example"], LASTING),
            &trusting,
            Reason::TlsName,
        ),
        ("untrusted", other.issue(here, LASTING), &trusting, Reason::TlsUntrusted),
        (
            "signed by itself",
            Issued::by_itself(here, true),
            &trusting,
            Reason::TlsUntrusted,
        ),
        (
            "untrusted and believed",
            other.issue(here, LASTING),
            &careless,
            Reason::Ok,
        ),
        (
            "TLS that is not wanted",
            root.issue(here, LASTING),
            &unwanted,
            Reason::IsTls,
        ),
        ("TLS that is wanted", root.issue(here, LASTING), &wanted, Reason::Ok),
    ] {
        let address = serve(&issued, &[]).await;
        let ended = probe(&format!("https://{address}/"), module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        assert!(ended.course.tls.is_some(), "{sentence}");
        assert!(ended.has("probe_ssl_earliest_cert_expiry"), "{sentence}");
        let answered = matches!(reason, Reason::Ok | Reason::IsTls);
        assert_eq!(
            ended.value("probe_http_ssl"),
            Some(f64::from(u8::from(answered))),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_says_so() {
    let root = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let issued = root.issue(&["127.0.0.1"], LASTING);
    let address = serve_as(issued.server(&[], Some(&root))).await;
    let ended = probe(&format!("https://{address}/"), &trusting(&root, folder.path())).await;
    assert_eq!(ended.reason, Reason::TlsHandshake, "{}", ended.detail);
    assert!(ended.detail.contains("cert_file"), "{}", ended.detail);
}

#[tokio::test]
async fn the_version_of_http_is_agreed_on() {
    let root = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let issued = root.issue(&["127.0.0.1"], LASTING);
    let both = serve(&issued, &[b"h2", b"http/1.1"]).await;
    let old = serve(&issued, &[]).await;
    let new = trusting(&root, folder.path());
    let only_old = HttpModule {
        enable_http2: false,
        ..new.clone()
    };
    let only_new = HttpModule {
        valid_http_versions: vec!["HTTP/2.0".to_owned()],
        ..new.clone()
    };
    for (sentence, address, module, reason, version) in [
        ("both know it", both, &new, Reason::Ok, 2.0),
        ("it must be", both, &only_new, Reason::Ok, 2.0),
        ("nines does not want it", both, &only_old, Reason::Ok, 1.1),
        ("the server does not know it", old, &new, Reason::Ok, 1.1),
        ("it must be and is not", old, &only_new, Reason::HttpVersion, 1.1),
    ] {
        let ended = probe(&format!("https://{address}/"), module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        assert_eq!(ended.value("probe_http_version"), Some(version), "{sentence}");
    }
}

#[tokio::test]
async fn the_host_is_called_the_same_in_tls_and_http() {
    let root = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let issued = root.issue(&["www.shop.example"], LASTING);
    let trusting = trusting(&root, folder.path());
    let wanting = |text: &str| vec![regex::bytes::Regex::new(text).unwrap()];
    for alpn in [&[][..], &[&b"h2"[..]]] {
        let address = serve(&issued, alpn).await;
        let by_header = HttpModule {
            headers: vec![("Host".to_owned(), "www.shop.example:8443".to_owned())],
            fail_if_body_not_matches: wanting("^www.shop.example as www.shop.example:8443$"),
            ..trusting.clone()
        };
        let mut by_tls = HttpModule {
            fail_if_body_not_matches: wanting("^www.shop.example as 127.0.0.1"),
            ..trusting.clone()
        };
        by_tls.http.tls.server_name = Some("www.shop.example".to_owned());
        let by_goal = HttpModule {
            fail_if_body_not_matches: wanting("^www.shop.example as www.shop.example$"),
            ..trusting.clone()
        };
        let named = Some("www.shop.example".to_owned());
        for (hostname, module) in [(None, by_header), (None, by_tls), (named, by_goal)] {
            let goal = Goal {
                hostname,
                ..goal(&format!("https://{address}/"))
            };
            let ended = probe_goal(&goal, &module, Duration::from_secs(5)).await;
            assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
        }
    }
}

#[tokio::test]
async fn what_was_seen_of_an_earlier_hop_is_forgotten() {
    let root = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let trusting = trusting(&root, folder.path());
    let plain = Server::answering("200 OK", "", "").await;
    let to = format!("HTTP/1.1 302 Found\r\nLocation: http://{}/\r\n\r\n", plain.address);
    let acceptor = TlsAcceptor::from(root.issue(&["127.0.0.1"], LASTING).server(&[], None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It hangs up without a word of TLS, as many servers do.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(to.as_bytes()).await;
                let _ = stream.flush().await;
            }
        }
    });
    let ended = probe(&format!("https://{address}/"), &trusting).await;
    assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
    assert_eq!(ended.value("probe_http_ssl"), Some(0.0));
    assert!(!ended.has("probe_ssl_earliest_cert_expiry") && !ended.has("probe_tls_version_info"));
    assert!(ended.course.tls.is_none());
    assert!(ended.course.spent(Phase::Tls) > Duration::ZERO);
}

#[tokio::test]
async fn an_answer_without_tls_says_so() {
    let server = Server::acting(vec![Act::Send(response("400 Bad Request", "", ""))]).await;
    let raw = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = raw.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = raw.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
        }
    });
    assert_eq!(
        probe(&format!("https://{address}/"), &module()).await.reason,
        Reason::NotTls
    );
    assert_eq!(
        probe(&format!("http://{}/", server.address), &module()).await.reason,
        Reason::HttpStatus
    );
}
