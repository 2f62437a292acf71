//! Webhooks: Alertmanager's JSON, signed as Standard Webhooks asks.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::settings::{SecretRef, WebhookSettings};
use super::signature::SigningKey;
use super::{credential, http, payload};
use crate::engine::message::Attempt;
use crate::engine::ports::{Notifier, SendOutcome};

/// One entry of `webhook_configs`.
pub(super) struct Webhook {
    sender: http::Sender,
    url: Url,
    secret: Option<SecretRef>,
    timeout: Duration,
    max_alerts: usize,
}

impl Webhook {
    /// Checks the entry: its URL, and the secret where it stands in the config.
    pub(super) fn new(settings: &WebhookSettings, sender: http::Sender) -> Result<Self, String> {
        let url = http::parse_url(&settings.url)?;
        if let Some(SecretRef::Inline(secret)) = &settings.secret {
            SigningKey::parse(secret)?;
        }
        Ok(Self {
            sender,
            url,
            secret: settings.secret.clone(),
            timeout: settings.timeout,
            max_alerts: settings.max_alerts,
        })
    }

    /// The signature of this attempt; `None` without a secret.
    async fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<Option<String>, String> {
        let Some(reference) = &self.secret else {
            return Ok(None);
        };
        let secret = credential::reveal(reference).await?;
        SigningKey::parse(&secret)?.sign(id, timestamp, body).map(Some)
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn send(&self, attempt: &Attempt) -> SendOutcome {
        let body = match serde_json::to_vec(&payload::webhook(&attempt.message, self.max_alerts)) {
            Ok(body) => body,
            Err(error) => return unsendable(&error),
        };
        let timestamp = attempt.at.0.div_euclid(1000);
        let signature = match self.signature(&attempt.delivery_id, timestamp, &body).await {
            Ok(signature) => signature,
            Err(why) => return no_secret(why),
        };
        let mut request = self
            .sender
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &attempt.delivery_id)
            .header("webhook-timestamp", timestamp);
        if let Some(signature) = signature {
            request = request.header("webhook-signature", signature);
        }
        let request = request.body(body);
        self.sender.send(request, &self.url, self.timeout, attempt.at).await
    }
}

/// The secret is in a file that cannot be used now; it may be mended while the message waits.
pub(super) fn no_secret(why: String) -> SendOutcome {
    SendOutcome::Retry {
        reason: "secret".to_owned(),
        detail: why,
        retry_after: None,
    }
}

/// The message is no JSON; another try would make the same one.
pub(super) fn unsendable(error: &serde_json::Error) -> SendOutcome {
    SendOutcome::Rejected {
        reason: "payload".to_owned(),
        detail: format!("the message cannot be written as JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::domain::egress::EgressPolicy;
    use crate::egress::Egress;
    use crate::egress::testing::Answers;
    use crate::notify::testing::{HttpSink, attempt, firing, hostile};
    use crate::secret::Secret;

    fn webhook(url: &str, timeout: Duration) -> Webhook {
        through(&Egress::default(), url, timeout)
    }

    fn through(egress: &Egress, url: &str, timeout: Duration) -> Webhook {
        let settings = WebhookSettings {
            url: Secret::new(url),
            secret: Some(SecretRef::Inline(Secret::new(format!(
                "whsec_{}",
                STANDARD.encode([7; 32])
            )))),
            send_resolved: true,
            timeout,
            max_alerts: 0,
        };
        Webhook::new(&settings, http::Sender::new(egress).expect("a client")).expect("a webhook")
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn every_attempt_has_the_same_id_and_a_signature_that_verifies() {
        let sink = HttpSink::answering("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await;
        let webhook = webhook(&sink.url("/hook"), PATIENCE);
        for number in 1..=2 {
            let mut attempt = attempt(firing());
            attempt.at.0 += i64::from(number) * 60_000;
            assert_eq!(webhook.send(&attempt).await, SendOutcome::Accepted);
            let request = sink.next().await;
            let timestamp = attempt.at.0 / 1000;
            let key = SigningKey::parse(&Secret::new(STANDARD.encode([7; 32]))).expect("a key");
            let expected = key
                .sign("delivery-1", timestamp, request.body.as_bytes())
                .expect("a signature");
            assert_eq!(request.header("webhook-id"), Some("delivery-1"));
            assert_eq!(
                request.header("webhook-timestamp"),
                Some(timestamp.to_string().as_str())
            );
            assert_eq!(request.header("webhook-signature"), Some(expected.as_str()));
            assert_eq!(request.header("user-agent"), Some(http::USER_AGENT));
        }
    }

    #[tokio::test]
    async fn hostile_labels_arrive_as_they_are() {
        let sink = HttpSink::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let message = hostile();
        let outcome = webhook(&sink.url("/"), PATIENCE).send(&attempt(message.clone())).await;
        assert_eq!(outcome, SendOutcome::Accepted);
        let json: serde_json::Value = serde_json::from_str(&sink.next().await.body).expect("JSON");
        for (name, value) in &message.alerts[0].labels {
            assert_eq!(json["alerts"][0]["labels"][name], value.as_str());
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let sink =
            HttpSink::answering("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n")
                .await;
        let outcome = webhook(&sink.url("/"), PATIENCE).send(&attempt(firing())).await;
        assert!(
            matches!(&outcome, SendOutcome::Retry { reason, .. } if reason == "http_302"),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn an_answer_of_five_megabytes_is_not_read() {
        let body = "x".repeat(5 << 20);
        let sink = HttpSink::answering(&format!(
            "HTTP/1.1 500 Oh\r\nretry-after: 9\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
        let outcome = webhook(&sink.url("/t0ken"), PATIENCE).send(&attempt(firing())).await;
        let SendOutcome::Retry {
            reason,
            detail,
            retry_after,
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(
            (reason.as_str(), retry_after),
            ("http_500", Some(Duration::from_secs(9)))
        );
        assert!(!detail.contains("xx") && !detail.contains("t0ken"), "{detail}");
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_ends_at_the_timeout() {
        let sink = HttpSink::answering("").await;
        let outcome = webhook(&sink.url("/t0ken"), Duration::from_millis(50))
            .send(&attempt(firing()))
            .await;
        assert!(
            matches!(&outcome, SendOutcome::Retry { reason, .. } if reason == "timeout"),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn a_receiver_that_is_not_there_is_tried_again_and_its_path_is_not_told() {
        let outcome = webhook("http://127.0.0.1:9/t0ken", PATIENCE)
            .send(&attempt(firing()))
            .await;
        let SendOutcome::Retry { reason, detail, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(reason, "network");
        assert!(
            detail.starts_with("http://127.0.0.1:9 cannot be reached: ") && !detail.contains("t0ken"),
            "{detail}"
        );
    }
    #[tokio::test]
    async fn a_receiver_where_nothing_may_go_gets_nothing_and_the_message_waits() {
        let sink = HttpSink::answering("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await;
        let port = sink
            .url("/")
            .trim_end_matches('/')
            .rsplit_once(':')
            .expect("a port")
            .1
            .to_owned();
        for (url, answer, expected) in [
            (
                "http://169.254.169.254/t0ken",
                "8.8.8.8",
                Some("169.254.169.254: 169.254.169.254 is link-local"),
            ),
            (
                "http://0xa9fea9fe/t0ken",
                "8.8.8.8",
                Some("169.254.169.254: 169.254.169.254 is link-local"),
            ),
            (
                "http://[fd00:ec2::254]/t0ken",
                "8.8.8.8",
                Some("[fd00:ec2::254]: fd00:ec2::254 is the metadata service"),
            ),
            (
                "http://hook.test/t0ken",
                "169.254.169.254",
                Some("hook.test: 169.254.169.254 is link-local"),
            ),
            ("http://hook.test/t0ken", "169.254.169.254 127.0.0.1", None),
            ("http://hook.test/t0ken", "127.0.0.1", None),
        ] {
            let url = if expected.is_none() {
                url.replace(".test", &format!(".test:{port}"))
            } else {
                url.to_owned()
            };
            let egress = Answers::of(&[answer]).egress(EgressPolicy::default());
            let webhook = through(&egress, &url, PATIENCE);
            match (webhook.send(&attempt(firing())).await, expected) {
                (SendOutcome::Accepted, None) => {}
                (SendOutcome::Retry { reason, detail, .. }, Some(begin)) => {
                    assert_eq!(reason, "egress", "{url}");
                    assert!(
                        detail.starts_with(begin) && !detail.contains("t0ken"),
                        "{url}: {detail}"
                    );
                }
                (outcome, _) => panic!("{url}: {outcome:?}"),
            }
        }
    }
}
