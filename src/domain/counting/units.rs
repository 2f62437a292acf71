//! Units: the series, or pairs of series, that an SLO counts together.

use std::collections::BTreeMap;

use super::text::SharedText;
use crate::domain::bounds::{Bounds, is_threshold, parse_bound};
use crate::domain::counts::to_micro;
use crate::domain::indicator::{Indicator, IndicatorKind, RatioPart};
use crate::domain::labels::{Group, Labels};
use crate::domain::native_histogram::NativeHistogram;
use crate::domain::reading::Series;

/// What one counter, or one histogram's bucket and count, shows on a page.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    /// The page's own name for it: the series' key, or the histogram's without `le`.
    pub key: &'a SharedText,
    /// The metric's family: without `_total`, `_bucket`, `_count`, `_sum`.
    pub family: &'a str,
    /// The group to which its events go.
    pub group: &'a Group,
    /// The counter's value; or the histogram's count, then its bucket.
    pub values: [f64; 2],
    /// Its `_created`, in unix seconds.
    pub created: Option<f64>,
    /// What its events are.
    pub roles: UnitRoles,
    /// The SLO matches bad events: good ones are total - bad.
    pub good_is_rest: bool,
}

/// What a unit's events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitRoles {
    /// A counter: by which selectors it is matched.
    Counter {
        /// It counts all events.
        total: bool,
        /// It counts bad events.
        bad: bool,
        /// It counts good events.
        good: bool,
    },
    /// A histogram: its count is all events, its bucket the good ones.
    Histogram,
}

impl Unit<'_> {
    /// It has two values.
    pub fn is_pair(&self) -> bool {
        self.roles == UnitRoles::Histogram
    }

    /// For which numbers it counts: 0 for all events, 1 for the other selector's.
    pub fn sides(&self) -> impl Iterator<Item = usize> {
        let (total, part) = match self.roles {
            UnitRoles::Histogram => (true, true),
            UnitRoles::Counter { total, bad, good } => (total, bad || good),
        };
        [(total, 0), (part, 1)]
            .into_iter()
            .filter_map(|(counts, side)| counts.then_some(side))
    }
}

/// How an SLO uses one series; found once per series and kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesUse {
    /// Under which key its last value is kept.
    pub key: SharedText,
    /// The metric's family.
    pub family: SharedText,
    /// The group, by the series' labels with its target's.
    pub group: Group,
    /// What it is to the SLO.
    pub role: SeriesRole,
}

/// What a series is to an SLO.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesRole {
    /// A counter.
    Counter(UnitRoles),
    /// A histogram's `_count`.
    HistogramCount,
    /// One of a histogram's buckets.
    HistogramBucket {
        /// Its bound, as a number.
        le: f64,
        /// Its bound, as on the page.
        written: String,
    },
    /// A native histogram: the family itself.
    NativeHistogram,
    /// A gauge.
    Gauge,
}

impl Indicator {
    /// How the SLO uses a series that selectors see as this metric with these labels (its own with its target's, after
    /// relabelling); `None` when it does not. The series' identity is the page's, whatever selectors see.
    pub fn use_of(&self, series: &Series, metric: &str, labels: &Labels) -> Option<SeriesUse> {
        let group = || self.group_of(labels);
        let family = || SharedText::from(family_of_metric(&series.metric));
        match &self.kind {
            IndicatorKind::Ratio { total, part, part_is } => {
                let part = part.matches(metric, labels);
                let roles = UnitRoles::Counter {
                    total: total.matches(metric, labels),
                    bad: part && *part_is == RatioPart::Bad,
                    good: part && *part_is == RatioPart::Good,
                };
                let none = UnitRoles::Counter {
                    total: false,
                    bad: false,
                    good: false,
                };
                let role = SeriesRole::Counter(roles);
                (roles != none).then(|| SeriesUse {
                    key: series.key.as_str().into(),
                    family: family(),
                    group: group(),
                    role,
                })
            }
            IndicatorKind::Latency { histogram, .. } => {
                let name = histogram.metric.as_deref()?;
                let suffix = metric.strip_prefix(name)?;
                // A histogram's parts belong together by what the page calls them.
                let family = series.metric.strip_suffix(suffix)?;
                let matches = histogram.with_metric(metric).matches(metric, labels);
                let mut own = series.labels.clone();
                own.set("le", "");
                let key = Series::new(family, own).key;
                let role = match suffix {
                    "" => SeriesRole::NativeHistogram,
                    "_count" => SeriesRole::HistogramCount,
                    "_bucket" => {
                        let written = series.labels.get("le").to_owned();
                        SeriesRole::HistogramBucket {
                            le: parse_bound(&written)?,
                            written,
                        }
                    }
                    _ => return None,
                };
                matches.then(|| SeriesUse {
                    key: key.into(),
                    family: family.into(),
                    group: group(),
                    role,
                })
            }
            IndicatorKind::Gauge { gauge, .. } => gauge.matches(metric, labels).then(|| SeriesUse {
                key: series.key.as_str().into(),
                family: family(),
                group: group(),
                role: SeriesRole::Gauge,
            }),
            IndicatorKind::PromQl(_)
            | IndicatorKind::Probe { .. }
            | IndicatorKind::Events
            | IndicatorKind::Heartbeat { .. }
            | IndicatorKind::Sql(_)
            | IndicatorKind::Composite(_)
            | IndicatorKind::Foreign { .. } => None,
        }
    }

    /// Whether good events are counted as total - bad.
    pub fn good_is_rest(&self) -> bool {
        matches!(
            self.kind,
            IndicatorKind::Ratio {
                part_is: RatioPart::Bad,
                ..
            }
        )
    }
}

/// One used series with its value on a page.
#[derive(Clone, Copy, Debug)]
pub struct UsedSample<'a> {
    /// How the SLO uses it.
    pub series: &'a SeriesUse,
    /// Its value; of a native histogram, its count.
    pub value: f64,
    /// Its `_created`.
    pub created: Option<f64>,
    /// The native histogram that it is.
    pub native: Option<&'a NativeHistogram>,
}

/// A histogram that lacks its threshold's bucket, or its count.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingBucket {
    /// The histogram's key.
    pub histogram: String,
    /// Its count, where the page shows one.
    pub count: Option<f64>,
    /// The nearest bounds below and above the threshold, as on the page.
    pub nearest: Vec<String>,
}

/// The counters of a page as units; values that are no finite number, or negative, are left out.
pub fn counter_units<'a>(samples: &[UsedSample<'a>], good_is_rest: bool) -> Vec<Unit<'a>> {
    let counters = samples
        .iter()
        .filter(|sample| is_count(sample.value))
        .filter_map(|sample| {
            let SeriesRole::Counter(roles) = sample.series.role else {
                return None;
            };
            Some(Unit {
                key: &sample.series.key,
                family: &sample.series.family,
                group: &sample.series.group,
                values: [sample.value, 0.0],
                created: sample.created,
                roles,
                good_is_rest,
            })
        });
    counters.collect()
}

/// The keys of counters whose value is none that counts: when they get one, it is a baseline.
pub fn counters_without_value<'a>(samples: &'a [UsedSample<'_>]) -> impl Iterator<Item = &'a str> {
    let counters = samples
        .iter()
        .filter(|sample| matches!(sample.series.role, SeriesRole::Counter(_)));
    counters
        .filter(|sample| !is_count(sample.value))
        .map(|sample| sample.series.key.as_str())
}

/// What a page shows of one histogram.
#[derive(Default)]
struct Parts<'s, 'a> {
    count: Option<&'s UsedSample<'a>>,
    /// The threshold's bucket, and how its bound is written.
    bucket: Option<(&'s str, f64)>,
    family: &'s str,
    /// The bounds of its buckets that somebody uses, as numbers and as written.
    bounds: Vec<(f64, &'s str)>,
    native: Option<(&'s UsedSample<'a>, &'a NativeHistogram)>,
}

/// The histograms of a page as units: count and threshold's bucket together or not at all (rule 8). Where a histogram
/// has no bucket of the threshold and is a native one too, its native buckets tell: both count the same observations,
/// so the unit is the same. `bounds` are those of the page, also of buckets that nobody uses.
pub fn histogram_units<'a>(
    samples: &[UsedSample<'a>],
    threshold: f64,
    bounds: &Bounds,
) -> (Vec<Unit<'a>>, Vec<MissingBucket>) {
    let mut histograms: BTreeMap<&str, Parts<'_, 'a>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| is_count(sample.value)) {
        let parts = histograms.entry(sample.series.key.as_str()).or_default();
        parts.family = &sample.series.family;
        match &sample.series.role {
            SeriesRole::HistogramCount => parts.count = Some(sample),
            SeriesRole::HistogramBucket { le, written } => {
                parts.bounds.push((*le, written));
                // Of two spellings of the bound always the same one, in whatever order the page has them.
                let is_first = parts.bucket.is_none_or(|(known, _)| written.as_str() < known);
                if is_threshold(*le, threshold) && is_first {
                    parts.bucket = Some((written, sample.value));
                }
            }
            SeriesRole::NativeHistogram => parts.native = sample.native.map(|native| (sample, native)),
            _ => {}
        }
    }
    let (mut units, mut missing) = (Vec::new(), Vec::new());
    for (key, parts) in histograms {
        let native = parts.native.and_then(|(sample, native)| {
            let bucket = native.at_or_below(threshold)?;
            Some(histogram_unit(sample, [native.count, bucket]))
        });
        match (parts.count, parts.bucket, native) {
            (Some(count), Some((_, bucket)), _) => units.push(histogram_unit(count, [count.value, bucket])),
            (_, _, Some(native)) => units.push(native),
            // A histogram without a count is half a histogram: it counts when it is whole.
            (count, bucket, None) => missing.push(MissingBucket {
                histogram: key.to_owned(),
                count: count.map(|sample| sample.value),
                nearest: if bucket.is_none() {
                    nearest(&parts, threshold, bounds)
                } else {
                    Vec::new()
                },
            }),
        }
    }
    (units, missing)
}

fn histogram_unit<'a>(sample: &UsedSample<'a>, values: [f64; 2]) -> Unit<'a> {
    Unit {
        key: &sample.series.key,
        family: &sample.series.family,
        group: &sample.series.group,
        values,
        created: sample.created,
        roles: UnitRoles::Histogram,
        good_is_rest: false,
    }
}

/// The bounds next to the threshold, of both kinds of buckets.
fn nearest(parts: &Parts<'_, '_>, threshold: f64, bounds: &Bounds) -> Vec<String> {
    let native = parts.native.map(|(_, native)| native.nearest_bounds(threshold));
    let native = native.into_iter().flatten().map(|bound| (bound, bound.to_string()));
    let classic = parts.bounds.iter().map(|(le, written)| (*le, (*written).to_owned()));
    let of_family = bounds.of(parts.family);
    let unused = of_family.map(|bound| (bound.le, bound.written.to_string()));
    let mut bounds: Vec<(f64, String)> = classic.chain(unused).chain(native).collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let below = bounds.iter().rev().find(|(le, _)| *le < threshold);
    let above = bounds.iter().find(|(le, _)| *le > threshold);
    let written = |(_, written): &(f64, String)| written.clone();
    [below, above].into_iter().flatten().map(written).collect()
}

/// A counter can have this value.
pub fn is_count(value: f64) -> bool {
    value >= 0.0 && to_micro(value).is_some()
}

/// The family of a metric: `http_requests` of `http_requests_total`.
pub fn family_of_metric(metric: &str) -> &str {
    ["_total", "_bucket", "_count", "_sum"]
        .iter()
        .find_map(|suffix| metric.strip_suffix(suffix))
        .unwrap_or(metric)
}

/// The family of a unit by its key: the metric's name is what stands before the labels.
pub fn family_of_key(key: &str) -> &str {
    family_of_metric(key.split_once('{').map_or(key, |(metric, _)| metric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::matcher::Selector;

    fn of_latency() -> Indicator {
        Indicator {
            kind: IndicatorKind::Latency {
                histogram: Selector {
                    metric: Some("new_seconds".to_owned()),
                    matchers: Vec::new(),
                },
                threshold: 0.5,
                written: "500ms".to_owned(),
            },
            source: None,
            group_by: vec!["code".to_owned()],
        }
    }

    #[test]
    fn a_renamed_histogram_is_counted_under_the_pages_name() {
        let own: Labels = [("le", "0.5"), ("path", "/")].into_iter().collect();
        let seen: Labels = [("le", "0.50"), ("code", "2xx")].into_iter().collect();
        for (page, name, expected) in [
            ("old_bucket", "new_seconds_bucket", Some(r#"old{path="/"} old 2xx"#)),
            ("old_count", "new_seconds_count", Some(r#"old{path="/"} old 2xx"#)),
            (
                "new_seconds_bucket",
                "new_seconds_bucket",
                Some(r#"new_seconds{path="/"} new_seconds 2xx"#),
            ),
            ("old", "new_seconds_bucket", None),
            ("new_seconds_bucket", "other_bucket", None),
        ] {
            let used = of_latency().use_of(&Series::new(page, own.clone()), name, &seen);
            let bound = |used: &SeriesUse| match &used.role {
                SeriesRole::HistogramBucket { le, .. } => Some(*le),
                _ => None,
            };
            assert!(
                used.as_ref().and_then(bound).is_none_or(|le| (le - 0.5).abs() < 1e-12),
                "{page}"
            );
            let shown = used.map(|used| format!("{} {} {}", used.key, used.family, used.group.0[0].1));
            assert_eq!(shown.as_deref(), expected, "{page} as {name}");
        }
    }
}
