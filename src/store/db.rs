//! One face for both databases: a transaction that takes SQL text with `$1`, and rows of plain values.
//!
//! What differs between the dialects is here: how a transaction begins, how rows are locked, how many rows go into one
//! statement. Statements are never kept prepared on Postgres, and all of them run within a transaction, so that a pooler
//! in transaction mode changes nothing.

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite, Transaction};
use tokio::time::timeout;

use super::error::{from_sqlx, unavailable};
use super::value::{Arg, Column, Row};
use crate::engine::ports::{Epoch, StoreError, StoreResult};

/// The longest that one statement may take before the connection counts as lost.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a rollback may take before the connection is thrown away instead.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(2);
/// Rows of one bulk statement; SQLite takes at most 32766 parameters.
const POSTGRES_ROWS: usize = 10_000;
const SQLITE_ROWS: usize = 400;

/// The database.
#[derive(Clone, Debug)]
pub(super) enum Db {
    /// The production store.
    Postgres(PgPool),
    /// The embedded store: many readers, one writer.
    Sqlite {
        /// Readers; for a database in memory, the writer.
        read: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
}

/// A transaction; it is rolled back when it is dropped.
pub(super) enum Tx {
    Postgres(PostgresTx),
    Sqlite(Transaction<'static, Sqlite>),
}

/// A Postgres transaction whose connection is thrown away when nobody knows in which state it is.
pub(super) struct PostgresTx {
    connection: Option<PoolConnection<Postgres>>,
    state: State,
}

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// All statements so far have succeeded.
    Sound,
    /// One was refused: Postgres would answer a commit with a rollback, and call it well done.
    Failed,
    /// One is under way, or was never answered.
    Unknown,
}

impl Db {
    /// Begins to write, as the holder of the lease of this epoch.
    pub(super) async fn write(&self, epoch: Epoch) -> StoreResult<Tx> {
        let mut tx = self.write_unfenced().await?;
        let share = tx.locking("for share");
        let fence = format!("select epoch from lease where name = 'writer' and epoch = $1 {share}");
        let held = tx.rows(&fence, vec![Arg::from(epoch)]).await?;
        held.first().map(|_| tx).ok_or(StoreError::Fenced)
    }

    /// Begins to write what needs no lease.
    pub(super) async fn write_unfenced(&self) -> StoreResult<Tx> {
        match self {
            Self::Postgres(pool) => {
                begin_postgres(
                    pool,
                    "begin; set local statement_timeout = 20000; set local idle_in_transaction_session_timeout = 60000",
                )
                .await
            }
            Self::Sqlite { write, .. } => begin_sqlite(write, "begin immediate").await,
        }
    }

    /// Begins to read: everything that is read is of one moment.
    pub(super) async fn read(&self) -> StoreResult<Tx> {
        match self {
            Self::Postgres(pool) => {
                let begin = "begin isolation level repeatable read read only; set local statement_timeout = 20000";
                begin_postgres(pool, begin).await
            }
            Self::Sqlite { read, .. } => begin_sqlite(read, "begin").await,
        }
    }
}

async fn begin_postgres(pool: &PgPool, begin: &'static str) -> StoreResult<Tx> {
    let connection = pool.acquire().await.map_err(unavailable)?;
    let mut tx = PostgresTx {
        connection: Some(connection),
        state: State::Sound,
    };
    tx.raw(begin).await?;
    Ok(Tx::Postgres(tx))
}

async fn begin_sqlite(pool: &SqlitePool, begin: &'static str) -> StoreResult<Tx> {
    let tx = pool.begin_with(begin).await.map_err(unavailable)?;
    Ok(Tx::Sqlite(tx))
}

impl Tx {
    /// Postgres, or SQLite.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// A row lock such as `for update` where rows are locked one by one; SQLite has one writer at a time.
    pub(super) fn locking(&self, clause: &'static str) -> &'static str {
        if self.is_postgres() { clause } else { "" }
    }

    /// Runs one statement and says how many rows it changed.
    pub(super) async fn run(&mut self, sql: &str, args: Vec<Arg>) -> StoreResult<u64> {
        match self {
            Self::Postgres(tx) => tx.run(sql, postgres_arguments(args)?).await,
            Self::Sqlite(tx) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(args)?);
                let done = query.execute(&mut **tx).await.map_err(from_sqlx)?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn rows(&mut self, sql: &str, args: Vec<Arg>) -> StoreResult<Vec<Row>> {
        match self {
            Self::Postgres(tx) => tx.rows(sql, postgres_arguments(args)?).await,
            Self::Sqlite(tx) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(args)?);
                let rows = query.fetch_all(&mut **tx).await.map_err(from_sqlx)?;
                rows.iter().map(Row::from_sqlite).collect()
            }
        }
    }

    /// Runs a statement over many rows, which it finds in the table `v`, and says how many rows it changed. `$1` and so
    /// on are `args`; the text follows `with v (…) as (…)`.
    pub(super) async fn run_bulk(&mut self, sql: &str, args: Vec<Arg>, rows: &[(&str, Column)]) -> StoreResult<u64> {
        let mut changed = 0;
        for range in self.chunks(rows) {
            changed += match self {
                Self::Postgres(tx) => {
                    let (sql, arguments) = postgres_bulk(sql, args.clone(), rows, range)?;
                    tx.run(&sql, arguments).await?
                }
                Self::Sqlite(_) => {
                    let (sql, args) = sqlite_bulk(sql, args.clone(), rows, range);
                    self.run(&sql, args).await?
                }
            };
        }
        Ok(changed)
    }

    /// The same for a statement that returns rows.
    pub(super) async fn rows_bulk(
        &mut self,
        sql: &str,
        args: Vec<Arg>,
        rows: &[(&str, Column)],
    ) -> StoreResult<Vec<Row>> {
        let mut found = Vec::new();
        for range in self.chunks(rows) {
            found.extend(match self {
                Self::Postgres(tx) => {
                    let (sql, arguments) = postgres_bulk(sql, args.clone(), rows, range)?;
                    tx.rows(&sql, arguments).await?
                }
                Self::Sqlite(_) => {
                    let (sql, args) = sqlite_bulk(sql, args.clone(), rows, range);
                    self.rows(&sql, args).await?
                }
            });
        }
        Ok(found)
    }

    /// Makes it so. When this fails, nobody knows whether it did.
    pub(super) async fn commit(self) -> StoreResult<()> {
        match self {
            Self::Postgres(mut tx) => {
                if tx.state != State::Sound {
                    return Err(unavailable("a statement of the transaction has failed"));
                }
                tx.raw("commit").await.map_err(|error| match error {
                    StoreError::Data(source) => StoreError::Unavailable(source),
                    other => other,
                })?;
                // The connection goes back to the pool as it is.
                drop(tx.connection.take());
                Ok(())
            }
            Self::Sqlite(tx) => tx.commit().await.map_err(unavailable),
        }
    }

    fn chunks(&self, rows: &[(&str, Column)]) -> Vec<std::ops::Range<usize>> {
        let size = if self.is_postgres() { POSTGRES_ROWS } else { SQLITE_ROWS };
        let count = rows.first().map_or(0, |(_, column)| column.len());
        (0..count)
            .step_by(size)
            .map(|from| from..count.min(from + size))
            .collect()
    }
}

impl PostgresTx {
    async fn run(&mut self, sql: &str, arguments: PgArguments) -> StoreResult<u64> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let connection = connection(&mut self.connection)?;
        let done = bounded(&mut self.state, query.execute(&mut **connection)).await?;
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, sql: &str, arguments: PgArguments) -> StoreResult<Vec<Row>> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let connection = connection(&mut self.connection)?;
        let rows = bounded(&mut self.state, query.fetch_all(&mut **connection)).await?;
        rows.iter().map(Row::from_postgres).collect()
    }

    async fn raw(&mut self, sql: &'static str) -> StoreResult<()> {
        let connection = connection(&mut self.connection)?;
        bounded(&mut self.state, connection.execute(sqlx::raw_sql(sql))).await?;
        Ok(())
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let runtime = tokio::runtime::Handle::try_current()
            .ok()
            .filter(|_| self.state != State::Unknown);
        let Some(runtime) = runtime else {
            connection.close_on_drop();
            return;
        };
        runtime.spawn(async move {
            let rolled_back = timeout(ROLLBACK_TIMEOUT, connection.execute(sqlx::raw_sql("rollback"))).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                connection.close_on_drop();
            }
        });
    }
}

fn connection(slot: &mut Option<PoolConnection<Postgres>>) -> StoreResult<&mut PoolConnection<Postgres>> {
    slot.as_mut().ok_or_else(|| unavailable("the transaction is over"))
}

/// Waits for a statement, but not for ever. Should the wait itself be dropped, the state stays unknown.
async fn bounded<T>(state: &mut State, statement: impl Future<Output = Result<T, sqlx::Error>>) -> StoreResult<T> {
    let before = std::mem::replace(state, State::Unknown);
    let outcome = timeout(STATEMENT_TIMEOUT, statement)
        .await
        .map_err(|_| unavailable(format!("no answer within {} s", STATEMENT_TIMEOUT.as_secs())))?;
    match &outcome {
        Ok(_) => *state = before,
        Err(sqlx::Error::Database(_)) => *state = State::Failed,
        Err(_) => {}
    }
    outcome.map_err(from_sqlx)
}

fn postgres_arguments(args: Vec<Arg>) -> StoreResult<PgArguments> {
    let mut arguments = PgArguments::default();
    args.into_iter()
        .try_for_each(|arg| arg.add_to_postgres(&mut arguments))?;
    Ok(arguments)
}

fn sqlite_arguments(args: Vec<Arg>) -> StoreResult<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    args.into_iter().try_for_each(|arg| arg.add_to_sqlite(&mut arguments))?;
    Ok(arguments)
}

/// `with v (a, b) as (select * from unnest($1::bigint[], $2::text[]))`
fn postgres_bulk(
    sql: &str,
    args: Vec<Arg>,
    rows: &[(&str, Column)],
    range: std::ops::Range<usize>,
) -> StoreResult<(String, PgArguments)> {
    let first = args.len() + 1;
    let mut arguments = postgres_arguments(args)?;
    let mut arrays = Vec::with_capacity(rows.len());
    for (at, (_, column)) in rows.iter().enumerate() {
        arrays.push(format!("${}::{}", first + at, column.array_type()));
        column.add_array(range.clone(), &mut arguments)?;
    }
    let text = format!(
        "with v ({}) as (select * from unnest({})) {sql}",
        names(rows),
        arrays.join(", ")
    );
    Ok((text, arguments))
}

/// `with v (a, b) as (values ($1, $2), ($3, $4))`
fn sqlite_bulk(
    sql: &str,
    mut args: Vec<Arg>,
    rows: &[(&str, Column)],
    range: std::ops::Range<usize>,
) -> (String, Vec<Arg>) {
    let mut text = format!("with v ({}) as (values ", names(rows));
    args.reserve(range.len() * rows.len());
    let mut separator = "(";
    for row in range {
        for (_, column) in rows {
            args.push(column.at(row));
            // Writing into a String cannot fail.
            let _ = write!(text, "{separator}${}", args.len());
            separator = ", ";
        }
        separator = "), (";
    }
    text.push_str(")) ");
    text.push_str(sql);
    (text, args)
}

fn names(rows: &[(&str, Column)]) -> String {
    rows.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
