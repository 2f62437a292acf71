//! The command line: one subcommand per file. Data go to standard output, messages to standard error.

mod backfill;
pub mod check;
pub mod client;
mod convert;
pub mod demo;
pub mod explain;
pub mod export;
pub mod generate;
pub mod import;
pub mod init;
pub mod probe;
pub mod push;
pub mod serve;
pub mod silence;
pub mod status;

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::Path;

use clap::{Args, Parser, Subcommand};

use crate::domain::time::parse_duration;
use crate::domain::window::WindowLength;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::yaml::BYTES_MAX;
use crate::spec::{Options, codes};

/// What standard input is called in diagnostics.
const STDIN: &str = "<stdin>";

/// Keeps service level objectives honest: scrapes, counts exactly, keeps error budgets, alerts while there is budget.
#[derive(Debug, Parser)]
#[command(name = "nines", version, arg_required_else_help = true, propagate_version = true)]
#[command(before_help = "Examples:\n  nines demo\n  nines serve --config.file=nines.yml")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at a Prometheus, and write a first nines.yml and SLOs for what it has.
    Init(Box<init::InitArgs>),
    /// Run the daemon.
    Serve(Box<serve::ServeArgs>),
    /// Check SLO files of all formats, folders and nines.yml, before they run.
    #[command(visible_alias = "validate")]
    Check(check::CheckArgs),
    /// Say what diagnostics mean and how they are mended, with an example of each.
    Explain(explain::ExplainArgs),
    /// Convert SLO files of any format to nines's own (or to OpenSLO), and report what is lost.
    Import(import::ImportArgs),
    /// Convert SLO files to OpenSLO (or to nines's own format), and report what is lost.
    Export(export::ExportArgs),
    /// Generate what other tools need: JSON Schemas for editors.
    Generate(generate::GenerateArgs),
    /// Run the daemon beside a fake shop with an incident, and print what it tells.
    Demo(demo::DemoArgs),
    /// Show the SLOs of a running nines, the worst first; fail on what `--fail-on` names.
    Status(status::StatusArgs),
    /// Probe a target once, and show what took how long.
    Probe(probe::ProbeArgs),
    /// Read the history of SLOs from their Prometheus servers again, and watch it.
    Backfill(backfill::BackfillArgs),
    /// Push events to a running nines; they count once, however often it is tried.
    Push(push::PushArgs),
    /// Add, list and end silences.
    Silence(silence::SilenceArgs),
    /// Print the version.
    Version,
}

/// Where a command reads, writes and complains.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// For data.
    pub out: &'a mut dyn Write,
    /// For messages.
    pub err: &'a mut dyn Write,
    /// A person looks at `out` on a terminal that may be coloured.
    pub is_terminal: bool,
}

/// How SLO files are read, whichever command reads them.
#[derive(Args, Clone, Copy, Debug)]
pub struct ReadArgs {
    /// The window of SLOs whose format has none (Sloth).
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "30d",
        value_parser = parse_period,
        env = "NINES_SLO_DEFAULT_PERIOD"
    )]
    pub default_slo_period: WindowLength,
}

impl ReadArgs {
    /// As the front end wants it.
    pub fn options(self, strict: bool) -> Options {
        Options {
            strict,
            default_period: self.default_slo_period,
        }
    }
}

/// Runs a command; gives back the exit status: 0 ok, 1 failed, 2 wrong usage, 3 warnings with `--lint-fatal`, 4 the server
/// cannot be reached.
pub fn run(cli: Cli) -> anyhow::Result<i32> {
    match cli.command {
        Command::Init(args) => block_on(init::run(*args, &mut io::stdout(), &mut io::stderr())),
        Command::Serve(args) => block_on(serve::run(*args)),
        Command::Check(args) => Ok(with_streams(|streams| check::run(&args, streams))),
        Command::Explain(args) => Ok(with_streams(|streams| explain::run(&args, streams))),
        Command::Import(args) => Ok(with_streams(|streams| import::run(&args, streams))),
        Command::Export(args) => Ok(with_streams(|streams| export::run(&args, streams))),
        Command::Generate(args) => Ok(with_streams(|streams| generate::run(&args, streams))),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Status(args) => block_on(status::run(args, &mut io::stdout())),
        Command::Probe(args) => block_on(probe::run(args, &mut io::stdout(), &mut io::stderr())),
        Command::Backfill(args) => block_on(backfill::run(args, &mut io::stdout())),
        Command::Push(args) => block_on(push::run(args, &mut io::stdin(), &mut io::stdout())),
        Command::Silence(args) => block_on(silence::run(args, &mut io::stdout())),
        Command::Version => {
            println!("nines, version {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
    }
}

/// Gives a command the process's own streams; what it writes is flushed at its end.
fn with_streams(work: impl FnOnce(&mut Streams<'_>) -> i32) -> i32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where the environment is read"
    )]
    let no_color = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal() && !no_color;
    let mut out = BufWriter::new(stdout.lock());
    let status = work(&mut Streams {
        input: &mut io::stdin(),
        out: &mut out,
        err: &mut io::stderr(),
        is_terminal,
    });
    // A closed pipe is no reason to complain: whoever read has seen enough.
    let _ = out.flush();
    status
}

fn block_on(work: impl Future<Output = anyhow::Result<i32>>) -> anyhow::Result<i32> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A name that does not resolve or a file on a dead disk must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

/// What the environment says.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the environment is read"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether a path stands for standard input.
fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads standard input as the text of one file.
fn read_stdin(input: &mut dyn Read) -> Result<String, Box<Diagnostic>> {
    let unreadable = |why: String| Box::new(Diagnostic::of_file(&codes::UNREADABLE, STDIN, why));
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the reader of the text sees that it is too large.
    input
        .take(BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(format!("standard input cannot be read: {error}")))?;
    if bytes.len() > BYTES_MAX {
        let message = format!("standard input has more than {BYTES_MAX} bytes");
        return Err(Box::new(Diagnostic::of_file(&codes::TOO_LARGE, STDIN, message)));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("standard input is not UTF-8".to_owned()))
}

/// A window as it is written on the command line.
fn parse_period(text: &str) -> Result<WindowLength, String> {
    let duration = parse_duration(text).map_err(|error| format!("not a duration: {error}"))?;
    WindowLength::from_duration(duration)
        .ok_or_else(|| "a window is whole minutes, at least 1m and at most ten years".to_owned())
}

/// A path as people see it: without the `./` of `nines check .`, and without what would command a terminal or begin a
/// line that a CI system obeys.
fn shown(path: &Path) -> String {
    let below = path.strip_prefix(".").ok();
    let path = below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path);
    visible(&path.display().to_string())
}

/// A text without what would command a terminal or begin a line of its own.
fn visible(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}

fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// Runs a command on an input; gives back its exit status, what it wrote and what it complained of.
#[cfg(test)]
fn test_streams(input: &str, work: impl FnOnce(&mut Streams<'_>) -> i32) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = work(&mut Streams {
        input: &mut input.as_bytes(),
        out: &mut out,
        err: &mut err,
        is_terminal: false,
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status, text(out), text(err))
}
