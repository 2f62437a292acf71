//! `connectivity`: addresses that always answer. When a probe has met silence, they are dialled; where all of them are
//! silent, too, it is our own network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// While they are silent they are asked again and again, as long as somebody has wanted to know within this time.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long after each other rounds begin at least.
const ROUND_MIN: Duration = Duration::from_millis(200);
/// So long does an answer hold. A cut may begin at any time, so it is short.
const ANSWER_FOR: Duration = Duration::from_secs(1);

/// The checks, and what they came to.
pub(super) struct Connectivity {
    checks: Arc<Checks>,
}

struct Checks {
    targets: Vec<String>,
    reach: Reach,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The round that is under way, or was the last one.
    round: Option<(Instant, Round)>,
    /// All were silent then, for the last time.
    silent_at: Option<Instant>,
    /// They are being asked until somebody answers.
    is_silent: bool,
    asked_at: Option<Instant>,
}

/// One round of all checks: whether somebody has answered.
type Round = Shared<BoxFuture<'static, bool>>;

impl Connectivity {
    /// Checks of these, each `host:port`.
    pub fn new(targets: Vec<String>, reach: Reach) -> Self {
        let checks = Checks {
            targets,
            reach,
            seen: Mutex::default(),
        };
        Self {
            checks: Arc::new(checks),
        }
    }

    /// As they are written.
    pub fn targets(&self) -> &[String] {
        &self.checks.targets
    }

    /// Whether one of them answers, and they were not all silent since then. Many may ask at once.
    pub async fn answers_since(&self, began: Instant) -> bool {
        match self.begin() {
            Some(round) => round.await && !self.checks.were_silent_since(began),
            None => false,
        }
    }

    /// Begins a round, unless one is under way or an answer still holds; it goes on whether somebody waits for it or
    /// not. `None` while it is known that nobody answers.
    pub fn begin(&self) -> Option<Round> {
        let mut seen = self.checks.seen();
        seen.asked_at = Some(now());
        if seen.is_silent {
            return None;
        }
        if let Some((began, round)) = &seen.round
            && (round.peek().is_none() || now() < *began + ANSWER_FOR)
        {
            return Some(round.clone());
        }
        let checks = Arc::clone(&self.checks);
        let task = tokio::spawn(async move {
            let answered = checks.ask().await;
            if !answered {
                checks.note_silence();
                tokio::spawn(checks.follow());
            }
            answered
        });
        // A round that fell says nothing.
        let round = async move { task.await.unwrap_or(true) }.boxed().shared();
        seen.round = Some((now(), round.clone()));
        Some(round)
    }
}

impl Checks {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) -> bool {
        let dials = self.targets.iter().map(|target| dial(target, &self.reach));
        join_all(dials).await.contains(&true)
    }

    fn note_silence(&self) {
        let mut seen = self.seen();
        seen.is_silent = true;
        seen.silent_at = Some(now());
    }

    fn were_silent_since(&self, began: Instant) -> bool {
        self.seen().silent_at.is_some_and(|at| at >= began)
    }

    /// Asks on while all are silent: a probe that began before the cut was mended must be able to tell.
    async fn follow(self: Arc<Self>) {
        loop {
            let next_at = now() + ROUND_MIN;
            let is_wanted = self.seen().asked_at.is_some_and(|at| now() < at + ASKED_WITHIN);
            if !is_wanted || self.ask().await {
                break;
            }
            self.note_silence();
            tokio::time::sleep_until(next_at).await;
        }
        let mut seen = self.seen();
        seen.is_silent = false;
        seen.round = None;
    }
}

/// Whether somebody is there, be it one who refuses.
async fn dial(target: &str, reach: &Reach) -> bool {
    let mut course = Course::until(now() + WITHIN);
    match connect(target, reach, &mut course).await {
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
            assert_eq!(checks(&targets).answers_since(now()).await, expected, "{sentence}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_share_a_round() {
        let (_held, _waiting, silent) = silent();
        let checks = checks(&[&silent]);
        let began = now();
        let all = join_all((0..1_000).map(|_| checks.answers_since(began))).await;
        assert!(all.iter().all(|answered| !answered));
        assert_eq!(now() - began, WITHIN, "all at once");
        assert!(!checks.answers_since(now()).await);
        assert_eq!(now() - began, WITHIN, "it is known by now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_began_before_the_mending_is_told_of_the_silence() {
        let (held, waiting, silent) = silent();
        let checks = checks(&[&silent]);
        let began = now();
        assert!(!checks.answers_since(began).await);
        drop((held, waiting));
        // Nobody listens there any more, which is an answer.
        tokio::time::sleep(WITHIN + ROUND_MIN + ROUND_MIN).await;
        assert!(!checks.answers_since(began).await, "it lived through the silence");
        assert!(checks.answers_since(now()).await, "this one did not");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked_for_ever() {
        let (_held, _waiting, silent) = silent();
        let checks = checks(&[&silent]);
        assert!(!checks.answers_since(now()).await);
        tokio::time::sleep(ASKED_WITHIN + WITHIN + WITHIN).await;
        assert!(!checks.checks.seen().is_silent, "nobody wanted to know");
        let again = now();
        assert!(!checks.answers_since(again).await);
        assert_eq!(now() - again, WITHIN, "it was asked anew");
    }
}
