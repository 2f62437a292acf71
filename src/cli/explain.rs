//! `nines explain`: what a diagnostic means, how it is mended, and an example of both.

use std::io::{self, Write};

use clap::Args;

use super::Streams;
use super::check::{INVALID, USAGE, VALID};
use crate::spec::codes::{self, Code};
use crate::spec::examples;
use crate::spec::suggest::suggest;

/// Explains codes; exit 0 all known, 2 some not.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  nines explain            all codes\n  nines explain N004 l002")]
pub struct ExplainArgs {
    /// Codes of diagnostics, as `N004`; all codes are listed when none is given.
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}

/// Explains, and gives back the exit status.
pub fn run(args: &ExplainArgs, streams: &mut Streams<'_>) -> i32 {
    // A closed pipe is no reason to complain: whoever read has seen enough.
    explain(&args.codes, streams).unwrap_or(INVALID)
}

fn explain(asked: &[String], streams: &mut Streams<'_>) -> io::Result<i32> {
    if asked.is_empty() {
        for code in all() {
            let severity = code.severity().word();
            writeln!(streams.out, "{}  {severity:<7}  {}", code.code, code.title)?;
        }
        return Ok(VALID);
    }
    let mut status = VALID;
    let mut is_first = true;
    for word in asked {
        let found = all().find(|code| code.code.eq_ignore_ascii_case(word.trim()));
        if let Some(code) = found {
            if !is_first {
                writeln!(streams.out)?;
            }
            is_first = false;
            one(streams.out, code)?;
        } else {
            writeln!(streams.err, "error: {}", unknown(word))?;
            status = USAGE;
        }
    }
    Ok(status)
}

/// The codes of files and those of the running daemon.
fn all() -> impl Iterator<Item = &'static Code> {
    codes::ALL.iter().copied().chain(&codes::OF_DATA)
}

fn one(out: &mut dyn Write, code: &Code) -> io::Result<()> {
    writeln!(out, "{} ({}): {}\n", code.code, code.severity().word(), code.title)?;
    writeln!(out, "{}", code.explanation)?;
    let Some(example) = examples::of(code.code) else {
        return Ok(());
    };
    for (head, text) in [("Wrong", example.wrong), ("Right", example.right)] {
        writeln!(out, "\n{head}:\n")?;
        for line in text.lines() {
            writeln!(out, "{}", format!("    {line}").trim_end())?;
        }
    }
    Ok(())
}

/// What to say about a word that is no code.
fn unknown(word: &str) -> String {
    if word.contains('/') {
        return format!(
            "{word} looks like an SLO; this version explains codes of diagnostics only (`nines status` shows how an SLO is)"
        );
    }
    let word = word.trim();
    let lower = word.to_lowercase();
    // `N12` and `12` mean N012.
    let letters = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &lower[letters.len()..];
    let padded = format!("{}{digits:0>3}", if letters.is_empty() { "n" } else { letters });
    let known: Vec<String> = all().map(|code| code.code.to_lowercase()).collect();
    let meant = suggest(&padded, known.iter().map(String::as_str));
    let hint = match meant {
        Some(code) => format!("did you mean {}?", code.to_uppercase()),
        None => "`nines explain` lists all codes".to_owned(),
    };
    format!("there is no code {word:?}; {hint}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::test_streams;
    use crate::config;
    use crate::spec::{Options, load_all};

    fn explained(words: &[&str]) -> (i32, String, String) {
        let codes = words.iter().map(|word| (*word).to_owned()).collect();
        test_streams("", |streams| run(&ExplainArgs { codes }, streams))
    }

    #[test]
    fn a_code_is_explained_with_an_example_whatever_its_case() {
        let (status, out, err) = explained(&["n012"]);
        assert_eq!((status, err.as_str()), (VALID, ""));
        for line in [
            "N012 (error): not an objective\n",
            "\nWrong:\n\n    ",
            "\nRight:\n\n    ",
        ] {
            assert!(out.contains(line), "{line} not in\n{out}");
        }
        let (_, two, _) = explained(&["N012", "L001"]);
        assert!(two.starts_with(&out) && two.contains("\n\nL001 (warning): "), "{two}");
    }

    #[test]
    fn what_the_daemon_says_about_data_is_explained_too() {
        for code in [
            "D001", "d002", "D003", "D004", "D005", "D006", "D007", "D008", "D009", "D010",
        ] {
            let (status, out, err) = explained(&[code]);
            let head = format!("{} (warning): ", code.to_uppercase());
            assert!(
                status == VALID && err.is_empty() && out.starts_with(&head),
                "{out}{err}"
            );
            assert!(out.lines().nth(2).is_some_and(|line| line.len() > 40), "{out}");
        }
    }

    #[test]
    fn without_a_code_all_are_listed() {
        let (status, out, _) = explained(&[]);
        assert_eq!(
            (status, out.lines().count()),
            (VALID, codes::ALL.len() + codes::OF_DATA.len())
        );
        assert!(out.contains("N012  error    not an objective\n"), "{out}");
    }

    #[test]
    fn what_is_no_code_is_wrong_usage_with_a_suggestion() {
        for (word, said) in [
            ("N12", "did you mean N012?"),
            ("12", "did you mean N012?"),
            ("M012", "did you mean N012?"),
            ("objective", "`nines explain` lists all codes"),
            ("shop/availability", "looks like an SLO"),
        ] {
            let (status, out, err) = explained(&[word]);
            assert!(status == USAGE && out.is_empty() && err.contains(said), "{word}: {err}");
        }
        let (status, out, _) = explained(&["X", "N012"]);
        assert!(status == USAGE && out.contains("not an objective"));
    }

    /// The codes that `nines check` gives a text.
    fn codes_of(text: &str) -> Vec<&'static str> {
        let path = Path::new("example.yaml");
        if config::is_config(path, text) {
            let (_, found) = config::parse(text, "example.yaml", Path::new(""), &|_| None);
            return found.iter().map(|found| found.code).collect();
        }
        let file = ("example.yaml".to_owned(), text.to_owned());
        let set = load_all(&[file], &Options::default());
        set.diagnostics().map(|found| found.code).collect()
    }

    #[test]
    fn the_wrong_example_gives_its_code_and_the_right_one_gives_nothing() {
        let mut problems = Vec::new();
        for example in examples::all() {
            let (wrong, right) = (codes_of(example.wrong), codes_of(example.right));
            if !wrong.contains(&example.code) {
                problems.push(format!("{} gives {wrong:?}", example.code));
            }
            // Calendars are valid, and not computed yet.
            if right.iter().any(|code| *code != "I004") {
                problems.push(format!("the right example of {} gives {right:?}", example.code));
            }
            let known = codes::ALL.iter().any(|code| code.code == example.code);
            assert!(known, "{} is no code", example.code);
        }
        assert!(problems.is_empty(), "{problems:#?}");
        assert!(examples::all().count() >= 40);
    }
}
