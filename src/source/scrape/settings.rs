//! A scrape job as it is meant: defaults filled in, durations read, paths resolved.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::labels::Labels;
use crate::domain::relabel::RelabelRules;

pub use super::protocols::{Protocol, Protocols};
pub use crate::source::http::settings::{
    Auth, HttpSettings, OAuth2, ProxySettings, SecretHeader, SecretSource, TlsSettings, TlsVersion,
};

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
    /// Who nines is, whom it trusts, and through whom it goes.
    pub http: HttpSettings,
    /// `scrape_protocols` and `fallback_scrape_protocol`: how pages may be written.
    pub protocols: Protocols,
    /// `honor_labels`: the page's labels win over the target's.
    pub honor_labels: bool,
    /// `enable_compression`; where it is absent, pages from this machine come plain and all others compressed.
    pub compression: Option<bool>,
    /// `body_size_limit` in bytes of decoded text, 64 MB by default.
    pub body_size_limit: u64,
    /// `relabel_configs`: what becomes of the targets that are found.
    pub relabelling: RelabelRules,
    /// `metric_relabel_configs`: what selectors see of a series.
    pub metric_relabelling: RelabelRules,
    /// `sample_limit` and the limits on labels.
    pub page_limits: PageLimits,
    /// `target_limit`: with more targets than this, none is visited; [`TARGETS_MAX`] where it is not set.
    pub target_limit: Option<u64>,
    /// `static_configs`
    pub static_targets: Vec<TargetGroup>,
    /// `file_sd_configs`
    pub file_discovery: Vec<FileDiscovery>,
    /// `http_sd_configs`, `dns_sd_configs`, `kubernetes_sd_configs`
    pub providers: Vec<Provider>,
    /// `keep_dropped_targets`: how many of the targets that rules drop are shown.
    pub keep_dropped: usize,
}

/// The default of `keep_dropped_targets`. Prometheus keeps all; a rule on a cluster drops thousands.
pub const KEEP_DROPPED: usize = 100;

/// What `keep_dropped_targets` may be at most.
pub const KEEP_DROPPED_MAX: usize = 10_000;

/// What `target_limit` is where nobody has set it. Prometheus has no limit; every target costs memory.
pub const TARGETS_MAX: u64 = 100_000;

/// So many targets of a job that has too many are listed as refused: one that is listed costs memory and work at every
/// tick, and a few show as well as all that the job has too many.
pub const REFUSED_SHOWN_MAX: usize = 100;

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

/// Whom else nines asks for targets.
#[derive(Clone, Debug)]
pub enum Provider {
    /// An entry of `http_sd_configs`.
    Http(Box<HttpDiscovery>),
    /// An entry of `dns_sd_configs`.
    Dns(DnsDiscovery),
    /// An entry of `kubernetes_sd_configs`.
    #[cfg(feature = "kubernetes")]
    Kubernetes(Box<KubernetesDiscovery>),
}

/// One entry of `http_sd_configs`.
#[derive(Clone, Debug)]
pub struct HttpDiscovery {
    /// `url`: what answers with a list of groups.
    pub url: String,
    /// How often it is asked, 1 minute by default as in Prometheus.
    pub refresh_interval: Duration,
    /// How it is asked.
    pub http: HttpSettings,
}

/// One entry of `dns_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsDiscovery {
    /// `names`
    pub names: Vec<String>,
    /// `type`, SRV by default.
    pub kind: RecordKind,
    /// `port`, which SRV records have themselves.
    pub port: u16,
    /// How often they are asked for, 30 seconds by default as in Prometheus.
    pub refresh_interval: Duration,
}

/// The records that name targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// `SRV`
    Srv,
    /// `A`
    A,
    /// `AAAA`
    Aaaa,
    /// `MX`
    Mx,
    /// `NS`
    Ns,
}

/// One entry of `kubernetes_sd_configs`.
#[cfg(feature = "kubernetes")]
#[derive(Clone, Debug)]
pub struct KubernetesDiscovery {
    /// `role`
    pub role: KubernetesRole,
    /// `api_server`; without one nines runs in the cluster, as a pod with a service account.
    pub api_server: Option<String>,
    /// `namespaces.names`; none are all.
    pub namespaces: Vec<String>,
    /// `namespaces.own_namespace`
    pub own_namespace: bool,
    /// `selectors`: of which role's objects, by label and by field.
    pub selectors: Vec<KubernetesSelector>,
    /// `attach_metadata.node`
    pub attach_node: bool,
    /// How the API is asked.
    pub http: HttpSettings,
}

/// Which objects of Kubernetes become targets.
#[cfg(feature = "kubernetes")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubernetesRole {
    /// `node`
    Node,
    /// `pod`
    Pod,
    /// `service`
    Service,
    /// `endpoints`
    Endpoints,
    /// `endpointslice`
    EndpointSlice,
    /// `ingress`
    Ingress,
}

/// Which objects of a role are asked for.
#[cfg(feature = "kubernetes")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSelector {
    /// Of which role.
    pub role: KubernetesRole,
    /// `labelSelector` of the API.
    pub label: String,
    /// `fieldSelector` of the API.
    pub field: String,
}
