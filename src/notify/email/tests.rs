//! Mails as a mail server gets them.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::domain::egress::EgressPolicy;
use crate::egress::Egress;
use crate::egress::testing::Answers;
use crate::notify::settings::SecretRef;
use crate::notify::testing::{attempt, firing, hostile, resolved};
use crate::secret::Secret;

/// What the server says instead of agreeing: to which command, which line; an empty line hangs, `drop` hangs up.
type Play = &'static [(&'static str, &'static str)];

/// A mail server that sends on what it was told: commands, and mails whole.
async fn mail_server(play: Play) -> (u16, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, play, sender.clone()));
        }
    });
    (port, receiver)
}

async fn converse(stream: TcpStream, play: Play, told: UnboundedSender<String>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut command = "greeting".to_owned();
    loop {
        let reply = play.iter().find(|(start, _)| command.starts_with(start)).map_or_else(
            || match command.as_str() {
                "greeting" => "220 ready",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                ehlo if ehlo.starts_with("EHLO") => "250-here\r\n250 SIZE 10485760",
                _ => "250 ok",
            },
            |(_, reply)| *reply,
        );
        match reply {
            "drop" => return None,
            "" => std::future::pending::<()>().await,
            reply => writer.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?,
        }
        command = lines.next_line().await.ok()??;
        if reply.starts_with("354") {
            let mut mail = String::new();
            while command != "." {
                mail.push_str(command.strip_prefix('.').unwrap_or(&command));
                mail.push('\n');
                command = lines.next_line().await.ok()??;
            }
            told.send(mail).ok()?;
            "end".clone_into(&mut command);
        } else {
            told.send(command.clone()).ok()?;
        }
    }
}

fn settings(port: u16) -> EmailSettings {
    EmailSettings {
        to: vec!["SRE <sre@example.org>".to_owned()],
        from: "nines <nines@example.org>".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        hello: Some("nines.example".to_owned()),
        auth_username: None,
        auth_password: None,
        require_tls: false,
        ca_file: None,
        insecure_skip_verify: false,
        send_resolved: true,
        timeout: Duration::from_secs(20),
    }
}

fn word(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Accepted => "accepted".to_owned(),
        SendOutcome::Retry { reason, .. } => format!("retry {reason}"),
        SendOutcome::Rejected { reason, .. } => format!("rejected {reason}"),
    }
}

fn compose(attempt: &Attempt) -> String {
    let from = mailbox("from", "nines <nines@example.org>").expect("an address");
    let mail = mime::compose(attempt, &from, &[mailbox("to", "sre@example.org").expect("an address")]).expect("a mail");
    String::from_utf8(mail).expect("ASCII")
}

/// The headers, unfolded, and the two parts, decoded.
fn read(mail: &str) -> (Vec<String>, String, String) {
    let (head, body) = mail.split_once("\r\n\r\n").expect("a head");
    let headers: Vec<String> = head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect();
    let boundary = head
        .split("boundary=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a boundary");
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let part = |index: usize, kind: &str| {
        let (head, body) = parts[index].split_once("\r\n\r\n").expect("a part");
        assert!(head.contains(kind) && head.contains("quoted-printable"), "{head}");
        unquote(body)
    };
    (headers, part(1, "text/plain"), part(2, "text/html"))
}

fn unquote(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.expect("a digit")));
            bytes.push(u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn header<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn a_page_says_what_is_wrong_with_windows_and_times() {
    let (headers, text, html) = read(&compose(&attempt(firing())));
    let subject = "[FIRING] checkout/availability{region=\"eu\"} burns its error budget (page)";
    assert_eq!(header(&headers, "Subject"), Some(subject));
    assert_eq!(header(&headers, "X-Nines-State"), Some("firing"));
    assert_eq!(header(&headers, "Auto-Submitted"), Some("auto-generated"));
    assert_eq!(header(&headers, "List-Id"), Some("<checkout.nines.example.org>"));
    assert_eq!(header(&headers, "Date"), Some("Sat, 21 Nov 2026 08:00:16 +0000"));
    let expected = "checkout/availability burns its budget 20 times too fast.

SLO: checkout/availability{region=\"eu\"}
State: firing (page)
Error budget left: 60% over 30d: 60 of 100 allowed bad events
Budget used up: 2026-11-22 05:36:15 UTC (in 21 h 36 min), at the present rate
SLI: 99.96% over 30d; the objective is 99.9%
Events: 40 bad of 100,000 over 30d
As of: 2026-11-21 08:00:15 UTC
Runbook: https://wiki.example/checkout
Page: https://nines.example/slo/slos/checkout/availability

Burn rates (1x spends exactly the budget in the window):
- page above 14.4x: 20x over 1h, 22.5x over 5m; holds
- ticket above 1x: – over 3d, – over 6h; unknown

Alerts:
- SLOBurn: firing since 2026-11-21 08:00:00 UTC (16 s)
  region=eu
  checkout/availability burns its budget 20 times too fast.

-- 
Sent by nines to oncall (first notification); incident incident-1.
";
    assert_eq!(text.replace("\r\n", "\n").trim_end(), expected.trim_end());
    assert!(
        html.contains("<a href=\"https://nines.example/slo/slos/checkout/availability\">"),
        "{html}"
    );
    assert_eq!(html.matches("href=").count(), 1, "{html}");
    assert!(
        html.contains("https://wiki.example/checkout") && html.contains("20x over 1h"),
        "{html}"
    );
}

#[test]
fn follow_ups_belong_to_the_thread_of_the_first() {
    let (first, ..) = read(&compose(&attempt(firing())));
    assert_eq!(header(&first, "Message-ID"), Some("<incident-1.0@example.org>"));
    assert_eq!(
        (header(&first, "In-Reply-To"), header(&first, "References")),
        (None, None)
    );
    let (second, text, _) = read(&compose(&attempt(resolved())));
    assert_eq!(header(&second, "Message-ID"), Some("<delivery-1@example.org>"));
    for name in ["In-Reply-To", "References"] {
        assert_eq!(header(&second, name), header(&first, "Message-ID"));
    }
    let tail =
        |headers| header(headers, "Subject").map(|subject| subject.split_once("] ").map(|(_, tail)| tail.to_owned()));
    assert!(header(&second, "Subject").is_some_and(|subject| subject.starts_with("[RESOLVED] ")));
    assert_eq!(tail(&first), tail(&second));
    assert!(
        text.contains("fired 2026-11-21 08:00:00 UTC, resolved 2026-11-21 08:07:00 UTC (after 7 min)"),
        "{text}"
    );
}

#[test]
fn severities_are_called_what_their_labels_say_and_stay_what_they_are() {
    let mut message = firing();
    let mut ticket = message.alerts[0].clone();
    ticket.severity = "ticket".to_owned();
    for (alert, word) in [(&mut ticket, "page"), (&mut message.alerts[0], "critical")] {
        alert.labels.insert("severity".to_owned(), word.to_owned());
    }
    message.alerts.insert(0, ticket);
    let mail = compose(&attempt(message.clone()));
    let (headers, text, html) = read(&mail);
    assert!(
        header(&headers, "Subject").is_some_and(|subject| subject.ends_with("(critical)")),
        "{headers:?}"
    );
    assert_eq!(header(&headers, "X-Nines-Severity"), Some("critical"));
    assert!(
        text.contains("- critical above 14.4x: ") && text.contains("- page above 1x: "),
        "{text}"
    );
    assert!(html.contains("#d9413a"), "a page is red, whatever it is called");
    message.alerts.remove(1);
    assert!(
        read(&compose(&attempt(message))).2.contains("#d98a1f"),
        "and a ticket is not"
    );
}

#[test]
fn one_window_a_time_to_wait_and_a_calendar_read_well() {
    let mut message = firing();
    let slo = message.slo.as_mut().expect("an SLO");
    slo["window"] = serde_json::json!({"calendar": "month", "zone": "Europe/Berlin"});
    slo["conditions"][0]["short"] = "1h".into();
    slo["conditions"][0]["for"] = "2m".into();
    let text = read(&compose(&attempt(message))).1;
    for needed in ["60% this month: ", "- page above 14.4x for 2m: 20x over 1h; holds"] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
}

#[test]
fn a_late_mail_says_so_and_keeps_its_id() {
    let mut late = attempt(firing());
    late.at.0 += 3_600_000;
    let (headers, text, _) = read(&compose(&late));
    assert_eq!(header(&headers, "Message-ID"), Some("<incident-1.0@example.org>"));
    assert!(
        text.contains("This message comes 1 h late: it could not be delivered before."),
        "{text}"
    );
}

#[test]
fn an_unknown_number_is_a_dash() {
    let mut message = firing();
    message.slo =
        Some(serde_json::json!({"id": "shop/orders", "sli": null, "error_budget": null, "exhausts_at": null}));
    let (_, text, html) = read(&compose(&attempt(message)));
    assert!(text.contains("SLI: – in its window; the objective is –"), "{text}");
    assert!(text.contains("Budget used up: unknown"), "{text}");
    for part in [text, html] {
        assert!(
            !part.contains("NaN") && !part.contains("null") && !part.contains("{{"),
            "{part}"
        );
    }
}

#[test]
fn hostile_labels_stay_text() {
    let mail = compose(&attempt(hostile()));
    assert!(mail.is_ascii() && !mail.contains('\0'));
    let bare = mail.replace("\r\n", "");
    assert!(
        !bare.contains(['\r', '\n']),
        "a bare CR or LF ends no line and may end the mail"
    );
    assert!(!mail.contains("\r\n.\r\n"));
    assert!(mail.split("\r\n").all(|line| line.len() <= 998));
    assert!(mail.len() < 60_000, "{} bytes", mail.len());
    let (headers, text, html) = read(&mail);
    assert!(headers.iter().all(|line| !line.starts_with("Bcc")), "{headers:?}");
    assert!(
        !html.contains("<script>") && !html.contains("href=\"javascript"),
        "{html}"
    );
    assert!(
        html.contains("&#60;script&#62;") || html.contains("&lt;script&gt;"),
        "{html}"
    );
    assert!(text.contains("{{ 7*7 }}") && !text.contains('\u{202e}'), "{text}");
}

#[tokio::test]
async fn a_mail_is_taken() {
    let (port, mut told) = mail_server(&[]).await;
    let email = Email::new(&settings(port), &Egress::default()).expect("settings");
    assert_eq!(email.send(&attempt(firing())).await, SendOutcome::Accepted);
    let mut lines = Vec::new();
    while let Ok(line) = told.try_recv() {
        lines.push(line);
    }
    let commands = [
        "EHLO nines.example",
        "MAIL FROM:<nines@example.org>",
        "RCPT TO:<sre@example.org>",
        "DATA",
    ];
    assert_eq!(lines[..4], commands);
    assert!(lines[4].contains("Subject: [FIRING] "), "{}", lines[4]);
}

#[tokio::test]
async fn a_mail_server_where_nothing_may_go_is_not_asked() {
    for (host, answer, expected) in [
        ("169.254.169.254", "8.8.8.8", "retry egress"),
        ("mail.test", "169.254.169.254", "retry egress"),
        ("mail.test", "::ffff:a9fe:a9fe fe80::1", "retry egress"),
        ("mail.test", "169.254.169.254 127.0.0.1", "accepted"),
        ("mail.test", "127.0.0.1", "accepted"),
    ] {
        let (port, mut told) = mail_server(&[]).await;
        let mut settings = settings(port);
        settings.host = host.to_owned();
        let egress = Answers::of(&[answer]).egress(EgressPolicy::default());
        let outcome = Email::new(&settings, &egress)
            .expect("settings")
            .send(&attempt(firing()))
            .await;
        assert_eq!(word(&outcome), expected, "{host} {answer}: {outcome:?}");
        assert_eq!(told.try_recv().is_ok(), expected == "accepted", "{host} {answer}");
    }
}

#[tokio::test]
async fn what_the_server_says_decides() {
    let table: [(Play, &str); 11] = [
        (&[("end", "450 later")], "retry smtp_450"),
        (&[("end", "550 never")], "rejected smtp_550"),
        (&[("end", "drop")], "retry network"),
        (&[("DATA", "451 later")], "retry smtp_451"),
        (&[("RCPT", "450 greylisted")], "retry smtp_450"),
        (&[("RCPT", "550 no such user")], "rejected smtp_550"),
        (&[("MAIL", "553 not you")], "rejected smtp_553"),
        (&[("greeting", "554 not today")], "retry smtp_554"),
        (&[("greeting", "421 busy")], "retry smtp_421"),
        (&[("greeting", "drop")], "retry network"),
        (&[("EHLO", "nonsense")], "retry network"),
    ];
    for (play, expected) in table {
        let (port, _told) = mail_server(play).await;
        let email = Email::new(&settings(port), &Egress::default()).expect("settings");
        let outcome = email.send(&attempt(firing())).await;
        assert_eq!(word(&outcome), expected, "{play:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_at_the_timeout() {
    for step in ["greeting", "EHLO", "RCPT", "end"] {
        let play: Play = vec![(step, "")].leak();
        let (port, _told) = mail_server(play).await;
        let mut settings = settings(port);
        settings.timeout = Duration::from_millis(50);
        let outcome = Email::new(&settings, &Egress::default())
            .expect("settings")
            .send(&attempt(firing()))
            .await;
        assert_eq!(word(&outcome), "retry timeout", "{step}");
    }
}

#[tokio::test]
async fn one_refused_recipient_keeps_nobody_else_from_the_mail() {
    let (port, mut told) = mail_server(&[("RCPT TO:<gone@", "550 no"), ("RCPT TO:<slow@", "450 later")]).await;
    let mut settings = settings(port);
    settings.to = ["gone@example.org", "sre@example.org"].map(str::to_owned).to_vec();
    let email = Email::new(&settings, &Egress::default()).expect("settings");
    assert_eq!(word(&email.send(&attempt(firing())).await), "accepted");

    settings.to = ["slow@example.org", "sre@example.org"].map(str::to_owned).to_vec();
    let email = Email::new(&settings, &Egress::default()).expect("settings");
    for _ in 0..2 {
        while told.try_recv().is_ok() {}
        let outcome = email.send(&attempt(firing())).await;
        assert!(word(&outcome).starts_with("retry smtp_"), "{outcome:?}");
    }
    let mut second = Vec::new();
    while let Ok(line) = told.try_recv() {
        second.push(line);
    }
    assert!(
        second.iter().all(|line| !line.contains("RCPT TO:<sre@")),
        "it has the mail already: {second:?}"
    );
}

#[tokio::test]
async fn without_tls_no_password_is_sent_and_required_tls_is_required() {
    let (port, mut told) = mail_server(&[]).await;
    let mut with_login = settings(port);
    with_login.auth_username = Some("nines".to_owned());
    with_login.auth_password = Some(SecretRef::Inline(Secret::new("hunter2")));
    let outcome = Email::new(&with_login, &Egress::default())
        .expect("settings")
        .send(&attempt(firing()))
        .await;
    assert_eq!(word(&outcome), "retry smtp_auth");
    let mut strict = settings(port);
    strict.require_tls = true;
    let outcome = Email::new(&strict, &Egress::default())
        .expect("settings")
        .send(&attempt(firing()))
        .await;
    assert_eq!(word(&outcome), "retry tls");
    while let Ok(line) = told.try_recv() {
        assert!(!line.starts_with("AUTH") && !line.starts_with("MAIL"), "{line}");
    }
}

#[test]
fn wrong_settings_are_refused_with_the_key() {
    type Change = fn(&mut EmailSettings);
    let table: [(Change, &str); 6] = [
        (|s| s.to.clear(), "to: "),
        (|s| s.to = vec!["nobody".to_owned()], "to: "),
        (|s| s.from = "a@b\r\nBcc: c@d".to_owned(), "from: "),
        (|s| s.hello = Some("a b".to_owned()), "hello: "),
        (
            |s| s.auth_username = Some("me".to_owned()),
            "auth_username and auth_password",
        ),
        (
            |s| s.ca_file = Some("/nowhere/ca.pem".into()),
            "ca_file /nowhere/ca.pem",
        ),
    ];
    for (change, expected) in table {
        let mut settings = settings(25);
        change(&mut settings);
        let error = Email::new(&settings, &Egress::default()).err().expect(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}
