//! What all probers have in common, and the probers that it makes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::own_side::OwnSide;
use super::reach::{Names, Reach};
use super::settings::ProbeModule;
use super::settings::jobs::ProbeSettings;
use super::{Goal, ModuleProber};
use crate::domain::egress::{EgressPolicy, Origin};
use crate::domain::probe_address::ProbeAddress;
use crate::engine::clock::Clock;

/// Modules, where connections may go, and how names are resolved.
pub struct Probing {
    modules: BTreeMap<String, Arc<ProbeModule>>,
    egress: Arc<EgressPolicy>,
    names: Arc<Names>,
    clock: Arc<dyn Clock>,
    own_side: Arc<OwnSide>,
}

impl Probing {
    /// With these settings.
    pub fn new(settings: &ProbeSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            modules: settings.modules.clone(),
            egress: Arc::new(settings.egress.clone()),
            names: Arc::default(),
            clock,
            own_side: Arc::default(),
        }
    }

    /// The same, with somebody who watches our own side and asks these addresses whether our network is there.
    #[must_use]
    pub fn watched(mut self, connectivity: Vec<String>) -> Self {
        let reach = Reach::new(Arc::clone(&self.names), Arc::clone(&self.egress), Origin::Configured);
        self.own_side = OwnSide::watch(connectivity, reach);
        self
    }

    /// A module by its name.
    pub fn module(&self, name: &str) -> Option<&Arc<ProbeModule>> {
        self.modules.get(name)
    }

    /// The names of all modules.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// Where connections may go.
    pub fn egress(&self) -> &EgressPolicy {
        &self.egress
    }

    /// A prober of one address.
    pub fn prober(
        &self,
        module: &Arc<ProbeModule>,
        address: &ProbeAddress,
        hostname: Option<String>,
        origin: Origin,
        timeout: Duration,
    ) -> ModuleProber {
        let goal = Goal {
            target: address.target.clone(),
            host: address.host.clone(),
            hostname,
        };
        let reach = Reach::new(Arc::clone(&self.names), Arc::clone(&self.egress), origin);
        let reach = reach.beside(Arc::clone(&self.own_side));
        ModuleProber::new(Arc::clone(module), goal, reach, timeout, Arc::clone(&self.clock))
    }
}
