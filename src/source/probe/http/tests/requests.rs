//! What is sent.

use super::*;
use crate::secret::Secret;
use crate::source::http::settings::{Auth, OAuth2, ProxySettings, SecretSource, TlsSettings};

#[tokio::test]
async fn a_request_says_what_the_module_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, "from a file").unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "word\n").unwrap();
    let with = |change: &dyn Fn(&mut HttpModule)| {
        let mut module = module();
        change(&mut module);
        module
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (sentence, path, module, expected) in [
        ("plainly", "/a?b=c#d", module(), "GET /a?b=c HTTP/1.1\r\n"),
        (
            "who asks",
            "/",
            module(),
            concat!("user-agent: nines/", env!("CARGO_PKG_VERSION")),
        ),
        ("only once", "/", module(), "connection: close"),
        (
            "a method",
            "/",
            with(&|module| module.method = "DELETE".to_owned()),
            "DELETE / HTTP/1.1",
        ),
        (
            "a header",
            "/",
            with(&|module| module.headers = vec![pair("X-A", "b")]),
            "x-a: b",
        ),
        (
            "another agent",
            "/",
            with(&|module| module.headers = vec![pair("User-Agent", "b")]),
            "user-agent: b",
        ),
        (
            "another host",
            "/",
            with(&|module| module.headers = vec![pair("host", "a.b:8")]),
            "host: a.b:8",
        ),
        (
            "a body",
            "/",
            with(&|module| module.body = "order".to_owned()),
            "content-length: 5\r\n",
        ),
        (
            "a body of a file",
            "/",
            with(&|module| module.body_file = Some(file.clone())),
            "\r\n\r\nfrom a file",
        ),
        (
            "a token of a file",
            "/",
            with(&|module| {
                module.http.auth = Auth::Header {
                    kind: "Bearer".to_owned(),
                    credentials: SecretSource::File(token.clone()),
                }
            }),
            "authorization: Bearer word\r\n",
        ),
    ] {
        let server = Server::answering("200 OK", "", "").await;
        let ended = probe(&format!("http://{}{path}", server.address), &module).await;
        assert_eq!(ended.reason, Reason::Ok, "{sentence}: {}", ended.detail);
        let request = server.last_request();
        assert!(request.contains(expected), "{sentence}: {request}");
    }
}

#[tokio::test]
async fn credentials_of_the_url_are_sent_and_never_told() {
    let server = Server::answering("401 Unauthorized", "", "").await;
    let ended = probe(&format!("http://nines:w%40rd@{}/", server.address), &module()).await;
    assert_eq!(ended.reason, Reason::HttpStatus);
    assert!(
        server.last_request().contains("authorization: Basic bmluZXM6d0ByZA=="),
        "{}",
        server.last_request()
    );
    assert!(!ended.detail.contains("rd"), "{}", ended.detail);
}

#[tokio::test]
async fn hostname_is_what_the_host_is_called() {
    let server = Server::answering("200 OK", "", "").await;
    let goal = Goal {
        hostname: Some("www.shop.example".to_owned()),
        ..goal(&server.address.to_string())
    };
    let ended = probe_goal(&goal, &module(), Duration::from_secs(5)).await;
    assert_eq!(ended.reason, Reason::Ok);
    assert!(server.last_request().contains("host: www.shop.example\r\n"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_fault_of_the_service() {
    let with = |change: &dyn Fn(&mut HttpModule)| {
        let mut module = module();
        change(&mut module);
        module
    };
    let server = Server::answering("200 OK", "", "").await;
    for (sentence, module) in [
        ("no method", with(&|module| module.method = "A B".to_owned())),
        (
            "no header",
            with(&|module| module.headers = vec![("A B".to_owned(), "c".to_owned())]),
        ),
        (
            "no value",
            with(&|module| module.headers = vec![("A".to_owned(), "b\nc".to_owned())]),
        ),
        ("no file", with(&|module| module.body_file = Some("/none/such".into()))),
    ] {
        let ended = probe(&server.address.to_string(), &module).await;
        assert_eq!(ended.reason, Reason::Misconfigured, "{sentence}: {}", ended.detail);
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_where_it_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = |token: &str| {
        let body = format!("{{\"access_token\": \"{token}\", \"expires_in\": 3600}}");
        vec![Act::Send(response("200 OK", "", body))]
    };
    let tokens = Server::scripted(vec![answer("first"), answer("second")]).await;
    let status = |status: &str| vec![Act::Send(response(status, "", ""))];
    let server = Server::scripted(vec![
        status("200 OK"),
        status("200 OK"),
        status("401 Unauthorized"),
        status("200 OK"),
        status("401 Unauthorized"),
    ])
    .await;
    let mut module = module();
    module.http.auth = Auth::OAuth2(Box::new(OAuth2 {
        client_id: "nines".to_owned(),
        client_secret: SecretSource::Inline(Secret::new("word")),
        token_url: format!("http://{}/token", tokens.address),
        scopes: Vec::new(),
        endpoint_params: std::collections::BTreeMap::new(),
        tls: TlsSettings::default(),
        proxy: ProxySettings::default(),
    }));
    for (reason, token, fetched) in [
        (Reason::Ok, "first", 1),
        (Reason::Ok, "first", 1),
        (Reason::Ok, "second", 2),
        (Reason::HttpStatus, "second", 3),
    ] {
        let ended = probe(&server.address.to_string(), &module).await;
        assert_eq!(ended.reason, reason, "{}", ended.detail);
        assert!(
            server
                .last_request()
                .contains(&format!("authorization: Bearer {token}\r\n"))
        );
        assert_eq!(tokens.count(), fetched);
    }
}
