//! What `/targets` shows of a probed target beyond what every target shows.

use super::Time;
use crate::domain::time::Timestamp;
use crate::engine::probe::view::ProbeView;
use crate::http::format;

/// What the last probes of a target came to.
pub(super) struct Probed {
    /// `http_2xx (http)`
    pub module: String,
    /// Why the last verdict is what it is; empty for a good one.
    pub reason: &'static str,
    /// The phases of the last attempt, in words: `connect 3 ms`.
    pub phases: Vec<String>,
    /// The address that was asked last.
    pub address: String,
    /// How many attempts the last probe made, where it made several.
    pub attempts: Option<usize>,
    /// When the server's certificate ends.
    pub tls: Option<Time>,
    /// It has ended, or ends within two weeks.
    pub tls_is_near: bool,
    /// The last verdicts, the newest first: class, icon, and what they say.
    pub verdicts: Vec<(&'static str, &'static str, String)>,
}

/// A certificate that ends so soon is pointed out.
const NEAR_MS: i64 = 14 * 24 * 3_600_000;

impl Probed {
    /// What is shown of these verdicts.
    pub fn of(view: &ProbeView, now: Timestamp) -> Self {
        let last = view.attempts.last();
        let phases = last.into_iter().flat_map(|attempt| &attempt.phases.0);
        let verdicts = view.verdicts.iter().map(|verdict| {
            let (class, icon) = match verdict.verdict {
                "good" => ("good", "●"),
                "bad" => ("bad", "■"),
                _ => ("none", "○"),
            };
            let took = format::seconds(verdict.duration);
            let why = if verdict.detail.is_empty() {
                verdict.verdict
            } else {
                &verdict.detail
            };
            (class, icon, format!("{}: {why}, {took}", verdict.at))
        });
        Self {
            module: format!("{} ({})", view.module, view.prober),
            reason: view.reason.filter(|reason| *reason != "ok").unwrap_or_default(),
            phases: phases
                .map(|(phase, seconds)| format!("{phase} {}", short(*seconds)))
                .collect(),
            address: last.and_then(|attempt| attempt.address.clone()).unwrap_or_default(),
            attempts: Some(view.attempts.len()).filter(|number| *number > 1),
            tls: view.tls_ends.map(|ends| Time::of(ends, now)),
            tls_is_near: view.tls_ends.is_some_and(|ends| ends.since(now) < NEAR_MS),
            verdicts: verdicts.collect(),
        }
    }
}

/// Phases on this machine and near it take parts of a millisecond.
fn short(seconds: f64) -> String {
    if seconds < 0.01 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format::seconds(seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::domain::time::Timestamp;
    use crate::engine::probe::view::{AttemptView, ProbeView, VerdictView};
    use crate::engine::snapshot::OrderedMap;
    use crate::http::testing::{NOW, get, snapshot, state};

    #[tokio::test]
    async fn a_probed_target_is_shown_with_reason_phases_and_expiry() {
        let state = state();
        let mut shown = snapshot();
        let target = &mut shown.targets[0];
        let detail = "the certificate ended <yesterday>";
        target.health = "down";
        target.probe = Some(ProbeView {
            module: "http_2xx".to_owned(),
            prober: "http",
            verdict: Some("bad"),
            reason: Some("tls_expired"),
            attempts: vec![AttemptView {
                verdict: "bad",
                reason: "tls_expired",
                detail: detail.to_owned(),
                address: Some("10.0.0.7".to_owned()),
                duration: 0.02,
                phases: OrderedMap(vec![("resolve".to_owned(), 0.001), ("tls".to_owned(), 0.019)]),
            }],
            tls_not_after: None,
            tls_earliest_not_after: None,
            tls_chain_not_after: None,
            skipped: 0,
            verdicts: vec![VerdictView {
                at: NOW.to_string(),
                verdict: "bad",
                reason: "tls_expired",
                detail: detail.to_owned(),
                duration: 0.02,
            }],
            tls_ends: Some(Timestamp(NOW.0 - 86_400_000)),
        });
        let labels = format!(
            "job=\"{}\",instance=\"{}\"",
            target.about.labels["job"], target.about.labels["instance"]
        );
        state.snapshot.store(Arc::new(shown));
        let page = get(&state, "/targets").await.2;
        for said in [
            "tls_expired",
            "at 10.0.0.7",
            "resolve 1.0 ms, tls 19 ms",
            "certificate ends",
            "&#60;yesterday&#62;",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        let metrics = get(&state, "/metrics").await.2;
        for said in [
            format!("nines_probe_success{{{labels}}} 0"),
            format!("nines_probe_duration_seconds{{{labels},phase=\"tls\"}} 0.019"),
            format!(
                "nines_probe_tls_not_after_timestamp_seconds{{{labels}}} {}",
                NOW.0 / 1000 - 86_400
            ),
        ] {
            assert!(metrics.contains(&said), "{said}: {metrics}");
        }
        assert!(!metrics.contains(&format!("nines_target_up{{{labels}}}")));
    }
}
