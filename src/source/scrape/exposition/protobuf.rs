//! Prometheus's protobuf format: messages `io.prometheus.client.MetricFamily`, each with its length before it.
//!
//! The page gives the series that the same target's text page (0.0.4) would give, under the same names: a counter's as
//! it was registered, a histogram's `_bucket`, `_sum` and `_count`, with `le` as Go writes it. So a target may change
//! between the formats and its counters go on. Native histograms come beside them. Names come first here too: of a
//! family that nobody wants, only the name is read and the series are counted.

use super::Fault;
use super::line::RawSample;
use super::page::Sink;
use super::protobuf_histogram::{
    Summed, count_entries, is_infinite_bucket, next_bucket, next_quantile, read_histogram, read_native, read_summary,
    read_timestamp,
};
use super::protobuf_series::SeriesText;
use super::wire::Wire;
use crate::domain::native_histogram::NativeHistogram;

/// Where and why a page is not understood. It never quotes the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {message}")]
pub struct ProtobufError {
    /// From 0.
    pub at: usize,
    /// What is wrong there.
    pub message: &'static str,
}

/// Takes what a page holds; the place of a sample is the byte at which its metric begins.
pub trait FamilySink: Sink {
    /// Whether the `_created` of this name is wanted; as [`Sink::wants`], but it is no series.
    fn wants_created(&mut self, metric: &str) -> bool;
    /// Whether native histograms of this family are wanted.
    fn wants_native(&mut self, family: &str) -> bool;
    /// Takes a native histogram of the family that was asked for last.
    fn native(&mut self, series: &str, histogram: NativeHistogram, created: Option<f64>) -> Result<(), Fault>;
}

/// A family of more bytes is not read: it is what is kept of a page between two pieces.
pub const FAMILY_BYTES_MAX: usize = 64 << 20;

/// Reads a page in pieces, one family after the other. Whatever is wanted and not understood fails the page, and so
/// does a message that is cut.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The beginning of a family whose end is still to come, and where on the page it stands.
    unfinished: Vec<u8>,
    at: usize,
    /// How many samples the text would have had until here.
    samples: u64,
}

impl Scanner {
    /// Reads the families that this piece of the page ends. After an error the page is lost.
    pub fn feed(&mut self, piece: &[u8], sink: &mut impl FamilySink) -> Result<(), ProtobufError> {
        self.unfinished.extend_from_slice(piece);
        let mut stream = Wire::new(&self.unfinished, self.at);
        let mut scan = Scan {
            sink,
            name: String::new(),
            series: SeriesText::default(),
        };
        while let Some(fields) = stream.whole_message(FAMILY_BYTES_MAX)? {
            let family = Family::read(fields)?;
            if family.metrics > 0 {
                self.samples += family.count_samples()?;
                scan.family(&family)?;
            }
        }
        let read = stream.at() - self.at;
        self.unfinished.drain(..read);
        self.at += read;
        Ok(())
    }

    /// How many samples the text of the page would have had.
    pub fn finish(&self) -> Result<u64, ProtobufError> {
        if self.unfinished.is_empty() {
            return Ok(self.samples);
        }
        Err(ProtobufError {
            at: self.at,
            message: "the page ends within a family, so it was cut",
        })
    }
}

/// What a family's metrics are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Summary,
    Untyped,
    Histogram,
    GaugeHistogram,
}

/// One kind of series that metrics of a family have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Quantiles,
    Buckets,
    Sum,
    Count,
    Created,
    Native,
}

impl Kind {
    fn of(number: u64) -> Option<Self> {
        const KINDS: [Kind; 6] = [
            Kind::Counter,
            Kind::Gauge,
            Kind::Summary,
            Kind::Untyped,
            Kind::Histogram,
            Kind::GaugeHistogram,
        ];
        usize::try_from(number)
            .ok()
            .and_then(|number| KINDS.get(number))
            .copied()
    }

    /// The series of its metrics, with their suffixes. Those of a histogram that may fall are called as in OpenMetrics,
    /// so that nothing takes them for counters.
    fn parts(self) -> &'static [(&'static str, Part)] {
        match self {
            Self::Counter | Self::Gauge | Self::Untyped => &[("", Part::Value)],
            Self::Summary => &[("", Part::Quantiles), ("_sum", Part::Sum), ("_count", Part::Count)],
            Self::Histogram => &[("_bucket", Part::Buckets), ("_sum", Part::Sum), ("_count", Part::Count)],
            Self::GaugeHistogram => &[
                ("_bucket", Part::Buckets),
                ("_gsum", Part::Sum),
                ("_gcount", Part::Count),
            ],
        }
    }

    /// In which field of a metric its value stands.
    fn field(self) -> u32 {
        match self {
            Self::Gauge => 2,
            Self::Counter => 3,
            Self::Summary => 4,
            Self::Untyped => 5,
            Self::Histogram | Self::GaugeHistogram => 7,
        }
    }
}

/// A family whose metrics have not been read yet.
struct Family<'a> {
    name: &'a str,
    kind: Kind,
    fields: Wire<'a>,
    metrics: u64,
}

impl<'a> Family<'a> {
    fn read(fields: Wire<'a>) -> Result<Self, ProtobufError> {
        let mut family = Self {
            name: "",
            kind: Kind::Counter,
            fields,
            metrics: 0,
        };
        let mut rest = fields;
        while let Some(field) = rest.field()? {
            match field.number {
                1 => family.name = field.text()?,
                3 => {
                    let kind = Kind::of(field.unsigned()?);
                    family.kind = kind.ok_or_else(|| field.fault("the family is of a type that there is not"))?;
                }
                4 => {
                    field.message()?;
                    family.metrics += 1;
                }
                _ => {}
            }
        }
        if family.name.is_empty() && family.metrics > 0 {
            return Err(fields.fault("the family has no name"));
        }
        Ok(family)
    }

    /// How many samples the text of this family would have.
    fn count_samples(&self) -> Result<u64, ProtobufError> {
        match self.kind {
            Kind::Counter | Kind::Gauge | Kind::Untyped => Ok(self.metrics),
            Kind::Summary | Kind::Histogram | Kind::GaugeHistogram => self.count_entries(),
        }
    }

    /// Each metric has its buckets or quantiles, a sum and a count; the bucket that holds all may go without saying.
    fn count_entries(&self) -> Result<u64, ProtobufError> {
        let (mut samples, mut fields) = (0, self.fields);
        while let Some(metric) = next_metric(&mut fields)? {
            let mut rest = metric;
            while let Some(field) = rest.field()? {
                if field.number != self.kind.field() {
                    continue;
                }
                let (entries, last) = count_entries(&mut field.message()?)?;
                let lacks_infinity = self.kind != Kind::Summary
                    && match last {
                        Some(bucket) => !is_infinite_bucket(bucket)?,
                        None => true,
                    };
                samples += entries + 2 + u64::from(lacks_infinity);
            }
        }
        Ok(samples)
    }
}

fn next_metric<'a>(fields: &mut Wire<'a>) -> Result<Option<Wire<'a>>, ProtobufError> {
    while let Some(field) = fields.field()? {
        if field.number == 4 {
            return field.message().map(Some);
        }
    }
    Ok(None)
}

struct Scan<'s, S> {
    sink: &'s mut S,
    name: String,
    series: SeriesText,
}

impl<S: FamilySink> Scan<'_, S> {
    /// Reads what is wanted of a family, one kind of series after the other.
    fn family(&mut self, family: &Family<'_>) -> Result<(), ProtobufError> {
        for (suffix, part) in family.kind.parts() {
            self.set_name(family.name, suffix);
            if self.sink.wants(&self.name) {
                self.metrics(family, *part)?;
            }
        }
        if matches!(family.kind, Kind::Counter | Kind::Summary | Kind::Histogram) {
            let dated = family
                .name
                .strip_suffix("_total")
                .filter(|_| family.kind == Kind::Counter);
            self.set_name(dated.unwrap_or(family.name), "_created");
            if self.sink.wants_created(&self.name) {
                self.metrics(family, Part::Created)?;
            }
        }
        if family.kind == Kind::Histogram && self.sink.wants_native(family.name) {
            self.set_name(family.name, "");
            self.metrics(family, Part::Native)?;
        }
        Ok(())
    }

    fn set_name(&mut self, family: &str, suffix: &str) {
        self.name.clear();
        self.name.push_str(family);
        self.name.push_str(suffix);
    }

    fn metrics(&mut self, family: &Family<'_>, part: Part) -> Result<(), ProtobufError> {
        let mut fields = family.fields;
        while let Some(metric) = next_metric(&mut fields)? {
            let value = self.series.begin(&self.name, metric, family.kind.field())?;
            self.metric(metric.at(), value, (family.kind, part))?;
        }
        Ok(())
    }

    /// Gives out one kind of series of one metric.
    fn metric(&mut self, at: usize, mut value: Wire<'_>, (kind, part): (Kind, Part)) -> Result<(), ProtobufError> {
        let summed = |value| match kind {
            Kind::Summary => read_summary(value),
            Kind::Counter | Kind::Gauge | Kind::Untyped => read_value(value),
            Kind::Histogram | Kind::GaugeHistogram => read_histogram(value),
        };
        match part {
            Part::Value | Part::Sum => self.give(at, None, summed(value)?.sum),
            Part::Count => self.give(at, None, summed(value)?.count),
            Part::Created => match summed(value)?.created {
                Some(created) => self.give(at, None, created),
                None => Ok(()),
            },
            Part::Quantiles => {
                while let Some((quantile, value)) = next_quantile(&mut value)? {
                    self.give(at, Some(("quantile", quantile)), value)?;
                }
                Ok(())
            }
            Part::Buckets => {
                let all = summed(value)?.count;
                let mut last = f64::NAN;
                while let Some((bound, count)) = next_bucket(&mut value)? {
                    self.give(at, Some(("le", bound)), count)?;
                    last = bound;
                }
                if last == f64::INFINITY {
                    return Ok(());
                }
                self.give(at, Some(("le", f64::INFINITY)), all)
            }
            Part::Native => self.native(at, value),
        }
    }

    fn give(&mut self, at: usize, number: Option<(&str, f64)>, value: f64) -> Result<(), ProtobufError> {
        let sample = RawSample {
            series: self.series.end(number),
            series_at: 0,
            value,
        };
        let taken = self.sink.sample(sample, place(at));
        taken.map_err(|fault| placed(fault, at))
    }

    fn native(&mut self, at: usize, value: Wire<'_>) -> Result<(), ProtobufError> {
        let Some(parts) = read_native(value)? else {
            return Ok(());
        };
        let histogram = NativeHistogram::new(&parts).map_err(|message| ProtobufError { at, message })?;
        let created = read_histogram(value)?.created;
        let taken = self.sink.native(self.series.end(None), histogram, created);
        taken.map_err(|fault| placed(fault, at))
    }
}

/// A counter, a gauge or a metric without a type; a counter may say since when it counts.
fn read_value(mut message: Wire<'_>) -> Result<Summed, ProtobufError> {
    let mut value = Summed::default();
    while let Some(field) = message.field()? {
        match field.number {
            1 => value.sum = field.double()?,
            3 => value.created = read_timestamp(field.message()?)?,
            _ => {}
        }
    }
    Ok(value)
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn placed(fault: Fault, at: usize) -> ProtobufError {
    ProtobufError {
        at,
        message: fault.message,
    }
}
