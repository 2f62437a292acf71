//! Sorts the samples of a page: selected, dating others, the process's start, or none of nines' business.

use std::sync::Arc;

use super::cache::{Entry, SeriesCache, SeriesView, family_key};
use super::exposition::line::RawSample;
use super::exposition::page::Sink;
use super::exposition::series::parse_series;
use super::exposition::{Fault, FormatError};
use super::rules::PageError;
use crate::domain::labels::Labels;
use crate::domain::reading::{NativeSample, Series};
use crate::domain::selection::Selection;

/// More warnings of one page are not kept.
pub const WARNINGS_MAX: usize = 20;

/// The gauge by which a process says when it began.
const PROCESS_START: &str = "process_start_time_seconds";

/// The suffixes of series that a `_created` sample can date.
const DATED_SUFFIXES: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// A sample of a selected series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub entry: u32,
    pub value: f64,
    pub line: u32,
}

/// What the metric that was asked for last is wanted for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub series: bool,
    pub created: bool,
    pub start: bool,
}

/// Takes a page's samples into a target's cache.
pub(super) struct PageReader<'a> {
    pub cache: &'a mut SeriesCache,
    pub selection: &'a Selection,
    pub view: &'a SeriesView,
    pub wanted: Wanted,
    pub hits: Vec<Hit>,
    pub native: Vec<NativeSample>,
    pub warnings: Vec<FormatError>,
    pub process_start: Option<f64>,
    /// Samples that a rule drops.
    pub dropped: u64,
    /// Why the page's job does not take it.
    pub refused: Option<PageError>,
    /// Names on the page do not tell enough: every series is read in full.
    pub reads_all: bool,
    /// What the number of a sample's place counts: lines, or bytes where the page has none.
    pub place: &'static str,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(cache: &'a mut SeriesCache, selection: &'a Selection, view: &'a SeriesView) -> Self {
        let hits = Vec::with_capacity(cache.entries.len());
        let reads_all = cache.rules.read_all();
        Self {
            cache,
            selection,
            view,
            wanted: Wanted::default(),
            hits,
            native: Vec::new(),
            warnings: Vec::new(),
            process_start: None,
            dropped: 0,
            refused: None,
            reads_all,
            place: "line",
        }
    }

    /// Parses and matches a series' text that the last page did not have.
    fn learn(&mut self, text: &str) -> Result<u32, Fault> {
        let parsed = parse_series(text)?;
        let labels: Labels = parsed.labels.into_iter().collect();
        let metric = parsed.metric;
        let seen = if self.wanted.series {
            let seen = self.cache.rules.seen(&metric, self.view.labels(&labels));
            seen.map_err(|refusal| {
                self.refused = Some(refusal);
                Fault::new(0, "the page is not taken")
            })?
        } else {
            None
        };
        let selected = seen
            .as_ref()
            .is_some_and(|(metric, labels)| self.selection.selects(metric, labels));
        let family = metric.strip_suffix("_created").filter(|_| self.wanted.created);
        let dates = family.map(|family| family_key(family, &labels).into_boxed_str());
        let at = self.cache.entries.len() as u32;
        self.cache.entries.push(Entry {
            dropped: self.wanted.series && seen.is_none(),
            series: selected.then(|| Arc::new(Series::new(metric.as_ref(), labels))),
            dates,
            dated_by: None,
            same_as: at,
            seen: 0,
            given: 0,
            value: 0.0,
        });
        self.cache.places.insert(text.into(), at);
        self.cache.unlinked = true;
        Ok(at)
    }
}

impl Sink for PageReader<'_> {
    fn wants(&mut self, metric: &str) -> bool {
        let dated = |family: &str| {
            DATED_SUFFIXES
                .iter()
                .any(|suffix| self.selection.may_select(&format!("{family}{suffix}")))
        };
        self.wanted = Wanted {
            series: self.reads_all || self.selection.may_select(metric),
            created: metric
                .strip_suffix("_created")
                .is_some_and(|family| self.reads_all || dated(family)),
            start: metric == PROCESS_START,
        };
        self.wanted.series || self.wanted.created || self.wanted.start
    }

    fn sample(&mut self, sample: RawSample<'_>, line: u32) -> Result<(), Fault> {
        if self.wanted.start && sample.series == PROCESS_START && sample.value.is_finite() {
            self.process_start.get_or_insert(sample.value);
        }
        if !self.wanted.series && !self.wanted.created {
            return Ok(());
        }
        let at = match self.cache.places.get(sample.series) {
            Some(at) => *at,
            None => self.learn(sample.series)?,
        };
        let page = self.cache.page;
        let entry = &mut self.cache.entries[at as usize];
        if entry.seen != page {
            entry.seen = page;
            entry.value = sample.value;
        }
        self.dropped += u64::from(entry.dropped);
        if entry.series.is_some() {
            self.hits.push(Hit {
                entry: at,
                value: sample.value,
                line,
            });
        }
        Ok(())
    }

    fn warn(&mut self, warning: FormatError) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        }
    }
}
