//! `nines demo`: the real daemon on an embedded store, beside a fake shop and people to tell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::app::clock::SystemClock;
use crate::app::demo::{self, DemoWorld, history};
use crate::app::reload::Paths;
use crate::app::serve::{ServeOptions, serve};
use crate::app::telemetry::{self, LogFormat};
use crate::domain::labels::Group;
use crate::domain::time::{Hour, Timestamp};
use crate::engine::clock::Clock;
use crate::engine::ports::{CatalogStore, Credit, LeaseState, LeaseStore, LedgerStore};
use crate::spec::Options;
use crate::spec::load::load;
use crate::store::SqlStore;

/// The flags of `nines demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// HOST:PORT; port 0 takes a free one.
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8999"
    )]
    pub listen: String,
    /// Where the demo's files go; a new folder below the system's temporary one by default.
    #[arg(long = "folder", value_name = "PATH")]
    pub folder: Option<PathBuf>,
    /// `error | warn | info | debug | trace`
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
}

/// Runs the demo until a signal ends it.
pub async fn run(args: DemoArgs) -> anyhow::Result<i32> {
    telemetry::init(&args.log_level, LogFormat::Logfmt)?;
    let now = SystemClock.now();
    let folder = match args.folder {
        Some(folder) => folder,
        None => std::env::temp_dir().join(format!("nines-demo-{}-{}", std::process::id(), now.0)),
    };
    std::fs::create_dir_all(&folder)?;
    let world = demo::start(&folder, now).await?;
    let storage_url = format!("sqlite:{}", folder.join("nines.db").display());
    write_history(&storage_url, &folder, now).await?;
    introduce(&world, &args.listen);
    let options = ServeOptions {
        paths: Paths {
            config: world.config_file.clone(),
            slos: Vec::new(),
            allow_removal: false,
            options: Options::default(),
        },
        storage_url: Some(storage_url),
        listen: vec![args.listen],
        external_url: None,
        enable_lifecycle: false,
        visit_log: None,
        flags: Vec::new(),
    };
    serve(options, CancellationToken::new()).await?;
    Ok(0)
}

fn introduce(world: &DemoWorld, listen: &str) {
    println!("nines demo: a fake shop with real metrics, watched by the real daemon.");
    println!();
    println!("  look here           http://{listen}/");
    println!("  the shop's metrics  http://{}/metrics", world.shop_addr);
    println!("  files and database  {}", world.folder.display());
    println!();
    println!("In about 40 seconds the shop begins to fail. Within two minutes of the start an alert fires (a 2m/1m");
    println!(
        "condition, beside the default policy), within six it is over. The mail and the webhook that are sent are"
    );
    println!("printed below. The 30 days before now are synthetic. Ctrl-C ends the demo.");
    println!();
}

/// Puts 30 synthetic days into the ledger, so that there is something to see at once.
async fn write_history(url: &str, folder: &Path, now: Timestamp) -> anyhow::Result<()> {
    let store = SqlStore::connect(url).await?;
    store.migrate().await?;
    let LeaseState::Held(epoch) = store
        .acquire_lease("demo", None, std::time::Duration::from_mins(1))
        .await?
    else {
        anyhow::bail!("another demo uses {}", folder.display());
    };
    let desired = desired_slos(folder)?;
    let records = store.sync_slos(epoch, &desired.to_loaded(), now).await?;
    // Whole hours only: the present one is counted for real.
    let end = Hour(now.minute().hour().0).first_minute();
    for record in records {
        let id = record.slo.to_string();
        let regions = history::regions().map(|region| Some(region.to_owned()));
        for region in std::iter::once(None).chain(regions) {
            let Some(profile) = history::profile(&id, region.as_deref()) else {
                continue;
            };
            let group = region.map(|region| Group(vec![("region".to_owned(), region)]));
            let keys = store.ensure_keys(epoch, &[(record.id, group)], now).await?;
            let credits: Vec<Credit> = keys
                .iter()
                .flat_map(|key| {
                    history::history(profile, end).map(|(minute, bucket)| Credit {
                        key: key.id,
                        minute,
                        bucket,
                    })
                })
                .collect();
            store.write_packed(epoch, &credits, now).await?;
        }
    }
    store.release_lease(epoch).await?;
    store.close().await;
    Ok(())
}

fn desired_slos(folder: &Path) -> anyhow::Result<crate::engine::catalog::Desired> {
    let found = crate::app::files::find_slo_files(&[folder.to_owned()])?;
    let mut desired = crate::engine::catalog::Desired::default();
    for path in found.files {
        let loaded = load(&std::fs::read_to_string(&path)?, &path.display().to_string());
        let slos = loaded.slos.into_iter().map(|slo| crate::engine::catalog::DesiredSlo {
            slo: Arc::new(slo),
            invalid: false,
            diagnostics: Vec::new(),
        });
        desired.slos.extend(slos);
    }
    Ok(desired)
}
