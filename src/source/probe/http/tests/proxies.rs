//! Through a proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::secret::Secret;

fn through(proxy: &str) -> HttpModule {
    let mut module = module();
    module.http.proxy.url = Some(Secret::new(proxy));
    module
}

#[tokio::test]
async fn plain_requests_name_the_address_and_the_host() {
    let proxy = Server::answering("200 OK", "", "").await;
    let module = through(&format!("http://nines:word@{}", proxy.address));
    let ended = probe("http://shop.example/in?a=b", &module).await;
    assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
    let request = proxy.last_request();
    assert!(
        request.starts_with("GET http://127.0.0.1:80/in?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("host: shop.example\r\n"), "{request}");
    assert!(
        request.contains("proxy-authorization: Basic bmluZXM6d29yZA==\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn some_hosts_are_reached_without_it() {
    let (proxy, server) = (
        Server::answering("502 Bad", "", "").await,
        Server::answering("200 OK", "", "").await,
    );
    let mut module = through(&format!("http://{}", proxy.address));
    module.http.proxy.no_proxy = "127.0.0.0/8,shop.example".to_owned();
    let ended = probe(&server.address.to_string(), &module).await;
    assert_eq!(ended.reason, Reason::Ok, "{}", ended.detail);
    assert_eq!(proxy.count(), 0);
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = target.local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 200 Connected\r\nVia: x\r\n\r\n")
            .await
            .unwrap();
        let mut onward = TcpStream::connect(to).await.unwrap();
        tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut onward).await) });
        String::from_utf8(head).unwrap()
    });
    // What comes out of the tunnel is no TLS: so it was the target that has answered.
    tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let mut module = through(&format!("http://{proxy}"));
    module.http.proxy.connect_headers = vec![("X-Key".to_owned(), vec![Secret::new("key\r\nX-Evil: 1")])];
    let ended = probe(&format!("https://shop.example:{}/", to.port()), &module).await;
    assert_eq!(ended.reason, Reason::NotTls, "{}", ended.detail);
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n")),
        "{asked}"
    );
    assert!(asked.contains("X-Key: keyX-Evil: 1\r\n"), "{asked}");
}

#[tokio::test]
async fn a_proxy_that_does_not_help_says_so() {
    let denying = Server::answering("403 Forbidden", "", "").await;
    let endless = Server::acting(vec![Act::Repeat(vec![b'x'; 1024])]).await;
    for (sentence, proxy, target, reason) in [
        (
            "denied",
            format!("http://{}", denying.address),
            "https://shop.example/",
            Reason::ConnectFailed,
        ),
        (
            "endless",
            format!("http://{}", endless.address),
            "https://shop.example/",
            Reason::Protocol,
        ),
        (
            "over TLS",
            "https://127.0.0.1:1".to_owned(),
            "http://shop.example/",
            Reason::Misconfigured,
        ),
        (
            "SOCKS",
            "socks5://127.0.0.1:1".to_owned(),
            "http://shop.example/",
            Reason::Misconfigured,
        ),
    ] {
        let ended = probe(target, &through(&proxy)).await;
        assert_eq!(ended.reason, reason, "{sentence}: {}", ended.detail);
    }
}

#[tokio::test]
async fn a_proxy_is_no_way_around_the_policy() {
    let proxy = Server::answering("200 OK", "", "").await;
    let mut module = through(&format!("http://{}", proxy.address));
    module.skip_resolve_with_proxy = true;
    let goal = Goal {
        host: Some("169.254.169.254".to_owned()),
        ..goal("http://169.254.169.254/")
    };
    assert!(leaves_names_to_proxy(&module, &goal));
    let mut course = Course::until(now() + Duration::from_secs(5));
    let result = speak(&module, IpChoice::default(), &goal, None, &reach(), &mut course).await;
    assert_eq!(result.unwrap_err().reason, Reason::PolicyDenied);
    assert_eq!(proxy.count(), 0);
}
