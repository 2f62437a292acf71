//! Packing: loose minutes go into their day's row. A bucket's value, packed + loose, never changes by it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::day::{Day, DayKey};
use super::db::{Db, Tx};
use super::value::{Column, args};
use super::visits::{self, Buckets};
use crate::domain::counts::Bucket;
use crate::domain::time::{DAY_MINUTES, HOUR_MINUTES, MINUTE_MS, Minute, Timestamp};
use crate::engine::ports::{Credit, Epoch, KeyId, PackReport, StoreError, StoreResult};

/// An hour is packed this long after its end, when most late data have come.
const SETTLED_AFTER_MS: i64 = 15 * MINUTE_MS;
/// Days of one transaction: SQLite's must stay under 50 ms, since nobody else writes meanwhile.
const DAYS_PER_TRANSACTION: usize = 20;

/// The oldest loose minute of each ledger key that has one that is due; one look into the index for each key.
const DUE: &str = "select ledger_key, oldest from (
        select k.ledger_key, (select min(l.minute) from loose l where l.ledger_key = k.ledger_key) as oldest
        from (select distinct ledger_key from ledger_sum) as k
    ) as keys where oldest < $1 order by ledger_key limit $2";

/// Packs what has settled, up to `limit` days and one day of each ledger key; each transaction is whole in itself. A day
/// that cannot be packed is told of after all others are.
pub(super) async fn pack(db: &Db, epoch: Epoch, now: Timestamp, limit: u32) -> StoreResult<PackReport> {
    let before = settled_before(now);
    let mut tx = db.read().await?;
    let rows = tx.rows(DUE, args![before.0, i64::from(limit) + 1]).await?;
    tx.commit().await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        due.push((row.int(0)?, Minute(row.int(1)?).day()));
    }
    // A key whose oldest day is not the last that may be packed may have more days.
    let mut report = PackReport {
        more: due.len() > limit as usize || due.iter().any(|(_, day)| *day < before.day()),
        ..PackReport::default()
    };
    due.truncate(limit as usize);
    let mut outcome = Ok(());
    for days in due.chunks(DAYS_PER_TRANSACTION) {
        let packed = pack_days(db, epoch, days, before, &mut report).await;
        if !matches!(packed, Err(StoreError::Data(_) | StoreError::Corrupt(_))) {
            packed?;
            continue;
        }
        // One of them cannot be packed: the others shall not suffer for it.
        for day in days {
            match pack_days(db, epoch, std::slice::from_ref(day), before, &mut report).await {
                Err(error @ (StoreError::Data(_) | StoreError::Corrupt(_))) => outcome = Err(error),
                other => other?,
            }
        }
    }
    outcome.map(|()| report)
}

/// Where the minutes begin whose hour has not settled yet.
pub(super) fn settled_before(now: Timestamp) -> Minute {
    Timestamp(now.0.saturating_sub(SETTLED_AFTER_MS))
        .minute()
        .hour()
        .first_minute()
}

async fn pack_days(db: &Db, epoch: Epoch, days: &[DayKey], before: Minute, report: &mut PackReport) -> StoreResult<()> {
    let settled = days.iter().map(|(key, day)| Stretch {
        key: *key,
        minutes: day * DAY_MINUTES..before.0.min((day + 1) * DAY_MINUTES),
    });
    let mut tx = db.write(epoch).await?;
    let locked = lock_loose(&mut tx, settled.collect()).await?;
    let loose = take_loose(&mut tx, &locked).await?;
    let merged = merge(&mut tx, loose.days).await?;
    tx.commit().await?;
    report.rows += loose.rows;
    report.days += merged;
    Ok(())
}

/// Credits many minutes straight into packed days. Every transaction is whole in itself: buckets and double entry.
pub(super) async fn write(db: &Db, epoch: Epoch, credits: &[Credit]) -> StoreResult<()> {
    let mut days: BTreeMap<DayKey, Buckets> = BTreeMap::new();
    for ((key, minute), bucket) in visits::aggregate(credits)? {
        days.entry((key, Minute(minute).day()))
            .or_default()
            .insert((key, minute), bucket);
    }
    let days: Vec<_> = days.into_iter().collect();
    for chunk in days.chunks(DAYS_PER_TRANSACTION) {
        let buckets: Buckets = chunk.iter().flat_map(|(_, buckets)| buckets.clone()).collect();
        let mut tx = db.write(epoch).await?;
        merge(&mut tx, by_day(&buckets)).await?;
        visits::add_to_sums(&mut tx, &visits::sums(&buckets)?).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Minutes of one ledger key that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) key: KeyId,
    pub(super) minutes: Range<i64>,
}

impl Stretch {
    /// One minute.
    pub(super) fn of_minute(key: KeyId, minute: i64) -> Self {
        Self {
            key,
            minutes: minute..minute + 1,
        }
    }

    /// Stretches as a bulk table.
    pub(super) fn columns(stretches: &[Self]) -> [(&'static str, Column); 3] {
        [
            ("k", stretches.iter().map(|stretch| stretch.key).collect()),
            ("a", stretches.iter().map(|stretch| stretch.minutes.start).collect()),
            ("b", stretches.iter().map(|stretch| stretch.minutes.end).collect()),
        ]
    }
}

/// What is to be added to the minutes of each day.
type Additions = BTreeMap<DayKey, Vec<(usize, Bucket)>>;

/// Loose rows that are out of their table.
pub(super) struct Taken {
    rows: u64,
    /// What they held.
    pub(super) days: Additions,
}

fn by_day(buckets: &Buckets) -> Additions {
    let mut days = Additions::new();
    for ((key, minute), bucket) in buckets {
        let at = of_day(*minute);
        days.entry((*key, Minute(*minute).day()))
            .or_default()
            .push((at, *bucket));
    }
    days
}

/// The place of a minute in its day.
pub(super) fn of_day(minute: i64) -> usize {
    minute.rem_euclid(DAY_MINUTES) as usize
}

/// Locks the rows of these stretches in the order in which commits write them, so that the two never wait for each other
/// in a circle. What is locked, minute by minute: rows that are added meanwhile stay for the next time.
async fn lock_loose(tx: &mut Tx, stretches: Vec<Stretch>) -> StoreResult<Vec<Stretch>> {
    if !tx.is_postgres() {
        return Ok(stretches);
    }
    let sql = "select l.ledger_key, l.minute
        from v join loose l on l.ledger_key = v.k and l.minute >= v.a and l.minute < v.b
        order by l.ledger_key, l.minute, l.shard for update of l";
    let rows = tx.rows_bulk(sql, Vec::new(), &Stretch::columns(&stretches)).await?;
    rows.iter()
        .map(|row| Ok(Stretch::of_minute(row.int(0)?, row.int(1)?)))
        .collect()
}

/// Takes the rows of these stretches out of the table.
pub(super) async fn take_loose(tx: &mut Tx, stretches: &[Stretch]) -> StoreResult<Taken> {
    let columns = Stretch::columns(stretches);
    let sql = "delete from loose where (ledger_key, minute, shard) in (
            select l.ledger_key, l.minute, l.shard
            from v join loose l on l.ledger_key = v.k and l.minute >= v.a and l.minute < v.b
        ) returning ledger_key, minute, total, good, observed";
    let rows = tx.rows_bulk(sql, Vec::new(), &columns).await?;
    let mut credits = Vec::with_capacity(rows.len());
    for row in &rows {
        let bucket = Bucket {
            total: row.int(2)?,
            good: row.int(3)?,
            observed: row.int(4)? != 0,
        };
        credits.push(Credit {
            key: row.int(0)?,
            minute: Minute(row.int(1)?),
            bucket,
        });
    }
    Ok(Taken {
        rows: rows.len() as u64,
        days: by_day(&visits::aggregate(&credits)?),
    })
}

/// Adds to day rows, which are locked meanwhile; says how many were written.
async fn merge(tx: &mut Tx, additions: Additions) -> StoreResult<u64> {
    let keys = additions.keys().copied().collect();
    let mut days = lock_days(tx, &keys, &keys).await?;
    for (key, credits) in additions {
        days.entry(key).or_insert_with(Day::empty).add(credits)?;
    }
    write_days(tx, &days).await
}

/// Writes day rows that are there; says how many.
pub(super) async fn write_days(tx: &mut Tx, days: &BTreeMap<DayKey, Day>) -> StoreResult<u64> {
    let mut totals = Vec::with_capacity(days.len());
    let mut blobs = Vec::with_capacity(days.len());
    for day in days.values() {
        totals.push(day.totals()?);
        blobs.push(day.encode());
    }
    let columns = [
        ("k", days.keys().map(|key| key.0).collect::<Column>()),
        ("d", days.keys().map(|key| key.1).collect()),
        ("t", totals.iter().map(|total| total.0).collect()),
        ("g", totals.iter().map(|total| total.1).collect()),
        ("h", blobs.iter().map(|blob| blob.0.clone()).collect()),
        ("m", blobs.into_iter().map(|blob| blob.1).collect()),
    ];
    let sql = "update packed_day set total = v.t, good = v.g, hours = v.h, minutes = v.m
        from v where packed_day.ledger_key = v.k and packed_day.day = v.d";
    tx.run_bulk(sql, Vec::new(), &columns).await
}

/// The rows of these days as they are, each locked; those of `made`, which are some of them, are made where there was
/// none.
pub(super) async fn lock_days(
    tx: &mut Tx,
    made: &BTreeSet<DayKey>,
    wanted: &BTreeSet<DayKey>,
) -> StoreResult<BTreeMap<DayKey, Day>> {
    let (hours, minutes) = Day::empty().encode();
    let columns = |days: &BTreeSet<DayKey>| {
        [
            ("k", days.iter().map(|key| key.0).collect::<Column>()),
            ("d", days.iter().map(|key| key.1).collect()),
        ]
    };
    let insert = "insert into packed_day (ledger_key, day, total, good, hours, minutes)
        select k, d, 0, 0, $1, $2 from v where true on conflict (ledger_key, day) do nothing";
    tx.run_bulk(insert, args![hours, minutes], &columns(made)).await?;
    let lock = tx.locking("for update of p");
    let select = format!(
        "select p.ledger_key, p.day, p.hours, p.minutes
        from v join packed_day p on p.ledger_key = v.k and p.day = v.d order by p.ledger_key, p.day {lock}"
    );
    let mut days = BTreeMap::new();
    for row in tx.rows_bulk(&select, Vec::new(), &columns(wanted)).await? {
        let key = (row.int(0)?, row.int(1)?);
        days.insert(key, Day::decode(key, row.bytes(2)?, row.bytes(3)?)?);
    }
    Ok(days)
}

// Hours are packed as wholes, so that an hour is either loose or packed but for late data.
const _: () = assert!(DAY_MINUTES % HOUR_MINUTES == 0);
