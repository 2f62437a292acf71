//! Silences: what people asked not to hear for a while.

use serde::{Deserialize, Serialize};

use super::db::Db;
use super::error::{corrupt, refused};
use super::value::{Row, args};
use crate::domain::alert::silence::Silence;
use crate::domain::matcher::{MatchOp, Matcher};
use crate::domain::time::{DAY_MINUTES, MINUTE_MS, Timestamp};
use crate::engine::ports::StoreResult;

/// For how long a silence that is over is still shown.
const SHOWN_AFTER_MS: i64 = DAY_MINUTES * MINUTE_MS;

/// A matcher as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredMatcher {
    name: String,
    op: String,
    value: String,
}

/// All silences that are not over for longer than a day.
pub(super) async fn load(db: &Db, now: Timestamp) -> StoreResult<Vec<Silence>> {
    let mut tx = db.read().await?;
    let sql = "select id, matchers, starts_at, ends_at, created_by, comment, updated_at from silence
        where ends_at >= $1 order by ends_at, id";
    let rows = tx.rows(sql, args![now.0.saturating_sub(SHOWN_AFTER_MS)]).await?;
    rows.iter().map(read).collect()
}

/// Creates or replaces a silence.
pub(super) async fn save(db: &Db, silence: &Silence) -> StoreResult<()> {
    let stored = |matcher: &Matcher| StoredMatcher {
        name: matcher.name.clone(),
        op: matcher.op.symbol().to_owned(),
        value: matcher.value.clone(),
    };
    let matchers: Vec<StoredMatcher> = silence.matchers.iter().map(stored).collect();
    let matchers = serde_json::to_string(&matchers).map_err(|error| refused(error.to_string()))?;
    let sql = "insert into silence (id, matchers, starts_at, ends_at, created_by, comment, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (id) do update set matchers = excluded.matchers, starts_at = excluded.starts_at,
            ends_at = excluded.ends_at, created_by = excluded.created_by, comment = excluded.comment,
            updated_at = excluded.updated_at";
    let args = args![
        silence.id.as_str(),
        matchers,
        silence.starts_at.0,
        silence.ends_at.0,
        silence.created_by.as_str(),
        silence.comment.as_str(),
        silence.updated_at.0,
    ];
    let mut tx = db.write_unfenced().await?;
    tx.run(sql, args).await?;
    tx.commit().await
}

fn read(row: &Row) -> StoreResult<Silence> {
    let id = row.text(0)?.to_owned();
    let matchers: Vec<StoredMatcher> =
        serde_json::from_str(row.text(1)?).map_err(|error| corrupt(format!("silence {id}: {error}")))?;
    let matcher = |stored: StoredMatcher| {
        let operators = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let op = operators.into_iter().find(|op| op.symbol() == stored.op);
        let op = op.ok_or_else(|| corrupt(format!("silence {id}: the operator {:?}", stored.op)))?;
        Matcher::new(stored.name, op, stored.value).map_err(|error| corrupt(format!("silence {id}: {error}")))
    };
    Ok(Silence {
        matchers: matchers.into_iter().map(matcher).collect::<StoreResult<_>>()?,
        starts_at: Timestamp(row.int(2)?),
        ends_at: Timestamp(row.int(3)?),
        created_by: row.text(4)?.to_owned(),
        comment: row.text(5)?.to_owned(),
        updated_at: Timestamp(row.int(6)?),
        id,
    })
}
