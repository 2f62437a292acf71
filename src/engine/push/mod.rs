//! Pushing: what others have counted, and jobs that say that they have run.
//!
//! A push has no redo log: it is committed before it is answered. Requests that come while a transaction is under way
//! go together in the next one. A key counts once, whatever happened between two tries: it is kept in the transaction
//! that counts.

pub mod beats;
pub mod event;
pub mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::{Notify, oneshot};

use self::beats::{HeartbeatView, ListedHeartbeat, Token};
use self::event::{ByName, PreparedRequest, PushedEvent};
use super::catalog::{Catalog, Keys};
use super::collect::SloHealth;
use super::groups::Groups;
use super::ports::{KeyId, KeyRecord, PushEvent, PushRequest};
use super::snapshot::DiagnosticView;
use crate::domain::heartbeat::{HeartbeatState, Ping};
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::Group;
use crate::domain::time::Timestamp;

/// Requests that wait for their transaction.
const REQUESTS_WAITING_MAX: usize = 128;
/// Events that wait for their transaction.
const EVENTS_WAITING_MAX: usize = 100_000;
/// Requests go into one transaction until they hold so many events.
const EVENTS_AT_A_TIME: usize = 10_000;

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushDone {
    /// Events that count from now on.
    pub accepted: u64,
    /// Events that had been counted before, under the same keys.
    pub duplicates: u64,
}

/// Why a push counts nothing, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// Events are wrong: their places in the request, and why.
    Invalid(Vec<(usize, String)>),
    /// A key was used before for something else: the place of its event, `None` for that of the request.
    Conflict(Option<usize>),
    /// Too many wait already. Nothing was counted.
    Busy,
    /// This process is not the one that counts. Nothing was counted.
    Standby,
    /// The store does not work. Nothing was counted.
    NotCounted,
    /// The store does not take these events.
    Refused,
    /// The store has not said what became of it.
    Unknown,
    /// Nobody knows this token.
    NoSuchToken,
}

/// Where pushes come in, for as long as the process lives.
#[derive(Default)]
pub struct Pushes {
    shared: Mutex<Shared>,
    /// Something waits.
    changed: Notify,
}

/// Who may be pushed to.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// SLOs that are fed by pushes.
    pushed: ByName,
    /// All the others that run.
    others: HashSet<String>,
    /// The ledger keys of SLOs that are fed by pushes.
    sums: Vec<(i64, KeyId)>,
    /// Heartbeats, by their tokens.
    tokens: HashMap<Token, String>,
    heartbeats: BTreeMap<String, ListedHeartbeat>,
    /// The SLOs that each heartbeat feeds.
    feeds: BTreeMap<String, Vec<FedSlo>>,
    revision: u64,
}

/// An SLO that a heartbeat feeds.
#[derive(Clone, Debug)]
struct FedSlo {
    slo: i64,
    key: KeyId,
    id: String,
}

#[derive(Default)]
struct Shared {
    /// This process counts.
    is_open: bool,
    registry: Arc<Registry>,
    groups: Groups,
    queue: VecDeque<Waiting>,
    events_waiting: usize,
    pings: Vec<WaitingPing>,
    /// When something was last pushed since this process counts; SLOs that ever were.
    last_push: HashMap<i64, Timestamp>,
    fed: BTreeSet<i64>,
    /// Heartbeats as they were last committed, and until when they were listened to.
    states: BTreeMap<String, HeartbeatState>,
    heard: Option<Timestamp>,
}

type Reply<T> = oneshot::Sender<Result<T, PushRefusal>>;

/// A request that waits.
struct Waiting {
    request: PreparedRequest,
    reply: Reply<PushDone>,
}

/// A ping that waits.
struct WaitingPing {
    name: String,
    ping: Ping,
    reply: Reply<bool>,
}

impl Pushes {
    /// Takes over another catalog with its ledger keys, and the heartbeats of the configuration.
    pub fn set_catalog(&self, catalog: &Catalog, keys: &Keys, heartbeats: &[ListedHeartbeat]) {
        let mut shared = self.lock();
        let mut registry = Registry {
            revision: shared.registry.revision + 1,
            ..Registry::default()
        };
        for listed in heartbeats {
            let name = listed.heartbeat.name.clone();
            registry.tokens.insert(listed.token, name.clone());
            registry.heartbeats.insert(name, listed.clone());
        }
        for entry in &catalog.entries {
            let (id, Some(key)) = (entry.slo.id.to_string(), keys.get(entry.id, None)) else {
                continue;
            };
            match &entry.slo.indicator.kind {
                IndicatorKind::Events => {
                    registry.pushed.insert(id, (entry.id, Arc::clone(&entry.slo)));
                    registry.sums.push((entry.id, key));
                }
                IndicatorKind::Heartbeat { name } => {
                    let fed = FedSlo {
                        slo: entry.id,
                        key,
                        id: id.clone(),
                    };
                    registry.feeds.entry(name.clone()).or_default().push(fed);
                    registry.others.insert(id);
                }
                _ => drop(registry.others.insert(id)),
            }
        }
        shared.groups.set_catalog(catalog, keys.clone());
        shared.registry = Arc::new(registry);
        drop(shared);
        self.changed.notify_one();
    }

    /// Counts events; what could not even be read says why in its place. It is answered when all of it is committed.
    pub async fn push(
        &self,
        events: Vec<Result<PushedEvent, String>>,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<PushDone, PushRefusal> {
        let registry = self.open_registry()?;
        let request = registry.prepare(events, key, now)?;
        if request.events.is_empty() {
            return Ok(PushDone {
                accepted: 0,
                duplicates: 0,
            });
        }
        let (reply, answer) = oneshot::channel();
        {
            let mut shared = self.lock();
            let count = request.events.len();
            let is_full = shared.queue.len() >= REQUESTS_WAITING_MAX
                || (shared.events_waiting > 0 && shared.events_waiting + count > EVENTS_WAITING_MAX);
            if !shared.is_open {
                return Err(PushRefusal::Standby);
            }
            if is_full {
                return Err(PushRefusal::Busy);
            }
            shared.events_waiting += count;
            shared.queue.push_back(Waiting { request, reply });
        }
        self.changed.notify_one();
        // Whoever was to answer has fallen: nobody knows how far it came.
        answer.await.unwrap_or(Err(PushRefusal::Unknown))
    }

    /// Takes a ping; whether it counts, or was told before. It is answered when it is committed.
    pub async fn ping(&self, token: &str, ping: Ping) -> Result<bool, PushRefusal> {
        let registry = self.open_registry()?;
        let token: Token = Sha256::digest(token).into();
        let name = registry.tokens.get(&token).ok_or(PushRefusal::NoSuchToken)?.clone();
        let (reply, answer) = oneshot::channel();
        {
            let mut shared = self.lock();
            if !shared.is_open {
                return Err(PushRefusal::Standby);
            }
            if shared.pings.len() >= REQUESTS_WAITING_MAX {
                return Err(PushRefusal::Busy);
            }
            shared.pings.push(WaitingPing { name, ping, reply });
        }
        self.changed.notify_one();
        answer.await.unwrap_or(Err(PushRefusal::Unknown))
    }

    /// How the SLOs that are fed by pushes are doing.
    pub fn health(&self) -> HashMap<i64, SloHealth> {
        let shared = self.lock();
        let of = |feeding: bool, seen: Option<Timestamp>| SloHealth {
            feeding: usize::from(feeding),
            settled: true,
            looked: true,
            seen_at: seen,
            matched_at: seen,
            ..SloHealth::default()
        };
        let pushed = shared.registry.sums.iter().map(|(slo, _)| {
            let seen = shared.last_push.get(slo).copied();
            (*slo, of(seen.is_some() || shared.fed.contains(slo), seen))
        });
        let beating = shared.registry.feeds.iter().flat_map(|(name, slos)| {
            let is_armed = shared.states.get(name).is_some_and(|state| state.since.is_some());
            // Whoever listens to a heartbeat knows what there is to know: silence is no missing data.
            let seen = shared.heard.filter(|_| is_armed);
            slos.iter().map(move |fed| (fed.slo, of(is_armed, seen)))
        });
        pushed.chain(beating).collect()
    }

    /// The heartbeats as they are shown.
    pub fn heartbeats(&self, now: Timestamp) -> Vec<HeartbeatView> {
        let shared = self.lock();
        let registry = &shared.registry;
        let view = |(name, listed): (&String, &ListedHeartbeat)| {
            let state = shared.states.get(name).cloned().unwrap_or_default();
            let feeds = registry.feeds.get(name).into_iter().flatten();
            HeartbeatView::of(listed, &state, feeds.map(|fed| fed.id.clone()).collect(), now)
        };
        registry.heartbeats.iter().map(view).collect()
    }

    fn open_registry(&self) -> Result<Arc<Registry>, PushRefusal> {
        let shared = self.lock();
        let registry = shared.is_open.then(|| Arc::clone(&shared.registry));
        registry.ok_or(PushRefusal::Standby)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task does with what waits.
impl Pushes {
    /// From now on this process counts.
    fn open(&self) {
        self.lock().is_open = true;
    }

    /// From now on it does not: what waits has not counted.
    fn close(&self) {
        let mut shared = self.lock();
        shared.is_open = false;
        shared.events_waiting = 0;
        let (queue, pings) = (std::mem::take(&mut shared.queue), std::mem::take(&mut shared.pings));
        shared.last_push.clear();
        drop(shared);
        queue
            .into_iter()
            .for_each(|one| answer(one.reply, Err(PushRefusal::Standby)));
        pings
            .into_iter()
            .for_each(|one| answer(one.reply, Err(PushRefusal::Standby)));
    }

    fn has_waiting(&self) -> bool {
        let shared = self.lock();
        !shared.queue.is_empty() || !shared.pings.is_empty()
    }

    /// Takes what goes into the next transaction. Whoever does not wait for an answer any more has not counted.
    fn take(&self) -> Vec<Waiting> {
        let mut shared = self.lock();
        let (mut taken, mut events) = (Vec::new(), 0);
        while let Some(next) = shared.queue.front() {
            let count = next.request.events.len();
            if events > 0 && events + count > EVENTS_AT_A_TIME {
                break;
            }
            let next = shared.queue.pop_front();
            shared.events_waiting = shared.events_waiting.saturating_sub(count);
            if let Some(next) = next.filter(|next| !next.reply.is_closed()) {
                events += count;
                taken.push(next);
            }
        }
        taken
    }

    fn take_pings(&self) -> Vec<WaitingPing> {
        std::mem::take(&mut self.lock().pings)
    }

    /// Puts events under their groups, or under `other` beyond the hundredth; gives the groups that need a ledger key.
    fn admit(&self, requests: &mut [Waiting]) -> Vec<(i64, Option<Group>)> {
        let mut shared = self.lock();
        for event in requests.iter_mut().flat_map(|waiting| &mut waiting.request.events) {
            if let Some(group) = &mut event.group {
                *group = shared.groups.admit_group(event.slo, group);
            }
        }
        shared.groups.without_key()
    }

    fn add_keys(&self, records: &[KeyRecord]) {
        self.lock().groups.add_keys(records);
    }

    /// Requests with the ledger keys of what they credit; `None` for one whose SLO has gone meanwhile.
    fn resolve(&self, requests: &[Waiting]) -> Vec<Option<PushRequest>> {
        let shared = self.lock();
        let mut cache: HashMap<(i64, Option<&Group>), KeyId> = HashMap::new();
        let mut key_of = |slo: i64, group| {
            if let Some(key) = cache.get(&(slo, group)) {
                return Some(*key);
            }
            let key = shared.groups.keys().get(slo, group)?;
            cache.insert((slo, group), key);
            Some(key)
        };
        let mut resolved = Vec::with_capacity(requests.len());
        for waiting in requests {
            let events = waiting.request.events.iter().map(|event| {
                Some(PushEvent {
                    key: event.key,
                    slo: key_of(event.slo, None)?,
                    group: match &event.group {
                        Some(group) => Some(key_of(event.slo, Some(group))?),
                        None => None,
                    },
                    minute: event.minute,
                    bucket: event.bucket,
                })
            });
            let events: Option<Vec<PushEvent>> = events.collect();
            let key = waiting.request.key;
            resolved.push(events.map(|events| PushRequest { key, events }));
        }
        resolved
    }

    fn note_pushed(&self, slos: impl Iterator<Item = i64>, now: Timestamp) {
        let mut shared = self.lock();
        for slo in slos {
            shared.last_push.insert(slo, now);
            shared.fed.insert(slo);
        }
    }
}

/// Nobody may wait for it any more.
fn answer<T>(reply: Reply<T>, with: Result<T, PushRefusal>) {
    drop(reply.send(with));
}

/// Why an SLO that is fed by pushes has no data; `None` for any other.
pub fn unfed(kind: &IndicatorKind) -> Option<DiagnosticView> {
    let (message, hint) = match kind {
        IndicatorKind::Events => (
            "nothing was pushed yet".to_owned(),
            "push with `nines push`, or POST /api/v1/events",
        ),
        IndicatorKind::Heartbeat { name } => (
            format!("no ping of the heartbeat {name:?} has come yet"),
            "let the job ask for /api/v1/heartbeat/ and its token, when a run has ended",
        ),
        _ => return None,
    };
    let code = super::collect::notes::UNFED;
    Some(super::collect::notes::running(code, message, Some(hint.to_owned())))
}
