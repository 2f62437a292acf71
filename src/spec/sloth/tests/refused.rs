//! What Sloth's validation refuses.

use super::{GOOD, SLI, places};
use crate::spec::load;

/// What Sloth refuses: a sentence, what is replaced by what, and the errors by code and line.
const REFUSED: [(&str, &str, &str, &[&str]); 35] = [
    ("a service is needed", "service: \"shop\"\n", "", &["N005 1"]),
    ("an empty service", "\"shop\"", "\"\"", &["N005 2"]),
    ("a service with a brace", "\"shop\"", "\"this-is-{a-test\"", &["N015 2"]),
    (
        "a service begins with a letter or digit",
        "\"shop\"",
        "\"_shop\"",
        &["N015 2"],
    ),
    (
        "a service ends with a letter or digit",
        "\"shop\"",
        "\"shop_\"",
        &["N015 2"],
    ),
    ("a service has two characters", "\"shop\"", "\"s\"", &["N015 2"]),
    ("a name is needed", "- name: \"availability\"", "- {}", &["N002 8"]),
    ("an empty name", "\"availability\"", "\"\"", &["N005 7"]),
    (
        "a name with a brace",
        "\"availability\"",
        "\"this-is-{a-test\"",
        &["N015 7"],
    ),
    (
        "a name begins with a letter or digit",
        "\"availability\"",
        "_a",
        &["N015 7"],
    ),
    (
        "a name ends with a letter or digit",
        "\"availability\"",
        "a_",
        &["N015 7"],
    ),
    ("an objective is needed", "    objective: 99.9\n", "", &["N005 7"]),
    ("an objective below 0", "99.9", "-1", &["N012 8"]),
    ("an objective of 0", "99.9", "0", &["N012 8"]),
    ("an objective above 100", "99.9", "100.0001", &["N012 8"]),
    ("an objective that is no number", "99.9", "high", &["N012 8"]),
    (
        "a label that is the metric's name",
        "tier: 2",
        "__name__: a",
        &["N016 5"],
    ),
    ("a label without a name", "tier: 2", "\"\": a", &["N016 5"]),
    ("a label without a value", "tier: 2", "tier: \"\"", &["N016 5"]),
    ("an SLO's label without a value", "tier: \"1\"", "tier:", &["N016 11"]),
    ("a label's value is no list", "tier: 2", "tier: [2]", &["N006 5"]),
    ("an SLI is needed", SLI, "", &["N005 7"]),
    ("an SLI has a type", SLI, "    sli: {}\n", &["N044 12"]),
    (
        "an error query is needed",
        "error_query: sum(rate(http_requests_total{job=\"shop\",code=~\"5..\"}[{{.window}}]))\n        ",
        "",
        &["N005 14"],
    ),
    (
        "an empty total query",
        "sum(rate(http_requests_total{job=\"shop\"}[{{.window}}]))",
        "\"\"",
        &["N005 15"],
    ),
    ("both queries are the same", ",code=~\"5..\"", "", &["N020 14"]),
    ("an alert has a name", "      name: ShopErrors\n", "", &["N005 16"]),
    ("an alert's name is not empty", "ShopErrors", "\"\"", &["N005 17"]),
    (
        "a shared label has a value",
        "category: availability",
        "category: \"\"",
        &["N016 19"],
    ),
    (
        "a shared annotation has a value",
        "https://example.org/runbook",
        "\"\"",
        &["N016 21"],
    ),
    (
        "a page's label has a value",
        "severity: critical",
        "severity: \"\"",
        &["N016 24"],
    ),
    (
        "a page's label is not the metric's name",
        "severity: critical",
        "__name__: a",
        &["N016 24"],
    ),
    ("a page's annotation has a value", "\"yes\"", "\"\"", &["N016 26"]),
    ("a ticket's label has a value", "\"#shop\"", "\"\"", &["N016 29"]),
    (
        "a ticket's annotation has a name",
        "hurry: \"no\"",
        "\"\": a",
        &["N016 31"],
    ),
];

#[test]
fn what_sloth_refuses_is_refused_at_its_line() {
    for (sentence, old, new, errors) in REFUSED {
        assert!(GOOD.contains(old), "{sentence}: the replaced text is not there");
        let loaded = load(&GOOD.replacen(old, new, 1), "f.yaml");
        let found = places(&loaded, "N");
        assert!(
            errors.iter().all(|error| found.contains(&(*error).to_owned())),
            "{sentence}: {found:?}"
        );
        assert!(loaded.slos.is_empty(), "{sentence}");
    }
}

#[test]
fn forms_and_chains_that_sloth_refuses_are_refused() {
    let events = "      events:";
    let raw = "      raw: {error_ratio_query: \"sum(rate(x[{{.window}}]))\"}\n      events:";
    for (sentence, old, new, error) in [
        ("two types of SLI", events, raw, "N044 14"),
        ("SLOs are needed", "slos:\n", "slos: []\nother:\n", "N005 6"),
        (
            "a plugin has an id",
            "    sli:",
            "    plugins: {chain: [{priority: 1}]}\n    sli:",
            "N005 12",
        ),
        (
            "an empty id",
            "    sli:",
            "    plugins: {chain: [{id: \"\"}]}\n    sli:",
            "N005 12",
        ),
        (
            "a chain that replaces all by nothing",
            "    sli:",
            "    plugins: {overridePrevious: true}\n    sli:",
            "N005 12",
        ),
        (
            "a priority is a number",
            "slos:\n",
            "slo_plugins: {chain: [{id: a, priority: high}]}\nslos:\n",
            "N022 6",
        ),
        (
            "the switch is a boolean",
            "      page_alert:\n",
            "      page_alert:\n        disable: \"true\"\n",
            "N006 23",
        ),
    ] {
        let loaded = load(&GOOD.replacen(old, new, 1), "f.yaml");
        let found = places(&loaded, "N");
        assert!(found.contains(&error.to_owned()), "{sentence}: {found:?}");
    }
}

#[test]
fn queries_that_sloth_refuses_are_refused() {
    let error = r#"sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))"#;
    let total = r#"sum(rate(http_requests_total{job="shop"}[{{.window}}]))"#;
    for (sentence, old, new, found) in [
        (
            "an error query is PromQL",
            error,
            "sum(rate(x{[{{ .window }}]))",
            "N040 14",
        ),
        (
            "a total query is PromQL",
            total,
            "sum(rate(x{[{{ .window }}]))",
            "N040 15",
        ),
        ("an error query has its window", error, "sum(rate(x[1m]))", "N041 14"),
        ("a total query has its window", total, "sum(rate(x[1m]))", "N041 15"),
    ] {
        let loaded = load(&GOOD.replace(old, new), "f.yaml");
        assert_eq!(places(&loaded, "N"), [found], "{sentence}");
    }
    for (sentence, query, found) in [
        ("a raw query is PromQL", "sum(rate(x{[{{ .window }}]))", "N040 14"),
        ("a raw query has its window", "sum(rate(x[1m]))", "N041 14"),
        ("a raw query is not empty", "\"\"", "N005 14"),
    ] {
        let raw = format!("    sli:\n      raw:\n        error_ratio_query: {query}\n");
        let loaded = load(&GOOD.replace(SLI, &raw), "f.yaml");
        assert_eq!(places(&loaded, "N"), [found], "{sentence}");
    }
}
