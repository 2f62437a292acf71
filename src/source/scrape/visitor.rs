//! One visit to one target over HTTP.

use std::str;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use super::cache::{SeriesCache, SeriesView};
use super::exposition::page::Framing;
use super::failure::{broken_body, missing};
use super::protocols::{PageForm, Protocols};
use super::request::{Access, Requester};
use super::rules::{PageError, PageRules};
use super::settings::ScrapeJob;
use crate::domain::reading::{Missing, MissingReason, Page, Reading, Target};
use crate::domain::selection::Selection;
use crate::engine::ports::Visitor;

/// What pages are packed with where they come from elsewhere: zstd costs less to unpack.
const COMPRESSED: &str = "zstd, gzip;q=0.5";

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
    requester: Requester,
    /// The last answer came from this machine.
    is_near: AtomicBool,
    view: Arc<SeriesView>,
    cache: Arc<Mutex<SeriesCache>>,
    /// How long the last page was.
    length: AtomicUsize,
}

impl HttpVisitor {
    /// A visitor of this target, whose URL this is, with the settings of its job.
    pub fn new(target: Target, url: &Url, job: Arc<ScrapeJob>, access: Access) -> Self {
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
            requester: Requester::new(access, url),
            is_near: AtomicBool::new(false),
            view: Arc::new(view),
            cache: Arc::new(Mutex::new(SeriesCache::new(rules))),
            length: AtomicUsize::new(FIRST_CAPACITY),
        }
    }

    async fn read(&self, selection: &Arc<Selection>) -> Result<Page, Missing> {
        let response = self.answer().await?;
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

    /// The answer's head.
    async fn answer(&self) -> Result<Response, Missing> {
        let compressed = self.job.compression.unwrap_or(!self.is_near.load(Ordering::Relaxed));
        let encoding = if compressed { COMPRESSED } else { "identity" };
        let timeout = self.target.timeout.as_secs_f64().to_string();
        let shape = |request: RequestBuilder| {
            request
                .header(ACCEPT, self.job.protocols.accept())
                .header(ACCEPT_ENCODING, encoding)
                .header(TIMEOUT_HEADER, &timeout)
        };
        let response = self.requester.get(shape).await?;
        let is_near = response
            .remote_addr()
            .is_some_and(|from| from.ip().to_canonical().is_loopback());
        self.is_near
            .store(is_near && !self.requester.is_proxied(), Ordering::Relaxed);
        Ok(response)
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

fn in_megabytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes % 1_000_000 == 0 => format!("{} MB", bytes / 1_000_000),
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes => format!("{bytes} bytes"),
    }
}
