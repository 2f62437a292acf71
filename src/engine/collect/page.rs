//! What a page is to the SLOs, and to the log for proofs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::counting::units::{SeriesRole, SeriesUse, UsedSample};
use crate::domain::reading::{NativeSample, Page};
use crate::domain::time::Timestamp;

/// The samples of a page by the SLO that uses them.
pub fn by_slo<'a>(page: &'a Page, used: &'a [Arc<[(i64, SeriesUse)]>]) -> HashMap<i64, Vec<UsedSample<'a>>> {
    let samples = page.samples.iter().map(|sample| (sample.value, sample.created, None));
    let native = page.native.iter().map(|sample| {
        let histogram = &sample.histogram;
        (histogram.count, sample.created, Some(histogram))
    });
    let mut by_slo: HashMap<i64, Vec<UsedSample<'a>>> = HashMap::new();
    for ((value, created, native), uses) in samples.chain(native).zip(used) {
        // A native histogram may have the name and labels of a plain series; each is used as what it is.
        let fits = |series: &SeriesUse| (series.role == SeriesRole::NativeHistogram) == native.is_some();
        for (slo, series) in uses.iter().filter(|(_, series)| fits(series)) {
            let used = UsedSample {
                series,
                value,
                created,
                native,
            };
            by_slo.entry(*slo).or_default().push(used);
        }
    }
    by_slo
}

/// A visit as the log for proofs has it.
pub fn describe_visit(page: &Page, at: Timestamp) -> serde_json::Value {
    let samples: serde_json::Map<String, serde_json::Value> = page
        .samples
        .iter()
        .map(|sample| (sample.series.key.clone(), serde_json::json!(sample.value)))
        .collect();
    let mut visit = serde_json::json!({ "at_ms": at.0, "process_start": page.process_start, "samples": samples });
    if !page.native.is_empty() {
        let native = page.native.iter().map(describe_native);
        visit["native"] = serde_json::Value::Object(native.collect());
    }
    visit
}

/// A native histogram as the log for proofs has it: each bucket above zero with all that lies up to its bound.
fn describe_native(sample: &NativeSample) -> (String, serde_json::Value) {
    let histogram = &sample.histogram;
    let buckets: Vec<_> = histogram
        .buckets
        .iter()
        .map(|bucket| (bucket.index, bucket.up_to))
        .collect();
    let described = serde_json::json!({
        "count": histogram.count,
        "schema": histogram.schema,
        "zero_threshold": histogram.zero_threshold,
        "up_to_zero": histogram.up_to_zero,
        "buckets": buckets,
    });
    (sample.series.key.clone(), described)
}
