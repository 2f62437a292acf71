//! `sql_servers`: databases that are asked how many events there were.

use std::time::Duration;

use super::context::{Context, SecretPlace};
use super::servers::{OFFSETS, TIMEOUTS, read_concurrency, read_duration, read_pace};
use crate::domain::shown::without_secrets;
use crate::secret::Secret;
use crate::source::http::settings::SecretSource;
use crate::source::sql::settings::{CONCURRENCY, QUERIES_PER_SECOND, QUERY_OFFSET, SqlSettings, TIMEOUT};
use crate::spec::codes;
use crate::spec::foreign;
use crate::spec::reader::{Field, Fields};

/// Reads `sql_servers`; `taken` are the names of other sources.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>, taken: &[String]) -> Vec<SqlSettings> {
    let mut servers: Vec<SqlSettings> = Vec::new();
    let Some(list) = fields.get("sql_servers") else {
        return servers;
    };
    for item in context.reader.list(list) {
        let known = taken.iter().chain(servers.iter().map(|server| &server.name));
        let known: Vec<String> = known.cloned().collect();
        servers.extend(read_server(context, item, &known));
    }
    servers
}

fn read_server(context: &mut Context<'_>, item: Field<'_>, known: &[String]) -> Option<SqlSettings> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let name = fields.require("name");
    let name = name.and_then(|field| {
        foreign::name(&mut context.reader, field)?;
        context.unique_name(field, &names)
    });
    let url = read_url(context, item, &mut fields);
    let pace = read_pace(context, &mut fields, Duration::from_secs_f64(1.0 / QUERIES_PER_SECOND));
    let settings = SqlSettings {
        name: name.unwrap_or_default(),
        url: url.unwrap_or(SecretSource::Inline(Secret::new(""))),
        query_offset: read_duration(context, &mut fields, "query_offset", QUERY_OFFSET, &OFFSETS),
        timeout: read_duration(context, &mut fields, "timeout", TIMEOUT, &TIMEOUTS),
        concurrency: read_concurrency(context, &mut fields, CONCURRENCY),
        pace,
    };
    context.finish(fields);
    Some(settings)
}

/// `url` or `url_file`. A URL is shown without its password.
fn read_url(context: &mut Context<'_>, item: Field<'_>, fields: &mut Fields<'_>) -> Option<SecretSource> {
    let written = fields.get("url");
    if let Some(field) = written {
        let text = context.reader.filled(field)?;
        context.hide_as(field.node, without_secrets(&text));
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            let message = "`url` must be postgres://…";
            context.reader.report(&codes::ADDRESS, field.node.span, message);
            return None;
        }
        return Some(SecretSource::Inline(Secret::new(text)));
    }
    if let Some(SecretPlace::File(path)) = context.secret_or_file(fields, "url", "url_file") {
        Some(SecretSource::File(path))
    } else {
        context
            .reader
            .report(&codes::MISSING_KEY, item.node.span, "`url` (or `url_file`) is missing");
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config;

    fn read(text: &str) -> (Option<config::Config>, Vec<String>) {
        let (config, found) = config::parse(text, "nines.yml", Path::new("/etc/nines"), &|_| None);
        (
            config,
            found.iter().map(crate::spec::diagnostic::Diagnostic::concise).collect(),
        )
    }

    #[test]
    fn a_database_has_a_name_and_a_url_whose_password_is_not_shown() {
        let text = "sql_servers: [{name: shop, url: 'postgres://nines:hunter2@db/shop', timeout: 5s}]";
        let (config, said) = read(text);
        let config = config.expect("it is valid");
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(config.databases[0].name, "shop");
        assert!(
            !config.shown.contains("hunter2") && config.shown.contains("@db/shop"),
            "{}",
            config.shown
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, message) in [
            ("sql_servers: [{name: shop}]", "`url` (or `url_file`) is missing"),
            (
                "sql_servers: [{name: shop, url: 'mysql://db/shop'}]",
                "`url` must be postgres://",
            ),
            (
                "prometheus_servers: [{name: a, url: 'http://x/'}]\nsql_servers: [{name: a, url: 'postgres://db/a'}]",
                "twice",
            ),
            (
                "sql_servers: [{name: a, url: 'postgres://db/a', max_concurrency: 0}]",
                "1 to 100",
            ),
            (
                "sql_servers: [{name: a, url: 'postgres://db/a', interval: 1m}]",
                "interval",
            ),
        ] {
            let (config, said) = read(text);
            assert!(config.is_none(), "{text}");
            assert!(said.iter().any(|line| line.contains(message)), "{text}: {said:?}");
        }
    }
}
