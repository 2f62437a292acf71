//! `nines check` from outside: files, and what is said about them.

use std::fs;

use clap::Parser;

use super::*;

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

/// Exit status and output, the folder's name left out.
fn check_in(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let paths = arguments.iter().map(|argument| {
        if argument.starts_with("--") {
            (*argument).to_owned()
        } else {
            shown(&folder.join(argument))
        }
    });
    let cli = Cli::try_parse_from(std::iter::once("check".to_owned()).chain(paths)).expect("arguments");
    let mut out = Vec::new();
    let status = run(&cli.check, &mut out);
    (
        status,
        String::from_utf8_lossy(&out).replace(&format!("{}/", folder.display()), ""),
    )
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
  |                ^^^
error[N004]: unknown key \"windw\"
  --> z.yaml:6:5
  |
6 |     windw: 30d
  |     ^^^^^ did you mean `window`?

Found 2 errors in 1 of 2 files (2 SLOs).
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
        status == INVALID && output.contains("error[N018]") && output.contains("b.yaml:4:"),
        "{output}"
    );
}

#[test]
fn wrong_usage_is_2_and_what_cannot_be_read_is_1() {
    let folder = folder(&[("a.yaml", GOOD)]);
    assert_eq!(check_in(folder.path(), &["nowhere.yaml"]).0, USAGE);
    assert!(Cli::try_parse_from(["check"]).is_err());
    fs::write(folder.path().join("a.yaml"), b"\xff\xfe").expect("a file");
    let (status, output) = check_in(folder.path(), &["a.yaml"]);
    assert!(status == INVALID && output.contains("N001"), "{output}");
    fs::remove_file(folder.path().join("a.yaml")).expect("removed");
    let (status, output) = check_in(folder.path(), &[""]);
    assert!(status == VALID && output.contains("holds no SLO file"), "{output}");
}
