//! The rules that Sloth itself wrote for published files, against what is read from the same files: names, windows, burn
//! factors, labels and annotations. The files are not part of this project; `NINES_CORPUS` names their folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::domain::alert::policy::Severity;
use crate::domain::labels::Labels;
use crate::domain::slo::Slo;
use crate::domain::window::WindowLength;
use crate::spec::{Options, SourceFile, load_files};

/// Labels that the maintainers add on the command line, or that nines keeps elsewhere.
const ADDED: [&str; 7] = [
    "cmd",
    "exk1",
    "exk2",
    "sloth_window",
    "sloth_id",
    "sloth_service",
    "sloth_slo",
];

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("NINES_CORPUS");
    if folder.is_none() {
        eprintln!("skipped: NINES_CORPUS is not set");
    }
    Some(PathBuf::from(folder?).join("sloth"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The SLOs of files that must load.
fn slos(paths: &[PathBuf], days: u32) -> Vec<Slo> {
    let files: Vec<_> = paths
        .iter()
        .map(|path| SourceFile::new(path.display().to_string(), &text(path)))
        .collect();
    let options = Options {
        default_period: WindowLength::from_minutes(days * 1440).expect("a window"),
        ..Options::default()
    };
    let set = load_files(&files.iter().collect::<Vec<_>>(), &options);
    for file in &set.files {
        assert!(file.is_valid(), "{}: {:#?}", file.file, file.diagnostics);
    }
    set.files.into_iter().flat_map(|file| file.slos).collect()
}

/// All groups of all documents of a rule file, be it Prometheus's own or a Kubernetes object.
fn groups(path: &Path) -> Vec<Value> {
    let text = text(path).replace("{{ .version }}", "dev");
    let documents = text
        .split("\n---\n")
        .map(|document| document.trim_start_matches("---\n"));
    let documents =
        documents.filter(|document| document.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
    let mut groups = Vec::new();
    for document in documents {
        let rules: Value =
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let found = rules.get("groups").or_else(|| rules.get("spec")?.get("groups"));
        groups.extend(found.and_then(Value::as_array).cloned().unwrap_or_default());
    }
    groups
}

fn rules_of(groups: &[Value], kind: &str, slo: &Slo) -> Vec<Value> {
    let name = format!("sloth-slo-{kind}-{}-{}", slo.id.service, slo.id.name);
    let group = groups.iter().find(|group| group["name"] == name.as_str());
    group
        .and_then(|group| group["rules"].as_array())
        .cloned()
        .unwrap_or_default()
}

fn map(value: &Value) -> Labels {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect()
}

fn without(labels: &Labels, names: &[&str]) -> Labels {
    labels.iter().filter(|(name, _)| !names.contains(name)).collect()
}

/// `short long factor` of each condition of an alert's expression.
fn conditions(expr: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in expr.split("ratio_rate").skip(1) {
        let window = part.split('{').next().unwrap_or_default();
        let factor = part.split("> (").nth(1).and_then(|rest| rest.split(" *").next());
        parts.push((window.to_owned(), factor.unwrap_or_default().to_owned()));
    }
    let pairs = parts.chunks(2);
    pairs
        .map(|pair| format!("{} {} {}", pair[0].0, pair[1].0, pair[0].1))
        .collect()
}

fn compare_alerts(slo: &Slo, rules: &[Value], place: &str) {
    let policy = &slo.alerting;
    let mut severities = Vec::new();
    for rule in rules {
        let labels = map(&rule["labels"]);
        let severity = Severity::parse(labels.get("sloth_severity")).expect("a severity");
        severities.push(severity);
        assert_eq!(rule["alert"], policy.name.as_str(), "{place}");
        let ours = policy.burn.iter().filter(|condition| condition.severity == severity);
        let ours = ours.map(|c| format!("{} {} {}", c.short.written, c.long.written, c.factor));
        assert_eq!(
            ours.collect::<Vec<_>>(),
            conditions(rule["expr"].as_str().unwrap_or_default()),
            "{place}"
        );
        let mut carried = policy.labels.clone();
        let mut annotations = policy.annotations.clone();
        for (name, value) in policy.settings(severity).labels.iter() {
            carried.set(name, value);
        }
        for (name, value) in policy.settings(severity).annotations.iter() {
            annotations.set(name, value);
        }
        assert_eq!(without(&carried, &ADDED), without(&labels, &ADDED), "{place}");
        // Sloth adds these two where the file has none.
        let own: Vec<_> = ["summary", "title"]
            .into_iter()
            .filter(|name| annotations.get(name).is_empty())
            .collect();
        assert_eq!(annotations, without(&map(&rule["annotations"]), &own), "{place}");
    }
    severities.sort();
    let mut wanted: Vec<_> = policy.burn.iter().map(|condition| condition.severity).collect();
    wanted.dedup();
    assert_eq!(severities, if policy.enabled { wanted } else { Vec::new() }, "{place}");
}

fn compare_records(slo: &Slo, rules: &[Value], place: &str) {
    let mut windows: BTreeSet<_> = slo
        .alerting
        .windows()
        .into_iter()
        .map(|window| window.written)
        .collect();
    windows.insert(slo.window.written());
    let mut recorded = BTreeSet::new();
    for rule in rules {
        let record = rule["record"].as_str().unwrap_or_default();
        let Some(window) = record.strip_prefix("slo:sli_error:ratio_rate") else {
            continue;
        };
        recorded.insert(window.to_owned());
        let labels = map(&rule["labels"]);
        assert_eq!(without(&labels, &ADDED), slo.labels, "{place}");
        for name in ["sloth_id", "sloth_service", "sloth_slo"] {
            assert_eq!(labels.get(name), slo.alerting.labels.get(name), "{place}");
        }
    }
    // Windows of a switched-off alert are recorded by Sloth, and of no use here.
    if slo.alerting.burn.len() == 4 {
        assert_eq!(windows, recorded, "{place}");
    } else {
        assert!(windows.is_subset(&recorded), "{place}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Holds {
    All,
    NoAlerts,
    NoRecords,
}

fn compare(input: &[PathBuf], days: u32, golden: &Path, holds: Holds) {
    let groups = groups(golden);
    let place = golden.display().to_string();
    let slos = slos(input, days);
    assert!(!slos.is_empty(), "{place}");
    for slo in &slos {
        let place = format!("{place}, {}", slo.id);
        let alerts = rules_of(&groups, "alerts", slo);
        let records = rules_of(&groups, "sli-recordings", slo);
        if holds != Holds::NoAlerts {
            compare_alerts(slo, &alerts, &place);
        }
        if holds != Holds::NoRecords {
            assert!(!records.is_empty(), "{place}");
            compare_records(slo, &records, &place);
        }
    }
}

#[test]
fn published_examples_alert_as_sloth_does() {
    let Some(corpus) = corpus() else {
        return;
    };
    for (name, golden) in [
        (
            "contrib-denominator-corrected.yaml",
            "contrib-denominator-corrected.yaml",
        ),
        ("contrib-slo-plugins.yml", "contrib-slo-plugins.yml"),
        ("getting-started.yml", "getting-started.yml"),
        ("k8s-getting-started.yml", "k8s-getting-started.yml"),
        ("k8s-home-wifi.yml", "k8s-home-wifi.yml"),
        ("multifile.yml", "multifile.yml"),
        ("no-alerts.yml", "no-alerts.yml"),
        ("raw-home-wifi.yml", "raw-home-wifi.yml"),
        ("slo-plugin-getting-started.yml", "slo-plugin-getting-started.yml"),
        (
            "slo-plugin-k8s-getting-started.yml",
            "slo-plugin-k8s-getting-started.yml",
        ),
    ] {
        let golden = corpus.join("examples-golden").join(golden);
        compare(&[corpus.join("examples").join(name)], 30, &golden, Holds::All);
    }
}

#[test]
fn published_tests_of_its_generator_give_the_same_rules() {
    let Some(corpus) = corpus() else {
        return;
    };
    let week = corpus.join("alertwindows/7d.yaml");
    let folder = corpus.join("generate");
    for (input, days, golden, holds) in [
        ("in-base.yaml", 30, "out-base.yaml.tpl", Holds::All),
        ("in-base.yaml", 28, "out-base-28d.yaml.tpl", Holds::All),
        ("in-base.yaml", 7, "out-base-custom-windows-7d.yaml.tpl", Holds::All),
        ("in-base.yaml", 30, "out-base-extra-labels.yaml.tpl", Holds::All),
        ("in-base.yaml", 30, "out-base-no-alerts.yaml.tpl", Holds::NoAlerts),
        ("in-base.yaml", 30, "out-base-no-recordings.yaml.tpl", Holds::NoRecords),
        ("in-base-k8s.yaml", 30, "out-base-k8s.yaml.tpl", Holds::All),
        ("in-multifile.yaml", 30, "out-multifile.yaml.tpl", Holds::All),
        ("in-multifile-k8s.yaml", 30, "out-multifile-k8s.yaml.tpl", Holds::All),
    ] {
        let mut inputs = vec![folder.join(input)];
        if days == 7 {
            inputs.push(week.clone());
        }
        compare(&inputs, days, &folder.join(golden), holds);
    }
}

/// `30 * time.Minute` in minutes.
fn minutes(expression: &str) -> u32 {
    let factors = expression.split('*').map(|factor| match factor.trim() {
        "time.Minute" => 1,
        "time.Hour" => 60,
        number => number.parse().expect("a number"),
    });
    factors.product()
}

#[test]
fn published_burn_factors_come_out_to_the_last_digit() {
    let Some(corpus) = corpus() else {
        return;
    };
    let cases: Value = serde_json::from_str(&text(&corpus.join("alertwindows/burn-rate-factors.json"))).expect("JSON");
    let mut compared = 0;
    for case in cases.as_array().expect("a list") {
        // What is expected to fail depends on catalogs that replace the built-in ones, which the list does not hold.
        if case["expect_error"] == true {
            continue;
        }
        let slo = "version: prometheus/v1\nservice: shop\nslos: [{name: slo, objective: 99.9, alerting: {name: A}, \
                   sli: {raw: {error_ratio_query: 'sum(rate(x[{{.window}}]))'}}}]\n";
        let catalogs = case["windows_catalog"].as_array().into_iter().flatten();
        let texts = catalogs.filter_map(Value::as_str).chain([slo]);
        let files: Vec<_> = texts.map(|text| SourceFile::new("f.yaml", text)).collect();
        let options = Options {
            default_period: WindowLength::from_minutes(minutes(case["slo_period"].as_str().expect("a text")))
                .expect("a window"),
            ..Options::default()
        };
        let set = load_files(&files.iter().collect::<Vec<_>>(), &options);
        let slo = set.files.iter().flat_map(|file| &file.slos).next().expect("an SLO");
        let names = ["PageQuick", "PageSlow", "TicketQuick", "TicketSlow"];
        for (condition, name) in slo.alerting.burn.iter().zip(names) {
            let wanted = &case["expected"][name];
            let length = |key: &str| minutes(wanted[key].as_str().expect("a text"));
            assert_eq!(
                condition.factor.to_string(),
                wanted["BurnRateFactor"].as_str().expect("a text")
            );
            assert_eq!(condition.short.length.minutes(), length("ShortWindow"));
            assert_eq!(condition.long.length.minutes(), length("LongWindow"));
            compared += 1;
        }
    }
    assert!(compared >= 12, "{compared}");
}
