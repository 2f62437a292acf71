//! What 10,000 targets of 20 series each cost with 1,000 SLOs, five of which each target feeds: time for each visit,
//! commit batch, `health()` and list of targets, and memory for each target. And memory for each of 100,000 series that
//! one page shows and one SLO uses.

#![expect(clippy::disallowed_methods, reason = "a stopwatch")]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nines::domain::labels::Labels;
use nines::domain::reading::{Page, Reading, Sample, Series, Target};
use nines::domain::relabel::RelabelRules;
use nines::domain::time::Timestamp;
use nines::engine::catalog::{Catalog, Desired, DesiredSlo, Keys};
use nines::engine::collect::{Asked, Collector};
use nines::engine::ports::{CursorRecord, KeyRecord, ListedTarget, SloRecord, TargetRecord, Visitor};

const NOW: Timestamp = Timestamp(1_795_248_000_000);
const INTERVAL: Duration = Duration::from_secs(15);

struct Nobody;

#[async_trait::async_trait]
impl Visitor for Nobody {
    async fn visit(&self, _: &Arc<nines::domain::selection::Selection>) -> Reading {
        std::future::pending().await
    }
}

/// A collector that knows so many SLOs, each of a service of its own.
fn collector(slos: usize) -> Collector {
    let mut text = "version: nines/v1\nservice: shop\nslos:\n".to_owned();
    for slo in 0..slos {
        let _ = write!(
            text,
            "  - name: slo-{slo}\n    objective: 99.9\n    window: 30d\n    indicator:\n      total: requests_{slo}_total\n      bad: requests_{slo}_total{{code=~\"5..\"}}\n",
        );
    }
    let loaded = nines::spec::load::load(&text, "slos.yaml");
    let slos = loaded.slos.into_iter().map(|slo| DesiredSlo {
        slo: Arc::new(slo),
        invalid: false,
        diagnostics: Vec::new(),
    });
    let desired = Desired {
        slos: slos.collect(),
        idle: Vec::new(),
    };
    let record = |(id, desired): (i64, &DesiredSlo)| SloRecord {
        id,
        slo: desired.slo.id.clone(),
        indicator_loaded_at: NOW,
        generation: 1,
    };
    let records: Vec<SloRecord> = (1..).zip(&desired.slos).map(record).collect();
    let key = |record: &SloRecord| KeyRecord {
        id: record.id,
        slo: record.id,
        group: None,
    };
    let mut keys = Keys::default();
    keys.extend(&records.iter().map(key).collect::<Vec<_>>());
    let collector = Collector::new(Arc::default(), false, Vec::new());
    collector.set_catalog(Arc::new(Catalog::new(&desired, &records, 1)), keys);
    collector
}

fn target(number: usize) -> Target {
    let instance = format!("10.{}.{}.{}:9100", number >> 16, (number >> 8) & 255, number & 255);
    Target {
        job: "shop".to_owned(),
        url: format!("http://{instance}/metrics"),
        honor_labels: false,
        metric_rules: RelabelRules::default(),
        labels: [("job", "shop"), ("instance", &instance)].into_iter().collect(),
        interval: INTERVAL,
        timeout: Duration::from_secs(10),
    }
}

fn list(collector: &Collector, count: usize) -> Vec<(String, Asked)> {
    let listed: Vec<ListedTarget> = (0..count)
        .map(|number| ListedTarget {
            target: target(number),
            visitor: Arc::new(Nobody),
            config_hash: 1,
        })
        .collect();
    collector.set_targets(&listed);
    let cursor = |(target, listed): (i64, &ListedTarget)| {
        let record = TargetRecord {
            id: target,
            key: listed.target.key(),
            first_listed_at: NOW,
        };
        let cursor = CursorRecord {
            target,
            ..CursorRecord::default()
        };
        (record, cursor)
    };
    collector.set_cursors(&(1..).zip(&listed).map(cursor).collect::<Vec<_>>());
    let selection = collector.selection();
    listed
        .iter()
        .map(|listed| (listed.target.key(), Asked::of(&listed.target, &selection)))
        .collect()
}

/// A page with so many counters of each of these SLOs.
fn page(slos: impl Iterator<Item = usize>, each: usize) -> Page {
    let sample = |slo: usize, number: usize| {
        let code = if number == 0 { "500" } else { "200" };
        let path = format!("/api/v1/things/{number}");
        let labels: Labels = [
            ("method", "GET"),
            ("path", &path),
            ("code", code),
            ("region", "eu-west-1"),
        ]
        .into_iter()
        .collect();
        Sample {
            series: Arc::new(Series::new(format!("requests_{slo}_total"), labels)),
            value: 1000.0,
            created: None,
        }
    };
    let samples: Vec<Sample> = slos
        .flat_map(|slo| (0..each).map(move |number| (slo, number)))
        .map(|(slo, number)| sample(slo, number))
        .collect();
    Page {
        samples_seen: samples.len() as u64,
        samples,
        ..Page::default()
    }
}

/// What the process holds in memory, in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn timed<T>(what: &str, times: usize, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    println!("{what:<52} {took:>10.1?}  {:>10.2?} each", took / times as u32);
    result
}

fn fleet(targets: usize, slos: usize) {
    println!("\n{targets} targets of 20 series, {slos} SLOs, five for each target");
    let collector = collector(slos);
    // Pages are made before they are counted, and all of them stay: what visitors hold is not measured here.
    let mut pages: Vec<Page> = (0..targets)
        .map(|at| page((0..5).map(|n| (at * 5 + n) % slos), 4))
        .collect();
    let before = resident();
    let keys = list(&collector, targets);
    println!(
        "{:<52} {:>10} bytes",
        "listed: memory for each target",
        (resident() - before) / targets as u64
    );
    let mut now = NOW;
    for round in 1..=3 {
        now = now + INTERVAL;
        timed(&format!("visits, round {round}"), targets, || {
            for ((key, asked), page) in keys.iter().zip(&pages) {
                collector.apply(key, *asked, Reading::Page(page.clone()), now, Duration::from_millis(5));
            }
        });
        let batch = timed("take a batch", targets, || collector.take_batch());
        let rows: usize = batch.commits.iter().map(|commit| commit.slos.len()).sum();
        let states = batch.commits.iter().flat_map(|commit| commit.slos.values().flatten());
        let bytes: usize = states.map(Vec::len).sum();
        let headers: usize = batch.commits.iter().map(|commit| commit.header.len()).sum();
        println!("{:<52} {rows} rows, {} KiB", "to the store", (bytes + headers) / 1024);
        timed("committed", targets, || collector.committed(&batch.commits));
        pages
            .iter_mut()
            .flat_map(|page| &mut page.samples)
            .for_each(|sample| sample.value += 3.0);
    }
    println!(
        "{:<52} {:>10} bytes",
        "visited: memory for each target",
        (resident() - before) / targets as u64
    );
    let health = timed("health()", slos, || collector.health());
    assert_eq!(health.len(), slos);
    timed("target_views()", targets, || collector.target_views());
}

fn wide(series: usize) {
    println!("\n{series} used series on a page");
    let collector = collector(1);
    let mut page = page(0..1, series);
    let before = resident();
    let keys = list(&collector, 1);
    let (key, asked) = &keys[0];
    let mut now = NOW;
    for round in 1..=3 {
        now = now + INTERVAL;
        let reading = Reading::Page(page.clone());
        timed(&format!("visit, round {round}"), series, || {
            collector.apply(key, *asked, reading, now, Duration::from_millis(5));
        });
        let batch = timed("take a batch", series, || collector.take_batch());
        let states = batch.commits.iter().flat_map(|commit| commit.slos.values().flatten());
        println!(
            "{:<52} {:>10} bytes",
            "to the store for each series",
            states.map(Vec::len).sum::<usize>() / series
        );
        collector.committed(&batch.commits);
        page.samples.iter_mut().for_each(|sample| sample.value += 3.0);
    }
    println!(
        "{:<52} {:>10} bytes",
        "memory for each series",
        (resident() - before) / series as u64
    );
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [targets, slos] = numbers[..] else {
        wide(100_000);
        return fleet(10_000, 1_000);
    };
    fleet(targets, slos);
}
