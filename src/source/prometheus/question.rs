//! Questions as the query API takes them, and what of the answers was asked for.

use std::time::Duration;

use crate::domain::answer::{Answer, AnsweredSeries};
use crate::domain::matcher::Selector;
use crate::domain::time::{SECOND_MS, Timestamp, millis};

/// A question: what it is about, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub endpoint: Endpoint,
    pub parameters: Vec<(&'static str, String)>,
    /// The types of result that can answer it.
    pub answered_by: &'static [&'static str],
}

/// Series with many samples each.
const MATRIX: &[&str] = &["matrix"];
/// One sample each.
const AT_ONE_MOMENT: &[&str] = &["vector", "scalar"];

/// The two ways to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/api/v1/query`
    Query,
    /// `/api/v1/query_range`
    QueryRange,
}

/// Asks for a selector's samples in `(after, until]`. Prometheus 2 takes `after` itself for part of the range.
pub(super) fn samples(selector: &Selector, after: Timestamp, until: Timestamp) -> Question {
    let length = until.since(after);
    let range = if length % SECOND_MS == 0 {
        format!("{}s", length / SECOND_MS)
    } else {
        format!("{length}ms")
    };
    Question {
        answered_by: MATRIX,
        ..instant(&format!("{selector}[{range}]"), until)
    }
}

/// Asks for an expression's values at `first`, `first + step` … `last`.
pub(super) fn steps(query: &str, first: Timestamp, last: Timestamp, step: Duration) -> Question {
    Question {
        endpoint: Endpoint::QueryRange,
        parameters: vec![
            ("query", query.to_owned()),
            ("start", seconds(first.0)),
            ("end", seconds(last.0)),
            ("step", seconds(millis(step))),
        ],
        answered_by: MATRIX,
    }
}

/// Asks for an expression's value at one moment.
pub(super) fn instant(query: &str, at: Timestamp) -> Question {
    Question {
        endpoint: Endpoint::Query,
        parameters: vec![("query", query.to_owned()), ("time", seconds(at.0))],
        answered_by: AT_ONE_MOMENT,
    }
}

/// Seconds with as many decimals as are needed.
pub(super) fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    match (ms / 1000, ms % 1000) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, rest) => format!("{sign}{whole}.{rest:03}"),
    }
}

/// Drops samples outside of `(after, until]`, and series that have none left.
pub(super) fn keep_within(answer: &mut Answer, after: Timestamp, until: Timestamp) {
    answer.series.retain_mut(|series| {
        series.samples.retain(|(at, _)| *at > after && *at <= until);
        !series.samples.is_empty()
    });
}

/// The first time in an answer that lies beyond what was asked for; `after` itself does not.
pub(super) fn beyond(answer: &Answer, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let mut times = answer
        .series
        .iter()
        .flat_map(|series| &series.samples)
        .map(|(at, _)| *at);
    times.find(|at| *at < after || *at > until)
}

/// The first series of an answer that a selector does not select.
pub(super) fn unselected<'a>(answer: &'a Answer, selector: &Selector) -> Option<&'a AnsweredSeries> {
    let mut series = answer.series.iter();
    series.find(|series| !selector.matches(&series.metric, &series.labels))
}

/// The first time in an answer that is no step: what its values stand for would be guessed.
pub(super) fn off_step(answer: &Answer, first: Timestamp, last: Timestamp, step: Duration) -> Option<Timestamp> {
    let step = millis(step).max(1);
    let is_step = |at: Timestamp| at >= first && at <= last && at.since(first) % step == 0;
    let mut times = answer
        .series
        .iter()
        .flat_map(|series| &series.samples)
        .map(|(at, _)| *at);
    times.find(|at| !is_step(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::selector_parser::parse_selector;

    #[test]
    fn ranges_are_written_in_seconds_where_they_can_be() {
        for (after, until, query, time) in [
            (1_000, 61_000, "up[60s]", "61"),
            (1_000, 61_001, "up[60001ms]", "61.001"),
            (1_500, 61_500, "up[60s]", "61.500"),
            (-2_000, -1_999, "up[1ms]", "-1.999"),
        ] {
            let expected = vec![("query", query.to_owned()), ("time", time.to_owned())];
            let selector = parse_selector(" up ").expect("a selector");
            assert_eq!(
                samples(&selector, Timestamp(after), Timestamp(until)).parameters,
                expected
            );
        }
    }

    #[test]
    fn an_answer_holds_what_was_asked_for() {
        let series = |times: &[i64]| AnsweredSeries {
            samples: times.iter().map(|at| (Timestamp(*at), 1.0)).collect(),
            ..AnsweredSeries::default()
        };
        let mut answer = Answer {
            series: vec![series(&[1000, 1001, 2000, 2001]), series(&[1000])],
            notes: Vec::new(),
        };
        let strange = |after: i64, until: i64| beyond(&answer, Timestamp(after), Timestamp(until)).map(|at| at.0);
        assert_eq!(strange(1000, 2001), None, "`after` itself is some servers' own way");
        assert_eq!(strange(1001, 2001), Some(1000));
        assert_eq!(strange(1000, 2000), Some(2001));
        keep_within(&mut answer, Timestamp(1000), Timestamp(2000));
        assert_eq!(answer.series, [series(&[1001, 2000])]);
        let off = |times: &[i64]| {
            let answer = Answer {
                series: vec![series(times)],
                notes: Vec::new(),
            };
            off_step(&answer, Timestamp(60_000), Timestamp(180_000), Duration::from_mins(1)).map(|at| at.0)
        };
        assert_eq!(off(&[60_000, 120_000, 180_000]), None);
        assert_eq!(off(&[60_000, 120_001]), Some(120_001));
        assert_eq!(off(&[0]), Some(0));
        assert_eq!(off(&[240_000]), Some(240_000));
    }
}
