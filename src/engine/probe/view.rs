//! Verdicts as the API and the pages show them.

use std::collections::VecDeque;

use serde::Serialize;

use crate::domain::time::Timestamp;
use crate::domain::verdict::{ProbeAttempt, ProbeTarget, Verdict};
use crate::engine::snapshot::OrderedMap;

/// What is shown of a probed target beyond what every target shows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeView {
    /// The module's name.
    pub module: String,
    /// `http`, `tcp` …
    pub prober: &'static str,
    /// `good | bad | unknown`; `None` before the first one.
    pub verdict: Option<&'static str>,
    /// Why, in one word.
    pub reason: Option<&'static str>,
    /// The last probe's attempts in their order.
    pub attempts: Vec<AttemptView>,
    /// When the server's own certificate ends, RFC 3339.
    pub tls_not_after: Option<String>,
    /// When the first one of the certificates that it sent ends, RFC 3339.
    pub tls_earliest_not_after: Option<String>,
    /// When the chain that was believed ends, RFC 3339.
    pub tls_chain_not_after: Option<String>,
    /// Probes that were due and not made in this process.
    pub skipped: u64,
    /// The last verdicts, the newest first.
    pub verdicts: Vec<VerdictView>,
    /// When the server's own certificate ends; for `/metrics` and pages.
    #[serde(skip)]
    pub tls_ends: Option<Timestamp>,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// `good | bad | unknown`
    pub verdict: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence; empty for a good one.
    pub detail: String,
    /// The address that was asked.
    pub address: Option<String>,
    /// How long it took, in seconds.
    pub duration: f64,
    /// What of it took how long, in seconds, in the order in which it happened.
    pub phases: OrderedMap<f64>,
}

/// A verdict in short.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictView {
    /// When, RFC 3339.
    pub at: String,
    /// `good | bad | unknown`
    pub verdict: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence; empty for a good one.
    pub detail: String,
    /// How long it took, in seconds.
    pub duration: f64,
}

impl ProbeView {
    /// What is shown of a target whose last verdict this is.
    pub fn of(target: &ProbeTarget, last: Option<&Verdict>, skipped: u64, earlier: &VecDeque<VerdictView>) -> Self {
        let tls = last.and_then(|verdict| verdict.tls).unwrap_or_default();
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            module: target.module.clone(),
            prober: target.kind.word(),
            verdict: last.map(|verdict| verdict.outcome.word()),
            reason: last.map(|verdict| verdict.reason.word()),
            attempts: last
                .map(|verdict| verdict.attempts.iter().map(AttemptView::of).collect())
                .unwrap_or_default(),
            tls_not_after: text(tls.leaf_not_after),
            tls_earliest_not_after: text(tls.earliest_not_after),
            tls_chain_not_after: text(tls.chain_not_after),
            skipped,
            verdicts: earlier.iter().cloned().collect(),
            tls_ends: tls.leaf_not_after,
        }
    }
}

impl AttemptView {
    /// An attempt as people see it.
    pub fn of(attempt: &ProbeAttempt) -> Self {
        let phases = attempt.phases.iter();
        let phases = phases.map(|(phase, took)| (phase.word().to_owned(), took.as_secs_f64()));
        Self {
            verdict: attempt.outcome.word(),
            reason: attempt.reason.word(),
            detail: attempt.detail.clone(),
            address: attempt.address.map(|address| address.to_string()),
            duration: attempt.took.as_secs_f64(),
            phases: OrderedMap(phases.collect()),
        }
    }
}

impl VerdictView {
    /// A verdict in short.
    pub fn of(verdict: &Verdict, at: Timestamp) -> Self {
        Self {
            at: at.to_string(),
            verdict: verdict.outcome.word(),
            reason: verdict.reason.word(),
            detail: verdict.detail.clone(),
            duration: verdict.took.as_secs_f64(),
        }
    }
}
