//! The course of one attempt: what took how long, what was seen.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::verdict::{Fault, Measure, Phase, ProbeAttempt, Reason, TlsSeen};
use crate::source::http::now;

/// What is noted on the way of one attempt.
#[derive(Clone, Debug)]
pub struct Course {
    began: Instant,
    deadline: Instant,
    phases: Vec<(Phase, Duration)>,
    /// Samples under blackbox exporter's names.
    pub measures: Vec<Measure>,
    /// The certificates that were seen last.
    pub tls: Option<TlsSeen>,
    /// The address that was asked last.
    pub address: Option<IpAddr>,
}

impl Course {
    /// An attempt that begins now and must end then.
    pub fn until(deadline: Instant) -> Self {
        Self {
            began: now(),
            deadline,
            phases: Vec::new(),
            measures: Vec::new(),
            tls: None,
            address: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The same for another address of the name that was resolved: as if that had been done only now. It must end by
    /// then, or when this one must.
    #[must_use]
    pub fn anew(&self, deadline: Instant) -> Self {
        let now = now();
        Self {
            began: now.checked_sub(self.spent(Phase::Resolve)).unwrap_or(now),
            deadline: self.deadline.min(deadline),
            ..self.clone()
        }
    }

    /// When all must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    /// Adds to a phase. Phases stand in the order in which they were first seen.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        match self.phases.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, sum)) => *sum += took,
            None => self.phases.push((phase, took)),
        }
    }

    /// How long a phase took; nothing where it was not reached.
    pub fn spent(&self, phase: Phase) -> Duration {
        let found = self.phases.iter().find(|(known, _)| *known == phase);
        found.map_or(Duration::ZERO, |(_, took)| *took)
    }

    /// Does something within the time that is left, as a phase: also one that fails is noted. When the time is up, that
    /// is `late`.
    pub async fn during<T>(
        &mut self,
        phase: Phase,
        late: Reason,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let began = now();
        let result = tokio::time::timeout_at(self.deadline, work).await;
        self.add(phase, now().saturating_duration_since(began));
        result.unwrap_or_else(|_| Err(Fault::new(late, format!("the time was up during {}", phase.word()))))
    }

    /// Notes a sample under blackbox exporter's name; a later one of the same name and labels replaces it.
    pub fn measure(&mut self, name: &'static str, labels: Vec<(&'static str, String)>, value: f64) {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value));
        self.measure_named(name, labels.collect(), value);
    }

    /// The same with labels whose names a module chose.
    pub fn measure_named(&mut self, name: &'static str, labels: Vec<(Cow<'static, str>, String)>, value: f64) {
        let known = self
            .measures
            .iter_mut()
            .find(|known| known.name == name && known.labels == labels);
        match known {
            Some(known) => known.value = value,
            None => self.measures.push(Measure { name, labels, value }),
        }
    }

    /// A sample without labels.
    pub fn gauge(&mut self, name: &'static str, value: f64) {
        self.measure(name, Vec::new(), value);
    }

    /// How the attempt has ended.
    pub fn end(&self, result: Result<(), Fault>) -> ProbeAttempt {
        let (reason, detail) = match result {
            Ok(()) => (Reason::Ok, String::new()),
            Err(fault) => (fault.reason, fault.detail),
        };
        ProbeAttempt {
            outcome: reason.outcome(),
            reason,
            detail,
            address: self.address,
            took: now().saturating_duration_since(self.began),
            phases: self.phases.clone(),
        }
    }
}
