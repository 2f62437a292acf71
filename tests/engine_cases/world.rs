//! A world in which nothing happens by itself: time stands still until it is moved, targets are visited and everything
//! is evaluated when a case says so, and receivers note what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use nines::domain::alert::route::Route;
use nines::domain::heartbeat::Heartbeat;
use nines::domain::indicator::Sources;
use nines::domain::labels::Labels;
use nines::domain::reading::{Missing, MissingReason, Page, Reading, Sample, Series, Target};
use nines::domain::relabel::RelabelRules;
use nines::domain::selection::Selection;
use nines::domain::slo::Slo;
use nines::domain::time::Timestamp;
use nines::engine::active::Active;
use nines::engine::catalog::{Catalog, Desired, DesiredSlo, IdleSlo, Keys};
use nines::engine::clock::{Clock, ManualClock};
use nines::engine::collect::Asked;
use nines::engine::deliver::Deliverer;
use nines::engine::dispatch::Routing;
use nines::engine::evaluate::Evaluator;
use nines::engine::ports::{
    CatalogStore, Epoch, LeaseState, LeaseStore, ListedTarget, RetainStore, StoreResult, Visitor,
};
use nines::engine::push::beats::ListedHeartbeat;
use nines::engine::push::task::PushTask;
use nines::engine::read::reader::Writing;
use nines::engine::retain::Discrepancy;
use nines::engine::snapshot::{SloView, Snapshot};
use nines::engine::stats::Stats;
use nines::engine::supervisor::{Engine, Readiness, Settings};
use nines::store::SqlStore;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::faulty::Faulty;
pub use super::receiver::{Answer, Receiver, webhook, words};
use crate::support::postgres;

/// 2026-11-21T08:00:00Z.
pub const NOW: Timestamp = Timestamp(1_795_248_000_000);
/// How long a case waits for something that happens at once, when it happens at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the address of the heartbeat `backup` ends with: once an hour, within ten minutes.
pub const TOKEN: &str = "0123456789abcdef";

/// One SLO that calls at once when one event in ten is bad, and calms down after a minute.
pub const QUICK: &str = "
version: nines/v1
service: shop
slos:
  - name: api
    objective: 99
    window: 1d
    indicator: {total: requests_total, bad: 'requests_total{code=\"500\"}'}
    alerting:
      burn: [{severity: page, long: 5m, short: 1m, factor: 5}]
";

/// On which database a case runs.
#[derive(Clone, Copy, Debug)]
#[expect(non_camel_case_types, reason = "they name the tests' modules")]
pub enum Database {
    sqlite,
    postgres,
}

pub struct World {
    pub store: Arc<Faulty>,
    pub clock: Arc<ManualClock>,
    pub active: Active,
    pub engine: Engine,
    pub web: Arc<Receiver>,
    pub routing: watch::Sender<Arc<Routing>>,
    settings: watch::Sender<Arc<Settings>>,
    pub epoch: Epoch,
    targets: Vec<&'static str>,
    listed: Vec<ListedTarget>,
    url: String,
    folder: Option<tempfile::TempDir>,
}

impl World {
    /// A fresh store, these SLOs, the target `a`, and one receiver with one webhook; `None` where the environment asks
    /// for no such database.
    pub async fn begin(database: Database, slos: &str) -> Option<Self> {
        Self::begin_as(database, slos, |_| ()).await
    }

    /// The same, with SLOs that say what the native format cannot.
    pub async fn begin_as(database: Database, slos: &str, change: impl Fn(&mut Slo)) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match database {
            Database::sqlite => format!("sqlite:{}", folder.path().join("nines.db").display()),
            Database::postgres => postgres::database().await?,
        };
        let web = Arc::new(Receiver::default());
        let routing = watch::Sender::new(Arc::new(Routing {
            route: Some(Route::to("oncall")),
            receivers: BTreeMap::from([("oncall".to_owned(), vec![webhook(0, &web)])]),
            external_url: "http://nines".to_owned(),
        }));
        let settings = watch::Sender::new(Arc::new(settings(slos, 1, change)));
        let clock = Arc::new(ManualClock::at(NOW));
        let mut world = Self::open(url, Some(folder), clock, web, routing, settings).await;
        world.list(&["a"]).await;
        Some(world)
    }

    async fn open(
        url: String,
        folder: Option<tempfile::TempDir>,
        clock: Arc<ManualClock>,
        web: Arc<Receiver>,
        routing: watch::Sender<Arc<Routing>>,
        settings: watch::Sender<Arc<Settings>>,
    ) -> Self {
        let inner = SqlStore::connect(&url).await.expect("the store opens");
        inner.migrate().await.expect("the tables are made");
        let lease = inner.acquire_lease("test", None, Duration::from_hours(1)).await;
        let LeaseState::Held(epoch) = lease.expect("an answer") else {
            panic!("somebody else holds the lease")
        };
        let store = Arc::new(Faulty::new(inner));
        let engine = Engine {
            holder: "test".to_owned(),
            store: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            stats: Arc::new(Stats::default()),
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            readiness: Arc::new(ArcSwap::from_pointee(Readiness::Ready)),
            settings: settings.subscribe(),
            routing: routing.subscribe(),
            targets: watch::Sender::new(Arc::new(Vec::new())).subscribe(),
            probes: watch::Sender::new(Arc::default()).subscribe(),
            servers: watch::Sender::new(Arc::new(Vec::new())).subscribe(),
            backfills: Arc::default(),
            pushes: Arc::default(),
            nudge: Arc::new(Notify::new()),
            visit_log: None,
        };
        let active = Active::begin(engine.clone(), epoch, Arc::new(Discrepancy::default()), Arc::default());
        Self {
            active: active.await.expect("it begins"),
            store,
            clock,
            engine,
            web,
            routing,
            settings,
            epoch,
            targets: Vec::new(),
            listed: Vec::new(),
            url,
            folder,
        }
    }

    /// Ends this process without a word, and starts another one after so many seconds.
    pub async fn restart(self, seconds: i64) -> Self {
        let Self {
            store,
            clock,
            web,
            routing,
            settings,
            epoch,
            targets,
            url,
            folder,
            active,
            engine,
            ..
        } = self;
        drop((active, engine));
        store.inner.release_lease(epoch).await.expect("the lease is free");
        store.inner.close().await;
        clock.set(Timestamp(clock.now().0 + seconds * 1000));
        let mut world = Self::open(url, folder, clock, web, routing, settings).await;
        world.list(&targets).await;
        world
    }

    /// These targets are listed from now on, and no others.
    pub async fn list(&mut self, targets: &[&'static str]) {
        self.targets = targets.to_vec();
        self.take(targets.iter().map(|name| listed(target_named(name))).collect())
            .await;
    }

    /// This target is listed from now on, and its series are relabelled.
    pub async fn list_with(&mut self, target: &'static str, rules: RelabelRules) {
        let metric_rules = rules;
        let target = target_named(target);
        self.take(vec![listed(Target { metric_rules, ..target })]).await;
    }

    /// This target is listed from now on, with these labels of its own.
    pub async fn list_labelled(&mut self, target: &'static str, labels: &[(&str, &str)]) {
        let mut target = target_named(target);
        for (name, value) in labels {
            target.labels.set(*name, *value);
        }
        self.take(vec![listed(target)]).await;
    }

    async fn take(&mut self, listed: Vec<ListedTarget>) {
        self.active.collector().set_targets(&listed);
        self.listed = listed;
        self.active
            .read_cursors(self.clock.now())
            .await
            .expect("cursors are read");
    }

    /// The files say this from now on.
    pub async fn reload(&mut self, slos: &str) {
        self.reload_as(slos, |_| ()).await;
    }

    /// The same, with SLOs that say what the native format cannot.
    pub async fn reload_as(&mut self, slos: &str, change: impl Fn(&mut Slo)) {
        let revision = self.settings.borrow().revision + 1;
        let settings = Arc::new(settings(slos, revision, change));
        self.settings.send_replace(Arc::clone(&settings));
        self.active.reload(settings).await.expect("the settings are taken over");
    }

    /// Time passes.
    pub fn pass(&self, seconds: i64) {
        self.clock.set(Timestamp(self.clock.now().0 + seconds * 1000));
    }

    /// One visit to a target.
    pub fn visit(&self, target: &str, shop: &Shop) {
        self.read(target, Reading::Page(shop.page()));
    }

    /// One visit to a target that gives nothing.
    pub fn miss(&self, target: &str) {
        let missing = Missing {
            reason: MissingReason::Timeout,
            detail: "no answer".to_owned(),
        };
        self.read(target, Reading::Missing(missing));
    }

    pub fn read(&self, target: &str, reading: Reading) {
        let asked = self.ask(target);
        self.read_as(target, asked, reading);
    }

    /// What a visit that begins now is asked for.
    pub fn ask(&self, target: &str) -> Asked {
        let collector = self.active.collector();
        Asked::of(&self.target(target), &collector.selection())
    }

    /// What a visit that was asked for this gives.
    pub fn read_as(&self, target: &str, asked: Asked, reading: Reading) {
        let (key, now) = (target_named(target).key(), self.clock.now());
        let took = Duration::from_millis(5);
        self.active.collector().apply(&key, asked, reading, now, took);
    }

    /// A target as it is listed.
    fn target(&self, name: &str) -> Target {
        let named = target_named(name);
        let found = self.listed.iter().find(|listed| listed.target.key() == named.key());
        found.map_or(named, |listed| listed.target.clone())
    }

    pub async fn try_tick(&mut self) -> StoreResult<()> {
        self.active.step(self.clock.now()).await
    }

    pub async fn tick(&mut self) {
        self.try_tick().await.expect("the tick is kept");
    }

    /// So many minutes pass; every half minute the shop handles these requests, `a` is visited, and all is evaluated
    /// and delivered.
    pub async fn live(&mut self, shop: &mut Shop, minutes: i64, good: u64, bad: u64) {
        for _ in 0..minutes * 2 {
            self.pass(30);
            (shop.good, shop.bad) = (shop.good + good, shop.bad + bad);
            self.visit("a", shop);
            self.tick().await;
            self.deliver().await;
        }
    }

    /// The task that counts what is pushed; it does so when a case says so.
    pub fn push_task(&self) -> PushTask {
        let writing = Writing {
            store: Arc::clone(&self.store) as _,
            epoch: self.epoch,
            books: Arc::clone(&self.active.readers().books),
        };
        let (pushes, clock) = (Arc::clone(&self.engine.pushes), Arc::clone(&self.clock));
        PushTask::new(pushes, writing, clock, Arc::clone(&self.engine.stats))
    }

    /// Delivers what is due.
    pub async fn deliver(&self) {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(self.deliverer().run(cancel.clone()));
        let idle = tokio::time::timeout(PATIENCE, self.store.idle.notified());
        idle.await.expect("the outbox is empty in the end");
        cancel.cancel();
        if self.store.hung.load(Ordering::SeqCst) > 0 {
            task.abort();
        } else {
            task.await.expect("no panic").expect("not fenced");
        }
    }

    fn deliverer(&self) -> Deliverer {
        Deliverer {
            store: Arc::clone(&self.store) as _,
            epoch: self.epoch,
            clock: Arc::clone(&self.clock) as _,
            routing: self.routing.subscribe(),
            nudge: Arc::default(),
            stats: Arc::clone(&self.engine.stats),
        }
    }

    /// Packs what is due.
    pub async fn pack(&self) {
        let now = self.clock.now();
        let packed = self.store.inner.pack(self.epoch, now, 50).await;
        packed.expect("hours are packed");
    }

    /// An SLO, or a group, as it is shown.
    pub fn view(&self, id: &str) -> SloView {
        let snapshot = self.engine.snapshot.load();
        let found = snapshot.slos.iter().find(|view| view.id.as_deref() == Some(id));
        found.unwrap_or_else(|| panic!("{id} is not shown")).clone()
    }

    /// All and bad events of an SLO over its window, whole.
    pub fn events(&self, id: &str) -> (i64, i64) {
        let events = self.view(id).events.expect("events");
        (events.total / 1_000_000, events.bad / 1_000_000)
    }

    /// What is shown from memory is what another process would read from the store, and the ledger's books balance.
    pub async fn prove(&self) {
        assert_eq!(
            self.store.inner.prove().await.expect("a proof"),
            0,
            "credits equal buckets"
        );
        let settings = Arc::clone(self.active.settings());
        let records = self.store.inner.load_slos().await.expect("SLOs");
        let catalog = Arc::new(Catalog::new(&settings.desired, &records, settings.revision));
        let mut keys = Keys::default();
        keys.extend(&self.store.inner.load_keys().await.expect("keys"));
        let (store, now) = (Arc::clone(&self.store) as Arc<_>, self.clock.now());
        let mut other = Evaluator::load(store, 0, Arc::default(), (catalog, keys), now, 0)
            .await
            .expect("it loads");
        let numbers = |view: &SloView| {
            let rates = view.burn_rates.clone().map(|rates| rates.0);
            (view.id.clone(), view.events, rates, view.coverage, view.lifetime)
        };
        let read: Vec<_> = other.look(now).slos.iter().map(numbers).collect();
        let shown: Vec<_> = self.engine.snapshot.load().slos.iter().map(numbers).collect();
        assert_eq!(shown, read, "memory is the store");
    }
}

/// A service with one counter.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    pub good: u64,
    pub bad: u64,
    /// When its process began, in unix seconds.
    pub began: Option<f64>,
}

impl Shop {
    pub fn page(&self) -> Page {
        let samples = [("200", self.good), ("500", self.bad)];
        let page = page(samples.map(|(code, value)| ("requests_total", vec![("code", code)], value as f64)));
        Page {
            process_start: self.began,
            ..page
        }
    }
}

/// A page with these samples: metric, labels, value.
pub fn page<'a>(samples: impl IntoIterator<Item = (&'a str, Vec<(&'a str, &'a str)>, f64)>) -> Page {
    let sample = |(metric, labels, value): (&str, Vec<(&str, &str)>, f64)| {
        let labels: Labels = labels.into_iter().collect();
        Sample {
            series: Arc::new(Series::new(metric, labels)),
            value,
            created: None,
        }
    };
    let samples: Vec<Sample> = samples.into_iter().map(sample).collect();
    Page {
        samples_seen: samples.len() as u64,
        samples,
        ..Page::default()
    }
}

fn settings(slos: &str, revision: u64, change: impl Fn(&mut Slo)) -> Settings {
    let loaded = nines::spec::load::load(slos, "slos.yaml");
    assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
    let mut desired = Desired::default();
    for mut slo in loaded.slos {
        change(&mut slo);
        let slo = Arc::new(slo);
        if let Some(reason) = slo.idle_reason(&Sources::default()) {
            desired.idle.push(IdleSlo {
                reason,
                service: Some(slo.id.service.clone()),
                name: Some(slo.id.name.clone()),
                file: slo.origin.file.clone(),
                line: Some(slo.origin.line),
                slo: Some(slo),
                invalid: false,
                diagnostics: Vec::new(),
            });
        } else {
            desired.slos.push(DesiredSlo {
                slo,
                invalid: false,
                diagnostics: Vec::new(),
            });
        }
    }
    Settings {
        desired: Arc::new(desired),
        revisions: Arc::default(),
        evaluation_interval: Duration::from_secs(10),
        revision,
        heartbeats: Arc::new(vec![ListedHeartbeat {
            heartbeat: Heartbeat {
                name: "backup".to_owned(),
                interval: Duration::from_hours(1),
                grace: Duration::from_mins(10),
            },
            token: Sha256::digest(TOKEN).into(),
        }]),
    }
}

fn target_named(name: &str) -> Target {
    Target {
        job: "shop".to_owned(),
        url: format!("http://{name}/metrics"),
        labels: [("job", "shop"), ("instance", name)].into_iter().collect(),
        honor_labels: false,
        metric_rules: RelabelRules::default(),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
    }
}

fn listed(target: Target) -> ListedTarget {
    ListedTarget {
        target,
        visitor: Arc::new(Nobody),
        config_hash: 1,
    }
}

struct Nobody;

#[async_trait]
impl Visitor for Nobody {
    async fn visit(&self, _: &Arc<Selection>) -> Reading {
        std::future::pending().await
    }
}
