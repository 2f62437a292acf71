//! The way of one request: whom it may be sent to, and where redirects lead.
//!
//! Redirects are followed here and not by the HTTP client, because each of them is judged by where it comes from: a
//! server outside must not lead into the network that nines stands in.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, LOCATION,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use reqwest::{Client, Method, Request, RequestBuilder, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use super::client::{ClientKey, Redirects, build};
use super::failure::{missing, no_answer, not_allowed};
use super::settings::ProxySettings;
use crate::domain::egress::{EgressPolicy, Origin};
use crate::domain::reading::{Missing, MissingReason};
use crate::egress::{Egress, literal};

/// How often one visit follows a redirect, as in Prometheus.
const REDIRECTS_MAX: usize = 10;

/// What describes a body, and goes with it.
const OF_BODIES: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING];

/// What is meant for one server and nobody else. Headers that the config calls secret forbid to leave it at all.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Sends requests where they may go.
#[derive(Debug)]
pub struct Way {
    key: ClientKey,
    egress: Egress,
    proxies: Option<Matcher>,
    /// For where the configuration leads.
    configured: Client,
    /// For where others lead: its connections are its own.
    requested: OnceCell<Client>,
}

/// An answer that comes from another address than the one that was asked.
#[derive(Clone)]
struct Redirected;

/// Redirects were followed to this answer.
pub fn was_redirected(answer: &Response) -> bool {
    answer.extensions().get::<Redirected>().is_some()
}

impl Way {
    /// The way that this key describes.
    pub async fn new(key: ClientKey, egress: Egress) -> Result<Self, Missing> {
        let configured = build(&key, &egress.resolver(Origin::Configured)).await?;
        Ok(Self {
            proxies: proxies(&key.proxy),
            key,
            egress,
            configured,
            requested: OnceCell::new(),
        })
    }

    /// A request that can be sent on this way.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.configured.request(method, url)
    }

    /// Sends a request for what the configuration names, and follows redirects as far as they may be followed.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Missing> {
        let request = request.build().map_err(|error| no_answer(&error))?;
        self.follow(request, Origin::Configured).await
    }

    async fn follow(&self, mut request: Request, mut origin: Origin) -> Result<Response, Missing> {
        let mut followed = 0;
        loop {
            let again = request.try_clone();
            let mut response = self.once(request, again.as_ref(), origin).await?;
            if followed > 0 {
                response.extensions_mut().insert(Redirected);
            }
            let Some((asked, to)) = again.and_then(|asked| Some((asked, self.leads_to(&response)?))) else {
                return Ok(response);
            };
            if followed == REDIRECTS_MAX {
                return match self.key.redirects {
                    Redirects::Anywhere => Err(missing(MissingReason::Status, "too many redirects")),
                    Redirects::SameOrigin | Redirects::No => Ok(response),
                };
            }
            if !matches!(to.scheme(), "http" | "https") {
                let detail = format!("a redirect leads to {}:, which is not followed", to.scheme());
                return Err(missing(MissingReason::Status, detail));
            }
            origin = self.origin_after(&response, origin);
            request = redirected(asked, response.status(), to);
            followed += 1;
        }
    }

    /// Sends one request. A kept connection may have been closed by the other side just before it was used, so a
    /// connection that ends before an answer is given a second chance.
    async fn once(&self, request: Request, again: Option<&Request>, origin: Origin) -> Result<Response, Missing> {
        let client = self.client(request.url(), origin).await?;
        let answer = match (client.execute(request).await, again.and_then(Request::try_clone)) {
            (Err(error), Some(again)) if error.is_request() && !error.is_connect() => client.execute(again).await,
            (answer, _) => answer,
        };
        answer.map_err(|error| no_answer(&error))
    }

    /// The client that may go there. Of a name its resolver judges the addresses; those that are written are judged here,
    /// also where a proxy stands before them. The proxy is chosen by the configuration.
    async fn client(&self, url: &Url, origin: Origin) -> Result<&Client, Missing> {
        let judged = self.egress.judge_url(url, origin);
        judged.map_err(|refused| not_allowed(&refused))?;
        let proxy = self.proxy(url);
        let chosen_by = match proxy.as_ref().map(Url::scheme) {
            // It is given addresses, so that names are resolved here.
            Some("socks4" | "socks5") | None => origin,
            Some(_) => Origin::Configured,
        };
        if let Some(proxy) = proxy {
            let judged = self.egress.judge_url(&proxy, Origin::Configured);
            judged.map_err(|refused| not_allowed(&refused))?;
        }
        match chosen_by {
            Origin::Configured => Ok(&self.configured),
            Origin::Requested => {
                let resolver = self.egress.resolver(Origin::Requested);
                let built = self.requested.get_or_try_init(|| build(&self.key, &resolver));
                built.await
            }
        }
    }

    /// The proxy through which this URL is reached.
    fn proxy(&self, url: &Url) -> Option<Url> {
        let proxies = self.proxies.as_ref()?;
        let proxy = proxies.intercept(&url.as_str().parse().ok()?)?;
        Url::parse(&proxy.uri().to_string()).ok()
    }

    /// Where an answer leads, if that may be followed.
    fn leads_to(&self, response: &Response) -> Option<Url> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = str::from_utf8(response.headers().get(LOCATION)?.as_bytes()).ok()?;
        let to = response.url().join(location).ok()?;
        let follows = match self.key.redirects {
            Redirects::No => false,
            Redirects::SameOrigin => to.origin() == response.url().origin(),
            Redirects::Anywhere => true,
        };
        follows.then_some(to)
    }

    /// Who has chosen where this answer leads. Who stands behind a proxy is not known, but by an address that is
    /// written.
    fn origin_after(&self, response: &Response, origin: Origin) -> Origin {
        let from = if self.proxy(response.url()).is_some() {
            literal(response.url())
        } else {
            response.remote_addr().map(|from| from.ip())
        };
        from.map_or(Origin::Requested, |from| EgressPolicy::after_redirect(from, origin))
    }
}

/// The request that follows a redirect: what it is changed to by the statuses, without what is not meant for others.
fn redirected(mut request: Request, status: StatusCode, mut to: Url) -> Request {
    let becomes_get = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *request.method() == Method::POST,
        StatusCode::SEE_OTHER => true,
        _ => false,
    };
    if becomes_get {
        if *request.method() != Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        *request.body_mut() = None;
        remove(request.headers_mut(), &OF_BODIES);
    }
    if request.url().origin() != to.origin() {
        remove(request.headers_mut(), &CREDENTIALS);
    }
    // Nobody logs in as somebody whom another server names. Neither can fail for these schemes.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    *request.url_mut() = to;
    request
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// Which requests go through which proxy, as the HTTP client decides it: from the same URL, as it is once it was read.
fn proxies(settings: &ProxySettings) -> Option<Matcher> {
    match &settings.url {
        Some(url) => {
            let url = Url::parse(url.expose()).ok()?;
            let matcher = Matcher::builder().all(String::from(url));
            Some(matcher.no(settings.no_proxy.clone()).build())
        }
        None => settings.from_environment.then(Matcher::from_system),
    }
}

#[cfg(test)]
mod tests;
