//! Targets that others know: over HTTP, and in DNS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::job;
use crate::domain::relabel::{RelabelAction, RelabelRule, WrittenRule};
use crate::engine::discovered::Discovered;
use crate::engine::ports::ListedTarget;
use crate::engine::stats::Stats;
use crate::source::scrape::discovery::spawn;
use crate::source::scrape::dns_sd::DnsProvider;
use crate::source::scrape::http_sd::HttpProvider;
use crate::source::scrape::provider::Provide;
use crate::source::scrape::settings::{
    DnsDiscovery, FileDiscovery, HttpDiscovery, HttpSettings, Provider, RecordKind, ScrapeJob, TargetGroup,
};

/// What the server answers next, and the headers of the last request.
#[derive(Default)]
struct Said {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    heard: HeaderMap,
    hangs: bool,
    asked: Arc<Notify>,
}

type Shared = Arc<Mutex<Said>>;

/// Waits until the server was asked twice: by then what it said the first time was taken up.
async fn asked_twice(said: &Shared) {
    let asked = Arc::clone(&said.lock().unwrap().asked);
    for _ in 0..3 {
        asked.notified().await;
    }
}

async fn answer(
    State(said): State<Shared>,
    headers: HeaderMap,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let (answer, hangs) = {
        let mut said = said.lock().unwrap();
        said.heard = headers;
        said.asked.notify_one();
        let answer = (said.status, [("content-type", said.content_type)], said.body.clone());
        (answer, said.hangs)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    answer
}

fn say(said: &Shared, body: &str) {
    let mut said = said.lock().unwrap();
    (said.status, said.content_type, said.body) = (StatusCode::OK, "application/json", body.to_owned());
}

async fn list_server() -> (Shared, HttpDiscovery) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let said = Shared::default();
    let router = Router::new().route("/list", get(answer)).with_state(Arc::clone(&said));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = HttpDiscovery {
        url: format!("http://{address}/list?token=hunter2"),
        refresh_interval: Duration::from_millis(50),
        http: HttpSettings::default(),
    };
    (said, settings)
}

fn shown(groups: &[TargetGroup]) -> Vec<String> {
    groups
        .iter()
        .map(|group| format!("{} {}", group.targets.join(","), group.labels))
        .collect()
}

#[tokio::test]
async fn an_answer_may_come_packed_and_its_limit_is_that_of_the_text() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let list = |padding: usize| format!(r#"[{{"targets": ["a:1"]{}}}]"#, " ".repeat(padding));
    for (padding, expected) in [
        (10_000, Ok(1)),
        (17 << 20, Err("the answer is larger than 16 MiB".to_owned())),
    ] {
        let answer = move || async move { ([("content-type", "application/json")], list(padding)) };
        let router = Router::new().route("/list", get(answer));
        let router = router.layer(CompressionLayer::new().gzip(true));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = HttpDiscovery {
            url,
            refresh_interval: Duration::from_secs(1),
            http: HttpSettings::default(),
        };
        let found = HttpProvider::new(settings, Arc::default()).look().await;
        assert_eq!(found.map(|groups| groups.len()), expected);
    }
}

#[tokio::test]
async fn a_url_answers_with_groups_or_with_what_is_wrong() {
    let (said, settings) = list_server().await;
    let url = settings.url.clone();
    let mut provider = HttpProvider::new(settings, Arc::default());
    assert!(!provider.name().contains("hunter2"), "{}", provider.name());
    say(
        &said,
        r#"[{"targets": ["a:1", "b:1"], "labels": {"zone": "x"}}, {"targets": ["c:1"]}]"#,
    );
    let found = provider.look().await.unwrap();
    let expected = [
        format!(r#"a:1,b:1 {{__meta_url="{url}",zone="x"}}"#),
        format!(r#"c:1 {{__meta_url="{url}"}}"#),
    ];
    assert_eq!(shown(&found), expected);
    let heard = said.lock().unwrap().heard.clone();
    assert_eq!(heard["x-prometheus-refresh-interval-seconds"], "0.05");
    assert_eq!(heard["accept"], "application/json");
    for (status, content_type, body, why) in [
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "application/json",
            "[]",
            "HTTP status 500",
        ),
        (StatusCode::OK, "text/html", "[]", "not of the type application/json"),
        (
            StatusCode::OK,
            "application/json; charset=utf-8",
            "{}",
            "expected a sequence",
        ),
        (StatusCode::OK, "application/json", "[", "EOF"),
        (
            StatusCode::OK,
            "application/json",
            "[{\"targets\": \"hunter2\"}]",
            "expected a sequence",
        ),
    ] {
        {
            let mut said = said.lock().unwrap();
            (said.status, said.content_type, said.body) = (status, content_type, body.to_owned());
        }
        let found = provider.look().await.unwrap_err();
        assert!(found.contains(why) && !found.contains("hunter2"), "{found}");
    }
    say(&said, &format!("[{}", " ".repeat(17 << 20)));
    assert_eq!(provider.look().await.unwrap_err(), "the answer is larger than 16 MiB");
}

async fn until(receiver: &mut watch::Receiver<Arc<Vec<ListedTarget>>>, expected: &[&str]) {
    let reached = async {
        loop {
            let listed = Arc::clone(&receiver.borrow_and_update());
            let found: Vec<&str> = listed
                .iter()
                .map(|listed| listed.target.labels.get("instance"))
                .collect();
            if found == expected {
                return;
            }
            receiver.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached)
        .await
        .unwrap_or_else(|_| panic!("never {expected:?}"));
}

#[tokio::test]
async fn a_provider_holds_up_nobody_and_a_failure_or_a_reload_loses_no_target() {
    let (said, settings) = list_server().await;
    let with_provider = || ScrapeJob {
        providers: vec![Provider::Http(Box::new(settings.clone()))],
        static_targets: vec![TargetGroup {
            targets: vec!["static:1".to_owned()],
            ..TargetGroup::default()
        }],
        ..job("shop")
    };
    said.lock().unwrap().hangs = true;
    let (sender, mut receiver) = watch::channel(Arc::default());
    let cancel = CancellationToken::new();
    let first = spawn(
        vec![with_provider()],
        &Arc::default(),
        sender.clone(),
        Arc::default(),
        Arc::default(),
        cancel.clone(),
    );
    until(&mut receiver, &["static:1"]).await;
    cancel.cancel();
    first.await.unwrap();

    said.lock().unwrap().hangs = false;
    say(&said, r#"[{"targets": ["a:1"]}]"#);
    let cancel = CancellationToken::new();
    let second = spawn(
        vec![with_provider()],
        &Arc::default(),
        sender.clone(),
        Arc::default(),
        Arc::default(),
        cancel.clone(),
    );
    until(&mut receiver, &["static:1", "a:1"]).await;
    let known = Arc::clone(&receiver.borrow()[1].visitor);
    said.lock().unwrap().status = StatusCode::BAD_GATEWAY;
    asked_twice(&said).await;
    assert!(!receiver.has_changed().unwrap());
    cancel.cancel();
    second.await.unwrap();

    // After a reload the server is still away.
    let cancel = CancellationToken::new();
    let third = spawn(
        vec![with_provider()],
        &Arc::default(),
        sender.clone(),
        Arc::default(),
        Arc::default(),
        cancel.clone(),
    );
    asked_twice(&said).await;
    until(&mut receiver, &["static:1", "a:1"]).await;
    assert!(Arc::ptr_eq(&known, &receiver.borrow()[1].visitor));
    say(&said, r#"[{"targets": ["b:1"]}]"#);
    until(&mut receiver, &["static:1", "b:1"]).await;
    cancel.cancel();
    third.await.unwrap();
}

#[tokio::test]
async fn targets_that_rules_drop_are_counted_and_some_are_shown() {
    let drop_odd = RelabelRule::new(WrittenRule {
        source_labels: Some(vec!["__address__".to_owned()]),
        separator: None,
        regex: Some("odd.*".to_owned()),
        modulus: None,
        target_label: None,
        replacement: None,
        action: RelabelAction::Drop,
    });
    let shop = ScrapeJob {
        relabelling: [drop_odd.unwrap()].into_iter().collect(),
        static_targets: vec![TargetGroup {
            targets: ["odd:1", "odd:2", "even:2", "odd:3"].map(str::to_owned).to_vec(),
            ..TargetGroup::default()
        }],
        keep_dropped: 2,
        ..job("shop")
    };
    let (sender, mut receiver) = watch::channel(Arc::default());
    let shown: Arc<ArcSwap<Discovered>> = Arc::default();
    let cancel = CancellationToken::new();
    let task = spawn(
        vec![shop, job("empty")],
        &Arc::default(),
        sender,
        Arc::clone(&shown),
        Arc::default(),
        cancel.clone(),
    );
    until(&mut receiver, &["even:2"]).await;
    let discovered = shown.load_full();
    let dropped: Vec<&str> = discovered
        .dropped
        .iter()
        .map(|(_, labels)| labels.get("__address__"))
        .collect();
    assert_eq!(dropped, ["odd:1", "odd:2"]);
    let counts: Vec<(&str, u64)> = discovered
        .dropped_counts
        .iter()
        .map(|(job, count)| (job.as_str(), *count))
        .collect();
    assert_eq!(counts, [("empty", 0), ("shop", 3)]);
    let of_even = &discovered.labels[&receiver.borrow()[0].target.key()];
    assert_eq!(
        (of_even.get("__address__"), of_even.get("__scrape_interval__")),
        ("even:2", "15s")
    );
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn why_there_are_no_targets_is_shown_and_counted_without_secrets() {
    let (said, settings) = list_server().await;
    say(
        &said,
        r#"[{"targets": ["u:hunter2@a:1", "b:1/metrics?token=hunter2", "c:1"]}]"#,
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, format!(r#"[{{"targets": "{}"}}]"#, "x".repeat(100_000))).unwrap();
    let shop = ScrapeJob {
        providers: vec![Provider::Http(Box::new(settings))],
        file_discovery: vec![FileDiscovery {
            files: vec![file],
            refresh_interval: Duration::from_millis(100),
        }],
        ..job("shop")
    };
    let (sender, mut receiver) = watch::channel(Arc::default());
    let (shown, stats): (Arc<ArcSwap<Discovered>>, Arc<Stats>) = Default::default();
    let cancel = CancellationToken::new();
    let task = spawn(
        vec![shop],
        &Arc::default(),
        sender,
        Arc::clone(&shown),
        Arc::clone(&stats),
        cancel.clone(),
    );
    until(&mut receiver, &["c:1"]).await;
    let problems = |mechanism: &str| -> Vec<String> {
        let all = shown.load_full();
        let found = all.problems.iter().filter(|problem| problem.mechanism == mechanism);
        found.map(|problem| problem.message.clone()).collect()
    };
    assert_eq!(
        problems("address"),
        [
            "target \"<secret>@a:1\" is left out: write `host:port` without credentials, which belong into `basic_auth`",
            "target \"b:1/metrics?token=<secret>\" is left out: write `host:port` without a path, which belongs into \
             `metrics_path`",
        ]
    );
    let of_file = problems("file");
    assert!(of_file.len() == 1 && of_file[0].chars().count() < 600, "{of_file:?}");
    let failures = |mechanism: &str| {
        let key = vec!["shop".to_owned(), mechanism.to_owned()];
        stats.sd_failures.get().get(&key).copied().unwrap_or_default()
    };
    assert!(failures("file") > 0 && failures("http") == 0);
    said.lock().unwrap().status = StatusCode::BAD_GATEWAY;
    while problems("http").is_empty() {
        asked_twice(&said).await;
    }
    let why = problems("http");
    assert!(
        why[0].contains("?token=<secret> gives no targets, 3 known ones are kept: HTTP status 502"),
        "{why:?}"
    );
    assert!(failures("http") > 0);
    say(&said, r#"[{"targets": ["c:1"]}]"#);
    while !problems("http").is_empty() {
        asked_twice(&said).await;
    }
    assert!(problems("address").is_empty());
    cancel.cancel();
    task.await.unwrap();
}

/// Answers every question about these names with these records, and all others with this code.
async fn name_server(records: Vec<(&'static str, RData)>, otherwise: ResponseCode) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            let asked = message.queries[0].clone();
            message.metadata.message_type = MessageType::Response;
            message.additionals.clear();
            message.edns = None;
            for (name, data) in &records {
                let name = Name::from_ascii(name).unwrap();
                if name == *asked.name() && data.record_type() == asked.query_type() {
                    message.answers.push(Record::from_rdata(name, 60, data.clone()));
                }
            }
            let is_known = records
                .iter()
                .any(|(name, _)| Name::from_ascii(name).unwrap() == *asked.name());
            if asked.name().to_ascii() == "broken.example.org." {
                message.metadata.response_code = ResponseCode::ServFail;
            } else if !is_known {
                message.metadata.response_code = otherwise;
            }
            socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

async fn look(server: SocketAddr, kind: RecordKind, name: &str) -> Result<Vec<String>, String> {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
    let search = vec![Name::from_ascii("example.org.").unwrap()];
    let settings = DnsDiscovery {
        names: vec![name.to_owned()],
        kind,
        port: 9100,
        refresh_interval: Duration::from_secs(30),
    };
    let mut provider = DnsProvider::asking(settings, ResolverConfig::from_parts(None, search, servers));
    provider.look().await.map(|groups| {
        let without_empty = |group: &TargetGroup| {
            let labels: crate::domain::labels::Labels =
                group.labels.iter().filter(|(_, value)| !value.is_empty()).collect();
            format!("{} {labels}", group.targets.join(","))
        };
        groups.iter().map(without_empty).collect()
    })
}

#[tokio::test]
async fn records_name_targets() {
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let server = name_server(
        vec![
            ("db.example.org.", RData::A(A::new(10, 0, 0, 2))),
            ("db.example.org.", RData::A(A::new(10, 0, 0, 1))),
            ("db.example.org.", RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 1))),
            (
                "_m._tcp.example.org.",
                RData::SRV(SRV::new(1, 1, 9187, name("pg1.example.org."))),
            ),
            ("example.org.", RData::MX(MX::new(1, name("mail.example.org.")))),
            ("example.org.", RData::NS(NS(name("ns.example.org.")))),
        ],
        ResponseCode::NXDomain,
    )
    .await;
    let a = r#"__meta_dns_name="db.example.org"}"#;
    let cases = [
        (RecordKind::A, "db.example.org", vec![format!("10.0.0.1:9100 {{{a}"), format!("10.0.0.2:9100 {{{a}")]),
        (RecordKind::A, "db", vec![
            r#"10.0.0.1:9100 {__meta_dns_name="db"}"#.to_owned(),
            r#"10.0.0.2:9100 {__meta_dns_name="db"}"#.to_owned(),
        ]),
        (RecordKind::Aaaa, "db.example.org", vec![format!("[::1]:9100 {{{a}")]),
        (RecordKind::Srv, "_m._tcp.example.org", vec![
            r#"pg1.example.org:9187 {__meta_dns_name="_m._tcp.example.org",__meta_dns_srv_record_port="9187",__meta_dns_srv_record_target="pg1.example.org."}"#.to_owned(),
        ]),
        (RecordKind::Mx, "example.org.", vec![
            r#"mail.example.org:9100 {__meta_dns_mx_record_target="mail.example.org.",__meta_dns_name="example.org."}"#.to_owned(),
        ]),
        (RecordKind::Ns, "example.org.", vec![
            r#"ns.example.org:9100 {__meta_dns_name="example.org.",__meta_dns_ns_record_target="ns.example.org."}"#.to_owned(),
        ]),
        (RecordKind::A, "nobody.example.org", Vec::new()),
        (RecordKind::Srv, "db.example.org", Vec::new()),
    ];
    for (kind, asked, expected) in cases {
        assert_eq!(look(server, kind, asked).await, Ok(expected), "{kind:?} {asked}");
    }
}

#[tokio::test]
async fn a_name_server_that_fails_is_no_answer() {
    let server = name_server(Vec::new(), ResponseCode::ServFail).await;
    let why = look(server, RecordKind::A, "db.example.org").await.unwrap_err();
    assert!(why.starts_with("db.example.org: "), "{why}");
    // That the name does not exist elsewhere is no answer either.
    let server = name_server(Vec::new(), ResponseCode::NXDomain).await;
    for name in ["broken.example.org", "broken"] {
        look(server, RecordKind::A, name).await.unwrap_err();
    }
}
