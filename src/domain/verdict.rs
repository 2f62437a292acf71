//! Verdicts: what one probe of one target comes to.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::time::Timestamp;

/// What a probe speaks, with blackbox exporter's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeKind {
    /// HTTP or HTTPS.
    Http,
    /// A TCP connection, with or without TLS and a script.
    Tcp,
    /// The same on a Unix socket.
    Unix,
    /// One question to one name server.
    Dns,
    /// An echo request.
    Icmp,
    /// The health service of gRPC.
    Grpc,
    /// A WebSocket, with or without a script.
    WebSocket,
}

impl ProbeKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Http,
        Self::Tcp,
        Self::Unix,
        Self::Dns,
        Self::Icmp,
        Self::Grpc,
        Self::WebSocket,
    ];

    /// As `prober` names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Dns => "dns",
            Self::Icmp => "icmp",
            Self::Grpc => "grpc",
            Self::WebSocket => "websocket",
        }
    }
}

/// One probed address. Its identity is job + module + target; everything else are attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeTarget {
    /// The `job_name`.
    pub job: String,
    /// The module's name.
    pub module: String,
    /// What it speaks.
    pub kind: ProbeKind,
    /// What is probed, as written, without credentials: a URL, `host:port`, a host.
    pub target: String,
    /// `job`, `instance` and its own labels.
    pub labels: super::labels::Labels,
    /// How often it is probed.
    pub interval: Duration,
    /// How long one probe may take, all of its attempts together.
    pub timeout: Duration,
}

impl ProbeTarget {
    /// The identity.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.job, self.module, self.target)
    }
}

/// What one probe of one target came to: its last attempt decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Good, bad, or nothing that counts.
    pub outcome: Outcome,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence for people; empty for a good one. Without credentials.
    pub detail: String,
    /// How long all of it took.
    pub took: Duration,
    /// Its attempts in their order, at least one; those of the address that decided.
    pub attempts: Vec<ProbeAttempt>,
    /// What blackbox exporter would show of the last attempt, but for `probe_success` and `probe_duration_seconds`.
    pub measures: Vec<Measure>,
    /// The certificates that were seen.
    pub tls: Option<TlsSeen>,
}

/// What a probe says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It keeps what was promised.
    Good,
    /// It does not.
    Bad,
    /// Nothing: the fault is on our side. It is no event, and the minute is not observed.
    Unknown,
}

impl Outcome {
    /// As the API and metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// One try within a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeAttempt {
    /// What it came to.
    pub outcome: Outcome,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence; empty for a good one.
    pub detail: String,
    /// Which address was probed, as far as it came to one.
    pub address: Option<IpAddr>,
    /// How long it took.
    pub took: Duration,
    /// What of it took how long, in the order in which it happened; summed over redirects.
    pub phases: Vec<(Phase, Duration)>,
}

/// A part of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Name to address.
    Resolve,
    /// The socket was made ready (ICMP).
    Setup,
    /// The connection.
    Connect,
    /// The handshake of TLS.
    Tls,
    /// From the request to the first byte of the answer.
    Ttfb,
    /// The rest of the answer.
    Transfer,
    /// Question and answer of protocols that have only one of each: DNS, gRPC's check.
    Request,
    /// The echo.
    Rtt,
    /// The script of sends and expectations.
    Script,
}

impl Phase {
    /// As the API shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Setup => "setup",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Ttfb => "ttfb",
            Self::Transfer => "transfer",
            Self::Request => "request",
            Self::Rtt => "rtt",
            Self::Script => "script",
        }
    }
}

/// A sample under blackbox exporter's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// `probe_http_status_code`
    pub name: &'static str,
    /// Its labels; `probe_expect_info` has names that a module chose.
    pub labels: Vec<(Cow<'static, str>, String)>,
    /// Its value.
    pub value: f64,
}

/// The certificates of a TLS connection, whether they were believed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsSeen {
    /// When the server's own certificate ends.
    pub leaf_not_after: Option<Timestamp>,
    /// When the first one of those that it sent ends.
    pub earliest_not_after: Option<Timestamp>,
    /// When the chain that was believed ends; `None` where none was.
    pub chain_not_after: Option<Timestamp>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// Why a verdict is what it is, in one word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As the API and metrics show it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// Everything is as it should be.
    Ok = "ok",
    /// There is no such name.
    DnsNxdomain = "dns_nxdomain",
    /// The name has no address that may be used.
    DnsNoAddress = "dns_no_address",
    /// No name server has answered in time.
    DnsTimeout = "dns_timeout",
    /// The name servers have failed.
    DnsFailure = "dns_failure",
    /// A DNS answer with another rcode.
    DnsRcode = "dns_rcode",
    /// A DNS answer whose records are not as they should be.
    DnsRecords = "dns_records",
    /// The connection was refused.
    ConnectRefused = "connect_refused",
    /// The connection was not answered in time.
    ConnectTimeout = "connect_timeout",
    /// Host or network cannot be reached, says somebody on the way.
    ConnectUnreachable = "connect_unreachable",
    /// The connection failed in another way.
    ConnectFailed = "connect_failed",
    /// The connection was closed or reset on the way.
    ConnectionClosed = "connection_closed",
    /// The certificate's time is over, or has not come.
    TlsExpired = "tls_expired",
    /// The certificate is for another name.
    TlsName = "tls_name",
    /// The certificate's authority is not trusted.
    TlsUntrusted = "tls_untrusted",
    /// No common version of TLS.
    TlsVersion = "tls_version",
    /// The handshake failed in another way.
    TlsHandshake = "tls_handshake",
    /// The certificate ends within `fail_if_cert_expires_within`.
    TlsExpiresSoon = "tls_expires_soon",
    /// TLS was expected and not spoken.
    NotTls = "not_tls",
    /// TLS was spoken and not expected.
    IsTls = "is_tls",
    /// STARTTLS was not granted.
    StartTls = "starttls_refused",
    /// An HTTP status that is not among the valid ones.
    HttpStatus = "http_status",
    /// An HTTP version that is not among the valid ones.
    HttpVersion = "http_version",
    /// A header that is not as it should be.
    HeaderMismatch = "header_mismatch",
    /// A body that is not as it should be.
    BodyMismatch = "body_mismatch",
    /// A body whose JSON is not as it should be.
    JsonMismatch = "json_mismatch",
    /// An answer of a TCP or WebSocket script that is not as it should be.
    ExpectMismatch = "expect_mismatch",
    /// Too many redirects.
    RedirectLoop = "redirect_loop",
    /// A redirect to where the policy does not let it go, or to what is no HTTP.
    RedirectDenied = "redirect_denied",
    /// The whole time was used up.
    Timeout = "timeout",
    /// It took longer than `fail_if_slower_than`.
    TooSlow = "too_slow",
    /// More bytes than `body_size_limit`.
    TooLarge = "too_large",
    /// Bytes that are not the protocol.
    Protocol = "protocol",
    /// No echo.
    NoReply = "no_reply",
    /// gRPC says `NOT_SERVING` or another state than `SERVING`.
    GrpcNotServing = "grpc_not_serving",
    /// gRPC has answered with an error.
    GrpcStatus = "grpc_status",
    /// The WebSocket was not granted.
    UpgradeRefused = "upgrade_refused",
    /// Unknown: this machine has no way to the network.
    NetworkDown = "network_down",
    /// Unknown: nines had too much to do to tell.
    Overloaded = "overloaded",
    /// Unknown: the egress policy does not let it go there.
    PolicyDenied = "policy_denied",
    /// Unknown: the operating system does not let nines do it.
    NotPermitted = "not_permitted",
    /// Unknown: the module cannot be used as it is written: a file is missing.
    Misconfigured = "misconfigured",
}

impl Reason {
    /// What it says about the service. Whatever is a fault on our side is no event.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Good,
            Self::NetworkDown | Self::Overloaded | Self::PolicyDenied | Self::NotPermitted | Self::Misconfigured => {
                Outcome::Unknown
            }
            _ => Outcome::Bad,
        }
    }

    /// Nobody has answered: the cause may as well be on this side.
    pub fn is_silence(self) -> bool {
        matches!(
            self,
            Self::DnsTimeout
                | Self::DnsFailure
                | Self::ConnectTimeout
                | Self::ConnectUnreachable
                | Self::Timeout
                | Self::NoReply
        )
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In one word.
    pub reason: Reason,
    /// In a sentence for people, without credentials.
    pub detail: String,
}

impl Fault {
    /// A fault.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Verdict {
    /// The verdict of a probe that could not be tried.
    pub fn untried(fault: Fault) -> Self {
        let attempt = ProbeAttempt {
            outcome: fault.reason.outcome(),
            reason: fault.reason,
            detail: fault.detail.clone(),
            address: None,
            took: Duration::ZERO,
            phases: Vec::new(),
        };
        Self {
            outcome: attempt.outcome,
            reason: fault.reason,
            detail: fault.detail,
            took: Duration::ZERO,
            attempts: vec![attempt],
            measures: Vec::new(),
            tls: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn a_fault_of_ours_is_no_event() {
        for (reason, outcome) in [
            (Reason::Ok, Outcome::Good),
            (Reason::HttpStatus, Outcome::Bad),
            (Reason::ConnectTimeout, Outcome::Bad),
            (Reason::NetworkDown, Outcome::Unknown),
            (Reason::PolicyDenied, Outcome::Unknown),
        ] {
            assert_eq!(Verdict::untried(Fault::new(reason, "x")).outcome, outcome, "{reason:?}");
        }
    }
}
