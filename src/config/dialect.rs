//! A configuration of nines, or one that was written for Prometheus.

use super::context::Context;
use crate::spec::reader::Fields;
use crate::spec::yaml::Node;

/// Keys that only nines has.
const OF_NINES: [&str; 12] = [
    "slo_files",
    "receivers",
    "route",
    "prometheus_servers",
    "probes",
    "probe_modules",
    "probe_module_files",
    "probe_limits",
    "connectivity",
    "probe_endpoint",
    "egress",
    "retention",
];

/// Keys that only Prometheus has, and what is different without them.
const OF_PROMETHEUS: [(&str, &str); 7] = [
    (
        "rule_files",
        "nines evaluates no rules; it computes and alerts by the SLOs that `slo_files` or --slo.path name",
    ),
    (
        "alerting",
        "name receivers in `receivers`; `alertmanager_configs` there sends alerts to an Alertmanager",
    ),
    (
        "remote_write",
        "nines keeps no samples; its own numbers are in /metrics",
    ),
    ("remote_read", "nines keeps no samples"),
    ("tracing", "nines sends no traces"),
    ("otlp", "nines takes no samples, it scrapes them"),
    ("runtime", "it is about the runtime of Go"),
];

/// Whether a file was written for Prometheus: it is not named `nines.yml`, and has a key that only Prometheus has, or
/// none that only nines has.
pub(super) fn is_prometheus(root: &Node, file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let has_storage_url = root.get("storage").is_some_and(|storage| storage.get("url").is_some());
    let is_of_nines = has_storage_url || OF_NINES.iter().any(|key| root.entry(key).is_some());
    let is_of_prometheus =
        root.entry("scrape_config_files").is_some() || OF_PROMETHEUS.iter().any(|(key, _)| root.entry(key).is_some());
    !matches!(name, "nines.yml" | "nines.yaml") && (is_of_prometheus || !is_of_nines)
}

/// A key of a document that Prometheus does not have, or has with another meaning.
pub(super) fn is_of_nines(key: &str) -> bool {
    key == "storage" || OF_NINES.contains(&key)
}

/// Says what of a file of Prometheus's has no effect here.
pub(super) fn read_others(context: &mut Context<'_>, fields: &mut Fields<'_>) {
    context.unsupported(fields, &OF_PROMETHEUS);
}
