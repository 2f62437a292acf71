//! Handshakes: what was seen, and why one failed.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::super::testing::{Authority, Issued, LASTING};
use super::*;
use crate::source::http::now;
use crate::source::http::settings::TlsVersion;

const NAME: &str = "www.shop.example";

/// What a server does on a connection.
enum Server {
    Tls(Arc<rustls::ServerConfig>),
    Says(&'static [u8]),
    HangsUp,
    Hangs,
}

impl Server {
    async fn serve(self, mut stream: DuplexStream) {
        match self {
            Self::Tls(config) => {
                if let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await {
                    let _ = stream.read_u8().await;
                }
            }
            Self::Says(bytes) => {
                let _ = stream.read_u8().await;
                let _ = stream.write_all(bytes).await;
            }
            Self::HangsUp => drop(stream.read_u8().await),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// How a handshake with this server ends.
async fn shaken(server: Server, settings: &TlsSettings) -> (Reason, String, Course) {
    let (ours, theirs) = duplex(64 * 1024);
    let task = tokio::spawn(server.serve(theirs));
    let mut course = Course::until(now() + Duration::from_secs(5));
    let result = handshake(ours, settings, NAME, &[], &mut course).await;
    task.abort();
    match result {
        Ok(_) => (Reason::Ok, String::new(), course),
        Err(fault) => (fault.reason, fault.detail, course),
    }
}

fn value(course: &Course, name: &str) -> Option<f64> {
    let found = course.measures.iter().find(|measure| measure.name == name);
    found.map(|measure| measure.value)
}

fn label(course: &Course, name: &str, label: &str) -> String {
    let found = course.measures.iter().find(|measure| measure.name == name);
    let mut labels = found.into_iter().flat_map(|measure| &measure.labels);
    labels
        .find(|(known, _)| *known == label)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

const Y2030: f64 = 1_893_456_000.0;
const Y2050: f64 = 2_524_608_000.0;
const Y2021: f64 = 1_609_459_200.0;

#[tokio::test]
async fn certificates_are_judged_and_seen_all_the_same() {
    let (root, other) = (Authority::new("root", LASTING), Authority::new("other", LASTING));
    let old_root = Authority::new("old root", (2010, 2021));
    let (middle, middle_certificate) = root.delegate("middle", (2020, 2030));
    let (old_middle, old_certificate) = root.delegate("old middle", (2010, 2021));
    let own = Issued::by_itself(&[NAME], false);
    let folder = tempfile::tempdir().unwrap();
    let trusted = root.write(folder.path());
    // Sentence, what is served, whom the client trusts, the reason, the first end of what was served.
    let cases = [
        ("trusted", root.issue(&[NAME], LASTING), &trusted, Reason::Ok, Y2050),
        (
            "expired",
            root.issue(&[NAME], (2010, 2021)),
            &trusted,
            Reason::TlsExpired,
            Y2021,
        ),
        (
            "not yet valid",
            root.issue(&[NAME], (2049, 2050)),
            &trusted,
            Reason::TlsExpired,
            Y2050,
        ),
        (
            "another name",
            root.issue(&["pay.example"], LASTING),
            &trusted,
            Reason::TlsName,
            Y2050,
        ),
        (
            "a wildcard",
            root.issue(&["*.shop.example"], LASTING),
            &trusted,
            Reason::Ok,
            Y2050,
        ),
        ("no name", root.issue(&[], LASTING), &trusted, Reason::TlsName, Y2050),
        (
            "another authority",
            other.issue(&[NAME], LASTING),
            &trusted,
            Reason::TlsUntrusted,
            Y2050,
        ),
        ("signed by itself", own, &trusted, Reason::TlsUntrusted, Y2050),
        (
            "expired before its name is asked for",
            other.issue(&["pay.example"], (2010, 2021)),
            &trusted,
            Reason::TlsExpired,
            Y2021,
        ),
        (
            "through another authority",
            middle.issue(&[NAME], LASTING).with(middle_certificate),
            &trusted,
            Reason::Ok,
            Y2030,
        ),
        (
            "a link is missing",
            middle.issue(&[NAME], LASTING),
            &trusted,
            Reason::TlsUntrusted,
            Y2050,
        ),
        (
            "through an expired authority",
            old_middle.issue(&[NAME], LASTING).with(old_certificate),
            &trusted,
            Reason::TlsExpired,
            Y2021,
        ),
        (
            "by an authority that is trusted and has expired",
            old_root.issue(&[NAME], LASTING),
            &old_root.write(folder.path()),
            Reason::TlsExpired,
            Y2050,
        ),
    ];
    for (sentence, issued, ca_file, reason, earliest) in cases {
        for believes_all in [false, true] {
            let settings = TlsSettings {
                ca_file: Some(ca_file.clone()),
                insecure_skip_verify: believes_all,
                ..TlsSettings::default()
            };
            let (found, detail, course) = shaken(Server::Tls(issued.server(&[], None)), &settings).await;
            let expected = if believes_all { Reason::Ok } else { reason };
            assert_eq!(found, expected, "{sentence}: {detail}");
            assert_eq!(detail.is_empty(), found == Reason::Ok, "{sentence}: {detail}");
            let seen = course.tls.expect(sentence);
            assert_eq!(
                seen.earliest_not_after.map(|end| end.as_seconds()),
                Some(earliest),
                "{sentence}"
            );
            assert_eq!(
                value(&course, "probe_ssl_earliest_cert_expiry"),
                Some(earliest),
                "{sentence}"
            );
            assert_eq!(seen.chain_not_after.is_some(), reason == Reason::Ok, "{sentence}");
            assert_eq!(
                course.measures.iter().any(|m| m.name == "probe_tls_version_info"),
                found == Reason::Ok
            );
            assert!(!label(&course, "probe_ssl_last_chain_info", "fingerprint_sha256").is_empty());
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_named_itself_is_trusted_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for is_authority in [false, true] {
        let own = Issued::by_itself(&[NAME], is_authority);
        let settings = TlsSettings {
            ca_file: Some(own.write(folder.path()).0),
            ..TlsSettings::default()
        };
        let (reason, detail, course) = shaken(Server::Tls(own.server(&[], None)), &settings).await;
        assert_eq!(reason, Reason::Ok, "{detail}");
        assert_eq!(course.tls.unwrap().chain_not_after.unwrap().as_seconds(), Y2050);
        // The same file with another certificate: it is read again, though not at every probe.
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(1)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn the_chain_that_was_believed_ends_with_its_first_link() {
    let root = Authority::new("root", (2020, 2040));
    let (middle, certificate) = root.delegate("middle", (2020, 2045));
    let folder = tempfile::tempdir().unwrap();
    let settings = TlsSettings {
        ca_file: Some(root.write(folder.path())),
        ..TlsSettings::default()
    };
    let issued = middle.issue(&[NAME], LASTING).with(certificate);
    let (reason, detail, course) = shaken(Server::Tls(issued.server(&[], None)), &settings).await;
    assert_eq!(reason, Reason::Ok, "{detail}");
    let seen = course.tls.unwrap();
    let year = |at: Option<crate::domain::time::Timestamp>| at.unwrap().to_rfc3339()[..4].to_owned();
    assert_eq!(year(seen.leaf_not_after), "2050");
    assert_eq!(year(seen.earliest_not_after), "2045");
    assert_eq!(year(seen.chain_not_after), "2040");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_says_why() {
    let (root, clients) = (Authority::new("root", LASTING), Authority::new("clients", LASTING));
    let folder = tempfile::tempdir().unwrap();
    let issued = root.issue(&[NAME], LASTING);
    let tls = || Server::Tls(issued.server(&[], None));
    let trusting = TlsSettings {
        ca_file: Some(root.write(folder.path())),
        ..TlsSettings::default()
    };
    let (cert_file, key_file) = clients.issue(&["nines"], LASTING).write(folder.path());
    let with = |cert_file, key_file| TlsSettings {
        cert_file: Some(cert_file),
        key_file: Some(key_file),
        ..trusting.clone()
    };
    let at_least = |version| TlsSettings {
        min_version: Some(version),
        ..trusting.clone()
    };
    let at_most = |version| TlsSettings {
        max_version: Some(version),
        ..trusting.clone()
    };
    let missing = TlsSettings {
        ca_file: Some(folder.path().join("none.pem")),
        ..TlsSettings::default()
    };
    let no_pem = TlsSettings {
        ca_file: Some(key_file.clone()),
        ..TlsSettings::default()
    };
    let impossible = TlsSettings {
        min_version: Some(TlsVersion::Tls13),
        max_version: Some(TlsVersion::Tls12),
        ..trusting.clone()
    };
    let renamed = TlsSettings {
        server_name: Some("pay.example".to_owned()),
        ..trusting.clone()
    };
    let only12 = || Server::Tls(issued.server_of(&[&TLS12], &[], None));
    let only13 = || Server::Tls(issued.server_of(&[&TLS13], &[], None));
    let known = || Server::Tls(issued.server_of(&[&TLS12], &[], Some(&clients)));
    let (misfit, fits) = (Reason::Misconfigured, with(cert_file.clone(), key_file.clone()));
    let cases = [
        (
            "plain HTTP",
            Server::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            &trusting,
            Reason::NotTls,
        ),
        (
            "SSH",
            Server::Says(b"SSH-2.0-OpenSSH_9.2\r\n"),
            &trusting,
            Reason::NotTls,
        ),
        (
            "an alert",
            Server::Says(b"\x15\x03\x01\x00\x02\x02\x46"),
            &trusting,
            Reason::TlsVersion,
        ),
        (
            "refused",
            Server::Says(b"\x15\x03\x01\x00\x02\x02\x28"),
            &trusting,
            Reason::TlsHandshake,
        ),
        ("hung up", Server::HangsUp, &trusting, Reason::ConnectionClosed),
        ("silence", Server::Hangs, &trusting, Reason::Timeout),
        (
            "too old a server",
            only12(),
            &at_least(TlsVersion::Tls13),
            Reason::TlsVersion,
        ),
        (
            "too new a server",
            only13(),
            &at_most(TlsVersion::Tls12),
            Reason::TlsVersion,
        ),
        ("another name is asked for", tls(), &renamed, Reason::TlsName),
        ("no client certificate", known(), &trusting, Reason::TlsHandshake),
        ("a client certificate", known(), &fits, Reason::Ok),
        (
            "a key of another certificate",
            tls(),
            &with(trusting.ca_file.clone().unwrap(), key_file),
            misfit,
        ),
        ("no key", tls(), &with(cert_file.clone(), cert_file), misfit),
        ("no such file", tls(), &missing, misfit),
        ("no certificates", tls(), &no_pem, misfit),
        ("no version", tls(), &impossible, misfit),
    ];
    for (sentence, server, settings, reason) in cases {
        let (found, detail, course) = shaken(server, settings).await;
        assert_eq!(found, reason, "{sentence}: {detail}");
        if reason == Reason::Timeout {
            assert_eq!(course.spent(Phase::Tls), Duration::from_secs(5), "{sentence}");
        }
    }
}

#[tokio::test]
async fn version_and_cipher_have_gos_names() {
    let root = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let settings = TlsSettings {
        ca_file: Some(root.write(folder.path())),
        ..TlsSettings::default()
    };
    let issued = root.issue(&[NAME], LASTING);
    for (version, word, prefix) in [
        (&TLS12, "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_"),
        (&TLS13, "TLS 1.3", "TLS_AES_"),
    ] {
        let server = Server::Tls(issued.server_of(&[version], &[], None));
        let (_, _, course) = shaken(server, &settings).await;
        assert_eq!(label(&course, "probe_tls_version_info", "version"), word);
        assert!(label(&course, "probe_tls_cipher_info", "cipher").starts_with(prefix));
    }
}
