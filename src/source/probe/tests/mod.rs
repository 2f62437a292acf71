//! Every kind of probe against servers that do what a test wants.

mod dns;
mod grpc;
mod scripts;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::reach::Reach;
use super::settings::{ProbeModule, Protocol};
use super::*;
use crate::domain::egress::{EgressPolicy, Origin};
use crate::engine::clock::ManualClock;

/// So long do probes of silent servers last.
const SHORT: Duration = Duration::from_millis(300);
/// No other probe lasts so long.
const LONG: Duration = Duration::from_secs(20);

/// What a probe of this target comes to.
async fn probed(protocol: Protocol, target: &str, timeout: Duration) -> Verdict {
    let host = match &protocol {
        Protocol::Unix(_) => None,
        _ => Some("127.0.0.1".to_owned()),
    };
    let goal = Goal {
        target: target.to_owned(),
        host,
        hostname: None,
    };
    let reach = Reach::new(Arc::default(), Arc::default(), Origin::Configured);
    prober(protocol, goal, reach, timeout).probe().await
}

fn prober(protocol: Protocol, goal: Goal, reach: Reach, timeout: Duration) -> ModuleProber {
    let module = Arc::new(ProbeModule::plain("m", protocol));
    ModuleProber::new(module, goal, reach, timeout, Arc::new(ManualClock::default()))
}

/// A sample without labels, or with this value of its only label.
fn value(verdict: &Verdict, name: &str, label: Option<&str>) -> Option<f64> {
    let mut named = verdict.measures.iter().filter(|measure| measure.name == name);
    let found = named.find(|measure| measure.labels.first().map(|(_, value)| value.as_str()) == label);
    found.map(|measure| measure.value)
}

/// An address on which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn no_kind_of_probe_goes_where_the_policy_does_not_let_it() {
    let policy = Arc::new(EgressPolicy {
        deny: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressPolicy::default()
    });
    let kinds = [
        (Protocol::Tcp(Box::default()), "127.0.0.1:9"),
        (Protocol::Dns(Box::default()), "127.0.0.1:9"),
        (Protocol::Icmp(settings::IcmpModule::default()), "127.0.0.1"),
        (Protocol::Grpc(Box::default()), "127.0.0.1:9"),
        (Protocol::WebSocket(Box::default()), "ws://127.0.0.1:9/"),
    ];
    for (protocol, target) in kinds {
        let sentence = format!("{protocol:?}");
        let goal = Goal {
            target: target.to_owned(),
            host: Some("127.0.0.1".to_owned()),
            hostname: None,
        };
        let reach = Reach::new(Arc::default(), Arc::clone(&policy), Origin::Configured);
        let verdict = prober(protocol, goal, reach, LONG).probe().await;
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Reason::PolicyDenied),
            "{sentence}"
        );
    }
}
