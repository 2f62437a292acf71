use std::collections::BTreeMap;

use super::*;
use crate::domain::labels::Labels;
use crate::domain::verdict::{ProbeKind, ProbeTarget};
use crate::engine::clock::ManualClock;
use crate::engine::ports::ListedProbe;
use crate::secret::Secret;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::source::probe::settings::{HttpModule, TcpModule};

struct Never;

#[async_trait]
impl Prober for Never {
    async fn probe(&self) -> Verdict {
        unreachable!("nobody probes by it")
    }
}

fn on_demand(listed: &[&str], token: Option<SecretSource>) -> OnDemand {
    let http = HttpModule {
        headers: vec![("host".to_owned(), "shop.example".to_owned())],
        ..HttpModule::default()
    };
    let modules = [
        ("web", Protocol::Http(Box::new(http))),
        ("tcp_connect", Protocol::Tcp(Box::new(TcpModule::default()))),
    ];
    let modules: BTreeMap<String, Arc<ProbeModule>> = modules
        .into_iter()
        .map(|(name, protocol)| (name.to_owned(), Arc::new(ProbeModule::plain(name, protocol))))
        .collect();
    let settings = ProbeSettings {
        modules,
        ..ProbeSettings::default()
    };
    let probe = |target: &&str| ListedProbe {
        target: ProbeTarget {
            job: "web".to_owned(),
            module: "tcp_connect".to_owned(),
            kind: ProbeKind::Tcp,
            target: (*target).to_owned(),
            labels: Labels::new(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        },
        host: String::new(),
        prober: Arc::new(Never),
        config_hash: 0,
    };
    let listed = ListedProbes {
        probes: listed.iter().map(probe).collect(),
        ..ListedProbes::default()
    };
    let (_, receiver) = watch::channel(Arc::new(listed));
    let on_demand = OnDemand::new(receiver);
    let clock = ManualClock::at(crate::domain::time::Timestamp(0));
    on_demand.replace(Arc::new(Probing::new(&settings, Arc::new(clock))), token);
    on_demand
}

fn request(module: &str, target: &str, hostname: Option<&str>) -> ProbeRequest {
    ProbeRequest {
        target: target.to_owned(),
        module: module.to_owned(),
        hostname: hostname.map(ToOwned::to_owned),
        timeout: Duration::from_millis(200),
    }
}

#[tokio::test]
async fn what_cannot_be_probed_is_refused() {
    let on_demand = on_demand(&[], None);
    for (module, target, hostname, part) in [
        ("x", "a", None, "Unknown module \"x\""),
        ("web", "ftp://a", None, "an http probe takes"),
        ("tcp_connect", "a", None, "a tcp probe takes"),
        ("web", "a", Some("other.example"), "sets the header Host itself"),
        ("web", "a", Some("a\r\nx: y"), "no name of a host"),
    ] {
        let refusal = on_demand.probe(&request(module, target, hostname)).await.err();
        let Some(Refusal::Invalid(why)) = refusal else {
            panic!("{module} {target}: {refusal:?}");
        };
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn only_what_is_configured_may_be_private() {
    let on_demand = on_demand(&["127.0.0.1:1"], None);
    for (target, origin) in [("127.0.0.1:1", Origin::Configured), ("127.0.0.1:2", Origin::Requested)] {
        let address = ProbeAddress::parse(ProbeKind::Tcp, target).expect("an address");
        assert_eq!(on_demand.origin(&address), origin, "{target}");
    }
}

#[tokio::test]
async fn too_many_at_the_same_time_are_refused() {
    let on_demand = on_demand(&[], None);
    let _all = on_demand
        .permits
        .acquire_many(AT_ONCE_MAX as u32)
        .await
        .expect("they are free");
    let refusal = on_demand.probe(&request("tcp_connect", "a:1", None)).await.err();
    assert_eq!(refusal, Some(Refusal::Busy));
}

#[tokio::test]
async fn a_token_is_read_for_every_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let hash = |text: &str| Ok(Admission::Token(Sha256::digest(text).into()));
    assert_eq!(on_demand(&[], None).admission().await, Ok(Admission::Loopback));
    let inline = SecretSource::Inline(Secret::new("hunter2"));
    assert_eq!(on_demand(&[], Some(inline)).admission().await, hash("hunter2"));
    let asked = on_demand(&[], Some(SecretSource::File(file.clone())));
    assert!(asked.admission().await.is_err(), "there is no file");
    for (text, expected) in [("a\n", Some("a")), ("b", Some("b")), (" \n", None)] {
        std::fs::write(&file, text).expect("a file");
        let found = asked.admission().await;
        assert_eq!(
            found.clone().ok(),
            expected.and_then(|text| hash(text).ok()),
            "{found:?}"
        );
    }
}
