//! What a target's last page held, so that its next one need not be read label by label.
//!
//! A page repeats itself: the same series, byte for byte, visit after visit. Each series' text is parsed and matched
//! once; afterwards a hash of the text finds what came of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::exposition::page::{Framing, scan};
use super::native::NativeCache;
use super::reader::{Hit, PageReader};
use super::rules::{PageError, PageRules};
use crate::domain::labels::Labels;
use crate::domain::reading::{Page, Sample, Series};
use crate::domain::selection::Selection;

/// How selectors see the series of one target.
#[derive(Clone, Debug, Default)]
pub struct SeriesView {
    /// The target's labels.
    pub target: Labels,
    /// The page's labels win over the target's.
    pub honor_labels: bool,
}

impl SeriesView {
    /// The labels of a series as selectors see them.
    pub fn labels(&self, own: &Labels) -> Labels {
        own.with_target(&self.target, self.honor_labels)
    }
}

/// The series of one target's last page. It never holds more than one page does.
#[derive(Debug, Default)]
pub struct SeriesCache {
    /// What becomes of the page's series before selectors see them.
    pub(super) rules: PageRules,
    /// The selection that the entries were matched against.
    revision: Option<u64>,
    /// By the series' text on the page, the place in `entries`.
    pub(super) places: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    pub(super) entries: Vec<Entry>,
    /// The number of the present page.
    pub(super) page: u64,
    /// Entries came or went since they were linked.
    pub(super) unlinked: bool,
    /// Native histograms have no text.
    pub(super) native: NativeCache,
}

/// What came of one series' text.
#[derive(Debug)]
pub(super) struct Entry {
    /// A rule drops it: it is not counted among the page's samples either.
    pub dropped: bool,
    /// The series, when it is selected.
    pub series: Option<Arc<Series>>,
    /// For a `_created` sample: the key of the series that it dates, see [`dated_key`].
    pub dates: Option<Box<str>>,
    /// The `_created` entry that dates this series.
    pub dated_by: Option<u32>,
    /// The first entry of the same series: a page may write it in two ways.
    pub same_as: u32,
    /// The last page that had this text.
    pub seen: u64,
    /// The last page for which this series was given out.
    pub given: u64,
    /// Its first value on that page.
    pub value: f64,
}

impl SeriesCache {
    /// A cache for pages of a target with these rules.
    pub fn new(rules: PageRules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Reads a page. On an error nothing of it counts, and what was learned from it stays harmless.
    pub fn read(
        &mut self,
        text: &str,
        framing: Framing,
        selection: &Selection,
        view: &SeriesView,
    ) -> Result<Page, PageError> {
        self.read_with(text.len(), selection, view, |reader| Ok(scan(text, framing, reader)?))
    }

    /// Reads a page of so many bytes, whatever its format.
    pub(super) fn read_with(
        &mut self,
        bytes: usize,
        selection: &Selection,
        view: &SeriesView,
        scan: impl FnOnce(&mut PageReader<'_>) -> Result<u64, PageError>,
    ) -> Result<Page, PageError> {
        self.native.begin_page(self.revision != Some(selection.revision()));
        if self.revision != Some(selection.revision()) {
            self.places.clear();
            self.entries.clear();
            self.revision = Some(selection.revision());
        }
        self.page += 1;
        let known = self.entries.len();
        let mut reader = PageReader::new(self, selection, view);
        let scanned = scan(&mut reader);
        let (hits, warnings, process_start) = (reader.hits, reader.warnings, reader.process_start);
        let (dropped, refused, native, place) = (reader.dropped, reader.refused, reader.native, reader.place);
        let read = match (scanned, warnings.first()) {
            // Not one line is a sample: this is some other document, whose silence must not be taken for a page's.
            (Ok(0), Some(fault)) => Err(fault.clone().into()),
            (scanned, _) => scanned,
        };
        let read = match (read, refused) {
            (Err(end), Some(refusal)) => Err(refusal.placed(&end)),
            (Err(error), None) => Err(error),
            (Ok(samples), _) => self
                .rules
                .check_samples(samples.saturating_sub(dropped))
                .map(|()| samples),
        };
        let samples_seen = read.inspect_err(|_| self.unlearn(known))?;
        if self.unlinked {
            self.link();
        }
        let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let samples = self.give_out(&hits, place, &mut warnings);
        self.forget_unseen();
        Ok(Page {
            samples,
            native,
            process_start,
            samples_seen,
            bytes: bytes as u64,
            warnings,
        })
    }

    /// How many series are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops what a page that failed has taught, so that failing pages cannot fill the memory.
    fn unlearn(&mut self, known: usize) {
        if self.entries.len() > known {
            self.entries.truncate(known);
            self.places.retain(|_, place| (*place as usize) < known);
        }
    }

    /// Turns hits into samples; of a series that is listed twice, the first.
    fn give_out(&mut self, hits: &[Hit], place: &str, warnings: &mut Vec<String>) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(hits.len());
        for hit in hits {
            let entry = &self.entries[hit.entry as usize];
            let created = entry.dated_by.map(|at| &self.entries[at as usize]);
            let created = created.filter(|created| created.seen == self.page);
            let created = created
                .map(|created| created.value)
                .filter(|at| at.is_finite() && *at > 0.0);
            let (series, first) = (entry.series.clone(), entry.same_as as usize);
            if self.entries[first].given == self.page {
                if warnings.len() < super::reader::WARNINGS_MAX {
                    warnings.push(format!(
                        "{place} {}: a series that the page lists twice; its first value counts",
                        hit.line
                    ));
                }
                continue;
            }
            self.entries[first].given = self.page;
            if let Some(series) = series {
                samples.push(Sample {
                    series,
                    value: hit.value,
                    created,
                });
            }
        }
        samples
    }

    /// Finds, after entries came or went, which are the same series and which dates which.
    fn link(&mut self) {
        let mut first_of: HashMap<&str, u32> = HashMap::new();
        let mut dates: HashMap<&str, u32> = HashMap::new();
        for (at, entry) in (0..).zip(&self.entries) {
            if let Some(series) = &entry.series {
                first_of.entry(series.key.as_str()).or_insert(at);
            }
            if let Some(key) = &entry.dates {
                dates.entry(key).or_insert(at);
            }
        }
        let link_of = |(at, entry): (u32, &Entry)| {
            let Some(series) = &entry.series else { return (at, None) };
            let same_as = first_of.get(series.key.as_str()).copied().unwrap_or(at);
            let dated_key = if dates.is_empty() { None } else { dated_key(series) };
            (same_as, dated_key.and_then(|key| dates.get(key.as_str()).copied()))
        };
        let links: Vec<(u32, Option<u32>)> = (0..).zip(&self.entries).map(link_of).collect();
        for (entry, (same_as, dated_by)) in self.entries.iter_mut().zip(links) {
            (entry.same_as, entry.dated_by) = (same_as, dated_by);
        }
        self.unlinked = false;
    }

    /// Drops what the present page did not have.
    fn forget_unseen(&mut self) {
        if self.entries.iter().all(|entry| entry.seen == self.page) {
            return;
        }
        let page = self.page;
        let mut moved: Vec<Option<u32>> = Vec::with_capacity(self.entries.len());
        let mut next = 0;
        for entry in &self.entries {
            let keep = entry.seen == page;
            moved.push(keep.then_some(next));
            next += u32::from(keep);
        }
        self.places.retain(|_, place| match moved[*place as usize] {
            Some(to) => {
                *place = to;
                true
            }
            None => false,
        });
        self.entries.retain(|entry| entry.seen == page);
        self.unlinked = true;
    }
}

/// The key under which a `_created` sample of this family with these labels dates series.
pub(super) fn family_key(family: &str, labels: &Labels) -> String {
    format!("{family}{labels}")
}

/// The key under which a `_created` sample would date this series: its family's name and its labels without `le`.
/// Only counters and the parts of histograms and summaries have one.
fn dated_key(series: &Series) -> Option<String> {
    let metric = series.metric.as_str();
    if let Some(family) = metric.strip_suffix("_bucket") {
        let labels: Labels = series.labels.iter().filter(|(name, _)| *name != "le").collect();
        return Some(family_key(family, &labels));
    }
    let family = ["_total", "_count", "_sum"]
        .iter()
        .find_map(|suffix| metric.strip_suffix(suffix))?;
    Some(family_key(family, &series.labels))
}
