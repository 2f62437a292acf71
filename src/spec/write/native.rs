//! The native format: only what is not the default.

use std::collections::HashMap;

use super::yaml::{Map, Out, document};
use super::{NATIVE_SCHEMA, Written, modeline};
use crate::domain::alert::policy::{AlertPolicy, AlertWindow, BurnCondition, Severity, SeveritySettings};
use crate::domain::indicator::{
    CompareOp, CompositeMember, CompositePart, Indicator, IndicatorKind, PromQlForm, RatioPart,
};
use crate::domain::labels::Labels;
use crate::domain::matcher::Selector;
use crate::domain::objective::Objective;
use crate::domain::selector_parser::is_label_name;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Slo};
use crate::domain::time::{format_duration, parse_duration};
use crate::domain::window::{TimeWindow, WindowLength};
use crate::spec::foreign::is_name;
use crate::spec::native::{START_FORMAT, is_expression, threshold};
use crate::spec::reader::RESERVED_LABELS;

/// Writes all SLOs that the format can say.
pub(super) fn write(slos: &[Slo]) -> Written {
    let mut losses = Vec::new();
    let mut order: Vec<&str> = Vec::new();
    let mut services: HashMap<&str, Vec<&Slo>> = HashMap::new();
    for slo in slos {
        if let Some(reason) = unspeakable(slo) {
            losses.push(format!("{} is left out: {reason}.", slo.id));
            continue;
        }
        let of_service = services.entry(&slo.id.service).or_default();
        if of_service.is_empty() {
            order.push(&slo.id.service);
        }
        of_service.push(slo);
    }
    let documents = order.iter().filter_map(|service| {
        let slos = services.get(service)?;
        Some(document(&write_service(service, slos, &mut losses)))
    });
    let documents: Vec<String> = documents.collect();
    Written {
        text: modeline(NATIVE_SCHEMA) + &documents.join("---\n"),
        slos: services.values().map(Vec::len).sum(),
        losses,
        notes: Vec::new(),
    }
}

/// Why an SLO cannot be written at all.
fn unspeakable(slo: &Slo) -> Option<String> {
    if slo.objective.is_whole() || slo.objective.parts_per_billion() == 0 {
        return Some(format!("the native format has no objective of {}", slo.objective));
    }
    if !is_name(&slo.id.service) || !is_name(&slo.id.name) {
        return Some("names begin with a letter or digit and go on with letters, digits, _, . and -".to_owned());
    }
    foreign_system(&slo.indicator).map(|system| format!("it asks {system}, for which nines has no words"))
}

pub(super) fn foreign_system(indicator: &Indicator) -> Option<&str> {
    match &indicator.kind {
        IndicatorKind::Foreign { system } => Some(system),
        IndicatorKind::Composite(members) => members.iter().find_map(|member| match &member.part {
            CompositePart::Indicator { indicator, .. } => foreign_system(indicator),
            CompositePart::Slo(_) => None,
        }),
        _ => None,
    }
}

fn write_service(service: &str, slos: &[&Slo], losses: &mut Vec<String>) -> Out {
    let common = common_labels(slos);
    let mut root = Map::new();
    root.text("version", "nines/v1");
    root.text("service", service);
    let common_allowed: Labels = common.iter().filter(|(name, _)| may_be_set(name)).collect();
    if !common_allowed.is_empty() {
        root.set("labels", Out::pairs(common_allowed.iter()));
    }
    let items = slos.iter().map(|slo| write_slo(slo, &common, losses)).collect();
    root.set("slos", Out::List(items));
    root.done()
}

/// The labels that all of them have with one value.
fn common_labels(slos: &[&Slo]) -> Labels {
    let Some((first, others)) = slos.split_first() else {
        return Labels::new();
    };
    let in_all = |name: &str, value: &str| others.iter().all(|slo| slo.labels.get(name) == value);
    first
        .labels
        .iter()
        .filter(|(name, value)| in_all(name, value))
        .collect()
}

fn may_be_set(name: &str) -> bool {
    may_group(name) && !RESERVED_LABELS.contains(&name)
}

fn may_group(name: &str) -> bool {
    is_label_name(name) && !name.starts_with("__")
}

fn write_slo(slo: &Slo, common: &Labels, losses: &mut Vec<String>) -> Out {
    let mut out = Map::new();
    out.text("name", slo.id.name.as_str());
    out.optional("description", slo.description.as_ref());
    out.optional("owner", slo.owner.as_ref());
    out.set("objective", percent(slo.objective));
    out.set("window", window(&slo.window));
    out.set("indicator", indicator(&slo.indicator));
    write_method(&mut out, slo);
    for (name, value) in slo.labels.iter().filter(|(name, _)| !may_be_set(name)) {
        losses.push(format!(
            "{}: the label {name}={value:?} cannot be set by a file.",
            slo.id
        ));
    }
    for name in slo.indicator.group_by.iter().filter(|name| !may_group(name)) {
        losses.push(format!(
            "{}: groups by the label {name} cannot be named in a file.",
            slo.id
        ));
    }
    let own = slo.labels.iter();
    let own: Labels = own
        .filter(|(name, _)| common.get(name).is_empty() && may_be_set(name))
        .collect();
    if !own.is_empty() {
        out.set("labels", Out::pairs(own.iter()));
    }
    if !slo.annotations.is_empty() {
        out.set("annotations", block_pairs(&slo.annotations));
    }
    out.optional("policy", slo.policy.as_ref());
    let default = AlertPolicy::default_for(slo.window.length(), slo.objective);
    if let Some(alerting) = write_alerting(slo, &default, losses) {
        out.set("alerting", alerting);
    }
    if slo.public {
        out.set("public", Out::bare(true));
    }
    if !slo.previous_names.is_empty() {
        let names = slo.previous_names.iter().map(Out::text).collect();
        out.set("previous_names", Out::List(names).inline());
    }
    out.done()
}

/// Annotations are sentences; each gets its line.
fn block_pairs(labels: &Labels) -> Out {
    Out::Map(
        labels
            .iter()
            .map(|(name, value)| (name.to_owned(), Out::text(value)))
            .collect(),
    )
}

fn percent(objective: Objective) -> Out {
    Out::bare(objective.to_string().trim_end_matches('%'))
}

/// The length as it was written, if that says the same natively.
fn length(length: WindowLength, written: &str) -> Out {
    let says_it = parse_duration(written).ok().and_then(WindowLength::from_duration) == Some(length);
    Out::text(if says_it {
        written.to_owned()
    } else {
        length.to_prometheus()
    })
}

fn window(window: &TimeWindow) -> Out {
    let calendar = match window {
        TimeWindow::Rolling {
            length: minutes,
            written,
        } => return length(*minutes, written),
        TimeWindow::Calendar(calendar) => calendar,
    };
    let mut out = Map::new();
    out.text("calendar", calendar.unit.word());
    if calendar.count != 1 {
        out.set("every", Out::bare(calendar.count));
    }
    if let Some(start) = calendar.start {
        out.text("start", start.format(START_FORMAT).to_string());
    }
    if calendar.zone != chrono_tz::Tz::UTC {
        out.text("zone", calendar.zone.name());
    }
    out.done().inline()
}

fn indicator(indicator: &Indicator) -> Out {
    let mut out = Map::new();
    if let Some(source) = &indicator.source {
        out.text("source", source.as_str());
    }
    let mut by_itself = false;
    match &indicator.kind {
        IndicatorKind::Ratio { total, part, part_is } => {
            out.text("total", total.to_string());
            out.text(part_key(*part_is, "bad", "good"), part.to_string());
        }
        IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        } => latency(&mut out, histogram, *threshold, written),
        IndicatorKind::Gauge { gauge, op, value } => compared(&mut out, &gauge.to_string(), *op, *value),
        IndicatorKind::PromQl(promql) => by_itself = write_promql(&mut out, &promql.form),
        IndicatorKind::Probe { job } => out.text("probe", job.as_str()),
        IndicatorKind::Events => out.set("events", Out::Map(Vec::new())),
        IndicatorKind::Heartbeat { name } => out.text("heartbeat", name.as_str()),
        IndicatorKind::Sql(sql) => {
            out.text("sql", sql.query.as_str());
            out.text("every", format_duration(sql.every));
        }
        IndicatorKind::Composite(members) => {
            out.set("composite", Out::List(members.iter().map(write_member).collect()));
        }
        // Left out before.
        IndicatorKind::Foreign { .. } => {}
    }
    if !indicator.group_by.is_empty() || by_itself {
        let names = indicator.group_by.iter().filter(|name| may_group(name));
        let names = names.map(Out::text).collect();
        out.set("group_by", Out::List(names).inline());
    }
    out.done()
}

fn part_key(part_is: RatioPart, bad: &'static str, good: &'static str) -> &'static str {
    match part_is {
        RatioPart::Bad => bad,
        RatioPart::Good => good,
    }
}

fn compared(out: &mut Map, what: &str, op: CompareOp, value: f64) {
    #[expect(clippy::float_cmp, reason = "exactly the short form's value")]
    let is_boolean = op == CompareOp::Gte && value == 1.0;
    if is_boolean {
        out.text("boolean", what);
        return;
    }
    out.text("gauge", what);
    out.text("op", op.word());
    out.set("value", Out::bare(value));
}

fn latency(out: &mut Map, histogram: &Selector, threshold: f64, written: &str) {
    out.text("latency", histogram.to_string());
    let metric = histogram.metric.as_deref().unwrap_or_default();
    let says_it = threshold::in_unit_of(metric, written) == Ok(threshold);
    let is_number = written.parse::<f64>().is_ok();
    out.set(
        "threshold",
        match (says_it, is_number) {
            (true, false) => Out::text(written),
            (true, true) => Out::bare(written),
            (false, _) => Out::bare(threshold),
        },
    );
}

/// Whether the expressions may name groups by themselves, so that `group_by` must be said in any case.
fn write_promql(out: &mut Map, form: &PromQlForm) -> bool {
    let is_template = |query: &str| query.contains("{{") && is_expression(query);
    let (queries, is_fixed) = match form {
        PromQlForm::Ratio { total, part, part_is } => {
            out.text("total", total.as_str());
            out.text(part_key(*part_is, "bad", "good"), part.as_str());
            (vec![total, part], !is_template(total) || !is_template(part))
        }
        PromQlForm::RawRatio { query, ratio_of } => {
            out.text(part_key(*ratio_of, "error_ratio", "success_ratio"), query.as_str());
            (vec![query], !query.contains("{{"))
        }
        PromQlForm::Threshold { query, op, value } => {
            compared(out, query, *op, *value);
            (vec![query], !is_expression(query))
        }
        PromQlForm::Latency {
            histogram,
            threshold,
            written,
        } => {
            latency(out, histogram, *threshold, written);
            out.text("histogram", "native");
            (Vec::new(), false)
        }
    };
    if is_fixed {
        out.set("fixed_ranges", Out::bare(true));
    }
    let groups = |query: &&String| query.contains("by") || query.contains("without");
    queries.iter().any(groups)
}

fn write_member(member: &CompositeMember) -> Out {
    let mut out = Map::new();
    let weight = |out: &mut Map| {
        #[expect(clippy::float_cmp, reason = "exactly the default")]
        let is_default = member.weight == 1.0;
        if !is_default {
            out.set("weight", Out::bare(member.weight));
        }
    };
    match &member.part {
        CompositePart::Slo(id) => {
            out.text("slo", id.to_string());
            if member.name != id.to_string() {
                out.text("name", member.name.as_str());
            }
            weight(&mut out);
        }
        CompositePart::Indicator {
            indicator: inner,
            objective,
        } => {
            out.text("name", member.name.as_str());
            weight(&mut out);
            out.set("objective", percent(*objective));
            out.set("indicator", indicator(inner));
        }
    }
    out.done()
}

fn write_method(out: &mut Map, slo: &Slo) {
    if slo.method != BudgetingMethod::Occurrences {
        out.text("method", slo.method.word());
    }
    match slo.method {
        BudgetingMethod::Occurrences => {}
        BudgetingMethod::Timeslices { slice, target } => {
            out.text("timeslice", slice.to_prometheus());
            out.set("timeslice_target", percent(target));
        }
        BudgetingMethod::RatioTimeslices { slice } => out.text("timeslice", slice.to_prometheus()),
    }
    if slo.no_data != NoDataPolicy::Ignore {
        out.text("no_data", slo.no_data.word());
    }
}

/// The policy; `None` for the default one.
fn write_alerting(slo: &Slo, default: &AlertPolicy, losses: &mut Vec<String>) -> Option<Out> {
    let policy = &slo.alerting;
    let off = AlertPolicy {
        enabled: false,
        no_data_for: None,
        ..default.clone()
    };
    if *policy == off {
        return Some(Out::bare(false));
    }
    let mut out = Map::new();
    if !policy.enabled {
        out.set("enabled", Out::bare(false));
    }
    if policy.name != default.name {
        out.text("name", policy.name.as_str());
    }
    let silenced = write_burn(&mut out, slo, default, losses);
    if policy.min_events != default.min_events {
        out.set("min_events", Out::bare(policy.min_events));
    }
    if policy.min_failures != default.min_failures {
        out.set("min_failures", Out::bare(policy.min_failures));
    }
    if policy.no_data_for != default.no_data_for {
        out.set(
            "no_data_for",
            match policy.no_data_for {
                Some(duration) => Out::text(format_duration(duration)),
                None => Out::bare(0),
            },
        );
    }
    if policy.keep_firing_for != default.keep_firing_for {
        out.text("keep_firing_for", format_duration(policy.keep_firing_for));
    }
    write_words(&mut out, &policy.labels, &policy.annotations);
    for severity in [Severity::Page, Severity::Ticket] {
        let SeveritySettings { labels, annotations } = policy.settings(severity);
        if silenced == Some(severity) {
            out.set(severity.word(), Out::bare(false));
        } else if !labels.is_empty() || !annotations.is_empty() {
            let mut words = Map::new();
            write_words(&mut words, labels, annotations);
            out.set(severity.word(), words.done());
        }
    }
    (!out.is_empty()).then(|| out.done())
}

fn write_words(out: &mut Map, labels: &Labels, annotations: &Labels) {
    if !labels.is_empty() {
        out.set("labels", Out::pairs(labels.iter()));
    }
    if !annotations.is_empty() {
        out.set("annotations", block_pairs(annotations));
    }
}

/// The conditions where they are not the default ones; or the severity that has none, and nothing to say, while the
/// other one's are the default ones.
fn write_burn(out: &mut Map, slo: &Slo, default: &AlertPolicy, losses: &mut Vec<String>) -> Option<Severity> {
    let policy = &slo.alerting;
    if policy.burn == default.burn {
        return None;
    }
    for silent in [Severity::Page, Severity::Ticket] {
        let others = default.burn.iter().filter(|condition| condition.severity != silent);
        if policy.burn.iter().eq(others) && *policy.settings(silent) == SeveritySettings::default() {
            return Some(silent);
        }
    }
    let items = policy
        .burn
        .iter()
        .map(|condition| condition_out(slo, condition, losses));
    out.set("burn", Out::List(items.collect()));
    None
}

fn condition_out(slo: &Slo, condition: &BurnCondition, losses: &mut Vec<String>) -> Out {
    let (mut long, mut short) = (&condition.long, &condition.short);
    if short.length > long.length {
        losses.push(format!(
            "{}: a burn condition's windows {} and {} changed their places, the longer one first.",
            slo.id, long.written, short.written
        ));
        (long, short) = (short, long);
    }
    let write = |window: &AlertWindow| length(window.length, &window.written);
    let mut out = Map::new();
    out.text("severity", condition.severity.word());
    out.set("long", write(long));
    if short.length < long.length {
        out.set("short", write(short));
    }
    out.set("factor", Out::bare(condition.factor));
    if !condition.pending_for.is_zero() {
        out.text("for", format_duration(condition.pending_for));
    }
    out.done().inline()
}
