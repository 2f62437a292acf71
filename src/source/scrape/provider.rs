//! Others that know targets: each is asked by a task of its own, so that a slow one holds up nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::client::Clients;
use super::dns_sd::DnsProvider;
use super::http_sd::HttpProvider;
use super::settings::{Provider, TargetGroup};
use crate::domain::shown::shown_url;

/// How long the first pause after a failure is; each further one is twice as long, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long one look may take at most.
const LOOK_TIMEOUT: Duration = Duration::from_mins(1);

/// Knows targets.
#[async_trait]
pub(super) trait Provide: Send {
    /// What messages call it, without credentials.
    fn name(&self) -> String;
    /// How often it is asked.
    fn interval(&self) -> Duration;
    /// The targets as they are now, or why they are not known.
    async fn look(&mut self) -> Result<Vec<TargetGroup>, String>;
    /// Ends when it is worth looking again.
    async fn wait(&mut self) {
        tokio::time::sleep(self.interval()).await;
    }
}

/// What a provider said last; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Provided(Arc<Mutex<Option<Arc<Vec<TargetGroup>>>>>);

impl Provided {
    /// The last good answer; `None` before the first one.
    pub fn groups(&self) -> Option<Arc<Vec<TargetGroup>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over an answer; tells whether it is another one.
    fn set(&self, groups: Vec<TargetGroup>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() == Some(&groups) {
            return false;
        }
        *known = Some(Arc::new(groups));
        true
    }
}

/// The provider of these settings.
pub(super) fn provider(settings: &Provider, clients: &Arc<Clients>) -> Box<dyn Provide> {
    match settings {
        Provider::Http(settings) => Box::new(HttpProvider::new((**settings).clone(), Arc::clone(clients))),
        Provider::Dns(settings) => Box::new(DnsProvider::new(settings.clone())),
        #[cfg(feature = "kubernetes")]
        Provider::Kubernetes(settings) => Box::new(super::kubernetes_sd::KubernetesProvider::new(
            (**settings).clone(),
            Arc::clone(clients),
        )),
    }
}

/// Asks a provider until it is cancelled. A failure keeps what is known, is said once, and is tried again soon.
pub(super) async fn keep_looking(
    job: String,
    mut provider: Box<dyn Provide>,
    provided: Provided,
    changed: Arc<Notify>,
    cancel: CancellationToken,
) {
    let mut pauses = FIRST_PAUSE;
    let mut said = String::new();
    loop {
        let looked = tokio::select! {
            () = cancel.cancelled() => return,
            looked = tokio::time::timeout(LOOK_TIMEOUT, provider.look()) => looked,
        };
        let why = match looked {
            Ok(Ok(groups)) => {
                if provided.set(groups) {
                    changed.notify_one();
                }
                String::new()
            }
            Ok(Err(why)) => shown_url(&why),
            Err(_) => format!("no answer within {LOOK_TIMEOUT:?}"),
        };
        let name = provider.name();
        if why.is_empty() && !said.is_empty() {
            info!("job {job}: {name} answers again");
        } else if why != said {
            let kept: usize = provided
                .groups()
                .iter()
                .flat_map(|groups| groups.iter())
                .map(|group| group.targets.len())
                .sum();
            warn!("job {job}: {name} gives no targets, {kept} known ones are kept: {why}");
        }
        let pause = pauses.min(provider.interval());
        pauses = if why.is_empty() {
            FIRST_PAUSE
        } else {
            (pauses * 2).min(LOOK_TIMEOUT)
        };
        let failed = !why.is_empty();
        said = why;
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause), if failed => {}
            () = provider.wait(), if !failed => {}
        }
    }
}
