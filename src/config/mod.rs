//! `nines.yml`: as typed, then as meant, converted once.

mod client;
mod context;
mod databases;
mod dialect;
mod discovery;
mod environment;
pub mod heartbeats;
mod included;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod oauth2;
pub mod probes;
#[cfg(test)]
mod prometheus_tests;
mod protocols;
mod proxy;
mod receivers;
mod relabel;
mod route;
mod scrape;
mod servers;
#[cfg(test)]
mod servers_tests;
mod shown;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::context::Context;
use self::heartbeats::HeartbeatSettings;
use crate::domain::alert::route::Route;
use crate::domain::shown::without_secrets;
use crate::notify::settings::ReceiverSettings;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::source::prometheus::settings::ServerSettings;
use crate::source::scrape::settings::ScrapeJob;
use crate::source::sql::settings::SqlSettings;
use crate::spec::codes;
use crate::spec::diagnostic::{Diagnostic, has_errors};
use crate::spec::reader::{Fields, Reader};
use crate::spec::yaml::{self, Node, Span, Value};

/// The configuration as it is meant: every default filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// `global.evaluation_interval`, 15 s by default.
    pub evaluation_interval: Duration,
    /// `slo_files`: paths or globs, absolute.
    pub slo_files: Vec<PathBuf>,
    /// `storage.url`, where the file has one.
    pub storage_url: Option<String>,
    /// `scrape_configs`
    pub jobs: Vec<ScrapeJob>,
    /// `prometheus_servers`
    pub servers: Vec<ServerSettings>,
    /// `heartbeats`
    pub heartbeats: Vec<HeartbeatSettings>,
    /// `sql_servers`
    pub databases: Vec<SqlSettings>,
    /// `probes`, `probe_modules` and what belongs to them.
    pub probes: ProbeSettings,
    /// `route`, or the default one to the only receiver; `None` without receivers.
    pub route: Option<Route>,
    /// `receivers`
    pub receivers: Vec<ReceiverSettings>,
    /// The text for `/api/v1/status/config`, every secret replaced by `<secret>`.
    pub shown: String,
}

/// The default of `global.evaluation_interval`.
pub const EVALUATION_INTERVAL: Duration = Duration::from_secs(15);

/// Keys that nines, Prometheus or Alertmanager know, and that this version does not support.
const NOT_YET: [&str; 5] = [
    "retention",
    "inhibit_rules",
    "mute_time_intervals",
    "time_intervals",
    "templates",
];

/// Reads a configuration. Relative paths are resolved against `base`, the folder of the file; `${NAME}` within values
/// is replaced by what `env` says. All errors are collected; with any of them there is no configuration.
pub fn parse(
    text: &str,
    file: &str,
    base: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Option<Config>, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = yaml::parse(text);
    let mut context = Context::new(Reader::new(text, file).discreet(), base);
    let is_torn = !parsed.errors.is_empty();
    for error in parsed.errors {
        context.reader.report_yaml(error);
    }
    if let Some(second) = parsed.documents.get(1) {
        let message = "a configuration is one document; this is a second one";
        context.reader.report(&codes::FORMAT, second.span, message);
    }
    let mut of_included = Vec::new();
    let config = match parsed.documents.into_iter().next() {
        Some(root) => {
            context.is_prometheus = dialect::is_prometheus(&root, file);
            read_document(&mut context, root, env, &mut of_included)
        }
        None if is_torn => None,
        None => read_document(&mut context, empty_map(), env, &mut of_included),
    };
    let mut diagnostics = context.reader.into_diagnostics();
    shown::mask_snippets(&mut diagnostics);
    diagnostics.extend(of_included);
    (config.filter(|_| !has_errors(&diagnostics)), diagnostics)
}

/// Whether a file is a configuration and no SLO file: by its name, else by its keys.
pub fn is_config(file: &Path, text: &str) -> bool {
    let by_name = file
        .file_name()
        .is_some_and(|name| name == "nines.yml" || name == "nines.yaml");
    let by_keys = || {
        let parsed = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
        let kind = parsed.documents.first().map(crate::spec::detect::DocumentKind::of);
        kind == Some(crate::spec::detect::DocumentKind::Config)
    };
    by_name || by_keys()
}

fn empty_map() -> Node {
    let span = Span {
        line: 1,
        column: 1,
        ..Span::default()
    };
    Node {
        value: Value::Map(Vec::new()),
        span,
    }
}

fn read_document(
    context: &mut Context<'_>,
    root: Node,
    env: &dyn Fn(&str) -> Option<String>,
    of_included: &mut Vec<Diagnostic>,
) -> Option<Config> {
    let raw = root.clone();
    let mut root = root;
    environment::expand(&mut context.reader, &mut root, env, context.is_prometheus);
    let Some(mut fields) = Fields::of_document(&root) else {
        let message = format!("a configuration is a map, not {}", root.kind());
        context.reader.report(&codes::FORMAT, root.span, message);
        return None;
    };
    let global = scrape::read_global(context, &mut fields);
    let slo_files = fields
        .get("slo_files")
        .map(|field| context.patterns(field))
        .unwrap_or_default();
    let storage_url = read_storage(context, &mut fields);
    let mut jobs = scrape::read_jobs(context, &mut fields, &global, &[]);
    if let Some(field) = fields.get("scrape_config_files") {
        let patterns = context.patterns(field);
        of_included.extend(included::read(
            &patterns,
            &global,
            context.is_prometheus,
            env,
            &mut jobs,
        ));
    }
    let servers = servers::read(context, &mut fields);
    let heartbeats = heartbeats::read(context, &mut fields);
    let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    let databases = databases::read(context, &mut fields, &names);
    let probes = probes::read(context, &mut fields, of_included);
    let receivers_field = fields.get("receivers");
    let receivers = receivers::read(context, receivers_field, &global.mail);
    let route_field = fields.get("route");
    let route = route::read(context, route_field, receivers_field, &receivers);
    for key in NOT_YET {
        if let Some(field) = fields.get(key)
            && !context::is_empty(field.node)
        {
            let message = format!("`{key}` is not supported by this version yet");
            context.reader.report(&codes::UNSUPPORTED, field.key_span, message);
        }
    }
    dialect::read_others(context, &mut fields);
    context.finish(fields);
    Some(Config {
        evaluation_interval: global.evaluation_interval,
        slo_files,
        storage_url,
        jobs,
        servers,
        heartbeats,
        databases,
        probes,
        route,
        receivers,
        shown: shown::write(&raw, &context.secrets),
    })
}

fn read_storage(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<String> {
    let field = fields.get("storage")?;
    let mut storage = Fields::open(&mut context.reader, field)?;
    let url_field = storage.get("url");
    context.unsupported(
        &mut storage,
        &[
            ("tsdb", "nines keeps no samples"),
            ("exemplars", "nines keeps no exemplars"),
        ],
    );
    context.finish(storage);
    let url_field = url_field?;
    let url = context.reader.filled(url_field)?;
    context.hide_as(url_field.node, without_secrets(&url));
    if !["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        let message = "`url` must be sqlite:FILE or postgres://…";
        context.reader.report(&codes::ADDRESS, url_field.node.span, message);
        return None;
    }
    Some(url)
}
