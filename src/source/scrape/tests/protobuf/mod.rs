//! Pages in the protobuf format beside the same pages as text.

pub mod encoder;
mod native;

use proptest::prelude::*;

use self::encoder::{
    COUNTER, GAUGE, GAUGE_HISTOGRAM, HISTOGRAM, Message, SUMMARY, UNTYPED, classic, counter, family, gauge, metric,
    page, with_created, with_native,
};
use super::{job, selection, selector};
use crate::domain::matcher::Selector;
use crate::domain::reading::Page;
use crate::domain::selection::Selection;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;

fn everything() -> Selection {
    let any = Selector {
        metric: None,
        matchers: Vec::new(),
    };
    Selection::new([any], 1)
}

fn read(cache: &mut SeriesCache, bytes: &[u8], selection: &Selection) -> Result<Page, String> {
    let page = cache.read_protobuf(bytes, selection, &SeriesView::default());
    page.map_err(|error| error.to_string())
}

fn read_text(cache: &mut SeriesCache, text: &str, selection: &Selection, format: Format) -> Page {
    let framing = Framing { format, whole: true };
    cache.read(text, framing, selection, &SeriesView::default()).unwrap()
}

/// The samples of a page as text, in the order of their series.
fn shown(page: &Page) -> Vec<String> {
    let samples = page.samples.iter();
    let created = |created: Option<f64>| created.map(|at| format!(" since {at}")).unwrap_or_default();
    let mut shown: Vec<String> = samples
        .map(|sample| format!("{} {}{}", sample.series.key, sample.value, created(sample.created)))
        .collect();
    shown.sort();
    shown
}

fn quantile(quantile: f64, value: f64) -> Message {
    Message::new().double(1, quantile).double(2, value)
}

/// A page with one family of each kind.
fn of_each_kind() -> Vec<Message> {
    let summary = Message::new()
        .varint(1, 7)
        .double(2, 3.5)
        .messages(3, [quantile(0.5, 0.2), quantile(0.99, f64::NAN)]);
    let started = Message::new().double(1, 1.5e9);
    vec![
        family(
            "requests_total",
            COUNTER,
            [counter(&[("code", "200"), ("path", "/a\"b\\c\nd")], 5.0, None)],
        ),
        family(
            "jobs",
            COUNTER,
            [
                counter(&[], 2.5, None),
                counter(&[("c", "1"), ("empty", "")], 3.5, None),
            ],
        ),
        family("depth", GAUGE, [gauge(&[("queue", "größe")], -1.5)]),
        family("delay_seconds", SUMMARY, [metric(&[("a", "b")], 4, &summary)]),
        family("old", UNTYPED, [metric(&[], 5, &Message::new().double(1, 9.0))]),
        family(
            "size_bytes",
            HISTOGRAM,
            [
                metric(
                    &[("dir", "in")],
                    7,
                    &classic(9, 12.5, &[(0.005, 1), (1.0, 4), (1e6, 8)]),
                ),
                metric(&[("dir", "out")], 7, &classic(2, 0.0, &[(1.0, 2), (f64::INFINITY, 2)])),
            ],
        ),
        family("process_start_time_seconds", GAUGE, [metric(&[], 2, &started)]),
    ]
}

/// The same page as client libraries write it as text.
const OF_EACH_KIND: &str = r#"# TYPE requests_total counter
requests_total{code="200",path="/a\"b\\c\nd"} 5
jobs 2.5
jobs{c="1",empty=""} 3.5
depth{queue="größe"} -1.5
delay_seconds{a="b",quantile="0.5"} 0.2
delay_seconds{a="b",quantile="0.99"} NaN
delay_seconds_sum{a="b"} 3.5
delay_seconds_count{a="b"} 7
old 9
size_bytes_bucket{dir="in",le="0.005"} 1
size_bytes_bucket{dir="in",le="1"} 4
size_bytes_bucket{dir="in",le="1e+06"} 8
size_bytes_bucket{dir="in",le="+Inf"} 9
size_bytes_sum{dir="in"} 12.5
size_bytes_count{dir="in"} 9
size_bytes_bucket{dir="out",le="1"} 2
size_bytes_bucket{dir="out",le="+Inf"} 2
size_bytes_sum{dir="out"} 0
size_bytes_count{dir="out"} 2
process_start_time_seconds 1.5e9
"#;

#[test]
fn a_page_gives_what_its_text_gives_whatever_is_selected() {
    let bytes = page(&of_each_kind());
    let selections = [
        everything(),
        Selection::new([selector("requests_total")], 1),
        Selection::new([selector("size_bytes_bucket{le=1}"), selector("size_bytes_count")], 1),
        Selection::new([selector("delay_seconds"), selector("jobs")], 1),
        Selection::new([selector("nothing")], 1),
    ];
    for selection in selections {
        let from_text = read_text(&mut SeriesCache::default(), OF_EACH_KIND, &selection, Format::Text);
        let mut cache = SeriesCache::default();
        for visit in ["first", "second"] {
            let from_bytes = read(&mut cache, &bytes, &selection).unwrap();
            assert_eq!(shown(&from_bytes), shown(&from_text), "{visit} visit");
            assert_eq!(
                (from_bytes.samples_seen, from_bytes.process_start, from_bytes.bytes),
                (from_text.samples_seen, Some(1.5e9), bytes.len() as u64),
            );
            assert_eq!(from_bytes.warnings, Vec::<String>::new());
        }
    }
}

#[test]
fn a_page_that_comes_in_pieces_is_the_same() {
    let (bytes, selection, view) = (page(&of_each_kind()), everything(), SeriesView::default());
    let mut cache = SeriesCache::default();
    let whole = cache.read_protobuf(&bytes, &selection, &view).unwrap();
    for length in [1, 2, 7, 100, bytes.len()] {
        let mut page = cache.begin_protobuf(&selection, &view);
        for piece in bytes.chunks(length) {
            page.feed(piece).unwrap();
        }
        let pieces = page.finish().unwrap();
        assert_eq!(
            (shown(&pieces), pieces.samples_seen),
            (shown(&whole), whole.samples_seen),
            "{length} bytes"
        );
        assert_eq!(pieces.bytes, bytes.len() as u64);
    }
}

#[test]
fn a_target_that_changes_its_format_keeps_its_series() {
    let (bytes, selection) = (page(&of_each_kind()), everything());
    let mut cache = SeriesCache::default();
    let text = read_text(&mut cache, OF_EACH_KIND, &selection, Format::Text);
    let known = cache.len();
    let proto = read(&mut cache, &bytes, &selection).unwrap();
    let again = read_text(&mut cache, OF_EACH_KIND, &selection, Format::Text);
    assert_eq!((shown(&text), shown(&text)), (shown(&proto), shown(&again)));
    // Byte for byte the same text: nothing was parsed again.
    assert_eq!(cache.len(), known);
}

#[test]
fn creation_times_date_series_as_in_open_metrics() {
    let since = Some((1_700_000_000, 250_000_000));
    let summary = with_created(Message::new().varint(1, 7).double(2, 3.5), 4, since);
    let histogram = with_created(classic(9, 12.5, &[(1.0, 4)]), 15, since);
    let bytes = page(&[
        family(
            "a_total",
            COUNTER,
            [counter(&[("c", "1")], 5.0, since), counter(&[("c", "2")], 6.0, None)],
        ),
        family("s", SUMMARY, [metric(&[], 4, &summary)]),
        family("h", HISTOGRAM, [metric(&[("d", "x")], 7, &histogram)]),
    ]);
    let text = concat!(
        "a_total{c=\"1\"} 5\na_created{c=\"1\"} 1700000000.25\na_total{c=\"2\"} 6\n",
        "s_sum 3.5\ns_count 7\ns_created 1700000000.25\n",
        "h_bucket{d=\"x\",le=\"1\"} 4\nh_bucket{d=\"x\",le=\"+Inf\"} 9\nh_sum{d=\"x\"} 12.5\nh_count{d=\"x\"} 9\n",
        "h_created{d=\"x\"} 1700000000.25\n# EOF\n",
    );
    let selection = selection(&["a_total", "s_count", "s_sum", "h_bucket", "h_count"]);
    let from_bytes = read(&mut SeriesCache::default(), &bytes, &selection).unwrap();
    let from_text = read_text(&mut SeriesCache::default(), text, &selection, Format::OpenMetrics);
    assert_eq!(shown(&from_bytes), shown(&from_text));
    assert!(
        shown(&from_bytes)[0].ends_with("since 1700000000.25"),
        "{:?}",
        shown(&from_bytes)
    );
    // Creation times are no samples: the text format has none.
    assert_eq!((from_bytes.samples_seen, from_text.samples_seen), (8, 11));
}

#[test]
fn names_that_need_quotes_are_the_series_of_quoted_text() {
    let bytes = page(&[family(
        "http.requests",
        COUNTER,
        [counter(&[("url.path", "/")], 1.0, None), counter(&[], 2.0, None)],
    )]);
    let text = "{\"http.requests\",\"url.path\"=\"/\"} 1\n{\"http.requests\"} 2\n";
    let from_text = read_text(&mut SeriesCache::default(), text, &everything(), Format::Text);
    let from_bytes = read(&mut SeriesCache::default(), &bytes, &everything()).unwrap();
    assert_eq!(shown(&from_bytes), shown(&from_text));
}

#[test]
fn gauge_histograms_are_no_counters() {
    let bytes = page(&[family(
        "g",
        GAUGE_HISTOGRAM,
        [metric(
            &[],
            7,
            &with_native(classic(3, 1.0, &[(1.0, 3)]), 0, &[(0, 3)], false),
        )],
    )]);
    let read = read(&mut SeriesCache::default(), &bytes, &everything()).unwrap();
    let expected = [
        "g_bucket{le=\"+Inf\"} 3",
        "g_bucket{le=\"1\"} 3",
        "g_gcount 3",
        "g_gsum 1",
    ];
    assert_eq!(
        (shown(&read), read.native.len()),
        (expected.map(str::to_owned).to_vec(), 0)
    );
}

#[test]
fn what_is_wanted_and_not_understood_fails_the_page_and_what_is_not_wanted_does_not() {
    let label = |name: &[u8], value: &[u8]| Message::new().bytes(1, name).bytes(2, value);
    let of = |metric: Message| family("a", COUNTER, [metric]);
    let value = Message::new().double(1, 1.0);
    let cases: Vec<(&str, Message)> = vec![
        (
            "a metric without its value",
            of(Message::new().message(1, &label(b"b", b"c"))),
        ),
        (
            "a metric with the value of another type",
            of(Message::new().message(2, &value)),
        ),
        (
            "a metric with two values",
            of(Message::new().message(3, &value).message(3, &value)),
        ),
        (
            "a value that is a whole number",
            of(Message::new().message(3, &Message::new().varint(1, 1))),
        ),
        (
            "a label without a name",
            of(Message::new().message(1, &label(b"", b"c")).message(3, &value)),
        ),
        (
            "a label's value that is not UTF-8",
            of(Message::new().message(1, &label(b"b", b"\xff")).message(3, &value)),
        ),
        (
            "a label's name that is not UTF-8",
            of(Message::new().message(1, &label(b"\xff", b"c")).message(3, &value)),
        ),
        (
            "a label that stands twice",
            of(counter(&[("b", "1"), ("b", "2")], 1.0, None)),
        ),
        (
            "a series that is too long",
            of(counter(&[("b", &"x".repeat(70_000))], 1.0, None)),
        ),
        ("too many labels", {
            let names: Vec<String> = (0..300).map(|number| format!("l{number}")).collect();
            let labels: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
            of(counter(&labels, 1.0, None))
        }),
    ];
    for (what, broken) in cases {
        let bytes = page(&[broken, family("b", COUNTER, [counter(&[], 1.0, None)])]);
        let mut cache = SeriesCache::default();
        let refused = read(&mut cache, &bytes, &selection(&["a"]));
        assert!(
            refused.as_ref().is_err_and(|why| why.starts_with("byte ")),
            "{what}: {refused:?}"
        );
        assert_eq!(cache.len(), 0, "{what}");
        let passed = read(&mut cache, &bytes, &selection(&["b"])).map(|page| (shown(&page), page.samples_seen));
        assert_eq!(passed, Ok((vec!["b 1".to_owned()], 2)), "{what}");
    }
}

#[test]
fn what_is_no_family_fails_the_page() {
    let one = counter(&[], 1.0, None);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("text", b"a_total 1\n".to_vec(), "byte 0: the page ends"),
        ("a length beyond the page", vec![0x7f, 1], "byte 0: the page ends"),
        (
            "a length beyond the limit",
            vec![0xff, 0xff, 0xff, 0xff, 0x0f],
            "byte 0: the family is longer",
        ),
        (
            "a length of more than 64 bits",
            vec![0xff; 11],
            "byte 0: a number is longer",
        ),
        (
            "a family without a name",
            page(&[Message::new().message(4, &one)]),
            "byte 1: the family has no name",
        ),
        (
            "a name that is not UTF-8",
            page(&[Message::new().bytes(1, b"a\xff")]),
            "byte 4: the text is not UTF-8",
        ),
        (
            "a name that is a number",
            page(&[Message::new().varint(1, 1)]),
            "byte 1: a text is expected",
        ),
        (
            "a type that there is not",
            page(&[family("a", 6, [one.clone()])]),
            "byte 11: the family is of a type",
        ),
        (
            "a metric that is a number",
            page(&[Message::new().text(1, "a").varint(4, 1)]),
            "byte 4: a message",
        ),
        ("a group", page(&[Message(vec![0x0b])]), "byte 1: a field is of a type"),
    ];
    for (what, bytes, expected) in cases {
        let refused = read(&mut SeriesCache::default(), &bytes, &selection(&["b"])).unwrap_err();
        assert!(refused.starts_with(expected), "{what}: {refused}");
    }
    let empty = read(
        &mut SeriesCache::default(),
        &page(&[family("", COUNTER, []), family("a", GAUGE, [])]),
        &everything(),
    );
    assert_eq!(empty.map(|page| page.samples_seen), Ok(0));
}

#[test]
fn unknown_fields_are_skipped() {
    let unknown = |message: Message| {
        message
            .varint(99, 7)
            .double(98, 1.0)
            .text(97, "new")
            .message(96, &Message::new())
    };
    let value = unknown(Message::new().double(1, 4.0));
    let mut fixed32 = unknown(metric(&[("c", "1")], 3, &value));
    fixed32.0.extend([0xfd, 0x06, 1, 2, 3, 4]);
    let bytes = page(&[unknown(family("a_total", COUNTER, [fixed32]))]);
    let read = read(&mut SeriesCache::default(), &bytes, &everything()).unwrap();
    assert_eq!(shown(&read), ["a_total{c=\"1\"} 4"]);
}

#[test]
fn a_page_that_is_cut_anywhere_but_between_families_is_refused() {
    let mut families = of_each_kind();
    families.push(family(
        "n",
        HISTOGRAM,
        [metric(&[], 7, &with_native(classic(3, 1.0, &[]), 3, &[(0, 3)], true))],
    ));
    let bytes = page(&families);
    let ends: Vec<usize> = (0..=families.len())
        .map(|count| page(&families[..count]).len())
        .collect();
    for length in 0..bytes.len() {
        for selection in [everything(), Selection::new([selector("jobs")], 1)] {
            let refused = read(&mut SeriesCache::default(), &bytes[..length], &selection);
            assert_eq!(refused.is_err(), !ends.contains(&length), "{length} bytes: {refused:?}");
        }
    }
}

#[test]
fn limits_and_rules_of_a_job_hold_for_protobuf_too() {
    let mut limited = job("shop");
    limited.page_limits.samples = Some(3);
    let mut cache = SeriesCache::new(crate::source::scrape::rules::PageRules {
        relabelling: limited.metric_relabelling.clone(),
        limits: limited.page_limits,
    });
    let bytes = page(&of_each_kind());
    let refused = read(&mut cache, &bytes, &everything()).unwrap_err();
    assert_eq!(refused, "sample_limit exceeded (number of samples: 20, limit: 3)");
    limited.page_limits.samples = None;
    limited.page_limits.value_length = Some(5);
    let mut cache = SeriesCache::new(crate::source::scrape::rules::PageRules {
        relabelling: limited.metric_relabelling,
        limits: limited.page_limits,
    });
    let refused = read(&mut cache, &bytes, &selection(&["nothing"])).unwrap_err();
    assert!(
        refused.starts_with("byte ") && refused.contains("label_value_length_limit exceeded"),
        "{refused}"
    );
}

/// Bytes that are mostly a page.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    changes.prop_map(|changes| {
        let mut families = of_each_kind();
        let both = with_native(classic(9, 1.0, &[(1.0, 4)]), 3, &[(-3, 4), (0, 2), (5, 3)], false);
        families.push(family("n", HISTOGRAM, [metric(&[("a", "b")], 7, &both)]));
        let mut bytes = page(&families);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_panic_and_pages_read_again_give_the_same(bytes in prop_oneof![mangled(), any::<Vec<u8>>()]) {
        let mut cache = SeriesCache::default();
        let first = read(&mut cache, &bytes, &everything());
        let second = read(&mut cache, &bytes, &everything());
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(shown(&first), shown(&second));
                prop_assert_eq!(first.native.len(), second.native.len());
                for native in &first.native {
                    for bucket in &native.histogram.buckets {
                        prop_assert!(bucket.up_to >= native.histogram.up_to_zero);
                    }
                }
            }
            (first, second) => prop_assert_eq!(first.err(), second.err()),
        }
    }
}
