//! SLOs, ledger keys, spec revisions and small facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;

use super::db::Tx;
use super::error::corrupt;
use super::value::{Column, Row, args};
use super::{SqlStore, digest};
use crate::domain::labels::Group;
use crate::domain::slo::SloId;
use crate::domain::time::Timestamp;
use crate::engine::ports::{
    CatalogStore, Epoch, KeyRecord, LoadedSlo, RevisionRecord, SloRecord, StoreError, StoreResult,
};

const KEPT_SLOS: &str =
    "select id, service, name, indicator, indicator_loaded_at, removed_at, generation from slo order by id";
const LIVE_KEYS: &str = "select k.id, k.slo, k.group_labels from ledger_key k join slo s on s.id = k.slo
    where s.removed_at is null and k.generation = s.generation order by k.id";

/// The generation of ledger keys that an SLO begins with.
const FIRST_GENERATION: i64 = 1;

#[async_trait]
impl CatalogStore for SqlStore {
    async fn sync_slos(&self, epoch: Epoch, slos: &[LoadedSlo], now: Timestamp) -> StoreResult<Vec<SloRecord>> {
        let mut tx = self.db.write(epoch).await?;
        let mut kept = Kept::load(&mut tx).await?;
        let loaded: BTreeSet<&SloId> = slos.iter().map(|slo| &slo.slo).collect();
        let mut records = Vec::with_capacity(slos.len());
        for slo in slos {
            records.push(kept.sync_one(&mut tx, slo, &loaded, now).await?);
        }
        kept.remove_others(&mut tx, &loaded, now).await?;
        tx.commit().await?;
        Ok(records)
    }

    async fn load_slos(&self) -> StoreResult<Vec<SloRecord>> {
        let mut tx = self.db.read().await?;
        let rows = tx.rows(KEPT_SLOS, Vec::new()).await?;
        let slos: Vec<KeptSlo> = rows.iter().map(KeptSlo::read).collect::<StoreResult<_>>()?;
        Ok(slos
            .into_iter()
            .filter(|slo| !slo.removed)
            .map(|slo| slo.record)
            .collect())
    }

    async fn load_keys(&self) -> StoreResult<Vec<KeyRecord>> {
        let mut tx = self.db.read().await?;
        tx.rows(LIVE_KEYS, Vec::new()).await?.iter().map(read_key).collect()
    }

    async fn ensure_keys(
        &self,
        epoch: Epoch,
        wanted: &[(i64, Option<Group>)],
        now: Timestamp,
    ) -> StoreResult<Vec<KeyRecord>> {
        let texts: BTreeSet<(i64, String)> = wanted
            .iter()
            .map(|(slo, group)| (*slo, group_text(group.as_ref())))
            .collect();
        let columns = [
            ("slo", texts.iter().map(|(slo, _)| *slo).collect::<Column>()),
            ("labels", texts.iter().map(|(_, text)| text.clone()).collect()),
            ("hash", texts.iter().map(|(_, text)| digest(text)).collect()),
        ];
        let mut tx = self.db.write(epoch).await?;
        // An SLO that is not there is refused by the foreign key.
        let insert = "insert into ledger_key (slo, group_labels, group_hash, generation, created_at)
            select v.slo, v.labels, v.hash, coalesce(s.generation, 1), $1 from v left join slo s on s.id = v.slo
            where true on conflict do nothing";
        tx.run_bulk(insert, args![now.0], &columns).await?;
        let select = "select k.id, k.slo, k.group_labels from v join slo s on s.id = v.slo join ledger_key k
            on k.slo = s.id and k.group_hash = v.hash and k.generation = s.generation";
        let rows = tx.rows_bulk(select, Vec::new(), &columns).await?;
        tx.commit().await?;
        let ids: HashMap<(i64, &str), i64> = rows
            .iter()
            .map(|row| Ok(((row.int(1)?, row.text(2)?), row.int(0)?)))
            .collect::<StoreResult<_>>()?;
        let record = |(slo, group): &(i64, Option<Group>)| {
            let text = group_text(group.as_ref());
            let id = ids.get(&(*slo, text.as_str()));
            Ok(KeyRecord {
                id: *id.ok_or_else(|| corrupt(format!("a ledger key of SLO {slo} is missing")))?,
                slo: *slo,
                group: group.clone(),
            })
        };
        wanted.iter().map(record).collect()
    }

    async fn load_revisions(&self) -> StoreResult<Vec<RevisionRecord>> {
        let mut tx = self.db.read().await?;
        let sql = "select file, hash, text, loaded_at from spec_revision order by file";
        let read = |row: &Row| {
            Ok(RevisionRecord {
                file: row.text(0)?.to_owned(),
                hash: row.text(1)?.to_owned(),
                text: row.text(2)?.to_owned(),
                loaded_at: Timestamp(row.int(3)?),
            })
        };
        tx.rows(sql, Vec::new()).await?.iter().map(read).collect()
    }

    async fn save_revisions(&self, epoch: Epoch, revisions: &[RevisionRecord]) -> StoreResult<()> {
        let mut tx = self.db.write(epoch).await?;
        let sql = "insert into spec_revision (file, hash, text, loaded_at) values ($1, $2, $3, $4)
            on conflict (file) do update
            set hash = excluded.hash, text = excluded.text, loaded_at = excluded.loaded_at";
        for revision in revisions {
            let args = args![
                revision.file.as_str(),
                revision.hash.as_str(),
                revision.text.as_str(),
                revision.loaded_at.0
            ];
            tx.run(sql, args).await?;
        }
        tx.commit().await
    }

    async fn load_fact(&self, name: &str) -> StoreResult<Option<String>> {
        let mut tx = self.db.read().await?;
        load_fact(&mut tx, name).await
    }

    async fn save_fact(&self, epoch: Epoch, name: &str, value: &str) -> StoreResult<()> {
        let mut tx = self.db.write(epoch).await?;
        save_fact(&mut tx, name, value).await?;
        tx.commit().await
    }
}

/// A fact, read within a transaction.
pub(super) async fn load_fact(tx: &mut Tx, name: &str) -> StoreResult<Option<String>> {
    let rows = tx.rows("select value from fact where name = $1", args![name]).await?;
    rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// A fact, kept within a transaction.
pub(super) async fn save_fact(tx: &mut Tx, name: &str, value: &str) -> StoreResult<()> {
    let sql = "insert into fact (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value";
    tx.run(sql, args![name, value]).await.map(|_| ())
}

/// A row of `slo`.
struct KeptSlo {
    record: SloRecord,
    indicator: String,
    removed: bool,
}

impl KeptSlo {
    fn read(row: &Row) -> StoreResult<Self> {
        Ok(Self {
            record: SloRecord {
                id: row.int(0)?,
                slo: SloId::new(row.text(1)?, row.text(2)?),
                indicator_loaded_at: Timestamp(row.int(4)?),
                generation: row.int(6)?,
            },
            indicator: row.text(3)?.to_owned(),
            removed: row.maybe_int(5)?.is_some(),
        })
    }
}

/// All rows of `slo` by their identity.
struct Kept(BTreeMap<SloId, KeptSlo>);

impl Kept {
    async fn load(tx: &mut Tx) -> StoreResult<Self> {
        let rows = tx.rows(KEPT_SLOS, Vec::new()).await?;
        let slos = rows.iter().map(KeptSlo::read);
        slos.map(|slo| slo.map(|slo| (slo.record.slo.clone(), slo)))
            .collect::<StoreResult<_>>()
            .map(Self)
    }

    async fn sync_one(
        &mut self,
        tx: &mut Tx,
        slo: &LoadedSlo,
        loaded: &BTreeSet<&SloId>,
        now: Timestamp,
    ) -> StoreResult<SloRecord> {
        let Some(mut kept) = self.take(slo, loaded) else {
            let id = insert_slo(tx, slo, now).await?;
            return Ok(SloRecord {
                id,
                slo: slo.slo.clone(),
                indicator_loaded_at: now,
                generation: FIRST_GENERATION,
            });
        };
        let changed = kept.indicator != slo.indicator;
        if changed || kept.removed || kept.record.slo != slo.slo {
            // One that returns counts nothing of the time in which it was away, just as one that has changed.
            if changed || kept.removed {
                kept.record.indicator_loaded_at = now;
            }
            kept.record.generation += i64::from(changed && slo.begins_anew);
            let sql = "update slo
                set name = $2, indicator = $3, indicator_loaded_at = $4, generation = $5, removed_at = null
                where id = $1";
            let (name, indicator) = (slo.slo.name.as_str(), slo.indicator.as_str());
            let (since, generation) = (kept.record.indicator_loaded_at.0, kept.record.generation);
            tx.run(sql, args![kept.record.id, name, indicator, since, generation])
                .await?;
        }
        kept.record.slo = slo.slo.clone();
        Ok(kept.record)
    }

    /// The row of this name, or else of the first previous name that has one and that no loaded SLO goes by.
    fn take(&mut self, slo: &LoadedSlo, loaded: &BTreeSet<&SloId>) -> Option<KeptSlo> {
        self.0.remove(&slo.slo).or_else(|| {
            let previous = |name: &String| SloId::new(slo.slo.service.as_str(), name.as_str());
            let mut names = slo.previous_names.iter().map(previous);
            names.find_map(|id| (!loaded.contains(&id)).then(|| self.0.remove(&id)).flatten())
        })
    }

    /// What is left was not named.
    async fn remove_others(&self, tx: &mut Tx, loaded: &BTreeSet<&SloId>, now: Timestamp) -> StoreResult<()> {
        let gone = self
            .0
            .values()
            .filter(|slo| !slo.removed && !loaded.contains(&slo.record.slo));
        let ids = [("id", gone.map(|slo| slo.record.id).collect::<Column>())];
        let sql = "update slo set removed_at = $1 where id in (select id from v)";
        tx.run_bulk(sql, args![now.0], &ids).await?;
        let sql = "delete from cursor_slo where slo in (select id from v)";
        tx.run_bulk(sql, Vec::new(), &ids).await.map(|_| ())
    }
}

async fn insert_slo(tx: &mut Tx, slo: &LoadedSlo, now: Timestamp) -> StoreResult<i64> {
    let sql = "insert into slo (service, name, indicator, indicator_loaded_at, created_at, generation)
        values ($1, $2, $3, $4, $4, $5) returning id";
    let (service, name) = (slo.slo.service.as_str(), slo.slo.name.as_str());
    let rows = tx
        .rows(
            sql,
            args![service, name, slo.indicator.as_str(), now.0, FIRST_GENERATION],
        )
        .await?;
    rows.first().ok_or_else(|| corrupt("an insert returned no id"))?.int(0)
}

/// Pairs as JSON: it escapes NUL, which Postgres does not take in a text. Empty for the SLO itself.
fn group_text(group: Option<&Group>) -> String {
    group.map_or_else(String::new, |group| serde_json::json!(group.0).to_string())
}

fn read_key(row: &Row) -> StoreResult<KeyRecord> {
    let text = row.text(2)?;
    let group = match text {
        "" => None,
        json => {
            let pairs = serde_json::from_str(json);
            let pairs = pairs.map_err(|error| StoreError::Corrupt(format!("the labels of a ledger key: {error}")))?;
            Some(Group(pairs))
        }
    };
    Ok(KeyRecord {
        id: row.int(0)?,
        slo: row.int(1)?,
        group,
    })
}
