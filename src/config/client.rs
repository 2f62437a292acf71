//! How nines says who it is, and whom it trusts: `basic_auth`, `authorization`, `tls_config`.

use super::context::{Context, SecretPlace};
use crate::source::scrape::settings::{Auth, TlsSettings};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// Reads the ways to authenticate; at most one may be there.
pub(super) fn read_auth(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Auth {
    let basic = fields.get("basic_auth");
    let header = fields.get("authorization");
    let (bearer, bearer_file) = (fields.get("bearer_token"), fields.get("bearer_token_file"));
    let all = [basic, header, bearer, bearer_file];
    let mut given = all.into_iter().flatten();
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        context.exclude(second, first.key);
    }
    for old in [bearer, bearer_file].into_iter().flatten() {
        let message = format!("`{}` is the older way to write `authorization`", old.key);
        context.reader.report(&codes::DEPRECATED, old.key_span, message);
    }
    let basic = basic
        .and_then(|field| read_basic(context, field))
        .map(|(username, password)| Auth::Basic {
            username,
            password: password.into(),
        });
    let header = header
        .and_then(|field| read_authorization(context, field))
        .map(|(kind, credentials)| Auth::Header {
            kind,
            credentials: credentials.into(),
        });
    let token = bearer.and_then(|field| context.secret(field)).map(SecretPlace::Inline);
    let token = token.or_else(|| bearer_file.and_then(|field| context.path(field)).map(SecretPlace::File));
    let bearer = token.map(|credentials| Auth::Header {
        kind: "Bearer".to_owned(),
        credentials: credentials.into(),
    });
    basic.or(header).or(bearer).unwrap_or_default()
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
    fields.refuse(&mut context.reader, &["credentials_ref"]);
    fields.finish(&mut context.reader);
    missing(context, field, credentials.is_some(), "credentials");
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
    fields.refuse(
        &mut context.reader,
        &["ca", "cert", "key", "min_version", "max_version"],
    );
    fields.finish(&mut context.reader);
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        let message = "`cert_file` and `key_file` belong together";
        context.reader.report(&codes::MISSING_KEY, field.key_span, message);
    }
    tls
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
