//! Our own side of a probe: whether a fault may be ours. Then it is no event.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connectivity::{Connectivity, WITHIN};
use super::own_network::OwnNetwork;
use super::pressure::Pressure;
use super::reach::Reach;
use crate::domain::verdict::{Fault, Reason};
use crate::source::http::now;

/// How often the links are looked at, so that a short cut is seen, too.
const LOOK: Duration = Duration::from_secs(1);
/// So long does what was read of the network hold.
const READ_FOR: Duration = Duration::from_millis(500);
/// Who is later than this has too much to do, however long a probe may take.
const LATE_MAX: Duration = Duration::from_secs(1);

/// What is known of our own side, shared by all probes.
#[derive(Default)]
pub struct OwnSide {
    connectivity: Option<Connectivity>,
    pressure: Arc<Pressure>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    network: Option<(Instant, Arc<OwnNetwork>)>,
    down_at: HashMap<String, Instant>,
}

impl OwnSide {
    /// Watches our own side as long as somebody holds it. `connectivity` are addresses that always answer, each
    /// `host:port`, and dialled through `reach`; there may be none.
    pub fn watch(connectivity: Vec<String>, reach: Reach) -> Arc<Self> {
        let own = Arc::new(Self {
            connectivity: (!connectivity.is_empty()).then(|| Connectivity::new(connectivity, reach)),
            pressure: Pressure::start(),
            seen: Mutex::default(),
        });
        let watched = Arc::downgrade(&own);
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                looks.tick().await;
                let Some(own) = watched.upgrade() else { return };
                own.look(now()).await;
            }
        });
        own
    }

    /// The fault as it is once our own side was looked at: ours, or the one that was.
    pub(super) async fn judge(
        &self,
        fault: Fault,
        address: Option<IpAddr>,
        began: Instant,
        timeout: Duration,
    ) -> Fault {
        let late = self.pressure.since(began);
        if is_of_time(fault.reason) && late > LATE_MAX.min(timeout / 4) {
            let detail = format!(
                "nines had too much to do, and was {} ms late: {}",
                late.as_millis(),
                fault.detail
            );
            return Fault::new(Reason::Overloaded, detail);
        }
        let is_of_names = matches!(fault.reason, Reason::DnsTimeout | Reason::DnsFailure);
        let leads_out = address.map_or(is_of_names, |address| !address.is_loopback());
        if !fault.reason.is_silence() || !leads_out {
            return fault;
        }
        if let Some(ours) = self.network_fault(address, began).await {
            return Fault::new(Reason::NetworkDown, format!("{ours}: {}", fault.detail));
        }
        if let Some(connectivity) = &self.connectivity
            && !connectivity.answers_since(began).await
        {
            let targets = connectivity.targets().join(", ");
            let detail = format!("nobody else answers either ({targets}): {}", fault.detail);
            return Fault::new(Reason::NetworkDown, detail);
        }
        fault
    }

    /// By how much nines was late since then.
    pub(super) fn late_since(&self, began: Instant) -> Duration {
        self.pressure.since(began)
    }

    /// Asks the checks shortly before a probe's time is up, so that their answer is there when it is. Never ends.
    pub(super) async fn prepare(&self, deadline: Instant, timeout: Duration) -> Infallible {
        if let Some(connectivity) = &self.connectivity {
            let before = WITHIN.min(timeout / 2);
            tokio::time::sleep_until(deadline.checked_sub(before).unwrap_or(deadline)).await;
            drop(connectivity.begin());
        }
        std::future::pending().await
    }

    async fn network_fault(&self, address: Option<IpAddr>, began: Instant) -> Option<String> {
        let network = self.look(now()).await;
        let Some(address) = address else {
            return network.fault_towards_names();
        };
        let lasting = network.fault_towards(address);
        lasting.or_else(|| {
            let interface = network.interface_to(address)?;
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let down_at = seen.down_at.get(interface)?;
            (*down_at >= began).then(|| format!("the link of {interface}, the way to {address}, was down meanwhile"))
        })
    }

    /// The network as it is; many who ask at once share what was read.
    async fn look(&self, at: Instant) -> Arc<OwnNetwork> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).network.clone();
        if let Some((read_at, network)) = known
            && at < read_at + READ_FOR
        {
            return network;
        }
        let read = tokio::task::spawn_blocking(OwnNetwork::read).await;
        let network = Arc::new(read.unwrap_or_default());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for interface in network.down() {
            seen.down_at.insert(interface.to_owned(), at);
        }
        seen.network = Some((at, Arc::clone(&network)));
        network
    }
}

/// Whether a clock that is ours was the cause.
fn is_of_time(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Timeout | Reason::ConnectTimeout | Reason::DnsTimeout | Reason::NoReply
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_ran_out_of_time_while_nines_was_late_is_ours() {
        let began = now();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let own = OwnSide {
            pressure: Arc::new(Pressure::late_by(Duration::from_millis(120))),
            ..OwnSide::default()
        };
        let short = Duration::from_millis(400);
        let long = Duration::from_secs(10);
        for (sentence, reason, timeout, expected) in [
            (
                "late by more than a quarter",
                Reason::Timeout,
                short,
                Reason::Overloaded,
            ),
            ("an echo, too", Reason::NoReply, short, Reason::Overloaded),
            ("late by less", Reason::Timeout, long, Reason::Timeout),
            ("an answer is an answer", Reason::HttpStatus, short, Reason::HttpStatus),
            ("so is a refusal", Reason::ConnectRefused, short, Reason::ConnectRefused),
        ] {
            let loopback = Some(IpAddr::from([127, 0, 0, 1]));
            let fault = own.judge(Fault::new(reason, "x"), loopback, began, timeout).await;
            assert_eq!(fault.reason, expected, "{sentence}");
        }
        let later = own
            .judge(
                Fault::new(Reason::Timeout, "x"),
                Some(IpAddr::from([127, 0, 0, 1])),
                now(),
                short,
            )
            .await;
        assert_eq!(later.reason, Reason::Timeout, "it was over before the probe began");
    }
}
