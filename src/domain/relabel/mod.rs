//! Relabelling: rules that rewrite a set of labels one after the other, or drop it, as Prometheus has them.

mod expand;
mod rule;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::rule::{RelabelAction, RelabelRule, RuleError, WrittenRule};
use super::digest::fnv1a;
use super::labels::Labels;

/// The label under which rules see a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The labels after all rules; `None` when one of them drops the set.
pub fn relabel(mut labels: Labels, rules: &[RelabelRule]) -> Option<Labels> {
    rules.iter().all(|rule| rule.apply(&mut labels)).then_some(labels)
}

/// Rules in their order; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelabelRules {
    rules: Arc<[RelabelRule]>,
    digest: u64,
}

impl RelabelRules {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The labels after all rules; `None` when one of them drops the set.
    pub fn apply(&self, labels: Labels) -> Option<Labels> {
        relabel(labels, &self.rules)
    }

    /// A series after all rules: its metric's name and its labels without it. The name is empty where a rule took it
    /// away; `None` when a rule drops the series.
    pub fn apply_to_series<'a>(&self, metric: &'a str, mut labels: Labels) -> Option<(Cow<'a, str>, Labels)> {
        if self.is_empty() {
            return Some((Cow::Borrowed(metric), labels));
        }
        labels.set(METRIC_NAME, metric);
        let mut labels = self.apply(labels)?;
        let metric = match labels.get(METRIC_NAME) {
            same if same == metric => Cow::Borrowed(metric),
            other => Cow::Owned(other.to_owned()),
        };
        labels.set(METRIC_NAME, "");
        Some((metric, labels))
    }

    /// A number that changes when the rules do, and is the same in every process; 0 where there are none.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Some rule can change a metric's name, so that the name on the page does not tell what selectors see.
    pub fn may_rename(&self) -> bool {
        self.rules.iter().any(RelabelRule::may_rename)
    }

    /// Some rule can drop what it is applied to.
    pub fn may_drop(&self) -> bool {
        self.rules.iter().any(RelabelRule::may_drop)
    }
}

impl FromIterator<RelabelRule> for RelabelRules {
    fn from_iter<T: IntoIterator<Item = RelabelRule>>(rules: T) -> Self {
        let rules: Arc<[RelabelRule]> = rules.into_iter().collect();
        let texts: Vec<String> = rules.iter().map(RelabelRule::fingerprint).collect();
        let digest = if rules.is_empty() { 0 } else { fnv1a(&texts.join("\n")) };
        Self { rules, digest }
    }
}

#[cfg(test)]
mod tests;
