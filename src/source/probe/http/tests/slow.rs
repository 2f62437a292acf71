//! Servers that are slow, phase by phase.

use super::*;

#[tokio::test]
async fn a_slow_server_is_given_up_and_the_phase_shows_where() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec();
    let timeout = Duration::from_millis(200);
    // The system's authorities are read once, which is no part of a handshake.
    let closing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closing.local_addr().unwrap();
    tokio::spawn(async move { while closing.accept().await.is_ok() {} });
    assert_eq!(
        probe(&format!("https://{address}/"), &module()).await.reason,
        Reason::ConnectionClosed
    );
    for (sentence, scheme, acts, phase) in [
        ("no answer", "http", vec![Act::Hang], Phase::Ttfb),
        ("half a body", "http", vec![Act::Send(head), Act::Hang], Phase::Transfer),
        ("no handshake", "https", vec![Act::Hang], Phase::Tls),
    ] {
        let server = Server::acting(acts).await;
        let ended = probe_within(&format!("{scheme}://{}/", server.address), &module(), timeout).await;
        assert_eq!(ended.reason, Reason::Timeout, "{sentence}: {}", ended.detail);
        assert!(
            ended.course.spent(phase) > timeout / 2,
            "{sentence}: {:?}",
            ended.course.spent(phase)
        );
        assert!(ended.has("probe_http_duration_seconds"), "{sentence}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_answered_is_given_up() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // The queue is full: nobody else is let in, and nobody is told.
    let _waiting: Vec<_> = (0..2)
        .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)))
        .collect();
    let ended = probe_within(&address.to_string(), &module(), Duration::from_millis(200)).await;
    assert_eq!(ended.reason, Reason::ConnectTimeout, "{}", ended.detail);
    assert!(ended.course.spent(Phase::Connect) > Duration::from_millis(100));
}
