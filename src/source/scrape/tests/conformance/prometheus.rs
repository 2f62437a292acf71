//! The table beside our reader, and the table as a file for `bench/proof/exposition_conformance.py`.

use proptest::prelude::*;

use super::super::reference;
use super::table::{Case, Verdict};
use super::{Format, comments, everything, exemplars, families, framing, labels, names, timestamps, values};
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::page::Framing;

/// The file to write the table to, for the program that shows it to a real Prometheus.
const TABLE_FILE: &str = "NINES_CONFORMANCE_TABLE";

const TABLE: &[(&str, &[Case])] = &[
    ("names", names::CASES),
    ("labels", labels::CASES),
    ("values", values::CASES),
    ("timestamps", timestamps::CASES),
    ("comments", comments::CASES),
    ("exemplars", exemplars::CASES),
    ("framing", framing::CASES),
    ("families", families::CASES),
];

fn cases() -> impl Iterator<Item = (&'static str, &'static Case)> {
    TABLE
        .iter()
        .flat_map(|(group, cases)| cases.iter().map(move |case| (*group, case)))
}

/// A series and its value's bits; every NaN is the same.
type Seen = (String, u64);

/// The samples of a case's page, or why it is refused.
fn read(case: &Case) -> Result<Vec<Seen>, String> {
    let page = String::from_utf8(case.page()).map_err(|error| error.to_string())?;
    scanned(&mut SeriesCache::default(), &page, case.format)
}

fn scanned(cache: &mut SeriesCache, page: &str, format: Format) -> Result<Vec<Seen>, String> {
    let framing = Framing { format, whole: true };
    let read = cache.read(page, framing, &everything(), &SeriesView::default());
    let samples = read.map_err(|error| error.to_string())?.samples;
    let seen = |sample: crate::domain::reading::Sample| (sample.series.key.clone(), bits(sample.value));
    Ok(sorted(samples.into_iter().map(seen)))
}

fn written(samples: &[&str]) -> Vec<Seen> {
    sorted(samples.iter().map(|sample| {
        let (series, value) = sample.rsplit_once(' ').unwrap();
        (series.to_owned(), bits(value.parse().unwrap()))
    }))
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN } else { value }.to_bits()
}

fn sorted(samples: impl Iterator<Item = Seen>) -> Vec<Seen> {
    let mut samples: Vec<Seen> = samples.collect();
    samples.sort();
    samples
}

#[test]
fn every_page_of_the_table_becomes_what_it_says() {
    let mut off = Vec::new();
    for (group, case) in cases() {
        let expected = case.nines.map_or(case.prometheus, |(_, verdict)| verdict);
        let seen = read(case);
        let fits = match (&seen, expected) {
            (Ok(samples), Verdict::Takes(expected)) => *samples == written(expected),
            (Err(_), Verdict::Refuses) => true,
            _ => false,
        };
        if !fits {
            let page = String::from_utf8_lossy(case.body).into_owned();
            off.push(format!(
                "{group}: {}\n  {page:?}\n  gives {seen:?}\n  expected {expected:?}",
                case.says
            ));
        }
    }
    assert!(off.is_empty(), "{} are off\n{}", off.len(), off.join("\n"));
}

#[test]
fn the_table_is_large_tells_every_case_apart_and_gives_reasons_only_for_differences() {
    let mut said: Vec<&str> = cases().map(|(_, case)| case.says).collect();
    let mut pages: Vec<(bool, Vec<u8>)> = cases()
        .map(|(_, case)| (case.format == Format::Text, case.page()))
        .collect();
    let count = said.len();
    said.sort_unstable();
    said.dedup();
    pages.sort();
    pages.dedup();
    assert!(count >= 150, "{count}");
    assert_eq!((said.len(), pages.len()), (count, count));
    for (_, case) in cases() {
        assert!(case.says.ends_with('.'), "{}", case.says);
        let Some((why, other)) = case.nines else { continue };
        let same = match (case.prometheus, other) {
            (Verdict::Takes(theirs), Verdict::Takes(ours)) => theirs == ours,
            (theirs, ours) => matches!((theirs, ours), (Verdict::Refuses, Verdict::Refuses)),
        };
        assert!(!why.is_empty() && !same, "{}", case.says);
    }
}

#[test]
fn the_table_is_written_for_the_comparison_with_a_real_prometheus() {
    let Some(path) = std::env::var_os(TABLE_FILE) else {
        eprintln!("skipped: {TABLE_FILE} is not set");
        return;
    };
    let table: Vec<serde_json::Value> = cases().map(|(group, case)| as_json(group, case)).collect();
    std::fs::write(path, serde_json::to_vec_pretty(&table).unwrap()).unwrap();
}

fn as_json(group: &str, case: &Case) -> serde_json::Value {
    let verdict = |verdict: Verdict| match verdict {
        Verdict::Takes(samples) => serde_json::json!(samples),
        Verdict::Refuses => serde_json::Value::Null,
    };
    serde_json::json!({
        "group": group,
        "says": case.says,
        "open_metrics": case.format == Format::OpenMetrics,
        "page": case.page(),
        "prometheus": verdict(case.before.unwrap_or(case.prometheus)),
        "newer": verdict(case.prometheus),
        "nines": verdict(case.nines.map_or(case.prometheus, |(_, verdict)| verdict)),
        "why": case.nines.map(|(why, _)| why),
    })
}

/// What our reader and the slow one make of a page, and ours once more with what it remembers.
fn beside_the_slow_reader(page: &str, format: Format) -> [Option<Vec<Seen>>; 3] {
    let mut cache = SeriesCache::default();
    let first = scanned(&mut cache, page, format).ok();
    let again = scanned(&mut cache, page, format).ok();
    let slow = reference::read(page, format == Format::OpenMetrics).ok();
    [first, again, slow.map(|samples| samples.into_iter().collect())]
}

#[test]
fn a_slow_reader_makes_the_same_of_the_table() {
    for (_, case) in cases() {
        let Ok(page) = String::from_utf8(case.page()) else {
            continue;
        };
        let [first, again, slow] = beside_the_slow_reader(&page, case.format);
        assert_eq!(first, slow, "{}", case.says);
        assert_eq!(first, again, "read again: {}", case.says);
    }
}

/// A page of the table from which some characters are gone, and into which some are put.
fn spoiled() -> impl Strategy<Value = (String, Format)> {
    let pages: Vec<&Case> = cases().map(|(_, case)| case).collect();
    let piece = prop::sample::select(vec![
        "", "", "{", "}", "\"", "\\", ",", "=", " ", "\t", "\n", "\r\n", "#", " # {", "# EOF\n", "1", "e", ".", "-",
        "+", "_", ":", "ü", "\0", "a", "NaN", "{\"x.y\"", "le=\"1\"",
    ]);
    let cut = (any::<prop::sample::Index>(), 0..3_usize, piece);
    (prop::sample::select(pages), prop::collection::vec(cut, 0..4)).prop_map(|(case, cuts)| {
        let mut page: Vec<char> = String::from_utf8_lossy(&case.page()).chars().collect();
        for (at, length, piece) in cuts {
            let at = at.index(page.len() + 1);
            let end = page.len().min(at + length);
            page.splice(at..end, piece.chars());
        }
        (page.into_iter().collect(), case.format)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_slow_reader_makes_the_same_of_spoiled_pages((page, format) in spoiled()) {
        let [first, again, slow] = beside_the_slow_reader(&page, format);
        prop_assert_eq!(&first, &slow);
        prop_assert_eq!(first, again);
    }
}
