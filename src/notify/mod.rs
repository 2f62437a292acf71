//! Messages out: webhook, email, Alertmanager.
//!
//! Each integration makes one attempt at a time, ends within its timeout, and says whether another try is worth it. It
//! never decides when: that is the outbox's business. Errors name the host, never a path, a credential or a body.

mod alertmanager;
mod credential;
mod email;
mod figures;
mod http;
mod payload;
pub mod settings;
mod signature;
mod webhook;

#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use self::settings::ReceiverSettings;
use crate::egress::Egress;
use crate::engine::ports::{Integration, Notifier};

/// The integrations of one receiver, one for each entry of its config; the error says which entry is wrong and why.
/// Nothing is sent and nothing is resolved; a `ca_file` is read. All go out by `egress`.
pub fn build(settings: &ReceiverSettings, egress: &Egress) -> Result<Vec<Integration>, String> {
    let mut integrations = Vec::new();
    let wrong =
        |kind: &str, index: usize, why: &str| format!("receiver {:?}: {kind}_configs[{index}]: {why}", settings.name);
    let mut add = |kind, index, send_resolved, resend_every: Option<Duration>, notifier: Arc<dyn Notifier>| {
        integrations.push(Integration {
            kind,
            index,
            send_resolved,
            resend_every,
            notifier,
        });
    };
    if !(settings.webhooks.is_empty() && settings.alertmanagers.is_empty()) {
        let sender = http::Sender::new(egress).map_err(|why| format!("receiver {:?}: {why}", settings.name))?;
        for (index, entry) in settings.webhooks.iter().enumerate() {
            let notifier = webhook::Webhook::new(entry, sender.clone()).map_err(|why| wrong("webhook", index, &why))?;
            add("webhook", index, entry.send_resolved, None, Arc::new(notifier));
        }
        for (index, entry) in settings.alertmanagers.iter().enumerate() {
            let notifier = alertmanager::Alertmanager::new(entry, sender.clone())
                .map_err(|why| wrong("alertmanager", index, &why))?;
            let resend = Some(entry.resend_every);
            add("alertmanager", index, entry.send_resolved, resend, Arc::new(notifier));
        }
    }
    for (index, entry) in settings.emails.iter().enumerate() {
        let notifier = email::Email::new(entry, egress).map_err(|why| wrong("email", index, &why))?;
        add("email", index, entry.send_resolved, None, Arc::new(notifier));
    }
    Ok(integrations)
}

#[cfg(test)]
mod tests {
    use super::settings::{AlertmanagerSettings, SecretRef, WebhookSettings};
    use super::*;
    use crate::secret::Secret;

    fn webhook(url: &str, secret: Option<&str>) -> WebhookSettings {
        WebhookSettings {
            url: Secret::new(url),
            secret: secret.map(|secret| SecretRef::Inline(Secret::new(secret))),
            send_resolved: false,
            timeout: Duration::from_secs(10),
            max_alerts: 0,
        }
    }

    #[test]
    fn each_entry_is_an_integration() {
        let settings = ReceiverSettings {
            name: "oncall".to_owned(),
            webhooks: vec![webhook("http://a.example/", None), webhook("https://b.example/", None)],
            alertmanagers: vec![AlertmanagerSettings {
                url: Secret::new("http://c.example/"),
                basic_auth: None,
                bearer: None,
                send_resolved: true,
                timeout: Duration::from_secs(10),
                resend_every: Duration::from_secs(30),
            }],
            ..ReceiverSettings::default()
        };
        let built = build(&settings, &Egress::default()).expect("integrations");
        let names: Vec<_> = built
            .iter()
            .map(|i| (i.name(), i.send_resolved, i.resend_every))
            .collect();
        let expected = [
            ("webhook/0".to_owned(), false, None),
            ("webhook/1".to_owned(), false, None),
            ("alertmanager/0".to_owned(), true, Some(Duration::from_secs(30))),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let settings = ReceiverSettings {
            name: "oncall".to_owned(),
            webhooks: vec![
                webhook("http://a.example/", None),
                webhook("http://b.example/", Some("hunter2!")),
            ],
            ..ReceiverSettings::default()
        };
        let error = build(&settings, &Egress::default()).err().expect("refused");
        assert!(
            error.starts_with("receiver \"oncall\": webhook_configs[1]: the secret must be"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}
