//! `nines.yml`: as typed, then as meant, converted once.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::alert::route::Route;
use crate::notify::settings::ReceiverSettings;
use crate::source::scrape::settings::ScrapeJob;

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
    /// `route`, or the default one to the only receiver; `None` without receivers.
    pub route: Option<Route>,
    /// `receivers`
    pub receivers: Vec<ReceiverSettings>,
    /// The text for `/api/v1/status/config`, every secret replaced by `<secret>`.
    pub shown: String,
}
