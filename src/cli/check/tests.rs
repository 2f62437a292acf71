//! `nines check` from outside: files, and what is said about them.

use std::fs;
use std::path::Path;

use clap::Parser;

use serde_json::Value;

use super::*;
use crate::cli::test_streams;
use crate::spec::codes;

const GOOD: &str = "version: nines/v1\nservice: shop\nslos:\n  - name: a\n    objective: 99\n    window: 30d\n    \
                        indicator: {total: t, bad: b}\n";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    check: CheckArgs,
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

/// Exit status, output and complaints, the folder's name left out.
fn check_all(folder: &Path, arguments: &[&str], input: &str) -> (i32, String, String) {
    let arguments = arguments.iter().map(|argument| {
        if argument.starts_with('-') {
            (*argument).to_owned()
        } else {
            folder.join(argument).display().to_string()
        }
    });
    let cli = Cli::try_parse_from(std::iter::once("check".to_owned()).chain(arguments)).expect("arguments");
    let (status, out, err) = test_streams(input, |streams| run(&cli.check, streams));
    let shorter = |text: String| text.replace(&format!("{}/", folder.display()), "");
    (status, shorter(out), shorter(err))
}

/// Exit status and output.
fn check_in(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let (status, out, _) = check_all(folder, arguments, "");
    (status, out)
}

#[test]
fn valid_files_succeed() {
    let folder = folder(&[("a.yaml", GOOD), ("b/c.yml", &GOOD.replace("shop", "other"))]);
    let expected = "\
Checking a.yaml
  SUCCESS: 1 SLO, 5 alert rules
Checking b/c.yml
  SUCCESS: 1 SLO, 5 alert rules

Found no errors in 2 files (2 SLOs).
";
    assert_eq!(check_in(folder.path(), &[""]), (VALID, expected.to_owned()));
    assert_eq!(
        check_in(folder.path(), &["--output-format=concise", "a.yaml"]),
        (VALID, String::new())
    );
}

#[test]
fn invalid_files_fail_with_all_their_mistakes() {
    let folder = folder(&[
        ("a.yaml", GOOD),
        (
            "z.yaml",
            &GOOD
                .replace("shop", "z")
                .replace("99", "100")
                .replace("window", "windw"),
        ),
    ]);
    let expected = "\
Checking a.yaml
  SUCCESS: 1 SLO, 5 alert rules
Checking z.yaml
  FAILED: 2 errors
error[N012]: objective 100: out of range (0 < objective < 100)
  --> z.yaml:5:16
  |
5 |     objective: 100
  |                ^^^ 100 leaves no error budget; `99.99` may be meant
error[N004]: unknown key \"windw\"
  --> z.yaml:6:5
  |
6 |     windw: 30d
  |     ^^^^^ did you mean `window`?

Found 2 errors in 1 of 2 files (2 SLOs).
To learn more: nines explain N012 N004
";
    assert_eq!(check_in(folder.path(), &[""]), (INVALID, expected.to_owned()));
    let (status, concise) = check_in(folder.path(), &["--output-format=concise", "z.yaml"]);
    assert_eq!(status, INVALID);
    assert!(
        concise.contains("z.yaml:6:5: N004 unknown key \"windw\" (did you mean `window`?)\n"),
        "{concise}"
    );
}

#[test]
fn a_configuration_is_checked_with_its_slo_files() {
    let bad = GOOD.replace("99", "199");
    let config = "slo_files: [slos/*.yaml]\nscrape_configs: [{job_name: a}]\n";
    let folder = folder(&[("nines.yml", config), ("slos/a.yaml", GOOD), ("slos/b.yaml", &bad)]);
    let (status, output) = check_in(folder.path(), &["nines.yml", "slos/a.yaml"]);
    assert_eq!(status, INVALID);
    for line in [
        "Checking nines.yml\n  SUCCESS: 1 scrape config, 0 receivers",
        "slos/b.yaml:5:16",
        "in 1 of 3 files",
    ] {
        assert!(output.contains(line), "{line} not in\n{output}");
    }
    fs::write(folder.path().join("nines.yml"), "global: [what\n").expect("a file");
    let (status, output) = check_in(folder.path(), &["nines.yml"]);
    assert!(status == INVALID && output.contains("nines.yml:1:9"), "{output}");
}

#[test]
fn the_second_of_two_files_with_one_name_fails() {
    let folder = folder(&[("a.yaml", GOOD), ("b.yaml", GOOD)]);
    let (status, output) = check_in(folder.path(), &["b.yaml", "a.yaml"]);
    assert!(
        status == INVALID && output.contains("error[N018]") && output.contains("b.yaml:4:3\n"),
        "{output}"
    );
}

#[test]
fn wrong_usage_is_2_and_what_cannot_be_read_is_1() {
    let folder = folder(&[("a.yaml", GOOD)]);
    let (status, output, complaint) = check_all(folder.path(), &["nowhere.yaml"], "");
    assert_eq!((status, output.as_str()), (USAGE, ""));
    assert_eq!(complaint, "error: nowhere.yaml does not exist\n");
    assert!(Cli::try_parse_from(["check"]).is_err());
    fs::write(folder.path().join("a.yaml"), b"\xff\xfe").expect("a file");
    let (status, output) = check_in(folder.path(), &["a.yaml"]);
    assert!(status == INVALID && output.contains("N001"), "{output}");
    fs::remove_file(folder.path().join("a.yaml")).expect("removed");
    let (status, _, complaint) = check_all(folder.path(), &[""], "");
    assert!(
        status == VALID && complaint.contains("holds no SLO file"),
        "{complaint}"
    );
}

/// A file with an error, a warning and a note.
const MIXED: &str = "version: nines/v1
service: shop
slos:
  - name: a
    objective: 100
    window: 30d
    indicator: {total: t, bad: t}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: x}
";
/// A file with a warning.
const ODD: &str = "version: nines/v1\nservice: odd\nslos:\n  - name: a\n    objective: 99\n    window: 30d\n    \
                   indicator: {total: t, bad: t}\n";

fn json_of(folder: &Path, format: &str) -> Value {
    let (_, output) = check_in(folder, &[&format!("--output-format={format}"), ""]);
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error} in\n{output}"))
}

#[test]
fn notes_stand_below_errors_and_warnings_unless_it_is_to_be_quiet() {
    let folder = folder(&[("a.yaml", MIXED)]);
    let (_, output) = check_in(folder.path(), &[""]);
    let note = "  1 note:\n    a.yaml:9:1: I003 a Kubernetes object of kind ConfigMap is no SLO; it is skipped\n";
    let (found, rest) = output.split_once(note).expect("a note");
    assert!(
        found.contains("  FAILED: 1 error, 1 warning\n") && found.contains("warning[L001]"),
        "{output}"
    );
    assert!(
        rest.contains("Found 1 error, 1 warning, 1 note in 1 of 1 file"),
        "{output}"
    );
    for format in ["full", "concise", "github"] {
        let (_, output) = check_in(folder.path(), &["--quiet", &format!("--output-format={format}"), ""]);
        assert!(!output.contains("ConfigMap"), "{output}");
    }
}

#[test]
fn warnings_can_be_fatal_or_left_out() {
    let folder = folder(&[("odd.yaml", ODD), ("bad.yaml", MIXED)]);
    for (arguments, expected, is_told) in [
        (["odd.yaml"].as_slice(), VALID, true),
        (&["--lint-fatal", "odd.yaml"], LINTS, true),
        (&["--lint-fatal", "--lint=none", "odd.yaml"], VALID, false),
        (&["--lint-fatal", "odd.yaml", "bad.yaml"], INVALID, true),
        (&["--lint=none", "bad.yaml"], INVALID, false),
    ] {
        let (status, output) = check_in(folder.path(), arguments);
        assert_eq!(
            (status, output.contains("L001")),
            (expected, is_told),
            "{arguments:?}\n{output}"
        );
    }
}

#[test]
fn standard_input_is_a_file() {
    let folder = folder(&[("a.yaml", GOOD)]);
    let (status, output, _) = check_all(folder.path(), &["-"], &GOOD.replace("99", "100"));
    assert!(status == INVALID && output.contains("--> <stdin>:5:16\n"), "{output}");
    let (status, output, _) = check_all(folder.path(), &["-", "a.yaml", "-"], &GOOD.replace("shop", "other"));
    assert!(status == VALID && output.contains("in 2 files (2 SLOs)"), "{output}");
}

#[test]
fn json_holds_files_findings_and_a_summary() {
    let folder = folder(&[("a.yaml", MIXED), ("b.yaml", GOOD)]);
    let report = json_of(folder.path(), "json");
    let expected = serde_json::json!({
        "code": "N012", "severity": "error", "message": "objective 100: out of range (0 < objective < 100)",
        "file": "a.yaml", "line": 5, "column": 16, "end_column": 19,
        "hint": "100 leaves no error budget; `99.99` may be meant", "snippet": "    objective: 100",
    });
    assert_eq!(report["files"][0]["diagnostics"][0], expected);
    let severities: Vec<&Value> = report["files"][0]["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|found| &found["severity"])
        .collect();
    assert_eq!(severities, ["error", "warning", "note"]);
    let second = serde_json::json!(
        {"file": "b.yaml", "format": "nines/v1", "valid": true, "slos": ["shop/a"], "diagnostics": []});
    let mut found = report["files"][1].clone();
    // The first file claims the name, so that the second is a duplicate: that is another test's matter.
    found["diagnostics"] = serde_json::json!([]);
    found["valid"] = true.into();
    assert_eq!(found, second);
    let summary = serde_json::json!(
        {"files": 2, "invalid": 2, "errors": 2, "warnings": 1, "notes": 1, "slos": 2, "formats": {"nines/v1": 2}});
    assert_eq!(report["summary"], summary);
}

#[test]
fn sarif_names_its_rules_and_regions() {
    let folder = folder(&[("a b.yaml", MIXED)]);
    let log = json_of(folder.path(), "sarif");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), codes::ALL.len());
    assert!(
        rules
            .iter()
            .all(|rule| rule["help"]["text"].is_string() && rule["shortDescription"]["text"].is_string())
    );
    let results = run["results"].as_array().expect("results");
    let levels: Vec<&str> = results.iter().filter_map(|result| result["level"].as_str()).collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        // The test leaves out the folder's name, which makes the path an absolute one.
        assert_eq!(place["artifactLocation"]["uri"], "file://a%20b.yaml");
        let region = |key: &str| place["region"][key].as_u64().expect("a number");
        assert!(region("startLine") >= 1 && region("endColumn") > region("startColumn"));
    }
}

#[test]
fn githubs_commands_are_one_line_each_whatever_the_message() {
    let folder = folder(&[("a,b:c.yaml", &GOOD.replace("99", "\"9%\\n9\""))]);
    let (status, output) = check_in(folder.path(), &["--output-format=github", ""]);
    let begin = "::error file=a%2Cb%3Ac.yaml,line=5,col=16,endColumn=23,title=N012::objective 9%25\\n9: ";
    assert!(
        status == INVALID && output.starts_with(begin) && output.lines().count() == 1,
        "{output}"
    );
}

#[test]
fn gitlabs_fingerprints_differ_and_do_not_depend_on_the_line() {
    let twice = "version: nines/v1\nservice: shop\nslos:\n  - {what: 1}\n  - {what: 1}\n";
    let folder = folder(&[("a.yaml", twice)]);
    let prints = || -> Vec<String> {
        let issues = json_of(folder.path(), "gitlab");
        let issues = issues.as_array().expect("a list");
        issues
            .iter()
            .map(|issue| issue["fingerprint"].as_str().expect("a text").to_owned())
            .collect()
    };
    let before = prints();
    let unique: std::collections::BTreeSet<&String> = before.iter().collect();
    assert!(unique.len() == before.len() && before.len() > 2, "{before:?}");
    fs::write(folder.path().join("a.yaml"), format!("# moved\n{twice}")).expect("a file");
    assert_eq!(prints(), before);
}

#[test]
fn junit_is_well_formed_whatever_the_message() {
    let strange = GOOD.replace("name: a", "name: \"<&]]>'\\x01\\e\"");
    let folder = folder(&[("a&b.yaml", &strange), ("c.yaml", GOOD), ("odd.yaml", ODD)]);
    let (status, output) = check_in(folder.path(), &["--output-format=junit", ""]);
    assert_eq!(status, INVALID);
    let elements = elements_of(&output);
    let count = |name: &str| elements.iter().filter(|element| *element == name).count();
    assert_eq!(
        (
            count("testsuite"),
            count("testcase"),
            count("failure"),
            count("system-out")
        ),
        (3, 3, 1, 1)
    );
    assert!(
        output.contains(r#"<testsuites name="nines check" tests="3" failures="1">"#),
        "{output}"
    );
    let (_, output) = check_in(folder.path(), &["--output-format=junit", "--lint-fatal", "odd.yaml"]);
    assert_eq!(elements_of(&output).iter().filter(|name| *name == "failure").count(), 1);
}

/// The names of an XML document's elements; panics where it is not well formed.
fn elements_of(text: &str) -> Vec<String> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(allowed), "{text:?}");
    for rest in text.split('&').skip(1) {
        let entity = rest.split(';').next().unwrap_or_default();
        let is_known = ["amp", "lt", "gt", "quot", "apos", "#10", "#9"].contains(&entity);
        assert!(is_known, "&{entity}; in\n{text}");
    }
    let body = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .expect("a prolog");
    let (mut open, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for part in body.split('<').skip(1) {
        let (tag, content) = part.split_once('>').expect("an end of the tag");
        assert!(!content.contains('>'), "{content}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        names.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    names
}

#[test]
fn colours_come_only_when_asked_for() {
    let folder = folder(&[("a.yaml", MIXED)]);
    let (_, plain) = check_in(folder.path(), &[""]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let (_, painted) = check_in(folder.path(), &["--color=always", ""]);
    assert!(painted.contains("\u{1b}[1;31mFAILED\u{1b}[0m"), "{painted}");
}

#[test]
fn the_default_period_is_a_window() {
    for (text, is_one) in [
        ("28d", true),
        ("1h30m", true),
        ("30 days", false),
        ("90s", false),
        ("0", false),
    ] {
        let parsed = Cli::try_parse_from(["check", "--default-slo-period", text, "a.yaml"]);
        assert_eq!(parsed.is_ok(), is_one, "{text}");
    }
}
