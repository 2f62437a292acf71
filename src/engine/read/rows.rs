//! Reading a database: what its rows say of periods, which become event counts.

use super::samples::ChunkRead;
use crate::domain::answer::{Answer, AnsweredSeries};
use crate::domain::counting::steps::{Role, count_rows};
use crate::domain::indicator::RatioPart;
use crate::domain::sql::SqlIndicator;
use crate::domain::time::Timestamp;
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};

/// Reads the periods in `(after, until]`; both are aligned. The series of an answer are named by their column.
pub async fn read(
    server: &dyn QueryServer,
    (indicator, group_by): (&SqlIndicator, &[String]),
    after: Timestamp,
    until: Timestamp,
) -> Result<ChunkRead, QueryFailure> {
    let first = after + indicator.every;
    let answer = server.steps(&indicator.query, first, until, indicator.every).await?;
    let samples = answer.sample_count() as u64;
    let notes = answer.notes.clone();
    let has = |column: &str| answer.series.iter().any(|series| series.metric == column);
    let part_is = if has("bad") { RatioPart::Bad } else { RatioPart::Good };
    let (mut totals, mut parts) = (Answer::default(), Answer::default());
    for series in answer.series {
        match series.metric.as_str() {
            "total" => totals.series.push(series),
            _ => parts.series.push(series),
        }
    }
    check(&parts.series)?;
    let answers = [(Role::Total, totals), (Role::Part, parts)];
    Ok(ChunkRead {
        count: count_rows(part_is, group_by, &answers, first, until, indicator.every),
        samples,
        notes,
    })
}

/// Good and bad events at once would be two answers to one question.
fn check(parts: &[AnsweredSeries]) -> Result<(), QueryFailure> {
    let has = |column: &str| parts.iter().any(|series| series.metric == column);
    if has("bad") && has("good") {
        return Err(QueryFailure {
            reason: QueryFailureReason::BadQuery,
            detail: "the query has a column `good` and a column `bad`; one of them says all".to_owned(),
            retry_after: None,
        });
    }
    Ok(())
}
