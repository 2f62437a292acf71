//! Receivers as they are meant: defaults filled in.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// One entry of `receivers`.
#[derive(Clone, Debug, Default)]
pub struct ReceiverSettings {
    /// `name`
    pub name: String,
    /// `webhook_configs`
    pub webhooks: Vec<WebhookSettings>,
    /// `email_configs`
    pub emails: Vec<EmailSettings>,
    /// `alertmanager_configs`
    pub alertmanagers: Vec<AlertmanagerSettings>,
}

/// A secret in the config or in a file that is read again for every use.
#[derive(Clone, Debug)]
pub enum SecretRef {
    /// In the config, or in a variable named there.
    Inline(Secret),
    /// In a file of its own.
    File(PathBuf),
}

/// One entry of `webhook_configs`.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `url`; it may hold a token, so it is never logged with its path.
    pub url: Secret,
    /// `secret` or `secret_file`: `whsec_` and base64; messages are signed with it.
    pub secret: Option<SecretRef>,
    /// `send_resolved`, true by default.
    pub send_resolved: bool,
    /// `timeout`, 10 s by default.
    pub timeout: Duration,
    /// `max_alerts`: 0 for all.
    pub max_alerts: usize,
}

/// One entry of `email_configs`.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// `to`: one address or several, separated by commas.
    pub to: Vec<String>,
    /// `from`
    pub from: String,
    /// `smarthost`: host and port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `hello`: what nines calls itself in EHLO.
    pub hello: Option<String>,
    /// `auth_username`
    pub auth_username: Option<String>,
    /// `auth_password` or `auth_password_file`
    pub auth_password: Option<SecretRef>,
    /// `require_tls`, true by default: STARTTLS must be offered. Port 465 is TLS from the first byte.
    pub require_tls: bool,
    /// `tls_config.ca_file`
    pub ca_file: Option<PathBuf>,
    /// `tls_config.insecure_skip_verify`
    pub insecure_skip_verify: bool,
    /// `send_resolved`, true by default. (Alertmanager's default is false; an all-clear is worth a mail.)
    pub send_resolved: bool,
    /// `timeout`, 20 s by default.
    pub timeout: Duration,
}

/// One entry of `alertmanager_configs`.
#[derive(Clone, Debug)]
pub struct AlertmanagerSettings {
    /// `url`: the base, without `/api/v2/alerts`.
    pub url: Secret,
    /// `basic_auth`
    pub basic_auth: Option<(String, SecretRef)>,
    /// `authorization.credentials`
    pub bearer: Option<SecretRef>,
    /// `send_resolved`, true by default.
    pub send_resolved: bool,
    /// `timeout`, 10 s by default.
    pub timeout: Duration,
    /// `resend_interval`, 1m by default: how often a firing alert is posted again.
    pub resend_every: Duration,
}
