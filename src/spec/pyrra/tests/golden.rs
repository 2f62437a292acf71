//! Pyrra's own expectations, where a folder with them is named by `NINES_CORPUS`: windows, factors, pending times and
//! selectors of its rules, and what its validation says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::{Gravity, conditions, messages};
use crate::domain::indicator::{IndicatorKind, PromQlForm, PromQlIndicator};
use crate::domain::matcher::{MatchOp, Matcher, Selector};
use crate::domain::selector_parser::parse_selector;
use crate::domain::slo::Slo;
use crate::domain::time::parse_duration;
use crate::domain::window::WindowLength;
use crate::spec::load;

fn read(name: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("NINES_CORPUS") else {
        eprintln!("skipped: NINES_CORPUS is not set");
        return None;
    };
    let path = PathBuf::from(folder).join("pyrra").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Seconds of `1h0m0s`, as Go writes it.
fn seconds(text: &str) -> u64 {
    parse_duration(text).expect(text).as_secs()
}

#[test]
fn windows_are_pyrras() {
    let Some(golden) = read("golden/windows.json") else {
        return;
    };
    for (window, tiers) in golden.as_object().expect("a map") {
        let length = WindowLength::from_duration(parse_duration(window).expect(window)).expect(window);
        let ours = conditions(length);
        let tiers = tiers.as_array().expect("a list");
        assert_eq!(ours.len(), tiers.len());
        for (condition, tier) in ours.iter().zip(tiers) {
            assert_eq!(condition.long.written, text(tier, "long"));
            assert_eq!(condition.short.written, text(tier, "short"));
            assert_eq!(condition.pending_for.as_secs(), seconds(text(tier, "for")));
            assert_eq!(Some(condition.factor), tier["factor"].as_f64());
        }
    }
}

#[test]
fn rules_have_our_windows_factors_and_selectors() {
    let (Some(rules), Some(objectives)) = (read("golden/burnrate-rules.json"), read("golden/objectives.json")) else {
        return;
    };
    let rules = rules.as_array().expect("a list");
    assert!(!rules.is_empty());
    for case in rules {
        let (name, objective) = (text(case, "name"), text(case, "objective"));
        let loaded = load(&objectives[objective].to_string(), "f.json");
        assert!(loaded.is_valid(), "{name}: {:?}", loaded.diagnostics);
        let slo = &loaded.slos[0];
        let rules = case["group"]["rules"].as_array().expect("rules");
        compare_alerts(name, slo, rules);
        compare_records(name, slo, rules);
    }
}

fn compare_alerts(name: &str, slo: &Slo, rules: &[Value]) {
    let alerts: Vec<&Value> = rules.iter().filter(|rule| rule["alert"].is_string()).collect();
    assert_eq!(alerts.is_empty(), !slo.alerting.enabled, "{name}");
    for (alert, condition) in alerts.iter().zip(&slo.alerting.burn) {
        let (labels, policy) = (&alert["labels"], &slo.alerting);
        assert_eq!(text(alert, "alert"), policy.name, "{name}");
        assert_eq!(text(labels, "long"), condition.long.written, "{name}");
        assert_eq!(text(labels, "short"), condition.short.written, "{name}");
        assert_eq!(seconds(text(alert, "for")), condition.pending_for.as_secs(), "{name}");
        let word = policy.settings(condition.severity).labels.get("severity");
        assert_eq!(text(labels, "severity"), word, "{name}");
        let threshold = format!("> ({} * ", condition.factor);
        assert!(text(alert, "expr").contains(&threshold), "{name}: {threshold}");
    }
}

fn compare_records(name: &str, slo: &Slo, rules: &[Value]) {
    let records: Vec<&Value> = rules.iter().filter(|rule| rule["record"].is_string()).collect();
    let mut windows: BTreeSet<WindowLength> = BTreeSet::new();
    for record in records {
        let expression = text(record, "expr");
        let asked = selectors(expression, &mut windows);
        assert_eq!(asked, of_indicator(slo), "{name}: {expression}");
        let mut grouping = slo.indicator.group_by.clone();
        grouping.sort();
        let by = format!("sum by ({})", grouping.join(", "));
        assert_eq!(!grouping.is_empty(), expression.contains(&by), "{name}: {expression}");
    }
    let ours: BTreeSet<WindowLength> = slo.alerting.windows().iter().map(|window| window.length).collect();
    assert_eq!(ours, windows, "{name}");
}

/// The selectors in front of the ranges of an expression, and the ranges.
fn selectors(expression: &str, windows: &mut BTreeSet<WindowLength>) -> BTreeSet<String> {
    let pattern = regex::Regex::new(r#"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)\[(\w+)\]"#);
    let pattern = pattern.expect("a pattern");
    let found = pattern.captures_iter(expression).map(|found| {
        windows.extend(parse_duration(&found[2]).ok().and_then(WindowLength::from_duration));
        in_order(parse_selector(&found[1]).expect("a selector"))
    });
    found.collect()
}

/// Every selector that Pyrra would ask for this indicator.
fn of_indicator(slo: &Slo) -> BTreeSet<String> {
    let all = match &slo.indicator.kind {
        IndicatorKind::Ratio { total, part, .. } => vec![total.clone(), part.clone()],
        IndicatorKind::Gauge { gauge, .. } => vec![gauge.clone()],
        IndicatorKind::PromQl(PromQlIndicator {
            form: PromQlForm::Latency { histogram, .. },
            ..
        }) => vec![histogram.clone()],
        IndicatorKind::Latency { histogram, written, .. } => {
            let family = histogram.metric.clone().unwrap_or_default();
            let mut bucket = histogram.with_metric(format!("{family}_bucket"));
            let bound = Matcher::new("le", MatchOp::Equal, written.as_str()).expect("a matcher");
            bucket.matchers.push(bound);
            vec![histogram.with_metric(format!("{family}_count")), bucket]
        }
        other => panic!("{other:?}"),
    };
    all.into_iter().map(in_order).collect()
}

/// A selector with its matchers sorted; a bound that asks for `1` and `1.0` asks for `1`.
fn in_order(mut selector: Selector) -> String {
    for matcher in &mut selector.matchers {
        if let Some(whole) = matcher.value.strip_suffix("(\\.0)?") {
            *matcher = Matcher::new("le", MatchOp::Equal, whole).expect("a matcher");
        }
    }
    selector.matchers.sort_by_key(ToString::to_string);
    selector.to_string()
}

#[test]
fn validation_agrees() {
    let Some(cases) = read("unit/validation-cases.json") else {
        return;
    };
    // What Pyrra says, and a word that our message has for it.
    let words = [
        ("namespace must be set", "`namespace` is missing"),
        ("target is from 0-100", "is a percentage"),
        ("should be different", "same metric"),
        ("usually be a histogram count", "usually a histogram's count"),
        ("usually be a histogram bucket", "usually a histogram's bucket"),
        ("must be set", ""),
        ("must be between 0 and 100", "outside of 0 to 100"),
        ("unknown unit", "the units are"),
        ("failed to parse", "the metric of"),
        ("vector selector, but got *parser.AggregateExpr", "an aggregation"),
        ("vector selector, but got *parser.Call", "a call"),
        ("vector selector, but got *parser.BinaryExpr", "a calculation"),
        ("float value", "is no number"),
        ("must contain a le", "needs a matcher on `le`"),
        ("valid duration", "`latency` is"),
    ];
    let ours = |said: &str| {
        words
            .iter()
            .find(|(theirs, _)| said.contains(theirs))
            .map(|(_, ours)| *ours)
    };
    let cases = cases.as_array().expect("a list");
    assert!(!cases.is_empty());
    for case in cases {
        let loaded = load(&case["document"].to_string(), "f.json");
        let (errors, warnings) = (messages(&loaded, Gravity::Error), messages(&loaded, Gravity::Warning));
        let has = |messages: &[&str], said: &str| {
            let word = ours(said).unwrap_or_else(|| panic!("no word for {said}"));
            messages.iter().any(|message| message.contains(word))
        };
        match case["expected_error"].as_str() {
            Some(error) => assert!(has(&errors, error), "{error}: {:?}", loaded.diagnostics),
            None => assert!(errors.is_empty(), "{case}: {errors:?}"),
        }
        let expected = case["expected_warnings"].as_array().expect("a list");
        for warning in expected.iter().filter_map(Value::as_str) {
            assert!(has(&warnings, warning), "{warning}: {:?}", loaded.diagnostics);
        }
        if errors.is_empty() {
            assert_eq!(warnings.len(), expected.len(), "{case}: {warnings:?}");
        }
    }
}
