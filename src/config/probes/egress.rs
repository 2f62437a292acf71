//! `egress`, `connectivity`, `probe_limits` and `probe_endpoint`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::context::Context;
use crate::domain::egress::EgressPolicy;
use crate::domain::probe_address::ProbeAddress;
use crate::domain::verdict::ProbeKind;
use crate::source::http::settings::SecretSource;
use crate::source::probe::settings::jobs::ProbeLimits;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// How many networks a list may have.
const NETWORKS_MAX: usize = 1_000;
/// How many addresses are dialled to find out whether our own network is there.
const CHECKS_MAX: usize = 10;
/// The most probes that may be allowed at the same time.
const AT_ONCE_MAX: u64 = 10_000;
/// The shortest token, in bytes: shorter ones can be guessed.
const TOKEN_MIN: usize = 16;

/// `egress`
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>) -> EgressPolicy {
    let section = fields.get("egress");
    let Some(mut fields) = section.and_then(|field| Fields::open(&mut context.reader, field)) else {
        return EgressPolicy::default();
    };
    let allow = fields.get("allow").map(|field| read_networks(context, field));
    let deny = fields.get("deny").map(|field| read_networks(context, field));
    fields.finish(&mut context.reader);
    EgressPolicy {
        allow: allow.unwrap_or_default(),
        deny: deny.unwrap_or_default(),
    }
}

/// Networks, or single addresses.
fn read_networks(context: &mut Context<'_>, field: Field<'_>) -> Vec<IpNet> {
    let items = context.reader.list(field);
    if items.len() > NETWORKS_MAX {
        let message = format!("`{}` may have {NETWORKS_MAX} networks", field.key);
        context.reader.report(&codes::RANGE, field.key_span, message);
    }
    let mut networks = Vec::new();
    for item in items.into_iter().take(NETWORKS_MAX) {
        let Some(text) = context.reader.filled(item) else {
            continue;
        };
        let address = || text.trim().parse::<IpAddr>().map(IpNet::from);
        match text.trim().parse::<IpNet>().or_else(|_| address()) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => {
                let message = format!("`{}` holds networks such as 10.0.0.0/8 and addresses", field.key);
                context.reader.report(&codes::ADDRESS, item.node.span, message);
            }
        }
    }
    networks
}

/// `connectivity`: addresses that always answer, each `host:port`.
pub(super) fn read_connectivity(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<String> {
    let Some(field) = fields.get("connectivity") else {
        return Vec::new();
    };
    let items = context.reader.list(field);
    if items.len() > CHECKS_MAX {
        let message = format!("`connectivity` may have {CHECKS_MAX} addresses");
        context.reader.report(&codes::RANGE, field.key_span, message);
    }
    let mut checks = Vec::new();
    for item in items.into_iter().take(CHECKS_MAX) {
        let Some(text) = context.reader.filled(item) else {
            continue;
        };
        if let Ok(address) = ProbeAddress::parse(ProbeKind::Tcp, &text) {
            checks.push(address.target);
        } else {
            let message = "`connectivity` holds addresses that always answer, each `host:port`";
            context.reader.report(&codes::ADDRESS, item.node.span, message);
        }
    }
    checks
}

/// `probe_limits`
pub(super) fn read_limits(context: &mut Context<'_>, fields: &mut Fields<'_>) -> ProbeLimits {
    let mut limits = ProbeLimits::default();
    let section = fields.get("probe_limits");
    let Some(mut fields) = section.and_then(|field| Fields::open(&mut context.reader, field)) else {
        return limits;
    };
    if let Some(most) = fields.get("per_host").and_then(|field| read_most(context, field)) {
        limits.per_host = most;
    }
    if let Some(most) = fields.get("per_kind").and_then(|field| read_most(context, field)) {
        limits.per_kind = most;
    }
    for kind in ProbeKind::ALL {
        if let Some(most) = fields.get(kind.word()).and_then(|field| read_most(context, field)) {
            limits.kinds.push((kind, most));
        }
    }
    fields.finish(&mut context.reader);
    limits
}

fn read_most(context: &mut Context<'_>, field: Field<'_>) -> Option<usize> {
    let most = context.reader.whole(field)?;
    if !(1..=AT_ONCE_MAX).contains(&most) {
        let message = format!("`{}` must be 1 to {AT_ONCE_MAX}", field.key);
        context.reader.report(&codes::NUMBER, field.node.span, message);
        return None;
    }
    usize::try_from(most).ok()
}

/// `probe_endpoint`
pub(super) fn read_endpoint(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<SecretSource> {
    let section = fields.get("probe_endpoint")?;
    let mut fields = Fields::open(&mut context.reader, section)?;
    let written = fields.get("bearer_token");
    let token = context.secret_or_file(&mut fields, "bearer_token", "bearer_token_file");
    let token = token.map(SecretSource::from);
    fields.finish(&mut context.reader);
    if let (Some(field), Some(SecretSource::Inline(secret))) = (written, &token)
        && secret.expose().trim().len() < TOKEN_MIN
    {
        let message = format!("`bearer_token` must have {TOKEN_MIN} characters: whoever guesses it probes from here");
        context.reader.report(&codes::SECRET, field.key_span, message);
    }
    if token.is_none() {
        let message = "`bearer_token` (or `bearer_token_file`) is missing";
        context.reader.report(&codes::MISSING_KEY, section.key_span, message);
    }
    token
}
