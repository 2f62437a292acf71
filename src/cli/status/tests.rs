//! What `nines status` prints.

use super::*;
use crate::cli::client::tests::{nobody, served};
use crate::http::testing::state;

async fn ran(change: impl FnOnce(&mut StatusArgs)) -> (i32, String) {
    let (server, _stop) = served(state());
    let mut args = StatusArgs {
        server,
        matchers: Vec::new(),
        fail_on: Vec::new(),
        output: Output::Table,
    };
    change(&mut args);
    let mut out = Vec::new();
    let code = run(args, &mut out).await.expect("it runs");
    (code, String::from_utf8(out).expect("text"))
}

#[tokio::test]
async fn the_table_shows_the_worst_first() {
    let (code, text) = ran(|_| ()).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = text.lines().collect();
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeezed(lines[0]),
        "STATE SLO OBJECTIVE SLI(30d) BUDGET BURN EXHAUSTS ALERTS"
    );
    assert_eq!(
        squeezed(lines[1]),
        "EXHAUSTED checkout/requests-availability 99.9% 99.871% -29% 15.0x / 2.2x (1h/6h) - page"
    );
    assert!(
        squeezed(lines[2])
            .starts_with("AT RISK checkout/latency-p300ms 99.9% 99.918% 18% 0.2x / 0.2x (1h/6h) in 4 d -")
    );
    assert!(
        squeezed(lines[3]).starts_with("INVALID slos/search2.yaml - -"),
        "{text}"
    );
    assert!(text.contains("slos/search2.yaml:12:9: N004 unknown key \"objektive\" (did you mean \"objective\"?)"));
    assert!(
        text.ends_with(
            "7 SLOs: 1 exhausted, 1 at risk, 1 invalid, 1 no data, 3 healthy   as of 2026-11-21T08:00:00Z\n"
        ),
        "{text}"
    );
}

#[test]
fn what_several_slos_have_is_said_once() {
    let slo = |hint: &str| -> Slo {
        let found = json!({"code": "L001", "message": "odd", "file": "a.yaml", "line": 1, "column": 2, "hint": hint});
        let slo = json!({"state": "healthy", "spec": "ok", "diagnostics": [found]});
        serde_json::from_value(slo).expect("an SLO")
    };
    let (one, other) = (slo("x"), slo("y"));
    let said = ["a.yaml:1:2: L001 odd (x)", "a.yaml:1:2: L001 odd (y)"];
    assert_eq!(diagnostics(&[&one, &one, &other, &one]), said);
}

#[tokio::test]
async fn a_paused_slo_is_no_invalid_one_and_does_not_change_the_columns() {
    let (server, _stop) = served(crate::http::paused::state());
    let args = StatusArgs {
        server,
        matchers: Vec::new(),
        fail_on: Vec::new(),
        output: Output::Table,
    };
    let mut out = Vec::new();
    run(args, &mut out).await.expect("it runs");
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.contains("SLI(30d)") && text.contains("1 no data, 1 paused, 3 healthy"),
        "{text}"
    );
    let line = text
        .lines()
        .find(|line| line.contains("billing/invoices"))
        .expect("it is listed");
    assert!(line.starts_with("PAUSED") && line.contains("99.9%"), "{line}");
    let why = "slos/billing.yaml:4:1: I004 billing/invoices is not computed: calendar windows";
    assert!(text.contains(why), "{text}");
}

#[tokio::test]
async fn it_fails_on_what_it_is_told_to() {
    for (fail_on, matcher, code) in [
        (FailOn::Exhausted, "service=checkout", 1),
        (FailOn::AtRisk, "slo=requests-availability", 1),
        (FailOn::Page, "service=checkout", 1),
        (FailOn::Ticket, "service=checkout", 0),
        (FailOn::NoData, "service=export", 1),
        (FailOn::AtRisk, "service=search", 0),
    ] {
        let (got, _) = ran(|args| {
            args.fail_on = vec![fail_on];
            args.matchers = vec![matcher.to_owned()];
        })
        .await;
        assert_eq!(got, code, "{fail_on:?} {matcher}");
    }
}

#[tokio::test]
async fn json_is_what_the_api_gives() {
    let (_, text) = ran(|args| {
        args.output = Output::Json;
        args.matchers = vec!["region=eu".to_owned()];
    })
    .await;
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["slos"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["slos"][0]["group"], json!({"region": "eu"}));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_exit_code_4() {
    assert_eq!(ran(|args| args.server = nobody()).await, (4, String::new()));
}
