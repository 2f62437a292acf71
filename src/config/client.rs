//! How requests are made: `basic_auth`, `authorization`, `oauth2`, `tls_config` and what belongs to them.

use super::context::{Context, SecretPlace};
use super::{oauth2, proxy};
use crate::secret::Secret;
use crate::source::scrape::settings::{Auth, HttpSettings, SecretSource, TlsSettings, TlsVersion};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// Why keys that end in `_ref` do nothing.
pub(super) const NO_STORES: &str = "nines has no secret providers; use the key that ends in `_file`";

/// What is said where a version is none, or one that nines does not speak.
const SPOKEN: &str = "nines speaks TLS 1.2 and 1.3: write TLS12 or TLS13";

/// The versions of TLS as they are written; the old ones are below what nines speaks.
const VERSIONS: [(&str, Option<TlsVersion>); 4] = [
    ("TLS10", None),
    ("TLS11", None),
    ("TLS12", Some(TlsVersion::Tls12)),
    ("TLS13", Some(TlsVersion::Tls13)),
];

/// Reads how requests are made by those who speak HTTP/1.1.
pub(super) fn read_http(context: &mut Context<'_>, fields: &mut Fields<'_>) -> HttpSettings {
    let settings = read_client(context, fields);
    context.fixed(fields, "enable_http2", false, "requests use HTTP/1.1");
    settings
}

/// Reads how requests are made, but for the version of HTTP.
pub(super) fn read_client(context: &mut Context<'_>, fields: &mut Fields<'_>) -> HttpSettings {
    let tls = fields.get("tls_config");
    let settings = HttpSettings {
        auth: read_auth(context, fields),
        headers: fields
            .get("http_headers")
            .map(|field| proxy::read_headers(context, field))
            .unwrap_or_default(),
        tls: read_tls(context, fields),
        proxy: proxy::read_proxy(context, fields),
        no_redirects: !context.boolean(fields, "follow_redirects", true),
    };
    if let Some(field) = tls
        && settings.tls.server_name.is_some()
        && settings.proxy.is_used()
    {
        let message = "`server_name` has no effect behind a proxy: the certificate must bear the target's own name";
        context.reader.report(&codes::NO_EFFECT, field.key_span, message);
    }
    settings
}

/// Reads the ways to authenticate; at most one may be there.
fn read_auth(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Auth {
    let basic = fields.get("basic_auth");
    let header = fields.get("authorization");
    let oauth2 = fields.get("oauth2");
    let (bearer, bearer_file) = (fields.get("bearer_token"), fields.get("bearer_token_file"));
    let all = [basic, header, oauth2, bearer, bearer_file];
    let mut given = all.into_iter().flatten();
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        context.exclude(second, first.key);
    }
    for old in [bearer, bearer_file].into_iter().flatten() {
        let message = format!("`{}` is the older way to write `authorization`", old.key);
        context.reader.report(&codes::DEPRECATED, old.key_span, message);
    }
    let basic = basic.and_then(|field| read_user(context, field));
    let header = header
        .and_then(|field| read_authorization(context, field))
        .map(|(kind, credentials)| Auth::Header {
            kind,
            credentials: credentials.into(),
        });
    let oauth2 = oauth2.and_then(|field| oauth2::read(context, field));
    let oauth2 = oauth2.map(|oauth2| Auth::OAuth2(Box::new(oauth2)));
    let token = bearer.and_then(|field| context.secret(field)).map(SecretPlace::Inline);
    let token = token.or_else(|| bearer_file.and_then(|field| context.path(field)).map(SecretPlace::File));
    let bearer = token.map(|credentials| Auth::Header {
        kind: "Bearer".to_owned(),
        credentials: credentials.into(),
    });
    basic.or(header).or(oauth2).or(bearer).unwrap_or_default()
}

/// `basic_auth` as Prometheus has it: both parts may stand in files, and to Prometheus both may be missing.
fn read_user(context: &mut Context<'_>, field: Field<'_>) -> Option<Auth> {
    let mut fields = Fields::open(&mut context.reader, field)?;
    let (name, file) = (fields.get("username"), fields.get("username_file"));
    if let (Some(_), Some(file)) = (name, file) {
        context.exclude(file, "username");
    }
    let name_given = name.or(file).is_some();
    let name = name.and_then(|field| context.reader.text(field));
    let name = name.map(|name| SecretSource::Inline(Secret::new(name)));
    let name = name.or_else(|| file.and_then(|field| context.path(field)).map(SecretSource::File));
    let password = context.secret_or_file(&mut fields, "password", "password_file");
    context.unsupported(&mut fields, &[("username_ref", NO_STORES), ("password_ref", NO_STORES)]);
    context.finish(fields);
    let empty = || Some(SecretSource::Inline(Secret::new("")));
    if !context.is_prometheus {
        missing(context, field, name_given, "username");
        missing(context, field, password.is_some(), "password");
    }
    Some(Auth::Basic {
        username: name.or_else(empty)?,
        password: password.map(SecretSource::from).or_else(empty)?,
    })
}

/// User and password.
pub(super) fn read_basic(context: &mut Context<'_>, field: Field<'_>) -> Option<(String, SecretPlace)> {
    let mut fields = Fields::open(&mut context.reader, field)?;
    let username = fields.require("username");
    let username = username.and_then(|field| context.reader.text(field));
    let password = context.secret_or_file(&mut fields, "password", "password_file");
    fields.refuse(&mut context.reader, &["username_file", "username_ref", "password_ref"]);
    fields.finish(&mut context.reader);
    missing(context, field, password.is_some(), "password");
    Some((username?, password?))
}

/// The type, `Bearer` by default, and what follows it.
pub(super) fn read_authorization(context: &mut Context<'_>, field: Field<'_>) -> Option<(String, SecretPlace)> {
    let mut fields = Fields::open(&mut context.reader, field)?;
    let kind = fields.get("type").and_then(|field| context.reader.filled(field));
    let credentials = context.secret_or_file(&mut fields, "credentials", "credentials_file");
    context.unsupported(&mut fields, &[("credentials_ref", NO_STORES)]);
    context.finish(fields);
    if !context.is_prometheus {
        missing(context, field, credentials.is_some(), "credentials");
    }
    Some((kind.unwrap_or_else(|| "Bearer".to_owned()), credentials?))
}

/// Reads `tls_config`.
pub(super) fn read_tls(context: &mut Context<'_>, fields: &mut Fields<'_>) -> TlsSettings {
    let mut tls = TlsSettings::default();
    let field = fields.get("tls_config");
    let Some((field, mut fields)) = field.and_then(|f| Some((f, Fields::open(&mut context.reader, f)?))) else {
        return tls;
    };
    tls.ca_file = fields.get("ca_file").and_then(|field| context.path(field));
    tls.cert_file = fields.get("cert_file").and_then(|field| context.path(field));
    tls.key_file = fields.get("key_file").and_then(|field| context.path(field));
    tls.server_name = fields.get("server_name").and_then(|field| context.reader.filled(field));
    tls.insecure_skip_verify = context.boolean(&mut fields, "insecure_skip_verify", false);
    tls.min_version = read_version(context, &mut fields, "min_version");
    tls.max_version = read_version(context, &mut fields, "max_version");
    context.unsupported(
        &mut fields,
        &[
            ("ca", "write it into a file and name that with `ca_file`"),
            ("cert", "write it into a file and name that with `cert_file`"),
            ("key", "write it into a file and name that with `key_file`"),
            ("ca_ref", NO_STORES),
            ("cert_ref", NO_STORES),
            ("key_ref", NO_STORES),
        ],
    );
    context.finish(fields);
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        let message = "`cert_file` and `key_file` belong together";
        context.reader.report(&codes::MISSING_KEY, field.key_span, message);
    }
    tls
}

/// A version that nines speaks; one of Prometheus's that it does not speak is said, and has no effect.
fn read_version(context: &mut Context<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<TlsVersion> {
    let field = fields.get(key)?;
    let version = context.reader.choice_with(field, &VERSIONS, Some(SPOKEN))?;
    if version.is_none() {
        let message = format!("`{key}` has no effect: older versions than TLS 1.2 are not spoken");
        let hint = Some(SPOKEN.to_owned());
        context
            .reader
            .report_with(&codes::NO_EFFECT, field.key_span, message, hint);
    }
    version
}

/// Says that a secret is missing, where nothing else was said about it.
fn missing(context: &mut Context<'_>, field: Field<'_>, is_there: bool, key: &str) {
    let is_named = field.node.entries().is_some_and(|entries| {
        entries
            .iter()
            .any(|entry| entry.key.starts_with(key) && !entry.value.is_null())
    });
    if !is_there && !is_named {
        let message = format!("`{key}` (or `{key}_file`) is missing");
        context.reader.report(&codes::MISSING_KEY, field.key_span, message);
    }
}
