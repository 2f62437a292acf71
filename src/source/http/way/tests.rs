use std::sync::Arc;

use super::*;
use crate::egress::testing::Answers;
use crate::secret::Secret;
use crate::source::http::client::Clients;
use crate::source::http::settings::TlsSettings;
use crate::source::testing::{Act, Server, response};

fn key(redirects: Redirects) -> ClientKey {
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientKey {
        tls: TlsSettings::default(),
        proxy: ProxySettings::default(),
        redirects,
        host_behind_name: None,
        idle_max: 2,
    }
}

async fn way(egress: Egress) -> Way {
    Way::new(key(Redirects::Anywhere), egress).await.unwrap()
}

async fn redirecting(status: &str, to: &str) -> Server {
    Server::answering(status, &format!("Location: {to}\r\n"), "").await
}

/// What is asked for at this URL by somebody whom `origin` says.
async fn asked(way: &Way, url: &str, origin: Origin) -> Result<u16, String> {
    let request = way.request(Method::GET, Url::parse(url).unwrap()).build().unwrap();
    let answer = way.follow(request, origin).await;
    answer
        .map(|answer| answer.status().as_u16())
        .map_err(|missing| missing.detail)
}

#[tokio::test]
async fn a_redirect_leads_nowhere_where_the_policy_lets_nothing_go() {
    let end = Server::answering("200 OK", "", "").await;
    let way = way(Egress::default()).await;
    for (to, refused) in [
        (
            "http://169.254.169.254/latest/meta-data/",
            "169.254.169.254 is link-local",
        ),
        ("//2852039166/", "169.254.169.254 is link-local"),
        ("http://0251.0376.0251.0376/", "169.254.169.254 is link-local"),
        (
            "http://x@[::ffff:a9fe:a9fe]:80/",
            "::ffff:169.254.169.254 is link-local",
        ),
        ("https://[fd00:ec2::254]/", "fd00:ec2::254 is the metadata service"),
        ("http://100.100.100.200/", "100.100.100.200 is the metadata service"),
        (
            "gopher://127.0.0.1/",
            "a redirect leads to gopher:, which is not followed",
        ),
        ("file:///etc/passwd", "a redirect leads to file:, which is not followed"),
    ] {
        for status in ["301 M", "302 M", "303 M", "307 M", "308 M"] {
            let begin = redirecting(status, to).await;
            let chain = redirecting(status, &format!("http://{}/", begin.address)).await;
            let found = asked(&way, &format!("http://{}/", chain.address), Origin::Configured).await;
            let why = found.expect_err(to);
            assert!(why.contains(refused), "{status} {to}: {why}");
        }
    }
    let begin = redirecting("302 M", &format!("http://{}/", end.address)).await;
    let found = asked(&way, &format!("http://{}/", begin.address), Origin::Configured).await;
    assert_eq!(found, Ok(200), "a server inside may lead on inside");
}

#[tokio::test]
async fn who_was_led_here_from_outside_goes_nowhere_inside() {
    let server = Server::answering("200 OK", "", "").await;
    let port = server.address.port();
    for (answers, url, expected) in [
        // A name that had a public address when the redirect was written.
        ("127.0.0.1", "http://rebinds.test", "rebinds.test: 127.0.0.1 is private"),
        (
            "::ffff:127.0.0.1",
            "http://mapped.test",
            "mapped.test: ::ffff:127.0.0.1 is private",
        ),
        ("8.8.8.8", "http://127.1", "127.0.0.1: 127.0.0.1 is private"),
        ("8.8.8.8", "http://[::1]", "[::1]: ::1 is private"),
    ] {
        let way = way(Answers::of(&[answers]).egress(EgressPolicy::default())).await;
        let found = asked(&way, &format!("{url}:{port}/"), Origin::Requested).await;
        let begins = found.as_ref().is_err_and(|why| why.starts_with(expected));
        assert!(begins, "{url}: {found:?}");
    }
    assert_eq!(*server.connections.lock().unwrap(), 0);
    let way = way(Answers::of(&["127.0.0.1"]).egress(EgressPolicy::default())).await;
    let configured = asked(&way, &format!("http://shop.test:{port}/"), Origin::Configured).await;
    assert_eq!(configured, Ok(200));
    // Its connection is kept, but not for others.
    assert!(
        asked(&way, &format!("http://shop.test:{port}/"), Origin::Requested)
            .await
            .is_err()
    );
    assert_eq!(*server.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_name_that_changes_between_two_requests_is_judged_anew() {
    let server = Server::acting(vec![Act::Send(response("200 OK", "Connection: close\r\n", ""))]).await;
    let names = Answers::of(&[
        "127.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254 ::ffff:100.100.100.200",
        "127.0.0.1",
    ]);
    let way = way(names.egress(EgressPolicy::default())).await;
    let url = format!("http://rebinds.test:{}/", server.address.port());
    let mut found = Vec::new();
    for _ in 0..4 {
        found.push(asked(&way, &url, Origin::Configured).await.is_ok());
    }
    assert_eq!(found, [true, false, false, true]);
    assert_eq!((names.asked(), *server.connections.lock().unwrap()), (4, 2));
}

#[tokio::test]
async fn credentials_and_bodies_go_no_further_than_they_are_meant_for() {
    let end = Server::scripted(vec![
        vec![Act::Send(response("307 M", "Location: /second\r\n", ""))],
        vec![Act::Send(response("200 OK", "", ""))],
    ]);
    let end = end.await;
    let begin = redirecting("307 M", &format!("http://me:pw@{}/first", end.address)).await;
    let way = way(Egress::default()).await;
    let request = way.request(Method::POST, Url::parse(&format!("http://{}/", begin.address)).unwrap());
    let request = request
        .bearer_auth("hidden")
        .header(COOKIE, "a=hidden")
        .body("question");
    let answer = way.send(request).await.unwrap();
    assert!(was_redirected(&answer) && answer.url().username().is_empty());
    assert!(begin.last_request().contains("Bearer hidden"));
    let heard = end.requests.lock().unwrap().clone();
    assert_eq!(heard.len(), 2);
    for request in heard {
        assert!(
            request.starts_with("POST /") && request.ends_with("question"),
            "{request}"
        );
        assert!(
            !request.contains("hidden") && !request.to_lowercase().contains("authorization"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn what_becomes_of_a_request_is_for_the_status_to_say() {
    let way = way(Egress::default()).await;
    for (status, method, expected) in [
        ("301 M", Method::POST, "GET"),
        ("302 M", Method::POST, "GET"),
        ("303 M", Method::POST, "GET"),
        ("307 M", Method::POST, "POST"),
        ("308 M", Method::POST, "POST"),
        ("301 M", Method::PUT, "PUT"),
        ("303 M", Method::PUT, "GET"),
        ("303 M", Method::HEAD, "HEAD"),
    ] {
        let end = Server::answering("200 OK", "", "").await;
        let begin = redirecting(status, &format!("http://{}/end", end.address)).await;
        let request = way.request(
            method.clone(),
            Url::parse(&format!("http://{}/", begin.address)).unwrap(),
        );
        let body = if method == Method::HEAD { "" } else { "question" };
        way.send(request.header(CONTENT_TYPE, "text/x").body(body))
            .await
            .unwrap();
        let heard = end.last_request();
        assert!(
            heard.starts_with(&format!("{expected} /end ")),
            "{status} {method}: {heard}"
        );
        let keeps = !["GET", "HEAD"].contains(&expected);
        assert_eq!(heard.contains("text/x"), keeps, "{status} {method}: {heard}");
        assert_eq!(heard.ends_with("question"), keeps, "{status} {method}: {heard}");
    }
}

#[tokio::test]
async fn who_may_not_leave_a_server_does_not() {
    let end = Server::answering("200 OK", "", "").await;
    let elsewhere = format!("http://{}/", end.address);
    for (redirects, to, expected) in [
        (Redirects::No, "/", 302),
        (Redirects::SameOrigin, elsewhere.as_str(), 302),
        (Redirects::SameOrigin, "/around", 302),
        (Redirects::Anywhere, elsewhere.as_str(), 200),
    ] {
        let begin = redirecting("302 M", to).await;
        let way = Way::new(key(redirects), Egress::default()).await.unwrap();
        let found = asked(&way, &format!("http://{}/", begin.address), Origin::Configured).await;
        assert_eq!(found, Ok(expected), "{redirects:?} {to}");
        let requests = if to == "/around" { REDIRECTS_MAX + 1 } else { 1 };
        assert_eq!(begin.count(), requests, "{redirects:?} {to}");
    }
}

#[tokio::test]
async fn a_proxy_is_judged_and_so_are_addresses_behind_it() {
    let proxy = Server::answering("200 OK", "", "").await;
    let near = format!("http://{}", proxy.address);
    for (url, target, origin, expected) in [
        (near.as_str(), "http://shop.test/", Origin::Configured, Ok(200)),
        // Whom a name means behind the proxy is for the proxy to know.
        (near.as_str(), "http://shop.test/", Origin::Requested, Ok(200)),
        (near.as_str(), "http://10.0.0.1/", Origin::Configured, Ok(200)),
        (
            near.as_str(),
            "http://10.0.0.1/",
            Origin::Requested,
            Err("10.0.0.1: 10.0.0.1 is private"),
        ),
        (
            near.as_str(),
            "http://169.254.169.254/",
            Origin::Configured,
            Err("169.254.169.254: 1"),
        ),
        (
            "http://169.254.169.254",
            "http://shop.test/",
            Origin::Configured,
            Err("169.254.169.254: 1"),
        ),
        (
            "http://１６９.254.169.254:3128",
            "http://shop.test/",
            Origin::Configured,
            Err("169.254.169.254: 1"),
        ),
        (
            "http://me:pw@%31%36%39.254.169.254",
            "http://shop.test/",
            Origin::Configured,
            Err("169.254.169.254: 1"),
        ),
        (
            "http://2852039166:3128",
            "http://shop.test/",
            Origin::Configured,
            Err("169.254.169.254: 1"),
        ),
        (
            "socks5://[fe80::1]:1080",
            "http://8.8.8.8/",
            Origin::Configured,
            Err("[fe80::1]: fe80::1 is link"),
        ),
        (
            "socks5h://169.254.1.1:1080",
            "http://shop.test/",
            Origin::Configured,
            Err("169.254.1.1: 1"),
        ),
    ] {
        let mut key = key(Redirects::Anywhere);
        key.proxy.url = Some(Secret::new(url));
        let way = Way::new(key, Egress::default()).await.unwrap();
        let found = asked(&way, target, origin).await;
        match expected {
            Ok(status) => assert_eq!(found, Ok(status), "{url} {target}"),
            Err(begin) => assert!(
                found.as_ref().is_err_and(|why| why.starts_with(begin)),
                "{url} {target}: {found:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_policy_that_changes_ends_the_connections_of_the_one_before() {
    let server = Server::answering("200 OK", "", "").await;
    let url = format!("http://shop.test:{}/", server.address.port());
    let egress = Answers::of(&["127.0.0.1"]).egress(EgressPolicy::default());
    let clients = Clients::new(egress.clone());
    let ask = async || {
        let way: Arc<Way> = clients.get(&key(Redirects::Anywhere)).await.unwrap();
        asked(&way, &url, Origin::Configured).await
    };
    assert_eq!((ask().await, ask().await), (Ok(200), Ok(200)));
    assert_eq!(*server.connections.lock().unwrap(), 1);
    egress.set(EgressPolicy {
        deny: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressPolicy::default()
    });
    let why = ask().await.unwrap_err();
    assert!(why.starts_with("shop.test: 127.0.0.1 is denied by `egress`"), "{why}");
    assert!(why.ends_with("`egress.deny` in nines.yml names it"), "{why}");
    egress.set(EgressPolicy::default());
    assert_eq!(ask().await, Ok(200));
    assert_eq!(*server.connections.lock().unwrap(), 2);
}
