//! For CI servers: GitHub's annotations and GitLab's code quality report.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::files::Checked;
use crate::domain::digest::hex;
use crate::spec::codes::Severity;
use crate::spec::diagnostic::Diagnostic;

/// Workflow commands, which GitHub shows at their lines.
pub(super) fn github(out: &mut dyn Write, checked: &[Checked], notes: bool) -> io::Result<()> {
    for found in checked.iter().flat_map(|file| &file.diagnostics) {
        let command = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note if notes => "notice",
            Severity::Note => continue,
        };
        writeln!(
            out,
            "::{command} file={},line={},col={},endColumn={},title={}::{}",
            property(&found.file),
            found.line,
            found.column,
            found.end_column(),
            found.code,
            data(&told(found))
        )?;
    }
    Ok(())
}

/// A list of issues as GitLab's merge requests show them.
pub(super) fn gitlab(out: &mut dyn Write, checked: &[Checked]) -> io::Result<()> {
    // The same finding twice in a file needs two fingerprints, and a moved line must not change them.
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut issues: Vec<Value> = Vec::new();
    for found in checked.iter().flat_map(|file| &file.diagnostics) {
        let about = format!("{}\0{}\0{}", found.file, found.code, found.message);
        let before = seen.entry(about.clone()).or_default();
        let fingerprint = hex(&Sha256::digest(format!("{about}\0{before}")));
        *before += 1;
        issues.push(json!({
            "description": told(found),
            "check_name": found.code,
            "fingerprint": fingerprint,
            "severity": match found.severity {
                Severity::Error => "blocker",
                Severity::Warning => "minor",
                Severity::Note => "info",
            },
            "location": {"path": found.file, "lines": {"begin": found.line}},
        }));
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

/// Message and hint.
fn told(found: &Diagnostic) -> String {
    let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", found.message)
}

/// The text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
