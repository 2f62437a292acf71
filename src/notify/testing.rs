//! Messages and receivers for the tests of this module.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::domain::time::Timestamp;
use crate::engine::message::{Attempt, Message, MessageAlert, MessageKind};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

/// A page for one group of an SLO.
pub(super) fn firing() -> Message {
    Message {
        kind: MessageKind::Trigger,
        receiver: "oncall".to_owned(),
        incident: "incident-1".to_owned(),
        sequence: 0,
        group_key: "{}:{service=\"checkout\", slo=\"availability\"}".to_owned(),
        group_labels: map(&[("service", "checkout"), ("slo", "availability")]),
        reason: "first notification".to_owned(),
        external_url: "https://nines.example/slo".to_owned(),
        alerts: vec![MessageAlert {
            severity: "page".to_owned(),
            firing: true,
            labels: map(&[
                ("alertname", "SLOBurn"),
                ("service", "checkout"),
                ("slo", "availability"),
                ("severity", "page"),
                ("region", "eu"),
            ]),
            annotations: map(&[("runbook_url", "https://wiki.example/checkout")]),
            starts_at: time("2026-11-21T08:00:00Z").0,
            ends_at: None,
            generator_url: "https://nines.example/slo/slos/checkout/availability".to_owned(),
            fingerprint: "00000000000000aa".to_owned(),
            summary: "checkout/availability burns its budget 20 times too fast.".to_owned(),
        }],
        slo: Some(json!({
            "id": "checkout/availability{region=\"eu\"}", "service": "checkout", "name": "availability",
            "objective": 0.999, "objective_text": "99.9%", "window": {"rolling": "30d"},
            "as_of": "2026-11-21T08:00:15Z",
            "events": {"good": 99_960, "bad": 40, "total": 100_000}, "sli": 0.9996,
            "error_budget": {"allowed": 100.0, "spent": 40.0, "remaining": 60.0, "remaining_ratio": 0.6},
            "burn_rates": {"5m": 22.5, "1h": 20.0}, "exhausts_at": "2026-11-22T05:36:15Z",
            "conditions": [{"severity": "page", "long": "1h", "short": "5m", "factor": 14.4,
                            "long_burn_rate": 20.0, "short_burn_rate": 22.5, "holds": true},
                           {"severity": "ticket", "long": "3d", "short": "6h", "factor": 1.0,
                            "long_burn_rate": null, "short_burn_rate": null, "holds": null}],
        })),
    }
}

/// Its resolve.
pub(super) fn resolved() -> Message {
    let mut message = firing();
    message.kind = MessageKind::Resolve;
    message.sequence = 1;
    message.alerts[0].firing = false;
    message.alerts[0].ends_at = Some(time("2026-11-21T08:07:00Z").0);
    message.alerts[0].summary = "checkout/availability is back within its budget.".to_owned();
    message
}

/// A page whose labels, annotations and SLO try every trick that they can.
pub(super) fn hostile() -> Message {
    let evil = "a\r\nBcc: evil@example.org\r\n\r\n<script>alert(1)</script>{{ 7*7 }}{% raw %}\0\u{202e}\n.\nQUIT\r.\r";
    let mut message = firing();
    message.group_labels.insert("service".to_owned(), evil.to_owned());
    message.incident = evil.to_owned();
    let alert = &mut message.alerts[0];
    alert.labels.insert("service".to_owned(), evil.to_owned());
    alert.labels.insert("severity".to_owned(), evil.to_owned());
    alert.labels.insert("long".to_owned(), "ä".repeat(100_000));
    alert
        .annotations
        .insert("runbook_url".to_owned(), "javascript:alert(1)\"><script>".to_owned());
    alert.generator_url = "javascript:alert(1)".to_owned();
    alert.summary = evil.to_owned();
    message.slo = Some(json!({"id": evil, "sli": "x", "error_budget": [], "conditions": {"a": 1}, "window": 3}));
    message
}

/// The first attempt to send a message, 15 s after its alert began.
pub(super) fn attempt(message: Message) -> Attempt {
    Attempt {
        delivery_id: "delivery-1".to_owned(),
        number: 1,
        at: time("2026-11-21T08:00:16Z"),
        created_at: time("2026-11-21T08:00:15Z"),
        message,
    }
}

/// One HTTP request as it arrived.
pub(super) struct Request {
    /// The request line.
    pub(super) line: String,
    /// The body.
    pub(super) body: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value; the name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A web server that gives the same answer to every request; none at all when the answer is empty.
pub(super) struct HttpSink {
    address: std::net::SocketAddr,
    requests: Mutex<UnboundedReceiver<Request>>,
}

impl HttpSink {
    /// Starts it on a free port.
    pub(super) async fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, receiver) = unbounded_channel();
        let answer = answer.to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), sender.clone()));
            }
        });
        Self {
            address,
            requests: Mutex::new(receiver),
        }
    }

    /// Its URL with this path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request.
    pub(super) async fn next(&self) -> Request {
        self.requests.lock().await.recv().await.expect("a request")
    }
}

async fn serve(mut stream: TcpStream, answer: String, sender: UnboundedSender<Request>) {
    while let Some(request) = read_request(&mut stream).await {
        // The test may be over.
        let _ = sender.send(request);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.lines().map(str::to_owned);
            let line = lines.next()?;
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| {
                    line.split_once(": ")
                        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
                })
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let body = &bytes[end + 4..];
            if body.len() >= length.map_or(0, |(_, value)| value.parse().expect("a length")) {
                let body = String::from_utf8(body.to_vec()).expect("UTF-8");
                return Some(Request { line, body, headers });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
