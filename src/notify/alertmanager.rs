//! An Alertmanager beside nines: it gets the alerts and does the telling.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::settings::{AlertmanagerSettings, SecretRef};
use super::webhook::{no_secret, unsendable};
use super::{credential, http, payload};
use crate::domain::time::{Timestamp, millis};
use crate::engine::message::Attempt;
use crate::engine::ports::{Notifier, SendOutcome};

/// After how many resend intervals without a word from us a firing alert ends by itself. Source: Prometheus, which also
/// takes four.
const EXPIRES_AFTER_RESENDS: i64 = 4;

/// One entry of `alertmanager_configs`.
pub(super) struct Alertmanager {
    sender: http::Sender,
    url: Url,
    basic_auth: Option<(String, SecretRef)>,
    bearer: Option<SecretRef>,
    timeout: Duration,
    resend_every: Duration,
}

impl Alertmanager {
    /// Checks the entry.
    pub(super) fn new(settings: &AlertmanagerSettings, sender: http::Sender) -> Result<Self, String> {
        let mut url = http::parse_url(&settings.url)?;
        let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        if settings.basic_auth.is_some() && settings.bearer.is_some() {
            return Err("basic_auth and authorization exclude each other; keep one".to_owned());
        }
        Ok(Self {
            sender,
            url,
            basic_auth: settings.basic_auth.clone(),
            bearer: settings.bearer.clone(),
            timeout: settings.timeout,
            resend_every: settings.resend_every,
        })
    }

    async fn request(&self, body: Vec<u8>) -> Result<reqwest::RequestBuilder, String> {
        let request = self
            .sender
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        Ok(if let Some((user, password)) = &self.basic_auth {
            request.basic_auth(user, Some(credential::reveal(password).await?.expose()))
        } else if let Some(token) = &self.bearer {
            request.bearer_auth(credential::reveal(token).await?.expose())
        } else {
            request
        })
    }
}

#[async_trait]
impl Notifier for Alertmanager {
    async fn send(&self, attempt: &Attempt) -> SendOutcome {
        let expires = Timestamp(attempt.at.0 + EXPIRES_AFTER_RESENDS * millis(self.resend_every));
        let body = match serde_json::to_vec(&payload::postable(&attempt.message, expires)) {
            Ok(body) => body,
            Err(error) => return unsendable(&error),
        };
        match self.request(body).await {
            Ok(request) => self.sender.send(request, &self.url, self.timeout, attempt.at).await,
            Err(why) => no_secret(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::notify::testing::{HttpSink, attempt, firing};
    use crate::secret::Secret;

    #[tokio::test]
    async fn a_firing_alert_is_posted_below_the_base_path_and_ends_by_itself() {
        let sink = HttpSink::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let settings = AlertmanagerSettings {
            url: Secret::new(sink.url("/am/")),
            basic_auth: None,
            bearer: Some(SecretRef::Inline(Secret::new("t0ken"))),
            send_resolved: true,
            timeout: Duration::from_secs(10),
            resend_every: Duration::from_mins(1),
        };
        let notifier =
            Alertmanager::new(&settings, http::Sender::new(&Egress::default()).expect("a client")).expect("a notifier");
        let attempt = attempt(firing());
        assert_eq!(notifier.send(&attempt).await, SendOutcome::Accepted);
        let request = sink.next().await;
        assert_eq!(request.line, "POST /am/api/v2/alerts HTTP/1.1");
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        let json: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
        assert_eq!(json[0]["endsAt"], Timestamp(attempt.at.0 + 240_000).to_rfc3339());
        assert_eq!(json[0]["labels"]["alertname"], "SLOBurn");
    }
}
