//! A server that answers byte for byte what a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One thing that the server does on a connection after it has read a request.
#[derive(Clone)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again until the client hangs up.
    Repeat(Vec<u8>),
    /// Does nothing more, and keeps the connection open.
    Hang,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy)]
enum After {
    KeepAlive,
    HangUp,
    HangUpOnNext,
}

/// Serves one answer to every request, or one after the other; hangs up after it unless it hangs or keeps alive.
pub struct Server {
    pub address: SocketAddr,
    /// The heads of all requests, each with the body behind it.
    pub requests: Arc<Mutex<Vec<String>>>,
    /// How many connections were accepted.
    pub connections: Arc<Mutex<u32>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers with these acts, the connection ends after them.
    pub async fn acting(acts: Vec<Act>) -> Self {
        Self::start(acts, After::HangUp).await
    }

    /// Answers the first request of each connection with these acts, and hangs up on the second one.
    pub async fn forgetting(acts: Vec<Act>) -> Self {
        Self::start(acts, After::HangUpOnNext).await
    }

    /// Answers with a whole response of this status line and these headers, and keeps connections alive.
    pub async fn answering(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        Self::start(vec![Act::Send(response(status, headers, body))], After::KeepAlive).await
    }

    /// Answers request after request with these acts, the last ones again and again, and keeps connections alive.
    pub async fn scripted(script: Vec<Vec<Act>>) -> Self {
        Self::run(script, After::KeepAlive).await
    }

    async fn start(acts: Vec<Act>, after: After) -> Self {
        Self::run(vec![acts], after).await
    }

    async fn run(script: Vec<Vec<Act>>, after: After) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (heard, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                tokio::spawn(serve(stream, script.clone(), after, Arc::clone(&heard)));
            }
        });
        Self {
            address,
            requests,
            connections,
            task,
        }
    }

    pub fn last_request(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole answer with its length.
pub fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn serve(mut stream: TcpStream, script: Vec<Vec<Act>>, after: After, heard: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(request);
            heard.len() - 1
        };
        for act in &script[number.min(script.len() - 1)] {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                Act::Repeat(bytes) => while stream.write_all(bytes).await.is_ok() {},
                Act::Hang => std::future::pending().await,
            }
        }
        match after {
            After::KeepAlive => continue,
            After::HangUpOnNext => drop(read_request(&mut stream).await),
            After::HangUp => drop(stream.shutdown().await),
        }
        return;
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}
