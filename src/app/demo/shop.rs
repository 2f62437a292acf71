//! A fake shop: real Prometheus text on `/metrics`, and an incident that can be watched.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::random::Random;
use crate::domain::time::Timestamp;

/// The first incident begins so many seconds after the start…
pub const INCIDENT_BEGINS_S: f64 = 40.0;
/// … and ends after so many.
pub const INCIDENT_ENDS_S: f64 = 150.0;
/// It comes back after this time, so that a demo that is left running goes on telling its story.
const INCIDENT_REPEATS_S: f64 = 3600.0;

const TICK: Duration = Duration::from_millis(100);
const REQUESTS_PER_SECOND: f64 = 50.0;
const SEED: u64 = 9;
/// Upper bounds in seconds, as the page writes them.
const BOUNDS: [&str; 9] = ["0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.5", "1", "2.5"];
/// Paths and their share of the traffic.
const PATHS: [(&str, f64); 4] = [
    ("/", 0.4),
    ("/api/products", 0.3),
    ("/api/cart", 0.2),
    ("/api/checkout", 0.1),
];
/// Regions and their share of the traffic.
pub(super) const REGIONS: [(&str, f64); 3] = [("eu", 0.5), ("us", 0.35), ("ap", 0.15)];

/// Everything that the shop has counted since it began.
#[derive(Debug)]
pub struct Shop {
    random: Random,
    started_at: Timestamp,
    elapsed_s: f64,
    requests: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    durations: BTreeMap<&'static str, Histogram>,
    orders: u64,
    queue: f64,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// Not cumulative; the last one is beyond all bounds.
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Shop {
    /// A shop that has just begun. All its series are there from the start, at zero.
    pub fn new(started_at: Timestamp) -> Self {
        let mut requests = BTreeMap::new();
        for (path, _) in PATHS {
            for (region, _) in REGIONS {
                for code in ["200", "404", "500", "503"] {
                    requests.insert((code, path, region), 0);
                }
            }
        }
        Self {
            random: Random::seeded(SEED),
            started_at,
            elapsed_s: 0.0,
            requests,
            durations: PATHS.iter().map(|(path, _)| (*path, Histogram::default())).collect(),
            orders: 0,
            queue: 12.0,
        }
    }

    /// Lets time pass.
    pub fn step(&mut self, passed: Duration) {
        let seconds = passed.as_secs_f64();
        self.elapsed_s += seconds;
        let incident = self.in_incident();
        let busy = self.random.between(0.6, 1.4);
        for _ in 0..self.random.near(REQUESTS_PER_SECOND * seconds * busy) {
            self.request(incident);
        }
        let (target, speed) = if incident { (260.0, 0.05) } else { (15.0, 0.1) };
        self.queue += (target - self.queue) * (speed * seconds).min(1.0) + self.random.between(-1.0, 1.0);
        self.queue = self.queue.max(0.0);
    }

    /// Something is broken at present.
    pub fn in_incident(&self) -> bool {
        (INCIDENT_BEGINS_S..INCIDENT_ENDS_S).contains(&(self.elapsed_s % INCIDENT_REPEATS_S))
    }

    fn request(&mut self, incident: bool) {
        let path = pick(&PATHS, self.random.unit());
        let region = pick(&REGIONS, self.random.unit());
        let (errors, slow) = match (incident, region) {
            (true, "eu") => (0.4, 0.5),
            (true, _) => (0.2, 0.3),
            (false, _) => (0.0002, 0.015),
        };
        let failed = self.random.chance(errors);
        let code = match (failed, incident) {
            (true, true) => "503",
            (true, false) => "500",
            (false, _) if self.random.chance(0.01) => "404",
            (false, _) => "200",
        };
        if let Some(count) = self.requests.get_mut(&(code, path, region)) {
            *count += 1;
        }
        let seconds = if self.random.chance(slow) {
            self.random.between(0.35, 2.4)
        } else {
            // Most are fast, a few take their time.
            0.008 + 0.28 * self.random.unit().powi(3)
        };
        if let Some(histogram) = self.durations.get_mut(path) {
            histogram.observe(seconds);
        }
        if path == "/api/checkout" && code == "200" {
            self.orders += 1;
        }
    }

    /// The page.
    pub fn metrics(&self) -> String {
        let mut page = String::with_capacity(16 * 1024);
        // Writing into a String cannot fail.
        let _ = self.write_metrics(&mut page);
        page
    }

    fn write_metrics(&self, page: &mut String) -> std::fmt::Result {
        page.write_str("# HELP http_requests_total Requests by status code, path and region.\n")?;
        page.write_str("# TYPE http_requests_total counter\n")?;
        for ((code, path, region), count) in &self.requests {
            writeln!(
                page,
                "http_requests_total{{code=\"{code}\",path=\"{path}\",region=\"{region}\"}} {count}"
            )?;
        }
        page.write_str("# HELP http_request_duration_seconds How long requests took.\n")?;
        page.write_str("# TYPE http_request_duration_seconds histogram\n")?;
        for (path, histogram) in &self.durations {
            histogram.write(page, path)?;
        }
        writeln!(
            page,
            "# HELP orders_total Orders placed.\n# TYPE orders_total counter\norders_total {}\n\
             # HELP queue_depth Orders that wait to be packed.\n# TYPE queue_depth gauge\n\
             queue_depth{{queue=\"orders\"}} {}\n\
             # HELP process_start_time_seconds When this process began.\n# TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds {}",
            self.orders,
            self.queue.round(),
            self.started_at.as_seconds()
        )
    }
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        let fits = |bound: &&str| bound.parse::<f64>().is_ok_and(|bound| seconds <= bound);
        let index = BOUNDS.iter().position(fits).unwrap_or(BOUNDS.len());
        self.buckets[index] += 1;
        self.sum += seconds;
    }

    fn write(&self, page: &mut String, path: &str) -> std::fmt::Result {
        let name = "http_request_duration_seconds";
        let mut count = 0;
        for (bound, bucket) in BOUNDS.iter().chain(&["+Inf"]).zip(self.buckets) {
            count += bucket;
            writeln!(page, "{name}_bucket{{path=\"{path}\",le=\"{bound}\"}} {count}")?;
        }
        writeln!(page, "{name}_sum{{path=\"{path}\"}} {:.6}", self.sum)?;
        writeln!(page, "{name}_count{{path=\"{path}\"}} {count}")
    }
}

/// The word whose share of the whole a number from 0 to 1 falls into.
fn pick(shares: &[(&'static str, f64)], mut unit: f64) -> &'static str {
    for (word, share) in shares {
        unit -= share;
        if unit < 0.0 {
            return word;
        }
    }
    shares.last().map_or("", |(word, _)| word)
}

type Shared = Arc<Mutex<Shop>>;

/// Opens the shop on a free port; it lives in `tasks`.
pub(super) async fn open(started_at: Timestamp, tasks: &mut JoinSet<()>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("the demo shop finds no free port")?;
    let address = listener.local_addr()?;
    let shop: Shared = Arc::new(Mutex::new(Shop::new(started_at)));
    let router = Router::new().route("/metrics", get(page)).with_state(shop.clone());
    tasks.spawn(trade(shop));
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("the demo shop has closed: {error}");
        }
    });
    Ok(address)
}

async fn trade(shop: Shared) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        lock(&shop).step(TICK);
    }
}

async fn page(State(shop): State<Shared>) -> impl IntoResponse {
    let page = lock(&shop).metrics();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

fn lock(shop: &Shared) -> std::sync::MutexGuard<'_, Shop> {
    // Counters are whole after every statement, whatever broke elsewhere.
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop_after(seconds: u32) -> Shop {
        let mut shop = Shop::new(Timestamp(1_000_000));
        for _ in 0..seconds * 10 {
            shop.step(TICK);
        }
        shop
    }

    /// Total, and those with a code that begins with 5.
    fn counted(shop: &Shop) -> (f64, f64) {
        let sum = |keep: fn(&str) -> bool| {
            shop.requests
                .iter()
                .filter(|((code, ..), _)| keep(code))
                .map(|(_, n)| n)
                .sum()
        };
        let (total, bad): (u64, u64) = (sum(|_| true), sum(|code| code.starts_with('5')));
        (total as f64, bad as f64)
    }

    #[test]
    fn about_fifty_requests_a_second_and_few_errors_until_the_incident() {
        let (total, bad) = counted(&shop_after(39));
        assert!((total / 39.0 - REQUESTS_PER_SECOND).abs() < 3.0, "{total}");
        assert!(bad / total < 0.002, "{bad} of {total}");
    }

    #[test]
    fn the_incident_breaks_three_requests_in_ten_and_ends() {
        let (before, during, after) = (
            counted(&shop_after(40)),
            counted(&shop_after(149)),
            counted(&shop_after(600)),
        );
        let ratio = (during.1 - before.1) / (during.0 - before.0);
        assert!((0.25..0.35).contains(&ratio), "{ratio}");
        let ratio = (after.1 - during.1) / (after.0 - during.0);
        assert!(ratio < 0.003, "{ratio}");
        assert!(shop_after(149).queue > 100.0 && shop_after(600).queue < 100.0);
    }

    /// When the demo's condition (2m and 1m above 5 times 1 %) begins to hold and when it ends, in seconds after the
    /// start; the start lies so many seconds after a full minute, and the minutes before it were as usual, if any.
    fn watched(offset: usize, before: f64) -> (usize, usize) {
        let mut shop = Shop::new(Timestamp(0));
        // Total and bad events of each minute; three of them have passed.
        let mut minutes = vec![(before, 0.0); 3];
        let (mut last, mut began) = ((0.0, 0.0), None);
        for second in 0..600 {
            for _ in 0..10 {
                shop.step(TICK);
            }
            let now = counted(&shop);
            let minute = 3 + (offset + second) / 60;
            minutes.resize(minute + 1, (0.0, 0.0));
            minutes[minute].0 += now.0 - last.0;
            minutes[minute].1 += now.1 - last.1;
            last = now;
            let burns = |length: usize| {
                let window = &minutes[minute - length..];
                let total: f64 = window.iter().map(|(total, _)| total).sum();
                window.iter().map(|(_, bad)| bad).sum::<f64>() / total > 0.05
            };
            match (began, burns(2) && burns(1)) {
                (None, true) => began = Some(second),
                (Some(began), false) => return (began, second),
                _ => {}
            }
        }
        panic!("it never ended; it began at {began:?}");
    }

    #[test]
    fn the_demo_alert_fires_within_two_minutes_and_resolves_within_six() {
        for offset in [0, 15, 30, 45, 59] {
            for before in [0.0, 3000.0] {
                let (fires, resolves) = watched(offset, before);
                assert!((40..=120).contains(&fires), "{offset}: fires at {fires}");
                assert!((150..=360).contains(&resolves), "{offset}: resolves at {resolves}");
            }
        }
    }

    #[test]
    fn the_page_is_prometheus_text_and_adds_up() {
        let shop = shop_after(100);
        let page = shop.metrics();
        let lines = page.lines().map(|line| Ok(line.to_owned()));
        let scrape = prometheus_parse::Scrape::parse(lines).expect("Prometheus text");
        let counted: f64 = scrape
            .samples
            .iter()
            .filter(|sample| sample.metric == "http_request_duration_seconds_count")
            .map(|sample| match sample.value {
                prometheus_parse::Value::Untyped(count) | prometheus_parse::Value::Counter(count) => count,
                _ => f64::NAN,
            })
            .sum();
        assert!((counted - self::counted(&shop).0).abs() < 0.5, "{counted}");
        assert!(page.ends_with("process_start_time_seconds 1000\n"), "{page}");
        assert!(page.contains("le=\"0.3\""));
    }
}
