//! `JUnit`'s XML: each file is a suite, each error a failed case.

use std::io::{self, Write};

use super::files::Checked;
use crate::spec::codes::Severity;
use crate::spec::diagnostic::Diagnostic;

/// Writes a suite for each file; where `warnings_fail`, warnings are failures too.
pub(super) fn write(out: &mut dyn Write, checked: &[Checked], warnings_fail: bool) -> io::Result<()> {
    let fails = |found: &&Diagnostic| {
        found.severity == Severity::Error || (warnings_fail && found.severity == Severity::Warning)
    };
    let failures = |file: &Checked| file.diagnostics.iter().filter(fails).count();
    let failed: usize = checked.iter().map(failures).sum();
    let tests: usize = checked.iter().map(|file| failures(file).max(1)).sum();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="nines check" tests="{tests}" failures="{failed}">"#
    )?;
    for file in checked {
        let (name, failed) = (escaped(&file.file), failures(file));
        let tests = failed.max(1);
        writeln!(
            out,
            r#"  <testsuite name="{name}" tests="{tests}" failures="{failed}" errors="0" skipped="0">"#
        )?;
        if failed == 0 {
            writeln!(out, r#"    <testcase classname="{name}" name="{name} is valid"/>"#)?;
        }
        for found in file.diagnostics.iter().filter(fails) {
            let place = format!("{} {}:{}", found.code, found.line, found.column);
            writeln!(out, r#"    <testcase classname="{name}" name="{}">"#, escaped(&place))?;
            writeln!(
                out,
                r#"      <failure type="{}" message="{}">{}</failure>"#,
                found.code,
                escaped(&found.message),
                escaped(&found.full())
            )?;
            writeln!(out, "    </testcase>")?;
        }
        let told: Vec<String> = file
            .diagnostics
            .iter()
            .filter(|found| !fails(found))
            .map(|found| format!("{}: {}", found.severity.word(), found.concise()))
            .collect();
        if !told.is_empty() {
            writeln!(out, "    <system-out>{}</system-out>", escaped(&told.join("\n")))?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// A text between tags or in an attribute. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
