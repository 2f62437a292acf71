//! `heartbeats`: jobs that say when they have run.

use std::time::Duration;

use super::context::Context;
use super::servers::read_duration;
use crate::domain::heartbeat::Heartbeat;
use crate::notify::settings::SecretRef;
use crate::secret::Secret;
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields};

/// So many heartbeats, and no more.
const HEARTBEATS_MAX: usize = 1000;
/// What `interval` may be.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 400);
/// What `grace` may be, and its default.
const GRACES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 31);
const GRACE: Duration = Duration::from_mins(5);
/// Characters of a token: fewer are guessed, and it stands in an address.
const TOKEN_LENGTHS: std::ops::RangeInclusive<usize> = 16..=200;

/// One of `heartbeats`.
#[derive(Clone, Debug)]
pub struct HeartbeatSettings {
    /// Name, interval and grace.
    pub heartbeat: Heartbeat,
    /// What its address ends with.
    pub token: SecretRef,
}

/// Reads `heartbeats`.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Vec<HeartbeatSettings> {
    let mut heartbeats: Vec<HeartbeatSettings> = Vec::new();
    let Some(list) = fields.get("heartbeats") else {
        return heartbeats;
    };
    let items = context.reader.list(list);
    if items.len() > HEARTBEATS_MAX {
        let message = format!("at most {HEARTBEATS_MAX} heartbeats are possible, not {}", items.len());
        context.reader.report(&codes::FORMAT, list.key_span, message);
        return heartbeats;
    }
    for item in items {
        let heartbeat = read_one(context, item, &heartbeats);
        heartbeats.extend(heartbeat);
    }
    heartbeats
}

/// What is wrong with a token; `None` when it can be used.
pub fn token_fault(token: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    if !TOKEN_LENGTHS.contains(&token.len()) {
        return Some(format!(
            "the token must have {} to {} characters",
            TOKEN_LENGTHS.start(),
            TOKEN_LENGTHS.end()
        ));
    }
    (!token.chars().all(is_plain))
        .then(|| "the token stands in an address: letters, digits, -, _, . and ~ are possible".to_owned())
}

fn read_one(context: &mut Context<'_>, item: Field<'_>, known: &[HeartbeatSettings]) -> Option<HeartbeatSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let names: Vec<&str> = known.iter().map(|known| known.heartbeat.name.as_str()).collect();
    let name = fields.require("name").and_then(|field| {
        foreign::name(&mut context.reader, field)?;
        context.unique_name(field, &names)
    });
    let token_field = fields.get("token");
    let token = context.secret_or_file(&mut fields, "token", "token_file");
    let token = token.map(SecretRef::from);
    match &token {
        None if token_field.is_none() => {
            let message = "`token` (or `token_file`) is missing: it is what the job's address ends with";
            let hint = Some("`openssl rand -hex 16` makes one".to_owned());
            context
                .reader
                .report_with(&codes::MISSING_KEY, item.node.span, message, hint);
        }
        Some(SecretRef::Inline(token)) => check_token(context, token_field.unwrap_or(item), token, known),
        _ => {}
    }
    let interval = fields.require("interval").is_some();
    let interval = interval.then(|| read_duration(context, &mut fields, "interval", *INTERVALS.start(), &INTERVALS));
    let grace = read_duration(context, &mut fields, "grace", GRACE, &GRACES);
    context.finish(fields);
    Some(HeartbeatSettings {
        heartbeat: Heartbeat {
            name: name?,
            interval: interval?,
            grace,
        },
        token: token?,
    })
}

fn check_token(context: &mut Context<'_>, field: Field<'_>, token: &Secret, known: &[HeartbeatSettings]) {
    let is_taken = known
        .iter()
        .any(|known| matches!(&known.token, SecretRef::Inline(other) if other == token));
    if is_taken {
        let message = "another heartbeat has the same token";
        context.reader.report(&codes::DUPLICATE_NAME, field.node.span, message);
    } else if let Some(fault) = token_fault(token.expose()) {
        let hint = Some("`openssl rand -hex 16` makes one".to_owned());
        context.reader.report_with(&codes::FORMAT, field.node.span, fault, hint);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_heartbeat_is_read_and_its_token_is_not_shown() {
        let text = format!(
            "heartbeats:\n  - {{name: nightly-backup, token: {TOKEN}, interval: 1d, grace: 30m}}\n  \
             - {{name: hourly, token_file: token.txt, interval: 1h}}\n"
        );
        let (config, diagnostics) = parse(&text, "nines.yml", Path::new("/etc/nines"), &|_| None);
        let config = config.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let [nightly, hourly] = config.heartbeats.as_slice() else {
            panic!("{:?}", config.heartbeats)
        };
        let times = |one: &HeartbeatSettings| (one.heartbeat.interval.as_secs(), one.heartbeat.grace.as_secs());
        assert_eq!((times(nightly), times(hourly)), ((86_400, 1800), (3600, 300)));
        assert!(matches!(&nightly.token, SecretRef::Inline(token) if token.expose() == TOKEN));
        assert!(matches!(&hourly.token, SecretRef::File(path) if path == Path::new("/etc/nines/token.txt")));
        assert!(!config.shown.contains(TOKEN) && !format!("{config:?}").contains(TOKEN));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_token() {
        for (entry, wanted) in [
            ("{name: a, token: 0123456789abcdef}", "interval"),
            ("{name: a, interval: 1h}", "`token` (or `token_file`) is missing"),
            ("{name: a, token: short-hidden, interval: 1h}", "16 to 200 characters"),
            (
                "{name: a, token: 'hidden/hidden/hidden', interval: 1h}",
                "stands in an address",
            ),
            ("{name: a b, token: 0123456789abcdef, interval: 1h}", "is no name"),
            (
                "{name: a, token: 0123456789abcdef, interval: 10s}",
                "`interval` must be 1m to",
            ),
            (
                "{name: a, token: 0123456789abcdef, interval: 1h, grace: 60d}",
                "`grace` must be",
            ),
            (
                "{name: a, token: 0123456789abcdef, token_file: b, interval: 1h}",
                "exclude each other",
            ),
            ("{name: known, token: 0123456789abcdef, interval: 1h}", "given twice"),
            ("{name: a, token: known-0123456789, interval: 1h}", "the same token"),
            ("{name: a, token: 0123456789abcdef, interval: 1h, period: 1d}", "period"),
        ] {
            let text =
                format!("heartbeats:\n  - {{name: known, token: known-0123456789, interval: 1h}}\n  - {entry}\n");
            let (config, diagnostics) = parse(&text, "nines.yml", Path::new("/etc/nines"), &|_| None);
            let said: Vec<String> = diagnostics.iter().map(|found| format!("{found:?}")).collect();
            assert!(
                config.is_none() && said.iter().any(|said| said.contains(wanted)),
                "{entry}: {said:?}"
            );
            assert!(!said.iter().any(|said| said.contains("hidden")), "{entry}: {said:?}");
        }
    }
}
