//! Alerts, their numbered transitions, incidents and silences.

use async_trait::async_trait;

use super::db::Tx;
use super::error::corrupt;
use super::value::{Column, Row, args};
use super::{SqlStore, catalog, deliveries, silences, stored_digest};
use crate::domain::alert::silence::Silence;
use crate::domain::time::Timestamp;
use crate::engine::ports::{
    AlertRecord, AlertStore, DispatchCommit, Epoch, EvaluationCommit, IncidentRecord, StoreResult, TransitionRecord,
};

/// The fact that tells when the last evaluation was committed.
const EVALUATED_AT: &str = "last_evaluation_at";

#[async_trait]
impl AlertStore for SqlStore {
    async fn load_alerts(&self) -> StoreResult<Vec<AlertRecord>> {
        let mut tx = self.db.read().await?;
        let read = |row: &Row| {
            Ok(AlertRecord {
                key: row.text(0)?.to_owned(),
                body: row.text(1)?.to_owned(),
            })
        };
        let rows = tx
            .rows("select key, body from alert_state order by key", Vec::new())
            .await?;
        rows.iter().map(read).collect()
    }

    async fn commit_evaluation(&self, epoch: Epoch, commit: &EvaluationCommit) -> StoreResult<()> {
        let mut tx = self.db.write(epoch).await?;
        let hashes = commit.removed.iter().map(|key| stored_digest(key)).collect::<Column>();
        let sql = "delete from alert_state where key_hash in (select hash from v)";
        tx.run_bulk(sql, Vec::new(), &[("hash", hashes)]).await?;
        for alert in &commit.alerts {
            let sql = "insert into alert_state (key_hash, key, body) values ($1, $2, $3)
                on conflict (key_hash) do update set key = excluded.key, body = excluded.body";
            tx.run(
                sql,
                args![stored_digest(&alert.key), alert.key.as_str(), alert.body.as_str()],
            )
            .await?;
        }
        for (alert, body) in &commit.transitions {
            let sql = "insert into transition (at, alert, body) values ($1, $2, $3)";
            tx.run(sql, args![commit.at.0, alert.as_str(), body.as_str()]).await?;
        }
        catalog::save_fact(&mut tx, EVALUATED_AT, &commit.at.0.to_string()).await?;
        tx.commit().await
    }

    async fn last_evaluation_at(&self) -> StoreResult<Option<Timestamp>> {
        let mut tx = self.db.read().await?;
        let text = catalog::load_fact(&mut tx, EVALUATED_AT).await?;
        let parse = |text: String| {
            text.parse()
                .map_err(|_| corrupt(format!("the fact {EVALUATED_AT}: {text:?}")))
        };
        Ok(text.map(parse).transpose()?.map(Timestamp))
    }

    async fn pending_transitions(&self, limit: u32) -> StoreResult<Vec<TransitionRecord>> {
        let mut tx = self.db.read().await?;
        let sql = "select id, at, alert, body from transition where consumed = 0 order by id limit $1";
        let read = |row: &Row| {
            Ok(TransitionRecord {
                id: row.int(0)?,
                at: Timestamp(row.int(1)?),
                alert: row.text(2)?.to_owned(),
                body: row.text(3)?.to_owned(),
            })
        };
        tx.rows(sql, args![i64::from(limit)]).await?.iter().map(read).collect()
    }

    async fn open_incidents(&self) -> StoreResult<Vec<IncidentRecord>> {
        let mut tx = self.db.read().await?;
        let sql = "select id, group_key, opened_at, closed_at, next_flush_at, body from incident
            where closed_at is null order by opened_at, id";
        tx.rows(sql, Vec::new()).await?.iter().map(read_incident).collect()
    }

    async fn commit_dispatch(&self, epoch: Epoch, commit: &DispatchCommit) -> StoreResult<()> {
        let mut tx = self.db.write(epoch).await?;
        let consumed = [("id", commit.consumed.iter().copied().collect::<Column>())];
        let sql = "update transition set consumed = 1 where id in (select id from v)";
        tx.run_bulk(sql, Vec::new(), &consumed).await?;
        // Closed ones first: an incident may take the group key of one that closes in the same breath.
        let (closed, open): (Vec<_>, Vec<_>) = commit.incidents.iter().partition(|i| i.closed_at.is_some());
        for incident in closed.into_iter().chain(open) {
            save_incident(&mut tx, incident).await?;
        }
        for delivery in &commit.deliveries {
            deliveries::insert(&mut tx, delivery, commit.at).await?;
        }
        tx.commit().await
    }

    async fn silences(&self, now: Timestamp) -> StoreResult<Vec<Silence>> {
        silences::load(&self.db, now).await
    }

    async fn save_silence(&self, silence: &Silence) -> StoreResult<()> {
        silences::save(&self.db, silence).await
    }
}

async fn save_incident(tx: &mut Tx, incident: &IncidentRecord) -> StoreResult<()> {
    let sql = "insert into incident (id, group_key, group_hash, opened_at, closed_at, next_flush_at, body)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (id) do update set group_key = excluded.group_key, group_hash = excluded.group_hash,
            opened_at = excluded.opened_at, closed_at = excluded.closed_at,
            next_flush_at = excluded.next_flush_at, body = excluded.body";
    let args = args![
        incident.id.as_str(),
        incident.group_key.as_str(),
        stored_digest(&incident.group_key),
        incident.opened_at.0,
        incident.closed_at.map(|at| at.0),
        incident.next_flush_at.map(|at| at.0),
        incident.body.as_str(),
    ];
    tx.run(sql, args).await.map(|_| ())
}

fn read_incident(row: &Row) -> StoreResult<IncidentRecord> {
    Ok(IncidentRecord {
        id: row.text(0)?.to_owned(),
        group_key: row.text(1)?.to_owned(),
        opened_at: Timestamp(row.int(2)?),
        closed_at: row.maybe_int(3)?.map(Timestamp),
        next_flush_at: row.maybe_int(4)?.map(Timestamp),
        body: row.text(5)?.to_owned(),
    })
}
