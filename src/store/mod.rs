//! The store: Postgres, or an embedded SQLite file, behind the engine's ports.
//!
//! One file for each aggregate. [`db`] is the one face that both databases have; SQL that differs between them says so
//! where it stands. Every write begins by share-locking the lease row of its epoch.

mod alerts;
mod catalog;
mod codec;
mod connect;
mod day;
mod db;
mod deliveries;
mod error;
mod lease;
mod ledger;
mod migrate;
mod pack;
mod pushes;
mod reads;
mod retain;
mod silences;
mod targets;
mod value;
mod visits;

use sha2::{Digest, Sha256};

use self::db::Db;
use self::lease::WriterLock;
use crate::domain::digest::hex;
use crate::engine::ports::StoreResult;

/// The store, on either database.
pub struct SqlStore {
    db: Db,
    writer: WriterLock,
}

impl SqlStore {
    /// Opens the store that the URL names: `sqlite:FILE`, `sqlite::memory:` (for tests) or `postgres://…`. Its tables
    /// are made by [`SqlStore::migrate`].
    pub async fn connect(url: &str) -> StoreResult<Self> {
        let (db, writer) = connect::open(url).await?;
        Ok(Self { db, writer })
    }

    /// Brings the tables up to date. Processes that do so at the same time wait for one another.
    pub async fn migrate(&self) -> StoreResult<()> {
        migrate::run(&self.db).await
    }

    /// `postgres` or `sqlite`.
    pub fn kind(&self) -> &'static str {
        match self.db {
            Db::Postgres(_) => "postgres",
            Db::Sqlite { .. } => "sqlite",
        }
    }

    /// Asks the database for an answer.
    pub async fn ping(&self) -> StoreResult<()> {
        let mut tx = self.db.read().await?;
        tx.rows("select cast(1 as bigint)", Vec::new()).await?;
        tx.commit().await
    }

    /// Ends all connections, and on SQLite lets go of the lock.
    pub async fn close(&self) {
        match &self.db {
            Db::Postgres(pool) => pool.close().await,
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
        self.writer.let_go();
    }
}

/// The SHA-256 of a text, hexadecimal: what a text is unique by that may be longer than an index row.
fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The same for a text that is read back from the store, where it has no NUL any more.
fn stored_digest(text: &str) -> String {
    digest(&value::clean(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::engine::ports::{AlertStore, CatalogStore, LeaseState, LeaseStore};

    #[tokio::test]
    async fn a_store_in_memory_needs_no_file_and_no_second_connection() {
        let store = SqlStore::connect("sqlite::memory:").await.expect("it opens");
        store.migrate().await.expect("the tables are made");
        let held = store
            .acquire_lease("me", None, Duration::from_secs(10))
            .await
            .expect("an answer");
        assert_eq!((held, store.kind()), (LeaseState::Held(1), "sqlite"));
        store.save_fact(1, "a", "b").await.expect("kept");
        assert_eq!(store.load_fact("a").await.expect("read").as_deref(), Some("b"));
        assert_eq!(store.silences(Timestamp(0)).await.expect("read"), []);
        store.ping().await.expect("it answers");
    }
}
