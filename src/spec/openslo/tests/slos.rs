//! The kind SLO: each rule, in both modes.

use super::{RATIO, THRESHOLD, check_rules, one, said};

#[test]
fn good_documents_are_good() {
    for document in [RATIO, THRESHOLD] {
        assert_eq!([said(&one(document, false)), said(&one(document, true))], ["", ""]);
    }
}

#[test]
fn the_head_of_a_document() {
    let long_name = format!("name: {}", "a".repeat(64));
    let long_display = format!("name: served\n  displayName: {}", "a".repeat(64));
    check_rules(
        RATIO,
        &[
            (
                "an operator's group",
                "openslo/v1",
                "openslo.com/v1",
                "1 L009",
                "1 L009!",
            ),
            (
                "another spelling of a kind",
                "kind: SLO",
                "kind: Slo",
                "2 L009",
                "2 L009!",
            ),
            ("no kind", "kind: SLO\n", "", "1 N005!", "1 N005!"),
            ("a kind that is none", "kind: SLO", "kind: SLOs", "2 N024!", "2 N024!"),
            (
                "a key beside spec",
                "kind: SLO",
                "kind: SLO\nstatus: {}",
                "3 L008",
                "3 L008!",
            ),
            ("no name", "  name: served\n", "", "4 N005!", "4 N005!"),
            (
                "a name in capitals",
                "name: served",
                "name: Served",
                "4 L009",
                "4 L009!",
            ),
            (
                "a name with a blank",
                "name: served",
                "name: ser ved",
                "4 L009, 4 L021",
                "4 L009!, 4 L021",
            ),
            ("a name of 64 letters", "name: served", &long_name, "4 L009", "4 L009!"),
            ("a name that is a number", "name: served", "name: 12", "", "4 L009!"),
            (
                "a display name of 64 letters",
                "name: served",
                &long_display,
                "5 L009",
                "5 L009!",
            ),
            ("a list of values", "team: web", "team: [a, b]", "", ""),
            ("a number as value", "team: web", "team: 7", "", "5 L009!"),
            (
                "a key of a label with a slash",
                "team: web",
                "a.org/team: web",
                "5 L009",
                "5 L009!",
            ),
            (
                "a key of a label with an end",
                "team: web",
                "team_: web",
                "5 L009",
                "5 L009!",
            ),
            (
                "an annotation of a domain",
                "labels: {team: web}",
                "annotations: {a.org/team: web}",
                "",
                "",
            ),
            (
                "an annotation of no domain",
                "labels: {team: web}",
                "annotations: {a_b.org/team: web}",
                "5 L009",
                "5 L009!",
            ),
        ],
    );
}

#[test]
fn the_spec_of_an_slo() {
    let long = format!("description: {}", "a".repeat(1_051));
    check_rules(
        RATIO,
        &[
            (
                "a long description",
                "description: Requests are served.",
                &long,
                "7 L009",
                "7 L009!",
            ),
            ("no service", "  service: shop\n", "", "7 N005!", "7 N005!"),
            ("an empty service", "service: shop", "service: ''", "8 N005!", "8 N005!"),
            (
                "a service of two words",
                "service: shop",
                "service: web shop",
                "8 L021",
                "8 L021",
            ),
            ("no method", "  budgetingMethod: Occurrences\n", "", "7 L009", "7 L009!"),
            ("an unknown method", "Occurrences", "Occurences", "19 N024!", "19 N024!"),
            (
                "an unknown key",
                "  service: shop",
                "  service: shop\n  owner: me",
                "9 L008",
                "9 L008!",
            ),
            (
                "no metadata of an indicator",
                "    metadata: {name: requests}\n",
                "",
                "9 L009",
                "9 L009!",
            ),
            (
                "policies as names",
                "  objectives:",
                "  alertPolicies: [gone]\n  objectives:",
                "20 L009, 20 L010",
                "20 L009!, 20 L010",
            ),
        ],
    );
}

#[test]
fn time_windows() {
    check_rules(
        RATIO,
        &[
            ("a month that rolls", "28d", "1M", "17 L021", "17 L021"),
            ("no unit", "28d", "28", "17 N013!", "17 N013!"),
            ("a word", "28d", "Week", "17 N013!", "17 N013!"),
            ("a negative length", "28d", "-1d", "17 N013!", "17 N013!"),
            ("Prometheus's notation", "28d", "1h30m", "17 N013!", "17 N013!"),
            ("something behind the unit", "28d", "1w x", "17 N013!", "17 N013!"),
            ("nothing at all", "28d", "0w", "17 N013!", "17 L021"),
            ("no duration", "duration: 28d\n      ", "", "17 N005!", "17 N005!"),
            (
                "a map",
                "    - duration: 28d\n",
                "      duration: 28d\n",
                "16 L009",
                "16 L009!",
            ),
            (
                "none",
                "  timeWindow:\n    - duration: 28d\n      isRolling: true\n",
                "",
                "7 L009",
                "7 L009!",
            ),
            (
                "two",
                "    - duration: 28d\n",
                "    - duration: 28d\n      isRolling: true\n    - duration: 7d\n",
                "16 N045!",
                "16 N045!",
            ),
            (
                "neither rolling nor calendar",
                "      isRolling: true\n",
                "",
                "17 L009",
                "17 L009!",
            ),
            (
                "not rolling, no calendar",
                "isRolling: true",
                "isRolling: false",
                "17 L009",
                "17 L009!",
            ),
            (
                "rolling with a calendar",
                "isRolling: true",
                "isRolling: true\n      calendar: {startTime: '2026-01-01 00:00:00', timeZone: UTC}",
                "19 L009",
                "19 L009!",
            ),
            (
                "a calendar",
                "isRolling: true",
                "isRolling: false\n      calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}",
                "",
                "",
            ),
            (
                "a start that is none",
                "isRolling: true",
                "calendar: {startTime: 2026-13-01 00:00:00, timeZone: UTC}",
                "18 N043!",
                "18 N043!",
            ),
            (
                "a zone that is none",
                "isRolling: true",
                "calendar: {startTime: 2026-01-01 00:00:00, timeZone: Berlin}",
                "18 N042!",
                "18 N042!",
            ),
            (
                "a calendar without start and zone",
                "isRolling: true",
                "calendar: {}",
                "18 L009, 18 L009",
                "18 L009!, 18 L009!",
            ),
            (
                "under an objective",
                "target: 0.99",
                "target: 0.99\n      timeWindow: [{duration: 7d}]",
                "22 N004!",
                "22 N004!",
            ),
        ],
    );
}

#[test]
fn objectives() {
    check_rules(
        RATIO,
        &[
            ("a percentage", "target: 0.99", "targetPercent: 99.9", "", ""),
            ("nothing wanted", "0.99", "0.0", "21 L017", "21 L017"),
            ("everything wanted", "0.99", "1.0", "21 L017", "21 L017, 21 L009!"),
            ("above everything", "0.99", "1.01", "21 N012!", "21 N012!"),
            ("below nothing", "0.99", "-0.1", "21 N012!", "21 N012!"),
            ("a percentage as ratio", "0.99", "99.9", "21 N012!", "21 N012!"),
            ("a quoted number", "0.99", "'0.99'", "21 L009", "21 L009!"),
            (
                "neither target",
                "target: 0.99",
                "displayName: a",
                "21 N044!",
                "21 N044!",
            ),
            (
                "both targets",
                "0.99",
                "0.99\n      targetPercent: 99",
                "21 N044!",
                "21 N044!",
            ),
            ("none", "\n    - target: 0.99", " []", "20 N005!", "20 L021"),
            ("no key", "  objectives:\n    - target: 0.99\n", "", "7 N005!", "7 L021"),
            ("op on a ratio", "0.99", "0.99\n      op: gt", "22 L009", "22 L009!"),
            (
                "value on a ratio",
                "0.99",
                "0.99\n      value: 1",
                "22 L009",
                "22 L009!",
            ),
            (
                "a weight that nothing weighs",
                "0.99",
                "0.99\n      compositeWeight: 0",
                "22 L005",
                "22 L005",
            ),
            (
                "a slice that nothing needs",
                "0.99",
                "0.99\n      timeSliceWindow: 1m",
                "22 L005",
                "22 L005",
            ),
        ],
    );
    check_rules(
        THRESHOLD,
        &[
            ("no op", "op: lt, ", "", "13 N005!", "13 N005!"),
            ("no value", ", value: 100", "", "13 N005!", "13 N005!"),
            ("an op that is none", "op: lt", "op: eq", "13 N024!", "13 N024!"),
            ("a value that is none", "100", "many", "13 N022!", "13 N022!"),
            (
                "two objectives",
                "    - {",
                "    - {target: 0.95, op: gt, value: 1}\n    - {",
                "",
                "",
            ),
        ],
    );
}

#[test]
fn slices() {
    let slices = RATIO.replace("Occurrences", "Timeslices").replace(
        "target: 0.99",
        "target: 0.99\n      timeSliceTarget: 0.9\n      timeSliceWindow: 5m",
    );
    check_rules(
        &slices,
        &[
            ("good", "0.99", "0.99", "", ""),
            ("no target", "      timeSliceTarget: 0.9\n", "", "21 N005!", "21 N005!"),
            ("no window", "      timeSliceWindow: 5m\n", "", "21 N005!", "21 N005!"),
            ("everything", "timeSliceTarget: 0.9", "timeSliceTarget: 1.0", "", ""),
            (
                "above everything",
                "timeSliceTarget: 0.9",
                "timeSliceTarget: 1.1",
                "22 N012!",
                "22 N012!",
            ),
            (
                "nothing",
                "timeSliceTarget: 0.9",
                "timeSliceTarget: 0",
                "22 L009",
                "22 L009!",
            ),
            ("a number of minutes", "5m", "5", "23 L009", "23 L009!"),
            ("a number of no time", "5m", "0", "23 N013!", "23 N013!"),
            ("a long slice spends all", "5m", "7d", "4 L012", "4 L012"),
            (
                "ratio, which needs no target",
                "Timeslices",
                "RatioTimeslices",
                "22 L005",
                "22 L005",
            ),
            (
                "ratio without a window",
                "Timeslices\n  objectives:\n    - target: 0.99\n      timeSliceTarget: 0.9\n      timeSliceWindow: 5m",
                "RatioTimeslices\n  objectives:\n    - target: 0.99",
                "21 N005!",
                "21 N005!",
            ),
        ],
    );
}

#[test]
fn composites() {
    let composite = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: all}
spec:
  service: shop
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - target: 0.95
      compositeWeight: 2
      indicator: {metadata: {name: a}, spec: {ratioMetric: {raw: {metricSource: {type: Prometheus, spec: {query: a}}}, rawType: success}}}
    - target: 0.9
      indicator: {metadata: {name: b}, spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: b}}}}}
      op: gt
      value: 1
";
    check_rules(
        composite,
        &[
            ("good, with a factor lowered", "0.95", "0.95", "3 L003", "3 L003"),
            ("a weight of nothing", "Weight: 2", "Weight: 0", "10 N022!", "10 N022!"),
            ("a negative weight", "Weight: 2", "Weight: -1", "10 N022!", "10 N022!"),
            ("a weight beyond all", "Weight: 2", "Weight: 20", "9 L017", "9 L017"),
            (
                "a member without comparison",
                "      op: gt\n",
                "",
                "12 N005!",
                "12 L021",
            ),
            (
                "one without an indicator",
                "    - target: 0.9\n",
                "    - target: 0.5\n    - target: 0.9\n",
                "3 L003, 12 L021",
                "3 L003, 12 L021",
            ),
            (
                "an indicator above them too",
                "  service: shop",
                "  service: shop\n  indicatorRef: a",
                "3 L003, 6 N044!",
                "3 L003, 6 N044!",
            ),
        ],
    );
}

#[test]
fn fields_of_v1alpha_under_v1_are_understood() {
    let text = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: served}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindows: [{unit: Day, count: 7, isRolling: true}]
  objectives:
    - target: 0.99
      value: 1
      ratioMetrics:
        good: {source: prometheus, queryType: promql, query: good_total}
        total: {source: prometheus, queryType: promql, query: all_total}
";
    let lenient = one(text, false);
    assert_eq!(said(&lenient), "1 L009");
    assert_eq!(lenient.slos[0].window.written(), "7d");
    let strict = one(text, true);
    assert_eq!(said(&strict), "1 L009!");
    let hint = strict.diagnostics[0].hint.as_deref();
    assert_eq!(hint, Some("write `apiVersion: openslo/v1alpha`"));
}

#[test]
fn mistakes_that_people_make_get_the_mend() {
    for (from, to, hint) in [
        ("28d", "Week", "did you mean `1w`?"),
        ("28d", "1Mo", "did you mean `1M`?"),
        ("28d", "30 days", "did you mean `30d`?"),
        ("target: 0.99", "target: 99.9", "write `targetPercent: 99.9`"),
        (
            "target: 0.99",
            "targetPercent: 0.99",
            "write `target: 0.99` if a ratio is meant",
        ),
        ("Occurrences", "occurences", "did you mean `Occurrences`?"),
        (
            "total: {metric",
            "metric: {metric",
            "did you mean `total` with `metric`?",
        ),
        ("kind: SLO", "kind: AlertPolciy", "did you mean `AlertPolicy`?"),
    ] {
        let loaded = one(&RATIO.replacen(from, to, 1), false);
        let hints: Vec<_> = loaded
            .diagnostics
            .iter()
            .filter_map(|found| found.hint.as_deref())
            .collect();
        assert!(hints.contains(&hint), "{to}: {hints:?}");
    }
    let inside = THRESHOLD.replace("queue_depth}", "queue_depth, threshold: 5}");
    assert_eq!(said(&one(&inside, false)), "9 L021");
}
