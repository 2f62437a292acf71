//! The reader of protobuf pages: nothing panics; a page that is read again through what was remembered gives the same;
//! what an SLO selects of a page is what the whole page holds of it; a native histogram never counts more observations
//! than there are.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use nines::domain::matcher::Selector;
use nines::domain::reading::Page;
use nines::domain::selection::Selection;
use nines::source::scrape::cache::{SeriesCache, SeriesView};

/// A name that the corpus holds.
const METRIC: &str = "a_total";

fuzz_target!(|bytes: &[u8]| {
    let mut cache = SeriesCache::default();
    let whole = read(&mut cache, bytes, None);
    let again = read(&mut cache, bytes, None);
    assert_eq!(whole.as_ref().map(samples), again.as_ref().map(samples), "read again");
    let selected = read(&mut SeriesCache::default(), bytes, Some(METRIC));
    let Some(whole) = whole else { return };
    // A family that nobody wants is not looked into, so a page that is refused as a whole may have a part to give.
    let selected = selected.expect("a part of a page that is understood");
    // By the name itself: another metric's name may hold a brace.
    let mut of_metric = whole.clone();
    of_metric.samples.retain(|sample| sample.series.metric == METRIC);
    assert_eq!(samples(&selected), samples(&of_metric));
    assert_eq!(selected.samples_seen, whole.samples_seen);
    for native in &whole.native {
        let histogram = &native.histogram;
        for threshold in [0.0, 0.25, 1.0, 64.0, histogram.zero_threshold] {
            let counted = histogram.at_or_below(threshold).unwrap_or(0.0);
            assert!(counted >= 0.0 && counted <= histogram.buckets.last().map_or(histogram.up_to_zero, |last| last.up_to));
        }
    }
});

fn read(cache: &mut SeriesCache, bytes: &[u8], metric: Option<&str>) -> Option<Page> {
    let selector = Selector {
        metric: metric.map(str::to_owned),
        matchers: Vec::new(),
    };
    let selection = Selection::new([selector], 1);
    cache.read_protobuf(bytes, &selection, &SeriesView::default()).ok()
}

/// The samples by series, with the bits of their values; all that is no number is the same.
fn samples(page: &Page) -> BTreeMap<String, u64> {
    let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    let samples = page.samples.iter();
    samples.map(|sample| (sample.series.key.clone(), bits(sample.value))).collect()
}
