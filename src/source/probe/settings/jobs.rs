//! What is probed, how often, and how much at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{ProbeModule, TIMEOUT};
use crate::domain::egress::EgressPolicy;
use crate::domain::relabel::RelabelRules;
use crate::source::http::settings::SecretSource;
use crate::source::scrape::settings::{FileDiscovery, Provider, TargetGroup};

pub use crate::engine::ports::ProbeLimits;

/// How often a target is probed where nothing else is said.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// What `target_limit` is where nobody has set it: every probe costs a connection.
pub const TARGETS_MAX: u64 = 10_000;

/// The module that is used where none is named, as in blackbox exporter.
pub const MODULE: &str = "http_2xx";

/// All that the configuration says of probes.
#[derive(Clone, Debug, Default)]
pub struct ProbeSettings {
    /// `probe_modules`, those of `probe_module_files`, and those that exist without being written.
    pub modules: BTreeMap<String, Arc<ProbeModule>>,
    /// `probes`
    pub jobs: Vec<ProbeJob>,
    /// `egress`
    pub egress: EgressPolicy,
    /// `connectivity`: addresses that always answer, each `host:port`.
    pub connectivity: Vec<String>,
    /// `probe_limits`
    pub limits: ProbeLimits,
    /// `probe_endpoint`: the token without which `/probe` answers nobody; where there is none, it answers this machine.
    pub token: Option<SecretSource>,
}

/// One entry of `probes`.
#[derive(Clone, Debug)]
pub struct ProbeJob {
    /// `job_name`
    pub name: String,
    /// `module`
    pub module: String,
    /// `interval`
    pub interval: Duration,
    /// `timeout`, where it is written.
    pub timeout: Option<Duration>,
    /// `relabel_configs`
    pub relabelling: RelabelRules,
    /// `target_limit`: with more targets than this, none is probed.
    pub target_limit: Option<u64>,
    /// `keep_dropped_targets`
    pub keep_dropped: usize,
    /// `targets` with `labels`, and `static_configs`
    pub static_targets: Vec<TargetGroup>,
    /// `file_sd_configs`
    pub file_discovery: Vec<FileDiscovery>,
    /// `http_sd_configs`, `dns_sd_configs`, `kubernetes_sd_configs`
    pub providers: Vec<Provider>,
}

impl ProbeJob {
    /// How long a probe of this job may take with this module: what the job says, else ten seconds, and never longer
    /// than the module says or the interval is.
    pub fn timeout(&self, module: &ProbeModule) -> Duration {
        let of_job = self.timeout.unwrap_or(TIMEOUT).min(self.interval);
        of_job.min(module.timeout.unwrap_or(of_job))
    }
}
