//! The command line: one subcommand per file. Data go to standard output, messages to standard error.

pub mod check;
pub mod client;
pub mod demo;
pub mod serve;
pub mod silence;
pub mod status;

use clap::{Parser, Subcommand};

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
    /// Run the daemon.
    Serve(Box<serve::ServeArgs>),
    /// Check SLO files, folders and nines.yml: exit status 0 all valid, 1 some invalid, 2 wrong usage.
    Check(check::CheckArgs),
    /// Run the daemon beside a fake shop with an incident, and print what it tells.
    Demo(demo::DemoArgs),
    /// Show the SLOs of a running nines, the worst first; fail on what `--fail-on` names.
    Status(status::StatusArgs),
    /// Add, list and end silences.
    Silence(silence::SilenceArgs),
    /// Print the version.
    Version,
}

/// Runs a command; gives back the exit status: 0 ok, 1 failed, 2 wrong usage, 4 the server cannot be reached.
pub fn run(cli: Cli) -> anyhow::Result<i32> {
    match cli.command {
        Command::Serve(args) => block_on(serve::run(*args)),
        Command::Check(args) => Ok(check::run(&args, &mut std::io::stdout())),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Status(args) => block_on(status::run(args, &mut std::io::stdout())),
        Command::Silence(args) => block_on(silence::run(args, &mut std::io::stdout())),
        Command::Version => {
            println!("nines, version {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<i32>>) -> anyhow::Result<i32> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A name that does not resolve or a file on a dead disk must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
