//! Egress: where connections of the daemon may go.
//!
//! A name says nothing: what counts is the address to which a connection is about to be made. So this is asked with
//! every address, at every connection and every redirect, after the name was resolved and with the very address that is
//! used.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Where connections may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EgressPolicy {
    /// Networks that are allowed, whatever else is said but for `deny`.
    pub allow: Vec<IpNet>,
    /// Networks that are refused.
    pub deny: Vec<IpNet>,
}

/// Who chose the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The configuration, or a discovery that it names.
    Configured,
    /// Somebody who asked over the API, or a server that answered with a redirect.
    Requested,
}

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}, where the egress policy lets nothing go; {}", self.mend())]
pub struct Denied {
    /// Where it would have gone.
    pub address: IpAddr,
    /// What that is.
    pub what: &'static str,
}

/// What is said of networks that the configuration refuses.
const DENIED: &str = "denied by `egress`";

impl Denied {
    fn mend(&self) -> String {
        if self.what == DENIED {
            "`egress.deny` in nines.yml names it".to_owned()
        } else {
            format!("`egress: {{allow: [{}]}}` in nines.yml lets it", self.address)
        }
    }
}

/// Addresses under which clouds tell secrets to whoever asks, beyond those that are link-local and the network of Amazon.
const METADATA: [IpAddr; 8] = [
    // Google, Oracle, Scaleway, Akamai and Alibaba, over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0x0001)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0100, 0, 0, 0, 0, 0x0100, 0x0200)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Oracle.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Azure.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

impl EgressPolicy {
    /// Whether a connection to this address may be made. An address that is another one in disguise (IPv4 within IPv6)
    /// is judged as both.
    pub fn judge(&self, address: IpAddr, origin: Origin) -> Result<(), Denied> {
        let denied = |what| Err(Denied { address, what });
        let faces = [Some(address), inner(address)];
        let faces = || faces.into_iter().flatten();
        let within = |nets: &[IpNet]| faces().any(|face| nets.iter().any(|net| net.contains(&face)));
        if within(&self.deny) {
            return denied(DENIED);
        }
        if within(&self.allow) {
            return Ok(());
        }
        if faces().any(|face| METADATA.contains(&face) || is_amazon(face)) {
            return denied("the metadata service of a cloud");
        }
        if faces().any(is_link_local) {
            return denied("link-local, where metadata services of clouds are");
        }
        if faces().any(|face| face.is_multicast() || face == IpAddr::V4(Ipv4Addr::BROADCAST)) {
            return denied("an address of many");
        }
        if origin == Origin::Requested && faces().any(is_private) {
            return denied("private, and not named by the configuration");
        }
        Ok(())
    }

    /// Who has chosen where a redirect from this address leads: a server within a private network may lead on in it,
    /// one outside may not lead in.
    pub fn after_redirect(from: IpAddr, origin: Origin) -> Origin {
        let is_inside = [Some(from), inner(from)].into_iter().flatten().any(is_private);
        match origin {
            Origin::Configured if is_inside => Origin::Configured,
            _ => Origin::Requested,
        }
    }
}

/// `fd00:ec2::/32`: metadata of instances, credentials of pods.
fn is_amazon(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[..2] == [0xfd00, 0x0ec2])
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// Addresses that mean something only within a machine or a network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || a >= 240
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // NAT64 of a network's own (RFC 8215), which may keep the IPv4 address elsewhere.
            v6.segments()[..3] == [0x64, 0xff9b, 1]
                || v6.is_loopback()
                || v6.is_unspecified()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfec0
        }
    }
}

/// The IPv4 address within an IPv6 one: mapped and compatible (RFC 4291), translated (RFC 2765), by NAT64 (RFC 6052,
/// RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214).
fn inner(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0x2001, 0, .., high, low] => (!high, !low),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    Some(IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(policy: &EgressPolicy, address: &str, origin: Origin) -> bool {
        policy.judge(address.parse().expect("an address"), origin).is_ok()
    }

    #[test]
    fn metadata_and_link_local_are_refused_in_every_disguise() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd00:a9fe:a9fe::1",
            "fd00:100::100:200",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2001:db8::5efe:169.254.169.254",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            for origin in [Origin::Configured, Origin::Requested] {
                assert!(
                    !judged(&EgressPolicy::default(), address, origin),
                    "{address} {origin:?}"
                );
            }
        }
    }

    #[test]
    fn private_addresses_are_for_the_configuration() {
        for address in [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "127.0.0.1",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fc00::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1:a9fe:a9:fe00:808:808",
        ] {
            assert!(
                judged(&EgressPolicy::default(), address, Origin::Configured),
                "{address}"
            );
            assert!(
                !judged(&EgressPolicy::default(), address, Origin::Requested),
                "{address}"
            );
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(
                judged(&EgressPolicy::default(), address, Origin::Requested),
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_written_wins_and_deny_wins_over_allow() {
        let net = |text: &str| -> IpNet { text.parse().expect("a network") };
        let policy = EgressPolicy {
            allow: vec![net("169.254.20.10/32"), net("10.0.0.0/8")],
            deny: vec![net("10.9.0.0/16"), net("203.0.113.0/24")],
        };
        for (address, allowed) in [
            ("169.254.20.10", true),
            ("169.254.169.254", false),
            ("10.1.2.3", true),
            ("10.9.2.3", false),
            ("::ffff:10.9.2.3", false),
            ("203.0.113.7", false),
            ("192.168.0.1", false),
        ] {
            assert_eq!(judged(&policy, address, Origin::Requested), allowed, "{address}");
        }
    }

    #[test]
    fn a_redirect_from_outside_leads_nowhere_inside() {
        for (from, origin, after) in [
            ("10.0.0.1", Origin::Configured, Origin::Configured),
            ("8.8.8.8", Origin::Configured, Origin::Requested),
            ("10.0.0.1", Origin::Requested, Origin::Requested),
        ] {
            let from = from.parse().expect("an address");
            assert_eq!(EgressPolicy::after_redirect(from, origin), after);
        }
    }
}
