//! `connectivity`: addresses that always answer. When a probe has met silence, they are dialled; where all of them are
//! silent, too, it is our own network.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use tokio::time::Instant;

use super::course::Course;
use super::place::split;
use super::reach::Reach;
use super::settings::IpChoice;
use crate::domain::verdict::{Fault, Reason};
use crate::source::http::now;

/// Who does not answer so long is silent.
pub(super) const WITHIN: Duration = Duration::from_secs(1);
/// So long does a silence hold for all probes.
const SILENCE_FOR: Duration = Duration::from_secs(5);
/// So long does an answer hold. A cut may begin at any time, so it is shorter.
const ANSWER_FOR: Duration = Duration::from_secs(1);

/// The checks, and what they came to.
pub(super) struct Connectivity {
    targets: Vec<String>,
    reach: Reach,
    last: Mutex<Option<Round>>,
}

/// One round of all checks: whether somebody has answered.
struct Round {
    began: Instant,
    answered: Shared<BoxFuture<'static, bool>>,
}

impl Connectivity {
    /// Checks of these, each `host:port`.
    pub fn new(targets: Vec<String>, reach: Reach) -> Self {
        Self {
            targets,
            reach,
            last: Mutex::default(),
        }
    }

    /// As they are written.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// Whether one of them answers. Many may ask at once: they share a round.
    pub async fn answers(&self) -> bool {
        self.begin().await
    }

    /// Begins a round, unless the last one still holds; it goes on whether somebody waits for it or not.
    pub fn begin(&self) -> Shared<BoxFuture<'static, bool>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = last.as_ref() {
            let holds = match round.answered.peek() {
                None => WITHIN + SILENCE_FOR,
                Some(true) => ANSWER_FOR,
                Some(false) => SILENCE_FOR,
            };
            if now() < round.began + holds {
                return round.answered.clone();
            }
        }
        let dials = self
            .targets
            .iter()
            .map(|target| dial(target.clone(), self.reach.clone()));
        let round = join_all(dials.collect::<Vec<_>>());
        let task = tokio::spawn(async move { round.await.contains(&true) });
        // A round that fell says nothing.
        let answered = async move { task.await.unwrap_or(true) }.boxed().shared();
        *last = Some(Round {
            began: now(),
            answered: answered.clone(),
        });
        answered
    }
}

/// Whether somebody is there, be it one who refuses.
async fn dial(target: String, reach: Reach) -> bool {
    let mut course = Course::until(now() + WITHIN);
    match connect(&target, &reach, &mut course).await {
        Ok(()) => true,
        Err(fault) => !fault.reason.is_silence() && fault.reason != Reason::NetworkDown,
    }
}

async fn connect(target: &str, reach: &Reach, course: &mut Course) -> Result<(), Fault> {
    let Some((host, Some(port))) = split(target) else {
        return Err(Fault::new(Reason::Misconfigured, "not `host:port`"));
    };
    let found = reach.resolve(host, IpChoice::default(), course).await?;
    let Some(address) = found.first() else {
        return Err(Fault::new(Reason::DnsNoAddress, "no address"));
    };
    reach.connect((*address, port).into(), None, course).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::egress::Origin;

    /// A server that is there and answers nobody: as many as it lets wait are waiting.
    fn silent() -> (Socket, Vec<Socket>, String) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = (0..8).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // It is under way, or waits for ever: both are what is wanted.
            let _ = socket.connect(&address);
            socket
        });
        let waiting = waiting.collect();
        (listener, waiting, address.as_socket().unwrap().to_string())
    }

    fn checks(targets: &[&str]) -> Connectivity {
        let reach = Reach::new(Arc::default(), Arc::default(), Origin::Configured);
        Connectivity::new(targets.iter().map(|target| (*target).to_owned()).collect(), reach)
    }

    #[tokio::test(start_paused = true)]
    async fn our_network_is_down_when_nobody_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = gone.local_addr().unwrap().to_string();
        drop(gone);
        let (_held, _waiting, silent) = silent();
        for (sentence, targets, expected) in [
            ("one answers", vec![&open], true),
            ("one refuses, so it is there", vec![&refusing], true),
            ("one is silent", vec![&silent], false),
            ("one of two is silent", vec![&silent, &open], true),
        ] {
            let targets: Vec<&str> = targets.into_iter().map(String::as_str).collect();
            assert_eq!(checks(&targets).answers().await, expected, "{sentence}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_share_a_round() {
        let (_held, _waiting, silent) = silent();
        let checks = checks(&[&silent]);
        let began = now();
        let all = join_all((0..1_000).map(|_| checks.answers())).await;
        assert!(all.iter().all(|answered| !answered));
        assert_eq!(now() - began, WITHIN, "all at once");
        assert!(!checks.answers().await);
        assert_eq!(now() - began, WITHIN, "it still holds");
        tokio::time::sleep(SILENCE_FOR).await;
        assert!(!checks.answers().await);
        assert!(now() - began >= WITHIN + SILENCE_FOR + WITHIN, "it was asked again");
    }
}
