//! Probes: what is probed, how, and who is told of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::verdict::{ProbeKind, ProbeTarget, Verdict};

/// Probes one target.
#[async_trait]
pub trait Prober: Send + Sync {
    /// One probe, with all of its attempts: ends within the target's timeout, whatever the other side does.
    async fn probe(&self) -> Verdict;
}

/// A target that is probed, and how.
#[derive(Clone)]
pub struct ListedProbe {
    /// The target.
    pub target: ProbeTarget,
    /// The host that is asked, for the limit of probes of one host at the same time.
    pub host: String,
    /// How to probe it.
    pub prober: Arc<dyn Prober>,
    /// Changes exactly when target or prober do; an unchanged target goes on undisturbed.
    pub config_hash: u64,
}

/// Who may ask for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whoever is on this machine.
    Loopback,
    /// Whoever knows the token of which this is the SHA-256.
    Token([u8; 32]),
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was not asked for as it must be: no such module, no such address.
    Invalid(String),
    /// There are too many already.
    Busy,
}

/// What is probed on demand, by `/probe` as blackbox exporter has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// What to probe.
    pub target: String,
    /// With which module.
    pub module: String,
    /// `hostname`: what the request calls the host, in the `Host` header and in TLS.
    pub hostname: Option<String>,
    /// How long it may take at most; a module's own timeout may be shorter.
    pub timeout: Duration,
}

/// Probes on demand, whatever somebody asks for over the API.
#[async_trait]
pub trait ProbeOnDemand: Send + Sync {
    /// Who may ask; `Err` says why that cannot be told now.
    async fn admission(&self) -> Result<Admission, String>;

    /// One probe, with the time that it had at most.
    async fn probe(&self, request: &ProbeRequest) -> Result<(Verdict, Duration), Refusal>;
}

/// What is probed at present.
#[derive(Clone, Default)]
pub struct ListedProbes {
    /// The targets, each key once.
    pub probes: Vec<ListedProbe>,
    /// How many are probed at the same time.
    pub limits: ProbeLimits,
}

/// How many probes are under way at the same time; further ones wait for their turn, at most until they are due again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Of one host.
    pub per_host: usize,
    /// Of one kind, where nothing is said for it.
    pub per_kind: usize,
    /// Of certain kinds.
    pub kinds: Vec<(ProbeKind, usize)>,
}

impl Default for ProbeLimits {
    fn default() -> Self {
        Self {
            per_host: 8,
            per_kind: 512,
            kinds: Vec::new(),
        }
    }
}

impl ProbeLimits {
    /// How many of this kind.
    pub fn of(&self, kind: ProbeKind) -> usize {
        let found = self.kinds.iter().find(|(known, _)| *known == kind);
        found.map_or(self.per_kind, |(_, most)| *most)
    }
}
