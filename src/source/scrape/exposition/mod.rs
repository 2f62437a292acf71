//! Prometheus's text format 0.0.4 and OpenMetrics 1.0, read in one pass and without copies.
//!
//! Names come first: of a line whose metric nobody wants, only the name is looked at. [`page`] walks the lines,
//! [`line`] reads one sample, [`series`] its name and labels, [`number`] its value.

mod go_float;
pub mod line;
pub mod number;
pub mod page;
pub mod protobuf;
mod protobuf_histogram;
mod protobuf_series;
pub mod series;
mod wire;

use std::fmt;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text format, version 0.0.4.
    Text,
    /// OpenMetrics text, version 1.0: ends with `# EOF`, timestamps in seconds, exemplars.
    OpenMetrics,
}

/// Where and why a page is not understood. It never quotes the page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FormatError {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub message: &'static str,
}

/// What is wrong within a text, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset into the text.
    pub at: usize,
    /// What is wrong there.
    pub message: &'static str,
}

impl Fault {
    /// A fault at this byte.
    pub(crate) fn new(at: usize, message: &'static str) -> Self {
        Self { at, message }
    }

    /// The same fault, seen from a text that begins `by` bytes earlier.
    pub(crate) fn shifted(self, by: usize) -> Self {
        Self {
            at: self.at + by,
            ..self
        }
    }

    /// The same fault with its place on the page.
    pub(crate) fn on_line(self, number: u32, line: &str) -> FormatError {
        let before = line.bytes().take(self.at);
        let characters = before.filter(|byte| !is_continuation(*byte)).count();
        FormatError {
            line: number,
            column: u32::try_from(characters).unwrap_or(u32::MAX).saturating_add(1),
            message: self.message,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

/// Whether a byte continues a UTF-8 character instead of beginning one.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Whether a byte separates what stands on a line.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The first byte from `at` on that is no blank, or the end.
fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(|byte| !is_blank(*byte))
        .map_or(bytes.len(), |blanks| at + blanks)
}
