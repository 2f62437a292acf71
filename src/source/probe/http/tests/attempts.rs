//! Whole probes: attempts and what they come to together.

use super::*;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Outcome;
use crate::engine::clock::Clock;
use crate::engine::ports::Prober;
use crate::source::probe::ModuleProber;
use crate::source::probe::settings::{AddressPolicy, ProbeModule, Protocol};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn prober(server: &Server, timeout: Duration, change: impl Fn(&mut ProbeModule)) -> ModuleProber {
    let mut module = ProbeModule::plain("http_2xx", Protocol::Http(Box::new(module())));
    module.attempt_delay = Duration::ZERO;
    change(&mut module);
    let goal = goal(&server.address.to_string());
    ModuleProber::new(Arc::new(module), goal, reach(), timeout, Arc::new(Still))
}

fn status(status: &str) -> Vec<Act> {
    vec![Act::Send(response(status, "", ""))]
}

#[tokio::test]
async fn a_bad_attempt_is_confirmed() {
    use Outcome::{Bad, Good};
    let (fine, broken) = (status("200 OK"), status("500 Broken"));
    for (sentence, script, attempts, outcome, outcomes) in [
        ("good at once", vec![fine.clone()], 3, Good, vec![Good]),
        ("bad, and nobody asks again", vec![broken.clone()], 1, Bad, vec![Bad]),
        ("bad once", vec![broken.clone(), fine.clone()], 3, Good, vec![Bad, Good]),
        (
            "bad twice",
            vec![broken.clone(), broken.clone(), fine],
            3,
            Good,
            vec![Bad, Bad, Good],
        ),
        ("always bad", vec![broken], 3, Bad, vec![Bad, Bad, Bad]),
    ] {
        let server = Server::scripted(script).await;
        let prober = prober(&server, Duration::from_secs(10), |module| module.attempts = attempts);
        let verdict = prober.probe().await;
        assert_eq!(verdict.outcome, outcome, "{sentence}: {}", verdict.detail);
        let found: Vec<Outcome> = verdict.attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(found, outcomes, "{sentence}");
    }
}

#[tokio::test]
async fn an_attempt_that_hangs_leaves_time_for_the_next() {
    let server = Server::scripted(vec![vec![Act::Hang], status("200 OK")]).await;
    let prober = prober(&server, Duration::from_millis(600), |module| module.attempts = 2);
    let verdict = prober.probe().await;
    let reasons: Vec<Reason> = verdict.attempts.iter().map(|attempt| attempt.reason).collect();
    assert_eq!(reasons, [Reason::Timeout, Reason::Ok]);
    assert_eq!(verdict.outcome, Outcome::Good);
}

#[tokio::test]
async fn a_verdict_shows_what_was_probed() {
    let server = Server::answering("200 OK", "", "hello").await;
    for policy in [AddressPolicy::One, AddressPolicy::Each, AddressPolicy::Any] {
        let prober = prober(&server, Duration::from_secs(10), |module| module.addresses = policy);
        let verdict = prober.probe().await;
        assert_eq!(verdict.outcome, Outcome::Good, "{}", verdict.detail);
        assert_eq!(verdict.attempts[0].address, Some(HERE));
        let value = |name: &str| {
            verdict
                .measures
                .iter()
                .find(|measure| measure.name == name)
                .unwrap()
                .value
        };
        assert_eq!(value("probe_ip_protocol").to_bits(), 4f64.to_bits());
        assert_eq!(value("probe_ip_addr_hash").to_bits(), 3_668_918_509f64.to_bits());
        assert!(value("probe_dns_lookup_time_seconds") < 1.0);
        let phases: Vec<&str> = verdict.attempts[0]
            .phases
            .iter()
            .map(|(phase, _)| phase.word())
            .collect();
        assert_eq!(phases, ["resolve", "connect", "ttfb", "transfer"]);
    }
}

#[tokio::test]
async fn a_slow_answer_is_bad_where_the_module_says_so() {
    let server = Server::answering("200 OK", "", "").await;
    for (most, reason) in [(Duration::ZERO, Reason::TooSlow), (Duration::from_secs(10), Reason::Ok)] {
        let prober = prober(&server, Duration::from_secs(10), |module| {
            module.slower_than = Some(most)
        });
        assert_eq!(prober.probe().await.reason, reason);
    }
}
