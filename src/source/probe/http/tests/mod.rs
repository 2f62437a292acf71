//! HTTP probes of servers that answer, redirect, lie and hang.

mod answers;
mod attempts;
mod proxies;
mod redirects;
mod requests;
mod secured;
mod slow;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::egress::Origin as Chosen;
use crate::source::http::now;
use crate::source::testing::{Act, Server, response};

pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What one attempt came to.
pub(super) struct Ended {
    pub reason: Reason,
    pub detail: String,
    pub course: Course,
}

impl Ended {
    pub fn value(&self, name: &str) -> Option<f64> {
        let found = self.course.measures.iter().find(|measure| measure.name == name);
        found.map(|measure| measure.value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

pub(super) fn reach() -> Reach {
    Reach::new(Arc::default(), Arc::default(), Chosen::Configured)
}

pub(super) fn goal(target: &str) -> Goal {
    Goal {
        target: target.to_owned(),
        host: Some(HERE.to_string()),
        hostname: None,
    }
}

/// Probes a target on this machine.
pub(super) async fn probe(target: &str, module: &HttpModule) -> Ended {
    probe_within(target, module, Duration::from_secs(10)).await
}

pub(super) async fn probe_within(target: &str, module: &HttpModule, timeout: Duration) -> Ended {
    probe_goal(&goal(target), module, timeout).await
}

pub(super) async fn probe_goal(goal: &Goal, module: &HttpModule, timeout: Duration) -> Ended {
    let mut course = Course::until(now() + timeout);
    let result = speak(module, IpChoice::default(), goal, Some(HERE), &reach(), &mut course).await;
    let fault = result.err().unwrap_or_else(|| Fault::new(Reason::Ok, ""));
    Ended {
        reason: fault.reason,
        detail: fault.detail,
        course,
    }
}

pub(super) fn module() -> HttpModule {
    HttpModule::default()
}
