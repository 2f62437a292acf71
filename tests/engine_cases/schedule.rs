//! When targets are visited, on virtual time: how many at once, how late, and those that do not answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nines::domain::labels::Labels;
use nines::domain::reading::{Missing, MissingReason, Page, Reading, Target};
use nines::domain::relabel::RelabelRules;
use nines::domain::selection::Selection;
use nines::domain::time::Timestamp;
use nines::engine::clock::Clock;
use nines::engine::collect::Collector;
use nines::engine::collect::schedule::{VISITS_MAX, visit_targets};
use nines::engine::ports::{ListedTarget, Visitor};
use nines::engine::snapshot::TargetView;
use nines::engine::stats::Stats;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::world::NOW;

/// Tells tokio's time, which stands still until everybody waits.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        NOW + self.0.elapsed()
    }
}

/// All targets at once: how long a visit takes, and what has been seen of the visits.
struct Fleet {
    takes: Duration,
    silent: AtomicBool,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    visited_at: Mutex<Vec<Duration>>,
    began: Instant,
}

#[async_trait]
impl Visitor for Fleet {
    async fn visit(&self, _: &Arc<Selection>) -> Reading {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        self.visited_at.lock().expect("no panic").push(self.began.elapsed());
        tokio::time::sleep(self.takes).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.silent.load(Ordering::SeqCst) {
            return Reading::Missing(Missing {
                reason: MissingReason::Connect,
                detail: "connection refused".to_owned(),
            });
        }
        Reading::Page(Page::default())
    }
}

/// So many targets with this interval, visited until the test ends.
struct Run {
    fleet: Arc<Fleet>,
    stats: Arc<Stats>,
    collector: Arc<Collector>,
    _stop: tokio_util::sync::DropGuard,
    _targets: watch::Sender<Arc<Vec<ListedTarget>>>,
}

#[expect(clippy::disallowed_methods, reason = "it is virtual")]
fn run(targets: usize, interval: Duration, takes: Duration) -> Run {
    let began = Instant::now();
    let fleet = Arc::new(Fleet {
        takes,
        silent: AtomicBool::new(false),
        under_way: AtomicUsize::new(0),
        most_under_way: AtomicUsize::new(0),
        visited_at: Mutex::default(),
        began,
    });
    let listed = |number: usize| ListedTarget {
        target: Target {
            job: "shop".to_owned(),
            url: format!("http://10.0.0.{number}/metrics"),
            labels: Labels::new(),
            honor_labels: false,
            metric_rules: RelabelRules::default(),
            interval,
            timeout: interval,
        },
        visitor: Arc::clone(&fleet) as _,
        config_hash: 1,
    };
    let targets = watch::Sender::new(Arc::new((0..targets).map(listed).collect::<Vec<_>>()));
    let (stats, cancel) = (Arc::new(Stats::default()), CancellationToken::new());
    let collector = Arc::new(Collector::new(Arc::clone(&stats), false, Vec::new()));
    let visits = visit_targets(
        Arc::clone(&collector),
        Arc::new(Virtual(began)),
        targets.subscribe(),
        cancel.clone(),
    );
    tokio::spawn(visits);
    Run {
        fleet,
        stats,
        collector,
        _stop: cancel.drop_guard(),
        _targets: targets,
    }
}

impl Run {
    /// How many visits began within these seconds from now.
    async fn visits_in(&self, seconds: u64) -> usize {
        let before = self.fleet.visited_at.lock().expect("no panic").len();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.fleet.visited_at.lock().expect("no panic").len() - before
    }

    fn shown(&self) -> TargetView {
        self.collector.target_views().remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn visits_lie_evenly_on_time_and_do_not_drift() {
    let run = run(600, Duration::from_secs(15), Duration::from_millis(700));
    tokio::time::sleep(Duration::from_secs(30)).await;
    for second in 0..15 {
        let visits = run.visits_in(1).await;
        assert!(
            (15..=70).contains(&visits),
            "{visits} visits in second {second}, of 40 on average"
        );
    }
    assert_eq!(
        run.visits_in(15 * 40).await,
        600 * 40,
        "each target once in each interval, for ten minutes"
    );
    let (buckets, _, visits) = run.stats.scrape_lag.get();
    let (bound, within) = buckets[1];
    assert!(
        bound < 0.003 && within == visits,
        "{within} of {visits} begin within {bound} s"
    );
    assert_eq!(run.stats.scrapes_skipped.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_targets_than_turns_wait_and_what_they_miss_is_counted() {
    let targets = 3 * VISITS_MAX;
    let run = run(targets, Duration::from_secs(10), Duration::from_secs(9));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(run.fleet.most_under_way.load(Ordering::SeqCst), VISITS_MAX);
    let visits = run.visits_in(900).await;
    let expected = VISITS_MAX * 100;
    assert!(
        visits.abs_diff(expected) <= VISITS_MAX,
        "{visits} visits: all turns are used"
    );
    let skipped = run.stats.scrapes_skipped.get();
    assert!(skipped > 0, "what was due meanwhile is counted");
    let (_, lag, visits) = run.stats.scrape_lag.get();
    assert!(
        lag / visits as f64 > 5.0,
        "waiting is lag: {} s on average",
        lag / visits as f64
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_visited_less_often_until_it_does() {
    let run = run(1, Duration::from_secs(10), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(run.visits_in(100).await, 10);
    run.fleet.silent.store(true, Ordering::SeqCst);
    assert_eq!(run.visits_in(50).await, 5, "five failures");
    assert_eq!(
        run.visits_in(620).await,
        11,
        "then every second, every fourth, then one in a minute"
    );
    let shown = run.shown();
    let said = &shown.last_error;
    assert!(
        said.starts_with("not visited: connection refused; next try at 2026-11-21T"),
        "{said}"
    );
    assert_eq!(
        (shown.health, shown.consecutive_failures),
        ("down", 67),
        "a visit that is not made is a miss"
    );
    let (last, next) = (shown.last_scrape.expect("visited"), shown.next_scrape.expect("planned"));
    assert_eq!(next.since(last), 60_000, "it was really visited, and is next tried");
    assert!(said.ends_with(&next.to_string()), "{said} and {next}");
    assert_eq!(run.stats.scrape_failures.get()[&vec!["connect".to_owned()]], 67);
    run.fleet.silent.store(false, Ordering::SeqCst);
    assert_eq!(run.visits_in(40).await, 1, "its next turn");
    assert_eq!(run.visits_in(100).await, 10, "one answer is enough");
    assert_eq!((run.shown().health, run.shown().consecutive_failures), ("up", 0));
}
