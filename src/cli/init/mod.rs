//! `nines init`: looks at what a Prometheus has, and writes a first configuration and SLOs.

mod files;
mod known;
mod look;
mod measure;
mod server;
mod show;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream;

use self::look::{Found, Proposal, look};
use self::measure::{Measured, measure};
use self::server::{PrometheusArgs, Written};
use super::check::USAGE;
use super::client::EXIT_UNREACHABLE;
use super::convert::save;
use super::visible;
use crate::app::clock::SystemClock;
use crate::config;
use crate::domain::time::{SECOND_MS, Timestamp};
use crate::engine::clock::Clock;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};
use crate::source::prometheus;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load;

/// So many SLOs are measured at the same time.
const CONCURRENCY: usize = 4;

/// Looks at what a Prometheus-compatible server has (HTTP, gRPC, ingress and probe metrics), and writes nines.yml and SLOs
/// whose objectives were met in the last seven days. The server is only asked, and nothing that exists is overwritten.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  nines init --prometheus-url http://127.0.0.1:9090\n  \
                  nines init --prometheus-url https://mimir.example/prometheus --header X-Scope-OrgID=team-a --stdout\n\n\
                  Exit status: 0 ok, 1 failed, 2 wrong usage, 4 the server cannot be reached.")]
pub struct InitArgs {
    #[command(flatten)]
    prometheus: PrometheusArgs,
    /// The folder into which nines.yml and slos/first.yaml are written
    #[arg(long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Propose no more SLOs than this
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_slos: u16,
    /// Print the files instead of writing them
    #[arg(long, conflicts_with_all = ["force", "output_dir"])]
    stdout: bool,
}

/// Runs it: 0 also where the server has none of the known metrics.
pub async fn run(args: InitArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<i32> {
    if !args.stdout && !args.force {
        let exist = existing(&args.output_dir);
        if !exist.is_empty() {
            let (files, verb) = (exist.join(" and "), if exist.len() == 1 { "exists" } else { "exist" });
            writeln!(
                err,
                "error: {files} {verb} already, and nothing was written; --force replaces, --output-dir writes elsewhere, --stdout prints"
            )?;
            return Ok(1);
        }
    }
    let written = match args.prometheus.write(&args.output_dir) {
        Ok(written) => written,
        Err(why) => return refuse(&why, err),
    };
    let server = match server_of(&written, &args.output_dir) {
        Ok(server) => server,
        Err(why) => return refuse(&why, err),
    };
    let now = whole_second(SystemClock.now());
    // What is told must not stand between the files that are printed.
    let told: &mut dyn Write = if args.stdout { &mut *err } else { &mut *out };
    let mut plan = match propose(&*server, &args, now, told).await {
        Ok(plan) => plan,
        Err(failure) => return fail(&failure, err),
    };
    let texts = plan.texts(&written)?;
    show::found(told, &plan)?;
    if args.stdout {
        show::print(out, &texts)?;
        return Ok(0);
    }
    for (name, text) in &texts {
        save(&args.output_dir, Path::new(name), text, args.force).map_err(anyhow::Error::msg)?;
    }
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
    show::next(out, &args.output_dir, &names, &written)?;
    Ok(0)
}

/// What is to be written, and what is to be said of it.
struct Plan {
    found: Found,
    /// In the order of the proposals.
    measured: Vec<Measured>,
    /// How many proposals `--max-slos` left out.
    left_out: usize,
}

async fn propose(
    server: &dyn QueryServer,
    args: &InitArgs,
    now: Timestamp,
    told: &mut dyn Write,
) -> Result<Plan, QueryFailure> {
    let mut found = look(server, now).await?;
    let max = usize::from(args.max_slos);
    let left_out = found.proposals.len().saturating_sub(max);
    found.proposals.truncate(max);
    let proposals: Vec<Proposal> = std::mem::take(&mut found.proposals);
    if !proposals.is_empty() {
        // It takes a while; that nobody reads it is no reason to stop.
        let _ = writeln!(
            told,
            "Measuring {} over the last 7 days…\n",
            super::counted(proposals.len(), "SLO")
        );
    }
    let measuring = proposals.into_iter().map(|proposal| measure(server, proposal, now));
    let results: Vec<_> = stream::iter(measuring).buffered(CONCURRENCY).collect().await;
    let mut measured = Vec::new();
    for result in results {
        match result {
            Ok(slo) => measured.push(slo),
            Err(why) => found.notes.push(why.to_string()),
        }
    }
    Ok(Plan {
        found,
        measured,
        left_out,
    })
}

impl Plan {
    /// The files, each of which loads; an SLO that would not is left out, and said to be.
    fn texts(&mut self, written: &Written) -> anyhow::Result<Vec<(&'static str, String)>> {
        let notes = &mut self.found.notes;
        self.measured.retain(|slo| {
            let text = files::slos(written, std::slice::from_ref(slo));
            let why = first_error(&load(&text, files::SLOS).diagnostics);
            if let Some(why) = &why {
                notes.push(format!("no SLO of {}: {why}", slo.proposal.metric));
            }
            why.is_none()
        });
        let mut texts = vec![(files::CONFIG, files::config(written, self.measured.is_empty()))];
        if !self.measured.is_empty() {
            let text = files::slos(written, &self.measured);
            if let Some(why) = first_error(&load(&text, files::SLOS).diagnostics) {
                bail!("the SLOs that were proposed do not load, which is a mistake of nines: {why}");
            }
            texts.push((files::SLOS, text));
        }
        Ok(texts)
    }
}

/// The server that the configuration names, asked as the daemon will ask it. What the file must not hold is taken from the
/// flags.
fn server_of(written: &Written, folder: &Path) -> Result<Arc<dyn QueryServer>, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where the environment is read"
    )]
    let env = |name: &str| {
        let own = written.variables.iter().find(|(known, _)| known == name);
        own.map(|(_, value)| value.expose().to_owned())
            .or_else(|| std::env::var(name).ok())
    };
    let base = std::path::absolute(folder).map_err(|error| format!("no such folder: {error}"))?;
    let text = files::config(written, false);
    let (config, diagnostics) = config::parse(&text, files::CONFIG, &base, &env);
    let Some(config) = config else {
        return Err(first_error(&diagnostics).unwrap_or_else(|| "the flags name no server".to_owned()));
    };
    let listed = prometheus::list(
        &config.servers,
        &[],
        &std::sync::Arc::default(),
        &std::sync::Arc::default(),
    );
    let server = listed.into_iter().next().map(|listed| listed.server);
    server.ok_or_else(|| "--prometheus-url is no URL to which a path can be added".to_owned())
}

fn first_error(diagnostics: &[Diagnostic]) -> Option<String> {
    let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error())?;
    let hint = error.hint.as_ref().map(|hint| format!("; {hint}"));
    Some(in_flags(&format!("{}{}", error.message, hint.unwrap_or_default())))
}

/// Words about the configuration as words about the flags that it was written from.
fn in_flags(text: &str) -> String {
    [
        (
            "`basic_auth`, `authorization`, `oauth2` and `headers`",
            "--basic-auth.username with --basic-auth.password-file, --bearer-token-file and --header",
        ),
        ("`authorization`", "--bearer-token-file"),
        ("`basic_auth`", "--basic-auth.username and --basic-auth.password-file"),
        ("`headers`", "--header"),
        ("`tls_config`", "--tls.ca-file"),
        ("`timeout`", "--timeout"),
        ("`url`", "--prometheus-url"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (key, flag)| text.replace(key, flag))
}

fn refuse(why: &str, err: &mut dyn Write) -> anyhow::Result<i32> {
    writeln!(err, "error: {}", visible(why))?;
    Ok(USAGE)
}

fn fail(failure: &QueryFailure, err: &mut dyn Write) -> anyhow::Result<i32> {
    use QueryFailureReason::{Busy, Connect, Dns, Resting, Timeout, Tls, Unavailable};
    writeln!(err, "error: {}", visible(&in_flags(&failure.detail)))?;
    Ok(match failure.reason {
        Dns | Connect | Tls | Timeout | Busy | Unavailable | Resting => EXIT_UNREACHABLE,
        _ => 1,
    })
}

/// Which of the files are there already.
fn existing(folder: &Path) -> Vec<String> {
    let names = [files::CONFIG, files::SLOS].into_iter();
    names
        .map(|name| folder.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| super::shown(&path))
        .collect()
}

/// Some servers know no parts of seconds.
fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp(now.0 - now.0.rem_euclid(SECOND_MS))
}
