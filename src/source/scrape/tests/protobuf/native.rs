//! Native histograms on pages, and how a latency SLO counts with them.

use std::time::Duration;

use super::super::{labels, selector};
use super::encoder::{HISTOGRAM, Message, classic, family, metric, page, with_created, with_native};
use crate::domain::bounds::Bounds;
use crate::domain::counting::cursor::{SloCursor, TargetHeader};
use crate::domain::counting::start::StartVerdict;
use crate::domain::counting::units::{SeriesRole, UsedSample, histogram_units};
use crate::domain::counting::{VisitCount, VisitFacts};
use crate::domain::counts::MICRO;
use crate::domain::indicator::{Indicator, IndicatorKind};
use crate::domain::labels::Labels;
use crate::domain::reading::{Page, Series};
use crate::domain::selection::Selection;
use crate::domain::time::Timestamp;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;

/// An SLO that wants `x_seconds{path="/"}` within half a second, and the visits to its target.
struct Bench {
    indicator: Indicator,
    selection: Selection,
    cache: SeriesCache,
    cursor: SloCursor,
    header: TargetHeader,
    now: i64,
}

/// What a visit counted: all and good events, resets, and the nearest bounds where the threshold's is missing.
type Counted = (i64, i64, u32, Vec<String>);

impl Bench {
    fn new() -> Self {
        let indicator = Indicator {
            kind: IndicatorKind::Latency {
                histogram: selector("x_seconds{path=/}"),
                threshold: 0.5,
                written: "500ms".to_owned(),
            },
            source: None,
            group_by: Vec::new(),
        };
        Self {
            selection: Selection::new(indicator.wanted(), 1),
            indicator,
            cache: SeriesCache::default(),
            cursor: SloCursor::default(),
            header: TargetHeader::default(),
            now: 1_700_000_000_000,
        }
    }

    fn visit(&mut self, histogram: &Message) -> Counted {
        let read = self.read(&page(&[family(
            "x_seconds",
            HISTOGRAM,
            [metric(&[("path", "/")], 7, histogram)],
        )]));
        self.count(&read)
    }

    fn visit_text(&mut self, text: &str) -> Counted {
        let framing = Framing {
            format: Format::Text,
            whole: true,
        };
        let read = self
            .cache
            .read(text, framing, &self.selection, &SeriesView::default())
            .unwrap();
        self.count(&read)
    }

    fn read(&mut self, bytes: &[u8]) -> Page {
        self.cache
            .read_protobuf(bytes, &self.selection, &SeriesView::default())
            .unwrap()
    }

    fn count(&mut self, page: &Page) -> Counted {
        self.now += 15_000;
        let use_of = |series: &Series| self.indicator.use_of(series, &series.metric, &series.labels);
        let plain = page
            .samples
            .iter()
            .map(|sample| (use_of(&sample.series), sample.value, sample.created, None));
        let native = page.native.iter().map(|sample| {
            let histogram = &sample.histogram;
            (use_of(&sample.series), histogram.count, sample.created, Some(histogram))
        });
        let uses: Vec<_> = plain.chain(native).collect();
        let samples: Vec<UsedSample<'_>> = uses
            .iter()
            .filter_map(|(series, value, created, native)| {
                let series = series.as_ref()?;
                Some(UsedSample {
                    series,
                    value: *value,
                    created: *created,
                    native: *native,
                })
            })
            .collect();
        let (units, missing) = histogram_units(&samples, 0.5, &page.bounds);
        let facts = VisitFacts {
            at: Timestamp(self.now),
            previous_at: self.header.last_visit_at,
            start: StartVerdict::Unknown,
            process_start: None,
            interval: Duration::from_secs(15),
            listed_at: Timestamp(0),
            loaded_at: Timestamp(self.now),
            busiest_rate: 0.0,
        };
        let VisitCount { credits, resets, .. } = self.cursor.count(&units, &facts);
        self.header.last_visit_at = Some(Timestamp(self.now));
        let sum = credits
            .values()
            .fold((0, 0), |sum, credit| (sum.0 + credit.0, sum.1 + credit.1));
        let nearest = missing.into_iter().flat_map(|missing| missing.nearest).collect();
        (sum.0 / MICRO, sum.1 / MICRO, resets, nearest)
    }
}

/// A native histogram of schema 1, whose bound 0.5 has index -2, with so many observations below and above it.
fn native(good: i64, bad: i64) -> Message {
    with_native(
        classic((good + bad) as u64, 1.0, &[]),
        1,
        &[(-3, good), (4, bad)],
        false,
    )
}

fn counted(total: i64, good: i64) -> Counted {
    (total, good, 0, Vec::new())
}

#[test]
fn a_native_histogram_counts_like_a_classic_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.visit(&native(100, 10)), counted(0, 0), "a baseline");
    assert_eq!(bench.visit(&native(107, 13)), counted(10, 7));
    assert_eq!(bench.visit(&native(107, 13)), counted(0, 0));
    assert_eq!(
        bench.visit(&native(4, 1)),
        (5, 4, 1, Vec::new()),
        "a reset counts from zero"
    );
}

#[test]
fn both_kinds_of_buckets_and_both_formats_are_one_histogram() {
    let mut bench = Bench::new();
    let text = |good: u64, all: u64| {
        format!(
            "x_seconds_bucket{{path=\"/\",le=\"0.5\"}} {good}\nx_seconds_bucket{{path=\"/\",le=\"+Inf\"}} {all}\nx_seconds_count{{path=\"/\"}} {all}\n"
        )
    };
    let both = |good: u64, bad: u64| {
        let classic = classic(good + bad, 1.0, &[(0.5, good)]);
        with_native(classic, 1, &[(-3, good as i64), (4, bad as i64)], true)
    };
    assert_eq!(bench.visit_text(&text(100, 110)), counted(0, 0), "a baseline");
    assert_eq!(bench.visit(&both(101, 10)), counted(1, 1), "text, then both kinds");
    assert_eq!(
        bench.visit(&native(103, 11)),
        counted(3, 2),
        "then the native one alone"
    );
    assert_eq!(
        bench.visit(&classic(120, 1.0, &[(0.5, 108)])),
        counted(6, 5),
        "then the classic one alone"
    );
    assert_eq!(bench.visit_text(&text(109, 121)), counted(1, 1), "then text again");
    let other_bounds = with_native(
        classic(123, 1.0, &[(0.3, 2), (1.0, 123)]),
        1,
        &[(-3, 110), (4, 13)],
        true,
    );
    assert_eq!(
        bench.visit(&other_bounds),
        counted(2, 1),
        "classic buckets without the threshold's"
    );
}

#[test]
fn a_coarser_schema_counts_on_where_the_threshold_stays_a_bound_and_waits_where_it_does_not() {
    let mut bench = Bench::new();
    bench.visit(&native(100, 10));
    // Schema 0: 0.5 is the bound of index -1.
    let coarse = with_native(classic(115, 1.0, &[]), 0, &[(-1, 103), (2, 12)], false);
    assert_eq!(bench.visit(&coarse), counted(5, 3));
    // Schema -1: bounds are powers of four.
    let coarsest = |good: i64, bad: i64| {
        with_native(
            classic((good + bad) as u64, 1.0, &[]),
            -1,
            &[(0, good), (1, bad)],
            false,
        )
    };
    let missing = (0, 0, 0, vec!["0.25".to_owned(), "1".to_owned()]);
    assert_eq!(bench.visit(&coarsest(110, 13)), missing);
    assert_eq!(bench.visit(&coarsest(112, 13)), missing);
    assert_eq!(bench.visit(&native(110, 16)), counted(11, 7), "what waited is counted");
}

#[test]
fn the_diagnostic_names_the_nearest_bounds_of_both_kinds() {
    let mut bench = Bench::new();
    let neither = with_native(classic(9, 1.0, &[(0.4, 1), (2.0, 9)]), -1, &[(0, 9)], false);
    assert_eq!(bench.visit(&neither).3, ["0.4", "1"]);
}

#[test]
fn a_newer_creation_is_a_reset_although_nothing_fell() {
    let mut bench = Bench::new();
    let created = |histogram, nanos| with_created(histogram, 15, Some((1_699_999_990, nanos)));
    bench.visit(&created(native(100, 10), 0));
    assert_eq!(
        bench.visit(&created(native(101, 10), 1000)),
        counted(1, 1),
        "rounded another way"
    );
    assert_eq!(
        bench.visit(&created(native(105, 20), 500_000_000)),
        (125, 105, 1, Vec::new())
    );
}

#[test]
fn creation_times_of_text_and_protobuf_are_the_same() {
    let mut bench = Bench::new();
    let text = concat!(
        "x_seconds_bucket{path=\"/\",le=\"0.5\"} 100\nx_seconds_bucket{path=\"/\",le=\"+Inf\"} 110\n",
        "x_seconds_count{path=\"/\"} 110\nx_seconds_created{path=\"/\"} 1.699999000123457e+09\n"
    );
    assert_eq!(bench.visit_text(text), counted(0, 0));
    let same = with_created(native(103, 10), 15, Some((1_699_999_000, 123_456_789)));
    assert_eq!(bench.visit(&same), counted(3, 3));
}

#[test]
fn native_histograms_are_selected_by_their_labels_as_rules_leave_them() {
    let one = |path: &str| metric(&[("path", path)], 7, &native(3, 1));
    let bytes = page(&[
        family("x_seconds", HISTOGRAM, [one("/"), one("/other"), one("/")]),
        family("y_seconds", HISTOGRAM, [one("/")]),
        family(
            "z_seconds",
            HISTOGRAM,
            [metric(&[("path", "/")], 7, &classic(1, 1.0, &[(1.0, 1)]))],
        ),
    ]);
    let mut bench = Bench::new();
    for _ in 0..2 {
        let read = bench.read(&bytes);
        let keys: Vec<_> = read.native.iter().map(|sample| sample.series.key.as_str()).collect();
        assert_eq!(keys, ["x_seconds{path=\"/\"}"]);
        assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
        assert_eq!(read.samples_seen, 3 * 3 + 3 + 4);
    }
    let view = SeriesView {
        target: labels(&[("path", "/")]),
        honor_labels: false,
    };
    let read = bench
        .cache
        .read_protobuf(&bytes, &Selection::new([selector("x_seconds_bucket")], 2), &view)
        .unwrap();
    assert_eq!(read.native.len(), 2, "the new selection holds");
}

#[test]
fn a_native_histogram_that_contradicts_itself_fails_the_page_where_it_is_wanted() {
    let broken = with_native(classic(5, 1.0, &[]), 1, &[(0, 3)], false);
    let bytes = page(&[family("x_seconds", HISTOGRAM, [metric(&[("path", "/")], 7, &broken)])]);
    let mut bench = Bench::new();
    let refused = bench
        .cache
        .read_protobuf(&bytes, &bench.selection, &SeriesView::default());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.starts_with("byte ") && message.contains("do not add up"),
        "{message}"
    );
    let unwanted = Selection::new([selector("other")], 2);
    assert!(
        bench
            .cache
            .read_protobuf(&bytes, &unwanted, &SeriesView::default())
            .is_ok()
    );
}

#[test]
fn an_empty_native_histogram_is_one_when_it_has_a_span() {
    let empty = classic(0, 0.0, &[]);
    let marked = empty.clone().message(12, &Message::new());
    let mut bench = Bench::new();
    let natives = |bench: &mut Bench, histogram: &Message| {
        bench
            .read(&page(&[family(
                "x_seconds",
                HISTOGRAM,
                [metric(&[("path", "/")], 7, histogram)],
            )]))
            .native
            .len()
    };
    assert_eq!((natives(&mut bench, &empty), natives(&mut bench, &marked)), (0, 1));
}

#[test]
fn a_plain_series_of_the_family_s_name_is_no_histogram() {
    let series = Series::new("x_seconds", Labels::new());
    let bench = Bench::new();
    let used = bench
        .indicator
        .use_of(&series, "x_seconds", &labels(&[("path", "/")]))
        .unwrap();
    assert_eq!(used.role, SeriesRole::NativeHistogram);
    let sample = UsedSample {
        series: &used,
        value: 5.0,
        created: None,
        native: None,
    };
    let (units, missing) = histogram_units(&[sample], 0.5, &Bounds::default());
    assert_eq!((units.len(), missing.len()), (0, 1));
}
