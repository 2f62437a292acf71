//! From a URL to connections.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::db::Db;
use super::error::{refused, unavailable};
use super::lease::WriterLock;
use crate::engine::ports::{StoreError, StoreResult};

/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SQLite waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const POSTGRES_CONNECTIONS: u32 = 10;
const SQLITE_READERS: u32 = 4;

/// Opens what the URL names. An error never repeats the URL: it may hold a password.
pub(super) async fn open(url: &str) -> StoreResult<(Db, WriterLock)> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => open_postgres(url).await,
        Some(("sqlite", ":memory:")) => open_memory().await,
        Some(("sqlite", file)) => open_file(file.strip_prefix("//").unwrap_or(file)).await,
        _ => Err(bad_url("it begins with neither sqlite: nor postgres://")),
    }
}

fn bad_url(why: &str) -> StoreError {
    refused(format!(
        "the storage URL cannot be used: {why}; write sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE"
    ))
}

async fn open_postgres(url: &str) -> StoreResult<(Db, WriterLock)> {
    // The driver's error names the part that is wrong, but may quote it; parts of a URL can be a password.
    let options = PgConnectOptions::from_str(url).map_err(|_| bad_url("it is no valid URL"))?;
    let options = options
        .application_name("nines")
        // Poolers refuse start parameters that they do not know; and no statement outlives its transaction.
        .extra_float_digits(None)
        .statement_cache_capacity(0);
    // A pool would only say that it has waited in vain; one connection says why.
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let first = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await;
    let first = first.map_err(|_| unavailable(format!("Postgres at {place} does not answer")))?;
    let first = first.map_err(|error| unavailable(format!("Postgres at {place}: {error}")))?;
    // It was only a question; how its end is received does not matter.
    let _ = first.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(unavailable)?;
    Ok((Db::Postgres(pool), WriterLock::none()))
}

async fn open_file(file: &str) -> StoreResult<(Db, WriterLock)> {
    let file = file.split_once('?').map_or(file, |(file, _)| file);
    if file.is_empty() {
        return Err(bad_url("a file's name is missing after sqlite:"));
    }
    let options = sqlite_options().filename(file).create_if_missing(true);
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal))
        .await
        .map_err(|error| {
            unavailable(format!(
                "the file {file} cannot be opened ({error}): {}",
                mend_of(&error)
            ))
        })?;
    let read = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(unavailable)?;
    let lock = WriterLock::beside(PathBuf::from(format!("{file}.lock")));
    Ok((Db::Sqlite { read, write }, lock))
}

/// What a person can do about an SQLite file that does not open.
fn mend_of(error: &sqlx::Error) -> &'static str {
    const NOT_A_DATABASE: &str = "26";
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(NOT_A_DATABASE) {
        "it is something else than a database; name another file with --storage.url"
    } else {
        "its folder must exist and nines must be allowed to write there"
    }
}

/// A database in memory lives as long as its only connection.
async fn open_memory() -> StoreResult<(Db, WriterLock)> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(sqlite_options().in_memory(true))
        .await
        .map_err(unavailable)?;
    let db = Db::Sqlite {
        read: pool.clone(),
        write: pool,
    };
    Ok((db, WriterLock::none()))
}

fn sqlite_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bad_url_is_told_without_being_repeated() {
        for url in [
            "mysql://me:hunter2@host/db",
            "hunter2",
            "postgres://me:hunter2@:port/",
            "sqlite:",
        ] {
            let Err(StoreError::Data(source)) = open(url).await else {
                panic!("{url} was taken");
            };
            let told = source.to_string();
            assert!(told.contains("the storage URL cannot be used"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
