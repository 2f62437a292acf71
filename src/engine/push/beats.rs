//! Heartbeats at work: pings, deadlines, and the minutes in which somebody listened.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{FedSlo, Registry, WaitingPing};
use crate::domain::counts::{Bucket, MICRO};
use crate::domain::heartbeat::{Heartbeat, HeartbeatState, Listening, Passed};
use crate::domain::time::{Minute, Timestamp, format_duration, millis};
use crate::engine::ports::{Credit, Store, StoreResult};

/// The fact that says when somebody listened.
const LISTENING: &str = "heartbeats";

/// The SHA-256 of a token: what is looked up by it takes no longer for a token that is nearly right.
pub type Token = [u8; 32];

/// A heartbeat of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedHeartbeat {
    /// The heartbeat.
    pub heartbeat: Heartbeat,
    /// What its address ends with, hashed.
    pub token: Token,
}

/// A heartbeat as the API shows it; never its token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeartbeatView {
    /// Its name.
    pub name: String,
    /// `waiting | up | running | failed | late | missed | unknown`
    pub state: &'static str,
    /// `1d`
    pub interval: String,
    /// `30m`
    pub grace: String,
    /// When the last ping came.
    #[serde(serialize_with = "as_time")]
    pub last_ping: Option<Timestamp>,
    /// What it said: `start`, `success`, `fail`, `exit 3`.
    pub last_ping_kind: Option<String>,
    /// When the last run ended.
    #[serde(serialize_with = "as_time")]
    pub last_run: Option<Timestamp>,
    /// When the run that is under way began.
    #[serde(serialize_with = "as_time")]
    pub started_at: Option<Timestamp>,
    /// When the next run is due.
    #[serde(serialize_with = "as_time")]
    pub due: Option<Timestamp>,
    /// When it is missed.
    #[serde(serialize_with = "as_time")]
    pub deadline: Option<Timestamp>,
    /// The ids of the SLOs that it feeds.
    pub slos: Vec<String>,
}

impl HeartbeatView {
    pub(super) fn of(listed: &ListedHeartbeat, state: &HeartbeatState, slos: Vec<String>, now: Timestamp) -> Self {
        let heartbeat = &listed.heartbeat;
        let deadline = state.deadline(heartbeat);
        Self {
            name: heartbeat.name.clone(),
            state: state.word(heartbeat, now),
            interval: format_duration(heartbeat.interval),
            grace: format_duration(heartbeat.grace),
            last_ping: state.last_ping.map(|(_, at)| Timestamp(at)),
            last_ping_kind: state.last_ping.map(|(ping, _)| ping.word()),
            last_run: state.last_end.map(|(_, at)| Timestamp(at)),
            started_at: state.started_at.map(Timestamp),
            due: deadline.map(|deadline| deadline - heartbeat.grace),
            deadline,
            slos,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde decides the signature")]
fn as_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::to_rfc3339).serialize(serializer)
}

/// Heartbeats as they were last committed.
#[derive(Clone, Default)]
pub(super) struct Beats {
    pub states: BTreeMap<String, HeartbeatState>,
    pub listening: Listening,
    /// The last minute in which it is known that somebody listened.
    marked: Minute,
    /// Since the last commit pings may have been lost.
    pub was_away: bool,
}

/// What is to be committed.
pub(super) struct Turn {
    /// How it stands afterwards.
    pub after: Beats,
    pub credits: Vec<Credit>,
    pub facts: Vec<(String, String)>,
    /// Of each ping whether it counts.
    pub counts: Vec<bool>,
}

impl Beats {
    /// Reads what the store remembers. Between the last time that somebody listened and now nobody did.
    pub async fn load(store: &dyn Store, registry: &Registry) -> StoreResult<Self> {
        let read = store.load_fact(LISTENING).await?;
        let listening = read.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let mut states = BTreeMap::new();
        for name in registry.heartbeats.keys() {
            if let Some(text) = store.load_fact(&fact_name(name)).await? {
                let state = serde_json::from_str(&text).unwrap_or_else(|error| {
                    tracing::error!(heartbeat = name, %error, "the stored heartbeat is dropped; it begins anew");
                    HeartbeatState::default()
                });
                states.insert(name.clone(), state);
            }
        }
        Ok(Self {
            states,
            listening: listening.unwrap_or_default(),
            marked: Minute(0),
            was_away: true,
        })
    }

    /// When there is something to do without a ping.
    pub fn next_due(&self, registry: &Registry) -> Option<Timestamp> {
        let deadlines = registry.heartbeats.iter().filter_map(|(name, listed)| {
            let state = self.states.get(name)?;
            state.deadline(&listed.heartbeat)
        });
        let minute = (!registry.heartbeats.is_empty()).then(|| Minute(self.marked.0 + 1).start());
        deadlines.chain(minute).min()
    }

    /// Takes pings and lets deadlines pass; `None` when there is nothing to do.
    pub fn turn(&self, registry: &Registry, pings: &[WaitingPing], now: Timestamp) -> Option<Turn> {
        if pings.is_empty() && self.next_due(registry).is_none_or(|due| due > now) {
            return None;
        }
        let mut turn = Turn {
            after: self.clone(),
            credits: Vec::new(),
            facts: Vec::new(),
            counts: Vec::new(),
        };
        turn.listen(registry, now);
        for (name, listed) in &registry.heartbeats {
            turn.pass_deadlines(listed, registry.fed_by(name), now);
        }
        for waiting in pings {
            let counted = turn.take_ping(registry, waiting, now);
            turn.counts.push(counted);
        }
        if turn.after.marked < now.minute() {
            turn.mark(registry, now);
        }
        for (name, state) in &turn.after.states {
            if self.states.get(name) != Some(state) {
                turn.facts.extend(as_fact(fact_name(name), state));
            }
        }
        turn.facts.extend(as_fact(LISTENING.to_owned(), &turn.after.listening));
        Some(turn)
    }
}

impl Turn {
    /// Somebody listens now. A heartbeat that comes back to the configuration was listened to by nobody.
    fn listen(&mut self, registry: &Registry, now: Timestamp) {
        let after = &mut self.after;
        after.listening.hear(now, after.was_away);
        after.was_away = false;
        for name in after
            .listening
            .await_names(registry.heartbeats.keys().map(String::as_str))
        {
            if let Some(state) = after.states.get_mut(&name).filter(|state| state.since.is_some()) {
                (state.since, state.passed) = (Some(now.0), Some(Passed::Unknown));
            }
        }
        let needed = registry.heartbeats.iter().filter_map(|(name, listed)| {
            let deadline = after.states.get(name)?.deadline(&listed.heartbeat)?;
            Some(deadline.0 - 2 * millis(listed.heartbeat.grace))
        });
        after.listening.forget_before(needed.min().unwrap_or(now.0));
    }

    fn pass_deadlines(&mut self, listed: &ListedHeartbeat, feeds: &[FedSlo], now: Timestamp) {
        let Beats { states, listening, .. } = &mut self.after;
        let heartbeat = &listed.heartbeat;
        let Some(state) = states.get_mut(&heartbeat.name) else {
            return;
        };
        for deadline in state.pass(heartbeat, now, |from, until| listening.was_deaf(from, until)) {
            tracing::warn!(heartbeat = heartbeat.name, %deadline, "no run of this job has ended in time");
            self.credit(feeds, deadline, Some(false));
        }
    }

    fn take_ping(&mut self, registry: &Registry, waiting: &WaitingPing, now: Timestamp) -> bool {
        let Some(listed) = registry.heartbeats.get(&waiting.name) else {
            return false;
        };
        let state = self.after.states.entry(waiting.name.clone()).or_default();
        let Some(good) = state.ping(&listed.heartbeat, waiting.ping, now) else {
            return false;
        };
        self.credit(registry.fed_by(&waiting.name), now, Some(good));
        true
    }

    /// This minute was listened to, by all that have ever been heard.
    fn mark(&mut self, registry: &Registry, now: Timestamp) {
        for (name, feeds) in &registry.feeds {
            if self.after.states.get(name).is_some_and(|state| state.since.is_some()) {
                self.credit(feeds, now, None);
            }
        }
        self.after.marked = now.minute();
    }

    /// One event, or none but a minute that was observed.
    fn credit(&mut self, feeds: &[FedSlo], at: Timestamp, good: Option<bool>) {
        let bucket = Bucket {
            total: if good.is_some() { MICRO } else { 0 },
            good: if good == Some(true) { MICRO } else { 0 },
            observed: true,
        };
        let (minute, credits) = (at.minute(), &mut self.credits);
        credits.extend(feeds.iter().map(|fed| Credit {
            key: fed.key,
            minute,
            bucket,
        }));
    }
}

impl Registry {
    fn fed_by(&self, heartbeat: &str) -> &[FedSlo] {
        self.feeds.get(heartbeat).map_or(&[], Vec::as_slice)
    }
}

fn fact_name(heartbeat: &str) -> String {
    format!("heartbeat {heartbeat}")
}

fn as_fact(name: String, value: &impl Serialize) -> Option<(String, String)> {
    serde_json::to_string(value).ok().map(|text| (name, text))
}
