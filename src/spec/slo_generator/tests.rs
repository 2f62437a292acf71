//! slo-generator's objectives from outside: a text, and the SLO or the diagnostics that it gives.

use crate::domain::indicator::{IndicatorKind, PromQlForm, PromQlIndicator, RatioPart};
use crate::domain::slo::Slo;
use crate::domain::window::WindowLength;
use crate::spec::{Loaded, Options, SourceFile, load, load_files};

/// A whole file with this method and these keys of its indicator.
fn file(method: &str, indicator: &str) -> String {
    format!(
        "apiVersion: sre.google.com/v2\nkind: ServiceLevelObjective\nmetadata:\n  name: shop-errors\n  labels:\n    \
         service_name: shop\n    feature_name: cart\nspec:\n  description: d\n  backend: prometheus\n  method: {method}\n  \
         service_level_indicator: {{{indicator}}}\n  goal: 0.999\n"
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

fn kind(method: &str, indicator: &str) -> IndicatorKind {
    only(&file(method, indicator)).indicator.kind
}

/// The codes of all diagnostics with a word of one of their messages or hints.
fn said(loaded: &Loaded) -> String {
    let all = loaded.diagnostics.iter();
    let lines = all.map(|d| format!("{} {}:{} {} {:?}", d.code, d.line, d.column, d.message, d.hint));
    lines.collect::<Vec<_>>().join("\n")
}

const CUT: &str = "expression: 'd_bucket{a=\"1\"}', threshold_bucket: 0.25";

#[test]
fn an_objective_becomes_an_slo_of_the_default_window_and_policy() {
    let text = file("distribution_cut", CUT);
    let slo = only(&text);
    assert_eq!(slo.id.to_string(), "shop/shop-errors");
    assert_eq!(slo.labels.to_string(), r#"{feature_name="cart"}"#);
    assert_eq!(
        (slo.objective.to_string(), slo.window.written()),
        ("99.9%".into(), "30d".into())
    );
    assert_eq!((slo.alerting.name.as_str(), slo.alerting.burn.len()), ("SLOBurn", 4));
    let options = Options {
        default_period: WindowLength::from_minutes(28 * 1440).expect("a window"),
        ..Options::default()
    };
    let loaded = load_files(&[&SourceFile::new("f.yaml", &text)], &options);
    assert_eq!(loaded.files[0].slos[0].window.written(), "4w");
    let without = text.replace("    service_name: shop\n", "");
    assert_eq!(only(&without).id.to_string(), "slo-generator/shop-errors");
}

#[test]
fn buckets_up_to_a_threshold_are_a_histogram() {
    for indicator in [CUT, "expression: 'd_bucket{a=\"1\"}[window]', threshold_bucket: '0.25'"] {
        let IndicatorKind::Latency {
            histogram,
            threshold,
            written,
        } = kind("distribution_cut", indicator)
        else {
            panic!("{indicator}");
        };
        assert_eq!(
            (histogram.to_string().as_str(), written.as_str()),
            (r#"d{a="1"}"#, "0.25")
        );
        assert!((threshold - 0.25).abs() < 1e-12);
    }
}

#[test]
fn selectors_under_the_usual_operators_are_counters() {
    for (indicator, total, part, part_is) in [
        (
            "filter_good: 'a{c=\"2\"}', filter_valid: a",
            "a",
            r#"a{c="2"}"#,
            RatioPart::Good,
        ),
        (
            "filter_good: 'a{c=\"2\"}', filter_valid: a, operators: [rate, sum]",
            "a",
            r#"a{c="2"}"#,
            RatioPart::Good,
        ),
        (
            "filter_good: 'a{c=\"2\"}[window]', filter_valid: 'a[window]'",
            "a",
            r#"a{c="2"}"#,
            RatioPart::Good,
        ),
        (
            "filter_good: 'a{b=\"1\",c!~\"5..\"}', filter_bad: 'a{c=~\"5..\",b=\"1\"}'",
            r#"a{b="1"}"#,
            r#"a{c=~"5..",b="1"}"#,
            RatioPart::Bad,
        ),
        (
            "filter_good: good, filter_bad: bad",
            r#"{__name__=~"bad|good"}"#,
            "bad",
            RatioPart::Bad,
        ),
        (
            "filter_good: 'a{c=\"2\"}', filter_bad: '', filter_valid: a",
            "a",
            r#"a{c="2"}"#,
            RatioPart::Good,
        ),
    ] {
        let IndicatorKind::Ratio {
            total: all,
            part: some,
            part_is: is,
        } = kind("good_bad_ratio", indicator)
        else {
            panic!("{indicator}");
        };
        let is = (all.to_string(), some.to_string(), is);
        assert_eq!(is, (total.to_owned(), part.to_owned(), part_is), "{indicator}");
    }
}

#[test]
fn other_queries_are_built_as_slo_generator_builds_them() {
    let ratio = |indicator: &str| match kind("good_bad_ratio", indicator) {
        IndicatorKind::PromQl(PromQlIndicator {
            form: PromQlForm::Ratio { total, part, part_is },
            ..
        }) => (total, part, part_is),
        other => panic!("{other:?}"),
    };
    let sum = |metric: &str| format!("sum(increase({metric}[{{{{.window}}}}]))");
    let [good, bad] = ["a{x=~'1.*'}", "a{x=~'2.*'}"];
    let both = format!("({}) + ({})", sum(good), sum(bad));
    let is = ratio(&format!("filter_good: \"{good}\", filter_bad: \"{bad}\""));
    assert_eq!(is, (both, sum(bad), RatioPart::Bad));
    let (total, part, part_is) = ratio("filter_good: good, filter_valid: all, operators: [delta, max]");
    assert_eq!(
        (total.as_str(), part.as_str(), part_is),
        (
            "max(delta(all[{{.window}}]))",
            "max(delta(good[{{.window}}]))",
            RatioPart::Good
        )
    );
    let IndicatorKind::PromQl(PromQlIndicator {
        form: PromQlForm::RawRatio { query, ratio_of },
        ..
    }) = kind("query_sli", "expression: 'avg_over_time(sli[window:1m])'")
    else {
        panic!("another form");
    };
    assert_eq!(
        (query.as_str(), ratio_of),
        ("avg_over_time(sli[{{.window}}:1m])", RatioPart::Good)
    );
}

#[test]
fn objectives_for_other_systems_are_accepted_and_idle() {
    for (backend, system) in [
        ("cloud_monitoring", "Cloud Monitoring"),
        ("cloud_monitoring/eu", "Cloud Monitoring"),
        ("datadog", "Datadog"),
        ("my.own.Backend", "my.own.Backend"),
    ] {
        let text = file("good_bad_ratio", "filter_good: 'project=${PROJECT}'").replace("prometheus", backend);
        let loaded = load(&text, "f.yaml");
        assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
        let is_foreign =
            matches!(&loaded.slos[0].indicator.kind, IndicatorKind::Foreign { system: name } if name == system);
        assert!(is_foreign, "{backend}");
        let codes: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["I004"], "{backend}");
    }
}

#[test]
fn mistakes_and_losses_are_said() {
    let good = file("distribution_cut", CUT);
    let mut wrong = Vec::new();
    for (from, to, expected) in [
        ("  goal: 0.999\n", "", "N005 9:3 `goal` is missing"),
        ("goal: 0.999", "goal: 99.9", "N012 13:9"),
        ("goal: 0.999", "goal: 99.9", "write 0.999"),
        ("goal: 0.999", "goal: ${GOAL}", "N012 13:9"),
        ("goal: 0.999", "goal: 1", "L017 13:9"),
        ("goal: 0.999", "goal: 0.9", "L003 13:9"),
        ("  name: shop-errors\n", "", "N005 4:3 `name` is missing"),
        ("name: shop-errors", "name: shop errors", "N015 4:9"),
        ("  description: d\n", "", "L021 8:1 `description` is missing"),
        (
            "method: distribution_cut",
            "method: distribution-cut",
            "did you mean `distribution_cut`?",
        ),
        ("backend: prometheus", "backend: Prometheus", "L021 10:12"),
        (
            "backend: prometheus",
            "backend: promethus",
            "did you mean `prometheus`?",
        ),
        ("backend: prometheus", "backend: prometheus/eu", "I002 10:12"),
        ("  goal:", "  exporters: [bigquery]\n  goal:", "I002 13:3"),
        ("  goal:", "  error_budget_policy: fast\n  goal:", "I002 13:24"),
        ("  goal:", "  windows: 30d\n  goal:", "L008 13:3"),
        ("a=\"1\"", "a=\"${ENV}\"", "L021 12:"),
        (
            "threshold_bucket: 0.25",
            "threshold_buckets: 0.25",
            "did you mean `threshold_bucket`?",
        ),
        ("threshold_bucket: 0.25", "threshold_bucket: 0", "N023 12:"),
        ("threshold_bucket: 0.25", "threshold_bucket: fast", "N022 12:"),
        ("d_bucket{a=\"1\"}", "d{a=\"1\"}", "N014 12:"),
        ("d_bucket{a=\"1\"}", "d_bucket{le=\"1\"}", "N014 12:"),
        ("kind: ServiceLevelObjective", "kind: Slo", "N024 2:7"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let found = said(&load(&text, "f.yaml"));
        if !found.contains(expected) {
            wrong.push(format!("{to}: {expected}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(said(&load(&good, "f.yaml")), "");
    let silent = good.replace("  goal:", "  exporters: []\n  error_budget_policy: default\n  goal:");
    assert_eq!(said(&load(&silent, "f.yaml")), "");
}

#[test]
fn a_ratio_needs_a_second_filter_and_one_is_enough() {
    let mut wrong = Vec::new();
    for (indicator, expected) in [
        ("filter_good: a", "N044 12:3"),
        ("filter_valid: a", "N005 12:28 `filter_good` is missing"),
        ("filter_good: a, filter_bad: b, filter_valid: c", "L005"),
        ("filter_good: a, filter_valid: a", "L001"),
        (
            "filter_good: 'a{b=}', filter_valid: a",
            "N014 12:47 `filter_good` is no selector",
        ),
        ("filter_good: a, filter_vaild: a", "did you mean `filter_valid`?"),
    ] {
        let found = said(&load(&file("good_bad_ratio", indicator), "f.yaml"));
        if !found.contains(expected) {
            wrong.push(format!("{indicator}: {expected}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn an_expression_without_its_window_is_a_lint() {
    let loaded = load(&file("query_sli", "expression: 'avg_over_time(sli[5m])'"), "f.yaml");
    assert!(loaded.is_valid() && said(&loaded).contains("L013"), "{}", said(&loaded));
}
