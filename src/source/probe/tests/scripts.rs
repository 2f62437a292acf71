//! TCP and Unix sockets, and their scripts.

use regex::bytes::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::super::script::Wire;
use super::super::settings::{Exchange, TcpModule, UnixModule};
use super::super::testing::{Authority, LASTING};
use super::*;
use crate::domain::verdict::Phase;
use crate::source::http::settings::TlsSettings;

/// What a server does on a connection.
#[derive(Clone)]
enum Act {
    Say(Vec<u8>),
    /// Reads so many bytes, and keeps them.
    Hear(usize),
    Tls(Arc<rustls::ServerConfig>),
    Hang,
}

fn say(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

async fn act(mut wire: Box<dyn Wire>, acts: Vec<Act>) -> Vec<u8> {
    let mut heard = Vec::new();
    for act in acts {
        match act {
            Act::Say(bytes) => drop(wire.write_all(&bytes).await),
            Act::Hear(length) => {
                let mut bytes = vec![0; length];
                if wire.read_exact(&mut bytes).await.is_ok() {
                    heard.extend(bytes);
                }
            }
            Act::Tls(config) => match TlsAcceptor::from(config).accept(wire).await {
                Ok(stream) => wire = Box::new(stream),
                Err(_) => return heard,
            },
            Act::Hang => std::future::pending().await,
        }
    }
    let _ = wire.shutdown().await;
    heard
}

/// A server for one connection; the task gives what it has heard.
async fn server(acts: Vec<Act>) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        act(Box::new(stream), acts).await
    });
    (address, task)
}

fn expect(regex: &str) -> Exchange {
    Exchange {
        expect: Some(Regex::new(regex).unwrap()),
        ..Exchange::default()
    }
}

fn send(line: &str) -> Exchange {
    Exchange {
        send: Some(line.to_owned()),
        ..Exchange::default()
    }
}

fn bytes(bytes: &[u8]) -> Exchange {
    Exchange {
        expect_bytes: Some(bytes.to_vec()),
        ..Exchange::default()
    }
}

fn starttls() -> Exchange {
    Exchange {
        starttls: true,
        ..Exchange::default()
    }
}

fn tcp(script: Vec<Exchange>) -> Protocol {
    Protocol::Tcp(Box::new(TcpModule {
        script,
        ..TcpModule::default()
    }))
}

#[tokio::test]
async fn a_script_is_followed_line_by_line() {
    let long = "x".repeat(70_000);
    let many = "hello\n".repeat(200_000);
    // Sentence, what the server does, the script, the reason, and what is said of regexes and bytes.
    let cases = [
        ("a connection is enough", vec![], vec![], Reason::Ok, (0.0, 0.0)),
        (
            "a line that matches",
            vec![say("220 ready\r\n")],
            vec![expect("^220 ready$")],
            Reason::Ok,
            (0.0, 0.0),
        ),
        (
            "a later line",
            vec![say("a\nb\n220\n")],
            vec![expect("^220")],
            Reason::Ok,
            (0.0, 0.0),
        ),
        (
            "a last line without its end",
            vec![say("a\n220")],
            vec![expect("^220$")],
            Reason::Ok,
            (0.0, 0.0),
        ),
        (
            "no such line",
            vec![say("421 busy\n")],
            vec![expect("^220")],
            Reason::ExpectMismatch,
            (1.0, 0.0),
        ),
        (
            "nothing at all",
            vec![],
            vec![expect("^220")],
            Reason::ExpectMismatch,
            (1.0, 0.0),
        ),
        (
            "silence",
            vec![Act::Hang],
            vec![expect("^220")],
            Reason::Timeout,
            (0.0, 0.0),
        ),
        (
            "something else, then silence",
            vec![say("a\n"), Act::Hang],
            vec![expect("^220")],
            Reason::ExpectMismatch,
            (0.0, 0.0),
        ),
        (
            "a line that is too long",
            vec![say(&long), Act::Hang],
            vec![expect("^220")],
            Reason::TooLarge,
            (0.0, 0.0),
        ),
        (
            "too many lines",
            vec![say(&many), Act::Hang],
            vec![expect("^220")],
            Reason::TooLarge,
            (0.0, 0.0),
        ),
        (
            "bytes",
            vec![say("PONG"), Act::Hang],
            vec![bytes(b"PO"), bytes(b"NG")],
            Reason::Ok,
            (0.0, 0.0),
        ),
        (
            "bytes after a line",
            vec![say("a\nPONG"), Act::Hang],
            vec![expect("a"), bytes(b"PONG")],
            Reason::Ok,
            (0.0, 0.0),
        ),
        (
            "other bytes",
            vec![say("PING"), Act::Hang],
            vec![bytes(b"PONG")],
            Reason::ExpectMismatch,
            (0.0, 1.0),
        ),
        (
            "fewer bytes",
            vec![say("PO")],
            vec![bytes(b"PONG")],
            Reason::ExpectMismatch,
            (0.0, 0.0),
        ),
        (
            "no bytes",
            vec![Act::Hang],
            vec![bytes(b"PONG")],
            Reason::Timeout,
            (0.0, 0.0),
        ),
        (
            "the answer to STARTTLS is no",
            vec![say("220\n"), Act::Hear(9), say("454 no\n")],
            vec![expect("^220"), send("STARTTLS"), expect("^220"), starttls()],
            Reason::StartTls,
            (1.0, 0.0),
        ),
        (
            "no TLS after STARTTLS",
            vec![
                say("220\n"),
                Act::Hear(9),
                say("220 go\n"),
                say("what?\r\n\r\n"),
                Act::Hang,
            ],
            vec![expect("^220"), send("STARTTLS"), expect("^220"), starttls()],
            Reason::NotTls,
            (0.0, 0.0),
        ),
    ];
    for (sentence, acts, script, expected, (regex, bytes)) in cases {
        let is_silent = matches!(expected, Reason::Timeout) || sentence.ends_with("silence");
        let (address, task) = server(acts).await;
        let timeout = if is_silent { SHORT } else { LONG };
        let verdict = probed(tcp(script), &address.to_string(), timeout).await;
        task.abort();
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
        let failed = (
            value(&verdict, "probe_failed_due_to_regex", None),
            value(&verdict, "probe_failed_due_to_bytes", None),
        );
        assert_eq!(failed, (Some(regex), Some(bytes)), "{sentence}");
        assert_eq!(verdict.detail.is_empty(), expected == Reason::Ok, "{sentence}");
    }
}

#[tokio::test]
async fn what_was_found_is_sent_back_and_shown() {
    let script = vec![Exchange {
        expect: Some(Regex::new("^220 ([^ ]+) (?P<soft>.+)$").unwrap()),
        send: Some("EHLO ${1} $soft $$".to_owned()),
        labels: vec![
            ("host".to_owned(), "${1}".to_owned()),
            ("software".to_owned(), "x-$soft".to_owned()),
        ],
        ..Exchange::default()
    }];
    let (address, task) = server(vec![say("220 mx.example Postfix\r\n"), Act::Hear(26)]).await;
    let verdict = probed(tcp(script), &address.to_string(), LONG).await;
    assert_eq!(verdict.reason, Reason::Ok, "{}", verdict.detail);
    assert_eq!(task.await.unwrap(), b"EHLO mx.example Postfix $\n");
    let info = verdict
        .measures
        .iter()
        .find(|measure| measure.name == "probe_expect_info")
        .unwrap();
    let labels = [
        ("host".into(), "mx.example".to_owned()),
        ("software".into(), "x-Postfix".to_owned()),
    ];
    assert_eq!((&info.labels[..], info.value), (&labels[..], 1.0));
    let phases: Vec<Phase> = verdict.attempts[0].phases.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Resolve, Phase::Connect, Phase::Script]);
}

#[tokio::test]
async fn tls_is_spoken_at_once_or_on_the_way() {
    let authority = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let config = authority.issue(&["mx.example"], LASTING).server(&[], None);
    let tls_settings = TlsSettings {
        ca_file: Some(authority.write(folder.path())),
        server_name: Some("mx.example".to_owned()),
        ..TlsSettings::default()
    };
    let named = TlsSettings {
        ca_file: None,
        ..tls_settings.clone()
    };
    let upgraded = vec![
        say("220\n"),
        Act::Hear(9),
        say("220 go\n"),
        Act::Tls(Arc::clone(&config)),
        say("250 safe\n"),
    ];
    let script = vec![
        expect("^220"),
        send("STARTTLS"),
        expect("^220"),
        starttls(),
        expect("^250 safe$"),
    ];
    let straight = vec![Act::Tls(config), say("250 safe\n")];
    let cases = [
        ("on the way", upgraded, script, false, tls_settings.clone(), Reason::Ok),
        (
            "at once",
            straight.clone(),
            vec![expect("^250 safe$")],
            true,
            tls_settings,
            Reason::Ok,
        ),
        ("not trusted", straight, vec![], true, named, Reason::TlsUntrusted),
        (
            "not spoken",
            vec![say("220\n")],
            vec![],
            true,
            TlsSettings::default(),
            Reason::NotTls,
        ),
    ];
    for (sentence, acts, script, tls, tls_settings, expected) in cases {
        let (address, task) = server(acts).await;
        let protocol = Protocol::Tcp(Box::new(TcpModule {
            script,
            tls,
            tls_settings,
            source: None,
        }));
        let verdict = probed(protocol, &address.to_string(), LONG).await;
        task.abort();
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
        if expected == Reason::Ok {
            assert!(
                value(&verdict, "probe_ssl_earliest_cert_expiry", None) > Some(0.0),
                "{sentence}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_connected_to_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let listener = UnixListener::bind(path("live")).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(Box::new(stream), vec![say("hello\n")]));
        }
    });
    drop(UnixListener::bind(path("dead")).unwrap());
    let unix = |script: Vec<Exchange>, tls: bool| {
        Protocol::Unix(Box::new(UnixModule {
            script,
            tls,
            ..UnixModule::default()
        }))
    };
    let source = Protocol::Tcp(Box::new(TcpModule {
        source: Some([192, 0, 2, 7].into()),
        ..TcpModule::default()
    }));
    let refused = nobody().await.to_string();
    for (sentence, protocol, target, expected) in [
        ("nobody listens", tcp(vec![]), refused.clone(), Reason::ConnectRefused),
        ("no port", tcp(vec![]), "127.0.0.1".to_owned(), Reason::Misconfigured),
        (
            "a source address that is not ours",
            source,
            refused,
            Reason::NetworkDown,
        ),
        (
            "a socket",
            unix(vec![expect("^hello$")], false),
            path("live"),
            Reason::Ok,
        ),
        (
            "something else",
            unix(vec![expect("^bye$")], false),
            path("live"),
            Reason::ExpectMismatch,
        ),
        (
            "nobody listens there",
            unix(vec![], false),
            path("dead"),
            Reason::ConnectRefused,
        ),
        ("no socket", unix(vec![], false), path("none"), Reason::ConnectFailed),
        (
            "TLS without a name",
            unix(vec![], true),
            path("live"),
            Reason::Misconfigured,
        ),
        (
            "STARTTLS without a name",
            unix(vec![starttls()], false),
            path("live"),
            Reason::Misconfigured,
        ),
    ] {
        let verdict = probed(protocol, &target, LONG).await;
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
    }
    task.abort();
}
