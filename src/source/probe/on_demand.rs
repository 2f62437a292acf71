//! Probes on demand: `/probe`, as blackbox exporter has it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use super::probing::Probing;
use super::settings::{ProbeModule, Protocol};
use crate::domain::egress::Origin;
use crate::domain::probe_address::ProbeAddress;
use crate::domain::verdict::Verdict;
use crate::engine::ports::{Admission, ListedProbes, ProbeOnDemand, ProbeRequest, Prober, Refusal};
use crate::source::http::settings::SecretSource;

/// So many probes on demand run at the same time.
const AT_ONCE_MAX: usize = 64;
/// A file with a token may not be larger than this.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// Probes what it is asked for. What nobody has configured may not lie within private networks.
pub struct OnDemand {
    current: ArcSwapOption<Current>,
    listed: watch::Receiver<Arc<ListedProbes>>,
    permits: Semaphore,
}

struct Current {
    probing: Arc<Probing>,
    token: Option<SecretSource>,
}

impl OnDemand {
    /// Refuses everything until it is told how to probe; `listed` are the targets that the configuration names.
    pub fn new(listed: watch::Receiver<Arc<ListedProbes>>) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            listed,
            permits: Semaphore::new(AT_ONCE_MAX),
        }
    }

    /// From now on probes are made so, for whoever has this token.
    pub fn replace(&self, probing: Arc<Probing>, token: Option<SecretSource>) {
        self.current.store(Some(Arc::new(Current { probing, token })));
    }

    /// Who has chosen this address: a target that is probed anyway may be asked for by everybody.
    fn origin(&self, address: &ProbeAddress) -> Origin {
        let listed = self.listed.borrow();
        if listed.probes.iter().any(|listed| listed.target.target == address.shown) {
            Origin::Configured
        } else {
            Origin::Requested
        }
    }
}

#[async_trait]
impl ProbeOnDemand for OnDemand {
    async fn admission(&self) -> Result<Admission, String> {
        let current = self.current.load_full().ok_or(STARTING)?;
        let token = match &current.token {
            None => return Ok(Admission::Loopback),
            Some(SecretSource::Inline(secret)) => secret.expose().to_owned(),
            Some(SecretSource::File(path)) => read_token(path)
                .await
                .map_err(|error| format!("the file of the token cannot be read: {error}"))?,
        };
        let token = token.trim();
        if token.is_empty() {
            return Err("the file of the token is empty".to_owned());
        }
        Ok(Admission::Token(Sha256::digest(token).into()))
    }

    async fn probe(&self, request: &ProbeRequest) -> Result<(Verdict, Duration), Refusal> {
        let invalid = |why: &str| Refusal::Invalid(why.to_owned());
        let current = self.current.load_full().ok_or_else(|| invalid(STARTING))?;
        let probing = &current.probing;
        let module = probing.module(&request.module);
        let module = module.ok_or_else(|| Refusal::Invalid(format!("Unknown module {:?}", request.module)))?;
        let address = ProbeAddress::parse(module.kind(), &request.target).map_err(invalid)?;
        check_hostname(module, request.hostname.as_deref()).map_err(Refusal::Invalid)?;
        let timeout = request.timeout.min(module.timeout.unwrap_or(request.timeout));
        let origin = self.origin(&address);
        let _permit = self.permits.try_acquire().map_err(|_| Refusal::Busy)?;
        let prober = probing.prober(module, &address, request.hostname.clone(), origin, timeout);
        Ok((prober.probe().await, timeout))
    }
}

const STARTING: &str = "nines is starting: the configuration is not taken over yet";

/// A module that sets `Host` itself may not be asked for with another one, as in blackbox exporter.
fn check_hostname(module: &ProbeModule, hostname: Option<&str>) -> Result<(), String> {
    let (Protocol::Http(http), Some(hostname)) = (&module.protocol, hostname) else {
        return Ok(());
    };
    let usable = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if hostname.is_empty() || hostname.len() > 255 || !hostname.chars().all(usable) {
        return Err("`hostname` is no name of a host".to_owned());
    }
    let host = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    match host {
        Some((_, written)) if written != hostname => {
            Err("the module sets the header Host itself, and `hostname` is another one".to_owned())
        }
        _ => Ok(()),
    }
}

async fn read_token(path: &Path) -> io::Result<String> {
    if tokio::fs::metadata(path).await?.len() > TOKEN_BYTES_MAX {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    tokio::fs::read_to_string(path).await
}

#[cfg(test)]
mod tests;
