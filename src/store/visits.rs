//! Crediting visits: cursors, buckets and the double entry move together or not at all.

use std::collections::BTreeMap;

use super::day;
use super::db::{Db, Tx};
use super::error::{overflow, refused};
use super::value::Column;
use crate::domain::counts::Bucket;
use crate::engine::ports::{Credit, Epoch, KeyId, StoreError, StoreResult, TargetCommit};

/// Credits visits and moves their cursors, in one transaction.
pub(super) async fn commit(db: &Db, epoch: Epoch, commits: &[TargetCommit]) -> StoreResult<()> {
    if commits.is_empty() {
        return Ok(());
    }
    let mut commits: Vec<&TargetCommit> = commits.iter().collect();
    commits.sort_by_key(|commit| commit.target);
    let moves = commits.iter().map(|commit| CursorMove {
        target: commit.target,
        expected_seq: commit.expected_seq,
        header: &commit.header,
    });
    let moves = moves.collect();
    let buckets = aggregate(commits.iter().flat_map(|commit| &commit.credits))?;
    let mut tx = db.write(epoch).await?;
    move_cursors(&mut tx, moves).await?;
    keep_slo_cursors(&mut tx, &commits).await?;
    add_loose(&mut tx, &buckets, OBSERVED_ONCE).await?;
    add_to_sums(&mut tx, &sums(&buckets)?).await?;
    tx.commit().await
}

/// Buckets by key and minute, in that order; those that hold nothing are left out.
pub(super) type Buckets = BTreeMap<(KeyId, i64), Bucket>;

/// Adds up credits.
pub(super) fn aggregate<'a>(credits: impl IntoIterator<Item = &'a Credit>) -> StoreResult<Buckets> {
    let mut buckets = Buckets::new();
    for credit in credits {
        if credit.minute.0 < 0 {
            return Err(refused("a minute before 1970"));
        }
        let bucket = buckets.entry((credit.key, credit.minute.0)).or_default();
        *bucket = day::sum(*bucket, credit.bucket)?;
    }
    buckets.retain(|_, bucket| *bucket != Bucket::default());
    Ok(buckets)
}

/// Total and good by key.
pub(super) fn sums(buckets: &Buckets) -> StoreResult<BTreeMap<KeyId, (i64, i64)>> {
    let mut sums: BTreeMap<KeyId, (i64, i64)> = BTreeMap::new();
    for ((key, _), bucket) in buckets {
        let (total, good) = sums.entry(*key).or_default();
        *total = total.checked_add(bucket.total).ok_or_else(overflow)?;
        *good = good.checked_add(bucket.good).ok_or_else(overflow)?;
    }
    Ok(sums)
}

/// The double entry: adds to the sums of all credits.
pub(super) async fn add_to_sums(tx: &mut Tx, sums: &BTreeMap<KeyId, (i64, i64)>) -> StoreResult<()> {
    let columns = [
        ("k", sums.keys().copied().collect::<Column>()),
        ("t", sums.values().map(|sum| sum.0).collect()),
        ("g", sums.values().map(|sum| sum.1).collect()),
    ];
    let sql = "insert into ledger_sum (ledger_key, shard, total, good) select k, 0, t, g from v where true
        on conflict (ledger_key, shard) do update
        set total = ledger_sum.total + excluded.total, good = ledger_sum.good + excluded.good";
    tx.run_bulk(sql, Vec::new(), &columns).await.map(|_| ())
}

/// One step of a cursor.
pub(super) struct CursorMove<'a> {
    /// Whose.
    pub(super) target: i64,
    /// The `seq` that it must have.
    pub(super) expected_seq: i64,
    /// Its new header.
    pub(super) header: &'a [u8],
}

/// Moves every cursor from where it is expected to be, or says which one is not there.
pub(super) async fn move_cursors(tx: &mut Tx, mut moves: Vec<CursorMove<'_>>) -> StoreResult<()> {
    moves.sort_by_key(|step| step.target);
    if let Some(pair) = moves.windows(2).find(|pair| pair[0].target == pair[1].target) {
        return Err(refused(format!(
            "target {} is named twice in one commit",
            pair[0].target
        )));
    }
    let columns = [
        ("target", moves.iter().map(|step| step.target).collect::<Column>()),
        ("seq", moves.iter().map(|step| step.expected_seq).collect()),
        ("header", moves.iter().map(|step| step.header.to_vec()).collect()),
    ];
    let lock = tx.locking("for update of c");
    let sql = format!("select c.target, c.seq from v join cursor c on c.target = v.target order by c.target {lock}");
    let mut found = BTreeMap::new();
    for row in tx.rows_bulk(&sql, Vec::new(), &columns[..1]).await? {
        found.insert(row.int(0)?, row.int(1)?);
    }
    for step in &moves {
        if found.get(&step.target).copied().unwrap_or(0) != step.expected_seq {
            return Err(StoreError::Conflict { target: step.target });
        }
    }
    // A cursor that somebody made since it was looked for is not where it is expected either.
    let sql = "insert into cursor (target, seq, header) select target, seq + 1, header from v where true
        on conflict (target) do update set seq = excluded.seq, header = excluded.header
        where cursor.seq = excluded.seq - 1";
    let moved = tx.run_bulk(sql, Vec::new(), &columns).await?;
    match moves.first() {
        Some(first) if moved != moves.len() as u64 => Err(StoreError::Conflict { target: first.target }),
        _ => Ok(()),
    }
}

async fn keep_slo_cursors(tx: &mut Tx, commits: &[&TargetCommit]) -> StoreResult<()> {
    let mut kept = Vec::new();
    let mut removed = Vec::new();
    for commit in commits {
        for (slo, state) in &commit.slos {
            match state {
                Some(state) => kept.push((commit.target, *slo, state.clone())),
                None => removed.push((commit.target, *slo)),
            }
        }
    }
    let columns = [
        ("target", removed.iter().map(|row| row.0).collect::<Column>()),
        ("slo", removed.iter().map(|row| row.1).collect()),
    ];
    let sql = "delete from cursor_slo where (target, slo) in (select target, slo from v)";
    tx.run_bulk(sql, Vec::new(), &columns).await?;
    let columns = [
        ("target", kept.iter().map(|row| row.0).collect::<Column>()),
        ("slo", kept.iter().map(|row| row.1).collect()),
        ("state", kept.into_iter().map(|row| row.2).collect()),
    ];
    let sql = "insert into cursor_slo (target, slo, state) select target, slo, state from v where true
        on conflict (target, slo) do update set state = excluded.state";
    tx.run_bulk(sql, Vec::new(), &columns).await.map(|_| ())
}

/// A minute that was observed stays so, whatever is added to it.
pub(super) const OBSERVED_ONCE: &str = "case when excluded.observed = 1 then 1 else loose.observed end";

/// Adds events to loose rows; `observed` says in SQL what becomes of that column of a row that is there already.
pub(super) async fn add_loose(tx: &mut Tx, buckets: &Buckets, observed: &str) -> StoreResult<()> {
    let columns = [
        ("k", buckets.keys().map(|key| key.0).collect::<Column>()),
        ("m", buckets.keys().map(|key| key.1).collect()),
        ("t", buckets.values().map(|bucket| bucket.total).collect()),
        ("g", buckets.values().map(|bucket| bucket.good).collect()),
        ("o", buckets.values().map(|bucket| i64::from(bucket.observed)).collect()),
    ];
    let sql = format!(
        "insert into loose (ledger_key, minute, shard, total, good, observed)
        select k, m, 0, t, g, o from v where true
        on conflict (ledger_key, minute, shard) do update set
            total = loose.total + excluded.total,
            good = loose.good + excluded.good,
            observed = {observed}"
    );
    tx.run_bulk(&sql, Vec::new(), &columns).await.map(|_| ())
}
