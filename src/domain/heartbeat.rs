//! Heartbeats: jobs that say when they have run. Each run that ends is one event, and so is each one that does not come.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::{SECOND_MS, Timestamp, millis};

/// The same end of a run that is told twice within a quarter of the interval, and at most this, is one: a client has
/// tried again.
const REPEATED_MAX_MS: i64 = 60 * SECOND_MS;
/// Whoever did not hear of time for so long was not there.
const DEAF_AFTER_MS: i64 = 150 * SECOND_MS;
/// Times of deafness that are remembered; neighbours are joined when there are more.
const GAPS_MAX: usize = 256;

/// A job that is to run once in each interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its name.
    pub name: String,
    /// So long after a run the next one is due.
    pub interval: Duration,
    /// So much later it is missed.
    pub grace: Duration,
}

/// What a job tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ping {
    /// A run has begun.
    Start,
    /// It has ended well.
    Success,
    /// It has ended badly.
    Fail,
    /// It has ended with this exit code: 0 is well.
    Exit(u8),
}

/// What is remembered of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatState {
    /// The last ping, and when it came.
    pub last_ping: Option<(Ping, i64)>,
    /// The end of the last run.
    pub last_end: Option<(Ping, i64)>,
    /// A run has begun and not ended.
    pub started_at: Option<i64>,
    /// From when the next run is awaited: the last end, or when the last run was due that did not come.
    pub since: Option<i64>,
    /// What became of the last deadline that passed since the last end.
    pub passed: Option<Passed>,
}

/// What became of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Passed {
    /// No run ended before it.
    Missed,
    /// Nobody was there who could have heard of one.
    Unknown,
}

impl Ping {
    /// What stands in the address behind the token: nothing, `start`, `fail` or an exit code.
    pub fn parse(word: Option<&str>) -> Option<Self> {
        match word {
            None => Some(Self::Success),
            Some("start") => Some(Self::Start),
            Some("fail") => Some(Self::Fail),
            Some(code) if code.bytes().all(|digit| digit.is_ascii_digit()) => code.parse().ok().map(Self::Exit),
            Some(_) => None,
        }
    }

    /// For people.
    pub fn word(self) -> String {
        match self {
            Self::Start => "start".to_owned(),
            Self::Success => "success".to_owned(),
            Self::Fail => "fail".to_owned(),
            Self::Exit(code) => format!("exit {code}"),
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Success | Self::Exit(0))
    }
}

impl HeartbeatState {
    /// Takes a ping. When it is the end of a run that counts: whether that was good.
    pub fn ping(&mut self, heartbeat: &Heartbeat, ping: Ping, at: Timestamp) -> Option<bool> {
        let repeated_within = (millis(heartbeat.interval) / 4).min(REPEATED_MAX_MS);
        let is_repeated = self.started_at.is_none()
            && self.passed.is_none()
            && (self.last_end).is_some_and(|(end, before)| end == ping && (at.0 - before).abs() < repeated_within);
        self.last_ping = Some((ping, at.0));
        if is_repeated {
            return None;
        }
        if ping == Ping::Start {
            self.started_at = Some(at.0);
            self.since.get_or_insert(at.0);
            return None;
        }
        (self.started_at, self.passed) = (None, None);
        (self.last_end, self.since) = (Some((ping, at.0)), Some(at.0));
        Some(ping.is_good())
    }

    /// Lets deadlines pass; gives those that were missed. `was_deaf` tells whether nobody was there at some time between
    /// two: then nobody knows.
    pub fn pass(
        &mut self,
        heartbeat: &Heartbeat,
        now: Timestamp,
        was_deaf: impl Fn(i64, i64) -> bool,
    ) -> Vec<Timestamp> {
        let mut missed = Vec::new();
        while let Some(deadline) = self.deadline(heartbeat).filter(|deadline| *deadline <= now) {
            let due = deadline.0 - millis(heartbeat.grace);
            self.since = Some(due);
            if was_deaf(due - millis(heartbeat.grace), deadline.0) {
                self.passed = Some(Passed::Unknown);
            } else {
                self.passed = Some(Passed::Missed);
                missed.push(deadline);
            }
        }
        missed
    }

    /// When the next run is missed; `None` before the first ping.
    pub fn deadline(&self, heartbeat: &Heartbeat) -> Option<Timestamp> {
        let wait = millis(heartbeat.interval).saturating_add(millis(heartbeat.grace));
        self.since.map(|since| Timestamp(since.saturating_add(wait.max(1))))
    }

    /// Where it stands, in one word.
    pub fn word(&self, heartbeat: &Heartbeat, now: Timestamp) -> &'static str {
        let is_late = (self.since).is_some_and(|since| now.0 - since > millis(heartbeat.interval));
        match (self.passed, self.last_end) {
            _ if self.since.is_none() => "waiting",
            _ if self.started_at.is_some() => "running",
            (Some(Passed::Missed), _) => "missed",
            (Some(Passed::Unknown), _) => "unknown",
            _ if is_late => "late",
            (None, Some((end, _))) if !end.is_good() => "failed",
            _ => "up",
        }
    }
}

/// When somebody was there to hear pings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Until when.
    until: Option<i64>,
    /// When nobody was, as far as that still matters.
    gaps: Vec<(i64, i64)>,
    /// Whose pings were awaited.
    names: BTreeSet<String>,
}

impl Listening {
    /// Somebody is there now; `was_away`: not since it was last said so.
    pub fn hear(&mut self, now: Timestamp, was_away: bool) {
        if let Some(before) = self.until
            && (was_away || !(0..=DEAF_AFTER_MS).contains(&(now.0 - before)))
        {
            self.gaps.push((before.min(now.0), before.max(now.0)));
            if self.gaps.len() > GAPS_MAX
                && let [.., (_, end), (_, last)] = self.gaps.as_mut_slice()
            {
                *end = (*end).max(*last);
                self.gaps.pop();
            }
        }
        self.until = Some(now.0);
    }

    /// These pings are awaited from now on; gives the names that were not awaited before.
    pub fn await_names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let new = names.difference(&self.names).cloned().collect();
        self.names = names;
        new
    }

    /// Whether nobody was there at some time between these two.
    pub fn was_deaf(&self, from: i64, until: i64) -> bool {
        self.gaps.iter().any(|(begin, end)| *begin < until && from < *end)
    }

    /// What was before this does not matter any more.
    pub fn forget_before(&mut self, time: i64) {
        self.gaps.retain(|(_, end)| *end > time);
    }

    /// Until when somebody was there.
    pub fn until(&self) -> Option<Timestamp> {
        self.until.map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn hourly() -> Heartbeat {
        Heartbeat {
            name: "backup".to_owned(),
            interval: Duration::from_hours(1),
            grace: Duration::from_mins(10),
        }
    }

    #[test]
    fn what_is_told_becomes_events() {
        let mut state = HeartbeatState::default();
        for (minute, ping, counts, word) in [
            (0, Ping::Start, None, "running"),
            (5, Ping::Success, Some(true), "up"),
            (5, Ping::Success, None, "up"),
            (6, Ping::Success, Some(true), "up"),
            (6, Ping::Fail, Some(false), "failed"),
            (6, Ping::Start, None, "running"),
            (6, Ping::Fail, Some(false), "failed"),
            (7, Ping::Exit(0), Some(true), "up"),
            (8, Ping::Exit(255), Some(false), "failed"),
        ] {
            let at = Timestamp(minute * MINUTE);
            assert_eq!(state.ping(&hourly(), ping, at), counts, "{minute} {ping:?}");
            assert_eq!(state.word(&hourly(), at), word, "{minute} {ping:?}");
        }
        assert_eq!(state.deadline(&hourly()), Some(Timestamp(78 * MINUTE)));
    }

    #[test]
    fn each_interval_without_a_run_is_missed_once_unless_nobody_could_hear() {
        let mut state = HeartbeatState::default();
        assert_eq!(state.pass(&hourly(), Timestamp(i64::MAX / 2), |_, _| false), []);
        state.ping(&hourly(), Ping::Success, Timestamp(0));
        let never = |_, _| false;
        assert_eq!(state.pass(&hourly(), Timestamp(70 * MINUTE - 1), never), []);
        let deaf = |from: i64, until: i64| from < 115 * MINUTE && 105 * MINUTE < until;
        let missed = state.pass(&hourly(), Timestamp(200 * MINUTE), deaf);
        let minutes: Vec<i64> = missed.iter().map(|at| at.0 / MINUTE).collect();
        assert_eq!(
            minutes,
            [70, 190],
            "of the one at 130 nobody knows: nobody was there from 105 to 115"
        );
        assert_eq!(state.word(&hourly(), Timestamp(200 * MINUTE)), "missed");
    }

    #[test]
    fn words_behind_the_token() {
        for (word, ping) in [
            (None, Some(Ping::Success)),
            (Some("start"), Some(Ping::Start)),
            (Some("fail"), Some(Ping::Fail)),
            (Some("0"), Some(Ping::Exit(0))),
            (Some("255"), Some(Ping::Exit(255))),
            (Some("256"), None),
            (Some("-1"), None),
            (Some("+1"), None),
            (Some(""), None),
            (Some("stop"), None),
        ] {
            assert_eq!(Ping::parse(word), ping, "{word:?}");
        }
    }

    #[test]
    fn whoever_was_away_is_deaf_for_that_time() {
        let mut listening = Listening::default();
        for (minute, was_away) in [(0, true), (1, false), (2, false), (9, false), (10, false), (11, true)] {
            listening.hear(Timestamp(minute * MINUTE), was_away);
        }
        for (from, until, deaf) in [
            (0, 2, false),
            (1, 3, true),
            (8, 9, true),
            (9, 10, false),
            (10, 12, true),
            (11, 12, false),
        ] {
            assert_eq!(
                listening.was_deaf(from * MINUTE, until * MINUTE),
                deaf,
                "{from} {until}"
            );
        }
        listening.forget_before(9 * MINUTE);
        assert!(!listening.was_deaf(0, 9 * MINUTE) && listening.was_deaf(10 * MINUTE, 11 * MINUTE));
        for minute in 100..1000 {
            listening.hear(Timestamp(minute * MINUTE), minute % 2 == 0);
        }
        assert!(listening.gaps.len() <= GAPS_MAX + 1 && listening.was_deaf(997 * MINUTE, 998 * MINUTE));
    }
}
