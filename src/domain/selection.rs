//! Which series a scrape has to keep: the union of all selectors of all SLOs.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::labels::Labels;
use super::matcher::Selector;

/// The suffixes of series that a `_created` sample can date.
const DATED_SUFFIXES: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// All selectors, findable by metric name: names first, then labels.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    by_metric: HashMap<String, Vec<Selector>, RandomState>,
    /// The families of which some series is named in `by_metric` that a `_created` sample could date.
    dated: HashSet<String, RandomState>,
    any_metric: Vec<Selector>,
    revision: u64,
}

impl Selection {
    /// The union of these selectors; `revision` changes whenever they do, for caches that hang on it.
    pub fn new(selectors: impl IntoIterator<Item = Selector>, revision: u64) -> Self {
        let mut selection = Self {
            revision,
            ..Self::default()
        };
        for selector in selectors {
            let metric = selector.metric.as_deref().unwrap_or_default();
            let family = DATED_SUFFIXES.iter().find_map(|suffix| metric.strip_suffix(suffix));
            selection.dated.extend(family.map(str::to_owned));
            let known = match &selector.metric {
                Some(metric) => selection.by_metric.entry(metric.clone()).or_default(),
                None => &mut selection.any_metric,
            };
            if !known.contains(&selector) {
                known.push(selector);
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

    /// Whether any selector could select a series of this metric.
    pub fn may_select(&self, metric: &str) -> bool {
        !self.any_metric.is_empty() || self.by_metric.contains_key(metric)
    }

    /// Whether any selector could select a series that a `_created` sample of this family dates.
    pub fn may_date(&self, family: &str) -> bool {
        !self.any_metric.is_empty() || self.dated.contains(family)
    }

    /// Whether any selector selects this series; `labels` are its own with its target's.
    pub fn selects(&self, metric: &str, labels: &Labels) -> bool {
        let named = self.by_metric.get(metric).into_iter().flatten();
        named
            .chain(&self.any_metric)
            .any(|selector| selector.matches(metric, labels))
    }
}
