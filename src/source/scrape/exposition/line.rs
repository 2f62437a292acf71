//! One line of a page that holds a sample.

use super::number::{is_milliseconds, is_seconds, parse_value};
use super::series::{check_labels, closing_brace};
use super::{Fault, Format, is_blank, skip_blanks};

/// A sample whose series is still as the page writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawSample<'a> {
    /// Name and labels, byte for byte.
    pub series: &'a str,
    /// Where they begin on the line.
    pub series_at: usize,
    /// The value.
    pub value: f64,
}

/// Reads a line whose metric's name stands from `name_at` to `name_end` (an empty one where it is quoted in the
/// braces). Labels are skipped over, not read; timestamps and exemplars are checked and forgotten. A series that is
/// `expected` to have so many bytes need not even be skipped over.
pub fn parse_sample(
    line: &str,
    name_at: usize,
    name_end: usize,
    expected: Option<usize>,
    format: Format,
) -> Result<RawSample<'_>, Fault> {
    let bytes = line.as_bytes();
    let brace = skip_blanks(bytes, name_end);
    let expected_end = expected.map(|length| name_at + length);
    let series_end = match (bytes.get(brace), expected_end) {
        (Some(b'{'), Some(end)) if end > brace && bytes[end - 1] == b'}' => end,
        (Some(b'{'), _) => closing_brace(bytes, brace)
            .map(|close| close + 1)
            .ok_or_else(|| Fault::new(brace, "the labels are not closed with `}` on this line"))?,
        (Some(_), _) if brace == name_end => {
            return Err(Fault::new(
                name_end,
                "a metric's name must be followed by `{` or a blank",
            ));
        }
        _ => name_end,
    };
    let (value, rest) = token(line, series_end);
    let value_at = rest - value.len();
    if value.is_empty() {
        return Err(Fault::new(value_at, "the value is missing"));
    }
    let value = parse_value(value).ok_or_else(|| Fault::new(value_at, "the value is not a number"))?;
    match format {
        Format::Text => check_text_rest(line, rest)?,
        Format::OpenMetrics => check_open_metrics_rest(line, rest)?,
    }
    Ok(RawSample {
        series: &line[name_at..series_end],
        series_at: name_at,
        value,
    })
}

/// What stands from `at` on up to the next blank, and where it ends.
fn token(line: &str, at: usize) -> (&str, usize) {
    let bytes = line.as_bytes();
    let begins = skip_blanks(bytes, at);
    let length = bytes[begins..].iter().position(|byte| is_blank(*byte));
    let ends = length.map_or(bytes.len(), |length| begins + length);
    (&line[begins..ends], ends)
}

/// The text format has at most a timestamp in milliseconds there.
fn check_text_rest(line: &str, at: usize) -> Result<(), Fault> {
    let (timestamp, rest) = token(line, at);
    if !timestamp.is_empty() && !is_milliseconds(timestamp) {
        return Err(Fault::new(
            rest - timestamp.len(),
            "the timestamp is not a whole number of milliseconds",
        ));
    }
    check_end(line, rest)
}

/// OpenMetrics has at most a timestamp in seconds there, and an exemplar.
fn check_open_metrics_rest(line: &str, at: usize) -> Result<(), Fault> {
    let (mut next, mut rest) = token(line, at);
    if !next.is_empty() && next != "#" {
        if !is_seconds(next) {
            return Err(Fault::new(
                rest - next.len(),
                "the timestamp is not a number of seconds",
            ));
        }
        (next, rest) = token(line, rest);
    }
    match next {
        "" => Ok(()),
        "#" => check_exemplar(line, rest),
        other => Err(Fault::new(
            rest - other.len(),
            "an exemplar or the line's end is expected",
        )),
    }
}

/// `{trace_id="…"} 0.5 1520879607.789`
fn check_exemplar(line: &str, at: usize) -> Result<(), Fault> {
    let bytes = line.as_bytes();
    let open = skip_blanks(bytes, at);
    let close = match bytes.get(open) {
        Some(b'{') => closing_brace(bytes, open),
        _ => None,
    };
    let close = close.ok_or_else(|| Fault::new(open, "an exemplar's labels are expected in braces"))?;
    check_labels(&line[open..=close]).map_err(|fault| fault.shifted(open))?;
    let (value, rest) = token(line, close + 1);
    if parse_value(value).is_none() {
        return Err(Fault::new(rest - value.len(), "an exemplar's value is not a number"));
    }
    let (timestamp, rest) = token(line, rest);
    if !timestamp.is_empty() && !is_seconds(timestamp) {
        return Err(Fault::new(
            rest - timestamp.len(),
            "an exemplar's timestamp is not a number of seconds",
        ));
    }
    check_end(line, rest)
}

fn check_end(line: &str, at: usize) -> Result<(), Fault> {
    let end = skip_blanks(line.as_bytes(), at);
    if end == line.len() {
        return Ok(());
    }
    Err(Fault::new(end, "nothing may follow here"))
}
