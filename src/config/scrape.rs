//! `global` and `scrape_configs`, with Prometheus's names and meaning.

use std::time::Duration;

use super::context::Context;
use super::protocols::{ProtocolDefaults, read_global_protocols, read_protocols};
use super::receivers::MailDefaults;
use super::relabel::{Limits, read_limits, read_rules};
use super::{EVALUATION_INTERVAL, client, discovery, receivers};
use crate::domain::secret_names::sounds_secret;
use crate::domain::shown::HIDDEN;
use crate::source::scrape::settings::{BODY_SIZE_LIMIT, KEEP_DROPPED, KEEP_DROPPED_MAX, Scheme, ScrapeJob};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The default of `global.scrape_interval`.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// The default of `global.scrape_timeout`, where the interval is not shorter.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Where failures are told instead of in a file.
const FAILURES: &str = "every target's last failure is on /targets, and the reasons are counted in /metrics";

/// Settings of Prometheus's `global` that nines does not have.
const GLOBAL_OF_PROMETHEUS: [(&str, &str); 5] = [
    (
        "external_labels",
        "alerts bear the labels of their SLO; write them there",
    ),
    ("query_log_file", "nines answers no queries"),
    ("rule_query_offset", "nines evaluates no rules"),
    ("scrape_failure_log_file", FAILURES),
    ("extra_scrape_metrics", "nines keeps no samples"),
];

/// What jobs and receivers inherit.
pub(super) struct Global {
    pub evaluation_interval: Duration,
    pub mail: MailDefaults,
    scrape_interval: Duration,
    scrape_timeout: Duration,
    body_size_limit: u64,
    limits: Limits,
    keep_dropped: usize,
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
        keep_dropped: KEEP_DROPPED,
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
        global.body_size_limit = read_size(context, field, BODY_SIZE_LIMIT).unwrap_or(BODY_SIZE_LIMIT);
    }
    global.limits = read_limits(context, &mut fields, Limits::default());
    global.protocols = read_global_protocols(context, &mut fields);
    global.mail = receivers::read_mail_defaults(context, &mut fields);
    global.keep_dropped = read_keep_dropped(context, &mut fields, KEEP_DROPPED);
    read_names(context, &mut fields);
    context.unsupported(&mut fields, &GLOBAL_OF_PROMETHEUS);
    context.finish(fields);
    global
}

/// Reads `scrape_configs`; `known` are the names of jobs that stand elsewhere.
pub(super) fn read_jobs(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    global: &Global,
    known: &[ScrapeJob],
) -> Vec<ScrapeJob> {
    let mut jobs: Vec<ScrapeJob> = Vec::new();
    let Some(list) = fields.get("scrape_configs") else {
        return jobs;
    };
    for item in context.reader.list(list) {
        let known: Vec<&str> = known.iter().chain(&jobs).map(|job| job.name.as_str()).collect();
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
        .and_then(|field| read_size(context, field, BODY_SIZE_LIMIT));
    let compression = fields.get("enable_compression");
    let relabelling = read_rules(context, &mut fields, "relabel_configs");
    let metric_relabelling = read_rules(context, &mut fields, "metric_relabel_configs");
    let limits = read_limits(context, &mut fields, global.limits);
    // Rules may make an address of anything, such as a URL that becomes a parameter.
    let found = discovery::read(context, &mut fields, relabelling.is_empty());
    let job = ScrapeJob {
        name: name.unwrap_or_default(),
        interval,
        timeout,
        scheme: scheme.unwrap_or(Scheme::Http),
        path: path.unwrap_or_else(|| "/metrics".to_owned()),
        params,
        http: client::read_http(context, &mut fields),
        protocols: read_protocols(context, &mut fields, &global.protocols),
        honor_labels: context.boolean(&mut fields, "honor_labels", false),
        compression: compression.and_then(|field| context.reader.boolean(field)),
        body_size_limit: body_size_limit.unwrap_or(global.body_size_limit),
        relabelling,
        metric_relabelling,
        page_limits: limits.page,
        target_limit: limits.targets,
        static_targets: found.static_targets,
        file_discovery: found.files,
        providers: found.providers,
        keep_dropped: read_keep_dropped(context, &mut fields, global.keep_dropped),
    };
    read_without_effect(context, &mut fields);
    context.finish(fields);
    Some(job)
}

/// Keys that are accepted and change nothing; where that differs from what is asked for, it is said.
fn read_without_effect(context: &mut Context<'_>, fields: &mut Fields<'_>) {
    let clock = "events are placed by the clock of nines";
    context.fixed(fields, "honor_timestamps", false, clock);
    context.fixed(fields, "track_timestamps_staleness", false, clock);
    read_names(context, fields);
    context.unsupported(
        fields,
        &[
            (
                "sigv4",
                "requests are not signed for AWS, so that targets that ask for it refuse them",
            ),
            ("scrape_failure_log_file", FAILURES),
            ("extra_scrape_metrics", "nines keeps no samples"),
            ("start_timestamp_zero_ingestion", "nines keeps no samples"),
        ],
    );
}

/// How names are to be read: nines takes any UTF-8 in quotes, and asks for no escaping.
fn read_names(context: &mut Context<'_>, fields: &mut Fields<'_>) {
    for (key, as_if, what) in [
        (
            "metric_name_validation_scheme",
            "utf8",
            "names in quotes may be any UTF-8",
        ),
        ("metric_name_escaping_scheme", "allow-utf-8", "names are not escaped"),
    ] {
        if let Some(field) = fields.get(key)
            && context.reader.filled(field).is_some_and(|text| text != as_if)
        {
            let message = format!("`{key}` has no effect: {what}");
            context.reader.report(&codes::NO_EFFECT, field.key_span, message);
        }
    }
}

/// How many dropped targets are shown; 0 is the inherited number.
pub(super) fn read_keep_dropped(context: &mut Context<'_>, fields: &mut Fields<'_>, inherited: usize) -> usize {
    let written = fields.get("keep_dropped_targets");
    let written = written.and_then(|field| context.reader.whole(field));
    let written = written.filter(|number| *number > 0);
    written.map_or(inherited, |number| {
        usize::try_from(number).map_or(KEEP_DROPPED_MAX, |number| number.min(KEEP_DROPPED_MAX))
    })
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
        let may_be_secret = sounds_secret(&entry.key);
        for item in &items {
            if may_be_secret {
                context.hide_as(item.node, HIDDEN.to_owned());
            }
        }
        let texts = items.into_iter().filter_map(|item| context.reader.text(item));
        params.push((entry.key.clone(), texts.collect()));
    }
    params
}

/// A size as Prometheus writes it: `10MB` and `10MiB` are both 10 x 2^20 bytes; 0 is the default limit.
pub(super) fn read_size(context: &mut Context<'_>, field: Field<'_>, default: u64) -> Option<u64> {
    let text = context.reader.filled(field)?;
    let size = parse_size(text.trim());
    if size.is_none() {
        let message = format!("`{}` must be a size such as 10MB or 64MiB", field.key);
        context.reader.report(&codes::NUMBER, field.node.span, message);
    }
    size.map(|size| if size == 0 { default } else { size })
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
        "PB" | "PiB" => 5,
        "EB" | "EiB" => 6,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(power);
    (bytes.is_finite() && bytes < 1e19).then_some(bytes as u64)
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
