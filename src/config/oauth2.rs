//! `oauth2`

use std::collections::BTreeMap;

use super::client::{NO_STORES, read_tls};
use super::context::Context;
use super::proxy::{read_entries, read_proxy, read_web_address};
use crate::secret::Secret;
use crate::source::scrape::settings::OAuth2;
use crate::spec::reader::{Field, Fields};

/// Reads how a token is fetched.
pub(super) fn read(context: &mut Context<'_>, field: Field<'_>) -> Option<OAuth2> {
    let mut fields = Fields::open(&mut context.reader, field)?;
    let client_id = fields.require("client_id");
    let client_id = client_id.and_then(|field| context.reader.filled(field));
    let before = context.reader.errors();
    let secret = context.secret_or_file(&mut fields, "client_secret", "client_secret_file");
    if secret.is_none() && context.reader.errors() == before {
        fields.require("client_secret");
    }
    let token_url = fields.require("token_url");
    let token_url = token_url.and_then(|field| read_web_address(context, field));
    let scopes = fields.get("scopes").map(|field| context.reader.texts(field));
    let mut endpoint_params = BTreeMap::new();
    if let Some(field) = fields.get("endpoint_params") {
        for (name, value) in read_entries(context, field) {
            let text = context.reader.text(value);
            context.hide_all(value.node);
            endpoint_params.extend(text.map(|text| (name, Secret::new(text))));
        }
    }
    let tls = read_tls(context, &mut fields);
    let proxy = read_proxy(context, &mut fields);
    let other_grant = "only the grant of client credentials is";
    context.unsupported(
        &mut fields,
        &[
            ("client_secret_ref", NO_STORES),
            ("client_certificate_key", other_grant),
            ("client_certificate_key_file", other_grant),
            ("client_certificate_key_ref", other_grant),
            ("client_certificate_key_id", other_grant),
            ("grant_type", other_grant),
            ("signature_algorithm", other_grant),
            ("iss", other_grant),
            ("audience", other_grant),
            ("claims", other_grant),
        ],
    );
    context.finish(fields);
    Some(OAuth2 {
        client_id: client_id?,
        client_secret: secret?.into(),
        token_url: token_url?,
        scopes: scopes.unwrap_or_default(),
        endpoint_params,
        tls,
        proxy,
    })
}
