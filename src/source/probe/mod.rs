//! Probes: a module and a target give a prober; a prober gives verdicts.

pub mod course;
pub mod listing;
pub mod on_demand;
pub mod own_side;
pub mod pressure;
pub mod probing;
pub mod reach;
pub mod settings;

mod attempts;
mod connectivity;
mod dns;
mod dns_answer;
mod echo;
mod grpc;
mod http;
mod icmp;
mod measures;
mod own_network;
mod place;
mod record_types;
mod script;
mod service_params;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod unix;
mod websocket;
mod zone_text;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::course::Course;
use self::reach::Reach;
use self::settings::{ProbeModule, Protocol};
use super::http::now;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Fault, Outcome, Phase, ProbeAttempt, Reason, Verdict};
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

    /// One attempt: the host is resolved, and its addresses are tried by the module's policy. Gives the try that decides.
    async fn attempt(&self, deadline: Instant) -> Tried {
        let mut course = Course::until(deadline);
        let addresses = match self.addresses(&mut course).await {
            Ok(addresses) => addresses,
            Err(fault) => {
                let fault = self.blamed(fault, &course).await;
                return tried(course, Err(fault));
            }
        };
        let policy = self.module.addresses;
        let mut outcomes = Vec::new();
        let mut decider: Option<Tried> = None;
        for (number, address) in addresses.iter().enumerate() {
            let share = attempts::share_of_address(policy, course.left(), addresses.len() - number);
            let one = self.at(*address, course.anew(now() + share)).await;
            let reason = one.attempt.reason;
            outcomes.push(reason.outcome());
            if decider.is_none() || attempts::decider(policy, &outcomes) == number {
                decider = Some(one);
            }
            if !attempts::goes_on(policy, reason) {
                break;
            }
        }
        decider.unwrap_or_else(|| {
            let nothing = Fault::new(Reason::DnsNoAddress, "the target has no address");
            tried(course, Err(nothing))
        })
    }

    /// Which addresses may be tried; a single `None` where there is no host to resolve.
    async fn addresses(&self, course: &mut Course) -> Result<Vec<Option<IpAddr>>, Fault> {
        let Some(host) = self.goal.host.as_deref().filter(|_| !self.leaves_names_to_proxy()) else {
            return Ok(vec![None]);
        };
        course.gauge("probe_ip_protocol", 0.0);
        course.gauge("probe_ip_addr_hash", 0.0);
        let found = self.reach.resolve(host, self.module.ip, course).await;
        let seconds = course.spent(Phase::Resolve).as_secs_f64();
        course.gauge("probe_dns_lookup_time_seconds", seconds);
        let planned = attempts::plan(self.module.addresses, self.module.ip, &found?);
        Ok(planned.into_iter().map(Some).collect())
    }

    fn leaves_names_to_proxy(&self) -> bool {
        match &self.module.protocol {
            Protocol::Http(module) => http::leaves_names_to_proxy(module, &self.goal),
            _ => false,
        }
    }

    /// One attempt at one address.
    async fn at(&self, address: Option<IpAddr>, mut course: Course) -> Tried {
        if let Some(address) = address {
            course.gauge("probe_ip_protocol", if address.is_ipv4() { 4.0 } else { 6.0 });
            course.gauge("probe_ip_addr_hash", address_hash(address));
        }
        let result = self.speak(address, &mut course).await;
        let result = match result {
            Ok(()) => self.judge(&course),
            Err(fault) => Err(self.blamed(fault, &course).await),
        };
        tried(course, result)
    }

    /// A fault, once it was asked whether it is our own.
    async fn blamed(&self, fault: Fault, course: &Course) -> Fault {
        let time = course.deadline().saturating_duration_since(course.began());
        let own_side = self.reach.own_side();
        own_side.judge(fault, course.address, course.began(), time).await
    }

    async fn speak(&self, address: Option<IpAddr>, course: &mut Course) -> Result<(), Fault> {
        let (goal, reach, ip) = (&self.goal, &self.reach, self.module.ip);
        match &self.module.protocol {
            Protocol::Http(module) => http::speak(module, ip, goal, address, reach, course).await,
            Protocol::Tcp(module) => tcp::speak(module, goal, required(address)?, reach, course).await,
            Protocol::Unix(module) => unix::speak(module, goal, course).await,
            Protocol::Dns(module) => dns::speak(module, goal, required(address)?, reach, course).await,
            Protocol::Icmp(module) => icmp::speak(*module, required(address)?, reach, course).await,
            Protocol::Grpc(module) => grpc::speak(module, goal, required(address)?, reach, course).await,
            Protocol::WebSocket(module) => websocket::speak(module, goal, required(address)?, reach, course).await,
        }
    }

    /// Conditions that hold for every protocol.
    fn judge(&self, course: &Course) -> Result<(), Fault> {
        let took = course.end(Ok(())).took;
        if let Some(most) = self.module.slower_than.filter(|most| took > *most) {
            let detail = format!("it took {} ms, more than {} ms", took.as_millis(), most.as_millis());
            let late = self.reach.own_side().late_since(course.began());
            if late > took.saturating_sub(most) {
                let detail = format!(
                    "nines had too much to do, and was {} ms late: {detail}",
                    late.as_millis()
                );
                return Err(Fault::new(Reason::Overloaded, detail));
            }
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

impl Goal {
    /// What the other side is called where it has no name in the module's settings.
    fn called(&self) -> &str {
        let name = self.hostname.as_deref().or(self.host.as_deref());
        name.unwrap_or(&self.target)
    }
}

fn required(address: Option<IpAddr>) -> Result<IpAddr, Fault> {
    address.ok_or_else(|| Fault::new(Reason::Misconfigured, "the target names no host"))
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
        let delay = self.module.attempt_delay;
        let mut tries = Vec::new();
        let mut rest = self.module.attempts.max(1);
        let last = loop {
            let left = deadline.saturating_duration_since(now());
            let share = attempts::share(left, rest, delay);
            let until = now() + share;
            let last = tokio::select! {
                last = self.attempt(until) => last,
                never = self.reach.own_side().prepare(until, share) => match never {},
            };
            tries.push(last.attempt.clone());
            rest -= 1;
            let next_at = now() + delay;
            if last.attempt.outcome != Outcome::Bad || rest == 0 || next_at >= deadline {
                break last;
            }
            tokio::time::sleep_until(next_at).await;
        };
        Verdict {
            outcome: last.attempt.outcome,
            reason: last.attempt.reason,
            detail: last.attempt.detail,
            took: now().saturating_duration_since(began),
            attempts: tries,
            measures: last.course.measures,
            tls: last.course.tls,
        }
    }
}

/// As blackbox exporter hashes addresses: 32 bits of FNV-1a.
fn address_hash(address: IpAddr) -> f64 {
    let hash = |bytes: &[u8]| {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        f64::from(bytes.iter().fold(0x811c_9dc5, step))
    };
    match address {
        IpAddr::V4(v4) => hash(&v4.octets()),
        IpAddr::V6(v6) => hash(&v6.octets()),
    }
}
