//! `nines import` and `nines export` from outside: files in, files and a report out.

mod formats;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use clap::Parser;

use super::*;
use crate::cli::test_streams;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Options, load, load_all};

const GOOD: &str = "version: nines/v1\nservice: shop\nslos:\n  - name: a\n    objective: 99\n    window: 30d\n    \
                    indicator: {total: t, bad: b}\n";
const BAD: &str = "version: nines/v1\nservice: bad\nslos:\n  - name: a\n";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    convert: ConvertArgs,
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

/// Exit status, output and report, the folder's name left out. Arguments that begin with `@` are paths in the folder.
fn convert_in(folder: &Path, to: Format, arguments: &[&str]) -> (i32, String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let arguments = arguments.iter().map(|argument| match argument.strip_prefix('@') {
        Some(name) => path(name),
        None => (*argument).to_owned(),
    });
    let cli = Cli::try_parse_from(std::iter::once("convert".to_owned()).chain(arguments)).expect("arguments");
    let (status, out, err) = test_streams(GOOD, |streams| run(&cli.convert, to, streams));
    (status, out, err.replace(&format!("{}/", folder.display()), ""))
}

/// The ids of the SLOs of a text that loads.
fn ids(text: &str) -> Vec<String> {
    let loaded = load(text, "written.yaml");
    assert!(loaded.is_valid(), "{:?} in\n{text}", loaded.diagnostics);
    loaded.slos.iter().map(|slo| slo.id.to_string()).collect()
}

fn file_ids(folder: &Path, name: &str) -> Vec<String> {
    ids(&fs::read_to_string(folder.join(name)).expect(name))
}

#[test]
fn one_file_goes_to_standard_output_with_a_report_beside_it() {
    let folder = folder(&[("a.yaml", GOOD)]);
    let (status, out, err) = convert_in(folder.path(), Format::Native, &["@a.yaml"]);
    assert_eq!((status, ids(&out)), (VALID, vec!["shop/a".to_owned()]));
    assert_eq!(
        err,
        "a.yaml (nines): 1 SLO -> standard output\nConverted 1 SLO of 1 file; nothing is lost.\n"
    );
    let (status, out, _) = convert_in(folder.path(), Format::Native, &["-"]);
    assert_eq!((status, ids(&out)), (VALID, vec!["shop/a".to_owned()]));
    let (_, out, _) = convert_in(folder.path(), Format::Openslo, &["@a.yaml"]);
    assert!(out.contains("apiVersion: openslo/v1"), "{out}");
}

#[test]
fn several_files_need_a_folder_or_become_one_stream() {
    let other = GOOD.replace("shop", "other");
    let folder = folder(&[("a.yaml", GOOD), ("b.yaml", &other)]);
    let (status, out, err) = convert_in(folder.path(), Format::Native, &["@"]);
    assert!(status == USAGE && out.is_empty() && err.contains("-o DIR"), "{err}");
    let (status, out, _) = convert_in(folder.path(), Format::Native, &["@", "-o", "-"]);
    assert_eq!(
        (status, ids(&out)),
        (VALID, vec!["shop/a".to_owned(), "other/a".to_owned()])
    );
}

#[test]
fn a_folder_keeps_its_shape_and_names_that_clash_get_numbers() {
    let named = |service: &str| GOOD.replace("shop", service);
    let (b, c) = (named("b"), named("c"));
    let folder = folder(&[("in/x.yaml", GOOD), ("in/x.yml", &b), ("in/deep/x.yaml", &c)]);
    let (status, _, err) = convert_in(folder.path(), Format::Native, &["@in", "-o", "@out"]);
    assert_eq!(status, VALID, "{err}");
    for (file, id) in [
        ("out/x.yaml", "shop/a"),
        ("out/x-2.yaml", "b/a"),
        ("out/deep/x.yaml", "c/a"),
    ] {
        assert_eq!(file_ids(folder.path(), file), [id], "{file}");
    }
}

#[test]
fn what_does_not_load_is_reported_and_the_rest_is_converted() {
    let config = "scrape_configs: [{job_name: a}]\n";
    let folder = folder(&[
        ("bad.yaml", BAD),
        ("good.yaml", GOOD),
        ("cm.yaml", OTHER),
        ("nines.yml", config),
    ]);
    let (status, _, err) = convert_in(folder.path(), Format::Native, &["@", "-o", "@out"]);
    assert_eq!(
        (status, file_ids(folder.path(), "out/good.yaml")),
        (INVALID, vec!["shop/a".to_owned()])
    );
    for line in [
        "bad.yaml (nines): not converted, it does not load\n  error: bad.yaml:4:5: N005 `objective` is missing",
        "cm.yaml (a Kubernetes object): skipped, it defines no SLOs\n",
        "nines.yml (a nines configuration): skipped, it is a configuration, not an SLO file\n",
        "Converted 1 SLO of 1 file; nothing is lost. 1 file does not load.\n",
    ] {
        assert!(err.contains(line), "{line} not in\n{err}");
    }
    assert!(!folder.path().join("out/bad.yaml").exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_is_written_elsewhere() {
    let folder = folder(&[
        ("a.yaml", GOOD),
        ("out/a.yaml", "mine"),
        ("elsewhere/x", ""),
        ("in/sub/b.yaml", GOOD),
    ]);
    let at = folder.path();
    let (status, _, err) = convert_in(at, Format::Native, &["@a.yaml", "-o", "@out"]);
    assert!(
        status == INVALID && err.contains("out/a.yaml exists already; --force replaces it"),
        "{err}"
    );
    assert_eq!(fs::read_to_string(at.join("out/a.yaml")).expect("a file"), "mine");
    let (status, ..) = convert_in(at, Format::Native, &["@a.yaml", "-o", "@out", "--force"]);
    assert_eq!((status, file_ids(at, "out/a.yaml")), (VALID, vec!["shop/a".to_owned()]));

    symlink(at.join("elsewhere"), at.join("out/sub")).expect("a link");
    let (status, _, err) = convert_in(at, Format::Native, &["@in", "-o", "@out", "--force"]);
    assert!(status == INVALID && err.contains("out/sub is no folder"), "{err}");
    fs::remove_file(at.join("out/a.yaml")).expect("removed");
    symlink(at.join("elsewhere/x"), at.join("out/a.yaml")).expect("a link");
    let (status, _, err) = convert_in(at, Format::Native, &["@a.yaml", "-o", "@out", "--force"]);
    assert!(status == INVALID && err.contains("no regular file"), "{err}");
    assert_eq!(fs::read_to_string(at.join("elsewhere/x")).expect("a file"), "");
}

#[test]
fn the_report_can_be_a_file() {
    let folder = folder(&[("a.yaml", GOOD)]);
    let (status, _, err) = convert_in(folder.path(), Format::Native, &["@a.yaml", "--report", "@report.txt"]);
    assert_eq!(status, VALID);
    let report = fs::read_to_string(folder.path().join("report.txt")).expect("a report");
    assert_eq!(report.replace(&format!("{}/", folder.path().display()), ""), err);
    let (status, _, err) = convert_in(folder.path(), Format::Native, &["@a.yaml", "--report", "@report.txt"]);
    assert!(status == INVALID && err.contains("exists already"), "{err}");
}

#[test]
fn a_loss_is_told_at_its_slo() {
    let mut report = Report::default();
    let file = load(GOOD, "a.yaml");
    let losses = vec!["shop/a: `public` has no counterpart".to_owned(), "the rest".to_owned()];
    report.add(
        &file,
        Fate::Written {
            place: "out/a.yaml".to_owned(),
            slos: 1,
            losses,
            notes: Vec::new(),
        },
    );
    assert_eq!(report.losses(), 2);
    let expected = "\
a.yaml (nines): 1 SLO -> out/a.yaml
  lost: a.yaml:4: shop/a: `public` has no counterpart
  lost: a.yaml: the rest
Converted 1 SLO of 1 file; 2 things are lost.
";
    assert_eq!(report.text(), expected);
}

#[test]
fn a_file_is_no_place_for_files() {
    let folder = folder(&[("a.yaml", GOOD), ("out.yaml", "mine")]);
    let (status, out, err) = convert_in(
        folder.path(),
        Format::Native,
        &["@a.yaml", "-o", "@out.yaml", "--force"],
    );
    assert_eq!((status, out.as_str()), (USAGE, ""));
    assert_eq!(err, "error: -o must name a folder; out.yaml is a file\n");
    let kept = fs::read_to_string(folder.path().join("out.yaml")).expect("the file");
    assert_eq!(kept, "mine");
}
