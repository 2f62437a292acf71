//! How requests are made: who nines is, whom it trusts, and through whom it goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::secret::Secret;

/// What Prometheus calls an HTTP client's configuration.
#[derive(Clone, Debug, Default, Hash)]
pub struct HttpSettings {
    /// `basic_auth`, `authorization` or `oauth2`.
    pub auth: Auth,
    /// `http_headers`
    pub headers: Vec<SecretHeader>,
    /// `tls_config`
    pub tls: TlsSettings,
    /// `proxy_url` and what belongs to it.
    pub proxy: ProxySettings,
    /// `follow_redirects` turned off.
    pub no_redirects: bool,
}

/// How nines says who it is.
#[derive(Clone, Debug, Default, Hash)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// `basic_auth`
    Basic {
        /// The user.
        username: SecretSource,
        /// Its password.
        password: SecretSource,
    },
    /// `authorization`: `Bearer` by default.
    Header {
        /// The type.
        kind: String,
        /// What follows it.
        credentials: SecretSource,
    },
    /// `oauth2`: a token that is fetched with the credentials of a client.
    OAuth2(Box<OAuth2>),
}

/// `oauth2`
#[derive(Clone, Debug, Hash)]
pub struct OAuth2 {
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: SecretSource,
    /// `token_url`
    pub token_url: String,
    /// `scopes`
    pub scopes: Vec<String>,
    /// `endpoint_params`
    pub endpoint_params: BTreeMap<String, Secret>,
    /// How the server of the token is reached.
    pub tls: TlsSettings,
    /// Through whom it is reached.
    pub proxy: ProxySettings,
}

/// One of `http_headers`, with its values in the order of `values`, `secrets` and `files`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretHeader {
    /// The name.
    pub name: String,
    /// The values; each is sent in a header of its own.
    pub values: Vec<SecretSource>,
    /// Some of the values are secret.
    pub is_secret: bool,
}

/// Where a secret stands: in the config, or in a file that is read again for every use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// In the config, or in a variable named there.
    Inline(Secret),
    /// In a file of its own.
    File(PathBuf),
}

/// `proxy_url`, `proxy_from_environment`, `no_proxy` and `proxy_connect_header`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProxySettings {
    /// `proxy_url`, which may hold credentials.
    pub url: Option<Secret>,
    /// `proxy_from_environment`: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub from_environment: bool,
    /// `no_proxy`: hosts, domains and networks that are reached without it, separated by commas.
    pub no_proxy: String,
    /// `proxy_connect_header`: what the proxy is told.
    pub connect_headers: Vec<(String, Vec<Secret>)>,
}

impl ProxySettings {
    /// Whether requests may go through a proxy.
    pub fn is_used(&self) -> bool {
        self.url.is_some() || self.from_environment
    }
}

/// `tls_config`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// `ca_file`: whom to trust instead of the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// `cert_file`: the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// `key_file`: its key.
    pub key_file: Option<PathBuf>,
    /// `server_name`: the name that the server's certificate must bear, instead of the URL's.
    pub server_name: Option<String>,
    /// `insecure_skip_verify`
    pub insecure_skip_verify: bool,
    /// `min_version`, where it is above what is usual.
    pub min_version: Option<TlsVersion>,
    /// `max_version`
    pub max_version: Option<TlsVersion>,
}

/// The versions of TLS that nines speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}
