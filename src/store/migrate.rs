//! Brings the tables up to date.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Executor, SqlSafeStr};

use super::db::Db;
use super::error::{from_sqlx, refused, unavailable};
use crate::engine::ports::{StoreError, StoreResult};

/// Number, name, SQL for Postgres, SQL for SQLite.
const MIGRATIONS: [(i64, &str, &str, &str); 3] = [
    (
        1,
        "first",
        include_str!("../../migrations/postgres/0001_first.sql"),
        include_str!("../../migrations/sqlite/0001_first.sql"),
    ),
    (
        2,
        "generation",
        include_str!("../../migrations/postgres/0002_generation.sql"),
        include_str!("../../migrations/sqlite/0002_generation.sql"),
    ),
    (
        3,
        "push",
        include_str!("../../migrations/postgres/0003_push.sql"),
        include_str!("../../migrations/sqlite/0003_push.sql"),
    ),
];

/// How often to begin again when another process makes the lease table at the same moment.
const ATTEMPTS: usize = 5;

const LEASE_TABLE: &str = "create table if not exists migration_lease (name text not null primary key)";
const LEASE_ROW: &str = "insert into migration_lease (name) values ('migration') on conflict do nothing";
const LEASE: &str = "select name from migration_lease where name = 'migration' for update";

/// Runs what has not run yet, in one transaction that holds the row of the migration lease.
pub(super) async fn run(db: &Db) -> StoreResult<()> {
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome = match db {
            Db::Postgres(pool) => run_postgres(pool).await,
            Db::Sqlite { write, .. } => run_sqlite(write).await,
        };
        // Two processes that make the same table at once: one of them is told that it exists.
        if !matches!(outcome, Err(StoreError::Data(_))) {
            break;
        }
    }
    outcome
}

async fn run_postgres(pool: &sqlx::PgPool) -> StoreResult<()> {
    let mut tx = pool.begin().await.map_err(unavailable)?;
    for step in [LEASE_TABLE, LEASE_ROW, LEASE] {
        tx.execute(sqlx::raw_sql(step)).await.map_err(from_sqlx)?;
    }
    apply(&mut *tx, |(_, _, postgres, _)| postgres).await?;
    tx.commit().await.map_err(unavailable)
}

async fn run_sqlite(pool: &sqlx::SqlitePool) -> StoreResult<()> {
    let mut tx = pool.begin_with("begin immediate").await.map_err(unavailable)?;
    apply(&mut *tx, |(_, _, _, sqlite)| sqlite).await?;
    tx.commit().await.map_err(unavailable)
}

async fn apply<C: Migrate>(
    connection: &mut C,
    text: fn((i64, &'static str, &'static str, &'static str)) -> &'static str,
) -> StoreResult<()> {
    let migration = |entry: (i64, &'static str, &'static str, &'static str)| {
        Migration::new(
            entry.0,
            Cow::Borrowed(entry.1),
            MigrationType::Simple,
            text(entry).into_sql_str(),
            false,
        )
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect());
    migrator.set_locking(false);
    migrator.run_direct(None, connection, false).await.map_err(told)
}

fn told(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => from_sqlx(error),
        MigrateError::VersionMissing(number) => refused(format!(
            "the database has migration {number}, which this version of nines does not know: it was made by a newer one"
        )),
        MigrateError::VersionMismatch(number) => refused(format!(
            "migration {number} was changed after it had been applied to the database"
        )),
        other => unavailable(other),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn both_databases_have_the_same_migrations_and_all_of_them_are_embedded() {
        let names = |folder: &str| {
            let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let entries = fs::read_dir(path)
                .expect("the folder")
                .map(|entry| entry.expect("an entry"));
            let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        let embedded: Vec<_> = super::MIGRATIONS
            .iter()
            .map(|(number, name, _, _)| format!("{number:04}_{name}.sql"))
            .collect();
        assert_eq!(names("postgres"), embedded);
        assert_eq!(names("sqlite"), embedded);
    }
}
