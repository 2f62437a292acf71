//! Reading PromQL functions: values on aligned steps, which become event counts.

use std::time::Duration;

use super::samples::{ChunkRead, largest};
use crate::domain::counting::steps::{count_steps, interval_from_count, interval_query, learned_step, queries};
use crate::domain::indicator::PromQlForm;
use crate::domain::time::{Timestamp, millis};
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// Late data are looked for in so much of what was read already.
pub const REREAD: Duration = Duration::from_mins(10);
/// What the scrape interval is taken to be where a server has no data yet: as long as is usual, since a step that is too
/// short for it sees nothing, ever.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(75);
/// The points of one answer: servers refuse more than 11,000.
const POINTS_MAX: i64 = 10_000;

/// The step with which to begin. Where a server has no data yet, or does not tell how many, it is five minutes. Who refuses
/// the SLO's own question too has shown nothing of what it can, so that nothing begins with it.
pub async fn first_step(
    server: &dyn QueryServer,
    (form, group_by): (&PromQlForm, &[String]),
    at: Timestamp,
) -> Result<Duration, QueryFailure> {
    if let Some(step) = learn_step(server, form, at).await? {
        return Ok(step);
    }
    let step = learned_step(Some(UNKNOWN_INTERVAL));
    let until = aligned(at, step);
    read(server, (form, group_by), step, until - step, until).await?;
    Ok(step)
}

/// The step for an SLO: at least a minute and four scrape intervals, which are learned from the server's data; `None` where
/// it has none, or does not tell.
pub async fn learn_step(
    server: &dyn QueryServer,
    form: &PromQlForm,
    at: Timestamp,
) -> Result<Option<Duration>, QueryFailure> {
    let Some(query) = interval_query(form) else {
        return Ok(Some(learned_step(None)));
    };
    let count = match largest(server, &query, at).await {
        // A day of samples may be more than it gives at once.
        Err(failure) if failure.reason == QueryFailureReason::TooMuch => 0.0,
        count => count?,
    };
    let interval = interval_from_count(count);
    Ok(interval.map(|interval| learned_step(Some(interval))))
}

/// The first step that ends at or after a time.
pub fn aligned_up(at: Timestamp, step: Duration) -> Timestamp {
    let down = aligned(at, step);
    if down == at { at } else { down + step }
}

/// The last step that ends at or before a time.
pub fn aligned(at: Timestamp, step: Duration) -> Timestamp {
    let step = millis(step).max(1);
    Timestamp(at.0.div_euclid(step) * step)
}

/// The end of the longest span after `from` that is asked for at once: whole steps, at least one.
pub fn span_end(from: Timestamp, step: Duration, length: Duration) -> Timestamp {
    let step = millis(step).max(1);
    Timestamp(from.0 + step * (millis(length) / step).clamp(1, POINTS_MAX))
}

/// The beginning of the longest span before `until` that is asked for at once.
pub fn span_begin(until: Timestamp, step: Duration, length: Duration) -> Timestamp {
    Timestamp(2 * until.0 - span_end(until, step, length).0)
}

/// Reads the steps in `(after, until]`; both are aligned.
pub async fn read(
    server: &dyn QueryServer,
    (form, group_by): (&PromQlForm, &[String]),
    step: Duration,
    after: Timestamp,
    until: Timestamp,
) -> Result<ChunkRead, QueryFailure> {
    let first = after + step;
    let (mut answers, mut samples, mut notes) = (Vec::new(), 0, Vec::new());
    for query in queries(form, group_by, step) {
        let mut answer = server.steps(&query.text, first, until, step).await?;
        samples += answer.sample_count() as u64;
        notes.append(&mut answer.notes);
        answers.push((query.role, answer));
    }
    Ok(ChunkRead {
        count: count_steps(form, group_by, &answers, first, until, step),
        samples,
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_steps() {
        let minutes = Duration::from_mins;
        assert_eq!(aligned(Timestamp(599_999), minutes(4)), Timestamp(480_000));
        assert_eq!(aligned_up(Timestamp(480_001), minutes(4)), Timestamp(720_000));
        assert_eq!(aligned_up(Timestamp(480_000), minutes(4)), Timestamp(480_000));
        assert_eq!(span_end(Timestamp(0), minutes(4), minutes(10)), Timestamp(480_000));
        assert_eq!(
            span_end(Timestamp(0), minutes(4), minutes(1)),
            Timestamp(240_000),
            "at least one"
        );
        let most = span_end(Timestamp(0), minutes(1), Duration::from_hours(10_000));
        assert_eq!(most, Timestamp(POINTS_MAX * 60_000), "what a server answers");
    }
}
