//! The scanner of exposition pages beside a slow and obvious reader of our own: both take the same samples of a page or
//! both refuse it. Nothing else may matter: not in which pieces a page comes, not what the scanner remembers of other
//! pages, not a page that was given up half way, and not what else is selected.
//!
//! The first byte chooses the format, the second one the pieces; a byte 0x1e stands between two pages.

#![no_main]

#[path = "../../src/source/scrape/tests/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use nines::domain::matcher::Selector;
use nines::domain::reading::Page;
use nines::domain::selection::Selection;
use nines::source::scrape::cache::{PageInPieces, SeriesCache, SeriesView};
use nines::source::scrape::exposition::Format;
use nines::source::scrape::exposition::page::Framing;
use nines::source::scrape::rules::PageError;

fuzz_target!(|bytes: &[u8]| {
    let [mode, seed, pages @ ..] = bytes else {
        return;
    };
    let format = if mode & 1 == 1 {
        Format::OpenMetrics
    } else {
        Format::Text
    };
    let mut readers = Readers {
        framing: Framing {
            format,
            whole: mode & 2 == 0,
        },
        seed: usize::from(*seed).max(1),
        everything: selection(None, 1),
        warm: SeriesCache::default(),
    };
    let mut parts = pages.splitn(2, |byte| *byte == 0x1e);
    let first = parts.next().unwrap_or_default();
    let second = parts.next().map_or_else(|| other_order(first), <[u8]>::to_vec);
    for page in [first, &second, first, first, &second] {
        readers.check(page);
    }
});

struct Readers {
    framing: Framing,
    seed: usize,
    everything: Selection,
    /// Remembers the pages before.
    warm: SeriesCache,
}

impl Readers {
    fn check(&mut self, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let fresh = self.read(&mut SeriesCache::default(), bytes, &self.everything, usize::MAX);
        let pieces = self.read(&mut SeriesCache::default(), bytes, &self.everything, self.seed);
        if str::from_utf8(bytes).is_err() {
            assert!(fresh.is_err() && pieces.is_err(), "no text is taken: {shown:?}");
        } else {
            assert_eq!(
                summary(&fresh),
                summary(&pieces),
                "in pieces of {}: {shown:?}",
                self.seed
            );
            self.check_samples(&shown, &fresh);
        }
        self.give_up(bytes);
        let mut warm = std::mem::take(&mut self.warm);
        let again = self.read(&mut warm, bytes, &self.everything, self.seed);
        self.warm = warm;
        assert_eq!(fresh.is_ok(), again.is_ok(), "after others: {shown:?}");
        if str::from_utf8(bytes).is_ok() {
            assert_eq!(summary(&fresh), summary(&again), "after others: {shown:?}");
        }
        if let Ok(page) = fresh {
            self.check_one_metric(bytes, &page);
        }
    }

    /// The slow reader makes the same of it.
    fn check_samples(&self, text: &str, read: &Result<Page, PageError>) {
        if !self.framing.whole && !text.is_empty() && !text.ends_with('\n') {
            assert!(read.is_err(), "cut: {text:?}");
            return;
        }
        let samples = read.as_ref().ok().map(|page| {
            let samples = page.samples.iter();
            let bits = |value| reference::bits(value);
            samples
                .map(|sample| (sample.series.key.clone(), bits(sample.value)))
                .collect::<BTreeMap<_, _>>()
        });
        let slow = reference::read(text, self.framing.format == Format::OpenMetrics).ok();
        assert_eq!(samples, slow, "{text:?}");
    }

    /// A page that is given up teaches nothing.
    fn give_up(&mut self, bytes: &[u8]) {
        let known = self.warm.len();
        let view = SeriesView::default();
        let mut page = self.warm.begin(self.framing, &self.everything, &view);
        let half = bytes.len().min(self.seed);
        let _ = page.feed(&bytes[..half]);
        drop(page);
        assert_eq!(self.warm.len(), known);
    }

    /// Of a page that is understood, one metric alone gives what it gives among all others.
    fn check_one_metric(&self, bytes: &[u8], all: &Page) {
        let Some(chosen) = all.samples.get(self.seed % all.samples.len().max(1)) else {
            return;
        };
        let wanted = selection(Some(&chosen.series.metric), 2);
        let mut cache = SeriesCache::default();
        let expected = all.samples.iter();
        let expected: Vec<_> = expected
            .filter(|sample| sample.series.metric == chosen.series.metric)
            .map(|sample| (&sample.series.key, reference::bits(sample.value)))
            .collect();
        for _ in 0..2 {
            let page = self
                .read(&mut cache, bytes, &wanted, self.seed)
                .expect("it was understood before");
            let samples = page.samples.iter();
            let samples: Vec<_> = samples
                .map(|sample| (&sample.series.key, reference::bits(sample.value)))
                .collect();
            assert_eq!(samples, expected, "{:?} alone", chosen.series.metric);
            assert_eq!(page.samples_seen, all.samples_seen);
        }
    }

    /// Reads a page in pieces of up to `length` bytes, of different lengths.
    fn read(
        &self,
        cache: &mut SeriesCache,
        bytes: &[u8],
        wanted: &Selection,
        length: usize,
    ) -> Result<Page, PageError> {
        let view = SeriesView::default();
        let mut page: PageInPieces<'_> = cache.begin(self.framing, wanted, &view);
        let (mut rest, mut next) = (bytes, length);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(next));
            page.feed(piece)?;
            rest = more;
            next = if next > 1 && length < usize::MAX {
                next / 2
            } else {
                length
            };
        }
        page.finish()
    }
}

fn selection(metric: Option<&str>, revision: u64) -> Selection {
    let selector = Selector {
        metric: metric.map(str::to_owned),
        matchers: Vec::new(),
    };
    Selection::new([selector], revision)
}

/// All that a reading says, bit for bit.
fn summary(read: &Result<Page, PageError>) -> String {
    match read {
        Ok(page) => {
            let sample = |sample: &nines::domain::reading::Sample| {
                let created = sample.created.map(reference::bits);
                format!("{} {:x} {created:?}", sample.series.key, reference::bits(sample.value))
            };
            let samples: Vec<String> = page.samples.iter().map(sample).collect();
            let start = page.process_start.map(f64::to_bits);
            format!(
                "{samples:?} {start:?} {} {} {:?}",
                page.samples_seen, page.bytes, page.warnings
            )
        }
        Err(error) => error.to_string(),
    }
}

/// The page with its first line behind the others and without every seventh one.
fn other_order(page: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = page.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.len() > 2 {
        lines[1..].rotate_left(1);
    }
    let kept = lines.iter().enumerate().filter(|(at, _)| at % 7 != 6);
    kept.flat_map(|(_, line)| line.iter().copied()).collect()
}
