//! The client of the query API against real servers: what was written comes back, each sample once.

mod support {
    pub mod servers;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use nines::app::clock::SystemClock;
use nines::cli::{Cli, Command, init};
use nines::domain::answer::Answer;
use nines::domain::matcher::Selector;
use nines::domain::selector_parser::parse_selector;
use nines::domain::time::Timestamp;
use nines::engine::clock::Clock;
use nines::engine::ports::{QueryFailureReason, QueryServer};
use nines::secret::Secret;
use nines::source::http::settings::HttpSettings;
use nines::source::prometheus::list;
use nines::source::prometheus::settings::{PartialResponse, ServerSettings};
use support::servers::{Running, Written, are_wanted, prometheus, victoria_metrics};

/// 2026-01-15T08:00:00Z
const BEGIN_MS: i64 = 1_768_464_000_000;
const STEP_MS: i64 = 15_000;
/// An hour's worth.
const SAMPLES: i64 = 240;

/// Three series: two at whole steps, one of them with a gap and fractions, and one between the milliseconds of others.
fn written() -> Vec<Written> {
    let series = |instance: &str, offset_ms: i64, value: fn(i64) -> Option<f64>| Written {
        metric: "shop_requests",
        labels: vec![("instance", instance.to_owned()), ("job", "shop".to_owned())],
        samples: (0..SAMPLES)
            .filter_map(|number| Some((BEGIN_MS + number * STEP_MS + offset_ms, value(number)?)))
            .collect(),
    };
    vec![
        series("a:1 \u{e9}", 0, |number| Some((number % 100 * 7) as f64)),
        series("b:1", 0, |number| {
            (!(80..120).contains(&number)).then_some(123_456_789.0 + number as f64 / 4.0)
        }),
        series("c:1", 4_321, |number| Some(-(number as f64) / 1e3)),
    ]
}

/// Samples by instance.
type Samples = BTreeMap<String, Vec<(i64, f64)>>;

fn add(all: &mut Samples, answer: &Answer) {
    assert!(answer.notes.is_empty(), "{:?}", answer.notes);
    for series in &answer.series {
        let samples = all.entry(series.labels.get("instance").to_owned()).or_default();
        samples.extend(series.samples.iter().map(|(at, value)| (at.0, *value)));
    }
}

fn expected(written: &[Written], keep: impl Fn(i64) -> bool) -> Samples {
    let series = written.iter().map(|series| {
        let kept = series.samples.iter().copied().filter(|(at, _)| keep(*at)).collect();
        (series.labels[0].1.clone(), kept)
    });
    series
        .filter(|(_, samples): &(_, Vec<_>)| !samples.is_empty())
        .collect()
}

/// Says where the two first differ: there are many samples.
fn assert_same(found: &Samples, expected: &Samples, what: &str) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{what}"
    );
    for (instance, samples) in found {
        let difference = samples.iter().zip(&expected[instance]).find(|(a, b)| a != b);
        assert_eq!(difference, None, "{what}: {instance}");
        assert_eq!(samples.len(), expected[instance].len(), "{what}: {instance}");
    }
}

fn selector(text: &str) -> Selector {
    parse_selector(text).expect("a selector")
}

fn server(running: &Running, path: &str) -> Arc<dyn QueryServer> {
    let settings = ServerSettings {
        name: "main".to_owned(),
        url: Secret::new(format!("{}{path}", running.url)),
        http: HttpSettings::default(),
        query_offset: Duration::from_mins(1),
        interval: Duration::from_mins(1),
        timeout: Duration::from_secs(30),
        concurrency: 4,
        pace: Duration::from_millis(1),
        partial_response: PartialResponse::Abort,
        answer_bytes_max: 64_000_000,
        is_default: true,
    };
    list(&[settings], &[], &Arc::default(), &Arc::default())
        .remove(0)
        .server
}

/// Raw samples in chunks of several lengths, whose ends fall on samples, beside them, and between milliseconds.
async fn samples_come_back(server: &dyn QueryServer, written: &[Written]) {
    for (first, length, chunks) in [
        (BEGIN_MS - 1, 20 * 60_000, 4),
        (BEGIN_MS - 60_000, 15_000, 30),
        (BEGIN_MS - 1, 617_321, 6),
        (BEGIN_MS - 1, 2 * 3_600_000, 1),
    ] {
        let mut all = Samples::new();
        for number in 0..chunks {
            let after = Timestamp(first + number * length);
            let until = Timestamp(after.0 + length);
            let answer = server
                .samples(&selector("shop_requests{job=\"shop\"}"), after, until)
                .await;
            add(&mut all, &answer.expect("an answer"));
        }
        let end = first + chunks * length;
        let kept = expected(written, |at| at > first && at <= end);
        assert_same(&all, &kept, &format!("chunks of {length} ms"));
    }
    let long_ago = Timestamp(BEGIN_MS - 86_400_000);
    let nothing = server
        .samples(&selector("shop_requests"), long_ago, Timestamp(BEGIN_MS - 80_000_000))
        .await;
    assert_eq!(nothing, Ok(Answer::default()), "nothing is an answer");
}

/// Values on steps; more than fifty of them, for which VictoriaMetrics would move the range.
async fn steps_come_back(server: &dyn QueryServer, written: &[Written]) {
    for (first, step_ms) in [(BEGIN_MS, STEP_MS), (BEGIN_MS, 60_000), (BEGIN_MS + 15_000, 60_000)] {
        let last = first + (SAMPLES * STEP_MS - 60_000) / step_ms * step_ms;
        let query = "shop_requests{instance=~\"a:1.*\"}";
        let step = Duration::from_millis(step_ms.unsigned_abs());
        let answer = server.steps(query, Timestamp(first), Timestamp(last), step).await;
        let mut all = Samples::new();
        add(&mut all, &answer.expect("an answer"));
        let on_step = |at: i64| at >= first && at <= last && (at - first) % step_ms == 0;
        assert_same(
            &all,
            &expected(&written[..1], on_step),
            &format!("steps of {step_ms} ms from {first}"),
        );
    }
    let at = Timestamp(BEGIN_MS + 60_000);
    let scalar = server.instant("6 * 7", at).await.expect("an answer");
    assert_eq!(scalar.series[0].samples, [(at, 42.0)]);
    let count = server.instant("count(shop_requests)", at).await.expect("an answer");
    assert_eq!(count.series[0].samples, [(at, 3.0)]);
}

const MINUTE: Duration = Duration::from_mins(1);

async fn reason(server: &dyn QueryServer, query: &str, step: Duration) -> Option<QueryFailureReason> {
    let (first, last) = (Timestamp(BEGIN_MS), Timestamp(BEGIN_MS + 86_400_000));
    server
        .steps(query, first, last, step)
        .await
        .err()
        .map(|failure| failure.reason)
}

/// A server gives back what was written, and says what it does not understand and what is too much for it.
async fn gives_back(asked: &dyn QueryServer, written: &[Written], points_max: &str) {
    samples_come_back(asked, written).await;
    steps_come_back(asked, written).await;
    assert_eq!(reason(asked, "up", MINUTE).await, None);
    assert_eq!(reason(asked, "up(", MINUTE).await, Some(QueryFailureReason::BadQuery));
    assert_eq!(
        reason(asked, "up", Duration::from_secs(1)).await,
        Some(QueryFailureReason::TooMuch),
        "86,401 points are more than {points_max}"
    );
}

#[tokio::test]
async fn prometheus_gives_back_what_was_written() {
    if !are_wanted() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let written = written();
    let running = prometheus(&written).await;
    let asked = server(&running, "");
    gives_back(&*asked, &written, "11,000").await;
    let lost = server(&running, "/elsewhere");
    assert_eq!(reason(&*lost, "up", MINUTE).await, Some(QueryFailureReason::Status));
}

#[tokio::test]
async fn victoria_metrics_gives_back_what_was_written() {
    if !are_wanted() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let written = written();
    let running = victoria_metrics(&written).await;
    let asked = server(&running, "/prometheus");
    gives_back(&*asked, &written, "30,000").await;
}

/// A shop for fifty hours before now: 600 requests in a minute, of which one fails and six are slow.
fn shop() -> Vec<Written> {
    const MINUTE_MS: i64 = 60_000;
    let minutes = 50 * 60;
    let end = SystemClock.now().0 / MINUTE_MS * MINUTE_MS;
    let series = |metric: &'static str, label: &'static str, value: &str, each: i64| Written {
        metric,
        labels: vec![("job", "shop".to_owned()), (label, value.to_owned())],
        samples: (0..=minutes)
            .map(|minute| (end + (minute - minutes) * MINUTE_MS, (minute * each) as f64))
            .collect(),
    };
    vec![
        series("http_requests_total", "code", "200", 599),
        series("http_requests_total", "code", "503", 1),
        series("http_request_duration_seconds_bucket", "le", "0.1", 300),
        series("http_request_duration_seconds_bucket", "le", "0.25", 594),
        series("http_request_duration_seconds_bucket", "le", "1", 600),
        series("http_request_duration_seconds_bucket", "le", "+Inf", 600),
    ]
}

/// What `nines init` makes of a real server: the objectives follow from the data, and what it writes loads.
async fn a_first_configuration_is_made_of(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let flags = ["nines", "init", "--prometheus-url", url, "--output-dir"].map(std::ffi::OsStr::new);
    let cli = Cli::try_parse_from(flags.into_iter().chain([folder.path().as_os_str()])).expect("flags");
    let Command::Init(args) = cli.command else {
        panic!("another command");
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = init::run(*args, &mut out, &mut err).await.expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    assert_eq!((status, &*err), (0, ""), "{out}");
    assert!(out.contains("nines serve --config.file="), "{out}");
    let text = std::fs::read_to_string(folder.path().join("slos/first.yaml")).expect("SLOs");
    let loaded = nines::spec::load(&text, "first.yaml");
    assert!(loaded.is_valid(), "{:?}", loaded.diagnostics);
    let found: Vec<String> = loaded.slos.iter().map(|slo| slo.id.to_string()).collect();
    assert_eq!(found, ["shop/availability", "shop/latency"], "{text}");
    assert!(text.contains("# measured: 99.833 % of about 1,8"), "{text}");
    assert!(
        text.contains("    objective: 99.5\n") && text.contains("    objective: 99\n"),
        "{text}"
    );
    assert!(text.contains(" within 250ms in the last 2 days\n"), "{text}");
    assert!(text.contains("      threshold: 250ms\n"), "{text}");
}

#[tokio::test]
async fn init_makes_a_first_configuration_of_what_prometheus_has() {
    if !are_wanted() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = prometheus(&shop()).await;
    a_first_configuration_is_made_of(&running.url).await;
}

#[tokio::test]
async fn init_makes_a_first_configuration_of_what_victoria_metrics_has() {
    if !are_wanted() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = victoria_metrics(&shop()).await;
    a_first_configuration_is_made_of(&format!("{}/prometheus", running.url)).await;
}
