//! The heartbeats on the targets page.

use super::Time;
use super::targets::slo_href;
use crate::domain::time::Timestamp;
use crate::engine::push::beats::HeartbeatView;

/// The states that a heartbeat can be in, the worst first, with class and icon.
const STATES: [(&str, &str, &str); 7] = [
    ("missed", "bad", "■"),
    ("failed", "bad", "■"),
    ("late", "warn", "▲"),
    ("unknown", "none", "○"),
    ("waiting", "none", "○"),
    ("running", "good", "●"),
    ("up", "good", "●"),
];

/// One heartbeat.
pub struct HeartbeatRow {
    pub state: &'static str,
    pub class: &'static str,
    pub icon: &'static str,
    pub name: String,
    pub every: String,
    pub last: Option<Time>,
    pub said: String,
    pub deadline: Option<Time>,
    pub feeds: Vec<(String, String)>,
}

/// The rows, those that fail first.
pub fn rows(views: &[HeartbeatView], now: Timestamp) -> Vec<HeartbeatRow> {
    let rank = |view: &HeartbeatView| STATES.iter().position(|(state, _, _)| *state == view.state);
    let mut sorted: Vec<&HeartbeatView> = views.iter().collect();
    sorted.sort_by_key(|view| rank(view));
    sorted.into_iter().map(|view| row(view, now)).collect()
}

fn row(view: &HeartbeatView, now: Timestamp) -> HeartbeatRow {
    let known = STATES.iter().find(|(state, _, _)| *state == view.state);
    let (state, class, icon) = known.copied().unwrap_or(STATES[3]);
    HeartbeatRow {
        state,
        class,
        icon,
        name: view.name.clone(),
        every: format!("{} + {}", view.interval, view.grace),
        last: view.last_ping.map(|time| Time::of(time, now)),
        said: view.last_ping_kind.clone().unwrap_or_default(),
        deadline: view.deadline.map(|time| Time::of(time, now)),
        feeds: view.slos.iter().map(|id| (id.clone(), slo_href(id))).collect(),
    }
}
