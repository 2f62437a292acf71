//! Targets from an API that answers as Kubernetes does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::secret::Secret;
use crate::source::scrape::kubernetes_sd::KubernetesProvider;
use crate::source::scrape::provider::Provide;
use crate::source::scrape::settings::{
    Auth, HttpSettings, KubernetesDiscovery, KubernetesRole, KubernetesSelector, SecretSource, TargetGroup,
};

/// The items of each path, what was asked for, and what tells watches.
#[derive(Default)]
struct Cluster {
    items: HashMap<&'static str, Vec<Value>>,
    asked: Mutex<Vec<String>>,
    change: Notify,
    watched: Notify,
}

async fn api(
    State(cluster): State<Arc<Cluster>>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Bearer hidden")
    {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    if query.contains_key("watch") {
        cluster.watched.notify_one();
        cluster.change.notified().await;
        return (StatusCode::OK, r#"{"type":"MODIFIED"}"#.to_owned());
    }
    cluster.asked.lock().unwrap().push(uri.to_string());
    let Some(items) = cluster.items.get(uri.path()) else {
        return (StatusCode::FORBIDDEN, String::new());
    };
    // Every item is a page of its own.
    let at: usize = query
        .get("continue")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let next = if at + 1 < items.len() {
        (at + 1).to_string()
    } else {
        String::new()
    };
    let page = json!({"metadata": {"continue": next, "resourceVersion": "7"}, "items": items.get(at).into_iter().collect::<Vec<_>>()});
    (StatusCode::OK, page.to_string())
}

async fn cluster(items: Vec<(&'static str, Vec<Value>)>) -> (Arc<Cluster>, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cluster = Arc::new(Cluster {
        items: items.into_iter().collect(),
        ..Cluster::default()
    });
    let router = Router::new().fallback(api).with_state(Arc::clone(&cluster));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (cluster, format!("http://{address}"))
}

fn settings(role: KubernetesRole, server: &str) -> KubernetesDiscovery {
    let credentials = SecretSource::Inline(Secret::new("hidden"));
    KubernetesDiscovery {
        role,
        api_server: Some(server.to_owned()),
        namespaces: Vec::new(),
        own_namespace: false,
        selectors: Vec::new(),
        attach_node: false,
        http: HttpSettings {
            auth: Auth::Header {
                kind: "Bearer".to_owned(),
                credentials,
            },
            ..HttpSettings::default()
        },
    }
}

async fn look(settings: KubernetesDiscovery) -> Result<Vec<TargetGroup>, String> {
    KubernetesProvider::new(settings, Arc::default()).look().await
}

fn pod(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": "u1", "labels": {"app.kubernetes.io/name": "shop"},
            "annotations": {"prometheus.io/scrape": "true"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-1", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [
            {"name": "web", "image": "shop:1", "ports": [
                {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}]},
            {"name": "side", "image": "side:1"}]},
        "status": {"podIP": ip, "hostIP": "10.1.1.1", "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "web", "containerID": "containerd://1"}]},
    })
}

fn node() -> Value {
    json!({
        "metadata": {"name": "n1", "labels": {"zone": "z1"}},
        "spec": {"providerID": "aws://n1"},
        "status": {"addresses": [{"type": "Hostname", "address": "n1.local"}, {"type": "InternalIP", "address": "10.1.1.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}},
    })
}

fn has(group: &TargetGroup, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let name = if *name == "instance" {
            (*name).to_owned()
        } else {
            format!("__meta_kubernetes_{name}")
        };
        assert_eq!(group.labels.get(&name), *value, "{name} of {}", group.labels);
    }
}

fn addresses(groups: &[TargetGroup]) -> Vec<&str> {
    groups.iter().map(|group| group.targets[0].as_str()).collect()
}

#[tokio::test]
async fn pods_become_targets_by_their_ports_page_by_page() {
    let pods = vec![pod("a", "10.0.0.1"), pod("b", ""), pod("c", "fd00::1")];
    let (cluster, server) = cluster(vec![
        ("/api/v1/namespaces/shop/pods", pods),
        ("/api/v1/nodes", vec![node()]),
    ])
    .await;
    let found = look(KubernetesDiscovery {
        namespaces: vec!["shop".to_owned()],
        selectors: vec![KubernetesSelector {
            role: KubernetesRole::Pod,
            label: "app=shop".to_owned(),
            field: String::new(),
        }],
        attach_node: true,
        ..settings(KubernetesRole::Pod, &server)
    })
    .await
    .unwrap();
    let expected = [
        "10.0.0.1:8080",
        "10.0.0.1:9090",
        "10.0.0.1",
        "[fd00::1]:8080",
        "[fd00::1]:9090",
        "[fd00::1]",
    ];
    assert_eq!(addresses(&found), expected);
    has(
        &found[1],
        &[
            ("namespace", "shop"),
            ("pod_name", "a"),
            ("pod_label_app_kubernetes_io_name", "shop"),
            ("pod_labelpresent_app_kubernetes_io_name", "true"),
            ("pod_annotation_prometheus_io_scrape", "true"),
            ("pod_container_name", "web"),
            ("pod_container_port_name", "metrics"),
            ("pod_container_port_number", "9090"),
            ("pod_container_id", "containerd://1"),
            ("pod_container_init", "false"),
            ("pod_ready", "true"),
            ("pod_phase", "Running"),
            ("pod_controller_kind", "ReplicaSet"),
            ("pod_node_name", "n1"),
            ("node_label_zone", "z1"),
        ],
    );
    let asked = cluster.asked.lock().unwrap();
    let of_pods: Vec<_> = asked.iter().filter(|asked| asked.contains("/pods")).collect();
    assert_eq!(of_pods.len(), 3);
    assert!(
        of_pods.iter().all(|asked| asked.contains("labelSelector=app%3Dshop")),
        "{of_pods:?}"
    );
}

#[tokio::test]
async fn every_role_has_its_targets_and_labels() {
    let service = json!({
        "metadata": {"name": "shop", "namespace": "shop", "labels": {"team": "t"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.9.9.9", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    });
    let reference = json!({"kind": "Pod", "name": "a", "namespace": "shop"});
    let endpoints = json!({
        "metadata": {"name": "shop", "namespace": "shop"},
        "subsets": [{"addresses": [{"ip": "10.0.0.1", "nodeName": "n1", "targetRef": reference}],
            "notReadyAddresses": [{"ip": "10.0.0.9"}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}],
    });
    let slice = json!({
        "metadata": {"name": "shop-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "shop"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "zone": "z1", "targetRef": reference}],
    });
    let ingress = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ingressClassName": "nginx", "tls": [{"hosts": ["*.example.org"]}],
            "rules": [{"host": "shop.example.org", "http": {"paths": [{"path": "/a"}, {}]}}, {"host": "open.test"}]},
    });
    let (_cluster, server) = cluster(vec![
        ("/api/v1/nodes", vec![node()]),
        ("/api/v1/pods", vec![pod("a", "10.0.0.1")]),
        ("/api/v1/services", vec![service]),
        ("/api/v1/endpoints", vec![endpoints]),
        ("/apis/discovery.k8s.io/v1/endpointslices", vec![slice]),
        ("/apis/networking.k8s.io/v1/ingresses", vec![ingress]),
    ])
    .await;
    let of = async |role| look(settings(role, &server)).await.unwrap();

    let found = of(KubernetesRole::Node).await;
    assert_eq!(addresses(&found), ["10.1.1.1:10250"]);
    has(
        &found[0],
        &[
            ("node_name", "n1"),
            ("node_provider_id", "aws://n1"),
            ("node_address_Hostname", "n1.local"),
            ("instance", "n1"),
        ],
    );

    let found = of(KubernetesRole::Service).await;
    assert_eq!(addresses(&found), ["shop.shop.svc:80"]);
    has(
        &found[0],
        &[
            ("service_cluster_ip", "10.9.9.9"),
            ("service_port_number", "80"),
            ("service_type", "ClusterIP"),
        ],
    );

    let found = of(KubernetesRole::Endpoints).await;
    assert_eq!(addresses(&found), ["10.0.0.1:8080", "10.0.0.9:8080", "10.0.0.1:9090"]);
    has(
        &found[0],
        &[
            ("endpoints_name", "shop"),
            ("endpoint_ready", "true"),
            ("endpoint_node_name", "n1"),
            ("endpoint_address_target_name", "a"),
            ("service_label_team", "t"),
            ("pod_name", "a"),
            ("pod_container_port_name", "http"),
        ],
    );
    has(&found[1], &[("endpoint_ready", "false"), ("pod_name", "")]);
    has(
        &found[2],
        &[("pod_container_port_name", "metrics"), ("endpoint_ready", "")],
    );

    let found = of(KubernetesRole::EndpointSlice).await;
    assert_eq!(addresses(&found), ["10.0.0.1:8080", "10.0.0.1:9090"]);
    has(
        &found[0],
        &[
            ("endpointslice_name", "shop-x"),
            ("endpointslice_port", "8080"),
            ("endpointslice_endpoint_conditions_ready", "true"),
            ("endpointslice_endpoint_zone", "z1"),
            ("service_name", "shop"),
            ("pod_name", "a"),
        ],
    );

    let found = of(KubernetesRole::Ingress).await;
    assert_eq!(addresses(&found), ["shop.example.org", "shop.example.org", "open.test"]);
    has(
        &found[0],
        &[
            ("ingress_scheme", "https"),
            ("ingress_path", "/a"),
            ("ingress_class_name", "nginx"),
        ],
    );
    has(&found[1], &[("ingress_path", "/")]);
    has(&found[2], &[("ingress_scheme", "http"), ("ingress_host", "open.test")]);
}

#[tokio::test]
async fn a_list_that_may_not_be_read_says_which() {
    let (_cluster, server) = cluster(Vec::new()).await;
    let why = look(settings(KubernetesRole::Ingress, &server)).await.unwrap_err();
    assert!(why.contains("403") && why.contains("/ingresses"), "{why}");
}

#[tokio::test]
async fn a_change_ends_the_wait() {
    let (cluster, server) = cluster(vec![("/api/v1/pods", vec![pod("a", "10.0.0.1")])]).await;
    let mut provider = KubernetesProvider::new(settings(KubernetesRole::Pod, &server), Arc::default());
    provider.look().await.unwrap();
    let waiting = tokio::spawn(async move { provider.wait().await });
    cluster.watched.notified().await;
    assert!(!waiting.is_finished());
    cluster.change.notify_one();
    tokio::time::timeout(Duration::from_secs(15), waiting)
        .await
        .expect("the watch was heard")
        .unwrap();
}
