//! Pages that come in pieces, that are given up half way, or whose order changes.

use super::{labels, selection};
use crate::domain::reading::Page;
use crate::domain::selection::Selection;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::{Framing, LINE_BYTES_MAX};
use crate::source::scrape::rules::PageError;

fn read(cache: &mut SeriesCache, bytes: &[u8], length: usize, wanted: &Selection) -> Result<Page, PageError> {
    let framing = Framing {
        format: Format::Text,
        whole: true,
    };
    let view = SeriesView {
        target: labels(&[("job", "shop")]),
        honor_labels: false,
    };
    let mut page = cache.begin(framing, wanted, &view);
    for piece in bytes.chunks(length) {
        page.feed(piece)?;
    }
    page.finish()
}

/// What a page gives, a word for each sample.
fn shown(read: &Result<Page, PageError>) -> String {
    match read {
        Ok(page) => {
            let samples = page
                .samples
                .iter()
                .map(|sample| format!("{}={}", sample.series.key, sample.value));
            let seen = [format!("{} seen", page.samples_seen)];
            let all = samples.chain(seen).chain(page.warnings.clone());
            all.collect::<Vec<_>>().join(" | ")
        }
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn it_does_not_matter_in_which_pieces_a_page_comes() {
    let wanted = selection(&["a", "größe", "process_start_time_seconds"]);
    for (text, expected) in [
        (
            "# HELP a x\na{b=\"ü\"} 1\nb 2\nb{x=\"y\"} 3\na 4\n{\"größe\"} 5\na 6 12\n",
            "a{b=\"ü\"}=1 | a=4 | größe=5 | 6 seen | line 7: a series that the page lists twice; its first value counts",
        ),
        (
            "a 1\r\n\r\nb\r\na{b=\"c\"} 2",
            "a=1 | a{b=\"c\"}=2 | 2 seen | line 3, column 2: the value is missing",
        ),
        (
            "b 1\na{b=\"ü\"} one\n",
            "! line 2, column 10: the value is not a number",
        ),
        ("", "0 seen"),
    ] {
        let mut warm = SeriesCache::default();
        for length in 1..=text.len().max(1) {
            let mut cache = SeriesCache::default();
            let read_in_pieces = read(&mut cache, text.as_bytes(), length, &wanted);
            assert_eq!(shown(&read_in_pieces), expected, "in pieces of {length} bytes");
            let again = read(&mut warm, text.as_bytes(), length, &wanted);
            assert_eq!(shown(&again), expected, "again, in pieces of {length} bytes");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_told_by_their_place_on_the_page() {
    let page = b"a 1\na{b=\"\xc3\xbc\"} 2\nb{c=\"\xff\"} 3\na 4\n";
    for length in 1..page.len() {
        let read = read(&mut SeriesCache::default(), page, length, &selection(&["a"]));
        assert_eq!(
            shown(&read),
            "! the page is not UTF-8 at byte 22",
            "in pieces of {length} bytes"
        );
    }
    let cut = read(
        &mut SeriesCache::default(),
        b"a{b=\"\xc3\n\xbc\"} 2\n",
        3,
        &selection(&["b"]),
    );
    assert_eq!(shown(&cut), "! the page is not UTF-8 at byte 6");
}

#[test]
fn a_line_has_its_limit_wanted_or_not() {
    let page = |metric: &str, length: usize| {
        let rest = format!("{metric}{{b=\"\"}} 1");
        format!("b 1\n{metric}{{b=\"{}\"}} 1\nb 2\n", "x".repeat(length - rest.len()))
    };
    for length in [1000, 1 << 16, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, usize::MAX] {
        for metric in ["b", "#"] {
            let longest = page(metric, LINE_BYTES_MAX);
            let read_longest = read(
                &mut SeriesCache::default(),
                longest.as_bytes(),
                length,
                &selection(&["a"]),
            );
            assert!(
                read_longest.is_ok(),
                "{metric} in pieces of {length} bytes: {read_longest:?}"
            );
        }
        for metric in ["a", "b", "#"] {
            let too_long = page(metric, LINE_BYTES_MAX + 1);
            let read_too_long = read(
                &mut SeriesCache::default(),
                too_long.as_bytes(),
                length,
                &selection(&["a"]),
            );
            let expected = "! line 2, column 1: the line is longer than 128 KiB";
            assert_eq!(shown(&read_too_long), expected, "{metric} in pieces of {length} bytes");
        }
    }
}

#[test]
fn a_page_that_is_given_up_half_way_leaves_nothing_behind() {
    let mut cache = SeriesCache::default();
    let (wanted, view) = (selection(&["a"]), SeriesView::default());
    let first = b"a{b=\"1\"} 1\na{b=\"2\"} 2\n";
    read(&mut cache, first, 100, &wanted).unwrap();
    for visit in 0..5 {
        let framing = Framing {
            format: Format::Text,
            whole: true,
        };
        let mut page = cache.begin(framing, &wanted, &view);
        let half = format!("a{{b=\"2\"}} 7\na{{b=\"new {visit}\"}} 1\na{{b=\"1\"}} 9\na{{b=\"");
        page.feed(half.as_bytes()).unwrap();
        drop(page);
        assert_eq!(cache.len(), 2);
        let again = read(&mut cache, first, 100, &wanted);
        assert_eq!(shown(&again), "a{b=\"1\"}=1 | a{b=\"2\"}=2 | 2 seen");
    }
}

#[test]
fn nothing_is_remembered_of_metrics_that_nobody_wants() {
    let mut cache = SeriesCache::default();
    let page = b"a{b=\"1\"} 1\nc{b=\"2\"} 2\nc_created 5\nprocess_start_time_seconds 7\n{\"d.e\"} 3\n";
    let read = read(&mut cache, page, 100, &selection(&["a"])).unwrap();
    assert_eq!((cache.len(), read.samples_seen, read.process_start), (1, 5, Some(7.0)));
}

mod changing {
    use proptest::prelude::*;

    use super::*;

    /// Pages of the same few series in other orders, some of them missing and some listed twice.
    fn pages() -> impl Strategy<Value = Vec<Vec<(usize, u8)>>> {
        prop::collection::vec(prop::collection::vec((0..12_usize, 0..3_u8), 0..20), 1..6)
    }

    fn page(lines: &[(usize, u8)]) -> String {
        const SERIES: [&str; 12] = [
            "a{x=\"1\"}",
            "a{x=\"1\",y=\"2\"}",
            "a{y=\"2\",x=\"1\"}",
            "a",
            "ab",
            "a_total{x=\"1\"}",
            "a_created{x=\"1\"}",
            "{\"a\",x=\"1\"}",
            "{x=\"2\",\"a\"}",
            "# a",
            "process_start_time_seconds",
            "a {x=\"1\"}",
        ];
        let value = |form: u8| [" 5", " 7.5 12", "\t3"][usize::from(form)];
        let line = |(at, (series, form)): (usize, &(usize, u8))| format!("{}{}{at}\n", SERIES[*series], value(*form));
        lines.iter().enumerate().map(line).collect()
    }

    proptest! {
        #[test]
        fn what_other_pages_held_changes_nothing(pages in pages(), length in 1..40_usize) {
            let wanted = selection(&["a", "a_total", "process_start_time_seconds"]);
            let mut warm = SeriesCache::default();
            for lines in pages {
                let text = page(&lines);
                let fresh = read(&mut SeriesCache::default(), text.as_bytes(), usize::MAX, &wanted);
                let again = read(&mut warm, text.as_bytes(), length, &wanted);
                prop_assert_eq!(shown(&fresh), shown(&again), "{}", text);
                let created = |read: &Result<Page, PageError>| {
                    read.as_ref().ok().map(|page| {
                        let dates: Vec<_> = page.samples.iter().map(|sample| sample.created).collect();
                        (dates, page.process_start)
                    })
                };
                prop_assert_eq!(created(&fresh), created(&again));
            }
        }
    }
}
