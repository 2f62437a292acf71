//! Pyrra's objects from outside: a text, and the SLO or the diagnostics that it gives.

mod golden;
mod native;

use std::time::Duration;

use super::alerting::conditions;
use crate::domain::alert::policy::Severity;
use crate::domain::indicator::{CompareOp, IndicatorKind, RatioPart};
use crate::domain::slo::Slo;
use crate::domain::window::WindowLength;
use crate::spec::codes::Severity as Gravity;
use crate::spec::{Loaded, Options, SourceFile, load, load_files};

const RATIO: &str = "ratio: {errors: {metric: 'req_total{code=~\"5..\"}'}, total: {metric: req_total}}";

/// A whole object with this indicator and these further lines of `spec`.
fn object(indicator: &str, more: &str) -> String {
    format!(
        "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {{name: errors, namespace: shop}}\n\
         spec:\n  target: '99'\n  window: 4w\n  indicator:\n    {indicator}\n{more}"
    )
}

fn only(text: &str) -> Slo {
    let mut loaded = load(text, "f.yaml");
    assert!(
        loaded.is_valid() && loaded.slos.len() == 1,
        "{text}\n{:?}",
        loaded.diagnostics
    );
    loaded.slos.remove(0)
}

/// `code line:column` of every diagnostic.
fn places(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
        .collect()
}

fn kind(indicator: &str) -> IndicatorKind {
    only(&object(indicator, "")).indicator.kind
}

#[test]
fn an_object_becomes_an_slo() {
    let slo = only(&object(RATIO, "  description: 'Requests of the shop.'\n"));
    assert_eq!(slo.id.to_string(), "shop/errors");
    assert_eq!(
        (slo.objective.to_string(), slo.window.written()),
        ("99%".into(), "4w".into())
    );
    assert_eq!(slo.description.as_deref(), Some("Requests of the shop."));
    let IndicatorKind::Ratio { total, part, part_is } = &slo.indicator.kind else {
        panic!("{:?}", slo.indicator);
    };
    assert_eq!((total.to_string().as_str(), *part_is), ("req_total", RatioPart::Bad));
    assert_eq!(part.to_string(), r#"req_total{code=~"5.."}"#);
    let alerting = &slo.alerting;
    assert_eq!((alerting.name.as_str(), alerting.enabled), ("ErrorBudgetBurn", true));
    assert_eq!(alerting.no_data_for, Some(Duration::from_mins(10)));
    assert_eq!(alerting.page.labels.get("severity"), "critical");
    assert_eq!(alerting.ticket.labels.get("severity"), "warning");
}

#[test]
fn windows_follow_from_the_slos_window_and_are_rounded_to_the_minute() {
    let days = |days: u32| WindowLength::from_minutes(days * 1440).expect("a window");
    for (window, expected) in [
        (days(28), "1h/5m/2 6h/30m/15 1d/2h/60 4d/6h/180"),
        (days(30), "1h4m/5m/2 6h26m/32m/16 1d1h43m/2h9m/64 4d6h51m/6h26m/193"),
        // 0.5 minutes round away from zero.
        (days(7), "15m/1m/1 1h30m/8m/4 6h/30m/15 1d/1h30m/45"),
        // 2.14m and 0.18m: a window cannot be shorter than a minute.
        (days(1), "2m/1m/0 13m/1m/1 51m/4m/2 3h26m/13m/6"),
    ] {
        let written: Vec<String> = conditions(window)
            .iter()
            .map(|c| {
                format!(
                    "{}/{}/{}",
                    c.long.written,
                    c.short.written,
                    c.pending_for.as_secs() / 60
                )
            })
            .collect();
        assert_eq!(written.join(" "), expected);
    }
    let tiers: Vec<_> = conditions(days(28)).iter().map(|c| (c.severity, c.factor)).collect();
    let (page, ticket) = (Severity::Page, Severity::Ticket);
    assert_eq!(tiers, [(page, 14.0), (page, 7.0), (ticket, 2.0), (ticket, 1.0)]);
}

#[test]
fn a_window_too_short_for_the_formula_is_said_and_gives_windows_that_fit() {
    for window in ["1m", "1h", "6h", "1d"] {
        let loaded = load(&object(RATIO, "").replace("4w", window), "f.yaml");
        assert!(
            loaded.is_valid() && places(&loaded).contains(&"L021 6:11".to_owned()),
            "{window}"
        );
        for condition in &loaded.slos[0].alerting.burn {
            assert!(condition.short.length < condition.long.length, "{window}");
        }
    }
    assert_eq!(places(&load(&object(RATIO, "").replace("4w", "1w"), "f.yaml")).len(), 0);
}

#[test]
fn a_bucket_and_its_count_are_a_histogram_and_anything_else_two_counters() {
    let latency = |success: &str, total: &str| {
        kind(&format!(
            "latency: {{success: {{metric: '{success}'}}, total: {{metric: '{total}'}}}}"
        ))
    };
    for (success, total) in [
        (r#"d_bucket{a="1",b="2",le="0.5"}"#, r#"d_count{b="2",a="1"}"#),
        (
            r#"d_bucket{le="0.5",a="1",b="2"}"#,
            r#"d_bucket{a="1",b="2",le="+Inf"}"#,
        ),
        (
            r#"{__name__="d_bucket",a="1",b="2",le="0.5"}"#,
            r#"{__name__="d_count",a="1",b="2"}"#,
        ),
    ] {
        let IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        } = latency(success, total)
        else {
            panic!("{success} {total}");
        };
        assert_eq!(histogram.to_string(), r#"d{a="1",b="2"}"#);
        assert_eq!((threshold.to_string().as_str(), written.as_str()), ("0.5", "0.5"));
    }
    for (success, total, good) in [
        (
            r#"d_bucket{a!="5",le="0.5"}"#,
            "d_count",
            r#"d_bucket{a!="5",le="0.5"}"#,
        ),
        (r#"d_bucket{le="0.5"}"#, "e_count", r#"d_bucket{le="0.5"}"#),
        (r#"d_bucket{le="+Inf"}"#, "d_count", r#"d_bucket{le="+Inf"}"#),
        // Both ways of writing a whole bound.
        (
            r#"d_bucket{le="1"}"#,
            r#"d_count{a="1"}"#,
            r#"d_bucket{le=~"1(\\.0)?"}"#,
        ),
        (
            r#"d_bucket{le="1.0"}"#,
            r#"d_count{a="1"}"#,
            r#"d_bucket{le=~"1(\\.0)?"}"#,
        ),
    ] {
        let IndicatorKind::Ratio { total: all, part, .. } = latency(success, total) else {
            panic!("{success} {total}");
        };
        assert_eq!((all.to_string().as_str(), part.to_string().as_str()), (total, good));
    }
}

#[test]
fn gauges_are_read() {
    let slo = only(&object("bool_gauge: {metric: probe_success, grouping: [target]}", ""));
    assert_eq!(slo.indicator.group_by, ["target"]);
    assert!(
        matches!(slo.indicator.kind, IndicatorKind::Gauge { op: CompareOp::Gte, value, .. } if (value - 1.0).abs() < 1e-12)
    );
}

#[test]
fn alerting_is_read_and_what_has_no_words_here_is_said() {
    for (alerting, enabled, conditions, no_data, codes) in [
        ("{}", true, 4, true, ""),
        ("{burnrates: false}", true, 0, true, ""),
        ("{disabled: true}", true, 0, true, "L007"),
        ("{disabled: false}", true, 4, true, "L007"),
        ("{absent: false}", true, 4, false, ""),
        // Without any alert the windows are still computed.
        ("{burnrates: false, absent: false}", false, 4, false, ""),
        ("{absentName: SLOMetricAbsent}", true, 4, true, ""),
        ("{absentName: Gone}", true, 4, true, "I002"),
        ("{severities: {fastBurn: p1, mediumBurn: p1}}", true, 4, true, ""),
        ("{severities: {fastBurn: p1, mediumBurn: p2}}", true, 4, true, "I002"),
        ("{severities: {fastBurn: p1}}", true, 4, true, "I002"),
        ("{severities: {absent: critical}}", true, 4, true, "I002"),
        ("{severities: {absent: warning}}", true, 4, true, ""),
        ("{burnRates: false}", true, 4, true, "L008"),
    ] {
        let loaded = load(&object(RATIO, &format!("  alerting: {alerting}\n")), "f.yaml");
        assert!(loaded.is_valid(), "{alerting}: {:?}", loaded.diagnostics);
        let policy = &loaded.slos[0].alerting;
        let is = (policy.enabled, policy.burn.len(), policy.no_data_for.is_some());
        assert_eq!(is, (enabled, conditions, no_data), "{alerting}");
        let found: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(found.join(" "), codes, "{alerting}");
    }
    let slo = only(&object(
        RATIO,
        "  alerting: {name: Burn, severities: {fastBurn: p1, slowBurn: p3}}\n",
    ));
    assert_eq!(slo.alerting.name, "Burn");
    assert_eq!(slo.alerting.page.labels.get("severity"), "p1");
    assert_eq!(slo.alerting.ticket.labels.get("severity"), "p3");
}

#[test]
fn metadata_names_the_service_and_hands_labels_on() {
    let text = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata:\n  name: errors\n";
    for (metadata, id, labels, alert_labels) in [
        ("", "pyrra/errors", "", ""),
        ("  namespace: ns\n", "ns/errors", "", ""),
        (
            "  namespace: ns\n  labels: {service: shop, role: rules}\n",
            "shop/errors",
            r#"{namespace="ns",role="rules"}"#,
            "",
        ),
        (
            "  labels: {app.kubernetes.io/name: a, pyrra.dev/service: b, pyrra.dev/team: t}\n",
            "b/errors",
            r#"{app_kubernetes_io_name="a"}"#,
            r#"{team="t"}"#,
        ),
        (
            "  labels: {service: '', helm.sh/chart: x-1}\n  namespace: n\n",
            "n/errors",
            "",
            "",
        ),
    ] {
        let text = format!("{text}{metadata}spec: {{target: 99, window: 4w, indicator: {{{RATIO}}}}}\n");
        let slo = only(&text);
        let written = |labels: &crate::domain::labels::Labels| {
            Some(labels.to_string()).filter(|text| text != "{}").unwrap_or_default()
        };
        assert_eq!(slo.id.to_string(), id);
        assert_eq!(
            (written(&slo.labels).as_str(), written(&slo.alerting.labels).as_str()),
            (labels, alert_labels)
        );
    }
}

#[test]
fn annotations_with_pyrras_prefix_are_handed_on_and_others_are_said() {
    let annotations = "{pyrra.dev/runbook_url: u, kubectl.kubernetes.io/last-applied-configuration: x, note: n}";
    let metadata = format!("metadata: {{name: errors, namespace: shop, annotations: {annotations}}}");
    let text = object(RATIO, "").replace("metadata: {name: errors, namespace: shop}", &metadata);
    let loaded = load(&text, "f.yaml");
    assert_eq!(loaded.slos[0].alerting.annotations.to_string(), r#"{runbook_url="u"}"#);
    let said: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(said, ["I002"]);
    assert!(
        loaded.diagnostics[0].message.contains("`note`"),
        "{:?}",
        loaded.diagnostics
    );
}

#[test]
fn mistakes_are_reported_where_they_are() {
    let good = object(RATIO, "");
    for (from, to, places_expected) in [
        ("name: errors, ", "", vec!["N005 3:11"]),
        ("name: errors", "name: a/b", vec!["N015 3:18"]),
        ("target: '99'", "target: ''", vec!["N005 5:11"]),
        ("target: '99'", "target: 99.9%", vec!["N012 5:11"]),
        ("target: '99'", "target: 101", vec!["N012 5:11"]),
        ("target: '99'", "target: 100", vec!["L017 5:11", "I004 3:1"]),
        ("window: 4w", "window: 2t", vec!["N013 6:11"]),
        ("window: 4w", "window: 90s", vec!["N013 6:11"]),
        ("kind: ServiceLevelObjective", "kind: Slo", vec!["N024 2:7"]),
        ("    ratio:", "    rate:", vec!["N044 7:3", "L008 8:5"]),
        ("metric: req_total}", "metric: sum(req_total)}", vec!["N014 8:73"]),
        (
            "metric: req_total}",
            "query: req_total}",
            vec!["N005 8:64", "L008 8:65"],
        ),
        ("code=~", "code~", vec!["N014 8:45"]),
        ("total: {metric: req_total}", "grouping: [a]", vec!["N005 8:12"]),
        ("total: {metric: req_total}", "total: req_total", vec!["N006 8:64"]),
        (
            "    ratio:",
            "    bool_gauge: {metric: up}\n    ratio:",
            vec!["N044 9:5"],
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let loaded = load(&text, "f.yaml");
        let found = places(&loaded);
        for place in &places_expected {
            assert!(
                found.iter().any(|one| one.starts_with(place)),
                "{to}: {:?}",
                loaded.diagnostics
            );
        }
    }
}

#[test]
fn messages_say_what_was_found_instead_of_a_selector() {
    for (metric, word) in [
        ("sum(a)", "an aggregation with `sum`"),
        ("sum by (b) (a)", "an aggregation with `sum`"),
        ("rate(a[5m])", "a call of `rate`"),
        ("a / b", "a calculation with several selectors"),
        ("a or vector(0)", "a calculation with several selectors"),
        ("a[5m]", "a range"),
        ("a offset 5m", "a selector at another time"),
        ("(a)", "an expression in parentheses"),
        ("1 - a", "a calculation"),
    ] {
        let ratio = format!("ratio: {{errors: {{metric: '{metric}'}}, total: {{metric: b}}}}");
        let loaded = load(&object(&ratio, ""), "f.yaml");
        let message = &loaded.diagnostics[0].message;
        assert!(
            message.contains(word) && message.contains("`errors`"),
            "{metric}: {message}"
        );
    }
}

#[test]
fn what_cannot_be_carried_is_said() {
    for (more, code) in [
        ("  partial_response_strategy: abort\n", None),
        ("  partial_response_strategy: warn\n", Some("I002")),
        ("  partial_response_strategy: maybe\n", Some("N024")),
        ("  performanceOverAccuracy: false\n", None),
        ("  performanceOverAccuracy: true\n", Some("I002")),
        ("  ruleOutput: {shortRulesLabels: {}}\n", None),
        ("  ruleOutput: {longRulesLabels: {a: b}}\n", Some("I002")),
        ("  ruleOutput: {enableDescriptionAsLabel: true}\n", Some("I002")),
        ("  performance: true\n", Some("L008")),
    ] {
        let loaded = load(&object(RATIO, more), "f.yaml");
        let found: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(found, code.into_iter().collect::<Vec<_>>(), "{more}");
    }
}

#[test]
fn patches_for_kustomize_are_skipped_and_objects_that_forget_something_are_not() {
    let head =
        "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: errors, namespace: shop}\n";
    for (rest, expected) in [
        ("spec: {target: '99.5'}\n", "I003"),
        ("spec: {alerting: {name: Other}, window: 2w}\n", "I003"),
        ("spec: {}\n", "N005 N005 N005"),
        ("spec: {target: '99.5', window: 2w}\n", "N005"),
        ("spec: {target: '99.5'}\nwindow: 2w\n", "L008 N005 N005"),
        ("", "N005"),
        (
            "spec: {objective: '99.5', window: 30d, indicators: {}}\n",
            "L008 N005 N005",
        ),
        ("spec: {targt: '99.5'}\n", "N005 N005 N005"),
    ] {
        let loaded = load(&format!("{head}{rest}"), "f.yaml");
        let mut found: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{rest}: {:?}", loaded.diagnostics);
    }
}

#[test]
fn misspelt_keys_are_told_what_is_meant() {
    let text = object(RATIO, "")
        .replace("target", "objective")
        .replace("indicator", "indicators");
    let loaded = load(&text, "f.yaml");
    let hints: Vec<_> = loaded.diagnostics.iter().filter_map(|d| d.hint.as_deref()).collect();
    assert_eq!(hints, ["did you mean `target`?", "did you mean `indicator`?"]);
}

#[test]
fn files_of_pyrra_are_read_without_their_group_and_booleans_as_yaml_1_1_has_them() {
    let text = object(RATIO, "  alerting: {absent: no}\n").replace("pyrra.dev/v1alpha1", "v1alpha1");
    let loaded = load(&text, "f.yaml");
    assert_eq!(places(&loaded), ["L021 1:13", "L021 9:22"]);
    assert_eq!(loaded.slos[0].alerting.no_data_for, None);
    let strict = Options {
        strict: true,
        ..Options::default()
    };
    let loaded = load_files(&[&SourceFile::new("f.yaml", &text)], &strict);
    assert!(!loaded.files[0].is_valid());
    let quoted = object(RATIO, "  alerting: {absent: 'no'}\n");
    assert!(places(&load(&quoted, "f.yaml")).contains(&"N006 9:22".to_owned()));
}

#[test]
fn templates_in_annotations_are_noted() {
    let annotation = "{name: errors, annotations: {pyrra.dev/text: 'in {{$labels.namespace}}'}, ";
    let loaded = load(&object(RATIO, "").replace("{name: errors, ", annotation), "f.yaml");
    assert_eq!(places(&loaded), ["I002 3:56"]);
    let annotations = &loaded.slos[0].alerting.annotations;
    assert_eq!(annotations.get("text"), "in {{$labels.namespace}}");
}

#[test]
fn targets_that_are_no_plain_numbers_get_a_hint() {
    for (target, hint) in [
        ("99%", Some("write 99")),
        ("99,5", Some("write 99.5")),
        ("99,5 %", Some("write 99.5")),
        ("1,000,000", None),
        ("many", None),
    ] {
        let loaded = load(&object(RATIO, "").replace("'99'", &format!("'{target}'")), "f.yaml");
        let found = &loaded.diagnostics[0];
        assert_eq!((found.code, found.hint.as_deref()), ("N012", hint), "{target}");
    }
}

#[test]
fn strictness_refuses_keys_that_pyrra_ignores() {
    let text = object(RATIO, "  performance: true\n");
    let options = Options {
        strict: true,
        ..Options::default()
    };
    let loaded = load_files(&[&SourceFile::new("f.yaml", &text)], &options);
    assert!(!loaded.files[0].is_valid() && load(&text, "f.yaml").is_valid());
}

#[test]
fn lists_and_several_documents_are_read_and_a_name_is_given_once() {
    let one = object(RATIO, "");
    let second = one.replace("name: errors", "name: other");
    let loaded = load(&format!("# first\n---\n{one}---\n{second}"), "f.yaml");
    assert_eq!(loaded.slos.len(), 2, "{:?}", loaded.diagnostics);
    let loaded = load(&format!("{one}---\n{one}"), "f.yaml");
    assert!(!loaded.is_valid() && loaded.diagnostics.iter().any(|d| d.code == "N017"));
    let list = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjectiveList\nitems:\n";
    let items: Vec<String> = one.lines().map(|line| format!("    {line}\n")).collect();
    let loaded = load(&format!("{list}  -\n{}", items.concat()), "f.yaml");
    assert_eq!(loaded.slos.len(), 1, "{:?}", loaded.diagnostics);
}

/// The messages of one gravity.
fn messages(loaded: &Loaded, gravity: Gravity) -> Vec<&str> {
    let found = loaded.diagnostics.iter().filter(|d| d.severity == gravity);
    found.map(|d| d.message.as_str()).collect()
}

#[test]
fn a_prometheus_server_is_asked_where_there_is_one() {
    use crate::domain::indicator::Sources;
    let text = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: a}\nspec:\n  target: '99'\n  \
                window: 2w\n  indicator: {bool_gauge: {metric: up}}\n";
    let loaded = crate::spec::load(text, "a.yaml");
    let slo = loaded.slos.first().expect("an SLO");
    let servers = Sources {
        names: Some(vec!["main".to_owned()]),
        default: Some("main".to_owned()),
        ..Sources::default()
    };
    assert_eq!(slo.clone().fed_by(&servers).indicator.source.as_deref(), Some("main"));
    assert_eq!(slo.clone().fed_by(&Sources::default()).indicator.source, None);
}
