//! A server with a history that can be asked, and that fails when it is told to.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use nines::domain::answer::{Answer, AnsweredSeries};
use nines::domain::labels::Labels;
use nines::domain::matcher::Selector;
use nines::domain::time::Timestamp;
use nines::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// A server; it answers selectors from its series, and any other expression from `computed`.
#[derive(Default)]
pub struct FakeServer {
    /// What it has.
    pub series: Mutex<Vec<AnsweredSeries>>,
    /// What an expression gives for the time up to a moment, since a step before.
    pub computed: Mutex<Option<fn(&str, Timestamp) -> Option<f64>>>,
    /// How many samples a series has in ten minutes, as it says; forty unless told otherwise.
    pub scrapes: Mutex<Option<f64>>,
    /// How its next questions end.
    pub faults: Mutex<VecDeque<QueryFailureReason>>,
    /// More than so many samples are too much.
    pub samples_max: Mutex<Option<usize>>,
    /// The ranges of samples that were asked for, in order.
    pub asked: Mutex<Vec<(Timestamp, Timestamp)>>,
}

impl FakeServer {
    /// A counter with these labels: its values, one each `every` seconds, the last at `last`; `None` where nothing was
    /// scraped.
    pub fn counter(&self, labels: &[(&str, &str)], last: Timestamp, every: i64, values: &[Option<u64>]) {
        let first = last.0 - (values.len() as i64 - 1) * every * 1000;
        let samples = values.iter().enumerate().filter_map(|(at, value)| {
            let at = Timestamp(first + at as i64 * every * 1000);
            value.map(|value| (at, value as f64))
        });
        let own: Labels = labels.iter().copied().collect();
        self.series.lock().expect("no panic").push(AnsweredSeries {
            metric: "requests_total".to_owned(),
            labels: own,
            samples: samples.collect(),
        });
    }

    fn fail(&self) -> Result<(), QueryFailure> {
        let fault = self.faults.lock().expect("no panic").pop_front();
        fault.map_or(Ok(()), |reason| Err(failure(reason)))
    }

    fn matching(&self, selector: &Selector) -> Vec<AnsweredSeries> {
        let series = self.series.lock().expect("no panic");
        let matching = series
            .iter()
            .filter(|series| selector.matches(&series.metric, &series.labels));
        matching.cloned().collect()
    }
}

fn failure(reason: QueryFailureReason) -> QueryFailure {
    QueryFailure {
        reason,
        detail: format!("the fake server fails: {}", reason.word()),
        retry_after: None,
    }
}

#[async_trait]
impl QueryServer for FakeServer {
    async fn samples(&self, selector: &Selector, after: Timestamp, until: Timestamp) -> Result<Answer, QueryFailure> {
        self.fail()?;
        let mut series = self.matching(selector);
        for one in &mut series {
            one.samples.retain(|(at, _)| *at > after && *at <= until);
        }
        series.retain(|one| !one.samples.is_empty());
        let answer = Answer {
            series,
            notes: Vec::new(),
        };
        let most = *self.samples_max.lock().expect("no panic");
        if most.is_some_and(|most| answer.sample_count() > most) {
            return Err(failure(QueryFailureReason::TooMuch));
        }
        if selector.metric.as_deref() == Some("requests_total") {
            self.asked.lock().expect("no panic").push((after, until));
        }
        Ok(answer)
    }

    async fn steps(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryFailure> {
        self.fail()?;
        let computed = *self.computed.lock().expect("no panic");
        let Some(computed) = computed else {
            return Err(failure(QueryFailureReason::BadQuery));
        };
        let step = step.as_millis() as i64;
        let times = (first.0..=last.0).step_by(step as usize).map(Timestamp);
        let samples: Vec<_> = times.filter_map(|at| Some((at, computed(query, at)?))).collect();
        let series = AnsweredSeries {
            samples,
            ..AnsweredSeries::default()
        };
        Ok(Answer {
            series: if series.samples.is_empty() {
                Vec::new()
            } else {
                vec![series]
            },
            notes: Vec::new(),
        })
    }

    async fn instant(&self, _: &str, at: Timestamp) -> Result<Answer, QueryFailure> {
        self.fail()?;
        let series = AnsweredSeries {
            samples: vec![(at, self.scrapes.lock().expect("no panic").unwrap_or(40.0))],
            ..AnsweredSeries::default()
        };
        Ok(Answer {
            series: vec![series],
            notes: Vec::new(),
        })
    }
}
