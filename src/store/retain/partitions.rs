//! Monthly partitions on Postgres: made ahead of time, dropped when they are empty and beyond the retention.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};

use crate::domain::time::{DAY_MINUTES, MINUTE_MS, Timestamp};
use crate::engine::ports::{Epoch, Retention, StoreError, StoreResult};
use crate::store::db::Db;
use crate::store::value::args;

const DAY_MS: i64 = DAY_MINUTES * MINUTE_MS;

/// A partitioned table, and how many of its units make a day.
const TABLES: [(&str, i64); 3] = [("packed_day", 1), ("transition", DAY_MS), ("delivery_attempt", DAY_MS)];

/// Makes the partitions of this month and the next. Where the default partition holds rows of a month already, they
/// stay there: it is only less easily pruned.
pub(super) async fn create(db: &Db, epoch: Epoch, now: Timestamp) -> StoreResult<()> {
    let Some(today) = DateTime::from_timestamp_millis(now.0).map(|time| time.date_naive()) else {
        return Ok(());
    };
    if !matches!(db, Db::Postgres(_)) {
        return Ok(());
    }
    for month in [
        Some(first_of(today)),
        first_of(today).checked_add_months(Months::new(1)),
    ] {
        let Some((from, to)) = month.and_then(|from| Some((from, from.checked_add_months(Months::new(1))?))) else {
            continue;
        };
        for (table, per_day) in TABLES {
            let (from_unit, to_unit) = (days(from) * per_day, days(to) * per_day);
            match create_one(db, epoch, &name(table, from), table, from_unit, to_unit).await {
                Ok(()) | Err(StoreError::Data(_)) => {}
                Err(other) => return Err(other),
            }
        }
    }
    Ok(())
}

/// Drops partitions that are empty and wholly older than what is kept.
pub(super) async fn drop_empty(db: &Db, epoch: Epoch, retention: Retention, now: Timestamp) -> StoreResult<()> {
    if !matches!(db, Db::Postgres(_)) {
        return Ok(());
    }
    for (table, _) in TABLES {
        let kept = if table == "packed_day" {
            retention.hours_days
        } else {
            retention.messages_days
        };
        let oldest = now.minute().day() - kept;
        for name in partitions(db, table).await? {
            let end = month_of(table, &name).and_then(|month| month.checked_add_months(Months::new(1)));
            if end.is_some_and(|end| days(end) <= oldest) {
                drop_one(db, epoch, &name).await?;
            }
        }
    }
    Ok(())
}

async fn create_one(db: &Db, epoch: Epoch, name: &str, table: &str, from: i64, to: i64) -> StoreResult<()> {
    let mut tx = db.write(epoch).await?;
    let known = "select cast(1 as bigint) where to_regclass($1) is not null";
    if tx.rows(known, args![name]).await?.is_empty() {
        let sql = format!("create table {name} partition of {table} for values from ({from}) to ({to})");
        tx.run(&sql, Vec::new()).await?;
    }
    tx.commit().await
}

async fn drop_one(db: &Db, epoch: Epoch, name: &str) -> StoreResult<()> {
    let mut tx = db.write(epoch).await?;
    let rows = tx
        .rows(&format!("select cast(1 as bigint) from {name} limit 1"), Vec::new())
        .await?;
    if rows.is_empty() {
        tx.run(&format!("drop table {name}"), Vec::new()).await?;
    }
    tx.commit().await
}

async fn partitions(db: &Db, table: &str) -> StoreResult<Vec<String>> {
    let sql = "select cast(c.relname as text) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = cast($1 as regclass) order by 1";
    let mut tx = db.read().await?;
    let rows = tx.rows(sql, args![table]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// `packed_day_y2026m11`
fn name(table: &str, month: NaiveDate) -> String {
    format!("{table}_y{:04}m{:02}", month.year(), month.month())
}

/// The month of a name that [`name`] made; nothing for any other.
fn month_of(table: &str, partition: &str) -> Option<NaiveDate> {
    let (year, month) = partition.strip_prefix(table)?.strip_prefix("_y")?.split_once('m')?;
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
    (name(table, first) == partition).then_some(first)
}

fn first_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// Days since 1970-01-01.
fn days(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp() / (DAY_MS / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_name_tells_its_month() {
        let month = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a date");
        assert_eq!(name("packed_day", month), "packed_day_y2026m11");
        assert_eq!(month_of("packed_day", "packed_day_y2026m11"), Some(month));
        for other in [
            "packed_day_default",
            "packed_day_y2026m13",
            "packed_day_y26m1",
            "x; drop table y",
        ] {
            assert_eq!(month_of("packed_day", other), None, "{other}");
        }
        assert_eq!(days(month), 20_758);
    }
}
