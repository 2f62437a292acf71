//! SLOs whose policy or alert windows stand in another file, which breaks or goes away.

use super::*;

const SLO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: errors}
spec:
  service: shop
  indicator:
    metadata: {name: errors}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: errors_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
  alertPolicies: [{alertPolicyRef: calls}]
";
const POLICY: &str = "\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: calls}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: burns}]
  notificationTargets: []
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: burns}
spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 3, lookbackWindow: 2h}}
";
const SLOTH: &str = "\
version: prometheus/v1
service: shop
slos:
  - name: calls
    objective: 99
    sli:
      events: {error_query: 'sum(rate(errors_total[{{.window}}]))', total_query: 'sum(rate(requests_total[{{.window}}]))'}
    alerting: {name: Calls, page_alert: {}, ticket_alert: {}}
";
const WINDOWS: &str = "\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 30d
  page:
    quick: {errorBudgetPercent: 1, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 24h}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 72h}
";

/// The one SLO that runs: its policy, whether it is invalid, and what it takes from last good revisions.
fn alone(specs: &Specs) -> (crate::domain::alert::policy::AlertPolicy, bool, Vec<String>) {
    assert_eq!(specs.desired.slos.len(), 1, "{:?}", specs.warnings);
    let slo = &specs.desired.slos[0];
    let told = slo.diagnostics.iter().filter(|found| found.code == "N032");
    (
        slo.slo.alerting.clone(),
        slo.invalid,
        told.map(|found| found.message.clone()).collect(),
    )
}

fn stored(specs: &Specs) -> Vec<&str> {
    specs.revisions.iter().map(|revision| revision.file.as_str()).collect()
}

fn later(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + 1000 * seconds)
}

#[test]
fn what_a_broken_object_gave_is_kept_until_it_is_mended() {
    for (slo, object, broken) in [
        (SLO, POLICY, POLICY.replace("spec:\n", "}}}\n")),
        (SLO, POLICY, POLICY.replace("threshold: 3", "threshold: much")),
        (SLO, POLICY, POLICY.replace("name: calls}", "nam: calls}")),
        (SLOTH, WINDOWS, WINDOWS.replace("sloPeriod", "sloPeriode")),
        (
            SLOTH,
            WINDOWS,
            WINDOWS.replace("errorBudgetPercent: 1,", "errorBudgetPercent: x,"),
        ),
    ] {
        let good = last_good(&[("object.yaml", object), ("slo.yaml", slo)]);
        let whole = files(&[("object.yaml", object), ("slo.yaml", slo)]).resolve(&good, NOW);
        let (wanted, invalid, told) = alone(&whole);
        assert_eq!(
            (invalid, told.len(), stored(&whole).len()),
            (false, 0, 2),
            "{:?}",
            whole.warnings
        );
        let plain = files(&[("slo.yaml", slo)]).resolve(&LastGood::new(), NOW);
        assert_ne!(alone(&plain).0, wanted, "the object says something of its own");

        let specs = files(&[("object.yaml", &broken), ("slo.yaml", slo)]).resolve(&good, later(9));
        let (policy, invalid, told) = alone(&specs);
        assert_eq!((policy, invalid), (wanted.clone(), true), "{broken}");
        // Where the object can be read though not understood, the SLO's file does not load by itself.
        let sentence = if broken.contains("much") {
            "AlertPolicy calls is invalid, see object.yaml:1"
        } else {
            "object.yaml does not load; what it gives to this SLO is taken from its last good revision"
        };
        assert_eq!(told, [sentence], "{broken}");
        assert!(specs.warnings.iter().any(|told| told.contains(sentence)));
        assert!(specs.revisions.is_empty(), "{broken}: {:?}", stored(&specs));

        let mended = files(&[("object.yaml", object), ("slo.yaml", slo)]).resolve(&good, later(18));
        assert_eq!(alone(&mended), (wanted, false, Vec::new()));
        assert_eq!(stored(&mended), ["object.yaml", "slo.yaml"]);
    }
}

#[test]
fn a_policy_that_is_gone_is_missed_where_it_is_referred_to() {
    let good = last_good(&[("object.yaml", POLICY), ("slo.yaml", SLO)]);
    let (wanted, ..) = alone(&files(&[("object.yaml", POLICY), ("slo.yaml", SLO)]).resolve(&good, NOW));
    let specs = files(&[("slo.yaml", SLO)]).resolve(&good, later(9));
    let (policy, invalid, told) = alone(&specs);
    assert_eq!((policy, invalid, stored(&specs).len()), (wanted.clone(), true, 0));
    assert_eq!(
        told,
        ["object.yaml is gone; what it gives to this SLO is taken from its last good revision"]
    );
    let moved = files(&[("other.yaml", POLICY), ("slo.yaml", SLO)]).resolve(&good, later(18));
    assert_eq!(alone(&moved), (wanted, false, Vec::new()), "it moved to another file");
    let without = SLO.replace("  alertPolicies: [{alertPolicyRef: calls}]\n", "");
    let removed = files(&[("slo.yaml", &without)]).resolve(&good, later(18));
    assert!(!alone(&removed).1, "nothing refers to it any more");
    assert_eq!(stored(&removed), ["slo.yaml"]);
}

#[test]
fn a_policy_that_was_gone_already_is_not_found_again() {
    let mut good = last_good(&[("object.yaml", POLICY), ("slo.yaml", SLO)]);
    if let Some(slo) = good.get_mut("slo.yaml") {
        slo.loaded_at = later(9);
    }
    let specs = files(&[("slo.yaml", SLO)]).resolve(&good, later(18));
    assert!(!alone(&specs).1, "{:?}", specs.warnings);
    assert_eq!(stored(&specs), ["slo.yaml"]);
}

#[test]
fn alert_windows_may_be_removed() {
    let good = last_good(&[("object.yaml", WINDOWS), ("slo.yaml", SLOTH)]);
    let specs = files(&[("slo.yaml", SLOTH)]).resolve(&good, NOW);
    let (plain, ..) = alone(&files(&[("slo.yaml", SLOTH)]).resolve(&LastGood::new(), NOW));
    assert_eq!(alone(&specs), (plain, false, Vec::new()));
    assert_eq!(stored(&specs), ["slo.yaml"]);
}

#[test]
fn only_the_file_that_matters_is_named_and_only_its_slos_are_invalid() {
    let other = slos(&["a"]);
    let whole = [
        ("a.yaml", other.as_str()),
        ("object.yaml", POLICY),
        ("slo.yaml", SLO),
        ("sloth.yaml", SLOTH),
        ("windows.yaml", WINDOWS),
    ];
    let good = last_good(&whole);
    let mut now = whole;
    now[1].1 = "}}}";
    now[4].1 = "kind: [";
    let specs = files(&now).resolve(&good, later(9));
    assert_eq!(
        running(&specs),
        named(&[("a", false), ("calls", true), ("errors", true)])
    );
    for slo in specs.desired.slos.iter().filter(|slo| slo.invalid) {
        let told: Vec<&str> = slo.diagnostics.iter().map(|found| found.message.as_str()).collect();
        let culprit = if slo.slo.id.name == "calls" {
            "windows.yaml"
        } else {
            "object.yaml"
        };
        let innocent = if culprit == "object.yaml" {
            "windows.yaml"
        } else {
            "object.yaml"
        };
        assert!(told.iter().any(|told| told.starts_with(culprit)), "{told:?}");
        assert!(!told.iter().any(|told| told.starts_with(innocent)), "{told:?}");
    }
    assert_eq!(stored(&specs), ["a.yaml"]);
}

#[test]
fn a_condition_that_only_the_policy_refers_to_is_missed_reload_after_reload() {
    let (policy, condition) = POLICY.split_once("---\n").expect("two documents");
    let whole = [
        ("condition.yaml", condition),
        ("policy.yaml", policy),
        ("slo.yaml", SLO),
    ];
    let mut good = last_good(&whole);
    let (wanted, ..) = alone(&files(&whole).resolve(&good, NOW));
    let broken = [("condition.yaml", "}}}"), whole[1], whole[2]];
    for (reload, now) in [&broken[..], &broken[..], &whole[1..], &whole[1..]]
        .into_iter()
        .enumerate()
    {
        let specs = files(now).resolve(&good, later(9 + i64::try_from(reload).unwrap_or_default()));
        let (policy, invalid, told) = alone(&specs);
        assert_eq!(
            (policy, invalid),
            (wanted.clone(), true),
            "reload {reload}: {:?}",
            specs.warnings
        );
        assert!(told.iter().any(|told| told.starts_with("condition.yaml ")), "{told:?}");
        for revision in specs.revisions {
            good.insert(revision.file.clone(), revision);
        }
    }
}
