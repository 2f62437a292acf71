//! Histograms and summaries of the protobuf format.

use super::protobuf::ProtobufError;
use super::wire::{Wire, WireField, WireValue, zigzag};
use crate::domain::native_histogram::{BUCKETS_MAX, PartCounts, Parts, Side, Span};

/// Spans of one native histogram that are read at most, on either side of zero.
const SPANS_MAX: usize = BUCKETS_MAX;

/// The last second of the year 9999, the latest that a timestamp may have.
const SECONDS_MAX: i64 = 253_402_300_799;

/// What a histogram or a summary says besides its buckets or quantiles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summed {
    pub count: f64,
    pub sum: f64,
    pub created: Option<f64>,
}

/// Buckets and quantiles stand in the same field of either message.
const ENTRIES: u32 = 3;

/// Reads a histogram's count, sum and creation.
pub(super) fn read_histogram(mut message: Wire<'_>) -> Result<Summed, ProtobufError> {
    let (mut summed, mut float) = (Summed::default(), 0.0);
    while let Some(field) = message.field()? {
        match field.number {
            1 => summed.count = field.unsigned()? as f64,
            2 => summed.sum = field.double()?,
            4 => float = field.double()?,
            15 => summed.created = read_timestamp(field.message()?)?,
            _ => {}
        }
    }
    if float > 0.0 {
        summed.count = float;
    }
    Ok(summed)
}

/// Reads a summary's count, sum and creation.
pub(super) fn read_summary(mut message: Wire<'_>) -> Result<Summed, ProtobufError> {
    let mut summed = Summed::default();
    while let Some(field) = message.field()? {
        match field.number {
            1 => summed.count = field.unsigned()? as f64,
            2 => summed.sum = field.double()?,
            4 => summed.created = read_timestamp(field.message()?)?,
            _ => {}
        }
    }
    Ok(summed)
}

/// The next bucket of a histogram: its bound and how many observations are at or below it.
pub(super) fn next_bucket(message: &mut Wire<'_>) -> Result<Option<(f64, f64)>, ProtobufError> {
    let Some(mut bucket) = next_entry(message)? else {
        return Ok(None);
    };
    let (mut bound, mut count, mut float) = (0.0, 0.0, 0.0);
    while let Some(field) = bucket.field()? {
        match field.number {
            1 => count = field.unsigned()? as f64,
            2 => bound = field.double()?,
            4 => float = field.double()?,
            _ => {}
        }
    }
    Ok(Some((bound, if float > 0.0 { float } else { count })))
}

/// The next quantile of a summary: which one, and its value.
pub(super) fn next_quantile(message: &mut Wire<'_>) -> Result<Option<(f64, f64)>, ProtobufError> {
    let Some(mut entry) = next_entry(message)? else {
        return Ok(None);
    };
    let (mut quantile, mut value) = (0.0, 0.0);
    while let Some(field) = entry.field()? {
        match field.number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    Ok(Some((quantile, value)))
}

/// How many buckets or quantiles there are, and the last one.
pub(super) fn count_entries<'a>(message: &mut Wire<'a>) -> Result<(u64, Option<Wire<'a>>), ProtobufError> {
    let (mut count, mut last) = (0, None);
    while let Some(entry) = next_entry(message)? {
        (count, last) = (count + 1, Some(entry));
    }
    Ok((count, last))
}

/// Whether a bucket is the one that holds all observations.
pub(super) fn is_infinite_bucket(mut bucket: Wire<'_>) -> Result<bool, ProtobufError> {
    let mut is_infinite = false;
    while let Some(field) = bucket.field()? {
        if field.number == 2 {
            is_infinite = field.double()? == f64::INFINITY;
        }
    }
    Ok(is_infinite)
}

fn next_entry<'a>(message: &mut Wire<'a>) -> Result<Option<Wire<'a>>, ProtobufError> {
    while let Some(field) = message.field()? {
        if field.number == ENTRIES {
            return field.message().map(Some);
        }
    }
    Ok(None)
}

/// The native histogram within a histogram's message; `None` where it is a classic one only. As in Prometheus, what is
/// empty and without spans is not a native one.
pub(super) fn read_native(mut message: Wire<'_>) -> Result<Option<Parts>, ProtobufError> {
    let (mut count, mut zero) = ((0, 0.0), (0, 0.0));
    let mut parts = Parts {
        schema: 0,
        zero_threshold: 0.0,
        counts: PartCounts::Whole { count: 0, zero: 0 },
        sum: 0.0,
        negative: Side::default(),
        positive: Side::default(),
    };
    while let Some(field) = message.field()? {
        match field.number {
            1 => count.0 = field.unsigned()?,
            2 => parts.sum = field.double()?,
            4 => count.1 = field.double()?,
            5 => parts.schema = narrow(&field)?,
            6 => parts.zero_threshold = field.double()?,
            7 => zero.0 = field.unsigned()?,
            8 => zero.1 = field.double()?,
            9 => push(
                &field,
                &mut parts.negative.spans,
                read_span(field.message()?)?,
                SPANS_MAX,
            )?,
            10 => read_deltas(&field, &mut parts.negative.deltas)?,
            11 => read_counts(&field, &mut parts.negative.counts)?,
            12 => push(
                &field,
                &mut parts.positive.spans,
                read_span(field.message()?)?,
                SPANS_MAX,
            )?,
            13 => read_deltas(&field, &mut parts.positive.deltas)?,
            14 => read_counts(&field, &mut parts.positive.counts)?,
            _ => {}
        }
    }
    let has_spans = !parts.positive.spans.is_empty() || !parts.negative.spans.is_empty();
    if !has_spans && parts.zero_threshold <= 0.0 && zero.0 == 0 && zero.1 <= 0.0 {
        return Ok(None);
    }
    parts.counts = if count.1 > 0.0 || zero.1 > 0.0 {
        PartCounts::Float {
            count: count.1,
            zero: zero.1,
        }
    } else {
        PartCounts::Whole {
            count: count.0,
            zero: zero.0,
        }
    };
    Ok(Some(parts))
}

/// A moment, in unix seconds; `None` for one that there cannot be.
pub(super) fn read_timestamp(mut message: Wire<'_>) -> Result<Option<f64>, ProtobufError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    while let Some(field) = message.field()? {
        match field.number {
            1 => seconds = field.unsigned()? as i64,
            2 => nanos = field.unsigned()? as i64,
            _ => {}
        }
    }
    let is_moment = (1..=SECONDS_MAX).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
    Ok(is_moment.then(|| seconds as f64 + nanos as f64 / 1e9))
}

fn read_span(mut message: Wire<'_>) -> Result<Span, ProtobufError> {
    let mut span = Span { offset: 0, length: 0 };
    while let Some(field) = message.field()? {
        match field.number {
            1 => span.offset = narrow(&field)?,
            2 => {
                let length = u32::try_from(field.unsigned()?);
                span.length = length.map_err(|_| field.fault("the length of a span is beyond 32 bits"))?;
            }
            _ => {}
        }
    }
    Ok(span)
}

/// Differences: one, or several packed into one field.
fn read_deltas(field: &WireField<'_>, deltas: &mut Vec<i64>) -> Result<(), ProtobufError> {
    let WireValue::Bytes(mut packed) = field.value else {
        return push(field, deltas, field.signed()?, BUCKETS_MAX);
    };
    while !packed.is_empty() {
        push(field, deltas, zigzag(packed.varint()?), BUCKETS_MAX)?;
    }
    Ok(())
}

/// Counts: one, or several packed into one field.
fn read_counts(field: &WireField<'_>, counts: &mut Vec<f64>) -> Result<(), ProtobufError> {
    let WireValue::Bytes(mut packed) = field.value else {
        return push(field, counts, field.double()?, BUCKETS_MAX);
    };
    while !packed.is_empty() {
        push(field, counts, packed.double()?, BUCKETS_MAX)?;
    }
    Ok(())
}

fn push<T>(field: &WireField<'_>, list: &mut Vec<T>, item: T, max: usize) -> Result<(), ProtobufError> {
    if list.len() == max {
        return Err(field.fault("the native histogram has more than 16384 buckets"));
    }
    list.push(item);
    Ok(())
}

fn narrow(field: &WireField<'_>) -> Result<i32, ProtobufError> {
    i32::try_from(field.signed()?).map_err(|_| field.fault("a whole number of 32 bits is expected"))
}
