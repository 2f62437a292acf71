//! The native histograms of pages in the protobuf format: they have no text.

use std::collections::HashMap;
use std::sync::Arc;

use super::exposition::Fault;
use super::exposition::page::Sink;
use super::exposition::protobuf::FamilySink;
use super::exposition::series::parse_series;
use super::reader::PageReader;
use crate::domain::labels::Labels;
use crate::domain::native_histogram::NativeHistogram;
use crate::domain::reading::{NativeSample, Series};

/// The native histograms of one target's last page. It never holds more than one page does.
#[derive(Debug, Default)]
pub(super) struct NativeCache {
    /// By the series' text, what came of it.
    known: HashMap<Box<str>, Known, foldhash::fast::RandomState>,
    /// The number of the present page.
    page: u64,
}

#[derive(Debug)]
struct Known {
    /// The series, when it is selected.
    series: Option<Arc<Series>>,
    /// The last page that had it.
    seen: u64,
}

impl NativeCache {
    /// Drops what the page before the present one did not have; everything when the selection has changed.
    pub(super) fn begin_page(&mut self, selection_changed: bool) {
        let last = self.page;
        self.known.retain(|_, known| !selection_changed && known.seen == last);
        self.page += 1;
    }
}

impl PageReader<'_> {
    /// Parses and matches a native histogram's text that the last page did not have. Rules see the family's name.
    fn learn_native(&mut self, text: &str) -> Result<Option<Arc<Series>>, Fault> {
        let parsed = parse_series(text)?;
        let labels: Labels = parsed.labels.into_iter().collect();
        let seen = self.cache.rules.seen(&parsed.metric, self.view.labels(&labels));
        let seen = seen.map_err(|refusal| {
            self.refused = Some(refusal);
            Fault::new(0, "the page is not taken")
        })?;
        let selected = seen.is_some_and(|(metric, labels)| self.selection.selects_native(&metric, &labels));
        Ok(selected.then(|| Arc::new(Series::new(parsed.metric.as_ref(), labels))))
    }
}

impl FamilySink for PageReader<'_> {
    fn wants_created(&mut self, metric: &str) -> bool {
        self.wants(metric);
        (self.wanted.series, self.wanted.start) = (false, false);
        self.wanted.created
    }

    fn wants_native(&mut self, family: &str) -> bool {
        self.reads_all || self.selection.may_select(&format!("{family}_bucket"))
    }

    fn native(&mut self, series: &str, histogram: NativeHistogram, created: Option<f64>) -> Result<(), Fault> {
        let page = self.cache.native.page;
        if !self.cache.native.known.contains_key(series) {
            let learned = Known {
                series: self.learn_native(series)?,
                seen: 0,
            };
            self.cache.native.known.insert(series.into(), learned);
        }
        let Some(known) = self.cache.native.known.get_mut(series) else {
            return Ok(());
        };
        let is_listed_twice = known.seen == page;
        known.seen = page;
        let Some(series) = known.series.clone() else {
            return Ok(());
        };
        // Listed twice, the first one counts; that is said of its family's other series.
        if !is_listed_twice {
            self.native.push(NativeSample {
                series,
                histogram,
                created,
            });
        }
        Ok(())
    }
}
