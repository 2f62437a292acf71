//! Serves the router on a listener until it is told to stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;

/// A client that has not sent its request's head by then is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are under way at a stop may take so long.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest request head, in bytes.
const HEAD_MAX: usize = 128 * 1024;

/// Answers requests until `shutdown`; then accepts no more, and gives those under way a few seconds to end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?.handle(handle.clone()).http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_MAX);
    let serving = server.serve(router.into_make_service_with_connect_info::<SocketAddr>());
    let stopping = async {
        shutdown.cancelled().await;
        handle.graceful_shutdown(Some(STOP_TIMEOUT));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serving => served,
        () = stopping => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::http::testing::state;

    #[tokio::test]
    async fn it_answers_noise_with_400_and_stops_when_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, crate::http::router(state()), stop.clone()));
        for (sent, wanted) in [
            (&b"\x00\x01\x02 noise\r\n\r\n"[..], "HTTP/1.1 400"),
            (
                b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200",
            ),
            (
                b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 404",
            ),
        ] {
            let mut connection = TcpStream::connect(address).await.expect("a connection");
            connection.write_all(sent).await.expect("sent");
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await.expect("an answer");
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with(wanted), "{answer}");
        }
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), serving)
            .await
            .expect("it stops");
        ended.expect("no panic").expect("no error");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
