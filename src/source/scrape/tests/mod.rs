//! Tests of scraping as a whole; what concerns one file alone stands there.

mod buckets;
mod compressed;
mod conformance;
mod differential;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod listing;
mod pages;
mod pieces;
mod protobuf;
mod providers;
mod reference;
mod relabelled;
mod requests;
mod tls;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use super::settings::{BODY_SIZE_LIMIT, HttpSettings, KEEP_DROPPED, PageLimits, Protocols, Scheme, ScrapeJob};
use crate::domain::labels::Labels;
use crate::domain::matcher::{MatchOp, Matcher, Selector};
use crate::domain::relabel::RelabelRules;
use crate::domain::selection::Selection;
use crate::source::testing as server;

/// A job with all defaults and no targets.
fn job(name: &str) -> ScrapeJob {
    ScrapeJob {
        name: name.to_owned(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
        scheme: Scheme::Http,
        path: "/metrics".to_owned(),
        params: Vec::new(),
        http: HttpSettings::default(),
        protocols: Protocols::default(),
        honor_labels: false,
        compression: None,
        body_size_limit: BODY_SIZE_LIMIT,
        relabelling: RelabelRules::default(),
        metric_relabelling: RelabelRules::default(),
        page_limits: PageLimits::default(),
        target_limit: None,
        static_targets: Vec::new(),
        file_discovery: Vec::new(),
        providers: Vec::new(),
        keep_dropped: KEEP_DROPPED,
    }
}

/// A selection of whole metrics, and of one label's value where it is written `metric{label=value}`.
fn selection(written: &[&str]) -> Arc<Selection> {
    Arc::new(Selection::new(written.iter().map(|text| selector(text)), 1))
}

fn selector(text: &str) -> Selector {
    let (metric, condition) = text.split_once('{').unwrap_or((text, ""));
    let conditions = condition.trim_end_matches('}').split_once('=').into_iter();
    Selector {
        metric: Some(metric.to_owned()),
        matchers: conditions
            .map(|(label, value)| Matcher::new(label, MatchOp::Equal, value).unwrap())
            .collect(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}
