//! Probes: verdicts become events, whatever the store does; and when targets are probed, on virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nines::domain::labels::Labels;
use nines::domain::time::Timestamp;
use nines::domain::verdict::{Fault as Why, Phase, ProbeKind, ProbeTarget, Reason, TlsSeen, Verdict};
use nines::engine::clock::Clock;
use nines::engine::ports::{ListedProbe, ListedProbes, ProbeLimits, Prober};
use nines::engine::probe::Probes;
use nines::engine::probe::schedule::probe_targets;
use nines::engine::stats::Stats;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::faulty::Fault;
use super::world::{Database, NOW, World};

const SLOS: &str = "
version: nines/v1
service: web
slos:
  - {name: home, objective: 90, window: 1d, indicator: {probe: web}}
  - {name: pages, objective: 90, window: 1d, indicator: {probe: web, group_by: [instance]}}
  - {name: other, objective: 90, window: 1d, indicator: {probe: nobody}}
";

/// What nobody is asked for.
struct Nobody;

#[async_trait]
impl Prober for Nobody {
    async fn probe(&self) -> Verdict {
        verdict(Reason::Ok)
    }
}

fn verdict(reason: Reason) -> Verdict {
    Verdict::untried(Why::new(reason, if reason == Reason::Ok { "" } else { "so it is" }))
}

fn target(instance: &str, interval: Duration) -> ProbeTarget {
    ProbeTarget {
        job: "web".to_owned(),
        module: "http_2xx".to_owned(),
        kind: ProbeKind::Http,
        target: format!("https://{instance}/"),
        labels: [("job", "web"), ("instance", instance)].into_iter().collect::<Labels>(),
        interval,
        timeout: interval,
    }
}

fn listed(instance: &str, interval: Duration, prober: Arc<dyn Prober>) -> ListedProbe {
    ListedProbe {
        target: target(instance, interval),
        host: instance.to_owned(),
        prober,
        config_hash: 1,
    }
}

fn list(world: &World, instances: &[&str]) {
    let interval = Duration::from_secs(30);
    let probes: Vec<_> = instances
        .iter()
        .map(|instance| listed(instance, interval, Arc::new(Nobody)))
        .collect();
    world.active.probes().set_probes(&probes);
}

fn see(world: &World, instance: &str, verdict: Verdict) {
    let key = target(instance, Duration::from_secs(30)).key();
    world.active.probes().apply(&key, verdict, world.clock.now());
}

pub async fn each_verdict_is_one_event_and_what_nobody_knows_is_none(database: Database) {
    let Some(mut world) = World::begin(database, SLOS).await else {
        return;
    };
    list(&world, &["a"]);
    for (minute, reason) in [Reason::Ok, Reason::HttpStatus, Reason::NetworkDown, Reason::Ok]
        .into_iter()
        .enumerate()
    {
        see(&world, "a", verdict(reason));
        world.tick().await;
        assert_eq!(world.view("web/home").alerts.len(), 3, "minute {minute}");
        world.pass(60);
    }
    world.tick().await;
    assert_eq!(world.events("web/home"), (3, 1));
    assert_eq!(world.events("web/other"), (0, 0));
    let coverage = world.view("web/home").coverage.expect("a coverage");
    // A window of a day holds 1441 minutes; what nobody knows was not observed.
    assert!((coverage - 3.0 / 1440.0).abs() < 1e-5, "{coverage}");
    world.prove().await;
    let mut world = world.restart(30).await;
    world.tick().await;
    assert_eq!(world.events("web/home"), (3, 1), "after a restart");
}

pub async fn counts_are_exact_whatever_a_failing_store_did(database: Database) {
    let Some(mut world) = World::begin(database, SLOS).await else {
        return;
    };
    let calls = [
        "commit_visits",
        "ensure_keys",
        "commit_evaluation",
        "sync_targets",
        "load_cursors",
    ];
    let mut random = 1_u64;
    let mut below = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    let names: Vec<String> = (0..5).map(|n| format!("i{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    list(&world, &names);
    let mut wanted: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut failed = 0;
    for _ in 0..200 {
        let name = names[below(5) as usize];
        let is_bad = below(4) == 0;
        see(
            &world,
            name,
            verdict(if is_bad { Reason::HttpStatus } else { Reason::Ok }),
        );
        let of_name = wanted.entry(name).or_default();
        *of_name = (of_name.0 + 1, of_name.1 + i64::from(is_bad));
        world.pass(7);
        if below(2) == 0 {
            let fault = if below(2) == 0 { Fault::Before } else { Fault::After };
            world.store.fail(calls[below(calls.len() as u64) as usize], fault);
        }
        failed += u32::from(world.try_tick().await.is_err());
    }
    assert!(failed > 30, "{failed} ticks failed");
    for _ in 0..12 {
        let _ = world.try_tick().await;
    }
    world.tick().await;
    let all = wanted.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(world.events("web/home"), all);
    assert_eq!(world.events("web/pages"), all);
    for (name, events) in wanted {
        assert_eq!(
            world.events(&format!("web/pages{{instance=\"{name}\"}}")),
            events,
            "{name}"
        );
    }
    world.prove().await;
}

pub async fn targets_make_groups_and_are_shown_with_their_verdicts(database: Database) {
    let Some(mut world) = World::begin(database, SLOS).await else {
        return;
    };
    list(&world, &["a", "b"]);
    let mut seen = verdict(Reason::TlsExpired);
    seen.attempts[0].phases = vec![(Phase::Connect, Duration::from_millis(3))];
    seen.tls = Some(TlsSeen {
        leaf_not_after: Some(NOW),
        ..TlsSeen::default()
    });
    see(&world, "a", seen);
    see(&world, "b", verdict(Reason::Ok));
    world.tick().await;
    assert_eq!(world.events("web/pages{instance=\"a\"}"), (1, 1));
    assert_eq!(world.events("web/pages{instance=\"b\"}"), (1, 0));
    let snapshot = world.engine.snapshot.load_full();
    let probed = snapshot.targets.iter().filter(|view| view.probe.is_some());
    let shown: Vec<serde_json::Value> = probed.map(|view| serde_json::to_value(view).expect("JSON")).collect();
    assert_eq!(shown.len(), 2);
    let of_a = &shown[0];
    assert_eq!(
        (&of_a["health"], &of_a["scrapeUrl"]),
        (&"down".into(), &"https://a/".into())
    );
    assert_eq!(of_a["feeds"], serde_json::json!(["web/home", "web/pages"]));
    assert_eq!(of_a["probe"]["reason"], "tls_expired");
    assert_eq!(of_a["probe"]["tlsNotAfter"], NOW.to_string());
    assert_eq!(of_a["probe"]["attempts"][0]["phases"]["connect"], 0.003);
    assert_eq!(of_a["probe"]["verdicts"][0]["verdict"], "bad");
}

pub async fn a_job_without_targets_is_told(database: Database) {
    let Some(mut world) = World::begin(database, SLOS).await else {
        return;
    };
    list(&world, &["a"]);
    for _ in 0..5 {
        world.pass(60);
        see(&world, "a", verdict(Reason::Ok));
        world.tick().await;
    }
    let told = world.view("web/other").diagnostics;
    assert!(
        told.iter()
            .any(|it| it.code == "D010" && it.message.contains("\"nobody\"")),
        "{told:?}"
    );
    assert!(world.view("web/home").diagnostics.is_empty());
}

/// Tells tokio's time, which stands still until everybody waits.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        NOW + self.0.elapsed()
    }
}

/// A target that takes its time.
struct Slow {
    takes: Duration,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    began: Arc<Mutex<Vec<Duration>>>,
    start: Instant,
}

#[async_trait]
impl Prober for Slow {
    async fn probe(&self) -> Verdict {
        self.began.lock().expect("no panic").push(self.start.elapsed());
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        verdict(Reason::Ok)
    }
}

/// So many hosts with so many targets each are probed for so long: how many probes began, how many were under way at
/// once, how many were skipped.
#[expect(clippy::disallowed_methods, reason = "it is virtual")]
async fn probed(hosts: usize, of_host: usize, takes: u64, limits: ProbeLimits) -> (Vec<Duration>, usize, u64) {
    let start = Instant::now();
    let interval = Duration::from_secs(10);
    let slow = Arc::new(Slow {
        takes: Duration::from_millis(takes),
        under_way: Arc::default(),
        most: Arc::default(),
        began: Arc::default(),
        start,
    });
    let probes = (0..hosts * of_host).map(|number| ListedProbe {
        host: format!("host {}", number / of_host),
        ..listed(&format!("{number}"), interval, Arc::clone(&slow) as Arc<dyn Prober>)
    });
    let list = ListedProbes {
        probes: probes.collect(),
        limits,
    };
    let stats: Arc<Stats> = Arc::default();
    let (sender, receiver) = watch::channel(Arc::new(list));
    let stop = CancellationToken::new();
    let probes = Arc::new(Probes::new(Arc::clone(&stats)));
    let task = probe_targets(
        probes,
        Arc::new(Virtual(start)),
        Arc::clone(&stats),
        receiver,
        stop.clone(),
    );
    let task = tokio::spawn(task);
    tokio::time::sleep(Duration::from_secs(100)).await;
    // Whoever is cancelled gives its turn to somebody who is cancelled next.
    let (most, began) = (
        slow.most.load(Ordering::SeqCst),
        slow.began.lock().expect("no panic").clone(),
    );
    stop.cancel();
    task.await.expect("no panic");
    drop(sender);
    (began, most, stats.probes_skipped.get().values().sum())
}

#[tokio::test(start_paused = true)]
async fn probes_are_spread_over_the_period_and_do_not_drift() {
    let (began, _, skipped) = probed(1000, 1, 5, ProbeLimits::default()).await;
    // One may be due at the very end.
    assert!(
        (9_999..=10_000).contains(&began.len()) && skipped == 0,
        "{} {skipped}",
        began.len()
    );
    for second in 0..100 {
        let within = began.iter().filter(|at| at.as_secs() == second).count();
        assert!((60..=140).contains(&within), "second {second}: {within}");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_and_kinds_have_limits_and_who_has_no_turn_is_skipped() {
    let limits = |per_host, http| ProbeLimits {
        per_host,
        kinds: vec![(ProbeKind::Http, http)],
        ..ProbeLimits::default()
    };
    let (began, most, skipped) = probed(1, 50, 1000, limits(2, 512)).await;
    assert_eq!(most, 2, "two at a time of one host");
    assert!((190..=200).contains(&began.len()), "{}", began.len());
    assert!(skipped > 200, "{skipped}");
    let (began, most, skipped) = probed(50, 1, 1000, limits(2, 20)).await;
    assert_eq!((most <= 20, skipped), (true, 0), "{most}");
    assert!((490..=500).contains(&began.len()), "{}", began.len());
    let (began, most, skipped) = probed(1, 1, 25_000, limits(2, 20)).await;
    assert_eq!(most, 1, "a target is never probed twice at once");
    assert!(began.len() <= 4 && skipped >= 5, "{} {skipped}", began.len());
}
