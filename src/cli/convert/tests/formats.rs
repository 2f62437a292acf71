//! Every foreign format in, and what is lost of it.

use super::*;

const SLOTH: &str = "\
version: prometheus/v1
service: shop
labels: {slo: high}
slos:
  - name: sloth
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: Sloth}
";
const CRD: &str = "\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: shop, namespace: web}
spec:
  service: shop
  labels: {slo: high}
  slos:
    - name: crd
      objective: 99.9
      sli:
        events:
          errorQuery: sum(rate(errors_total[{{.window}}]))
          totalQuery: sum(rate(requests_total[{{.window}}]))
      alerting: {name: Crd}
";
const PYRRA: &str = r#"apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: pyrra
  namespace: shop
  labels: {pyrra.dev/slo: high}
spec:
  target: '99.9'
  window: 30d
  indicator:
    ratio:
      errors: {metric: 'errors_total{job="shop"}'}
      total: {metric: 'requests_total{job="shop"}'}
"#;
const OPENSLO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: openslo
  labels: {slo: high}
spec:
  service: shop
  indicator:
    metadata: {name: openslo}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: errors_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
";
const ALPHA: &str = "\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: alpha, displayName: Alpha}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindows: [{unit: Day, count: 30, isRolling: true}]
  objectives:
    - target: 0.999
      ratioMetrics:
        incremental: true
        bad: {source: prometheus, queryType: promql, query: errors_total}
        total: {source: prometheus, queryType: promql, query: requests_total}
";
const GENERATOR: &str = "\
apiVersion: sre.google.com/v2
kind: ServiceLevelObjective
metadata: {name: generator, labels: {service_name: shop, feature_name: f, slo_name: generator, slo: high}}
spec:
  description: d
  backend: prometheus
  method: good_bad_ratio
  exporters: [prometheus]
  service_level_indicator:
    filter_good: good_total[window]
    filter_valid: requests_total[window]
  goal: 0.999
";
/// An SLO that asks a system whose queries nines does not keep.
const ELSEWHERE: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: elsewhere}
spec:
  service: shop
  indicator:
    metadata: {name: elsewhere}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: datadog, spec: {query: 'sum:good{*}'}}}
        total: {metricSource: {type: datadog, spec: {query: 'sum:all{*}'}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
";

/// What is neither a note about what comes later nor about what was lost.
fn complaints(text: &str, is_openslo: bool) -> Vec<String> {
    let options = Options {
        strict: is_openslo,
        ..Options::default()
    };
    let set = load_all(&[("written.yaml".to_owned(), text.to_owned())], &options);
    // OpenSLO's own conditions have one window and are warned of; a native file should give no reason to.
    let found = set
        .diagnostics()
        .filter(|found| found.is_error() || !is_openslo && found.code != "I004");
    found.map(Diagnostic::concise).collect()
}

#[test]
fn every_format_is_converted_and_its_losses_have_places() {
    for (name, text, loss) in [
        ("sloth", SLOTH, Some("3:10: I002 the label `slo` is set by nines")),
        ("crd", CRD, Some("6:12: I002 the label `slo` is set by nines")),
        ("pyrra", PYRRA, Some("6:12: I002 the label `slo` is set by nines")),
        ("openslo", OPENSLO, Some("5:12: I002 the label `slo` is set by nines")),
        ("alpha", ALPHA, None),
        (
            "generator",
            GENERATOR,
            Some("3:96: I002 the label `slo` is set by nines"),
        ),
    ] {
        let folder = folder(&[("a.yaml", text)]);
        for to in [Format::Native, Format::Openslo] {
            let (status, out, err) = convert_in(folder.path(), to, &["@a.yaml"]);
            assert_eq!(status, VALID, "{name}: {err}");
            assert_eq!(ids(&out), [format!("shop/{name}")], "{out}");
            assert_eq!(
                complaints(&out, to == Format::Openslo),
                Vec::<String>::new(),
                "{name}\n{out}"
            );
            match loss {
                Some(loss) => assert!(err.contains(&format!("\n  lost: a.yaml:{loss}")), "{name}: {err}"),
                None => assert!(err.ends_with("Converted 1 SLO of 1 file; nothing is lost.\n"), "{err}"),
            }
            let (status, ..) = convert_in(folder.path(), to, &["@a.yaml", "--fail-on-loss"]);
            let lossless = err.contains("nothing is lost");
            assert_eq!(status, if lossless { VALID } else { INVALID }, "{name}: {err}");
        }
    }
}

#[test]
fn what_asks_a_server_by_its_format_names_it_when_it_is_told_how() {
    let folder = folder(&[("pyrra.yaml", PYRRA), ("sloth.yaml", SLOTH)]);
    for to in [Format::Native, Format::Openslo] {
        for (flags, source, is_noted) in [
            (&["@pyrra.yaml"][..], None, true),
            (&["@pyrra.yaml", "--source", "main"], Some("main"), false),
            (&["@sloth.yaml", "--source", "main"], None, false),
        ] {
            let (status, out, err) = convert_in(folder.path(), to, flags);
            assert_eq!(status, VALID, "{flags:?}: {err}");
            let note = "  note: pyrra.yaml:4: shop/pyrra: the file's metrics are those of a Prometheus server";
            assert_eq!(err.contains(note), is_noted, "{flags:?}: {err}");
            let loaded = load(&out, "written.yaml");
            assert_eq!(loaded.slos[0].indicator.source.as_deref(), source, "{flags:?}: {out}");
        }
    }
}

#[test]
fn a_file_of_which_nothing_can_be_said_is_not_written() {
    let folder = folder(&[("a.yaml", ELSEWHERE), ("b.yaml", OPENSLO)]);
    for to in [Format::Native, Format::Openslo] {
        let (status, out, err) = convert_in(folder.path(), to, &["@a.yaml"]);
        assert_eq!((status, out.as_str()), (INVALID, ""), "{err}");
        for line in [
            "a.yaml (OpenSLO v1): 0 of 1 SLO, so that no file is written\n",
            "  lost: a.yaml:3: shop/elsewhere is left out: it asks datadog, ",
            "\nConverted 0 of 1 SLO of 1 file; 1 thing is lost.\n",
        ] {
            assert!(err.contains(line), "{line} not in\n{err}");
        }
        let (status, out, err) = convert_in(folder.path(), to, &["@", "-o", "-"]);
        assert_eq!((status, ids(&out)), (INVALID, vec!["shop/openslo".to_owned()]), "{err}");
        assert!(
            err.contains("Converted 1 of 2 SLOs of 2 files; 2 things are lost."),
            "{err}"
        );
    }
    let (_, _, err) = convert_in(folder.path(), Format::Native, &["@a.yaml", "-o", "@out"]);
    assert!(!folder.path().join("out/a.yaml").exists(), "{err}");
}

#[test]
fn strict_means_what_it_means_for_check() {
    let lenient = OPENSLO.replace("name: openslo\n  labels", "name: Open_SLO\n  labels");
    let folder = folder(&[("a.yaml", &lenient)]);
    let (status, ..) = convert_in(folder.path(), Format::Native, &["@a.yaml"]);
    assert_eq!(status, VALID);
    let (status, out, err) = convert_in(folder.path(), Format::Native, &["@a.yaml", "--strict"]);
    assert_eq!((status, out.as_str()), (INVALID, ""));
    assert!(err.contains("error: a.yaml:4:9: L009 `name` is \"Open_SLO\""), "{err}");
}
