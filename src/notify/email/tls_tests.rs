//! Mail servers that ask for TLS and a login.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rcgen::CertifiedKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::egress::Egress;
use crate::notify::settings::SecretRef;
use crate::notify::testing::{attempt, firing};
use crate::secret::Secret;

/// A server that offers STARTTLS, then a login that it answers with `verdict`; it tells the commands that it got, those
/// over TLS with `tls ` before them.
struct TlsServer {
    port: u16,
    ca_file: PathBuf,
    told: Receiver<String>,
    _folder: tempfile::TempDir,
}

fn tls_server(verdict: &'static str) -> TlsServer {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).expect("a file");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into(),
        )
        .expect("a config");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that does not trust us hangs up; that is what some tests are about.
            let _ = converse(stream, Arc::new(config.clone()), verdict, &sender);
        }
    });
    TlsServer {
        port,
        ca_file,
        told,
        _folder: folder,
    }
}

fn converse(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    verdict: &str,
    told: &Sender<String>,
) -> std::io::Result<()> {
    tcp.write_all(b"220 ready\r\n")?;
    let mut plain = BufReader::new(tcp.try_clone()?);
    let mut line = String::new();
    while plain.read_line(&mut line)? > 0 {
        let _ = told.send(line.trim_end().to_owned());
        let starttls = line.starts_with("STARTTLS");
        let ehlo = line.starts_with("EHLO");
        tcp.write_all(if ehlo {
            b"250-here\r\n250 STARTTLS\r\n"
        } else {
            b"220 go\r\n"
        })?;
        if starttls {
            let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
            return secured(StreamOwned::new(connection, tcp), verdict, told);
        }
        line.clear();
    }
    Ok(())
}

fn secured(
    stream: StreamOwned<ServerConnection, TcpStream>,
    verdict: &str,
    told: &Sender<String>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut in_mail = false;
    while stream.read_line(&mut line)? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        let reply = match command.split(' ').next().unwrap_or("") {
            "." => {
                in_mail = false;
                "250 taken"
            }
            _ if in_mail => continue,
            "EHLO" => "250-here\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => verdict,
            "DATA" => {
                in_mail = true;
                "354 go on"
            }
            _ => "250 ok",
        };
        let _ = told.send(format!("tls {command}"));
        stream.get_mut().write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

fn settings(server: &TlsServer) -> EmailSettings {
    EmailSettings {
        to: vec!["sre@example.org".to_owned()],
        from: "nines@example.org".to_owned(),
        host: "localhost".to_owned(),
        port: server.port,
        hello: Some("nines.example".to_owned()),
        auth_username: Some("nines".to_owned()),
        auth_password: Some(SecretRef::Inline(Secret::new("hunter2"))),
        require_tls: true,
        ca_file: Some(server.ca_file.clone()),
        insecure_skip_verify: false,
        send_resolved: true,
        timeout: Duration::from_secs(20),
    }
}

async fn send(settings: &EmailSettings) -> SendOutcome {
    Email::new(settings, &Egress::default())
        .expect("settings")
        .send(&attempt(firing()))
        .await
}

fn told(server: &TlsServer) -> Vec<String> {
    server.told.try_iter().collect()
}

#[tokio::test]
async fn with_its_ca_the_login_and_the_mail_go_over_tls() {
    let server = tls_server("235 welcome");
    assert_eq!(send(&settings(&server)).await, SendOutcome::Accepted);
    let told = told(&server);
    assert_eq!(told[..3], ["EHLO nines.example", "STARTTLS", "tls EHLO nines.example"]);
    assert!(told[3].starts_with("tls AUTH PLAIN "), "{told:?}");
    assert!(told[3..].iter().all(|line| line.starts_with("tls ")), "{told:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise() {
    let server = tls_server("235 welcome");
    let mut settings = settings(&server);
    settings.ca_file = None;
    settings.require_tls = false;
    let outcome = send(&settings).await;
    let SendOutcome::Retry { detail, .. } = &outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        detail.contains("STARTTLS") && detail.contains("certificate"),
        "{detail}"
    );
    assert!(
        told(&server)
            .iter()
            .all(|line| !line.contains("AUTH") && !line.contains("MAIL"))
    );
    settings.insecure_skip_verify = true;
    assert_eq!(send(&settings).await, SendOutcome::Accepted);
}

#[tokio::test]
async fn a_refused_login_is_tried_again_and_tells_no_password() {
    let server = tls_server("535 no: AG5pbmVzAGh1bnRlcjI= hunter2");
    let outcome = send(&settings(&server)).await;
    let SendOutcome::Retry { reason, detail, .. } = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, "smtp_auth");
    assert!(
        detail.contains("535") && !detail.contains("hunter2") && !detail.contains("AG5p"),
        "{detail}"
    );
    assert!(told(&server).iter().all(|line| !line.contains("MAIL FROM")));
}
