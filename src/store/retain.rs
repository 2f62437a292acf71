//! Housekeeping: packing, the proof, partitions and what is kept for how long.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::db::Db;
use super::error::overflow;
use super::value::{Column, args};
use super::{SqlStore, pack};
use crate::domain::time::{DAY_MINUTES, MINUTE_MS, Timestamp};
use crate::engine::ports::{Epoch, KeyId, PUSH_KEY_DAYS, PackReport, RetainStore, Retention, StoreResult};

mod partitions;

/// Rows that one pruning transaction touches.
const BATCH: i64 = 500;

/// By ledger key what was credited, minus what was pruned, packed and is loose: all in one statement, of one moment.
const PROVE: &str = "select cast(coalesce(sum(abs(total) + abs(good)), 0) as bigint) from (
        select ledger_key, sum(total) as total, sum(good) as good from (
            select ledger_key, total, good from ledger_sum
            union all select ledger_key, -base_total, -base_good from ledger_sum
            union all select ledger_key, -total, -good from packed_day
            union all select ledger_key, -total, -good from loose
        ) as entries group by ledger_key
    ) as differences";

/// What goes by age alone: what to delete from a table whose `id` is in the selection, and the age at which.
const AGED: [(&str, Age); 7] = [
    (
        "delete from delivery where id in (select id from delivery where finished_at < $1 limit $2)",
        Age::Messages,
    ),
    (
        "delete from delivery_attempt where (delivery, number, started_at) in
            (select delivery, number, started_at from delivery_attempt where started_at < $1 limit $2)",
        Age::Messages,
    ),
    (
        "delete from transition where id in (select id from transition where at < $1 and consumed = 1 limit $2)",
        Age::Messages,
    ),
    (
        "delete from incident where id in (select id from incident where closed_at < $1 limit $2)",
        Age::Messages,
    ),
    (
        "delete from silence where id in (select id from silence where ends_at < $1 limit $2)",
        Age::Messages,
    ),
    (
        "delete from target where id in (select id from target where last_listed_at < $1 limit $2)",
        Age::Targets,
    ),
    (
        "delete from push_key where key in (select key from push_key where at < $1 limit $2)",
        Age::PushKeys,
    ),
];

#[derive(Clone, Copy)]
enum Age {
    Messages,
    Targets,
    PushKeys,
}

#[async_trait]
impl RetainStore for SqlStore {
    async fn pack(&self, epoch: Epoch, now: Timestamp, limit: u32) -> StoreResult<PackReport> {
        pack::pack(&self.db, epoch, now, limit).await
    }

    async fn prove(&self) -> StoreResult<i64> {
        let mut tx = self.db.read().await?;
        let rows = tx.rows(PROVE, Vec::new()).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    async fn create_partitions(&self, epoch: Epoch, now: Timestamp) -> StoreResult<()> {
        partitions::create(&self.db, epoch, now).await
    }

    async fn prune(&self, epoch: Epoch, retention: Retention, now: Timestamp) -> StoreResult<()> {
        let today = now.minute().day();
        prune_days(&self.db, epoch, today - retention.hours_days).await?;
        prune_minutes(&self.db, epoch, today - retention.minutes_days).await?;
        for (sql, age) in AGED {
            let days = match age {
                Age::Messages => retention.messages_days,
                Age::Targets => retention.targets_days,
                Age::PushKeys => PUSH_KEY_DAYS,
            };
            let before = now.0.saturating_sub(days.saturating_mul(DAY_MINUTES * MINUTE_MS));
            prune_aged(&self.db, epoch, sql, before).await?;
        }
        partitions::drop_empty(&self.db, epoch, retention, now).await
    }
}

/// Deletes whole days; what they held moves to the base of the double entry in the same transaction.
async fn prune_days(db: &Db, epoch: Epoch, before: i64) -> StoreResult<()> {
    loop {
        let mut tx = db.write(epoch).await?;
        let lock = tx.locking("for update");
        let sql = format!(
            "delete from packed_day where (ledger_key, day) in (
                select ledger_key, day from packed_day where day < $1 order by day, ledger_key limit $2 {lock}
            ) returning ledger_key, total, good"
        );
        let rows = tx.rows(&sql, args![before, BATCH]).await?;
        let mut sums: BTreeMap<KeyId, (i64, i64)> = BTreeMap::new();
        for row in &rows {
            let sum = sums.entry(row.int(0)?).or_default();
            sum.0 = sum.0.checked_add(row.int(1)?).ok_or_else(overflow)?;
            sum.1 = sum.1.checked_add(row.int(2)?).ok_or_else(overflow)?;
        }
        let columns = [
            ("k", sums.keys().copied().collect::<Column>()),
            ("t", sums.values().map(|sum| sum.0).collect()),
            ("g", sums.values().map(|sum| sum.1).collect()),
        ];
        let base = "insert into ledger_sum (ledger_key, shard, total, good, base_total, base_good)
            select k, 0, 0, 0, t, g from v where true
            on conflict (ledger_key, shard) do update set
                base_total = ledger_sum.base_total + excluded.base_total,
                base_good = ledger_sum.base_good + excluded.base_good";
        tx.run_bulk(base, Vec::new(), &columns).await?;
        tx.commit().await?;
        if (rows.len() as i64) < BATCH {
            return Ok(());
        }
    }
}

/// Drops the minutes' detail; the hours stay. A day that has loose minutes waits until they are packed: without the
/// detail nobody could tell which of them had been observed before.
async fn prune_minutes(db: &Db, epoch: Epoch, before: i64) -> StoreResult<()> {
    loop {
        let mut tx = db.write(epoch).await?;
        let lock = tx.locking("for update of p");
        let sql = format!(
            "update packed_day set minutes = $3 where (ledger_key, day) in (
                select p.ledger_key, p.day from packed_day p
                where p.day < $1 and length(p.minutes) > 0 and not exists (
                    select 1 from loose l
                    where l.ledger_key = p.ledger_key and l.minute >= p.day * 1440 and l.minute < (p.day + 1) * 1440
                )
                order by p.day, p.ledger_key limit $2 {lock}
            )"
        );
        let changed = tx.run(&sql, args![before, BATCH, Vec::new()]).await?;
        tx.commit().await?;
        if (changed as i64) < BATCH {
            return Ok(());
        }
    }
}

async fn prune_aged(db: &Db, epoch: Epoch, sql: &str, before: i64) -> StoreResult<()> {
    loop {
        let mut tx = db.write(epoch).await?;
        let deleted = tx.run(sql, args![before, BATCH]).await?;
        tx.commit().await?;
        if (deleted as i64) < BATCH {
            return Ok(());
        }
    }
}
