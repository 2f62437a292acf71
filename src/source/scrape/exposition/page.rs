//! A whole page, line by line.

use std::borrow::Cow;

use memchr::memchr;

use super::line::{RawSample, parse_sample};
use super::series::{closing_brace, name_end, quoted_metric};
use super::{Fault, Format, FormatError, skip_blanks};

/// Takes what a page holds.
pub trait Sink {
    /// Whether samples of this metric are wanted; asked once for each run of lines with the same name.
    fn wants(&mut self, metric: &str) -> bool;
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

/// Reads a page and gives back how many samples it held. A line that is wanted and not understood fails the page: a
/// series that is silently lost would distort the counts. So does an OpenMetrics page without `# EOF`: it was cut.
pub fn scan(text: &str, framing: Framing, sink: &mut impl Sink) -> Result<u64, FormatError> {
    let mut scan = Scan {
        format: framing.format,
        sink,
        samples: 0,
        last: ("", false),
    };
    let bytes = text.as_bytes();
    let (mut at, mut number, mut ended) = (0, 0_u32, false);
    while at < bytes.len() {
        number = number.saturating_add(1);
        if ended {
            return Err(Fault::new(0, "nothing may follow `# EOF`").on_line(number, ""));
        }
        let newline = memchr(b'\n', &bytes[at..]);
        let end = newline.map_or(bytes.len(), |length| at + length);
        if newline.is_none() && !framing.whole {
            let cut = Fault::new(end - at, "the page ends within a line, so it was cut");
            return Err(cut.on_line(number, &text[at..end]));
        }
        let line = text[at..end].strip_suffix('\r').unwrap_or(&text[at..end]);
        ended = scan.line(line, number)?;
        at = end + 1;
    }
    if framing.format == Format::OpenMetrics && !ended {
        let cut = Fault::new(0, "the page does not end with `# EOF`, so it was cut");
        return Err(cut.on_line(number.saturating_add(1), ""));
    }
    Ok(scan.samples)
}

struct Scan<'a, 's, S> {
    format: Format,
    sink: &'s mut S,
    samples: u64,
    /// The last plain name and whether it was wanted: lines of one metric stand together.
    last: (&'a str, bool),
}

impl<'a, S: Sink> Scan<'a, '_, S> {
    /// Reads one line; `true` when it ends the page.
    fn line(&mut self, line: &'a str, number: u32) -> Result<bool, FormatError> {
        let bytes = line.as_bytes();
        let begins = skip_blanks(bytes, 0);
        match bytes.get(begins) {
            None => return Ok(false),
            Some(b'#') => return Ok(self.format == Format::OpenMetrics && line.trim_end() == "# EOF"),
            Some(b'{') => self.quoted(line, begins, number)?,
            Some(_) => self.plain(line, begins, number)?,
        }
        Ok(false)
    }

    /// `name{…} 1`
    fn plain(&mut self, line: &'a str, begins: usize, number: u32) -> Result<(), FormatError> {
        let bytes = line.as_bytes();
        let known = begins + self.last.0.len();
        let again = !self.last.0.is_empty()
            && bytes[begins..].starts_with(self.last.0.as_bytes())
            && bytes.get(known).is_some_and(|byte| matches!(byte, b'{' | b' ' | b'\t'));
        let ends = if again { known } else { name_end(bytes, begins) };
        if !again {
            if let Some(message) = unusable_name(bytes, begins, ends) {
                self.sink.warn(Fault::new(ends, message).on_line(number, line));
                return Ok(());
            }
            let name = &line[begins..ends];
            self.last = (name, self.sink.wants(name));
        }
        if self.last.1 {
            return self.wanted(line, begins, ends, number);
        }
        self.samples += 1;
        Ok(())
    }

    /// `{"any name",…} 1`
    fn quoted(&mut self, line: &'a str, begins: usize, number: u32) -> Result<(), FormatError> {
        self.last = ("", false);
        let metric: Cow<'_, str> = match quoted_metric(&line[begins..]) {
            Ok(metric) => metric,
            Err(fault) => {
                self.sink.warn(fault.shifted(begins).on_line(number, line));
                return Ok(());
            }
        };
        if self.sink.wants(&metric) {
            return self.wanted(line, begins, begins, number);
        }
        if closing_brace(line.as_bytes(), begins).is_none() {
            let open = Fault::new(begins, "the labels are not closed with `}` on this line");
            self.sink.warn(open.on_line(number, line));
            return Ok(());
        }
        self.samples += 1;
        Ok(())
    }

    fn wanted(&mut self, line: &'a str, begins: usize, name_end: usize, number: u32) -> Result<(), FormatError> {
        let taken = parse_sample(line, begins, name_end, self.format)
            .and_then(|sample| self.sink.sample(sample, number).map_err(|fault| fault.shifted(begins)));
        taken.map_err(|fault| fault.on_line(number, line))?;
        self.samples += 1;
        Ok(())
    }
}

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
