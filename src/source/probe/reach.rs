//! Reaching somebody: names become addresses, addresses are held against the egress policy, connections are made to
//! exactly those addresses.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver, TokioResolver};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::course::Course;
use super::own_side::OwnSide;
use super::settings::IpChoice;
use crate::domain::egress::{EgressPolicy, Origin};
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::http::now;

/// How long `/etc/resolv.conf` and `/etc/hosts` are taken to be as they were read.
const CONF_FOR: Duration = Duration::from_secs(30);

/// How a probe gets out: by which resolver, under which policy, and on whose account.
#[derive(Clone)]
pub struct Reach {
    names: Arc<Names>,
    egress: Arc<EgressPolicy>,
    origin: Origin,
    own_side: Arc<OwnSide>,
}

impl Reach {
    /// A way out for what `origin` has chosen.
    pub fn new(names: Arc<Names>, egress: Arc<EgressPolicy>, origin: Origin) -> Self {
        Self {
            names,
            egress,
            origin,
            own_side: Arc::default(),
        }
    }

    /// The same, with what watches our own side.
    #[must_use]
    pub fn beside(self, own_side: Arc<OwnSide>) -> Self {
        Self { own_side, ..self }
    }

    /// What is known of our own side.
    pub fn own_side(&self) -> &OwnSide {
        &self.own_side
    }

    /// Where connections may go.
    pub fn policy(&self) -> &EgressPolicy {
        &self.egress
    }

    /// The way on from a server at this address that has answered with a redirect.
    #[must_use]
    pub fn redirected_by(&self, from: IpAddr) -> Self {
        Self {
            origin: EgressPolicy::after_redirect(from, self.origin),
            ..self.clone()
        }
    }

    /// The way to what the configuration names, whoever has asked: a proxy.
    #[must_use]
    pub fn by_configuration(&self) -> Self {
        Self {
            origin: Origin::Configured,
            ..self.clone()
        }
    }

    /// The addresses of a host that may be used, the preferred ones first; a literal address is itself.
    pub async fn resolve(&self, host: &str, choice: IpChoice, course: &mut Course) -> Result<Vec<IpAddr>, Fault> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = if let Ok(address) = bare.parse::<IpAddr>() {
            course.add(Phase::Resolve, Duration::ZERO);
            vec![address]
        } else {
            let found = course
                .during(Phase::Resolve, Reason::DnsTimeout, self.names.lookup(bare))
                .await?;
            choose(&found, choice)
        };
        if found.is_empty() {
            let detail = format!("{bare} has no address of the wanted kind");
            return Err(Fault::new(Reason::DnsNoAddress, detail));
        }
        Ok(found)
    }

    /// Refuses an address that the policy refuses. To be asked with the very address that is used.
    pub fn judge(&self, address: IpAddr) -> Result<(), Fault> {
        self.egress
            .judge(address, self.origin)
            .map_err(|denied| Fault::new(Reason::PolicyDenied, denied.to_string()))
    }

    /// A TCP connection to this address and no other.
    pub async fn connect(
        &self,
        to: SocketAddr,
        source: Option<IpAddr>,
        course: &mut Course,
    ) -> Result<TcpStream, Fault> {
        self.judge(to.ip())?;
        course.address = Some(to.ip());
        let connect = async {
            let stream = dial(to, source).await.map_err(|error| connect_fault(to, &error))?;
            // Probes are small and wait for their answers.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        };
        course.during(Phase::Connect, Reason::ConnectTimeout, connect).await
    }
}

async fn dial(to: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(to).await
}

/// Why a connection could not be made. What only this machine can be the cause of is no fault of the service.
pub fn connect_fault(to: SocketAddr, error: &io::Error) -> Fault {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        // A router may have said so, or this machine itself: its own routes will tell.
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Reason::ConnectUnreachable,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Reason::ConnectionClosed,
        io::ErrorKind::NetworkDown | io::ErrorKind::AddrNotAvailable => Reason::NetworkDown,
        io::ErrorKind::PermissionDenied => Reason::NotPermitted,
        _ if is_exhausted(error) => Reason::Overloaded,
        _ => Reason::ConnectFailed,
    };
    Fault::new(reason, format!("no connection to {to}: {error}"))
}

/// Too many open files, or no memory for another socket: `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` on Linux.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

/// The preferred addresses first; only those where there is no falling back.
fn choose(found: &[IpAddr], choice: IpChoice) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    let unique: Vec<IpAddr> = found.iter().copied().filter(|address| seen.insert(*address)).collect();
    let (mut chosen, others): (Vec<IpAddr>, Vec<IpAddr>) = unique
        .into_iter()
        .partition(|address| address.is_ipv4() == choice.prefers_v4);
    if choice.fallback {
        chosen.extend(others);
    }
    chosen
}

/// The resolver: the name servers and hosts of this machine, without a cache, so that every probe sees the truth.
#[derive(Default)]
pub struct Names(Mutex<Option<(Instant, Arc<TokioResolver>)>>);

impl Names {
    /// All addresses of a name.
    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        let resolver = self.resolver()?;
        match resolver.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) => Err(name_fault(host, &error)),
        }
    }

    /// The resolver; its files are read again now and then.
    fn resolver(&self) -> Result<Arc<TokioResolver>, Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_at, resolver)) = known.as_ref()
            && now() < *read_at + CONF_FOR
        {
            return Ok(Arc::clone(resolver));
        }
        let unusable =
            |why: String| Fault::new(Reason::Misconfigured, format!("/etc/resolv.conf cannot be used: {why}"));
        let (config, mut options) = read_system_conf().map_err(|error| unusable(error.to_string()))?;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Always;
        options.ip_strategy = hickory_resolver::config::LookupIpStrategy::Ipv4AndIpv6;
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = Arc::new(builder.build().map_err(|error| unusable(error.to_string()))?);
        *known = Some((now(), Arc::clone(&resolver)));
        Ok(resolver)
    }
}

/// Why a name has no address.
fn name_fault(host: &str, error: &NetError) -> Fault {
    let (reason, detail) = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NXDomain => {
            (Reason::DnsNxdomain, format!("there is no name {host}"))
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            (Reason::DnsNoAddress, format!("{host} has no address"))
        }
        NetError::Timeout => (
            Reason::DnsTimeout,
            format!("no name server has answered for {host} in time"),
        ),
        other => (Reason::DnsFailure, format!("{host} does not resolve: {other}")),
    };
    Fault::new(reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_addresses_come_first_and_others_only_as_a_fallback() {
        let found: Vec<IpAddr> = ["10.0.0.1", "::1", "10.0.0.1", "10.0.0.2"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        for (prefers_v4, fallback, expected) in [
            (true, true, vec!["10.0.0.1", "10.0.0.2", "::1"]),
            (false, true, vec!["::1", "10.0.0.1", "10.0.0.2"]),
            (true, false, vec!["10.0.0.1", "10.0.0.2"]),
            (false, false, vec!["::1"]),
        ] {
            let choice = IpChoice { prefers_v4, fallback };
            let chosen: Vec<String> = choose(&found, choice).iter().map(ToString::to_string).collect();
            assert_eq!(chosen, expected);
        }
    }

    #[tokio::test]
    async fn an_address_that_the_policy_refuses_is_not_connected_to() {
        let reach = Reach::new(Arc::default(), Arc::default(), Origin::Requested);
        let mut course = Course::until(now() + Duration::from_secs(5));
        let fault = reach.connect(([127, 0, 0, 1], 9).into(), None, &mut course).await;
        assert_eq!(fault.map_err(|fault| fault.reason).err(), Some(Reason::PolicyDenied));
        assert_eq!(course.address, None);
    }
}
