//! Visits over TLS: whom nines trusts, and under which name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, thread};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::response;
use super::{job, labels, selection};
use crate::domain::reading::{Missing, MissingReason, Reading};
use crate::source::scrape::discovery::list_once;
use crate::source::scrape::settings::{HttpSettings, Scheme, ScrapeJob, TargetGroup, TlsSettings};

const PAGE: &str = "a_total 1\n";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this name, and its key.
    fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        fs::write(&path, self.0.pem()).unwrap();
        path
    }

    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }
}

/// Serves one page over TLS to everybody, or only to clients that this authority has certified.
fn serve(authority: &Authority, name: &str, clients: Option<&Authority>) -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = authority.certify(name);
    let builder = match clients {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.root()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let seen = stream.conn.server_name().unwrap_or("nothing").to_owned();
            let host = String::from_utf8_lossy(&head).to_lowercase();
            let host = host
                .split("host: ")
                .nth(1)
                .and_then(|rest| rest.lines().next())
                .unwrap_or("");
            let asked = format!("# asked for {seen} as {host}\na_total{{name=\"{seen}\",host=\"{host}\"}} 1\n");
            let body = if seen == "nothing" { PAGE } else { &asked };
            let _ = stream.write_all(&response("200 OK", "Connection: close\r\n", body));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    address
}

/// The first series of the page, or why there is none.
async fn visit(address: SocketAddr, tls: TlsSettings) -> Result<String, Missing> {
    let shop = ScrapeJob {
        scheme: Scheme::Https,
        http: HttpSettings {
            tls,
            ..HttpSettings::default()
        },
        static_targets: vec![TargetGroup {
            targets: vec![address.to_string()],
            labels: labels(&[]),
        }],
        ..job("shop")
    };
    match list_once(vec![shop])[0].visitor.visit(&selection(&["a_total"])).await {
        Reading::Page(page) => Ok(page.samples[0].series.key.clone()),
        Reading::Missing(missing) => Err(missing),
    }
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_authority_is_accepted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let address = serve(&authority, "127.0.0.1", None);
    let trusting = |ca_file: PathBuf| TlsSettings {
        ca_file: Some(ca_file),
        ..TlsSettings::default()
    };
    assert_eq!(
        visit(address, trusting(authority.write(folder.path()))).await.unwrap(),
        "a_total"
    );
    let missing = visit(address, trusting(other.write(folder.path()))).await.unwrap_err();
    assert_eq!(missing.reason, MissingReason::Tls, "{missing}");
    assert!(
        missing.detail.starts_with("TLS failed: invalid peer certificate"),
        "{missing}"
    );
    let careless = TlsSettings {
        insecure_skip_verify: true,
        ..TlsSettings::default()
    };
    assert_eq!(visit(address, careless).await.unwrap(), "a_total");
    let missing = visit(address, trusting(folder.path().join("none.pem")))
        .await
        .unwrap_err();
    assert_eq!(missing.reason, MissingReason::Tls);
    assert!(
        missing.detail.contains("none.pem cannot be used: No such file"),
        "{missing}"
    );
}

#[tokio::test]
async fn server_name_is_asked_for_and_checked_while_the_target_is_connected_to() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let address = serve(&authority, "metrics.internal", None);
    let named = |server_name: Option<&str>| TlsSettings {
        ca_file: Some(authority.write(folder.path())),
        server_name: server_name.map(str::to_owned),
        ..TlsSettings::default()
    };
    let found = visit(address, named(Some("metrics.internal"))).await.unwrap();
    assert_eq!(
        found,
        format!("a_total{{host=\"{address}\",name=\"metrics.internal\"}}")
    );
    for wrong in [None, Some("elsewhere.internal")] {
        let missing = visit(address, named(wrong)).await.unwrap_err();
        assert_eq!(missing.reason, MissingReason::Tls, "{wrong:?}: {missing}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let address = serve(&authority, "127.0.0.1", Some(&clients));
    let (certificate, key) = clients.certify("nines");
    let (cert_file, key_file) = (folder.path().join("nines.pem"), folder.path().join("nines.key"));
    fs::write(&cert_file, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    let anonymous = TlsSettings {
        ca_file: Some(authority.write(folder.path())),
        ..TlsSettings::default()
    };
    assert!(visit(address, anonymous.clone()).await.is_err());
    let known = TlsSettings {
        cert_file: Some(cert_file),
        key_file: Some(key_file),
        ..anonymous
    };
    assert_eq!(visit(address, known).await.unwrap(), "a_total");
}
