//! `nines serve`: the daemon. Its flags are Prometheus's where Prometheus has them.

use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::parse_period;
use crate::app::reload::Paths;
use crate::app::serve::{Invalid, ServeOptions, serve};
use crate::app::telemetry::{self, LogFormat};
use crate::domain::shown::shown_url;
use crate::domain::window::WindowLength;
use crate::spec::Options;

/// Where nines listens by default.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8999";

/// The flags of `nines serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The config file.
    #[arg(
        long = "config.file",
        value_name = "FILE",
        default_value = "nines.yml",
        env = "NINES_CONFIG_FILE"
    )]
    pub config_file: PathBuf,
    /// An SLO file, folder or glob, beside the config's `slo_files`; repeatable.
    #[arg(long = "slo.path", value_name = "PATH", env = "NINES_SLO_PATH")]
    pub slo_path: Vec<PathBuf>,
    /// Let a reload remove more than half of the SLOs.
    #[arg(long = "slo.allow-removal", env = "NINES_SLO_ALLOW_REMOVAL")]
    pub allow_removal: bool,
    /// The window of SLOs whose format has none (Sloth).
    #[arg(
        long = "slo.default-period",
        value_name = "DURATION",
        default_value = "30d",
        value_parser = parse_period,
        env = "NINES_SLO_DEFAULT_PERIOD"
    )]
    pub default_period: WindowLength,
    /// `sqlite:FILE` or `postgres://USER@HOST/DATABASE`; else the config's, else sqlite:nines.db.
    #[arg(
        long = "storage.url",
        value_name = "URL",
        env = "NINES_STORAGE_URL",
        hide_env_values = true
    )]
    pub storage_url: Option<String>,
    /// HOST:PORT; port 0 takes a free one; repeatable.
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        default_value = DEFAULT_LISTEN,
        env = "NINES_WEB_LISTEN_ADDRESS"
    )]
    pub listen: Vec<String>,
    /// Where people reach nines; links in messages begin with it.
    #[arg(long = "web.external-url", value_name = "URL", env = "NINES_WEB_EXTERNAL_URL")]
    pub external_url: Option<String>,
    /// Allow `POST /-/reload` from elsewhere than this machine.
    #[arg(long = "web.enable-lifecycle", env = "NINES_WEB_ENABLE_LIFECYCLE")]
    pub enable_lifecycle: bool,
    /// `error | warn | info | debug | trace`, or a filter such as `info,nines::engine=debug`.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        env = "NINES_LOG_LEVEL"
    )]
    pub log_level: String,
    /// The form of a log line.
    #[arg(long = "log.format", value_enum, default_value = "logfmt", env = "NINES_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Write every committed visit to this file, one JSON object a line; for proofs that replay them.
    #[arg(
        long = "debug.visit-log",
        value_name = "FILE",
        env = "NINES_DEBUG_VISIT_LOG",
        hide = true
    )]
    pub visit_log: Option<PathBuf>,
}

/// Runs the daemon until a signal ends it.
pub async fn run(args: ServeArgs) -> anyhow::Result<i32> {
    telemetry::init(&args.log_level, args.log_format)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "nines");
    match serve(args.into_options(), CancellationToken::new()).await {
        Ok(()) => Ok(0),
        Err(error) if error.is::<Invalid>() => {
            eprintln!("{error}");
            Ok(1)
        }
        Err(error) => Err(error),
    }
}

impl ServeArgs {
    /// As the daemon wants it.
    pub fn into_options(self) -> ServeOptions {
        let flags = self.flags();
        ServeOptions {
            paths: Paths {
                config: self.config_file,
                slos: self.slo_path,
                allow_removal: self.allow_removal,
                options: Options {
                    default_period: self.default_period,
                    ..Options::default()
                },
            },
            storage_url: self.storage_url,
            listen: self.listen,
            external_url: self.external_url,
            enable_lifecycle: self.enable_lifecycle,
            visit_log: self.visit_log,
            flags,
        }
    }

    fn flags(&self) -> Vec<(String, String)> {
        let slos: Vec<String> = self.slo_path.iter().map(|path| path.display().to_string()).collect();
        let pairs = [
            ("config.file", self.config_file.display().to_string()),
            ("slo.path", slos.join(",")),
            ("slo.allow-removal", self.allow_removal.to_string()),
            ("slo.default-period", self.default_period.to_prometheus()),
            (
                "storage.url",
                self.storage_url.as_deref().map(shown_url).unwrap_or_default(),
            ),
            ("web.listen-address", self.listen.join(",")),
            ("web.external-url", self.external_url.clone().unwrap_or_default()),
            ("web.enable-lifecycle", self.enable_lifecycle.to_string()),
            ("log.level", self.log_level.clone()),
            ("log.format", format!("{:?}", self.log_format).to_lowercase()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
