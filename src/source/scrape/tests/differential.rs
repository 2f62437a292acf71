//! Our reader beside another one, where both can read the page; and where the other cannot.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::selection;
use crate::domain::labels::Labels;
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;

const METRICS: [&str; 4] = ["a_total", "b", "c:rate", "http_requests_total"];

/// By series, the bits of the value.
type Samples = BTreeMap<String, u64>;

fn ours(text: &str) -> Samples {
    let framing = Framing {
        format: Format::Text,
        whole: true,
    };
    let view = SeriesView::default();
    let page = SeriesCache::default()
        .read(text, framing, &selection(&METRICS), &view)
        .unwrap();
    let sample = |sample: crate::domain::reading::Sample| (sample.series.key.clone(), sample.value.to_bits());
    page.samples.into_iter().map(sample).collect()
}

fn theirs(text: &str) -> Samples {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).unwrap();
    let mut samples = Samples::new();
    for sample in scrape.samples {
        let labels: Labels = sample
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let value = match sample.value {
            prometheus_parse::Value::Counter(value)
            | prometheus_parse::Value::Gauge(value)
            | prometheus_parse::Value::Untyped(value) => value,
            other => panic!("{other:?}"),
        };
        samples
            .entry(format!("{}{labels}", sample.metric))
            .or_insert(value.to_bits());
    }
    samples
}

/// Lines that both understand: its names are words, and its labels' values hold none of `,={}"\`.
fn line() -> impl Strategy<Value = String> {
    let metric = prop::sample::select(vec!["a_total", "b", "http_requests_total"]);
    let labels = prop::collection::btree_map("[a-z]{1,4}", "[a-zA-Z0-9/._ -]{1,8}", 0..4);
    let value = prop_oneof![
        any::<u32>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        Just("NaN".to_owned()),
        Just("+Inf".to_owned()),
        Just("-Inf".to_owned()),
    ];
    let timestamp = prop::option::of(0..2_000_000_000_000_i64);
    (metric, labels, value, timestamp).prop_map(|(metric, labels, value, timestamp)| {
        let labels: Labels = labels.into_iter().collect();
        let timestamp = timestamp.map(|at| format!(" {at}")).unwrap_or_default();
        format!("{metric}{labels} {value}{timestamp}")
    })
}

proptest! {
    #[test]
    fn both_readers_see_the_same_samples(lines in prop::collection::vec(line(), 0..20)) {
        let types = "# HELP a_total Some help.\n# TYPE a_total counter\n# TYPE b gauge\n";
        let text = format!("{types}{}\n", lines.join("\n"));
        prop_assert_eq!(ours(&text), theirs(&text));
    }
}

#[test]
fn values_with_commas_equals_signs_and_braces_are_read_where_the_other_reader_loses_labels() {
    let cases = [
        (r#"a_total{path="/a,b"} 1"#, r#"a_total{path="/a,b"}"#),
        (r#"a_total{query="x=1"} 1"#, r#"a_total{query="x=1"}"#),
        (r#"a_total{path="/u/{id}"} 1"#, r#"a_total{path="/u/{id}"}"#),
        (r#"a_total{quote="\"",b="c"} 1"#, r#"a_total{b="c",quote="\""}"#),
    ];
    for (text, key) in cases {
        let read: Vec<String> = ours(text).into_keys().collect();
        assert_eq!(read, [key]);
        assert_ne!(
            theirs(text).into_keys().collect::<Vec<_>>(),
            [key],
            "the other reader has learned {text}"
        );
    }
}
