//! The configuration from outside: a text, and what it means or what must be said about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::{Config, is_config, parse};
use crate::domain::alert::route::GroupBy;
use crate::notify::settings::SecretRef;
use crate::source::scrape::settings::{Auth, Scheme, SecretSource};
use crate::spec::diagnostic::Diagnostic;

const FULL: &str = r"
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 5s
  smtp_smarthost: '[::1]:2525'
  smtp_from: nines <nines@example.org>
slo_files: [slos/*.yaml, /etc/slos]
storage: {url: 'postgres://me:hunter2@db/nines'}   # comment-secret
probe_modules: {}
scrape_configs:
  - job_name: shop
    scrape_interval: 30s
    scheme: https
    metrics_path: /m
    params: {module: [a, b], x: 1, token: [hunter2]}
    basic_auth: {username: u, password: hunter2}
    tls_config: {ca_file: ca.pem, insecure_skip_verify: true}
    honor_labels: true
    body_size_limit: 10MB
    static_configs: [{targets: ['127.0.0.1:9100'], labels: {env: prod}}]
    file_sd_configs: [{files: ['targets/*.json'], refresh_interval: 30s}]
  - job_name: other
    authorization: {credentials_file: token.txt}
receivers:
  - name: oncall
    webhook_configs: [{url: 'http://127.0.0.1:9999/hunter2', secret: 'whsec_aHVudGVyMg=='}]
    email_configs:
      - {to: 'a@example.org, B <b@example.org>', auth_username: u, auth_password: '${PW}', require_tls: false}
    alertmanager_configs: [{url: 'http://127.0.0.1:9093', resend_interval: 10s}]
route: {receiver: oncall, group_by: ['...'], group_wait: 0s, group_interval: 1s}
";

fn read(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let env = |name: &str| (name == "PW").then(|| "hunter2".to_owned());
    parse(text, "nines.yml", Path::new("/etc/nines"), &env)
}

fn good(text: &str) -> Config {
    let (config, diagnostics) = read(text);
    config.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

#[test]
fn a_full_configuration_is_read() {
    let config = good(FULL);
    assert_eq!(config.evaluation_interval, Duration::from_secs(5));
    assert_eq!(
        config.slo_files,
        ["/etc/nines/slos/*.yaml", "/etc/slos"].map(PathBuf::from)
    );
    assert_eq!(config.storage_url.as_deref(), Some("postgres://me:hunter2@db/nines"));
    let job = &config.jobs[0];
    assert_eq!(
        (job.name.as_str(), job.interval.as_secs(), job.timeout.as_secs()),
        ("shop", 30, 1)
    );
    assert_eq!(
        (job.scheme, job.path.as_str(), job.body_size_limit),
        (Scheme::Https, "/m", 10 << 20)
    );
    assert_eq!(
        job.params[0],
        ("module".to_owned(), vec!["a".to_owned(), "b".to_owned()])
    );
    let http = &job.http;
    assert!(matches!(&http.auth, Auth::Basic { username: SecretSource::Inline(name), .. } if name.expose() == "u"));
    assert_eq!(http.tls.ca_file.as_deref(), Some(Path::new("/etc/nines/ca.pem")));
    assert!(job.honor_labels && !http.no_redirects && job.compression.is_none() && http.tls.insecure_skip_verify);
    assert_eq!(job.static_targets[0].targets, ["127.0.0.1:9100"]);
    assert_eq!(job.static_targets[0].labels.get("env"), "prod");
    assert_eq!(
        job.file_discovery[0].files,
        [PathBuf::from("/etc/nines/targets/*.json")]
    );
    assert!(matches!(&config.jobs[1].http.auth, Auth::Header { kind, .. } if kind == "Bearer"));
    assert_eq!(config.jobs[1].timeout, Duration::from_secs(1));
}

#[test]
fn receivers_and_route_are_read() {
    let config = good(FULL);
    let receiver = &config.receivers[0];
    assert!(receiver.webhooks[0].send_resolved && receiver.webhooks[0].secret.is_some());
    let email = &receiver.emails[0];
    assert_eq!(
        (email.host.as_str(), email.port, email.require_tls),
        ("::1", 2525, false)
    );
    assert_eq!(email.to, ["a@example.org", "B <b@example.org>"]);
    assert!(email.from.contains("nines@example.org"), "{}", email.from);
    assert!(matches!(&email.auth_password, Some(SecretRef::Inline(pw)) if pw.expose() == "hunter2"));
    assert_eq!(receiver.alertmanagers[0].resend_every, Duration::from_secs(10));
    let route = config.route.expect("a route");
    assert_eq!(
        (route.group_by, route.group_interval),
        (GroupBy::All, Duration::from_secs(1))
    );
    assert_eq!(route.repeat_interval, Duration::from_hours(4));
}

#[test]
fn what_is_shown_holds_no_secret_and_is_yaml() {
    let shown = good(FULL).shown;
    for word in ["hunter2", "aHVudGVyMg", "comment"] {
        assert!(!shown.contains(word), "{word} in\n{shown}");
    }
    for word in [
        "password: <secret>",
        "url: <secret>",
        "postgres://<secret>@db/nines",
        "env: prod",
    ] {
        assert!(shown.contains(word), "{word} not in\n{shown}");
    }
    let (again, diagnostics) = read(
        &shown
            .replace("secret: <secret>", "secret: whsec_QQ==")
            .replace("url: <secret>", "url: http://x"),
    );
    assert!(again.is_some(), "{diagnostics:?}\n{shown}");
}

#[test]
fn every_place_that_may_hold_a_secret_is_hidden() {
    for job in [
        "http_headers: {X-Api-Key: {values: [hunter2]}}",
        "http_headers: {X: {values: [a, hunter2]}}",
        "relabel_configs: [{target_label: __param_token, replacement: hunter2}]",
        "relabel_configs: [{target_label: __param_target, replacement: 'http://u:hunter2@x/$1'}]",
        "params: {target: ['http://x/?token=hunter2']}",
        "relabel_configs: [{target_label: a}]\n    static_configs: [{targets: ['http://u:hunter2@x/', 'u:hunter2@y:1']}]",
        "static_configs: [{targets: [a], labels: {instance: 'http://u:hunter2@x/'}}]",
        "proxy_url: http://u:hunter2@proxy:3128",
    ] {
        let text = format!("scrape_configs:\n  - job_name: all\n    {job}\n");
        let shown = good(&text).shown;
        assert!(
            !shown.contains("hunter2") && shown.contains("<secret>"),
            "{job}\n{shown}"
        );
    }
    let open = "scrape_configs: [{job_name: a, relabel_configs: [{target_label: __param_module, replacement: http}]}]";
    assert!(good(open).shown.contains("replacement: http"));
}

#[test]
fn a_secret_behind_an_alias_is_hidden_where_it_stands() {
    let text = "scrape_configs:\n  - {job_name: &x hunter2, basic_auth: {username: u, password: *x}}\n";
    assert!(!good(text).shown.contains("hunter2"));
}

#[test]
fn defaults_are_filled_in() {
    let config = good("scrape_configs: [{job_name: a}]\nreceivers: [{name: r}]\n");
    assert_eq!(config.evaluation_interval, Duration::from_secs(15));
    assert_eq!(
        (config.jobs[0].interval.as_secs(), config.jobs[0].timeout.as_secs()),
        (15, 10)
    );
    assert_eq!(config.route.map(|route| route.receiver).as_deref(), Some("r"));
    assert!(good("").jobs.is_empty() && good("# nothing\n").route.is_none());
}

#[test]
fn relabelling_and_limits_are_read() {
    let config = good(
        "global: {sample_limit: 7, label_limit: 8}
scrape_configs:
  - job_name: probes
    sample_limit: 0
    label_limit: 9
    label_name_length_limit: 1
    label_value_length_limit: 2
    target_limit: 3
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {target_label: __address__, replacement: 'exporter:9115'}
      - {source_labels: [__param_target], regex: '(.)', target_label: again, replacement: '${1}${1}'}
    metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: Drop}]
    static_configs: [{targets: ['https://shop.example.org/']}]
  - {job_name: plain, relabel_configs: []}
",
    );
    let job = &config.jobs[0];
    let limits = job.page_limits;
    assert_eq!(
        (limits.samples, limits.labels, job.target_limit),
        (Some(7), Some(9), Some(3))
    );
    assert_eq!((limits.name_length, limits.value_length), (Some(1), Some(2)));
    assert_eq!(job.static_targets[0].targets, ["https://shop.example.org/"]);
    let labels = job.relabelling.apply([("__address__", "x")].into_iter().collect());
    let labels = labels.map(|labels| labels.to_string());
    assert_eq!(
        labels.as_deref(),
        Some(r#"{__address__="exporter:9115",__param_target="x",again="xx"}"#)
    );
    assert!(
        job.metric_relabelling
            .apply([("__name__", "go_x")].into_iter().collect())
            .is_none()
    );
    let plain = &config.jobs[1];
    assert!(plain.relabelling.is_empty() && plain.metric_relabelling.is_empty() && plain.target_limit.is_none());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let job = |text: &str| format!("scrape_configs:\n  - job_name: a\n    {text}\n");
    let receiver = |text: &str| format!("receivers:\n  - name: a\n    {text}\n");
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("global: [what\n".to_owned(), vec!["N002 1:9"]),
        ("- a\n".into(), vec!["N019 1:1"]),
        ("{}\n---\n{}\n".into(), vec!["N019 3:1"]),
        ("scrape_config: []\n".into(), vec!["N004 1:1"]),
        ("retention: {raw: 1d}\n".into(), vec!["N011 1:1"]),
        ("global: {scrape_interval: 0s}\n".into(), vec!["N013 1:27"]),
        (
            "global: {scrape_interval: 1s, scrape_timeout: 2s}\n".into(),
            vec!["N031 1:47"],
        ),
        ("global: {external_labels: {a: b}}\n".into(), vec!["L023 1:10"]),
        ("storage: {url: 'mysql://x'}\n".into(), vec!["N033 1:16"]),
        ("storage: {url: '${NOPE}'}\n".into(), vec!["N030 1:16", "N033 1:16"]),
        ("scrape_configs: [{}]\n".into(), vec!["N005 1:18"]),
        (
            "scrape_configs: [{job_name: a}, {job_name: a}]\n".into(),
            vec!["N017 1:44"],
        ),
        (job("scrape_intervall: 1s"), vec!["N004 3:5"]),
        (job("scrape_timeout: 1h"), vec!["N031 3:21"]),
        (job("scheme: ftp"), vec!["N024 3:13"]),
        (job("keep_dropped_targets: many"), vec!["N022 3:27"]),
        (job("relabel_configs: {}"), vec!["N006 3:22"]),
        (job("relabel_configs: [{action: kepe}]"), vec!["N024 3:32"]),
        (job("relabel_configs: [{source_label: [a]}]"), vec!["N004 3:24"]),
        (
            job("relabel_configs: [{source_labels: a, target_label: b}]"),
            vec!["N006 3:39"],
        ),
        (job("relabel_configs: [{source_labels: [a]}]"), vec!["N048 3:23"]),
        (
            job("relabel_configs: [{source_labels: [''], target_label: b}]"),
            vec!["N048 3:39"],
        ),
        (
            job("metric_relabel_configs: [{regex: '(', action: keep}, {regex: a, target_label: b, action: LabelDrop}]"),
            vec!["N048 3:38", "N048 3:83"],
        ),
        (job("sample_limit: -1"), vec!["N022 3:19"]),
        (job("ec2_sd_configs: [{role: pod}]"), vec!["L023 3:5"]),
        (job("honor_timestamps: true"), vec!["L005 3:5"]),
        (job("bearer_token: x"), vec!["L007 3:5"]),
        (job("body_size_limit: big"), vec!["N022 3:22"]),
        (
            job("static_configs: [{targets: ['http://a:1/', b/c, 'u@h:1', 'ok:1']}]"),
            vec!["N033 3:33", "N033 3:48", "N033 3:53"],
        ),
        (
            job("static_configs: [{targets: [a], labels: {a-b: c}}]"),
            vec!["N016 3:46"],
        ),
        (job("file_sd_configs: [{files: [a.txt]}]"), vec!["N033 3:31"]),
        (job("basic_auth: {username: a}"), vec!["N005 3:5"]),
        (job("basic_auth: hunter2"), vec!["N006 3:17"]),
        (
            job("basic_auth: {username: a, password: b, password_file: c}"),
            vec!["N034 3:44"],
        ),
        (job("tls_config: {cert_file: a}"), vec!["N005 3:5"]),
        (receiver("webhook_configs: [{}]"), vec!["N005 3:23"]),
        (receiver("webhook_configs: [{url: nowhere}]"), vec!["N033 3:29"]),
        (
            receiver("webhook_configs: [{url: 'http://a', secret: x}]"),
            vec!["N035 3:41"],
        ),
        (receiver("slack_configs: [{}]"), vec!["N011 3:5"]),
        (
            receiver("email_configs: [{to: a}]"),
            vec!["N005 3:21", "N005 3:21", "N033 3:26"],
        ),
        (
            receiver("email_configs: [{to: a@b.c, from: a@b.c, smarthost: b}]"),
            vec!["N033 3:57"],
        ),
        (
            receiver("email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'b:1', auth_password: x}]"),
            vec!["N005 3:64"],
        ),
        ("receivers: [{name: a}, {name: b}]\n".into(), vec!["N005 1:1"]),
        ("route: {receiver: a}\n".into(), vec!["N032 1:19"]),
        (
            "receivers: [{name: a}]\nroute: {receiver: a, routes: []}\n".into(),
            vec!["N011 2:22"],
        ),
        (
            "receivers: [{name: a}]\nroute: {receiver: a, group_by: ['...', x]}\n".into(),
            vec!["N034 2:32"],
        ),
    ] {
        let found: Vec<_> = read(&text)
            .1
            .iter()
            .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
            .collect();
        if found != expected {
            wrong.push(format!("{text}found {found:?}, expected {expected:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn no_diagnostic_tells_a_secret() {
    for text in [
        "receivers:\n  - name: a\n    webhook_configs: [{url: 'ftp://hunter2', secret: hunter2, secrt: hunter2}]\n",
        "scrape_configs:\n  - job_name: a\n    basic_auth: hunter2\n",
        "storage: {url: 'postgres://me:hunter2@db/nines', ulr: 'hunter2'}\n",
        "scrape_configs:\n  - {job_name: a, bearer_token: hunter2, b: 1}\n",
        "scrape_configs:\n  - job_name: a\n    password: hunter2: x\n",
        "receivers:\n  - name: a\n    webhook_configs: ['${PW}']\n",
    ] {
        let (_, diagnostics) = read(text);
        let told: String = diagnostics.iter().map(Diagnostic::full).collect();
        assert!(!told.is_empty());
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn configurations_are_told_from_slo_files() {
    assert!(is_config(Path::new("a/nines.yml"), "global: [what\n"));
    assert!(is_config(Path::new("x.yaml"), "scrape_configs: []\n"));
    assert!(!is_config(Path::new("x.yaml"), "version: nines/v1\nroute: x\n"));
    assert!(!is_config(Path::new("x.yaml"), "global: [what\n"));
}

proptest! {
    #[test]
    fn no_damaged_file_makes_it_panic(at in 0..FULL.len(), length in 0..40_usize, put in "\\PC{0,3}|[:{}\\[\\]\"'\\n -]{0,4}") {
        let end = (at + length).min(FULL.len());
        let (config, diagnostics) = read(&format!("{}{put}{}", &FULL[..at], &FULL[end..]));
        prop_assert_eq!(config.is_none(), crate::spec::diagnostic::has_errors(&diagnostics));
        for d in &diagnostics {
            d.full();
        }
    }
}
