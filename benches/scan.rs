//! How fast pages of 40,000 series are read: with nothing, little, much and all of them selected, on the first visit and
//! on later ones, beside what the machine can do with the same bytes and beside the crate prometheus-parse. Only ratios of
//! one run can be compared.

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

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

/// Each case runs so often, or so long.
const RUNS_MIN: u32 = 3;
const RUNS_MAX: u32 = 2000;
const LONGEST: Duration = Duration::from_millis(1500);

/// As large as the pieces in which a page is read at most.
const PIECE_BYTES: usize = 256 * 1024;

/// A small page for what takes long, so that a run ends before the machine turns to something else.
const FEW: usize = 1_000;

/// Looks like a service's page: families of a hundred series with five labels.
fn counters(samples: usize, value: fn(usize) -> String) -> String {
    let mut page = String::new();
    for family in 0..samples / 100 {
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

/// Runs something again and again and prints the shortest time that it took: on a machine that others use too, longer
/// ones tell about them. Gives it back.
#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn least(what: &str, text: &str, mut run: impl FnMut()) -> Duration {
    let (begun, mut least, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < RUNS_MIN || (runs < RUNS_MAX && begun.elapsed() < LONGEST) {
        let before = Instant::now();
        run();
        least = least.min(before.elapsed());
        runs += 1;
    }
    let (seconds, bytes) = (least.as_secs_f64(), text.len() as f64);
    let samples = text.lines().filter(|line| !line.starts_with('#')).count() as f64;
    let (nanoseconds, samples) = (seconds * 1e9 / samples, samples / seconds / 1e6);
    let gigabytes = bytes / seconds / 1e9;
    println!("{what:<52} {nanoseconds:9.1} ns/sample {samples:8.2} M samples/s {gigabytes:7.2} GB/s");
    least
}

fn first_visit(what: &str, text: &str, wanted: &Selection) {
    let view = view();
    least(what, text, || {
        read(&mut SeriesCache::default(), text, wanted, &view);
    });
}

fn later_visits(what: &str, text: &str, wanted: &Selection) -> Duration {
    let (mut cache, view) = (SeriesCache::default(), view());
    least(what, text, || {
        read(&mut cache, text, wanted, &view);
    })
}

/// A later visit up to the page's last byte, before its samples are handed over.
fn scan_alone(what: &str, text: &str, wanted: &Selection) -> Duration {
    let (mut cache, view) = (SeriesCache::default(), view());
    read(&mut cache, text, wanted, &view);
    least(what, text, || {
        let mut page = cache.begin(FRAMING, wanted, &view);
        for piece in text.as_bytes().chunks(PIECE_BYTES) {
            page.feed(piece).expect("a page that is understood");
        }
    })
}

/// What the machine makes of the same bytes; gives back the time for the place of each newline.
fn machine(text: &str) -> Duration {
    let bytes = text.as_bytes();
    least("all bytes are added up, eight at a time", text, || {
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        black_box(words.fold(0, u64::wrapping_add));
    });
    least("UTF-8 is checked", text, || {
        let _ = black_box(std::str::from_utf8(black_box(bytes)));
    });
    least("newlines are counted", text, || {
        black_box(memchr::memchr_iter(b'\n', black_box(bytes)).count());
    });
    least("the place of each newline is found", text, || {
        let places = memchr::memchr_iter(b'\n', black_box(bytes));
        black_box(places.fold(0, |sum, place| sum ^ black_box(place)));
    })
}

fn main() {
    memory();
    let small = counters(FEW, |value| value.to_string());
    let text = counters(SERIES, |value| value.to_string());
    println!("A page of {SERIES} counters with five labels, {} bytes", text.len());
    let newlines = machine(&text);
    let skipped = later_visits("0 % selected, later visits", &text, &families(0));
    for percent in [1, 25, 100] {
        later_visits(
            &format!("{percent} % selected, later visits"),
            &text,
            &families(4 * percent),
        );
    }
    let every = families(400);
    let known = scan_alone("100 % selected, later visits, up to the last byte", &text, &every);
    let exponents = counters(SERIES, |value| format!("{:.7}e+07", 1.0 + value as f64 / 1e6));
    scan_alone("the same with values like 1.7560473e+07", &exponents, &every);
    let fractions = counters(SERIES, |value| format!("0.{value:06}"));
    scan_alone("the same with values like 0.005000", &fractions, &every);
    let timestamps = counters(SERIES, |value| format!("{value} 1395066363000"));
    scan_alone("the same with timestamps", &timestamps, &every);

    println!("\nThe same with {FEW} counters");
    first_visit("0 % selected, first visit", &small, &families(0));
    first_visit("10 % selected, first visit", &small, &families(1));
    first_visit("100 % selected, first visit", &small, &every);
    later_visits("100 % selected, later visits", &small, &every);
    let parsed = least("the crate prometheus-parse, which reads all of it", &small, || {
        let lines = small.lines().map(|line| Ok(line.to_owned()));
        let _ = black_box(prometheus_parse::Scrape::parse(lines));
    });

    let histograms = histograms();
    println!("\nA page of {SERIES} samples of histograms, {} bytes", histograms.len());
    let buckets = || (0..20).map(|family| format!("app_latency_{family}_seconds_bucket"));
    let counts = || (0..20).map(|family| format!("app_latency_{family}_seconds_count"));
    later_visits("0 % selected, later visits", &histograms, &families(1));
    later_visits("counts selected, later visits", &histograms, &selection(counts()));
    let most = selection(buckets().chain(counts()));
    scan_alone("95 % selected, later visits, up to the last byte", &histograms, &most);

    let share = |time: Duration, of: Duration| 100.0 * of.as_secs_f64() / time.as_secs_f64();
    println!(
        "\nskipping runs at {:.0} % of the speed of finding newlines",
        share(skipped, newlines)
    );
    let times = share(known, parsed) / 100.0 * (SERIES / FEW) as f64;
    println!("known series are read {times:.0} times as fast as by prometheus-parse");
}

/// How much the process grows for 100,000 selected series, by what the kernel says.
fn memory() {
    let text = counters(SERIES, |value| value.to_string());
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
