//! Targets in every condition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{HOSTILE, NOW};
use crate::domain::time::Timestamp;
use crate::engine::push::beats::HeartbeatView;
use crate::engine::snapshot::{TargetAbout, TargetView};

pub(super) fn target(instance: &str, health: &'static str, error: &str) -> TargetView {
    let about = TargetAbout {
        key: format!("shop http://{instance}/metrics"),
        labels: BTreeMap::from([
            ("job".to_owned(), "shop".to_owned()),
            ("instance".to_owned(), instance.to_owned()),
        ]),
        scrape_pool: "shop".to_owned(),
        scrape_url: format!("http://{instance}/metrics"),
        scrape_interval: "15s".to_owned(),
        scrape_timeout: "10s".to_owned(),
    };
    TargetView {
        about: Arc::new(about),
        health,
        last_error: error.to_owned(),
        consecutive_failures: u32::from(!error.is_empty()),
        last_scrape: Some(NOW),
        next_scrape: Some(Timestamp(NOW.0 + 15_000)),
        last_scrape_duration: 0.004,
        warnings: Arc::default(),
        samples_seen: 812,
        samples_selected: 6,
        feeds: vec!["checkout/requests-availability".to_owned()],
        probe: None,
        has_page: true,
    }
}

pub(super) fn hostile_target() -> TargetView {
    let mut target = target("c:9100", "unknown", "");
    let labels = &mut Arc::make_mut(&mut target.about).labels;
    labels.insert("env".to_owned(), HOSTILE.to_owned());
    (target.feeds, target.has_page) = (Vec::new(), false);
    target.warnings = [format!("line 3, column 5: {HOSTILE}")].into();
    (target.last_scrape, target.last_scrape_duration) = (None, 0.0);
    target
}

/// A job that should have run half an hour ago.
pub(super) fn heartbeat() -> HeartbeatView {
    HeartbeatView {
        name: "nightly-backup".to_owned(),
        state: "missed",
        interval: "1d".to_owned(),
        grace: "30m".to_owned(),
        last_ping: Some(NOW - Duration::from_hours(25)),
        last_ping_kind: Some("exit 0".to_owned()),
        last_run: Some(NOW - Duration::from_hours(25)),
        started_at: None,
        due: Some(NOW + Duration::from_hours(23)),
        deadline: Some(NOW + Duration::from_mins(23 * 60 + 30)),
        slos: vec!["shop/backup".to_owned()],
    }
}
