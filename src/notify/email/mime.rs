//! The mail itself: headers that thread and filter well, a text part and an HTML part.

use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message as Mail, MultiPart, SinglePart};

use super::view::{self, View};
use crate::engine::message::Attempt;

/// Longer header values are cut; servers refuse headers that are out of proportion.
const LONGEST_HEADER: usize = 180;

#[derive(Template)]
#[template(path = "mail.txt", escape = "none")]
struct Text<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    view: &'a View,
}

/// Writes the mail of an attempt, ready for the wire.
pub(super) fn compose(attempt: &Attempt, from: &Mailbox, to: &[Mailbox]) -> Result<Vec<u8>, String> {
    let view = view::of(attempt);
    let text = Text { view: &view }.render().map_err(|error| unwritable(&error))?;
    let html = Html { view: &view }.render().map_err(|error| unwritable(&error))?;
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &text)?)
        .singlepart(part(ContentType::TEXT_HTML, &html)?);

    let message = &attempt.message;
    let domain = from.email.domain();
    let first = format!("<{}.0@{domain}>", token(&message.incident));
    let id = if message.sequence == 0 {
        first.clone()
    } else {
        format!("<{}@{domain}>", token(&attempt.delivery_id))
    };
    let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(attempt.at.0).unwrap_or(0));
    let mut builder = Mail::builder()
        .from(from.clone())
        .subject(printable(&view.subject))
        .date(sent)
        .message_id(Some(id));
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    if message.sequence > 0 {
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    // No auto-reply may answer, and every mailbox can sort these mails.
    let list = format!("<{}.nines.{domain}>", token(&view.service));
    let headers = [
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("Precedence", "bulk"),
        ("List-Id", &list),
        ("X-Nines-SLO", &view.slo),
        ("X-Nines-Severity", &view.severity),
        ("X-Nines-State", view.state),
        ("X-Nines-Incident", &message.incident),
    ];
    for (name, value) in headers {
        let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| unwritable(&error))?;
        builder = builder.raw_header(HeaderValue::new(name, printable(value)));
    }
    let mail = builder.multipart(parts).map_err(|error| unwritable(&error))?;
    Ok(mail.formatted())
}

/// A part in quoted-printable, always: no line of it can be taken for the end of the mail, whatever the labels hold.
fn part(content_type: ContentType, text: &str) -> Result<SinglePart, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_| "the mail cannot be encoded".to_owned())?;
    Ok(SinglePart::builder().header(content_type).body(body))
}

/// A header's value without line ends, control characters and excess length.
fn printable(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .map(|c| if view::is_unprintable(c) { ' ' } else { c })
        .collect();
    let words: Vec<&str> = cleaned.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_HEADER).collect()
}

/// A word that may stand before the `@` of an id.
fn token(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(64)
        .collect();
    let kept = kept.trim_matches('.').replace("..", ".");
    if kept.is_empty() { "alerts".to_owned() } else { kept }
}

fn unwritable(error: &dyn std::fmt::Display) -> String {
    format!("the mail cannot be written: {error}")
}
