//! Sloth's formats from outside: a text, and what must come of it.

mod golden;
mod lenient;
mod plugins;
mod refused;

use crate::domain::alert::policy::Severity;
use crate::domain::indicator::{IndicatorKind, PromQlForm, PromQlIndicator, RatioPart};
use crate::domain::slo::Slo;
use crate::domain::window::WindowLength;
use crate::spec::{Loaded, LoadedSet, Options, SourceFile, load, load_files};

/// The lines are numbered by the tests below.
const GOOD: &str = r##"version: "prometheus/v1"
service: "shop"
labels:
  team: payments
  tier: 2
slos:
  - name: "availability"
    objective: 99.9
    description: "Requests are answered."
    labels:
      tier: "1"
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
    alerting:
      name: ShopErrors
      labels:
        category: availability
      annotations:
        runbook: https://example.org/runbook
      page_alert:
        labels:
          severity: critical
        annotations:
          hurry: "yes"
      ticket_alert:
        labels:
          channel: "#shop"
        annotations:
          hurry: "no"
"##;

const RESOURCE: &str = r"apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata:
  name: shop
  namespace: monitoring
  labels: {app: sloth}
spec:
  service: shop
  labels: {team: payments}
  slos:
    - name: availability
      objective: 99
      sli:
        raw:
          errorRatioQuery: sum(rate(bad_total[{{.window}}])) / sum(rate(all_total[{{.window}}]))
      alerting:
        name: ShopErrors
        pageAlert: {disable: true}
        ticketAlert: {labels: {severity: low}}
";

fn only(loaded: &Loaded) -> &Slo {
    assert!(loaded.is_valid() && loaded.slos.len() == 1, "{:#?}", loaded.diagnostics);
    &loaded.slos[0]
}

/// `code line` of every diagnostic of these severities.
fn places(loaded: &Loaded, letters: &str) -> Vec<String> {
    let found = loaded.diagnostics.iter().filter(|d| letters.contains(&d.code[..1]));
    found.map(|d| format!("{} {}", d.code, d.line)).collect()
}

fn hint_of<'a>(loaded: &'a Loaded, code: &str) -> &'a str {
    let found = loaded.diagnostics.iter().find(|d| d.code == code);
    found.and_then(|d| d.hint.as_deref()).unwrap_or_default()
}

fn set(texts: &[&str], options: Options) -> LoadedSet {
    let files = texts.iter().enumerate();
    let files: Vec<_> = files
        .map(|(n, text)| SourceFile::new(format!("{n}.yaml"), text))
        .collect();
    load_files(&files.iter().collect::<Vec<_>>(), &options)
}

fn days(days: u32) -> Options {
    Options {
        default_period: WindowLength::from_minutes(days * 1440).expect("a window"),
        ..Options::default()
    }
}

fn factors(slo: &Slo) -> Vec<f64> {
    slo.alerting.burn.iter().map(|condition| condition.factor).collect()
}

#[test]
fn a_file_becomes_slos() {
    let loaded = load(GOOD, "shop.yaml");
    let slo = only(&loaded);
    assert_eq!(slo.id.to_string(), "shop/availability");
    assert_eq!(slo.objective.to_string(), "99.9%");
    assert_eq!(slo.description.as_deref(), Some("Requests are answered."));
    assert_eq!(slo.labels.to_string(), r#"{team="payments",tier="1"}"#);
    assert_eq!(slo.window.written(), "30d");
    assert_eq!((slo.origin.file.as_str(), slo.origin.line), ("shop.yaml", 7));
    assert!(
        slo.source_text.starts_with("- name: \"availability\""),
        "{}",
        slo.source_text
    );
    let policy = &slo.alerting;
    assert!(policy.enabled && policy.no_data_for.is_some());
    assert_eq!(policy.name, "ShopErrors");
    assert_eq!(
        policy.labels.to_string(),
        r#"{category="availability",sloth_id="shop-availability",sloth_service="shop",sloth_slo="availability"}"#
    );
    assert_eq!(policy.annotations.get("runbook"), "https://example.org/runbook");
    assert_eq!(
        policy.page.labels.to_string(),
        r#"{severity="critical",sloth_severity="page"}"#
    );
    assert_eq!(
        policy.ticket.labels.to_string(),
        r##"{channel="#shop",sloth_severity="ticket"}"##
    );
    assert_eq!(policy.page.annotations.get("hurry"), "yes");
    let conditions = policy.burn.iter();
    let conditions = conditions.map(|c| {
        format!(
            "{} {} {} {}",
            c.severity.word(),
            c.short.written,
            c.long.written,
            c.factor
        )
    });
    assert_eq!(
        conditions.collect::<Vec<_>>(),
        ["page 5m 1h 14.4", "page 30m 6h 6", "ticket 2h 1d 3", "ticket 6h 3d 1"]
    );
}

#[test]
fn a_resource_becomes_slos_and_a_switched_off_alert_has_no_conditions() {
    let loaded = load(RESOURCE, "shop.yaml");
    let slo = only(&loaded);
    assert_eq!(places(&loaded, "NL"), [""; 0]);
    assert_eq!(slo.id.to_string(), "shop/availability");
    let IndicatorKind::PromQl(PromQlIndicator {
        form: PromQlForm::RawRatio { ratio_of, .. },
        ..
    }) = &slo.indicator.kind
    else {
        panic!("{:?}", slo.indicator);
    };
    assert_eq!(*ratio_of, RatioPart::Bad);
    assert!(
        slo.alerting
            .burn
            .iter()
            .all(|condition| condition.severity == Severity::Ticket)
    );
    assert_eq!(factors(slo), [3.0, 1.0]);
    assert_eq!(slo.alerting.ticket.labels.get("severity"), "low");
}

#[test]
fn an_slo_without_alerts_needs_no_name_and_calls_nobody() {
    let text = GOOD.split("    alerting:").next().expect("a head").to_owned()
        + "    alerting:\n      page_alert: {disable: true}\n      ticket_alert: {disable: true, labels: {a: b}}\n";
    let loaded = load(&text, "f.yaml");
    let policy = &only(&loaded).alerting;
    assert!(!policy.enabled && policy.no_data_for.is_none());
    assert_eq!(policy.burn.len(), 4, "the windows are still looked at");
}

#[test]
fn a_severity_for_all_alerts_goes_to_pages_and_tickets() {
    let text = GOOD.replace("category: availability", "severity: sev2");
    let loaded = load(&text, "f.yaml");
    let policy = &only(&loaded).alerting;
    assert_eq!(policy.labels.get("severity"), "");
    assert_eq!(policy.page.labels.get("severity"), "critical");
    assert_eq!(policy.ticket.labels.get("severity"), "sev2");
}

#[test]
fn templates_that_only_prometheus_fills_in_are_noted() {
    let text = GOOD.replace("https://example.org/runbook", "'{{ $labels.job }} burns'");
    let loaded = load(&text, "f.yaml");
    let notes = loaded.diagnostics.iter().filter(|d| d.code == "I002");
    assert_eq!(notes.map(|d| d.line).collect::<Vec<_>>(), [21]);
    assert_eq!(
        only(&loaded).alerting.annotations.get("runbook"),
        "{{ $labels.job }} burns"
    );
}

const QUERY: &str = r#"sum(rate(http_requests_total{job="shop"}[{{.window}}]))"#;
const FOLDED: &str = r#"|
          # All requests.
          sum(
            rate(http_requests_total{ job="shop" }[{{ .window }}])
          ) # per second"#;
const SPREAD: &str = r#"(
            sum(rate(http_requests_total{job="shop"}[{{.window}}]))
            - sum(rate(http_ignored_total{job="shop"}[{{.window}}]))
          )"#;

#[test]
fn odd_shapes_of_yaml_are_read() {
    let no_blocks = GOOD.split("      page_alert:").next().expect("a head");
    for (sentence, text) in [
        ("a leading separator", format!("---\n{GOOD}")),
        ("a comment-only document first", format!("# SLOs\n---\n{GOOD}")),
        ("no alert blocks", no_blocks.to_owned()),
        ("an empty alert block", format!("{no_blocks}      page_alert: {{}}\n")),
        ("a null alert block", format!("{no_blocks}      page_alert:\n")),
        ("a boolean as a label", GOOD.replace("\"#shop\"", "true")),
        ("a number as an annotation", GOOD.replace("\"yes\"", "0.2")),
        (
            "an annotation with underscores",
            GOOD.replace("hurry: \"no\"", "__dashboardUid__: a"),
        ),
        ("a whole objective", GOOD.replace("99.9", "99")),
        ("a folded query with a comment", GOOD.replace(QUERY, FOLDED)),
        ("a query over several lines", GOOD.replace(QUERY, SPREAD)),
        ("CRLF", GOOD.replace('\n', "\r\n")),
    ] {
        let loaded = load(&text, "f.yaml");
        assert_eq!(places(&loaded, "NL"), [""; 0], "{sentence}");
        assert_eq!(loaded.slos.len(), 1, "{sentence}");
    }
}

const SLI: &str = r#"    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
"#;

#[test]
fn an_objective_of_100_percent_is_read_and_idle() {
    let loaded = load(&GOOD.replace("99.9", "100"), "f.yaml");
    assert!(only(&loaded).objective.is_whole());
    assert_eq!(places(&loaded, "NL"), ["L017 8"]);
}

#[test]
fn a_ratio_as_objective_is_doubted() {
    let loaded = load(&GOOD.replace("99.9", "0.999"), "f.yaml");
    assert_eq!(only(&loaded).objective.parts_per_billion(), 9_990_000);
    assert_eq!(hint_of(&loaded, "L019"), "objectives are percentages: write 99.9");
}

#[test]
fn a_factor_that_cannot_be_reached_is_kept_and_doubted() {
    let loaded = load(&GOOD.replace("99.9", "90"), "f.yaml");
    assert_eq!(factors(only(&loaded)), [14.4, 6.0, 3.0, 1.0]);
    assert_eq!(places(&loaded, "NL"), ["L002 8"]);
}

#[test]
fn misspelt_keys_are_warned_about() {
    let window = GOOD.replace("    description:", "    window: 7d\n    description:");
    for (sentence, text, warning, hint) in [
        (
            "camelCase in a file",
            GOOD.replace("page_alert:", "pageAlert:"),
            "L008 22",
            "did you mean `page_alert`?",
        ),
        (
            "a slip of the finger",
            GOOD.replace("ticket_alert:", "ticker_alert:"),
            "L008 27",
            "did you mean `ticket_alert`?",
        ),
        (
            "a window of its own",
            window,
            "L008 9",
            "in Sloth all SLOs have the same period",
        ),
        (
            "a query one level too high",
            GOOD.replace("    sli:\n", "    sli:\n      error_query: a\n"),
            "L008 13",
            "it belongs into `events`",
        ),
    ] {
        let loaded = load(&text, "f.yaml");
        assert_eq!(places(&loaded, "NL"), [warning], "{sentence}");
        let given = hint_of(&loaded, "L008");
        assert!(given.starts_with(hint), "{sentence}: {given}");
    }
}

#[test]
fn an_alert_that_is_on_by_a_slip_is_explained() {
    let nameless = RESOURCE.replace("        name: ShopErrors\n", "");
    for (sentence, written, hint, culprit) in [
        (
            "snake_case in a resource",
            "page_alert: {disable: true}",
            "did you mean `pageAlert`?",
            "page_alert",
        ),
        (
            "disabled instead of disable",
            "pageAlert: {disabled: true}",
            "did you mean `disable`?",
            "disabled",
        ),
        (
            "page.enabled",
            "page: {enabled: false}",
            "did you mean `pageAlert`?",
            "page",
        ),
        (
            "enabled instead of disable",
            "pageAlert: {enabled: false}",
            "an alert is on unless",
            "enabled",
        ),
    ] {
        let loaded = load(&nameless.replace("pageAlert: {disable: true}", written), "f.yaml");
        assert_eq!(places(&loaded, "NL"), ["N005 16", "L008 17"], "{sentence}");
        assert!(hint_of(&loaded, "L008").starts_with(hint), "{sentence}");
        let cause = format!("Sloth does not read `{culprit}` in line 17;");
        assert!(hint_of(&loaded, "N005").starts_with(&cause), "{sentence}");
    }
}

#[test]
fn an_unknown_kind_is_refused_with_the_right_one() {
    for (kind, hint) in [
        ("PrometheusServiceLevels", "did you mean `PrometheusServiceLevel`?"),
        ("PrometheusSLO", "SLOs are of kind `PrometheusServiceLevel`"),
        ("SLOList", "a list is a `List` with `items`"),
    ] {
        let loaded = load(
            &RESOURCE.replace("kind: PrometheusServiceLevel", &format!("kind: {kind}")),
            "f.yaml",
        );
        assert_eq!(places(&loaded, "N"), ["N024 2"], "{kind}");
        assert!(hint_of(&loaded, "N024").starts_with(hint), "{kind}");
    }
}

#[test]
fn a_strict_reader_refuses_unknown_keys() {
    let strict = Options {
        strict: true,
        ..Options::default()
    };
    let found = set(&[&GOOD.replace("page_alert:", "pageAlert:")], strict);
    assert!(!found.files[0].is_valid());
}

const WEEK: &str = "\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 24h}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 72h}
";

#[test]
fn catalogs_give_the_factors_of_sloth() {
    let month = WEEK
        .replace("7d", "30d")
        .replace("errorBudgetPercent: 8", "errorBudgetPercent: 1");
    for (sentence, texts, options, windows, wanted) in [
        (
            "28 days",
            vec![GOOD],
            days(28),
            "4w",
            [
                13.44,
                5.600_000_000_000_000_5,
                2.800_000_000_000_000_3,
                0.933_333_333_333_333_3,
            ],
        ),
        ("30 days", vec![GOOD], days(30), "30d", [14.4, 6.0, 3.0, 1.0]),
        (
            "7 days",
            vec![GOOD, WEEK],
            days(7),
            "1w",
            [13.44, 3.5, 1.400_000_000_000_000_1, 0.98],
        ),
        (
            "a catalog for 30 days",
            vec![&month, GOOD],
            days(30),
            "30d",
            [7.2, 15.0, 6.0, 4.199_999_999_999_999],
        ),
    ] {
        let found = set(&texts, options);
        let slo = found.files.iter().flat_map(|file| &file.slos).next().expect(sentence);
        assert_eq!(factors(slo), wanted, "{sentence}");
        assert_eq!(slo.window.written(), windows, "{sentence}");
        assert_eq!(slo.alerting.burn[2].long.written, "1d", "{sentence}");
    }
}

#[test]
fn a_period_without_a_catalog_is_an_error_that_names_the_known_ones() {
    let found = set(&[GOOD, WEEK], days(42));
    assert_eq!(places(&found.files[0], "N"), ["N032 6"]);
    let hint = hint_of(&found.files[0], "N032");
    assert!(hint.starts_with("known periods are 7d, 28d, 30d;"), "{hint}");
}

#[test]
fn alert_windows_are_checked() {
    for (sentence, old, new, found) in [
        ("valid", "", "", ""),
        ("a period is needed", "  sloPeriod: 7d\n", "", "N005 4"),
        ("a period of nothing", "7d", "0s", "N013 4"),
        ("a period that is no duration", "7d", "week", "N013 4"),
        ("a window is needed", ", longWindow: 72h", "", "N005 10"),
        ("an empty window", "2h", "\"\"", "N013 9"),
        ("a pair is needed", "  ticket:", "  tickets:", "N005 8"),
        ("a share of nothing", "12.5", "0", "N022 7"),
        ("a share that is no number", "12.5", "much", "N022 7"),
        ("a short window as long as the long one", "5m", "1h", "L016 6"),
    ] {
        let loaded = load(&WEEK.replacen(old, new, 1), "f.yaml");
        let places = places(&loaded, "NL");
        assert!(
            found.is_empty() && places.is_empty() || places.contains(&found.to_owned()),
            "{sentence}: {places:?}"
        );
    }
}

#[test]
fn two_catalogs_for_one_period_are_an_error_and_twice_the_same_a_warning() {
    let found = set(&[WEEK, &WEEK.replace("42", "41"), GOOD], days(7));
    let codes: Vec<_> = found.files.iter().map(|file| places(file, "NL")).collect();
    assert_eq!(codes, [vec![], vec!["N017 4".to_owned()], vec![]]);
    let found = set(&[WEEK, &WEEK.replace("24h", "1d")], days(7));
    assert_eq!(places(&found.files[1], "NL"), ["L018 4"]);
}

#[test]
fn the_same_service_and_name_twice_is_an_error() {
    let found = load(&format!("{GOOD}---\n{GOOD}"), "f.yaml");
    assert_eq!(places(&found, "N"), ["N017 39"]);
}
