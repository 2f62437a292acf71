//! Records as text in a zone file's form, exactly as blackbox exporter's library writes them, since regexes of modules
//! were written against that.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::record_types::{fields_of, type_word};
use super::service_params::service_params;

/// A record: its type, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordText {
    /// Its type.
    pub kind: u16,
    /// `example.com.\t300\tIN\tA\t192.0.2.1`
    pub text: String,
    /// Of a SOA record: the zone's serial number.
    pub serial: Option<u32>,
    /// Of an OPT record: the upper bits of the answer's rcode.
    pub rcode_high: Option<u8>,
}

const OPT: u16 = 41;
const SOA: u16 = 6;

/// Reads one record.
pub(super) fn read_record(decoder: &mut BinDecoder<'_>) -> Result<RecordText, DecodeError> {
    let name = name_text(&Name::read(decoder)?);
    let kind = decoder.read_u16()?.unverified();
    let class = decoder.read_u16()?.unverified();
    let ttl = decoder.read_u32()?.unverified();
    let length = usize::from(decoder.read_u16()?.unverified());
    let start = decoder.index();
    // Names within a record may point to what comes before it, so it is read in its place.
    let mut fields = decoder.clone(start as u16);
    let bytes = decoder.read_slice(length)?.unverified();
    if kind == OPT {
        let udp = if ttl & 0x8000 == 0 { "" } else { " do" };
        let text = format!(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version {}; flags:{udp}; udp: {class}",
            (ttl >> 16) as u8
        );
        let rcode_high = Some((ttl >> 24) as u8);
        return Ok(RecordText {
            kind,
            text,
            serial: None,
            rcode_high,
        });
    }
    let known = match fields_of(kind) {
        Some(spec) => Some(fields_text(&mut fields, spec, start + length)?),
        None => None,
    };
    let text = match known {
        Some(data) => format!("{name}\t{ttl}\t{}\t{}\t{data}", class_word(class), type_word(kind)),
        None => format!(
            "{name}\t{ttl}\tCLASS{class}\tTYPE{kind}\t\\# {length} {}",
            hex(bytes, true)
        ),
    };
    // The serial number stands before four more numbers at the end.
    let serial = bytes.len().checked_sub(20).filter(|_| kind == SOA);
    let serial = serial.and_then(|at| bytes[at..].first_chunk().map(|chunk| u32::from_be_bytes(*chunk)));
    Ok(RecordText {
        kind,
        text,
        serial,
        rcode_high: None,
    })
}

/// The words of classes.
pub(super) const CLASSES: [(u16, &str); 6] = [(1, "IN"), (2, "CS"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

fn class_word(class: u16) -> String {
    let known = CLASSES.iter().find(|(code, _)| *code == class);
    known.map_or_else(|| format!("CLASS{class}"), |(_, word)| (*word).to_owned())
}

/// The fields of a record, separated by spaces; the letters stand with [`fields_of`].
fn fields_text(decoder: &mut BinDecoder<'_>, spec: &str, end: usize) -> Result<String, DecodeError> {
    let mut parts = Vec::new();
    for letter in spec.chars() {
        let left = end.saturating_sub(decoder.index());
        let part = match letter {
            'b' => byte(decoder)?.to_string(),
            'h' => decoder.read_u16()?.unverified().to_string(),
            'w' => decoder.read_u32()?.unverified().to_string(),
            'n' => name_text(&Name::read(decoder)?),
            't' => type_word(decoder.read_u16()?.unverified()),
            'd' => date_text(decoder.read_u32()?.unverified()),
            'q' => quoted(decoder.read_character_data()?.unverified()),
            'r' => bare(decoder.read_character_data()?.unverified()),
            'Q' => quoted(decoder.read_slice(left)?.unverified()),
            'S' => {
                while decoder.index() < end {
                    parts.push(quoted(decoder.read_character_data()?.unverified()));
                }
                continue;
            }
            'l' => match decoder.read_character_data()?.unverified() {
                [] => "-".to_owned(),
                salt => hex(salt, true),
            },
            'L' => base32(decoder.read_character_data()?.unverified()),
            '4' => std::net::Ipv4Addr::from(decoder.read_u32()?.unverified()).to_string(),
            '6' => {
                let read = decoder.read_slice(16)?.unverified();
                let octets: [u8; 16] = read.try_into().unwrap_or_default();
                std::net::Ipv6Addr::from(octets).to_string()
            }
            'B' => BASE64.encode(decoder.read_slice(left)?.unverified()),
            'x' => hex(decoder.read_slice(left)?.unverified(), false),
            'X' => hex(decoder.read_slice(left)?.unverified(), true),
            'e' => dashed(decoder.read_slice(left)?.unverified()),
            'c' => word_or_number(&CERT_TYPES, decoder.read_u16()?.unverified()),
            'a' => word_or_number(&ALGORITHMS, u16::from(byte(decoder)?)),
            'T' => {
                parts.extend(type_bits(decoder.read_slice(left)?.unverified()));
                continue;
            }
            'P' => {
                parts.extend(service_params(decoder.read_slice(left)?.unverified()));
                continue;
            }
            _ => continue,
        };
        parts.push(part);
    }
    if decoder.index() != end {
        return Err(DecodeError::InsufficientBytes);
    }
    Ok(parts.join(" "))
}

fn byte(decoder: &mut BinDecoder<'_>) -> Result<u8, DecodeError> {
    Ok(decoder.read_u8()?.unverified())
}

/// A name with its escapes and its last dot.
pub(super) fn name_text(name: &Name) -> String {
    let mut text = String::new();
    for label in name {
        for octet in label {
            match octet {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(*octet));
                }
                _ => push_octet(&mut text, *octet),
            }
        }
        text.push('.');
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

fn quoted(octets: &[u8]) -> String {
    format!("\"{}\"", bare(octets))
}

/// Text with its escapes.
pub(super) fn bare(octets: &[u8]) -> String {
    let mut text = String::new();
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            text.push('\\');
        }
        push_octet(&mut text, *octet);
    }
    text
}

fn push_octet(text: &mut String, octet: u8) {
    if matches!(octet, b' '..=b'~') {
        text.push(char::from(octet));
    } else {
        let _ = write!(text, "\\{octet:03}");
    }
}

fn hex(octets: &[u8], is_upper: bool) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = if is_upper {
            write!(text, "{octet:02X}")
        } else {
            write!(text, "{octet:02x}")
        };
        text
    })
}

fn dashed(octets: &[u8]) -> String {
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    pairs.join("-")
}

/// Base 32 with the digits in their order, and no padding (RFC 4648, section 7).
fn base32(octets: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut text = String::new();
    for group in octets.chunks(5) {
        let bits = group
            .iter()
            .enumerate()
            .fold(0u64, |bits, (at, octet)| bits | u64::from(*octet) << (32 - 8 * at));
        for digit in 0..(group.len() * 8).div_ceil(5) {
            text.push(char::from(DIGITS[(bits >> (35 - 5 * digit)) as usize & 31]));
        }
    }
    text
}

/// The types in the bitmap of NSEC and its like (RFC 4034, section 4.1.2).
fn type_bits(mut octets: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    while let [window, length, rest @ ..] = octets {
        let (bits, after) = rest.split_at(usize::from(*length).min(rest.len()));
        for (at, octet) in bits.iter().enumerate() {
            let set = (0..8).filter(|bit| octet & (0x80 >> bit) != 0);
            words.extend(set.map(|bit| type_word(u16::from(*window) << 8 | (at * 8 + bit) as u16)));
        }
        octets = after;
    }
    words
}

/// A time of a signature: `20261121235959`.
fn date_text(seconds: u32) -> String {
    let at = chrono::DateTime::from_timestamp(i64::from(seconds), 0);
    at.map_or_else(String::new, |at| at.format("%Y%m%d%H%M%S").to_string())
}

fn word_or_number(words: &[(u16, &str)], number: u16) -> String {
    let known = words.iter().find(|(code, _)| *code == number);
    known.map_or_else(|| number.to_string(), |(_, word)| (*word).to_owned())
}

const CERT_TYPES: [(u16, &str); 10] = [
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

const ALGORITHMS: [(u16, &str); 16] = [
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this type and data under the name `a.b`.
    fn text_of(kind: u16, data: &[u8]) -> Option<String> {
        let mut bytes = b"\x01a\x01b\x00".to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 1, 44]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        let read = read_record(&mut BinDecoder::new(&bytes)).ok()?;
        Some(read.text)
    }

    #[test]
    fn records_are_written_as_in_a_zone_file() {
        let cases: [(&str, u16, &[u8], &str); 24] = [
            ("an address", 1, &[192, 0, 2, 1], "A\t192.0.2.1"),
            (
                "a longer one",
                28,
                &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                "AAAA\t2001:db8::1",
            ),
            ("a name server", 2, b"\x02ns\x00", "NS\tns."),
            ("a name that points back", 5, b"\xc0\x02", "CNAME\tb."),
            ("mail", 15, b"\x00\x0a\x02mx\xc0\x00", "MX\t10 mx.a.b."),
            ("texts", 16, b"\x03a\"b\x02\\\xff", "TXT\t\"a\\\"b\" \"\\\\\\255\""),
            (
                "authority",
                6,
                b"\x02ns\x00\x01m\x00\x00\x00\x03\xe8\x00\x00\x1c\x20\x00\x00\x0e\x10\x00\x12\x75\x00\x00\x00\x0e\x10",
                "SOA\tns. m. 1000 7200 3600 1209600 3600",
            ),
            ("a service", 33, b"\x00\x01\x00\x02\x01\xbb\x01s\x00", "SRV\t1 2 443 s."),
            ("who may issue", 257, b"\x00\x05issueca.org", "CAA\t0 issue \"ca.org\""),
            (
                "rewriting",
                35,
                b"\x00\x01\x00\x02\x01s\x03SIP\x00\x01r\x00",
                "NAPTR\t1 2 \"s\" \"SIP\" \"\" r.",
            ),
            ("a digest", 43, b"\x30\x39\x0d\x02\xab\xcd", "DS\t12345 13 2 ABCD"),
            ("a key", 48, b"\x01\x01\x03\x0d\x01\x02\x03", "DNSKEY\t257 3 13 AQID"),
            (
                "a signature",
                46,
                b"\x00\x01\x0d\x02\x00\x00\x01\x2c\x5e\x0b\xe1\x00\x00\x00\x00\x00\x30\x39\x01b\x00\x01\x02\x03",
                "RRSIG\tA 13 2 300 20200101000000 19700101000000 12345 b. AQID",
            ),
            (
                "the next name",
                47,
                b"\x01c\x00\x00\x04\x40\x00\x00\x08",
                "NSEC\tc. A AAAA",
            ),
            (
                "the next hash",
                50,
                b"\x01\x00\x00\x0a\x00\x05\x00\x44\x32\x14\xc7\x00\x01\x40",
                "NSEC3\t1 0 10 - 01234567 A",
            ),
            (
                "their salt",
                51,
                b"\x01\x00\x00\x0a\x02\xab\xcd",
                "NSEC3PARAM\t1 0 10 ABCD",
            ),
            ("a pin", 52, b"\x03\x01\x01\xab\xcd", "TLSA\t3 1 1 abcd"),
            ("a fingerprint", 44, b"\x04\x02\xab\xcd", "SSHFP\t4 2 ABCD"),
            (
                "a certificate",
                37,
                b"\x00\x01\x30\x39\x08\x01\x02\x03",
                "CERT\tPKIX 12345 RSASHA256 AQID",
            ),
            ("a place", 256, b"\x00\x0a\x00\x01http://x", "URI\t10 1 \"http://x\""),
            ("a machine", 13, b"\x01c\x02os", "HINFO\t\"c\" \"os\""),
            ("hardware", 108, b"\x00\x00\x5e\x00\x53\x2a", "EUI48\t00-00-5e-00-53-2a"),
            (
                "a binding",
                65,
                b"\x00\x01\x00\x00\x01\x00\x06\x02h2\x02h3\x00\x03\x00\x02\x01\xbb\x00\x04\x00\x04\xc0\x00\x02\x01",
                "HTTPS\t1 . alpn=\"h2,h3\" port=\"443\" ipv4hint=\"192.0.2.1\"",
            ),
            ("an alias", 64, b"\x00\x00\x01s\x00", "SVCB\t0 s."),
        ];
        for (sentence, kind, data, expected) in cases {
            let expected = format!("a.b.\t300\tIN\t{expected}");
            assert_eq!(text_of(kind, data), Some(expected), "{sentence}");
        }
        let unknown = text_of(65_280, &[0xab, 0xcd]);
        assert_eq!(unknown.as_deref(), Some("a.b.\t300\tCLASS1\tTYPE65280\t\\# 2 ABCD"));
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        for (sentence, kind, data) in [
            ("half an address", 1, &[192, 0][..]),
            ("a name without its end", 5, b"\x05ab"),
            ("a text that is longer than its record", 16, b"\x09ab"),
            ("a name that points to itself", 5, b"\xc0\x0f"),
        ] {
            assert_eq!(text_of(kind, data), None, "{sentence}");
        }
    }

    #[test]
    fn odd_names_are_escaped() {
        let name = Name::from_labels([&b"a.b"[..], b"c d", b"\x01\xff", b"_x"]).expect("a name");
        assert_eq!(name_text(&name), "a\\.b.c\\ d.\\001\\255._x.");
        assert_eq!(name_text(&Name::root()), ".");
    }
}
