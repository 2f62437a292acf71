//! Pyrra's `latencyNative`.

use super::{kind, object};
use crate::domain::indicator::{IndicatorKind, PromQlForm, PromQlIndicator};
use crate::spec::load;

#[test]
fn native_histograms_are_read() {
    let IndicatorKind::PromQl(PromQlIndicator {
        form: PromQlForm::Latency {
            histogram,
            threshold,
            written,
        },
        scraped: Some(scraped),
    }) = kind("latencyNative: {total: {metric: 'd{a=\"1\"}'}, latency: 200ms}")
    else {
        panic!("another form");
    };
    assert_eq!(
        (histogram.to_string().as_str(), written.as_str()),
        (r#"d{a="1"}"#, "200ms")
    );
    assert!((threshold - 0.2).abs() < 1e-12);
    assert_eq!(
        *scraped,
        IndicatorKind::Latency {
            histogram,
            threshold,
            written
        }
    );
    for (metric, latency, codes) in [
        ("d", "200ms", vec!["L024"]),
        ("d", "250ms", vec![]),
        ("'{a=\"1\"}'", "250ms", vec!["I004"]),
    ] {
        let loaded = load(
            &object(
                &format!("latencyNative: {{total: {{metric: {metric}}}, latency: {latency}}}"),
                "",
            ),
            "f.yaml",
        );
        let found: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(found, codes, "{metric} {latency}: {:?}", loaded.diagnostics);
    }
}

#[test]
fn durations_of_native_histograms_get_a_hint() {
    for (latency, hint) in [
        ("'0.3'", Some("300ms")),
        ("0.25s", Some("250ms")),
        ("2.5", Some("2500ms")),
        ("foo", None),
    ] {
        let native = format!("latencyNative: {{total: {{metric: d}}, latency: {latency}}}");
        let loaded = load(&object(&native, ""), "f.yaml");
        let found = loaded.diagnostics.iter().find(|d| d.code == "N013").expect(latency);
        let is_hinted = found.hint.as_deref().is_some_and(|text| text.contains("ms"));
        assert_eq!(is_hinted, hint.is_some(), "{latency}: {found:?}");
        assert!(
            hint.is_none_or(|word| found.hint.as_deref().unwrap_or_default().ends_with(word)),
            "{found:?}"
        );
    }
}
