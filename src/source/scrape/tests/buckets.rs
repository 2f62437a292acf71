//! Of a histogram only the buckets that some SLO's threshold wants are kept; it counts as if all were.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{labels, selector};
use crate::domain::bounds::BOUNDS_MAX;
use crate::domain::counting::cursor::SloCursor;
use crate::domain::counting::start::StartVerdict;
use crate::domain::counting::units::{UsedSample, histogram_units};
use crate::domain::counting::{VisitCount, VisitFacts};
use crate::domain::counts::MICRO;
use crate::domain::indicator::{Indicator, IndicatorKind};
use crate::domain::reading::{Page, Series};
use crate::domain::selection::{Selection, Wanted};
use crate::domain::time::Timestamp;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;

/// Total, good, and the nearest bounds of each histogram that lacks the threshold's.
type Counted = (i64, i64, Vec<Vec<String>>);

/// One SLO's cursor on a target.
struct Slo {
    indicator: Indicator,
    cursor: SloCursor,
}

/// A target's cache, and the SLOs that count with what it gives.
struct Reader {
    selection: Selection,
    cache: SeriesCache,
    slos: Vec<Slo>,
}

/// The same pages read twice: with the buckets that the thresholds want, and with all.
struct Bench {
    few: Reader,
    all: Reader,
    format: Format,
    now: i64,
}

fn within(histogram: &str, threshold: f64) -> Indicator {
    Indicator {
        kind: IndicatorKind::Latency {
            histogram: selector(histogram),
            threshold,
            written: threshold.to_string(),
        },
        source: None,
        group_by: Vec::new(),
    }
}

impl Reader {
    fn new(indicators: &[Indicator], wanted: impl Fn(&Indicator) -> Vec<Wanted>) -> Self {
        let slos = indicators.iter().map(|indicator| Slo {
            indicator: indicator.clone(),
            cursor: SloCursor::default(),
        });
        Self {
            selection: Selection::new(indicators.iter().flat_map(wanted), 1),
            cache: SeriesCache::default(),
            slos: slos.collect(),
        }
    }

    fn read(&mut self, text: &str, format: Format) -> Page {
        let framing = Framing { format, whole: true };
        let read = self.cache.read(text, framing, &self.selection, &SeriesView::default());
        read.unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Slo {
    fn count(&mut self, page: &Page, now: i64) -> Counted {
        let use_of = |series: &Series| self.indicator.use_of(series, &series.metric, &series.labels);
        let uses: Vec<_> = page
            .samples
            .iter()
            .map(|sample| (use_of(&sample.series), sample.value))
            .collect();
        let samples: Vec<UsedSample<'_>> = uses
            .iter()
            .filter_map(|(series, value)| {
                Some(UsedSample {
                    series: series.as_ref()?,
                    value: *value,
                    created: None,
                    native: None,
                })
            })
            .collect();
        let IndicatorKind::Latency { threshold, .. } = self.indicator.kind else {
            unreachable!("all are latencies")
        };
        let (units, missing) = histogram_units(&samples, threshold, &page.bounds);
        let facts = VisitFacts {
            at: Timestamp(now),
            previous_at: Some(Timestamp(now - 15_000)),
            start: StartVerdict::Unknown,
            process_start: None,
            interval: Duration::from_secs(15),
            listed_at: Timestamp(0),
            loaded_at: Timestamp(now),
            busiest_rate: 0.0,
        };
        let VisitCount { credits, .. } = self.cursor.count(&units, &facts);
        let without = missing.iter().map(|missing| missing.histogram.as_str());
        self.cursor.note_without_value(without, facts.at);
        let (total, good) = credits
            .values()
            .fold((0, 0), |sum, credit| (sum.0 + credit.0, sum.1 + credit.1));
        let nearest = missing.into_iter().map(|missing| missing.nearest);
        (total / MICRO, good / MICRO, nearest.collect())
    }
}

impl Bench {
    fn new(indicators: &[Indicator], format: Format) -> Self {
        let all = |indicator: &Indicator| {
            let wanted = indicator.wanted().into_iter();
            wanted.map(|wanted| wanted.selector.into()).collect()
        };
        Self {
            few: Reader::new(indicators, Indicator::wanted),
            all: Reader::new(indicators, all),
            format,
            now: 1_700_000_000_000,
        }
    }

    /// What each SLO counts at a visit, however many buckets are kept; and how many series are.
    fn visit(&mut self, text: &str) -> (Vec<Counted>, usize) {
        self.now += 15_000;
        let text = match self.format {
            Format::Text => text.to_owned(),
            Format::OpenMetrics => format!("{text}# EOF\n"),
        };
        let [few, all] = [&mut self.few, &mut self.all].map(|reader| {
            let page = reader.read(&text, self.format);
            let slos = reader.slos.iter_mut();
            let counted: Vec<_> = slos.map(|slo| slo.count(&page, self.now)).collect();
            (counted, page.samples.len())
        });
        assert_eq!(few.0, all.0, "as if all buckets were kept: {text}");
        for (few, all) in self.few.slos.iter().zip(&self.all.slos) {
            // Values that are none are not equal to themselves, but are shown alike.
            let [few, all] = [few, all].map(|slo| format!("{:?}", slo.cursor.units.iter().collect::<BTreeMap<_, _>>()));
            assert_eq!(few, all, "{text}");
        }
        few
    }
}

/// A histogram with these labels, its buckets as written, and its count.
fn histogram(own: &str, buckets: &[(&str, u32)], count: u32) -> String {
    let comma = if own.is_empty() { "" } else { "," };
    let lines = buckets
        .iter()
        .map(|(le, value)| format!("x_bucket{{{own}{comma}le=\"{le}\"}} {value}\n"));
    lines.collect::<String>() + &format!("x_sum{{{own}}} 1\nx_count{{{own}}} {count}\n")
}

fn counted(total: i64, good: i64) -> Counted {
    (total, good, Vec::new())
}

fn missing(nearest: &[&str]) -> Counted {
    (0, 0, vec![nearest.iter().map(|&bound| bound.to_owned()).collect()])
}

const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];

#[test]
fn a_threshold_s_bucket_vanishes_in_a_deploy_and_returns() {
    for format in FORMATS {
        let mut bench = Bench::new(&[within("x", 0.3)], format);
        let with = |good, all| histogram("", &[("0.1", 0), ("0.3", good), ("1", all), ("+Inf", all)], all);
        let without = |all| histogram("", &[("0.25", 1), ("0.5", all), ("+Inf", all)], all);
        for (what, page, expected, kept) in [
            ("a baseline", with(10, 20), counted(0, 0), 2),
            ("it counts", with(13, 25), counted(5, 3), 2),
            (
                "the deploy has other buckets",
                without(30),
                missing(&["0.25", "0.5"]),
                1,
            ),
            ("still", without(33), missing(&["0.25", "0.5"]), 1),
            ("what waited is counted", with(20, 40), counted(15, 7), 2),
            ("other buckets once more", without(50), missing(&["0.25", "0.5"]), 1),
            ("a reset while it was away", with(4, 6), counted(6, 4), 2),
        ] {
            assert_eq!(bench.visit(&page), (vec![expected], kept), "{what}");
        }
    }
}

#[test]
fn bounds_of_a_page_are_told_and_no_others() {
    let mut bench = Bench::new(&[within("x", 0.3)], Format::Text);
    for (bounds, nearest) in [
        (&["0.1", "0.2", "0.4", "+Inf"][..], &["0.2", "0.4"][..]),
        (&["0.1", "0.4", "+Inf"], &["0.1", "0.4"]),
        (&["0.4", "+Inf"], &["0.4"]),
        (&["0.1", "+Inf"], &["0.1", "+Inf"]),
        (&["0.29", "0.1", "none", "NaN", "0.31"], &["0.29", "0.31"]),
        (&[], &[]),
        (&["3e2", "0.1"], &["0.1", "3e2"]),
    ] {
        let buckets: Vec<_> = bounds.iter().map(|&bound| (bound, 7)).collect();
        let page = histogram("", &buckets, 7);
        for _ in 0..2 {
            assert_eq!(bench.visit(&page).0, [missing(nearest)], "{page}");
        }
    }
}

#[test]
fn a_threshold_is_found_however_its_number_is_written() {
    let mut bench = Bench::new(&[within("x", 0.3)], Format::Text);
    let mut all = 0;
    for written in ["0.3", "0.30", "3e-1", "0.3", "300E-3", "+.3"] {
        all += 10;
        let page = histogram("", &[("0.25", 1), (written, all / 2), ("+Inf", all)], all);
        let expected = if all == 10 { counted(0, 0) } else { counted(10, 5) };
        assert_eq!(bench.visit(&page), (vec![expected], 2), "{written}");
    }
}

#[test]
fn two_slos_want_different_buckets_of_one_histogram() {
    let mut bench = Bench::new(&[within("x", 0.3), within("x", 1.0), within("x", 0.3)], Format::Text);
    let page = |fast, good, all| histogram("", &[("0.3", fast), ("0.5", good), ("1", good), ("+Inf", all)], all);
    assert_eq!(bench.visit(&page(1, 2, 3)).1, 3, "two buckets and the count");
    let expected = vec![counted(7, 2), counted(7, 4), counted(7, 2)];
    assert_eq!(bench.visit(&page(3, 6, 10)), (expected, 3));
    // Without the bound of the second one the first counts on, and its bound is the nearest to the second's.
    let without = histogram("", &[("0.1", 0), ("0.3", 5), ("5", 12)], 12);
    let expected = vec![counted(2, 2), missing(&["0.3", "5"]), counted(2, 2)];
    assert_eq!(bench.visit(&without), (expected, 2));
}

#[test]
fn one_of_two_sets_of_labels_lacks_the_threshold_s_bucket() {
    for format in FORMATS {
        let mut bench = Bench::new(&[within("x", 0.3)], format);
        let page = |both: bool, good, all| {
            let bounds = [("0.1", 0), ("0.3", good), ("0.5", all)];
            let less = [("0.1", 0), ("0.5", all)];
            histogram("path=\"/a\"", &bounds, all) + &histogram("path=\"/b\"", if both { &bounds } else { &less }, all)
        };
        let lacks = |total, good| (total, good, missing(&["0.1", "0.5"]).2);
        assert_eq!(bench.visit(&page(false, 1, 2)), (vec![lacks(0, 0)], 3));
        assert_eq!(bench.visit(&page(false, 4, 7)), (vec![lacks(5, 3)], 3));
        assert_eq!(
            bench.visit(&page(true, 5, 9)),
            (vec![counted(2, 1)], 4),
            "the second one's is a baseline"
        );
        assert_eq!(bench.visit(&page(true, 6, 12)), (vec![counted(6, 2)], 4));
        assert_eq!(bench.visit(&page(false, 8, 16)), (vec![lacks(4, 2)], 3));
        assert_eq!(
            bench.visit(&page(true, 9, 18)),
            (vec![counted(8, 4)], 4),
            "what waited is counted"
        );
    }
}

#[test]
fn a_page_that_fails_teaches_no_bounds() {
    let mut bench = Bench::new(&[within("x", 0.3)], Format::Text);
    let page = histogram("", &[("0.1", 1), ("0.5", 2)], 2);
    bench.visit(&page);
    let broken = histogram("", &[("0.2", 1), ("0.4", 2)], 2) + "x_count{} nothing\n";
    let framing = Framing {
        format: Format::Text,
        whole: true,
    };
    for reader in [&mut bench.few, &mut bench.all] {
        let read = reader
            .cache
            .read(&broken, framing, &reader.selection, &SeriesView::default());
        assert!(read.is_err());
    }
    assert_eq!(bench.visit(&page).0, [missing(&["0.1", "0.5"])]);
}

#[test]
fn a_plain_selector_keeps_every_bucket_that_it_matches() {
    let plain = [Wanted::from(selector("x_bucket{le=1}"))];
    let wanted = within("x", 0.3).wanted().into_iter().chain(plain);
    let mut reader = Reader::new(&[], |_| Vec::new());
    reader.selection = Selection::new(wanted, 2);
    let buckets = [("0.1", 1), ("0.3", 2), ("1", 3), ("1.0", 3), ("+Inf", 3)];
    let page = reader.read(&histogram("", &buckets, 3), Format::Text);
    let kept: Vec<_> = page.samples.iter().map(|sample| sample.series.key.as_str()).collect();
    assert_eq!(kept, ["x_bucket{le=\"0.3\"}", "x_bucket{le=\"1\"}", "x_count"]);
    assert_eq!(page.bounds.len(), 5);
}

/// The bound of a bucket is the page's `le`, whatever rules and the target's labels make of it.
#[test]
fn the_bound_is_the_page_s_own() {
    let view = SeriesView {
        target: labels(&[("le", "0.3")]),
        honor_labels: false,
    };
    let mut reader = Reader::new(&[within("x", 0.5)], Indicator::wanted);
    let text = histogram("", &[("0.3", 1), ("0.5", 2)], 2);
    let framing = Framing {
        format: Format::Text,
        whole: true,
    };
    let page = reader.cache.read(&text, framing, &reader.selection, &view).unwrap();
    let kept: Vec<_> = page.samples.iter().map(|sample| sample.series.key.as_str()).collect();
    assert_eq!(kept, ["x_bucket{le=\"0.5\"}", "x_count"]);
}

#[test]
fn more_bounds_than_are_remembered_count_all_the_same() {
    let mut bench = Bench::new(&[within("x", 0.3)], Format::Text);
    let written: Vec<String> = (1..=BOUNDS_MAX + 10).map(|at| format!("1e{at}")).collect();
    let mut buckets: Vec<(&str, u32)> = written.iter().map(|bound| (bound.as_str(), 9)).collect();
    buckets.push(("0.3", 5));
    let page = bench.few.read(&histogram("", &buckets, 9), Format::Text);
    assert_eq!((page.samples.len(), page.bounds.len()), (2, BOUNDS_MAX));
}

/// OpenMetrics lets a histogram have neither count nor sum.
#[test]
fn half_a_histogram_does_not_go_unnoticed() {
    let mut bench = Bench::new(&[within("x", 0.3)], Format::Text);
    let whole = histogram("path=\"/\"", &[("0.1", 1), ("0.3", 2), ("+Inf", 3)], 3);
    let half = "x_bucket{le=\"0.1\"} 1\nx_bucket{le=\"0.5\"} 2\n";
    let few = bench.few.read(&format!("{whole}{half}"), Format::Text);
    assert_eq!(few.samples.len(), 2, "the first page tells which histograms are halves");
    bench.all.read(&format!("{whole}{half}"), Format::Text);
    for _ in 0..3 {
        let (counted, kept) = bench.visit(&format!("{whole}{half}"));
        assert_eq!((counted, kept), (vec![missing(&["0.1", "0.5"])], 4));
    }
    let both = whole + &histogram("", &[("0.1", 1), ("0.3", 2), ("0.5", 5)], 5);
    assert_eq!(
        bench.visit(&both).0,
        [counted(0, 0)],
        "what becomes whole begins with a baseline"
    );
}
