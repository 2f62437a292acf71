//! For programs: one JSON object, described in `docs/cli.md`.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::files::{Checked, Totals};
use crate::spec::diagnostic::Diagnostic;

/// Writes all files and the summary as one object.
pub(super) fn write(out: &mut dyn Write, checked: &[Checked], totals: &Totals) -> io::Result<()> {
    let mut formats = Map::new();
    for (kind, count) in &totals.formats {
        let marker = kind.marker().unwrap_or("unknown");
        let before = formats.get(marker).and_then(Value::as_u64).unwrap_or_default();
        formats.insert(marker.to_owned(), json!(before + *count as u64));
    }
    let report = json!({
        "files": checked.iter().map(file).collect::<Vec<_>>(),
        "summary": {
            "files": totals.files,
            "invalid": totals.invalid,
            "errors": totals.errors,
            "warnings": totals.warnings,
            "notes": totals.notes,
            "slos": totals.slos,
            "formats": formats,
        },
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn file(file: &Checked) -> Value {
    json!({
        "file": file.file,
        "format": file.kind.marker(),
        "valid": file.is_valid(),
        "slos": file.slos.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        "diagnostics": file.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    })
}

/// One finding.
fn diagnostic(found: &Diagnostic) -> Value {
    json!({
        "code": found.code,
        "severity": found.severity.word(),
        "message": found.message,
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "end_column": found.end_column(),
        "hint": found.hint,
        "snippet": found.snippet,
    })
}
