//! Writes the text exposition formats: Prometheus 0.0.4 and OpenMetrics 1.0.

use std::collections::HashSet;
use std::fmt::Write;

use crate::domain::counts::MICRO;

/// What a family is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Buckets, sum and count.
    Histogram,
}

/// A label's name and value.
pub type Label<'a> = (&'a str, &'a str);

/// A page in the making.
pub struct Writer {
    out: String,
    is_open_metrics: bool,
    family: String,
    head: String,
    seen: HashSet<String>,
}

impl Writer {
    /// An empty page.
    pub fn new(is_open_metrics: bool) -> Self {
        Self {
            out: String::with_capacity(64 * 1024),
            is_open_metrics,
            family: String::new(),
            head: String::new(),
            seen: HashSet::new(),
        }
    }

    /// Begins a family. Its head is written with its first sample: a family without samples is not there.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let base = match kind {
            Kind::Counter if self.is_open_metrics => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        name.clone_into(&mut self.family);
        self.head = format!("# HELP {base} {help}\n# TYPE {base} {word}\n");
        self.seen.clear();
    }

    /// A sample. What is not a finite number is left out: absence says "unknown", NaN poisons every sum.
    pub fn sample(&mut self, labels: &[Label<'_>], value: f64) {
        if value.is_finite() {
            self.line("", labels, &number(value));
        }
    }

    /// A sample whose value may be unknown.
    pub fn maybe(&mut self, labels: &[Label<'_>], value: Option<f64>) {
        if let Some(value) = value {
            self.sample(labels, value);
        }
    }

    /// A whole number.
    pub fn whole(&mut self, labels: &[Label<'_>], value: u64) {
        self.line("", labels, &value.to_string());
    }

    /// Events in millionths: exact, without detour by a float.
    pub fn micro(&mut self, labels: &[Label<'_>], micro: i64) {
        self.line("", labels, &micro_text(micro));
    }

    /// One histogram: cumulative buckets, sum in seconds, count.
    pub fn histogram(&mut self, labels: &[Label<'_>], (buckets, sum, count): &(Vec<(f64, u64)>, f64, u64)) {
        // The parts are read one after another while others add to them; the page must be consistent in itself.
        let mut highest = 0;
        for (bound, cumulative) in buckets {
            highest = highest.max(*cumulative);
            let bound = if self.is_open_metrics {
                float(*bound)
            } else {
                number(*bound)
            };
            self.bucket(labels, &bound, highest);
        }
        let count = highest.max(*count);
        self.bucket(labels, "+Inf", count);
        self.line("_sum", labels, &number(*sum));
        self.line("_count", labels, &count.to_string());
    }

    /// The whole page.
    pub fn finish(mut self) -> String {
        if self.is_open_metrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn bucket(&mut self, labels: &[Label<'_>], bound: &str, cumulative: u64) {
        let mut all = labels.to_vec();
        all.push(("le", bound));
        self.line("_bucket", &all, &cumulative.to_string());
    }

    /// One line, unless its series was written already: a page that names a series twice is refused as a whole.
    fn line(&mut self, suffix: &str, labels: &[Label<'_>], value: &str) {
        let mut series = format!("{}{suffix}", self.family);
        write_labels(&mut series, labels);
        if !self.seen.insert(series.clone()) {
            return;
        }
        self.out.push_str(&std::mem::take(&mut self.head));
        self.out.push_str(&series);
        self.out.push(' ');
        self.out.push_str(value);
        self.out.push('\n');
    }
}

fn write_labels(out: &mut String, labels: &[Label<'_>]) {
    for (index, (name, value)) in labels.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        out.push_str(name);
        out.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
}

/// The shortest decimal that reads back as the same number.
fn number(value: f64) -> String {
    // `-0` would be read as a number of its own by people.
    format!("{}", if value == 0.0 { 0.0 } else { value })
}

/// A bound as OpenMetrics wants it: with a decimal point.
fn float(value: f64) -> String {
    format!("{value:?}")
}

fn micro_text(micro: i64) -> String {
    let (whole, fraction) = (micro.unsigned_abs() / MICRO as u64, micro.unsigned_abs() % MICRO as u64);
    let mut text = String::new();
    if micro < 0 {
        text.push('-');
    }
    // Writing into a String cannot fail.
    let _ = write!(text, "{whole}");
    if fraction != 0 {
        let _ = write!(text, ".{fraction:06}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_exactly() {
        for (micro, text) in [
            (0, "0"),
            (33_000_000, "33"),
            (1_500_000, "1.5"),
            (-1, "-0.000001"),
            (i64::MAX, "9223372036854.775807"),
        ] {
            assert_eq!(micro_text(micro), text);
        }
    }

    #[test]
    fn a_family_has_one_head_each_series_once_and_no_nan() {
        let mut writer = Writer::new(false);
        writer.family("nines_empty", Kind::Gauge, "Nothing.");
        writer.family("nines_x_total", Kind::Counter, "Things.");
        writer.sample(&[("a", "say \"hi\"\\\n<b>")], 1.0);
        writer.sample(&[("a", "say \"hi\"\\\n<b>")], 2.0);
        writer.sample(&[("a", "nan")], f64::NAN);
        writer.sample(&[("a", "inf")], f64::INFINITY);
        let want = "# HELP nines_x_total Things.\n# TYPE nines_x_total counter\n\
                    nines_x_total{a=\"say \\\"hi\\\"\\\\\\n<b>\"} 1\n";
        assert_eq!(writer.finish(), want);
    }

    #[test]
    fn open_metrics_names_the_family_without_total_and_ends() {
        let mut writer = Writer::new(true);
        writer.family("nines_x_total", Kind::Counter, "Things.");
        writer.whole(&[], 7);
        assert_eq!(
            writer.finish(),
            "# HELP nines_x Things.\n# TYPE nines_x counter\nnines_x_total 7\n# EOF\n"
        );
    }
}
