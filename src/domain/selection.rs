//! Which series a scrape has to keep: the union of what all SLOs want.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::bounds::{is_threshold, parse_bound};
use super::labels::Labels;
use super::matcher::Selector;

/// The suffixes of series that a `_created` sample can date.
const DATED_SUFFIXES: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// Series that an indicator wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Their metric and labels.
    pub selector: Selector,
    /// Of the buckets that the selector matches, only those with this bound.
    pub threshold: Option<f64>,
}

impl From<Selector> for Wanted {
    fn from(selector: Selector) -> Self {
        Self {
            selector,
            threshold: None,
        }
    }
}

/// What a series is to the selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Some indicator wants it.
    pub selected: bool,
    /// It is a bucket of a histogram of which some indicator wants a bucket, this one or another.
    pub of_wanted_histogram: bool,
}

/// All that is wanted, findable by metric name: names first, then labels.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    by_metric: HashMap<String, Vec<Wanted>, RandomState>,
    /// The families of which some series is named in `by_metric` that a `_created` sample could date.
    dated: HashSet<String, RandomState>,
    any_metric: Vec<Wanted>,
    revision: u64,
}

impl Selection {
    /// The union of all that is wanted; `revision` changes whenever it does, for caches that hang on it.
    pub fn new(all: impl IntoIterator<Item = impl Into<Wanted>>, revision: u64) -> Self {
        let mut selection = Self {
            revision,
            ..Self::default()
        };
        for wanted in all.into_iter().map(Into::into) {
            let metric = wanted.selector.metric.as_deref().unwrap_or_default();
            let family = DATED_SUFFIXES.iter().find_map(|suffix| metric.strip_suffix(suffix));
            selection.dated.extend(family.map(str::to_owned));
            let known = match &wanted.selector.metric {
                Some(metric) => selection.by_metric.entry(metric.clone()).or_default(),
                None => &mut selection.any_metric,
            };
            if !known.contains(&wanted) {
                known.push(wanted);
            }
        }
        selection
    }

    /// What caches compare.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether both select the same series of every page.
    pub fn selects_alike(&self, other: &Self) -> bool {
        (&self.by_metric, &self.any_metric) == (&other.by_metric, &other.any_metric)
    }

    /// Whether any series of this metric could be selected.
    pub fn may_select(&self, metric: &str) -> bool {
        !self.any_metric.is_empty() || self.by_metric.contains_key(metric)
    }

    /// Whether any series could be selected that a `_created` sample of this family dates.
    pub fn may_date(&self, family: &str) -> bool {
        !self.any_metric.is_empty() || self.dated.contains(family)
    }

    /// What a series is to the selection; `labels` are its own with its target's, `le` is the page's own.
    pub fn choose(&self, metric: &str, labels: &Labels, le: &str) -> Choice {
        let mut choice = Choice::default();
        let bound = parse_bound(le);
        for wanted in self.matching(metric, labels) {
            match (wanted.threshold, bound) {
                (None, _) => choice.selected = true,
                (Some(threshold), Some(bound)) => {
                    choice.of_wanted_histogram = true;
                    choice.selected |= is_threshold(bound, threshold);
                }
                // Without a bound it is no bucket.
                (Some(_), None) => {}
            }
        }
        choice
    }

    /// Whether a native histogram is selected, which has all of its buckets in one: `labels` are its own with its target's.
    pub fn selects_native(&self, family: &str, labels: &Labels) -> bool {
        self.matching(&format!("{family}_bucket"), labels).next().is_some()
    }

    fn matching<'a>(&'a self, metric: &'a str, labels: &'a Labels) -> impl Iterator<Item = &'a Wanted> {
        let named = self.by_metric.get(metric).into_iter().flatten();
        let all = named.chain(&self.any_metric);
        all.filter(move |wanted| wanted.selector.matches(metric, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(metric: &str, threshold: Option<f64>) -> Wanted {
        let selector = Selector {
            metric: Some(metric.to_owned()),
            matchers: Vec::new(),
        };
        Wanted { selector, threshold }
    }

    #[test]
    fn of_a_histogram_only_the_buckets_of_some_threshold_are_selected() {
        let latency = [
            wanted("x_bucket", Some(0.3)),
            wanted("x_bucket", Some(2.0)),
            wanted("x_count", None),
        ];
        let selection = Selection::new(latency, 1);
        for (metric, le, selected, of_wanted_histogram) in [
            ("x_bucket", "0.3", true, true),
            ("x_bucket", "0.30", true, true),
            ("x_bucket", "3e-1", true, true),
            ("x_bucket", "2", true, true),
            ("x_bucket", "1", false, true),
            ("x_bucket", "+Inf", false, true),
            ("x_bucket", "", false, false),
            ("x_bucket", "many", false, false),
            ("x_count", "", true, false),
            ("y_bucket", "0.3", false, false),
        ] {
            let choice = selection.choose(metric, &Labels::new(), le);
            let expected = Choice {
                selected,
                of_wanted_histogram,
            };
            assert_eq!(choice, expected, "{metric} {le}");
        }
        assert!(selection.selects_native("x", &Labels::new()) && !selection.selects_native("y", &Labels::new()));
    }

    #[test]
    fn a_plain_selector_wants_every_bucket_beside_a_threshold() {
        let selection = Selection::new([wanted("x_bucket", Some(0.3)), wanted("x_bucket", None)], 1);
        for le in ["0.3", "1", "many", ""] {
            assert!(selection.choose("x_bucket", &Labels::new(), le).selected, "{le}");
        }
    }

    #[test]
    fn another_threshold_selects_other_series() {
        let with = |threshold: f64| Selection::new([wanted("x_bucket", Some(threshold))], 1);
        assert!(with(0.3).selects_alike(&with(0.3)) && !with(0.3).selects_alike(&with(0.5)));
    }
}
