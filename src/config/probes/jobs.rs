//! `probes`: what is probed, with which module, and how often.

use std::time::Duration;

use super::Modules;
use super::module::within;
use crate::config::context::Context;
use crate::config::discovery::{self, read_labels};
use crate::config::relabel::{read_limits, read_rules};
use crate::config::scrape::read_keep_dropped;
use crate::domain::probe_address::ProbeAddress;
use crate::domain::shown::address_without_secrets;
use crate::domain::suggest::suggest;
use crate::domain::verdict::ProbeKind;
use crate::source::probe::settings::jobs::{INTERVAL, MODULE, ProbeJob};
use crate::source::scrape::settings::{KEEP_DROPPED, TargetGroup};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};
use crate::spec::yaml::Value;

/// How many probes there may be.
const JOBS_MAX: usize = 10_000;
/// What an interval may be.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_hours(24);

/// What people write who know the way over Prometheus and blackbox exporter.
const STRANGERS: [(&str, &str, &str); 5] = [
    ("params", "module", "write the module as `module: NAME`"),
    (
        "metrics_path",
        "",
        "leave it out: nines probes itself and asks no exporter",
    ),
    ("scrape_interval", "interval", "write `interval`"),
    ("scrape_timeout", "timeout", "write `timeout`"),
    ("name", "job_name", "write `job_name`"),
];

/// Reads `probes`.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>, modules: &Modules) -> Vec<ProbeJob> {
    let mut jobs: Vec<ProbeJob> = Vec::new();
    let Some(list) = fields.get("probes") else {
        return jobs;
    };
    let items = context.reader.list(list);
    if items.len() > JOBS_MAX {
        let message = format!("`probes` may have {JOBS_MAX} items, not {}", items.len());
        context.reader.report(&codes::RANGE, list.key_span, message);
    }
    let mut names = std::collections::HashSet::new();
    for item in items.into_iter().take(JOBS_MAX) {
        if let Some(job) = read_job(context, item, modules, &mut names) {
            jobs.push(job);
        }
    }
    jobs
}

fn read_job(
    context: &mut Context<'_>,
    item: Field<'_>,
    modules: &Modules,
    names: &mut std::collections::HashSet<String>,
) -> Option<ProbeJob> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let name = fields.require("job_name");
    let name = name.and_then(|field| {
        let name = context.reader.filled(field)?;
        if !names.insert(name.clone()) {
            let message = format!("`job_name: {name}` is given twice");
            context.reader.report(&codes::DUPLICATE_NAME, field.node.span, message);
        }
        Some(name)
    });
    let module = fields.get("module").map(|field| read_module(context, field, modules));
    let module = module.unwrap_or_else(|| Some(MODULE.to_owned()));
    let interval = read_interval(context, &mut fields);
    let timeout = fields.get("timeout").and_then(|field| {
        let timeout = context.positive(field)?;
        if timeout > interval {
            let message = "`timeout` is longer than the interval";
            context.reader.report(&codes::TIMEOUT, field.node.span, message);
        }
        Some(timeout)
    });
    let relabelling = read_rules(context, &mut fields, "relabel_configs");
    let limits = read_limits(context, &mut fields, crate::config::relabel::Limits::default());
    let kind = module
        .as_ref()
        .and_then(|name| modules.get(name))
        .map(|module| module.kind());
    // Rules may make a target of anything, and another module of this one.
    let kind = kind.filter(|_| relabelling.is_empty());
    let own = read_targets(context, &mut fields, kind);
    let groups = fields.get("static_configs");
    let found = discovery::read(context, &mut fields, false);
    if let (Some(field), Some(kind)) = (groups, kind) {
        check_groups(context, field, kind);
    }
    let keep_dropped = read_keep_dropped(context, &mut fields, KEEP_DROPPED);
    let has_targets = own.is_some() || groups.is_some() || !found.files.is_empty() || !found.providers.is_empty();
    if !has_targets {
        let message = "a probe has `targets`, or finds them with `static_configs`, `file_sd_configs` and their like";
        context.reader.report(&codes::MISSING_KEY, item.node.span, message);
    }
    fields.finish_with(&mut context.reader, &STRANGERS);
    Some(ProbeJob {
        name: name.unwrap_or_default(),
        module: module.unwrap_or_default(),
        interval,
        timeout,
        relabelling,
        target_limit: limits.targets,
        keep_dropped,
        static_targets: own.into_iter().chain(found.static_targets).collect(),
        file_discovery: found.files,
        providers: found.providers,
    })
}

fn read_interval(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Duration {
    let read = fields.get("interval").and_then(|field| {
        let interval = context.positive(field)?;
        within(context, field, interval, INTERVAL_MIN, INTERVAL_MAX).then_some(interval)
    });
    read.unwrap_or(INTERVAL)
}

/// The name of a module that there is.
fn read_module(context: &mut Context<'_>, field: Field<'_>, modules: &Modules) -> Option<String> {
    let name = context.reader.filled(field)?;
    if modules.contains_key(&name) {
        return Some(name);
    }
    let near = suggest(&name, modules.keys().map(String::as_str));
    let hint = near.map_or_else(
        || {
            let known: Vec<&str> = modules.keys().map(String::as_str).take(10).collect();
            format!("define it in `probe_modules`, or take one of {}", known.join(", "))
        },
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("there is no module {name}");
    context
        .reader
        .report_with(&codes::REFERENCE, field.node.span, message, Some(hint));
    None
}

/// `targets` with `labels`: what most probes need.
fn read_targets(context: &mut Context<'_>, fields: &mut Fields<'_>, kind: Option<ProbeKind>) -> Option<TargetGroup> {
    let (targets, labels) = (fields.get("targets"), fields.get("labels"));
    let labels = labels.map(|field| (field, read_labels(context, field)));
    let Some(targets) = targets else {
        if let Some((field, _)) = labels {
            let message = "`labels` has no effect without `targets`; each of `static_configs` has its own";
            context.reader.report(&codes::NO_EFFECT, field.key_span, message);
        }
        return None;
    };
    let mut group = TargetGroup {
        labels: labels.map(|(_, labels)| labels).unwrap_or_default(),
        ..TargetGroup::default()
    };
    for item in context.reader.list(targets) {
        if let Some(text) = item.node.text().filter(|text| text.contains('@')) {
            context.hide_as(item.node, address_without_secrets(text));
        }
        let text = context.reader.filled(item);
        if let Some(kind) = kind {
            check_target(context, item, kind);
        }
        group.targets.extend(text);
    }
    Some(group)
}

fn check_groups(context: &mut Context<'_>, groups: Field<'_>, kind: ProbeKind) {
    for group in groups.node.items().unwrap_or_default() {
        // A label may choose another module.
        let is_of_module = group
            .get("labels")
            .is_none_or(|labels| labels.get("__param_module").is_none());
        let targets = group.get("targets").filter(|_| is_of_module);
        for node in targets.and_then(|targets| targets.items()).unwrap_or_default() {
            check_target(context, Field { node, ..groups }, kind);
        }
    }
}

fn check_target(context: &mut Context<'_>, field: Field<'_>, kind: ProbeKind) {
    let Value::Scalar(scalar) = &field.node.value else {
        return;
    };
    if scalar.text.trim().is_empty() {
        return;
    }
    if let Err(expected) = ProbeAddress::parse(kind, &scalar.text) {
        let message = format!("this is no target: {expected}");
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
}
