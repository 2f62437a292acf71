//! `query_response`: what is expected of the other side, and what it is told.

use regex::bytes::{Captures, Regex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::course::Course;
use super::settings::Exchange;
use super::tls::handshake;
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::http::settings::TlsSettings;

/// A line is no longer, in bytes; as in blackbox exporter.
const LINE_MAX: usize = 64 << 10;
/// All that a script reads is no longer, in bytes.
const ANSWER_MAX: usize = 1 << 20;
/// So much is read at once, in bytes.
const PIECE: usize = 4 << 10;
/// So much of a line is shown, in characters.
const SHOWN_MAX: usize = 120;

/// A connection of any kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What is told to the other side: what TLS needs when it begins within a script.
#[derive(Clone, Copy)]
pub(super) struct Upgrade<'a> {
    /// `tls_config`
    pub settings: &'a TlsSettings,
    /// What the server is called.
    pub name: &'a str,
}

/// Runs a script on a connection.
pub(super) async fn run(
    wire: Box<dyn Wire>,
    script: &[Exchange],
    upgrade: Upgrade<'_>,
    course: &mut Course,
) -> Result<(), Fault> {
    let mut talk = Talk::new(wire);
    for (at, exchange) in script.iter().enumerate() {
        let refused = if is_answer_before_tls(&script[at..]) {
            Reason::StartTls
        } else {
            Reason::ExpectMismatch
        };
        let mut send = exchange.send.clone().unwrap_or_default();
        if let Some(regex) = &exchange.expect {
            let line = talk.expect_line(regex, refused, course).await?;
            if let Some(found) = regex.captures(&line) {
                send = expanded(&found, &send);
                note_labels(&exchange.labels, &found, course);
            }
        }
        if let Some(bytes) = &exchange.expect_bytes {
            talk.expect_bytes(bytes, course).await?;
        }
        if !send.is_empty() {
            talk.send(&send, course).await?;
        }
        if exchange.starttls {
            let stream = handshake(talk.wire, upgrade.settings, upgrade.name, &[], course).await?;
            talk = Talk::new(Box::new(stream));
        }
    }
    Ok(())
}

/// What is shown where nothing went wrong yet.
pub(super) fn begin(course: &mut Course) {
    course.gauge("probe_failed_due_to_regex", 0.0);
    course.gauge("probe_failed_due_to_bytes", 0.0);
}

/// Whether the next thing after this expectation, and before another one, is TLS: then it is the answer to STARTTLS.
fn is_answer_before_tls(rest: &[Exchange]) -> bool {
    let [this, after @ ..] = rest else { return false };
    let next = after
        .iter()
        .find(|exchange| exchange.starttls || exchange.expect.is_some());
    this.starttls || next.is_some_and(|exchange| exchange.starttls && exchange.expect.is_none())
}

/// A template with its `${1}` filled.
pub(super) fn expanded(found: &Captures<'_>, template: &str) -> String {
    let mut filled = Vec::new();
    found.expand(template.as_bytes(), &mut filled);
    String::from_utf8_lossy(&filled).into_owned()
}

/// `probe_expect_info`
pub(super) fn note_labels(labels: &[(String, String)], found: &Captures<'_>, course: &mut Course) {
    if labels.is_empty() {
        return;
    }
    let filled = labels
        .iter()
        .map(|(name, template)| (name.clone().into(), expanded(found, template)));
    course.measure_named("probe_expect_info", filled.collect(), 1.0);
}

/// Text as people read it.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(SHOWN_MAX).collect::<String>().trim_end().to_owned()
}

/// A connection, and what was read of it and not yet looked at.
struct Talk {
    wire: Box<dyn Wire>,
    held: Vec<u8>,
    has_ended: bool,
    read: usize,
}

impl Talk {
    fn new(wire: Box<dyn Wire>) -> Self {
        Self {
            wire,
            held: Vec::new(),
            has_ended: false,
            read: 0,
        }
    }

    /// Reads lines until one matches.
    async fn expect_line(&mut self, regex: &Regex, refused: Reason, course: &mut Course) -> Result<Vec<u8>, Fault> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let heard = last
                .as_deref()
                .map_or_else(String::new, |line| format!("; the last one is `{}`", shown(line)));
            match course.during(Phase::Script, Reason::Timeout, self.line()).await {
                Ok(Some(line)) if regex.is_match(&line) => {
                    course.gauge("probe_failed_due_to_regex", 0.0);
                    return Ok(line);
                }
                Ok(Some(line)) => last = Some(line),
                Ok(None) => {
                    course.gauge("probe_failed_due_to_regex", 1.0);
                    let detail = format!("no line matches {regex}, and the connection was closed{heard}");
                    return Err(Fault::new(refused, detail));
                }
                // Somebody who says something else is there: that is no silence.
                Err(fault) if fault.reason == Reason::Timeout && last.is_some() => {
                    let detail = format!("no line matches {regex} in time{heard}");
                    return Err(Fault::new(refused, detail));
                }
                Err(fault) if fault.reason == Reason::Timeout => {
                    let detail = format!("no line has come in time, where one that matches {regex} was expected");
                    return Err(Fault::new(Reason::Timeout, detail));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn expect_bytes(&mut self, expected: &[u8], course: &mut Course) -> Result<(), Fault> {
        let enough = async {
            while self.held.len() < expected.len() && !self.has_ended {
                self.more().await?;
            }
            Ok(())
        };
        course.during(Phase::Script, Reason::Timeout, enough).await?;
        let taken = self
            .held
            .drain(..expected.len().min(self.held.len()))
            .collect::<Vec<u8>>();
        if taken == expected {
            return Ok(());
        }
        course.gauge("probe_failed_due_to_bytes", f64::from(taken.len() == expected.len()));
        let detail = format!("`{}` has come, where `{}` was expected", shown(&taken), shown(expected));
        Err(Fault::new(Reason::ExpectMismatch, detail))
    }

    async fn send(&mut self, line: &str, course: &mut Course) -> Result<(), Fault> {
        let send = async {
            let line = format!("{line}\n");
            self.wire
                .write_all(line.as_bytes())
                .await
                .map_err(|error| closed(&error))?;
            self.wire.flush().await.map_err(|error| closed(&error))
        };
        course.during(Phase::Script, Reason::Timeout, send).await
    }

    /// The next line without its end; what stands behind the last one is a line, too. `None` when there is no more.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut looked = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.held[looked..]) {
                let mut line: Vec<u8> = self.held.drain(..=looked + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            if self.has_ended {
                let rest = std::mem::take(&mut self.held);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            looked = self.held.len();
            if looked >= LINE_MAX {
                let detail = format!("a line is longer than {LINE_MAX} bytes");
                return Err(Fault::new(Reason::TooLarge, detail));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Fault> {
        let mut piece = [0; PIECE];
        let length = self.wire.read(&mut piece).await.map_err(|error| closed(&error))?;
        self.has_ended = length == 0;
        self.read += length;
        if self.read > ANSWER_MAX {
            let detail = format!("more than {ANSWER_MAX} bytes have come, and not what was expected");
            return Err(Fault::new(Reason::TooLarge, detail));
        }
        self.held.extend_from_slice(&piece[..length]);
        Ok(())
    }
}

fn closed(error: &std::io::Error) -> Fault {
    Fault::new(Reason::ConnectionClosed, format!("the connection broke: {error}"))
}
