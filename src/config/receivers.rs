//! `receivers`: Alertmanager's schema for mail, webhooks and Alertmanagers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailboxes;

use super::client;
use super::context::{Context, SecretPlace};
use crate::notify::settings::{AlertmanagerSettings, EmailSettings, ReceiverSettings, SecretRef, WebhookSettings};
use crate::secret::Secret;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
const MAIL_TIMEOUT: Duration = Duration::from_secs(20);
const RESEND_INTERVAL: Duration = Duration::from_mins(1);
/// Alertmanager's other receivers, which this version does not support.
const NOT_YET: [&str; 15] = [
    "discord_configs",
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "opsgenie_configs",
    "pagerduty_configs",
    "pushover_configs",
    "rocketchat_configs",
    "slack_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
];

/// `global.smtp_…`: what an `email_configs` entry inherits.
#[derive(Default)]
pub(super) struct MailDefaults {
    from: Option<String>,
    smarthost: Option<(String, u16)>,
    hello: Option<String>,
    auth_username: Option<String>,
    auth_password: Option<SecretRef>,
    require_tls: Option<bool>,
}

/// Reads `global.smtp_…`.
pub(super) fn read_mail_defaults(context: &mut Context<'_>, fields: &mut Fields<'_>) -> MailDefaults {
    let mail = MailDefaults {
        from: fields.get("smtp_from").and_then(|field| read_sender(context, field)),
        smarthost: fields
            .get("smtp_smarthost")
            .and_then(|field| read_smarthost(context, field)),
        hello: fields.get("smtp_hello").and_then(|field| context.reader.filled(field)),
        auth_username: fields
            .get("smtp_auth_username")
            .and_then(|field| context.reader.filled(field)),
        auth_password: context
            .secret_or_file(fields, "smtp_auth_password", "smtp_auth_password_file")
            .map(SecretPlace::into),
        require_tls: fields
            .get("smtp_require_tls")
            .and_then(|field| context.reader.boolean(field)),
    };
    fields.refuse(
        &mut context.reader,
        &[
            "smtp_auth_identity",
            "smtp_auth_secret",
            "smtp_tls_config",
            "http_config",
            "resolve_timeout",
        ],
    );
    mail
}

/// Reads `receivers`.
pub(super) fn read(context: &mut Context<'_>, field: Option<Field<'_>>, mail: &MailDefaults) -> Vec<ReceiverSettings> {
    let mut receivers: Vec<ReceiverSettings> = Vec::new();
    for item in field.map(|field| context.reader.list(field)).unwrap_or_default() {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let known: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        let name = fields.require("name");
        let name = name.and_then(|field| context.unique_name(field, &known));
        let receiver = ReceiverSettings {
            name: name.unwrap_or_default(),
            webhooks: read_each(context, &mut fields, "webhook_configs", read_webhook),
            emails: read_each(context, &mut fields, "email_configs", |context, item| {
                read_email(context, item, mail)
            }),
            alertmanagers: read_each(context, &mut fields, "alertmanager_configs", read_alertmanager),
        };
        fields.refuse(&mut context.reader, &NOT_YET);
        fields.finish(&mut context.reader);
        receivers.push(receiver);
    }
    receivers
}

fn read_each<T>(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl Fn(&mut Context<'_>, Field<'_>) -> Option<T>,
) -> Vec<T> {
    let items = fields
        .get(key)
        .map(|field| context.reader.list(field))
        .unwrap_or_default();
    items.into_iter().filter_map(|item| read(context, item)).collect()
}

fn read_webhook(context: &mut Context<'_>, item: Field<'_>) -> Option<WebhookSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let url = fields.require("url").and_then(|field| read_url(context, field));
    let secret_field = fields.get("secret");
    let secret = context.secret_or_file(&mut fields, "secret", "secret_file");
    if let (Some(SecretPlace::Inline(secret)), Some(field)) = (&secret, secret_field)
        && !is_signing_key(secret)
    {
        let message = "`secret` must be `whsec_` followed by base64";
        context.reader.report(&codes::SECRET, field.key_span, message);
    }
    let settings = WebhookSettings {
        url: url.clone().unwrap_or_else(|| Secret::new("")),
        secret: secret.map(SecretPlace::into),
        send_resolved: context.boolean(&mut fields, "send_resolved", true),
        timeout: context.period(&mut fields, "timeout", WEBHOOK_TIMEOUT),
        max_alerts: read_count(context, &mut fields, "max_alerts"),
    };
    fields.refuse(&mut context.reader, &["url_file", "http_config", "payload"]);
    fields.finish(&mut context.reader);
    url.map(|_| settings)
}

fn read_email(context: &mut Context<'_>, item: Field<'_>, mail: &MailDefaults) -> Option<EmailSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let to = fields.require("to").map(|field| read_addresses(context, field));
    let from = match fields.get("from") {
        Some(field) => read_sender(context, field),
        None => or_missing(&mut fields, "from", mail.from.clone()),
    };
    let smarthost = match fields.get("smarthost") {
        Some(field) => read_smarthost(context, field),
        None => or_missing(&mut fields, "smarthost", mail.smarthost.clone()),
    };
    let hello = fields.get("hello").and_then(|field| context.reader.filled(field));
    let username = fields
        .get("auth_username")
        .and_then(|field| context.reader.filled(field));
    let password_field = fields.get("auth_password").or_else(|| fields.get("auth_password_file"));
    let password = context.secret_or_file(&mut fields, "auth_password", "auth_password_file");
    let auth_username = username.or_else(|| mail.auth_username.clone());
    if let (Some(field), None) = (password_field, &auth_username) {
        let message = "a password needs `auth_username`";
        context.reader.report(&codes::MISSING_KEY, field.key_span, message);
    }
    let (require_tls, tls) = read_mail_tls(context, &mut fields, mail);
    let (host, port) = smarthost.clone().unwrap_or_default();
    let settings = EmailSettings {
        to: to.unwrap_or_default(),
        from: from.clone().unwrap_or_default(),
        host,
        port,
        hello: hello.or_else(|| mail.hello.clone()),
        auth_username,
        auth_password: password.map(SecretPlace::into).or_else(|| mail.auth_password.clone()),
        require_tls,
        ca_file: tls.ca_file,
        insecure_skip_verify: tls.insecure_skip_verify,
        send_resolved: context.boolean(&mut fields, "send_resolved", true),
        timeout: context.period(&mut fields, "timeout", MAIL_TIMEOUT),
    };
    fields.refuse(
        &mut context.reader,
        &[
            "auth_identity",
            "auth_secret",
            "auth_secret_file",
            "headers",
            "html",
            "text",
            "threading",
        ],
    );
    fields.finish(&mut context.reader);
    from.zip(smarthost).map(|_| settings)
}

fn read_mail_tls(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    mail: &MailDefaults,
) -> (bool, crate::source::scrape::settings::TlsSettings) {
    let require_tls = fields
        .get("require_tls")
        .and_then(|field| context.reader.boolean(field));
    let field = fields.get("tls_config");
    let tls = client::read_tls(context, fields);
    if let Some(field) = field
        && (tls.cert_file.is_some() || tls.server_name.is_some() || tls.min_version.or(tls.max_version).is_some())
    {
        let message = "for mail, `tls_config` has `ca_file` and `insecure_skip_verify` only";
        context.reader.report(&codes::UNSUPPORTED, field.key_span, message);
    }
    (require_tls.or(mail.require_tls).unwrap_or(true), tls)
}

fn read_alertmanager(context: &mut Context<'_>, item: Field<'_>) -> Option<AlertmanagerSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let url = fields.require("url").and_then(|field| read_url(context, field));
    let (basic, header) = (fields.get("basic_auth"), fields.get("authorization"));
    if let (Some(_), Some(header)) = (basic, header) {
        context.exclude(header, "basic_auth");
    }
    let basic_auth = basic.and_then(|field| client::read_basic(context, field));
    let bearer = header.and_then(|field| {
        let (kind, credentials) = client::read_authorization(context, field)?;
        if !kind.eq_ignore_ascii_case("bearer") {
            let message = "an Alertmanager's `authorization` can be of the type Bearer only";
            context.reader.report(&codes::UNSUPPORTED, field.key_span, message);
        }
        Some(credentials.into())
    });
    let settings = AlertmanagerSettings {
        url: url.clone().unwrap_or_else(|| Secret::new("")),
        basic_auth: basic_auth.map(|(username, password)| (username, password.into())),
        bearer,
        send_resolved: context.boolean(&mut fields, "send_resolved", true),
        timeout: context.period(&mut fields, "timeout", WEBHOOK_TIMEOUT),
        resend_every: context.period(&mut fields, "resend_interval", RESEND_INTERVAL),
    };
    fields.refuse(&mut context.reader, &["tls_config", "http_config"]);
    fields.finish(&mut context.reader);
    url.map(|_| settings)
}

/// An HTTP address. It may hold a token, so no message repeats it.
fn read_url(context: &mut Context<'_>, field: Field<'_>) -> Option<Secret> {
    let url = context.secret(field)?;
    let parsed = url::Url::parse(url.expose()).ok();
    let is_http = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_http {
        let message = "`url` must be an address that begins with http:// or https://";
        context.reader.report(&codes::ADDRESS, field.node.span, message);
        return None;
    }
    Some(url)
}

fn read_addresses(context: &mut Context<'_>, field: Field<'_>) -> Vec<String> {
    let text = context.reader.filled(field).unwrap_or_default();
    let mailboxes: Mailboxes = text.parse().unwrap_or_default();
    let addresses: Vec<String> = mailboxes.into_iter().map(|mailbox| mailbox.to_string()).collect();
    if addresses.is_empty() && !text.is_empty() {
        let message = format!("`{}` must be e-mail addresses, separated by commas", field.key);
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    addresses
}

fn read_sender(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let mut addresses = read_addresses(context, field);
    if addresses.len() > 1 {
        let message = format!("`{}` must be one e-mail address", field.key);
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    addresses.pop()
}

/// `host:port`, `[::1]:25`
fn read_smarthost(context: &mut Context<'_>, field: Field<'_>) -> Option<(String, u16)> {
    let text = context.reader.filled(field)?;
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.or((!host.contains([':', '/', '@'])).then_some(host))?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty()).then(|| (host.to_owned(), port))
    });
    if parts.is_none() {
        let message = format!("`{}` must be host:port", field.key);
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    parts
}

fn read_count(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> usize {
    let count = fields.get(key).and_then(|field| context.reader.whole(field));
    usize::try_from(count.unwrap_or_default()).unwrap_or(usize::MAX)
}

fn or_missing<T>(fields: &mut Fields<'_>, key: &'static str, inherited: Option<T>) -> Option<T> {
    if inherited.is_none() {
        fields.require(key);
    }
    inherited
}

fn is_signing_key(secret: &Secret) -> bool {
    let key = secret.expose().strip_prefix("whsec_").unwrap_or_default();
    !key.is_empty() && STANDARD.decode(key).is_ok()
}
