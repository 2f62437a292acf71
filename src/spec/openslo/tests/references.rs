//! References between documents and files.

use super::{RATIO, files, one, said};
use crate::domain::indicator::Sources;

const SLI: &str = "\
apiVersion: openslo/v1
kind: SLI
metadata: {name: requests}
spec:
  ratioMetric:
    good: {metricSource: {type: Prometheus, spec: {query: good_total}}}
    total: {metricSource: {type: Prometheus, spec: {query: all_total}}}
";

fn slo(reference: &str) -> String {
    format!(
        "\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: served}}
spec:
  service: shop
  indicatorRef: {reference}
  timeWindow: [{{duration: 28d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.99}}]
"
    )
}

#[test]
fn an_indicator_is_found_in_another_file() {
    let set = files(&[("a.yaml", &slo("requests")), ("b.yaml", SLI)], false);
    let said: Vec<_> = set.files.iter().map(said).collect();
    assert_eq!(said, ["", ""]);
    let inline = one(RATIO, false).slos.remove(0);
    assert_eq!(set.slos().next().map(|slo| &slo.indicator), Some(&inline.indicator));
}

#[test]
fn an_indicator_that_is_nowhere_keeps_an_slo_from_running() {
    let near = slo("reqests");
    let set = files(&[("a.yaml", &near), ("b.yaml", SLI)], false);
    assert_eq!(said(&set.files[0]), "6 N032!");
    assert_eq!(
        set.files[0].diagnostics[0].hint.as_deref(),
        Some("did you mean `requests`?")
    );
    // The SDK looks at each object by itself.
    let strict = one(&near, true);
    assert_eq!((said(&strict).as_str(), strict.slos.len()), ("6 L010", 0));
}

#[test]
fn what_is_wrong_in_an_object_is_said_there_and_pointed_to() {
    let broken = SLI.replace("good:", "gud:");
    let set = files(&[("a.yaml", &slo("requests")), ("b.yaml", &broken)], false);
    let said: Vec<_> = set.files.iter().map(said).collect();
    assert_eq!(said, ["6 N032!", "5 N044!, 6 L008"]);
    assert_eq!(
        set.files[0].diagnostics[0].message,
        "SLI requests is invalid, see b.yaml:1"
    );
}

#[test]
fn a_service_of_kubernetes_is_no_twin() {
    let service = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: web}\n";
    let kubernetes = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
    let set = files(
        &[("a.yaml", kubernetes), ("b.yaml", service), ("c.yaml", service)],
        true,
    );
    let said: Vec<_> = set.files.iter().map(said).collect();
    assert_eq!(said, ["", "", "3 L018"]);
}

#[test]
fn the_type_of_a_source_is_looked_up() {
    let source = |kind| {
        format!(
            "apiVersion: openslo/v1\nkind: DataSource\nmetadata: {{name: main}}\nspec: {{type: {kind}, connectionDetails: {{}}}}\n"
        )
    };
    let slo = RATIO.replace("type: Prometheus", "metricSourceRef: main");
    let no_servers = Sources {
        names: Some(Vec::new()),
        default: None,
        ..Sources::default()
    };
    for (kind, reason) in [
        ("Prometheus", "it asks the Prometheus server \"main\""),
        ("Thanos", "it asks the Prometheus server \"main\""),
        ("Datadog", "it asks Datadog"),
    ] {
        let set = files(&[("a.yaml", &slo), ("b.yaml", &source(kind))], false);
        let idle = set
            .slos()
            .next()
            .and_then(|slo| slo.clone().fed_by(&no_servers).idle_reason(&no_servers));
        assert!(
            idle.as_ref().is_some_and(|idle| idle.starts_with(reason)),
            "{kind}: {idle:?}"
        );
    }
}

#[test]
fn a_threshold_elsewhere_needs_its_comparison_here() {
    let sli = "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: requests}\nspec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: q}}}}\n";
    let set = |strict| files(&[("a.yaml", &slo("requests")), ("b.yaml", sli)], strict);
    assert_eq!(said(&set(false).files[0]), "9 N005!, 9 N005!");
    assert_eq!(said(&set(true).files[0]), "9 L021, 9 L021");
    assert_eq!(set(true).slos().count(), 0);
}

/// The documents that were derived from the SDK's tests, each with the SDK's verdict.
#[test]
fn the_sdks_verdicts_are_ours_when_strict() {
    let Some(corpus) = std::env::var_os("NINES_CORPUS") else {
        eprintln!("skipped: NINES_CORPUS is not set");
        return;
    };
    let corpus = std::path::Path::new(&corpus);
    let read = |path: &str| std::fs::read_to_string(corpus.join(path)).expect("a file of the corpus");
    let cases: serde_json::Value = serde_json::from_str(&read("openslo/derived-v1/CASES.json")).expect("JSON");
    let mut wrong = Vec::new();
    for case in cases.as_array().expect("a list") {
        let file = case["file"].as_str().expect("a path");
        if !corpus.join(file).exists() {
            continue;
        }
        let loaded = one(&read(file), true);
        if Some(loaded.is_valid()) != case["valid"].as_bool() {
            wrong.push(format!("{file}: {}", said(&loaded)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
