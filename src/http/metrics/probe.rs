//! The families about probes.

use super::process::{by, histogram};
use super::writer::{Kind, Writer};
use crate::engine::probe::view::ProbeView;
use crate::engine::snapshot::{Snapshot, TargetView};
use crate::engine::stats::Stats;

/// Writes all of them.
pub(super) fn write(writer: &mut Writer, stats: &Stats, snapshot: &Snapshot) {
    write_stats(writer, stats);
    let probed = || {
        let probed = snapshot.targets.iter();
        probed.filter_map(|target| Some((labels(target), target, target.probe.as_ref()?)))
    };
    writer.family(
        "nines_probe_success",
        Kind::Gauge,
        "1 when the last verdict was good, 0 when it was bad; absent while nothing is known.",
    );
    for (labels, target, _) in probed().filter(|(_, target, _)| target.health != "unknown") {
        writer.whole(&pairs(&labels), u64::from(target.health == "up"));
    }
    writer.family(
        "nines_probe_duration_seconds",
        Kind::Gauge,
        "How long the phases of the last attempt took.",
    );
    for (labels, _, probe) in probed() {
        for (phase, seconds) in last_phases(probe) {
            let mut pairs = pairs(&labels).to_vec();
            pairs.push(("phase", phase));
            writer.sample(&pairs, *seconds);
        }
    }
    writer.family(
        "nines_probe_tls_not_after_timestamp_seconds",
        Kind::Gauge,
        "When the certificate that the server showed last ends.",
    );
    for (labels, _, probe) in probed() {
        if let Some(ends) = probe.tls_ends {
            writer.sample(&pairs(&labels), ends.0 as f64 / 1e3);
        }
    }
}

fn write_stats(writer: &mut Writer, stats: &Stats) {
    by(
        writer,
        "nines_probes_total",
        "Verdicts of probes.",
        &["prober", "verdict", "reason"],
        &stats.probes,
    );
    by(
        writer,
        "nines_probes_skipped_total",
        "Probes that were due while the one before was under way or had no turn.",
        &["job"],
        &stats.probes_skipped,
    );
    histogram(
        writer,
        "nines_probe_lag_seconds",
        "From the moment that a probe was due until it began.",
        &stats.probe_lag,
    );
    writer.family(
        "nines_probe_seconds",
        Kind::Histogram,
        "How long probes took, all attempts together.",
    );
    for (key, values) in stats.probe_duration.get() {
        writer.histogram(&[("prober", key[0].as_str())], &values);
    }
}

fn labels(target: &TargetView) -> [String; 2] {
    ["job", "instance"].map(|name| target.about.labels.get(name).cloned().unwrap_or_default())
}

fn pairs(labels: &[String; 2]) -> [(&'static str, &str); 2] {
    [("job", &labels[0]), ("instance", &labels[1])]
}

fn last_phases(probe: &ProbeView) -> impl Iterator<Item = (&str, &f64)> {
    let last = probe.attempts.last();
    let phases = last.into_iter().flat_map(|attempt| &attempt.phases.0);
    phases.map(|(phase, seconds)| (phase.as_str(), seconds))
}
