//! What nines itself says of a target at every visit, as Prometheus does: `up` and `scrape_*`, for gauge indicators.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::counting::units::{SeriesUse, UsedSample};
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::Labels;
use crate::domain::reading::{Page, Series, Target};
use crate::engine::catalog::Catalog;

/// The series, in the order of [`Report::values`].
const NAMES: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

/// How the SLOs use the series of [`NAMES`].
#[derive(Debug)]
pub struct ReportUses([Arc<[(i64, SeriesUse)]>; NAMES.len()]);

/// What one visit came to, in figures.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// It gave a page that counts.
    pub up: bool,
    /// How long it took.
    pub took: Duration,
    /// Samples on the page.
    pub samples: u64,
}

impl Report {
    /// Of a visit that gave this page, or none.
    pub fn of(page: Option<&Page>, took: Duration) -> Self {
        Self {
            up: page.is_some(),
            took,
            samples: page.map_or(0, |page| page.samples_seen),
        }
    }

    fn values(&self) -> [f64; NAMES.len()] {
        [
            f64::from(u8::from(self.up)),
            self.took.as_secs_f64(),
            self.samples as f64,
        ]
    }
}

impl ReportUses {
    /// How the gauge indicators of a catalog use what is said of this target. Its labels are the target's; no rule
    /// changes them.
    pub fn new(target: &Target, catalog: &Catalog) -> Self {
        let uses_of = |name: &str| -> Arc<[(i64, SeriesUse)]> {
            let series = Series::new(name, Labels::new());
            let gauges = catalog.gauges();
            let used = gauges.filter_map(|entry| {
                let used = entry.slo.indicator.use_of(&series, name, &target.labels)?;
                Some((entry.id, used))
            });
            used.collect()
        };
        Self(NAMES.map(uses_of))
    }

    /// The samples that one visit gives, with the SLOs that use them.
    pub fn samples(&self, report: &Report) -> impl Iterator<Item = (i64, UsedSample<'_>)> {
        let values = report.values();
        self.0.iter().zip(values).flat_map(|(uses, value)| {
            uses.iter().map(move |(slo, series)| {
                let sample = UsedSample {
                    series,
                    value,
                    created: None,
                    native: None,
                };
                (*slo, sample)
            })
        })
    }
}

/// A page that has a series of this name and no labels would say the same of another: what nines says counts.
pub fn is_report(series: &Series) -> bool {
    series.labels.is_empty() && NAMES.contains(&series.metric.as_str())
}

/// An indicator that may use one of them.
pub fn may_use(kind: &IndicatorKind) -> bool {
    let IndicatorKind::Gauge { gauge, .. } = kind else {
        return false;
    };
    gauge.metric.as_deref().is_none_or(|metric| NAMES.contains(&metric))
}
