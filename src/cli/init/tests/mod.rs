//! What servers have, and what is written then.

mod fake;
mod running;

use clap::Parser;
use clap::error::ErrorKind;

use self::fake::Fake;
use super::*;
use crate::cli::{Cli, Command};
use crate::domain::indicator::IndicatorKind;

/// 2026-11-21T08:00:00Z
const NOW: Timestamp = Timestamp(1_795_248_000_000);

fn parsed(flags: &[&str]) -> Result<InitArgs, clap::Error> {
    let command = ["nines", "init"].iter().chain(flags);
    match Cli::try_parse_from(command)?.command {
        Command::Init(args) => Ok(*args),
        other => panic!("{other:?}"),
    }
}

fn args(flags: &[&str]) -> InitArgs {
    let url = ["--prometheus-url", "http://127.0.0.1:9090"];
    parsed(&[&url, flags].concat()).expect("flags")
}

/// Both files in one text, what was told, and the files.
async fn propose_from(server: &Fake, flags: &[&str]) -> (String, Vec<(&'static str, String)>) {
    let args = args(flags);
    let mut plan = propose(server, &args, NOW, &mut Vec::new()).await.expect("an answer");
    let written = args.prometheus.write(Path::new(".")).expect("no files are named");
    let texts = plan.texts(&written).expect("texts that load");
    let mut told = Vec::new();
    show::found(&mut told, &plan).expect("memory");
    (String::from_utf8(told).expect("UTF-8"), texts)
}

fn slos(texts: &[(&'static str, String)]) -> String {
    let found = texts.iter().find(|(name, _)| *name == files::SLOS);
    found.map(|(_, text)| text.clone()).unwrap_or_default()
}

/// A server, the lines that must be written in this order, and the words that must not.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        "a counter with `code` and a histogram",
        r#"
        http_requests_total{job="shop",code="200"} 7165.77
        http_requests_total{job="shop",code="503"} 2.725
        http_request_duration_seconds_bucket{job="shop",le="0.1"} 5000
        http_request_duration_seconds_bucket{job="shop",le="0.25"} 7132
        http_request_duration_seconds_bucket{job="shop",le="1"} 7165
        http_request_duration_seconds_bucket{job="shop",le="+Inf"} 7168
        up{job="shop"} 1
        "#,
        &[
            "service: shop",
            "  - name: availability",
            "    # measured: 99.961 % of about 1,204,307 requests in the last 7 days",
            "    objective: 99.95",
            "      source: main",
            "      total: 'http_requests_total{job=\"shop\"}'",
            "      bad: 'http_requests_total{job=\"shop\",code=~\"5..\"}'",
            "  - name: latency",
            "    # measured: 99.497 % of about 1,204,224 requests within 250ms in the last 7 days",
            "    objective: 99",
            "      latency: 'http_request_duration_seconds{job=\"shop\"}'",
            "      threshold: 250ms",
        ],
        &["boolean", "grpc"],
    ),
    (
        "Spring's histogram, and a job of which only `up` is there",
        r#"
        http_server_requests_seconds_count{job="api",status="200",outcome="SUCCESS"} 3600
        http_server_requests_seconds_bucket{job="api",le="0.001"} 3599
        http_server_requests_seconds_bucket{job="api",le="+Inf"} 3600
        up{job="api"} 1
        up{job="node"} 0.9995
        "#,
        &[
            "service: api",
            "    objective: 99.99",
            "      total: 'http_server_requests_seconds_count{job=\"api\"}'",
            "      bad: 'http_server_requests_seconds_count{job=\"api\",status=~\"5..\"}'",
            "      threshold: 1ms",
            "service: node",
            "  - name: up",
            "    # measured: 99.95 % of about 40,320 samples in the last 7 days",
            "    objective: 99.95",
            "      boolean: 'up{job=\"node\"}'",
        ],
        &["up{job=\"api\"}"],
    ),
    (
        "gRPC beside HTTP of OpenTelemetry, in one service",
        r#"
        http_server_request_duration_seconds_count{job="shop",http_response_status_code="200"} 100
        grpc_server_handled_total{job="shop",grpc_code="OK"} 980
        grpc_server_handled_total{job="shop",grpc_code="Internal"} 20
        grpc_server_handled_total{job="shop",grpc_code="NotFound"} 100
        "#,
        &[
            "  - name: availability",
            "      bad: 'http_server_request_duration_seconds_count{job=\"shop\",http_response_status_code=~\"5..\"}'",
            "  - name: grpc-availability",
            "    # measured: 98.181 % of about 184,800 requests in the last 7 days",
            "    objective: 98",
            "      bad: 'grpc_server_handled_total{job=\"shop\",grpc_code=~\"Unknown|DeadlineExceeded|",
        ],
        &["latency"],
    ),
    (
        "a mesh in which both sides report",
        r#"
        istio_requests_total{reporter="destination",destination_service_name="cart",response_code="200"} 50
        istio_requests_total{reporter="source",destination_service_name="cart",response_code="503"} 50
        istio_requests_total{reporter="source",destination_service_name="elsewhere",response_code="503"} 50
        istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="cart",le="2500"} 50
        istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="cart",le="+Inf"} 50
        "#,
        &[
            "service: cart",
            "  - name: ingress-availability",
            "      total: 'istio_requests_total{reporter=\"destination\",destination_service_name=\"cart\"}'",
            "  - name: ingress-latency",
            "      threshold: 2500ms",
        ],
        &["elsewhere"],
    ),
    (
        "an ingress and HAProxy's classes of statuses",
        r#"
        nginx_ingress_controller_requests{job="nginx",ingress="front",status="200"} 999
        nginx_ingress_controller_requests{job="nginx",ingress="front",status="500"} 1
        traefik_service_requests_total{job="traefik",service="api@docker",code="200"} 10
        haproxy_backend_http_responses_total{job="haproxy",proxy="db",code="5xx"} 50
        haproxy_backend_http_responses_total{job="haproxy",proxy="db",code="2xx"} 50
        "#,
        &[
            "service: api-docker",
            "      total: 'traefik_service_requests_total{service=\"api@docker\"}'",
            "service: db",
            "    # measured: 50 % of about 16,800 requests in the last 7 days; 90 was not met",
            "    objective: 90",
            "      bad: 'haproxy_backend_http_responses_total{proxy=\"db\",code=~\"5..\"}'",
            "service: front",
            "    objective: 99.9",
        ],
        &[],
    ),
    (
        "probes",
        r#"
        probe_success{job="blackbox",instance="a"} 1
        probe_success{job="blackbox",instance="b"} 0.99
        up{job="blackbox"} 1
        "#,
        &[
            "service: blackbox",
            "  - name: probes",
            "    # measured: 99.5 % of about 80,640 samples in the last 7 days",
            "    objective: 99.5",
            "      boolean: 'probe_success{job=\"blackbox\"}'",
        ],
        &["up{"],
    ),
    (
        "an exporter's own handler, where there is nothing else",
        r#"
        promhttp_metric_handler_requests_total{job="node",code="200"} 240
        up{job="node"} 1
        "#,
        &[
            "  - name: availability",
            "      total: 'promhttp_metric_handler_requests_total{job=\"node\"}'",
        ],
        &["up{"],
    ),
    (
        "an exporter's own handler, where there is something else",
        r#"
        promhttp_metric_handler_requests_total{job="node",code="200"} 240
        probe_success{job="web"} 1
        up{job="node"} 1
        "#,
        &["service: web", "service: node", "  - name: up"],
        &["promhttp"],
    ),
    (
        "a label with names of statuses is passed over for one with statuses",
        r#"
        http_requests_total{job="shop",code="ok",status="200"} 100
        "#,
        &["      bad: 'http_requests_total{job=\"shop\",status=~\"5..\"}'"],
        &["code=~"],
    ),
    (
        "nothing has happened",
        r#"
        http_requests_total{job="shop",code="200"} 0
        http_request_duration_seconds_bucket{job="shop",le="0.25"} 0
        http_request_duration_seconds_bucket{job="shop",le="1.0"} 0
        http_request_duration_seconds_bucket{job="shop",le="+Inf"} 0
        "#,
        &[
            "    # measured: no requests in the last 7 days, 99 is a guess",
            "    objective: 99",
            "    # measured: no requests in the last 7 days, 99 is a guess",
            "    objective: 99",
            "      threshold: 1s",
        ],
        &[],
    ),
    (
        "so few requests that 99.99 would leave no budget",
        r#"
        http_requests_total{job="shop",code="200"} 2
        "#,
        &[
            "    # measured: 100 % of about 336 requests in the last 7 days; a higher objective would leave less than one bad",
            "    objective: 99.9",
        ],
        &[],
    ),
    (
        "names that no service may have, and no job at all",
        r#"
        http_requests_total{job="a b",code="200"} 100
        http_requests_total{job="a-b",code="200"} 100
        http_requests_total{job="it's \"x\"",code="200"} 100
        http_requests_total{code="200"} 100
        http_requests_total{job="true",code="200"} 100
        "#,
        &[
            "service: a-b",
            "service: a-b-2",
            "service: it-s-x",
            "      total: 'http_requests_total{job=\"it''s \\\"x\\\"\"}'",
            "service: 'true'",
            "service: unnamed",
            "      total: 'http_requests_total{job=\"\"}'",
        ],
        &[],
    ),
    (
        "a bound that is written in two ways, and a histogram without a unit",
        r#"
        envoy_cluster_upstream_rq{envoy_cluster_name="x",envoy_response_code="200"} 100
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="250"} 60
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="250.0"} 40
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="+Inf"} 100
        "#,
        &[
            "    # measured: 100 % of about 16,800 requests within 250 in the last 7 days",
            "      latency: 'envoy_cluster_upstream_rq_time{envoy_cluster_name=\"x\"}'",
            "      threshold: 250",
        ],
        &[],
    ),
];

#[tokio::test]
async fn what_a_server_has_is_what_is_written() {
    for (what, server, expected, unexpected) in CASES {
        let (_, texts) = propose_from(&Fake::new(server), &[]).await;
        let text = slos(&texts);
        let mut rest = text.as_str();
        for line in *expected {
            let at = rest
                .find(line)
                .unwrap_or_else(|| panic!("{what}: {line}\nis not in\n{rest}"));
            rest = &rest[at + line.len()..];
        }
        for word in *unexpected {
            assert!(!text.contains(word), "{what}: {word}\nis in\n{text}");
        }
        let loaded = load(&text, "first.yaml");
        assert!(
            loaded.is_valid() && !loaded.slos.is_empty(),
            "{what}: {:?}",
            loaded.diagnostics
        );
        assert!(
            loaded
                .slos
                .iter()
                .all(|slo| slo.indicator.source.as_deref() == Some("main")),
            "{what}"
        );
    }
}

#[tokio::test]
async fn thresholds_are_bounds_of_the_histogram() {
    for (histogram, count, le, written) in [
        ("http_request_duration_seconds", "http_requests_total", "0.3", "300ms"),
        ("http_request_duration_seconds", "http_requests_total", "2.5", "2500ms"),
        ("http_request_duration_seconds", "http_requests_total", "10", "10s"),
        (
            "http_request_duration_seconds",
            "http_requests_total",
            "0.0005",
            "0.0005",
        ),
        (
            "http_request_duration_seconds",
            "http_requests_total",
            "0.30000000000000004",
            "0.30000000000000004",
        ),
        (
            "http_request_duration_seconds",
            "http_requests_total",
            "1e-07",
            "0.0000001",
        ),
        (
            "http_server_duration_milliseconds",
            "http_server_duration_milliseconds_count",
            "75",
            "75ms",
        ),
        (
            "http_server_duration_milliseconds",
            "http_server_duration_milliseconds_count",
            "5000",
            "5s",
        ),
        (
            "http_server_duration_milliseconds",
            "http_server_duration_milliseconds_count",
            "0.5",
            "0.5",
        ),
    ] {
        let text = format!(
            "{count}{{job=\"x\"}} 1\n{histogram}_bucket{{job=\"x\",le=\"{le}\"}} 1\n{histogram}_bucket{{job=\"x\",le=\"+Inf\"}} 1"
        );
        let (_, texts) = propose_from(&Fake::new(&text), &[]).await;
        let text = slos(&texts);
        assert!(text.contains(&format!("threshold: {written}\n")), "{le}: {text}");
        let loaded = load(&text, "first.yaml");
        let IndicatorKind::Latency { threshold, .. } = loaded.slos[0].indicator.kind else {
            panic!("{text}");
        };
        assert!(
            threshold.total_cmp(&le.parse().expect("a number")).is_eq(),
            "{le}: {threshold}"
        );
    }
}

#[tokio::test]
async fn a_server_that_has_nothing_gets_a_configuration_with_an_example() {
    let (told, texts) = propose_from(&Fake::new("node_load1{job=\"node\"} 1"), &[]).await;
    assert!(
        told.contains("none of the metrics") && told.contains("grpc_server_handled_total"),
        "{told}"
    );
    let [(name, text)] = texts.as_slice() else {
        panic!("{texts:?}");
    };
    assert_eq!(*name, "nines.yml");
    let (_, example) = text.split_once("with your own metric:\n#\n").expect("an example");
    let example: String = example.lines().map(|line| format!("{}\n", &line[2..])).collect();
    let loaded = load(&example, "first.yaml");
    assert_eq!((loaded.slos.len(), &*loaded.diagnostics), (1, &[][..]), "{example}");
}

#[tokio::test]
async fn the_receivers_that_are_commented_out_are_valid() {
    let (_, texts) = propose_from(&Fake::new(""), &[]).await;
    let (before, after) = texts[0].1.split_once("# receivers:\n").expect("receivers");
    let receivers: String = after
        .lines()
        .take_while(|line| line.starts_with("#  "))
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let text = format!("{before}receivers:\n{receivers}route: {{receiver: oncall}}\n");
    let (config, diagnostics) = config::parse(&text, "nines.yml", Path::new("/"), &|_| None);
    assert_eq!(diagnostics, []);
    assert_eq!(config.expect("a configuration").receivers.len(), 2);
}

#[tokio::test]
async fn what_is_missing_in_a_metric_is_said() {
    let server = r#"
        http_requests_total{job="shop",path="/"} 100
        http_requests_total{job="cart",path="/"} 100
        up{job="shop"} 1
    "#;
    let (told, texts) = propose_from(&Fake::new(server), &[]).await;
    let said = "note: http_requests_total of job \"cart\", job \"shop\" has no label that tells errors (code, status, ";
    assert!(told.contains(said), "{told}");
    let text = slos(&texts);
    assert!(
        text.contains("boolean: 'up{job=\"shop\"}'"),
        "`up` is the last resort: {text}"
    );

    let server = "http_requests_total{job=\"a\",code=\"200\"} 1\n\
                  http_request_duration_seconds_bucket{job=\"a\",le=\"+Inf\"} 1";
    let (told, texts) = propose_from(&Fake::new(server), &[]).await;
    assert!(told.contains("no bucket below +Inf"), "{told}");
    assert!(!slos(&texts).contains("latency:"));
}

#[tokio::test]
async fn no_more_slos_are_proposed_than_wanted() {
    let all: String = (0..40)
        .map(|number| format!("http_requests_total{{job=\"j{number:02}\",code=\"200\"}} 100\n"))
        .collect();
    for (flags, count, said) in [
        (
            &["--max-slos", "2"][..],
            2,
            "38 more SLOs could be proposed; --max-slos 40",
        ),
        (&[], 30, "10 more SLOs could be proposed; --max-slos 40"),
        (&["--max-slos", "40"], 40, ""),
    ] {
        let server = Fake::new(&all);
        let (told, texts) = propose_from(&server, flags).await;
        assert_eq!(load(&slos(&texts), "x.yaml").slos.len(), count);
        assert!(
            told.contains(said) && told.contains("more SLO") != said.is_empty(),
            "{told}"
        );
        let asked = server.asked.lock().expect("the lock").len();
        assert_eq!(asked, 2 + 2 * count, "what is left out is not measured");
    }
}

#[tokio::test]
async fn a_server_with_little_history_or_little_patience_is_measured_over_less() {
    let server = r#"http_requests_total{job="shop",code="200"} 1000000"#;
    for (hours, hours_max, words) in [
        (1, 1000, "of about 1,000,000 requests in the last hour\n"),
        (30, 1000, "of about 30,000,000 requests in the last 30 hours\n"),
        (80, 1000, "of about 80,000,000 requests in the last 3 days\n"),
        (1000, 24, "of about 24,000,000 requests in the last 24 hours\n"),
        (1000, 1, "of about 1,000,000 requests in the last hour\n"),
        (
            1000,
            0,
            "# not measured, 99 is a guess: server main refuses (too_much)\n",
        ),
    ] {
        let fake = Fake {
            hours,
            hours_max,
            ..Fake::new(server)
        };
        let (_, texts) = propose_from(&fake, &[]).await;
        let text = slos(&texts);
        assert!(text.contains(words), "{hours} {hours_max}: {text}");
        assert_eq!(text.contains("objective: 99\n"), hours_max == 0, "{text}");
    }
}

#[tokio::test]
async fn failures_of_single_questions_cost_what_they_are_about() {
    let server = r#"
        http_requests_total{job="shop",code="200"} 1000
        http_request_duration_seconds_bucket{job="shop",le="1"} 1000
        http_request_duration_seconds_bucket{job="shop",le="+Inf"} 1000
    "#;
    let refusing = |text| Fake {
        refused: Some((text, QueryFailureReason::Unavailable)),
        ..Fake::new(server)
    };
    let (told, texts) = propose_from(&refusing("sum by (le)"), &[]).await;
    assert!(
        told.contains("note: no threshold for http_request_duration_seconds: server main"),
        "{told}"
    );
    assert_eq!(load(&slos(&texts), "x.yaml").slos.len(), 1);
    let (_, texts) = propose_from(&refusing("sum(increase"), &[]).await;
    assert_eq!(slos(&texts).matches("# not measured, 99 is a guess: ").count(), 2);

    let server = refusing("count by");
    let failure = propose(&server, &args(&[]), NOW, &mut Vec::new()).await;
    let failure = failure.err().expect("nothing is known then");
    assert_eq!(fail(&failure, &mut Vec::new()).expect("memory"), EXIT_UNREACHABLE);
}
