//! The scanner of exposition pages beside a slow and obvious reader of our own: both take the same samples of a page or
//! both refuse it, and a page that is read again through what the scanner remembers gives the same.
//!
//! The first byte chooses the format.

#![no_main]

#[path = "../../src/source/scrape/tests/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use nines::domain::matcher::Selector;
use nines::domain::selection::Selection;
use nines::source::scrape::cache::{SeriesCache, SeriesView};
use nines::source::scrape::exposition::Format;
use nines::source::scrape::exposition::page::Framing;

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(rest) else {
        return;
    };
    let open_metrics = mode & 1 == 1;
    let format = if open_metrics {
        Format::OpenMetrics
    } else {
        Format::Text
    };
    let mut cache = SeriesCache::default();
    let first = scanned(&mut cache, text, format);
    assert_eq!(first, reference::read(text, open_metrics).ok(), "{text:?}");
    assert_eq!(first, scanned(&mut cache, text, format), "read again: {text:?}");
});

/// The samples by series, with the bits of their values; none for a page that is refused.
fn scanned(cache: &mut SeriesCache, text: &str, format: Format) -> Option<BTreeMap<String, u64>> {
    let any = Selector {
        metric: None,
        matchers: Vec::new(),
    };
    let framing = Framing { format, whole: true };
    let selection = Selection::new([any], 1);
    let page = cache.read(text, framing, &selection, &SeriesView::default()).ok()?;
    let samples = page.samples.iter();
    Some(
        samples
            .map(|sample| (sample.series.key.clone(), reference::bits(sample.value)))
            .collect(),
    )
}
