use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Fault, Measure, Phase, ProbeAttempt, Reason, TlsSeen, Verdict};

fn args(target: &str, module: &str, config_file: Option<&Path>) -> ProbeArgs {
    ProbeArgs {
        target: target.to_owned(),
        module: module.to_owned(),
        config_file: config_file.map(Path::to_path_buf),
        hostname: None,
        timeout: Some(Duration::from_millis(500)),
        output: Output::Text,
    }
}

async fn ran(args: ProbeArgs) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(args, &mut out, &mut err).await.expect("it can be written");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status, text(out), text(err))
}

#[tokio::test]
async fn wrong_usage_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let config = file("nines.yml", "probe_modules: {shop: {prober: http}}\n");
    let blackbox = file("blackbox.yml", "modules: {shop: {prober: tcp}}\n");
    let wrong = file("wrong.yml", "probe_modules: {shop: {prober: htp}}\n");
    let missing = folder.path().join("none.yml");
    for (target, module, config, part) in [
        ("a", "shp", &config, "did you mean shop?"),
        ("ftp://a", "shop", &config, "an http probe takes"),
        ("a", "shop", &blackbox, "a tcp probe takes `host:port`"),
        ("a", "shop", &wrong, "`prober` is one of"),
        ("a", "shop", &missing, "cannot read"),
    ] {
        let (status, out, err) = ran(args(target, module, Some(config))).await;
        assert_eq!((status, out.as_str()), (EXIT_USAGE, ""), "{err}");
        assert!(err.contains(part), "{err}");
    }
}

#[test]
fn a_verdict_is_shown_phase_by_phase() {
    let attempt = |reason: Reason, detail: &str| ProbeAttempt {
        outcome: reason.outcome(),
        reason,
        detail: detail.to_owned(),
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        took: Duration::from_millis(100),
        phases: vec![
            (Phase::Resolve, Duration::from_millis(25)),
            (Phase::Connect, Duration::from_millis(25)),
            (Phase::Ttfb, Duration::from_millis(50)),
        ],
    };
    let measure = Measure {
        name: "probe_http_status_code",
        labels: Vec::new(),
        value: 503.0,
    };
    let verdict = Verdict {
        took: Duration::from_millis(250),
        attempts: vec![
            attempt(Reason::ConnectRefused, "no"),
            attempt(Reason::HttpStatus, "503"),
        ],
        measures: vec![measure],
        tls: Some(TlsSeen {
            leaf_not_after: Some(Timestamp(10 * 24 * 3600 * 1000)),
            ..TlsSeen::default()
        }),
        ..Verdict::untried(Fault::new(Reason::HttpStatus, "the status is 503\u{1b}[31m"))
    };
    let mut out = Vec::new();
    shown::write_text(&mut out, &verdict, "http_2xx", "http://a/", Timestamp(0)).expect("it can be written");
    let expected = "\
http://a/ (http_2xx): bad, http_status, 250.0 ms
  the status is 503\u{fffd}[31m

attempt 1: bad, connect_refused, 100.0 ms
  address      127.0.0.1
  resolve         25.0 ms  ██████████
  connect         25.0 ms            ██████████
  ttfb            50.0 ms                      ████████████████████

attempt 2: bad, http_status, 100.0 ms
  address      127.0.0.1
  resolve         25.0 ms  ██████████
  connect         25.0 ms            ██████████
  ttfb            50.0 ms                      ████████████████████

  status       503
  certificate  until 1970-01-11T00:00:00Z (10 days left)
";
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
}

#[test]
fn the_documents_name_every_reason() {
    let text = include_str!("../../../docs/probes.md");
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} |", reason.word(), reason.outcome().word());
        assert!(text.contains(&row), "{row}");
    }
}
