//! From `host:port` and labels to a target, as Prometheus does it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::client::Clients;
use super::failure::missing;
use super::job::{Found, Kind, Listed, Outcome, Places};
use super::request::Access;
use super::settings::{Scheme, ScrapeJob, TARGETS_MAX};
use super::visitor::HttpVisitor;
use crate::domain::labels::Labels;
use crate::domain::reading::{Missing, MissingReason, Reading, Target};
use crate::domain::selection::Selection;
use crate::domain::shown::shown_address;
use crate::domain::time::{format_duration, parse_duration};
use crate::engine::ports::{ListedTarget, Visitor};

/// Labels that begin so are for nines and not for the series.
const RESERVED: &str = "__";

/// A target with what is needed to visit it.
#[derive(Clone, Debug)]
pub struct FoundTarget {
    target: Target,
    url: Url,
    /// Its labels before any rule.
    discovered: Labels,
}

/// A scrape job, and how its targets are reached.
pub struct ScrapeKind {
    settings: Arc<ScrapeJob>,
    access: Access,
}

impl ScrapeKind {
    /// Of these settings, with clients that are shared.
    pub(super) fn new(settings: ScrapeJob, clients: &Arc<Clients>) -> Self {
        Self {
            access: Access::new(settings.http.clone(), Arc::clone(clients)),
            settings: Arc::new(settings),
        }
    }
}

impl Kind for ScrapeKind {
    type Found = FoundTarget;
    type Listed = ListedTarget;

    fn places(&self) -> Places<'_> {
        let settings = &self.settings;
        Places {
            name: &settings.name,
            static_targets: &settings.static_targets,
            files: &settings.file_discovery,
            providers: &settings.providers,
            target_limit: settings.target_limit.unwrap_or(TARGETS_MAX),
            keep_dropped: settings.keep_dropped,
        }
    }

    fn find(&self, address: &str, group: &Labels) -> Result<Outcome<FoundTarget>, String> {
        find_target(&self.settings, address, group)
    }

    fn hash(&self, found: &FoundTarget) -> u64 {
        config_hash(&self.settings, found)
    }

    fn list(&self, found: FoundTarget, config_hash: u64) -> ListedTarget {
        let settings = Arc::clone(&self.settings);
        let visitor = HttpVisitor::new(found.target.clone(), &found.url, settings, self.access.clone());
        ListedTarget {
            visitor: Arc::new(visitor),
            target: found.target,
            config_hash,
        }
    }

    fn refuse(&self, found: FoundTarget, config_hash: u64, why: &str) -> ListedTarget {
        ListedTarget {
            visitor: Arc::new(Refused(missing(MissingReason::Limit, why))),
            target: found.target,
            config_hash,
        }
    }
}

/// Stands for a target that is not to be visited.
struct Refused(Missing);

#[async_trait]
impl Visitor for Refused {
    async fn visit(&self, _: &Arc<Selection>) -> Reading {
        Reading::Missing(self.0.clone())
    }
}

impl Found for FoundTarget {
    fn key(&self) -> String {
        self.target.key()
    }

    fn take_discovered(&mut self) -> Labels {
        std::mem::take(&mut self.discovered)
    }
}

impl Listed for ListedTarget {
    fn key(&self) -> String {
        self.target.key()
    }

    fn job(&self) -> &str {
        &self.target.job
    }

    fn config_hash(&self) -> u64 {
        self.config_hash
    }
}

/// A target of this job at this address with these labels of its group; or why there is none.
fn find_target(job: &ScrapeJob, address: &str, group: &Labels) -> Result<Outcome<FoundTarget>, String> {
    let discovered = discovered(job, address, group);
    let Some(labels) = job.relabelling.apply(discovered.clone()) else {
        return Ok(Outcome::Dropped(discovered));
    };
    let found = resolve(job, &labels);
    found
        .map(|(target, url)| {
            Outcome::Found(Box::new(FoundTarget {
                target,
                url,
                discovered,
            }))
        })
        .map_err(|why| format!("target {:?} is left out: {why}", shown_address(address)))
}

/// What rules see of a target: the labels of its group, its address, and what its job says.
fn discovered(job: &ScrapeJob, address: &str, group: &Labels) -> Labels {
    let mut labels = group.clone();
    labels.set("__address__", address);
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    };
    default("job", &job.name);
    default("__scheme__", job.scheme.word());
    default("__metrics_path__", &job.path);
    default("__scrape_interval__", &format_duration(job.interval));
    default("__scrape_timeout__", &format_duration(job.timeout));
    for (name, values) in &job.params {
        default(&format!("__param_{name}"), values.first().map_or("", String::as_str));
    }
    labels
}

/// A target from what rules have left of its labels.
fn resolve(job: &ScrapeJob, labels: &Labels) -> Result<(Target, Url), &'static str> {
    let address = labels.get("__address__");
    check_address(address)?;
    let scheme = match labels.get("__scheme__") {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("`__scheme__` must be http or https"),
    };
    let (interval, timeout) = periods(job, labels)?;
    let written = format!("{}://{address}/", scheme.word());
    let mut url = Url::parse(&written).map_err(|_| "`host:port` is expected")?;
    url.set_path(labels.get("__metrics_path__"));
    let params = params(job, labels);
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    let target = Target {
        job: job.name.clone(),
        url: url.to_string(),
        labels: kept(labels, address),
        honor_labels: job.honor_labels,
        metric_rules: job.metric_relabelling.clone(),
        interval,
        timeout,
    };
    Ok((target, url))
}

fn check_address(address: &str) -> Result<(), &'static str> {
    if address.contains("://") {
        return Err("write `host:port` without a scheme, which belongs into `scheme`");
    }
    if address.contains('@') {
        return Err("write `host:port` without credentials, which belong into `basic_auth`");
    }
    if address.contains('/') {
        return Err("write `host:port` without a path, which belongs into `metrics_path`");
    }
    let usable = |character: char| !character.is_whitespace() && !matches!(character, '?' | '#' | '\\');
    if address.is_empty() || !address.chars().all(usable) {
        return Err("`host:port` is expected");
    }
    Ok(())
}

/// How often the target is visited and how long a visit may take: its job's, where no label says otherwise.
fn periods(job: &ScrapeJob, labels: &Labels) -> Result<(Duration, Duration), &'static str> {
    let read = |name: &str, own: Duration| match labels.get(name) {
        same if same == format_duration(own) => Some(own),
        text => parse_duration(text).ok().filter(|duration| !duration.is_zero()),
    };
    let interval = read("__scrape_interval__", job.interval);
    let interval = interval.ok_or("`__scrape_interval__` must be a duration above 0")?;
    let timeout = read("__scrape_timeout__", job.timeout);
    let timeout = timeout.ok_or("`__scrape_timeout__` must be a duration above 0")?;
    if timeout > interval {
        return Err("`__scrape_timeout__` is longer than `__scrape_interval__`");
    }
    Ok((interval, timeout))
}

/// A hash that changes when the target does, or anything about how it is visited.
fn config_hash(job: &ScrapeJob, found: &FoundTarget) -> u64 {
    let mut hasher = DefaultHasher::new();
    let target = &found.target;
    (target.key(), &target.labels, target.interval, target.timeout).hash(&mut hasher);
    (job.honor_labels, job.compression, job.body_size_limit, &job.protocols).hash(&mut hasher);
    (&job.http, &job.metric_relabelling, job.page_limits).hash(&mut hasher);
    hasher.finish()
}

/// The job's URL parameters with those of `__param_*`, which replace the first value, sorted by name.
fn params(job: &ScrapeJob, group: &Labels) -> Vec<(String, String)> {
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &job.params {
        let known = params.entry(name).or_default();
        known.extend(values.iter().map(String::as_str));
    }
    for (label, value) in group.iter() {
        if let Some(name) = label.strip_prefix("__param_") {
            let known = params.entry(name).or_default();
            match known.first_mut() {
                Some(first) => *first = value,
                None => known.push(value),
            }
        }
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    params
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| pair(name, value)))
        .collect()
}

/// The labels that series get: all but the reserved ones; the instance is the address unless a label says otherwise.
pub fn kept(labels: &Labels, address: &str) -> Labels {
    let mut kept: Labels = labels.iter().filter(|(name, _)| !name.starts_with(RESERVED)).collect();
    if kept.get("instance").is_empty() {
        kept.set("instance", address);
    }
    kept
}
