//! The options of `tcp`, `unix`, `icmp`, `grpc` and `websocket`.

use std::net::IpAddr;

use super::http::read_headers;
use super::patterns::{items, read_one};
use crate::config::client::{read_client, read_tls};
use crate::config::context::Context;
use crate::source::probe::settings::{Exchange, GrpcModule, IcmpModule, TcpModule, UnixModule, WebSocketModule};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The largest payload of an echo request, in bytes: what an IP packet can hold.
const PAYLOAD_MAX: u64 = 65_507;

/// Which steps a script may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// All.
    Tcp,
    /// Without bytes.
    Unix,
    /// Only texts are sent and expected.
    WebSocket,
}

/// `tcp`
pub(super) fn read_tcp(context: &mut Context<'_>, fields: &mut Fields<'_>) -> TcpModule {
    TcpModule {
        source: read_source(context, fields),
        script: read_script(context, fields, Steps::Tcp),
        tls: context.boolean(fields, "tls", false),
        tls_settings: read_tls(context, fields),
    }
}

/// `unix`
pub(super) fn read_unix(context: &mut Context<'_>, fields: &mut Fields<'_>) -> UnixModule {
    UnixModule {
        script: read_script(context, fields, Steps::Unix),
        tls: context.boolean(fields, "tls", false),
        tls_settings: read_tls(context, fields),
    }
}

/// `icmp`
pub(super) fn read_icmp(context: &mut Context<'_>, fields: &mut Fields<'_>) -> IcmpModule {
    let payload = fields
        .get("payload_size")
        .and_then(|field| read_up_to(context, field, PAYLOAD_MAX));
    let ttl = fields.get("ttl").and_then(|field| read_up_to(context, field, 255));
    IcmpModule {
        source: read_source(context, fields),
        payload_size: payload.unwrap_or(0) as usize,
        // To blackbox exporter 0 is what is usual.
        ttl: ttl.and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0),
        dont_fragment: context.boolean(fields, "dont_fragment", false),
    }
}

/// `grpc`
pub(super) fn read_grpc(context: &mut Context<'_>, fields: &mut Fields<'_>) -> GrpcModule {
    let service = fields.get("service").and_then(|field| context.reader.text(field));
    let metadata = fields.get("metadata").map(|field| read_metadata(context, field));
    GrpcModule {
        service: service.unwrap_or_default(),
        metadata: metadata.unwrap_or_default(),
        tls: context.boolean(fields, "tls", false),
        tls_settings: read_tls(context, fields),
    }
}

/// `websocket`
pub(super) fn read_websocket(context: &mut Context<'_>, fields: &mut Fields<'_>) -> WebSocketModule {
    let http = fields.get("http_config");
    let http = http
        .and_then(|field| Fields::open(&mut context.reader, field))
        .map(|mut fields| {
            let http = read_client(context, &mut fields);
            context.fixed(&mut fields, "enable_http2", false, "a websocket begins with HTTP/1.1");
            context.finish(fields);
            http
        });
    let headers = fields
        .get("headers")
        .map(|field| read_websocket_headers(context, field));
    WebSocketModule {
        http: http.unwrap_or_default(),
        headers: headers.unwrap_or_default(),
        script: read_script(context, fields, Steps::WebSocket),
    }
}

/// `headers`: to blackbox exporter each has a list of values, which are joined here.
fn read_websocket_headers(context: &mut Context<'_>, field: Field<'_>) -> Vec<(String, String)> {
    let is_listed = field
        .node
        .entries()
        .is_some_and(|entries| entries.iter().any(|entry| entry.value.items().is_some()));
    if is_listed {
        return read_metadata(context, field);
    }
    read_headers(context, field)
}

/// Names, each with a list of values. Any of them may be a credential, so that none is shown.
fn read_metadata(context: &mut Context<'_>, field: Field<'_>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, value) in crate::config::proxy::read_entries(context, field) {
        context.hide_all(value.node);
        if !crate::config::proxy::is_header(context, &name, value) {
            continue;
        }
        let values = match value.node.items() {
            Some(_) => context.reader.list(value),
            None => vec![value],
        };
        for value in values {
            let text = context.reader.text(value);
            let text = text.filter(|text| !text.contains(['\r', '\n', '\0']));
            pairs.extend(text.map(|text| (name.clone(), text)));
        }
    }
    pairs
}

/// `source_ip_address`
pub(super) fn read_source(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<IpAddr> {
    let field = fields.get("source_ip_address")?;
    let text = context.reader.text(field).filter(|text| !text.is_empty())?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = "`source_ip_address` must be an IP address of this machine";
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    address
}

fn read_up_to(context: &mut Context<'_>, field: Field<'_>, most: u64) -> Option<u64> {
    let number = context.reader.whole(field)?;
    if number > most {
        let message = format!("`{}` must be 0 to {most}", field.key);
        context.reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    Some(number)
}

/// `query_response`
fn read_script(context: &mut Context<'_>, fields: &mut Fields<'_>, steps: Steps) -> Vec<Exchange> {
    let items = items(context, fields, "query_response");
    items
        .into_iter()
        .filter_map(|item| read_exchange(context, item, steps))
        .collect()
}

fn read_exchange(context: &mut Context<'_>, item: Field<'_>, steps: Steps) -> Option<Exchange> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let expect = fields.get("expect").filter(|field| field.node.text() != Some(""));
    let expect = expect.map(|field| (field, read_one(context, field)));
    let send = fields.get("send");
    let mut exchange = Exchange {
        send: send.and_then(|field| {
            // Scripts log in: a line that is sent may be a password.
            context.hide_all(field.node);
            context.reader.text(field)
        }),
        ..Exchange::default()
    };
    exchange.send = exchange.send.filter(|send| !send.is_empty());
    if steps != Steps::WebSocket {
        exchange.labels = read_labels(context, &mut fields);
    }
    exchange.starttls = context.boolean(&mut fields, "starttls", false);
    if steps == Steps::Tcp {
        let bytes = fields.get("expect_bytes");
        let text = bytes.and_then(|field| context.reader.text(field));
        exchange.expect_bytes = text.filter(|text| !text.is_empty()).map(String::into_bytes);
        if let (Some(_), Some(field)) = (&expect, bytes) {
            context.exclude(field, "expect");
        }
    }
    context.finish(fields);
    exchange.expect = match expect {
        Some((_, read)) => Some(read?),
        None => None,
    };
    Some(exchange)
}

/// `labels`: what of the answer is shown as `probe_expect_info`.
fn read_labels(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for item in items(context, fields, "labels") {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let name = fields.require("name");
        let value = fields.get("value").and_then(|field| context.reader.text(field));
        let name = name.and_then(|field| {
            let name = context.reader.text(field)?;
            context.reader.check_label(&name, field.node.span, &[]).then_some(name)
        });
        context.finish(fields);
        labels.extend(name.map(|name| (name, value.unwrap_or_default())));
    }
    labels
}
