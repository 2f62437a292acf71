mod held;

use std::cell::Cell;

use super::*;
use crate::domain::window::WindowLength;
use crate::spec::codes;

const NOW: Timestamp = Timestamp(1_795_248_000_000);

/// A file of these SLOs.
fn slos(names: &[&str]) -> String {
    let slo = |name: &&str| {
        format!(
            "  - name: {name}\n    objective: 99\n    window: 30d\n    \
             indicator: {{total: requests_total, bad: errors_total}}\n"
        )
    };
    let slos: String = names.iter().map(slo).collect();
    format!("version: nines/v1\nservice: shop\nslos:\n{slos}")
}

const BROKEN: &str = "version: nines/v1\nservice: shop\nslos: [{objektive: 1}]\n";

fn files(texts: &[(&str, &str)]) -> SpecFiles {
    let sources: Vec<SourceFile> = texts.iter().map(|(file, text)| SourceFile::new(*file, text)).collect();
    let loaded = load_files(&sources.iter().collect::<Vec<_>>(), &Options::default()).files;
    SpecFiles {
        sources,
        loaded,
        ..SpecFiles::default()
    }
}

fn last_good(texts: &[(&str, &str)]) -> LastGood {
    let record = |(file, text): &(&str, &str)| (file.to_string(), revision(&SourceFile::new(*file, text), NOW));
    texts.iter().map(record).collect()
}

fn running(specs: &Specs) -> Vec<(String, bool)> {
    let slos = specs.desired.slos.iter();
    let mut running: Vec<_> = slos.map(|slo| (slo.slo.id.name.clone(), slo.invalid)).collect();
    running.sort();
    running
}

fn named(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    names
        .iter()
        .map(|(name, invalid)| ((*name).to_owned(), *invalid))
        .collect()
}

#[test]
fn the_last_good_revision_runs_in_the_place_of_a_broken_file() {
    let files = files(&[("a.yaml", &slos(&["a"])), ("b.yaml", BROKEN)]);
    let specs = files.resolve(&last_good(&[("b.yaml", &slos(&["b"]))]), NOW);
    assert_eq!(running(&specs), named(&[("a", false), ("b", true)]));
    let kept: Vec<&str> = specs.revisions.iter().map(|revision| revision.file.as_str()).collect();
    assert_eq!(kept, ["a.yaml"], "what is broken is no good revision");
    let never = files.resolve(&LastGood::new(), NOW);
    assert_eq!(running(&never), named(&[("a", false)]));
    assert!(never.desired.idle[0].slo.is_none() && never.desired.idle[0].invalid);
}

#[test]
fn what_is_odd_about_one_slo_is_shown_with_that_one_only() {
    let text = slos(&["a", "b", "c"]);
    let late = "    alerting: {burn: [{severity: page, long: 30d, short: 1h, factor: 1}]}\n";
    let at = text.find("  - name: c").expect("the third");
    let text = format!("{}{late}{}", &text[..at], &text[at..]);
    let specs = files(&[("a.yaml", &text)]).resolve(&LastGood::new(), NOW);
    let shown = |name: &str| {
        let slo = specs.desired.slos.iter().find(|slo| slo.slo.id.name == name);
        let found = &slo.expect("it runs").diagnostics;
        found.iter().map(|found| found.line).collect::<Vec<_>>()
    };
    assert_eq!((shown("a"), shown("c")), (vec![], vec![]));
    assert!(!shown("b").is_empty());
    let lines = [4, 9, 14];
    for (line, of) in [(1, 4), (4, 4), (8, 4), (9, 9), (99, 14)] {
        assert_eq!(owner(&lines, line), Some(of), "line {line}");
    }
}

#[test]
fn an_slo_that_moved_out_of_a_broken_file_takes_nothing_along() {
    for (new, old) in [("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")] {
        let mut texts = [(new, slos(&["moved"])), (old, BROKEN.to_owned())];
        texts.sort();
        let texts: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
        let specs = files(&texts).resolve(&last_good(&[(old, &slos(&["moved", "stays"]))]), NOW);
        let expected = named(&[("moved", false), ("stays", true)]);
        assert_eq!(running(&specs), expected, "from {old} to {new}");
    }
}

/// Stands for a format whose documents refer to objects in other files: `# needs x` is an error unless some file has
/// `# has x`.
fn referring(files: &[&SourceFile]) -> Vec<Loaded> {
    let has = |object: &str| {
        files
            .iter()
            .any(|file| file.text.contains(&format!("# has {object}\n")))
    };
    let mut loaded = read_files(files, &Options::default()).files;
    for (file, source) in loaded.iter_mut().zip(files) {
        let needed = source.text.lines().filter_map(|line| line.strip_prefix("# needs "));
        for object in needed.filter(|object| !has(object)) {
            file.slos.clear();
            let message = format!("there is no {object}");
            file.diagnostics
                .push(Diagnostic::of_file(&codes::FORMAT, &source.file, message));
        }
    }
    loaded
}

fn resolved(texts: &[(&str, &str)], last_good: &LastGood) -> Specs {
    let sources: Vec<SourceFile> = texts.iter().map(|(file, text)| SourceFile::new(*file, text)).collect();
    let loaded = referring(&sources.iter().collect::<Vec<_>>());
    let files = SpecFiles {
        sources,
        loaded,
        ..SpecFiles::default()
    };
    files.resolve_by(&referring, last_good, NOW)
}

#[test]
fn what_refers_to_a_broken_file_runs_on_with_it() {
    let a = format!("# needs sli\n{}", slos(&["a"]));
    let b = format!("# has sli\n{}", slos(&["b"]));
    let good = last_good(&[("a.yaml", &a), ("b.yaml", &b)]);
    let whole = resolved(&[("a.yaml", &a), ("b.yaml", &b)], &LastGood::new());
    assert_eq!(running(&whole), named(&[("a", false), ("b", false)]));
    let specs = resolved(&[("a.yaml", &a), ("b.yaml", BROKEN)], &good);
    assert_eq!(running(&specs), named(&[("a", true), ("b", true)]));
    assert!(specs.revisions.is_empty());
}

#[test]
fn what_refers_to_something_that_is_gone_runs_on_with_the_revision_that_had_it() {
    let a = format!("# needs sli\n{}", slos(&["a"]));
    // Objects have a kind; whoever reads such a file alone finds nothing to refer to in it.
    let with_object = "# has sli\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let without = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n";
    let good = last_good(&[("a.yaml", &a), ("b.yaml", with_object)]);
    for (what, now) in [
        ("the object is gone", vec![("a.yaml", a.as_str()), ("b.yaml", without)]),
        ("its file is gone", vec![("a.yaml", a.as_str())]),
    ] {
        let specs = resolved(&now, &good);
        assert_eq!(running(&specs), named(&[("a", true)]), "{what}");
        assert!(
            specs.revisions.is_empty(),
            "{what}: the revision that has the object stays"
        );
    }
}

#[test]
fn a_paused_slo_is_no_removed_one_and_no_broken_one() {
    let whole = files(&[("a.yaml", &slos(&["a", "b"]))]).resolve(&LastGood::new(), NOW);
    let pause = |specs: Specs| {
        let mut paused = Specs::default();
        let mut slos: Vec<Slo> = specs.desired.slos.iter().map(|slo| Slo::clone(&slo.slo)).collect();
        for slo in &mut slos {
            slo.method = crate::domain::slo::BudgetingMethod::RatioTimeslices {
                slice: WindowLength::DAYS_30,
            };
        }
        let reasons: Vec<Diagnostic> = slos
            .iter()
            .map(|slo| Diagnostic {
                line: slo.origin.line,
                ..Diagnostic::of_file(&IDLE, "a.yaml", format!("{} is not computed", slo.id))
            })
            .collect();
        paused.run(&slos, false, &reasons, &mut BTreeSet::new());
        paused.desired
    };
    let before = whole.desired.clone();
    let after = pause(whole);
    let shown = after
        .idle
        .iter()
        .map(|idle| (idle.invalid, idle.slo.is_some(), idle.diagnostics.len()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [(false, true, 1); 2],
        "each has its own reason alone"
    );
    assert_eq!(refuse_removal(&before, &after), None);
    assert!(refuse_removal(&before, &Desired::default()).is_some());
}

#[test]
fn the_texts_of_many_files_are_found_at_once() {
    let reads = Cell::new(0);
    let texts: Vec<(String, String)> = (0..300)
        .map(|n| (format!("{n:03}.yaml"), slos(&[&format!("slo-{n}")])))
        .collect();
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(file, text)| (file.as_str(), text.as_str()))
        .collect();
    let read = |files: &[&SourceFile]| {
        reads.set(reads.get() + 1);
        read_files(files, &Options::default()).files
    };
    let specs = files(&texts).resolve_by(&read, &last_good(&texts), NOW);
    assert_eq!((specs.revisions.len(), specs.desired.slos.len()), (300, 300));
    assert_eq!(reads.get(), 0, "nothing is read again while everything loads");
    assert!(
        specs
            .revisions
            .iter()
            .zip(&texts)
            .all(|(revision, (_, text))| revision.text == *text)
    );
}

#[test]
fn slos_that_would_be_skipped_now_run_on_as_they_were() {
    let shop = slos(&["a", "b"]);
    let quoted = shop.replace("service: shop", "service: \"{{ .Values.service }}\"");
    let broken = format!("{{{{- if .Values.slos }}}}\n{shop}{{{{- end }}}}\n");
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let half = format!("{}---\n{other}", slos(&["a"]));
    let good = last_good(&[("a.yaml", &shop)]);
    for (sentence, text) in [
        ("a template of Helm in YAML", quoted.as_str()),
        ("a template of Helm that is no YAML", broken.as_str()),
        ("an object of somebody else", other),
        ("one of two SLOs became something else", half.as_str()),
    ] {
        let specs = files(&[("a.yaml", text)]).resolve(&good, NOW);
        assert_eq!(running(&specs), named(&[("a", true), ("b", true)]), "{sentence}");
        assert!(specs.revisions.is_empty(), "{sentence}: the good revision stays");
        assert!(
            specs.warnings.iter().any(|told| told.contains("shop/b")),
            "{sentence}: {:?}",
            specs.warnings
        );
        let never = files(&[("a.yaml", text)]).resolve(&LastGood::new(), NOW);
        assert_eq!(
            (never.desired.idle.len(), never.warnings.len()),
            (0, 0),
            "{sentence}, from the start"
        );
    }
}

#[test]
fn slos_that_end_or_move_are_not_held() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let both = format!("{}---\n{other}", slos(&["a", "b"]));
    let fewer = format!("{}---\n{other}", slos(&["a"]));
    let good = last_good(&[("a.yaml", &both)]);
    let specs = files(&[("a.yaml", &fewer)]).resolve(&good, NOW);
    assert_eq!(
        running(&specs),
        named(&[("a", false)]),
        "an SLO was removed from beside the object"
    );
    let specs = files(&[("a.yaml", other), ("b.yaml", &slos(&["a", "b"]))]).resolve(&good, NOW);
    assert_eq!(
        running(&specs),
        named(&[("a", false), ("b", false)]),
        "all moved to another file"
    );
}

#[test]
fn configurations_and_values_of_charts_are_no_slo_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("nines.yml", "anything"),
        ("config.yaml", "scrape_configs: []\n"),
        ("values.yaml", "replicaCount: 1\n"),
        ("values-prod.yaml", "# nothing\n"),
        ("values-slos.yaml", BROKEN),
        ("other.yaml", "replicaCount: 1\n"),
    ] {
        std::fs::write(at(name), text).expect("a file");
    }
    let read_paths = |paths: &[PathBuf]| read(paths, folder.path(), Options::default()).expect("files");
    let found = read_paths(&[at("")]);
    let valid = |found: &SpecFiles| -> Vec<(String, bool)> {
        found
            .loaded
            .iter()
            .map(|file| (file.file.clone(), file.is_valid()))
            .collect()
    };
    let expected = [
        ("other.yaml", false),
        ("values-prod.yaml", true),
        ("values-slos.yaml", false),
        ("values.yaml", true),
    ];
    assert_eq!(valid(&found), named(&expected));
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
    let asked = read_paths(&[at("values.yaml")]);
    assert_eq!(valid(&asked), named(&[("values.yaml", false)]), "asked for by its name");
}
