//! What is read although Sloth would not, and what is passed over.

use super::*;

#[test]
fn what_sloth_itself_would_not_take_is_said() {
    let version = "version: \"prometheus/v1\"";
    let strict = Options {
        strict: true,
        ..Options::default()
    };
    for (from, to, expected) in [
        ("99.9", "\"99.9\"", "L021 8"),
        (version, "version: prometheus/v1  # SLOs", "L021 1"),
        (version, "\"version\": prometheus/v1", "L021 1"),
        (version, "version:   'prometheus/v1'  ", ""),
    ] {
        let text = GOOD.replace(from, to);
        let loaded = load(&text, "f.yaml");
        assert_eq!(places(&loaded, "NL").join(" "), expected, "{to}");
        assert_eq!(only(&loaded).objective.to_string(), "99.9%", "{to}");
        assert_eq!(set(&[&text], strict).files[0].is_valid(), expected.is_empty(), "{to}");
    }
    for (objective, hint) in [("99.9%", "write 99.9"), ("99,9", "write 99.9"), ("most", "")] {
        let loaded = load(&GOOD.replace("99.9", objective), "f.yaml");
        assert_eq!(
            (places(&loaded, "NL").join(" ").as_str(), hint_of(&loaded, "N012")),
            ("N012 8", hint)
        );
    }
}

#[test]
fn booleans_are_read_as_gos_yaml_reads_them() {
    for (word, is_on, expected) in [
        ("yes", false, "L021 2"),
        ("On", false, "L021 2"),
        ("off", true, "L021 2"),
        ("true", false, ""),
        ("'yes'", true, "N006 2"),
        ("maybe", true, "N006 2"),
    ] {
        let text = GOOD.replace(
            "      page_alert:\n",
            &format!("      page_alert:\n        disable: {word}\n"),
        );
        let loaded = load(&text, "f.yaml");
        assert_eq!(places(&loaded, "NL").join(" "), expected.replace(" 2", " 23"), "{word}");
        let has_pages = |slo: &Slo| slo.alerting.burn.iter().any(|burn| burn.severity == Severity::Page);
        assert_eq!(loaded.slos.first().is_none_or(has_pages), is_on, "{word}");
    }
}

#[test]
fn patches_of_resources_are_skipped_and_what_forgets_something_is_not() {
    let head = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {name: x}\n";
    for (rest, expected) in [
        ("spec: {labels: {team: b}}\n", "I003 1"),
        ("$patch: delete\n", "I003 1"),
        ("spec: {label: {team: b}}\n", "L008 4 N005 4 N005 4"),
        ("spec: {}\n", "N005 4 N005 4"),
        ("spec: {service: shop}\n", "N005 4"),
        ("", "N005 1"),
    ] {
        let mut found = places(&load(&format!("{head}{rest}"), "f.yaml"), "NLI");
        found.sort();
        assert_eq!(found.join(" "), expected, "{rest}");
    }
}
