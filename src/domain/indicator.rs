//! Indicators: which events are counted, and which of them are good.

use super::labels::{Group, Labels};
use super::matcher::Selector;

/// The definition of an SLI over scraped series.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    /// What is counted.
    pub kind: IndicatorKind,
    /// The labels by whose values events are grouped; empty for one budget in all.
    pub group_by: Vec<String>,
}

/// The forms that an indicator can take.
#[derive(Clone, Debug, PartialEq)]
pub enum IndicatorKind {
    /// Counters: all events, and the bad or the good ones.
    Ratio {
        /// All events.
        total: Selector,
        /// The other selector.
        part: Selector,
        /// What the other selector counts.
        part_is: RatioPart,
    },
    /// A classic histogram: good are the observations at or below the threshold.
    Latency {
        /// The histogram's family name (without `_bucket`) and matchers.
        histogram: Selector,
        /// The threshold in the metric's own unit, to be compared with `le` as a number.
        threshold: f64,
        /// As written in the file: `300ms`.
        written: String,
    },
    /// A gauge: each second of a series is one event, good while the comparison holds.
    Gauge {
        /// The gauge.
        gauge: Selector,
        /// The comparison.
        op: CompareOp,
        /// With what the value is compared.
        value: f64,
    },
}

/// What the second selector of a ratio counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatioPart {
    /// Bad events.
    Bad,
    /// Good events.
    Good,
}

/// Comparisons, with OpenSLO's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// At most.
    Lte,
    /// Less than.
    Lt,
    /// At least.
    Gte,
    /// Greater than.
    Gt,
}

impl CompareOp {
    /// Whether `left op right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Lte => left <= right,
            Self::Lt => left < right,
            Self::Gte => left >= right,
            Self::Gt => left > right,
        }
    }

    /// As written in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lte => "lte",
            Self::Lt => "lt",
            Self::Gte => "gte",
            Self::Gt => "gt",
        }
    }
}

impl Indicator {
    /// Every selector whose series a scrape must keep. A latency indicator needs `<family>_bucket` (any `le`, so that
    /// a missing bound can be explained) and `<family>_count`.
    pub fn selectors(&self) -> Vec<Selector> {
        match &self.kind {
            IndicatorKind::Ratio { total, part, .. } => vec![total.clone(), part.clone()],
            IndicatorKind::Latency { histogram, .. } => {
                let family = histogram.metric.as_deref().unwrap_or("");
                vec![
                    histogram.with_metric(format!("{family}_bucket")),
                    histogram.with_metric(format!("{family}_count")),
                ]
            }
            IndicatorKind::Gauge { gauge, .. } => vec![gauge.clone()],
        }
    }

    /// A text that changes exactly when what is counted changes: selectors, threshold, grouping. Its hash decides
    /// whether series take a new baseline.
    pub fn fingerprint(&self) -> String {
        let what = match &self.kind {
            IndicatorKind::Ratio { total, part, part_is } => format!("ratio {total} {part_is:?} {part}"),
            IndicatorKind::Latency {
                histogram, threshold, ..
            } => format!("latency {histogram} {threshold}"),
            IndicatorKind::Gauge { gauge, op, value } => format!("gauge {gauge} {} {value}", op.word()),
        };
        format!("{what} by {:?}", self.group_by)
    }

    /// The group of a series with these labels (its own and its target's); a missing label is `""`.
    pub fn group_of(&self, labels: &Labels) -> Group {
        Group(
            self.group_by
                .iter()
                .map(|name| (name.clone(), labels.get(name).to_owned()))
                .collect(),
        )
    }

    /// The group for all that comes after the hundredth.
    pub fn other_group(&self) -> Group {
        Group(
            self.group_by
                .iter()
                .map(|name| (name.clone(), Group::OTHER.to_owned()))
                .collect(),
        )
    }
}
