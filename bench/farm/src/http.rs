//! As much of HTTP/1.1 as scrapers need: GET, connections that stay open, and whether gzip is wanted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request longer than this is not one of a scraper.
const HEAD_MAX: usize = 16 * 1024;

/// One request, as far as anybody looks at it.
pub struct Request {
    /// The path with its query.
    pub path: String,
    /// The client takes gzip.
    pub gzip: bool,
}

/// One connection, and what was read of it beyond the present request.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// The next request; `None` when the client is done.
    pub async fn request(&mut self) -> Option<Request> {
        let mut buffer = [0; 2048];
        loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
                self.read.drain(..end + 4);
                let path = head.split(' ').nth(1)?.to_owned();
                let gzip = head.lines().any(|line| {
                    let line = line.to_ascii_lowercase();
                    line.starts_with("accept-encoding:") && line.contains("gzip")
                });
                return Some(Request { path, gzip });
            }
            match self.stream.read(&mut buffer).await {
                Ok(count) if count > 0 && self.read.len() < HEAD_MAX => self.read.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
    }

    /// Sends an answer; `false` when the client did not take it.
    pub async fn answer(&mut self, content_type: &str, gzip: bool, body: &[u8]) -> bool {
        let encoding = if gzip { "Content-Encoding: gzip\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await.is_ok() && self.stream.write_all(body).await.is_ok()
    }
}
