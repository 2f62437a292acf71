//! What went wrong in the database, in the engine's words.

use sqlx::error::DatabaseError;

use crate::engine::ports::StoreError;

/// Sorts a driver's error: may it be tried again, or are the data at fault?
pub(super) fn from_sqlx(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(refusal) if is_about_data(refusal.as_ref()) => StoreError::Data(Box::new(error)),
        sqlx::Error::Encode(_) => StoreError::Data(Box::new(error)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

/// Whatever it was: the outcome is not known.
pub(super) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// The data cannot be kept, now or later.
pub(super) fn refused(why: impl Into<String>) -> StoreError {
    StoreError::Data(why.into().into())
}

/// A sum has left the range of 64 bits.
pub(super) fn overflow() -> StoreError {
    refused("a sum of events is beyond 64 bits")
}

/// What was read back is not what nines writes.
pub(super) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt(what.into())
}

/// Only what is surely the fault of the data: everything else is worth another try, and loses nothing by it.
fn is_about_data(refusal: &dyn DatabaseError) -> bool {
    let Some(code) = refusal.code() else { return false };
    if refusal.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return sqlite_is_about_data(code.parse().unwrap_or_default(), refusal.message());
    }
    // Classes of SQLSTATE: data exceptions, broken constraints, limits such as an index row's size.
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

fn sqlite_is_about_data(extended: i32, message: &str) -> bool {
    const ERROR: i32 = 1;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    match extended & 0xff {
        TOO_BIG | CONSTRAINT | MISMATCH => true,
        // `sum` says so in words only.
        ERROR => message.contains("integer overflow"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlites_refusals_are_told_from_its_troubles() {
        for (code, message, wanted) in [
            (3091, "cannot store REAL value in INTEGER column", true),
            (1555, "UNIQUE constraint failed", true),
            (1, "integer overflow", true),
            (1, "no such table: loose", false),
            (5, "database is locked", false),
            (517, "database is locked", false),
            (10, "disk I/O error", false),
            (13, "database or disk is full", false),
        ] {
            assert_eq!(sqlite_is_about_data(code, message), wanted, "{code} {message}");
        }
    }

    #[test]
    fn a_closed_pool_and_a_timeout_are_worth_another_try() {
        for error in [
            sqlx::Error::PoolClosed,
            sqlx::Error::PoolTimedOut,
            sqlx::Error::WorkerCrashed,
        ] {
            assert!(matches!(from_sqlx(error), StoreError::Unavailable(_)));
        }
    }
}
