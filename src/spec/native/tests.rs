//! What the native format can say, and what is said about slips.

use std::time::Duration;

use crate::domain::alert::policy::Severity;
use crate::domain::indicator::{CompositePart, IndicatorKind, PromQlForm, PromQlIndicator, RatioPart, Sources};
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Slo};
use crate::domain::window::TimeWindow;
use crate::spec::{Loaded, Options, load, load_all};

const RATIO: &str = "indicator: {total: t_total, bad: b_total}";

/// A file of one SLO of these lines after its name.
fn file(lines: &[&str]) -> String {
    let body = lines
        .iter()
        .fold(String::new(), |text, line| text + "    " + line + "\n");
    format!("version: nines/v1\nservice: shop\nslos:\n  - name: a\n{body}")
}

fn slos(lines: &[&str]) -> Vec<Slo> {
    let loaded = load(&file(lines), "f.yaml");
    assert!(loaded.is_valid(), "{lines:?}: {:?}", loaded.diagnostics);
    loaded.slos
}

fn indicator(text: &str) -> Slo {
    let indicator = format!("indicator: {text}");
    slos(&["objective: 99", "window: 30d", &indicator]).remove(0)
}

#[test]
fn each_form_is_read() {
    let fixed = indicator("{total: 'sum(increase(t[{{.window}}]))', good: 'sum(increase(g[{{.window}}]))'}");
    assert!(matches!(
        fixed.indicator.kind,
        IndicatorKind::PromQl(PromQlIndicator { form: PromQlForm::Ratio { part_is: RatioPart::Good, ref total, .. }, .. })
            if total == "sum(increase(t[{{.window}}]))"
    ));
    let on_server = indicator("{source: main, total: t, bad: 'b{x=\"(\"}', group_by: [region]}").indicator;
    assert_eq!(
        on_server.fingerprint(),
        r#"ratio t Bad b{x="("} by ["region"] from main"#
    );
    let asked = indicator("{source: main, error_ratio: 'sum(rate(b[{{.window}}])) / sum(rate(t[{{.window}}]))'}");
    assert!(matches!(
        asked.indicator.kind,
        IndicatorKind::PromQl(PromQlIndicator {
            form: PromQlForm::RawRatio {
                ratio_of: RatioPart::Bad,
                ..
            },
            scraped: Some(_)
        })
    ));
    for (text, fingerprint) in [
        ("{boolean: 'up{job=\"x\"}'}", r#"gauge up{job="x"} gte 1 by []"#),
        ("{gauge: q, op: lt, value: 3}", "gauge q lt 3 by []"),
        ("{probe: web}", "probe web by []"),
        ("{events: {}}", "events by []"),
        (
            "{latency: d_seconds, threshold: 1s, source: main}",
            "latency d_seconds 1 by [] from main",
        ),
    ] {
        assert_eq!(indicator(text).indicator.fingerprint(), fingerprint);
    }
}

#[test]
fn native_histograms_are_scraped_unless_a_server_is_asked() {
    for (text, fingerprint, is_idle) in [
        ("threshold: 250ms", "latency d_seconds 0.25 by []", false),
        (
            "threshold: 250ms, group_by: [region]",
            "latency d_seconds 0.25 by [\"region\"]",
            false,
        ),
        (
            "threshold: 300ms, source: main",
            "promql Latency { histogram: Selector { metric: Some(\"d_seconds\"), matchers: [] }, threshold: 0.3, \
             written: \"300ms\" } by [] from main",
            true,
        ),
    ] {
        let read = indicator(&format!("{{latency: d_seconds, histogram: native, {text}}}")).indicator;
        assert!(matches!(
            &read.kind,
            IndicatorKind::PromQl(PromQlIndicator {
                form: PromQlForm::Latency { .. },
                ..
            })
        ));
        let no_servers = Sources {
            names: Some(Vec::new()),
            default: None,
            ..Sources::default()
        };
        let scraped = read.fed_by(&no_servers);
        assert_eq!(
            (
                scraped.fingerprint().as_str(),
                scraped.idle_reason(&no_servers).is_some()
            ),
            (fingerprint, is_idle)
        );
    }
}

#[test]
fn a_threshold_that_no_native_histogram_has_is_told() {
    for (indicator, codes) in [
        ("threshold: 300ms, histogram: native", vec!["L024 6:48"]),
        ("threshold: 300ms, histogram: native, source: main", vec![]),
        ("threshold: 300ms", vec![]),
        ("threshold: 500ms, histogram: native", vec![]),
        ("threshold: 0.7071067811865476, histogram: native", vec![]),
    ] {
        let text = format!(
            "version: nines/v1\nservice: shop\nslos:\n  - name: a\n    objective: 99\n    indicator: {{latency: \
             d_seconds, {indicator}}}\n    window: 30d\n"
        );
        let loaded = load(&text, "f.yaml");
        let told =
            |found: &crate::spec::diagnostic::Diagnostic| format!("{} {}:{}", found.code, found.line, found.column);
        assert_eq!(
            loaded.diagnostics.iter().map(told).collect::<Vec<_>>(),
            codes,
            "{indicator}"
        );
    }
}

#[test]
fn a_composite_has_indicators_and_other_slos() {
    let text = "version: nines/v1\nservice: shop\nslos:\n  - {name: a, objective: 99, window: 30d, indicator: {total: t, bad: b}}\n  \
                - {name: all, objective: 99, window: 30d, indicator: {composite: [{slo: a, weight: 2}, \
                {name: up, objective: 100, indicator: {boolean: up}}]}}\n";
    let loaded = load(text, "f.yaml");
    assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
    let IndicatorKind::Composite(members) = &loaded.slos[1].indicator.kind else {
        panic!("{:?}", loaded.slos[1]);
    };
    assert_eq!(
        (members[0].name.as_str(), members[0].weight, members[1].weight),
        ("shop/a", 2.0, 1.0)
    );
    assert!(matches!(&members[1].part, CompositePart::Indicator { objective, .. } if objective.is_whole()));
}

#[test]
fn several_objectives_are_several_slos() {
    let all = slos(&[
        "window: 30d",
        "indicator: {latency: d_seconds, threshold: 100ms}",
        "previous_names: [old]",
        "objectives:",
        "  - objective: 99",
        "  - {objective: 95, threshold: 50ms, alerting: false}",
        "  - {objective: 99.9, name: slow, threshold: 1s}",
    ]);
    let seen: Vec<_> = all
        .iter()
        .map(|slo| {
            let IndicatorKind::Latency { threshold, .. } = slo.indicator.kind else {
                panic!("{slo:?}");
            };
            (
                slo.id.name.as_str(),
                slo.objective.to_string(),
                threshold,
                slo.alerting.enabled,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "99%".to_owned(), 0.1, true),
            ("a-1", "95%".to_owned(), 0.05, false),
            ("a-slow", "99.9%".to_owned(), 1.0, true)
        ]
    );
    assert_eq!(all[2].previous_names, ["old-slow"]);
}

#[test]
fn windows_and_methods_are_read() {
    let calendar = "window: {calendar: month, every: 2, start: '2026-01-01 00:00:00', zone: Europe/Berlin}";
    let slice = [
        "method: timeslices",
        "timeslice: 1m",
        "timeslice_target: 100",
        "no_data: bad",
    ];
    let slo = slos(&[["objective: 99", calendar, RATIO].as_slice(), &slice].concat()).remove(0);
    let TimeWindow::Calendar(window) = &slo.window else {
        panic!("{:?}", slo.window);
    };
    assert_eq!(
        (window.count, window.unit.word(), window.zone.name()),
        (2, "month", "Europe/Berlin")
    );
    assert_eq!(
        window.start.map(|start| start.to_string()).as_deref(),
        Some("2026-01-01 00:00:00")
    );
    assert!(matches!(slo.method, BudgetingMethod::Timeslices { target, .. } if target.is_whole()));
    assert_eq!(slo.no_data, NoDataPolicy::Bad);
}

#[test]
fn an_alert_policy_speaks_for_each_severity() {
    let slo = slos(&[
        "objective: 99.9",
        "window: 30d",
        RATIO,
        "policy: Freeze releases.",
        "alerting: {page: {labels: {severity: critical}, annotations: {summary: Wake up.}}, ticket: false}",
    ])
    .remove(0);
    assert_eq!(slo.policy.as_deref(), Some("Freeze releases."));
    assert_eq!(slo.alerting.page.labels.get("severity"), "critical");
    assert!(slo.alerting.burn.len() == 2 && slo.alerting.burn.iter().all(|c| c.severity == Severity::Page));
    let burn = "alerting: {burn: [{severity: page, long: 1h, short: 5m, factor: 14.4, for: 2m}]}";
    let slo = slos(&["objective: 99.9", "window: 30d", RATIO, burn]).remove(0);
    assert_eq!(slo.alerting.burn[0].pending_for, Duration::from_mins(2));
}

/// A slip, the code that it gets, and a piece of the hint or the message.
#[test]
fn slips_are_told_with_the_mend() {
    let base = ["objective: 99.9", "window: 30d", RATIO];
    let and = |line: &str| file(&[base.as_slice(), &[line]].concat());
    let alerting = |text: &str| and(&format!("alerting: {text}"));
    let only = |text: &str| file(&["objective: 99.9", "window: 30d", &format!("indicator: {text}")]);
    let mut wrong = Vec::new();
    for (text, code, piece) in [
        (
            only("{total: a{b=\"c\"}, bad: b}"),
            "N002",
            "quote the value: 'a{b=\"c\"}'",
        ),
        (
            only("{total: sum(rate(a[{{.window}}])), bad: b}"),
            "N002",
            "quote the value: 'sum(rate(a[{{.window}}]))'",
        ),
        (only("{total: {b=\"c\"}, bad: b}"), "N006", "must be quoted here"),
        (only("{total: 't[5m]', bad: b}"), "N014", "selector"),
        (only("{total: t, error_query: b}"), "N004", "the key is `bad`"),
        (
            only("{gauge: t, op: lte, value: 1, no_data: bad}"),
            "N004",
            "beside `indicator`",
        ),
        (only("{error_ratio: x, total: t}"), "N020", "different forms"),
        (
            only("{total: t, bad: 'sum(rate(b[{{.window}}]))'}"),
            "N020",
            "write both",
        ),
        (and("threshold: 300ms"), "N004", "`threshold` belongs into `indicator`"),
        (and("burn: []"), "N004", "belongs into `alerting`"),
        (and("runbook_url: x"), "N004", "`annotations`"),
        (and("objectives: [{objective: 9}]"), "N034", "exclude each other"),
        (
            file(&["target: 99.9", "window: 30d", RATIO]),
            "N004",
            "the key is `objective`",
        ),
        (
            file(&["objective: 99.9", "window: 30d", "sli: {}"]),
            "N004",
            "the key is `indicator`",
        ),
        (
            file(&["objective: 0.999", "window: 30d", RATIO]),
            "L019",
            "write `99.9`",
        ),
        (
            file(&["objective: 99.9%", "window: 30d", RATIO]),
            "N012",
            "without %: `99.9`",
        ),
        (
            file(&["objective: 99.9", "window: monthly", RATIO]),
            "N013",
            "{calendar: month}",
        ),
        (
            file(&[
                "objective: 99.9",
                "window: {calendar: month, zone: Europe/Berln}",
                RATIO,
            ]),
            "N042",
            "`Europe/Berlin`",
        ),
        (
            file(&["objectives: [{objective: 9, threshold: 1s}]", "window: 30d", RATIO]),
            "N034",
            "by `latency`",
        ),
        (
            file(&[
                "objectives: [{objective: 9}, {objective: 8, name: x}, {objective: 7, name: x}]",
                "window: 30d",
                RATIO,
            ]),
            "N017",
            "a-x",
        ),
        (alerting("{min_events: 10}"), "L012", "a burn rate of 100"),
        (alerting("{min_events: 10}"), "L012", "`min_events: 70`"),
        (
            alerting("{page: false, burn: [{severity: page, long: 1h, short: 5m, factor: 2}]}"),
            "N034",
            "`page: false`",
        ),
        (alerting("{page: {labels: {slo: x}}}"), "N016", "set by nines"),
        (alerting("{severity: page}"), "N004", "`burn`"),
        (format!("name: x\n{}", and("public: true")), "N004", "the list `slos`"),
    ] {
        let loaded = load(&text, "f.yaml");
        let told = |found: &&crate::spec::diagnostic::Diagnostic| {
            found.code == code
                && format!("{} {}", found.message, found.hint.as_deref().unwrap_or_default()).contains(piece)
        };
        if loaded.diagnostics.iter().find(told).is_none() {
            wrong.push(format!(
                "{text}\nexpected {code} {piece}, found {:#?}\n",
                loaded.diagnostics
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_slip_in_the_vocabulary_is_one_error() {
    let loaded = load(&file(&["target: 99.9", "window: 30d", RATIO]), "f.yaml");
    assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
}

#[test]
fn references_are_followed_over_all_files() {
    let composite = |name: &str, parts: &str| {
        let text = format!("indicator: {{composite: [{parts}]}}");
        file(&["objective: 99", "window: 30d", &text]).replace("name: a", &format!("name: {name}"))
    };
    let plain = file(&["objective: 99", "window: 30d", RATIO]);
    for (files, expected) in [
        (vec![plain.clone(), composite("c", "{slo: shop/a}")], vec![]),
        (vec![plain.replace("99", "nine"), composite("c", "{slo: a}")], vec![]),
        (
            vec![plain, composite("c", "{slo: shop/aa}")],
            vec!["N032 1.yaml:7:35 did you mean `shop/a`?"],
        ),
        (
            vec![composite("c", "{slo: c}")],
            vec!["N036 0.yaml:7:35 shop/c → shop/c"],
        ),
        (
            vec![
                composite("c", "{slo: d}"),
                composite("d", "{slo: e}"),
                composite("e", "{slo: d}, {slo: d, name: x}"),
            ],
            vec![
                "N036 1.yaml:7:35 shop/d → shop/e → shop/d",
                "N036 2.yaml:7:35 shop/e is part of the same circle, see 1.yaml:4",
            ],
        ),
    ] {
        let named = files
            .iter()
            .enumerate()
            .map(|(n, text)| (format!("{n}.yaml"), text.clone()));
        let set = load_all(&named.collect::<Vec<_>>(), &Options::default());
        let told: Vec<String> = set
            .diagnostics()
            .filter(|found| matches!(found.code, "N032" | "N036"))
            .map(|d| {
                let piece = if d.code == "N032" {
                    d.hint.clone()
                } else {
                    d.message.split(": ").last().map(str::to_owned)
                };
                format!(
                    "{} {}:{}:{} {}",
                    d.code,
                    d.file,
                    d.line,
                    d.column,
                    piece.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(told, expected);
        let loads = |file: &Loaded| !file.slos.is_empty() || !file.is_valid();
        assert!(
            set.files.iter().all(loads),
            "a file with an error has no SLOs, any other has its own"
        );
    }
}
