//! SARIF 2.1.0, which code scanning and editors read.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::files::Checked;
use crate::spec::codes::{self, Code, Severity};
use crate::spec::diagnostic::Diagnostic;

/// Writes one run with all findings.
pub(super) fn write(out: &mut dyn Write, checked: &[Checked]) -> io::Result<()> {
    let found = checked.iter().flat_map(|file| &file.diagnostics);
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "nines",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes::ALL.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": found.map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.code,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.explanation},
        "help": {"text": format!("{}\n\nAn example: nines explain {}", code.explanation, code.code)},
        "defaultConfiguration": {"level": level(code.severity())},
    })
}

fn result(found: &Diagnostic) -> Value {
    let hint = found.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let mut region = json!({
        "startLine": found.line,
        "startColumn": found.column,
        "endColumn": found.end_column(),
    });
    if let Some(snippet) = &found.snippet {
        region["snippet"] = json!({"text": snippet});
    }
    json!({
        "ruleId": found.code,
        "ruleIndex": codes::ALL.iter().position(|code| code.code == found.code),
        "level": level(found.severity),
        "message": {"text": format!("{}{hint}", found.message)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&found.file)},
            "region": region,
        }}],
    })
}

fn level(severity: Severity) -> &'static str {
    // SARIF's words happen to be ours.
    severity.word()
}

/// A path as a URI: relative ones stay relative, to the folder where nines ran.
fn uri(file: &str) -> String {
    let is_absolute = Path::new(file).is_absolute();
    let mut uri = String::from(if is_absolute { "file://" } else { "" });
    for byte in file.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
