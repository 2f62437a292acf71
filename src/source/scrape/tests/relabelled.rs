//! Targets and series after relabelling, and pages and jobs beyond their limits.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::server::Server;
use super::{job, labels, selection};
use crate::domain::reading::{MissingReason, Page, Reading};
use crate::domain::relabel::{RelabelAction, RelabelRule, RelabelRules, WrittenRule};
use crate::domain::selection::{Selection, Wanted};
use crate::source::scrape::cache::{SeriesCache, SeriesView};
use crate::source::scrape::discovery::{Discovery, list_once};
use crate::source::scrape::exposition::Format;
use crate::source::scrape::exposition::page::Framing;
use crate::source::scrape::rules::{PageError, PageRules};
use crate::source::scrape::settings::{FileDiscovery, PageLimits, ScrapeJob, TargetGroup};

/// Rules that set the last label from the first one where it matches, or do something else with it.
fn rules(written: &[(RelabelAction, &str, &str, &str, &str)]) -> RelabelRules {
    let rule = |(action, from, regex, to, with): &(RelabelAction, &str, &str, &str, &str)| {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RelabelRule::new(WrittenRule {
            source_labels: text(from).map(|from| vec![from]),
            regex: text(regex),
            target_label: text(to),
            replacement: text(with),
            action: *action,
            ..WrittenRule::default()
        })
        .unwrap()
    };
    written.iter().map(rule).collect()
}

fn with_targets(relabelling: RelabelRules, targets: &[&str]) -> ScrapeJob {
    let group = TargetGroup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        labels: labels(&[("__meta_zone", "eu"), ("env", "prod")]),
    };
    ScrapeJob {
        relabelling,
        static_targets: vec![group],
        ..job("shop")
    }
}

fn shown(job: ScrapeJob) -> Vec<String> {
    let show = |listed: crate::engine::ports::ListedTarget| {
        let target = listed.target;
        format!(
            "{} {} {:?}/{:?}",
            target.url, target.labels, target.interval, target.timeout
        )
    };
    list_once(vec![job]).into_iter().map(show).collect()
}

#[test]
fn targets_are_relabelled_as_prometheus_does() {
    use RelabelAction::{Drop, LabelDrop, LabelMap, Replace};
    for (what, rules, targets, expected) in [
        (
            "an address becomes a parameter, and the exporter is visited",
            rules(&[
                (Replace, "__address__", "", "__param_target", ""),
                (Replace, "__param_target", "", "instance", ""),
                (Replace, "", "", "__address__", "blackbox:9115"),
                (Replace, "", "", "__metrics_path__", "/probe"),
            ]),
            vec!["https://a.example.org/x"],
            vec![
                r#"http://blackbox:9115/probe?target=https%3A%2F%2Fa.example.org%2Fx {env="prod",instance="https://a.example.org/x",job="shop"} 15s/10s"#,
            ],
        ),
        (
            "meta labels become labels, the instance is the new address",
            rules(&[
                (LabelMap, "", "__meta_(.*)", "", ""),
                (Replace, "__address__", "(.*):1", "__address__", "$1:2"),
                (LabelDrop, "", "env", "", ""),
            ]),
            vec!["a:1"],
            vec![r#"http://a:2/metrics {instance="a:2",job="shop",zone="eu"} 15s/10s"#],
        ),
        (
            "dropped, and the other kept",
            rules(&[(Drop, "__address__", "a:.*", "", "")]),
            vec!["a:1", "b:1"],
            vec![r#"http://b:1/metrics {env="prod",instance="b:1",job="shop"} 15s/10s"#],
        ),
        (
            "scheme, job, interval and timeout",
            rules(&[
                (Replace, "", "", "__scheme__", "https"),
                (Replace, "", "", "job", "other"),
                (Replace, "", "", "__scrape_interval__", "1m"),
                (Replace, "", "", "__scrape_timeout__", "20s"),
            ]),
            vec!["a:1"],
            vec![r#"https://a:1/metrics {env="prod",instance="a:1",job="other"} 60s/20s"#],
        ),
        (
            "a timeout longer than the interval is no target",
            rules(&[(Replace, "", "", "__scrape_timeout__", "20s")]),
            vec!["a:1"],
            vec![],
        ),
        (
            "no address is no target",
            rules(&[(LabelDrop, "", "__address__", "", "")]),
            vec!["a:1"],
            vec![],
        ),
    ] {
        assert_eq!(shown(with_targets(rules, &targets)), expected, "{what}");
    }
}

#[test]
fn rules_see_the_file_of_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, r#"[{"targets": ["a:1"]}]"#).unwrap();
    let shop = ScrapeJob {
        relabelling: rules(&[
            (RelabelAction::Replace, "__meta_filepath", ".*/", "x", ""),
            (RelabelAction::Replace, "__meta_filepath", ".*/(.*)", "file", ""),
        ]),
        file_discovery: vec![FileDiscovery {
            files: vec![path],
            refresh_interval: Duration::from_secs(30),
        }],
        ..job("shop")
    };
    assert_eq!(list_once(vec![shop])[0].target.labels.get("file"), "a.json");
}

#[tokio::test]
async fn a_job_with_too_many_targets_visits_none_and_says_so() {
    let shop = |limit| ScrapeJob {
        target_limit: Some(limit),
        ..with_targets(
            rules(&[(RelabelAction::Drop, "__address__", "c:1", "", "")]),
            &["a:1", "b:1", "c:1"],
        )
    };
    let mut discovery = Discovery::new(vec![shop(1)]);
    let listed = discovery.list();
    assert_eq!(listed.len(), 1);
    for target in &listed {
        let Reading::Missing(missing) = target.visitor.visit(&selection(&["a"])).await else {
            panic!("a page");
        };
        assert_eq!(missing.reason, MissingReason::Limit);
        assert_eq!(missing.detail, "target_limit exceeded (number of targets: 2, limit: 1)");
    }
    let again = discovery.list();
    assert!(Arc::ptr_eq(&listed[0].visitor, &again[0].visitor));
    assert_ne!(listed[0].config_hash, list_once(vec![shop(2)])[0].config_hash);
}

#[tokio::test]
async fn of_too_many_targets_few_are_listed_and_all_are_counted() {
    let addresses: Vec<String> = (0..5000).map(|number| format!("a{number}:1")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for (limit, kept) in [(10, 10), (100, 100), (4999, 100)] {
        let shop = ScrapeJob {
            target_limit: Some(limit),
            ..with_targets(RelabelRules::default(), &addresses)
        };
        let mut discovery = Discovery::new(vec![shop]);
        let listed = discovery.list();
        assert_eq!(listed.len(), kept, "of {limit}");
        let why = format!("target_limit exceeded (number of targets: 5000, limit: {limit})");
        let mut urls = HashSet::new();
        for target in &listed {
            let Reading::Missing(missing) = target.visitor.visit(&selection(&["a"])).await else {
                panic!("a page");
            };
            assert_eq!((missing.reason, &missing.detail), (MissingReason::Limit, &why));
            urls.insert(target.target.url.clone());
        }
        assert_eq!(urls.len(), kept);
        let discovered = discovery.take_discovered();
        assert_eq!(discovered.labels.len(), kept);
        let [problem] = &discovered.problems[..] else {
            panic!("{:?}", discovered.problems);
        };
        let said = format!("{why}: no target of the job is visited, and the first {kept} of them are listed");
        assert_eq!((problem.mechanism, &problem.message), ("target_limit", &said));
    }
}

fn read(rules: &PageRules, text: &str, wanted: &[&str]) -> Result<Page, PageError> {
    let view = SeriesView {
        target: labels(&[("job", "shop")]),
        honor_labels: false,
    };
    let whole = Framing {
        format: Format::Text,
        whole: true,
    };
    let mut cache = SeriesCache::new(rules.clone());
    let first = cache.read(text, whole, &selection(wanted), &view);
    let again = cache.read(text, whole, &selection(wanted), &view);
    let keys = |page: &Result<Page, PageError>| page.as_ref().map(|page| page.samples.len()).map_err(Clone::clone);
    assert_eq!(keys(&first), keys(&again), "a page that is known is read as a new one");
    first
}

fn keys(relabelling: RelabelRules, text: &str, wanted: &[&str]) -> Vec<String> {
    let rules = PageRules {
        relabelling,
        ..PageRules::default()
    };
    let page = read(&rules, text, wanted).unwrap();
    page.samples.iter().map(|sample| sample.series.key.clone()).collect()
}

#[test]
fn selectors_see_series_after_relabelling_and_series_keep_their_own_names() {
    use RelabelAction::{Drop, LabelDrop, Replace};
    const PAGE: &str =
        "a_total{code=\"200\",pod=\"x\"} 1\na_total{code=\"500\",pod=\"y\"} 2\nb_total{code=\"500\"} 3\n";
    let renamed = rules(&[(Replace, "__name__", "b_(.*)", "__name__", "a_$1")]);
    let own = [
        r#"a_total{code="200",pod="x"}"#,
        r#"a_total{code="500",pod="y"}"#,
        r#"b_total{code="500"}"#,
    ];
    assert_eq!(keys(renamed.clone(), PAGE, &["a_total"]), own);
    assert_eq!(keys(renamed.clone(), PAGE, &["a_total{code=500}"]), own[1..]);
    assert!(keys(renamed, PAGE, &["b_total"]).is_empty());
    let dropped = rules(&[(Drop, "code", "500", "", "")]);
    assert_eq!(keys(dropped, PAGE, &["a_total"]), own[..1]);
    let classes = rules(&[(Replace, "code", "(.).*", "class", "${1}xx")]);
    assert_eq!(keys(classes, PAGE, &["a_total{class=5xx}"]), own[1..2]);
    let alike = rules(&[(LabelDrop, "", "code|pod", "", "")]);
    assert_eq!(
        keys(alike, PAGE, &["a_total"]),
        own[..2],
        "two that look alike are still two"
    );
    let joined = rules(&[(Replace, "job", "(.*)", "job", "my-$1")]);
    assert_eq!(keys(joined, PAGE, &["a_total{job=my-shop}"]), own[..2]);
}

#[test]
fn a_page_beyond_a_limit_fails_and_says_which() {
    use RelabelAction::{Drop, LabelDrop};
    const PAGE: &str = "go_x 1\na{code=\"200\"} 2\nb{status=\"ok\"} 3\n";
    let limits = PageLimits::default;
    let none = RelabelRules::default;
    let go = || rules(&[(Drop, "__name__", "go_.*", "", "")]);
    let samples = |samples| PageLimits {
        samples: Some(samples),
        ..limits()
    };
    let count = |labels| PageLimits {
        labels: Some(labels),
        ..limits()
    };
    let names = |name_length| PageLimits {
        name_length: Some(name_length),
        ..limits()
    };
    let values = |value_length| PageLimits {
        value_length: Some(value_length),
        ..limits()
    };
    for (relabelling, limits, expected) in [
        (none(), samples(3), ""),
        (
            none(),
            samples(2),
            "sample_limit exceeded (number of samples: 3, limit: 2)",
        ),
        (go(), samples(2), ""),
        (
            go(),
            samples(1),
            "sample_limit exceeded (number of samples: 2, limit: 1)",
        ),
        (none(), count(3), ""),
        (
            none(),
            count(2),
            "line 2: label_limit exceeded (metric: a, number of labels: 3, limit: 2)",
        ),
        (none(), names(8), ""),
        (
            none(),
            names(7),
            "line 1: label_name_length_limit exceeded (metric: go_x, label name: __name__, length: 8, limit: 7)",
        ),
        (
            none(),
            values(3),
            "line 1: label_value_length_limit exceeded (metric: go_x, label name: __name__, length: 4, limit: 3)",
        ),
        (
            rules(&[(LabelDrop, "", "__name__", "", "")]),
            limits(),
            "line 1: metric_relabel_configs leave a series without a name (`__name__`)",
        ),
    ] {
        let rules = PageRules { relabelling, limits };
        let said = read(&rules, PAGE, &["a"]).map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, expected, "{limits:?}");
    }
}

#[tokio::test]
async fn a_visit_beyond_a_limit_is_missing_with_its_reason() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::answering("200 OK", "Content-Type: text/plain\r\n", "a 1\nb 2\n").await;
    let shop = ScrapeJob {
        page_limits: PageLimits {
            samples: Some(1),
            ..PageLimits::default()
        },
        ..with_targets(RelabelRules::default(), &[&server.address.to_string()])
    };
    let listed = list_once(vec![shop]).remove(0);
    let Reading::Missing(missing) = listed.visitor.visit(&selection(&["a"])).await else {
        panic!("a page");
    };
    assert_eq!((missing.reason, missing.reason.word()), (MissingReason::Limit, "limit"));
    assert_eq!(missing.detail, "sample_limit exceeded (number of samples: 2, limit: 1)");
}

#[test]
fn of_a_relabelled_histogram_the_bound_that_the_page_writes_is_kept() {
    use RelabelAction::{LabelDrop, Replace};
    let selector = |metric: &str| super::selector(metric);
    let bucket = Wanted {
        selector: selector("new_bucket"),
        threshold: Some(0.3),
    };
    let selection = Selection::new([bucket, selector("new_count").into()], 1);
    let rules = rules(&[
        (Replace, "__name__", "old_(.*)", "__name__", "new_$1"),
        (LabelDrop, "", "le", "", ""),
    ]);
    let mut cache = SeriesCache::new(PageRules {
        relabelling: rules,
        limits: PageLimits::default(),
    });
    let text = "old_bucket{le=\"0.1\"} 1\nold_bucket{le=\"0.30\"} 2\nold_bucket{le=\"1\"} 3\nold_count 3\n";
    for _ in 0..2 {
        let framing = Framing {
            format: Format::Text,
            whole: true,
        };
        let page = cache.read(text, framing, &selection, &SeriesView::default()).unwrap();
        let kept: Vec<_> = page.samples.iter().map(|sample| sample.series.key.as_str()).collect();
        assert_eq!(kept, ["old_bucket{le=\"0.30\"}", "old_count"]);
        let bounds: Vec<_> = page.bounds.of("old").map(|bound| &*bound.written).collect();
        assert_eq!(bounds, ["0.1", "0.30", "1"], "under the page's own name");
    }
}
