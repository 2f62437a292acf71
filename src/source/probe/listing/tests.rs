use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::domain::relabel::{RelabelRule, RelabelRules, WrittenRule};
use crate::engine::clock::ManualClock;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::source::probe::settings::{HttpModule, Protocol, TcpModule};
use crate::source::scrape::settings::{FileDiscovery, TargetGroup};

fn probing() -> Arc<Probing> {
    let mut modules = BTreeMap::new();
    for (name, protocol, timeout) in [
        ("http_2xx", Protocol::Http(Box::new(HttpModule::default())), None),
        ("tcp_connect", Protocol::Tcp(Box::new(TcpModule::default())), Some(5)),
    ] {
        let module = ProbeModule {
            timeout: timeout.map(Duration::from_secs),
            ..ProbeModule::plain(name, protocol)
        };
        modules.insert(name.to_owned(), Arc::new(module));
    }
    let settings = ProbeSettings {
        modules,
        ..ProbeSettings::default()
    };
    let clock = ManualClock::at(crate::domain::time::Timestamp(0));
    Arc::new(Probing::new(&settings, Arc::new(clock)))
}

fn job(targets: &[&str], labels: &[(&str, &str)]) -> ProbeJob {
    ProbeJob {
        name: "web".to_owned(),
        module: "http_2xx".to_owned(),
        interval: Duration::from_secs(30),
        timeout: None,
        relabelling: RelabelRules::default(),
        target_limit: None,
        keep_dropped: 0,
        static_targets: vec![TargetGroup {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            labels: labels.iter().copied().collect(),
        }],
        file_discovery: Vec::new(),
        providers: Vec::new(),
    }
}

fn shown(job: ProbeJob) -> Vec<String> {
    let show = |listed: ListedProbe| {
        let target = listed.target;
        let (interval, timeout) = (format_duration(target.interval), format_duration(target.timeout));
        format!(
            "{} {} {interval} {timeout} {}",
            target.key(),
            target.labels,
            listed.host
        )
    };
    list_once(vec![job], &probing()).into_iter().map(show).collect()
}

/// How users of blackbox exporter write it.
fn as_for_blackbox() -> RelabelRules {
    let rule = |source: Option<&str>, target: &str, replacement: Option<&str>| {
        RelabelRule::new(WrittenRule {
            source_labels: source.map(|source| vec![source.to_owned()]),
            target_label: Some(target.to_owned()),
            replacement: replacement.map(ToOwned::to_owned),
            ..WrittenRule::default()
        })
        .expect("a rule")
    };
    [
        rule(Some("__address__"), "__param_target", None),
        rule(Some("__param_target"), "instance", None),
        rule(None, "__address__", Some("127.0.0.1:9115")),
    ]
    .into_iter()
    .collect()
}

#[test]
fn a_target_is_named_and_labelled_by_what_is_written() {
    for (what, job, expected) in [
        (
            "a URL",
            job(&["https://shop.example/"], &[("env", "prod")]),
            vec![
                r#"web http_2xx https://shop.example/ {env="prod",instance="https://shop.example/",job="web"} 30s 10s shop.example"#,
            ],
        ),
        (
            "listed twice",
            job(&["a.example", "a.example"], &[]),
            vec![r#"web http_2xx a.example {instance="a.example",job="web"} 30s 10s a.example"#],
        ),
        (
            "credentials",
            job(&["http://u:hunter2@a.example/"], &[]),
            vec![
                r#"web http_2xx http://<secret>@a.example/ {instance="http://<secret>@a.example/",job="web"} 30s 10s a.example"#,
            ],
        ),
        (
            "another module by a label, with its timeout",
            job(&["db:5432"], &[("__param_module", "tcp_connect")]),
            vec![r#"web tcp_connect db:5432 {instance="db:5432",job="web"} 30s 5s db"#],
        ),
        (
            "an interval of its own",
            job(&["a"], &[("__scrape_interval__", "2s")]),
            vec![r#"web http_2xx a {instance="a",job="web"} 2s 2s a"#],
        ),
        (
            "the rules of blackbox exporter",
            ProbeJob {
                relabelling: as_for_blackbox(),
                ..job(&["https://a/"], &[])
            },
            vec![r#"web http_2xx https://a/ {instance="https://a/",job="web"} 30s 10s a"#],
        ),
        ("no such module", job(&["a"], &[("__param_module", "x")]), vec![]),
        ("no such address", job(&["ftp://a"], &[]), vec![]),
        (
            "an interval that is none",
            job(&["a"], &[("__scrape_interval__", "0s")]),
            vec![],
        ),
    ] {
        assert_eq!(shown(job), expected, "{what}");
    }
}

#[test]
fn a_target_that_has_not_changed_keeps_its_prober() {
    let probing = probing();
    let mut first = discovery(vec![job(&["a", "b"], &[])], &probing, Arc::default());
    let before = first.list();
    let mut again = discovery(vec![job(&["b", "c"], &[])], &probing, Arc::default());
    again.adopt(&before);
    let after = again.list();
    assert!(Arc::ptr_eq(&before[1].prober, &after[0].prober), "b is the same");
    let mut changed = discovery(vec![job(&["b"], &[("env", "prod")])], &probing, Arc::default());
    changed.adopt(&after);
    assert!(
        !Arc::ptr_eq(&after[0].prober, &changed.list()[0].prober),
        "its labels are others"
    );
}

#[tokio::test]
async fn with_too_many_targets_none_is_probed() {
    let crowded = ProbeJob {
        target_limit: Some(1),
        ..job(&["a.invalid", "b.invalid"], &[])
    };
    let listed = list_once(vec![crowded], &probing());
    let verdict = listed[0].prober.probe().await;
    assert_eq!(verdict.reason, Reason::Misconfigured);
    assert!(verdict.detail.contains("target_limit exceeded"), "{}", verdict.detail);
}

#[tokio::test(start_paused = true)]
async fn files_are_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    std::fs::write(&file, r#"[{"targets": ["a"]}]"#).expect("a file");
    let job = ProbeJob {
        file_discovery: vec![FileDiscovery {
            files: vec![file.clone()],
            refresh_interval: Duration::from_secs(1),
        }],
        ..job(&[], &[])
    };
    let (sender, mut receiver) = watch::channel(Arc::<ListedProbes>::default());
    let cancel = CancellationToken::new();
    let limits = ProbeLimits::default();
    let (shown, stats) = (Arc::default(), Arc::default());
    spawn(
        vec![job],
        &probing(),
        Arc::default(),
        (limits, sender),
        shown,
        stats,
        cancel.clone(),
    );
    let mut targets = async || {
        receiver.changed().await.expect("it goes on");
        let listed = receiver.borrow_and_update();
        listed
            .probes
            .iter()
            .map(|probe| probe.target.target.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(targets().await, ["a"]);
    std::fs::write(&file, r#"[{"targets": ["b"]}]"#).expect("a file");
    assert_eq!(targets().await, ["b"]);
    cancel.cancel();
}
