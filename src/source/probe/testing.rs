//! Certificates and TLS servers for tests of probes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// An authority that signs certificates.
pub(in crate::source::probe) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with those that lead to its authority, and its key.
pub(in crate::source::probe) struct Issued {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
}

/// From year to year, each on its first day.
pub(in crate::source::probe) type Years = (i32, i32);

/// A time that lasts.
pub(in crate::source::probe) const LASTING: Years = (2020, 2050);

impl Authority {
    /// An authority of this name, for so long.
    pub fn new(name: &str, years: Years) -> Self {
        Self(CertifiedIssuer::self_signed(authority_params(name, years), KeyPair::generate().unwrap()).unwrap())
    }

    /// An authority below this one, and its certificate.
    pub fn delegate(&self, name: &str, years: Years) -> (Self, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let below = CertifiedIssuer::signed_by(authority_params(name, years), key, &self.0).unwrap();
        let certificate = below.der().clone();
        (Self(below), certificate)
    }

    /// A certificate for these names, for so long.
    pub fn issue(&self, names: &[&str], years: Years) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf_params(names, years).signed_by(&key, &self.0).unwrap();
        Issued {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// Writes its certificate into a file.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.pem", uuid::Uuid::now_v7()));
        fs::write(&path, self.0.pem()).unwrap();
        path
    }
}

impl Issued {
    /// A certificate that nobody else has signed; one of an authority, as `openssl req -x509` makes it, where wanted.
    pub fn by_itself(names: &[&str], is_authority: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf_params(names, LASTING);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// The same, served with this certificate, too.
    pub fn with(mut self, certificate: CertificateDer<'static>) -> Self {
        self.chain.push(certificate);
        self
    }

    /// Writes certificate and key into files.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.chain[0]);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
        fs::write(&certificate, pem).unwrap();
        fs::write(&key, self.key.serialize_pem()).unwrap();
        (certificate, key)
    }

    /// How a server serves it: with these protocols, to everybody or only to clients of this authority.
    pub fn server(&self, alpn: &[&[u8]], clients: Option<&Authority>) -> Arc<ServerConfig> {
        self.server_of(&[&TLS12, &TLS13], alpn, clients)
    }

    /// The same, in these versions.
    pub fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
        clients: Option<&Authority>,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(self.chain.clone(), key).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

fn authority_params(name: &str, years: Years) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    lasting(params, years)
}

fn leaf_params(names: &[&str], years: Years) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    lasting(CertificateParams::new(names).unwrap(), years)
}

fn lasting(mut params: CertificateParams, (from, until): Years) -> CertificateParams {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}
