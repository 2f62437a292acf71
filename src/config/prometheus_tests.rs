//! Configurations that were written for Prometheus: what is taken of them, and what is said about the rest.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Config, parse};
use crate::source::scrape::settings::{Auth, KEEP_DROPPED, KEEP_DROPPED_MAX, Provider, RecordKind, SecretSource};
use crate::spec::diagnostic::{Diagnostic, has_errors};

fn read_as(name: &str, text: &str, base: &Path) -> (Option<Config>, Vec<Diagnostic>) {
    let env = |name: &str| (name == "PW").then(|| "hunter2".to_owned());
    parse(text, name, base, &env)
}

fn read(text: &str) -> (Config, Vec<String>) {
    let (config, diagnostics) = read_as("prometheus.yml", text, Path::new("/etc/prometheus"));
    let said = diagnostics
        .iter()
        .map(|d| format!("{} {}:{}", d.code, d.line, d.column));
    let said = said.collect();
    (config.unwrap_or_else(|| panic!("{diagnostics:?}")), said)
}

const EVERYTHING: &str = r"
global:
  scrape_interval: 30s
  external_labels: {monitor: '${NOBODY}'}
  keep_dropped_targets: 7
alerting: {alertmanagers: [{static_configs: [{targets: ['am:9093']}], basic_auth: {password: hunter2}}]}
rule_files: [rules/*.yml]
remote_write: [{url: 'https://x/hunter2', authorization: {credentials: hunter2}}]
storage: {tsdb: {out_of_order_time_window: 30m}}
feature_of_tomorrow: {a: [hunter2]}
scrape_configs:
  - job_name: all
    metric_name_validation_scheme: utf8
    enable_http2: false
    honor_timestamps: false
    enable_compression: false
    keep_dropped_targets: 100000000
    proxy_url: http://u:hunter2@proxy:3128
    no_proxy: 10.0.0.0/8,.internal
    proxy_connect_header: {X-A: [hunter2]}
    http_headers: {X-B: {values: [x], secrets: [hunter2], files: [b.txt]}}
    oauth2:
      client_id: me
      client_secret: hunter2
      token_url: https://u:hunter2@idp/token?key=hunter2
      scopes: [a]
      endpoint_params: {resource: hunter2}
      tls_config: {min_version: TLS13, max_version: TLS13}
    http_sd_configs:
      - {url: 'http://sd/list?token=hunter2', bearer_token: hunter2}
    dns_sd_configs:
      - {names: [a.b], type: aaaa, port: 1}
      - {names: [_c._d]}
    consul_sd_configs: [{server: 'c:8500', token: hunter2}]
    static_configs: [{targets: ['a:1'], labels: {__metrics_path__: /x, __param_key: hunter2, 'a.b': c}}]
    relabel_configs: [{regex: '(?P<x>.)', source_labels: [y], target_label: z, replacement: '${x}${PW}'}]
  - job_name: loose
    later_key: 1
    basic_auth: {username: '${PW}'}
";

#[test]
fn a_file_of_prometheus_is_taken_and_the_rest_is_said_at_its_place() {
    let (config, said) = read(EVERYTHING);
    assert_eq!(
        said,
        [
            "L023 4:3",
            "L023 6:1",
            "L023 7:1",
            "L023 8:1",
            "L023 9:11",
            "L023 10:1",
            "L007 30:47",
            "L023 34:5",
            "L023 38:5",
        ]
    );
    let [all, loose] = &config.jobs[..] else {
        panic!("{:?}", config.jobs)
    };
    assert_eq!(
        (all.interval, all.compression, all.keep_dropped),
        (Duration::from_secs(30), Some(false), KEEP_DROPPED_MAX)
    );
    assert_eq!((loose.compression, loose.keep_dropped), (None, 7));
    let Auth::OAuth2(oauth2) = &all.http.auth else {
        panic!("{:?}", all.http.auth)
    };
    assert_eq!((oauth2.client_id.as_str(), oauth2.scopes.len()), ("me", 1));
    assert!(oauth2.tls.min_version.is_some() && oauth2.tls.max_version.is_some());
    assert_eq!(all.http.headers[0].values.len(), 3);
    assert!(all.http.headers[0].is_secret && all.http.proxy.is_used());
    let [Provider::Http(list), Provider::Dns(dns), Provider::Dns(srv)] = &all.providers[..] else {
        panic!("{:?}", all.providers)
    };
    assert_eq!(
        (list.refresh_interval, dns.refresh_interval),
        (Duration::from_mins(1), Duration::from_secs(30))
    );
    assert!(matches!(list.http.auth, Auth::Header { .. }));
    assert_eq!((dns.kind, dns.port, srv.kind), (RecordKind::Aaaa, 1, RecordKind::Srv));
    assert_eq!(all.static_targets[0].labels.get("__metrics_path__"), "/x");
    let labels = all.relabelling.apply([("y", "7")].into_iter().collect());
    assert_eq!(
        labels.expect("kept").get("z"),
        "7",
        "`replacement` is no place for variables"
    );
    let Auth::Basic {
        username: SecretSource::Inline(name),
        ..
    } = &loose.http.auth
    else {
        panic!("{:?}", loose.http.auth)
    };
    assert_eq!(name.expose(), "hunter2", "a variable that is set is replaced");
}

#[test]
fn usual_forms_of_prometheus_are_taken_without_a_word() {
    let (config, said) = read(
        "x-common: &common {scrape_interval: 5s}
scrape_configs:
  - job_name: federate
    <<: *common
    honor_labels: true
    metrics_path: /federate
    params: {'match[]': ['{job=\"a\"}']}
    tls_config: {}
    basic_auth:
    static_configs:
      - targets:
      - targets: [a:1]
        labels:
",
    );
    assert_eq!(said, ["L023 1:1"]);
    let job = &config.jobs[0];
    assert_eq!(job.interval, Duration::from_secs(5));
    assert_eq!(job.params[0].0, "match[]");
    let (_, diagnostics) = read_as(
        "prometheus.yml",
        "rule_files: [a]\nstorage: {url: 'sqlite:${NOBODY}'}\n",
        Path::new("/x"),
    );
    assert!(diagnostics.iter().any(|found| found.code == "N030"), "{diagnostics:?}");
}

#[test]
fn what_is_shown_or_said_of_a_file_of_prometheus_holds_no_secret() {
    let (config, diagnostics) = read_as("prometheus.yml", EVERYTHING, Path::new("/x"));
    let said: String = diagnostics.iter().map(Diagnostic::full).collect();
    assert!(!said.contains("hunter2"), "{said}");
    let shown = config.expect("a configuration").shown;
    assert!(!shown.contains("hunter2"), "{shown}");
    for kept in ["client_id: me", "no_proxy: \"10.0.0.0/8,.internal\"", "job_name: loose"] {
        assert!(shown.contains(kept), "{kept} in {shown}");
    }
}

#[test]
fn a_file_of_nines_refuses_what_it_does_not_know_and_one_of_prometheus_does_not() {
    let unknown = "scrape_configs: [{job_name: a, later_key: 1}]\n";
    for (name, more, refused) in [
        ("prometheus.yml", "", false),
        ("dir/whatever.yaml", "", false),
        ("nines.yml", "", true),
        ("/etc/nines/nines.yaml", "", true),
        ("whatever.yaml", "slo_files: []\n", true),
        ("whatever.yaml", "storage: {url: 'sqlite:x'}\n", true),
        ("whatever.yaml", "storage: {tsdb: {}}\n", false),
        ("whatever.yaml", "slo_files: []\nrule_files: []\n", false),
        ("nines.yml", "rule_files: []\n", true),
    ] {
        let (config, diagnostics) = read_as(name, &format!("{unknown}{more}"), Path::new("/x"));
        let expected = if refused { "N004" } else { "L023" };
        assert_eq!(
            (config.is_none(), diagnostics[0].code),
            (refused, expected),
            "{name} {more}"
        );
    }
    let (config, diagnostics) = read_as(
        "nines.yml",
        "rule_files: [a.yml]\nremote_write: [{url: 'http://a'}]\n",
        Path::new("/x"),
    );
    let codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
    assert!(config.is_some() && codes == ["L023", "L023"], "{codes:?}");
}

#[test]
fn a_version_of_tls_that_nobody_speaks_is_told_with_its_mend() {
    for (written, said) in [
        (
            "min_version: TLS10",
            "has no effect: older versions than TLS 1.2 are not spoken",
        ),
        (
            "max_version: TLS11",
            "has no effect: older versions than TLS 1.2 are not spoken",
        ),
        (
            "min_version: SSL3",
            "is one of TLS10, TLS11, TLS12, TLS13, not \"SSL3\"",
        ),
    ] {
        let text = format!("scrape_configs:\n  - {{job_name: a, tls_config: {{{written}}}}}\n");
        let (_, diagnostics) = read_as("nines.yml", &text, Path::new("/x"));
        let [found] = &diagnostics[..] else {
            panic!("{diagnostics:?}")
        };
        assert!(found.message.contains(said), "{}", found.message);
        let hint = found.hint.as_deref().unwrap_or_default();
        assert!(
            hint.contains("write TLS12 or TLS13") || hint.contains("did you mean"),
            "{hint}"
        );
    }
}

#[test]
fn mistakes_in_the_ways_to_find_and_ask_targets_are_told_with_their_place() {
    let job = |text: &str| format!("scrape_configs:\n  - job_name: a\n    {text}\n");
    for (text, expected) in [
        ("http_sd_configs: [{}]", vec!["N005 3:23"]),
        ("http_sd_configs: [{url: 'ftp://x'}]", vec!["N033 3:29"]),
        ("dns_sd_configs: [{names: [x], type: A}]", vec!["N005 3:22"]),
        ("dns_sd_configs: [{names: [x], type: TXT, port: 1}]", vec!["N024 3:41"]),
        ("dns_sd_configs: [{names: [x], type: A, port: 0}]", vec!["N022 3:50"]),
        ("oauth2: {client_id: a}", vec!["N005 3:13", "N005 3:13"]),
        (
            "oauth2: {client_id: a, client_secret: b, token_url: c}",
            vec!["N033 3:57"],
        ),
        (
            "oauth2: {client_id: a, client_secret_file: b, token_url: 'http://c'}\n    basic_auth: {username: a, password: b}",
            vec!["N034 3:5"],
        ),
        ("proxy_url: gopher://x", vec!["N033 3:16"]),
        ("no_proxy: x", vec!["L005 3:5"]),
        ("proxy_connect_header: {'a b': [x]}", vec!["N015 3:28", "L005 3:5"]),
        ("http_headers: {Authorization: {values: [x]}}", vec!["N034 3:20"]),
        ("tls_config: {max_version: TLS10}", vec!["L005 3:18"]),
        ("tls_config: {min_version: TLS11}", vec!["L005 3:18"]),
        ("tls_config: {min_version: SSL3}", vec!["N024 3:31"]),
        ("tls_config: {ca: x}", vec!["L023 3:18"]),
    ] {
        let (_, diagnostics) = read_as("nines.yml", &job(text), Path::new("/x"));
        let mut found: Vec<_> = diagnostics
            .iter()
            .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
            .collect();
        let mut expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn included_files_add_their_jobs_relative_to_their_own_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = folder.path().join("more");
    fs::create_dir(&more).expect("a folder");
    fs::write(
        more.join("a.yml"),
        "scrape_configs:\n  - {job_name: one, file_sd_configs: [{files: [t.json]}]}\n",
    )
    .expect("a file");
    let text = "global: {scrape_interval: 3s}\nscrape_config_files: [more/*.yml, none/*.yml]\nscrape_configs: [{job_name: zero}]\n";
    let (config, diagnostics) = read_as("prometheus.yml", text, folder.path());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let config = config.expect("a configuration");
    let names: Vec<_> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["zero", "one"]);
    assert_eq!(config.jobs[1].interval, Duration::from_secs(3));
    assert_eq!(config.jobs[1].file_discovery[0].files, [more.join("t.json")]);
    assert_eq!(config.jobs[1].keep_dropped, KEEP_DROPPED);
    for (wrong, code) in [
        ("scrape_configs: [{job_name: zero}]\n", "N017"),
        ("- a\n", "N019"),
        ("scrape_configs: [\n", "N002"),
        ("scrape_configs: [{job_name: x, scheme: ftp}]\n", "N024"),
    ] {
        fs::write(more.join("b.yml"), wrong).expect("a file");
        let (config, diagnostics) = read_as("prometheus.yml", text, folder.path());
        assert!(config.is_none() && has_errors(&diagnostics), "{wrong}");
        let found = &diagnostics[0];
        assert_eq!(found.code, code, "{wrong}");
        assert!(found.file.ends_with("more/b.yml"), "{found:?}");
    }
}

#[test]
fn a_key_that_is_needed_is_missing_however_it_is_misspelt() {
    let of_job = |line: &str| format!("scrape_configs:\n  - job_name: a\n    {line}\n");
    for (text, expected) in [
        ("scrape_configs:\n  - job_nam: a\n".to_owned(), "N004 2:5"),
        (of_job("http_sd_configs: [{urll: 'http://sd/'}]"), "N004 3:24"),
        (of_job("dns_sd_configs: [{namess: [a]}]"), "N004 3:23"),
        (
            of_job("oauth2: {client_idd: a, client_secret: b, token_url: 'http://idp/'}"),
            "N004 3:14",
        ),
    ] {
        let (config, diagnostics) = read_as("prometheus.yml", &text, Path::new("/etc/prometheus"));
        let said: Vec<String> = diagnostics
            .iter()
            .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
            .collect();
        assert!(
            config.is_none() && said.contains(&expected.to_owned()),
            "{text}: {said:?}"
        );
    }
}
