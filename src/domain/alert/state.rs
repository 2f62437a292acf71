//! The alert state machine: pure, and stored after every change.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AlertState;
use crate::domain::time::{MINUTE_MS, Timestamp, millis};

/// Between two looks at a condition at most so much time counts as time in which it held: a process that stood still
/// has seen nothing.
const LOOK_COUNTS_MS: i64 = 2 * MINUTE_MS;

/// Where one alert stands, in the form in which it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// It calls.
    pub firing: bool,
    /// Since when, in unix milliseconds.
    pub since: Option<i64>,
    /// When its condition last held while it was firing, in unix milliseconds.
    pub held_at: Option<i64>,
    /// It goes on firing, or stays pending, although data is missing.
    pub stale: bool,
    /// The burn rate over the long window at the last tick that knew it.
    pub value: Option<f64>,
    /// For `SLONoData`: for how long nothing was seen while nines looked, in milliseconds.
    pub unseen_ms: i64,
    /// The conditions that hold and have to hold for a while before they call, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clocks: BTreeMap<String, PendingClock>,
}

/// For how long a condition has held: only time in which nines saw it hold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingClock {
    /// Since when, in unix milliseconds; put off by the time in which the clock stood still.
    pub since: i64,
    /// When it was last seen to hold, in unix milliseconds. While the clock runs, the stored one is older.
    pub seen_at: i64,
    /// It stands still: nobody can tell whether the condition holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// One of the conditions that are OR'd into an alert, at one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertCause {
    /// What tells it from the alert's other conditions, also after the file was changed; of no account where it calls at
    /// once.
    pub name: String,
    /// It holds, it does not, or nobody can tell.
    pub holds: Option<bool>,
    /// For how long it must hold before it calls.
    pub pending_for: Duration,
}

/// What a step changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransitionKind {
    /// It began to fire.
    Fired,
    /// It ended.
    Resolved,
}

impl TransitionKind {
    /// As metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Resolved => "resolved",
        }
    }
}

/// Whether any of these holds: true when one does, false when none does, `None` when that is unknown.
pub fn any_holds(holds: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut is_known = true;
    for holds in holds {
        match holds {
            Some(true) => return Some(true),
            Some(false) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(false)
}

impl AlertStatus {
    /// As the API names it.
    pub fn state(&self) -> AlertState {
        if self.firing {
            AlertState::Firing
        } else if self.clocks.is_empty() {
            AlertState::Inactive
        } else {
            AlertState::Pending
        }
    }

    /// Since when it is in its state, in unix milliseconds; `None` while it is inactive.
    pub fn active_since(&self) -> Option<i64> {
        if self.firing {
            self.since
        } else {
            self.clocks.values().map(|clock| clock.since).min()
        }
    }

    /// Steps on by what is known of its conditions. It fires when one of them holds and has held for its own time; once
    /// it fires, it goes on while any of them holds, and while nobody can tell, when it is marked stale.
    pub fn step(&mut self, causes: &[AlertCause], keep_for: Duration, now: Timestamp) -> Option<TransitionKind> {
        let holds = any_holds(causes.iter().map(|cause| cause.holds));
        let is_due = self.run_clocks(causes, now);
        self.stale = holds.is_none() && self.state() != AlertState::Inactive;
        if self.firing && holds == Some(true) {
            self.held_at = Some(now.0);
        }
        match holds {
            Some(true) if is_due && !self.firing => Some(self.fire(now)),
            Some(false) if self.firing => {
                let kept_until = self.held_at.unwrap_or(now.0).saturating_add(millis(keep_for));
                (now.0 >= kept_until).then(|| self.resolve())
            }
            _ => None,
        }
    }

    /// Ends a firing alert whatever its conditions say: its SLO is gone, or its labels are others. For how long its
    /// conditions have held stays known.
    pub fn resolve(&mut self) -> TransitionKind {
        *self = Self {
            value: self.value,
            clocks: std::mem::take(&mut self.clocks),
            ..Self::default()
        };
        TransitionKind::Resolved
    }

    /// Begins to fire.
    pub fn fire(&mut self, now: Timestamp) -> TransitionKind {
        (self.firing, self.since, self.held_at) = (true, Some(now.0), Some(now.0));
        TransitionKind::Fired
    }

    /// Nobody has looked since this time, and nobody will before the next step; what was stored of a running clock may be
    /// older.
    pub fn look_away(&mut self, last_look: Timestamp) {
        for clock in self.clocks.values_mut().filter(|clock| !clock.stopped) {
            clock.seen_at = clock.seen_at.max(last_look.0);
            clock.stopped = true;
        }
    }

    /// Lets the clock of every condition follow it, and tells whether any condition has held for its own time.
    fn run_clocks(&mut self, causes: &[AlertCause], now: Timestamp) -> bool {
        let waits = |cause: &&AlertCause| !cause.pending_for.is_zero();
        self.clocks
            .retain(|name, _| causes.iter().filter(waits).any(|cause| cause.name == *name));
        let mut is_due = false;
        for cause in causes {
            let held_ms = match cause.holds {
                Some(true) if waits(&cause) => self.clock(&cause.name, now).see(now),
                Some(true) => 0,
                Some(false) => {
                    self.clocks.remove(&cause.name);
                    continue;
                }
                None => {
                    self.clocks
                        .entry(cause.name.clone())
                        .and_modify(|clock| clock.stopped = true);
                    continue;
                }
            };
            is_due |= held_ms >= millis(cause.pending_for);
        }
        is_due
    }

    fn clock(&mut self, name: &str, now: Timestamp) -> &mut PendingClock {
        self.clocks.entry(name.to_owned()).or_insert(PendingClock {
            since: now.0,
            seen_at: now.0,
            stopped: false,
        })
    }
}

impl PendingClock {
    /// Its condition is seen to hold; returns for how long it has.
    fn see(&mut self, now: Timestamp) -> i64 {
        let unseen = now.0.saturating_sub(self.seen_at).max(0);
        let counts = if self.stopped { 0 } else { LOOK_COUNTS_MS };
        self.since = self.since.saturating_add((unseen - counts).max(0));
        (self.seen_at, self.stopped) = (now.0, false);
        now.0.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(name: &str, holds: Option<bool>, pending_s: u64) -> AlertCause {
        AlertCause {
            name: name.to_owned(),
            holds,
            pending_for: Duration::from_secs(pending_s),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1000)
    }

    #[test]
    fn an_alert_fires_holds_without_data_and_resolves_on_data() {
        let mut alert = AlertStatus::default();
        let steps = [
            (Some(false), None, false, "nothing is wrong"),
            (None, None, false, "nobody knows, and nothing was wrong"),
            (Some(true), Some(TransitionKind::Fired), false, "it begins"),
            (Some(true), None, false, "it goes on"),
            (None, None, true, "no data is no recovery"),
            (Some(false), Some(TransitionKind::Resolved), false, "data ends it"),
        ];
        for (tick, (holds, transition, stale, what)) in steps.into_iter().enumerate() {
            let seen = alert.step(&[cause("a", holds, 0)], Duration::ZERO, at(tick as i64));
            assert_eq!((seen, alert.stale), (transition, stale), "{what}");
            assert!(alert.clocks.is_empty(), "{what}: nothing waits");
        }
    }

    #[test]
    fn it_is_kept_firing_for_a_while() {
        let mut alert = AlertStatus::default();
        let keep = Duration::from_mins(1);
        let mut step = |holds, at| alert.step(&[cause("a", Some(holds), 0)], keep, Timestamp(at));
        step(true, 1_000);
        assert_eq!(step(false, 60_999), None);
        assert_eq!(step(false, 61_000), Some(TransitionKind::Resolved));
    }

    /// What one tick tells of the conditions, and in which state the alert is then.
    type Tick = (i64, [Option<bool>; 2], AlertState);

    /// Two conditions: the first must hold for 60 s, the second for 300 s.
    fn run(sentence: &str, ticks: &[Tick]) {
        let mut alert = AlertStatus::default();
        for (second, [short, long], state) in ticks {
            let causes = [cause("short", *short, 60), cause("long", *long, 300)];
            alert.step(&causes, Duration::ZERO, at(*second));
            let is_unknown = *short != Some(true) && *long != Some(true) && (short.is_none() || long.is_none());
            assert_eq!(
                alert.stale,
                is_unknown && *state != AlertState::Inactive,
                "{sentence}: at {second} s"
            );
            assert_eq!(alert.state(), *state, "{sentence}: at {second} s, {alert:?}");
        }
    }

    #[test]
    fn a_condition_calls_once_it_has_held_for_its_own_time() {
        const YES: Option<bool> = Some(true);
        const NO: Option<bool> = Some(false);
        use AlertState::{Firing, Inactive, Pending};
        run(
            "it fires when the time is over and not before",
            &[
                (0, [YES, NO], Pending),
                (59, [YES, NO], Pending),
                (60, [YES, NO], Firing),
            ],
        );
        run(
            "an interruption begins the time anew",
            &[
                (0, [YES, NO], Pending),
                (50, [NO, NO], Inactive),
                (60, [YES, NO], Pending),
                (119, [YES, NO], Pending),
                (120, [YES, NO], Firing),
            ],
        );
        run(
            "two conditions that follow one another do not add up",
            &[
                (0, [YES, NO], Pending),
                (59, [NO, YES], Pending),
                (120, [NO, YES], Pending),
                (240, [NO, YES], Pending),
                (358, [NO, YES], Pending),
                (359, [NO, YES], Firing),
            ],
        );
        run(
            "the clock stands still while nobody can tell",
            &[
                (0, [YES, NO], Pending),
                (30, [YES, NO], Pending),
                (60, [None, None], Pending),
                (500, [None, None], Pending),
                (510, [YES, NO], Pending),
                (539, [YES, NO], Pending),
                (540, [YES, NO], Firing),
            ],
        );
        run(
            "once it fires, any condition keeps it firing, however short it has held",
            &[
                (0, [YES, NO], Pending),
                (60, [YES, NO], Firing),
                (70, [NO, YES], Firing),
                (80, [NO, NO], Inactive),
                (90, [NO, YES], Pending),
            ],
        );
        run(
            "what nobody knows begins nothing",
            &[(0, [None, NO], Inactive), (300, [None, NO], Inactive)],
        );
        run(
            "of a day in which the process stood still two minutes count",
            &[
                (0, [NO, YES], Pending),
                (86_400, [NO, YES], Pending),
                (86_500, [NO, YES], Pending),
                (86_580, [NO, YES], Firing),
            ],
        );
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let mut alert = AlertStatus::default();
        let step =
            |alert: &mut AlertStatus, second| alert.step(&[cause("a", Some(true), 300)], Duration::ZERO, at(second));
        step(&mut alert, 0);
        // The clock is stored when it begins; nines goes on for two minutes, is killed, and comes back after an hour.
        let stored = serde_json::to_string(&alert).expect("JSON");
        step(&mut alert, 120);
        let mut alert: AlertStatus = serde_json::from_str(&stored).expect("an alert");
        alert.look_away(at(120));
        // A clock that stands still is not moved on by those who look away again.
        alert.look_away(at(200));
        assert_eq!(step(&mut alert, 3720), None);
        assert_eq!(alert.active_since(), Some(3_600_000));
        assert_eq!((step(&mut alert, 3800), step(&mut alert, 3899)), (None, None));
        assert_eq!(step(&mut alert, 3900), Some(TransitionKind::Fired));
    }

    #[test]
    fn an_alert_stored_by_an_earlier_version_is_read() {
        let text = r#"{"firing":true,"since":1,"held_at":2,"stale":false,"value":15.0,"unseen_ms":0}"#;
        let alert: AlertStatus = serde_json::from_str(text).expect("an alert");
        assert_eq!((alert.state(), alert.clocks.len()), (AlertState::Firing, 0));
        assert_eq!(alert.active_since(), Some(1));
    }

    #[test]
    fn any_holds_is_unknown_unless_one_does_or_none_does() {
        let table: [(&[Option<bool>], Option<bool>); 5] = [
            (&[None, Some(true)], Some(true)),
            (&[Some(true), None], Some(true)),
            (&[None, Some(false)], None),
            (&[Some(false), None], None),
            (&[Some(false), Some(false)], Some(false)),
        ];
        for (holds, expected) in table {
            assert_eq!(any_holds(holds.iter().copied()), expected, "{holds:?}");
        }
    }
}
