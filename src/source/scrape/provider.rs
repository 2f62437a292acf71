//! Others that know targets: each is asked by a task of its own, so that a slow one holds up nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::client::Clients;
use super::dns_sd::DnsProvider;
use super::http_sd::HttpProvider;
use super::settings::{Provider, TargetGroup};
use crate::domain::shown::shown_url;
use crate::engine::discovered::Problem;
use crate::engine::stats::Stats;

/// How long the first pause after a failure is; each further one is twice as long, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long one look may take at most.
const LOOK_TIMEOUT: Duration = Duration::from_mins(1);

/// Knows targets.
#[async_trait]
pub(super) trait Provide: Send {
    /// `http | dns | kubernetes`
    fn mechanism(&self) -> &'static str;
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
pub(super) struct Provided(Arc<Mutex<Said>>);

/// What a provider said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The last good answer; `None` before the first one.
    pub groups: Option<Arc<Vec<TargetGroup>>>,
    /// Why the last look gave no answer, if it gave none.
    pub problem: Option<Problem>,
}

impl Provided {
    /// What it said last.
    pub fn said(&self) -> Said {
        self.lock().clone()
    }

    /// Takes over an answer; tells whether it is another one.
    fn answered(&self, groups: Vec<TargetGroup>) -> bool {
        let mut said = self.lock();
        let is_new = said.groups.as_deref() != Some(&groups);
        if is_new {
            said.groups = Some(Arc::new(groups));
        }
        said.problem.take().is_some() || is_new
    }

    /// Takes over that there was no answer; tells whether that is new.
    fn failed(&self, problem: Problem) -> bool {
        let mut said = self.lock();
        let is_new = said.problem.as_ref() != Some(&problem);
        said.problem = Some(problem);
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    stats: Arc<Stats>,
    cancel: CancellationToken,
) {
    let mut pauses = FIRST_PAUSE;
    loop {
        let looked = tokio::select! {
            () = cancel.cancelled() => return,
            looked = tokio::time::timeout(LOOK_TIMEOUT, provider.look()) => looked,
        };
        let looked = looked.unwrap_or_else(|_| Err(format!("no answer within {LOOK_TIMEOUT:?}")));
        let (failed, is_new) = match looked {
            Ok(groups) => {
                let before = provided.said().problem;
                let is_new = provided.answered(groups);
                if before.is_some() {
                    info!("job {job}: {} answers again", provider.name());
                }
                (false, is_new)
            }
            Err(why) => {
                stats.sd_failures.add(&[&job, provider.mechanism()], 1);
                (true, fail(&job, provider.as_ref(), &provided, &why))
            }
        };
        if is_new {
            changed.notify_one();
        }
        let pause = pauses.min(provider.interval());
        pauses = if failed {
            (pauses * 2).min(LOOK_TIMEOUT)
        } else {
            FIRST_PAUSE
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause), if failed => {}
            () = provider.wait(), if !failed => {}
        }
    }
}

/// Takes over that there was no answer; tells whether that is new.
fn fail(job: &str, provider: &dyn Provide, provided: &Provided, why: &str) -> bool {
    let known = provided.said().groups;
    let kept: usize = known
        .iter()
        .flat_map(|groups| groups.iter())
        .map(|group| group.targets.len())
        .sum();
    let (name, why) = (provider.name(), shown_url(why));
    let message = format!("{name} gives no targets, {kept} known ones are kept: {why}");
    provided.failed(Problem::new(job, provider.mechanism(), &message))
}
