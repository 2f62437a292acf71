//! How fast visits are counted: one page of 1,000 and of 10,000 selected series, for one SLO and for ten that share them
//! or all want them; and how fast a cursor goes to the store and comes back.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nines::domain::counting::cursor::{SloCursor, UnitState};
use nines::domain::labels::Labels;
use nines::domain::reading::{Page, Reading, Sample, Series, Target};
use nines::domain::relabel::RelabelRules;
use nines::domain::time::Timestamp;
use nines::engine::catalog::{Catalog, Desired, DesiredSlo, Keys};
use nines::engine::collect::{Asked, Collector};
use nines::engine::ports::{CursorRecord, KeyRecord, ListedTarget, SloRecord, TargetRecord, Visitor};

const NOW: Timestamp = Timestamp(1_795_248_000_000);

struct Nobody;

#[async_trait::async_trait]
impl Visitor for Nobody {
    async fn visit(&self, _: &Arc<nines::domain::selection::Selection>) -> Reading {
        std::future::pending().await
    }
}

/// So many SLOs; each selects its part of the series, or all of them.
fn slos(count: usize, of_all: bool) -> Arc<Desired> {
    let mut text = "version: nines/v1\nservice: shop\nslos:\n".to_owned();
    for slo in 0..count {
        let part = if of_all {
            String::new()
        } else {
            format!("slo=\"{slo}\",")
        };
        let _ = write!(
            text,
            "  - name: slo-{slo}\n    objective: 99.9\n    window: 30d\n    indicator:\n      total: requests_total{{{part}job=\"shop\"}}\n      bad: requests_total{{{part}job=\"shop\",code=~\"5..\"}}\n",
        );
    }
    let loaded = nines::spec::load::load(&text, "slos.yaml");
    assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
    let slos = loaded.slos.into_iter().map(|slo| DesiredSlo {
        slo: Arc::new(slo),
        invalid: false,
        diagnostics: Vec::new(),
    });
    Arc::new(Desired {
        slos: slos.collect(),
        idle: Vec::new(),
    })
}

/// A collector that knows these SLOs and one target.
fn collector(desired: &Desired) -> (Collector, String, Asked) {
    let records: Vec<SloRecord> = desired
        .slos
        .iter()
        .zip(1..)
        .map(|(desired, id)| SloRecord {
            id,
            slo: desired.slo.id.clone(),
            indicator_loaded_at: NOW,
            generation: 1,
        })
        .collect();
    let mut keys = Keys::default();
    keys.extend(
        &records
            .iter()
            .map(|record| KeyRecord {
                id: record.id,
                slo: record.id,
                group: None,
            })
            .collect::<Vec<_>>(),
    );
    let collector = Collector::new(Arc::default(), false, Vec::new());
    collector.set_catalog(Arc::new(Catalog::new(desired, &records, 1)), keys);
    let target = Target {
        job: "shop".to_owned(),
        url: "http://10.0.0.1:9100/metrics".to_owned(),
        honor_labels: false,
        metric_rules: RelabelRules::default(),
        labels: [("job", "shop"), ("instance", "10.0.0.1:9100")].into_iter().collect(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
    };
    let (key, asked) = (target.key(), Asked::of(&target, &collector.selection()));
    collector.set_targets(&[ListedTarget {
        target,
        visitor: Arc::new(Nobody),
        config_hash: 1,
    }]);
    let record = TargetRecord {
        id: 1,
        key: key.clone(),
        first_listed_at: NOW,
    };
    collector.set_cursors(&[(
        record,
        CursorRecord {
            target: 1,
            ..CursorRecord::default()
        },
    )]);
    (collector, key, asked)
}

/// A page with so many counters, a tenth of them for each SLO.
fn page(series: usize) -> Page {
    let sample = |number: usize| {
        let (slo, path) = ((number % 10).to_string(), format!("/api/v1/things/{number}"));
        let code = if number.is_multiple_of(50) { "500" } else { "200" };
        let labels: Labels = [
            ("slo", slo.as_str()),
            ("method", "GET"),
            ("path", &path),
            ("code", code),
            ("region", "eu-west-1"),
        ]
        .into_iter()
        .collect();
        Sample {
            series: Arc::new(Series::new("requests_total", labels)),
            value: 1000.0 + number as f64,
            created: None,
        }
    };
    Page {
        samples: (0..series).map(sample).collect(),
        samples_seen: series as u64,
        ..Page::default()
    }
}

fn count(criterion: &mut Criterion) {
    for series in [1_000, 10_000] {
        let mut group = criterion.benchmark_group(format!("count {series} series"));
        group.throughput(Throughput::Elements(series as u64));
        for (what, slos) in [
            ("1 SLO", slos(1, true)),
            ("10 SLOs, a tenth each", slos(10, false)),
            ("10 SLOs, all of them each", slos(10, true)),
        ] {
            let (collector, key, asked) = collector(&slos);
            let (mut page, mut now) = (page(series), NOW);
            group.bench_function(what, |bencher| {
                bencher.iter_batched(
                    || {
                        now = now + Duration::from_secs(15);
                        page.samples.iter_mut().for_each(|sample| sample.value += 3.0);
                        (Reading::Page(page.clone()), now)
                    },
                    |(reading, at)| collector.apply(&key, asked, reading, at, Duration::from_millis(5)),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn cursor(criterion: &mut Criterion) {
    let mut cursor = SloCursor {
        indicator: 1,
        known: true,
        ..SloCursor::default()
    };
    for sample in page(1_000).samples {
        let unit = UnitState {
            values: [sample.value, 0.0],
            mark_at: NOW,
            seen: NOW.minute(),
            ..UnitState::default()
        };
        cursor.units.insert(sample.series.key.as_str().into(), unit);
    }
    let bytes = cursor.encode();
    println!("a cursor of 1,000 series has {} bytes", bytes.len());
    let mut group = criterion.benchmark_group("cursor of 1,000 series");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(cursor.encode())));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| black_box(SloCursor::decode(&bytes)));
    });
    group.finish();
}

criterion_group!(benches, count, cursor);
criterion_main!(benches);
