//! Committing reads: minutes are set, behind the state of their reader. What is booked is the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::day::{self, DayKey};
use super::db::{Db, Tx};
use super::error::refused;
use super::pack::{self, Stretch};
use super::value::Column;
use super::visits::{self, Buckets, CursorMove};
use crate::domain::counts::{Bucket, HourTotal};
use crate::domain::time::{DAY_MINUTES, HOUR_MINUTES, Minute, Timestamp};
use crate::engine::ports::{Credit, Epoch, KeyId, ReadCommit, ReadSpan, StoreResult};

/// The longest span of one commit; hours are kept for about so long.
const LONGEST_SPAN_MINUTES: i64 = 400 * DAY_MINUTES;

/// Sets what was read and moves the cursors of its readers, in one transaction; says what that changed.
pub(super) async fn commit(db: &Db, epoch: Epoch, commits: &[ReadCommit], now: Timestamp) -> StoreResult<Vec<Credit>> {
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    let moves = commits.iter().map(|commit| CursorMove {
        target: commit.target,
        expected_seq: commit.expected_seq,
        header: &commit.header,
    });
    let wanted = Wanted::of(commits)?;
    let settled_before = pack::settled_before(now).0;
    let mut tx = db.write(epoch).await?;
    visits::move_cursors(&mut tx, moves.collect()).await?;
    let locked = lock_loose(&mut tx, &wanted, settled_before).await?;
    let parts = wanted.parts(&mut tx, settled_before).await?;
    let mut differences = set_packed(&mut tx, &wanted, &parts.packed, &locked).await?;
    differences.append(&mut set_loose(&mut tx, &wanted, &parts.loose, &locked).await?);
    visits::add_loose(&mut tx, &wanted.added, visits::OBSERVED_ONCE).await?;
    // What is added lies in no span, so that no minute has two differences.
    differences.extend(wanted.added.clone());
    visits::add_to_sums(&mut tx, &visits::sums(&differences)?).await?;
    tx.commit().await?;
    let credit = |((key, minute), bucket)| Credit {
        key,
        minute: Minute(minute),
        bucket,
    };
    Ok(differences.into_iter().map(credit).collect())
}

/// What minutes shall hold.
struct Wanted {
    /// By ledger key, which minutes are set.
    spans: BTreeMap<KeyId, Range<i64>>,
    /// Those of them that shall hold something.
    minutes: Buckets,
    /// What is added to other minutes.
    added: Buckets,
}

/// The spans in pieces: each within a day that is packed, or within an hour that is not.
struct Parts {
    packed: Vec<Stretch>,
    loose: Vec<Stretch>,
}

impl Wanted {
    fn of(commits: &[ReadCommit]) -> StoreResult<Self> {
        let mut spans = BTreeMap::new();
        for ReadSpan { keys, from, to } in commits.iter().filter_map(|commit| commit.span.as_ref()) {
            if from.0 < 0 || to < from || to.0.saturating_sub(from.0) > LONGEST_SPAN_MINUTES {
                return Err(refused(format!("no minutes to be set: {} to {}", from.0, to.0)));
            }
            for key in keys {
                if spans.insert(*key, from.0..to.0 + 1).is_some() {
                    return Err(refused(format!("ledger key {key} is set twice in one commit")));
                }
            }
        }
        let mut minutes = Buckets::new();
        for commit in commits {
            let keys = commit.span.as_ref().map_or(&[][..], |span| &span.keys);
            for Credit { key, minute, bucket } in &commit.minutes {
                let within = keys.contains(key) && spans.get(key).is_some_and(|span| span.contains(&minute.0));
                if !within || minutes.insert((*key, minute.0), *bucket).is_some() {
                    let why = "beyond what is set, or given twice";
                    return Err(refused(format!("minute {} of ledger key {key} is {why}", minute.0)));
                }
            }
        }
        minutes.retain(|_, bucket| *bucket != Bucket::default());
        let added = visits::aggregate(commits.iter().flat_map(|commit| &commit.added))?;
        let is_set = |(key, minute): &&(KeyId, i64)| spans.get(key).is_some_and(|span| span.contains(minute));
        if let Some((key, minute)) = added.keys().find(is_set) {
            return Err(refused(format!(
                "minute {minute} of ledger key {key} is set and added to in one commit"
            )));
        }
        Ok(Self { spans, minutes, added })
    }

    fn get(&self, key: KeyId, minute: i64) -> Bucket {
        self.minutes.get(&(key, minute)).copied().unwrap_or_default()
    }

    /// Some of what is wanted, in order.
    fn within(&self, stretch: &Stretch) -> impl Iterator<Item = (KeyId, i64)> {
        let Range { start, end } = stretch.minutes;
        self.minutes
            .range((stretch.key, start)..(stretch.key, end))
            .map(|(at, _)| *at)
    }

    /// An hour is packed when it has settled, or when something of it is packed already: the clock may have gone back.
    async fn parts(&self, tx: &mut Tx, settled_before: i64) -> StoreResult<Parts> {
        let mut packed = Vec::new();
        let mut open = Vec::new();
        for (key, span) in &self.spans {
            let edge = settled_before.clamp(span.start, span.end);
            packed.extend(cut(*key, span.start..edge, DAY_MINUTES));
            open.extend(cut(*key, edge..span.end, HOUR_MINUTES));
        }
        let early = hours_with_packed(tx, &open).await?;
        let is_early = |part: &Stretch| early.contains(&(part.key, Minute(part.minutes.start).hour().0));
        let (early, loose): (Vec<_>, Vec<_>) = open.into_iter().partition(is_early);
        packed.extend(early);
        Ok(Parts { packed, loose })
    }
}

/// The pieces of a range that lie within one multiple of so many minutes each.
fn cut(key: KeyId, range: Range<i64>, every: i64) -> impl Iterator<Item = Stretch> {
    let firsts = (range.start.div_euclid(every) * every..range.end).step_by(every as usize);
    let piece = move |first: i64| first.max(range.start)..(first + every).min(range.end);
    let pieces = firsts.map(piece).filter(|minutes| !minutes.is_empty());
    pieces.map(move |minutes| Stretch { key, minutes })
}

/// The hours of these stretches of which something is packed.
async fn hours_with_packed(tx: &mut Tx, stretches: &[Stretch]) -> StoreResult<BTreeSet<(KeyId, i64)>> {
    let days: BTreeSet<DayKey> = stretches.iter().map(day_of).collect();
    let columns = [
        ("k", days.iter().map(|day| day.0).collect::<Column>()),
        ("d", days.iter().map(|day| day.1).collect()),
    ];
    let sql = "select p.ledger_key, p.day, p.hours from v join packed_day p on p.ledger_key = v.k and p.day = v.d";
    let mut found = BTreeSet::new();
    for row in tx.rows_bulk(sql, Vec::new(), &columns).await? {
        let (key, day) = (row.int(0)?, row.int(1)?);
        let hours = (day * 24..).zip(day::decode_hours((key, day), row.bytes(2)?)?);
        let packed = hours.filter(|(_, total)| *total != HourTotal::default());
        found.extend(packed.map(|(hour, _)| (key, hour)));
    }
    Ok(found)
}

fn day_of(stretch: &Stretch) -> DayKey {
    (stretch.key, Minute(stretch.minutes.start).day())
}

/// The loose rows that are ours to change; `None` means all, since SQLite has one writer at a time.
struct Locked(Option<BTreeSet<(KeyId, i64)>>);

impl Locked {
    /// Of these parts what is locked. A row that was made since comes after this commit, and is none of its business.
    fn within(&self, parts: &[Stretch]) -> Vec<Stretch> {
        let Some(rows) = &self.0 else {
            return parts.to_vec();
        };
        let of_part = |part: &Stretch| rows.range((part.key, part.minutes.start)..(part.key, part.minutes.end));
        let rows = parts.iter().flat_map(of_part);
        rows.map(|(key, minute)| Stretch::of_minute(*key, *minute)).collect()
    }
}

/// Locks all loose rows that may change, in the order in which visits and packing do, so that none waits for another in
/// a circle. What is not there cannot be locked, so it is made, holding nothing.
async fn lock_loose(tx: &mut Tx, wanted: &Wanted, settled_before: i64) -> StoreResult<Locked> {
    if !tx.is_postgres() {
        return Ok(Locked(None));
    }
    let whole = |(key, minutes): (&KeyId, &Range<i64>)| Stretch {
        key: *key,
        minutes: minutes.clone(),
    };
    let spans: Vec<Stretch> = wanted.spans.iter().map(whole).collect();
    let sql = "select l.ledger_key, l.minute
        from v join loose l on l.ledger_key = v.k and l.minute >= v.a and l.minute < v.b";
    let mut rows = BTreeSet::new();
    for row in tx.rows_bulk(sql, Vec::new(), &Stretch::columns(&spans)).await? {
        rows.insert((row.int(0)?, row.int(1)?));
    }
    rows.extend(wanted.minutes.keys().filter(|(_, minute)| *minute >= settled_before));
    rows.extend(wanted.added.keys());
    let columns = [
        ("k", rows.iter().map(|row| row.0).collect::<Column>()),
        ("m", rows.iter().map(|row| row.1).collect()),
    ];
    // A row is locked also where the condition keeps it as it is.
    let sql = "insert into loose (ledger_key, minute, shard, total, good, observed)
        select k, m, 0, 0, 0, 0 from v where true
        on conflict (ledger_key, minute, shard) do update set total = loose.total where false";
    tx.run_bulk(sql, Vec::new(), &columns).await?;
    Ok(Locked(Some(rows)))
}

/// Packs what is loose in these parts, and sets them in their days.
async fn set_packed(tx: &mut Tx, wanted: &Wanted, parts: &[Stretch], locked: &Locked) -> StoreResult<Buckets> {
    let taken = pack::take_loose(tx, &locked.within(parts)).await?.days;
    let all = parts.iter().map(day_of).collect();
    let filled = parts.iter().filter(|part| wanted.within(part).next().is_some());
    let made = filled.map(day_of).chain(taken.keys().copied()).collect();
    let mut days = pack::lock_days(tx, &made, &all).await?;
    let mut changed: BTreeSet<DayKey> = taken.keys().copied().collect();
    for (key, loose) in taken {
        if let Some(day) = days.get_mut(&key) {
            day.add(loose)?;
        }
    }
    let mut differences = Buckets::new();
    for part in parts {
        let at = day_of(part);
        let Some(day) = days.get_mut(&at) else {
            continue;
        };
        let first = at.1 * DAY_MINUTES;
        let range = pack::of_day(part.minutes.start)..(part.minutes.end - first) as usize;
        for (minute, difference) in day.set(&range, |minute| wanted.get(part.key, first + minute as i64))? {
            changed.insert(at);
            differences.insert((part.key, first + minute as i64), difference);
        }
    }
    days.retain(|key, _| changed.contains(key));
    pack::write_days(tx, &days).await?;
    differences.retain(|_, difference| *difference != Bucket::default());
    Ok(differences)
}

/// Sets loose rows.
async fn set_loose(tx: &mut Tx, wanted: &Wanted, parts: &[Stretch], locked: &Locked) -> StoreResult<Buckets> {
    let sql = "select l.ledger_key, l.minute, l.total, l.good, l.observed
        from v join loose l on l.ledger_key = v.k and l.minute >= v.a and l.minute < v.b";
    let mut held = Buckets::new();
    for row in tx
        .rows_bulk(sql, Vec::new(), &Stretch::columns(&locked.within(parts)))
        .await?
    {
        let bucket = held.entry((row.int(0)?, row.int(1)?)).or_default();
        let loose = Bucket {
            total: row.int(2)?,
            good: row.int(3)?,
            observed: row.int(4)? != 0,
        };
        *bucket = day::sum(*bucket, loose)?;
    }
    for at in parts.iter().flat_map(|part| wanted.within(part)) {
        held.entry(at).or_default();
    }
    let (mut rows, mut differences) = (Buckets::new(), Buckets::new());
    for (at, held) in held {
        let bucket = wanted.get(at.0, at.1);
        if bucket == held {
            continue;
        }
        let difference = day::difference(held, bucket)?;
        let observed = bucket.observed;
        rows.insert(at, Bucket { observed, ..difference });
        differences.insert(at, difference);
    }
    visits::add_loose(tx, &rows, "excluded.observed").await?;
    differences.retain(|_, difference| *difference != Bucket::default());
    Ok(differences)
}
