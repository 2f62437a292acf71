//! Email: one conversation with the mail server for each attempt.

mod mime;
mod smtp;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;

use self::smtp::{Failure, Server};
use super::settings::EmailSettings;
use crate::egress::Egress;
use crate::engine::message::Attempt;
use crate::engine::ports::{Notifier, SendOutcome};

/// How many deliveries are remembered of which only some recipients have been served.
const MOST_HALF_SERVED: usize = 100;

/// One entry of `email_configs`.
pub(super) struct Email {
    from: Mailbox,
    to: Vec<Mailbox>,
    server: Server,
    timeout: Duration,
    /// Recipients that have accepted a delivery which others have put off, so that its next attempt spares them.
    served: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Email {
    /// Checks the entry: its addresses, its credentials and its CA file.
    pub(super) fn new(settings: &EmailSettings, egress: &Egress) -> Result<Self, String> {
        if settings.to.is_empty() {
            return Err("to: name at least one address".to_owned());
        }
        Ok(Self {
            from: mailbox("from", &settings.from)?,
            to: settings
                .to
                .iter()
                .map(|to| mailbox("to", to))
                .collect::<Result<_, _>>()?,
            server: Server::new(settings, egress)?,
            timeout: settings.timeout,
            served: Mutex::default(),
        })
    }

    async fn try_send(&self, attempt: &Attempt) -> Result<(), Failure> {
        let mail = mime::compose(attempt, &self.from, &self.to).map_err(Failure::Unsendable)?;
        let already = self
            .served(|served| served.get(&attempt.delivery_id).cloned())
            .unwrap_or_default();
        let open = |to: &&Mailbox| !already.contains(&to.email.to_string());
        let recipients = self.to.iter().filter(open).map(|to| to.email.clone()).collect();
        let report = self.server.send(&self.from.email, recipients, &mail).await?;
        let postponed = report.postponed;
        self.served(|served| {
            if postponed.is_none() {
                served.remove(&attempt.delivery_id);
                return;
            }
            while served.len() >= MOST_HALF_SERVED && served.pop_first().is_some() {}
            served
                .entry(attempt.delivery_id.clone())
                .or_default()
                .extend(report.accepted);
        });
        for refused in report.refused {
            tracing::warn!(
                delivery = attempt.delivery_id,
                "a recipient of a mail was refused for good: {refused}"
            );
        }
        postponed.map_or(Ok(()), |why| {
            Err(Failure::Transient {
                reason: "smtp_recipient".to_owned(),
                detail: why,
            })
        })
    }

    fn served<T>(&self, with: impl FnOnce(&mut BTreeMap<String, BTreeSet<String>>) -> T) -> T {
        // A set of names cannot be left half-changed by a panic elsewhere.
        with(&mut self.served.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Notifier for Email {
    async fn send(&self, attempt: &Attempt) -> SendOutcome {
        let host = self.server.name();
        match tokio::time::timeout(self.timeout, self.try_send(attempt)).await {
            Ok(Ok(())) => SendOutcome::Accepted,
            Ok(Err(Failure::Transient { reason, detail })) => SendOutcome::Retry {
                reason,
                detail: format!("mail server {host}: {detail}"),
                retry_after: None,
            },
            Ok(Err(Failure::Permanent { reason, detail })) => SendOutcome::Rejected {
                reason,
                detail: format!("mail server {host}: {detail}"),
            },
            Ok(Err(Failure::Unsendable(detail))) => SendOutcome::Rejected {
                reason: "payload".to_owned(),
                detail,
            },
            Err(_) => SendOutcome::Retry {
                reason: "timeout".to_owned(),
                detail: format!("mail server {host} did not take the mail within {:?}", self.timeout),
                retry_after: None,
            },
        }
    }
}

/// Reads `sre@example.org` or `SRE <sre@example.org>`. Addresses beyond ASCII need an extension that few servers have.
fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text
        .trim()
        .parse()
        .map_err(|error| format!("{key}: {text:?} is not an email address: {error}"))?;
    let email = mailbox.email.to_string();
    if !email.is_ascii() || email.chars().any(char::is_control) || text.chars().any(char::is_control) {
        return Err(format!(
            "{key}: {text:?}: only printable ASCII addresses can be used; write the domain as xn--…"
        ));
    }
    Ok(mailbox)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
