//! `http_sd_configs`: targets that a URL answers with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use url::Url;

use super::body::{COMPRESSED, read_whole};
use super::client::Clients;
use super::files::read_json;
use super::provider::Provide;
use super::request::{Access, Requester};
use super::settings::{HttpDiscovery, TargetGroup};
use crate::domain::reading::Missing;
use crate::domain::shown::shown_url;

/// An answer may not be larger than this.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How the server is told how often it is asked.
const REFRESH_HEADER: &str = "X-Prometheus-Refresh-Interval-Seconds";

/// Asks one URL.
pub(super) struct HttpProvider {
    settings: HttpDiscovery,
    /// `None`: the URL is none.
    requester: Option<Requester>,
}

impl HttpProvider {
    pub fn new(settings: HttpDiscovery, clients: Arc<Clients>) -> Self {
        let access = Access::new(settings.http.clone(), clients);
        let url = Url::parse(&settings.url).ok();
        Self {
            requester: url.map(|url| Requester::new(access, &url)),
            settings,
        }
    }

    async fn ask(&self) -> Result<Vec<TargetGroup>, String> {
        let requester = self.requester.as_ref().ok_or("the URL cannot be used")?;
        let seconds = self.settings.refresh_interval.as_secs_f64().to_string();
        let answer = requester.get(|request| {
            request
                .header(ACCEPT, "application/json")
                .header(ACCEPT_ENCODING, COMPRESSED)
                .header(REFRESH_HEADER, &seconds)
        });
        let detail = |missing: Missing| missing.detail;
        let answer = answer.await.map_err(detail)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("HTTP status {}", answer.status()));
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err("the answer is not of the type application/json".to_owned());
        }
        let body = read_whole(answer, ANSWER_BYTES_MAX, "the answer is larger than 16 MiB");
        let body = body.await.map_err(detail)?;
        let text = std::str::from_utf8(&body).map_err(|_| "the answer is not UTF-8")?;
        let mut groups = read_json(text)?;
        for group in &mut groups {
            group.labels.set("__meta_url", self.settings.url.as_str());
        }
        Ok(groups)
    }
}

#[async_trait]
impl Provide for HttpProvider {
    fn mechanism(&self) -> &'static str {
        "http"
    }

    fn name(&self) -> String {
        shown_url(&self.settings.url)
    }

    fn interval(&self) -> Duration {
        self.settings.refresh_interval
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>, String> {
        self.ask().await
    }
}
