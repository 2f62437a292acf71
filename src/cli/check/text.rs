//! For people: findings with their source lines, or one line for each.

use std::io::{self, Write};

use super::files::{Checked, Totals};
use crate::cli::counted;
use crate::spec::codes::{self, Severity};
use crate::spec::diagnostic::Diagnostic;

/// More codes than this are no help at the end of a list.
const EXPLAINED_MAX: usize = 5;

/// What is shown, and how.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// With a terminal's colours.
    pub colours: bool,
    /// With the notes.
    pub notes: bool,
}

/// Every file with its findings and their source lines, and a summary.
pub(super) fn full(out: &mut dyn Write, checked: &[Checked], totals: &Totals, style: Style) -> io::Result<()> {
    for file in checked {
        write_file(out, file, style)?;
    }
    writeln!(out, "\n{}", summary(totals))?;
    let mut codes: Vec<&str> = Vec::new();
    for found in checked.iter().flat_map(|file| &file.diagnostics) {
        if found.is_error() && !codes.contains(&found.code) && codes.len() < EXPLAINED_MAX {
            codes.push(found.code);
        }
    }
    if codes.is_empty() {
        return Ok(());
    }
    writeln!(out, "To learn more: nines explain {}", codes.join(" "))
}

/// One line for each finding.
pub(super) fn concise(out: &mut dyn Write, checked: &[Checked], style: Style) -> io::Result<()> {
    checked
        .iter()
        .flat_map(|file| &file.diagnostics)
        .filter(|found| style.notes || found.severity != Severity::Note)
        .try_for_each(|found| writeln!(out, "{}", found.concise()))
}

fn write_file(out: &mut dyn Write, file: &Checked, style: Style) -> io::Result<()> {
    writeln!(out, "Checking {}", file.file)?;
    let (notes, found): (Vec<&Diagnostic>, Vec<&Diagnostic>) = file
        .diagnostics
        .iter()
        .partition(|found| found.severity == Severity::Note);
    let errors = found.iter().filter(|found| found.is_error()).count();
    let warnings = found.len() - errors;
    let warnings = if warnings > 0 {
        format!(", {}", counted(warnings, "warning"))
    } else {
        String::new()
    };
    let paint = |style_of: &str, word: &str| {
        if style.colours {
            format!("\u{1b}[{style_of}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        }
    };
    if errors > 0 {
        let failed = paint("1;31", "FAILED");
        writeln!(out, "  {failed}: {}{warnings}", counted(errors, "error"))?;
    } else {
        let success = paint("1;32", "SUCCESS");
        writeln!(out, "  {success}: {}{warnings}", file.contents)?;
    }
    for found in &found {
        write!(out, "{}", found.draw(style.colours))?;
    }
    if notes.is_empty() || !style.notes {
        return Ok(());
    }
    let about = if notes.iter().all(|note| note.code == codes::NOT_CARRIED.code) {
        format!(" of what is not carried from {}", file.kind.name())
    } else {
        String::new()
    };
    writeln!(out, "  {}{about}:", counted(notes.len(), "note"))?;
    notes
        .iter()
        .try_for_each(|note| writeln!(out, "    {}", note.concise()))
}

/// `Found 2 errors, 1 warning in 1 of 2 files (4 SLOs: 3 Sloth, 1 Pyrra).`
fn summary(totals: &Totals) -> String {
    let slos = counted(totals.slos, "SLO");
    let slos = match totals.formats.as_slice() {
        [] => slos,
        [(kind, _)] if kind.name() == "nines" => slos,
        formats => {
            let formats = formats.iter().map(|(kind, count)| format!("{count} {}", kind.name()));
            format!("{slos}: {}", formats.collect::<Vec<_>>().join(", "))
        }
    };
    let mut found = match totals.errors {
        0 => "no errors".to_owned(),
        errors => counted(errors, "error"),
    };
    for (number, word) in [(totals.warnings, "warning"), (totals.notes, "note")] {
        if number > 0 {
            found = format!("{found}, {}", counted(number, word));
        }
    }
    let files = counted(totals.files, "file");
    if totals.touched == 0 {
        return format!("Found {found} in {files} ({slos}).");
    }
    format!("Found {found} in {} of {files} ({slos}).", totals.touched)
}
