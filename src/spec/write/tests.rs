//! What is written is read again as the same SLOs.

use proptest::prelude::*;

use super::generate::slos;
use super::openslo::NATURAL_START;
use super::{Written, native, openslo};
use crate::domain::indicator::{CompositePart, Indicator, IndicatorKind};
use crate::domain::objective::Objective;
use crate::domain::slo::{Origin, Slo};
use crate::domain::window::TimeWindow;
use crate::spec::native::START_FORMAT;
use crate::spec::{Options, load, load_all};

/// Without what a file adds, and without what queries are understood as: that is read from their text.
fn bare(slos: &[Slo]) -> Vec<Slo> {
    let bare = slos.iter().cloned().map(|mut slo| {
        forget_scraped(&mut slo.indicator);
        Slo {
            origin: Origin::default(),
            // A native file says which server is asked, or that none is.
            asks_server: false,
            source_text: String::new(),
            ..slo
        }
    });
    bare.collect()
}

fn forget_scraped(indicator: &mut Indicator) {
    match &mut indicator.kind {
        IndicatorKind::PromQl(promql) => promql.scraped = None,
        IndicatorKind::Composite(members) => members.iter_mut().for_each(|member| {
            if let CompositePart::Indicator { indicator, .. } = &mut member.part {
                forget_scraped(indicator);
            }
        }),
        _ => {}
    }
}

fn read_again(written: &Written) -> Vec<Slo> {
    let loaded = load(&written.text, "f.yaml");
    assert!(loaded.is_valid(), "{}\n{:#?}", written.text, loaded.diagnostics);
    bare(&loaded.slos)
}

/// What OpenSLO writes in its own way, and means the same by.
fn in_openslo(mut slo: Slo) -> Slo {
    slo.description = slo.description.filter(|text| !text.trim().is_empty());
    if let IndicatorKind::Latency { written, threshold, .. } = &mut slo.indicator.kind {
        *written = threshold.to_string();
    }
    match &mut slo.window {
        TimeWindow::Rolling { length, written } => *written = length.to_prometheus(),
        TimeWindow::Calendar(window) => {
            let natural = chrono::NaiveDateTime::parse_from_str(NATURAL_START, START_FORMAT).ok();
            window.start = window.start.or(natural);
        }
    }
    slo
}

/// Whether something of this SLO was lost.
fn loses(written: &Written, slo: &Slo) -> bool {
    let id = slo.id.to_string();
    written.losses.iter().any(|loss| loss.starts_with(&id))
}

proptest! {
    #[test]
    fn openslo_says_every_slo_that_loses_nothing(slos in slos()) {
        let written = openslo(&slos);
        prop_assume!(written.text.lines().count() > 1);
        let strict = Options { strict: true, ..Options::default() };
        let set = load_all(&[("f.yaml".to_owned(), written.text.clone())], &strict);
        let errors: Vec<_> = set.diagnostics().filter(|found| found.is_error()).collect();
        prop_assert!(errors.is_empty(), "{}\n{errors:#?}", written.text);
        let again: Vec<Slo> = bare(&set.files[0].slos).into_iter().map(in_openslo).collect();
        for slo in slos.iter().filter(|slo| !loses(&written, slo)) {
            let same = again.iter().find(|found| found.id == slo.id);
            prop_assert_eq!(same, Some(&in_openslo(slo.clone())), "{}", written.text);
        }
    }

    #[test]
    fn the_native_format_says_every_slo(slos in slos()) {
        let written = native(&slos);
        prop_assert_eq!(&written.losses, &Vec::<String>::new());
        prop_assert!(written.text.starts_with("# yaml-language-server: $schema="));
        let again = read_again(&written);
        prop_assert_eq!(&again, &slos, "{}", written.text);
        prop_assert_eq!(native(&again).text, written.text);
    }
}

#[test]
fn the_examples_survive_being_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("slo-specs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("slo-specs") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let slos = load(&text, "f.yaml").slos;
        seen += slos.len();
        let written = native(&slos);
        assert_eq!(
            (read_again(&written), written.losses),
            (bare(&slos), Vec::new()),
            "{}",
            path.display()
        );
    }
    assert!(seen >= 5);
}

#[test]
fn plain_slos_lose_nothing_in_openslo() {
    let indicators = [
        "{total: 't{job=\"x\"}', bad: 't{job=\"x\",code=~\"5..\"}'}",
        "{source: main, total: t, good: g}",
        "{latency: 'd_seconds{job=\"x\"}', threshold: 0.3}",
        "{latency: d_seconds, threshold: 300ms}",
        "{gauge: 'q{job=\"x\"}', op: lt, value: 2.5}",
        "{boolean: up}",
        "{fixed_ranges: true, error_ratio: 'job:errors:ratio5m'}",
    ];
    let windows = ["30d", "4w", "{calendar: month, zone: Europe/Berlin}"];
    let methods = [
        "occurrences",
        "timeslices, timeslice: 5m, timeslice_target: 95",
        "ratio_timeslices, timeslice: 1m",
    ];
    for (n, indicator) in indicators.into_iter().enumerate() {
        let text = format!(
            "version: nines/v1\nservice: shop\nslos:\n  - {{name: a, description: Text., objective: 99.95, window: {}, \
             labels: {{team: x}}, method: {}, indicator: {indicator}}}\n",
            windows[n % 3],
            methods[n % 2 + n / 3 % 2]
        );
        let slos = load(&text, "f.yaml").slos;
        assert_eq!(slos.len(), 1, "{text}");
        let written = openslo(&slos);
        assert_eq!(written.losses, Vec::<String>::new(), "{text}");
        let again: Vec<Slo> = read_again(&written).into_iter().map(in_openslo).collect();
        let slos: Vec<Slo> = bare(&slos).into_iter().map(in_openslo).collect();
        assert_eq!(again, slos, "{}", written.text);
    }
}

#[test]
fn a_plain_slo_is_written_in_ten_lines() {
    let text = "# yaml-language-server: $schema=../schemas/nines-v1.schema.json\nversion: nines/v1\nservice: checkout\n\
                labels: {team: payments}\nslos:\n  - name: availability\n    objective: 99.9\n    window: 30d\n    \
                indicator:\n      total: http_requests_total{job=\"shop\"}\n      \
                bad: http_requests_total{job=\"shop\",code=~\"5..\"}\n";
    assert_eq!(native(&load(text, "f.yaml").slos).text, text);
}

#[test]
fn what_cannot_be_said_natively_is_told() {
    let text =
        "version: nines/v1\nservice: s\nslos:\n  - {name: a, objective: 99, window: 30d, indicator: {events: {}}}\n";
    let slo = load_all(&[("f".to_owned(), text.to_owned())], &Options::default()).files[0].slos[0].clone();
    let whole = Objective::from_parts_per_billion(1_000_000_000).expect("one");
    let mut foreign = slo.clone();
    foreign.indicator.kind = IndicatorKind::Foreign {
        system: "Datadog".to_owned(),
    };
    let mut reserved = slo.clone();
    reserved.labels.set("service", "x");
    let written = native(&[
        Slo {
            objective: whole,
            ..slo
        },
        foreign,
        reserved,
    ]);
    let pieces = [
        "no objective of 100%",
        "it asks Datadog",
        "the label service=\"x\" cannot be set",
    ];
    assert!(written.losses.len() == 3, "{:?}", written.losses);
    for (loss, piece) in written.losses.iter().zip(pieces) {
        assert!(loss.contains(piece), "{loss}");
    }
    assert_eq!(load(&written.text, "f.yaml").slos.len(), 1);
}

/// Every YAML file below a folder.
fn files_below(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.push(path);
        }
    }
}

#[test]
fn public_files_survive_being_written() {
    let Some(folder) = std::env::var_os("NINES_CORPUS") else {
        eprintln!("skipped: NINES_CORPUS is not set");
        return;
    };
    let mut files = Vec::new();
    files_below(folder.as_ref(), &mut files);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let slos = load(&text, "f.yaml").slos;
        let written = native(&slos);
        let kept: Vec<Slo> = bare(&slos).into_iter().filter(|slo| !loses(&written, slo)).collect();
        seen += kept.len();
        let loaded = load(&written.text, "f.yaml");
        let again = bare(&loaded.slos);
        for slo in kept {
            let same = again.iter().find(|found| found.id == slo.id);
            if same != Some(&slo) {
                let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.is_error()).collect();
                wrong.push(format!(
                    "{}: {}\n{errors:#?}\n{slo:#?}\n{same:#?}\n",
                    path.display(),
                    slo.id
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} differ\n{}", wrong.len(), wrong.concat());
    assert!(seen > 0);
}

#[test]
fn a_label_that_an_slo_takes_away_stays_away() {
    for nothing in ["''", "null"] {
        let text = format!(
            "version: nines/v1\nservice: s\nlabels: {{team: a, tier: one}}\nslos:\n\
             - {{name: a, objective: 99, window: 30d, indicator: {{total: t, bad: b}}, labels: {{team: {nothing}, own: x}}}}\n\
             - {{name: b, objective: 99, window: 30d, indicator: {{total: t, bad: c}}}}\n"
        );
        let loaded = load(&text, "f.yaml");
        assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
        let labels = |at: usize| loaded.slos[at].labels.iter().collect::<Vec<_>>();
        assert_eq!(labels(0), [("own", "x"), ("tier", "one")]);
        assert_eq!(labels(1), [("team", "a"), ("tier", "one")]);
        for slos in [&loaded.slos[..], &loaded.slos[..1]] {
            assert_eq!(read_again(&native(slos)), bare(slos));
        }
    }
}

#[test]
fn openslo_tells_of_groups_that_its_queries_do_not_name() {
    for (indicator, is_lost) in [
        ("{gauge: max(m), op: lt, value: 1, fixed_ranges: true}", false),
        (
            "{gauge: max(m), op: lt, value: 1, fixed_ranges: true, group_by: [region]}",
            true,
        ),
        ("{gauge: m, op: lt, value: 1, group_by: [region]}", true),
        (
            "{total: 'sum by (region) (rate(t[{{.window}}]))', bad: 'sum by (region) (rate(b[{{.window}}]))'}",
            false,
        ),
        (
            "{total: 'sum by (region) (rate(t[{{.window}}]))', bad: 'sum by (region) (rate(b[{{.window}}]))', group_by: []}",
            true,
        ),
    ] {
        let text = format!(
            "version: nines/v1\nservice: s\nslos:\n- {{name: a, objective: 99, window: 30d, indicator: {indicator}}}\n"
        );
        let loaded = load(&text, "f.yaml");
        assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
        let losses = openslo(&loaded.slos).losses;
        let told = losses.iter().any(|loss| loss.contains("group_by"));
        assert_eq!(told, is_lost, "{indicator}: {losses:?}");
    }
}
