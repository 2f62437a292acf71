//! `nines probe`: one probe from the command line, without a daemon, phase by phase.

mod shown;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::environment;
use crate::app::clock::SystemClock;
use crate::config;
use crate::domain::egress::Origin;
use crate::domain::probe_address::ProbeAddress;
use crate::domain::probe_page::probe_page;
use crate::domain::suggest::suggest;
use crate::domain::time::parse_duration;
use crate::domain::verdict::Outcome;
use crate::engine::clock::Clock;
use crate::engine::ports::Prober;
use crate::source::probe::probing::Probing;
use crate::source::probe::settings::TIMEOUT;
use crate::source::probe::settings::jobs::{MODULE, ProbeSettings};

/// The exit code of wrong usage.
const EXIT_USAGE: i32 = 2;
/// The exit code where nothing can be said of the target.
const EXIT_UNKNOWN: i32 = 3;
/// Where modules are looked for when no file is named.
const CONFIG: &str = "nines.yml";

/// Probe a target once, and show what took how long
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines probe https://shop.example/\n  nines probe db:5432 --module tcp_connect\n\nExit \
                  status: 0 good, 1 bad, 2 wrong usage, 3 unknown: the fault is on this side"
)]
pub struct ProbeArgs {
    /// What is probed: a URL, host:port, a host
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// With which module
    #[arg(short, long, default_value = MODULE, value_name = "NAME")]
    pub module: String,
    /// Where modules are defined; nines.yml, where there is one. A blackbox.yml will do
    #[arg(long = "config.file", value_name = "FILE", env = "NINES_CONFIG_FILE")]
    pub config_file: Option<PathBuf>,
    /// What the request calls the host
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// How long it may take, all attempts together; the module's own timeout, else 10s
    #[arg(long, value_name = "DURATION", value_parser = read_timeout)]
    pub timeout: Option<Duration>,
    /// How to write it
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}

/// How a verdict is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// As blackbox exporter writes it.
    Prometheus,
}

fn read_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text).map_err(|error| format!("not a duration: {error}"))?;
    let fits = (Duration::from_millis(1)..=Duration::from_mins(10)).contains(&timeout);
    fits.then_some(timeout)
        .ok_or_else(|| "a timeout is 1ms to 10m".to_owned())
}

/// Runs it.
pub async fn run(args: ProbeArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<i32> {
    let settings = match settings(args.config_file.as_deref()) {
        Ok(settings) => settings,
        Err(why) => {
            writeln!(err, "{why}")?;
            return Ok(EXIT_USAGE);
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let probing = Probing::new(&settings, Arc::clone(&clock));
    let Some(module) = probing.module(&args.module) else {
        let near = suggest(&args.module, probing.modules());
        let known: Vec<&str> = probing.modules().collect();
        let mend = near.map_or_else(
            || {
                format!(
                    "there are {}; --config.file names where others are defined",
                    known.join(", ")
                )
            },
            |near| format!("did you mean {near}?"),
        );
        writeln!(err, "there is no module {}: {mend}", args.module)?;
        return Ok(EXIT_USAGE);
    };
    let address = match ProbeAddress::parse(module.kind(), &args.target) {
        Ok(address) => address,
        Err(expected) => {
            writeln!(err, "{}: {expected}", crate::domain::shown::shown_address(&args.target))?;
            return Ok(EXIT_USAGE);
        }
    };
    let timeout = args.timeout.or(module.timeout).unwrap_or(TIMEOUT);
    // Whoever sits here could reach the target as well.
    let prober = probing.prober(module, &address, args.hostname, Origin::Configured, timeout);
    let verdict = prober.probe().await;
    match args.output {
        Output::Text => shown::write_text(out, &verdict, &args.module, &address.shown, clock.now())?,
        Output::Json => writeln!(out, "{:#}", shown::as_json(&verdict, module, &address.shown, timeout))?,
        Output::Prometheus => out.write_all(probe_page(&verdict, timeout).as_bytes())?,
    }
    Ok(match verdict.outcome {
        Outcome::Good => 0,
        Outcome::Bad => 1,
        Outcome::Unknown => EXIT_UNKNOWN,
    })
}

/// What the configuration says of probes; what is known without one where there is none.
fn settings(file: Option<&Path>) -> Result<ProbeSettings, String> {
    let named = file.unwrap_or(Path::new(CONFIG));
    let text = match std::fs::read_to_string(named) {
        Ok(text) => text,
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read {}: {error}", named.display())),
    };
    let shown = named.display().to_string();
    let absolute = std::path::absolute(named).map_err(|error| format!("{shown}: {error}"))?;
    let base = absolute.parent().unwrap_or(Path::new("/"));
    let (settings, diagnostics) = if config::probes::is_blackbox(&text) {
        config::probes::read_blackbox(&text, &shown, base)
    } else {
        let (config, diagnostics) = config::parse(&text, &shown, base, &environment);
        (config.map(|config| config.probes), diagnostics)
    };
    settings.ok_or_else(|| {
        let errors = diagnostics.iter().filter(|found| found.is_error());
        errors
            .map(crate::spec::diagnostic::Diagnostic::concise)
            .collect::<Vec<_>>()
            .join("\n")
    })
}

#[cfg(test)]
mod tests;
