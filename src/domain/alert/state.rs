//! The alert state machine: pure, and stored after every change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AlertState;
use crate::domain::time::{Timestamp, millis};

/// Where one alert stands, in the form in which it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// It calls.
    pub firing: bool,
    /// Since when, in unix milliseconds.
    pub since: Option<i64>,
    /// When its condition last held, in unix milliseconds.
    pub held_at: Option<i64>,
    /// It goes on firing although data is missing.
    pub stale: bool,
    /// The burn rate over the long window at the last tick that knew it.
    pub value: Option<f64>,
    /// For `SLONoData`: for how long nothing was seen while nines looked, in milliseconds.
    pub unseen_ms: i64,
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

impl AlertStatus {
    /// As the API names it.
    pub fn state(&self) -> AlertState {
        if self.firing {
            AlertState::Firing
        } else {
            AlertState::Inactive
        }
    }

    /// Steps on by what is known of the condition: it holds, it does not, or nobody can tell. An alert that fires holds
    /// while nobody can tell, and is marked stale.
    pub fn step(&mut self, holds: Option<bool>, keep_for: Duration, now: Timestamp) -> Option<TransitionKind> {
        self.stale = self.firing && holds.is_none();
        match holds {
            Some(true) => {
                self.held_at = Some(now.0);
                (!self.firing).then(|| self.fire(now))
            }
            Some(false) if self.firing => {
                let kept_until = self.held_at.unwrap_or(now.0).saturating_add(millis(keep_for));
                (now.0 >= kept_until).then(|| self.resolve())
            }
            _ => None,
        }
    }

    /// Ends a firing alert whatever its condition says: its SLO is gone.
    pub fn resolve(&mut self) -> TransitionKind {
        *self = Self {
            value: self.value,
            ..Self::default()
        };
        TransitionKind::Resolved
    }

    fn fire(&mut self, now: Timestamp) -> TransitionKind {
        (self.firing, self.since) = (true, Some(now.0));
        TransitionKind::Fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let seen = alert.step(holds, Duration::ZERO, Timestamp(tick as i64 * 1000));
            assert_eq!((seen, alert.stale), (transition, stale), "{what}");
        }
    }

    #[test]
    fn it_is_kept_firing_for_a_while() {
        let mut alert = AlertStatus::default();
        let keep = Duration::from_mins(1);
        alert.step(Some(true), keep, Timestamp(1_000));
        assert_eq!(alert.step(Some(false), keep, Timestamp(60_999)), None);
        assert_eq!(
            alert.step(Some(false), keep, Timestamp(61_000)),
            Some(TransitionKind::Resolved)
        );
    }
}
