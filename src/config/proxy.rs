//! Proxies and headers: `proxy_url` and what belongs to it, `http_headers`.

use super::context::Context;
use crate::domain::shown::{HIDDEN, without_secrets};
use crate::secret::Secret;
use crate::source::scrape::settings::{ProxySettings, SecretHeader, SecretSource};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// Headers that nines sets itself, as in Prometheus.
const OWN_HEADERS: [&str; 13] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "transfer-encoding",
    "user-agent",
    "www-authenticate",
    "x-prometheus-scrape-timeout-seconds",
];

/// Reads through whom requests go.
pub(super) fn read_proxy(context: &mut Context<'_>, fields: &mut Fields<'_>) -> ProxySettings {
    let (url_field, list_field) = (fields.get("proxy_url"), fields.get("no_proxy"));
    let url = url_field.and_then(|field| {
        let text = context.reader.filled(field)?;
        context.hide_as(field.node, without_secrets(&text));
        let parsed = url::Url::parse(&text).ok();
        let is_proxy =
            parsed.is_some_and(|url| url.has_host() && ["http", "https", "socks5", "socks5h"].contains(&url.scheme()));
        if !is_proxy {
            let message = "`proxy_url` must be an address such as http://proxy:3128 or socks5://proxy:1080";
            context.reader.report(&codes::ADDRESS, field.node.span, message);
        }
        is_proxy.then(|| Secret::new(text))
    });
    let from_environment = context.boolean(fields, "proxy_from_environment", false);
    let environment_field = fields.get("proxy_from_environment").filter(|_| from_environment);
    if let Some(field) = environment_field {
        if url_field.is_some() {
            context.exclude(field, "proxy_url");
        }
        if list_field.is_some() {
            context.exclude(field, "no_proxy");
        }
    }
    if let (None, Some(list)) = (url_field, list_field) {
        let message = "`no_proxy` has no effect without `proxy_url`";
        context.reader.report(&codes::NO_EFFECT, list.key_span, message);
    }
    let mut connect_headers = Vec::new();
    if let Some(field) = fields.get("proxy_connect_header") {
        for (name, values) in read_entries(context, field) {
            let mut secrets = Vec::new();
            for item in context.reader.list(values) {
                secrets.extend(context.secret(item));
            }
            if is_header(context, &name, values) {
                connect_headers.push((name, secrets));
            }
        }
        if url_field.is_none() {
            let message = "`proxy_connect_header` has no effect without `proxy_url`";
            context.reader.report(&codes::NO_EFFECT, field.key_span, message);
        }
    }
    ProxySettings {
        url,
        from_environment,
        no_proxy: list_field
            .and_then(|field| context.reader.text(field))
            .unwrap_or_default(),
        connect_headers,
    }
}

/// Reads `http_headers`: of each name its values, which may be secret or stand in files.
pub(super) fn read_headers(context: &mut Context<'_>, field: Field<'_>) -> Vec<SecretHeader> {
    let mut headers = Vec::new();
    for (name, written) in read_entries(context, field) {
        let Some(mut fields) = Fields::open(&mut context.reader, written) else {
            continue;
        };
        let (open, secret, files) = (fields.get("values"), fields.get("secrets"), fields.get("files"));
        let mut values = Vec::new();
        for item in open.map(|field| context.reader.list(field)).unwrap_or_default() {
            // Many a header is a credential, whichever key its value stands under.
            context.hide_as(item.node, HIDDEN.to_owned());
            let text = context.reader.text(item);
            values.extend(text.map(|text| SecretSource::Inline(Secret::new(text))));
        }
        for item in secret.map(|field| context.reader.list(field)).unwrap_or_default() {
            values.extend(context.secret(item).map(SecretSource::Inline));
        }
        for item in files.map(|field| context.reader.list(field)).unwrap_or_default() {
            values.extend(context.path(item).map(SecretSource::File));
        }
        context.finish(fields);
        if is_own_header(&name) {
            let message = format!("the header {name} is set by nines and cannot be set in `http_headers`");
            context.reader.report(&codes::CONFLICT, written.key_span, message);
        } else if is_header(context, &name, written) {
            headers.push(SecretHeader {
                name,
                values,
                is_secret: secret.or(files).is_some(),
            });
        }
    }
    headers
}

/// The entries of a map whose keys are anybody's choice.
pub(super) fn read_entries<'n>(context: &mut Context<'_>, field: Field<'n>) -> Vec<(String, Field<'n>)> {
    let Some(entries) = field.node.entries() else {
        context.reader.expected(field, "a map");
        return Vec::new();
    };
    let entry = |entry: &'n crate::spec::yaml::Entry| {
        let value = Field {
            node: &entry.value,
            key_span: entry.key_span,
            ..field
        };
        (entry.key.clone(), value)
    };
    entries.iter().map(entry).collect()
}

/// An address that begins with http:// or https://. What may be secret in it is hidden.
pub(super) fn read_web_address(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let text = context.reader.filled(field)?;
    let shown = without_secrets(&text);
    let shown = match shown.split_once('?') {
        Some((address, _)) => format!("{address}?{HIDDEN}"),
        None => shown,
    };
    context.hide_as(field.node, shown);
    let parsed = url::Url::parse(&text).ok();
    let is_web = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_web {
        let message = format!(
            "`{}` must be an address that begins with http:// or https://",
            field.key
        );
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    is_web.then_some(text)
}

/// Whether nines sets a header of this name itself.
pub(super) fn is_own_header(name: &str) -> bool {
    OWN_HEADERS.contains(&name.to_lowercase().as_str())
}

/// Whether a header may have this name.
pub(super) fn is_header(context: &mut Context<'_>, name: &str, field: Field<'_>) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    if !is_name {
        let message = format!("`{}` holds a name that no header may have", field.key);
        context.reader.report(&codes::NAME, field.key_span, message);
    }
    is_name
}
