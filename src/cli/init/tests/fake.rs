//! A server that holds a few series and answers the questions that `nines init` asks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use regex::Regex;

use crate::domain::answer::{Answer, AnsweredSeries};
use crate::domain::labels::Labels;
use crate::domain::matcher::Selector;
use crate::domain::selector_parser::parse_selector;
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// One series: what it grows by in an hour, or for a gauge what it is.
pub(super) struct Held {
    metric: String,
    labels: Labels,
    value: f64,
}

/// The server.
pub(super) struct Fake {
    pub series: Vec<Held>,
    /// For so many hours it has data.
    pub hours: i64,
    /// So many hours are too much for one question.
    pub hours_max: i64,
    /// Questions with this text fail.
    pub refused: Option<(&'static str, QueryFailureReason)>,
    pub asked: Mutex<Vec<String>>,
}

impl Fake {
    /// With series such as `http_requests_total{job="shop",code="200"} 1000`, one in each line.
    pub fn new(text: &str) -> Self {
        let label = Regex::new(r#"(\w+)="((?:[^"\\]|\\.)*)""#).expect("an expression");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let mut labels = Labels::new();
            for found in label.captures_iter(series) {
                labels.set(&found[1], found[2].replace("\\\"", "\"").replace("\\\\", "\\"));
            }
            Held {
                metric: series.split('{').next().unwrap_or_default().to_owned(),
                labels,
                value: value.parse().expect("a number"),
            }
        });
        Self {
            series: series.collect(),
            hours: 1000,
            hours_max: 1000,
            refused: None,
            asked: Mutex::default(),
        }
    }

    fn selected(&self, selector: &str) -> impl Iterator<Item = &Held> {
        let selector = parse_selector(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
        self.series
            .iter()
            .filter(move |held| selector.matches(&held.metric, &held.labels))
    }

    fn hear(&self, query: &str) -> Result<(), QueryFailure> {
        self.asked.lock().expect("the lock").push(query.to_owned());
        match self.refused {
            Some((text, reason)) if query.contains(text) => Err(failure(reason)),
            _ => Ok(()),
        }
    }
}

fn failure(reason: QueryFailureReason) -> QueryFailure {
    QueryFailure {
        reason,
        detail: format!("server main refuses ({})", reason.word()),
        retry_after: None,
    }
}

fn parts<const N: usize>(expression: &str, query: &str) -> Option<[String; N]> {
    let found = Regex::new(expression).expect("an expression").captures(query)?;
    Some(std::array::from_fn(|index| found[index + 1].to_owned()))
}

#[async_trait]
impl QueryServer for Fake {
    async fn samples(&self, _: &Selector, _: Timestamp, _: Timestamp) -> Result<Answer, QueryFailure> {
        panic!("nines init asks for no raw samples")
    }

    async fn instant(&self, query: &str, at: Timestamp) -> Result<Answer, QueryFailure> {
        self.hear(query)?;
        let (by, selector, factor) = if let Some([by, selector]) = parts(r"^count by \((.*?)\) \((.*)\)$", query) {
            (by, selector, None)
        } else {
            let [selector, range] = parts(r"^sum by \(le\) \(increase\((.*)\[(1d|1h)\]\)\)$", query)
                .unwrap_or_else(|| panic!("what is asked: {query}"));
            ("le".to_owned(), selector, Some(if range == "1d" { 24.0 } else { 1.0 }))
        };
        let mut groups: BTreeMap<Vec<String>, f64> = BTreeMap::new();
        let names: Vec<&str> = by.split(", ").collect();
        for held in self.selected(&selector) {
            let value = |name: &&str| match *name {
                "__name__" => held.metric.clone(),
                name => held.labels.get(name).to_owned(),
            };
            let group = names.iter().map(value).collect();
            *groups.entry(group).or_default() += factor.map_or(1.0, |factor| factor * held.value);
        }
        let series = groups.into_iter().map(|(group, value)| {
            let mut series = AnsweredSeries {
                samples: vec![(at, value)],
                ..AnsweredSeries::default()
            };
            for (name, value) in names.iter().zip(group) {
                match *name {
                    "__name__" => series.metric = value,
                    name => series.labels.set(name, value),
                }
            }
            series
        });
        Ok(Answer {
            series: series.collect(),
            notes: Vec::new(),
        })
    }

    async fn steps(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryFailure> {
        self.hear(query)?;
        let step = i64::try_from(step.as_millis()).expect("a step");
        if last.since(first) / step + 1 > self.hours_max {
            return Err(failure(QueryFailureReason::TooMuch));
        }
        let [function, selector] =
            parts(r"^sum\((\w+)\((.*)\[1h\]\)\)$", query).unwrap_or_else(|| panic!("what is asked: {query}"));
        let each = |held: &Held| match function.as_str() {
            "increase" => held.value,
            "sum_over_time" => 240.0 * held.value,
            _ => 240.0,
        };
        let mut values = self.selected(&selector).map(each).peekable();
        if values.peek().is_none() {
            return Ok(Answer::default());
        }
        let value: f64 = values.sum();
        let begin = first.0.max(last.0 - (self.hours - 1) * step);
        let mut series = AnsweredSeries::default();
        let mut at = begin;
        while at <= last.0 {
            series.samples.push((Timestamp(at), value));
            at += step;
        }
        Ok(Answer {
            series: vec![series],
            notes: Vec::new(),
        })
    }
}
