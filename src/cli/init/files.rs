//! The texts that are written: `nines.yml`, and a file of SLOs.

use super::look::{What, selector};
use super::measure::Measured;
use super::server::{NAME, Written};
use crate::cli::visible;

/// The configuration.
pub(super) const CONFIG: &str = "nines.yml";
/// The file of SLOs.
pub(super) const SLOS: &str = "slos/first.yaml";

/// An SLO for whoever has none of the known metrics.
const EXAMPLE: &str = "\
# None of the metrics that `nines init` knows is on the server, so no SLO was written. This is one; write it to
# slos/first.yaml, with your own metric:
#
# version: nines/v1
# service: shop
# slos:
#   - name: availability
#     # Percent of the events that shall be good.
#     objective: 99
#     window: 30d
#     indicator:
#       source: main
#       # All events, and the bad ones among them: counters, as PromQL selects them.
#       total: 'orders_total{job=\"shop\"}'
#       bad: 'orders_total{job=\"shop\",result=\"error\"}'
";

/// `nines.yml`, with an example of an SLO where none was found.
pub(super) fn config(server: &Written, with_example: bool) -> String {
    let example = if with_example {
        format!("\n{EXAMPLE}")
    } else {
        String::new()
    };
    format!(
        "\
# Written by `nines init`. `nines check {CONFIG}` tells what is wrong in this file and in the SLOs that it names.

# Servers that are asked for what they have scraped. SLOs name one as `source`.
prometheus_servers:
{lines}    # Data are asked for when they are so old: late samples are there by then.
    query_offset: 1m
    # How often each SLO is read.
    interval: 1m
    # Questions at the same time, and in a second: what the server is burdened with at most.
    max_concurrency: 4
    queries_per_second: 20

# Files, folders and globs with SLOs, relative to this file.
slo_files: ['slos/*.yaml']

# Where counts and budgets are kept: a file relative to the working directory, or postgres://user@host/database.
storage: {{url: 'sqlite:nines.db'}}

# Who is told when a budget burns. Without a receiver alerts are shown, and nobody is called. Remove the `#` of one:
# receivers:
#   - name: oncall
#     webhook_configs:
#       - {{url: 'https://hooks.example.org/nines'}}
#   - name: mail
#     email_configs:
#       - {{to: 'oncall@example.org', from: 'nines@example.org', smarthost: 'smtp.example.org:587'}}
{example}",
        lines = server.lines,
    )
}

/// The SLOs, a document for each service.
pub(super) fn slos(server: &Written, measured: &[Measured]) -> String {
    let mut parts = vec![format!(
        "\
# Written by `nines init` from what it found on {}.
# Objectives are proposals: the highest of 99.99, 99.95, 99.9, 99.5, 99, 98, 95 and 90 that was met. What people need may be
# something else. With nothing else said, a burning budget calls as the SRE workbook has it; `alerting` changes that.
",
        server.shown_url
    )];
    let mut services: Vec<&str> = Vec::new();
    for slo in measured {
        if !services.contains(&slo.proposal.service.as_str()) {
            services.push(&slo.proposal.service);
        }
    }
    for (number, service) in services.into_iter().enumerate() {
        if number > 0 {
            parts.push("---\n".to_owned());
        }
        parts.push(format!("version: nines/v1\nservice: {}\nslos:\n", name(service)));
        parts.extend(measured.iter().filter(|slo| slo.proposal.service == service).map(one));
    }
    parts.concat()
}

fn one(slo: &Measured) -> String {
    let indicator = match &slo.proposal.what {
        What::Ratio { total, bad } => format!("      total: {}\n      bad: {}\n", quoted(total), quoted(bad)),
        What::Boolean { gauge } => format!("      boolean: {}\n", quoted(gauge)),
        What::Latency { histogram, matchers } => format!(
            "      latency: {}\n      # One of the histogram's own bounds; about 99 % of the requests are below it.\n      threshold: {}\n",
            quoted(&selector(histogram, matchers.clone())),
            slo.threshold.as_deref().unwrap_or_default()
        ),
    };
    format!(
        "  - name: {name}
    # {remark}
    objective: {objective}
    window: 30d
    indicator:
      source: {NAME}
{indicator}",
        name = slo.proposal.name,
        remark = visible(&slo.remark),
        objective = slo.objective,
    )
}

/// A service's name, in quotes where YAML would take it for something else.
fn name(service: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = WORDS.contains(&service.to_ascii_lowercase().as_str());
    if service.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_word {
        service.to_owned()
    } else {
        quoted(service)
    }
}

/// A text as a scalar of YAML that means this text, whatever it is.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
