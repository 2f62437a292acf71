//! What one tick costs 10,000 SLOs with the default policy (six alert windows and a month): moving the sums on by a
//! minute, evaluating, and making the read model. The ledger holds three days of hours and full recent minutes.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nines::domain::counts::{Bucket, HourTotal, MICRO};
use nines::domain::evaluation::{Evaluation, evaluate};
use nines::domain::ledger::{KeyIndex, Ledger};
use nines::domain::slo::Slo;
use nines::domain::time::{HOUR_MINUTES, Hour, Minute, Timestamp};
use nines::engine::catalog::{Catalog, Desired, DesiredSlo};
use nines::engine::evaluate::alerts::Alerts;
use nines::engine::evaluate::view::{ViewFacts, slo_view};
use nines::engine::ports::{Lifetime, SloRecord};

const SLOS: usize = 10_000;
const NOW: Timestamp = Timestamp(1_795_248_000_000);
const HOURS: i64 = 72;

fn slos() -> Vec<Arc<Slo>> {
    let mut text = "version: nines/v1\nservice: shop\nslos:\n".to_owned();
    for slo in 0..SLOS {
        let _ = write!(
            text,
            "  - name: slo-{slo}\n    objective: 99.9\n    window: 30d\n    indicator: {{total: requests_total, bad: 'requests_total{{code=\"500\"}}'}}\n"
        );
    }
    let loaded = nines::spec::load::load(&text, "slos.yaml");
    assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
    loaded.slos.into_iter().map(Arc::new).collect()
}

/// A ledger in which every minute of the last three days holds events, of which few are bad.
fn ledger(slos: &[Arc<Slo>]) -> (Ledger, Vec<KeyIndex>) {
    let mut ledger = Ledger::new(NOW.minute());
    let bucket = Bucket {
        total: 6000 * MICRO,
        good: 5997 * MICRO,
        observed: true,
    };
    let keys: Vec<KeyIndex> = slos
        .iter()
        .map(|slo| {
            let windows = slo.alerting.windows().into_iter().map(|window| window.length);
            ledger.add(windows.chain([slo.window.length()]).collect())
        })
        .collect();
    let this = NOW.minute().hour().0;
    let hours: Vec<(Hour, HourTotal)> = (this - HOURS..this)
        .map(|hour| {
            let total = HourTotal {
                total: bucket.total * HOUR_MINUTES,
                good: bucket.good * HOUR_MINUTES,
                observed: 60,
            };
            (Hour(hour), total)
        })
        .collect();
    for key in &keys {
        let spans = ledger.minute_spans(*key);
        let first = NOW.minute().0 - HOURS * HOUR_MINUTES;
        let minutes = spans.into_iter().flat_map(|(from, to)| from.0.max(first)..=to.0);
        let mut minutes: Vec<(Minute, Bucket)> = minutes.map(|minute| (Minute(minute), bucket)).collect();
        minutes.sort_by_key(|(minute, _)| *minute);
        minutes.dedup_by_key(|(minute, _)| *minute);
        ledger.load(*key, &hours, &minutes);
    }
    (ledger, keys)
}

fn evaluate_all(slos: &[Arc<Slo>], keys: &[KeyIndex], ledger: &Ledger, now: Timestamp) -> Vec<Evaluation> {
    let of =
        |(slo, key): (&Arc<Slo>, &KeyIndex)| evaluate(slo, |window| ledger.sum(*key, window).unwrap_or_default(), now);
    slos.iter().zip(keys).map(of).collect()
}

fn tick(criterion: &mut Criterion) {
    let slos = slos();
    let (mut ledger, keys) = ledger(&slos);
    let mut group = criterion.benchmark_group("10,000 SLOs");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SLOS as u64));
    group.bench_function("advance by a minute", |bencher| {
        bencher.iter(|| {
            // What `History` does before it moves on: hours that windows are about to lose are put.
            let until = Minute(ledger.now().0 + 1);
            for (key, hour) in ledger.missing_edges(until) {
                ledger.put_edge(key, hour, &[]);
            }
            ledger.advance(until);
        });
    });
    let now = ledger.now().start();
    let bucket = Bucket {
        total: 1500 * MICRO,
        good: 1499 * MICRO,
        observed: true,
    };
    group.bench_function("credit one bucket each", |bencher| {
        bencher.iter(|| keys.iter().for_each(|key| ledger.credit(*key, now.minute(), bucket)));
    });
    group.bench_function("evaluate", |bencher| {
        bencher.iter(|| black_box(evaluate_all(&slos, &keys, &ledger, now)));
    });
    group.bench_function("busiest hours", |bencher| {
        bencher.iter(|| black_box(keys.iter().map(|key| ledger.busiest_hour(*key)).max()));
    });
    let records: Vec<SloRecord> = slos
        .iter()
        .zip(1..)
        .map(|(slo, id)| SloRecord {
            id,
            slo: slo.id.clone(),
            indicator_loaded_at: NOW,
            generation: 1,
        })
        .collect();
    let desired = slos.iter().map(|slo| DesiredSlo {
        slo: Arc::clone(slo),
        invalid: false,
        diagnostics: Vec::new(),
    });
    let desired = Desired {
        slos: desired.collect(),
        idle: Vec::new(),
    };
    let (catalog, alerts) = (Catalog::new(&desired, &records, 1), Alerts::default());
    let evaluations = evaluate_all(&slos, &keys, &ledger, now);
    group.bench_function("make the read model", |bencher| {
        bencher.iter(|| {
            let view = |(entry, evaluation)| {
                let facts = ViewFacts {
                    group: None,
                    alerts: &alerts,
                    lifetime: Lifetime::default(),
                    resets: 0,
                    coverage: 1.0,
                    diagnostics: Vec::new(),
                    backfill: None,
                    budget_history: Vec::new(),
                };
                slo_view(entry, evaluation, facts, now)
            };
            black_box(catalog.entries.iter().zip(&evaluations).map(view).collect::<Vec<_>>())
        });
    });
    group.finish();
}

criterion_group!(benches, tick);
criterion_main!(benches);
