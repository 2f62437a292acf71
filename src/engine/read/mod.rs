//! Reading servers: each SLO that is fed by a Prometheus-compatible server is read in chunks, the present first.
//!
//! What was read is *set* in the ledger behind a durable watermark, in the transaction that moves the watermark. So a
//! crash, an unknown outcome or a second reading changes nothing, and the watermark never passes what was not seen.
//! Catching up after a downtime and filling a new SLO's window are the same code.

pub mod books;
pub mod chunk;
mod keep;
pub mod keys;
pub mod plan;
pub mod progress;
pub mod reader;
pub mod rows;
pub mod samples;
pub mod span;
pub mod state;
pub mod steps;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::books::Books;
use self::keys::SloKeys;
use self::progress::{BackfillView, Progress, patience, shown};
use self::reader::{ReadError, Reader, Writing};
use super::catalog::{Catalog, Entry, Keys};
use super::clock::Clock;
use super::collect::SloHealth;
use super::collect::notes::Notes;
use super::ports::{ListedServer, QueryFailureReason, StoreError};
use crate::domain::schedule::next_visit;
use crate::domain::slo::SloId;
use crate::domain::time::Timestamp;

/// The longest time for which the loop sleeps.
const IDLE: Duration = Duration::from_secs(30);

/// Requests to read the past of SLOs again.
#[derive(Debug, Default)]
pub struct BackfillRequests {
    wanted: Mutex<BTreeSet<SloId>>,
    changed: Notify,
}

impl BackfillRequests {
    /// Asks for one SLO.
    pub fn ask(&self, slo: SloId) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(slo);
        self.changed.notify_one();
    }

    /// Offers each request; one that cannot be taken yet stays.
    fn offer(&self, mut take: impl FnMut(&SloId) -> bool) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|slo| !take(slo));
    }
}

/// What readers share with the rest of the engine.
#[derive(Default)]
pub struct Readers {
    /// What memory does not know yet.
    pub books: Arc<Books>,
    shared: Mutex<Shared>,
    changed: Notify,
}

#[derive(Default)]
struct Shared {
    /// The SLOs that are read, with the keys that they had when the catalog was taken over.
    wanted: HashMap<i64, (Entry, SloKeys)>,
    /// Grows with every catalog.
    revision: u64,
    progress: HashMap<i64, Progress>,
    notes: Notes,
}

impl Readers {
    /// Takes over another catalog.
    pub fn set_catalog(&self, catalog: &Catalog, keys: &Keys) {
        let mut shared = self.lock();
        let read = catalog
            .entries
            .iter()
            .filter(|entry| entry.slo.indicator.source.is_some());
        shared.wanted = read
            .filter_map(|entry| Some((entry.id, (entry.clone(), SloKeys::of(entry.id, keys)?))))
            .collect();
        shared.revision += 1;
        let Shared {
            wanted,
            progress,
            notes,
            ..
        } = &mut *shared;
        progress.retain(|slo, _| wanted.contains_key(slo));
        notes.retain(|slo| wanted.contains_key(&slo));
        drop(shared);
        self.changed.notify_one();
    }

    /// How the SLOs that are read are doing.
    pub fn health(&self, now: Timestamp) -> HashMap<i64, SloHealth> {
        let mut shared = self.lock();
        shared.notes.expire(now);
        let of_slo = |slo: &i64| {
            let notes = shared.notes.of(*slo);
            let unread = Progress::default();
            (*slo, shared.progress.get(slo).unwrap_or(&unread).health(notes))
        };
        shared.wanted.keys().map(of_slo).collect()
    }

    /// How far the SLOs that are read were read.
    pub fn views(&self) -> HashMap<i64, BackfillView> {
        let shared = self.lock();
        shared
            .progress
            .iter()
            .map(|(slo, progress)| (*slo, progress.view()))
            .collect()
    }

    /// The keys of the pseudo targets under which states are kept.
    pub fn target_keys(&self) -> Vec<String> {
        let shared = self.lock();
        let keys = shared.wanted.iter().filter_map(|(slo, (entry, _))| {
            let source = entry.slo.indicator.source.as_ref()?;
            Some(Reader::target_key(source, *slo))
        });
        keys.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads all SLOs that are fed by servers, until it is stopped.
pub struct ReadTask {
    /// What is shared.
    pub readers: Arc<Readers>,
    /// Where to write.
    pub writing: Writing,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The servers of the configuration.
    pub servers: watch::Receiver<Arc<Vec<ListedServer>>>,
    /// What people ask for.
    pub requests: Arc<BackfillRequests>,
}

/// One reader between its steps.
struct Seat {
    reader: Reader,
    /// When it may read the present next, and the past.
    live_at: Timestamp,
    past_at: Timestamp,
}

/// A reader that comes back from a step.
struct Back {
    seat: Seat,
    of_past: bool,
    outcome: Result<reader::StepDone, ReadError>,
}

impl ReadTask {
    /// Reads until it is stopped, or the lease is lost.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut seats: HashMap<i64, Seat> = HashMap::new();
        let mut away: HashMap<i64, String> = HashMap::new();
        let mut steps: JoinSet<Back> = JoinSet::new();
        let mut revision = 0;
        loop {
            self.seat(&mut seats, &away, &mut revision);
            let next = self.send_out(&mut seats, &mut away, &mut steps);
            let wait = Duration::from_millis(next.since(self.clock.now()).max(0) as u64).min(IDLE);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(back) = steps.join_next(), if !steps.is_empty() => match back {
                    Ok(back) => {
                        away.remove(&back.seat.reader.slo);
                        let is_fenced = matches!(back.outcome, Err(ReadError::Store(StoreError::Fenced)));
                        self.take_back(back, &mut seats);
                        if is_fenced {
                            break;
                        }
                    }
                    // Its SLO is not read any more: the fault ends this term, and the next one begins anew.
                    Err(fault) => {
                        tracing::error!(%fault, "a reader has ended by a fault");
                        break;
                    }
                },
                () = self.readers.changed.notified() => {}
                () = self.requests.changed.notified() => {}
                Ok(()) = self.servers.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        steps.shutdown().await;
    }

    /// A seat for each SLO that is to be read; what changed since begins anew from what the store holds.
    fn seat(&self, seats: &mut HashMap<i64, Seat>, away: &HashMap<i64, String>, revision: &mut u64) {
        let now = self.clock.now();
        let shared = self.readers.lock();
        if shared.revision != *revision {
            *revision = shared.revision;
            seats.clear();
        }
        for (slo, (entry, keys)) in &shared.wanted {
            if !seats.contains_key(slo) && !away.contains_key(slo) {
                let seat = Seat {
                    reader: Reader::new(entry, keys.clone()),
                    live_at: now,
                    past_at: now,
                };
                seats.insert(*slo, seat);
            }
        }
        self.requests.offer(|asked| {
            let Some(slo) = shared.wanted.iter().find(|(_, (entry, _))| entry.slo.id == *asked) else {
                return true;
            };
            // One that is under way, or has not begun, is offered again when it is back.
            let Some(seat) = seats.get_mut(slo.0).filter(|seat| seat.reader.state().is_some()) else {
                return false;
            };
            seat.reader.read_again(now);
            seat.past_at = now;
            true
        });
    }

    /// Sends readers out, the present before the past, as many at a time as their servers allow; tells when the next one
    /// is due.
    fn send_out(
        &mut self,
        seats: &mut HashMap<i64, Seat>,
        away: &mut HashMap<i64, String>,
        steps: &mut JoinSet<Back>,
    ) -> Timestamp {
        let now = self.clock.now();
        let servers = Arc::clone(&self.servers.borrow_and_update());
        let mut next = now + IDLE;
        for server in servers.iter() {
            let busy = away.values().filter(|source| **source == server.name).count();
            let mut room = server.concurrency.max(1).saturating_sub(busy);
            let mut due: Vec<(bool, Timestamp, i64)> = Vec::new();
            for (slo, seat) in seats.iter() {
                if seat.reader.entry.slo.indicator.source.as_ref() != Some(&server.name) {
                    continue;
                }
                let has_past = seat.reader.state().is_some_and(|state| state.missing().is_some());
                due.push((false, seat.live_at, *slo));
                if has_past {
                    due.push((true, seat.past_at, *slo));
                }
            }
            due.sort_unstable();
            for (of_past, at, slo) in due {
                if at > now {
                    next = next.min(at);
                } else if room > 0
                    && let Some(seat) = seats.remove(&slo)
                {
                    room -= 1;
                    away.insert(slo, server.name.clone());
                    let (writing, server) = (self.writing.clone(), server.clone());
                    steps.spawn(step(seat, writing, server, of_past, now));
                }
            }
        }
        next
    }

    fn take_back(&self, back: Back, seats: &mut HashMap<i64, Seat>) {
        let Back {
            mut seat,
            of_past,
            outcome,
        } = back;
        let now = self.clock.now();
        let mut shared = self.readers.lock();
        let (slo, id) = (seat.reader.slo, seat.reader.entry.slo.id.clone());
        let source = seat.reader.entry.slo.indicator.source.clone().unwrap_or_default();
        match shared.wanted.get(&slo) {
            Some((entry, _)) if entry.indicator == seat.reader.entry.indicator => seat.reader.entry = entry.clone(),
            // It was removed, or counts something else now.
            _ => return,
        }
        let Shared { progress, notes, .. } = &mut *shared;
        let progress = progress.entry(slo).or_default();
        progress.source.clone_from(&source);
        let had_past = progress.missing.is_some();
        match outcome {
            Ok(mut done) => {
                notes.set(slo, &source, std::mem::take(&mut done.notes), now);
                let at = self.next_look(&seat, &source, done.is_current, now);
                *if of_past { &mut seat.past_at } else { &mut seat.live_at } = at(of_past);
                progress.done(done, of_past, now);
            }
            Err(error) => {
                let mut retry_after = None;
                let mut asks_less = false;
                if let ReadError::Query(failure) = &error {
                    retry_after = failure.retry_after;
                    let too_much = [QueryFailureReason::TooMuch, QueryFailureReason::Timeout];
                    asks_less = too_much.contains(&failure.reason) && seat.reader.ask_for_less(of_past);
                }
                let wait = if asks_less {
                    Duration::ZERO
                } else {
                    let failures = progress.failed(&error, of_past, now);
                    let wait = patience(failures, retry_after);
                    if failures == 1 {
                        tracing::warn!(slo = %id, source, %error, again_in = shown(wait), "an SLO cannot be read from its server");
                    }
                    wait
                };
                // A past that cannot be read does not keep the present; the other way round it does.
                if !of_past {
                    seat.live_at = seat.live_at.max(now + wait);
                }
                seat.past_at = seat.past_at.max(now + wait);
            }
        }
        progress.stands(seat.reader.state());
        if had_past && progress.missing.is_none() {
            tracing::info!(slo = %id, source, from = %progress.from, "the whole window was read from the server's history");
        }
        drop(shared);
        seats.insert(slo, seat);
    }

    /// When to look next: at once while something is left, else at the SLO's own phase of the interval.
    fn next_look(
        &self,
        seat: &Seat,
        source: &str,
        is_current: bool,
        now: Timestamp,
    ) -> impl Fn(bool) -> Timestamp + use<> {
        let servers = self.servers.borrow();
        let interval = servers
            .iter()
            .find(|server| server.name == source)
            .map(|server| server.interval);
        let key = Reader::target_key(source, seat.reader.slo);
        let later = next_visit(&key, interval.unwrap_or(IDLE), now);
        move |of_past| if of_past || !is_current { now } else { later }
    }
}

async fn step(mut seat: Seat, writing: Writing, server: ListedServer, of_past: bool, now: Timestamp) -> Back {
    let outcome = async {
        if seat.reader.state().is_none() {
            seat.reader.open(&writing, &server, now).await?;
        }
        if of_past {
            seat.reader.look_back(&writing, &server, now).await
        } else {
            seat.reader.follow(&writing, &server, now).await
        }
    };
    let outcome = outcome.await;
    Back { seat, of_past, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_taken_yet_stays() {
        let requests = BackfillRequests::default();
        requests.ask(SloId::new("shop", "api"));
        requests.offer(|_| false);
        let mut taken = Vec::new();
        requests.offer(|slo| {
            taken.push(slo.clone());
            true
        });
        requests.offer(|slo| unreachable!("{slo} was taken"));
        assert_eq!(taken, [SloId::new("shop", "api")]);
    }
}
