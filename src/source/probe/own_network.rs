//! Whether this machine has a way to an address at all. Asked after a silence: a cut of our own is no fault of the
//! service.
//!
//! The kernel is asked for the route, so that rules and further tables count; the main table says through which
//! interface it leads, and the interface whether its link is there.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

/// So many lines of a table are read at most: a router may hold the whole internet's.
const ROUTES_MAX: usize = 20_000;

/// What is known of this machine's network.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnNetwork {
    is_known: bool,
    routes: Vec<Route>,
    neighbours: String,
    links: HashMap<String, bool>,
    name_servers: Vec<IpAddr>,
}

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    to: IpNet,
    gateway: Option<IpAddr>,
    interface: String,
    metric: u32,
}

/// What the kernel says of the way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It leads out.
    Out,
    /// The address is of this machine.
    Here,
    /// There is none.
    None,
}

impl OwnNetwork {
    /// Reads it; what cannot be read is taken to be well.
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let table = read("/proc/net/route");
        let mut routes = routes_v4(&table);
        routes.extend(routes_v6(&read("/proc/net/ipv6_route")));
        let mut links = HashMap::new();
        for route in &routes {
            if !links.contains_key(&route.interface) {
                let folder = format!("/sys/class/net/{}", route.interface);
                let is_up = is_up(
                    &read(&format!("{folder}/operstate")),
                    &read(&format!("{folder}/carrier")),
                );
                links.insert(route.interface.clone(), is_up);
            }
        }
        Self {
            is_known: !table.is_empty(),
            routes,
            neighbours: read("/proc/net/arp"),
            links,
            name_servers: name_servers(&read("/etc/resolv.conf")),
        }
    }

    /// Why nothing reaches this address from here; `None` where the cause is elsewhere.
    pub fn fault_towards(&self, address: IpAddr) -> Option<String> {
        self.fault(address, way_to(address))
    }

    /// Why no name server is reached from here; `None` where the cause is elsewhere.
    pub fn fault_towards_names(&self) -> Option<String> {
        self.name_fault(way_to)
    }

    /// The interfaces whose link is down.
    pub fn down(&self) -> impl Iterator<Item = &str> {
        self.links
            .iter()
            .filter(|(_, is_up)| !**is_up)
            .map(|(name, _)| name.as_str())
    }

    /// The interface through which an address is reached.
    pub fn interface_to(&self, address: IpAddr) -> Option<&str> {
        self.route_to(address).map(|route| route.interface.as_str())
    }

    fn fault(&self, address: IpAddr, way: Way) -> Option<String> {
        if address.is_loopback() {
            return None;
        }
        match way {
            Way::Here => None,
            Way::None if address.is_ipv6() => Some(format!(
                "this machine has no route to {address} (`preferred_ip_protocol: ip4` probes over IPv4)"
            )),
            Way::None => Some(format!("this machine has no route to {address}")),
            Way::Out => {
                let route = self.route_to(address)?;
                let interface = &route.interface;
                if self.links.get(interface) == Some(&false) {
                    return Some(format!("the link of {interface}, the way to {address}, is down"));
                }
                let gateway = route
                    .gateway
                    .filter(|gateway| is_unanswered(&self.neighbours, *gateway, interface))?;
                Some(format!(
                    "the gateway {gateway} on {interface}, the way to {address}, does not answer"
                ))
            }
        }
    }

    fn name_fault(&self, way: impl Fn(IpAddr) -> Way) -> Option<String> {
        let (own, others): (Vec<IpAddr>, Vec<IpAddr>) = self
            .name_servers
            .iter()
            .partition(|address| address.is_loopback() || way(**address) == Way::Here);
        if own.is_empty() && !others.is_empty() {
            let faults: Option<Vec<String>> = others
                .iter()
                .map(|address| self.fault(*address, way(*address)))
                .collect();
            return Some(format!("no name server can be asked: {}", faults?.join(", ")));
        }
        // A name server of our own asks others, and nobody knows whom: without any link it cannot.
        let mut outer = self.links.iter().filter(|(name, _)| *name != "lo").peekable();
        if outer.peek().is_some() && outer.all(|(_, is_up)| !is_up) {
            return Some("no name server can be asked: no link is up".to_owned());
        }
        let has_routes = self.routes.iter().any(|route| route.interface != "lo");
        (self.is_known && !has_routes).then(|| "no name server can be asked: this machine has no routes".to_owned())
    }

    /// The longest route to an address; of those as long the one with the lowest metric.
    fn route_to(&self, address: IpAddr) -> Option<&Route> {
        let to = self.routes.iter().filter(|route| route.to.contains(&address));
        to.max_by_key(|route| (route.to.prefix_len(), std::cmp::Reverse(route.metric)))
    }
}

/// Asks the kernel for the way to an address; nothing is sent.
fn way_to(address: IpAddr) -> Way {
    let any = match address {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let asked = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    });
    match asked {
        Ok(from) if from.ip() == address => Way::Here,
        Err(error) if is_no_way(&error) => Way::None,
        _ => Way::Out,
    }
}

fn is_no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
    )
}

const UP: u32 = 0x1;
const GATEWAY: u32 = 0x2;
const REJECT: u32 = 0x200;

/// `/proc/net/route`: addresses as the numbers of this machine.
fn routes_v4(text: &str) -> Vec<Route> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, to, gateway, flags, _, _, metric, mask, ..] = fields[..] else {
            return None;
        };
        let address = |hex: &str| Some(Ipv4Addr::from(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes()));
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let prefix = ipnet::ipv4_mask_to_prefix(address(mask)?).ok()?;
        let gateway = address(gateway)?;
        usable(flags, interface)?;
        Some(Route {
            to: IpNet::new(address(to)?.into(), prefix).ok()?,
            gateway: (flags & GATEWAY != 0).then_some(gateway.into()),
            interface: interface.to_owned(),
            metric: metric.parse().ok()?,
        })
    };
    text.lines().skip(1).take(ROUTES_MAX).filter_map(read).collect()
}

/// `/proc/net/ipv6_route`
fn routes_v6(text: &str) -> Vec<Route> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [to, prefix, _, _, gateway, metric, _, _, flags, interface] = fields[..] else {
            return None;
        };
        let address = |hex: &str| Some(Ipv6Addr::from(u128::from_str_radix(hex, 16).ok()?));
        let number = |hex: &str| u32::from_str_radix(hex, 16).ok();
        let flags = number(flags)?;
        let gateway = address(gateway)?;
        usable(flags, interface)?;
        Some(Route {
            to: IpNet::new(address(to)?.into(), number(prefix)? as u8).ok()?,
            gateway: (flags & GATEWAY != 0).then_some(gateway.into()),
            interface: interface.to_owned(),
            metric: number(metric)?,
        })
    };
    text.lines().take(ROUTES_MAX).filter_map(read).collect()
}

fn usable(flags: u32, interface: &str) -> Option<()> {
    (flags & UP != 0 && flags & REJECT == 0 && interface != "*").then_some(())
}

/// Whether an interface's link is there, by its `operstate` and `carrier`; tunnels know neither, and are up.
fn is_up(operstate: &str, carrier: &str) -> bool {
    let is_down = matches!(operstate.trim(), "down" | "lowerlayerdown" | "notpresent");
    !is_down && carrier.trim() != "0"
}

/// Whether a neighbour was asked for, and has not answered: `/proc/net/arp`.
fn is_unanswered(neighbours: &str, address: IpAddr, interface: &str) -> bool {
    neighbours.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [of, _, "0x0", _, _, on] if on == interface && of.parse() == Ok(address))
    })
}

fn name_servers(text: &str) -> Vec<IpAddr> {
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words
            .next()
            .filter(|word| *word == "nameserver")
            .and_then(|_| words.next())?;
        address.split('%').next()?.parse().ok()
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        wg0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n\
        *\t0000000B\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n\
        eth9\tnonsense\n";
    const V6: &str = "\
        20010db8000000000000000000000000 20 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n\
        192.0.2.1        0x1         0x0         00:00:00:00:00:00     *        eth0\n\
        192.168.1.1      0x1         0x2         02:fc:00:00:00:05     *        wlan0\n";

    fn network(down: &[&str], neighbours: &str) -> OwnNetwork {
        let mut routes = routes_v4(V4);
        routes.extend(routes_v6(V6));
        let links = routes
            .iter()
            .map(|route| (route.interface.clone(), !down.contains(&route.interface.as_str())));
        OwnNetwork {
            is_known: true,
            links: links.collect(),
            routes,
            neighbours: neighbours.to_owned(),
            name_servers: Vec::new(),
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_longest_route_is_taken() {
        let own = network(&[], "");
        assert_eq!(own.routes.len(), 6, "{:?}", own.routes);
        for (address, interface, gateway) in [
            ("192.0.2.9", "eth0", None),
            ("10.1.2.3", "wg0", None),
            ("203.0.113.1", "eth0", Some("192.0.2.1")),
            ("2001:db8::1", "eth0", None),
            ("2606:4700::1", "eth0", Some("fe80::1")),
        ] {
            let route = own.route_to(address.parse().unwrap()).unwrap();
            let gateway = gateway.map(|gateway: &str| gateway.parse().unwrap());
            assert_eq!(
                (route.interface.as_str(), route.gateway),
                (interface, gateway),
                "{address}"
            );
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_cut_of_our_own_is_told_from_one_elsewhere() {
        type Case<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, Way, bool);
        let cases: [Case<'_>; 12] = [
            ("all is well", &[], "", "203.0.113.1", Way::Out, false),
            ("no route", &[], "", "203.0.113.1", Way::None, true),
            (
                "the link of the way is down",
                &["eth0"],
                "",
                "203.0.113.1",
                Way::Out,
                true,
            ),
            ("over IPv6, too", &["eth0"], "", "2606:4700::1", Way::Out, true),
            ("to a neighbour, too", &["eth0"], "", "192.0.2.9", Way::Out, true),
            (
                "another link is down",
                &["wlan0", "wg0"],
                "",
                "203.0.113.1",
                Way::Out,
                false,
            ),
            ("the gateway does not answer", &[], ARP, "203.0.113.1", Way::Out, true),
            ("a neighbour does not answer", &[], ARP, "192.0.2.1", Way::Out, false),
            ("another gateway does not answer", &[], ARP, "10.1.2.3", Way::Out, false),
            ("loopback never", &["eth0"], ARP, "127.0.0.1", Way::None, false),
            ("nor this machine", &["eth0"], ARP, "192.0.2.2", Way::Here, false),
            ("a way that rules make", &[], "", "11.1.2.3", Way::Out, false),
        ];
        for (sentence, down, neighbours, address, way, is_ours) in cases {
            let fault = network(down, neighbours).fault(address.parse().unwrap(), way);
            assert_eq!(fault.is_some(), is_ours, "{sentence}: {fault:?}");
        }
    }

    #[test]
    fn a_link_is_up_unless_somebody_says_otherwise() {
        for (operstate, carrier, expected) in [
            ("up\n", "1\n", true),
            ("unknown\n", "1\n", true),
            ("", "", true),
            ("dormant\n", "1\n", true),
            ("down\n", "", false),
            ("lowerlayerdown\n", "0\n", false),
            ("unknown\n", "0\n", false),
        ] {
            assert_eq!(is_up(operstate, carrier), expected, "{operstate:?} {carrier:?}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn name_servers_are_reached_or_not() {
        let out = |_| Way::Out;
        let none = |_| Way::None;
        let read =
            name_servers("# x\nsearch a.b\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\noptions x\n");
        assert_eq!(read.len(), 2);
        let with = |down: &[&str], servers: &[&str]| OwnNetwork {
            name_servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
            ..network(down, "")
        };
        let all = ["eth0", "wlan0", "wg0"];
        type Case = (&'static str, OwnNetwork, fn(IpAddr) -> Way, bool);
        let cases: [Case; 8] = [
            ("reached", with(&[], &["192.0.2.53"]), out, false),
            ("none is reached", with(&[], &["192.0.2.53", "10.0.0.53"]), none, true),
            (
                "one of them is",
                with(&["eth0"], &["192.0.2.53", "10.0.0.53"]),
                out,
                false,
            ),
            ("one of our own", with(&["eth0"], &["127.0.0.53"]), out, false),
            ("one of our own without a link", with(&all, &["127.0.0.53"]), out, true),
            ("none is named, and no link is up", with(&all, &[]), out, true),
            (
                "no routes at all",
                OwnNetwork {
                    is_known: true,
                    ..OwnNetwork::default()
                },
                out,
                true,
            ),
            ("nothing is known", OwnNetwork::default(), out, false),
        ];
        for (sentence, own, way, is_ours) in cases {
            assert_eq!(own.name_fault(way).is_some(), is_ours, "{sentence}");
        }
    }

    #[test]
    fn this_machine_reaches_itself() {
        assert_eq!(way_to(IpAddr::from([127, 0, 0, 1])), Way::Here);
        assert_eq!(OwnNetwork::read().fault_towards(IpAddr::from([127, 0, 0, 1])), None);
    }
}
