//! One visit to one target over HTTP.

use std::str;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, TRANSFER_ENCODING,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

use super::cache::{SeriesCache, SeriesView};
use super::client::{ClientKey, Clients};
use super::exposition::page::Framing;
use super::failure::{broken_body, missing, no_answer};
use super::protocols::{PageForm, Protocols};
use super::rules::{PageError, PageRules};
use super::settings::{Auth, Scheme, ScrapeJob, SecretSource};
use crate::domain::reading::{Missing, MissingReason, Page, Reading, Target};
use crate::domain::selection::Selection;
use crate::engine::ports::Visitor;

/// How the target is told how long it may take.
const TIMEOUT_HEADER: &str = "X-Prometheus-Scrape-Timeout-Seconds";

/// Pages above this size are read beside the runtime, so that they hold up nothing else.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// Room for a page before its size is known.
const FIRST_CAPACITY: usize = 16 * 1024;

/// Visits one target over HTTP and remembers what its pages look like.
#[derive(Debug)]
pub struct HttpVisitor {
    target: Target,
    job: Arc<ScrapeJob>,
    clients: Arc<Clients>,
    key: ClientKey,
    /// What is requested; with `server_name`, under that name.
    url: Url,
    /// The target's own name, where the URL bears another.
    host: Option<HeaderValue>,
    view: Arc<SeriesView>,
    cache: Arc<Mutex<SeriesCache>>,
    /// How long the last page was.
    length: AtomicUsize,
}

impl HttpVisitor {
    /// A visitor of this target, whose URL this is, with the settings of its job. `scheme` is the target's own.
    pub fn new(target: Target, url: &Url, scheme: Scheme, job: Arc<ScrapeJob>, clients: Arc<Clients>) -> Self {
        let mut key = ClientKey {
            tls: job.tls.clone(),
            follow_redirects: job.follow_redirects,
            compression: job.compression,
            host_behind_name: None,
        };
        let (mut requested, mut host) = (url.clone(), None);
        if let (Scheme::Https, Some(name), Some(behind)) = (scheme, &key.tls.server_name, url.host_str())
            && requested.set_host(Some(name)).is_ok()
        {
            key.host_behind_name = Some(behind.trim_matches(['[', ']']).to_owned());
            host = HeaderValue::from_str(&authority(url)).ok();
        }
        let rules = PageRules {
            relabelling: job.metric_relabelling.clone(),
            limits: job.page_limits,
        };
        let view = SeriesView {
            target: target.labels.clone(),
            honor_labels: job.honor_labels,
        };
        Self {
            target,
            job,
            clients,
            key,
            url: requested,
            host,
            view: Arc::new(view),
            cache: Arc::new(Mutex::new(SeriesCache::new(rules))),
            length: AtomicUsize::new(FIRST_CAPACITY),
        }
    }

    async fn read(&self, selection: &Arc<Selection>) -> Result<Page, Missing> {
        let client = self.clients.get(&self.key).await?;
        let response = self.answer(&client).await?;
        let form = form(&response, &self.job.protocols)?;
        let body = self.body(response).await?;
        self.length.store(body.len(), Ordering::Relaxed);
        let (cache, view, selection) = (Arc::clone(&self.cache), Arc::clone(&self.view), Arc::clone(selection));
        if body.len() <= INLINE_BYTES_MAX {
            return read_page(&body, form, &cache, &selection, &view);
        }
        let reading = tokio::task::spawn_blocking(move || read_page(&body, form, &cache, &selection, &view));
        let broken = |_| missing(MissingReason::Format, "reading the page failed within nines");
        reading.await.map_err(broken)?
    }

    /// The answer's head. A kept connection may have been closed by the other side just before it was used, so a
    /// connection that ends before an answer is given a second chance.
    async fn answer(&self, client: &Client) -> Result<Response, Missing> {
        let request = self.request(client).await?;
        let again = request.try_clone();
        match (request.send().await, again) {
            (Err(error), Some(again)) if error.is_request() && !error.is_connect() => again.send().await,
            (answer, _) => answer,
        }
        .map_err(|error| no_answer(&error))
    }

    async fn request(&self, client: &Client) -> Result<RequestBuilder, Missing> {
        let mut request = client
            .get(self.url.clone())
            .header(ACCEPT, self.job.protocols.accept())
            .header(TIMEOUT_HEADER, self.target.timeout.as_secs_f64().to_string());
        if !self.job.compression {
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        match &self.job.auth {
            Auth::None => Ok(request),
            Auth::Basic { username, password } => {
                let password = expose("the password", password).await?;
                Ok(request.basic_auth(username, Some(password)))
            }
            Auth::Header { kind, credentials } => {
                let credentials = expose("the credentials", credentials).await?;
                let value = HeaderValue::from_str(&format!("{kind} {credentials}"));
                let mut value = value.map_err(|_| {
                    missing(
                        MissingReason::Connect,
                        "the credentials hold a character that no header may hold",
                    )
                })?;
                value.set_sensitive(true);
                Ok(request.header(AUTHORIZATION, value))
            }
        }
    }

    /// The decoded body, as far as it may go: a small body may unpack to a huge one.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Missing> {
        let limit = usize::try_from(self.job.body_size_limit).unwrap_or(usize::MAX);
        let too_large = || {
            let limit = in_megabytes(self.job.body_size_limit);
            missing(
                MissingReason::TooLarge,
                format!("the page is larger than body_size_limit ({limit})"),
            )
        };
        if response
            .content_length()
            .is_some_and(|length| length > self.job.body_size_limit)
        {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(self.length.load(Ordering::Relaxed).min(limit));
        while let Some(chunk) = response.chunk().await.map_err(|error| broken_body(&error))? {
            if chunk.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Visitor for HttpVisitor {
    async fn visit(&self, selection: &Arc<Selection>) -> Reading {
        let timeout = self.target.timeout;
        let read = match tokio::time::timeout(timeout, self.read(selection)).await {
            Ok(read) => read,
            Err(_) => Err(missing(MissingReason::Timeout, format!("timed out after {timeout:?}"))),
        };
        read.map_or_else(Reading::Missing, Reading::Page)
    }
}

/// How a page is written, and whether its length was known beforehand and kept.
#[derive(Clone, Copy)]
struct Form {
    written: PageForm,
    whole: bool,
}

/// What an answer's head says about the page.
fn form(response: &Response, protocols: &Protocols) -> Result<Form, Missing> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(missing(MissingReason::Status, format!("HTTP status {status}")));
    }
    let headers = response.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Form {
        written: protocols.form_of(content_type.unwrap_or(""))?,
        whole: headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING),
    })
}

fn read_page(
    body: &[u8],
    form: Form,
    cache: &Mutex<SeriesCache>,
    selection: &Selection,
    view: &SeriesView,
) -> Result<Page, Missing> {
    // A reader that panicked left nothing half done that a page could not mend.
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let page = match form.written {
        PageForm::Protobuf => cache.read_protobuf(body, selection, view),
        PageForm::Text(format) => {
            let text = str::from_utf8(body).map_err(|error| {
                let detail = format!("the page is not UTF-8 at byte {}", error.valid_up_to() + 1);
                missing(MissingReason::NotUtf8, detail)
            })?;
            let whole = form.whole;
            cache.read(text, Framing { format, whole }, selection, view)
        }
    };
    page.map_err(|error| match error {
        PageError::Refused { reason, detail } => missing(reason, detail),
        error => missing(MissingReason::Format, format!("the page is not understood: {error}")),
    })
}

/// A secret's text; files are read for every visit, so that rotated ones are taken up.
async fn expose(what: &str, source: &SecretSource) -> Result<String, Missing> {
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

/// `host:port`, without the port where it is the scheme's own.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn in_megabytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes % 1_000_000 == 0 => format!("{} MB", bytes / 1_000_000),
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes => format!("{bytes} bytes"),
    }
}
