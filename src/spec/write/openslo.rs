//! OpenSLO v1: an object for each service and each SLO, as strictly as the SDK wants it.

use std::collections::HashSet;

use super::alert_policies::{alert_policies, shorthand};
use super::native::foreign_system;
use super::yaml::{Map, Out, document};
use super::{OPENSLO_SCHEMA, Written, modeline};
use crate::domain::indicator::{CompositePart, Indicator, IndicatorKind, PromQlForm, RatioPart};
use crate::domain::labels::Labels;
use crate::domain::matcher::Selector;
use crate::domain::objective::Objective;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Slo};
use crate::domain::window::{CalendarUnit, CalendarWindow, TimeWindow};
use crate::spec::native::START_FORMAT;
use crate::spec::query::groups_of;

/// The longest description that OpenSLO allows, in characters.
const DESCRIPTION_MAX: usize = 1_050;
/// Where a calendar's windows begin that say nothing: a Monday, and the first day of a month, a quarter and a year.
pub(super) const NATURAL_START: &str = "2024-01-01 00:00:00";

/// An SLO that is being written, and what is lost on the way.
pub(super) struct Telling<'a> {
    pub slo: &'a Slo,
    pub losses: &'a mut Vec<String>,
}

impl Telling<'_> {
    pub fn lose(&mut self, what: impl AsRef<str>) {
        let sentence = format!("{}: {}.", self.slo.id, what.as_ref());
        if !self.losses.contains(&sentence) {
            self.losses.push(sentence);
        }
    }

    /// A name as RFC 1123 has it.
    pub fn name(&mut self, what: &str, name: &str) -> String {
        let plain = rfc_1123(name);
        if plain != name {
            self.lose(format!(
                "{what} \"{name}\" is \"{plain}\" in OpenSLO, which allows a-z, 0-9 and -"
            ));
        }
        plain
    }

    /// Labels or annotations whose keys OpenSLO allows.
    pub fn pairs(&mut self, what: &str, labels: &Labels) -> Option<Out> {
        let allowed: Labels = labels.iter().filter(|(name, _)| is_key(name)).collect();
        for (name, _) in labels.iter().filter(|(name, _)| !is_key(name)) {
            self.lose(format!("OpenSLO allows no {what} named \"{name}\""));
        }
        (!allowed.is_empty()).then(|| Out::pairs(allowed.iter()))
    }
}

/// Writes all SLOs that the format can say.
pub(super) fn write(slos: &[Slo]) -> Written {
    let mut losses = Vec::new();
    let mut documents = Vec::new();
    let mut services = HashSet::new();
    let mut names = HashSet::new();
    for slo in slos {
        let mut telling = Telling {
            slo,
            losses: &mut losses,
        };
        if let Some(reason) = unspeakable(&slo.indicator) {
            telling.losses.push(format!("{} is left out: {reason}.", slo.id));
            continue;
        }
        let service = telling.name("its service", &slo.id.service);
        if services.insert(service.clone()) {
            documents.push(document(&object("Service", named(&service), Out::Map(Vec::new()))));
        }
        let mut name = telling.name("its name", &slo.id.name);
        let plain = name.clone();
        let mut number = 2;
        while !names.insert((service.clone(), name.clone())) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        documents.push(document(&write_slo(&mut telling, &service, &name)));
    }
    Written {
        text: modeline(OPENSLO_SCHEMA) + &documents.join("---\n"),
        slos: names.len(),
        losses,
        notes: Vec::new(),
    }
}

/// Why an indicator has no counterpart.
fn unspeakable(indicator: &Indicator) -> Option<String> {
    if let Some(system) = foreign_system(indicator) {
        return Some(format!("it asks {system}, whose query nines does not keep"));
    }
    match &indicator.kind {
        IndicatorKind::Probe { .. } => Some("OpenSLO knows no probes".to_owned()),
        IndicatorKind::Events => Some("OpenSLO knows no pushed events".to_owned()),
        IndicatorKind::Heartbeat { .. } => Some("OpenSLO knows no heartbeats".to_owned()),
        IndicatorKind::Sql(_) => Some("it asks a database with SQL, which OpenSLO has no form for".to_owned()),
        IndicatorKind::Composite(members) => members.iter().find_map(|member| match &member.part {
            CompositePart::Slo(id) => Some(format!("a composite of OpenSLO cannot refer to an SLO such as {id}")),
            CompositePart::Indicator { indicator, .. } if matches!(indicator.kind, IndicatorKind::Composite(_)) => {
                Some("a composite of OpenSLO cannot hold a composite".to_owned())
            }
            CompositePart::Indicator { indicator, .. } => unspeakable(indicator),
        }),
        _ => None,
    }
}

fn object(kind: &str, metadata: Map, spec: Out) -> Out {
    let mut out = Map::new();
    out.text("apiVersion", "openslo/v1");
    out.text("kind", kind);
    out.set("metadata", metadata.done());
    out.set("spec", spec);
    out.done()
}

pub(super) fn named(name: &str) -> Map {
    let mut metadata = Map::new();
    metadata.text("name", name);
    metadata
}

/// A name as RFC 1123 has it: at most 63 of a-z, 0-9 and `-`, none of which stand at the ends.
fn rfc_1123(name: &str) -> String {
    let plain = name.chars().map(|c| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    });
    let plain: String = plain.collect();
    let plain: String = plain.trim_matches('-').chars().take(63).collect();
    let plain = plain.trim_end_matches('-');
    if plain.is_empty() { "unnamed" } else { plain }.to_owned()
}

fn is_key(name: &str) -> bool {
    let ends = [name.chars().next(), name.chars().next_back()];
    let inner = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    name.len() <= 63
        && name.chars().all(inner)
        && ends.iter().flatten().all(char::is_ascii_alphanumeric)
        && !name.is_empty()
}

fn write_slo(telling: &mut Telling<'_>, service: &str, name: &str) -> Out {
    let slo = telling.slo;
    lose_what_has_no_key(telling);
    let mut metadata = named(name);
    if let Some(labels) = telling.pairs("label", &slo.labels) {
        metadata.set("labels", labels);
    }
    if let Some(annotations) = telling.pairs("annotation", &slo.annotations) {
        metadata.set("annotations", annotations);
    }
    let mut spec = Map::new();
    if let Some(description) = slo.description.as_ref().filter(|text| !text.trim().is_empty()) {
        let short: String = description.chars().take(DESCRIPTION_MAX).collect();
        if short != *description {
            telling.lose(format!("the description is cut to {DESCRIPTION_MAX} characters"));
        }
        spec.text("description", short);
    }
    spec.text("service", service);
    let mut objectives = Vec::new();
    if let IndicatorKind::Composite(members) = &slo.indicator.kind {
        for member in members {
            let CompositePart::Indicator { indicator, objective } = &member.part else {
                continue;
            };
            let mut item = Map::new();
            item.text("displayName", member.name.as_str());
            item.set("compositeWeight", Out::bare(member.weight));
            item.set("indicator", inline_indicator(telling, name, indicator));
            finish_objective(slo, item, indicator, *objective, &mut objectives);
        }
        telling.lose("the objective of a composite follows from those of its parts");
    } else {
        spec.set("indicator", inline_indicator(telling, name, &slo.indicator));
        finish_objective(slo, Map::new(), &slo.indicator, slo.objective, &mut objectives);
    }
    spec.set("timeWindow", Out::List(vec![window(telling)]));
    spec.text(
        "budgetingMethod",
        match slo.method {
            BudgetingMethod::Occurrences => "Occurrences",
            BudgetingMethod::Timeslices { .. } => "Timeslices",
            BudgetingMethod::RatioTimeslices { .. } => "RatioTimeslices",
        },
    );
    spec.set("objectives", Out::List(objectives));
    let policies = alert_policies(telling, name);
    if !policies.is_empty() {
        spec.set("alertPolicies", Out::List(policies));
    }
    object("SLO", metadata, spec.done())
}

fn lose_what_has_no_key(telling: &mut Telling<'_>) {
    let slo = telling.slo;
    if let Some(owner) = &slo.owner {
        telling.lose(format!("OpenSLO has no owner; \"{owner}\" is left out"));
    }
    if slo.policy.is_some() {
        telling.lose("OpenSLO has no words for what people do when the budget is gone; `policy` is left out");
    }
    if slo.public {
        telling.lose("OpenSLO does not know `public`");
    }
    if !slo.previous_names.is_empty() {
        telling.lose("OpenSLO does not know `previous_names`");
    }
    if slo.no_data != NoDataPolicy::Ignore {
        telling.lose(format!("OpenSLO does not know `no_data: {}`", slo.no_data.word()));
    }
}

/// Adds target, comparison and slices to an objective.
fn finish_objective(slo: &Slo, mut item: Map, indicator: &Indicator, objective: Objective, objectives: &mut Vec<Out>) {
    let comparison = match &indicator.kind {
        IndicatorKind::Gauge { op, value, .. } => Some((*op, *value)),
        IndicatorKind::PromQl(promql) => match &promql.form {
            PromQlForm::Threshold { op, value, .. } => Some((*op, *value)),
            _ => None,
        },
        _ => None,
    };
    if let Some((op, value)) = comparison {
        item.text("op", op.word());
        item.set("value", Out::bare(value));
    }
    item.set("target", ratio(objective));
    match slo.method {
        BudgetingMethod::Occurrences => {}
        BudgetingMethod::Timeslices { slice, target } => {
            item.set("timeSliceTarget", ratio(target));
            item.text("timeSliceWindow", shorthand(slice, ""));
        }
        BudgetingMethod::RatioTimeslices { slice } => item.text("timeSliceWindow", shorthand(slice, "")),
    }
    objectives.push(item.done());
}

/// An exact decimal: `0.999`.
fn ratio(objective: Objective) -> Out {
    let parts = objective.parts_per_billion();
    let (whole, fraction) = (parts / 1_000_000_000, format!("{:09}", parts % 1_000_000_000));
    Out::bare(match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        digits => format!("{whole}.{digits}"),
    })
}

fn inline_indicator(telling: &mut Telling<'_>, name: &str, indicator: &Indicator) -> Out {
    let (key, value) = match &indicator.kind {
        IndicatorKind::Ratio { total, part, part_is } => {
            of_ratio(indicator, &total.to_string(), &part.to_string(), *part_is)
        }
        IndicatorKind::Latency {
            histogram, threshold, ..
        } => of_histogram(indicator, histogram, *threshold),
        IndicatorKind::Gauge { gauge, .. } => ("thresholdMetric", metric(indicator, &gauge.to_string())),
        IndicatorKind::PromQl(promql) => of_promql(telling, indicator, &promql.form),
        // Left out before.
        IndicatorKind::Probe { .. }
        | IndicatorKind::Events
        | IndicatorKind::Heartbeat { .. }
        | IndicatorKind::Sql(_)
        | IndicatorKind::Composite(_)
        | IndicatorKind::Foreign { .. } => ("ratioMetric", Out::Map(Vec::new())),
    };
    let said = match &indicator.kind {
        IndicatorKind::PromQl(promql) => groups_of(&promql.form),
        _ => Vec::new(),
    };
    if indicator.group_by != said {
        let groups = indicator.group_by.join(", ");
        telling.lose(format!(
            "OpenSLO has no groups but those that queries name; `group_by: [{groups}]` is left out"
        ));
    }
    let mut out = Map::new();
    out.set("metadata", named(name).done());
    out.set("spec", Out::Map(vec![(key.to_owned(), value)]));
    out.done()
}

fn metric(indicator: &Indicator, query: &str) -> Out {
    let mut inner = Map::new();
    inner.text("query", query);
    let mut source = Map::new();
    if let Some(server) = &indicator.source {
        source.text("metricSourceRef", server.as_str());
    }
    source.text("type", "Prometheus");
    source.set("spec", inner.done());
    Out::Map(vec![("metricSource".to_owned(), source.done())])
}

fn of_ratio(indicator: &Indicator, total: &str, part: &str, part_is: RatioPart) -> (&'static str, Out) {
    let mut ratio = Map::new();
    ratio.set("counter", Out::bare(true));
    let key = if part_is == RatioPart::Bad { "bad" } else { "good" };
    ratio.set(key, metric(indicator, part));
    ratio.set("total", metric(indicator, total));
    ("ratioMetric", ratio.done())
}

fn of_raw(indicator: &Indicator, query: &str, ratio_of: RatioPart) -> (&'static str, Out) {
    let mut ratio = Map::new();
    ratio.set("raw", metric(indicator, query));
    let word = if ratio_of == RatioPart::Bad {
        "failure"
    } else {
        "success"
    };
    ratio.text("rawType", word);
    ("ratioMetric", ratio.done())
}

/// The bucket that ends at the threshold, and all observations.
fn of_histogram(indicator: &Indicator, histogram: &Selector, threshold: f64) -> (&'static str, Out) {
    let family = histogram.metric.as_deref().unwrap_or_default();
    let bucket = histogram.with_metric(format!("{family}_bucket")).to_string();
    let bucket = match bucket.strip_suffix('}') {
        Some(open) => format!("{open},le=\"{threshold}\"}}"),
        None => format!("{bucket}{{le=\"{threshold}\"}}"),
    };
    let count = histogram.with_metric(format!("{family}_count")).to_string();
    of_ratio(indicator, &count, &bucket, RatioPart::Good)
}

fn of_promql(telling: &mut Telling<'_>, indicator: &Indicator, form: &PromQlForm) -> (&'static str, Out) {
    match form {
        PromQlForm::Ratio { total, part, part_is } => {
            tell_template(telling, &[total, part]);
            of_ratio(indicator, total, part, *part_is)
        }
        PromQlForm::RawRatio { query, ratio_of } => {
            tell_template(telling, &[query]);
            of_raw(indicator, query, *ratio_of)
        }
        PromQlForm::Threshold { query, .. } => {
            tell_template(telling, &[query]);
            ("thresholdMetric", metric(indicator, query))
        }
        PromQlForm::Latency {
            histogram, threshold, ..
        } => {
            telling.lose("a native histogram's threshold becomes a raw ratio, in which each second weighs the same");
            let query = format!("histogram_fraction(0, {threshold}, sum(rate({histogram}[{{{{.window}}}}])))");
            tell_template(telling, &[&query]);
            of_raw(indicator, &query, RatioPart::Good)
        }
    }
}

fn tell_template(telling: &mut Telling<'_>, queries: &[&String]) {
    if queries.iter().any(|query| query.contains("{{")) {
        telling.lose("its queries have the range {{.window}}, which nines fills in and other tools do not");
    }
}

fn window(telling: &mut Telling<'_>) -> Out {
    let mut out = Map::new();
    match &telling.slo.window {
        TimeWindow::Rolling { length, written } => {
            out.text("duration", shorthand(*length, written));
            out.set("isRolling", Out::bare(true));
        }
        TimeWindow::Calendar(window) => {
            out.text("duration", format!("{}{}", window.count, letter(window.unit)));
            out.set("isRolling", Out::bare(false));
            out.set("calendar", calendar(telling, window));
        }
    }
    out.done()
}

fn calendar(telling: &mut Telling<'_>, window: &CalendarWindow) -> Out {
    let start = window.start.map(|start| start.format(START_FORMAT).to_string());
    if start.is_none() && window.count > 1 {
        telling.lose(format!(
            "OpenSLO wants a start of its windows; {NATURAL_START} is written"
        ));
    }
    let mut out = Map::new();
    out.text("startTime", start.unwrap_or_else(|| NATURAL_START.to_owned()));
    out.text("timeZone", window.zone.name());
    out.done()
}

fn letter(unit: CalendarUnit) -> char {
    match unit {
        CalendarUnit::Minute => 'm',
        CalendarUnit::Hour => 'h',
        CalendarUnit::Day => 'd',
        CalendarUnit::Week => 'w',
        CalendarUnit::Month => 'M',
        CalendarUnit::Quarter => 'Q',
        CalendarUnit::Year => 'Y',
    }
}
