//! Redirects: where they lead, what goes along, and where nothing goes.

use super::*;
use crate::secret::Secret;
use crate::source::http::settings::{Auth, SecretHeader, SecretSource};

fn to(location: &str) -> Vec<Act> {
    found("302 Found", location)
}

fn found(status: &str, location: &str) -> Vec<Act> {
    vec![Act::Send(response(
        status,
        &format!("Location: {location}\r\nSet-Cookie: session=1\r\n"),
        "",
    ))]
}

fn fine() -> Vec<Act> {
    vec![Act::Send(response("200 OK", "", "here"))]
}

#[tokio::test]
async fn redirects_are_followed_where_they_may_lead() {
    let staying = || {
        let mut module = module();
        module.http.no_redirects = true;
        module
    };
    let staying_is_right = HttpModule {
        valid_status_codes: vec![302],
        ..staying()
    };
    let again = vec![to("/again")];
    for (sentence, script, module, reason, redirects, requests) in [
        ("once", vec![to("/here"), fine()], module(), Reason::Ok, 1, 2),
        (
            "three times",
            vec![to("/a"), to("b"), to("?c=d"), fine()],
            module(),
            Reason::Ok,
            3,
            4,
        ),
        ("for ever", again.clone(), module(), Reason::RedirectLoop, 11, 11),
        ("not at all", again.clone(), staying(), Reason::HttpStatus, 1, 1),
        ("not at all, as wanted", again, staying_is_right, Reason::Ok, 1, 1),
        (
            "to no HTTP",
            vec![to("ftp://127.0.0.1/")],
            module(),
            Reason::RedirectDenied,
            1,
            1,
        ),
        (
            "to a file",
            vec![to("file:///etc/passwd")],
            module(),
            Reason::RedirectDenied,
            1,
            1,
        ),
        (
            "to no URL",
            vec![to("http://[::1")],
            module(),
            Reason::RedirectDenied,
            0,
            1,
        ),
    ] {
        let server = Server::scripted(script).await;
        let ended = probe(&format!("http://{}/in", server.address), &module).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
        assert_eq!(
            ended.value("probe_http_redirects"),
            Some(f64::from(redirects)),
            "{sentence}"
        );
        assert_eq!(server.count(), requests, "{sentence}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_the_policy_refuses() {
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "https://169.254.169.254/",
        "//169.254.169.254/",
        "http://169.254.169.254:80@169.254.169.254/",
    ] {
        let server = Server::scripted(vec![to(location)]).await;
        let ended = probe(&server.address.to_string(), &module()).await;
        assert_eq!(ended.reason, Reason::RedirectDenied, "{location}: {}", ended.detail);
        // The last connection was the one to the server that redirects.
        assert_eq!(ended.course.address, Some(HERE), "{location}");
    }
}

#[tokio::test]
async fn methods_change_as_they_do_in_browsers() {
    for (method, status, second) in [
        ("GET", "302 Found", "GET /out HTTP/1.1"),
        ("HEAD", "302 Found", "HEAD /out HTTP/1.1"),
        ("POST", "301 Moved", "GET /out HTTP/1.1"),
        ("POST", "303 See Other", "GET /out HTTP/1.1"),
        ("POST", "307 Temporary Redirect", "POST /out HTTP/1.1"),
        ("PUT", "308 Permanent Redirect", "PUT /out HTTP/1.1"),
    ] {
        let server = Server::scripted(vec![found(status, "/out"), fine()]).await;
        let module = HttpModule {
            method: method.to_owned(),
            body: "an order".to_owned(),
            ..module()
        };
        drop(probe(&server.address.to_string(), &module).await);
        let last = server.last_request();
        assert!(last.starts_with(second), "{method} {status}: {last}");
        let keeps = !matches!(second.split(' ').next(), Some("GET" | "HEAD")) || method == "GET" || method == "HEAD";
        let has_body = last.ends_with("an order");
        assert_eq!(
            has_body,
            keeps && status.starts_with("30") && matches!(&status[..3], "307" | "308"),
            "{method} {status}"
        );
    }
}

#[tokio::test]
async fn cookies_go_along_and_secrets_stay_at_home() {
    let secret = |text: &str| SecretSource::Inline(Secret::new(text));
    let header = |name: &str, value: &str, is_secret| SecretHeader {
        name: name.to_owned(),
        values: vec![secret(value)],
        is_secret,
    };
    let elsewhere = Server::scripted(vec![fine()]).await;
    let stays = Server::scripted(vec![to("/out"), fine()]).await;
    let leaves = Server::scripted(vec![to(&format!("http://{}/out", elsewhere.address))]).await;
    let mut module = HttpModule {
        headers: vec![
            ("X-Plain".to_owned(), "plain".to_owned()),
            ("Cookie".to_owned(), "written=1".to_owned()),
            ("Host".to_owned(), "shop.example".to_owned()),
        ],
        ..module()
    };
    module.http.auth = Auth::Basic {
        username: secret("nines"),
        password: secret("word"),
    };
    module.http.headers = vec![header("X-Key", "key", true), header("X-Open", "open", false)];
    for (first, last, at_home) in [(&stays, &stays, true), (&leaves, &elsewhere, false)] {
        let ended = probe(&first.address.to_string(), &module).await;
        assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
        let request = last.last_request();
        for (line, everywhere) in [
            ("x-plain: plain", true),
            ("x-open: open", true),
            ("x-key: key", false),
            ("authorization: Basic bmluZXM6d29yZA==", false),
            ("written=1", false),
            ("host: shop.example", false),
        ] {
            assert_eq!(request.contains(line), everywhere || at_home, "{line} in {request}");
        }
        // Cookies know hosts, not ports.
        assert!(request.contains("session=1"), "{request}");
    }
}

#[test]
fn home_is_the_same_origin_or_the_same_host_over_tls() {
    for (home, url, expected) in [
        ("http://shop.example/", "http://shop.example/in", true),
        ("http://shop.example/", "https://shop.example/in", true),
        ("https://shop.example/", "http://shop.example/in", false),
        ("http://shop.example:8080/", "https://shop.example/", false),
        ("http://shop.example/", "http://shop.example:8080/", false),
        ("http://shop.example/", "http://pay.shop.example/", false),
        ("http://shop.example/", "http://shop.example.evil.example/", false),
    ] {
        let url_of = |text: &str| Url::parse(text).unwrap();
        assert_eq!(is_home(&url_of(home), &url_of(url)), expected, "{home} {url}");
    }
}
