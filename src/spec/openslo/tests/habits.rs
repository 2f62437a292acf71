//! What people write who have never run the SDK over it.

use super::{RATIO, check_rules, lost, one, said};
use crate::domain::indicator::{IndicatorKind, PromQlIndicator};
use crate::spec::Loaded;

const POLICIES: &str = "  alertPolicies:
    - kind: AlertPolicy
      metadata: {name: fast}
      spec:
        notificationTargets: [{targetRef: mail}]
        conditions:
          - kind: AlertCondition
            metadata: {name: one}
            spec:
              severity: page
              condition: {kind: burnrate, op: gt, threshold: 14, lookbackWindow: 1h, alertAfter: 5m}
";

const WINDOW: &str = "  timeWindow:\n    - duration: 28d\n      isRolling: true\n";

/// The hints of all that is said under a code.
fn hints(loaded: &Loaded, code: &str) -> Vec<String> {
    let found = loaded.diagnostics.iter().filter(|found| found.code == code);
    found.filter_map(|found| found.hint.clone()).collect()
}

#[test]
fn queries_are_found_and_their_window_is_understood() {
    check_rules(
        RATIO,
        &[
            (
                "the template with a capital letter",
                "good_total",
                "'sum(rate(good_total[{{ .Window }}]))'",
                "14 L021",
                "14 L021",
            ),
            (
                "the template without its dot",
                "good_total",
                "'sum(rate(good_total[{{window}}]))'",
                "14 L021",
                "14 L021",
            ),
            (
                "another template",
                "good_total",
                "'sum(rate(good_total[{{range}}]))'",
                "14 N040!",
                "14 N040!",
            ),
            (
                "the query itself",
                "{query: good_total}",
                "good_total",
                "14 L021",
                "14 N006!",
            ),
            (
                "neither map nor text",
                "{query: good_total}",
                "[good_total]",
                "14 N006!",
                "14 N006!",
            ),
        ],
    );
    let loaded = one(&RATIO.replace("{query: good_total}", "good_total"), true);
    assert_eq!(hints(&loaded, "N006"), ["write `spec: {query: …}`"]);
}

#[test]
fn a_window_under_the_objectives_is_that_of_the_slo() {
    let under = |windows: [&str; 2]| {
        let [first, second] = windows.map(|length| format!("timeWindow: [{{duration: {length}, isRolling: true}}]"));
        RATIO.replace(WINDOW, "").replace(
            "    - target: 0.99\n",
            &format!("    - target: 0.99\n      {first}\n    - target: 0.999\n      {second}\n"),
        )
    };
    let loaded = one(&under(["28d", "28d"]), false);
    assert_eq!(said(&loaded), "19 L021, 21 L021");
    assert_eq!(loaded.slos[1].window.written(), "28d");
    assert_eq!(said(&one(&under(["28d", "7d"]), false)), "7 L009, 19 N004!, 21 N004!");
    assert_eq!(said(&one(&under(["28d", "28d"]), true)), "7 L009!, 19 N004!, 21 N004!");
}

#[test]
fn the_same_holds_for_the_fields_of_v1alpha_under_v1() {
    let text = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: a}
spec:
  service: s
  budgetingMethod: Occurrences
  objectives:
    - ratioMetrics:
        incremental: true
        good: {source: prometheus, queryType: promql, query: sum(good)}
        total: {source: prometheus, queryType: promql, query: sum(all)}
      target: 0.995
      timeWindow:
        - duration: 28d
          isRolling: true
";
    let loaded = one(text, false);
    assert_eq!(said(&loaded), "1 L009, 13 L021");
    assert_eq!(loaded.slos[0].window.written(), "28d");
    // It says of itself that these are counters.
    let IndicatorKind::PromQl(PromQlIndicator { scraped, .. }) = &loaded.slos[0].indicator.kind else {
        panic!("{:?}", loaded.slos[0].indicator);
    };
    assert!(matches!(scraped.as_deref(), Some(IndicatorKind::Ratio { .. })));
    let alpha = text.replace("- duration: 28d", "- unit: Day\n          count: 28");
    assert_eq!(one(&alpha, false).slos[0].window.written(), "28d");
    let both = text.replace(
        "  objectives:",
        "  timeWindows: [{unit: Day, count: 7, isRolling: true}]\n  objectives:",
    );
    let loaded = one(&both, false);
    assert_eq!((said(&loaded).as_str(), loaded.slos.len()), ("1 L009, 14 L008", 1));
}

#[test]
fn sums_of_counters_need_no_telling_name() {
    for (counter, is_understood) in [("true", true), ("false", false)] {
        let text = RATIO
            .replace("counter: true", &format!("counter: {counter}"))
            .replace("good_total", "'sum(good)'")
            .replace("all_total", "'sum(all)'");
        let loaded = one(&text, false);
        let IndicatorKind::PromQl(PromQlIndicator { scraped, .. }) = &loaded.slos[0].indicator.kind else {
            panic!("{:?}", loaded.slos[0].indicator);
        };
        assert_eq!(scraped.is_some(), is_understood, "{counter}");
    }
}

#[test]
fn each_oddity_is_said_once() {
    // A label of Kubernetes.
    let text = RATIO.replace("{team: web}", "{app.kubernetes.io/name: web}");
    let loaded = one(&text, false);
    assert_eq!((said(&loaded), lost(&loaded)), ("5 L009".to_owned(), String::new()));
    assert_eq!(loaded.slos[0].labels.get("app_kubernetes_io_name"), "web");
    // Several conditions, each with its one window.
    let more = "          - kind: AlertCondition\n            metadata: {name: two}\n            spec:\n              \
                severity: ticket\n              \
                condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 6h, alertAfter: 5m}\n";
    let second = POLICIES.replace("  alertPolicies:\n", "").replace("1h", "3d");
    let loaded = one(&format!("{RATIO}{POLICIES}{more}{second}"), false);
    let notes: Vec<_> = loaded.diagnostics.iter().filter(|found| found.code == "L016").collect();
    let [note] = notes.as_slice() else {
        panic!("{notes:?}");
    };
    assert!(note.message.contains("(1h, 6h, 3d)"), "{}", note.message);
    assert_eq!(note.line, 32);
}

#[test]
fn other_words_get_a_hint() {
    for (kind, hint) in [
        ("burn", "write `kind: burnrate`"),
        ("multi-window-multi-burn-rate", "a condition for each window"),
        ("multi-burn-rate", "a condition for each window"),
        ("sli", "how fast the error budget"),
    ] {
        let text = format!("{RATIO}{POLICIES}").replace("kind: burnrate", &format!("kind: {kind}"));
        let loaded = one(&text, false);
        let hints = hints(&loaded, "N024");
        assert!(hints.len() == 1 && hints[0].contains(hint), "{kind}: {hints:?}");
        assert!(
            loaded
                .diagnostics
                .iter()
                .any(|found| found.message == format!("`kind` is `burnrate`, not \"{kind}\"")),
            "{kind}"
        );
    }
    let text = RATIO
        .replace("openslo/v1", "openslo.com/v2alpha")
        .replace("service:", "serviceRef:");
    let hints = hints(&one(&text, false), "L008");
    assert!(hints.contains(&"did you mean `sli`?".to_owned()), "{hints:?}");
}
