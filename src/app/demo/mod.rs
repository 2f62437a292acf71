//! `nines demo`: a shop, its files, and people to tell, all of them fake; the daemon that watches them is the real one.

pub mod files;
pub mod history;
mod random;
pub mod shop;
pub mod sinks;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;

use self::files::Addresses;
use self::sinks::Show;
use crate::domain::time::Timestamp;

/// The fakes, at work until this is dropped.
#[derive(Debug)]
pub struct DemoWorld {
    /// Where the shop's `/metrics` is.
    pub shop_addr: SocketAddr,
    /// Where webhooks arrive.
    pub webhook_addr: SocketAddr,
    /// Where mails arrive.
    pub smtp_addr: SocketAddr,
    /// The folder of the files.
    pub folder: PathBuf,
    /// The config, `nines.yml`.
    pub config_file: PathBuf,
    /// Dropping them ends them.
    _tasks: JoinSet<()>,
}

/// Opens the shop and the sinks on free ports and writes the files that name them. Messages are printed.
pub async fn start(folder: &Path, now: Timestamp) -> anyhow::Result<DemoWorld> {
    // Nobody may be looking any more; that is no reason to stop.
    let print = |text: String| drop(writeln!(std::io::stdout(), "{text}"));
    start_showing(folder, now, Arc::new(print)).await
}

/// As [`start`], but messages go where the caller says.
pub async fn start_showing(folder: &Path, now: Timestamp, show: Show) -> anyhow::Result<DemoWorld> {
    let mut tasks = JoinSet::new();
    let addresses = Addresses {
        shop: shop::open(now, &mut tasks).await?,
        webhook: sinks::webhook(show.clone(), &mut tasks).await?,
        smtp: sinks::smtp(show, &mut tasks).await?,
    };
    let config_file = files::write(folder, addresses)?;
    Ok(DemoWorld {
        shop_addr: addresses.shop,
        webhook_addr: addresses.webhook,
        smtp_addr: addresses.smtp,
        folder: folder.to_owned(),
        config_file,
        _tasks: tasks,
    })
}

#[cfg(test)]
mod tests;
