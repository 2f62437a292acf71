//! Which targets a job has.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{job, labels};
use crate::engine::ports::ListedTarget;
use crate::source::scrape::discovery::{Discovery, list_once, spawn};
use crate::source::scrape::settings::{FileDiscovery, Scheme, ScrapeJob, TargetGroup};

fn group(targets: &[&str], of: &[(&str, &str)]) -> TargetGroup {
    TargetGroup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        labels: labels(of),
    }
}

fn with_groups(groups: Vec<TargetGroup>) -> ScrapeJob {
    ScrapeJob {
        static_targets: groups,
        ..job("shop")
    }
}

fn with_files(folder: &Path, refresh: Duration) -> ScrapeJob {
    ScrapeJob {
        file_discovery: vec![FileDiscovery {
            files: vec![folder.join("*.json"), folder.join("*.yml")],
            refresh_interval: refresh,
        }],
        ..job("shop")
    }
}

fn shown(listed: &[ListedTarget]) -> Vec<String> {
    let show = |listed: &ListedTarget| format!("{} {}", listed.target.url, listed.target.labels);
    listed.iter().map(show).collect()
}

#[test]
fn a_target_is_named_and_labelled_as_prometheus_does() {
    let cases: Vec<(&str, TargetGroup, &str)> = vec![
        (
            "its address",
            group(&["db:9100"], &[]),
            r#"http://db:9100/metrics {instance="db:9100",job="shop"}"#,
        ),
        (
            "without a port",
            group(&["db"], &[]),
            r#"http://db/metrics {instance="db",job="shop"}"#,
        ),
        (
            "IPv6",
            group(&["[::1]:9100"], &[]),
            r#"http://[::1]:9100/metrics {instance="[::1]:9100",job="shop"}"#,
        ),
        (
            "its group's labels",
            group(&["db:1"], &[("env", "prod")]),
            r#"http://db:1/metrics {env="prod",instance="db:1",job="shop"}"#,
        ),
        (
            "an instance of its own",
            group(&["db:1"], &[("instance", "main")]),
            r#"http://db:1/metrics {instance="main",job="shop"}"#,
        ),
        (
            "a scheme of its own",
            group(&["db:1"], &[("__scheme__", "https")]),
            r#"https://db:1/metrics {instance="db:1",job="shop"}"#,
        ),
        (
            "a path of its own",
            group(&["db:1"], &[("__metrics_path__", "/a b")]),
            r#"http://db:1/a%20b {instance="db:1",job="shop"}"#,
        ),
        (
            "a parameter",
            group(&["db:1"], &[("__param_module", "x&y")]),
            r#"http://db:1/metrics?module=x%26y {instance="db:1",job="shop"}"#,
        ),
        (
            "labels for others",
            group(&["db:1"], &[("__meta_x", "y")]),
            r#"http://db:1/metrics {instance="db:1",job="shop"}"#,
        ),
    ];
    for (what, group, expected) in cases {
        assert_eq!(shown(&list_once(vec![with_groups(vec![group])])), [expected], "{what}");
    }
}

#[test]
fn parameters_of_the_job_and_of_the_target_go_together() {
    let shop = ScrapeJob {
        params: vec![
            ("z".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
            ("a".to_owned(), vec!["3".to_owned()]),
        ],
        scheme: Scheme::Https,
        path: "/federate".to_owned(),
        ..with_groups(vec![group(&["db:1"], &[("__param_z", "9")])])
    };
    assert_eq!(list_once(vec![shop])[0].target.url, "https://db:1/federate?a=3&z=9&z=2");
}

#[test]
fn what_is_no_address_is_left_out_and_what_stands_there_twice_is_one() {
    let wrong = [
        "",
        "http://db:1",
        "db:1/metrics",
        "user:word@db:1",
        "db:port",
        "d b:1",
        "db:1?x",
        "db:1#x",
        "db:99999",
    ];
    assert!(list_once(vec![with_groups(vec![group(&wrong, &[])])]).is_empty());
    let bad_scheme = group(&["db:1"], &[("__scheme__", "gopher")]);
    assert!(list_once(vec![with_groups(vec![bad_scheme])]).is_empty());
    let twice = with_groups(vec![
        group(&["db:1", "db:2"], &[("x", "1")]),
        group(&["db:1"], &[("x", "2")]),
    ]);
    let listed = list_once(vec![twice]);
    let values: Vec<_> = listed.iter().map(|listed| listed.target.labels.get("x")).collect();
    assert_eq!(values, ["1", "1"]);
}

#[test]
fn files_are_read_in_both_languages_and_keep_their_last_good_targets() {
    let folder = tempfile::tempdir().unwrap();
    let (json, yaml) = (folder.path().join("a.json"), folder.path().join("b.yml"));
    let mut discovery = Discovery::new(vec![with_files(folder.path(), Duration::from_secs(30))]);
    let mut urls = || {
        let listed = discovery.list();
        let url = |listed: ListedTarget| listed.target.labels.to_string();
        listed.into_iter().map(url).collect::<Vec<_>>()
    };
    assert!(urls().is_empty());
    fs::write(
        &json,
        r#"[{"targets": ["a:1"], "labels": {"zone": "x"}}, {"targets": []}]"#,
    )
    .unwrap();
    fs::write(
        &yaml,
        "- targets: ['b:1', \"b:2\"]\n  labels: {rack: 7}\n- targets: [c:1]\n",
    )
    .unwrap();
    let from_yaml = [
        r#"{instance="b:1",job="shop",rack="7"}"#,
        r#"{instance="b:2",job="shop",rack="7"}"#,
        r#"{instance="c:1",job="shop"}"#,
    ];
    let from_json = r#"{instance="a:1",job="shop",zone="x"}"#;
    let all: Vec<&str> = [from_json].into_iter().chain(from_yaml).collect();
    assert_eq!(urls(), all);
    for broken in [
        "[{\"targets\": [\"a:1\"",
        "",
        "{}",
        "[{\"targets\": [\"a:1\"], \"labels\": {\"zone\": 1}}]",
    ] {
        fs::write(&json, broken).unwrap();
        assert_eq!(urls(), all, "{broken:?}");
    }
    fs::write(&json, "[]").unwrap();
    assert_eq!(urls(), from_yaml);
    fs::remove_file(&yaml).unwrap();
    assert!(urls().is_empty());
}

#[test]
fn what_has_not_changed_is_not_listed_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    let mut discovery = Discovery::new(vec![with_files(folder.path(), Duration::from_secs(30))]);
    let mut number = || discovery.list_changed().map(|listed| listed.len());
    assert_eq!((number(), number()), (Some(0), None));
    fs::write(&file, r#"[{"targets": ["a:1"]}]"#).unwrap();
    assert_eq!((number(), number()), (Some(1), None));
    fs::write(&file, "[").unwrap();
    assert_eq!((number(), number()), (Some(1), None), "the complaint is new");
    assert_eq!(
        Discovery::new(Vec::new()).list_changed().map(|listed| listed.len()),
        Some(0)
    );
}

#[tokio::test]
async fn changes_are_published_and_unchanged_targets_stay_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    fs::write(&file, r#"[{"targets": ["a:1"]}]"#).unwrap();
    let jobs = vec![with_files(folder.path(), Duration::from_millis(100))];
    let (sender, mut receiver) = watch::channel(Arc::new(list_once(jobs.clone())));
    let first = Arc::clone(&receiver.borrow_and_update()[0].visitor);
    let cancel = CancellationToken::new();
    let task = spawn(
        jobs,
        &Arc::default(),
        sender,
        Arc::default(),
        Arc::default(),
        cancel.clone(),
    );
    fs::write(folder.path().join("new"), r#"[{"targets": ["a:1", "b:1"]}]"#).unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(10), receiver.changed()).await;
    changed.unwrap().unwrap();
    let listed = Arc::clone(&receiver.borrow_and_update());
    assert_eq!(listed.len(), 2);
    assert!(Arc::ptr_eq(&first, &listed[0].visitor));
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_list_that_cannot_change_is_published_once_and_the_channel_stays_open() {
    let (sender, mut receiver) = watch::channel(Arc::new(Vec::new()));
    let cancel = CancellationToken::new();
    let task = spawn(
        vec![with_groups(vec![group(&["a:1"], &[])])],
        &Arc::default(),
        sender,
        Arc::default(),
        Arc::default(),
        cancel.clone(),
    );
    receiver.changed().await.unwrap();
    assert_eq!(receiver.borrow_and_update().len(), 1);
    assert!(!receiver.has_changed().unwrap(), "the sender is gone");
    cancel.cancel();
    task.await.unwrap();
    assert!(receiver.has_changed().is_err());
}
