//! `nines status`: the SLOs of a running nines as a table, and a gate for deployments.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use anyhow::Context;
use clap::{Args, ValueEnum};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, ClientError, ServerArgs, report};
use crate::domain::matcher::Matcher;
use crate::domain::selector_parser::parse_matcher;
use crate::domain::time::{Timestamp, parse_duration};
use crate::http::format;

const UNKNOWN: &str = "-";

/// Show the SLOs of a running nines, the worst first
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines status\n  nines status team=payments --fail-on exhausted,page   # a gate before a deploy"
)]
pub struct StatusArgs {
    /// Which server is asked
    #[command(flatten)]
    pub server: ServerArgs,
    /// Only SLOs with these labels: team=payments, 'service=~"shop.*"'
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Exit with 1 when an SLO is so, or has such an alert firing (`at_risk` includes exhausted)
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE")]
    pub fail_on: Vec<FailOn>,
    /// How to write it
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: Output,
}

/// What makes the command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum FailOn {
    /// No budget is left.
    Exhausted,
    /// Less than a fifth of the budget is left, or nothing.
    AtRisk,
    /// The window holds no events.
    NoData,
    /// A page fires.
    Page,
    /// A ticket fires.
    Ticket,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// As the API gives it.
    Json,
}

#[derive(Deserialize)]
struct Slo {
    id: Option<String>,
    service: Option<String>,
    name: Option<String>,
    #[serde(default)]
    group: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    state: String,
    spec: String,
    objective: Option<f64>,
    objective_text: Option<String>,
    window: Option<BTreeMap<String, String>>,
    as_of: Option<String>,
    sli: Option<f64>,
    error_budget: Option<Budget>,
    burn_rates: Option<BTreeMap<String, Option<f64>>>,
    exhausts_at: Option<String>,
    #[serde(default)]
    alerts: Vec<Alert>,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
    file: Option<String>,
}

#[derive(Deserialize)]
struct Budget {
    remaining_ratio: Option<f64>,
}

#[derive(Deserialize)]
struct Alert {
    severity: String,
    state: String,
}

#[derive(Deserialize)]
struct Condition {
    severity: String,
    long: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    code: String,
    message: String,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
}

/// Runs the command; the exit code is 0, 1 with `--fail-on`, or 4 when the server cannot be reached.
pub async fn run(args: StatusArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let matchers = args
        .matchers
        .iter()
        .map(|text| parse_matcher(text).with_context(|| format!("{text:?} is no matcher")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let all = match fetch(&Client::new(&args.server)?).await {
        Ok(all) => all,
        Err(error) => return Ok(report(&error)),
    };
    let mut slos = Vec::new();
    for value in all {
        let slo: Slo = serde_json::from_value(value.clone()).context("the server's answer is none of nines")?;
        if slo.is_like(&matchers) {
            slos.push((slo, value));
        }
    }
    slos.sort_by_key(|(slo, _)| (slo.rank(), slo.id.clone()));
    match args.output {
        Output::Json => {
            let values: Vec<&Value> = slos.iter().map(|(_, value)| value).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&json!({"slos": values}))?)?;
        }
        Output::Table => write_table(&slos.iter().map(|(slo, _)| slo).collect::<Vec<_>>(), out)?,
    }
    if slos.is_empty() && !(args.matchers.is_empty() && args.fail_on.is_empty()) {
        // A gate that looks at nothing must not open.
        eprintln!("no SLO matches; `nines status` without matchers lists all");
        return Ok(1);
    }
    let fails = slos
        .iter()
        .any(|(slo, _)| args.fail_on.iter().any(|what| slo.is(*what)));
    Ok(i32::from(fails))
}

/// All pages of the list.
async fn fetch(client: &Client) -> Result<Vec<Value>, ClientError> {
    let mut all = Vec::new();
    let mut path = "api/v1/slos?limit=1000".to_owned();
    loop {
        let mut page = client.get(&path).await?;
        if let Value::Array(slos) = page["data"]["slos"].take() {
            all.extend(slos);
        }
        match page["data"]["next_token"].as_str() {
            Some(token) => path = format!("api/v1/slos?limit=1000&next_token={token}"),
            None => return Ok(all),
        }
    }
}

impl Slo {
    fn is_like(&self, matchers: &[Matcher]) -> bool {
        let value = |name: &str| match name {
            "service" => self.service.clone().unwrap_or_default(),
            "slo" => self.name.clone().unwrap_or_default(),
            _ => self
                .group
                .get(name)
                .or_else(|| self.labels.get(name))
                .cloned()
                .unwrap_or_default(),
        };
        matchers.iter().all(|matcher| matcher.matches(&value(&matcher.name)))
    }

    /// The word that is shown; a document that never loaded is invalid, whatever its budget.
    fn word(&self) -> String {
        if self.objective.is_none() {
            "INVALID".to_owned()
        } else if self.spec == "paused" {
            "PAUSED".to_owned()
        } else {
            self.state.to_uppercase().replace('_', " ")
        }
    }

    fn rank(&self) -> u8 {
        match (self.objective, self.state.as_str()) {
            (None, _) => 3,
            (_, "exhausted") => 0,
            _ if self.fires("page") => 1,
            (_, "at_risk") => 2,
            _ if self.spec == "paused" => 5,
            (_, "no_data") => 4,
            _ => 6,
        }
    }

    fn fires(&self, severity: &str) -> bool {
        self.alerts
            .iter()
            .any(|alert| alert.severity == severity && alert.state == "firing")
    }

    fn is(&self, what: FailOn) -> bool {
        match what {
            FailOn::Exhausted => self.state == "exhausted",
            FailOn::AtRisk => matches!(self.state.as_str(), "exhausted" | "at_risk"),
            FailOn::NoData => self.state == "no_data",
            FailOn::Page => self.fires("page"),
            FailOn::Ticket => self.fires("ticket"),
        }
    }

    fn window(&self) -> String {
        self.window
            .iter()
            .flat_map(BTreeMap::values)
            .next()
            .cloned()
            .unwrap_or_default()
    }

    /// The long windows of the conditions that page, shortest first.
    fn burn_windows(&self) -> Vec<&str> {
        let pages = self.conditions.iter().filter(|condition| condition.severity == "page");
        let mut windows: Vec<&str> = pages.map(|condition| condition.long.as_str()).collect();
        windows.sort_by_key(|window| parse_duration(window).unwrap_or_default());
        windows.dedup();
        windows
    }

    /// One line; windows stand in it where the head of the column cannot name them for all.
    fn cells(&self, names_window: bool, names_burn: bool) -> [String; 8] {
        let unknown = || UNKNOWN.to_owned();
        let rates = self.burn_windows().into_iter().map(|window| {
            let rate = self
                .burn_rates
                .as_ref()
                .and_then(|rates| rates.get(window).copied().flatten());
            format::rate(rate)
        });
        let rates: Vec<String> = rates.collect();
        let firing: Vec<&str> = ["page", "ticket"]
            .into_iter()
            .filter(|severity| self.fires(severity))
            .collect();
        let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse_rfc3339);
        let exhausts = time(&self.exhausts_at)
            .zip(time(&self.as_of))
            .map(|(at, now)| format::distance(at, now));
        let named = |is_named: bool, text: String| if is_named { format!(" ({text})") } else { String::new() };
        let (sli_window, burn_windows) = (
            named(names_window, self.window()),
            named(names_burn, self.burn_windows().join("/")),
        );
        let ratio = self.error_budget.as_ref().and_then(|budget| budget.remaining_ratio);
        [
            self.word(),
            self.id.clone().or_else(|| self.file.clone()).unwrap_or_else(unknown),
            self.objective_text.clone().unwrap_or_else(unknown),
            self.sli
                .map_or_else(unknown, |sli| format!("{}{sli_window}", format::percent(sli, 3))),
            ratio.map_or_else(unknown, format::budget_percent),
            if rates.is_empty() {
                unknown()
            } else {
                format!("{}{burn_windows}", rates.join(" / "))
            },
            exhausts.unwrap_or_else(unknown),
            if firing.is_empty() {
                unknown()
            } else {
                firing.join(", ")
            },
        ]
        .map(|text| plain(&text))
    }
}

/// Without the signs that only pages have, so that scripts find what they look for, and on one line.
fn plain(text: &str) -> String {
    let text = text.replace('×', "x").replace('−', "-").replace('–', UNKNOWN);
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

fn write_table(slos: &[&Slo], out: &mut dyn Write) -> anyhow::Result<()> {
    let running = || {
        slos.iter()
            .filter(|slo| slo.objective.is_some() && slo.spec != "paused")
    };
    let window = common(running().map(|slo| slo.window()));
    let burn = common(running().map(|slo| slo.burn_windows().join("/")));
    let (names_window, names_burn) = (window.is_none(), burn.is_none());
    let sli = window.map_or("SLI".to_owned(), |window| format!("SLI({window})"));
    let burn = burn.map_or("BURN".to_owned(), |windows| {
        format!("BURN {windows}").trim_end().to_owned()
    });
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["STATE", "SLO", "OBJECTIVE", &sli, "BUDGET", &burn, "EXHAUSTS", "ALERTS"]);
    for slo in slos {
        table.add_row(slo.cells(names_window, names_burn));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out, "{}", table.trim_fmt())?;
    for line in diagnostics(slos) {
        writeln!(out, "{}", plain(&line))?;
    }
    writeln!(out, "{}", plain(&summary(slos)))?;
    Ok(())
}

/// What is wrong, each once: that of a file stands at each of its SLOs, and at each of their groups.
fn diagnostics(slos: &[&Slo]) -> Vec<String> {
    let mut said = HashSet::new();
    let lines = slos.iter().flat_map(|slo| &slo.diagnostics).map(Diagnostic::line);
    lines.filter(|line| said.insert(line.clone())).collect()
}

/// The value that all of them share.
fn common(mut values: impl Iterator<Item = String>) -> Option<String> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

impl Diagnostic {
    fn line(&self) -> String {
        let numbers = [self.line, self.column].into_iter().flatten();
        let place = numbers.fold(self.file.clone().unwrap_or_default(), |place, number| {
            format!("{place}:{number}")
        });
        let hint = self.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        let separator = if place.is_empty() { "" } else { ": " };
        format!("{place}{separator}{} {}{hint}", self.code, self.message)
    }
}

fn summary(slos: &[&Slo]) -> String {
    let words = ["EXHAUSTED", "AT RISK", "INVALID", "NO DATA", "PAUSED", "HEALTHY"];
    let counts = words.iter().filter_map(|word| {
        let count = slos.iter().filter(|slo| slo.word() == *word).count();
        (count > 0).then(|| format!("{count} {}", word.to_lowercase()))
    });
    let counts: Vec<String> = counts.collect();
    let head = format!("{} SLO{}", slos.len(), if slos.len() == 1 { "" } else { "s" });
    let head = if counts.is_empty() {
        head
    } else {
        format!("{head}: {}", counts.join(", "))
    };
    let as_of = slos.iter().filter_map(|slo| slo.as_of.as_deref()).max();
    as_of.map_or_else(|| head.clone(), |as_of| format!("{head}   as of {as_of}"))
}

#[cfg(test)]
mod tests;
