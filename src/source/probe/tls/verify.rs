//! Who is believed, and what was seen of everybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::Certificate;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Fault, Reason, TlsSeen};
use crate::source::probe::course::Course;

/// Authorities.
#[derive(Debug, Default)]
pub(super) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// When an authority ends, by its name and key; of several the last one.
    ends: HashMap<(Vec<u8>, Vec<u8>), Timestamp>,
    /// The certificates of authorities that were named: a server that shows one of them is believed, as in Go.
    named: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// These authorities; those that cannot be understood are left out.
    pub fn of(certificates: &[CertificateDer<'static>]) -> Self {
        let mut roots = Self::default();
        for der in certificates {
            let Ok(anchor) = webpki::anchor_from_trusted_cert(der) else {
                continue;
            };
            let anchor = anchor.to_owned();
            if let Some(read) = Certificate::read(der) {
                let end = roots.ends.entry(identity(&anchor)).or_insert(read.not_after);
                *end = read.not_after.max(*end);
            }
            roots.anchors.push(anchor);
            roots.named.push(der.clone());
        }
        roots
    }

    /// There is nobody who could be believed.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

fn identity(anchor: &TrustAnchor<'_>) -> (Vec<u8>, Vec<u8>) {
    (anchor.subject.to_vec(), anchor.subject_public_key_info.to_vec())
}

/// Judges chains.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Arc<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
    /// `insecure_skip_verify`
    believes_all: bool,
}

impl Judge {
    /// Believes what these authorities have signed.
    pub fn new(roots: Arc<Roots>, algorithms: WebPkiSupportedAlgorithms, believes_all: bool) -> Self {
        Self {
            roots,
            algorithms,
            believes_all,
        }
    }

    /// When the chain that is believed ends. Of several faults the one that is asked first counts, in Go's order: the
    /// server's own certificate's time, its name, its authority.
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        at: UnixTime,
    ) -> Result<Timestamp, Fault> {
        let untrusted = |why: String| Fault::new(Reason::TlsUntrusted, why);
        let read = Certificate::read(leaf)
            .ok_or_else(|| untrusted("the server's certificate cannot be understood".to_owned()))?;
        read.judge_time(now_of(at), "the certificate")?;
        let entity = EndEntityCert::try_from(leaf)
            .map_err(|error| untrusted(format!("the server's certificate cannot be understood: {error}")))?;
        if entity.verify_is_valid_for_subject_name(name).is_err() {
            let detail = format!(
                "the certificate is not for {}, but for {}",
                name.to_str(),
                read.bears_names()
            );
            return Err(Fault::new(Reason::TlsName, detail));
        }
        if self.roots.named.contains(leaf) {
            return Ok(read.not_after);
        }
        let usage = KeyUsage::server_auth();
        let path = entity
            .verify_for_usage(self.algorithms.all, &self.roots.anchors, others, at, usage, None, None)
            .map_err(|error| path_fault(&error, &read))?;
        let mut ends = read.not_after;
        for link in path.intermediate_certificates() {
            if let Some(link) = Certificate::read(&link.der()) {
                ends = ends.min(link.not_after);
            }
        }
        if let Some(end) = self.roots.ends.get(&identity(path.anchor())) {
            if *end < now_of(at) {
                let detail = format!("the certificate of the authority has expired at {end}");
                return Err(Fault::new(Reason::TlsExpired, detail));
            }
            ends = ends.min(*end);
        }
        Ok(ends)
    }
}

fn now_of(at: UnixTime) -> Timestamp {
    Timestamp(
        i64::try_from(at.as_secs())
            .unwrap_or(i64::MAX / 1_000)
            .saturating_mul(1_000),
    )
}

fn path_fault(error: &webpki::Error, leaf: &Certificate) -> Fault {
    match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => Fault::new(
            Reason::TlsExpired,
            "a certificate between the server's and its authority's has expired, or is not valid yet",
        ),
        webpki::Error::UnknownIssuer if leaf.is_self_signed() => Fault::new(
            Reason::TlsUntrusted,
            "the certificate is signed by itself, and not named as `ca_file`",
        ),
        webpki::Error::UnknownIssuer => {
            let detail = format!("the certificate's authority is not trusted: {}", leaf.issuer);
            Fault::new(Reason::TlsUntrusted, detail)
        }
        other => Fault::new(Reason::TlsUntrusted, format!("the certificate is not trusted: {other}")),
    }
}

/// Verifies one handshake and keeps what it saw.
#[derive(Debug)]
pub(super) struct Recorder {
    judge: Arc<Judge>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    leaf: Option<Certificate>,
    earliest: Option<Timestamp>,
    /// When the chain that was believed ends; where none was, why.
    judged: Result<Timestamp, Fault>,
}

impl Recorder {
    /// Verifies by this judge.
    pub fn new(judge: Arc<Judge>) -> Self {
        let seen = Mutex::new(None);
        Self { judge, seen }
    }

    /// Notes what was seen, under blackbox exporter's names. Gives why it was not believed, where that matters.
    pub fn note(&self, course: &mut Course) -> Option<Fault> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        course.tls = Some(TlsSeen {
            leaf_not_after: seen.leaf.as_ref().map(|leaf| leaf.not_after),
            earliest_not_after: seen.earliest,
            chain_not_after: seen.judged.as_ref().ok().copied(),
        });
        if let Some(earliest) = seen.earliest {
            course.gauge("probe_ssl_earliest_cert_expiry", earliest.as_seconds());
        }
        if let Ok(end) = &seen.judged {
            course.gauge("probe_ssl_last_chain_expiry_timestamp_seconds", end.as_seconds());
        }
        if let Some(leaf) = seen.leaf {
            course.measure("probe_ssl_last_chain_info", leaf.into_labels(), 1.0);
        }
        seen.judged.err().filter(|_| !self.judge.believes_all)
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.judge(end_entity, intermediates, server_name, now);
        let leaf = Certificate::read(end_entity);
        let of_others = intermediates.iter().filter_map(|der| Certificate::read(der));
        let ends = leaf.iter().map(|leaf| leaf.not_after);
        let ends = ends.chain(of_others.map(|other| other.not_after));
        let believed = judged.is_ok() || self.judge.believes_all;
        let seen = Seen {
            earliest: ends.min(),
            leaf,
            judged,
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        if believed {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.judge.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.judge.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.algorithms.supported_schemes()
    }
}
