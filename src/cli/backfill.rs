//! `nines backfill`: how far SLOs were read from the history of their servers, and reading it again.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::{Client, ServerArgs};

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The length of a bar: tenths of a percent.
const WHOLE: u64 = 1000;

/// Read the history of SLOs from their Prometheus servers again, and watch it. Without names nothing is read again: what is
/// under way is shown until it ends.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  nines backfill\n  nines backfill checkout/availability")]
pub struct BackfillArgs {
    /// SLOs whose past is read again, from the beginning of their longest window
    #[arg(value_name = "SERVICE/NAME")]
    pub slos: Vec<String>,
    /// All SLOs that are read from servers
    #[arg(long, conflicts_with = "slos")]
    pub all: bool,
    /// Do not wait for the end
    #[arg(long)]
    pub no_wait: bool,
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub timeout: u64,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs it: 0 when everything was read, 1 when an SLO cannot be read or the time is over.
pub async fn run(args: BackfillArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let client = Client::new(&args.server)?;
    let known = backfills(&client).await?;
    let wanted: Vec<String> = if args.all {
        known.iter().map(|backfill| backfill.slo.clone()).collect()
    } else {
        args.slos.clone()
    };
    for slo in &wanted {
        client.post(&format!("api/v1/slos/{slo}/backfill"), &json!({})).await?;
        writeln!(out, "{slo} is read again")?;
    }
    if args.no_wait {
        return Ok(0);
    }
    if known.is_empty() {
        writeln!(out, "no SLO is read from a Prometheus server")?;
        return Ok(0);
    }
    if !wanted.is_empty() {
        // The daemon begins, and shows it, at its next evaluation.
        tokio::time::sleep(LOOK_EVERY).await;
    }
    watch(&client, &args, &wanted, out).await
}

/// One SLO as the API shows it.
struct Backfill {
    slo: String,
    source: String,
    from: String,
    done_ratio: f64,
    is_whole: bool,
    error: Option<String>,
}

async fn backfills(client: &Client) -> anyhow::Result<Vec<Backfill>> {
    let answer = client.get("api/v1/backfills").await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |value: &Value| {
        let backfill = &value["backfill"];
        Backfill {
            slo: text(&value["slo"]),
            source: text(&backfill["source"]),
            from: text(&backfill["from"]),
            done_ratio: backfill["done_ratio"].as_f64().unwrap_or(0.0),
            is_whole: backfill["missing"].is_null(),
            error: backfill["error"].as_str().map(str::to_owned),
        }
    };
    let backfills = answer["data"]["backfills"].as_array();
    Ok(backfills.into_iter().flatten().map(read).collect())
}

async fn watch(client: &Client, args: &BackfillArgs, wanted: &[String], out: &mut dyn Write) -> anyhow::Result<i32> {
    let is_terminal = std::io::stderr().is_terminal();
    let shown = MultiProgress::new();
    let mut bars: HashMap<String, ProgressBar> = HashMap::new();
    let mut left = args.timeout;
    loop {
        let now = backfills(client).await?;
        let ours = now
            .iter()
            .filter(|backfill| wanted.is_empty() || wanted.contains(&backfill.slo));
        let (mut waiting, mut failed) = (0, Vec::new());
        for backfill in ours {
            waiting += usize::from(!backfill.is_whole);
            failed.extend(backfill.error.as_ref().map(|error| (backfill, error)));
            if is_terminal && (!backfill.is_whole || bars.contains_key(&backfill.slo)) {
                let bar = bars
                    .entry(backfill.slo.clone())
                    .or_insert_with(|| shown.add(new_bar(&backfill.slo)));
                bar.set_position((backfill.done_ratio * WHOLE as f64) as u64);
                bar.set_message(backfill.error.clone().unwrap_or_default());
            }
        }
        if waiting == 0 || left == 0 {
            bars.values().for_each(ProgressBar::finish);
            return report(&now, wanted, waiting, failed.len(), out);
        }
        left -= 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn new_bar(slo: &str) -> ProgressBar {
    let bar = ProgressBar::new(WHOLE);
    let style = ProgressStyle::with_template("{prefix:32!} [{bar:30}] {percent:>3} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(slo.to_owned());
    bar
}

fn report(
    now: &[Backfill],
    wanted: &[String],
    waiting: usize,
    failed: usize,
    out: &mut dyn Write,
) -> anyhow::Result<i32> {
    for backfill in now
        .iter()
        .filter(|backfill| wanted.is_empty() || wanted.contains(&backfill.slo))
    {
        let state = match &backfill.error {
            Some(error) => format!("cannot be read: {error}"),
            None if backfill.is_whole => "read wholly".to_owned(),
            None => format!("{:.0} % read", backfill.done_ratio * 100.0),
        };
        // Where nothing was read yet there is no beginning either.
        let since = match backfill.from.as_str() {
            "" => String::new(),
            from => format!(" since {from}"),
        };
        writeln!(out, "{} from {}{since}: {state}", backfill.slo, backfill.source)?;
    }
    Ok(i32::from(waiting > 0 || failed > 0))
}
