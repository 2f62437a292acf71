//! Sorts the samples of a page: selected, dating others, the process's start, or none of nines' business.

use std::mem;
use std::sync::Arc;

use super::cache::{SeriesCache, SeriesView};
use super::entry::Marks;
use super::exposition::line::RawSample;
use super::exposition::page::Sink;
use super::exposition::series::parse_series;
use super::exposition::{Fault, FormatError};
use super::known::{Kind, Links, NONE, family_key};
use super::rules::PageError;
use crate::domain::labels::Labels;
use crate::domain::reading::{NativeSample, Page, Sample, Series};
use crate::domain::selection::Selection;

/// More warnings of one page are not kept.
const WARNINGS_MAX: usize = 20;

/// The gauge by which a process says when it began.
const PROCESS_START: &str = "process_start_time_seconds";

/// A sample of a selected series.
#[derive(Clone, Copy, Debug)]
struct Hit {
    taken: u32,
    line: u32,
    value: f64,
}

/// So many series are fetched from memory at once.
const FETCHED_TOGETHER: usize = 16;

/// What the metric that was asked for last is wanted for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub series: bool,
    pub created: bool,
    pub start: bool,
}

/// Takes a page's samples into a target's cache. Unless it is finished, the cache forgets what it learned.
#[derive(Debug)]
pub(super) struct PageReader<'a> {
    pub cache: &'a mut SeriesCache,
    pub selection: &'a Selection,
    pub view: &'a SeriesView,
    pub wanted: Wanted,
    /// Native histograms of selected series.
    pub native: Vec<NativeSample>,
    hits: Vec<Hit>,
    warnings: Vec<FormatError>,
    malformed: u64,
    duplicates: u64,
    process_start: Option<f64>,
    /// The entry that was taken last and the one that probably follows.
    last: u32,
    expected: u32,
    /// Which texts of the cache the page had.
    seen: Marks,
    /// Samples that a rule drops.
    dropped: u64,
    /// Why the page's job does not take it.
    pub refused: Option<PageError>,
    /// Names on the page do not tell enough: every series is read in full.
    pub reads_all: bool,
    /// What a sample's place is counted in: lines, or bytes where the page has none.
    place: &'static str,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(
        cache: &'a mut SeriesCache,
        selection: &'a Selection,
        view: &'a SeriesView,
        place: &'static str,
    ) -> Self {
        Self {
            wanted: Wanted::default(),
            native: Vec::new(),
            hits: Vec::with_capacity(cache.known.taken_len()),
            warnings: Vec::new(),
            malformed: 0,
            duplicates: 0,
            process_start: None,
            last: NONE,
            expected: cache.known.first(),
            seen: Marks::with_room(cache.known.len()),
            dropped: 0,
            refused: None,
            reads_all: cache.rules.read_all(),
            place,
            cache,
            selection,
            view,
        }
    }

    /// Why the page does not count, when it could not be scanned.
    pub(super) fn reason(&mut self, error: impl Into<PageError>) -> PageError {
        let error = error.into();
        match self.refused.take() {
            Some(refusal) => refusal.placed(&error),
            None => error,
        }
    }

    /// What a page of so many samples and bytes gave.
    pub(super) fn finish(&mut self, samples: u64, bytes: u64) -> Result<Page, PageError> {
        if let (0, Some(fault)) = (samples, self.warnings.first()) {
            // Not one line is a sample: this is some other document, whose silence must not be taken for a page's.
            return Err(fault.clone().into());
        }
        self.cache.rules.check_samples(samples.saturating_sub(self.dropped))?;
        self.cache.known.link();
        let mut warnings: Vec<String> = self.warnings.iter().map(ToString::to_string).collect();
        let selected = self.give_out(&mut warnings);
        let SeriesCache { known, halves, .. } = &mut *self.cache;
        let again = halves.end_page(known.selected(&self.seen));
        for at in again {
            known.void(at);
        }
        known.keep(&self.seen);
        Ok(Page {
            samples: selected,
            native: mem::take(&mut self.native),
            bounds: self.cache.known.bounds(),
            process_start: self.process_start,
            samples_seen: samples,
            bytes,
            warnings,
            malformed: self.malformed,
            duplicates: self.duplicates,
            ..Page::default()
        })
    }

    /// Turns hits into samples; of a series that is listed twice, the first.
    fn give_out(&mut self, warnings: &mut Vec<String>) -> Vec<Sample> {
        let hits = mem::take(&mut self.hits);
        let mut samples = Vec::with_capacity(hits.len());
        let (known, page) = (&mut self.cache.known, self.cache.page);
        for (at, hit) in hits.iter().enumerate() {
            if at % FETCHED_TOGETHER == 0 {
                known.fetch(hits[at..].iter().take(FETCHED_TOGETHER).map(|hit| hit.taken));
            }
            let Some(taken) = known.taken(hit.taken) else { continue };
            let Some(series) = taken.series.clone() else { continue };
            let created = known.created(taken, page);
            let first = taken.same_as;
            let Some((first, _)) = known.taken_mut(first) else {
                continue;
            };
            if first.given != page {
                first.given = page;
                samples.push(Sample {
                    series,
                    value: hit.value,
                    created,
                });
                continue;
            }
            self.duplicates += 1;
            if warnings.len() < WARNINGS_MAX {
                warnings.push(format!(
                    "{} {}: a series that the page lists twice; its first value counts",
                    self.place, hit.line
                ));
            }
        }
        samples
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
        let le = labels.get("le");
        let choice = seen
            .as_ref()
            .map(|(metric, labels)| self.selection.choose(metric, labels, le));
        let choice = choice.unwrap_or_default();
        // A histogram's parts belong together by what the page calls them.
        let histogram = metric.strip_suffix("_bucket").filter(|_| choice.of_wanted_histogram);
        let bound = histogram.and_then(|family| self.cache.known.bound(family, le));
        let passed_over = histogram.filter(|_| !choice.selected);
        let histogram = passed_over.map(|family| self.cache.halves.hash(family, &labels));
        let is_half = histogram.is_some_and(|histogram| self.cache.halves.has(histogram));
        let family = metric.strip_suffix("_created").filter(|_| self.wanted.created);
        let dates = family.map(|family| family_key(family, &labels));
        let kind = Kind {
            dropped: self.wanted.series && seen.is_none(),
            created: dates.is_some(),
            start: self.wanted.start && text == PROCESS_START,
        };
        let selected = choice.selected || is_half;
        let series = selected.then(|| Arc::new(Series::new(metric.as_ref(), labels)));
        let links = Links { dates, bound };
        let added = self.cache.known.add(text, series, kind, links);
        let at = added.ok_or(Fault::new(0, "the page's wanted series have more than 4 GiB"))?;
        if let Some(histogram) = histogram.filter(|_| !is_half) {
            self.cache.halves.learn(histogram, at);
        }
        Ok(at)
    }

    fn take(&mut self, at: u32, value: f64, line: u32) {
        let (known, page) = (&mut self.cache.known, self.cache.page);
        let Some(entry) = known.entry(at) else { return };
        (self.last, self.expected) = (at, known.next(at));
        let is_new = self.seen.mark(at);
        self.dropped += u64::from(entry.is_dropped());
        let Some(number) = entry.taken_at() else { return };
        let Some((taken, date)) = known.taken_mut(number) else {
            return;
        };
        if let Some(date) = date.filter(|_| is_new) {
            (date.seen, date.value) = (page, value);
        }
        if taken.kind.start && value.is_finite() {
            self.process_start.get_or_insert(value);
        }
        if taken.series.is_some() {
            self.hits.push(Hit {
                taken: number,
                line,
                value,
            });
        }
    }
}

impl Sink for PageReader<'_> {
    fn wants(&mut self, metric: &str) -> bool {
        let family = metric.strip_suffix("_created");
        self.wanted = Wanted {
            series: self.reads_all || self.selection.may_select(metric),
            created: family.is_some_and(|family| self.reads_all || self.selection.may_date(family)),
            start: metric == PROCESS_START,
        };
        self.wanted.series || self.wanted.created || self.wanted.start
    }

    fn expects(&self, line: &[u8]) -> Option<usize> {
        self.cache.known.begins(self.expected, line)
    }

    fn take_expected(&mut self, value: f64, line: u32) {
        self.take(self.expected, value, line);
    }

    fn sample(&mut self, sample: RawSample<'_>, line: u32) -> Result<(), Fault> {
        if !self.wanted.series && !self.wanted.created {
            if sample.series == PROCESS_START && sample.value.is_finite() {
                self.process_start.get_or_insert(sample.value);
            }
            return Ok(());
        }
        if !self.cache.known.is(self.expected, sample.series.as_bytes()) {
            let at = match self.cache.known.find(sample.series) {
                Some(at) => at,
                None => self.learn(sample.series)?,
            };
            self.cache.known.follow(self.last, at);
            self.expected = at;
        }
        self.take(self.expected, sample.value, line);
        Ok(())
    }

    fn warn(&mut self, warning: FormatError) {
        self.malformed += 1;
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        }
    }
}

impl Drop for PageReader<'_> {
    fn drop(&mut self) {
        self.cache.known.unlearn();
    }
}
