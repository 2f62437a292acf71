//! The options of `prober: http`.

use std::sync::Arc;

use crate::config::client::read_client;
use crate::config::context::Context;
use crate::config::proxy::{is_header, read_entries};
use crate::config::scrape::read_size;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

use super::{json, patterns};
use crate::source::probe::settings::{BODY_MAX, HttpModule};

/// Statuses that there can be.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=999;
/// The longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Reads the options.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>) -> HttpModule {
    let headers_field = fields.get("headers");
    let headers = headers_field.map(|field| read_headers(context, field));
    let headers = headers.unwrap_or_default();
    let compression = read_compression(context, fields, &headers);
    let (body, body_file) = read_body(context, fields);
    let method = fields.get("method").and_then(|field| read_method(context, field));
    let mut http = read_client(context, fields);
    read_old_redirects(context, fields, &mut http.no_redirects);
    let size = fields.get("body_size_limit");
    context.fixed(fields, "enable_http3", false, "nines speaks HTTP/1.1 and HTTP/2");
    context.unsupported(
        fields,
        &[("use_proxy_dns", "write `skip_resolve_phase_with_proxy: true`")],
    );
    HttpModule {
        valid_status_codes: read_statuses(context, fields),
        valid_http_versions: read_versions(context, fields),
        method: method.unwrap_or_else(|| "GET".to_owned()),
        headers,
        http,
        body_size_limit: size.map_or(BODY_MAX, |field| read_limit(context, field)),
        compression,
        fail_if_ssl: context.boolean(fields, "fail_if_ssl", false),
        fail_if_not_ssl: context.boolean(fields, "fail_if_not_ssl", false),
        fail_if_body_matches: patterns::read(context, fields, "fail_if_body_matches_regexp"),
        fail_if_body_not_matches: patterns::read(context, fields, "fail_if_body_not_matches_regexp"),
        fail_if_header_matches: patterns::read_headers(context, fields, "fail_if_header_matches"),
        fail_if_header_not_matches: patterns::read_headers(context, fields, "fail_if_header_not_matches"),
        fail_if_json_matches_cel: json::read_cel(context, fields, "fail_if_body_json_matches_cel"),
        fail_if_json_not_matches_cel: json::read_cel(context, fields, "fail_if_body_json_not_matches_cel"),
        json_conditions: json::read_conditions(context, fields),
        enable_http2: context.boolean(fields, "enable_http2", true),
        skip_resolve_with_proxy: context.boolean(fields, "skip_resolve_phase_with_proxy", false),
        body,
        body_file,
        memory: Arc::default(),
    }
}

/// `headers`: a value by name. Any of them may be a credential, so that none is shown.
pub(super) fn read_headers(context: &mut Context<'_>, field: Field<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in read_entries(context, field) {
        context.hide_all(value.node);
        let text = context.reader.text(value);
        if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            let message = format!("the header {name} is set twice");
            context.reader.report(&codes::CONFLICT, value.key_span, message);
        } else if let (true, Some(text)) = (is_header(context, &name, value), text) {
            if text.contains(['\r', '\n', '\0']) {
                let message = format!("the value of the header {name} holds a line break");
                context.reader.report(&codes::NAME, value.key_span, message);
            } else {
                headers.push((name, text));
            }
        }
    }
    headers
}

/// `compression`; an `Accept-Encoding` that is written beside it must ask for it.
fn read_compression(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    headers: &[(String, String)],
) -> Option<String> {
    let words = ["gzip", "br", "deflate", "identity"].map(|word| (word, word));
    let field = fields.get("compression")?;
    // To blackbox exporter an empty one is none.
    if field.node.text() == Some("") {
        return None;
    }
    let compression = context.reader.choice(field, &words)?;
    let accepted = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
    if let Some((_, accepted)) = accepted {
        let asks = accepted.split(',').any(|part| {
            let (encoding, quality) = part.split_once(';').unwrap_or((part, ""));
            let quality = quality.trim().trim_start_matches("q=");
            [compression, "*"].contains(&encoding.trim()) && quality.parse() != Ok(0.0_f64)
        });
        if !asks {
            let message =
                format!("`compression: {compression}` is not among what `Accept-Encoding` in `headers` asks for");
            context.reader.report(&codes::CONFLICT, field.key_span, message);
        }
    }
    Some(compression.to_owned())
}

fn read_body(context: &mut Context<'_>, fields: &mut Fields<'_>) -> (String, Option<std::path::PathBuf>) {
    let (body, file) = (fields.get("body"), fields.get("body_file"));
    if let (Some(_), Some(file)) = (body, file) {
        context.exclude(file, "body");
    }
    let text = body.and_then(|field| {
        // A body may hold a password; who looks at the configuration need not see it.
        context.hide_all(field.node);
        let text = context.reader.text(field)?;
        if text.len() > BODY_BYTES_MAX {
            let message = "`body` may have 1 MiB; write it into a file and name that with `body_file`";
            context.reader.report(&codes::TOO_LARGE, field.key_span, message);
        }
        Some(text)
    });
    (text.unwrap_or_default(), file.and_then(|field| context.path(field)))
}

fn read_method(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let method = context.reader.text(field)?;
    let is_method = method.len() <= 32
        && method
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_method {
        let message = "`method` must be a method of HTTP such as GET, HEAD or POST";
        context.reader.report(&codes::CHOICE, field.node.span, message);
    }
    (is_method && !method.is_empty()).then_some(method)
}

/// `no_follow_redirects`, as `follow_redirects` was called before.
fn read_old_redirects(context: &mut Context<'_>, fields: &mut Fields<'_>, no_redirects: &mut bool) {
    if let Some(field) = fields.get("no_follow_redirects") {
        let message = "`no_follow_redirects` is the older way to write `follow_redirects: false`";
        context.reader.report(&codes::DEPRECATED, field.key_span, message);
        *no_redirects = context.reader.boolean(field).unwrap_or(*no_redirects);
    }
}

fn read_statuses(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for item in patterns::items(context, fields, "valid_status_codes") {
        let Some(number) = context.reader.whole(item) else {
            continue;
        };
        match u16::try_from(number).ok().filter(|status| STATUSES.contains(status)) {
            Some(status) => statuses.push(status),
            None => {
                let message = "`valid_status_codes` are numbers from 100 to 999";
                context.reader.report(&codes::NUMBER, item.node.span, message);
            }
        }
    }
    if context.boolean(fields, "accept_any_response", false) {
        return STATUSES.collect();
    }
    statuses
}

fn read_versions(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<String> {
    const VERSIONS: [(&str, &str); 5] = [
        ("HTTP/1.0", "HTTP/1.0"),
        ("HTTP/1.1", "HTTP/1.1"),
        ("HTTP/2.0", "HTTP/2.0"),
        ("HTTP/2", "HTTP/2.0"),
        ("HTTP/3.0", "HTTP/3.0"),
    ];
    let items = patterns::items(context, fields, "valid_http_versions");
    let versions = items.into_iter();
    let versions = versions.filter_map(|item| context.reader.choice(item, &VERSIONS));
    versions.map(ToOwned::to_owned).collect()
}

/// How much of a body is read; what is above that is cut, and 0 is that.
fn read_limit(context: &mut Context<'_>, field: Field<'_>) -> u64 {
    let size = read_size(context, field, BODY_MAX).unwrap_or(BODY_MAX);
    if size > BODY_MAX {
        let message = "`body_size_limit` is cut to 64MB, which is as much as nines reads";
        context.reader.report(&codes::NO_EFFECT, field.node.span, message);
    }
    size.min(BODY_MAX)
}
