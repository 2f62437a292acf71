//! What becomes of a document.

use std::time::Duration;

use super::{RATIO, THRESHOLD, lost, one, said};
use crate::domain::alert::policy::{AlertPolicy, Severity};
use crate::domain::indicator::{CompositePart, IndicatorKind};
use crate::domain::slo::{BudgetingMethod, Slo};
use crate::domain::window::{CalendarUnit, TimeWindow};

fn only(text: &str) -> Slo {
    let mut loaded = one(text, false);
    assert_eq!(loaded.slos.len(), 1, "{:?}", loaded.diagnostics);
    loaded.slos.remove(0)
}

#[test]
fn names_texts_and_labels_are_carried() {
    let slo = only(&RATIO.replace(
        "  labels: {team: web}",
        "  displayName: Served\n  labels: {team: [a, b], app.org: x}\n  annotations: {a.org/runbook: r}",
    ));
    assert_eq!(slo.id.to_string(), "shop/served");
    assert_eq!(slo.description.as_deref(), Some("Served: Requests are served."));
    assert_eq!(slo.labels.to_string(), r#"{app_org="x",team="a,b"}"#);
    assert_eq!(slo.annotations.get("a.org/runbook"), "r");
    assert_eq!(slo.objective.to_string(), "99%");
    assert_eq!(slo.window.written(), "28d");
    assert_eq!(slo.indicator.source, None);
    assert_eq!((slo.origin.line, slo.source_text.as_str().lines().count()), (4, 23));
}

#[test]
fn each_objective_is_an_slo() {
    let text = RATIO.replace(
        "    - target: 0.99",
        "    - {target: 0.99, displayName: good}\n    - {targetPercent: 99.95}\n    - {target: 0.5}",
    );
    let loaded = one(&text, false);
    let ids: Vec<_> = loaded.slos.iter().map(|slo| slo.id.to_string()).collect();
    assert_eq!(ids, ["shop/served", "shop/served-1", "shop/served-2"]);
    assert_eq!(
        loaded.slos[0].description.as_deref(),
        Some("good: Requests are served.")
    );
    assert_eq!(loaded.slos[1].objective.to_string(), "99.95%");
    assert_eq!(loaded.names.len(), 3);
}

#[test]
fn windows_and_methods_are_carried() {
    let calendar = only(&RATIO.replace(
        "- duration: 28d\n      isRolling: true",
        "- duration: 1Q\n      calendar: {startTime: 2026-01-01 06:00:00, timeZone: Europe/Berlin}",
    ));
    let TimeWindow::Calendar(window) = calendar.window else {
        panic!("{:?}", calendar.window);
    };
    assert_eq!((window.count, window.unit), (1, CalendarUnit::Quarter));
    assert_eq!(
        window.start.map(|start| start.to_string()).as_deref(),
        Some("2026-01-01 06:00:00")
    );
    assert_eq!(window.zone.name(), "Europe/Berlin");
    for (written, expected) in [("4w", "4w"), ("60m", "60m"), ("1M", "30d"), ("1Q", "90d"), ("1Y", "1y")] {
        assert_eq!(only(&RATIO.replace("28d", written)).window.written(), expected);
    }
    let slices = RATIO.replace("Occurrences", "Timeslices").replace(
        "target: 0.99",
        "target: 0.99\n      timeSliceTarget: 0.9\n      timeSliceWindow: 5",
    );
    let BudgetingMethod::Timeslices { slice, target } = only(&slices).method else {
        panic!("slices");
    };
    assert_eq!((slice.minutes(), target.to_string().as_str()), (5, "90%"));
}

#[test]
fn a_histograms_name_with_a_limit_means_latency() {
    for (query, op, family) in [
        (
            "http_request_duration_seconds",
            "lte",
            Some("http_request_duration_seconds"),
        ),
        (
            "http_request_duration_seconds_bucket",
            "lt",
            Some("http_request_duration_seconds"),
        ),
        ("sizes_bucket", "lte", Some("sizes")),
        ("http_request_duration_seconds", "gt", None),
        ("job_last_duration_seconds", "lte", None),
        ("queue_depth", "lte", None),
        ("max(http_request_duration_seconds)", "lte", None),
    ] {
        let text = THRESHOLD
            .replace("queue_depth", query)
            .replace("op: lt, value: 100", &format!("op: {op}, value: 0.3"));
        let found = match only(&text).indicator.kind {
            IndicatorKind::Latency {
                histogram, threshold, ..
            } => {
                assert!((threshold - 0.3).abs() < f64::EPSILON);
                histogram.metric
            }
            _ => None,
        };
        assert_eq!(found.as_deref(), family, "{query} {op}");
    }
}

#[test]
fn queries_to_other_systems_are_valid_and_not_computed() {
    for (from, to, system) in [
        (
            "type: Prometheus, spec: {query: good_total}",
            "type: Datadog, spec: {query: 'sum:a{*}'}",
            "Datadog",
        ),
        (
            "spec: {query: good_total}",
            "spec: {application: a, path: b}",
            "Prometheus with application, path",
        ),
        (
            "metricSource: {type: Prometheus",
            "metricSource: {type: Prometheus, metricSourceRef: a",
            "two sources at once",
        ),
    ] {
        let slo = only(&RATIO.replacen(from, to, 1));
        let expected = IndicatorKind::Foreign {
            system: system.to_owned(),
        };
        assert_eq!(slo.indicator.kind, expected);
    }
    for key in ["promql", "expr", "metric", "selector"] {
        let slo = only(&RATIO.replace("query:", &format!("{key}:")));
        assert_eq!(slo.indicator, only(RATIO).indicator, "{key}");
    }
}

#[test]
fn the_parts_of_a_composite_are_weighed() {
    let indicator = "indicator: {metadata: {name: a}, spec: {ratioMetric: {raw: {metricSource: {type: Prometheus, spec: {query: a}}}, rawType: success}}}";
    let text = format!(
        "\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: all}}
spec:
  service: shop
  timeWindow: [{{duration: 28d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives:
    - {{target: 0.95, displayName: one, {indicator}}}
    - {{target: 0.99, compositeWeight: 3, {indicator}}}
"
    );
    let slo = only(&text);
    // 5 % and three times 1 % may be missing.
    assert_eq!(
        (slo.id.to_string().as_str(), slo.objective.to_string().as_str()),
        ("shop/all", "92%")
    );
    let IndicatorKind::Composite(members) = slo.indicator.kind else {
        panic!("no composite");
    };
    let members: Vec<_> = members
        .iter()
        .map(|member| match &member.part {
            CompositePart::Indicator { objective, .. } => (member.name.as_str(), member.weight, objective.to_string()),
            CompositePart::Slo(_) => panic!("an SLO"),
        })
        .collect();
    assert_eq!(members, [("one", 1.0, "95%".to_owned()), ("a", 3.0, "99%".to_owned())]);
}

/// The one-line form of a policy with one condition.
fn policy(name: &str, flags: &str, severity: &str, op: &str, threshold: &str, window: &str) -> String {
    format!(
        "    - {{kind: AlertPolicy, metadata: {{name: {name}}}, spec: {{{flags}conditions: [{{kind: AlertCondition, metadata: {{name: c}}, \
         spec: {{description: d, severity: {severity}, condition: {{kind: burnrate, op: {op}, threshold: {threshold}, lookbackWindow: {window}, alertAfter: 5m}}}}}}], \
         notificationTargets: [{{targetRef: mail}}, {{targetRef: pager}}]}}}}\n"
    )
}

fn alerting(policies: &[String]) -> AlertPolicy {
    only(&format!("{RATIO}  alertPolicies:\n{}", policies.concat())).alerting
}

#[test]
fn policies_become_one() {
    let found = alerting(&[
        policy("fast", "", "Critical", "gte", "14.4", "1h"),
        policy("slow", "alertWhenNoData: true, ", "warning", "lte", "1", "3d"),
    ]);
    assert_eq!(found.name, "fast");
    let burn: Vec<_> = found
        .burn
        .iter()
        .map(|c| {
            (
                c.severity,
                c.long.written.as_str(),
                c.short.written.as_str(),
                c.factor,
                c.pending_for.as_secs(),
            )
        })
        .collect();
    assert_eq!(
        burn,
        [
            (Severity::Page, "1h", "1h", 14.4, 300),
            (Severity::Ticket, "3d", "3d", 1.0, 300)
        ]
    );
    assert_eq!(found.page.labels.get("severity"), "Critical");
    assert_eq!(found.ticket.labels.get("severity"), "warning");
    assert_eq!(found.page.annotations.get("description"), "d");
    assert_eq!(found.labels.get("notification_targets"), "mail,pager");
    assert_eq!(found.no_data_for, Some(Duration::from_mins(15)));
}

#[test]
fn flags_of_policies_are_heeded() {
    let quiet = alerting(&[policy("a", "alertWhenNoData: false, ", "page", "gt", "2", "1h")]);
    assert_eq!((quiet.no_data_for, quiet.burn.len()), (None, 1));
    let silent = alerting(&[policy("a", "alertWhenBreaching: false, ", "page", "gt", "2", "1h")]);
    assert!(silent.burn.is_empty() && silent.enabled);
    let text = format!(
        "{RATIO}  alertPolicies:\n{}",
        policy("a", "alertWhenResolved: true, ", "page", "gt", "2", "1h")
    );
    // `alertWhenResolved` and the targets.
    assert_eq!(lost(&one(&text, false)), "23, 23");
    let never = format!(
        "{RATIO}  alertPolicies:\n{}",
        policy("a", "", "page", "gt", "200", "1h")
    );
    assert!(said(&one(&never, false)).contains("23 L002"));
}

#[test]
fn without_policies_the_default_one_holds() {
    let slo = only(RATIO);
    assert_eq!(
        slo.alerting,
        AlertPolicy::default_for(slo.window.length(), slo.objective)
    );
    let unresolved = only(&format!("{RATIO}  alertPolicies: [{{alertPolicyRef: gone}}]\n"));
    assert_eq!(unresolved.alerting, slo.alerting);
}

#[test]
fn v1alpha_becomes_the_same() {
    let alpha = "\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: served}
spec:
  description: Requests are served.
  service: shop
  budgetingMethod: Occurrences
  timeWindows: [{unit: Week, count: 4, isRolling: true}]
  objectives:
    - target: 0.99
      value: 1
      ratioMetrics:
        good: {source: prometheus, queryType: promql, query: good_total}
        total: {source: prometheus, queryType: promql, query: all_total}
";
    let (alpha, v1) = (only(alpha), only(RATIO));
    assert_eq!(
        (alpha.id, alpha.indicator, alpha.alerting),
        (v1.id, v1.indicator, v1.alerting)
    );
    assert_eq!(
        (alpha.window.written().as_str(), alpha.window.length()),
        ("4w", v1.window.length())
    );
}

#[test]
fn what_is_lost_is_said() {
    let text = RATIO
        .replace("counter: true", "counter: false")
        .replace("query: good_total", "query: good_total, dimensions: [a]")
        .replace("{name: requests}", "{name: requests, labels: {a: b}}");
    assert_eq!(lost(&one(&text, false)), "10, 13, 14");
}
