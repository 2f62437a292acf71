//! The lease of the one writer: a row with an epoch on Postgres, a lock on a file beside the database on SQLite.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::SqlStore;
use super::db::{Db, Tx};
use super::error::unavailable;
use super::value::args;
use crate::domain::time::millis;
use crate::engine::ports::{Epoch, LeaseState, LeaseStore, StoreResult};

/// The lock that stands for the lease on SQLite. The system frees it when the process ends, however it ends, so that a
/// restart need not wait.
pub(super) struct WriterLock {
    path: Option<PathBuf>,
    held: Mutex<Option<File>>,
}

impl WriterLock {
    /// No file is needed: the database has a lease row, or no other process can see it.
    pub(super) fn none() -> Self {
        Self {
            path: None,
            held: Mutex::new(None),
        }
    }

    /// A lock on this file.
    pub(super) fn beside(path: PathBuf) -> Self {
        Self {
            path: Some(path),
            held: Mutex::new(None),
        }
    }

    /// Lets go of the lock.
    pub(super) fn let_go(&self) {
        self.slot().take();
    }

    /// Takes the lock, or finds that it is held already; `false` when it is another process's.
    fn take(&self) -> StoreResult<bool> {
        let Some(path) = &self.path else { return Ok(true) };
        let mut slot = self.slot();
        if slot.is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = file.map_err(|error| unavailable(format!("{} cannot be opened: {error}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {
                *slot = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => {
                Err(unavailable(format!("{} cannot be locked: {error}", path.display())))
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews the lease where the epoch is ours, takes it under the next epoch where it is over. `$2` is the epoch that is
/// held, `$3` the time to live.
const ACQUIRE: &str = "insert into lease (name, holder, epoch, expires_at)
    values ('writer', $1, 1, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) + $3)
    on conflict (name) do update set
        holder = excluded.holder,
        epoch = case when lease.epoch = $2 then lease.epoch else lease.epoch + 1 end,
        expires_at = excluded.expires_at
    where lease.epoch = $2 or lease.expires_at <= cast(extract(epoch from clock_timestamp()) * 1000 as bigint)
    returning epoch";

/// A holder that is cut off from the database may still be alive: it gets a few seconds to end its attempts.
const ORPHANED: &str = "update delivery
    set claim_until = least(claim_until, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) + 5000)
    where state = 'sending'";

/// The lock on the file has been taken: only the epoch is missing.
const NEXT_EPOCH: &str = "insert into lease (name, holder, epoch, expires_at) values ('writer', $1, 1, 0)
    on conflict (name) do update set
        holder = excluded.holder,
        epoch = case when lease.epoch = $2 then lease.epoch else lease.epoch + 1 end
    returning epoch";

#[async_trait]
impl LeaseStore for SqlStore {
    async fn acquire_lease(&self, holder: &str, held: Option<Epoch>, ttl: Duration) -> StoreResult<LeaseState> {
        let (sql, mut args) = match self.db {
            Db::Postgres(_) => (ACQUIRE, args![holder, held, millis(ttl)]),
            Db::Sqlite { .. } => (NEXT_EPOCH, args![holder, held]),
        };
        if !self.writer.take()? {
            let mut tx = self.db.read().await?;
            return taken(&mut tx).await;
        }
        let mut tx = self.db.write_unfenced().await?;
        let rows = tx.rows(sql, std::mem::take(&mut args)).await?;
        let Some(row) = rows.first() else {
            return taken(&mut tx).await;
        };
        let epoch = row.int(0)?;
        if held != Some(epoch) {
            // What the last holder had under way it cannot note any more, so its claims need not run out.
            let sql = match self.db {
                Db::Postgres(_) => ORPHANED,
                Db::Sqlite { .. } => "update delivery set claim_until = 0 where state = 'sending'",
            };
            tx.run(sql, Vec::new()).await?;
        }
        tx.commit().await?;
        Ok(LeaseState::Held(epoch))
    }

    async fn release_lease(&self, epoch: Epoch) -> StoreResult<()> {
        let mut tx = self.db.write_unfenced().await?;
        let released = tx
            .run(
                "update lease set expires_at = 0 where name = 'writer' and epoch = $1",
                args![epoch],
            )
            .await?;
        tx.commit().await?;
        if released > 0 {
            self.writer.let_go();
        }
        Ok(())
    }
}

async fn taken(tx: &mut Tx) -> StoreResult<LeaseState> {
    let rows = tx
        .rows("select holder from lease where name = 'writer'", Vec::new())
        .await?;
    let holder = match rows.first() {
        Some(row) => row.text(0)?.to_owned(),
        None => "another process".to_owned(),
    };
    Ok(LeaseState::Taken { holder })
}
