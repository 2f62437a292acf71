//! What discovery saw before rules changed it: what the API shows beside the targets.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::domain::labels::Labels;
use crate::domain::shown::{cut, shown_label};

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
    /// What is wrong with it now, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

/// So many problems are shown.
pub const PROBLEMS_MAX: usize = 100;

/// Why a job does not have the targets that it could have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// The job.
    #[serde(rename = "scrapePool")]
    pub job: String,
    /// `file | http | dns | kubernetes`: what gives no list; `address`: what is listed is none; `target_limit`.
    pub mechanism: &'static str,
    /// In a sentence, without secrets.
    #[serde(rename = "error")]
    pub message: String,
}

impl Problem {
    /// With a message whose parts from outside are without secrets; it is cut.
    pub fn new(job: &str, mechanism: &'static str, message: &str) -> Self {
        Self {
            job: job.to_owned(),
            mechanism,
            message: cut(message).into_owned(),
        }
    }
}

/// Labels as people may see them: what has a name that sounds like a secret, and credentials in URLs, are hidden; long
/// texts are cut.
pub fn shown_labels(labels: &Labels) -> BTreeMap<String, String> {
    let show = |(name, value): (&str, &str)| (cut(name).into_owned(), shown_label(name, value));
    labels.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_may_be_secret_are_hidden() {
        let labels: Labels = [
            ("__address__", "u:hunter2@x:1"),
            ("__param_token", "hunter2"),
            ("__param_target", "http://u:hunter2@x"),
            ("__meta_db_password", "hunter2"),
            ("owner", "me@example.org"),
        ]
        .into_iter()
        .collect();
        let shown = shown_labels(&labels);
        assert_eq!(shown["__address__"], "<secret>@x:1");
        assert_eq!(shown["__param_token"], "<secret>");
        assert_eq!(shown["__param_target"], "http://<secret>@x");
        assert_eq!(shown["__meta_db_password"], "<secret>");
        assert_eq!(shown["owner"], "me@example.org");
    }
}
