//! The outbox: what is owed to whom, in which order, and how every attempt ended.

use std::time::Duration;

use async_trait::async_trait;
use uuid::{NoContext, Uuid};

use super::db::Tx;
use super::error::{corrupt, refused};
use super::value::{Arg, Row, args};
use super::{SqlStore, stored_digest};
use crate::domain::time::{SECOND_MS, Timestamp};
use crate::engine::message::{Message, MessageKind};
use crate::engine::ports::{
    AttemptOutcome, ClaimedDelivery, DeliveryState, DeliveryStore, Epoch, NewDelivery, NotificationRecord, StoreResult,
};

/// Claims what is due: only the oldest open delivery of each stream, since a resolve must not overtake its trigger.
/// `$1` is the claim, `$2` its end, `$3` the time; busy streams are filtered out by `{busy}`.
const CLAIM: &str = "with due as materialized (
        select d.position from delivery d
        where d.state in ('ready', 'sending')
            and case when d.state = 'ready' then d.not_before else d.claim_until end <= $3
            and not exists (
                select 1 from delivery o
                where o.stream_hash = d.stream_hash and o.state in ('ready', 'sending') and o.position < d.position
            )
            {busy}
        order by d.position limit $4 {lock}
    )
    update delivery set state = 'sending', attempts = attempts + 1, claim = $1, claim_until = $2
    where position in (select position from due)
    returning position, id, stream, receiver, integration, attempts, created_at, message";

/// When the oldest open delivery of any stream may go.
const NEXT_DUE: &str = "select min(case when d.state = 'ready' then d.not_before else d.claim_until end)
    from delivery d
    where d.state in ('ready', 'sending') and not exists (
        select 1 from delivery o
        where o.stream_hash = d.stream_hash and o.state in ('ready', 'sending') and o.position < d.position
    )";

const NOTIFICATIONS: &str = "select id, receiver, integration, kind, state, attempts, last_error, created_at,
        finished_at, not_before, group_key, slo
    from delivery order by position desc limit $1";

#[async_trait]
impl DeliveryStore for SqlStore {
    async fn claim_deliveries(
        &self,
        epoch: Epoch,
        now: Timestamp,
        claim_for: Duration,
        busy: &[String],
        limit: u32,
    ) -> StoreResult<Vec<ClaimedDelivery>> {
        let mut tx = self.db.write(epoch).await?;
        let claim = new_claim(now);
        let mut arguments = args![claim.as_str(), (now + claim_for).0, now.0, i64::from(limit)];
        let places: Vec<String> = (0..busy.len())
            .map(|at| format!("${}", arguments.len() + 1 + at))
            .collect();
        arguments.extend(busy.iter().map(|stream| Arg::from(stored_digest(stream))));
        let busy = match places.as_slice() {
            [] => String::new(),
            places => format!("and d.stream_hash not in ({})", places.join(", ")),
        };
        let lock = tx.locking("for update of d skip locked");
        let sql = CLAIM.replace("{busy}", &busy).replace("{lock}", lock);
        let rows = tx.rows(&sql, arguments).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            claimed.push((row.int(0)?, read_claimed(row, &claim)?));
        }
        tx.commit().await?;
        claimed.sort_by_key(|(position, _)| *position);
        Ok(claimed.into_iter().map(|(_, delivery)| delivery).collect())
    }

    async fn finish_attempt(
        &self,
        epoch: Epoch,
        delivery: &ClaimedDelivery,
        started: Timestamp,
        now: Timestamp,
        outcome: &AttemptOutcome,
    ) -> StoreResult<bool> {
        let mut tx = self.db.write(epoch).await?;
        let ending = Ending::of(outcome, now);
        let sql = "update delivery set state = $3, not_before = coalesce($4, not_before), finished_at = $5,
                last_error = coalesce($6, last_error), attempts = attempts - $7, claim = null, claim_until = null
            where id = $1 and claim = $2 and state = 'sending' returning position";
        let (id, claim) = (delivery.id.as_str(), delivery.claim.as_str());
        let uncounted = i64::from(matches!(
            outcome,
            AttemptOutcome::Interrupted | AttemptOutcome::Postponed { .. }
        ));
        let args = args![
            id,
            claim,
            ending.state.word(),
            ending.not_before.map(|at| at.0),
            ending.finished_at.map(|at| at.0),
            ending.error.clone(),
            uncounted,
        ];
        let rows = tx.rows(sql, args).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let position = row.int(0)?;
        let sql = "insert into delivery_attempt (delivery, number, started_at, ended_at, outcome, error)
            values ($1, $2, $3, $4, $5, $6)";
        let number = i64::from(delivery.attempt);
        tx.run(sql, args![id, number, started.0, now.0, ending.word, ending.error])
            .await?;
        if ending.state == DeliveryState::Dead && delivery.message.kind == MessageKind::Trigger {
            supersede_followers(&mut tx, &delivery.stream, position, now).await?;
        }
        if ending.state == DeliveryState::Delivered && delivery.message.kind == MessageKind::Reminder {
            forget_older_reminders(&mut tx, &delivery.stream, position).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        let mut tx = self.db.read().await?;
        let rows = tx.rows(NEXT_DUE, Vec::new()).await?;
        Ok(rows
            .first()
            .map(|row| row.maybe_int(0))
            .transpose()?
            .flatten()
            .map(Timestamp))
    }

    async fn retry_delivery(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        let mut tx = self.db.write_unfenced().await?;
        let sql = "update delivery set state = 'ready', not_before = $2, finished_at = null, claim = null,
                claim_until = null
            where id = $1 and state = 'dead'";
        let changed = tx.run(sql, args![id, now.0]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    async fn notifications(&self, limit: u32) -> StoreResult<Vec<NotificationRecord>> {
        let mut tx = self.db.read().await?;
        let rows = tx.rows(NOTIFICATIONS, args![i64::from(limit)]).await?;
        rows.iter().map(read_notification).collect()
    }

    async fn dead_letters(&self) -> StoreResult<u64> {
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows("select count(*) from delivery where state = 'dead'", Vec::new())
            .await?;
        Ok(rows.first().map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }
}

/// Owes a message; within the transaction that decided so.
pub(super) async fn insert(tx: &mut Tx, delivery: &NewDelivery, at: Timestamp) -> StoreResult<()> {
    let message = &delivery.message;
    let json = serde_json::to_string(message).map_err(|error| refused(error.to_string()))?;
    let sql = "insert into delivery (id, stream, stream_hash, receiver, integration, kind, state, not_before,
            created_at, group_key, slo, message)
        values ($1, $2, $3, $4, $5, $6, 'ready', $7, $7, $8, $9, $10)";
    let args = args![
        delivery.id.as_str(),
        delivery.stream.as_str(),
        stored_digest(&delivery.stream),
        delivery.receiver.as_str(),
        delivery.integration.as_str(),
        message.kind.word(),
        at.0,
        message.group_key.as_str(),
        slo_of(message),
        json,
    ];
    tx.run(sql, args).await.map(|_| ())
}

/// The SLO that a message names: as the API shows it, or by the labels that its alerts share.
fn slo_of(message: &Message) -> Option<String> {
    let shown = message
        .slo
        .as_ref()
        .and_then(|slo| slo.get("id"))
        .and_then(|id| id.as_str());
    shown.map(str::to_owned).or_else(|| {
        let labels = message.common_labels();
        Some(format!("{}/{}", labels.get("service")?, labels.get("slo")?))
    })
}

/// What an attempt's end makes of its delivery.
struct Ending {
    state: DeliveryState,
    word: &'static str,
    not_before: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    error: Option<String>,
}

impl Ending {
    fn of(outcome: &AttemptOutcome, now: Timestamp) -> Self {
        let (state, word, not_before, finished_at, error) = match outcome {
            AttemptOutcome::Delivered => (DeliveryState::Delivered, "delivered", None, Some(now), None),
            AttemptOutcome::Retry { not_before, error } => (
                DeliveryState::Ready,
                "retry",
                Some(*not_before),
                None,
                Some(error.clone()),
            ),
            AttemptOutcome::Dead { error } => (DeliveryState::Dead, "dead", None, Some(now), Some(error.clone())),
            AttemptOutcome::Postponed { not_before, error } => (
                DeliveryState::Ready,
                "postponed",
                Some(*not_before),
                None,
                Some(error.clone()),
            ),
            AttemptOutcome::Interrupted => (DeliveryState::Ready, "interrupted", Some(now), None, None),
        };
        Self {
            state,
            word,
            not_before,
            finished_at,
            error,
        }
    }
}

/// A trigger that nobody accepted: what follows it, up to the next trigger, would speak of something never heard of.
async fn supersede_followers(tx: &mut Tx, stream: &str, position: i64, now: Timestamp) -> StoreResult<()> {
    let sql = "update delivery set state = 'superseded', finished_at = $3, claim = null, claim_until = null
        where stream_hash = $1 and position > $2 and state in ('ready', 'sending') and kind <> 'trigger'
            and not exists (
                select 1 from delivery t
                where t.stream_hash = delivery.stream_hash and t.kind = 'trigger'
                    and t.position > $2 and t.position < delivery.position
            )";
    tx.run(sql, args![stored_digest(stream), position, now.0])
        .await
        .map(|_| ())
}

/// Of reminders that say the same again and again only the last delivered one is kept: an Alertmanager gets one a
/// minute, and they would push everything else off the list.
async fn forget_older_reminders(tx: &mut Tx, stream: &str, position: i64) -> StoreResult<()> {
    let older = "select id from delivery
        where stream_hash = $1 and position < $2 and kind = 'reminder' and state = 'delivered'";
    let args = || args![stored_digest(stream), position];
    tx.run(
        &format!("delete from delivery_attempt where delivery in ({older})"),
        args(),
    )
    .await?;
    tx.run(&format!("delete from delivery where id in ({older})"), args())
        .await
        .map(|_| ())
}

/// Proves a claim; nobody else's is the same.
fn new_claim(now: Timestamp) -> String {
    let seconds = now.0.div_euclid(SECOND_MS).unsigned_abs();
    let nanos = now.0.rem_euclid(SECOND_MS) as u32 * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)).to_string()
}

fn read_claimed(row: &Row, claim: &str) -> StoreResult<ClaimedDelivery> {
    let id = row.text(1)?;
    let message = serde_json::from_str(row.text(7)?);
    Ok(ClaimedDelivery {
        id: id.to_owned(),
        stream: row.text(2)?.to_owned(),
        receiver: row.text(3)?.to_owned(),
        integration: row.text(4)?.to_owned(),
        attempt: count(row.int(5)?),
        created_at: Timestamp(row.int(6)?),
        claim: claim.to_owned(),
        message: message.map_err(|error| corrupt(format!("the message of delivery {id}: {error}")))?,
    })
}

fn read_notification(row: &Row) -> StoreResult<NotificationRecord> {
    let (kind, state) = (row.text(3)?, row.text(4)?);
    let kind = MessageKind::parse(kind).ok_or_else(|| corrupt(format!("a message of kind {kind:?}")))?;
    let state = DeliveryState::parse(state).ok_or_else(|| corrupt(format!("a delivery in state {state:?}")))?;
    let integration = row.text(2)?;
    let time = |at: usize| Ok(row.maybe_int(at)?.map(|ms| Timestamp(ms).to_rfc3339()));
    Ok(NotificationRecord {
        id: row.text(0)?.to_owned(),
        receiver: row.text(1)?.to_owned(),
        integration: integration
            .split_once('/')
            .map_or(integration, |(kind, _)| kind)
            .to_owned(),
        kind,
        state,
        attempts: count(row.int(5)?),
        last_error: row.maybe_text(6)?.map(str::to_owned),
        created_at: Timestamp(row.int(7)?).to_rfc3339(),
        finished_at: time(8)?,
        next_attempt_at: if state == DeliveryState::Ready { time(9)? } else { None },
        group_key: row.text(10)?.to_owned(),
        slo: row.maybe_text(11)?.map(str::to_owned),
    })
}

fn count(attempts: i64) -> u32 {
    u32::try_from(attempts).unwrap_or_default()
}
