//! TLS as all probes speak it: whom they trust, what they have seen, and why a handshake failed.

mod certificate;
mod configs;
#[cfg(test)]
mod tests;
mod verify;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, Error, PeerIncompatible, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::verify::Recorder;
use super::course::Course;
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::http::settings::TlsSettings;

/// Speaks TLS on a connection that was made. `name` is what the server is called in the handshake and what its
/// certificate must bear, unless `server_name` says otherwise. What was seen of its certificates is noted whether they
/// are believed or not.
pub(super) async fn handshake<S>(
    stream: S,
    settings: &TlsSettings,
    name: &str,
    alpn: &[&[u8]],
    course: &mut Course,
) -> Result<TlsStream<S>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    forget(course);
    let name = server_name(settings.server_name.as_deref().unwrap_or(name))?;
    let basis = tokio::time::timeout_at(course.deadline(), configs::basis(settings)).await;
    let basis = basis.map_err(|_| Fault::new(Reason::Overloaded, "the time was up before tls_config was read"))??;
    let recorder = Arc::new(Recorder::new(basis.judge));
    let mut config = basis.config;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as _);
    let shake = async {
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| fault(&error))
    };
    let result = course.during(Phase::Tls, Reason::Timeout, shake).await;
    let refused = recorder.note(course);
    let stream = result.map_err(|fault| refused.unwrap_or(fault))?;
    note_connection(stream.get_ref().1, course);
    Ok(stream)
}

/// Forgets what was noted of an earlier connection: the last one is shown.
pub(super) fn forget(course: &mut Course) {
    course.tls = None;
    let is_of_tls = |name: &str| name.starts_with("probe_ssl_") || name.starts_with("probe_tls_");
    course.measures.retain(|measure| !is_of_tls(measure.name));
}

fn server_name(name: &str) -> Result<ServerName<'static>, Fault> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    let unusable = |_| {
        Fault::new(
            Reason::Misconfigured,
            format!("{bare} cannot be the name of a TLS server"),
        )
    };
    ServerName::try_from(bare.trim_end_matches('.').to_owned()).map_err(unusable)
}

/// Version and cipher, with Go's names for them.
fn note_connection(connection: &ClientConnection, course: &mut Course) {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "unknown",
    };
    course.measure("probe_tls_version_info", vec![("version", version.to_owned())], 1.0);
    let suite = connection.negotiated_cipher_suite();
    let cipher = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    let cipher = match cipher.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => cipher.to_owned(),
    };
    course.measure("probe_tls_cipher_info", vec![("cipher", cipher)], 1.0);
}

/// Why a handshake failed, but for certificates that were not believed.
pub(super) fn fault(error: &io::Error) -> Fault {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return transport_fault(error);
    };
    let (reason, detail) = match tls {
        Error::InvalidMessage(_) => (
            Reason::NotTls,
            "the server does not speak TLS there: its first bytes are something else".to_owned(),
        ),
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => (
            Reason::TlsVersion,
            "the server speaks none of the TLS versions that are wanted".to_owned(),
        ),
        Error::AlertReceived(alert) => (
            Reason::TlsHandshake,
            format!(
                "the server has refused the handshake: {alert:?}{}",
                about_client(*alert)
            ),
        ),
        other => (Reason::TlsHandshake, format!("the handshake failed: {other}")),
    };
    Fault::new(reason, detail)
}

fn transport_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Fault::new(
            Reason::ConnectionClosed,
            "the server has closed the connection during the handshake",
        ),
        _ => Fault::new(Reason::TlsHandshake, format!("the handshake failed: {error}")),
    }
}

/// A hint where the server was not content with the client's certificate.
fn about_client(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => ": it wants a client certificate, see `cert_file` and `key_file`",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA => ": it does not take the client's certificate",
        _ => "",
    }
}
