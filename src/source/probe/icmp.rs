//! `prober: icmp`: one echo request, and the wait for its echo.
//!
//! A socket of datagrams needs no privilege where `net.ipv4.ping_group_range` holds one of the process's groups; the
//! kernel gives it the echoes of its own requests only. Where that is not so, a raw socket does, which hears every echo
//! of the machine.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use super::course::Course;
use super::echo::{Echo, EchoSocket};
use super::measures::phase_gauges;
use super::reach::{Reach, connect_fault};
use super::settings::IcmpModule;
use crate::domain::verdict::{Fault, Phase, Reason};

/// What is sent where `payload_size` says nothing, in bytes: as `ping` does.
const PAYLOAD: usize = 56;
/// More does not fit into a packet, in bytes.
const PAYLOAD_MAX: usize = 65_507;

/// One number for each request of this process, so that a raw socket knows its echo.
static SEQUENCE: AtomicU16 = AtomicU16::new(0);
/// Whose the requests are, where the kernel does not say.
static ID: LazyLock<u16> = LazyLock::new(|| RandomState::new().hash_one("id") as u16);

/// One echo.
pub(super) async fn speak(
    module: IcmpModule,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    phase_gauges(course, DURATION, &PHASES);
    reach.judge(address)?;
    course.address = Some(address);
    let (socket, request) = course
        .during(Phase::Setup, Reason::Timeout, async { set_up(module, address) })
        .await?;
    phase_gauges(course, DURATION, &PHASES[..2]);
    let echo = course
        .during(Phase::Rtt, Reason::NoReply, async {
            socket.send(&request).await.map_err(|error| unsent(address, &error))?;
            socket
                .answer_to(&request)
                .await
                .map_err(|error| unheard(address, &error))
        })
        .await
        .map_err(|fault| match fault.reason {
            Reason::NoReply => Fault::new(Reason::NoReply, format!("{address} has not answered the echo request")),
            _ => fault,
        })?;
    phase_gauges(course, DURATION, &PHASES);
    if let Some(hops) = echo.hop_limit {
        course.gauge("probe_icmp_reply_hop_limit", f64::from(hops));
    }
    Ok(())
}

const DURATION: &str = "probe_icmp_duration_seconds";
const PHASES: [(&str, &[Phase]); 3] = [
    ("resolve", &[Phase::Resolve]),
    ("setup", &[Phase::Setup]),
    ("rtt", &[Phase::Rtt]),
];

fn set_up(module: IcmpModule, address: IpAddr) -> Result<(EchoSocket, Echo), Fault> {
    let size = match module.payload_size {
        0 => PAYLOAD,
        size if size <= PAYLOAD_MAX => size,
        size => {
            let detail = format!("payload_size {size} is more than the {PAYLOAD_MAX} bytes that fit into a packet");
            return Err(Fault::new(Reason::Misconfigured, detail));
        }
    };
    if let Some(source) = module.source.filter(|source| source.is_ipv4() != address.is_ipv4()) {
        let detail = format!("source_ip_address {source} is of another kind than {address}");
        return Err(Fault::new(Reason::Misconfigured, detail));
    }
    let socket = EchoSocket::open(module, address).map_err(|error| unopened(address, &error))?;
    let request = Echo {
        is_v4: address.is_ipv4(),
        id: *ID,
        sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
        payload: payload(size),
        hop_limit: None,
    };
    Ok((socket, request))
}

/// Bytes that nobody can guess, as far as they go: an echo is believed by them.
fn payload(size: usize) -> Vec<u8> {
    let token = RandomState::new().hash_one(size).to_be_bytes();
    let rest = b"nines probe ".iter().cycle();
    token.iter().chain(rest).take(size).copied().collect()
}

fn unopened(address: IpAddr, error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let detail = "the operating system does not let nines send echo requests: `sysctl -w \
                      net.ipv4.ping_group_range=\"0 2147483647\"` lets every process, CAP_NET_RAW lets this one";
        return Fault::new(Reason::NotPermitted, detail);
    }
    let reason = connect_fault(SocketAddr::new(address, 0), error).reason;
    Fault::new(reason, format!("no socket for echo requests to {address}: {error}"))
}

fn unsent(address: IpAddr, error: &io::Error) -> Fault {
    // With `dont_fragment` a request that is too big is not sent: EMSGSIZE.
    if error.raw_os_error() == Some(90) {
        let detail = format!("the echo request to {address} is too big to be sent in one piece");
        return Fault::new(Reason::ConnectFailed, detail);
    }
    let reason = connect_fault(SocketAddr::new(address, 0), error).reason;
    Fault::new(reason, format!("the echo request to {address} was not sent: {error}"))
}

fn unheard(address: IpAddr, error: &io::Error) -> Fault {
    let reason = connect_fault(SocketAddr::new(address, 0), error).reason;
    Fault::new(reason, format!("no echo from {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::egress::Origin;
    use crate::source::http::now;

    async fn probed(module: IcmpModule, address: &str, origin: Origin) -> (Reason, Course) {
        let reach = Reach::new(Arc::default(), Arc::default(), origin);
        let mut course = Course::until(now() + Duration::from_millis(300));
        let address = address.parse().expect("an address");
        let result = speak(module, address, &reach, &mut course).await;
        (result.map_or_else(|fault| fault.reason, |()| Reason::Ok), course)
    }

    /// Where the machine that tests lets nobody send echo requests, that is what must be said.
    fn may_send() -> bool {
        EchoSocket::open(IcmpModule::default(), IpAddr::from([127, 0, 0, 1])).is_ok()
    }

    #[tokio::test]
    async fn an_echo_is_awaited_and_everything_else_is_said() {
        let plain = IcmpModule::default();
        let cases = [
            ("loopback answers", plain, "127.0.0.1", Reason::Ok),
            (
                "a big payload comes back whole",
                IcmpModule {
                    payload_size: 9_000,
                    ..plain
                },
                "127.0.0.1",
                Reason::Ok,
            ),
            (
                "a tiny one, too",
                IcmpModule {
                    payload_size: 1,
                    ..plain
                },
                "127.0.0.1",
                Reason::Ok,
            ),
            (
                "from a source address, with a ttl, in one piece",
                IcmpModule {
                    source: Some(IpAddr::from([127, 0, 0, 5])),
                    ttl: Some(3),
                    dont_fragment: true,
                    ..plain
                },
                "127.0.0.1",
                Reason::Ok,
            ),
            (
                "a source address that is not ours",
                IcmpModule {
                    source: Some(IpAddr::from([192, 0, 2, 1])),
                    ..plain
                },
                "127.0.0.1",
                Reason::NetworkDown,
            ),
            (
                "a source address of another kind",
                IcmpModule {
                    source: Some(IpAddr::from([127, 0, 0, 1])),
                    ..plain
                },
                "::1",
                Reason::Misconfigured,
            ),
            (
                "a payload that fits nowhere",
                IcmpModule {
                    payload_size: 70_000,
                    ..plain
                },
                "127.0.0.1",
                Reason::Misconfigured,
            ),
            (
                "an address that is refused",
                plain,
                "169.254.169.254",
                Reason::PolicyDenied,
            ),
        ];
        for (sentence, module, address, expected) in cases {
            let (reason, course) = probed(module, address, Origin::Configured).await;
            let sends = !matches!(expected, Reason::Misconfigured | Reason::PolicyDenied);
            let expected = if sends && !may_send() {
                Reason::NotPermitted
            } else {
                expected
            };
            assert_eq!(reason, expected, "{sentence}");
            if reason == Reason::Ok {
                assert!(course.spent(Phase::Rtt) > Duration::ZERO, "{sentence}");
                let hops = course
                    .measures
                    .iter()
                    .find(|known| known.name == "probe_icmp_reply_hop_limit");
                assert_eq!(hops.map(|known| known.value), Some(64.0), "{sentence}");
            }
        }
    }

    #[tokio::test]
    async fn a_thousand_at_once_each_find_their_own_echo() {
        if !may_send() {
            return;
        }
        let all = (0..1_000u32).map(|number| async move {
            let address = format!("127.0.{}.{}", number / 250, number % 250 + 1);
            probed(IcmpModule::default(), &address, Origin::Configured).await.0
        });
        let reasons = futures_util::future::join_all(all).await;
        assert_eq!(reasons.iter().filter(|reason| **reason == Reason::Ok).count(), 1_000);
    }
}
