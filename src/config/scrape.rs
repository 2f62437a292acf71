//! `global` and `scrape_configs`, with Prometheus's names and meaning.

use std::path::Path;
use std::time::Duration;

use super::client;
use super::context::Context;
use super::protocols::{ProtocolDefaults, read_global_protocols, read_protocols};
use super::receivers::MailDefaults;
use super::relabel::{Limits, read_limits, read_rules};
use super::{EVALUATION_INTERVAL, receivers};
use crate::source::scrape::settings::{BODY_SIZE_LIMIT, FileDiscovery, Scheme, ScrapeJob, TargetGroup};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The default of `global.scrape_interval`.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// The default of `global.scrape_timeout`, where the interval is not shorter.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// The default of `refresh_interval`, as in Prometheus.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);

/// Keys of Prometheus's `global` that this version does not support.
const GLOBAL_NOT_YET: [&str; 5] = [
    "external_labels",
    "query_log_file",
    "rule_query_offset",
    "scrape_failure_log_file",
    "keep_dropped_targets",
];

/// Keys of Prometheus's scrape configs that this version does not support.
const JOB_NOT_YET: [&str; 16] = [
    "keep_dropped_targets",
    "scrape_failure_log_file",
    "scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "track_timestamps_staleness",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "oauth2",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "http_headers",
    "sigv4",
];

/// Prometheus's other ways to find targets.
const DISCOVERY_NOT_YET: [&str; 24] = [
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "http_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "openstack_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "triton_sd_configs",
];

/// What jobs and receivers inherit.
pub(super) struct Global {
    pub evaluation_interval: Duration,
    pub mail: MailDefaults,
    scrape_interval: Duration,
    scrape_timeout: Duration,
    body_size_limit: u64,
    limits: Limits,
    protocols: ProtocolDefaults,
}

/// Reads `global`.
pub(super) fn read_global(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Global {
    let mut global = Global {
        evaluation_interval: EVALUATION_INTERVAL,
        mail: MailDefaults::default(),
        scrape_interval: SCRAPE_INTERVAL,
        scrape_timeout: SCRAPE_TIMEOUT,
        body_size_limit: BODY_SIZE_LIMIT,
        limits: Limits::default(),
        protocols: ProtocolDefaults::default(),
    };
    let Some(mut fields) = fields
        .get("global")
        .and_then(|field| Fields::open(&mut context.reader, field))
    else {
        return global;
    };
    global.scrape_interval = context.period(&mut fields, "scrape_interval", SCRAPE_INTERVAL);
    global.evaluation_interval = context.period(&mut fields, "evaluation_interval", EVALUATION_INTERVAL);
    let timeout = fields.get("scrape_timeout");
    global.scrape_timeout = read_timeout(context, timeout, global.scrape_interval, SCRAPE_TIMEOUT);
    if let Some(field) = fields.get("body_size_limit") {
        global.body_size_limit = read_size(context, field).unwrap_or(BODY_SIZE_LIMIT);
    }
    global.limits = read_limits(context, &mut fields, Limits::default());
    global.protocols = read_global_protocols(context, &mut fields);
    global.mail = receivers::read_mail_defaults(context, &mut fields);
    fields.refuse(&mut context.reader, &GLOBAL_NOT_YET);
    fields.finish(&mut context.reader);
    global
}

/// Reads `scrape_configs`.
pub(super) fn read_jobs(context: &mut Context<'_>, fields: &mut Fields<'_>, global: &Global) -> Vec<ScrapeJob> {
    let mut jobs: Vec<ScrapeJob> = Vec::new();
    let Some(list) = fields.get("scrape_configs") else {
        return jobs;
    };
    for item in context.reader.list(list) {
        let known: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let job = read_job(context, item, global, &known);
        jobs.extend(job);
    }
    jobs
}

fn read_job(context: &mut Context<'_>, item: Field<'_>, global: &Global, known: &[&str]) -> Option<ScrapeJob> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let name = fields.require("job_name");
    let name = name.and_then(|field| context.unique_name(field, known));
    let interval = context.period(&mut fields, "scrape_interval", global.scrape_interval);
    let timeout = fields.get("scrape_timeout");
    let timeout = read_timeout(context, timeout, interval, global.scrape_timeout);
    let schemes = [("http", Scheme::Http), ("https", Scheme::Https)];
    let scheme = fields
        .get("scheme")
        .and_then(|field| context.reader.choice(field, &schemes));
    let path = fields
        .get("metrics_path")
        .and_then(|field| read_metrics_path(context, field));
    let params = fields
        .get("params")
        .map(|field| read_params(context, field))
        .unwrap_or_default();
    let body_size_limit = fields
        .get("body_size_limit")
        .and_then(|field| read_size(context, field));
    let relabelling = read_rules(context, &mut fields, "relabel_configs");
    let metric_relabelling = read_rules(context, &mut fields, "metric_relabel_configs");
    let limits = read_limits(context, &mut fields, global.limits);
    // Rules may make an address of anything, such as a URL that becomes a parameter.
    let are_addresses = relabelling.is_empty();
    let static_targets = fields.get("static_configs");
    let static_targets = static_targets.map(|field| read_static(context, field, are_addresses));
    let file_discovery = fields
        .get("file_sd_configs")
        .map(|field| read_file_discovery(context, field));
    let job = ScrapeJob {
        name: name.unwrap_or_default(),
        interval,
        timeout,
        scheme: scheme.unwrap_or(Scheme::Http),
        path: path.unwrap_or_else(|| "/metrics".to_owned()),
        params,
        auth: client::read_auth(context, &mut fields),
        tls: client::read_tls(context, &mut fields),
        protocols: read_protocols(context, &mut fields, &global.protocols),
        honor_labels: context.boolean(&mut fields, "honor_labels", false),
        follow_redirects: context.boolean(&mut fields, "follow_redirects", true),
        compression: context.boolean(&mut fields, "enable_compression", true),
        body_size_limit: body_size_limit.unwrap_or(global.body_size_limit),
        relabelling,
        metric_relabelling,
        page_limits: limits.page,
        target_limit: limits.targets,
        static_targets: static_targets.unwrap_or_default(),
        file_discovery: file_discovery.unwrap_or_default(),
    };
    for key in ["honor_timestamps", "enable_http2"] {
        if let Some(field) = fields.get(key) {
            context.reader.boolean(field);
            let message = match key {
                "honor_timestamps" => "`honor_timestamps` has no effect: events are placed by the clock of nines",
                _ => "`enable_http2` has no effect: scrapes use HTTP/1.1",
            };
            context.reader.report(&codes::NO_EFFECT, field.key_span, message);
        }
    }
    fields.refuse(&mut context.reader, &JOB_NOT_YET);
    fields.refuse(&mut context.reader, &DISCOVERY_NOT_YET);
    fields.finish(&mut context.reader);
    Some(job)
}

/// A timeout: as written, else the default, which is cut to the interval as in Prometheus.
fn read_timeout(
    context: &mut Context<'_>,
    field: Option<Field<'_>>,
    interval: Duration,
    default: Duration,
) -> Duration {
    let Some(field) = field else {
        return default.min(interval);
    };
    let Some(timeout) = context.positive(field) else {
        return default.min(interval);
    };
    if timeout > interval {
        let message = "`scrape_timeout` is longer than the scrape interval";
        context.reader.report(&codes::TIMEOUT, field.node.span, message);
    }
    timeout
}

fn read_metrics_path(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let path = context.reader.filled(field)?;
    if !path.starts_with('/') {
        let message = "`metrics_path` must begin with /";
        context.reader.report(&codes::ADDRESS, field.node.span, message);
        return None;
    }
    Some(path)
}

/// A map of names and lists of values; a single value is a list of one.
fn read_params(context: &mut Context<'_>, field: Field<'_>) -> Vec<(String, Vec<String>)> {
    let Some(entries) = field.node.entries() else {
        context.reader.expected(field, "a map");
        return Vec::new();
    };
    let mut params = Vec::new();
    for entry in entries {
        let value = Field {
            node: &entry.value,
            key_span: entry.key_span,
            ..field
        };
        let items = if entry.value.items().is_some() {
            context.reader.list(value)
        } else {
            vec![value]
        };
        let may_be_secret = ["token", "secret", "passw", "key"]
            .iter()
            .any(|word| entry.key.to_lowercase().contains(word));
        for item in &items {
            if may_be_secret {
                context.hide_as(item.node, super::context::HIDDEN.to_owned());
            }
        }
        let texts = items.into_iter().filter_map(|item| context.reader.text(item));
        params.push((entry.key.clone(), texts.collect()));
    }
    params
}

fn read_static(context: &mut Context<'_>, field: Field<'_>, are_addresses: bool) -> Vec<TargetGroup> {
    let mut groups = Vec::new();
    for item in context.reader.list(field) {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let mut group = TargetGroup::default();
        if let Some(targets) = fields.require("targets") {
            for target in context.reader.list(targets) {
                group.targets.extend(if are_addresses {
                    read_target(context, target)
                } else {
                    context.reader.filled(target)
                });
            }
        }
        if let Some(labels) = fields.get("labels") {
            group.labels = context.reader.labels(labels, &[]);
        }
        fields.finish(&mut context.reader);
        groups.push(group);
    }
    groups
}

fn read_target(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let target = context.reader.filled(field)?;
    let problem = if target.contains("://") {
        Some("write `host:port`; the scheme and the path have keys of their own")
    } else if target.contains('/') || target.contains(char::is_whitespace) {
        Some("write `host:port`; the path has a key of its own, `metrics_path`")
    } else if target.contains('@') {
        Some("write `host:port`; credentials have keys of their own")
    } else {
        None
    };
    if let Some(message) = problem {
        let message = format!("this is no address of a target; {message}");
        context.reader.report(&codes::ADDRESS, field.node.span, message);
        return None;
    }
    Some(target)
}

fn read_file_discovery(context: &mut Context<'_>, field: Field<'_>) -> Vec<FileDiscovery> {
    let mut found = Vec::new();
    for item in context.reader.list(field) {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let files_field = fields.require("files");
        let files = files_field.map(|files| context.patterns(files)).unwrap_or_default();
        let readable = |path: &Path| {
            path.extension()
                .is_some_and(|ext| ["json", "yml", "yaml"].iter().any(|e| ext == *e))
        };
        if let Some(field) = files_field
            && files.iter().any(|path| !readable(path))
        {
            let message = "`files` are named *.json, *.yml or *.yaml";
            context.reader.report(&codes::ADDRESS, field.node.span, message);
        }
        let refresh_interval = context.period(&mut fields, "refresh_interval", REFRESH_INTERVAL);
        fields.finish(&mut context.reader);
        found.push(FileDiscovery {
            files,
            refresh_interval,
        });
    }
    found
}

/// A size as Prometheus writes it: `10MB` and `10MiB` are both 10 x 2^20 bytes; 0 is the default limit.
fn read_size(context: &mut Context<'_>, field: Field<'_>) -> Option<u64> {
    let text = context.reader.filled(field)?;
    let size = parse_size(text.trim());
    if size.is_none() {
        let message = format!("`{}` must be a size such as 10MB or 64MiB", field.key);
        context.reader.report(&codes::NUMBER, field.node.span, message);
    }
    size.map(|size| if size == 0 { BODY_SIZE_LIMIT } else { size })
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = text.split_at(digits);
    let power = match unit.trim() {
        "" | "B" => 0,
        "KB" | "KiB" => 1,
        "MB" | "MiB" => 2,
        "GB" | "GiB" => 3,
        "TB" | "TiB" => 4,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(power);
    (bytes.is_finite() && bytes < 1e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_read_as_prometheus_reads_them() {
        for (text, bytes) in [
            ("10MB", Some(10 << 20)),
            ("64MiB", Some(64 << 20)),
            ("1.5KB", Some(1536)),
            ("0", Some(0)),
            ("100", Some(100)),
            ("10 parsec", None),
            ("MB", None),
            ("-1MB", None),
            ("99999999999999TB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
