//! What becomes of a page's series before selectors see them, and what a page may hold.

use std::borrow::Cow;

use super::exposition::FormatError;
use super::exposition::page::ScanError;
use super::exposition::protobuf::ProtobufError;
use super::settings::PageLimits;
use crate::domain::labels::Labels;
use crate::domain::reading::MissingReason;
use crate::domain::relabel::{METRIC_NAME, RelabelRules};

/// How much of a name or a value a message repeats, in characters.
const SHOWN_MAX: usize = 50;

/// `metric_relabel_configs` and the limits of a job.
#[derive(Clone, Debug, Default)]
pub struct PageRules {
    /// `metric_relabel_configs`
    pub relabelling: RelabelRules,
    /// `sample_limit` and the limits on labels.
    pub limits: PageLimits,
}

/// Why a page does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is not understood as protobuf.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// It is understood, and its job does not take it.
    #[error("{detail}")]
    Refused {
        /// In one word.
        reason: MissingReason,
        /// In a sentence.
        detail: String,
    },
}

impl From<ScanError> for PageError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Format(error) => Self::Format(error),
            ScanError::NotUtf8 { .. } => Self::Refused {
                reason: MissingReason::NotUtf8,
                detail: error.to_string(),
            },
        }
    }
}

impl PageError {
    fn beyond(detail: String) -> Self {
        Self::Refused {
            reason: MissingReason::Limit,
            detail,
        }
    }

    /// The same with the place where it showed: that of the error with which reading ended.
    pub(super) fn placed(self, end: &Self) -> Self {
        let place = match end {
            Self::Format(error) => format!("line {}", error.line),
            Self::Protobuf(error) => format!("byte {}", error.at),
            Self::Refused { .. } => return self,
        };
        match self {
            Self::Refused { reason, detail } => Self::Refused {
                reason,
                detail: format!("{place}: {detail}"),
            },
            other => other,
        }
    }
}

impl PageRules {
    /// Every series must be read in full: its name on the page does not tell what selectors see, or a limit is about
    /// all series.
    pub(super) fn read_all(&self) -> bool {
        let PageLimits {
            samples,
            labels,
            name_length,
            value_length,
        } = self.limits;
        let label_limits = [labels, name_length, value_length].iter().any(Option::is_some);
        self.relabelling.may_rename() || label_limits || (samples.is_some() && self.relabelling.may_drop())
    }

    /// A series as selectors see it, from its metric and its labels with its target's; `None` when a rule drops it.
    pub(super) fn seen<'a>(
        &self,
        metric: &'a str,
        labels: Labels,
    ) -> Result<Option<(Cow<'a, str>, Labels)>, PageError> {
        let Some((metric, labels)) = self.relabelling.apply_to_series(metric, labels) else {
            return Ok(None);
        };
        if metric.is_empty() {
            return Err(PageError::Refused {
                reason: MissingReason::Format,
                detail: "metric_relabel_configs leave a series without a name (`__name__`)".to_owned(),
            });
        }
        self.check_labels(&metric, &labels)?;
        Ok(Some((metric, labels)))
    }

    /// Whether a page may hold so many samples.
    pub(super) fn check_samples(&self, samples: u64) -> Result<(), PageError> {
        match self.limits.samples.filter(|limit| samples > *limit) {
            Some(limit) => Err(PageError::beyond(format!(
                "sample_limit exceeded (number of samples: {samples}, limit: {limit})"
            ))),
            None => Ok(()),
        }
    }

    fn check_labels(&self, metric: &str, labels: &Labels) -> Result<(), PageError> {
        let (limits, shown) = (&self.limits, cut(metric));
        // The metric's name is a label too.
        let count = labels.len() as u64 + 1;
        if let Some(limit) = limits.labels.filter(|limit| count > *limit) {
            let detail = format!("label_limit exceeded (metric: {shown}, number of labels: {count}, limit: {limit})");
            return Err(PageError::beyond(detail));
        }
        for (name, value) in [(METRIC_NAME, metric)].into_iter().chain(labels.iter()) {
            let (name_length, value_length) = (name.len() as u64, value.len() as u64);
            let what = || format!("metric: {shown}, label name: {}", cut(name));
            if let Some(limit) = limits.name_length.filter(|limit| name_length > *limit) {
                return Err(PageError::beyond(format!(
                    "label_name_length_limit exceeded ({}, length: {name_length}, limit: {limit})",
                    what()
                )));
            }
            if let Some(limit) = limits.value_length.filter(|limit| value_length > *limit) {
                return Err(PageError::beyond(format!(
                    "label_value_length_limit exceeded ({}, length: {value_length}, limit: {limit})",
                    what()
                )));
            }
        }
        Ok(())
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
