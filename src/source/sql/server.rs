//! Asking one database: read-only, within its time, and never for more than it may give.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Column, Executor, Row, Statement};
use tokio::sync::{Mutex, Semaphore};

use super::settings::{INTERVAL, PERIODS_MAX, ROWS_MAX, SqlSettings};
use crate::domain::answer::{Answer, AnsweredSeries};
use crate::domain::labels::Labels;
use crate::domain::matcher::Selector;
use crate::domain::shown::cut;
use crate::domain::sql::{COLUMNS, SqlIndicator};
use crate::domain::time::{Timestamp, millis};
use crate::engine::ports::{QueryFailure, QueryFailureReason, QueryServer};
use crate::engine::stats::Stats;
use crate::source::http::now;
use crate::source::http::settings::SecretSource;
use crate::source::prometheus::pace::Pace;
use crate::source::prometheus::rest::Rest;

/// A connection that nobody uses is kept for so long.
const IDLE: Duration = Duration::from_mins(2);

/// One database of the configuration.
pub struct SqlServer {
    settings: SqlSettings,
    permits: Semaphore,
    pace: Pace,
    rest: Rest,
    /// The connections, and the URL for which they are.
    pool: Mutex<Option<(String, PgPool)>>,
    stats: std::sync::Arc<Stats>,
}

/// Rows as series: by column and labels, the events of each period.
type Found = BTreeMap<(&'static str, Labels), BTreeMap<Timestamp, f64>>;

impl SqlServer {
    /// The database with these settings.
    pub fn new(settings: SqlSettings, stats: std::sync::Arc<Stats>) -> Self {
        Self {
            permits: Semaphore::new(settings.concurrency.max(1)),
            pace: Pace::new(settings.pace),
            rest: Rest::new(2 * INTERVAL),
            pool: Mutex::default(),
            settings,
            stats,
        }
    }

    /// What the query says of the periods that end at `first`, `first + every` … `last`.
    async fn ask(&self, indicator: &SqlIndicator, first: Timestamp, last: Timestamp) -> Result<Answer, QueryFailure> {
        self.rest.look()?;
        let _permit = self.permits.acquire().await;
        let pool = self.pool().await?;
        let (mut at, mut found) = (first, Found::new());
        while at <= last {
            self.pace.turn().await;
            self.rest.enter()?;
            let began = now();
            let asked = tokio::time::timeout(
                self.settings.timeout,
                self.ask_once(&pool, indicator, at, last, &mut found),
            );
            let answer = asked.await.unwrap_or_else(|_| Err(self.late()));
            self.note(began.elapsed(), answer.as_ref().err());
            at = match answer? {
                // A query that tells moments apart has told all of them.
                Told::All => break,
                Told::One => at + indicator.every,
            };
        }
        let series = found.into_iter().map(|((column, labels), samples)| AnsweredSeries {
            metric: column.to_owned(),
            labels,
            samples: samples.into_iter().collect(),
        });
        Ok(Answer {
            series: series.collect(),
            notes: Vec::new(),
        })
    }

    async fn ask_once(
        &self,
        pool: &PgPool,
        indicator: &SqlIndicator,
        at: Timestamp,
        last: Timestamp,
        found: &mut Found,
    ) -> Result<Told, QueryFailure> {
        let every = indicator.every;
        let begin = at - every;
        let mut tx = pool
            .begin_with("begin transaction isolation level repeatable read read only")
            .await
            .map_err(|error| failure(&error))?;
        // The database gives up by itself, too: a query that nobody waits for any more costs it all the same.
        let patience = format!("set local statement_timeout = {}", millis(self.settings.timeout));
        tx.execute(AssertSqlSafe(patience))
            .await
            .map_err(|error| failure(&error))?;
        let columns = columns(&mut tx, &indicator.filled(begin, at)).await?;
        let is_all = columns.iter().any(|column| column == "at");
        if !is_all && last.since(at) / millis(every) >= PERIODS_MAX {
            let detail = format!("more than {PERIODS_MAX} periods at once of a query without a column `at`");
            return Err(refused(QueryFailureReason::TooMuch, detail));
        }
        let until = if is_all { last } else { at };
        let query = wrapped(&columns, &indicator.filled(begin, until))?;
        let mut rows = sqlx::query(AssertSqlSafe(query)).persistent(false).fetch(&mut *tx);
        let mut count = 0;
        while let Some(row) = rows.try_next().await.map_err(|error| failure(&error))? {
            count += 1;
            if count > ROWS_MAX {
                let detail = format!("the query gave more than {ROWS_MAX} rows");
                return Err(refused(QueryFailureReason::TooMuch, detail));
            }
            take(&row, is_all.then_some((begin, until, every)), at, found)?;
        }
        Ok(if is_all { Told::All } else { Told::One })
    }

    async fn pool(&self) -> Result<PgPool, QueryFailure> {
        let url = match &self.settings.url {
            SecretSource::Inline(url) => url.expose().to_owned(),
            SecretSource::File(path) => {
                let read = tokio::fs::read_to_string(path).await;
                let read = read.map_err(|error| {
                    let detail = format!("`url_file` {} cannot be read: {error}", path.display());
                    refused(QueryFailureReason::Unauthorized, detail)
                });
                read?.trim().to_owned()
            }
        };
        let mut known = self.pool.lock().await;
        if let Some((_, pool)) = known.as_ref().filter(|(of, _)| *of == url) {
            return Ok(pool.clone());
        }
        let options = PgConnectOptions::from_str(&url)
            .map_err(|_| {
                refused(
                    QueryFailureReason::Connect,
                    "`url` is no valid URL of a database".to_owned(),
                )
            })?
            .application_name("nines")
            // What stands between may give every statement to another connection.
            .statement_cache_capacity(0)
            .options([("default_transaction_read_only", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(self.settings.concurrency.max(1) as u32)
            .acquire_timeout(self.settings.timeout)
            .idle_timeout(IDLE)
            .connect_lazy_with(options);
        *known = Some((url, pool.clone()));
        Ok(pool)
    }

    fn late(&self) -> QueryFailure {
        let seconds = self.settings.timeout.as_secs_f64();
        let detail = format!("it did not answer within `timeout` ({seconds} s)");
        refused(QueryFailureReason::Timeout, detail)
    }

    fn note(&self, took: Duration, failure: Option<&QueryFailure>) {
        self.rest.heard(failure);
        let name = self.settings.name.as_str();
        let word = failure.map_or("ok", |failure| failure.reason.word());
        self.stats.source_queries.add(&[name, word], 1);
        self.stats.source_query_duration.observe(&[name], took);
        self.stats.source_breakers.set(&[name], i64::from(self.rest.is_open()));
    }
}

/// Of what a query has told.
enum Told {
    /// Of one period.
    One,
    /// Of all that were asked for.
    All,
}

/// The names of a query's columns; nothing is run for them.
async fn columns(tx: &mut sqlx::PgTransaction<'_>, query: &str) -> Result<Vec<String>, QueryFailure> {
    let prepared = (&mut **tx)
        .prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(query.to_owned())))
        .await
        .map_err(|error| failure(&error))?;
    Ok(prepared
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect())
}

/// The query with its columns in a form that does not depend on their types: numbers as text, a moment in milliseconds,
/// labels as JSON.
fn wrapped(columns: &[String], query: &str) -> Result<String, QueryFailure> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    if !has("total") || !(has("good") || has("bad")) {
        let found = columns.join(", ");
        let detail = format!("the query must have a column `total` and one of `good` and `bad`; it has {found}");
        return Err(refused(QueryFailureReason::BadQuery, detail));
    }
    let number = |name: &str| {
        if has(name) {
            format!("q.\"{name}\"::text")
        } else {
            "null::text".to_owned()
        }
    };
    let at = if has("at") {
        "(extract(epoch from q.\"at\") * 1000)::bigint"
    } else {
        "null::bigint"
    };
    let drop = COLUMNS.map(|name| format!(" - '{name}'")).concat();
    Ok(format!(
        "select {}, {}, {}, {at}, (to_jsonb(q){drop})::text from (\n{query}\n) q",
        number("total"),
        number("good"),
        number("bad"),
    ))
}

/// Adds a row's numbers to its period.
fn take(
    row: &PgRow,
    periods: Option<(Timestamp, Timestamp, Duration)>,
    at: Timestamp,
    found: &mut Found,
) -> Result<(), QueryFailure> {
    let text = |index: usize| row.try_get::<Option<String>, _>(index).map_err(|error| failure(&error));
    let labels = labels(&text(4)?.unwrap_or_default())?;
    let at = match periods {
        None => at,
        Some((begin, until, every)) => {
            let moment: Option<i64> = row.try_get(3).map_err(|error| failure(&error))?;
            let Some(moment) = moment else {
                let detail = "a row has no `at`".to_owned();
                return Err(refused(QueryFailureReason::Format, detail));
            };
            if !(begin.0..until.0).contains(&moment) {
                let at = Timestamp(moment);
                let detail = format!(
                    "a row's `at` is {at}, not at or after {{{{.from}}}} ({begin}) and before {{{{.until}}}} ({until})"
                );
                return Err(refused(QueryFailureReason::Format, detail));
            }
            let every_ms = millis(every);
            Timestamp(begin.0 + ((moment - begin.0).div_euclid(every_ms) + 1) * every_ms)
        }
    };
    for (index, column) in [(0, "total"), (1, "good"), (2, "bad")] {
        // Without events a sum is null.
        let Some(written) = text(index)? else { continue };
        let Ok(number) = written.parse::<f64>() else {
            let detail = format!("`{column}` is no number: {}", cut(&written));
            return Err(refused(QueryFailureReason::Format, detail));
        };
        *found
            .entry((column, labels.clone()))
            .or_default()
            .entry(at)
            .or_default() += number;
    }
    Ok(())
}

fn labels(json: &str) -> Result<Labels, QueryFailure> {
    let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)
        .map_err(|_| refused(QueryFailureReason::Format, "a row cannot be read".to_owned()))?;
    let pairs = map.into_iter().map(|(name, value)| {
        let text = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        (name, text)
    });
    Ok(pairs.collect())
}

fn refused(reason: QueryFailureReason, detail: String) -> QueryFailure {
    QueryFailure {
        reason,
        detail,
        retry_after: None,
    }
}

/// Why a database gave no answer. What it says of a query names nothing secret; a URL is never part of it.
fn failure(error: &sqlx::Error) -> QueryFailure {
    use QueryFailureReason as Reason;
    let (reason, detail) = match error {
        sqlx::Error::Database(of_database) => {
            let code = of_database.code().unwrap_or_default().into_owned();
            let reason = match code.as_str() {
                "57014" => Reason::Timeout,
                "28000" | "28P01" | "42501" => Reason::Unauthorized,
                "53300" => Reason::Busy,
                _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Reason::Unavailable,
                _ => Reason::BadQuery,
            };
            (
                reason,
                format!("the database says: {} ({code})", cut(of_database.message())),
            )
        }
        sqlx::Error::PoolTimedOut => (Reason::Connect, "no connection within `timeout`".to_owned()),
        sqlx::Error::Tls(tls) => (Reason::Tls, format!("TLS failed: {tls}")),
        sqlx::Error::Io(error) => (Reason::Connect, format!("no connection: {error}")),
        other => (Reason::Unavailable, format!("no usable answer: {other}")),
    };
    refused(reason, detail)
}

#[async_trait]
impl QueryServer for SqlServer {
    async fn samples(&self, _: &Selector, _: Timestamp, _: Timestamp) -> Result<Answer, QueryFailure> {
        Err(no_promql())
    }

    async fn steps(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryFailure> {
        let indicator = SqlIndicator {
            query: query.to_owned(),
            every: step,
        };
        self.ask(&indicator, first, last).await
    }

    async fn instant(&self, _: &str, _: Timestamp) -> Result<Answer, QueryFailure> {
        Err(no_promql())
    }
}

fn no_promql() -> QueryFailure {
    let detail = "a database is asked with `sql`, not with PromQL; name a server of `prometheus_servers`".to_owned();
    refused(QueryFailureReason::BadQuery, detail)
}
