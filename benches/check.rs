//! What reading SLO files costs: 1,000 native SLOs in 100 files, from text to checked SLOs.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nines::spec::{Options, load_all};

const FILES: usize = 100;
const SLOS: usize = 10;

fn native(file: usize) -> String {
    let mut text = format!("version: nines/v1\nservice: shop-{file}\nslos:\n");
    for slo in 0..SLOS {
        let selector = format!("http_requests_total{{job=\"shop-{file}\",handler=\"/h{slo}\"");
        let _ = write!(
            text,
            "  - name: slo-{slo}\n    objective: 99.9\n    window: 30d\n    indicator:\n      total: {selector}}}\n      bad: {selector},code=~\"5..\"}}\n"
        );
    }
    text
}

fn sloth(file: usize) -> String {
    let mut text = format!("version: prometheus/v1\nservice: shop-{file}\nslos:\n");
    for slo in 0..SLOS {
        let selector = format!("http_requests_total{{job=\"shop-{file}\",handler=\"/h{slo}\"");
        let _ = write!(
            text,
            "  - name: slo-{slo}\n    objective: 99.9\n    sli:\n      events:\n        error_query: sum(rate({selector},code=~\"5..\"}}[{{{{.window}}}}]))\n        total_query: sum(rate({selector}}}[{{{{.window}}}}]))\n    alerting: {{name: Burn, page_alert: {{}}, ticket_alert: {{}}}}\n"
        );
    }
    text
}

fn check(c: &mut Criterion) {
    let mut group = c.benchmark_group("check");
    group.throughput(Throughput::Elements((FILES * SLOS) as u64));
    for (name, maker) in [("native", native as fn(usize) -> String), ("sloth", sloth)] {
        let files: Vec<(String, String)> = (0..FILES).map(|file| (format!("{file}.yaml"), maker(file))).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                let set = load_all(black_box(&files), &Options::default());
                assert_eq!(set.slos().count(), FILES * SLOS);
                set
            });
        });
    }
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
