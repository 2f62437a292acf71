//! The parameters of SVCB and HTTPS records (RFC 9460) as text.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::zone_text::bare;

const KEYS: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
];

/// `alpn="h2,h3"` and its like; what is cut off is left out.
pub(super) fn service_params(mut octets: &[u8]) -> Vec<String> {
    let mut parts = Vec::new();
    while let [key_high, key_low, high, low, rest @ ..] = octets {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, after)) = rest.split_at_checked(length) else {
            break;
        };
        let key = u16::from_be_bytes([*key_high, *key_low]);
        parts.push(format!("{}=\"{}\"", key_word(key), value_text(key, value)));
        octets = after;
    }
    parts
}

fn key_word(key: u16) -> String {
    let known = KEYS.get(usize::from(key));
    known.map_or_else(|| format!("key{key}"), |word| (*word).to_owned())
}

fn value_text(key: u16, value: &[u8]) -> String {
    let number = |pair: &[u8]| pair.first_chunk().map_or(0, |pair| u16::from_be_bytes(*pair));
    let listed = |parts: Vec<String>| parts.join(",");
    match key {
        0 => listed(value.chunks(2).map(|pair| key_word(number(pair))).collect()),
        1 => listed(protocols(value)),
        3 => number(value).to_string(),
        4 => listed(
            value
                .as_chunks::<4>()
                .0
                .iter()
                .map(|octets| Ipv4Addr::from(*octets).to_string())
                .collect(),
        ),
        5 => BASE64.encode(value),
        6 => listed(
            value
                .as_chunks::<16>()
                .0
                .iter()
                .map(|octets| Ipv6Addr::from(*octets).to_string())
                .collect(),
        ),
        _ => bare(value),
    }
}

fn protocols(mut value: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let [length, rest @ ..] = value {
        let Some((name, after)) = rest.split_at_checked(usize::from(*length)) else {
            break;
        };
        names.push(bare(name));
        value = after;
    }
    names
}
