//! Prometheus-compatible servers: nines asks for what they have scraped.
//!
//! [`server`] asks one of them when it may, [`wire`] carries a question and its answer, [`answer`] reads it.

mod answer;
mod failure;
pub(super) mod pace;
mod question;
pub(super) mod rest;
pub mod server;
pub mod settings;
#[cfg(test)]
mod tests;
mod wire;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use self::server::PrometheusServer;
use self::settings::ServerSettings;
use super::http::client::Clients;
use crate::domain::shown::shown_url;
use crate::engine::ports::ListedServer;
use crate::engine::stats::Stats;

/// The servers of a configuration. One of the `known` ones whose settings have not changed stays as it is: it knows how
/// the server has behaved.
pub fn list(
    settings: &[ServerSettings],
    known: &[ListedServer],
    clients: &Arc<Clients>,
    stats: &Arc<Stats>,
) -> Vec<ListedServer> {
    let listed = settings.iter().filter_map(|settings| {
        let config_hash = config_hash(settings);
        if let Some(known) = known.iter().find(|known| known.config_hash == config_hash) {
            return Some(known.clone());
        }
        let server = PrometheusServer::new(Arc::new(settings.clone()), Arc::clone(clients), Arc::clone(stats))?;
        Some(ListedServer {
            name: settings.name.clone(),
            shown_url: shown_url(settings.url.expose()),
            is_default: settings.is_default,
            query_offset: settings.query_offset,
            interval: settings.interval,
            concurrency: settings.concurrency,
            server: Arc::new(server),
            config_hash,
        })
    });
    listed.collect()
}

/// Changes exactly when a setting does.
fn config_hash(settings: &ServerSettings) -> u64 {
    let mut hasher = DefaultHasher::new();
    settings.hash(&mut hasher);
    hasher.finish()
}
