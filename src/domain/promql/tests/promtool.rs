//! The verdicts of Prometheus's own `promtool` on the same texts.
//!
//! Runs where `NINES_PROMTOOL` names the program (2.42 or later); `NINES_QUERIES` may name a JSON list of more texts.

use std::fmt::Write;
use std::process::Command;

use super::{INVALID, VALID, parse};
use crate::domain::promql::TEMPLATE;

/// Which of these texts promtool refuses, by their position.
fn refused(promtool: &str, texts: &[String]) -> Vec<usize> {
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    for (position, text) in texts.iter().enumerate() {
        let quoted = serde_json::to_string(text).expect("a text");
        writeln!(rules, "  - {{record: \"r{position}\", expr: {quoted}}}").expect("a text");
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), rules).expect("a temporary file");
    let output = Command::new(promtool)
        .args(["check", "rules"])
        .arg(file.path())
        .output()
        .expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let is_refused = |position: &usize| said.contains(&format!("\"r{position}\""));
    (0..texts.len()).filter(is_refused).collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what is installed"
)]
fn promtool_takes_and_refuses_the_same() {
    let Ok(promtool) = std::env::var("NINES_PROMTOOL") else {
        eprintln!("skipped: NINES_PROMTOOL is not set");
        return;
    };
    let more = std::env::var("NINES_QUERIES").ok();
    let more = more.and_then(|path| std::fs::read(path).ok());
    let more: Vec<String> = more
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default();
    let own = VALID.iter().map(|case| case.0).chain(INVALID.iter().map(|case| case.0));
    // A rule without an expression is refused for another reason.
    let texts = own.filter(|text| !text.is_empty()).map(ToOwned::to_owned).chain(more);
    let texts: Vec<_> = texts
        .map(|text| text.replace("{{ .window }}", "5m").replace(TEMPLATE, "5m"))
        .collect();
    let theirs = refused(&promtool, &texts);
    let mut different = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        let ours = parse(text);
        if ours.is_err() != theirs.contains(&position) {
            different.push(format!("{text:?}: {ours:?}"));
        }
    }
    eprintln!(
        "{} texts, {} refused by promtool, {} differ",
        texts.len(),
        theirs.len(),
        different.len()
    );
    assert!(different.is_empty(), "{}", different.join("\n"));
}
