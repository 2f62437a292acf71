//! From `host:port` and labels to a target, as Prometheus does it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use url::Url;

use super::settings::{Auth, Scheme, ScrapeJob, SecretSource};
use crate::domain::labels::Labels;
use crate::domain::reading::Target;

/// Labels that begin so are for nines and not for the series.
const RESERVED: &str = "__";

/// A target with what is needed to visit it.
#[derive(Clone, Debug)]
pub(super) struct FoundTarget {
    pub target: Target,
    pub url: Url,
    pub scheme: Scheme,
}

/// A target of this job at this address with these labels of its group; or why there is none.
pub(super) fn find_target(job: &ScrapeJob, address: &str, group: &Labels) -> Result<FoundTarget, String> {
    let refuse = |why: &str| {
        Err(format!(
            "job {}: target {:?} is left out: {why}",
            job.name,
            shown(address)
        ))
    };
    if address.contains("://") {
        return refuse("write `host:port` without a scheme, which belongs into `scheme`");
    }
    if address.contains('@') {
        return refuse("write `host:port` without credentials, which belong into `basic_auth`");
    }
    if address.contains('/') {
        return refuse("write `host:port` without a path, which belongs into `metrics_path`");
    }
    let usable = |character: char| !character.is_whitespace() && !matches!(character, '?' | '#' | '\\');
    if address.is_empty() || !address.chars().all(usable) {
        return refuse("`host:port` is expected");
    }
    let scheme = match group.get("__scheme__") {
        "" => job.scheme,
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return refuse("`__scheme__` must be http or https"),
    };
    let written = match scheme {
        Scheme::Http => format!("http://{address}/"),
        Scheme::Https => format!("https://{address}/"),
    };
    let Ok(mut url) = Url::parse(&written) else {
        return refuse("`host:port` is expected");
    };
    url.set_path(match group.get("__metrics_path__") {
        "" => &job.path,
        path => path,
    });
    let params = params(job, group);
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    let target = Target {
        job: job.name.clone(),
        url: url.to_string(),
        labels: labels(job, address, group),
        honor_labels: job.honor_labels,
        interval: job.interval,
        timeout: job.timeout,
    };
    Ok(FoundTarget { target, url, scheme })
}

/// A hash that changes when the target does, or anything about how it is visited.
pub(super) fn config_hash(job: &ScrapeJob, found: &FoundTarget) -> u64 {
    let mut hasher = DefaultHasher::new();
    let target = &found.target;
    (target.key(), &target.labels, target.interval, target.timeout).hash(&mut hasher);
    (
        job.honor_labels,
        job.follow_redirects,
        job.compression,
        job.body_size_limit,
    )
        .hash(&mut hasher);
    (found.scheme, &job.tls).hash(&mut hasher);
    match &job.auth {
        Auth::None => 0.hash(&mut hasher),
        Auth::Basic { username, password } => {
            (1, username).hash(&mut hasher);
            hash_secret(password, &mut hasher);
        }
        Auth::Header { kind, credentials } => {
            (2, kind).hash(&mut hasher);
            hash_secret(credentials, &mut hasher);
        }
    }
    hasher.finish()
}

/// The address without what might be credentials.
fn shown(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, host)| host)
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

/// `job`, `instance` and the group's labels, which win over both.
fn labels(job: &ScrapeJob, address: &str, group: &Labels) -> Labels {
    let mut labels = Labels::new();
    labels.set("job", job.name.as_str());
    labels.set("instance", address);
    for (name, value) in group.iter().filter(|(name, _)| !name.starts_with(RESERVED)) {
        labels.set(name, value);
    }
    labels
}

fn hash_secret(source: &SecretSource, hasher: &mut DefaultHasher) {
    match source {
        SecretSource::Inline(secret) => secret.expose().hash(hasher),
        SecretSource::File(path) => path.hash(hasher),
    }
}
