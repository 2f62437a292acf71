//! What a target's pages give one after another: selection, start times, and what is remembered.

use std::sync::Arc;

use super::{labels, selection, selector};
use crate::domain::reading::Page;
use crate::domain::selection::{Selection, Wanted};
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;
use crate::source::scrape::rules::PageError;

const WHOLE: Framing = Framing {
    format: Format::Text,
    whole: true,
};

fn read(cache: &mut SeriesCache, text: &str, selection: &Selection) -> Result<Page, PageError> {
    let view = SeriesView {
        target: labels(&[("job", "shop"), ("env", "prod")]),
        honor_labels: false,
    };
    cache.read(text, WHOLE, selection, &view)
}

/// Key, value and `_created` of each sample.
fn samples(page: &Page) -> Vec<(&str, f64, Option<f64>)> {
    let sample = |sample: &'_ crate::domain::reading::Sample| (sample.value, sample.created);
    let keys = page.samples.iter().map(|sample| sample.series.key.as_str());
    keys.zip(page.samples.iter().map(sample))
        .map(|(key, (value, created))| (key, value, created))
        .collect()
}

#[test]
fn selectors_see_the_target_s_labels_too() {
    let text = "a{env=\"test\"} 1\na{code=\"500\"} 2\nb 3\n";
    let cases = [
        ("a{job=shop}", vec!["a{env=\"test\"}", "a{code=\"500\"}"]),
        ("a{env=prod}", vec!["a{env=\"test\"}", "a{code=\"500\"}"]),
        ("a{exported_env=test}", vec!["a{env=\"test\"}"]),
        ("a{env=test}", vec![]),
        ("a{code=500}", vec!["a{code=\"500\"}"]),
        ("c", vec![]),
    ];
    for (selector, expected) in cases {
        let page = read(&mut SeriesCache::default(), text, &selection(&[selector])).unwrap();
        let keys: Vec<_> = page.samples.iter().map(|sample| sample.series.key.as_str()).collect();
        assert_eq!(keys, expected, "{selector}");
        assert_eq!(page.samples_seen, 3);
    }
}

#[test]
fn with_honor_labels_the_page_s_labels_win() {
    let view = SeriesView {
        target: labels(&[("job", "shop"), ("env", "prod")]),
        honor_labels: true,
    };
    let text = "a{env=\"test\"} 1\n";
    for (selector, found) in [
        ("a{env=test}", 1),
        ("a{env=prod}", 0),
        ("a{exported_env=test}", 0),
        ("a{job=shop}", 1),
    ] {
        let page = SeriesCache::default()
            .read(text, WHOLE, &selection(&[selector]), &view)
            .unwrap();
        assert_eq!(page.samples.len(), found, "{selector}");
    }
}

#[test]
fn created_samples_date_the_series_of_their_family() {
    let text = concat!(
        "a_total{code=\"200\"} 1\n",
        "a_created{code=\"200\"} 1.5e9\n",
        "a_created{code=\"500\"} 1.6e9\n",
        "a_total{code=\"500\"} 2\n",
        "a_total{code=\"404\"} 3\n",
        "h_created{x=\"y\"} 1.7e9\n",
        "h_bucket{x=\"y\",le=\"+Inf\"} 4\n",
        "h_count{x=\"y\"} 4\n",
        "h_sum{x=\"y\"} 5\n",
        "h_count{x=\"z\"} 6\n",
        "unrelated_created 1\n",
    );
    let wanted = selection(&["a_total", "h_bucket", "h_count", "h_sum"]);
    let expected = [
        ("a_total{code=\"200\"}", 1.0, Some(1.5e9)),
        ("a_total{code=\"500\"}", 2.0, Some(1.6e9)),
        ("a_total{code=\"404\"}", 3.0, None),
        ("h_bucket{le=\"+Inf\",x=\"y\"}", 4.0, Some(1.7e9)),
        ("h_count{x=\"y\"}", 4.0, Some(1.7e9)),
        ("h_sum{x=\"y\"}", 5.0, Some(1.7e9)),
        ("h_count{x=\"z\"}", 6.0, None),
    ];
    let mut cache = SeriesCache::default();
    for _ in 0..2 {
        let page = read(&mut cache, text, &wanted).unwrap();
        assert_eq!(samples(&page), expected);
    }
    // A `_created` that is gone dates nothing any more, one that is newer counts at once.
    let page = read(
        &mut cache,
        "a_total{code=\"200\"} 1\na_total{code=\"500\"} 2\na_created{code=\"500\"} 1.8e9\n",
        &wanted,
    );
    let expected = [
        ("a_total{code=\"200\"}", 1.0, None),
        ("a_total{code=\"500\"}", 2.0, Some(1.8e9)),
    ];
    assert_eq!(samples(&page.unwrap()), expected);
}

#[test]
fn a_created_sample_that_is_no_time_dates_nothing_and_one_that_is_selected_is_a_sample_too() {
    let text = "a_total 1\na_created NaN\n";
    let page = read(&mut SeriesCache::default(), text, &selection(&["a_total"])).unwrap();
    assert_eq!(samples(&page), [("a_total", 1.0, None)]);
    let text = "a_total 1\na_created 5\na_created 6\n";
    let page = read(&mut SeriesCache::default(), text, &selection(&["a_total"])).unwrap();
    assert_eq!(samples(&page), [("a_total", 1.0, Some(5.0))], "of two the first counts");
    let text = "a_total 1\na_created 5\n";
    let page = read(&mut SeriesCache::default(), text, &selection(&["a_total", "a_created"])).unwrap();
    assert_eq!(samples(&page), [("a_total", 1.0, Some(5.0)), ("a_created", 5.0, None)]);
}

#[test]
fn the_process_s_start_is_the_first_one_without_labels() {
    let cases = [
        ("process_start_time_seconds 1.5e9\n", Some(1.5e9)),
        ("process_start_time_seconds{pid=\"1\"} 1.5e9\n", None),
        (
            "process_start_time_seconds 1\nprocess_start_time_seconds 2\n",
            Some(1.0),
        ),
        ("process_start_time_seconds NaN\n", None),
        ("x_process_start_time_seconds 1\n", None),
    ];
    for (text, expected) in cases {
        let page = read(&mut SeriesCache::default(), text, &selection(&[])).unwrap();
        assert_eq!(page.process_start, expected, "{text}");
        assert!(page.samples.is_empty());
    }
}

#[test]
fn broken_lines_that_nobody_selects_do_not_lose_the_page() {
    let broken = "b{x=y} 1\nb one\n9b 1\n-\nb\n{\"b.c\" 1\na 5\n";
    let page = read(&mut SeriesCache::default(), broken, &selection(&["a"])).unwrap();
    assert_eq!(samples(&page), [("a", 5.0, None)]);
    assert_eq!(page.warnings.len(), 4, "{:?}", page.warnings);
    let many = format!("{}a 5\n", "-\n".repeat(50));
    let page = read(&mut SeriesCache::default(), &many, &selection(&["a"])).unwrap();
    assert_eq!((page.warnings.len(), page.samples.len()), (20, 1));
}

#[test]
fn a_series_that_stands_there_twice_counts_once_however_it_is_written() {
    let mut cache = SeriesCache::default();
    let wanted = selection(&["a"]);
    let pages = [
        ("a{x=\"1\",y=\"2\"} 1\n", 1.0, 0),
        ("a{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n", 2.0, 1),
        ("a{y=\"2\",x=\"1\"} 4\na{x=\"1\",y=\"2\"} 5\n", 4.0, 1),
        ("a{x=\"1\",y=\"2\"} 6\na{y=\"2\",x=\"1\"} 7\n", 6.0, 1),
        ("a{y=\"2\",x=\"1\"} 8\n", 8.0, 0),
        ("a{y=\"2\",x=\"1\"} 8\na{y=\"2\",x=\"1\"} 9\n", 8.0, 1),
    ];
    for (text, value, warnings) in pages {
        let page = read(&mut cache, text, &wanted).unwrap();
        assert_eq!(samples(&page), [("a{x=\"1\",y=\"2\"}", value, None)], "{text}");
        assert_eq!(page.warnings.len(), warnings, "{text}");
    }
}

#[test]
fn a_series_is_parsed_once_and_forgotten_when_it_is_gone() {
    let mut cache = SeriesCache::default();
    let wanted = selection(&["a"]);
    let first = read(&mut cache, "a{x=\"1\"} 1\na{x=\"2\"} 1\n", &wanted).unwrap();
    let second = read(&mut cache, "a{x=\"2\"} 2\na{x=\"3\"} 1\n", &wanted).unwrap();
    assert!(Arc::ptr_eq(&first.samples[1].series, &second.samples[0].series));
    assert_eq!(cache.len(), 2);
    let third = read(&mut cache, "a{x=\"1\"} 3\na{x=\"2\"} 3\n", &wanted).unwrap();
    assert!(Arc::ptr_eq(&first.samples[1].series, &third.samples[1].series));
    assert_eq!(samples(&third), [("a{x=\"1\"}", 3.0, None), ("a{x=\"2\"}", 3.0, None)]);
    read(&mut cache, "", &wanted).unwrap();
    assert_eq!(cache.len(), 0);
}

#[test]
fn a_page_that_fails_teaches_nothing() {
    let mut cache = SeriesCache::default();
    let wanted = selection(&["a"]);
    read(&mut cache, "a{x=\"1\"} 1\n", &wanted).unwrap();
    for visit in 0..10 {
        let broken = format!("a{{x=\"{visit}\"}} 1\na{{x=\"new {visit}\"}} 1\na broken\n");
        assert!(read(&mut cache, &broken, &wanted).is_err());
        assert_eq!(cache.len(), 1);
    }
    let page = read(&mut cache, "a{x=\"1\"} 5\na{x=\"2\"} 6\n", &wanted).unwrap();
    assert_eq!(samples(&page), [("a{x=\"1\"}", 5.0, None), ("a{x=\"2\"}", 6.0, None)]);
}

#[test]
fn another_selection_matches_anew() {
    let mut cache = SeriesCache::default();
    let text = "a{code=\"200\"} 1\na{code=\"500\"} 2\n";
    let page = read(&mut cache, text, &Selection::new([selector("a{code=200}")], 1)).unwrap();
    assert_eq!(samples(&page), [("a{code=\"200\"}", 1.0, None)]);
    let page = read(&mut cache, text, &Selection::new([selector("a{code=500}")], 2)).unwrap();
    assert_eq!(samples(&page), [("a{code=\"500\"}", 2.0, None)]);
}

#[test]
fn a_page_of_unknown_length_must_end_with_a_newline() {
    let cut = Framing {
        format: Format::Text,
        whole: false,
    };
    let view = SeriesView::default();
    let wanted = selection(&["a"]);
    assert!(SeriesCache::default().read("a 12", cut, &wanted, &view).is_err());
    assert!(SeriesCache::default().read("a 12\n", cut, &wanted, &view).is_ok());
    assert!(SeriesCache::default().read("a 12", WHOLE, &wanted, &view).is_ok());
}

/// Series of which some are selected, dated, passed over, buckets, or the same in two spellings.
const LINES: [&str; 14] = [
    "a_total{code=\"200\",path=\"/\"} 1",
    "a_total{path=\"/\",code=\"200\"} 2",
    "a_total{code=\"500\"} 3",
    "a_created{code=\"500\"} 1700000000",
    "a_total{code=\"404\",path=\"/\"} 4",
    "x_bucket{le=\"0.1\"} 1",
    "x_bucket{le=\"0.3\"} 2",
    "x_bucket{le=\"1\"} 3",
    "x_bucket{path=\"/\",le=\"0.30\"} 2",
    "x_bucket{path=\"/\",le=\"2\"} 3",
    "x_count 3",
    "x_created 1700000001",
    "b 5",
    "process_start_time_seconds 1699999999",
];

proptest::proptest! {
    /// Whatever came before, a page gives what it gives to a cache that knows nothing.
    #[test]
    fn what_is_known_of_earlier_pages_changes_nothing(
        pages in proptest::collection::vec(
            (proptest::collection::vec(0..LINES.len(), 0..24), proptest::bool::weighted(0.2)),
            1..14,
        ),
    ) {
        let bucket = Wanted { selector: selector("x_bucket"), threshold: Some(0.3) };
        let plain = ["a_total{path=/}", "a_total{code=500}", "x_count"].map(|text| selector(text).into());
        let selection = Selection::new([bucket].into_iter().chain(plain), 1);
        let mut cache = SeriesCache::default();
        for (lines, is_broken) in pages {
            let last = if is_broken { "x_count{} none\n" } else { "" };
            let lines = lines.iter().map(|at| LINES[*at]);
            let text = lines.chain([last]).collect::<Vec<_>>().join("\n");
            let shown = |read: Result<Page, PageError>| read.map(|page| {
                let mut bounds: Vec<String> = page.bounds.of("x").map(|bound| bound.written.to_string()).collect();
                bounds.sort();
                // Buckets of half a histogram are kept from its second page on.
                let is_spare = |key: &str| key.starts_with("x_bucket") && !key.contains("0.3");
                let samples: Vec<_> = samples(&page).into_iter().filter(|sample| !is_spare(sample.0)).collect();
                let samples = format!("{samples:?}");
                (samples, bounds, page.process_start, page.samples_seen)
            });
            let fresh = shown(read(&mut SeriesCache::default(), &text, &selection));
            let known = shown(read(&mut cache, &text, &selection));
            proptest::prop_assert_eq!(format!("{known:?}"), format!("{fresh:?}"), "{}", text);
        }
    }
}
