//! How a verdict is shown: as text for people, as JSON for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cli::visible;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{ProbeAttempt, Verdict};
use crate::source::probe::settings::ProbeModule;

/// How wide the bar of an attempt is, in characters.
const BAR: f64 = 40.0;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Measures that are worth a line of their own, and what they are called.
const FACTS: [(&str, &str); 12] = [
    ("probe_http_status_code", "status"),
    ("probe_http_version", "http version"),
    ("probe_http_redirects", "redirects"),
    ("probe_http_uncompressed_body_length", "body bytes"),
    ("probe_tls_version_info", "tls version"),
    ("probe_tls_cipher_info", "tls cipher"),
    ("probe_dns_answer_rrs", "answers"),
    ("probe_dns_serial", "serial"),
    ("probe_icmp_reply_hop_limit", "hop limit"),
    ("probe_grpc_status_code", "grpc status"),
    ("probe_websocket_status_code", "status"),
    ("probe_expect_info", "expected"),
];

/// For people: the verdict, each attempt as a waterfall of its phases, then what was seen.
pub(super) fn write_text(
    out: &mut dyn Write,
    verdict: &Verdict,
    module: &str,
    target: &str,
    now: Timestamp,
) -> io::Result<()> {
    let took = ms(verdict.took);
    let outcome = verdict.outcome.word();
    writeln!(
        out,
        "{} ({module}): {outcome}, {}, {took}",
        visible(target),
        verdict.reason.word()
    )?;
    if !verdict.detail.is_empty() {
        writeln!(out, "  {}", visible(&verdict.detail))?;
    }
    let several = verdict.attempts.len() > 1;
    for (number, attempt) in verdict.attempts.iter().enumerate() {
        if several {
            let reason = attempt.reason.word();
            writeln!(
                out,
                "\nattempt {}: {}, {reason}, {}",
                number + 1,
                attempt.outcome.word(),
                ms(attempt.took)
            )?;
        } else {
            writeln!(out)?;
        }
        write_attempt(out, attempt)?;
    }
    write_facts(out, verdict, now)
}

fn write_attempt(out: &mut dyn Write, attempt: &ProbeAttempt) -> io::Result<()> {
    if let Some(address) = attempt.address {
        writeln!(out, "  {:<12} {address}", "address")?;
    }
    let whole = attempt.phases.iter().map(|(_, took)| took.as_secs_f64()).sum::<f64>();
    let scale = |seconds: f64| {
        if whole > 0.0 {
            (seconds / whole * BAR).round() as usize
        } else {
            0
        }
    };
    let mut before = 0.0;
    for (phase, took) in &attempt.phases {
        let (begin, end) = (scale(before), scale(before + took.as_secs_f64()));
        before += took.as_secs_f64();
        let bar = "█".repeat(end.saturating_sub(begin).max(1));
        writeln!(
            out,
            "  {:<12} {:>10}  {}{bar}",
            phase.word(),
            ms(*took),
            " ".repeat(begin)
        )?;
    }
    Ok(())
}

fn write_facts(out: &mut dyn Write, verdict: &Verdict, now: Timestamp) -> io::Result<()> {
    let mut facts: Vec<(&str, String)> = Vec::new();
    for (name, word) in FACTS {
        let Some(measure) = verdict.measures.iter().find(|measure| measure.name == name) else {
            continue;
        };
        let labels: Vec<&str> = measure.labels.iter().map(|(_, value)| value.as_str()).collect();
        let value = if labels.is_empty() {
            measure.value.to_string()
        } else {
            labels.join(" ")
        };
        facts.push((word, value));
    }
    if let Some(seen) = verdict.tls {
        for (what, ends) in [("certificate", seen.leaf_not_after), ("chain", seen.chain_not_after)] {
            if let Some(ends) = ends {
                let days = (ends.0 - now.0).div_euclid(DAY_MS);
                let left = match days {
                    ..0 => "ended".to_owned(),
                    days => format!("{days} days left"),
                };
                facts.push((what, format!("until {ends} ({left})")));
            }
        }
    }
    if !facts.is_empty() {
        writeln!(out)?;
    }
    for (word, value) in facts {
        writeln!(out, "  {word:<12} {}", visible(&value))?;
    }
    Ok(())
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// For programs.
pub(super) fn as_json(verdict: &Verdict, module: &ProbeModule, target: &str, timeout: Duration) -> Value {
    let attempt = |attempt: &ProbeAttempt| {
        let phases: Map<String, Value> = attempt
            .phases
            .iter()
            .map(|(phase, took)| (phase.word().to_owned(), json!(took.as_secs_f64())))
            .collect();
        json!({
            "outcome": attempt.outcome.word(),
            "reason": attempt.reason.word(),
            "detail": attempt.detail,
            "address": attempt.address.map(|address| address.to_string()),
            "seconds": attempt.took.as_secs_f64(),
            "phases": phases,
        })
    };
    let measure = |measure: &crate::domain::verdict::Measure| {
        let labels: Map<String, Value> = measure
            .labels
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value)))
            .collect();
        json!({"name": measure.name, "labels": labels, "value": measure.value})
    };
    let ends = |ends: Option<Timestamp>| ends.map(|ends| ends.to_string());
    json!({
        "target": target,
        "module": module.name,
        "prober": module.kind().word(),
        "outcome": verdict.outcome.word(),
        "reason": verdict.reason.word(),
        "detail": verdict.detail,
        "seconds": verdict.took.as_secs_f64(),
        "timeout": timeout.as_secs_f64(),
        "attempts": verdict.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "measures": verdict.measures.iter().map(measure).collect::<Vec<_>>(),
        "tls": verdict.tls.map(|seen| json!({
            "leaf_not_after": ends(seen.leaf_not_after),
            "earliest_not_after": ends(seen.earliest_not_after),
            "chain_not_after": ends(seen.chain_not_after),
        })),
    })
}
