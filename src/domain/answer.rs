//! What a Prometheus-compatible server answers: series with the samples that it keeps, or that it has computed.

use super::labels::Labels;
use super::time::Timestamp;

/// One series of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnsweredSeries {
    /// The metric's name; empty where the answer has none.
    pub metric: String,
    /// The other labels.
    pub labels: Labels,
    /// Values by their time, oldest first, each time once; NaN and infinities included.
    pub samples: Vec<(Timestamp, f64)>,
}

/// An answer that is whole, or as whole as the source's `partial_response` asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Its series, each label set once. None at all is an answer, too: there was nothing.
    pub series: Vec<AnsweredSeries>,
    /// What the server says about it, for people: warnings, infos.
    pub notes: Vec<String>,
}

impl Answer {
    /// How many samples it holds.
    pub fn sample_count(&self) -> usize {
        self.series.iter().map(|series| series.samples.len()).sum()
    }
}

/// A target on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTarget {
    /// Its `job`; empty where its series have none.
    pub job: String,
    /// Its `instance`; empty where its series have none.
    pub instance: String,
}

impl ServerTarget {
    /// The target of a series.
    pub fn of(labels: &Labels) -> Self {
        Self {
            job: labels.get("job").to_owned(),
            instance: labels.get("instance").to_owned(),
        }
    }
}
