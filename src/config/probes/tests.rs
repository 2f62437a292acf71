//! What is said of probes: a text, and what it means or what must be said about it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::check_blackbox;
use crate::config::{Config, parse};
use crate::domain::verdict::ProbeKind;
use crate::source::probe::settings::{AddressPolicy, JsonTest, Protocol};
use crate::spec::diagnostic::Diagnostic;

fn read(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let env = |name: &str| (name == "PW").then(|| "hunter2".to_owned());
    parse(text, "nines.yml", Path::new("/etc/nines"), &env)
}

fn good(text: &str) -> Config {
    let (config, diagnostics) = read(text);
    config.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

/// Every option of every prober.
const ALL: &str = r#"
probe_modules:
  web:
    prober: http
    timeout: 5s
    attempts: 3
    attempt_delay: 200ms
    address_policy: each
    fail_if_slower_than: 800ms
    fail_if_cert_expires_within: 14d
    http:
      valid_status_codes: [200, 204]
      valid_http_versions: ["HTTP/1.1", "HTTP/2"]
      method: POST
      headers: {Host: shop.example, X-Key: hunter2, Accept-Encoding: "gzip, br;q=0.5"}
      http_headers: {X-Other: {values: [a], secrets: [hunter2]}}
      body_size_limit: 1MB
      compression: gzip
      follow_redirects: false
      fail_if_ssl: false
      fail_if_not_ssl: true
      fail_if_body_matches_regexp: ["could not connect", '{"a": 1}']
      fail_if_body_not_matches_regexp: ["ok"]
      fail_if_body_json_matches_cel: "body.errors > 3"
      fail_if_body_json_not_matches_cel: "body.status == 'ok' && body.checks.all(c, c.ok)"
      fail_if_body_json_not_matches:
        - {path: '$.status', equals: ok}
        - {path: '$.checks[*].up', equals: true}
        - {path: '$.version', regexp: '^2\.'}
        - {path: '$.queue', op: lt, value: 100}
        - {path: '$.build', exists: true}
      fail_if_header_matches: [{header: Set-Cookie, allow_missing: true, regexp: '.*'}]
      fail_if_header_not_matches: [{header: Access-Control-Allow-Origin, regexp: '(\*|example\.com)'}]
      tls_config: {insecure_skip_verify: true, ca_file: ca.pem, min_version: TLS13}
      basic_auth: {username: u, password: '${PW}'}
      proxy_url: http://u:hunter2@proxy:3128
      no_proxy: localhost
      proxy_connect_header: {X-Proxy: [hunter2]}
      skip_resolve_phase_with_proxy: true
      enable_http2: false
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      body: '{"password": "hunter2"}'
  mail:
    prober: tcp
    tcp:
      preferred_ip_protocol: ip6
      source_ip_address: 192.0.2.1
      tls: true
      tls_config: {server_name: mail.example}
      query_response:
        - expect: '^220 ([^ ]+) ESMTP (.+)$'
          labels: [{name: host, value: '${1}'}]
        - send: "PASS hunter2 ${1}\r"
        - expect_bytes: "OK"
        - starttls: true
  socket:
    prober: unix
    unix: {query_response: [{send: hi}, {expect: there}], tls: false}
  names:
    prober: dns
    dns:
      transport_protocol: tcp
      dns_over_tls: true
      query_name: shop.example
      query_type: A
      query_class: IN
      recursion_desired: false
      valid_rcodes: [NOERROR, NXDOMAIN]
      validate_answer_rrs: {fail_if_not_matches_regexp: ["192\\.0\\.2\\.1"], fail_if_matches_regexp: [x]}
      validate_authority_rrs: {fail_if_all_match_regexp: [x]}
      validate_additional_rrs: {fail_if_none_matches_regexp: [x]}
  ping:
    prober: icmp
    icmp: {payload_size: 64, ttl: 32, dont_fragment: true, source_ip_address: "::1"}
  api:
    prober: grpc
    grpc: {service: shop, tls: true, metadata: {authorization: [hunter2]}}
  feed:
    prober: websocket
    websocket:
      http_config: {bearer_token_file: token.txt}
      headers: {Origin: ["https://shop.example"]}
      query_response: [{send: ping}, {expect: pong}]
"#;

#[test]
fn every_option_of_every_prober_is_read() {
    let config = good(ALL);
    let modules = &config.probes.modules;
    let names: Vec<&str> = modules.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "api",
            "feed",
            "http_2xx",
            "icmp",
            "mail",
            "names",
            "ping",
            "socket",
            "tcp_connect",
            "web"
        ]
    );
    let web = &modules["web"];
    assert_eq!((web.attempts, web.attempt_delay), (3, Duration::from_millis(200)));
    assert_eq!(
        (web.timeout, web.addresses),
        (Some(Duration::from_secs(5)), AddressPolicy::Each)
    );
    assert_eq!(web.slower_than, Some(Duration::from_millis(800)));
    assert_eq!(web.cert_expires_within, Some(Duration::from_hours(14 * 24)));
    assert!(web.ip.prefers_v4 && !web.ip.fallback);
    let Protocol::Http(http) = &web.protocol else {
        panic!("{web:?}")
    };
    assert_eq!(http.valid_http_versions, ["HTTP/1.1", "HTTP/2.0"]);
    assert_eq!((http.method.as_str(), http.body_size_limit), ("POST", 1 << 20));
    assert!(
        http.fail_if_body_matches[1].is_match(br#"{"a": 1}"#),
        "braces are themselves"
    );
    assert!(http.http.no_redirects && !http.enable_http2 && http.skip_resolve_with_proxy && http.fail_if_not_ssl);
    assert_eq!(http.json_conditions.len(), 5);
    assert!(matches!(&http.json_conditions[1].test, JsonTest::Equals(value) if value == true));
    let Protocol::Tcp(tcp) = &modules["mail"].protocol else {
        panic!()
    };
    assert_eq!(tcp.script[0].labels, [("host".to_owned(), "${1}".to_owned())]);
    assert_eq!(
        tcp.script[1].send.as_deref(),
        Some("PASS hunter2 ${1}\r"),
        "${{1}} is no variable"
    );
    assert_eq!(tcp.script[2].expect_bytes.as_deref(), Some(&b"OK"[..]));
    assert!(tcp.script[3].starttls && tcp.tls);
    let Protocol::Dns(dns) = &modules["names"].protocol else {
        panic!()
    };
    assert!(dns.tcp && dns.tls && !dns.recursion_desired);
    let Protocol::Icmp(icmp) = &modules["ping"].protocol else {
        panic!()
    };
    assert_eq!((icmp.payload_size, icmp.ttl, icmp.dont_fragment), (64, Some(32), true));
    let Protocol::Grpc(grpc) = &modules["api"].protocol else {
        panic!()
    };
    assert_eq!(grpc.metadata, [("authorization".to_owned(), "hunter2".to_owned())]);
    let Protocol::WebSocket(feed) = &modules["feed"].protocol else {
        panic!()
    };
    assert_eq!(feed.headers, [("Origin".to_owned(), "https://shop.example".to_owned())]);
    assert_eq!(feed.script.len(), 2);
}

#[test]
fn secrets_of_modules_are_not_shown() {
    let shown = good(ALL).shown;
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("valid_status_codes"), "{shown}");
    let (_, diagnostics) = read(
        &ALL.replace("prober: http\n", "prober: htp\n")
            .replace("headers: {", "headrs: {"),
    );
    assert!(!diagnostics.is_empty());
    assert!(!format!("{diagnostics:?}").contains("hunter2"), "{diagnostics:?}");
}

#[test]
fn a_module_changes_its_hash_with_anything_of_it() {
    let hash = |text: &str| good(text).probes.modules["web"].config_hash;
    let before = hash(ALL);
    assert_eq!(before, hash(&ALL.replace("timeout: 5s", "timeout:   5s # as before")));
    for (from, to) in [
        ("attempts: 3", "attempts: 2"),
        ("X-Key: hunter2", "X-Key: hunter3"),
        ("'^2\\.'", "'^3\\.'"),
    ] {
        assert_ne!(before, hash(&ALL.replace(from, to)), "{to}");
    }
}

#[test]
fn probes_are_read_with_their_defaults() {
    let config = good(
        r"
probe_modules:
  http_2xx: {prober: http, timeout: 2s}
probes:
  - {job_name: web, targets: ['https://shop.example/', shop.example], labels: {env: prod}}
  - job_name: db
    module: tcp_connect
    interval: 5s
    static_configs: [{targets: ['db:5432']}]
    file_sd_configs: [{files: ['dbs/*.json']}]
  - job_name: slow
    module: icmp
    interval: 1m
    timeout: 30s
    targets: [db]
egress: {allow: [10.0.0.0/8, '::1'], deny: [10.9.0.0/16]}
probe_limits: {per_host: 2, per_kind: 100, icmp: 10}
probe_endpoint: {bearer_token_file: token}
",
    );
    let probes = &config.probes;
    let timeouts: Vec<u64> = probes
        .jobs
        .iter()
        .map(|job| job.timeout(&probes.modules[&job.module]).as_secs())
        .collect();
    assert_eq!(timeouts, [2, 5, 30]);
    assert_eq!(probes.jobs[0].interval, Duration::from_secs(30));
    assert_eq!(probes.jobs[0].static_targets[0].labels.get("env"), "prod");
    assert_eq!((probes.egress.allow.len(), probes.egress.deny.len()), (2, 1));
    let limits = &probes.limits;
    assert_eq!(
        (limits.per_host, limits.of(ProbeKind::Icmp), limits.of(ProbeKind::Http)),
        (2, 10, 100)
    );
    assert!(probes.token.is_some());
}

#[test]
fn mistakes_are_told_at_their_place() {
    let module = |text: &str| format!("probe_modules:\n  a: {{{text}}}\n");
    let http = |text: &str| module(&format!("prober: http, http: {{{text}}}"));
    let probe = |text: &str| format!("probes:\n  - {{job_name: a, {text}}}\n");
    for (text, code, part) in [
        (module("timeout: 1s"), "N005", "`prober` is missing"),
        (module("prober: htttp"), "N024", "`prober` is one of http, tcp"),
        (module("prober: http, tmeout: 1s"), "N004", "unknown key \"tmeout\""),
        (module("prober: http, attempts: 0"), "N022", "1 to 10"),
        (
            module("prober: http, attempt_delay: 2m"),
            "N013",
            "`attempt_delay` must be",
        ),
        (module("prober: http, address_policy: all"), "N024", "one, each, any"),
        (module("prober: dns"), "N005", "query_name"),
        (
            module("prober: dns, dns: {query_name: 'a b'}"),
            "N033",
            "a name of the DNS",
        ),
        (
            module("prober: dns, dns: {query_name: a, query_type: AAA}"),
            "N024",
            "`query_type` is one of",
        ),
        (
            module("prober: icmp, icmp: {ttl: 256}"),
            "N022",
            "`ttl` must be 0 to 255",
        ),
        (
            module("prober: tcp, tcp: {source_ip_address: db}"),
            "N033",
            "an IP address",
        ),
        (
            module("prober: tcp, tcp: {query_response: [{expect: '('}]}"),
            "N049",
            "no regular expression",
        ),
        (
            http("fail_if_body_matches_regexp: ['[']"),
            "N049",
            "`fail_if_body_matches_regexp` is no regular",
        ),
        (
            http("fail_if_body_json_matches_cel: 'body. =='"),
            "N049",
            "no expression in CEL",
        ),
        (
            http("fail_if_body_json_not_matches: [{path: status, equals: 1}]"),
            "N049",
            "no JSON path",
        ),
        (
            http("fail_if_body_json_not_matches: [{path: $.a}]"),
            "N044",
            "exactly one of",
        ),
        (
            http("fail_if_body_json_not_matches: [{path: $.a, op: lt}]"),
            "N005",
            "belong together",
        ),
        (
            http("fail_if_header_matches: [{regexp: a}]"),
            "N005",
            "`header` is missing",
        ),
        (http("valid_status_codes: [99]"), "N022", "from 100 to 999"),
        (http("valid_http_versions: ['HTTP/4']"), "N024", "HTTP/1.1"),
        (http("headers: {'a b': c}"), "N015", "no header may have"),
        (http("headers: {a: b, A: c}"), "N034", "set twice"),
        (http("method: 'GET /'"), "N024", "a method of HTTP"),
        (http("body: a, body_file: b"), "N034", "exclude each other"),
        (
            http("compression: gzip, headers: {Accept-Encoding: br}"),
            "N034",
            "asks for",
        ),
        (http("enable_http3: true"), "L005", "`enable_http3` has no effect"),
        (http("no_follow_redirects: true"), "L007", "follow_redirects: false"),
        (http("body_size_limit: 1GB"), "L005", "cut to 64MB"),
        (module("prober: http, tcp: {tls: true}"), "L005", "the prober is http"),
        (
            probe("targets: [a], module: htp_2xx"),
            "N032",
            "there is no module htp_2xx",
        ),
        (
            probe("targets: ['ftp://a/']"),
            "N033",
            "this is no target: an http probe takes",
        ),
        (
            probe("module: tcp_connect, targets: [db]"),
            "N033",
            "a tcp probe takes `host:port`",
        ),
        (
            probe("module: icmp, static_configs: [{targets: ['db:1']}]"),
            "N033",
            "an icmp probe takes a host",
        ),
        (probe("interval: 1s"), "N005", "a probe has `targets`"),
        (probe("targets: [a], interval: 10ms"), "N013", "`interval` must be"),
        (probe("targets: [a], timeout: 1m"), "N031", "longer than the interval"),
        (probe("targets: [a], scrape_interval: 1m"), "N004", "scrape_interval"),
        (probe("targets: [a], metrics_path: /probe"), "N004", "metrics_path"),
        (
            probe("targets: [a]}\n  - {job_name: a, targets: [b]"),
            "N017",
            "given twice",
        ),
        (
            "egress: {allow: [10.0.0.0/33]}\n".to_owned(),
            "N033",
            "networks such as",
        ),
        ("egress: {alow: []}\n".to_owned(), "N004", "unknown key"),
        ("probe_limits: {per_host: 0}\n".to_owned(), "N022", "1 to 10000"),
        ("probe_endpoint: {}\n".to_owned(), "N005", "`bearer_token`"),
        (
            "probe_endpoint: {bearer_token: short}\n".to_owned(),
            "N035",
            "16 characters",
        ),
        (
            "probe_module_files: ['/no/such/blackbox.yml']\n".to_owned(),
            "N001",
            "/no/such/blackbox.yml",
        ),
    ] {
        let (config, diagnostics) = read(&text);
        let found = diagnostics
            .iter()
            .find(|found| found.code == code && found.message.contains(part));
        let hinted = diagnostics.iter().any(|found| found.code == code);
        assert!(found.is_some() || (code == "N001" && hinted), "{text}\n{diagnostics:?}");
        assert_eq!(config.is_none(), code.starts_with('N'), "{text}");
    }
}

#[test]
fn what_stands_in_a_variable_is_a_secret_and_no_pattern() {
    let config = good(
        "probe_modules:\n  a:\n    prober: tcp\n    tcp: {query_response: [{send: 'PASS ${PW} ${1}', expect: '(.*)'}]}\n",
    );
    let Protocol::Tcp(tcp) = &config.probes.modules["a"].protocol else {
        panic!()
    };
    assert_eq!(tcp.script[0].send.as_deref(), Some("PASS hunter2 ${1}"));
}

/// What users of blackbox exporter have; newer options than nines knows are told and do no harm.
const BLACKBOX: &str = r#"
modules:
  http_2xx:
    prober: http
    timeout: 3s
    http: {enable_http3: true, brand_new: 1}
  irc_banner:
    prober: tcp
    tcp:
      query_response:
        - send: "NICK ${HOME}"
        - expect: "PING :([^ ]+)"
          send: "PONG ${1}"
"#;

#[test]
fn a_file_of_blackbox_exporter_is_read_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("blackbox.yml"), BLACKBOX).expect("a file");
    let text = "probe_module_files: [blackbox.yml]\nprobes: [{job_name: a, module: irc_banner, targets: ['a:1']}]\n";
    let (config, diagnostics) = parse(text, "nines.yml", folder.path(), &|_| None);
    let codes: Vec<&str> = diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["L005", "L023"], "{diagnostics:?}");
    let modules = config.expect("it is valid").probes.modules;
    assert_eq!(
        modules["http_2xx"].timeout,
        Some(Duration::from_secs(3)),
        "it takes the place of ours"
    );
    let Protocol::Tcp(tcp) = &modules["irc_banner"].protocol else {
        panic!()
    };
    assert_eq!(
        tcp.script[0].send.as_deref(),
        Some("NICK ${HOME}"),
        "blackbox exporter replaces nothing"
    );
    let (count, diagnostics) = check_blackbox(BLACKBOX, "blackbox.yml", Path::new("/etc"));
    assert_eq!((count, diagnostics.len()), (Some(2), 2));
    for wrong in [
        "modules: 1\n",
        "[]\n",
        "modul: {}\n",
        "modules: {a: {prober: x}}\n",
        "a: [\n",
    ] {
        let (count, diagnostics) = check_blackbox(wrong, "blackbox.yml", Path::new("/etc"));
        assert!(count.is_none() && !diagnostics.is_empty(), "{wrong}");
    }
}

#[test]
fn hostile_expressions_are_refused_or_taken_and_never_more() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    let mut hostile = vec![
        nested(1000),
        nested(32),
        "!".repeat(2000),
        "- ".repeat(1000),
        "a ? b : ".repeat(250),
    ];
    for part in ["a.", "1+", "a||", "a&&", "a==", "'a'+", "[1]+", "a in ", "a["] {
        hostile.push(format!("{}a", part.repeat(2040 / part.len())));
        hostile.push(format!("{}a", part.repeat(48)));
    }
    for text in [
        "'", "\"\\", "a.b.c(", "a ? b", "[1,", "{1:", "\u{0}", "1 / 0", "9e999", "has(a)",
    ] {
        hostile.push(text.to_owned());
    }
    for text in hostile {
        let quoted = serde_json::Value::from(text.as_str()).to_string();
        let (config, diagnostics) = read(&format!(
            "probe_modules: {{a: {{prober: http, http: {{fail_if_body_json_matches_cel: {quoted}}}}}}}\n"
        ));
        assert!(config.is_some() || !diagnostics.is_empty(), "{text}");
    }
    for text in [
        "$[",
        "$..[?(",
        "$[?@.a==",
        "$[?((((((((((",
        &nested(2000),
        &format!("$[?{}", "(".repeat(1000)),
    ] {
        let quoted = serde_json::Value::from(text).to_string();
        let (config, _) = read(&format!(
            "probe_modules: {{a: {{prober: http, http: {{fail_if_body_json_not_matches: [{{path: {quoted}, equals: 1}}]}}}}}}\n"
        ));
        assert!(config.is_none(), "{text}");
    }
}
