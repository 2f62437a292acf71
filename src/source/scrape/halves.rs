//! Histograms that show buckets, but neither their count nor a bucket that some threshold wants. They lack the
//! threshold's bucket like any other (counting rule 8), so from the next page on all of their buckets are kept.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;

use super::known::family_key;
use crate::domain::labels::Labels;
use crate::domain::reading::Series;

/// Which histograms of a target are only halves.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// Those of the last page, by their hash: what of them is learned now is kept.
    found: HashSet<u64>,
    /// The buckets that the present page has taught and that are passed over, by their histogram's hash.
    learned: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
}

impl Halves {
    /// Another page begins.
    pub(super) fn begin_page(&mut self) {
        self.learned = HashMap::new();
    }

    /// The hash of the histogram to which a bucket of this family with these labels belongs.
    pub(super) fn hash(&self, family: &str, labels: &Labels) -> u64 {
        let labels: Labels = labels.iter().filter(|(name, _)| *name != "le").collect();
        self.hasher.hash_one(family_key(family, &labels))
    }

    /// Whether the last page showed that it is only half a histogram.
    pub(super) fn has(&self, histogram: u64) -> bool {
        self.found.contains(&histogram)
    }

    /// A bucket is passed over.
    pub(super) fn learn(&mut self, histogram: u64, entry: u32) {
        self.learned.entry(histogram).or_default().push(entry);
    }

    /// Finds the halves among what a page has taught, by the series of the page that are kept. Gives back the entries of
    /// their buckets, which are to be learned anew.
    pub(super) fn end_page<'a>(&mut self, kept: impl Iterator<Item = &'a Series>) -> Vec<u32> {
        self.found = HashSet::new();
        if self.learned.is_empty() {
            return Vec::new();
        }
        for series in kept {
            let family = ["_count", "_bucket"]
                .iter()
                .find_map(|suffix| series.metric.strip_suffix(suffix));
            if let Some(family) = family {
                self.learned.remove(&self.hash(family, &series.labels));
            }
        }
        let learned = mem::take(&mut self.learned);
        self.found = learned.keys().copied().collect();
        learned.into_values().flatten().collect()
    }
}
