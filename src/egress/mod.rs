//! The way out: names become addresses, and only those are given out to which a connection may be made.
//!
//! Whoever connects gets its addresses here and connects to them and to nothing else. So a name that says one thing when
//! it is judged and another when it is used says it in vain. Probes, which measure how long a name takes, hold their
//! addresses against the same policy by themselves.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::domain::egress::{Denied, EgressPolicy, Origin};

/// The way out of this daemon, shared by all who connect. A reload changes the policy for all of them at once.
#[derive(Clone)]
pub struct Egress {
    policy: Arc<ArcSwap<EgressPolicy>>,
    names: Arc<dyn Names>,
}

/// Who knows the addresses of names.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a host.
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// A connection that is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {denied}")]
pub struct Refused {
    /// Where it would have gone, as it was written.
    pub host: String,
    /// Why it does not.
    pub denied: Denied,
}

/// Resolves names for an HTTP client. Addresses that are written in a URL never come by here: they are for
/// [`Egress::judge_url`].
#[derive(Clone, Debug)]
pub struct Resolver {
    egress: Egress,
    origin: Origin,
}

/// The address that is a URL's host; `None` where it is a name.
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(v4) => Some(v4.into()),
        Host::Ipv6(v6) => Some(v6.into()),
        // Schemes that are not of the web, such as that of a proxy, leave addresses as they are written.
        Host::Domain(name) => name.parse().ok(),
    }
}

impl Egress {
    /// A way out under this policy, by the resolver of this machine.
    pub fn new(policy: EgressPolicy) -> Self {
        Self::by(policy, Arc::new(Machine))
    }

    /// A way out for which somebody else resolves names.
    pub fn by(policy: EgressPolicy, names: Arc<dyn Names>) -> Self {
        Self {
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            names,
        }
    }

    /// Replaces the policy.
    pub fn set(&self, policy: EgressPolicy) {
        if **self.policy.load() != policy {
            self.policy.store(Arc::new(policy));
        }
    }

    /// The policy as it stands now. As long as it stays, it stays the same allocation.
    pub fn policy(&self) -> Arc<EgressPolicy> {
        self.policy.load_full()
    }

    /// The addresses of a host to which a connection may be made: all that may be used, or why none of them.
    pub async fn resolve(&self, host: &str, port: u16, origin: Origin) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.names.lookup(bare, port).await?,
        };
        let policy = self.policy.load();
        let (mut allowed, mut refused) = (Vec::with_capacity(found.len()), None);
        for address in found {
            match policy.judge(address.ip(), origin) {
                Ok(()) => allowed.push(address),
                Err(denied) => refused = refused.or(Some(denied)),
            }
        }
        match refused {
            Some(denied) if allowed.is_empty() => {
                let host = bare.to_owned();
                Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    Refused { host, denied },
                ))
            }
            _ if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            _ => Ok(allowed),
        }
    }

    /// Refuses a URL whose host is an address that is refused. However it is written there (`0x7f.1`, `2130706433`), it
    /// has become an address when the URL was read. A name says nothing until it is resolved.
    pub fn judge_url(&self, url: &Url, origin: Origin) -> Result<(), Refused> {
        let Some(address) = literal(url) else {
            return Ok(());
        };
        let judged = self.policy.load().judge(address, origin);
        judged.map_err(|denied| Refused {
            host: url.host_str().unwrap_or_default().to_owned(),
            denied,
        })
    }

    /// A resolver for an HTTP client that goes where `origin` has chosen.
    pub fn resolver(&self, origin: Origin) -> Resolver {
        Resolver {
            egress: self.clone(),
            origin,
        }
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new(EgressPolicy::default())
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.policy).finish()
    }
}

impl Refused {
    /// The refusal among the causes of an error, inside of I/O errors too: these do not name what they wrap.
    pub fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(refused) = cause.downcast_ref() {
                return Some(refused);
            }
            let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = match wrapped {
                Some(inner) => Some(inner),
                None => cause.source(),
            };
        }
        None
    }
}

impl Resolver {
    /// The addresses of another host than the one that was asked for.
    pub fn resolve_host(&self, host: String) -> Resolving {
        let (egress, origin) = (self.egress.clone(), self.origin);
        Box::pin(async move {
            let found = egress.resolve(&host, 0, origin).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        self.resolve_host(name.as_str().to_owned())
    }
}

/// The resolver of this machine.
struct Machine;

#[async_trait]
impl Names for Machine {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
