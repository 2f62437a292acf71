//! Routing: which receiver hears of an alert, and together with which others.

use std::time::Duration;

use crate::domain::labels::Labels;

/// The one route of a file; Alertmanager's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `receiver`
    pub receiver: String,
    /// `group_by`
    pub group_by: GroupBy,
    /// `group_wait`: how long the first message of a group waits for company.
    pub group_wait: Duration,
    /// `group_interval`: how long after a message the next one about changes may follow.
    pub group_interval: Duration,
    /// `repeat_interval`: after how long an unchanged firing group is told again.
    pub repeat_interval: Duration,
}

/// The labels by which alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: by all labels, each alert by itself.
    All,
    /// By these.
    Names(Vec<String>),
}

impl Route {
    /// The default route to a receiver (contract, configuration).
    pub fn to(receiver: impl Into<String>) -> Self {
        Self {
            receiver: receiver.into(),
            group_by: GroupBy::Names(vec!["service".to_owned(), "slo".to_owned()]),
            group_wait: Duration::ZERO,
            group_interval: Duration::from_mins(1),
            repeat_interval: Duration::from_hours(4),
        }
    }

    /// The labels that an alert's group has in common.
    pub fn group_labels(&self, alert: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => alert.clone(),
            GroupBy::Names(names) => names.iter().map(|name| (name.as_str(), alert.get(name))).collect(),
        }
    }

    /// Alertmanager's group key: `{}:{service="shop", slo="availability"}`, `{}` being the root route.
    pub fn group_key(group_labels: &Labels) -> String {
        let pairs: Vec<String> = group_labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        format!("{{}}:{{{}}}", pairs.join(", "))
    }
}
