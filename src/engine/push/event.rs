//! What is pushed, and whether it can count: everything that is wrong with a request is said at once.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::{PushRefusal, Registry};
use crate::domain::counts::{Bucket, MICRO};
use crate::domain::digest::fnv1a;
use crate::domain::labels::Group;
use crate::domain::slo::Slo;
use crate::domain::suggest::suggest;
use crate::domain::time::{DAY_MINUTES, MINUTE_MS, Minute, Timestamp};
use crate::engine::ports::{KeyedContent, PushKey};

/// Events of one request.
pub const EVENTS_MAX: usize = 10_000;
/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 255;
/// Bytes of a label's value.
const LABEL_BYTES_MAX: usize = 1024;
/// The largest `total` of one entry, in events.
const TOTAL_MAX: i64 = 1_000_000_000;
/// An event may lie so far ahead of nines' clock.
const AHEAD_MAX_MS: i64 = MINUTE_MS;
/// And so far behind it, though never before its SLO's window.
const BEHIND_MAX_MS: i64 = 35 * DAY_MINUTES * MINUTE_MS;

/// Events as somebody pushes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushedEvent {
    /// `service/name`
    pub slo: String,
    /// All events, in millionths.
    pub total: i64,
    /// The good ones, in millionths.
    pub good: i64,
    /// The values of the SLO's `group_by` labels; one that is missing is `""`.
    pub group: BTreeMap<String, String>,
    /// What tells it from others.
    pub key: Option<String>,
    /// When it happened; without it, when it arrives.
    pub at: Option<Timestamp>,
}

/// An event that can count.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub key: Option<KeyedContent>,
    /// The SLO's number.
    pub slo: i64,
    pub group: Option<Group>,
    pub minute: Minute,
    pub bucket: Bucket,
}

/// A request that can count.
#[derive(Clone, Debug, Default)]
pub(super) struct PreparedRequest {
    pub key: Option<KeyedContent>,
    pub events: Vec<Prepared>,
}

impl Registry {
    /// Judges a request; what could not even be read says so already.
    pub(super) fn prepare(
        &self,
        events: Vec<Result<PushedEvent, String>>,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<PreparedRequest, PushRefusal> {
        let mut wrong = Vec::new();
        let mut prepared = Vec::with_capacity(events.len());
        let mut content = String::new();
        for (place, event) in events.into_iter().enumerate() {
            match event.and_then(|event| {
                let ready = self.prepare_event(&event, now)?;
                if key.is_some() {
                    content.push_str(&describe(&event));
                }
                Ok(ready)
            }) {
                Ok(event) => prepared.push(event),
                Err(why) => wrong.push((place, why)),
            }
        }
        if !wrong.is_empty() {
            return Err(PushRefusal::Invalid(wrong));
        }
        let key = key.map(|key| KeyedContent {
            key: digest(b"request", 0, key),
            content: fnv1a(&content) as i64,
        });
        Ok(PreparedRequest { key, events: prepared })
    }

    fn prepare_event(&self, event: &PushedEvent, now: Timestamp) -> Result<Prepared, String> {
        let (id, slo) = self.find(&event.slo)?;
        let PushedEvent { total, good, .. } = *event;
        if total < 0 || good < 0 {
            return Err("`total`, `good` and `bad` must not be negative".to_owned());
        }
        if total > TOTAL_MAX * MICRO {
            return Err(format!("`total` is above {TOTAL_MAX}; push it in several parts"));
        }
        if good > total {
            return Err("there are more good (or bad) events than events in `total`".to_owned());
        }
        let at = event.at.unwrap_or(now);
        check_time(slo, at, now)?;
        Ok(Prepared {
            key: event.key.as_deref().map(|key| keyed(id, key, event)).transpose()?,
            slo: id,
            group: read_group(slo, &event.group)?,
            minute: at.minute(),
            bucket: Bucket {
                total,
                good,
                observed: true,
            },
        })
    }

    fn find(&self, name: &str) -> Result<(i64, &Slo), String> {
        if let Some((id, slo)) = self.pushed.get(name) {
            return Ok((*id, slo));
        }
        if self.others.contains(name) {
            return Err(format!(
                "{name} is not fed by pushes; its indicator would have to be `events: {{}}`"
            ));
        }
        let near = suggest(name, self.pushed.keys().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let shown: String = name.chars().take(100).collect();
        Err(format!("there is no SLO {shown:?} that runs{hint}"))
    }
}

/// The digest under which a key is remembered.
fn digest(kind: &[u8], slo: i64, key: &str) -> PushKey {
    let hash = Sha256::new()
        .chain_update(kind)
        .chain_update(slo.to_le_bytes())
        .chain_update(key)
        .finalize();
    let mut short = PushKey::default();
    short.copy_from_slice(&hash[..16]);
    short
}

fn keyed(slo: i64, key: &str, event: &PushedEvent) -> Result<KeyedContent, String> {
    check_key(key)?;
    Ok(KeyedContent {
        key: digest(b"event", slo, key),
        content: fnv1a(&describe(event)) as i64,
    })
}

/// What a key may be.
pub fn check_key(key: &str) -> Result<(), String> {
    match key.len() {
        0 => Err("the key is empty; leave it out, or give what tells this push from others".to_owned()),
        1..=KEY_BYTES_MAX => Ok(()),
        length => Err(format!("the key has {length} bytes; at most {KEY_BYTES_MAX} are taken")),
    }
}

/// All that an event says, as it was said: without a time, the time of a retry does not matter.
fn describe(event: &PushedEvent) -> String {
    let PushedEvent {
        slo,
        total,
        good,
        group,
        key,
        at,
    } = event;
    format!("{slo} {total} {good} {group:?} {key:?} {:?}\n", at.map(|at| at.0))
}

fn check_time(slo: &Slo, at: Timestamp, now: Timestamp) -> Result<(), String> {
    if at.0 > now.0 + AHEAD_MAX_MS {
        return Err(format!(
            "`at` {at} lies more than a minute ahead of nines' clock, {now}"
        ));
    }
    if at.0 < now.0 - BEHIND_MAX_MS {
        return Err(format!("`at` {at} lies more than 35 days back"));
    }
    if at.minute() < slo.window.length().first_minute(now) {
        return Err(format!("`at` {at} lies before the window of {}", slo.id));
    }
    Ok(())
}

fn read_group(slo: &Slo, given: &BTreeMap<String, String>) -> Result<Option<Group>, String> {
    let names = &slo.indicator.group_by;
    if let Some(strange) = given.keys().find(|name| !names.contains(name)) {
        let shown: String = strange.chars().take(100).collect();
        return Err(if names.is_empty() {
            format!("`group` names the label {shown:?}, but {} has no `group_by`", slo.id)
        } else {
            format!(
                "`group` names the label {shown:?}; {} is grouped by {}",
                slo.id,
                names.join(", ")
            )
        });
    }
    if given
        .values()
        .any(|value| value.len() > LABEL_BYTES_MAX || value.contains('\0'))
    {
        return Err(format!(
            "a value in `group` is longer than {LABEL_BYTES_MAX} bytes, or holds the character NUL"
        ));
    }
    let pair = |name: &String| (name.clone(), given.get(name).cloned().unwrap_or_default());
    Ok((!names.is_empty()).then(|| Group(names.iter().map(pair).collect())))
}

/// The SLOs by their names.
pub(super) type ByName = HashMap<String, (i64, std::sync::Arc<Slo>)>;
