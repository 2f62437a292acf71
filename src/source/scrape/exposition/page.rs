//! A page, line by line, as its pieces come.
//!
//! Three ways lead through a line, the quickest first: it continues a run of a metric that nobody wants; it is the
//! series that the last page makes one expect; it has to be read.

use std::borrow::Cow;
use std::{mem, str};

use memchr::{memchr, memrchr};

use super::line::{RawSample, parse_sample};
use super::number::plain_value;
use super::series::{closing_brace, name_end, quoted_metric};
use super::{Fault, Format, FormatError, skip_blanks};

/// A page with a longer line is not read, in bytes: it is what is kept of a page between two pieces.
pub const LINE_BYTES_MAX: usize = 128 * 1024;

/// Takes what a page holds.
pub trait Sink {
    /// Whether samples of this metric are wanted; asked once for each run of lines with the same name.
    fn wants(&mut self, metric: &str) -> bool;
    /// How long the text of the series is that probably comes next, where the line begins with it and a blank behind it.
    fn expects(&self, line: &[u8]) -> Option<usize>;
    /// Takes a value of the expected series, whose metric need not have been asked for.
    fn take_expected(&mut self, value: f64, line: u32);
    /// Takes a sample of the metric that was asked for last. A fault in the series' text fails the page.
    fn sample(&mut self, sample: RawSample<'_>, line: u32) -> Result<(), Fault>;
    /// Takes note of a line that is not understood and whose metric is not wanted.
    fn warn(&mut self, warning: FormatError);
}

/// What is known about a page before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// How it is written.
    pub format: Format,
    /// Its length was known beforehand and kept. Where it was not, a last line without a newline may have lost digits,
    /// and the page is refused.
    pub whole: bool,
}

/// Why a page cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is not text.
    #[error("the page is not UTF-8 at byte {byte}")]
    NotUtf8 {
        /// From 1.
        byte: u64,
    },
}

/// Reads a page in pieces. A line that is wanted and not understood fails the page: a series that is silently lost
/// would distort the counts. So does an OpenMetrics page without `# EOF`: it was cut.
#[derive(Debug)]
pub struct Scanner {
    framing: Framing,
    /// How many samples there were.
    samples: u64,
    /// How many lines and bytes were read.
    lines: u32,
    bytes: u64,
    /// `# EOF` has been read.
    ended: bool,
    /// The last plain name that was read and whether it was wanted: lines of one metric stand together.
    name: String,
    wanted: bool,
    /// The beginning of a line whose end is still to come.
    unfinished: Vec<u8>,
}

impl Scanner {
    /// Before the first piece.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            samples: 0,
            lines: 0,
            bytes: 0,
            ended: false,
            name: String::new(),
            wanted: true,
            unfinished: Vec::new(),
        }
    }

    /// Reads the lines that this piece of the page ends, and keeps the beginning of the next. After an error the page
    /// is lost.
    pub fn feed(&mut self, mut piece: &[u8], sink: &mut impl Sink) -> Result<(), ScanError> {
        if !self.unfinished.is_empty() {
            let Some(newline) = memchr(b'\n', piece) else {
                return self.keep(piece);
            };
            let (end, rest) = piece.split_at(newline + 1);
            self.keep(end)?;
            let mut line = mem::take(&mut self.unfinished);
            self.read_lines(&line, sink)?;
            line.clear();
            self.unfinished = line;
            piece = rest;
        }
        let (lines, rest) = piece.split_at(memrchr(b'\n', piece).map_or(0, |newline| newline + 1));
        self.read_lines(lines, sink)?;
        self.keep(rest)
    }

    /// Reads the last line, where it lacks its newline, and gives back how many samples the page held.
    pub fn finish(&mut self, sink: &mut impl Sink) -> Result<u64, ScanError> {
        let last = mem::take(&mut self.unfinished);
        if !last.is_empty() && !self.framing.whole && !self.ended {
            let line = String::from_utf8_lossy(&last);
            let cut = Fault::new(line.len(), "the page ends within a line, so it was cut");
            return Err(self.fault(cut, &line).into());
        }
        self.read_lines(&last, sink)?;
        if self.framing.format == Format::OpenMetrics && !self.ended {
            let cut = Fault::new(0, "the page does not end with `# EOF`, so it was cut");
            return Err(self.fault(cut, "").into());
        }
        Ok(self.samples)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), ScanError> {
        // The newline may be among them; whether a line without it is too long is seen when it is read.
        if self.unfinished.len() + piece.len() > LINE_BYTES_MAX + 1 {
            return Err(self.fault(TOO_LONG, "").into());
        }
        self.unfinished.extend_from_slice(piece);
        Ok(())
    }

    /// Reads whole lines.
    fn read_lines(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), ScanError> {
        // A character that a newline cuts is broken, so lines can be checked apart from each other.
        let text = str::from_utf8(bytes).map_err(|error| ScanError::NotUtf8 {
            byte: self.bytes + error.valid_up_to() as u64 + 1,
        })?;
        let mut at = 0;
        while at < bytes.len() {
            if self.ended {
                let more = Fault::new(0, "nothing may follow `# EOF`");
                return Err(self.fault(more, "").into());
            }
            if !self.wanted {
                at = self.skip_run(bytes, at);
            }
            at = match self.expected(&bytes[at..], sink) {
                Some(length) => at + length,
                None => self.line(text, at, sink)?,
            };
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Skips the lines from `at` on that belong to the last metric, which is not wanted.
    fn skip_run(&mut self, bytes: &[u8], mut at: usize) -> usize {
        let name = self.name.as_bytes();
        let mut skipped = 0;
        while let Some([b'{' | b' ' | b'\t', rest @ ..]) = bytes[at..].strip_prefix(name) {
            let Some(length) = memchr(b'\n', rest).filter(|length| name.len() + length < LINE_BYTES_MAX) else {
                break;
            };
            at += name.len() + length + 2;
            skipped += 1;
        }
        self.samples += u64::from(skipped);
        self.lines = self.lines.saturating_add(skipped);
        at
    }

    /// Takes the line that begins here when it is the expected series with a plain number behind it and nothing else;
    /// gives back its length, with the newline.
    fn expected(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Option<usize> {
        let expected = sink.expects(bytes)?;
        let (value, length) = plain_value(&bytes[expected + 1..])?;
        let length = expected + 1 + length;
        self.samples += 1;
        self.lines = self.lines.saturating_add(1);
        sink.take_expected(value, self.lines);
        Some(length)
    }

    /// Reads the line that begins at `at`; gives back where the next one begins.
    fn line(&mut self, text: &str, at: usize, sink: &mut impl Sink) -> Result<usize, FormatError> {
        let bytes = text.as_bytes();
        if at == bytes.len() {
            return Ok(at);
        }
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        if end - at > LINE_BYTES_MAX {
            return Err(self.fault(TOO_LONG, ""));
        }
        let line = text[at..end].strip_suffix('\r').unwrap_or(&text[at..end]);
        let begins = skip_blanks(line.as_bytes(), 0);
        match line.as_bytes().get(begins) {
            None => {}
            Some(b'#') => self.ended = self.framing.format == Format::OpenMetrics && line.trim_end() == "# EOF",
            Some(b'{') => self.quoted(line, begins, sink)?,
            Some(_) => self.plain(line, begins, sink)?,
        }
        self.lines = self.lines.saturating_add(1);
        Ok((end + 1).min(bytes.len()))
    }

    /// `name{…} 1`
    fn plain(&mut self, line: &str, begins: usize, sink: &mut impl Sink) -> Result<(), FormatError> {
        let bytes = line.as_bytes();
        let known = begins + self.name.len();
        let again = !self.name.is_empty()
            && bytes[begins..].starts_with(self.name.as_bytes())
            && bytes.get(known).is_some_and(|byte| matches!(byte, b'{' | b' ' | b'\t'));
        let ends = if again { known } else { name_end(bytes, begins) };
        if !again {
            if let Some(message) = unusable_name(bytes, begins, ends) {
                sink.warn(self.fault(Fault::new(ends, message), line));
                return Ok(());
            }
            let name = &line[begins..ends];
            self.name.clear();
            self.name.push_str(name);
            self.wanted = sink.wants(name);
        }
        if self.wanted {
            return self.take(line, begins, ends, sink);
        }
        self.samples += 1;
        Ok(())
    }

    /// `{"any name",…} 1`
    fn quoted(&mut self, line: &str, begins: usize, sink: &mut impl Sink) -> Result<(), FormatError> {
        self.name.clear();
        self.wanted = true;
        let metric: Cow<'_, str> = match quoted_metric(&line[begins..]) {
            Ok(metric) => metric,
            Err(fault) => {
                sink.warn(self.fault(fault.shifted(begins), line));
                return Ok(());
            }
        };
        if sink.wants(&metric) {
            return self.take(line, begins, begins, sink);
        }
        if closing_brace(line.as_bytes(), begins).is_none() {
            let open = Fault::new(begins, "the labels are not closed with `}` on this line");
            sink.warn(self.fault(open, line));
            return Ok(());
        }
        self.samples += 1;
        Ok(())
    }

    fn take(&mut self, line: &str, begins: usize, name_end: usize, sink: &mut impl Sink) -> Result<(), FormatError> {
        let number = self.lines.saturating_add(1);
        let taken = parse_sample(
            line,
            begins,
            name_end,
            sink.expects(&line.as_bytes()[begins..]),
            self.framing.format,
        )
        .and_then(|sample| sink.sample(sample, number).map_err(|fault| fault.shifted(begins)));
        taken.map_err(|fault| self.fault(fault, line))?;
        self.samples += 1;
        Ok(())
    }

    /// A fault in the line that is being read.
    fn fault(&self, fault: Fault, line: &str) -> FormatError {
        fault.on_line(self.lines.saturating_add(1), line)
    }
}

const TOO_LONG: Fault = Fault {
    at: 0,
    message: "the line is longer than 128 KiB",
};

/// Why a line does not begin with a usable name, if so.
fn unusable_name(bytes: &[u8], begins: usize, ends: usize) -> Option<&'static str> {
    if ends == begins {
        return Some("a metric's name is expected");
    }
    match bytes.get(ends) {
        None => Some("the value is missing"),
        Some(b'{' | b' ' | b'\t') => None,
        Some(_) => Some("a metric's name must be followed by `{` or a blank"),
    }
}
