//! `prometheus_servers` from outside: a text, and what it means or what must be said about it.

use std::path::Path;
use std::time::Duration;

use super::{Config, parse};
use crate::source::http::settings::{Auth, SecretSource};
use crate::source::prometheus::settings::PartialResponse;
use crate::spec::diagnostic::Diagnostic;

fn read(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
    parse(text, "nines.yml", Path::new("/etc/nines"), &env)
}

fn good(text: &str) -> Config {
    let (config, diagnostics) = read(text);
    config.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

const FULL: &str = r"
prometheus_servers:
  - {name: main, url: 'http://127.0.0.1:9090', headers: {X-Scope-OrgID: team-a}, query_offset: 1m}
  - name: mimir
    url: 'https://mimir.example.org/prometheus/?token=hunter2'
    default: true
    headers: {X-Scope-OrgID: hunter2, X-Token: '${TOKEN}'}
    authorization: {credentials_file: token.txt}
    tls_config: {ca_file: ca.pem}
    proxy_url: http://me:hunter2@proxy:3128
    query_offset: 0s
    interval: 5m
    timeout: 1m30s
    max_concurrency: 8
    queries_per_second: 0.5
    partial_response: warn
    max_answer_size: 10MB
";

#[test]
fn servers_are_read_with_their_defaults() {
    let servers = good(FULL).servers;
    let main = &servers[0];
    assert_eq!(
        (main.name.as_str(), main.url.expose()),
        ("main", "http://127.0.0.1:9090")
    );
    assert!(!main.is_default && matches!(main.http.auth, Auth::None));
    let header = &main.http.headers[0];
    assert!(header.is_secret && header.name == "X-Scope-OrgID");
    assert!(matches!(&header.values[..], [SecretSource::Inline(tenant)] if tenant.expose() == "team-a"));
    let minute = Duration::from_mins(1);
    assert_eq!((main.query_offset, main.interval), (minute, minute));
    assert_eq!((main.timeout.as_secs(), main.concurrency), (30, 4));
    assert_eq!((main.pace.as_millis(), main.answer_bytes_max), (50, 64_000_000));
    assert_eq!(main.partial_response, PartialResponse::Abort);
    let mimir = &servers[1];
    assert!(mimir.is_default && mimir.http.proxy.is_used() && mimir.http.headers.len() == 2);
    assert!(matches!(&mimir.http.auth, Auth::Header { kind, .. } if kind == "Bearer"));
    assert_eq!(mimir.http.tls.ca_file.as_deref(), Some(Path::new("/etc/nines/ca.pem")));
    assert_eq!((mimir.query_offset, mimir.interval), (Duration::ZERO, 5 * minute));
    assert_eq!((mimir.timeout.as_secs(), mimir.concurrency), (90, 8));
    assert_eq!((mimir.pace.as_secs(), mimir.answer_bytes_max), (2, 10 << 20));
    assert_eq!(mimir.partial_response, PartialResponse::Warn);
}

#[test]
fn the_only_server_is_the_default() {
    assert!(good("prometheus_servers: [{name: a, url: 'http://a'}]\n").servers[0].is_default);
    let two = "prometheus_servers: [{name: a, url: 'http://a'}, {name: b, url: 'http://b'}]\n";
    assert!(good(two).servers.iter().all(|server| !server.is_default));
    assert!(good("prometheus_servers: []\n").servers.is_empty() && good("").servers.is_empty());
}

#[test]
fn what_is_shown_of_servers_holds_no_secret() {
    let shown = good(FULL).shown;
    for word in ["hunter2", "team-a"] {
        assert!(!shown.contains(word), "{word} in\n{shown}");
    }
    for word in [
        "X-Scope-OrgID: <secret>",
        "https://mimir.example.org/prometheus/?<secret>",
        "name: main",
    ] {
        assert!(shown.contains(word), "{word} not in\n{shown}");
    }
    assert!(!format!("{:?}", good(FULL).servers).contains("hunter2"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let server = |text: &str| format!("prometheus_servers:\n  - name: a\n    url: http://a\n    {text}\n");
    let of_url = |url: &str| format!("prometheus_servers:\n  - name: a\n    url: '{url}'\n");
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("prometheus_servers: {}\n".to_owned(), vec!["N006 1:21"]),
        ("prometheus_servers: [{}]\n".into(), vec!["N005 1:22", "N005 1:22"]),
        (server("name2: b"), vec!["N004 4:5"]),
        (server("") + "  - {name: a, url: 'http://b'}\n", vec!["N017 5:12"]),
        (server("") + "  - {name: a b, url: 'http://b'}\n", vec!["N015 5:12"]),
        (of_url("127.0.0.1:9090"), vec!["N033 3:10"]),
        (of_url("ftp://a"), vec!["N033 3:10"]),
        (of_url("http://u:hunter2@a"), vec!["N033 3:10"]),
        (of_url("http://a#b"), vec!["N033 3:10"]),
        (of_url("http://a/prometheus/api/v1/query"), vec!["N033 3:10"]),
        (server("headers: [a]"), vec!["N006 4:14"]),
        (server("headers: {a b: c}"), vec!["N015 4:5"]),
        (server("headers: {a: ''}"), vec!["N005 4:18"]),
        (server("headers: {Authorization: Bearer hunter2}"), vec!["N034 4:5"]),
        (server("headers: {a: b, A: c}"), vec!["N034 4:5"]),
        (
            server("headers: {a: b}\n    http_headers: {a: {values: [c]}}"),
            vec!["N034 4:5"],
        ),
        (server("query_offset: 1"), vec!["N013 4:19"]),
        (server("query_offset: 2h"), vec!["N013 4:19"]),
        (server("interval: 90s"), vec!["N013 4:15"]),
        (server("interval: 30s"), vec!["N013 4:15"]),
        (server("timeout: 0s"), vec!["N013 4:14"]),
        (server("timeout: 1h"), vec!["N013 4:14"]),
        (server("max_concurrency: 0"), vec!["N022 4:22"]),
        (server("max_concurrency: many"), vec!["N022 4:22"]),
        (server("queries_per_second: 0"), vec!["N022 4:25"]),
        (server("queries_per_second: nan"), vec!["N022 4:25"]),
        (server("partial_response: maybe"), vec!["N024 4:23"]),
        (server("max_answer_size: 1TB"), vec!["N022 4:22"]),
        (server("max_answer_size: big"), vec!["N022 4:22"]),
        (server("default: maybe"), vec!["N006 4:14"]),
        (
            server("default: true") + "  - {name: b, url: 'http://b', default: true}\n",
            vec!["N034 5:32"],
        ),
        (server("basic_auth: {username: u}"), vec!["N005 4:5"]),
        (
            server("basic_auth: {username: u, password: p}\n    authorization: {credentials: c}"),
            vec!["N034 5:5"],
        ),
    ] {
        let (_, diagnostics) = read(&text);
        let place = |d: &Diagnostic| format!("{} {}:{}", d.code, d.line, d.column);
        let found: Vec<_> = diagnostics.iter().map(place).collect();
        if found != expected {
            wrong.push(format!("{text}found {found:?}, expected {expected:?}\n"));
        }
        let told: String = diagnostics.iter().map(Diagnostic::full).collect();
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
