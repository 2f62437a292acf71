//! A series of a protobuf page, written as the text format writes it.

use std::fmt::Write;

use super::go_float::write_float;
use super::protobuf::ProtobufError;
use super::series::SERIES_BYTES_MAX;
use super::wire::{Wire, WireField};

/// A series as the text format writes it. Name and labels are written once for all series of a metric.
#[derive(Default)]
pub(super) struct SeriesText {
    text: String,
    /// Where what they have in common ends.
    common: usize,
    /// A brace is open.
    is_open: bool,
}

impl SeriesText {
    /// Begins the series of a metric with this name; gives back the metric's value, which stands in field `value_at`.
    pub(super) fn begin<'a>(
        &mut self,
        name: &str,
        mut metric: Wire<'a>,
        value_at: u32,
    ) -> Result<Wire<'a>, ProtobufError> {
        self.text.clear();
        self.is_open = false;
        if is_plain(name, true) {
            self.text.push_str(name);
        } else {
            self.open();
            push_quoted(&mut self.text, name);
        }
        let (whole, mut value) = (metric, None);
        while let Some(field) = metric.field()? {
            if field.number == 1 {
                self.label(&field)?;
            } else if field.number == value_at && value.replace(field.message()?).is_some() {
                return Err(field.fault("the metric has its value twice"));
            }
        }
        self.common = self.text.len();
        value.ok_or_else(|| whole.fault("the metric has no value of its family's type"))
    }

    /// The series with one more label, or with none.
    pub(super) fn end(&mut self, number: Option<(&str, f64)>) -> &str {
        self.text.truncate(self.common);
        let was_open = self.is_open;
        if let Some((name, value)) = number {
            self.open();
            // Writing into a String cannot fail.
            let _ = write!(self.text, "{name}=\"");
            write_float(&mut self.text, value);
            self.text.push('"');
        }
        if self.is_open {
            self.text.push('}');
        }
        self.is_open = was_open;
        &self.text
    }

    fn label(&mut self, field: &WireField<'_>) -> Result<(), ProtobufError> {
        let (mut pair, mut name, mut value) = (field.message()?, "", "");
        while let Some(field) = pair.field()? {
            match field.number {
                1 => name = field.text()?,
                2 => value = field.text()?,
                _ => {}
            }
        }
        if name.is_empty() {
            return Err(field.fault("a label has no name"));
        }
        self.open();
        if is_plain(name, false) {
            self.text.push_str(name);
        } else {
            push_quoted(&mut self.text, name);
        }
        self.text.push('=');
        push_quoted(&mut self.text, value);
        if self.text.len() > SERIES_BYTES_MAX {
            return Err(field.fault("the series is longer than 64 KiB"));
        }
        Ok(())
    }

    fn open(&mut self) {
        self.text.push(if self.is_open { ',' } else { '{' });
        self.is_open = true;
    }
}

/// Whether a name can stand in text without quotes.
fn is_plain(name: &str, is_metric: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (is_metric && byte == b':');
    !name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(fits)
}

fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}
