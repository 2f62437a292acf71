//! The ledger: a bucket's value is always packed + loose, read in one moment.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::db::Tx;
use super::error::overflow;
use super::value::{Column, args};
use super::{SqlStore, day, pack, reads, targets, visits};
use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::time::{DAY_MINUTES, HOUR_MINUTES, Hour, Minute, Timestamp};
use crate::engine::ports::{
    Credit, CursorRecord, Epoch, KeyId, LedgerStore, Lifetime, ReadCommit, StoreResult, TargetCommit, TargetRecord,
};

const PACKED_HOURS: &str = "select p.ledger_key, p.day, p.hours
    from v join packed_day p on p.ledger_key = v.id where p.day between $1 and $2";
const PACKED_MINUTES: &str = "select p.ledger_key, p.day, p.minutes
    from v join packed_day p on p.ledger_key = v.id where p.day between $1 and $2 and length(p.minutes) > 0";
const LOOSE_HOURS: &str = "select l.ledger_key, l.minute / 60, cast(sum(l.total) as bigint),
        cast(sum(l.good) as bigint), cast(sum(l.observed) as bigint)
    from v join loose l on l.ledger_key = v.id where l.minute between $1 and $2
    group by l.ledger_key, l.minute / 60";
const LOOSE_MINUTES: &str = "select l.ledger_key, l.minute, l.total, l.good, l.observed
    from v join loose l on l.ledger_key = v.id where l.minute between $1 and $2";
const LIFETIMES: &str = "select s.ledger_key, cast(sum(s.total) as bigint), cast(sum(s.good) as bigint)
    from v join ledger_sum s on s.ledger_key = v.id group by s.ledger_key";

#[async_trait]
impl LedgerStore for SqlStore {
    async fn sync_targets(&self, epoch: Epoch, keys: &[String], now: Timestamp) -> StoreResult<Vec<TargetRecord>> {
        targets::sync(&self.db, epoch, keys, now).await
    }

    async fn load_cursors(&self, targets: &[i64]) -> StoreResult<Vec<CursorRecord>> {
        let mut tx = self.db.read().await?;
        targets::load_cursors(&mut tx, targets).await
    }

    async fn commit_visits(&self, epoch: Epoch, commits: &[TargetCommit], _now: Timestamp) -> StoreResult<()> {
        visits::commit(&self.db, epoch, commits).await
    }

    async fn commit_reads(&self, epoch: Epoch, commits: &[ReadCommit], now: Timestamp) -> StoreResult<Vec<Credit>> {
        reads::commit(&self.db, epoch, commits, now).await
    }

    async fn hour_totals(&self, keys: &[KeyId], from: Hour, to: Hour) -> StoreResult<Vec<(KeyId, Hour, HourTotal)>> {
        let mut tx = self.db.read().await?;
        let hours = read_hours(&mut tx, keys, from, to).await?;
        let found = hours.into_iter().filter(|(_, total)| *total != HourTotal::default());
        Ok(found.map(|((key, hour), total)| (key, Hour(hour), total)).collect())
    }

    async fn minutes(&self, keys: &[KeyId], from: Minute, to: Minute) -> StoreResult<Vec<(KeyId, Minute, Bucket)>> {
        let mut tx = self.db.read().await?;
        let minutes = read_minutes(&mut tx, keys, from.0, to.0).await?;
        Ok(minutes
            .into_iter()
            .map(|((key, minute), bucket)| (key, Minute(minute), bucket))
            .collect())
    }

    async fn lifetimes(&self, keys: &[KeyId]) -> StoreResult<Vec<(KeyId, Lifetime)>> {
        let mut tx = self.db.read().await?;
        let mut found = BTreeMap::new();
        for row in tx.rows_bulk(LIFETIMES, Vec::new(), &ids(keys)).await? {
            let (total, good) = (row.int(1)?, row.int(2)?);
            found.insert(row.int(0)?, Lifetime { total, good });
        }
        Ok(keys
            .iter()
            .map(|key| (*key, found.get(key).copied().unwrap_or_default()))
            .collect())
    }

    async fn write_packed(&self, epoch: Epoch, credits: &[Credit], _now: Timestamp) -> StoreResult<()> {
        pack::write(&self.db, epoch, credits).await
    }
}

/// The keys as a bulk table, each once.
fn ids(keys: &[KeyId]) -> [(&'static str, Column); 1] {
    let distinct: BTreeSet<KeyId> = keys.iter().copied().collect();
    [("id", distinct.into_iter().collect())]
}

async fn read_hours(
    tx: &mut Tx,
    keys: &[KeyId],
    from: Hour,
    to: Hour,
) -> StoreResult<BTreeMap<(KeyId, i64), HourTotal>> {
    let mut hours = BTreeMap::new();
    for row in tx
        .rows_bulk(PACKED_HOURS, args![from.day(), to.day()], &ids(keys))
        .await?
    {
        let (key, day) = (row.int(0)?, row.int(1)?);
        let day = (day * 24..).zip(day::decode_hours((key, day), row.bytes(2)?)?);
        hours.extend(
            day.filter(|(hour, _)| (from.0..=to.0).contains(hour))
                .map(|(hour, total)| ((key, hour), total)),
        );
    }
    let mut seen_twice = BTreeSet::new();
    let range = args![from.first_minute().0, last_minute(to)];
    for row in tx.rows_bulk(LOOSE_HOURS, range, &ids(keys)).await? {
        let at = (row.int(0)?, row.int(1)?);
        let hour: &mut HourTotal = hours.entry(at).or_default();
        hour.total = hour.total.checked_add(row.int(2)?).ok_or_else(overflow)?;
        hour.good = hour.good.checked_add(row.int(3)?).ok_or_else(overflow)?;
        let observed = row.int(4)?;
        if observed > 0 && hour.observed > 0 {
            seen_twice.insert(at);
        } else {
            hour.observed += observed.clamp(0, HOUR_MINUTES) as u8;
        }
    }
    count_observed(tx, &seen_twice, &mut hours).await?;
    Ok(hours)
}

/// Hours with late data: a minute may be observed both packed and loose, and counts once.
async fn count_observed(
    tx: &mut Tx,
    seen_twice: &BTreeSet<(KeyId, i64)>,
    hours: &mut BTreeMap<(KeyId, i64), HourTotal>,
) -> StoreResult<()> {
    let keys: Vec<KeyId> = seen_twice.iter().map(|(key, _)| *key).collect();
    let all = || seen_twice.iter().map(|(_, hour)| *hour);
    let (Some(from), Some(to)) = (all().min(), all().max()) else {
        return Ok(());
    };
    let from = Hour(from).first_minute().0;
    let mut observed: BTreeMap<(KeyId, i64), u8> = BTreeMap::new();
    for ((key, minute), bucket) in read_minutes(tx, &keys, from, last_minute(Hour(to))).await? {
        *observed.entry((key, Minute(minute).hour().0)).or_default() += u8::from(bucket.observed);
    }
    for at in seen_twice {
        if let (Some(hour), Some(count)) = (hours.get_mut(at), observed.get(at)) {
            // Where the detail is gone, what the packed hour knows is the best there is.
            hour.observed = hour.observed.max(*count);
        }
    }
    Ok(())
}

async fn read_minutes(tx: &mut Tx, keys: &[KeyId], from: i64, to: i64) -> StoreResult<BTreeMap<(KeyId, i64), Bucket>> {
    let mut minutes = BTreeMap::new();
    let days = args![Minute(from).day(), Minute(to).day()];
    for row in tx.rows_bulk(PACKED_MINUTES, days, &ids(keys)).await? {
        let (key, day) = (row.int(0)?, row.int(1)?);
        let Some(minutes_of_day) = day::decode_minutes((key, day), row.bytes(2)?)? else {
            continue;
        };
        let day = (day * DAY_MINUTES..).zip(minutes_of_day.iter().copied());
        let wanted = day.filter(|(minute, bucket)| (from..=to).contains(minute) && *bucket != Bucket::default());
        minutes.extend(wanted.map(|(minute, bucket)| ((key, minute), bucket)));
    }
    for row in tx.rows_bulk(LOOSE_MINUTES, args![from, to], &ids(keys)).await? {
        let bucket: &mut Bucket = minutes.entry((row.int(0)?, row.int(1)?)).or_default();
        let loose = Bucket {
            total: row.int(2)?,
            good: row.int(3)?,
            observed: row.int(4)? != 0,
        };
        *bucket = day::sum(*bucket, loose)?;
    }
    minutes.retain(|_, bucket| *bucket != Bucket::default());
    Ok(minutes)
}

fn last_minute(hour: Hour) -> i64 {
    hour.first_minute().0 + HOUR_MINUTES - 1
}
