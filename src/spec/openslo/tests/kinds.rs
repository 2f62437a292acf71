//! The kinds that are no SLOs, each as a document of its own, and the other versions.

use super::{check_rules, lost, one};

const SLI: &str = "\
apiVersion: openslo/v1
kind: SLI
metadata: {name: requests}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: Prometheus, spec: {query: good_total}}}
    total: {metricSource: {type: Prometheus, spec: {query: all_total}}}
";

#[test]
fn indicators() {
    let good = "    good: {metricSource: {type: Prometheus, spec: {query: good_total}}}\n";
    let total = "    total: {metricSource: {type: Prometheus, spec: {query: all_total}}}\n";
    let raw = "    raw: {metricSource: {type: Prometheus, spec: {query: a}}}\n";
    let both = format!("{good}{}", good.replace("good:", "bad:"));
    let threshold = format!("  thresholdMetric: {{{}}}\n  ratioMetric:", &good[11..good.len() - 2]);
    let raw_and_type = format!("{raw}    rawType: failure\n");
    let raw_and_nonsense = format!("{raw}    rawType: neither\n");
    let ratio = format!("{good}{total}");
    let with_raw = format!("{total}{raw}");
    check_rules(
        SLI,
        &[
            ("good over total", good, good, "", ""),
            ("bad over total", "good:", "bad:", "", ""),
            ("a stored ratio", &ratio, &raw_and_type, "", ""),
            ("a stored ratio of nothing", &ratio, raw, "5 N005!", "5 N005!"),
            (
                "a stored ratio of nonsense",
                &ratio,
                &raw_and_nonsense,
                "8 N024!",
                "8 N024!",
            ),
            ("total and raw", total, &with_raw, "5 N044!", "5 N044!"),
            ("good and bad", good, &both, "5 N044!", "5 N044!"),
            ("good alone", total, "", "5 N044!", "5 N044!"),
            ("total alone", good, "", "5 N044!", "5 N044!"),
            ("raw and good", total, raw, "5 N044!", "5 N044!"),
            ("both forms", "  ratioMetric:", &threshold, "4 N044!", "4 N044!"),
            (
                "no form",
                "  ratioMetric:",
                "  ratio:",
                "4 N044!, 5 L008",
                "4 N044!, 5 L008!",
            ),
            (
                "an empty source",
                "metricSource: {type: Prometheus, spec: {query: good_total}}",
                "metricSource: {}",
                "7 N005!",
                "7 N005!",
            ),
            (
                "no source",
                "metricSource: {type: Prometheus, spec: {query: good_total}}",
                "",
                "7 N005!",
                "7 N005!",
            ),
            ("an empty spec", "{query: good_total}", "{}", "7 N005!", "7 N005!"),
            ("no type", "type: Prometheus, ", "", "7 L021", "7 L021"),
            (
                "a reference with a blank",
                "type: Prometheus",
                "metricSourceRef: my prom",
                "7 L009",
                "7 L009!",
            ),
            (
                "a flag that is none",
                "counter: true",
                "counter: maybe",
                "6 N006!",
                "6 N006!",
            ),
            (
                "an unknown key",
                "counter: true",
                "incremental: true",
                "6 L008",
                "6 L008!",
            ),
            (
                "keys of another system",
                "{query: good_total}",
                "{application: a, path: b}",
                "",
                "",
            ),
        ],
    );
}

#[test]
fn services_sources_and_targets() {
    let service = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: web}\nspec: {description: d}\n";
    check_rules(
        service,
        &[
            ("good", "d}", "d}", "", ""),
            ("no spec", "spec: {description: d}\n", "", "", ""),
            ("a name with a blank", "name: web", "name: my web", "3 L009", "3 L009!"),
            ("an unknown key", "description", "markdown", "4 L008", "4 L008!"),
        ],
    );
    let source = "apiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: main}\nspec:\n  type: Prometheus\n  connectionDetails: [{url: u}]\n";
    check_rules(
        source,
        &[
            ("good", "main", "main", "", ""),
            (
                "the operator's spelling",
                "DataSource",
                "Datasource",
                "2 L009",
                "2 L009!",
            ),
            ("no type", "  type: Prometheus\n", "", "4 L009", "4 L009!"),
            (
                "no details",
                "  connectionDetails: [{url: u}]\n",
                "",
                "4 L009",
                "4 L009!",
            ),
            (
                "no spec",
                "spec:\n  type: Prometheus\n  connectionDetails: [{url: u}]\n",
                "",
                "1 N005!",
                "1 N005!",
            ),
        ],
    );
    assert_eq!(lost(&one(source, false)), "4");
    let target = "apiVersion: openslo/v1\nkind: AlertNotificationTarget\nmetadata: {name: me}\nspec: {target: email}\n";
    check_rules(
        target,
        &[
            ("good", "me}", "me}", "", ""),
            ("no target", "target: email", "description: d", "4 L009", "4 L009!"),
            (
                "an operator's target",
                "target: email",
                "target: {kind: email}",
                "4 L009",
                "4 L009!",
            ),
        ],
    );
}

#[test]
fn conditions() {
    let condition = "\
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition:
    kind: burnrate
    op: gt
    threshold: 2
    lookbackWindow: 1h
    alertAfter: 5m
";
    check_rules(
        condition,
        &[
            ("one window is worth a word", "gt", "gt", "10 L016", "10 L016"),
            (
                "no severity",
                "  severity: page\n",
                "",
                "4 L009, 9 L016",
                "4 L009!, 9 L016",
            ),
            (
                "no kind",
                "    kind: burnrate\n",
                "",
                "6 L009, 9 L016",
                "6 L009!, 9 L016",
            ),
            ("another kind", "burnrate", "rate", "7 N024!", "7 N024!"),
            ("no op", "    op: gt\n", "", "6 L009, 9 L016", "6 L009!, 9 L016"),
            (
                "the other way round",
                "op: gt",
                "op: lte",
                "8 L021, 10 L016",
                "8 L021, 10 L016",
            ),
            ("no threshold", "    threshold: 2\n", "", "7 N005!", "7 N005!"),
            (
                "a threshold of nothing",
                "threshold: 2",
                "threshold: 0",
                "6 L021",
                "6 L021",
            ),
            ("no window", "    lookbackWindow: 1h\n", "", "7 N005!", "7 N005!"),
            ("a window that is none", "1h", "1 hour", "10 N013!", "10 N013!"),
            ("at once", "    alertAfter: 5m\n", "", "10 L016", "10 L016"),
            ("no condition", "  condition:", "  conditions:", "6 N005!", "6 N005!"),
        ],
    );
}

#[test]
fn policies() {
    let policy = "\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: low}
spec:
  alertWhenBreaching: true
  conditions:
    - conditionRef: fast
  notificationTargets:
    - targetRef: me
";
    let inline = "kind: AlertCondition\n      metadata: {name: a}\n      spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}";
    check_rules(
        policy,
        &[
            (
                "references that lead nowhere",
                "low",
                "low",
                "7 L010, 9 L010",
                "7 L010, 9 L010",
            ),
            (
                "in place",
                "conditionRef: fast",
                inline,
                "9 L016, 11 L010",
                "9 L016, 11 L010",
            ),
            (
                "of another kind",
                "conditionRef: fast",
                "kind: SLO\n      spec: {}",
                "7 N024!, 10 L010",
                "7 N024!, 10 L010",
            ),
            (
                "no conditions",
                "\n    - conditionRef: fast",
                " []",
                "6 L009, 8 L010",
                "6 L009!, 8 L010",
            ),
            (
                "no targets",
                "\n    - targetRef: me",
                " []",
                "7 L010, 8 L009",
                "7 L010, 8 L009!",
            ),
            (
                "a target as a name",
                "targetRef: me",
                "me",
                "7 L010, 9 L009, 9 L010",
                "7 L010, 9 L009!, 9 L010",
            ),
            (
                "a reference with a blank",
                "fast",
                "very fast",
                "7 L009, 7 L010, 9 L010",
                "7 L009!, 7 L010, 9 L010",
            ),
            (
                "neither",
                "conditionRef",
                "conditionReference",
                "7 N044!, 9 L010",
                "7 N044!, 9 L010",
            ),
            (
                "both",
                "fast",
                "fast\n      spec: {severity: page}",
                "7 N044!, 10 L010",
                "7 N044!, 10 L010",
            ),
        ],
    );
}

#[test]
fn v2alpha() {
    let slo = "\
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: {name: served, labels: {team: web}}
spec:
  serviceRef: shop
  sli:
    metadata: {name: requests}
    spec:
      ratioMetric:
        good: {dataSourceRef: main, spec: {query: good_total}}
        total: {dataSourceRef: main, spec: {query: all_total}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
";
    let inline = "dataSourceSpec: {type: Prometheus, connectionDetails: {}}";
    check_rules(
        slo,
        &[
            ("good", "28d", "28d", "", ""),
            ("the document's service", "serviceRef", "service", "5 L009", "5 L009!"),
            (
                "a display name",
                "name: served",
                "name: served, displayName: S",
                "3 L009",
                "3 L009!",
            ),
            ("a list of values", "team: web", "team: [web]", "3 L009", "3 L009!"),
            ("a value in capitals", "team: web", "team: Web", "3 L009", "3 L009!"),
            ("a month", "28d", "1M", "12 N013!", "12 N013!"),
            ("a source in place", "dataSourceRef: main", inline, "", ""),
            (
                "two sources",
                "dataSourceRef: main",
                &format!("dataSourceRef: main, {inline}"),
                "10 N044!",
                "10 N044!",
            ),
            ("no source", "dataSourceRef: main, ", "", "10 L009", "10 L009!"),
            (
                "the names of v1",
                "sli:",
                "indicator:",
                "4 N044!, 6 L008",
                "4 N044!, 6 L008!",
            ),
        ],
    );
}

#[test]
fn v1alpha() {
    let slo = "\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: served, displayName: Served}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindows:
    - {unit: Day, count: 28, isRolling: true}
  objectives:
    - target: 0.99
      value: 1
      ratioMetrics:
        incremental: true
        good: {source: prometheus, queryType: promql, query: 'sum(rate(good_total[{{.window}}]))'}
        total: {source: prometheus, queryType: promql, query: 'sum(rate(all_total[{{.window}}]))'}
";
    let good = "        good: {source: prometheus, queryType: promql, query: 'sum(rate(good_total[{{.window}}]))'}\n";
    check_rules(
        slo,
        &[
            ("good", "Day", "Day", "", ""),
            ("no value", "      value: 1\n", "", "", "10 L009!"),
            ("hours", "Day", "Hour", "8 L009", "8 L009!"),
            ("a unit that is none", "Day", "Fortnight", "8 N024!", "8 N024!"),
            ("a count of nothing", "28", "0", "8 N022!", "8 N022!"),
            ("not said to roll", ", isRolling: true", "", "8 L009", "8 L009!"),
            (
                "no window",
                "  timeWindows:\n    - {unit: Day, count: 28, isRolling: true}\n",
                "",
                "5 L009",
                "5 L009!",
            ),
            ("no good", good, "", "12 N044!", "12 N044!"),
            (
                "slices without their target",
                "Occurrences",
                "Timeslices",
                "10 L009",
                "10 L009!",
            ),
            ("labels", "displayName: Served", "labels: {a: b}", "3 L009", "3 L009!"),
            (
                "a source with a dash",
                "source: prometheus",
                "source: my-prometheus",
                "14 L009",
                "14 L009!",
            ),
            (
                "a later kind",
                "kind: SLO",
                "kind: SLI",
                "2 L009, 4 N044!, 5 L008, 6 L008, 7 L008, 9 L008",
                "2 L009!, 4 N044!, 5 L008!, 6 L008!, 7 L008!, 9 L008!",
            ),
        ],
    );
}
