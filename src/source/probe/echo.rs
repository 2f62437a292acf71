//! Echo requests and the sockets that carry them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::settings::IcmpModule;

/// The head of an echo, in bytes.
const HEAD: usize = 8;
/// No packet is longer, in bytes.
const PACKET_MAX: usize = 65_536;

/// An echo request, or its echo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    /// That of IPv4; of IPv6 otherwise.
    pub is_v4: bool,
    /// Whose it is. Sockets of datagrams are given their own by the kernel.
    pub id: u16,
    /// Which one it is.
    pub sequence: u16,
    /// What is sent, and must come back.
    pub payload: Vec<u8>,
    /// How many hops it might have gone on.
    pub hop_limit: Option<u8>,
}

impl Echo {
    /// The request as it is sent. Over IPv6 the checksum is the kernel's work.
    fn bytes(&self) -> Vec<u8> {
        let kind = if self.is_v4 { 8 } else { 128 };
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(&self.payload);
        if self.is_v4 {
            let sum = checksum(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
        }
        bytes
    }

    /// Reads an echo; nothing where it is something else. What a raw IPv4 socket hears begins with the head of IP.
    fn read(packet: &[u8], is_v4: bool, is_raw: bool, hop_limit: Option<u8>) -> Option<Self> {
        let head = if is_v4 && is_raw {
            usize::from(packet.first()? & 0x0f) * 4
        } else {
            0
        };
        let message = packet.get(head..)?;
        let kind = if is_v4 { 0 } else { 129 };
        let [read_kind, 0, _, _, id_high, id_low, high, low] = *message.first_chunk::<HEAD>()? else {
            return None;
        };
        (read_kind == kind).then(|| Self {
            is_v4,
            id: u16::from_be_bytes([id_high, id_low]),
            sequence: u16::from_be_bytes([high, low]),
            payload: message[HEAD..].to_vec(),
            hop_limit,
        })
    }
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low)))
        .sum();
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    !(folded as u16)
}

/// A socket for echoes with one address.
#[derive(Debug)]
pub(super) struct EchoSocket {
    // What the runtime calls a socket of UDP is any socket of packets.
    inner: UdpSocket,
    address: IpAddr,
    is_raw: bool,
}

impl EchoSocket {
    /// Opens it: unprivileged where that may be, raw otherwise.
    pub fn open(module: IcmpModule, address: IpAddr) -> io::Result<Self> {
        let (domain, protocol) = match address {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let (socket, is_raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, false),
            Err(_) => (Socket::new(domain, Type::RAW, Some(protocol))?, true),
        };
        socket.set_nonblocking(true)?;
        prepare(&socket, module, address)?;
        socket.connect(&SockAddr::from(SocketAddr::new(address, 0)))?;
        Ok(Self {
            inner: UdpSocket::from_std(socket.into())?,
            address,
            is_raw,
        })
    }

    /// Sends a request.
    pub async fn send(&self, request: &Echo) -> io::Result<()> {
        self.inner.send(&request.bytes()).await.map(|_| ())
    }

    /// Waits for the echo of a request; whatever else comes is passed over.
    pub async fn answer_to(&self, request: &Echo) -> io::Result<Echo> {
        let mut packet = vec![0; HEAD + 60 + request.payload.len() + 1];
        packet.resize(packet.len().min(PACKET_MAX), 0);
        loop {
            let take = || receive(&self.inner, &mut packet);
            let (length, from, hop_limit) = self.inner.async_io(Interest::READABLE, take).await?;
            let echo = packet
                .get(..length)
                .and_then(|packet| Echo::read(packet, self.address.is_ipv4(), self.is_raw, hop_limit));
            if let Some(echo) = echo
                && from == Some(self.address)
                && echo.sequence == request.sequence
                && echo.payload == request.payload
                && (!self.is_raw || echo.id == request.id)
            {
                return Ok(echo);
            }
        }
    }
}

fn prepare(socket: &Socket, module: IcmpModule, address: IpAddr) -> io::Result<()> {
    if let Some(source) = module.source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    // How many hops are left of an echo is good to know, and not worth an error.
    match address {
        IpAddr::V4(_) => {
            if let Some(ttl) = module.ttl {
                socket.set_ttl_v4(u32::from(ttl))?;
            }
            if module.dont_fragment {
                set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DO)?;
            }
            let _ = setsockopt(socket, sockopt::Ipv4RecvTtl, &true);
        }
        IpAddr::V6(_) => {
            if let Some(ttl) = module.ttl {
                socket.set_unicast_hops_v6(u32::from(ttl))?;
            }
            if module.dont_fragment {
                set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DO)?;
            }
            let _ = setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true);
        }
    }
    Ok(())
}

/// One packet: its length, who sent it, and its hop limit.
fn receive(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<(usize, Option<IpAddr>, Option<u8>)> {
    let mut control = cmsg_space!(i32);
    let mut pieces = [IoSliceMut::new(packet)];
    let received = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let from = received.address.as_ref().and_then(|from| {
        let v4 = from.as_sockaddr_in().map(|from| IpAddr::V4(from.ip()));
        v4.or_else(|| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())))
    });
    let hops = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
        _ => None,
    });
    Ok((received.bytes, from, hops))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(is_v4: bool) -> Echo {
        Echo {
            is_v4,
            id: 0x1234,
            sequence: 7,
            payload: b"abc".to_vec(),
            hop_limit: Some(60),
        }
    }

    #[test]
    fn a_request_is_written_as_the_rfc_has_it() {
        let v4 = echo(true).bytes();
        assert_eq!(v4, [8, 0, 0x21, 0x62, 0x12, 0x34, 0, 7, b'a', b'b', b'c']);
        assert_eq!(checksum(&v4), 0, "a checksum over itself is none");
        let v6 = echo(false).bytes();
        assert_eq!(v6[..4], [128, 0, 0, 0], "the kernel's work");
    }

    #[test]
    fn only_an_echo_is_read_as_one() {
        let body = [0, 0, 9, 9, 0x12, 0x34, 0, 7, b'a', b'b', b'c'];
        let mut headed = vec![0x46; 24];
        headed.extend(body);
        let mut v6 = body;
        v6[0] = 129;
        let cases: [(&str, &[u8], bool, bool, bool); 9] = [
            ("an echo", &body, true, false, true),
            ("behind a head of IP with options", &headed, true, true, true),
            ("an echo of ICMPv6", &v6, false, false, true),
            ("ICMPv6 has no head of IP", &v6, false, true, true),
            (
                "a request is no echo",
                &[8, 0, 0, 0, 0x12, 0x34, 0, 7],
                true,
                false,
                false,
            ),
            ("of the other family", &body, false, false, false),
            ("with a code", &[0, 1, 0, 0, 0x12, 0x34, 0, 7], true, false, false),
            ("cut off", &body[..7], true, false, false),
            ("nothing", &[], true, true, false),
        ];
        for (sentence, packet, is_v4, is_raw, is_one) in cases {
            let read = Echo::read(packet, is_v4, is_raw, Some(60));
            assert_eq!(read, is_one.then(|| echo(is_v4)), "{sentence}");
        }
    }
}
