//! `prometheus_servers`: Prometheus-compatible servers that are asked for what they have scraped.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::context::Context;
use super::proxy::{is_header, is_own_header, read_entries, read_web_address};
use super::{client, scrape};
use crate::domain::time::{MINUTE_MS, format_duration, millis};
use crate::secret::Secret;
use crate::source::http::settings::{HttpSettings, SecretHeader, SecretSource};
use crate::source::prometheus::settings::{
    ANSWER_BYTES_MAX, CONCURRENCY, INTERVAL, PartialResponse, QUERIES_PER_SECOND, QUERY_OFFSET, ServerSettings, TIMEOUT,
};
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields};

/// What `interval` may be.
const INTERVALS: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(1);
/// What `query_offset` may be.
pub(super) const OFFSETS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// What `timeout` may be.
pub(super) const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(10);
/// What `max_concurrency` may be.
const CONCURRENCIES: RangeInclusive<u64> = 1..=100;
/// What `queries_per_second` may be.
const RATES: RangeInclusive<f64> = 0.01..=10_000.0;
/// What `max_answer_size` may be, in bytes.
const ANSWER_SIZES: RangeInclusive<u64> = 1024..=1 << 30;

/// Reads `prometheus_servers`.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<ServerSettings> {
    let mut servers: Vec<ServerSettings> = Vec::new();
    let Some(list) = fields.get("prometheus_servers") else {
        return servers;
    };
    for item in context.reader.list(list) {
        let server = read_server(context, item, &servers);
        servers.extend(server);
    }
    if let [only] = servers.as_mut_slice() {
        only.is_default = true;
    }
    servers
}

fn read_server(context: &mut Context<'_>, item: Field<'_>, known: &[ServerSettings]) -> Option<ServerSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let names: Vec<&str> = known.iter().map(|server| server.name.as_str()).collect();
    let name = fields.require("name");
    let name = name.and_then(|field| {
        foreign::name(&mut context.reader, field)?;
        context.unique_name(field, &names)
    });
    let url = fields.require("url").and_then(|field| read_url(context, field));
    let headers = fields.get("headers");
    let partial = [("abort", PartialResponse::Abort), ("warn", PartialResponse::Warn)];
    let partial = fields
        .get("partial_response")
        .and_then(|field| context.reader.choice(field, &partial));
    let size = fields.get("max_answer_size");
    let default = fields.get("default");
    let is_default = default.and_then(|field| context.reader.boolean(field)).unwrap_or(false);
    if let (Some(field), true, Some(other)) = (default, is_default, known.iter().find(|server| server.is_default)) {
        let message = format!(
            "`default: true` stands at the server {} already; one may have it",
            other.name
        );
        context.reader.report(&codes::CONFLICT, field.key_span, message);
    }
    let interval = read_duration(context, &mut fields, "interval", INTERVAL, &INTERVALS);
    if let Some(field) = fields.get("interval").filter(|_| millis(interval) % MINUTE_MS != 0) {
        let message = "`interval` must be whole minutes, which is what events are counted by";
        context.reader.report(&codes::DURATION, field.node.span, message);
    }
    let mut http = client::read_http(context, &mut fields);
    if let Some(field) = headers {
        add_headers(context, field, &mut http);
    }
    let settings = ServerSettings {
        name: name.unwrap_or_default(),
        url: Secret::new(url.unwrap_or_default()),
        http,
        query_offset: read_duration(context, &mut fields, "query_offset", QUERY_OFFSET, &OFFSETS),
        interval,
        timeout: read_duration(context, &mut fields, "timeout", TIMEOUT, &TIMEOUTS),
        concurrency: read_concurrency(context, &mut fields, CONCURRENCY),
        pace: read_pace(context, &mut fields, Duration::from_secs_f64(1.0 / QUERIES_PER_SECOND)),
        partial_response: partial.unwrap_or_default(),
        answer_bytes_max: size.map_or(ANSWER_BYTES_MAX, |field| read_size(context, field)),
        is_default,
    };
    context.finish(fields);
    Some(settings)
}

/// The address to which `/api/v1/query` is added. Parameters stay: some servers take tenants and filters there.
fn read_url(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let text = read_web_address(context, field)?;
    let url = Url::parse(&text).ok()?;
    let path = url.path().trim_end_matches('/');
    let of_api = ["/api/v1", "/api/v1/query", "/api/v1/query_range", "/graph"];
    let (message, hint) = if !url.username().is_empty() || url.password().is_some() {
        ("`url` holds a user", "write user and password as `basic_auth`")
    } else if url.fragment().is_some() {
        ("`url` holds a fragment", "leave out `#` and what follows it")
    } else if of_api.iter().any(|end| path.ends_with(end)) {
        (
            "`url` names a part of the server",
            "write what stands before /api/v1, such as http://127.0.0.1:9090",
        )
    } else {
        return Some(text);
    };
    context
        .reader
        .report_with(&codes::ADDRESS, field.node.span, message, Some(hint.to_owned()));
    None
}

/// `headers`: a value by name. Values may be secret, so what is wrong is told at the key of all of them.
fn add_headers(context: &mut Context<'_>, field: Field<'_>, http: &mut HttpSettings) {
    for (name, value) in read_entries(context, field) {
        let value = Field {
            key_span: field.key_span,
            ..value
        };
        let text = context.secret(value);
        if is_own_header(&name) {
            let message = format!("the header {name} is set by nines and cannot be set in `headers`");
            let hint = name
                .eq_ignore_ascii_case("authorization")
                .then(|| "write it as `authorization`".to_owned());
            context
                .reader
                .report_with(&codes::CONFLICT, field.key_span, message, hint);
        } else if http.headers.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
            let message = format!("the header {name} is set twice");
            context.reader.report(&codes::CONFLICT, field.key_span, message);
        } else if is_header(context, &name, value)
            && let Some(text) = text
        {
            http.headers.push(SecretHeader {
                name,
                values: vec![SecretSource::Inline(text)],
                is_secret: true,
            });
        }
    }
}

/// A duration within its range, else the default.
pub(super) fn read_duration(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Duration,
    range: &RangeInclusive<Duration>,
) -> Duration {
    let Some(field) = fields.get(key) else {
        return default;
    };
    let Some(duration) = context.reader.duration(field) else {
        return default;
    };
    if !range.contains(&duration) {
        let shown = |duration: &Duration| format_duration(*duration);
        let message = format!("`{key}` must be {} to {}", shown(range.start()), shown(range.end()));
        context.reader.report(&codes::DURATION, field.node.span, message);
        return default;
    }
    duration
}

pub(super) fn read_concurrency(context: &mut Context<'_>, fields: &mut Fields<'_>, default: usize) -> usize {
    let Some(field) = fields.get("max_concurrency") else {
        return default;
    };
    let Some(number) = context.reader.whole(field) else {
        return default;
    };
    if !CONCURRENCIES.contains(&number) {
        let (least, most) = (CONCURRENCIES.start(), CONCURRENCIES.end());
        let message = format!("`max_concurrency` must be {least} to {most}");
        context.reader.report(&codes::NUMBER, field.node.span, message);
    }
    number as usize
}

/// `queries_per_second`, as the time from one to the next.
pub(super) fn read_pace(context: &mut Context<'_>, fields: &mut Fields<'_>, default: Duration) -> Duration {
    let Some(field) = fields.get("queries_per_second") else {
        return default;
    };
    let Some(rate) = context.reader.number(field) else {
        return default;
    };
    if !RATES.contains(&rate) {
        let message = format!("`queries_per_second` must be {} to {}", RATES.start(), RATES.end());
        context.reader.report(&codes::NUMBER, field.node.span, message);
        return default;
    }
    Duration::from_secs_f64(1.0 / rate)
}

fn read_size(context: &mut Context<'_>, field: Field<'_>) -> u64 {
    let Some(size) = scrape::read_size(context, field, ANSWER_BYTES_MAX) else {
        return ANSWER_BYTES_MAX;
    };
    if !ANSWER_SIZES.contains(&size) {
        let message = "`max_answer_size` must be 1KB to 1GB";
        context.reader.report(&codes::NUMBER, field.node.span, message);
    }
    size
}
