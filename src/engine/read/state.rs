//! What a reader remembers between commits, and its form in the store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::steps::{aligned, aligned_up};
use crate::domain::counting::range::RangeCursor;
use crate::domain::time::Timestamp;
use crate::engine::ports::KeyId;

/// Where the reading of one SLO stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadState {
    /// The digest of the indicator for which it holds.
    pub indicator: u64,
    /// The SLO's own ledger key, which another generation changes.
    pub key: KeyId,
    /// History before this is not read.
    pub from: Timestamp,
    /// How it reads.
    pub way: Way,
}

/// How an SLO is read. Two strands: the live one follows the present and begins with the alert windows, so that alerts
/// work at once; the other one reads what lies before.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// Raw samples, counted one after the other; both strands go forward.
    Samples {
        /// Where the live strand stands.
        live: RangeCursor,
        /// Where it began.
        live_from: Timestamp,
        /// Where history stands; when it reaches `live_from`, it counts on to where the live strand is, sets what that
        /// one counted without knowing what was before, and takes its place. `None` when it has.
        history: Option<RangeCursor>,
    },
    /// Values on aligned steps; history goes backward.
    Steps {
        /// The step.
        step: Duration,
        /// The durable watermark: everything up to it was seen.
        read_until: Timestamp,
        /// What is still to be read: from, until.
        history: Option<(Timestamp, Timestamp)>,
    },
}

/// Why stored bytes are no state.
#[derive(Debug, thiserror::Error)]
#[error("unreadable state of a reader")]
pub struct StateError;

/// The line before the cursors.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u8,
    indicator: u64,
    key: KeyId,
    from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<SamplesHead>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<StepsHead>,
}

#[derive(Serialize, Deserialize)]
struct SamplesHead {
    live_from: i64,
    live_bytes: usize,
    history_bytes: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct StepsHead {
    step_ms: u64,
    read_until: i64,
    history: Option<(i64, i64)>,
}

const VERSION: u8 = 1;

impl ReadState {
    /// Its form in the store: a line of JSON, then the cursors.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = Head {
            version: VERSION,
            indicator: self.indicator,
            key: self.key,
            from: self.from.0,
            samples: None,
            steps: None,
        };
        let mut cursors = Vec::new();
        match &self.way {
            Way::Samples {
                live,
                live_from,
                history,
            } => {
                cursors = live.encode();
                let live_bytes = cursors.len();
                let history = history.as_ref().map(RangeCursor::encode);
                head.samples = Some(SamplesHead {
                    live_from: live_from.0,
                    live_bytes,
                    history_bytes: history.as_ref().map(Vec::len),
                });
                cursors.extend(history.unwrap_or_default());
            }
            Way::Steps {
                step,
                read_until,
                history,
            } => {
                head.steps = Some(StepsHead {
                    step_ms: step.as_millis() as u64,
                    read_until: read_until.0,
                    history: history.map(|(from, until)| (from.0, until.0)),
                });
            }
        }
        // Numbers and options always have a form in JSON.
        let mut out = serde_json::to_vec(&head).unwrap_or_default();
        out.push(b'\n');
        out.extend(cursors);
        out
    }

    /// From the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(StateError)?;
        let (head, cursors) = (&bytes[..end], &bytes[end + 1..]);
        let head: Head = serde_json::from_slice(head).map_err(|_| StateError)?;
        if head.version != VERSION {
            return Err(StateError);
        }
        let way = match (head.samples, head.steps) {
            (Some(samples), None) => read_samples(&samples, cursors)?,
            (None, Some(steps)) => Way::Steps {
                step: Duration::from_millis(steps.step_ms),
                read_until: Timestamp(steps.read_until),
                history: steps.history.map(|(from, until)| (Timestamp(from), Timestamp(until))),
            },
            _ => return Err(StateError),
        };
        Ok(Self {
            indicator: head.indicator,
            key: head.key,
            from: Timestamp(head.from),
            way,
        })
    }

    /// Goes on with another step. What was read with a shorter one is read again: nothing lay between two of its steps, so
    /// that it saw too little.
    pub fn change_step(&mut self, to: Duration) {
        let Way::Steps {
            step,
            read_until,
            history,
        } = &mut self.way
        else {
            return;
        };
        let was_shorter = *step < to;
        (*step, *read_until) = (to, aligned(*read_until, to));
        let missing = if was_shorter {
            Some((self.from, *read_until))
        } else {
            *history
        };
        let missing = missing.map(|(from, until)| (aligned(from, to), aligned_up(until, to)));
        *history = missing.filter(|(from, until)| from < until);
    }

    /// Up to when the present was read.
    pub fn read_until(&self) -> Timestamp {
        match &self.way {
            Way::Samples { live, .. } => live.read_until(),
            Way::Steps { read_until, .. } => *read_until,
        }
    }

    /// What of the past is still to be read: from, until; `None` when all of it was.
    pub fn missing(&self) -> Option<(Timestamp, Timestamp)> {
        match &self.way {
            Way::Samples { live_from, history, .. } => {
                history.as_ref().map(|history| (history.read_until(), *live_from))
            }
            Way::Steps { history, .. } => *history,
        }
    }
}

fn read_samples(head: &SamplesHead, cursors: &[u8]) -> Result<Way, StateError> {
    let (live, rest) = cursors.split_at_checked(head.live_bytes).ok_or(StateError)?;
    let decode = |bytes: &[u8]| RangeCursor::decode(bytes).map_err(|_| StateError);
    let history = match head.history_bytes {
        Some(length) if length == rest.len() => Some(decode(rest)?),
        None if rest.is_empty() => None,
        _ => return Err(StateError),
    };
    Ok(Way::Samples {
        live: decode(live)?,
        live_from: Timestamp(head.live_from),
        history,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_step_begins_where_it_fits() {
        let minute = |minutes: i64| Timestamp(minutes * 60_000);
        let (one, four, five) = (Duration::from_mins(1), Duration::from_mins(4), Duration::from_mins(5));
        for (what, step, read_until, history, to, expected) in [
            (
                "a longer one reads all of it again",
                one,
                101,
                None,
                four,
                (100, Some((8, 100))),
            ),
            (
                "also what is missing",
                one,
                101,
                Some((10, 50)),
                four,
                (100, Some((8, 100))),
            ),
            ("a shorter one goes on", five, 100, None, one, (100, None)),
            (
                "and leaves nothing out",
                five,
                105,
                Some((10, 95)),
                four,
                (104, Some((8, 96))),
            ),
        ] {
            let way = |step, (until, history): (i64, Option<(i64, i64)>)| Way::Steps {
                step,
                read_until: minute(until),
                history: history.map(|(from, until)| (minute(from), minute(until))),
            };
            let mut state = ReadState {
                indicator: 1,
                key: 7,
                from: minute(10),
                way: way(step, (read_until, history)),
            };
            state.change_step(to);
            assert_eq!(state.way, way(to, expected), "{what}");
        }
    }

    #[test]
    fn states_survive_the_store_and_garbage_is_refused() {
        let cursor = |at| RangeCursor::new(Timestamp(at));
        let samples = |history: Option<RangeCursor>| Way::Samples {
            live: cursor(7_199_999),
            live_from: Timestamp(3_599_999),
            history,
        };
        let steps = |history| Way::Steps {
            step: Duration::from_mins(4),
            read_until: Timestamp(240_000),
            history,
        };
        let ways = [
            samples(None),
            samples(Some(cursor(59_999))),
            steps(None),
            steps(Some((Timestamp(0), Timestamp(120_000)))),
        ];
        for way in ways {
            let state = ReadState {
                indicator: u64::MAX,
                key: 7,
                from: Timestamp(-1),
                way,
            };
            let bytes = state.encode();
            assert_eq!(ReadState::decode(&bytes).expect("it is read"), state);
            for length in 0..bytes.len().saturating_sub(1) {
                assert!(ReadState::decode(&bytes[..length]).is_err(), "{length} bytes");
            }
        }
    }
}
