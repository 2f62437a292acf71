//! HTTP clients, one for each distinct way of reaching targets, so that connections and roots are shared.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, NoProxy, Proxy, tls};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::failure::missing;
use super::now;
use super::settings::{ProxySettings, TlsSettings, TlsVersion};
use super::way::Way;
use crate::domain::egress::EgressPolicy;
use crate::domain::reading::{Missing, MissingReason};
use crate::egress::{Egress, Resolver};

/// How long an idle connection is kept, as in Prometheus: longer than usual scrape intervals.
const IDLE: Duration = Duration::from_mins(5);

/// How many idle connections to a host are kept where one question follows the other.
pub const IDLE_MAX: usize = 2;

/// What tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// `tls_config`
    pub tls: TlsSettings,
    /// Through whom they are reached.
    pub proxy: ProxySettings,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// With `server_name`: the host that is connected to, while requests are made to `server_name`.
    pub host_behind_name: Option<String>,
    /// How many idle connections to a host are kept.
    pub idle_max: usize,
}

/// Which redirects a client follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// None.
    No,
    /// Those to the same scheme, host and port: the request holds what is meant for nobody else.
    SameOrigin,
    /// All.
    Anywhere,
}

/// How long a client is kept that nobody asks for: with `server_name` every host has its own, and hosts go.
const UNUSED_MAX: Duration = Duration::from_mins(10);

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    egress: Egress,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    clients: HashMap<ClientKey, Built>,
    /// When the unused ones were last dropped.
    pruned: Option<Instant>,
}

#[derive(Debug)]
struct Built {
    way: Arc<Way>,
    /// What the files of `tls_config` looked like.
    files: Vec<Option<(SystemTime, u64)>>,
    /// Under which policy its connections were made.
    policy: Arc<EgressPolicy>,
    /// When it was last asked for.
    used: Instant,
}

impl Clients {
    /// No client yet; all will go out there.
    pub fn new(egress: Egress) -> Self {
        Self {
            egress,
            known: Mutex::default(),
        }
    }

    /// The way for this key. It is built anew when a certificate or key file has changed, or the policy: connections
    /// that are kept were made under the one before.
    pub async fn get(&self, key: &ClientKey) -> Result<Arc<Way>, Missing> {
        let files = stamps(&key.tls).await;
        let mut known = self.known.lock().await;
        let now = now();
        known.prune(now);
        let policy = self.egress.policy();
        if let Some(built) = known.clients.get_mut(key)
            && built.files == files
            && Arc::ptr_eq(&built.policy, &policy)
        {
            built.used = now;
            return Ok(Arc::clone(&built.way));
        }
        let way = Arc::new(Way::new(key.clone(), self.egress.clone()).await?);
        let built = Built {
            way: Arc::clone(&way),
            files,
            policy,
            used: now,
        };
        known.clients.insert(key.clone(), built);
        Ok(way)
    }

    /// How many are kept.
    #[cfg(test)]
    pub async fn kept(&self) -> usize {
        self.known.lock().await.clients.len()
    }
}

impl Known {
    /// Drops what has not been used for long, now and then.
    fn prune(&mut self, now: Instant) {
        if *self.pruned.get_or_insert(now) + UNUSED_MAX <= now {
            self.pruned = Some(now);
            self.clients.retain(|_, built| now < built.used + UNUSED_MAX);
        }
    }
}

/// When each of the files was changed, and its length.
async fn stamps(tls: &TlsSettings) -> Vec<Option<(SystemTime, u64)>> {
    let mut stamps = Vec::new();
    for path in [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten() {
        let stamp = match tokio::fs::metadata(path).await {
            Ok(file) => file.modified().ok().map(|at| (at, file.len())),
            Err(_) => None,
        };
        stamps.push(stamp);
    }
    stamps
}

/// A client for requests whose way `resolver` knows. It follows no redirect by itself.
pub(super) async fn build(key: &ClientKey, resolver: &Resolver) -> Result<Client, Missing> {
    let authorities = match &key.tls.ca_file {
        Some(path) => Some(
            Certificate::from_pem_bundle(&read("ca_file", path).await?)
                .map_err(|_| unusable("ca_file", path, "it holds no PEM certificates"))?,
        ),
        None => None,
    };
    let identity = identity(&key.tls).await?;
    let builder = |authorities: Option<Vec<Certificate>>| {
        let mut builder = base(key, resolver)?;
        if let Some(authorities) = authorities {
            builder = builder.tls_certs_only(authorities);
        }
        Ok(match identity.clone() {
            Some(identity) => builder.identity(identity),
            None => builder,
        })
    };
    let built = match authorities {
        Some(authorities) => builder(Some(authorities))?.build(),
        // A system without authorities can still scrape without TLS; with TLS the visit says what is wrong.
        None => match builder(None)?.build() {
            Ok(client) => Ok(client),
            Err(_) => builder(Some(Vec::new()))?.build(),
        },
    };
    built.map_err(|_| {
        missing(
            MissingReason::Tls,
            "tls_config cannot be used: the certificate and its key do not fit",
        )
    })
}

fn base(key: &ClientKey, resolver: &Resolver) -> Result<ClientBuilder, Missing> {
    let mut builder = Client::builder()
        .user_agent(concat!("nines/", env!("CARGO_PKG_VERSION")))
        .referer(false)
        // gzip is unpacked where bodies are read, see `body`.
        .no_gzip()
        .redirect(Policy::none())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(key.idle_max)
        .tls_danger_accept_invalid_certs(key.tls.insecure_skip_verify);
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls12 => tls::Version::TLS_1_2,
        TlsVersion::Tls13 => tls::Version::TLS_1_3,
    };
    if let Some(least) = key.tls.min_version {
        builder = builder.tls_version_min(version(least));
    }
    if let Some(most) = key.tls.max_version {
        builder = builder.tls_version_max(version(most));
    }
    let builder = through(builder, &key.proxy)?;
    Ok(match (&key.tls.server_name, &key.host_behind_name) {
        (Some(name), Some(host)) => builder.dns_resolver(Arc::new(Behind {
            name: name.clone(),
            host: host.clone(),
            resolver: resolver.clone(),
        })),
        _ => builder.dns_resolver(Arc::new(resolver.clone())),
    })
}

/// A client that goes through the proxy, if there is one.
fn through(builder: ClientBuilder, settings: &ProxySettings) -> Result<ClientBuilder, Missing> {
    let Some(url) = &settings.url else {
        return Ok(if settings.from_environment {
            builder
        } else {
            builder.no_proxy()
        });
    };
    let unusable = |what: &str| missing(MissingReason::Connect, format!("{what} cannot be used"));
    let url = Url::parse(url.expose()).map_err(|_| unusable("proxy_url"))?;
    let proxy = Proxy::all(url).map_err(|_| unusable("proxy_url"))?;
    let mut headers = HeaderMap::new();
    for (name, values) in &settings.connect_headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable("proxy_connect_header"))?;
        for value in values {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| unusable("proxy_connect_header"))?;
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
    }
    let proxy = proxy.no_proxy(NoProxy::from_string(&settings.no_proxy));
    let proxy = if headers.is_empty() {
        proxy
    } else {
        proxy.headers(headers)
    };
    Ok(builder.proxy(proxy))
}

async fn identity(tls: &TlsSettings) -> Result<Option<Identity>, Missing> {
    let (Some(certificate), Some(key)) = (&tls.cert_file, &tls.key_file) else {
        return Ok(None);
    };
    let mut pem = read("key_file", key).await?;
    pem.push(b'\n');
    pem.extend(read("cert_file", certificate).await?);
    let identity = Identity::from_pem(&pem);
    let identity = identity.map_err(|_| unusable("cert_file", certificate, "it or key_file holds no usable PEM"))?;
    Ok(Some(identity))
}

async fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Missing> {
    tokio::fs::read(path)
        .await
        .map_err(|error| unusable(setting, path, &error.to_string()))
}

fn unusable(setting: &str, path: &Path, why: &str) -> Missing {
    let detail = format!("{setting} {} cannot be used: {why}", path.display());
    missing(MissingReason::Tls, detail)
}

/// Resolves `server_name` to the host that really is connected to, so that TLS asks for and checks that name.
#[derive(Debug)]
struct Behind {
    name: String,
    host: String,
    resolver: Resolver,
}

impl Resolve for Behind {
    fn resolve(&self, name: Name) -> Resolving {
        let asked = name.as_str();
        let host = if asked == self.name { &self.host } else { asked };
        self.resolver.resolve_host(host.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_nobody_asks_for_any_more_is_dropped() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = |host: &str| ClientKey {
            tls: TlsSettings::default(),
            proxy: ProxySettings::default(),
            redirects: Redirects::No,
            idle_max: 2,
            host_behind_name: Some(host.to_owned()),
        };
        let clients = Clients::default();
        for host in ["a", "b"] {
            clients.get(&key(host)).await.expect("a client");
        }
        for (minutes, expected) in [(6, 2), (6, 1), (6, 1)] {
            tokio::time::advance(Duration::from_mins(minutes)).await;
            clients.get(&key("a")).await.expect("a client");
            assert_eq!(clients.kept().await, expected);
        }
    }
}
