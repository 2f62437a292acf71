//! Receivers that show what they are told: a webhook and a mail server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Takes what is to be shown; the demo prints it.
pub type Show = Arc<dyn Fn(String) + Send + Sync>;

/// Longer mails are not taken.
const LONGEST_MAIL: usize = 1 << 20;
/// A client that says nothing for so long is left alone.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the webhook sink on a free port; it lives in `tasks`.
pub(super) async fn webhook(show: Show, tasks: &mut JoinSet<()>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("the demo webhook finds no free port")?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/hook", post(hook)).with_state(show);
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("the demo webhook has closed: {error}");
        }
    });
    Ok(address)
}

async fn hook(State(show): State<Show>, body: String) -> StatusCode {
    match serde_json::from_str(&body) {
        Ok(message) => {
            show(webhook_text(&message));
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// A webhook message in a few lines; the whole of it is several screens long.
fn webhook_text(message: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let mut lines = vec![format!(
        "── webhook ── {} · receiver {} · {}",
        word(&message["status"]).to_uppercase(),
        word(&message["receiver"]),
        word(&message["notification_reason"])
    )];
    for alert in message["alerts"].as_array().into_iter().flatten() {
        let labels = &alert["labels"];
        lines.push(format!(
            "   {} {}/{} ({}) since {}",
            word(&labels["alertname"]),
            word(&labels["service"]),
            word(&labels["slo"]),
            word(&labels["severity"]),
            word(&alert["startsAt"])
        ));
        lines.push(format!("   {}", word(&alert["annotations"]["summary"])));
    }
    let slo = &message["slo"];
    if slo.is_object() {
        let budget = serde_json::json!({
            "id": slo["id"], "sli": slo["sli"], "error_budget": slo["error_budget"], "burn_rates": slo["burn_rates"],
        });
        lines.push(format!("   slo: {budget}"));
    }
    lines.join("\n")
}

/// Opens the mail sink on a free port; it lives in `tasks`.
pub(super) async fn smtp(show: Show, tasks: &mut JoinSet<()>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("the demo mail server finds no free port")?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // One client at a time is all that the demo has.
            let talk = tokio::time::timeout(PATIENCE, converse(stream, &show));
            if let Ok(Err(error)) = talk.await {
                tracing::debug!("the demo mail server lost a client: {error}");
            }
        }
    });
    Ok(address)
}

async fn converse(stream: TcpStream, show: &Show) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader.take(LONGEST_MAIL as u64)).lines();
    writer.write_all(b"220 demo ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb: String = line.chars().take(4).collect::<String>().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" | "HELO" => "250 demo",
            "DATA" => {
                writer.write_all(b"354 end with a dot\r\n").await?;
                let mut mail = Vec::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
                }
                show(mail_text(&mail));
                "250 taken"
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok",
            _ => "502 not implemented",
        };
        writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// The headers that people look at, and the text part.
fn mail_text(mail: &[String]) -> String {
    let (head, body) = mail.split_at(mail.iter().position(String::is_empty).unwrap_or(mail.len()));
    let mut lines = vec!["── mail ──".to_owned()];
    let mut shown = false;
    for line in head {
        // A folded line belongs to the header before it.
        let folded = line.starts_with([' ', '\t']);
        let wanted = ["Subject: ", "From: ", "To: "]
            .iter()
            .any(|name| line.starts_with(name));
        shown = wanted || (folded && shown);
        if shown {
            lines.push(format!("   {}", line.trim()));
        }
    }
    let part: Vec<&str> = body
        .iter()
        .skip_while(|line| !line.to_ascii_lowercase().starts_with("content-type: text/plain"))
        .skip_while(|line| !line.is_empty())
        .skip(1)
        // A boundary is never as short as the line before a signature.
        .take_while(|line| !line.starts_with("--") || line.len() < 6)
        .map(String::as_str)
        .collect();
    lines.extend(unquote(&part.join("\n")).lines().map(|line| format!("   {line}")));
    lines.join("\n")
}

/// Decodes quoted-printable; what is none of it stays as it is.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'=', [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
                bytes.push(digit(*high) * 16 + digit(*low));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_shown_in_a_few_lines() {
        let message = serde_json::json!({
            "status": "firing", "receiver": "oncall", "notification_reason": "first notification",
            "alerts": [{"labels": {"alertname": "DemoFastBurn", "service": "checkout", "slo": "availability-fast",
                                   "severity": "page"},
                        "annotations": {"summary": "It burns."}, "startsAt": "2026-11-21T08:00:00Z"}],
            "slo": {"id": "checkout/availability-fast", "sli": 0.7, "error_budget": {}, "burn_rates": {"2m": 30.0},
                    "diagnostics": ["much more"]},
        });
        let expected = "── webhook ── FIRING · receiver oncall · first notification
   DemoFastBurn checkout/availability-fast (page) since 2026-11-21T08:00:00Z
   It burns.
   slo: {\"id\":\"checkout/availability-fast\",\"sli\":0.7,\"error_budget\":{},\"burn_rates\":{\"2m\":30.0}}";
        assert_eq!(webhook_text(&message), expected);
    }

    #[test]
    fn a_mail_is_shown_as_text() {
        let mail = "From: nines@shop.example\r\nSubject: [FIRING] a very\r\n long one\r\nX-Nines-State: firing\r\n\
                    Content-Type: multipart/alternative; boundary=\"boundary\"\r\n\r\n--boundary\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                    It is =E2=80=93 lon=\r\nger.\r\n--boundary\r\nContent-Type: text/html\r\n\r\n<p>\r\n--boundary--";
        let lines: Vec<String> = mail.split("\r\n").map(str::to_owned).collect();
        let expected =
            "── mail ──\n   From: nines@shop.example\n   Subject: [FIRING] a very\n   long one\n   It is – longer.";
        assert_eq!(mail_text(&lines), expected);
    }
}
