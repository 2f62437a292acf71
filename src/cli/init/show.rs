//! What `nines init` tells: what was found, what was written, what comes next.

use std::io::{self, Write};
use std::path::Path;

use super::Plan;
use super::known::KNOWN;
use super::server::Written;
use crate::cli::{counted, shown, visible};

/// The table of the proposals, and what people should know besides.
pub(super) fn found(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    if plan.found.metrics.is_empty() && plan.measured.is_empty() && plan.found.notes.is_empty() {
        writeln!(out, "The server has none of the metrics that were looked for:\n")?;
        for line in lines(&KNOWN.iter().map(|known| known.metric).collect::<Vec<_>>()) {
            writeln!(out, "  {line}")?;
        }
        writeln!(
            out,
            "\nSLOs of any other metric are yours to write: {} has an example.",
            super::files::CONFIG
        )?;
        return Ok(());
    }
    if !plan.found.metrics.is_empty() {
        let mut rows = vec![["METRIC", "KIND", "SERVICES"].map(str::to_owned)];
        rows.extend(plan.found.metrics.iter().map(|(known, services)| {
            let kind = known.kind.word().to_owned();
            [known.metric.to_owned(), kind, services.to_string()]
        }));
        table(out, &rows)?;
        writeln!(out)?;
    }
    if !plan.measured.is_empty() {
        let mut rows = vec![["SLO", "OBJECTIVE", "WHY"].map(str::to_owned)];
        for slo in &plan.measured {
            let id = format!("{}/{}", slo.proposal.service, slo.proposal.name);
            rows.push([id, format!("{} %", slo.objective), visible(&slo.remark)]);
        }
        table(out, &rows)?;
        writeln!(out)?;
    }
    for note in &plan.found.notes {
        writeln!(out, "note: {}", visible(note))?;
    }
    if plan.left_out > 0 {
        let more = counted(plan.left_out, "more SLO");
        writeln!(
            out,
            "note: {more} could be proposed; --max-slos {}",
            plan.left_out + plan.measured.len()
        )?;
    }
    if !plan.found.notes.is_empty() || plan.left_out > 0 {
        writeln!(out)?;
    }
    Ok(())
}

/// Both files, as a stream of documents.
pub(super) fn print(out: &mut dyn Write, texts: &[(&str, String)]) -> io::Result<()> {
    for (number, (name, text)) in texts.iter().enumerate() {
        let separator = if number > 0 { "---\n" } else { "" };
        write!(out, "{separator}# {name}\n{text}")?;
    }
    out.flush()
}

/// What was written, and the commands that come next.
pub(super) fn next(out: &mut dyn Write, folder: &Path, names: &[&str], written: &Written) -> io::Result<()> {
    let paths: Vec<String> = names.iter().map(|name| shown(&folder.join(name))).collect();
    writeln!(out, "Wrote {}.", paths.join(" and "))?;
    writeln!(out, "\nNext:")?;
    for (name, _) in &written.variables {
        writeln!(
            out,
            "  export {name}=…    # what was given to nines init; the file refers to it"
        )?;
    }
    let config = in_shell(paths.first().map_or("", String::as_str));
    writeln!(out, "  nines check {config}")?;
    writeln!(out, "  nines serve --config.file={config}")?;
    out.flush()
}

/// A path as a shell takes it for one word.
fn in_shell(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// Columns that are as wide as they must be; the last one is not padded.
fn table(out: &mut dyn Write, rows: &[[String; 3]]) -> io::Result<()> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    for [a, b, c] in rows {
        writeln!(out, "{a:first$}  {b:second$}  {c}")?;
    }
    Ok(())
}

/// Words in lines that fit a terminal.
fn lines(words: &[&str]) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() + 2 <= WIDTH => line.extend([", ", word]),
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}
