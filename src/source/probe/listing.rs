//! Which targets are probed: found as those of scrape jobs are, by files, by providers, by rules.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::probing::Probing;
use super::settings::ProbeModule;
use super::settings::jobs::{ProbeJob, TARGETS_MAX};
use crate::domain::egress::Origin;
use crate::domain::labels::Labels;
use crate::domain::probe_address::ProbeAddress;
use crate::domain::shown::shown_address;
use crate::domain::time::{format_duration, parse_duration};
use crate::domain::verdict::{Fault, ProbeTarget, Reason, Verdict};
use crate::engine::discovered::Discovered;
use crate::engine::ports::{ListedProbe, ListedProbes, ProbeLimits, Prober};
use crate::engine::stats::Stats;
use crate::source::http::client::Clients;
use crate::source::scrape::discovery::{Discovery, are_same, keep_listing};
use crate::source::scrape::job::{Found, Kind, Listed, Outcome, Places};
use crate::source::scrape::target::kept;

/// Lists the targets of all probes now, then whenever files or providers say something new, until it is cancelled.
/// Targets that are in the channel already and have not changed keep their probers.
pub fn spawn(
    jobs: Vec<ProbeJob>,
    probing: &Arc<Probing>,
    clients: Arc<Clients>,
    (limits, sender): (ProbeLimits, watch::Sender<Arc<ListedProbes>>),
    shown: Arc<ArcSwap<Discovered>>,
    stats: Arc<Stats>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    let mut discovery = discovery(jobs, probing, clients);
    discovery.adopt(&sender.borrow().probes);
    let give = move |probes: Vec<ListedProbe>| {
        let limits = limits.clone();
        sender.send_if_modified(|known| {
            let is_new = known.limits != limits || !are_same(&known.probes, &probes);
            if is_new {
                *known = Arc::new(ListedProbes { probes, limits });
            }
            is_new
        });
    };
    keep_listing(discovery, give, shown, stats, cancel)
}

/// Lists the targets once, as far as they are known without asking anybody.
pub fn list_once(jobs: Vec<ProbeJob>, probing: &Arc<Probing>) -> Vec<ListedProbe> {
    discovery(jobs, probing, Arc::default()).list()
}

fn discovery(jobs: Vec<ProbeJob>, probing: &Arc<Probing>, clients: Arc<Clients>) -> Discovery<Probed> {
    let kinds = jobs.into_iter().map(|settings| Probed {
        settings,
        probing: Arc::clone(probing),
    });
    Discovery::of(kinds.collect(), clients)
}

/// A job whose targets are probed.
struct Probed {
    settings: ProbeJob,
    probing: Arc<Probing>,
}

/// A target with what is needed to probe it.
struct FoundProbe {
    target: ProbeTarget,
    address: ProbeAddress,
    hostname: Option<String>,
    module: Arc<ProbeModule>,
    /// Its labels before any rule.
    discovered: Labels,
}

impl Kind for Probed {
    type Found = FoundProbe;
    type Listed = ListedProbe;

    fn places(&self) -> Places<'_> {
        let settings = &self.settings;
        Places {
            name: &settings.name,
            static_targets: &settings.static_targets,
            files: &settings.file_discovery,
            providers: &settings.providers,
            target_limit: settings.target_limit.unwrap_or(TARGETS_MAX),
            keep_dropped: settings.keep_dropped,
        }
    }

    fn find(&self, address: &str, group: &Labels) -> Result<Outcome<FoundProbe>, String> {
        let discovered = self.discovered(address, group);
        let Some(labels) = self.settings.relabelling.apply(discovered.clone()) else {
            return Ok(Outcome::Dropped(discovered));
        };
        let found = self.resolve(&labels, discovered);
        found
            .map(|found| Outcome::Found(Box::new(found)))
            .map_err(|why| format!("target {:?} is left out: {why}", shown_address(address)))
    }

    fn hash(&self, found: &FoundProbe) -> u64 {
        let mut hasher = DefaultHasher::new();
        let target = &found.target;
        (target.key(), &target.labels, target.interval, target.timeout).hash(&mut hasher);
        (&found.address.target, &found.hostname, found.module.config_hash).hash(&mut hasher);
        self.probing.egress().hash(&mut hasher);
        hasher.finish()
    }

    fn list(&self, found: FoundProbe, config_hash: u64) -> ListedProbe {
        let (address, timeout) = (&found.address, found.target.timeout);
        let prober = self
            .probing
            .prober(&found.module, address, found.hostname, Origin::Configured, timeout);
        ListedProbe {
            host: found.address.host.unwrap_or_else(|| found.address.target.clone()),
            prober: Arc::new(prober),
            target: found.target,
            config_hash,
        }
    }

    fn refuse(&self, found: FoundProbe, config_hash: u64, why: &str) -> ListedProbe {
        ListedProbe {
            host: found.address.host.unwrap_or_default(),
            prober: Arc::new(Refused(why.to_owned())),
            target: found.target,
            config_hash,
        }
    }
}

impl Probed {
    /// What rules see of a target: the labels of its group, its address, and what its job says, under the names that
    /// users of blackbox exporter write.
    fn discovered(&self, address: &str, group: &Labels) -> Labels {
        let mut labels = group.clone();
        labels.set("__address__", address);
        for (name, value) in [
            ("job", self.settings.name.as_str()),
            ("__param_module", &self.settings.module),
            ("__scrape_interval__", &format_duration(self.settings.interval)),
        ] {
            if labels.get(name).is_empty() {
                labels.set(name, value);
            }
        }
        labels
    }

    /// A target from what rules have left of its labels: `__param_target`, else `__address__`.
    fn resolve(&self, labels: &Labels, discovered: Labels) -> Result<FoundProbe, String> {
        let name = labels.get("__param_module");
        let module = self.probing.module(name);
        let module = module.ok_or_else(|| format!("there is no module {name}"))?;
        let written = match labels.get("__param_target") {
            "" => labels.get("__address__"),
            target => target,
        };
        let address = ProbeAddress::parse(module.kind(), written)?;
        let interval = period(labels, "__scrape_interval__", self.settings.interval)?;
        let timeout = self.settings.timeout(module).min(interval);
        let timeout = period(labels, "__scrape_timeout__", timeout)?.min(interval);
        let hostname = Some(labels.get("__param_hostname")).filter(|name| !name.is_empty());
        Ok(FoundProbe {
            target: ProbeTarget {
                job: self.settings.name.clone(),
                module: module.name.clone(),
                kind: module.kind(),
                target: address.shown.clone(),
                labels: kept(labels, &address.shown),
                interval,
                timeout,
            },
            hostname: hostname.map(ToOwned::to_owned),
            module: Arc::clone(module),
            address,
            discovered,
        })
    }
}

/// A duration that a label may say.
fn period(labels: &Labels, name: &str, own: Duration) -> Result<Duration, String> {
    match labels.get(name) {
        "" => Ok(own),
        text => parse_duration(text)
            .ok()
            .filter(|duration| *duration >= Duration::from_millis(100))
            .ok_or_else(|| format!("`{name}` must be a duration of at least 100ms")),
    }
}

impl Found for FoundProbe {
    fn key(&self) -> String {
        self.target.key()
    }

    fn take_discovered(&mut self) -> Labels {
        std::mem::take(&mut self.discovered)
    }
}

impl Listed for ListedProbe {
    fn key(&self) -> String {
        self.target.key()
    }

    fn job(&self) -> &str {
        &self.target.job
    }

    fn config_hash(&self) -> u64 {
        self.config_hash
    }
}

/// Stands for a target that is not to be probed.
struct Refused(String);

#[async_trait]
impl Prober for Refused {
    async fn probe(&self) -> Verdict {
        Verdict::untried(Fault::new(Reason::Misconfigured, self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
