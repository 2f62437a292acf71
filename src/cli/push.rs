//! `nines push`: pushes events to a running nines, and tries again until they are counted, once.

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Client, ClientError, ServerArgs, report};
use crate::domain::time::{format_duration, parse_duration};

/// Waits between tries; the last one goes on.
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// Lines of one request.
const LINES_AT_A_TIME: usize = 5000;
/// Bytes of one request: the server takes 8 MiB.
const BYTES_AT_A_TIME: usize = 4 * 1024 * 1024;

/// Push events to SLOs with `indicator: {events: {}}`, and try again until they are counted. Whatever happens between two
/// tries, they count once: the same key goes with each.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines push shop/orders --good 98 --bad 2 --label region=eu\n  nines push --file events.ndjson --key nightly-2026-11-21\n  ./count | nines push --file -\n\nExit codes: 0 counted, 1 refused, 2 usage, 4 the server cannot be reached or does not count"
)]
pub struct PushArgs {
    /// The SLO
    #[arg(
        value_name = "SERVICE/NAME",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub slo: Option<String>,
    /// Good events
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub good: Option<f64>,
    /// Bad events
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub bad: Option<f64>,
    /// All events, good and bad
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub total: Option<f64>,
    /// The value of a label that the SLO is grouped by
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "file")]
    pub label: Vec<String>,
    /// When it happened, as 2026-11-21T08:00:00Z; otherwise when it arrives
    #[arg(long, value_name = "TIME", conflicts_with = "file")]
    pub at: Option<String>,
    /// Events as JSON, one a line; - reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// What tells this push from others; without it one is made. The same push again under the same key counts once
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// For how long to try again while the server does not count
    #[arg(long = "for", value_name = "DURATION", default_value = "1m")]
    pub patience: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs it: 0 when everything is counted, 1 when the server refuses it, 4 when it cannot be reached or does not count.
pub async fn run(args: PushArgs, input: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<i32> {
    let patience = parse_duration(&args.patience).context("--for is no duration such as 1m")?;
    let client = Client::new(&args.server)?;
    let key = args.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    let bodies = match &args.file {
        Some(file) => split(&read_file(file, input)?),
        None => vec![event(&args)?.to_string()],
    };
    let is_one = bodies.len() == 1;
    let until = now() + patience;
    let (mut accepted, mut duplicates) = (0, 0);
    for (place, body) in bodies.into_iter().enumerate() {
        let key = if is_one {
            key.clone()
        } else {
            format!("{key}-{}", place + 1)
        };
        match send(&client, &key, &body, until).await {
            Ok((new, known)) => (accepted, duplicates) = (accepted + new, duplicates + known),
            Err(error) => {
                if accepted + duplicates > 0 {
                    eprintln!(
                        "nines: {accepted} events of the file are counted, and lines are told from there on; the same file again with --key {key} counts the rest",
                        key = key.rsplit_once('-').map_or(key.as_str(), |(key, _)| key)
                    );
                }
                return Ok(report(&error));
            }
        }
    }
    writeln!(out, "{}", told(accepted, duplicates))?;
    Ok(0)
}

fn told(accepted: u64, duplicates: u64) -> String {
    let entries = |number: u64| if number == 1 { "entry" } else { "entries" };
    match (accepted, duplicates) {
        (accepted, 0) => format!("{accepted} {} counted", entries(accepted)),
        (0, known) => format!("{known} {} had been counted before under the same key", entries(known)),
        (accepted, known) => {
            format!(
                "{accepted} {} counted; {known} had been counted before",
                entries(accepted)
            )
        }
    }
}

fn event(args: &PushArgs) -> anyhow::Result<Value> {
    let mut event = Map::new();
    event.insert("slo".to_owned(), json!(args.slo));
    for (name, value) in [("good", args.good), ("bad", args.bad), ("total", args.total)] {
        if let Some(value) = value {
            event.insert(name.to_owned(), json!(value));
        }
    }
    if event.len() < 3 {
        bail!("two of --good, --bad and --total are needed");
    }
    let mut group = Map::new();
    for label in &args.label {
        let (name, value) = label
            .split_once('=')
            .with_context(|| format!("--label {label} is no NAME=VALUE"))?;
        group.insert(name.to_owned(), json!(value));
    }
    if !group.is_empty() {
        event.insert("group".to_owned(), Value::Object(group));
    }
    if let Some(at) = &args.at {
        event.insert("at".to_owned(), json!(at));
    }
    Ok(Value::Object(event))
}

fn read_file(file: &str, input: &mut dyn Read) -> anyhow::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    }
    let mut text = String::new();
    input.read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// Lines in bodies that the server takes; always the same for the same text, so that their keys are, too.
fn split(text: &str) -> Vec<String> {
    let mut bodies: Vec<String> = Vec::new();
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match bodies.last_mut() {
            Some(body) if lines < LINES_AT_A_TIME && body.len() + line.len() < BYTES_AT_A_TIME => {
                body.push('\n');
                body.push_str(line);
                lines += 1;
            }
            _ => {
                bodies.push(line.to_owned());
                lines = 1;
            }
        }
    }
    bodies
}

/// Sends one body until it is counted, refused, or the time is over; tells what counted, and what had before.
async fn send(client: &Client, key: &str, body: &str, until: Instant) -> Result<(u64, u64), ClientError> {
    let mut tries = 0;
    loop {
        let error = match client.push_events(key, body.to_owned()).await {
            Ok(answer) => {
                let number = |name: &str| answer["data"][name].as_u64().unwrap_or(0);
                return Ok((number("accepted"), number("duplicates")));
            }
            Err(error @ ClientError::Refused { .. }) => return Err(error),
            Err(error) => error,
        };
        let wait = WAITS[tries.min(WAITS.len() - 1)];
        if now() + wait > until {
            return Err(error);
        }
        tries += 1;
        eprintln!("nines: {error}; trying again in {}", format_duration(wait));
        tokio::time::sleep(wait).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only how long it was tried is measured, on the clock of the runtime"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::EXIT_UNREACHABLE;
    use crate::cli::client::tests::{nobody, served};
    use crate::http::testing;

    fn args(server: ServerArgs) -> PushArgs {
        PushArgs {
            slo: Some("shop/orders".to_owned()),
            good: Some(9.0),
            bad: Some(0.5),
            total: None,
            label: vec!["region=eu".to_owned()],
            at: None,
            file: None,
            key: None,
            patience: "1m".to_owned(),
            server,
        }
    }

    #[test]
    fn an_event_says_what_the_flags_say() {
        let mut args = args(nobody());
        let wanted = json!({"slo": "shop/orders", "good": 9.0, "bad": 0.5, "group": {"region": "eu"}});
        assert_eq!(event(&args).expect("an event"), wanted);
        args.bad = None;
        assert!(event(&args).is_err(), "one number does not say all");
        (args.bad, args.label) = (Some(1.0), vec!["eu".to_owned()]);
        assert!(event(&args).is_err());
    }

    #[test]
    fn a_file_is_split_the_same_way_each_time() {
        let lines: Vec<String> = (0..12_001).map(|n| format!("{{\"n\":{n}}}\n\n")).collect();
        let text = lines.concat();
        let bodies = split(&text);
        let lines: Vec<usize> = bodies.iter().map(|body| body.lines().count()).collect();
        assert_eq!(lines, [5000, 5000, 2001]);
        assert_eq!(bodies, split(&text));
    }

    #[tokio::test]
    async fn a_server_that_nobody_runs_is_unreachable() {
        let mut impatient = args(nobody());
        impatient.patience = "0s".to_owned();
        let code = run(impatient, &mut std::io::empty(), &mut Vec::new()).await;
        assert_eq!(code.expect("a code"), EXIT_UNREACHABLE);
    }

    #[tokio::test]
    async fn a_standby_is_told_from_a_refusal() {
        let (server, _guard) = served(testing::state());
        let mut impatient = args(server);
        impatient.patience = "0s".to_owned();
        let code = run(impatient, &mut std::io::empty(), &mut Vec::new()).await;
        assert_eq!(code.expect("a code"), EXIT_UNREACHABLE);
    }
}
