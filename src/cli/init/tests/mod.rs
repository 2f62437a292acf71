//! What is proposed and written, of servers that are fakes.

mod cases;
mod fake;
mod running;

use clap::Parser;
use clap::error::ErrorKind;

use self::cases::CASES;
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
    let example: String = example.replace("\n# ", "\n")[2..].to_owned();
    let loaded = load(&example, "first.yaml");
    assert_eq!((loaded.slos.len(), &*loaded.diagnostics), (1, &[][..]), "{example}");
}

#[tokio::test]
async fn the_receivers_that_are_commented_out_are_valid() {
    let (_, texts) = propose_from(&Fake::new(""), &[]).await;
    let (before, after) = texts[0].1.split_once("# receivers:\n").expect("receivers");
    let receivers = after.lines().take_while(|line| line.starts_with("#  "));
    let receivers: Vec<&str> = receivers.map(|line| &line[2..]).collect();
    let receivers = receivers.join("\n");
    let text = format!("{before}receivers:\n{receivers}\nroute: {{receiver: oncall}}\n");
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
    let jobs = (0..40).map(|number| format!("http_requests_total{{job=\"j{number:02}\",code=\"200\"}} 100"));
    let all = jobs.collect::<Vec<_>>().join("\n");
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
        assert_eq!(asked, 3 + 2 * count, "what is left out is not measured");
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

    let too_much = |text| Fake {
        refused: Some((text, QueryFailureReason::TooMuch)),
        ..Fake::new(server)
    };
    let (told, texts) = propose_from(&too_much("__name__"), &[]).await;
    assert!(!told.contains("note"), "each metric was asked for: {told}");
    assert_eq!(load(&slos(&texts), "x.yaml").slos.len(), 2);
    let (told, texts) = propose_from(&too_much("(http_requests_total)"), &[]).await;
    assert!(
        told.contains("note: http_requests_total was left out: server main"),
        "{told}"
    );
    assert_eq!(load(&slos(&texts), "x.yaml").slos.len(), 1, "the latency is left");

    let server = refusing("count by");
    let failure = propose(&server, &args(&[]), NOW, &mut Vec::new()).await;
    let failure = failure.err().expect("nothing is known then");
    assert_eq!(fail(&failure, &mut Vec::new()).expect("memory"), EXIT_UNREACHABLE);
}
