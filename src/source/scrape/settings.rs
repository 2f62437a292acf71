//! A scrape job as it is meant: defaults filled in, durations read, paths resolved.

use std::path::PathBuf;
use std::time::Duration;

pub use super::protocols::{Protocol, Protocols};
use crate::domain::labels::Labels;
use crate::domain::relabel::RelabelRules;
use crate::secret::Secret;

/// One entry of `scrape_configs`.
#[derive(Clone, Debug)]
pub struct ScrapeJob {
    /// `job_name`
    pub name: String,
    /// `scrape_interval`, else the global one.
    pub interval: Duration,
    /// `scrape_timeout`, else the global one, never above the interval.
    pub timeout: Duration,
    /// `scheme`: `http` or `https`.
    pub scheme: Scheme,
    /// `metrics_path`, `/metrics` by default.
    pub path: String,
    /// `params`: URL parameters, each with its values.
    pub params: Vec<(String, Vec<String>)>,
    /// `basic_auth` or `authorization`.
    pub auth: Auth,
    /// `tls_config`
    pub tls: TlsSettings,
    /// `scrape_protocols` and `fallback_scrape_protocol`: how pages may be written.
    pub protocols: Protocols,
    /// `honor_labels`: the page's labels win over the target's.
    pub honor_labels: bool,
    /// `follow_redirects`, true by default.
    pub follow_redirects: bool,
    /// `enable_compression`, true by default: gzip is asked for.
    pub compression: bool,
    /// `body_size_limit` in bytes of decoded text, 64 MB by default.
    pub body_size_limit: u64,
    /// `relabel_configs`: what becomes of the targets that are found.
    pub relabelling: RelabelRules,
    /// `metric_relabel_configs`: what selectors see of a series.
    pub metric_relabelling: RelabelRules,
    /// `sample_limit` and the limits on labels.
    pub page_limits: PageLimits,
    /// `target_limit`: with more targets than this, none is visited.
    pub target_limit: Option<u64>,
    /// `static_configs`
    pub static_targets: Vec<TargetGroup>,
    /// `file_sd_configs`
    pub file_discovery: Vec<FileDiscovery>,
}

/// The default of `body_size_limit`.
pub const BODY_SIZE_LIMIT: u64 = 64 * 1000 * 1000;

/// What a page may hold at most; beyond it the whole visit fails, as in Prometheus. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageLimits {
    /// `sample_limit`: samples that metric relabelling leaves.
    pub samples: Option<u64>,
    /// `label_limit`: labels of one series, with its name's and its target's.
    pub labels: Option<u64>,
    /// `label_name_length_limit`, in bytes.
    pub name_length: Option<u64>,
    /// `label_value_length_limit`, in bytes.
    pub value_length: Option<u64>,
}

/// How targets are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// As a URL begins.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How nines says who it is.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// `basic_auth`
    Basic {
        /// The user.
        username: String,
        /// Its password.
        password: SecretSource,
    },
    /// `authorization`: `Bearer` by default.
    Header {
        /// The type.
        kind: String,
        /// What follows it.
        credentials: SecretSource,
    },
}

/// Where a secret stands: in the config, or in a file that is read again for every use.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// In the config, or in a variable named there.
    Inline(Secret),
    /// In a file of its own.
    File(PathBuf),
}

/// `tls_config`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// `ca_file`: whom to trust instead of the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// `cert_file`: the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// `key_file`: its key.
    pub key_file: Option<PathBuf>,
    /// `server_name`: the name that the server's certificate must bear, instead of the URL's.
    pub server_name: Option<String>,
    /// `insecure_skip_verify`
    pub insecure_skip_verify: bool,
}

/// Targets with common labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// `host:port` each.
    pub targets: Vec<String>,
    /// Their labels.
    pub labels: Labels,
}

/// One entry of `file_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiscovery {
    /// Paths or globs, absolute.
    pub files: Vec<PathBuf>,
    /// How often they are looked at, 5 minutes by default as in Prometheus.
    pub refresh_interval: Duration,
}
