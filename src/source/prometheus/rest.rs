//! Leaving a server alone that does not answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::alert::breaker::Breaker;
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason};
use crate::source::http::now;

/// How long a server is left alone the first time; every probe that fails doubles it, up to five minutes.
const FIRST_REST: Duration = Duration::from_secs(15);

/// The circuit breaker of one server.
#[derive(Debug)]
pub(in crate::source) struct Rest {
    begun: Instant,
    /// For so long after an answer, a question that takes too long says nothing of the server.
    lives_for: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    answered_at: Option<Timestamp>,
    /// The last failure, in words.
    last: String,
}

impl Rest {
    /// A server that answers until the opposite is seen.
    pub fn new(lives_for: Duration) -> Self {
        Self {
            begun: now(),
            lives_for,
            inner: Mutex::new(Inner {
                breaker: Breaker::opening_for(FIRST_REST),
                answered_at: None,
                last: String::new(),
            }),
        }
    }

    /// Refuses while the server is left alone and nobody may look whether it is back.
    pub fn look(&self) -> Result<(), QueryFailure> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        match inner.breaker.retry_at() {
            Some(until) if now < until => Err(resting(until, now, &inner.last)),
            _ => Ok(()),
        }
    }

    /// Takes the leave to ask. Once the server was left alone for long enough, one question gets it and is the probe.
    pub fn enter(&self) -> Result<(), QueryFailure> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        if inner.breaker.allow(now) {
            return Ok(());
        }
        Err(resting(inner.breaker.retry_at().unwrap_or(now), now, &inner.last))
    }

    /// How a question ended. A server that refuses one is there; so is one that takes too long over a question, a long
    /// piece of the past for one, and has answered others.
    pub fn heard(&self, failure: Option<&QueryFailure>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let Some(failure) = failure.filter(|failure| is_silence(failure.reason)) else {
            inner.breaker.success();
            inner.answered_at = Some(now);
            return;
        };
        let lives = inner.answered_at.is_some_and(|at| now < at + self.lives_for);
        if failure.reason == QueryFailureReason::Timeout && lives && !inner.breaker.is_open() {
            return;
        }
        inner.breaker.failure(now);
        inner.last.clone_from(&failure.detail);
    }

    /// It is left alone, or probed.
    pub fn is_open(&self) -> bool {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .breaker
            .is_open()
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

fn is_silence(reason: QueryFailureReason) -> bool {
    use QueryFailureReason::{Connect, Dns, Timeout, Tls, Unavailable};
    matches!(reason, Connect | Dns | Tls | Timeout | Unavailable)
}

fn resting(until: Timestamp, now: Timestamp, last: &str) -> QueryFailure {
    let left = Duration::from_millis(until.since(now).max(0).unsigned_abs());
    let seconds = left.as_secs_f64().ceil();
    QueryFailure {
        reason: QueryFailureReason::Resting,
        detail: format!("{last} (it failed again and again, so it is left alone for {seconds} s more)"),
        retry_after: Some(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: QueryFailureReason) -> QueryFailure {
        QueryFailure {
            reason,
            detail: "gone".to_owned(),
            retry_after: None,
        }
    }

    const LIVES_FOR: Duration = Duration::from_mins(2);

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_no_silence_while_others_are_answered() {
        let [slow, down] = [QueryFailureReason::Timeout, QueryFailureReason::Connect].map(failure);
        let fail = |rest: &Rest, how: &QueryFailure| {
            for _ in 0..5 {
                rest.heard(Some(how));
            }
            rest.is_open()
        };
        assert!(fail(&Rest::new(LIVES_FOR), &slow), "nothing was ever answered");
        let rest = Rest::new(LIVES_FOR);
        rest.heard(None);
        tokio::time::advance(LIVES_FOR - Duration::from_secs(1)).await;
        assert!(!fail(&rest, &slow), "others are answered");
        assert!(fail(&rest, &down), "who cannot be reached is gone");
        tokio::time::advance(FIRST_REST).await;
        assert!(rest.enter().is_ok());
        rest.heard(Some(&slow));
        assert!(
            rest.is_open() && rest.enter().is_err(),
            "a probe that takes too long is one that failed"
        );
        let rest = Rest::new(LIVES_FOR);
        rest.heard(Some(&failure(QueryFailureReason::TooMuch)));
        tokio::time::advance(LIVES_FOR - Duration::from_secs(1)).await;
        assert!(!fail(&rest, &slow), "a refusal is an answer");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(fail(&rest, &slow), "nothing is answered any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_grows_up_to_five_minutes_and_only_one_question_probes() {
        let rest = Rest::new(LIVES_FOR);
        let down = failure(QueryFailureReason::Connect);
        for _ in 0..5 {
            assert!(rest.look().is_ok() && rest.enter().is_ok());
            rest.heard(Some(&down));
        }
        for seconds in [15, 30, 60, 120, 240, 300, 300] {
            let resting = rest.enter().expect_err("a rest");
            assert_eq!(resting.retry_after, Some(Duration::from_secs(seconds)));
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert!(rest.look().is_ok(), "asking whether one may takes nothing");
            assert!(rest.enter().is_ok() && rest.enter().is_err() && rest.look().is_err());
            rest.heard(Some(&down));
        }
        tokio::time::advance(Duration::from_mins(5)).await;
        assert!(rest.enter().is_ok() && rest.is_open());
        rest.heard(Some(&failure(QueryFailureReason::BadQuery)));
        assert!(!rest.is_open() && rest.enter().is_ok());
    }
}
