//! What a page is to the SLOs, and to the log for proofs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::counting::units::{SeriesUse, UsedSample};
use crate::domain::reading::Page;
use crate::domain::time::Timestamp;

/// The samples of a page by the SLO that uses them.
pub fn by_slo<'a>(page: &'a Page, used: &'a [Arc<[(i64, SeriesUse)]>]) -> HashMap<i64, Vec<UsedSample<'a>>> {
    let mut by_slo: HashMap<i64, Vec<UsedSample<'a>>> = HashMap::new();
    for (sample, uses) in page.samples.iter().zip(used) {
        for (slo, series) in uses.iter() {
            let used = UsedSample {
                series,
                value: sample.value,
                created: sample.created,
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
    serde_json::json!({ "at_ms": at.0, "process_start": page.process_start, "samples": samples })
}
