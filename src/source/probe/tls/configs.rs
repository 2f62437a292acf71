//! What handshakes begin with: configurations that are built once and shared by all probes that say the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use rustls::SupportedProtocolVersion;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::time::Instant;

use super::verify::{Judge, Recorder, Roots};
use crate::domain::verdict::{Fault, Reason};
use crate::source::http::now;
use crate::source::http::settings::{TlsSettings, TlsVersion};

/// For so long files are taken to be as they were.
const FRESH: Duration = Duration::from_secs(2);
/// How long a configuration is kept that nobody uses: modules come and go with the configuration.
const UNUSED_MAX: Duration = Duration::from_mins(10);
/// A file of certificates or a key may not be larger than this.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What a handshake begins with.
#[derive(Clone)]
pub(super) struct Basis {
    /// Versions, ciphers and the client's certificate; it believes nobody until it is given a verifier.
    pub config: ClientConfig,
    /// Who is believed.
    pub judge: Arc<Judge>,
}

struct Kept {
    basis: Basis,
    stamps: Stamps,
    looked_at: Instant,
    used_at: Instant,
}

/// When each of the files was changed, and its length.
type Stamps = Vec<Option<(SystemTime, u64)>>;

#[derive(Default)]
struct All {
    kept: HashMap<TlsSettings, Kept>,
    pruned_at: Option<Instant>,
    /// The system's authorities, once there were any.
    system: Option<Arc<Roots>>,
}

/// They follow from nothing but settings and files, so that there is one for the whole process.
static ALL: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);

/// The configuration for these settings. It is built anew when a file has changed.
pub(super) async fn basis(settings: &TlsSettings) -> Result<Basis, Fault> {
    // The name is no part of it: it is another one for every host.
    let asked = TlsSettings {
        server_name: None,
        ..settings.clone()
    };
    if let Some(basis) = fresh(&asked) {
        return Ok(basis);
    }
    let built = tokio::task::spawn_blocking(move || renew(&asked)).await;
    built.map_err(|_| Fault::new(Reason::Misconfigured, "tls_config cannot be used"))?
}

fn fresh(settings: &TlsSettings) -> Option<Basis> {
    let now = now();
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if *all.pruned_at.get_or_insert(now) + UNUSED_MAX <= now {
        all.pruned_at = Some(now);
        all.kept.retain(|_, kept| now < kept.used_at + UNUSED_MAX);
    }
    let kept = all.kept.get_mut(settings)?;
    kept.used_at = now;
    let has_files = !kept.stamps.is_empty();
    (!has_files || now < kept.looked_at + FRESH).then(|| kept.basis.clone())
}

/// Looks at the files, and reads them where they have changed.
fn renew(settings: &TlsSettings) -> Result<Basis, Fault> {
    let stamps = stamps(settings);
    let now = now();
    let system = {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.kept.get_mut(settings).filter(|kept| kept.stamps == stamps) {
            kept.looked_at = now;
            return Ok(kept.basis.clone());
        }
        all.system.clone()
    };
    let roots = match &settings.ca_file {
        Some(path) => Arc::new(Roots::of(&certificates("ca_file", path)?)),
        None => system.unwrap_or_else(|| Arc::new(Roots::of(&rustls_native_certs::load_native_certs().certs))),
    };
    if roots.is_empty() && !settings.insecure_skip_verify {
        let why = "this system has no certificate authorities: install ca-certificates, or name a ca_file";
        return Err(Fault::new(Reason::Misconfigured, why));
    }
    let basis = build(settings, Arc::clone(&roots))?;
    let kept = Kept {
        basis: basis.clone(),
        stamps,
        looked_at: now,
        used_at: now,
    };
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if settings.ca_file.is_none() && !roots.is_empty() {
        all.system = Some(roots);
    }
    all.kept.insert(settings.clone(), kept);
    Ok(basis)
}

fn stamps(settings: &TlsSettings) -> Stamps {
    let files = [&settings.ca_file, &settings.cert_file, &settings.key_file];
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

fn build(settings: &TlsSettings, roots: Arc<Roots>) -> Result<Basis, Fault> {
    let misconfigured = |why: String| Fault::new(Reason::Misconfigured, why);
    let provider = Arc::new(ring::default_provider());
    let judge = Arc::new(Judge::new(
        roots,
        provider.signature_verification_algorithms,
        settings.insecure_skip_verify,
    ));
    let builder = ClientConfig::builder_with_provider(provider as Arc<CryptoProvider>)
        .with_protocol_versions(&versions(settings))
        .map_err(|_| misconfigured("tls_config: min_version is above max_version".to_owned()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Recorder::new(Arc::clone(&judge))));
    let mut config = match (&settings.cert_file, &settings.key_file) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("cert_file", certificate)?;
            let private = read("key_file", key)?;
            let private = PrivateKeyDer::from_pem_slice(&private)
                .map_err(|_| unusable("key_file", key, "it holds no private key as PEM"))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|_| misconfigured("tls_config cannot be used: cert_file and key_file do not fit".to_owned()))?
        }
        _ => builder.with_no_client_auth(),
    };
    // Every probe sees the certificates: none of them takes up an earlier session.
    config.resumption = Resumption::disabled();
    Ok(Basis { config, judge })
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let least = settings.min_version.unwrap_or(TlsVersion::Tls12);
    let most = settings.max_version.unwrap_or(TlsVersion::Tls13);
    [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (least..=most).contains(version))
        .map(|(_, supported)| supported)
        .collect()
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let pem = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(setting, path, "it holds no certificates as PEM")),
    }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    let read = || {
        if fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::other("it is larger than 4 MiB"));
        }
        fs::read(path)
    };
    read().map_err(|error| unusable(setting, path, &error.to_string()))
}

fn unusable(setting: &str, path: &Path, why: &str) -> Fault {
    let detail = format!("{setting} {} cannot be used: {why}", path.display());
    Fault::new(Reason::Misconfigured, detail)
}
