//! Probes: a module and a target give a prober; a prober gives verdicts.

pub mod course;
pub mod listing;
pub mod on_demand;
pub mod probing;
pub mod reach;
pub mod settings;

mod http;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::course::Course;
use self::reach::Reach;
use self::settings::{AddressPolicy, ProbeModule, Protocol};
use super::http::now;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Fault, Outcome, ProbeAttempt, Reason, Verdict};
use crate::engine::clock::Clock;
use crate::engine::ports::Prober;

/// Probes one target with one module.
pub struct ModuleProber {
    module: Arc<ProbeModule>,
    goal: Goal,
    reach: Reach,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// What is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// As written: a URL, `host:port`, a host, a path. It may hold credentials.
    pub target: String,
    /// Which host is resolved and connected to; `None` where there is none, as for a Unix socket.
    pub host: Option<String>,
    /// What the request calls the host, where that is another name.
    pub hostname: Option<String>,
}

/// One attempt at one address, with what was noted on its way.
struct Tried {
    attempt: ProbeAttempt,
    course: Course,
}

impl ModuleProber {
    /// A prober; `timeout` is for all attempts of a probe together.
    pub fn new(module: Arc<ProbeModule>, goal: Goal, reach: Reach, timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            module,
            goal,
            reach,
            timeout,
            clock,
        }
    }

    /// One attempt: the host is resolved, and its addresses are tried by the module's policy. The attempt that decides
    /// comes last.
    async fn attempt(&self, deadline: Instant) -> Vec<Tried> {
        let mut course = Course::until(deadline);
        let addresses = match &self.goal.host {
            None => vec![None],
            Some(host) => match self.reach.resolve(host, self.module.ip, &mut course).await {
                Ok(found) => found.into_iter().map(Some).collect(),
                Err(fault) => return vec![tried(course, Err(fault))],
            },
        };
        let several = self.module.addresses != AddressPolicy::One;
        let most = if several { addresses.len() } else { 1 };
        let mut all = Vec::new();
        for address in addresses.into_iter().take(most) {
            let one = self.at(address, course.clone()).await;
            let outcome = one.attempt.outcome;
            all.push(one);
            match (self.module.addresses, outcome) {
                (AddressPolicy::Each, Outcome::Good) | (AddressPolicy::Any, Outcome::Bad | Outcome::Unknown) => {}
                _ => break,
            }
        }
        all
    }

    /// One attempt at one address.
    async fn at(&self, address: Option<IpAddr>, mut course: Course) -> Tried {
        let result = self.speak(address, &mut course).await;
        let result = match result {
            Ok(()) => self.judge(&course),
            Err(fault) => Err(fault),
        };
        tried(course, result)
    }

    async fn speak(&self, address: Option<IpAddr>, course: &mut Course) -> Result<(), Fault> {
        let (goal, reach, ip) = (&self.goal, &self.reach, self.module.ip);
        match &self.module.protocol {
            Protocol::Http(module) => http::speak(module, ip, goal, address, reach, course).await,
            _ => Err(Fault::new(Reason::Misconfigured, "this prober is not built yet")),
        }
    }

    /// Conditions that hold for every protocol.
    fn judge(&self, course: &Course) -> Result<(), Fault> {
        let took = course.end(Ok(())).took;
        if let Some(most) = self.module.slower_than.filter(|most| took > *most) {
            let detail = format!("it took {} ms, more than {} ms", took.as_millis(), most.as_millis());
            return Err(Fault::new(Reason::TooSlow, detail));
        }
        let ends = course.tls.and_then(|seen| seen.earliest_not_after);
        if let (Some(within), Some(ends)) = (self.module.cert_expires_within, ends) {
            let until = Timestamp(self.clock.now().0 + within.as_millis() as i64);
            if ends <= until {
                let detail = format!("a certificate ends at {ends}");
                return Err(Fault::new(Reason::TlsExpiresSoon, detail));
            }
        }
        Ok(())
    }
}

fn tried(course: Course, result: Result<(), Fault>) -> Tried {
    Tried {
        attempt: course.end(result),
        course,
    }
}

#[async_trait]
impl Prober for ModuleProber {
    async fn probe(&self) -> Verdict {
        let began = now();
        let deadline = began + self.timeout;
        let mut attempts = Vec::new();
        let mut last = None;
        for number in 1..=self.module.attempts.max(1) {
            let tries = self.attempt(deadline).await;
            for one in tries {
                attempts.push(one.attempt.clone());
                last = Some(one);
            }
            let is_bad = last.as_ref().is_some_and(|one| one.attempt.outcome == Outcome::Bad);
            let next_at = now() + self.module.attempt_delay;
            if !is_bad || number == self.module.attempts || next_at >= deadline {
                break;
            }
            tokio::time::sleep_until(next_at).await;
        }
        let Some(last) = last else {
            return Verdict::untried(Fault::new(Reason::Misconfigured, "there is nothing to probe"));
        };
        Verdict {
            outcome: last.attempt.outcome,
            reason: last.attempt.reason,
            detail: last.attempt.detail,
            took: now().saturating_duration_since(began),
            attempts,
            measures: last.course.measures,
            tls: last.course.tls,
        }
    }
}
