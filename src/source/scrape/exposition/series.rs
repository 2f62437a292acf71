//! A series as a page writes it: `name{label="value"}` or `{"any name",label="value"}`.

use std::borrow::Cow;

use memchr::memchr2;

use super::{Fault, is_blank, skip_blanks};

/// A series with more labels than this is not read.
pub const LABELS_MAX: usize = 256;

/// A series whose text has more bytes than this is not read.
pub const SERIES_BYTES_MAX: usize = 64 * 1024;

/// A label's name and value.
pub type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a series is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedSeries<'a> {
    /// The metric's name.
    pub metric: Cow<'a, str>,
    /// The labels as they stand there; no name twice.
    pub labels: Vec<Label<'a>>,
}

/// Reads the whole text of a series.
pub fn parse_series(text: &str) -> Result<ParsedSeries<'_>, Fault> {
    if text.len() > SERIES_BYTES_MAX {
        return Err(Fault::new(SERIES_BYTES_MAX, "the series is longer than 64 KiB"));
    }
    let bytes = text.as_bytes();
    let name_end = name_end(bytes, 0);
    let open = skip_blanks(bytes, name_end);
    let written = &text[..name_end];
    if open == bytes.len() {
        return Ok(ParsedSeries {
            metric: require_name(written)?,
            labels: Vec::new(),
        });
    }
    if bytes[open] != b'{' {
        return Err(Fault::new(open, "a metric's name must be followed by `{` or a blank"));
    }
    let mut reader = Reader {
        text,
        at: open + 1,
        metric: (name_end > 0).then_some((0, Cow::Borrowed(written))),
    };
    let labels = reader.labels()?;
    Ok(ParsedSeries {
        metric: reader.metric_read(open + 1)?,
        labels,
    })
}

/// The name of the metric of `{"any name",…}`; it may stand behind labels.
pub fn quoted_metric(text: &str) -> Result<Cow<'_, str>, Fault> {
    let mut reader = Reader {
        text,
        at: 1,
        metric: None,
    };
    while reader.metric.is_none() && matches!(reader.next_label(), Ok(Some(_))) {}
    reader.metric_read(skip_blanks(text.as_bytes(), 1))
}

/// Whether the labels in these braces are labels. Twice the same one is not looked for: nobody keeps them.
pub fn check_labels(text: &str) -> Result<(), Fault> {
    let mut reader = Reader {
        text,
        at: 1,
        metric: Some((0, Cow::Borrowed(""))),
    };
    while reader.next_label()?.is_some() {}
    Ok(())
}

/// Where the name that begins at `at` ends; `at` where there is none.
pub fn name_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| !is_name_byte(*byte, true));
    let end = at + length.unwrap_or(rest.len());
    if rest.first().is_some_and(u8::is_ascii_digit) {
        at
    } else {
        end
    }
}

/// Where the `}` stands that closes the `{` at `open`; a `}` within quotes closes nothing.
pub fn closing_brace(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'}', bytes.get(at..)?)?;
        if bytes[at] == b'}' {
            return Some(at);
        }
        at = closing_quote(bytes, at)? + 1;
    }
}

/// Where the `"` stands that closes the one at `open`.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn is_name_byte(byte: u8, colons: bool) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':')
}

fn require_name(written: &str) -> Result<Cow<'_, str>, Fault> {
    if written.is_empty() {
        return Err(Fault::new(0, "a metric's name is expected"));
    }
    Ok(Cow::Borrowed(written))
}

/// Reads what stands between the braces.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The metric's name and where it stands; a quoted one without a value is taken for it while there is none.
    metric: Option<(usize, Cow<'a, str>)>,
}

impl<'a> Reader<'a> {
    /// The metric's name; where it is missing, it is missed at `expected_at`.
    fn metric_read(self, expected_at: usize) -> Result<Cow<'a, str>, Fault> {
        match self.metric {
            Some((_, metric)) if !metric.is_empty() => Ok(metric),
            Some((at, _)) => Err(Fault::new(at, "a metric's name may not be empty")),
            None => Err(Fault::new(
                expected_at,
                "a metric's name is expected, before the braces or quoted in them",
            )),
        }
    }

    /// The labels up to the closing brace, which must end the text.
    fn labels(&mut self) -> Result<Vec<Label<'a>>, Fault> {
        let mut labels: Vec<Label<'a>> = Vec::new();
        while let Some((begins, (name, value))) = self.next_label()? {
            if labels.iter().any(|(known, _)| *known == name) {
                return Err(Fault::new(begins, "a label stands twice in one series"));
            }
            if labels.len() == LABELS_MAX {
                return Err(Fault::new(begins, "the series has more than 256 labels"));
            }
            labels.push((name, value));
        }
        match self.peek() {
            None => Ok(labels),
            Some(_) => Err(self.fault("nothing may follow the labels of a series")),
        }
    }

    /// The next label and where it begins; none at the closing brace, which is taken. The comma after a label may be
    /// missing, even between two: Prometheus takes such pages, and they cannot be misread. A metric's name among the
    /// labels is taken on the way.
    fn next_label(&mut self) -> Result<Option<(usize, Label<'a>)>, Fault> {
        self.skip_blanks();
        while self.metric.is_none() && self.take_metric()? {
            self.skip_blanks();
        }
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(None);
        }
        let begins = self.at;
        let label = self.label()?;
        self.skip_blanks();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(b'}' | b'"' | b'_') => {}
            Some(byte) if byte.is_ascii_alphabetic() => {}
            _ => return Err(self.fault("`,` or `}` is expected after a label")),
        }
        Ok(Some((begins, label)))
    }

    /// Takes a quoted text without a value, and the comma behind it, as the metric's name.
    fn take_metric(&mut self) -> Result<bool, Fault> {
        let begins = self.at;
        if self.peek() != Some(b'"') {
            return Ok(false);
        }
        let metric = self.quoted()?;
        self.skip_blanks();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(b'}') => {}
            _ => {
                self.at = begins;
                return Ok(false);
            }
        }
        self.metric = Some((begins, metric));
        Ok(true)
    }

    fn label(&mut self) -> Result<Label<'a>, Fault> {
        let begins = self.at;
        let name = match self.peek() {
            Some(b'"') => self.quoted()?,
            _ => Cow::Borrowed(self.plain_label_name()),
        };
        if name.is_empty() {
            return Err(Fault::new(begins, "a label's name is expected"));
        }
        self.skip_blanks();
        if self.peek() != Some(b'=') {
            return Err(self.fault("`=` is expected after a label's name"));
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.fault("a label's value must be quoted"));
        }
        Ok((name, self.quoted()?))
    }

    fn plain_label_name(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        if rest.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return "";
        }
        let length = rest.bytes().position(|byte| !is_name_byte(byte, false));
        let name = &rest[..length.unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    /// The quoted text that begins here.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let open = self.at;
        let close = closing_quote(self.text.as_bytes(), open)
            .ok_or_else(|| Fault::new(open, "the quotes are not closed on this line"))?;
        self.at = close + 1;
        Ok(unescaped(&self.text[open + 1..close]))
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, message: &'static str) -> Fault {
        Fault::new(self.at, message)
    }
}

/// Takes back `\\`, `\"` and `\n`; what else follows a backslash stays as it is, as in Prometheus.
fn unescaped(written: &str) -> Cow<'_, str> {
    if !written.contains('\\') {
        return Cow::Borrowed(written);
    }
    let mut text = String::with_capacity(written.len());
    let mut rest = written.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some(plain @ ('\\' | '"')) => text.push(plain),
            other => {
                text.push('\\');
                text.extend(other);
            }
        }
    }
    Cow::Owned(text)
}
