//! Asking one server: how fast, how often, how long, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::failure::{Failure, cut};
use super::pace::Pace;
use super::question::{self, Question};
use super::rest::Rest;
use super::settings::ServerSettings;
use super::wire::{Wire, of_another_question};
use crate::domain::answer::Answer;
use crate::domain::matcher::Selector;
use crate::domain::reading::Series;
use crate::domain::shown::shown_url;
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};
use crate::engine::stats::Stats;
use crate::source::http::client::Clients;
use crate::source::http::now;

/// The pauses before a question is tried again, within its timeout.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// One server of the configuration.
pub struct PrometheusServer {
    settings: Arc<ServerSettings>,
    wire: Wire,
    permits: Semaphore,
    pace: Pace,
    rest: Rest,
    /// The server, for people: its name and its URL without credentials.
    who: String,
    pauses: [Duration; 2],
    stats: Arc<Stats>,
}

impl PrometheusServer {
    /// The server with these settings; `None` where its URL is none.
    pub fn new(settings: Arc<ServerSettings>, clients: Arc<Clients>, stats: Arc<Stats>) -> Option<Self> {
        let url = Url::parse(settings.url.expose()).ok()?;
        let server = Self {
            wire: Wire::new(&settings, &url, clients)?,
            permits: Semaphore::new(settings.concurrency.max(1)),
            pace: Pace::new(settings.pace),
            // Two rounds of the present.
            rest: Rest::new(2 * settings.interval),
            who: format!("server {} at {}", settings.name, shown_url(settings.url.expose())),
            pauses: PAUSES,
            settings,
            stats,
        };
        server.show_rest();
        Some(server)
    }

    /// The same without pauses between tries.
    #[cfg(test)]
    pub(super) fn hasty(mut self) -> Self {
        self.pauses = [Duration::ZERO; 2];
        self
    }

    /// Asks, when it is this question's turn. The timeout begins with the first try: waiting for one's turn is nobody's
    /// fault.
    async fn ask(&self, question: &Question) -> Result<Answer, QueryFailure> {
        self.look(Rest::look)?;
        let _permit = self.permits.acquire().await;
        self.pace.turn().await;
        self.look(Rest::enter)?;
        let answer = self.try_often(question).await.map_err(|failure| self.named(failure));
        self.rest.heard(answer.as_ref().err());
        self.show_rest();
        answer
    }

    async fn try_often(&self, question: &Question) -> Result<Answer, Failure> {
        let end = now() + self.settings.timeout;
        let mut pauses = self.pauses.into_iter();
        loop {
            let failure = match self.try_once(question, end).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if may_pass(failure.reason) => failure,
                Err(failure) => return Err(failure),
            };
            let pause = pauses
                .next()
                .map(|pause| failure.retry_after.unwrap_or_default().max(pause));
            match pause {
                Some(pause) if now() + pause < end => sleep(pause).await,
                _ => return Err(failure),
            }
            self.pace.turn().await;
            if now() >= end {
                return Err(failure);
            }
        }
    }

    async fn try_once(&self, question: &Question, end: Instant) -> Result<Answer, Failure> {
        let begun = now();
        let answer = timeout(end.saturating_duration_since(begun), self.wire.ask(question)).await;
        let answer = answer.unwrap_or_else(|_| {
            let seconds = self.settings.timeout.as_secs_f64();
            let detail = format!("it did not answer within `timeout` ({seconds} s)");
            Err(Failure::new(QueryFailureReason::Timeout, detail))
        });
        self.count(answer.as_ref().map_or_else(|failure| failure.reason.word(), |_| "ok"));
        let name = self.settings.name.as_str();
        self.stats.source_query_duration.observe(&[name], begun.elapsed());
        if let Ok(answer) = &answer {
            self.stats.source_samples.add(&[name], answer.sample_count() as u64);
        }
        answer
    }

    fn look(&self, how: impl Fn(&Rest) -> Result<(), QueryFailure>) -> Result<(), QueryFailure> {
        let leave = how(&self.rest);
        if let Err(failure) = &leave {
            self.count(failure.reason.word());
        }
        leave
    }

    fn count(&self, outcome: &str) {
        self.stats.source_queries.add(&[&self.settings.name, outcome], 1);
    }

    fn show_rest(&self) {
        let name = self.settings.name.as_str();
        self.stats.source_breakers.set(&[name], i64::from(self.rest.is_open()));
    }

    /// A failure as people read it. Whatever a server says, it must not tell on what it was asked with.
    fn named(&self, failure: Failure) -> QueryFailure {
        QueryFailure {
            reason: failure.reason,
            detail: format!("{}: {}", self.who, self.wire.discreet(failure.detail)),
            retry_after: failure.retry_after,
        }
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        self.stats.source_breakers.remove(&[&self.settings.name]);
    }
}

#[async_trait]
impl QueryServer for PrometheusServer {
    async fn samples(&self, selector: &Selector, after: Timestamp, until: Timestamp) -> Result<Answer, QueryFailure> {
        if until <= after {
            return Ok(Answer::default());
        }
        let mut answer = self.ask(&question::samples(selector, after, until)).await?;
        if let Some(series) = question::unselected(&answer, selector) {
            let shown = Series::new(&*series.metric, series.labels.clone()).key;
            let how = format!(
                "the series `{}` is none of `{}`",
                cut(&shown),
                cut(&selector.to_string())
            );
            return Err(self.named(of_another_question(&how)));
        }
        let strange = question::beyond(&answer, after, until);
        question::keep_within(&mut answer, after, until);
        match strange {
            // Some at its edges are a server's own way; nothing but such is no answer to the question.
            Some(at) if answer.series.is_empty() => {
                let detail =
                    format!("it answers with a sample at {at}, which is not within the time that was asked for");
                Err(self.named(Failure::new(QueryFailureReason::Format, detail)))
            }
            _ => Ok(answer),
        }
    }

    async fn steps(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryFailure> {
        let answer = self.ask(&question::steps(query, first, last, step)).await?;
        match question::off_step(&answer, first, last, step) {
            None => Ok(answer),
            Some(at) => {
                let detail = format!("it answers with a value at {at}, which is none of the steps that were asked for");
                Err(self.named(Failure::new(QueryFailureReason::Format, detail)))
            }
        }
    }

    async fn instant(&self, query: &str, at: Timestamp) -> Result<Answer, QueryFailure> {
        self.ask(&question::instant(query, at)).await
    }
}

/// Asking again soon may help.
fn may_pass(reason: QueryFailureReason) -> bool {
    use QueryFailureReason::{Body, Connect, Dns, Unavailable};
    matches!(reason, Body | Connect | Dns | Unavailable)
}
