//! One visit to one target over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::body::{COMPRESSED, read_pieces};
use super::cache::{SeriesCache, SeriesView};
use super::exposition::page::Framing;
use super::failure::missing;
use super::protocols::{PageForm, Protocols};
use super::request::{Access, Requester};
use super::rules::{PageError, PageRules};
use super::settings::ScrapeJob;
use crate::domain::reading::{Missing, MissingReason, Page, Reading, Target};
use crate::domain::selection::Selection;
use crate::engine::ports::Visitor;
use crate::source::http::now;

/// How the target is told how long it may take.
const TIMEOUT_HEADER: &str = "X-Prometheus-Scrape-Timeout-Seconds";

/// Visits one target over HTTP and remembers what its pages look like.
#[derive(Debug)]
pub struct HttpVisitor {
    target: Target,
    job: Arc<ScrapeJob>,
    requester: Requester,
    /// The last answer came from this machine.
    is_near: AtomicBool,
    view: SeriesView,
    cache: Mutex<SeriesCache>,
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
            view,
            cache: Mutex::new(SeriesCache::new(rules)),
        }
    }

    async fn read(&self, selection: &Selection) -> Result<Page, Missing> {
        let response = self.answer().await?;
        let form = form(&response, &self.job.protocols)?;
        let age = age(response.headers());
        let page = self.page(response, form, selection).await?;
        Ok(Page { age, ..page })
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
                .header(CACHE_CONTROL, "no-cache")
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

    /// Reads the decoded body as it comes, as far as it may go: a small body may unpack to a huge one.
    async fn page(&self, response: Response, form: Form, selection: &Selection) -> Result<Page, Missing> {
        let limit = self.job.body_size_limit;
        let too_large = || {
            let limit = in_megabytes(limit);
            missing(
                MissingReason::TooLarge,
                format!("the page is larger than body_size_limit ({limit})"),
            )
        };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut cache = self.cache.lock().await;
        let mut page = match form {
            Form::Text(framing) => cache.begin(framing, selection, &self.view),
            Form::Protobuf => cache.begin_protobuf(selection, &self.view),
        };
        read_pieces(response, limit, too_large, |piece| page.feed(piece).map_err(no_page)).await?;
        page.finish().map_err(no_page)
    }
}

#[async_trait]
impl Visitor for HttpVisitor {
    async fn visit(&self, selection: &Arc<Selection>) -> Reading {
        let read = within(self.target.timeout, self.read(selection)).await;
        read.map_or_else(Reading::Missing, Reading::Page)
    }
}

/// What comes of a visit within its time. What ends too late does not count, even if nothing had to wait for it: the end
/// of a page may come in time and its reading take too long.
async fn within<T>(timeout: Duration, visit: impl Future<Output = Result<T, Missing>>) -> Result<T, Missing> {
    let late = || missing(MissingReason::Timeout, format!("timed out after {timeout:?}"));
    let began = now();
    let read = tokio::time::timeout(timeout, visit).await.map_err(|_| late())??;
    if began.elapsed() > timeout {
        return Err(late());
    }
    Ok(read)
}

/// What an answer's head says about the page.
#[derive(Clone, Copy)]
enum Form {
    Text(Framing),
    Protobuf,
}

fn form(response: &Response, protocols: &Protocols) -> Result<Form, Missing> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(missing(MissingReason::Status, format!("HTTP status {status}")));
    }
    let headers = response.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let whole = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    Ok(match protocols.form_of(content_type.unwrap_or(""))? {
        PageForm::Text(format) => Form::Text(Framing { format, whole }),
        PageForm::Protobuf => Form::Protobuf,
    })
}

/// How long a cache has kept the page: the seconds of its `Age` header.
fn age(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(AGE)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn no_page(error: PageError) -> Missing {
    match error {
        PageError::Refused { reason, detail } => missing(reason, detail),
        error => missing(MissingReason::Format, format!("the page is not understood: {error}")),
    }
}

fn in_megabytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes % 1_000_000 == 0 => format!("{} MB", bytes / 1_000_000),
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_visit_that_ends_too_late_is_missing_although_it_has_a_page() {
        for (takes, expected) in [(999, Ok(())), (1001, Err("timed out after 1s"))] {
            let visit = async {
                // As if the last piece had come in time and had been read for so long.
                tokio::time::advance(Duration::from_millis(takes)).await;
                Ok(())
            };
            let read = within(Duration::from_secs(1), visit).await;
            assert_eq!(
                read.map_err(|missing| missing.detail),
                expected.map_err(str::to_owned),
                "{takes} ms"
            );
        }
    }
}
