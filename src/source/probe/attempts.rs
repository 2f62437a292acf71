//! Which addresses are tried, how often, and which try decides.

use std::net::IpAddr;
use std::time::Duration;

use super::settings::{AddressPolicy, IpChoice};
use crate::domain::verdict::{Outcome, Reason};

/// So many addresses of a name are tried at most.
const ADDRESSES_MAX: usize = 16;

/// The addresses that may be tried, in their order. Where one is tried, another one is there in case that this machine
/// has no way to any of its kind.
pub(super) fn plan(policy: AddressPolicy, ip: IpChoice, found: &[IpAddr]) -> Vec<IpAddr> {
    if policy != AddressPolicy::One {
        return found.iter().take(ADDRESSES_MAX).copied().collect();
    }
    let first = found.first().copied();
    let other = found
        .iter()
        .copied()
        .find(|other| ip.fallback && first.is_some_and(|first| first.is_ipv4() != other.is_ipv4()));
    first.into_iter().chain(other).collect()
}

/// Whether the next address is tried after one came to this.
pub(super) fn goes_on(policy: AddressPolicy, reason: Reason) -> bool {
    match policy {
        AddressPolicy::One => reason == Reason::NetworkDown,
        AddressPolicy::Each => reason.outcome() != Outcome::Bad,
        AddressPolicy::Any => reason.outcome() != Outcome::Good,
    }
}

/// Which of these tries decides: what is bad weighs more than what is not known.
pub(super) fn decider(policy: AddressPolicy, outcomes: &[Outcome]) -> usize {
    let last = |wanted: Outcome| outcomes.iter().rposition(|outcome| *outcome == wanted);
    let found = match policy {
        AddressPolicy::One => None,
        AddressPolicy::Each => last(Outcome::Bad).or_else(|| last(Outcome::Unknown)),
        AddressPolicy::Any => last(Outcome::Good).or_else(|| last(Outcome::Bad)),
    };
    found.unwrap_or(outcomes.len().saturating_sub(1))
}

/// How long an attempt may take when so many, this one among them, are to follow each other: one that is never
/// answered leaves time for those that confirm it.
pub(super) fn share(left: Duration, attempts: u32, delay: Duration) -> Duration {
    let delays = delay.saturating_mul(attempts.saturating_sub(1));
    match left.checked_sub(delays) {
        Some(left) if !left.is_zero() => left / attempts.max(1),
        _ => left,
    }
}

/// How long one address may take of what is left for so many of them: where any will do, one that is never answered
/// leaves time for the others.
pub(super) fn share_of_address(policy: AddressPolicy, left: Duration, addresses: usize) -> Duration {
    match policy {
        AddressPolicy::Any => left / u32::try_from(addresses.max(1)).unwrap_or(u32::MAX),
        AddressPolicy::One | AddressPolicy::Each => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_says_which_addresses_are_tried_and_which_decides() {
        use AddressPolicy::{Any, Each, One};
        // What each address would come to, how many are tried, and which decides.
        for (policy, reasons, tried, decides) in [
            (One, &[Reason::Ok, Reason::Ok][..], 1, 0),
            (One, &[Reason::ConnectRefused, Reason::Ok], 1, 0),
            (One, &[Reason::NetworkDown, Reason::Ok], 2, 1),
            (Each, &[Reason::Ok, Reason::Ok, Reason::Ok], 3, 2),
            (Each, &[Reason::Ok, Reason::HttpStatus, Reason::Ok], 2, 1),
            (Each, &[Reason::NetworkDown, Reason::Ok], 2, 0),
            (Each, &[Reason::NetworkDown, Reason::HttpStatus], 2, 1),
            (Any, &[Reason::Ok, Reason::HttpStatus], 1, 0),
            (Any, &[Reason::ConnectRefused, Reason::Ok, Reason::Ok], 2, 1),
            (Any, &[Reason::NetworkDown, Reason::Ok], 2, 1),
            (Any, &[Reason::ConnectRefused, Reason::NetworkDown], 2, 0),
            (Any, &[Reason::NetworkDown, Reason::PolicyDenied], 2, 1),
        ] {
            let stops = reasons.iter().position(|reason| !goes_on(policy, *reason));
            let count = stops.map_or(reasons.len(), |at| at + 1);
            assert_eq!(count, tried, "{policy:?} {reasons:?}");
            let outcomes: Vec<Outcome> = reasons[..count].iter().map(|reason| reason.outcome()).collect();
            assert_eq!(decider(policy, &outcomes), decides, "{policy:?} {reasons:?}");
        }
    }

    #[test]
    fn of_one_address_another_family_is_the_reserve() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let found: Vec<IpAddr> = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(address).to_vec();
        let ip = |fallback| IpChoice {
            prefers_v4: false,
            fallback,
        };
        for (policy, fallback, expected) in [
            (AddressPolicy::One, true, vec![found[0], found[2]]),
            (AddressPolicy::One, false, vec![found[0]]),
            (AddressPolicy::Each, true, found.clone()),
            (AddressPolicy::Any, true, found.clone()),
        ] {
            assert_eq!(plan(policy, ip(fallback), &found), expected, "{policy:?}");
        }
        assert!(plan(AddressPolicy::One, ip(true), &[]).is_empty());
    }

    #[test]
    fn attempts_share_the_time_that_is_left() {
        let s = Duration::from_secs;
        for (left, attempts, delay, expected) in [
            (s(10), 1, s(1), s(10)),
            (s(10), 3, s(2), s(2)),
            (s(6), 2, s(0), s(3)),
            (s(1), 3, s(1), s(1)),
            (s(0), 2, s(1), s(0)),
        ] {
            assert_eq!(share(left, attempts, delay), expected);
        }
        assert_eq!(share_of_address(AddressPolicy::Any, s(9), 3), s(3));
        assert_eq!(share_of_address(AddressPolicy::Each, s(9), 3), s(9));
    }
}
