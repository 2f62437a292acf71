//! Delivering: takes owed messages from the outbox and tells receivers. It alone retries.
//!
//! A delivery is claimed, sent without any transaction open, and finished. Streams are kept in order by the store; what
//! is under way here is kept apart, so that one receiver never delays another.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::dispatch::Routing;
use super::message::Attempt;
use super::ports::{AttemptOutcome, ClaimedDelivery, Epoch, Integration, SendOutcome, Store, StoreError, StoreResult};
use super::stats::Stats;
use crate::domain::alert::backoff::{GIVE_UP_AFTER, next_attempt_at};
use crate::domain::alert::breaker::Breaker;
use crate::domain::time::{Timestamp, millis};

/// Attempts under way at once.
const IN_FLIGHT_MAX: usize = 128;
/// A claim outlives every attempt's own timeout.
const CLAIM_FOR: Duration = Duration::from_secs(45);
/// How long the outbox is left alone when nothing is due and nobody nudges.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long attempts under way may go on after a stop was asked for.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Delivers until it is cancelled.
pub struct Deliverer {
    /// The outbox.
    pub store: Arc<dyn Store>,
    /// Under which lease.
    pub epoch: Epoch,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told, and how.
    pub routing: watch::Receiver<Arc<Routing>>,
    /// Something was put into the outbox.
    pub nudge: Arc<Notify>,
    /// What is counted about it.
    pub stats: Arc<Stats>,
}

/// One attempt with all that it needs.
struct Sending {
    store: Arc<dyn Store>,
    epoch: Epoch,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    delivery: ClaimedDelivery,
    integration: Option<Integration>,
    breakers: Arc<Mutex<HashMap<String, Breaker>>>,
    broken_off: CancellationToken,
}

impl Deliverer {
    /// Runs until it is cancelled or fenced; then attempts under way get a little time, and those that do not end in it
    /// are broken off and made again by the next process.
    pub async fn run(self, cancel: CancellationToken) -> StoreResult<()> {
        let (mut sending, mut busy) = (JoinSet::new(), BTreeSet::new());
        let breakers = Arc::new(Mutex::new(HashMap::new()));
        let broken_off = CancellationToken::new();
        let result = loop {
            match self.claim(&mut sending, &mut busy, &breakers, &broken_off).await {
                Err(StoreError::Fenced) => break Err(StoreError::Fenced),
                Err(error) => tracing::warn!(%error, "the outbox cannot be read; trying again"),
                Ok(()) => {}
            }
            let wait = self.wait().await;
            tokio::select! {
                () = cancel.cancelled() => break Ok(()),
                () = self.nudge.notified() => {}
                Some(done) = sending.join_next(), if !sending.is_empty() => forget(&mut busy, done),
                () = tokio::time::sleep(wait) => {}
            }
        };
        let all = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_PATIENCE, all).await.is_err() {
            broken_off.cancel();
            while sending.join_next().await.is_some() {}
        }
        result
    }

    async fn claim(
        &self,
        sending: &mut JoinSet<String>,
        busy: &mut BTreeSet<String>,
        breakers: &Arc<Mutex<HashMap<String, Breaker>>>,
        broken_off: &CancellationToken,
    ) -> StoreResult<()> {
        while let Some(done) = sending.try_join_next() {
            forget(busy, done);
        }
        let room = IN_FLIGHT_MAX.saturating_sub(sending.len()) as u32;
        let streams: Vec<String> = busy.iter().cloned().collect();
        let now = self.clock.now();
        if room == 0 {
            return Ok(());
        }
        let claimed = self
            .store
            .claim_deliveries(self.epoch, now, CLAIM_FOR, &streams, room)
            .await?;
        let routing = Arc::clone(&self.routing.borrow());
        for delivery in claimed {
            busy.insert(delivery.stream.clone());
            let receiver = routing.receivers.get(&delivery.receiver);
            let integration = receiver
                .and_then(|all| all.iter().find(|one| one.name() == delivery.integration))
                .cloned();
            let one = Sending {
                store: Arc::clone(&self.store),
                epoch: self.epoch,
                clock: Arc::clone(&self.clock),
                stats: Arc::clone(&self.stats),
                delivery,
                integration,
                breakers: Arc::clone(breakers),
                broken_off: broken_off.clone(),
            };
            sending.spawn(one.run());
        }
        Ok(())
    }

    async fn wait(&self) -> Duration {
        match self.store.next_due().await {
            Ok(Some(due)) => {
                let ahead = due.since(self.clock.now()).clamp(20, millis(LOOK_EVERY));
                Duration::from_millis(ahead as u64)
            }
            _ => LOOK_EVERY,
        }
    }
}

fn forget(busy: &mut BTreeSet<String>, done: Result<String, tokio::task::JoinError>) {
    match done {
        Ok(stream) => {
            busy.remove(&stream);
        }
        // A panic ends one attempt; its claim runs out and the delivery is tried again. Which stream it was is not
        // known, so all are looked at again: the store's claims still keep each stream to one attempt.
        Err(error) => {
            tracing::error!(%error, "an attempt has ended by a fault");
            busy.clear();
        }
    }
}

impl Sending {
    /// Makes the attempt and notes how it ended; gives back the stream.
    async fn run(self) -> String {
        let started = self.clock.now();
        let outcome = self.outcome(started).await;
        let finished = self
            .store
            .finish_attempt(self.epoch, &self.delivery, started, self.clock.now(), &outcome)
            .await;
        match finished {
            Ok(true) => self.note(&outcome),
            Ok(false) => tracing::warn!(delivery.id = self.delivery.id, "the claim was lost during the attempt"),
            Err(error) => {
                tracing::warn!(delivery.id = self.delivery.id, %error, "how the attempt ended cannot be stored");
            }
        }
        self.delivery.stream
    }

    async fn outcome(&self, started: Timestamp) -> AttemptOutcome {
        let Some(integration) = &self.integration else {
            let error = format!(
                "the config has no {} for receiver {} any more",
                self.delivery.integration, self.delivery.receiver
            );
            return AttemptOutcome::Dead { error };
        };
        let name = format!("{}/{}", self.delivery.receiver, self.delivery.integration);
        if let Some(open_until) = self.breaker_open_until(&name, started) {
            let error = "left alone for a while after several failures in a row".to_owned();
            return AttemptOutcome::Postponed {
                not_before: open_until,
                error,
            };
        }
        let attempt = Attempt {
            delivery_id: self.delivery.id.clone(),
            number: self.delivery.attempt,
            at: started,
            created_at: self.delivery.created_at,
            message: self.delivery.message.clone(),
        };
        let sent = tokio::select! {
            () = self.broken_off.cancelled() => return AttemptOutcome::Interrupted,
            sent = integration.notifier.send(&attempt) => sent,
        };
        let now = self.clock.now();
        self.note_breaker(&name, &sent, now);
        self.judge(sent, now)
    }

    fn judge(&self, sent: SendOutcome, now: Timestamp) -> AttemptOutcome {
        let failed = |reason: &str| {
            let values = [
                self.delivery.receiver.as_str(),
                self.delivery.integration.as_str(),
                reason,
            ];
            self.stats.notifications_failed.add(&values, 1);
        };
        match sent {
            SendOutcome::Accepted => AttemptOutcome::Delivered,
            SendOutcome::Rejected { reason, detail } => {
                failed(&reason);
                AttemptOutcome::Dead { error: detail }
            }
            SendOutcome::Retry {
                reason,
                detail,
                retry_after,
            } => {
                failed(&reason);
                if now.since(self.delivery.created_at) > millis(GIVE_UP_AFTER) {
                    return AttemptOutcome::Dead {
                        error: format!("given up after a day: {detail}"),
                    };
                }
                let seed = self
                    .delivery
                    .id
                    .bytes()
                    .fold(0_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
                let not_before = next_attempt_at(self.delivery.attempt, now, retry_after, seed);
                AttemptOutcome::Retry {
                    not_before,
                    error: detail,
                }
            }
        }
    }

    fn breaker_open_until(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers.entry(name.to_owned()).or_default();
        if breaker.allow(now) {
            None
        } else {
            Some(breaker.retry_at().unwrap_or(now + LOOK_EVERY).max(now + LOOK_EVERY))
        }
    }

    fn note_breaker(&self, name: &str, sent: &SendOutcome, now: Timestamp) {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers.entry(name.to_owned()).or_default();
        match sent {
            SendOutcome::Accepted | SendOutcome::Rejected { .. } => breaker.success(),
            SendOutcome::Retry { .. } => breaker.failure(now),
        }
    }

    fn note(&self, outcome: &AttemptOutcome) {
        let delivery = &self.delivery;
        let (receiver, integration) = (delivery.receiver.as_str(), delivery.integration.as_str());
        match outcome {
            AttemptOutcome::Delivered => {
                self.stats.notifications.add(&[receiver, integration], 1);
                let latency = self.clock.now().since(delivery.created_at).max(0);
                self.stats
                    .notification_latency
                    .observe(Duration::from_millis(latency as u64));
                tracing::info!(
                    delivery.id,
                    receiver,
                    integration,
                    kind = delivery.message.kind.word(),
                    "delivered"
                );
            }
            AttemptOutcome::Retry { not_before, error } => {
                let attempt = delivery.attempt;
                tracing::warn!(delivery.id, receiver, integration, attempt, next_attempt_at = %not_before, error, "attempt failed");
            }
            AttemptOutcome::Dead { error } => {
                tracing::error!(delivery.id, receiver, integration, error, "message given up");
            }
            AttemptOutcome::Postponed { .. } | AttemptOutcome::Interrupted => {}
        }
    }
}
