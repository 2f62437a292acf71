//! The native format from outside: a text, and what must be said about it.

mod formats;
mod hostile;

use std::time::Duration;

use proptest::prelude::*;

use super::{Loaded, Options, load, load_all};
use crate::domain::alert::policy::Severity;
use crate::domain::indicator::IndicatorKind;
use crate::domain::slo::Slo;

const GOOD: &str = "\
version: nines/v1
service: shop
labels: {team: payments}
slos:
  - name: availability
    objective: 99.90
    window: 1d
    indicator:
      total: a_total{job=\"shop\"}
      bad: a_total{job=\"shop\",code=~\"5..\"}
    alerting: false
";

/// `code line:column` of every diagnostic.
fn places(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
        .collect()
}

fn only(text: &str) -> Slo {
    let mut loaded = load(text, "f.yaml");
    assert!(loaded.is_valid() && loaded.slos.len() == 1, "{:?}", loaded.diagnostics);
    loaded.slos.remove(0)
}

/// A file of one SLO with these lines (line 4 on) after its name.
fn with(body: &str) -> String {
    format!("version: nines/v1\nservice: shop\nslos:\n  - name: a\n{body}")
}

const BASE: &str = "    objective: 99\n    window: 30d\n";
const RATIO: &str = "    indicator: {total: t_total, bad: b_total}\n";

#[test]
fn a_valid_file_becomes_slos() {
    let slo = only(GOOD);
    assert_eq!(slo.id.to_string(), "shop/availability");
    assert_eq!(slo.objective.to_string(), "99.9%");
    assert_eq!(
        (slo.window.written().as_str(), slo.window.length().minutes()),
        ("1d", 1440)
    );
    assert_eq!(slo.labels.to_string(), r#"{team="payments"}"#);
    assert_eq!((slo.origin.file.as_str(), slo.origin.line), ("f.yaml", 5));
    assert!(
        slo.source_text
            .starts_with("- name: availability\n  objective: 99.90\n"),
        "{}",
        slo.source_text
    );
    assert!(slo.source_text.ends_with("  alerting: false\n"), "{}", slo.source_text);
    assert_eq!((slo.alerting.enabled, slo.alerting.no_data_for), (false, None));
    assert_eq!(slo.alerting.burn.len(), 4, "the conditions' windows are still shown");
}

#[test]
fn json_is_read_like_yaml() {
    let text = r#"{"version": "nines/v1", "service": "shop", "slos": [
      {"name": "a", "objective": 99.9, "window": "30d", "alerting": false,
       "indicator": {"total": "t{job=\"shop\"}", "good": "g"}}]}"#;
    let slo = only(text);
    assert_eq!(slo.origin.line, 2);
    assert!(
        slo.source_text.starts_with("{\"name\"") && slo.source_text.ends_with("\"g\"}}"),
        "{}",
        slo.source_text
    );
}

#[test]
fn an_alert_policy_is_read_whole() {
    let slo = only(&with(&format!(
        "{BASE}{RATIO}    alerting: {{name: Burn, burn: [{{severity: ticket, long: 120m, short: 1m, factor: 2}}], min_events: 5, \
         no_data_for: 0, keep_firing_for: 1h, labels: {{x: y}}, annotations: {{z: w}}}}\n"
    )));
    let policy = slo.alerting;
    assert_eq!(
        (policy.name.as_str(), policy.min_events, policy.min_failures),
        ("Burn", 5, 1)
    );
    assert_eq!(
        (policy.no_data_for, policy.keep_firing_for),
        (None, Duration::from_hours(1))
    );
    assert_eq!(
        (policy.burn[0].severity, policy.burn[0].factor),
        (Severity::Ticket, 2.0)
    );
    assert_eq!(
        (
            policy.burn[0].long.written.as_str(),
            policy.burn[0].short.written.as_str()
        ),
        ("120m", "1m")
    );
    assert_eq!((policy.labels.get("x"), policy.annotations.get("z")), ("y", "w"));
}

#[test]
fn each_form_of_indicator_is_read() {
    let kind = |text: &str| only(&with(&format!("{BASE}    indicator: {text}\n"))).indicator;
    let latency = kind("{latency: 'd_seconds{job=\"x\"}', threshold: 300ms, group_by: [region, zone]}");
    assert!(
        matches!(latency.kind, IndicatorKind::Latency { threshold, ref written, .. } if (threshold - 0.3).abs() < 1e-17 && written == "300ms")
    );
    assert_eq!(latency.group_by, ["region", "zone"]);
    let gauge = kind("{gauge: q, op: gte, value: -1.5}");
    assert_eq!(gauge.fingerprint(), "gauge q gte -1.5 by []");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let indicator = |text: &str| with(&format!("{BASE}    indicator: {text}\n"));
    let burn = |text: &str| with(&format!("{BASE}{RATIO}    alerting: {{burn: [{text}]}}\n"));
    let mut wrong = Vec::new();
    for (text, expected) in [
        (String::new(), vec!["N019 1:1"]),
        ("- a\n".into(), vec!["N019 1:1"]),
        ("hello: world\n".into(), vec!["N019 1:1"]),
        (GOOD.replace("nines/v1", "nines/v2"), vec!["N037 1:10"]),
        (GOOD.replace("version: nines/v1\n", ""), vec!["N005 1:1"]),
        (GOOD.replace("service: shop", "service: my shop"), vec!["N015 2:10"]),
        (GOOD.replace("service: shop\n", ""), vec!["N005 1:1"]),
        (GOOD.replace("team:", "severity:"), vec!["N016 3:10"]),
        (GOOD.replace("team:", "a-b:"), vec!["N016 3:10"]),
        (GOOD.replace("objective: 99.90", "objectve: 99.90"), vec!["N004 6:5"]),
        (GOOD.replace("99.90", "100"), vec!["N012 6:16"]),
        (GOOD.replace("99.90", "99.9: 5"), vec!["N002 6:20"]),
        (GOOD.replace("1d", "90s"), vec!["N013 7:13"]),
        (GOOD.replace("1d", "11y"), vec!["N013 7:13"]),
        (GOOD.replace("1d", "{calendar: month}"), vec!["I004 5:1"]),
        (
            GOOD.replace("1d", "{calendar: mnth, zone: Mars/Base}"),
            vec!["N024 7:24", "N042 7:36"],
        ),
        (
            GOOD.replace("1d", "{calendar: day, every: 0, start: soon}"),
            vec!["N022 7:36", "N043 7:46"],
        ),
        (GOOD.replace("1d", "{calendar: year, every: 11}"), vec!["N013 7:37"]),
        (
            GOOD.replace("    window: 1d\n", "    window: 1d\n    window: 2d\n"),
            vec!["N003 8:5"],
        ),
        (GOOD.replace("5..\"}", "5..\"}[5m]"), vec!["N014 10:43"]),
        (GOOD.replace("alerting: false", "alerting: true"), vec!["N006 11:15"]),
        (
            GOOD.replace("alerting: false", "alerting: \"false\""),
            vec!["N006 11:15"],
        ),
        (
            GOOD.replace("alerting: false", "method: timeslices"),
            vec!["N005 11:13", "N005 11:13"],
        ),
        (
            GOOD.replace("alerting: false", "{timeslice: 1m}")
                .replace("    {timeslice: 1m}", "    timeslice: 1m"),
            vec!["N034 11:5"],
        ),
        (GOOD.replace("alerting: false", "no_data: bad"), vec!["N034 11:14"]),
        (GOOD.replace("alerting: false", "no_data: hold"), vec!["I004 5:1"]),
        (
            GOOD.replace(
                "alerting: false",
                "method: timeslices\n    timeslice: 1m\n    timeslice_target: 0",
            ),
            vec!["N012 13:23"],
        ),
        (
            GOOD.replace(
                "alerting: false",
                "method: ratio_timeslices\n    timeslice: 2d\n    timeslice_target: 9",
            ),
            vec!["N013 12:16", "N034 13:5"],
        ),
        (
            GOOD.replace("alerting: false", "method: occurences"),
            vec!["N024 11:13"],
        ),
        (GOOD.replace("alerting: false", "public: maybe"), vec!["N006 11:13"]),
        (
            GOOD.replace("alerting: false", "previous_names: [a b]"),
            vec!["N015 11:22"],
        ),
        (GOOD.replace("alerting: false", "policy: x"), vec![]),
        (GOOD.replace("99.90", "0.999"), vec!["L019 6:16"]),
        (GOOD.replace("99.90", "99.9%"), vec!["N012 6:16"]),
        (
            format!("{GOOD}  - name: availability\n    objective: 9\n    window: 1d\n{RATIO}    alerting: false\n"),
            vec!["N017 12:11"],
        ),
        (indicator("{}"), vec!["N020 7:5"]),
        (indicator("{probe: web}"), vec![]),
        (indicator("{probe: web, source: main}"), vec!["N034 7:29"]),
        (
            indicator("{source: main, total: 'sum(rate(x[{{.window}}]))', bad: y}"),
            vec!["N020 7:72"],
        ),
        (indicator("{composite: []}"), vec!["N045 7:28"]),
        (indicator("{composite: [{slo: b, weight: 0}]}"), vec!["N022 7:46"]),
        (indicator("{composite: [{slo: b}]}"), vec!["I004 4:1", "N032 7:35"]),
        (indicator("{total: a, bad: b, good: c}"), vec!["N034 7:35"]),
        (indicator("{total: a}"), vec!["N005 7:16"]),
        (indicator("{bad: a}"), vec!["N005 7:16"]),
        (indicator("{total: a, bad: a}"), vec!["L001 7:32"]),
        (indicator("{total: a, bad: b, threshold: 1}"), vec!["N020 7:5"]),
        (indicator("{latency: x_seconds}"), vec!["N005 7:16"]),
        (
            indicator("{latency: x_seconds_bucket, threshold: 1}"),
            vec!["N014 7:26"],
        ),
        (indicator("{latency: 'x{le=\"1\"}', threshold: 1}"), vec!["N014 7:26"]),
        (indicator("{latency: x, threshold: 300ms}"), vec!["N023 7:40"]),
        (
            indicator("{gauge: x, op: eq, value: abc}"),
            vec!["N024 7:31", "N022 7:42"],
        ),
        (indicator("{total: a, bad: b, group_by: [a-b]}"), vec!["N016 7:46"]),
        (indicator("{total: a, bad: b, group_by: region}"), vec!["N006 7:45"]),
        (
            burn("{severity: page, long: 5m, short: 5m, factor: 2}"),
            vec!["N021 8:57"],
        ),
        (
            burn("{severity: loud, long: 5m, short: 1m, factor: 0}"),
            vec!["N024 8:34", "N022 8:69"],
        ),
        (burn("{severity: page, long: 5m, factor: 2}"), vec!["L016 8:23"]),
        (burn("{severity: page, short: 5m, factor: 2}"), vec!["N005 8:23"]),
        (
            burn("{severity: page, long: 60d, short: 5m, factor: 2}"),
            vec!["L004 8:46"],
        ),
        (
            burn("{severity: page, long: 1h, short: 5m, factor: 100}"),
            vec!["L002 8:69"],
        ),
        (
            with(&format!("    objective: 90\n    window: 30d\n{RATIO}")),
            vec!["L003 5:16"],
        ),
        ("version: nines/v1\nservice: a\nslos: []\n".into(), vec!["L006 3:7"]),
    ] {
        let found = places(&load(&text, "f.yaml"));
        if found != expected {
            wrong.push(format!("{text}\nfound {found:?}, expected {expected:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn every_mistake_of_every_document_is_told_at_once() {
    let text = format!(
        "{}---\n{}---\na: b: c\n",
        GOOD.replace("99.90", "0"),
        GOOD.replace("1d", "soon")
    );
    let loaded = load(&text, "f.yaml");
    assert_eq!(places(&loaded), ["N012 6:16", "N017 17:11", "N013 19:13", "N002 25:5"]);
    assert!(loaded.slos.is_empty());
    assert_eq!(loaded.names.iter().map(|named| named.line).collect::<Vec<_>>(), [5, 17]);
}

#[test]
fn names_are_read_from_files_that_do_not_load() {
    let loaded = load(&GOOD.replace("objective", "objectve"), "f.yaml");
    let named = &loaded.names[0];
    assert_eq!(
        (named.service.as_deref(), named.name.as_deref(), named.line),
        (Some("shop"), Some("availability"), 5)
    );
    let hint = loaded.diagnostics.iter().find_map(|d| d.hint.as_deref());
    assert_eq!(hint, Some("did you mean `objective`?"));
    assert!(
        load(
            "version: nines/v1\nservice: a\nslos:\n  - name: b\n    objective: 99.9: 5\n",
            "f"
        )
        .names
        .is_empty()
    );
}

#[test]
fn the_second_file_with_a_name_does_not_load() {
    let files = ["a.yaml", "b.yaml", "c.yaml"].map(|file| (file.to_owned(), GOOD.to_owned()));
    let mut files = files.to_vec();
    files[2].1 = GOOD.replace("service: shop", "service: other");
    let set = load_all(&files, &Options::default());
    assert_eq!(
        set.files.iter().map(Loaded::is_valid).collect::<Vec<_>>(),
        [true, false, true]
    );
    let message = &set.files[1].diagnostics[0];
    assert!(message.message.contains("a.yaml:5") && message.line == 5, "{message:?}");
    assert_eq!(set.slos().count(), 2);
}

#[test]
fn the_shipped_examples_load_without_a_word() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("slo-specs");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("slo-specs") {
        let path = entry.expect("an entry").path();
        files.push((
            path.display().to_string(),
            std::fs::read_to_string(&path).expect("a text"),
        ));
    }
    files.sort();
    let set = load_all(&files, &Options::default());
    // What this version does not compute yet, or only a server can answer, is a note.
    let told = set.diagnostics().filter(|found| !matches!(found.code, "I001" | "I004"));
    let words: Vec<_> = told.map(super::diagnostic::Diagnostic::full).collect();
    assert_eq!(words.concat(), "");
    assert!(files.len() >= 13 && set.files.iter().all(|file| !file.slos.is_empty()));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        load(&text, "f.yaml").diagnostics.iter().for_each(|d| { d.full(); d.concise(); });
    }

    #[test]
    fn no_damaged_file_makes_it_panic_or_loads_silently_wrong(at in 0..GOOD.len(), length in 0..20_usize, put in "\\PC{0,3}|[:{}\\[\\]\"'\\n -]{0,4}") {
        let end = (at + length).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        let loaded = load(&text, "f.yaml");
        for d in &loaded.diagnostics {
            d.full();
        }
        prop_assert!(loaded.is_valid() || loaded.slos.is_empty());
    }
}

#[test]
fn hostile_files_cost_little() {
    let megabytes = |piece: &str| piece.repeat((1 << 20) / piece.len());
    let long_comment = format!("\n      # {}\n", "x".repeat(1 << 20));
    for text in [
        megabytes("["),
        megabytes("- "),
        megabytes("? "),
        megabytes("a: "),
        megabytes("&a "),
        megabytes("*a "),
        megabytes("!a "),
        megabytes("\""),
        megabytes("'"),
        megabytes("--- {\n"),
        megabytes("---\na: b: c\n"),
        megabytes("x\n"),
        megabytes("\t"),
        megabytes("#"),
        megabytes("{a,"),
        (0..60_000).fold("version: nines/v1\n".to_owned(), |text, n| text + &format!("k{n}: 1\n")),
        (0..40_000).fold("version: nines/v1\nlabels:\n".to_owned(), |text, n| {
            text + &format!("  k{n}: 1\n")
        }),
        format!("version: nines/v1\nservice: a\nslos: [{}]\n", "{},".repeat(40_000)),
        format!(
            "version: nines/v1\nservice: a\nslos:\n  - &a\n    name: b\n    objective: 9{long_comment}    window: 1d\n{}",
            "  - *a\n".repeat(20_000)
        ),
        format!(
            "version: nines/v1\nservice: a\nslos: [{{name: b, objective: {}}}]\n",
            "9".repeat(1 << 20)
        ),
    ] {
        let loaded = load(&text, "f.yaml");
        let told: usize = loaded
            .diagnostics
            .iter()
            .map(|d| d.full().len() + d.concise().len())
            .sum();
        assert!(!loaded.is_valid() && told < 1 << 20, "{}: {told}", &text[..40]);
    }
}

/// A piece of an SLO, completed by what it leaves out.
fn completed(piece: &str) -> String {
    let has = |key: &str| piece.lines().any(|line| line.starts_with(key));
    let mut lines: Vec<&str> = piece.lines().collect();
    if !has("objective") {
        lines.push("objective: 99.9");
    }
    if !has("window") {
        lines.push("window: 30d");
    }
    if !has("indicator") {
        lines.push("indicator: {total: t_total, bad: b_total}");
    }
    let body: Vec<String> = lines.iter().map(|line| format!("    {line}\n")).collect();
    with(&body.concat())
}

#[test]
fn the_documentation_shows_what_loads() {
    let page = include_str!("../../docs/spec.md");
    let blocks = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut seen = 0;
    for block in blocks {
        let is_whole = block.starts_with("version:");
        let text = if is_whole { block.to_owned() } else { completed(block) };
        let loaded = load(&text, "docs/spec.md");
        let told = loaded.diagnostics.iter().find(|found| !found.code.starts_with('I'));
        assert!(told.is_none() && !loaded.slos.is_empty(), "{text}: {told:?}");
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}
