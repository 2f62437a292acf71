//! What is read from a certificate, written as Go writes it: so blackbox exporter shows it.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use crate::domain::time::Timestamp;
use crate::domain::verdict::{Fault, Reason};

/// So many names are listed when a certificate is for others than it should be.
const NAMES_SHOWN: usize = 5;

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    fingerprint: String,
    subject: String,
    /// Who has signed it.
    pub issuer: String,
    names: Vec<String>,
    addresses: Vec<String>,
    serial: String,
}

impl Certificate {
    /// Reads a certificate; `None` where it cannot be understood.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let mut names = Vec::new();
        let mut addresses = Vec::new();
        if let Ok(Some(alternatives)) = read.subject_alternative_name() {
            for name in &alternatives.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push((*name).to_owned()),
                    GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        let serial = read.raw_serial();
        let leading = serial.iter().take_while(|byte| **byte == 0).count();
        let seconds = |seconds: i64| Timestamp(seconds.saturating_mul(1_000));
        Some(Self {
            not_before: seconds(read.validity().not_before.timestamp()),
            not_after: seconds(read.validity().not_after.timestamp()),
            fingerprint: hex(&Sha256::digest(der)),
            subject: go_name(read.subject()),
            issuer: go_name(read.issuer()),
            names,
            addresses,
            serial: hex(&serial[leading..]),
        })
    }

    /// Whether its time has come and is not over; `what` is what it is called.
    pub fn judge_time(&self, now: Timestamp, what: &str) -> Result<(), Fault> {
        let detail = if self.not_after < now {
            format!("{what} has expired at {}", self.not_after)
        } else if now < self.not_before {
            format!("{what} is not valid before {}", self.not_before)
        } else {
            return Ok(());
        };
        Err(Fault::new(Reason::TlsExpired, detail))
    }

    /// Nobody else has signed it.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whom it is for, for people.
    pub fn bears_names(&self) -> String {
        let all: Vec<&str> = self.names.iter().chain(&self.addresses).map(String::as_str).collect();
        match all.len() {
            0 => "nobody: it holds no subjectAltName".to_owned(),
            count if count > NAMES_SHOWN => {
                format!("{} and {} more", all[..NAMES_SHOWN].join(", "), count - NAMES_SHOWN)
            }
            _ => all.join(", "),
        }
    }

    /// The labels of `probe_ssl_last_chain_info`.
    pub fn into_labels(self) -> Vec<(&'static str, String)> {
        vec![
            ("fingerprint_sha256", self.fingerprint),
            ("subject", self.subject),
            ("issuer", self.issuer),
            ("subjectalternative", self.names.join(",")),
            ("serialnumber", self.serial),
        ]
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The parts of a name in the order in which Go writes them, with the last arc of their object identifiers (2.5.4.x).
const PARTS: [(u64, &str); 9] = [
    (5, "SERIALNUMBER"),
    (3, "CN"),
    (17, "POSTALCODE"),
    (9, "STREET"),
    (8, "ST"),
    (7, "L"),
    (11, "OU"),
    (10, "O"),
    (6, "C"),
];

/// A name as Go's `pkix.Name` writes it (RFC 2253): what it knows in an order of its own, values of the same kind joined
/// by `+`, whatever else there is behind it.
fn go_name(name: &X509Name<'_>) -> String {
    let mut written = Vec::new();
    for (arc, word) in PARTS {
        let values = name
            .iter_attributes()
            .filter(|part| last_arc(part.attr_type()) == Some(arc));
        let mut values: Vec<String> = values.filter_map(|part| part.as_str().ok()).map(escaped).collect();
        // Of what can be there once only, the last one counts.
        if matches!(arc, 3 | 5) && values.len() > 1 {
            values.drain(..values.len() - 1);
        }
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| format!("{word}={value}")).collect();
            written.push(values.join("+"));
        }
    }
    let is_known = |oid: &Oid<'_>| last_arc(oid).is_some_and(|arc| PARTS.iter().any(|(known, _)| *known == arc));
    let mut strange: Vec<String> = name
        .iter_attributes()
        .filter(|part| !is_known(part.attr_type()))
        .filter_map(|part| Some((part.attr_type().to_id_string(), part.as_str().ok()?)))
        .map(|(oid, value)| format!("{oid}=#{}", hex(&go_der(value))))
        .collect();
    strange.reverse();
    written.extend(strange);
    written.join(",")
}

/// The last arc of `2.5.4.x`.
fn last_arc(oid: &Oid<'_>) -> Option<u64> {
    match oid.iter()?.collect::<Vec<u64>>()[..] {
        [2, 5, 4, last] => Some(last),
        _ => None,
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let is_special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        if is_special || (c == '#' && at == 0) || (c == ' ' && (at == 0 || at == last)) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// A text as Go encodes it: as `PrintableString` where it can be one, as `UTF8String` otherwise.
fn go_der(value: &str) -> Vec<u8> {
    let is_printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    let mut der = vec![if value.bytes().all(is_printable) { 0x13 } else { 0x0c }];
    match value.len() {
        length @ ..0x80 => der.push(length as u8),
        length @ ..0x100 => der.extend([0x81, length as u8]),
        length => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(value.bytes());
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_go_writes_them() {
        use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
        let mut params = CertificateParams::new(vec!["a.example".to_owned(), "b.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Shop, Inc. "),
            (DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a@b"),
            (DnType::CommonName, "#shop"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        params.serial_number = Some(vec![0, 0xab, 0x01].into());
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let read = Certificate::read(certificate.der()).expect("a certificate");
        assert_eq!(
            read.subject,
            "CN=\\#shop,O=Shop\\, Inc.\\ ,C=DE,1.2.840.113549.1.9.1=#0c03614062"
        );
        assert!(read.is_self_signed());
        let labels = read.into_labels();
        assert_eq!(labels[3].1, "a.example,b.example");
        assert_eq!(labels[4].1, "ab01");
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for bytes in [&b""[..], b"\x30", b"\x30\x82\xff\xff", b"hello"] {
            assert!(Certificate::read(bytes).is_none());
        }
    }
}
