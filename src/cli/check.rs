//! `nines check`: what is wrong in SLO files and configurations, all of it, before they run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::app::files::{find_slo_files, read_text};
use crate::config;
use crate::spec::codes;
use crate::spec::diagnostic::{Diagnostic, has_errors};
use crate::spec::{Loaded, Options, SourceFile, load_files};

/// All files are valid.
const VALID: i32 = 0;
/// At least one file is not.
const INVALID: i32 = 1;
/// The command line is wrong.
const USAGE: i32 = 2;

/// Checks SLO files, folders and nines.yml: exit 0 all valid, 1 some invalid, 2 usage.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// SLO files, folders, globs, or a nines.yml (then its `slo_files` are checked too).
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = OutputFormat::Full)]
    pub output_format: OutputFormat,
    /// Check OpenSLO as strictly as its SDK does. (No OpenSLO is read yet, so nothing differs.)
    #[arg(long)]
    pub strict: bool,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// With the source line of each.
    #[default]
    Full,
    /// One line for each.
    Concise,
}

/// Checks, writes the findings, and gives back the exit status.
pub fn run(args: &CheckArgs, out: &mut dyn Write) -> i32 {
    // A closed pipe is no reason to complain: whoever read has seen enough.
    check(args, out).unwrap_or(INVALID)
}

fn check(args: &CheckArgs, out: &mut dyn Write) -> io::Result<i32> {
    let found = match find_slo_files(&args.paths) {
        Ok(found) => found,
        Err(error) => {
            writeln!(out, "error: {error}")?;
            return Ok(USAGE);
        }
    };
    let mut warnings = found.warnings;
    let options = Options {
        strict: args.strict,
        ..Options::default()
    };
    let checked = check_files(&found.files, &options, &mut warnings);
    for file in &checked {
        write_file(out, file, args.output_format)?;
    }
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    if args.output_format == OutputFormat::Full {
        writeln!(out, "\n{}", summary(&checked))?;
    }
    let is_valid = checked.iter().all(|file| !has_errors(&file.diagnostics));
    Ok(if is_valid { VALID } else { INVALID })
}

/// What one file came to.
struct Checked {
    path: PathBuf,
    diagnostics: Vec<Diagnostic>,
    /// What it holds, in words, where it is valid.
    contents: String,
    slos: usize,
}

/// Checks these files and those that the configurations among them name, in the order of their paths.
fn check_files(files: &[PathBuf], options: &Options, warnings: &mut Vec<String>) -> Vec<Checked> {
    let (mut checked, mut slo_files) = (Vec::new(), Vec::new());
    for path in files {
        match read_text(path, &shown(path)) {
            Ok(text) if config::is_config(path, &text) => {
                let (config, named) = check_config(path, &text, warnings);
                checked.push(config);
                slo_files.extend(named);
            }
            _ => slo_files.push(path.clone()),
        }
    }
    // Each file once, also where a configuration names one that was given by itself. What was found a moment ago can
    // be gone by now; then reading it says so.
    let slo_files = find_slo_files(&slo_files).map_or(slo_files, |found| found.files);
    let configs: Vec<PathBuf> = checked.iter().map(|file| file.path.clone()).collect();
    let slo_files: Vec<PathBuf> = slo_files.into_iter().filter(|path| !configs.contains(path)).collect();
    let sources = slo_files.iter().map(|path| match read_text(path, &shown(path)) {
        Ok(text) => SourceFile::new(shown(path), &text),
        Err(diagnostic) => SourceFile::unreadable(*diagnostic),
    });
    let sources: Vec<SourceFile> = sources.collect();
    let set = load_files(&sources.iter().collect::<Vec<_>>(), options);
    checked.extend(
        slo_files
            .iter()
            .zip(set.files)
            .map(|(path, loaded)| slo_file(path, loaded)),
    );
    checked.sort_by(|a, b| a.path.cmp(&b.path));
    checked
}

fn slo_file(path: &Path, loaded: Loaded) -> Checked {
    let enabled = loaded
        .slos
        .iter()
        .map(|slo| &slo.alerting)
        .filter(|policy| policy.enabled);
    let rules: usize = enabled
        .map(|policy| policy.burn.len() + usize::from(policy.no_data_for.is_some()))
        .sum();
    let slos = if loaded.is_valid() {
        loaded.slos.len()
    } else {
        loaded.names.len()
    };
    Checked {
        path: path.to_owned(),
        contents: format!("{}, {}", counted(slos, "SLO"), counted(rules, "alert rule")),
        diagnostics: loaded.diagnostics,
        slos,
    }
}

/// A configuration, and the files that its `slo_files` lead to.
fn check_config(path: &Path, text: &str, warnings: &mut Vec<String>) -> (Checked, Vec<PathBuf>) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where the environment is read"
    )]
    let env = |name: &str| std::env::var(name).ok();
    let base = path.parent().unwrap_or(Path::new(""));
    let (config, mut diagnostics) = config::parse(text, &shown(path), base, &env);
    let mut files = Vec::new();
    let mut contents = String::new();
    if let Some(config) = config {
        contents = format!(
            "{}, {}",
            counted(config.jobs.len(), "scrape config"),
            counted(config.receivers.len(), "receiver")
        );
        match find_slo_files(&config.slo_files) {
            Ok(found) => {
                files = found.files;
                warnings.extend(found.warnings);
            }
            Err(error) => {
                let message = format!("`slo_files`: {error}");
                diagnostics.push(Diagnostic::of_file(&codes::UNREADABLE, &shown(path), message));
            }
        }
    }
    let checked = Checked {
        path: path.to_owned(),
        diagnostics,
        contents,
        slos: 0,
    };
    (checked, files)
}

fn write_file(out: &mut dyn Write, file: &Checked, format: OutputFormat) -> io::Result<()> {
    if format == OutputFormat::Concise {
        return file
            .diagnostics
            .iter()
            .try_for_each(|found| writeln!(out, "{}", found.concise()));
    }
    writeln!(out, "Checking {}", shown(&file.path))?;
    let (errors, lints) = totals(&file.diagnostics);
    let lints = (lints > 0).then(|| counted(lints, "warning"));
    let lints = lints.map(|text| format!(", {text}")).unwrap_or_default();
    if errors > 0 {
        writeln!(out, "  FAILED: {}{lints}", counted(errors, "error"))?;
    } else {
        writeln!(out, "  SUCCESS: {}{lints}", file.contents)?;
    }
    file.diagnostics
        .iter()
        .try_for_each(|found| write!(out, "{}", found.full()))
}

/// `Found 2 errors, 1 warning in 1 of 2 files (4 SLOs).`
fn summary(checked: &[Checked]) -> String {
    let (errors, lints) = checked
        .iter()
        .map(|file| totals(&file.diagnostics))
        .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
    let touched = checked.iter().filter(|file| !file.diagnostics.is_empty()).count();
    let slos = counted(checked.iter().map(|file| file.slos).sum(), "SLO");
    let files = counted(checked.len(), "file");
    match (errors, lints) {
        (0, 0) => format!("Found no errors in {files} ({slos})."),
        (errors, 0) => format!("Found {} in {touched} of {files} ({slos}).", counted(errors, "error")),
        (errors, lints) => {
            let (errors, lints) = (counted(errors, "error"), counted(lints, "warning"));
            format!("Found {errors}, {lints} in {touched} of {files} ({slos}).")
        }
    }
}

/// Errors and lints.
fn totals(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|found| found.is_error()).count();
    (errors, diagnostics.len() - errors)
}

fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
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
}
