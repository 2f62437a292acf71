//! What modules say: blackbox exporter's options under its names, and those that nines adds.

pub mod jobs;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use serde_json_path::JsonPath;

use super::http::Memory as HttpMemory;
use crate::domain::verdict::ProbeKind;
use crate::source::http::settings::{HttpSettings, TlsSettings};

/// How long a probe may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// A body is read up to here at most, in bytes, decoded.
pub const BODY_MAX: u64 = 64 << 20;
/// So many redirects are followed, as in blackbox exporter.
pub const REDIRECTS_MAX: usize = 10;

/// A module: how to probe.
#[derive(Clone, Debug)]
pub struct ProbeModule {
    /// Its name.
    pub name: String,
    /// `timeout`: how long a probe may take at most, all attempts together.
    pub timeout: Option<Duration>,
    /// `attempts`: a bad verdict is one only when so many attempts in a row were bad.
    pub attempts: u32,
    /// `attempt_delay`: how long after a bad attempt the next one begins.
    pub attempt_delay: Duration,
    /// `address_policy`: which of a name's addresses are probed.
    pub addresses: AddressPolicy,
    /// `preferred_ip_protocol` and `ip_protocol_fallback`.
    pub ip: IpChoice,
    /// `fail_if_slower_than`: a good answer that took longer is bad.
    pub slower_than: Option<Duration>,
    /// `fail_if_cert_expires_within`: a certificate that ends so soon is bad.
    pub cert_expires_within: Option<Duration>,
    /// What is spoken.
    pub protocol: Protocol,
    /// Changes exactly when anything of it does.
    pub config_hash: u64,
}

impl ProbeModule {
    /// What it speaks.
    pub fn kind(&self) -> ProbeKind {
        match self.protocol {
            Protocol::Http(_) => ProbeKind::Http,
            Protocol::Tcp(_) => ProbeKind::Tcp,
            Protocol::Unix(_) => ProbeKind::Unix,
            Protocol::Dns(_) => ProbeKind::Dns,
            Protocol::Icmp(_) => ProbeKind::Icmp,
            Protocol::Grpc(_) => ProbeKind::Grpc,
            Protocol::WebSocket(_) => ProbeKind::WebSocket,
        }
    }

    /// A module as it is when nothing is written but its protocol.
    pub fn plain(name: &str, protocol: Protocol) -> Self {
        Self {
            name: name.to_owned(),
            timeout: None,
            attempts: 1,
            attempt_delay: Duration::from_secs(1),
            addresses: AddressPolicy::One,
            ip: IpChoice::default(),
            slower_than: None,
            cert_expires_within: None,
            protocol,
            config_hash: 0,
        }
    }
}

/// Which of a name's addresses are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// One, as in blackbox exporter.
    #[default]
    One,
    /// Each: all of them must be good.
    Each,
    /// One after the other, until one is good.
    Any,
}

/// Which addresses are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpChoice {
    /// `preferred_ip_protocol: ip4`; IPv6 otherwise, as in blackbox exporter.
    pub prefers_v4: bool,
    /// `ip_protocol_fallback`: the other one will do, too.
    pub fallback: bool,
}

impl Default for IpChoice {
    fn default() -> Self {
        Self {
            prefers_v4: false,
            fallback: true,
        }
    }
}

/// What is spoken, with its options.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// `prober: http`
    Http(Box<HttpModule>),
    /// `prober: tcp`
    Tcp(Box<TcpModule>),
    /// `prober: unix`
    Unix(Box<UnixModule>),
    /// `prober: dns`
    Dns(Box<DnsModule>),
    /// `prober: icmp`
    Icmp(IcmpModule),
    /// `prober: grpc`
    Grpc(Box<GrpcModule>),
    /// `prober: websocket`
    WebSocket(Box<WebSocketModule>),
}

/// `http`
#[derive(Clone, Debug)]
pub struct HttpModule {
    /// `valid_status_codes`; empty: 2xx.
    pub valid_status_codes: Vec<u16>,
    /// `valid_http_versions`: `HTTP/1.1`, `HTTP/2.0`; empty: any.
    pub valid_http_versions: Vec<String>,
    /// `method`
    pub method: String,
    /// `headers`: names and values; `Host` is the request's host. `http_headers` stand in `http`.
    pub headers: Vec<(String, String)>,
    /// `basic_auth`, `authorization`, `oauth2`, `tls_config`, `http_headers`, proxies, `follow_redirects`.
    pub http: HttpSettings,
    /// `body_size_limit`, in bytes; `BODY_MAX` where it is 0.
    pub body_size_limit: u64,
    /// `compression`: `gzip`, `br`, `deflate`, `identity`: what the answer is expected to be packed with.
    pub compression: Option<String>,
    /// `fail_if_ssl`
    pub fail_if_ssl: bool,
    /// `fail_if_not_ssl`
    pub fail_if_not_ssl: bool,
    /// `fail_if_body_matches_regexp`
    pub fail_if_body_matches: Vec<Regex>,
    /// `fail_if_body_not_matches_regexp`
    pub fail_if_body_not_matches: Vec<Regex>,
    /// `fail_if_header_matches`
    pub fail_if_header_matches: Vec<HeaderMatch>,
    /// `fail_if_header_not_matches`
    pub fail_if_header_not_matches: Vec<HeaderMatch>,
    /// `fail_if_body_json_matches_cel`: the text of the expression; it was compiled once, so it can be.
    pub fail_if_json_matches_cel: Option<String>,
    /// `fail_if_body_json_not_matches_cel`
    pub fail_if_json_not_matches_cel: Option<String>,
    /// `fail_if_body_json_not_matches`: conditions of nines on what JSON paths select.
    pub json_conditions: Vec<JsonCondition>,
    /// `enable_http2`
    pub enable_http2: bool,
    /// `skip_resolve_phase_with_proxy`
    pub skip_resolve_with_proxy: bool,
    /// `body`
    pub body: String,
    /// `body_file`, read again for every probe.
    pub body_file: Option<PathBuf>,
    /// What is kept from probe to probe, for all targets of the module.
    pub memory: Arc<HttpMemory>,
}

impl Default for HttpModule {
    fn default() -> Self {
        Self {
            valid_status_codes: Vec::new(),
            valid_http_versions: Vec::new(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            http: HttpSettings::default(),
            body_size_limit: BODY_MAX,
            compression: None,
            fail_if_ssl: false,
            fail_if_not_ssl: false,
            fail_if_body_matches: Vec::new(),
            fail_if_body_not_matches: Vec::new(),
            fail_if_header_matches: Vec::new(),
            fail_if_header_not_matches: Vec::new(),
            fail_if_json_matches_cel: None,
            fail_if_json_not_matches_cel: None,
            json_conditions: Vec::new(),
            enable_http2: true,
            skip_resolve_with_proxy: false,
            body: String::new(),
            body_file: None,
            memory: Arc::default(),
        }
    }
}

/// A condition on a header.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The header.
    pub header: String,
    /// What its value is held against.
    pub regexp: Regex,
    /// A header that is not there will do.
    pub allow_missing: bool,
}

/// A condition on the JSON of a body: it holds when the path selects something, and all of that passes the test.
#[derive(Clone, Debug)]
pub struct JsonCondition {
    /// What is looked at: `$.checks[*].status` (RFC 9535).
    pub path: JsonPath,
    /// As written.
    pub written: String,
    /// What it must be.
    pub test: JsonTest,
}

/// What a selected value must be.
#[derive(Clone, Debug)]
pub enum JsonTest {
    /// `exists: true`: anything.
    Exists,
    /// `equals: ok`
    Equals(serde_json::Value),
    /// `regexp`: a text, or the text of a number, that matches.
    Matches(Regex),
    /// `op` and `value`: a number that compares so.
    Compares(crate::domain::indicator::CompareOp, f64),
}

/// `tcp`
#[derive(Clone, Debug, Default)]
pub struct TcpModule {
    /// `source_ip_address`
    pub source: Option<IpAddr>,
    /// `query_response`
    pub script: Vec<Exchange>,
    /// `tls`
    pub tls: bool,
    /// `tls_config`
    pub tls_settings: TlsSettings,
}

/// `unix`
#[derive(Clone, Debug, Default)]
pub struct UnixModule {
    /// `query_response`
    pub script: Vec<Exchange>,
    /// `tls`
    pub tls: bool,
    /// `tls_config`
    pub tls_settings: TlsSettings,
}

/// One step of a script: what is expected is read first, then `send` is sent, then TLS begins.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// `expect`: a line that matches must come.
    pub expect: Option<Regex>,
    /// `expect_bytes`: these bytes must come.
    pub expect_bytes: Option<Vec<u8>>,
    /// `labels`: names and templates (`${1}`) filled by `expect`, shown as `probe_expect_info`.
    pub labels: Vec<(String, String)>,
    /// `send`: a line, whose `${1}` are filled by `expect`.
    pub send: Option<String>,
    /// `starttls`
    pub starttls: bool,
}

/// `dns`
#[derive(Clone, Debug)]
pub struct DnsModule {
    /// `source_ip_address`
    pub source: Option<IpAddr>,
    /// `transport_protocol: tcp`
    pub tcp: bool,
    /// `dns_over_tls`
    pub tls: bool,
    /// `tls_config`
    pub tls_settings: TlsSettings,
    /// `query_name`
    pub query_name: String,
    /// `query_type`: `ANY` by default.
    pub query_type: String,
    /// `query_class`: `IN` by default.
    pub query_class: String,
    /// `recursion_desired`
    pub recursion_desired: bool,
    /// `valid_rcodes`; empty: `NOERROR`.
    pub valid_rcodes: Vec<String>,
    /// `validate_answer_rrs`
    pub answer: RecordConditions,
    /// `validate_authority_rrs`
    pub authority: RecordConditions,
    /// `validate_additional_rrs`
    pub additional: RecordConditions,
}

impl Default for DnsModule {
    fn default() -> Self {
        Self {
            source: None,
            tcp: false,
            tls: false,
            tls_settings: TlsSettings::default(),
            query_name: String::new(),
            query_type: "ANY".to_owned(),
            query_class: "IN".to_owned(),
            recursion_desired: true,
            valid_rcodes: Vec::new(),
            answer: RecordConditions::default(),
            authority: RecordConditions::default(),
            additional: RecordConditions::default(),
        }
    }
}

/// Conditions on the records of a section, each as text in a zone file's form.
#[derive(Clone, Debug, Default)]
pub struct RecordConditions {
    /// `fail_if_matches_regexp`
    pub fail_if_matches: Vec<Regex>,
    /// `fail_if_all_match_regexp`
    pub fail_if_all_match: Vec<Regex>,
    /// `fail_if_not_matches_regexp`
    pub fail_if_not_matches: Vec<Regex>,
    /// `fail_if_none_matches_regexp`
    pub fail_if_none_matches: Vec<Regex>,
}

/// `icmp`
#[derive(Clone, Copy, Debug, Default)]
pub struct IcmpModule {
    /// `source_ip_address`
    pub source: Option<IpAddr>,
    /// `payload_size`, in bytes; 0: what is usual.
    pub payload_size: usize,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `dont_fragment`
    pub dont_fragment: bool,
}

/// `grpc`
#[derive(Clone, Debug, Default)]
pub struct GrpcModule {
    /// `service`; empty: the server as a whole.
    pub service: String,
    /// `metadata`
    pub metadata: Vec<(String, String)>,
    /// `tls`
    pub tls: bool,
    /// `tls_config`
    pub tls_settings: TlsSettings,
}

/// `websocket`
#[derive(Clone, Debug, Default)]
pub struct WebSocketModule {
    /// `http_config`
    pub http: HttpSettings,
    /// `headers`
    pub headers: Vec<(String, String)>,
    /// `query_response`
    pub script: Vec<Exchange>,
}
