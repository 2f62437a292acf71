//! Where targets come from: `static_configs` and the `*_sd_configs`.

use std::path::Path;
use std::time::Duration;

use super::client::read_http;
use super::context::Context;
use super::proxy::{read_entries, read_web_address};
use crate::domain::labels::Labels;
use crate::domain::secret_names::sounds_secret;
use crate::domain::selector_parser::is_label_name;
use crate::domain::shown::address_without_secrets;
use crate::source::scrape::settings::{DnsDiscovery, FileDiscovery, HttpDiscovery, Provider, RecordKind, TargetGroup};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The defaults of `refresh_interval`, as in Prometheus.
const FILE_INTERVAL: Duration = Duration::from_mins(5);
const HTTP_INTERVAL: Duration = Duration::from_mins(1);
const DNS_INTERVAL: Duration = Duration::from_secs(30);

/// What follows where a discovery is not supported.
const OTHERS: &str =
    "the job's other targets are visited; `http_sd_configs` and `file_sd_configs` take lists that others make";

/// Prometheus's other ways to find targets.
const OTHER_DISCOVERIES: [(&str, &str); 27] = [
    ("azure_sd_configs", OTHERS),
    ("aws_sd_configs", OTHERS),
    ("consul_sd_configs", OTHERS),
    ("digitalocean_sd_configs", OTHERS),
    ("docker_sd_configs", OTHERS),
    ("dockerswarm_sd_configs", OTHERS),
    ("ec2_sd_configs", OTHERS),
    ("eureka_sd_configs", OTHERS),
    ("gce_sd_configs", OTHERS),
    ("hetzner_sd_configs", OTHERS),
    ("ionos_sd_configs", OTHERS),
    ("kuma_sd_configs", OTHERS),
    ("lightsail_sd_configs", OTHERS),
    ("linode_sd_configs", OTHERS),
    ("marathon_sd_configs", OTHERS),
    ("nerve_sd_configs", OTHERS),
    ("nomad_sd_configs", OTHERS),
    ("openstack_sd_configs", OTHERS),
    ("outscale_sd_configs", OTHERS),
    ("ovhcloud_sd_configs", OTHERS),
    ("puppetdb_sd_configs", OTHERS),
    ("scaleway_sd_configs", OTHERS),
    ("serverset_sd_configs", OTHERS),
    ("stackit_sd_configs", OTHERS),
    ("triton_sd_configs", OTHERS),
    ("uyuni_sd_configs", OTHERS),
    ("vultr_sd_configs", OTHERS),
];

/// Where the targets of a job come from.
#[derive(Default)]
pub(super) struct Found {
    pub static_targets: Vec<TargetGroup>,
    pub files: Vec<FileDiscovery>,
    pub providers: Vec<Provider>,
}

/// Reads all of a job's ways to find targets; `are_addresses`: what is listed must be `host:port`.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>, are_addresses: bool) -> Found {
    let mut found = Found::default();
    if let Some(field) = fields.get("static_configs") {
        found.static_targets = read_static(context, field, are_addresses);
    }
    if let Some(field) = fields.get("file_sd_configs") {
        found.files = read_file_discovery(context, field);
    }
    if let Some(field) = fields.get("http_sd_configs") {
        for item in context.reader.list(field) {
            let read = read_http_discovery(context, item);
            found
                .providers
                .extend(read.map(|settings| Provider::Http(Box::new(settings))));
        }
    }
    if let Some(field) = fields.get("dns_sd_configs") {
        for item in context.reader.list(field) {
            found
                .providers
                .extend(read_dns_discovery(context, item).map(Provider::Dns));
        }
    }
    read_kubernetes(context, fields, &mut found);
    context.unsupported(fields, &OTHER_DISCOVERIES);
    found
}

#[cfg(feature = "kubernetes")]
fn read_kubernetes(context: &mut Context<'_>, fields: &mut Fields<'_>, found: &mut Found) {
    if let Some(field) = fields.get("kubernetes_sd_configs") {
        for item in context.reader.list(field) {
            let read = super::kubernetes::read(context, item);
            found
                .providers
                .extend(read.map(|settings| Provider::Kubernetes(Box::new(settings))));
        }
    }
}

#[cfg(not(feature = "kubernetes"))]
fn read_kubernetes(context: &mut Context<'_>, fields: &mut Fields<'_>, _: &mut Found) {
    let build = "this nines was built without it; `cargo build --features kubernetes` has it";
    context.unsupported(fields, &[("kubernetes_sd_configs", build)]);
}

fn read_http_discovery(context: &mut Context<'_>, item: Field<'_>) -> Option<HttpDiscovery> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let url = fields.require("url");
    let url = url.and_then(|field| read_web_address(context, field));
    let refresh_interval = context.period(&mut fields, "refresh_interval", HTTP_INTERVAL);
    let http = read_http(context, &mut fields);
    context.finish(fields);
    Some(HttpDiscovery {
        url: url?,
        refresh_interval,
        http,
    })
}

fn read_dns_discovery(context: &mut Context<'_>, item: Field<'_>) -> Option<DnsDiscovery> {
    const KINDS: [(&str, RecordKind); 5] = [
        ("SRV", RecordKind::Srv),
        ("A", RecordKind::A),
        ("AAAA", RecordKind::Aaaa),
        ("MX", RecordKind::Mx),
        ("NS", RecordKind::Ns),
    ];
    let mut fields = Fields::open(&mut context.reader, item)?;
    let names = fields.require("names").map(|field| context.reader.texts(field));
    let kind = fields.get("type").map(|field| read_kind(context, field, &KINDS));
    let kind = kind.unwrap_or(Some(RecordKind::Srv));
    let port = match kind {
        Some(RecordKind::Srv) | None => fields.get("port"),
        Some(_) => fields.require("port"),
    };
    let port = port.and_then(|field| {
        let port = context.reader.whole(field)?;
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        if port.is_none() {
            context
                .reader
                .report(&codes::NUMBER, field.node.span, "`port` is 1 to 65535");
        }
        port
    });
    let refresh_interval = context.period(&mut fields, "refresh_interval", DNS_INTERVAL);
    context.finish(fields);
    Some(DnsDiscovery {
        names: names?,
        kind: kind?,
        port: port.unwrap_or_default(),
        refresh_interval,
    })
}

/// The kind of record, in any case, as in Prometheus.
fn read_kind(context: &mut Context<'_>, field: Field<'_>, kinds: &[(&str, RecordKind)]) -> Option<RecordKind> {
    let written = field.node.text().unwrap_or_default();
    let known = kinds.iter().find(|(word, _)| word.eq_ignore_ascii_case(written));
    known
        .map(|(_, kind)| *kind)
        .or_else(|| context.reader.choice(field, kinds))
}

/// The labels of a group: those that begin with `__` say how the targets are visited.
pub(super) fn read_labels(context: &mut Context<'_>, field: Field<'_>) -> Labels {
    let mut labels = Labels::new();
    for (name, value) in read_entries(context, field) {
        if name.strip_prefix("__param_").is_some_and(sounds_secret) {
            context.hide_all(value.node);
        }
        if !is_label_name(&name) && !context.is_prometheus {
            context.reader.check_label(&name, value.key_span, &[]);
        } else if !value.node.is_null() {
            labels.set(name, context.reader.text(value).unwrap_or_default());
        }
    }
    labels
}

fn read_static(context: &mut Context<'_>, field: Field<'_>, are_addresses: bool) -> Vec<TargetGroup> {
    let mut groups = Vec::new();
    for item in context.reader.list(field) {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let mut group = TargetGroup::default();
        // To Prometheus a group may have none.
        let targets = if context.is_prometheus {
            fields.get("targets")
        } else {
            fields.require("targets")
        };
        if let Some(targets) = targets {
            for target in context.reader.list(targets) {
                if let Some(text) = target.node.text().filter(|text| text.contains('@')) {
                    context.hide_as(target.node, address_without_secrets(text));
                }
                group.targets.extend(if are_addresses {
                    read_target(context, target)
                } else {
                    context.reader.filled(target)
                });
            }
        }
        if let Some(labels) = fields.get("labels") {
            group.labels = read_labels(context, labels);
        }
        context.finish(fields);
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
                .is_some_and(|ext| ["json", "yml", "yaml"].iter().any(|e| ext.eq_ignore_ascii_case(e)))
        };
        if let Some(field) = files_field
            && files.iter().any(|path| !readable(path))
        {
            let message = "`files` are named *.json, *.yml or *.yaml";
            context.reader.report(&codes::ADDRESS, field.node.span, message);
        }
        let refresh_interval = context.period(&mut fields, "refresh_interval", FILE_INTERVAL);
        context.finish(fields);
        found.push(FileDiscovery {
            files,
            refresh_interval,
        });
    }
    found
}
