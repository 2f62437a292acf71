//! One module: its prober, what holds for all probers, and the section of the prober.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::{Modules, dns, http, net};
use crate::config::context::Context;
use crate::config::proxy::read_entries;
use crate::domain::time::format_duration;
use crate::domain::verdict::ProbeKind;
use crate::source::probe::settings::{
    AddressPolicy, HttpModule, IcmpModule, IpChoice, ProbeModule, Protocol, TcpModule,
};
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};
use crate::spec::yaml::{Node, Value};

/// How many modules there may be.
const MODULES_MAX: usize = 1_000;
/// How often a probe may be tried.
const ATTEMPTS_MAX: u64 = 10;
/// How long a pause between attempts may be.
const DELAY_MAX: Duration = Duration::from_mins(1);
/// How long a probe may take at most.
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// A prober, and the key of its options.
const PROBERS: [(&str, ProbeKind); 7] = [
    ("http", ProbeKind::Http),
    ("tcp", ProbeKind::Tcp),
    ("unix", ProbeKind::Unix),
    ("dns", ProbeKind::Dns),
    ("icmp", ProbeKind::Icmp),
    ("grpc", ProbeKind::Grpc),
    ("websocket", ProbeKind::WebSocket),
];

/// Reads a map of modules.
pub(super) fn read_all(context: &mut Context<'_>, field: Field<'_>, modules: &mut Modules) {
    for (name, value) in read_entries(context, field) {
        if modules.len() >= MODULES_MAX {
            let message = format!("there may be {MODULES_MAX} modules");
            context.reader.report(&codes::RANGE, value.key_span, message);
            return;
        }
        if modules.contains_key(&name) {
            let message = format!("the module {name} is defined twice");
            context.reader.report(&codes::DUPLICATE_NAME, value.key_span, message);
            continue;
        }
        if let Some(module) = read(context, &name, value) {
            modules.insert(name, Arc::new(module));
        }
    }
}

/// Adds the modules that exist without being written.
pub(super) fn add_builtin(modules: &mut Modules) {
    for (name, protocol) in [
        ("http_2xx", Protocol::Http(Box::new(HttpModule::default()))),
        ("tcp_connect", Protocol::Tcp(Box::new(TcpModule::default()))),
        ("icmp", Protocol::Icmp(IcmpModule::default())),
    ] {
        let module = || Arc::new(ProbeModule::plain(name, protocol));
        modules.entry(name.to_owned()).or_insert_with(module);
    }
}

fn read(context: &mut Context<'_>, name: &str, field: Field<'_>) -> Option<ProbeModule> {
    let mut fields = Fields::open(&mut context.reader, field)?;
    let kind = fields
        .require("prober")
        .and_then(|field| context.reader.choice(field, &PROBERS));
    let timeout = fields.get("timeout").and_then(|field| read_timeout(context, field));
    let attempts = fields.get("attempts").and_then(|field| read_attempts(context, field));
    let delay = fields.get("attempt_delay").and_then(|field| {
        let delay = context.reader.duration(field)?;
        within(context, field, delay, Duration::ZERO, DELAY_MAX).then_some(delay)
    });
    let policies = [
        ("one", AddressPolicy::One),
        ("each", AddressPolicy::Each),
        ("any", AddressPolicy::Any),
    ];
    let addresses = fields
        .get("address_policy")
        .and_then(|field| context.reader.choice(field, &policies));
    let slower_than = fields
        .get("fail_if_slower_than")
        .and_then(|field| context.positive(field));
    let expires = fields.get("fail_if_cert_expires_within");
    let expires = expires.and_then(|field| context.positive(field));
    let sections = PROBERS.map(|(key, of)| (of, fields.get(key)));
    context.finish(fields);
    let kind = kind?;
    for (_, section) in sections.iter().filter(|(of, _)| *of != kind) {
        if let Some(section) = section {
            let message = format!("`{}` has no effect: the prober is {}", section.key, kind.word());
            context.reader.report(&codes::NO_EFFECT, section.key_span, message);
        }
    }
    let section = sections
        .into_iter()
        .find(|(of, _)| *of == kind)
        .and_then(|(_, field)| field);
    let (protocol, ip) = read_protocol(context, kind, field, section)?;
    Some(ProbeModule {
        timeout,
        attempts: attempts.unwrap_or(1),
        attempt_delay: delay.unwrap_or(Duration::from_secs(1)),
        addresses: addresses.unwrap_or_default(),
        ip,
        slower_than,
        cert_expires_within: expires,
        config_hash: digest(context, name, field.node),
        ..ProbeModule::plain(name, protocol)
    })
}

/// The options of the prober; all have defaults but those of DNS.
fn read_protocol(
    context: &mut Context<'_>,
    kind: ProbeKind,
    module: Field<'_>,
    section: Option<Field<'_>>,
) -> Option<(Protocol, IpChoice)> {
    let Some(section) = section else {
        return match kind {
            ProbeKind::Dns => {
                let message = "`dns` is missing: it says which name to ask for, as `query_name`";
                context.reader.report(&codes::MISSING_KEY, module.key_span, message);
                None
            }
            ProbeKind::Http => Some(Protocol::Http(Box::default())),
            ProbeKind::Tcp => Some(Protocol::Tcp(Box::default())),
            ProbeKind::Unix => Some(Protocol::Unix(Box::default())),
            ProbeKind::Icmp => Some(Protocol::Icmp(IcmpModule::default())),
            ProbeKind::Grpc => Some(Protocol::Grpc(Box::default())),
            ProbeKind::WebSocket => Some(Protocol::WebSocket(Box::default())),
        }
        .map(|protocol| (protocol, IpChoice::default()));
    };
    let mut fields = Fields::open(&mut context.reader, section)?;
    let ip = match kind {
        ProbeKind::Unix => IpChoice::default(),
        _ => read_ip(context, &mut fields),
    };
    let protocol = match kind {
        ProbeKind::Http => Some(Protocol::Http(Box::new(http::read(context, &mut fields)))),
        ProbeKind::Tcp => Some(Protocol::Tcp(Box::new(net::read_tcp(context, &mut fields)))),
        ProbeKind::Unix => Some(Protocol::Unix(Box::new(net::read_unix(context, &mut fields)))),
        ProbeKind::Dns => dns::read(context, &mut fields).map(|module| Protocol::Dns(Box::new(module))),
        ProbeKind::Icmp => Some(Protocol::Icmp(net::read_icmp(context, &mut fields))),
        ProbeKind::Grpc => Some(Protocol::Grpc(Box::new(net::read_grpc(context, &mut fields)))),
        ProbeKind::WebSocket => Some(Protocol::WebSocket(Box::new(net::read_websocket(context, &mut fields)))),
    };
    context.finish(fields);
    protocol.map(|protocol| (protocol, ip))
}

fn read_ip(context: &mut Context<'_>, fields: &mut Fields<'_>) -> IpChoice {
    let words = [("ip4", true), ("ip6", false)];
    let preferred = fields
        .get("preferred_ip_protocol")
        .and_then(|field| context.reader.choice(field, &words));
    IpChoice {
        prefers_v4: preferred.unwrap_or(false),
        fallback: context.boolean(fields, "ip_protocol_fallback", true),
    }
}

/// A timeout; to blackbox exporter 0 is none.
fn read_timeout(context: &mut Context<'_>, field: Field<'_>) -> Option<Duration> {
    let timeout = context.reader.duration(field)?;
    let is_none = timeout.is_zero() && context.is_prometheus;
    (!is_none && within(context, field, timeout, Duration::from_millis(1), TIMEOUT_MAX)).then_some(timeout)
}

fn read_attempts(context: &mut Context<'_>, field: Field<'_>) -> Option<u32> {
    let attempts = context.reader.whole(field)?;
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        let message = format!("`attempts` must be 1 to {ATTEMPTS_MAX}");
        context.reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    u32::try_from(attempts).ok()
}

/// Whether a duration fits; says so where it does not.
pub(super) fn within(
    context: &mut Context<'_>,
    field: Field<'_>,
    duration: Duration,
    least: Duration,
    most: Duration,
) -> bool {
    let fits = (least..=most).contains(&duration);
    if !fits {
        let (least, most) = (format_duration(least), format_duration(most));
        let message = format!("`{}` must be {least} to {most}", field.key);
        context.reader.report(&codes::DURATION, field.node.span, message);
    }
    fits
}

/// A number that changes when anything of a module does.
fn digest(context: &Context<'_>, name: &str, node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, context.base()).hash(&mut hasher);
    hash_node(node, &mut hasher);
    hasher.finish()
}

fn hash_node(node: &Node, hasher: &mut impl Hasher) {
    match &node.value {
        Value::Null => 0_u8.hash(hasher),
        Value::Scalar(scalar) => (1_u8, &scalar.text, scalar.plain).hash(hasher),
        Value::Seq(items) => {
            (2_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash_node(item, hasher));
        }
        Value::Map(entries) => {
            (3_u8, entries.len()).hash(hasher);
            for entry in entries {
                entry.key.hash(hasher);
                hash_node(&entry.value, hasher);
            }
        }
    }
}
