//! Answers as they are written: JSON of the query API, read into series without a tree in between.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::answer::AnsweredSeries;
use crate::domain::labels::Labels;
use crate::domain::time::Timestamp;

/// The label that holds a metric's name.
const NAME: &str = "__name__";

/// An answer, whatever it says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope<'a> {
    /// `success` or `error`
    #[serde(borrow, default)]
    pub status: Cow<'a, str>,
    /// What was asked for.
    #[serde(borrow)]
    pub data: Option<Data<'a>>,
    /// The kind of error.
    #[serde(borrow, default, rename = "errorType")]
    pub error_type: Cow<'a, str>,
    /// The error in words.
    #[serde(borrow, default)]
    pub error: Cow<'a, str>,
    /// What the server warns of.
    pub warnings: Option<Vec<String>>,
    /// What it remarks on.
    pub infos: Option<Vec<String>>,
    /// VictoriaMetrics: some of its nodes did not answer.
    #[serde(default, rename = "isPartial")]
    pub is_partial: bool,
}

/// What was asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Data<'a> {
    /// What the result is by its own words: `vector`, `matrix`, `scalar` or `string`.
    #[serde(borrow, default, rename = "resultType")]
    pub result_type: Cow<'a, str>,
    /// Read by its shape, whatever it says that it is.
    pub result: Option<Found>,
}

/// The series of a result, each label set once, their samples in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those with numbers.
    pub series: Vec<AnsweredSeries>,
    /// How many others hold native histograms.
    pub histograms: usize,
}

/// Reads an answer.
pub(super) fn parse(body: &[u8]) -> Result<Envelope<'_>, serde_json::Error> {
    serde_json::from_slice(body)
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Results)
    }
}

/// Reads `result`: a list of series, or one sample that belongs to none.
struct Results;

impl<'de> Visitor<'de> for Results {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector, a matrix or a scalar")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let mut merged = Merged::default();
        while let Some(item) = items.next_element::<Item>()? {
            match item {
                Item::Series(series) => merged.add(series),
                Item::Time(at) => {
                    let value = items.next_element::<Number>()?;
                    let value = value.ok_or_else(|| A::Error::custom("a scalar has a time and a value"))?;
                    merged.add(RawSeries {
                        value: Some(Sample((at, value.0))),
                        ..RawSeries::default()
                    });
                }
            }
        }
        Ok(merged.finish())
    }
}

/// Series under way: one label set may come in several pieces.
#[derive(Default)]
struct Merged {
    found: Found,
    places: HashMap<(String, Labels), usize>,
}

impl Merged {
    fn add(&mut self, raw: RawSeries) {
        let mut samples = raw.values.unwrap_or_default().0;
        samples.extend(raw.value.map(|sample| sample.0));
        if raw.histogram.or(raw.histograms).is_some() {
            self.found.histograms += 1;
            if samples.is_empty() {
                return;
            }
        }
        let place = self.found.series.len();
        match self.places.entry((raw.metric.name, raw.metric.labels)) {
            Entry::Occupied(known) => self.found.series[*known.get()].samples.extend(samples),
            Entry::Vacant(new) => {
                self.found.series.push(AnsweredSeries {
                    metric: new.key().0.clone(),
                    labels: new.key().1.clone(),
                    samples,
                });
                new.insert(place);
            }
        }
    }

    fn finish(mut self) -> Found {
        for series in &mut self.found.series {
            if !series.samples.is_sorted_by(|a, b| a.0 < b.0) {
                series.samples.sort_by_key(|sample| sample.0);
                series.samples.dedup_by_key(|sample| sample.0);
            }
        }
        self.found
    }
}

/// What a result begins with.
enum Item {
    Series(RawSeries),
    /// Of a scalar.
    Time(Timestamp),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Item;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series or a time")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                RawSeries::deserialize(MapAccessDeserializer::new(map)).map(Item::Series)
            }
            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Item, E> {
                Timestamp::from_seconds(seconds)
                    .map(Item::Time)
                    .ok_or_else(|| E::custom("a time is no number"))
            }
            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Item, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Item, E> {
                self.visit_f64(seconds as f64)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// One entry of a vector or a matrix.
#[derive(Default, Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: Metric,
    values: Option<Samples>,
    value: Option<Sample>,
    histogram: Option<IgnoredAny>,
    histograms: Option<IgnoredAny>,
}

/// Name and labels.
#[derive(Default)]
struct Metric {
    name: String,
    labels: Labels,
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Metric;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metric, A::Error> {
                let mut metric = Metric::default();
                while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if name == NAME {
                        metric.name = value.into_owned();
                    } else {
                        metric.labels.set(&*name, &*value);
                    }
                }
                metric.labels.shrink();
                Ok(metric)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A text, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The samples of one series.
#[derive(Default)]
struct Samples(Vec<(Timestamp, f64)>);

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Samples;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of samples")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Samples, A::Error> {
                let mut samples = Vec::new();
                while let Some(Sample(sample)) = items.next_element()? {
                    samples.push(sample);
                }
                samples.shrink_to_fit();
                Ok(Samples(samples))
            }
        }
        deserializer.deserialize_seq(All)
    }
}

/// `[1700000000.123, "1e3"]`
struct Sample((Timestamp, f64));

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, value) = <(f64, Number)>::deserialize(deserializer)?;
        let at = Timestamp::from_seconds(seconds).ok_or_else(|| D::Error::custom("a time is no number"))?;
        Ok(Self((at, value.0)))
    }
}

/// A value, which JSON's numbers cannot hold: `"NaN"`, `"+Inf"`, `"1e3"`.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number within quotes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a value is no number"))
            }
        }
        deserializer.deserialize_str(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(result: &str) -> Option<Found> {
        let body =
            format!(r#"{{"status":"success","data":{{"stats":{{"a":[1]}},"result":{result},"resultType":"x"}}}}"#);
        parse(body.as_bytes()).ok()?.data?.result
    }

    /// Series as `name{a=1} time=value …`, one per line.
    fn told(found: &Found) -> String {
        let series = found.series.iter().map(|series| {
            let labels: Vec<String> = series
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let samples: Vec<String> = series
                .samples
                .iter()
                .map(|(at, value)| format!("{}={value}", at.0))
                .collect();
            format!("{}{{{}}} {}", series.metric, labels.join(","), samples.join(" "))
        });
        series.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn results_become_series() {
        for (what, result, expected) in [
            ("nothing", "[]", ""),
            (
                "a vector has one sample each",
                r#"[{"metric":{"__name__":"up","b":"2","a":"1"},"value":[1700000000.123,"1"]},{"metric":{},"value":[5,"+Inf"]}]"#,
                "up{a=1,b=2} 1700000000123=1\n{} 5000=inf",
            ),
            (
                "a matrix has many, of every kind",
                r#"[{"metric":{"a":"\u00e9\""},"values":[[-1.5,"NaN"],[0,"-Inf"],[0.001,"1e3"],[1700000000.999,"1.5e-07"]]}]"#,
                "{a=é\"} -1500=NaN 0=-inf 1=1000 1700000000999=0.00000015",
            ),
            (
                "a scalar belongs to no series",
                r#"[1700000000.5,"42"]"#,
                "{} 1700000000500=42",
            ),
            (
                "pieces of a series come together in order, each time once",
                r#"[{"metric":{"a":"1"},"values":[[3,"3"],[4,"4"]]},{"metric":{"a":"2"},"values":[[1,"1"]]},
                    {"metric":{"a":"1"},"values":[[1,"1"],[3,"9"]]}]"#,
                "{a=1} 1000=1 3000=3 4000=4\n{a=2} 1000=1",
            ),
            (
                "an empty label is none",
                r#"[{"metric":{"a":"","b":"1"},"values":[]}]"#,
                "{b=1} ",
            ),
        ] {
            assert_eq!(found(result).as_ref().map(told).as_deref(), Some(expected), "{what}");
        }
    }

    #[test]
    fn native_histograms_are_counted_and_left_out() {
        let both = found(
            r#"[{"metric":{"a":"1"},"histograms":[[1,{"count":"1","buckets":[[0,"1","2","3"]]}]]},
                {"metric":{"a":"2"},"histogram":[1,{"count":"1"}]},
                {"metric":{"a":"3"},"values":[[1,"1"]],"histograms":[[2,{}]]}]"#,
        );
        let both = both.expect("a result");
        assert_eq!((both.histograms, told(&both).as_str()), (3, "{a=3} 1000=1"));
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for result in [
            r#"[{"metric":{"a":1},"values":[]}]"#,
            r#"[{"metric":{},"values":[["1","1"]]}]"#,
            r#"[{"metric":{},"values":[[1,1]]}]"#,
            r#"[{"metric":{},"values":[[1,"one"]]}]"#,
            r#"[{"metric":{},"values":[[1]]}]"#,
            r#"[1700000000,"a text"]"#,
            "[1700000000]",
            r#"["up"]"#,
            "7",
        ] {
            assert!(found(result).is_none(), "{result}");
        }
    }

    #[test]
    fn times_in_milliseconds_are_exact() {
        for ms in (1_699_999_999_000..1_700_000_001_000).chain([0, 1, 999, 4_102_444_800_001]) {
            let written = format!("{}.{:03}", ms / 1000, ms % 1000);
            let result = format!(r#"[{{"metric":{{}},"value":[{written},"0"]}}]"#);
            let found = found(&result).expect("a result");
            assert_eq!(found.series[0].samples[0].0.0, ms, "{written}");
        }
    }
}
