//! How a URL is asked for: with which client, as whom, and what is tried again.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use url::Url;

use super::client::{ClientKey, Clients, IDLE_MAX, Redirects};
use super::failure::missing;
use super::oauth2::Tokens;
use super::settings::{Auth, HttpSettings, SecretSource};
use super::way::Way;
use crate::domain::reading::{Missing, MissingReason};

/// Settings with what is shared by all who use them: clients, and the token of `oauth2`.
#[derive(Clone, Debug)]
pub struct Access {
    settings: Arc<HttpSettings>,
    clients: Arc<Clients>,
    tokens: Option<Arc<Tokens>>,
    idle_max: usize,
}

impl Access {
    /// Access with these settings.
    pub fn new(settings: HttpSettings, clients: Arc<Clients>) -> Self {
        let tokens = match &settings.auth {
            Auth::OAuth2(oauth2) => Some(Arc::new(Tokens::new((**oauth2).clone(), Arc::clone(&clients)))),
            _ => None,
        };
        Self {
            settings: Arc::new(settings),
            clients,
            tokens,
            idle_max: IDLE_MAX,
        }
    }

    /// The same for somebody who asks so many questions at once: as many connections are kept for the next ones.
    #[must_use]
    pub fn for_many(self, at_once: usize) -> Self {
        Self {
            idle_max: at_once.max(IDLE_MAX),
            ..self
        }
    }
}

/// Asks for one URL again and again.
#[derive(Debug)]
pub struct Requester {
    access: Access,
    key: ClientKey,
    /// What is requested; with `server_name`, under that name.
    url: Url,
    /// The URL's own host, where another one is requested.
    host: Option<HeaderValue>,
}

impl Requester {
    /// Asks for this URL.
    pub fn new(access: Access, url: &Url) -> Self {
        let settings = &access.settings;
        let keeps_secrets = settings.headers.iter().any(|header| header.is_secret);
        let mut key = ClientKey {
            tls: settings.tls.clone(),
            proxy: settings.proxy.clone(),
            redirects: match (settings.no_redirects, keeps_secrets) {
                (true, _) => Redirects::No,
                (false, true) => Redirects::SameOrigin,
                (false, false) => Redirects::Anywhere,
            },
            host_behind_name: None,
            idle_max: access.idle_max,
        };
        let (mut requested, mut host) = (url.clone(), None);
        // A proxy is told the host that it is to reach, so that there the name cannot stand in for it.
        if let ("https", false, Some(name), Some(behind)) =
            (url.scheme(), key.proxy.is_used(), &key.tls.server_name, url.host_str())
            && requested.set_host(Some(name)).is_ok()
        {
            key.host_behind_name = Some(behind.trim_matches(['[', ']']).to_owned());
            host = HeaderValue::from_str(&authority(url)).ok();
            // Requests bear the `Host` of the target: it must not be taken elsewhere.
            key.redirects = key.redirects.narrowed();
        }
        Self {
            access,
            key,
            url: requested,
            host,
        }
    }

    /// The answer's head; `shape` adds to the request what is the caller's own.
    pub async fn get(&self, shape: impl Fn(RequestBuilder) -> RequestBuilder) -> Result<Response, Missing> {
        self.ask(&Method::GET, shape).await
    }

    /// As `get`, with any method. A token that is not accepted is fetched anew, once.
    pub async fn ask(
        &self,
        method: &Method,
        shape: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Missing> {
        let way = self.access.clients.get(&self.key).await?;
        let Some(tokens) = &self.access.tokens else {
            return way.send(self.authorized(shape(self.plain(&way, method))).await?).await;
        };
        let token = tokens.get().await?;
        let request = async |token: &HeaderValue| {
            let request = self.authorized(shape(self.plain(&way, method))).await?;
            way.send(request.header(AUTHORIZATION, token.clone())).await
        };
        let answer = request(&token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        tokens.forget(&token).await;
        request(&tokens.get().await?).await
    }

    /// The request may go through a proxy, so that who answers is not the target itself.
    pub fn is_proxied(&self) -> bool {
        self.key.proxy.is_used()
    }

    /// What is requested.
    pub fn url(&self) -> &Url {
        &self.url
    }

    fn plain(&self, way: &Way, method: &Method) -> RequestBuilder {
        let request = way.request(method.clone(), self.url.clone());
        match &self.host {
            Some(host) => request.header(HOST, host),
            None => request,
        }
    }

    async fn authorized(&self, mut request: RequestBuilder) -> Result<RequestBuilder, Missing> {
        for header in &self.access.settings.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| unsendable("http_headers"))?;
            for value in &header.values {
                let mut value = sendable("http_headers", &expose("a header", value).await?)?;
                value.set_sensitive(header.is_secret);
                request = request.header(&name, value);
            }
        }
        match &self.access.settings.auth {
            Auth::None | Auth::OAuth2(_) => Ok(request),
            Auth::Basic { username, password } => {
                let username = expose("the user", username).await?;
                let password = expose("the password", password).await?;
                Ok(request.basic_auth(username, Some(password)))
            }
            Auth::Header { kind, credentials } => {
                let credentials = expose("the credentials", credentials).await?;
                let mut value = sendable("the credentials", &format!("{kind} {credentials}"))?;
                value.set_sensitive(true);
                Ok(request.header(AUTHORIZATION, value))
            }
        }
    }
}

impl Redirects {
    fn narrowed(self) -> Self {
        match self {
            Self::No => Self::No,
            Self::SameOrigin | Self::Anywhere => Self::SameOrigin,
        }
    }
}

/// A secret's text; files are read for every request, so that rotated ones are taken up.
pub async fn expose(what: &str, source: &SecretSource) -> Result<String, Missing> {
    match source {
        SecretSource::Inline(secret) => Ok(secret.expose().to_owned()),
        SecretSource::File(path) => match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => {
                let detail = format!("{what} cannot be read from {}: {error}", path.display());
                Err(missing(MissingReason::Connect, detail))
            }
        },
    }
}

/// The value of a header.
pub fn sendable(what: &str, text: &str) -> Result<HeaderValue, Missing> {
    HeaderValue::from_str(text).map_err(|_| unsendable(what))
}

fn unsendable(what: &str) -> Missing {
    let detail = format!("{what} hold a character that no header may hold");
    missing(MissingReason::Connect, detail)
}

/// `host:port`, without the port where it is the scheme's own.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
