//! `nines silence`: adds, lists and ends silences, with amtool's grammar.

use std::io::Write;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, ClientError, ServerArgs, report};
use super::status::Output;
use crate::domain::matcher::{MatchOp, Matcher};
use crate::domain::selector_parser::parse_matcher;
use crate::domain::time::{Timestamp, parse_duration};

/// Add, list and end silences
#[derive(Args, Clone, Debug)]
pub struct SilenceArgs {
    /// What to do
    #[command(subcommand)]
    pub command: SilenceCommand,
}

/// What to do with silences.
#[derive(Clone, Debug, Subcommand)]
pub enum SilenceCommand {
    /// Silence alerts for a while; prints the silence's id
    Add(AddArgs),
    /// List silences
    Query(QueryArgs),
    /// End silences now
    Expire(ExpireArgs),
}

/// What to silence.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines silence add service=checkout 'slo=~\"req.*\"' -d 2h -c \"deploy 1.4\"\n  nines silence expire $(nines silence query -q service=checkout)"
)]
pub struct AddArgs {
    /// Which server is asked
    #[command(flatten)]
    pub server: ServerArgs,
    /// Which alerts: service=checkout, 'slo=~"req.*"', severity!=page; a bare word is an alert's name
    #[arg(value_name = "MATCHER", required = true)]
    pub matchers: Vec<String>,
    /// For how long: 30m, 2h, 1d
    #[arg(short, long, default_value = "1h", value_name = "DURATION")]
    pub duration: String,
    /// Until when instead, as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "duration")]
    pub end: Option<String>,
    /// From when, as 2026-11-21T08:00:00Z; otherwise now
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Why
    #[arg(short, long)]
    pub comment: String,
    /// Who silences
    #[arg(short, long, env = "USER", default_value = "unknown")]
    pub author: String,
}

/// Which silences to list.
#[derive(Args, Clone, Debug)]
pub struct QueryArgs {
    /// Which server is asked
    #[command(flatten)]
    pub server: ServerArgs,
    /// Only silences with such matchers
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Those that are over, too
    #[arg(long)]
    pub expired: bool,
    /// Only the ids
    #[arg(short, long)]
    pub quiet: bool,
    /// How to write it
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: Output,
}

/// Which silences to end.
#[derive(Args, Clone, Debug)]
pub struct ExpireArgs {
    /// Which server is asked
    #[command(flatten)]
    pub server: ServerArgs,
    /// Their ids
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

/// Runs the command; the exit code is 0, 1 when the server refuses, or 4 when it cannot be reached.
pub async fn run(args: SilenceArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    match args.command {
        SilenceCommand::Add(args) => add(args, out).await,
        SilenceCommand::Query(args) => query(args, out).await,
        SilenceCommand::Expire(args) => expire(args).await,
    }
}

async fn add(args: AddArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let matchers = read_matchers(&args.matchers)?;
    let client = Client::new(&args.server)?;
    // The server's clock decides, so that a silence is as long as it is meant to be.
    let now = match client.get("api/v1/status/runtimeinfo").await {
        Ok(answer) => answer["data"]["serverTime"].as_str().and_then(Timestamp::parse_rfc3339),
        Err(error) => return Ok(report(&error)),
    };
    let now = now.context("the server does not tell its time; is it nines?")?;
    let starts_at = args.start.as_deref().map_or(Ok(now), |text| time("--start", text))?;
    let ends_at = match &args.end {
        Some(text) => time("--end", text)?,
        None => starts_at + parse_duration(&args.duration).context("--duration")?,
    };
    let body = json!({
        "matchers": matchers.iter().map(to_json).collect::<Vec<_>>(),
        "startsAt": starts_at.to_rfc3339(),
        "endsAt": ends_at.to_rfc3339(),
        "createdBy": args.author,
        "comment": args.comment,
    });
    match client.post("api/v2/silences", &body).await {
        Ok(answer) => {
            let id = answer["silenceID"]
                .as_str()
                .context("the server did not name the silence; is it nines?")?;
            writeln!(out, "{id}")?;
            Ok(0)
        }
        Err(error) => Ok(report(&error)),
    }
}

async fn query(args: QueryArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let wanted = read_matchers(&args.matchers)?;
    let answer = match Client::new(&args.server)?.get("api/v2/silences").await {
        Ok(answer) => answer,
        Err(error) => return Ok(report(&error)),
    };
    let mut kept = Vec::new();
    for value in answer.as_array().context("the server's answer is none of nines")? {
        let silence: Silence = serde_json::from_value(value.clone()).context("the server's answer is none of nines")?;
        if (args.expired || silence.status.state != "expired") && silence.is_like(&wanted) {
            kept.push((silence, value));
        }
    }
    if args.quiet {
        for (silence, _) in &kept {
            writeln!(out, "{}", silence.id)?;
        }
    } else if args.output == Output::Json {
        let values: Vec<&Value> = kept.iter().map(|(_, value)| *value).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&values)?)?;
    } else {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["ID", "STATE", "MATCHERS", "ENDS", "BY", "COMMENT"]);
        for (silence, _) in &kept {
            table.add_row(silence.cells());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        writeln!(out, "{}", table.trim_fmt())?;
    }
    Ok(0)
}

async fn expire(args: ExpireArgs) -> anyhow::Result<i32> {
    let client = Client::new(&args.server)?;
    let mut code = 0;
    for id in &args.ids {
        let path = format!("api/v2/silence/{}", crate::http::format::escaped(id));
        match client.delete(&path).await {
            Ok(_) => {}
            Err(error @ (ClientError::Unreachable { .. } | ClientError::Unavailable { .. })) => {
                return Ok(report(&error));
            }
            Err(ClientError::Refused { message }) => {
                code = report(&ClientError::Refused {
                    message: format!("{id}: {message}"),
                });
            }
        }
    }
    Ok(code)
}

fn read_matchers(texts: &[String]) -> anyhow::Result<Vec<Matcher>> {
    texts
        .iter()
        .map(|text| read_matcher(text).with_context(|| format!("{text:?} is no matcher")))
        .collect()
}

/// A matcher; a bare word is an alert's name, as with amtool.
fn read_matcher(text: &str) -> anyhow::Result<Matcher> {
    if text.is_empty() {
        bail!("it is empty");
    }
    let is_bare = text
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || character == '_');
    Ok(if is_bare {
        Matcher::new("alertname", MatchOp::Equal, text).map_err(anyhow::Error::msg)?
    } else {
        parse_matcher(text)?
    })
}

fn to_json(matcher: &Matcher) -> Value {
    json!({
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
        "isEqual": matches!(matcher.op, MatchOp::Equal | MatchOp::Regex),
    })
}

fn time(flag: &str, text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse_rfc3339(text).with_context(|| format!("{flag} must be a time such as 2026-11-21T08:00:00Z"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Silence {
    id: String,
    status: Status,
    ends_at: String,
    created_by: String,
    comment: String,
    matchers: Vec<ShownMatcher>,
}

#[derive(Deserialize)]
struct Status {
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownMatcher {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

impl Silence {
    fn is_like(&self, wanted: &[Matcher]) -> bool {
        wanted.iter().all(|wanted| {
            self.matchers
                .iter()
                .any(|matcher| matcher.name == wanted.name && wanted.matches(&matcher.value))
        })
    }

    fn cells(&self) -> [String; 6] {
        let matchers = self.matchers.iter().map(|matcher| {
            let op = match (matcher.is_regex, matcher.is_equal) {
                (false, true) => "=",
                (false, false) => "!=",
                (true, true) => "=~",
                (true, false) => "!~",
            };
            format!("{}{op}{:?}", matcher.name, matcher.value)
        });
        [
            self.id.clone(),
            self.status.state.clone(),
            matchers.collect::<Vec<_>>().join(" "),
            self.ends_at.clone(),
            self.created_by.clone(),
            self.comment.clone(),
        ]
        // What others wrote must not move the cursor.
        .map(|text| {
            text.chars()
                .map(|character| if character.is_control() { ' ' } else { character })
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::client::tests::served;
    use crate::http::testing::state;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        silence: SilenceArgs,
    }

    async fn ran(words: &[&str], server: &ServerArgs) -> (i32, String) {
        let words = [&["silence"], words, &["--server", &server.server]].concat();
        let mut out = Vec::new();
        let command = Command::try_parse_from(words).expect("the command's grammar");
        let code = run(command.silence, &mut out).await.expect("it runs");
        (code, String::from_utf8(out).expect("text"))
    }

    #[tokio::test]
    async fn a_silence_is_added_listed_and_ended() {
        let (server, _stop) = served(state());
        let add = [
            "add",
            "service=checkout",
            "slo=~\"req.*\"",
            "SLOBurn",
            "-d",
            "2h",
            "-c",
            "deploy",
            "-a",
            "me",
        ];
        let (code, id) = ran(&add, &server).await;
        assert_eq!(code, 0);
        let (_, table) = ran(&["query"], &server).await;
        let row = table
            .lines()
            .nth(1)
            .expect("a row")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let matchers = "service=\"checkout\" slo=~\"req.*\" alertname=\"SLOBurn\"";
        assert_eq!(
            row,
            format!("{} active {matchers} 2026-11-21T10:00:08Z me deploy", id.trim())
        );

        assert_eq!(ran(&["query", "-q", "service=checkout"], &server).await.1, id);
        assert_eq!(ran(&["query", "-q", "service=other"], &server).await.1, "");
        assert_eq!(ran(&["expire", id.trim()], &server).await.0, 0);
        assert_eq!(ran(&["query", "-q"], &server).await.1, "");
        assert_eq!(ran(&["query", "-q", "--expired"], &server).await.1, id);
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_exit_code_1() {
        let (server, _stop) = served(state());
        assert_eq!(ran(&["add", "service=", "-c", "all", "-a", "me"], &server).await.0, 1);
        assert_eq!(ran(&["expire", "no/such"], &server).await.0, 1);
    }

    #[test]
    fn what_is_no_matcher_is_named() {
        for text in ["", "=x", "a=~\"(\"", "a b=c"] {
            assert!(read_matchers(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
