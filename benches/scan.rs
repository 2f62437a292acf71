//! How fast a page of 40,000 series is read: with nothing, little and much of it selected, on the first visit and on
//! later ones. Throughput is shown in bytes; one page holds 40,000 samples.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nines::domain::labels::Labels;
use nines::domain::matcher::Selector;
use nines::domain::selection::Selection;
use nines::source::scrape::cache::{SeriesCache, SeriesView};
use nines::source::scrape::exposition::Format;
use nines::source::scrape::exposition::page::Framing;

const FAMILIES: usize = 400;
const SERIES_PER_FAMILY: usize = 100;

/// Looks like a service's page: families of a hundred series with five labels.
fn page() -> String {
    let mut page = String::new();
    for family in 0..FAMILIES {
        let _ = writeln!(page, "# HELP app_requests_{family}_total Requests that were handled.");
        let _ = writeln!(page, "# TYPE app_requests_{family}_total counter");
        for series in 0..SERIES_PER_FAMILY {
            let _ = writeln!(
                page,
                "app_requests_{family}_total{{method=\"GET\",path=\"/api/v1/things/{series}\",code=\"200\",region=\"eu-west-1\",pod=\"app-7f9c\"}} {}",
                series * 1_000 + family
            );
        }
    }
    page
}

fn selection(families: usize) -> Selection {
    let selector = |family: usize| Selector {
        metric: Some(format!("app_requests_{family}_total")),
        matchers: Vec::new(),
    };
    Selection::new((0..families).map(selector), 1)
}

fn scan(criterion: &mut Criterion) {
    let text = page();
    let framing = Framing {
        format: Format::Text,
        whole: true,
    };
    let target: Labels = [("job", "app"), ("instance", "10.0.0.1:9100")].into_iter().collect();
    let view = SeriesView {
        target,
        honor_labels: false,
    };
    let mut group = criterion.benchmark_group("scan 40,000 series");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for families in [0, 1, 100] {
        let wanted = selection(families);
        let selected = families * SERIES_PER_FAMILY;
        group.bench_function(format!("{selected} selected, first visit"), |bencher| {
            bencher.iter_batched_ref(
                SeriesCache::default,
                |cache| black_box(cache.read(&text, framing, &wanted, &view)),
                BatchSize::PerIteration,
            );
        });
        let mut cache = SeriesCache::default();
        group.bench_function(format!("{selected} selected, later visits"), |bencher| {
            bencher.iter(|| black_box(cache.read(&text, framing, &wanted, &view)));
        });
    }
    group.bench_function("UTF-8 check alone", |bencher| {
        bencher.iter(|| black_box(std::str::from_utf8(text.as_bytes())));
    });
    group.sample_size(10);
    group.bench_function("the crate prometheus-parse, which reads all of it", |bencher| {
        bencher.iter(|| {
            black_box(prometheus_parse::Scrape::parse(
                text.lines().map(|line| Ok(line.to_owned())),
            ))
        });
    });
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
