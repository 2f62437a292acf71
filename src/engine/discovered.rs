//! What discovery saw before rules changed it: what the API shows beside the targets.

use std::collections::{BTreeMap, HashMap};

use crate::domain::labels::Labels;
use crate::domain::secret_names::sounds_secret;

/// What stands for a value that may be a secret.
const HIDDEN: &str = "<secret>";

/// The targets as they were found, swapped in whole whenever they change.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Grows with every change; a part of the `ETag`.
    pub revision: u64,
    /// The labels of listed targets before relabelling, by the targets' keys.
    pub labels: HashMap<String, Labels>,
    /// Targets that rules drop, with their jobs, as many of each job as its `keep_dropped_targets` allows.
    pub dropped: Vec<(String, Labels)>,
    /// How many targets of each job rules drop.
    pub dropped_counts: BTreeMap<String, u64>,
}

/// Labels as people may see them: parameters whose names sound like secrets, and credentials in URLs, are hidden.
pub fn shown_labels(labels: &Labels) -> BTreeMap<String, String> {
    let show = |(name, value): (&str, &str)| {
        let parameter = name.strip_prefix("__param_");
        let shown = match parameter {
            Some(parameter) if sounds_secret(parameter) => HIDDEN.to_owned(),
            _ => shown_url(value),
        };
        (name.to_owned(), shown)
    };
    labels.iter().map(show).collect()
}

/// A URL, or any text, as people may see it: without credentials, and without the values of parameters that sound like
/// secrets.
pub fn shown_url(text: &str) -> String {
    let (address, query) = match text.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (text, None),
    };
    let mut shown = without_credentials(address);
    if let Some(query) = query {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if sounds_secret(name) => format!("{name}={HIDDEN}"),
            _ => without_credentials(pair),
        });
        shown.push('?');
        shown.push_str(&pairs.collect::<Vec<_>>().join("&"));
    }
    shown
}

/// `scheme://user:password@host/` without what stands before the host.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_hidden() {
        for (text, shown) in [
            ("db:9100", "db:9100"),
            ("http://db:9100/metrics?a=1&b=2", "http://db:9100/metrics?a=1&b=2"),
            ("http://u:p@db:9100/x@y", "http://<secret>@db:9100/x@y"),
            ("http://db/?api_key=hunter2&x=1", "http://db/?api_key=<secret>&x=1"),
            ("http://db/?t=http://u:p@x/", "http://db/?t=http://<secret>@x/"),
            ("?Token=hunter2", "?Token=<secret>"),
            ("ä?é", "ä?é"),
        ] {
            assert_eq!(shown_url(text), shown);
        }
        let labels: Labels = [
            ("__param_token", "hunter2"),
            ("__param_target", "http://u:hunter2@x"),
            ("key", "open"),
        ]
        .into_iter()
        .collect();
        let shown = shown_labels(&labels);
        assert_eq!(shown["__param_token"], "<secret>");
        assert_eq!(shown["__param_target"], "http://<secret>@x");
        assert_eq!(shown["key"], "open");
    }
}
