//! The counting rules, one by one.

use super::*;
use crate::domain::bounds::Bounds;

const SECOND: Duration = Duration::from_secs(1);

/// Visits one second apart to a target whose SLO counts `requests{code="200"}` and `requests{code="500"}` (bad).
struct Bench {
    cursor: SloCursor,
    header: cursor::TargetHeader,
    now: i64,
    loaded_at: i64,
}

/// One series on a page: key, value, created.
type Shown = (&'static str, f64, Option<f64>);

impl Bench {
    fn new() -> Self {
        Self {
            cursor: SloCursor::default(),
            header: cursor::TargetHeader::default(),
            now: 1_000_000,
            loaded_at: 500_000,
        }
    }

    /// Total and bad events that a page adds.
    fn visit(&mut self, start: Option<f64>, page: &[Shown]) -> (i64, i64) {
        let count = self.visit_whole(start, page);
        let (total, good) = count
            .credits
            .values()
            .fold((0, 0), |sum, credit| (sum.0 + credit.0, sum.1 + credit.1));
        (total / MICRO, (total - good) / MICRO)
    }

    fn visit_whole(&mut self, start: Option<f64>, page: &[Shown]) -> VisitCount {
        self.now += 1000;
        let facts = VisitFacts {
            at: Timestamp(self.now),
            previous_at: self.header.last_visit_at,
            start: start::judge_start(&self.header, start),
            process_start: start,
            interval: SECOND,
            listed_at: Timestamp(self.loaded_at),
            loaded_at: Timestamp(self.loaded_at),
            busiest_rate: 0.0,
        };
        let group = Group::default();
        let keys: Vec<text::SharedText> = page.iter().map(|(key, _, _)| (*key).into()).collect();
        let units: Vec<Unit<'_>> = page
            .iter()
            .zip(&keys)
            .map(|((key, value, created), shared)| Unit {
                key: shared,
                family: units::family_of_key(key),
                group: &group,
                values: [*value, 0.0],
                created: *created,
                roles: UnitRoles::Counter {
                    total: true,
                    bad: *key == BAD,
                    good: false,
                },
                good_is_rest: true,
            })
            .collect();
        let count = self.cursor.count(&units, &facts);
        self.header = cursor::TargetHeader {
            last_visit_at: Some(Timestamp(self.now)),
            process_start: start,
            ..cursor::TargetHeader::default()
        };
        count
    }
}

const OK: &str = "requests_total{code=\"200\"}";
const BAD: &str = "requests_total{code=\"500\"}";
const OLD: Option<f64> = Some(100.0);

fn both(ok: f64, bad: f64) -> [Shown; 2] {
    [(OK, ok, None), (BAD, bad, None)]
}

#[test]
fn the_first_visit_is_a_baseline_and_then_every_increment_counts() {
    let mut bench = Bench::new();
    assert_eq!(bench.visit(OLD, &both(1000.0, 50.0)), (0, 0));
    assert_eq!(bench.visit(OLD, &both(1010.0, 51.0)), (11, 1));
}

#[test]
fn an_increase_that_does_not_fit_is_said_and_leaves_the_minute_unobserved() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(0.0, 0.0));
    // More than i64 holds in millionths; what no millionths can be made of; and back.
    for value in [1e13, 1e300, 1e301] {
        let count = bench.visit_whole(OLD, &both(value, 0.0));
        let series = OK.to_owned();
        assert_eq!(count.notes, [Note::Overflow { series }], "{value}");
        assert!(!count.counted, "{value}");
        assert!(count.credits.values().all(|credit| *credit == (0, 0)), "{value}");
    }
    bench.visit(OLD, &both(5.0, 0.0));
    assert_eq!(
        bench.visit(OLD, &both(15.0, 1.0)),
        (11, 1),
        "it goes on from the new value"
    );
    // Each of two fits, both together do not.
    bench.visit(OLD, &both(0.0, 0.0));
    let count = bench.visit_whole(OLD, &both(9e12, 9e12));
    assert!(!count.counted && count.notes.len() == 1, "{count:?}");
}

#[test]
fn a_series_that_appears_later_counts_from_zero() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 0.0)[..1]);
    assert_eq!(bench.visit(OLD, &both(1000.0, 7.0)), (7, 7));
}

#[test]
fn a_process_that_began_after_the_slo_was_loaded_counts_from_zero() {
    let mut bench = Bench::new();
    assert_eq!(bench.visit(Some(999.0), &both(40.0, 10.0)), (50, 10));
    let mut bench = Bench::new();
    assert_eq!(bench.visit(Some(499.0), &both(40.0, 10.0)), (0, 0));
}

#[test]
fn a_lower_value_is_a_reset_of_that_series_alone_when_no_start_is_known() {
    let mut bench = Bench::new();
    bench.visit(None, &both(1000.0, 50.0));
    assert_eq!(bench.visit(None, &both(30.0, 60.0)), (40, 10));
}

#[test]
fn a_newer_start_and_one_fallen_series_reset_the_whole_metric_absent_ones_included() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 50.0));
    assert_eq!(bench.visit(Some(1001.0), &both(30.0, 75.0)), (105, 75));
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 50.0));
    assert_eq!(bench.visit(Some(1001.0), &both(30.0, 0.0)[..1]), (30, 0));
    assert_eq!(bench.visit(Some(1001.0), &both(30.0, 64.0)), (64, 64));
}

#[test]
fn a_newer_start_alone_resets_nothing() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 50.0));
    assert_eq!(bench.visit(Some(1001.0), &both(1007.0, 52.0)), (9, 2));
}

#[test]
fn a_small_fall_of_the_same_process_is_jitter_and_climbing_back_is_not_counted_twice() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 50.0));
    assert_eq!(bench.visit(OLD, &both(995.0, 50.0)), (0, 0));
    assert_eq!(bench.visit(OLD, &both(1003.0, 50.0)), (3, 0));
    assert_eq!(
        bench.visit(OLD, &both(900.0, 50.0)),
        (900, 0),
        "ten percent are a reset"
    );
}

#[test]
fn a_newer_created_is_a_reset_even_with_a_higher_value() {
    let mut bench = Bench::new();
    bench.visit(None, &[(OK, 1000.0, Some(10.0)), (BAD, 50.0, Some(10.0))]);
    assert_eq!(
        bench.visit(None, &[(OK, 1005.0, Some(10.0)), (BAD, 80.0, Some(990.0))]),
        (85, 80)
    );
}

#[test]
fn a_created_that_lies_before_the_last_visit_or_in_the_future_is_no_reset() {
    for (created, what) in [
        (920.0, "far before the last visit"),
        (11.0, "long ago"),
        (1_100.0, "in the future"),
    ] {
        let mut bench = Bench::new();
        bench.visit(None, &[(OK, 1000.0, Some(10.0)), (BAD, 50.0, Some(10.0))]);
        let counted = bench.visit(None, &[(OK, 1005.0, Some(10.0)), (BAD, 52.0, Some(created))]);
        assert_eq!(counted, (7, 2), "{what}");
        let fallen = bench.visit(None, &[(OK, 1005.0, Some(10.0)), (BAD, 3.0, Some(created + 1.0))]);
        assert_eq!(fallen, (3, 3), "{what}: a value that falls is a reset whatever it says");
    }
}

#[test]
fn a_series_that_vanishes_and_comes_back_continues() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 50.0));
    bench.visit(OLD, &both(1000.0, 0.0)[..1]);
    assert_eq!(bench.visit(OLD, &both(1000.0, 53.0)), (3, 3));
}

#[test]
fn a_credit_from_zero_that_cannot_be_true_is_a_new_baseline_with_a_note() {
    let mut bench = Bench::new();
    bench.visit(OLD, &both(1000.0, 0.0)[..1]);
    let count = bench.visit_whole(OLD, &both(1020.0, 50_000_000.0));
    assert!(
        matches!(count.notes[..], [Note::Unbelievable { beside: 20.0, .. }]),
        "{count:?}"
    );
    assert!(count.credits.is_empty() && !count.counted);
    assert_eq!(bench.visit(OLD, &both(1025.0, 50_000_003.0)), (8, 3));
}

#[test]
fn bucket_and_count_are_credited_together() {
    let group = Group::default();
    let used = |key: &str, role| units::SeriesUse {
        key: key.into(),
        family: "d".into(),
        group: group.clone(),
        role,
    };
    let count = used("d", units::SeriesRole::HistogramCount);
    let bucket = used(
        "d",
        units::SeriesRole::HistogramBucket {
            le: 0.3,
            written: "0.30".into(),
        },
    );
    let other = used(
        "d",
        units::SeriesRole::HistogramBucket {
            le: 1.0,
            written: "1".into(),
        },
    );
    let sample = |series, value| units::UsedSample {
        series,
        value,
        created: None,
        native: None,
    };
    let (found, missing) = units::histogram_units(
        &[sample(&count, 9.0), sample(&bucket, 5.0), sample(&other, 9.0)],
        0.3,
        &Bounds::default(),
    );
    assert_eq!((found[0].values, missing.len()), ([9.0, 5.0], 0));
    let (found, missing) = units::histogram_units(
        &[sample(&count, 9.0), sample(&bucket, 5.0), sample(&other, 9.0)],
        0.5,
        &Bounds::default(),
    );
    assert_eq!(
        (found.len(), &missing[0].nearest[..]),
        (0, &["0.30".to_owned(), "1".to_owned()][..])
    );
}

#[test]
fn a_gauge_is_worth_its_seconds_for_at_most_two_intervals() {
    let mut cursor = SloCursor::default();
    let series = units::SeriesUse {
        key: "g".into(),
        family: "g".into(),
        group: Group::default(),
        role: units::SeriesRole::Gauge,
    };
    let mut visit = |at: i64, value: Option<f64>| {
        let samples: Vec<_> = value
            .map(|value| units::UsedSample {
                series: &series,
                value,
                created: None,
                native: None,
            })
            .into_iter()
            .collect();
        let good = (crate::domain::indicator::CompareOp::Lte, 100.0);
        let credits = cursor.count_gauges(&samples, good, Timestamp(at), SECOND, |_| Some(Group::default()));
        credits
            .values()
            .fold((0, 0), |sum, credit| (sum.0 + credit.0, sum.1 + credit.1))
    };
    assert_eq!(visit(0, Some(100.0)), (0, 0));
    assert_eq!(visit(1500, Some(100.5)), (1_500_000, 1_500_000));
    assert_eq!(visit(2500, None), (1_000_000, 0));
    assert_eq!(
        visit(9000, Some(1.0)),
        (1_000_000, 0),
        "two intervals after the sample it is over"
    );
    assert_eq!(visit(9500, Some(1.0)), (500_000, 500_000));
}
