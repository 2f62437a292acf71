//! The report of a conversion: what became of each file, and what is lost.

use std::fmt::Write;

use crate::cli::{counted, visible};
use crate::domain::slo::Slo;
use crate::spec::Loaded;
use crate::spec::codes;
use crate::spec::diagnostic::Diagnostic;

/// What became of a file.
pub(super) enum Fate {
    /// So many of its SLOs were written to a place; the writer had no words for the losses.
    Written {
        place: String,
        slos: usize,
        losses: Vec<String>,
        notes: Vec<String>,
    },
    /// The writer had no words for any of its SLOs, for these reasons.
    Unspeakable(Vec<String>),
    /// It has nothing to convert, for this reason.
    Skipped(&'static str),
    /// It does not load.
    Invalid,
    /// What it became cannot be written, for this reason.
    Failed(String),
}

/// The report so far.
#[derive(Default)]
pub(super) struct Report {
    lines: String,
    /// How many SLOs were written, and how many there were to write.
    written: usize,
    slos: usize,
    files: usize,
    losses: usize,
    invalid: usize,
    failed: usize,
}

impl Report {
    /// Adds a file.
    pub fn add(&mut self, file: &Loaded, fate: Fate) {
        let head = format!("{} ({})", file.file, file.kind.name());
        let all = file.slos.len();
        let head = match &fate {
            Fate::Written { place, slos, .. } => format!("{head}: {} -> {place}", of_all(*slos, all)),
            Fate::Unspeakable(_) => format!("{head}: {}, so that no file is written", of_all(0, all)),
            Fate::Skipped(why) => format!("{head}: skipped, {why}"),
            Fate::Invalid => format!("{head}: not converted, it does not load"),
            Fate::Failed(why) => format!("{head}: not written, {why}"),
        };
        self.line(&head);
        match fate {
            Fate::Written {
                slos, losses, notes, ..
            } => {
                self.add_losses(file, slos, &losses);
                for note in notes {
                    self.line(&format!("  note: {}{note}", place_of(&note, file)));
                }
            }
            Fate::Unspeakable(losses) => self.add_losses(file, 0, &losses),
            Fate::Skipped(_) => {}
            Fate::Invalid => {
                self.invalid += 1;
                for found in file.diagnostics.iter().filter(|found| found.is_error()) {
                    self.line(&format!("  error: {}", found.concise()));
                }
            }
            Fate::Failed(_) => self.failed += 1,
        }
    }

    fn add_losses(&mut self, file: &Loaded, written: usize, losses: &[String]) {
        self.files += 1;
        self.written += written;
        self.slos += file.slos.len();
        for found in &file.diagnostics {
            self.losses += usize::from(is_loss(found));
            let word = if is_loss(found) { "lost" } else { found.severity.word() };
            self.line(&format!("  {word}: {}", found.concise()));
        }
        self.losses += losses.len();
        for loss in losses {
            self.line(&format!("  lost: {}{loss}", place_of(loss, file)));
        }
    }

    /// How many things are lost.
    pub fn losses(&self) -> usize {
        self.losses
    }

    /// Something that should have been converted was not.
    pub fn has_failed(&self) -> bool {
        self.invalid + self.failed > 0 || self.written < self.slos
    }

    /// The whole report.
    pub fn text(&self) -> String {
        let lost = match self.losses {
            0 => "nothing is lost".to_owned(),
            1 => "1 thing is lost".to_owned(),
            losses => format!("{losses} things are lost"),
        };
        let mut text = self.lines.clone();
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "Converted {} of {}; {lost}.",
            of_all(self.written, self.slos),
            counted(self.files, "file")
        );
        for (number, word) in [(self.invalid, "does not load"), (self.failed, "could not be written")] {
            if number > 0 {
                let word = if number == 1 {
                    word
                } else {
                    &word.replace("does not", "do not")
                };
                let _ = write!(text, " {} {word}.", counted(number, "file"));
            }
        }
        text.push('\n');
        text
    }

    fn line(&mut self, line: &str) {
        self.lines.push_str(&visible(line));
        self.lines.push('\n');
    }
}

/// `2 SLOs`, or `1 of 2 SLOs`.
fn of_all(some: usize, all: usize) -> String {
    if some == all {
        counted(all, "SLO")
    } else {
        format!("{some} of {}", counted(all, "SLO"))
    }
}

/// Whether this says that something of the file is not in what it becomes.
fn is_loss(found: &Diagnostic) -> bool {
    let lossy = [&codes::NOT_CARRIED, &codes::UNRESOLVED, &codes::MORE_NOTES];
    lossy.iter().any(|code| code.code == found.code)
}

/// Where the SLO stands with whose id a loss begins; else the file.
fn place_of(loss: &str, file: &Loaded) -> String {
    let is_named = |slo: &&Slo| {
        let rest = loss.strip_prefix(&slo.id.to_string());
        rest.is_some_and(|rest| rest.starts_with([':', ' ']))
    };
    match file.slos.iter().find(is_named) {
        Some(slo) => format!("{}:{}: ", file.file, slo.origin.line),
        None => format!("{}: ", file.file),
    }
}
