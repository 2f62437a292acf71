//! `nines check`: what is wrong in SLO files and configurations, all of it, before they run.

mod ci;
mod files;
mod json;
mod junit;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::io;
use std::path::PathBuf;

use clap::{Args, ColorChoice, ValueEnum};

use super::{ReadArgs, Streams, visible};
use crate::spec::codes::Severity;

/// All files are valid.
pub const VALID: i32 = 0;
/// At least one file is not.
pub const INVALID: i32 = 1;
/// The command line is wrong.
pub const USAGE: i32 = 2;
/// All files are valid, and there are warnings that `--lint-fatal` does not forgive.
pub const LINTS: i32 = 3;

/// Checks SLO files, folders and nines.yml: exit 0 all valid, 1 some invalid, 2 usage, 3 warnings with `--lint-fatal`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines check slos nines.yml\n  nines check --output-format=github --lint-fatal slos\n  \
                  kubectl get prometheusservicelevels -A -o yaml | nines check -\n\n\
                  Exit status: 0 all valid, 1 some invalid, 2 wrong usage, 3 warnings with --lint-fatal."
)]
pub struct CheckArgs {
    /// SLO files, folders, globs, a nines.yml (then its `slo_files` are checked too), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How findings are written to standard output.
    #[arg(long, value_enum, default_value_t = OutputFormat::Full)]
    pub output_format: OutputFormat,
    /// Which warnings are told.
    #[arg(long, value_enum, default_value_t = Lint::All, value_name = "WHICH")]
    pub lint: Lint,
    /// Check OpenSLO as strictly as its SDK does, and let keys that another format ignores be errors.
    #[arg(long)]
    pub strict: bool,
    /// Exit with status 3 when there are warnings (and no errors).
    #[arg(long)]
    pub lint_fatal: bool,
    /// Do not show notes: what is not carried, needs a server, or is skipped.
    #[arg(short, long)]
    pub quiet: bool,
    /// When `full` is coloured; `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// How files are read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// With the source line of each.
    #[default]
    Full,
    /// One line for each.
    Concise,
    /// One object with all files.
    Json,
    /// Annotations of GitHub's workflows.
    Github,
    /// GitLab's code quality report.
    Gitlab,
    /// SARIF 2.1.0.
    Sarif,
    /// `JUnit`'s XML.
    Junit,
}

/// Which warnings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lint {
    /// All of them.
    All,
    /// None.
    None,
}

/// Checks, writes the findings, and gives back the exit status.
pub fn run(args: &CheckArgs, streams: &mut Streams<'_>) -> i32 {
    // A closed pipe is no reason to complain: whoever read has seen enough.
    check(args, streams).unwrap_or(INVALID)
}

fn check(args: &CheckArgs, streams: &mut Streams<'_>) -> io::Result<i32> {
    let (mut checked, warnings) = match files::check(&args.paths, args.read.options(args.strict), streams.input) {
        Ok(found) => found,
        Err(error) => {
            writeln!(streams.err, "error: {}", visible(&error.to_string()))?;
            return Ok(USAGE);
        }
    };
    for warning in &warnings {
        writeln!(streams.err, "warning: {}", visible(warning))?;
    }
    if args.lint == Lint::None {
        for file in &mut checked {
            file.diagnostics.retain(|found| found.severity != Severity::Warning);
        }
    }
    let totals = files::Totals::of(&checked);
    let style = text::Style {
        colours: match args.color {
            ColorChoice::Auto => streams.is_terminal,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        },
        notes: !args.quiet,
    };
    let out = &mut *streams.out;
    match args.output_format {
        OutputFormat::Full => text::full(out, &checked, &totals, style)?,
        OutputFormat::Concise => text::concise(out, &checked, style)?,
        OutputFormat::Json => json::write(out, &checked, &totals)?,
        OutputFormat::Github => ci::github(out, &checked, style.notes)?,
        OutputFormat::Gitlab => ci::gitlab(out, &checked)?,
        OutputFormat::Sarif => sarif::write(out, &checked)?,
        OutputFormat::Junit => junit::write(out, &checked, args.lint_fatal)?,
    }
    out.flush()?;
    Ok(match (totals.errors, totals.warnings) {
        (0, 0) => VALID,
        (0, _) if args.lint_fatal => LINTS,
        (0, _) => VALID,
        _ => INVALID,
    })
}
