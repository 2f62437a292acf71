//! The families about nines itself: build, config, lease, ledger, and everything in `Stats`.

use super::writer::{Kind, Writer};
use crate::engine::snapshot::Snapshot;
use crate::engine::stats::{Counter, Family, Histogram, Stats};
use crate::http::state::HttpState;

/// Writes them.
pub fn write(writer: &mut Writer, state: &HttpState, snapshot: &Snapshot) {
    write_process(writer, state, snapshot);
    write_visits(writer, &state.stats);
    write_sources(writer, &state.stats);
    write_samples(writer, &state.stats);
    write_evaluations(writer, &state.stats);
    write_messages(writer, &state.stats);
}

fn write_visits(writer: &mut Writer, stats: &Stats) {
    counter(
        writer,
        "nines_scrapes_total",
        "Visits that gave a page.",
        &stats.scrapes,
    );
    by(
        writer,
        "nines_scrape_failures_total",
        "Visits that gave nothing.",
        &["reason"],
        &stats.scrape_failures,
    );
    by(
        writer,
        "nines_pushed_events_total",
        "Entries that were pushed.",
        &["outcome"],
        &stats.pushed_events,
    );
    histogram(
        writer,
        "nines_scrape_duration_seconds",
        "How long visits took.",
        &stats.scrape_duration,
    );
    histogram(
        writer,
        "nines_scrape_lag_seconds",
        "From the moment that a visit was due until it began.",
        &stats.scrape_lag,
    );
    counter(
        writer,
        "nines_scrapes_skipped_total",
        "Visits that were due while the one before was under way or waited for its turn.",
        &stats.scrapes_skipped,
    );
    by(
        writer,
        "nines_scrape_warnings_total",
        "Lines of pages that were not understood, and samples of a series that stood there twice.",
        &["job", "kind"],
        &stats.scrape_warnings,
    );
    by(
        writer,
        "nines_sd_failures_total",
        "Looks for targets that gave no list; the targets that are known stay.",
        &["job", "mechanism"],
        &stats.sd_failures,
    );
}

fn write_samples(writer: &mut Writer, stats: &Stats) {
    counter(
        writer,
        "nines_samples_seen_total",
        "Samples on all pages.",
        &stats.samples_seen,
    );
    counter(
        writer,
        "nines_samples_selected_total",
        "Samples that some SLO selects.",
        &stats.samples_selected,
    );
    by(
        writer,
        "nines_commits_total",
        "Commits of counted visits.",
        &["outcome"],
        &stats.commits,
    );
    histogram(
        writer,
        "nines_commit_duration_seconds",
        "How long commits took.",
        &stats.commit_duration,
    );
}

fn write_sources(writer: &mut Writer, stats: &Stats) {
    by(
        writer,
        "nines_source_queries_total",
        "Questions to Prometheus-compatible servers.",
        &["source", "outcome"],
        &stats.source_queries,
    );
    by(
        writer,
        "nines_source_samples_total",
        "Samples in their answers.",
        &["source"],
        &stats.source_samples,
    );
    writer.family(
        "nines_source_query_duration_seconds",
        Kind::Histogram,
        "How long their answers took.",
    );
    for (key, values) in stats.source_query_duration.get() {
        writer.histogram(&pairs(&["source"], &key), &values);
    }
    writer.family(
        "nines_source_breaker_open",
        Kind::Gauge,
        "1 while a server is left alone after many failures.",
    );
    for (key, value) in stats.source_breakers.get() {
        writer.sample(&pairs(&["source"], &key), value as f64);
    }
}

fn write_evaluations(writer: &mut Writer, stats: &Stats) {
    counter(
        writer,
        "nines_evaluations_total",
        "Evaluations of all SLOs.",
        &stats.evaluations,
    );
    let missed = "Evaluation ticks that came too late to be run.";
    counter(
        writer,
        "nines_scheduler_missed_ticks_total",
        missed,
        &stats.missed_ticks,
    );
    histogram(
        writer,
        "nines_evaluation_duration_seconds",
        "How long evaluations took.",
        &stats.evaluation_duration,
    );
    by(
        writer,
        "nines_alert_transitions_total",
        "Changes of alerts.",
        &["kind"],
        &stats.transitions,
    );
}

fn write_messages(writer: &mut Writer, stats: &Stats) {
    let labels = ["receiver", "integration", "reason"];
    let accepted = "Messages that a receiver accepted.";
    by(
        writer,
        "nines_notifications_total",
        accepted,
        &labels[..2],
        &stats.notifications,
    );
    let failed = "Attempts to send a message that failed.";
    by(
        writer,
        "nines_notifications_failed_total",
        failed,
        &labels,
        &stats.notifications_failed,
    );
    let latency = "From the moment a message became due until it was accepted.";
    histogram(
        writer,
        "nines_notification_latency_seconds",
        latency,
        &stats.notification_latency,
    );
    let labels = ["handler", "method", "code"];
    by(
        writer,
        "nines_http_requests_total",
        "HTTP requests that were answered.",
        &labels,
        &stats.http_requests,
    );
    histogram(
        writer,
        "nines_http_request_duration_seconds",
        "How long HTTP requests took.",
        &stats.http_duration,
    );
}

fn write_process(writer: &mut Writer, state: &HttpState, snapshot: &Snapshot) {
    let (info, stats) = (&state.info, &state.stats);
    writer.family("nines_build_info", Kind::Gauge, "Which build runs.");
    writer.sample(&[("version", &info.version), ("revision", &info.revision)], 1.0);
    writer.family(
        "nines_start_timestamp_seconds",
        Kind::Gauge,
        "When this process started.",
    );
    writer.sample(&[], info.start_time.as_seconds());
    writer.family(
        "nines_config_last_reload_successful",
        Kind::Gauge,
        "1 when the last reload took.",
    );
    writer.sample(&[], stats.last_reload_ok.get() as f64);
    writer.family(
        "nines_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        "When a reload last took.",
    );
    writer.sample(&[], stats.last_reload_ok_at.get() as f64 / 1e3);
    writer.family(
        "nines_active",
        Kind::Gauge,
        "1 when this process counts and sends, 0 when it is a standby.",
    );
    writer.whole(&[], u64::from(snapshot.active));
    writer.family(
        "nines_lease_epoch",
        Kind::Gauge,
        "The epoch of this process's lease; 0 for a standby.",
    );
    writer.sample(&[], stats.lease_epoch.get() as f64);
    writer.family(
        "nines_ledger_discrepancy_events",
        Kind::Gauge,
        "What the ledger's double entry is off by; must be 0; absent before the first proof.",
    );
    if let Some(micro) = snapshot.discrepancy_micro {
        writer.micro(&[], micro);
    }
    writer.family(
        "nines_notifications_dead_letters",
        Kind::Gauge,
        "Messages that were given up and are still shown.",
    );
    writer.sample(&[], stats.dead_letters.get() as f64);
}

fn counter(writer: &mut Writer, name: &str, help: &str, value: &Counter) {
    writer.family(name, Kind::Counter, help);
    writer.whole(&[], value.get());
}

pub(super) fn by(writer: &mut Writer, name: &str, help: &str, labels: &[&str], values: &Family) {
    writer.family(name, Kind::Counter, help);
    for (key, value) in values.get() {
        writer.whole(&pairs(labels, &key), value);
    }
}

fn pairs<'a>(labels: &[&'a str], values: &'a [String]) -> Vec<(&'a str, &'a str)> {
    labels.iter().copied().zip(values.iter().map(String::as_str)).collect()
}

pub(super) fn histogram(writer: &mut Writer, name: &str, help: &str, values: &Histogram) {
    writer.family(name, Kind::Histogram, help);
    writer.histogram(&[], &values.get());
}
