//! Targets and their cursors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::db::{Db, Tx};
use super::digest;
use super::error::corrupt;
use super::value::{Column, args};
use crate::domain::time::{HOUR_MINUTES, MINUTE_MS, Timestamp};
use crate::engine::ports::{CursorRecord, Epoch, StoreResult, TargetRecord};

/// How exactly it is known when a target was last listed: noting it more often would only write.
const LISTED_EVERY_MS: i64 = HOUR_MINUTES * MINUTE_MS;

/// Finds or makes targets, in the order asked for.
pub(super) async fn sync(db: &Db, epoch: Epoch, keys: &[String], now: Timestamp) -> StoreResult<Vec<TargetRecord>> {
    let distinct: BTreeSet<&String> = keys.iter().collect();
    let columns = [
        ("key", distinct.iter().map(|key| (*key).clone()).collect::<Column>()),
        ("hash", distinct.iter().map(|key| digest(key)).collect()),
    ];
    let mut tx = db.write(epoch).await?;
    let upsert = "insert into target (key, key_hash, first_listed_at, last_listed_at)
        select key, hash, $1, $1 from v where true
        on conflict (key_hash) do update set last_listed_at = excluded.last_listed_at
        where target.last_listed_at <= excluded.last_listed_at - $2";
    tx.run_bulk(upsert, args![now.0, LISTED_EVERY_MS], &columns).await?;
    let select = "select v.hash, t.id, t.first_listed_at from v join target t on t.key_hash = v.hash";
    let rows = tx.rows_bulk(select, Vec::new(), &columns).await?;
    tx.commit().await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert(row.text(0)?, (row.int(1)?, Timestamp(row.int(2)?)));
    }
    let record = |key: &String| {
        let known = found.get(digest(key).as_str());
        let (id, first_listed_at) = *known.ok_or_else(|| corrupt("a target that was just listed is missing"))?;
        Ok(TargetRecord {
            id,
            key: key.clone(),
            first_listed_at,
        })
    };
    keys.iter().map(record).collect()
}

/// The cursors of these targets, in the order asked for.
pub(super) async fn load_cursors(tx: &mut Tx, targets: &[i64]) -> StoreResult<Vec<CursorRecord>> {
    let distinct: BTreeSet<i64> = targets.iter().copied().collect();
    let ids = [("id", distinct.into_iter().collect::<Column>())];
    let sql = "select c.target, c.seq, c.header from v join cursor c on c.target = v.id";
    let mut found: BTreeMap<i64, CursorRecord> = BTreeMap::new();
    for row in tx.rows_bulk(sql, Vec::new(), &ids).await? {
        let cursor = CursorRecord {
            target: row.int(0)?,
            seq: row.int(1)?,
            header: row.bytes(2)?.to_vec(),
            slos: BTreeMap::new(),
        };
        found.insert(cursor.target, cursor);
    }
    let sql = "select c.target, c.slo, c.state from v join cursor_slo c on c.target = v.id";
    for row in tx.rows_bulk(sql, Vec::new(), &ids).await? {
        if let Some(cursor) = found.get_mut(&row.int(0)?) {
            cursor.slos.insert(row.int(1)?, row.bytes(2)?.to_vec());
        }
    }
    let record = |target: &i64| {
        let none = CursorRecord {
            target: *target,
            ..CursorRecord::default()
        };
        found.get(target).cloned().unwrap_or(none)
    };
    Ok(targets.iter().map(record).collect())
}
