//! How fast pages of 40,000 series are read: with nothing, little, much and all of them selected, on the first visit and
//! on later ones, beside what the machine can do with the same bytes and beside the crate prometheus-parse. Throughput is
//! shown in samples, so that the cases can be compared line by line.

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use nines::domain::labels::Labels;
use nines::domain::matcher::Selector;
use nines::domain::selection::Selection;
use nines::source::scrape::cache::{SeriesCache, SeriesView};
use nines::source::scrape::exposition::Format;
use nines::source::scrape::exposition::page::Framing;

const SERIES: usize = 40_000;

const FRAMING: Framing = Framing {
    format: Format::Text,
    whole: true,
};

/// As large as the pieces in which a page is read at most.
const PIECE_BYTES: usize = 256 * 1024;

/// Looks like a service's page: 400 families of a hundred series with five labels.
fn counters(value: fn(usize) -> String) -> String {
    let mut page = String::new();
    for family in 0..SERIES / 100 {
        let _ = writeln!(page, "# HELP app_requests_{family}_total Requests that were handled.");
        let _ = writeln!(page, "# TYPE app_requests_{family}_total counter");
        for series in 0..100 {
            let _ = writeln!(
                page,
                "app_requests_{family}_total{{method=\"GET\",path=\"/api/v1/things/{series}\",code=\"200\",region=\"eu-west-1\",pod=\"app-7f9c\"}} {}",
                value(series * 1_000 + family)
            );
        }
    }
    page
}

/// Histograms of 18 buckets, as the Go client writes them.
fn histograms() -> String {
    let mut page = String::new();
    for family in 0..20 {
        let _ = writeln!(page, "# HELP app_latency_{family}_seconds How long requests take.");
        let _ = writeln!(page, "# TYPE app_latency_{family}_seconds histogram");
        for path in 0..100 {
            let labels = format!("method=\"GET\",path=\"/api/v1/things/{path}\"");
            for bucket in 0..18 {
                let bound = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5][bucket % 9] * (1 + bucket) as f64;
                let count = bucket * 1_000 + path;
                let _ = writeln!(
                    page,
                    "app_latency_{family}_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"
                );
            }
            let _ = writeln!(
                page,
                "app_latency_{family}_seconds_sum{{{labels}}} {}.0325",
                path * 91 + 7
            );
            let _ = writeln!(page, "app_latency_{family}_seconds_count{{{labels}}} {}", path * 1_000);
        }
    }
    page
}

fn selection(metrics: impl IntoIterator<Item = String>) -> Selection {
    let selector = |metric: String| Selector {
        metric: Some(metric),
        matchers: Vec::new(),
    };
    Selection::new(metrics.into_iter().map(selector), 1)
}

/// So many of the page's families.
fn families(count: usize) -> Selection {
    selection((0..count).map(|family| format!("app_requests_{family}_total")))
}

fn view() -> SeriesView {
    SeriesView {
        target: [("job", "app"), ("instance", "10.0.0.1:9100")]
            .into_iter()
            .collect::<Labels>(),
        honor_labels: false,
    }
}

/// Reads a page as a visit does.
fn read(cache: &mut SeriesCache, text: &str, wanted: &Selection, view: &SeriesView) -> u64 {
    let mut page = cache.begin(FRAMING, wanted, view);
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        page.feed(piece).expect("a page that is understood");
    }
    black_box(page.finish())
        .expect("a page that is understood")
        .samples_seen
}

fn later_visits(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, text: &str, wanted: &Selection) {
    let (mut cache, view) = (SeriesCache::default(), view());
    group.bench_function(name, |bencher| bencher.iter(|| read(&mut cache, text, wanted, &view)));
}

fn machine(criterion: &mut Criterion) {
    let text = counters(|value| value.to_string());
    let bytes = text.as_bytes();
    let mut group = quick(criterion, "the machine");
    group.bench_function("all bytes are added up, eight at a time", |bencher| {
        bencher.iter(|| {
            let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
            black_box(words.fold(0, u64::wrapping_add))
        });
    });
    group.bench_function("newlines are counted", |bencher| {
        bencher.iter(|| black_box(memchr::memchr_iter(b'\n', black_box(bytes)).count()));
    });
    group.bench_function("the place of each newline is found", |bencher| {
        bencher.iter(|| {
            let places = memchr::memchr_iter(b'\n', black_box(bytes));
            black_box(places.fold(0, |sum, place| sum ^ black_box(place)))
        });
    });
    group.bench_function("UTF-8 is checked", |bencher| {
        bencher.iter(|| black_box(std::str::from_utf8(black_box(bytes))));
    });
    group.finish();
}

fn scan(criterion: &mut Criterion) {
    let text = counters(|value| value.to_string());
    let mut group = quick(criterion, "a page of counters");
    for count in [0, 4, 100, 400] {
        let (wanted, view) = (families(count), view());
        let percent = count / 4;
        group.bench_function(format!("{percent} % selected, first visit"), |bencher| {
            bencher.iter_batched_ref(
                SeriesCache::default,
                |cache| read(cache, &text, &wanted, &view),
                BatchSize::PerIteration,
            );
        });
        later_visits(
            &mut group,
            &format!("{percent} % selected, later visits"),
            &text,
            &wanted,
        );
    }
    let every = families(400);
    let exponents = counters(|value| format!("{:.7}e+07", 1.0 + value as f64 / 1e6));
    later_visits(
        &mut group,
        "100 % selected, values like 1.7560473e+07",
        &exponents,
        &every,
    );
    let fractions = counters(|value| format!("0.{value:06}"));
    later_visits(&mut group, "100 % selected, values like 0.005", &fractions, &every);
    let timestamps = counters(|value| format!("{value} 1395066363000"));
    later_visits(&mut group, "100 % selected, with timestamps", &timestamps, &every);
    group.sample_size(10);
    group.bench_function("the crate prometheus-parse, which reads all of it", |bencher| {
        bencher.iter(|| {
            black_box(prometheus_parse::Scrape::parse(
                text.lines().map(|line| Ok(line.to_owned())),
            ))
        });
    });
    group.finish();

    let text = histograms();
    let mut group = quick(criterion, "a page of histograms");
    let buckets = || (0..20).map(|family| format!("app_latency_{family}_seconds_bucket"));
    let counts = || (0..20).map(|family| format!("app_latency_{family}_seconds_count"));
    later_visits(&mut group, "0 % selected, later visits", &text, &families(1));
    later_visits(&mut group, "counts selected, later visits", &text, &selection(counts()));
    later_visits(
        &mut group,
        "95 % selected, later visits",
        &text,
        &selection(buckets().chain(counts())),
    );
    group.finish();
    memory();
}

/// How much the process grows for 100,000 selected series, by what the kernel says.
fn memory() {
    let text = counters(|value| value.to_string());
    let caches = 5;
    let (wanted, view) = (families(200), view());
    let before = resident();
    let mut kept: Vec<SeriesCache> = (0..caches).map(|_| SeriesCache::default()).collect();
    for cache in &mut kept {
        read(cache, &text, &wanted, &view);
    }
    let series: usize = kept.iter().map(SeriesCache::len).sum();
    let grown = resident().saturating_sub(before);
    println!(
        "{series} selected series are remembered in {} bytes each",
        grown / series as u64
    );
    drop(kept);
}

/// In bytes; 0 where the kernel does not say.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn quick<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(SERIES as u64));
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group
}

criterion_group!(benches, machine, scan);
criterion_main!(benches);
