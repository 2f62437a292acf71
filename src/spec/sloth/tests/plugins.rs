//! Plugins.

use std::time::Duration;

use super::{GOOD, SLI, hint_of, only, places};
use crate::domain::indicator::{IndicatorKind, PromQlForm, RatioPart};
use crate::domain::slo::Slo;
use crate::spec::load;
use crate::spec::sloth::known_plugins::KNOWN;

#[test]
fn alerts_wait_as_their_plugin_says() {
    let with_for = GOOD.replace("      page_alert:\n", "      page_alert:\n        for: 2m\n");
    let chain = "slo_plugins: {chain: [{id: sloth.dev/contrib/alert_for/v1}]}\nslos:\n";
    let loaded = load(&with_for.replace("slos:\n", chain), "f.yaml");
    let waits = |slo: &Slo| slo.alerting.burn.iter().map(|c| c.pending_for).collect::<Vec<_>>();
    let two = Duration::from_mins(2);
    assert_eq!(waits(only(&loaded)), [two, two, Duration::ZERO, Duration::ZERO]);
    assert_eq!(places(&loaded, "NL"), [""; 0]);
    let loaded = load(&with_for, "f.yaml");
    assert_eq!(waits(only(&loaded))[0], two);
    assert_eq!(places(&loaded, "NL"), ["L021 23"]);
}

#[test]
fn what_other_plugins_do_is_listed_as_lost() {
    let chain = "slo_plugins:\n  chain:\n    - {id: sloth.dev/core/debug/v1, priority: -1, config: {msg: a}}\n    - id: \
                 ours/thing\nslos:\n";
    let loaded = load(&GOOD.replace("slos:\n", chain), "f.yaml");
    let notes: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.code == "I002")
        .map(|d| d.line)
        .collect();
    assert_eq!((only(&loaded).id.name.as_str(), notes), ("availability", vec![8, 9]));
}

fn with_plugin(id: &str, options: &str) -> String {
    GOOD.replace(
        SLI,
        &format!("    sli:\n      plugin:\n        id: {id}\n        options: {options}\n"),
    )
}

#[test]
fn known_plugins_count_what_they_count_in_sloth() {
    use RatioPart::{Bad, Good};
    for (id, options, total, part, part_is) in [
        (
            "sloth-common/coredns/availability",
            "{filter: '{job=\"dns\"},'}",
            "sum(rate(coredns_dns_responses_total{job=\"dns\"}[{{.window}}]))",
            "sum(rate(coredns_dns_responses_total{job=\"dns\",rcode=~\"SERVFAIL\"}[{{.window}}]))",
            Bad,
        ),
        (
            "sloth-common/traefik/v2/latency",
            "{bucket: 0.3, service_name_regex: \"^shop@.*\", exclude_errors: true}",
            "sum(rate(traefik_service_request_duration_seconds_count{code!~\"5..\",service=~\"^shop@.*\"}[{{.window}}]))",
            "sum(rate(traefik_service_request_duration_seconds_bucket{code!~\"5..\",service=~\"^shop@.*\",le=\"0.3\"}\
             [{{.window}}]))",
            Good,
        ),
        (
            "sloth-common/prometheus/rules/eval-availability",
            "{}",
            "sum(rate(prometheus_rule_evaluations_total[{{.window}}]))",
            "sum(rate(prometheus_rule_evaluation_failures_total[{{.window}}]))",
            Bad,
        ),
    ] {
        let loaded = load(&with_plugin(id, options), "f.yaml");
        let IndicatorKind::PromQl(indicator) = &only(&loaded).indicator.kind else {
            panic!("{id}: {:?}", loaded.slos);
        };
        let wanted = PromQlForm::Ratio {
            total: total.to_owned(),
            part: part.to_owned(),
            part_is,
        };
        assert_eq!(indicator.form, wanted, "{id}");
        assert_eq!(places(&loaded, "NL"), [""; 0], "{id}");
    }
}

#[test]
fn every_known_plugin_can_be_used() {
    let options = "{filter: 'a=\"b\"', bucket: 1, controller: c, service_name_regex: s, backend_regex: b, service: s, \
                   namespace: n}";
    for plugin in &KNOWN {
        let loaded = load(&with_plugin(plugin.id, options), "f.yaml");
        assert_eq!(only(&loaded).id.name, "availability", "{}", plugin.id);
    }
}

#[test]
fn plugins_that_cannot_be_run_or_lack_options_are_refused() {
    for (sentence, id, options, error) in [
        ("nobody knows it", "ours/thing", "{}", "N038 14"),
        (
            "an option is missing",
            "sloth-common/coredns/latency",
            "{filter: 'a=\"b\"'}",
            "N005 15",
        ),
        (
            "a bucket is a number",
            "sloth-common/coredns/latency",
            "{bucket: fast}",
            "N022 15",
        ),
        (
            "a filter is a list of matchers",
            "sloth-common/coredns/latency",
            "{bucket: 1, filter: 'job='}",
            "N040 15",
        ),
        (
            "a switch is a boolean",
            "sloth-common/slok-go-http-metrics/latency",
            "{bucket: 1, filter: 'a=\"b\"', exclude_errors: perhaps}",
            "N006 15",
        ),
    ] {
        let loaded = load(&with_plugin(id, options), "f.yaml");
        assert_eq!(places(&loaded, "N"), [error], "{sentence}");
    }
    let loaded = load(&with_plugin("sloth-common/coredns/latancy", "{}"), "f.yaml");
    assert_eq!(
        hint_of(&loaded, "N038"),
        "nines knows what `sloth-common/coredns/latency` counts"
    );
}
