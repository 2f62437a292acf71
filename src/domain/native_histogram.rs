//! Native histograms: buckets by a formula instead of by a list, as Prometheus's specification has them.
//!
//! With schema `s` the bucket of index `i` holds what is above `2^((i-1)·2^-s)` and not above `2^(i·2^-s)`; the zero
//! bucket holds what is at most the zero threshold away from zero. Nothing is interpolated: a number of observations
//! is known at bounds only.

/// The schemas whose bounds are powers of two with an exponent that the schema divides.
pub const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// Buckets of one histogram that are read at most, on either side of zero.
pub const BUCKETS_MAX: usize = 16_384;

/// Two bounds are the same when they differ by less than this share: however they are spelled or computed.
const SAME_SHARE: f64 = 1e-12;

/// The observations of one histogram, added up from below.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeHistogram {
    /// The resolution: each power of two has `2^schema` buckets.
    pub schema: i32,
    /// Up to which distance from zero observations are in the zero bucket.
    pub zero_threshold: f64,
    /// All observations; those that were not a number are in no bucket.
    pub count: f64,
    /// Observations below zero or in the zero bucket.
    pub up_to_zero: f64,
    /// The buckets above zero, in the order of their indexes.
    pub buckets: Vec<NativeBucket>,
}

/// One bucket above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NativeBucket {
    /// Which one.
    pub index: i32,
    /// Observations in it and in all that lies below it.
    pub up_to: f64,
}

/// Buckets that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many indexes lie between the span before and this one; of the first span, its first index.
    pub offset: i32,
    /// How many buckets it has.
    pub length: u32,
}

/// What a page says of a histogram's buckets on one side of zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Which buckets there are.
    pub spans: Vec<Span>,
    /// Their counts, where these are whole numbers: each as the difference to the one before.
    pub deltas: Vec<i64>,
    /// Their counts otherwise.
    pub counts: Vec<f64>,
}

/// A native histogram as a page has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The resolution.
    pub schema: i32,
    /// The width of the zero bucket.
    pub zero_threshold: f64,
    /// All observations and those in the zero bucket.
    pub counts: PartCounts,
    /// The sum of all observations; not a number where one of them was none.
    pub sum: f64,
    /// Buckets below zero.
    pub negative: Side,
    /// Buckets above zero.
    pub positive: Side,
}

/// All observations and those in the zero bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartCounts {
    /// Whole numbers; the buckets are in [`Side::deltas`].
    Whole {
        /// All observations.
        count: u64,
        /// Those in the zero bucket.
        zero: u64,
    },
    /// Any numbers; the buckets are in [`Side::counts`].
    Float {
        /// All observations.
        count: f64,
        /// Those in the zero bucket.
        zero: f64,
    },
}

impl NativeHistogram {
    /// The histogram that these parts describe, or why they describe none.
    pub fn new(parts: &Parts) -> Result<Self, &'static str> {
        if !SCHEMAS.contains(&parts.schema) {
            return Err("the native histogram's schema is not one from -4 to 8");
        }
        if !(parts.zero_threshold.is_finite() && parts.zero_threshold >= 0.0) {
            return Err("the native histogram's zero threshold is no number from 0 on");
        }
        let negative_at = indexes(&parts.negative.spans)?;
        let positive_at = indexes(&parts.positive.spans)?;
        let (count, up_to_zero, sums) = match parts.counts {
            PartCounts::Whole { count, zero } => {
                let negative = sums_of_deltas(&parts.negative.deltas, negative_at.len(), 0)?;
                let below = negative.last().copied().unwrap_or(0);
                let up_to_zero = below.checked_add(zero).ok_or(TOO_MANY)?;
                let sums = sums_of_deltas(&parts.positive.deltas, positive_at.len(), up_to_zero)?;
                let in_buckets = sums.last().copied().unwrap_or(up_to_zero);
                if in_buckets > count || (in_buckets < count && !parts.sum.is_nan()) {
                    return Err("the native histogram's buckets do not add up to its count");
                }
                let sums = sums.into_iter().map(|sum| sum as f64).collect();
                (count as f64, up_to_zero as f64, sums)
            }
            PartCounts::Float { count, zero } => {
                if !(is_count(count) && is_count(zero)) {
                    return Err(NO_COUNT);
                }
                let negative = sums_of_counts(&parts.negative.counts, negative_at.len(), 0.0)?;
                let up_to_zero = negative.last().copied().unwrap_or(0.0) + zero;
                let sums = sums_of_counts(&parts.positive.counts, positive_at.len(), up_to_zero)?;
                (count, up_to_zero, sums)
            }
        };
        let bucket = |(index, up_to): (i32, f64)| NativeBucket { index, up_to };
        Ok(Self {
            schema: parts.schema,
            zero_threshold: parts.zero_threshold,
            count,
            up_to_zero,
            buckets: positive_at.into_iter().zip(sums).map(bucket).collect(),
        })
    }

    /// How many observations are at or below the threshold; `None` where it is no bound of the histogram, so that
    /// nobody knows.
    pub fn at_or_below(&self, threshold: f64) -> Option<f64> {
        if same(threshold, self.zero_threshold) {
            let within = |bucket: &NativeBucket| self.bound(bucket.index) <= threshold * (1.0 + SAME_SHARE);
            return Some(self.up_to(self.buckets.partition_point(within)));
        }
        // Below zero, bounds belong to the bucket above them; within the zero bucket there are none.
        if !threshold.is_finite() || threshold < self.zero_threshold {
            return None;
        }
        let index = self.position(threshold).round();
        if !same(threshold, self.bound(index as i32)) {
            return None;
        }
        let within = |bucket: &NativeBucket| f64::from(bucket.index) <= index;
        Some(self.up_to(self.buckets.partition_point(within)))
    }

    /// The bounds next to a threshold that is none: below it, then above it.
    pub fn nearest_bounds(&self, threshold: f64) -> Vec<f64> {
        if !threshold.is_finite() || threshold < self.zero_threshold {
            return vec![self.zero_threshold];
        }
        let position = self.position(threshold);
        let below = self.bound(position.floor() as i32).max(self.zero_threshold);
        let above = self.bound(position.ceil() as i32);
        [below, above].into_iter().filter(|bound| bound.is_finite()).collect()
    }

    /// Where a value above zero lies among the indexes; at a whole number it is that bucket's bound.
    fn position(&self, value: f64) -> f64 {
        value.log2() * 2_f64.powi(self.schema)
    }

    /// The upper bound of a bucket.
    fn bound(&self, index: i32) -> f64 {
        (f64::from(index) * 2_f64.powi(-self.schema)).exp2()
    }

    /// Observations up to the bound of the last of so many buckets.
    fn up_to(&self, buckets: usize) -> f64 {
        let last = buckets.checked_sub(1).and_then(|last| self.buckets.get(last));
        last.map_or(self.up_to_zero, |bucket| bucket.up_to)
    }
}

/// Whether a histogram of some schema has this bound. Those of a schema are bounds of all that are finer.
pub fn is_ever_a_bound(threshold: f64) -> bool {
    let steps = 2_f64.powi(*SCHEMAS.end());
    let index = (threshold.log2() * steps).round();
    threshold > 0.0 && threshold.is_finite() && same(threshold, (index / steps).exp2())
}

/// The powers of two next to a threshold above zero: bounds with any schema from 0 on.
pub fn usual_bounds(threshold: f64) -> [f64; 2] {
    let exponent = threshold.log2();
    [exponent.floor().exp2(), exponent.ceil().exp2()]
}

const NO_COUNT: &str = "a count of the native histogram is no number from 0 on";
const TOO_MANY: &str = "the native histogram's counts are too large to be added up";
const UNLIKE_SPANS: &str = "the native histogram has not as many bucket counts as its spans say";

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs() * SAME_SHARE
}

fn is_count(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// The indexes of the buckets that spans describe.
fn indexes(spans: &[Span]) -> Result<Vec<i32>, &'static str> {
    const BEYOND: &str = "an index of the native histogram's buckets is out of bounds";
    let mut indexes = Vec::new();
    let mut next = 0_i32;
    for (number, span) in spans.iter().enumerate() {
        if number > 0 && span.offset < 0 {
            return Err("a span of the native histogram begins before the one before it ends");
        }
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        if length > BUCKETS_MAX - indexes.len() {
            return Err("the native histogram has more than 16384 buckets");
        }
        next = next.checked_add(span.offset).ok_or(BEYOND)?;
        for _ in 0..length {
            indexes.push(next);
            next = next.checked_add(1).ok_or(BEYOND)?;
        }
    }
    Ok(indexes)
}

/// Counts written as differences, added up from `sum` on.
fn sums_of_deltas(deltas: &[i64], buckets: usize, mut sum: u64) -> Result<Vec<u64>, &'static str> {
    if deltas.len() != buckets {
        return Err(UNLIKE_SPANS);
    }
    let (mut count, mut sums) = (0_i64, Vec::with_capacity(buckets));
    for delta in deltas {
        count = count.checked_add(*delta).ok_or(TOO_MANY)?;
        let in_bucket = u64::try_from(count).map_err(|_| NO_COUNT)?;
        sum = sum.checked_add(in_bucket).ok_or(TOO_MANY)?;
        sums.push(sum);
    }
    Ok(sums)
}

/// Counts written as they are, added up from `sum` on.
fn sums_of_counts(counts: &[f64], buckets: usize, mut sum: f64) -> Result<Vec<f64>, &'static str> {
    if counts.len() != buckets {
        return Err(UNLIKE_SPANS);
    }
    let mut sums = Vec::with_capacity(buckets);
    for count in counts {
        if !is_count(*count) {
            return Err(NO_COUNT);
        }
        sum += count;
        sums.push(sum);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;
