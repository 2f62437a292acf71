//! Databases: nines asks them how many events there were.

pub mod server;
pub mod settings;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use self::server::SqlServer;
use self::settings::{INTERVAL, SqlSettings};
use super::http::settings::SecretSource;
use crate::domain::shown::shown_url;
use crate::engine::ports::ListedServer;
use crate::engine::stats::Stats;

/// The databases of a configuration. One of the `known` ones whose settings have not changed stays as it is.
pub fn list(settings: &[SqlSettings], known: &[ListedServer], stats: &Arc<Stats>) -> Vec<ListedServer> {
    let listed = settings.iter().map(|settings| {
        let mut hasher = DefaultHasher::new();
        ("sql", settings).hash(&mut hasher);
        let config_hash = hasher.finish();
        if let Some(known) = known.iter().find(|known| known.config_hash == config_hash) {
            return known.clone();
        }
        ListedServer {
            name: settings.name.clone(),
            shown_url: match &settings.url {
                SecretSource::Inline(url) => shown_url(url.expose()),
                SecretSource::File(path) => format!("the URL in {}", path.display()),
            },
            is_default: false,
            query_offset: settings.query_offset,
            interval: INTERVAL,
            concurrency: settings.concurrency,
            server: Arc::new(SqlServer::new(settings.clone(), Arc::clone(stats))),
            config_hash,
        }
    });
    listed.collect()
}
