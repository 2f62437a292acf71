//! From objects to targets, with the labels that Prometheus gives them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::objects::{
    Container, ContainerPort, EndpointAddress, EndpointSlice, Endpoints, Ingress, Meta, Node, Pod, Port, Reference,
    Service, SliceEndpoint,
};
use crate::domain::labels::Labels;
use crate::source::scrape::settings::TargetGroup;

const PREFIX: &str = "__meta_kubernetes_";

/// The label of a slice that names its service.
const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

/// What targets of endpoints are joined with, by namespace and name.
#[derive(Default)]
pub(super) struct Joined {
    pub pods: HashMap<(String, String), Pod>,
    pub services: HashMap<(String, String), Service>,
    pub nodes: HashMap<String, Node>,
}

impl Joined {
    /// Nodes by their names.
    pub fn set_nodes(&mut self, nodes: Vec<Node>) {
        self.nodes = nodes
            .into_iter()
            .map(|node| (node.metadata.name.clone(), node))
            .collect();
    }

    /// Adds what is known of the node of this name.
    fn add_node(&self, labels: &mut Labels, name: &str) {
        if let Some(node) = self.nodes.get(name) {
            set(labels, "node_name", name);
            add_meta(labels, "node", &node.metadata);
        }
    }

    fn add_service(&self, labels: &mut Labels, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(service) = self.services.get(&key) {
            set(labels, "service_name", name);
            add_meta(labels, "service", &service.metadata);
        }
    }

    fn pod(&self, reference: Option<&Reference>) -> Option<&Pod> {
        let reference = reference.filter(|reference| reference.kind == "Pod")?;
        self.pods.get(&(reference.namespace.clone(), reference.name.clone()))
    }
}

/// Role `node`.
pub(super) fn of_node(node: &Node) -> Option<TargetGroup> {
    let mut labels = Labels::new();
    set(&mut labels, "node_name", &node.metadata.name);
    set(&mut labels, "node_provider_id", &node.spec.provider_id);
    add_meta(&mut labels, "node", &node.metadata);
    let addresses = &node.status.addresses;
    for address in addresses.iter().rev() {
        set(
            &mut labels,
            &format!("node_address_{}", sanitized(&address.kind)),
            &address.address,
        );
    }
    labels.set("instance", node.metadata.name.as_str());
    let preferred = [
        "InternalIP",
        "InternalDNS",
        "ExternalIP",
        "ExternalDNS",
        "LegacyHostIP",
        "Hostname",
    ];
    let mut preferred = preferred
        .iter()
        .filter_map(|kind| addresses.iter().find(|address| address.kind == **kind));
    let host = &preferred.next()?.address;
    let port = node.status.daemon_endpoints.kubelet_endpoint.port;
    Some(group(joined(host, Some(port)), labels))
}

/// Role `service`.
pub(super) fn of_service(service: &Service) -> Vec<TargetGroup> {
    let (meta, spec) = (&service.metadata, &service.spec);
    let host = format!("{}.{}.svc", meta.name, meta.namespace);
    let of_port = |port: &Port| {
        let mut labels = Labels::new();
        set(&mut labels, "namespace", &meta.namespace);
        set(&mut labels, "service_name", &meta.name);
        add_meta(&mut labels, "service", meta);
        set(
            &mut labels,
            "service_port_name",
            port.name.as_deref().unwrap_or_default(),
        );
        let number = port.number.map(|port| port.to_string());
        set(&mut labels, "service_port_number", &number.unwrap_or_default());
        set(&mut labels, "service_port_protocol", &port.protocol);
        set(&mut labels, "service_type", &spec.kind);
        if spec.kind == "ExternalName" {
            set(&mut labels, "service_external_name", &spec.external_name);
        } else {
            set(&mut labels, "service_cluster_ip", &spec.cluster_ip);
        }
        if spec.kind == "LoadBalancer" {
            set(&mut labels, "service_loadbalancer_ip", &spec.load_balancer_ip);
        }
        group(joined(&host, port.number), labels)
    };
    spec.ports.iter().map(of_port).collect()
}

/// Role `pod`: each port of each container, and containers without ports by the pod's address alone.
pub(super) fn of_pod(pod: &Pod, known: &Joined) -> Vec<TargetGroup> {
    // A pod that is not placed yet cannot be visited.
    if pod.status.pod_ip.is_empty() {
        return Vec::new();
    }
    let mut common = Labels::new();
    set(&mut common, "namespace", &pod.metadata.namespace);
    add_pod(&mut common, pod);
    known.add_node(&mut common, &pod.spec.node_name);
    let mut groups = Vec::new();
    let containers = pod.spec.containers.iter().map(|container| (container, false));
    let of_init = pod.spec.init_containers.iter().map(|container| (container, true));
    for (container, is_init) in containers.chain(of_init) {
        let mut labels = common.clone();
        add_container(&mut labels, pod, container, is_init);
        if container.ports.is_empty() {
            groups.push(group(joined(&pod.status.pod_ip, None), labels));
            continue;
        }
        for port in &container.ports {
            let mut labels = labels.clone();
            add_container_port(&mut labels, port);
            groups.push(group(joined(&pod.status.pod_ip, Some(port.number)), labels));
        }
    }
    groups
}

/// Role `endpoints`, and the further ports of the pods behind them.
pub(super) fn of_endpoints(endpoints: &Endpoints, known: &Joined) -> Vec<TargetGroup> {
    let meta = &endpoints.metadata;
    let mut common = Labels::new();
    set(&mut common, "namespace", &meta.namespace);
    set(&mut common, "endpoints_name", &meta.name);
    add_meta(&mut common, "endpoints", meta);
    known.add_service(&mut common, &meta.namespace, &meta.name);
    let mut groups = Behind::default();
    for subset in &endpoints.subsets {
        let ready = subset.addresses.iter().map(|address| (address, "true"));
        let not_ready = subset.not_ready_addresses.iter().map(|address| (address, "false"));
        for (address, is_ready) in ready.chain(not_ready) {
            for port in &subset.ports {
                let mut labels = common.clone();
                set(
                    &mut labels,
                    "endpoint_port_name",
                    port.name.as_deref().unwrap_or_default(),
                );
                set(&mut labels, "endpoint_port_protocol", &port.protocol);
                set(&mut labels, "endpoint_ready", is_ready);
                add_endpoint(&mut labels, address, known);
                groups.add(&address.ip, port, labels, known.pod(address.target_ref.as_ref()));
            }
        }
    }
    groups.finish(&common)
}

/// Role `endpointslice`, and the further ports of the pods behind it.
pub(super) fn of_slice(slice: &EndpointSlice, known: &Joined) -> Vec<TargetGroup> {
    let meta = &slice.metadata;
    let mut common = Labels::new();
    set(&mut common, "namespace", &meta.namespace);
    set(&mut common, "endpointslice_name", &meta.name);
    set(&mut common, "endpointslice_address_type", &slice.address_type);
    add_meta(&mut common, "endpointslice", meta);
    let service = meta.labels.get(SERVICE_OF_SLICE).map_or("", String::as_str);
    known.add_service(&mut common, &meta.namespace, service);
    let mut groups = Behind::default();
    for port in slice.ports.iter().flatten() {
        for endpoint in &slice.endpoints {
            let mut labels = common.clone();
            add_slice_port(&mut labels, port);
            add_slice_endpoint(&mut labels, endpoint, known);
            for address in &endpoint.addresses {
                let pod = known.pod(endpoint.target_ref.as_ref());
                groups.add(address, port, labels.clone(), pod);
            }
        }
    }
    groups.finish(&common)
}

/// Role `ingress`.
pub(super) fn of_ingress(ingress: &Ingress) -> Vec<TargetGroup> {
    let meta = &ingress.metadata;
    let mut groups = Vec::new();
    for rule in &ingress.spec.rules {
        let secure: HashSet<&str> = ingress
            .spec
            .tls
            .iter()
            .flat_map(|tls| &tls.hosts)
            .map(String::as_str)
            .collect();
        let wildcard = rule.host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
        let is_secure =
            secure.contains(rule.host.as_str()) || wildcard.is_some_and(|wildcard| secure.contains(wildcard.as_str()));
        let scheme = if is_secure { "https" } else { "http" };
        let paths = rule
            .http
            .iter()
            .flat_map(|http| &http.paths)
            .map(|path| path.path.as_str());
        let paths: Vec<&str> = paths.map(|path| if path.is_empty() { "/" } else { path }).collect();
        for path in if paths.is_empty() { vec!["/"] } else { paths } {
            let mut labels = Labels::new();
            set(&mut labels, "namespace", &meta.namespace);
            set(&mut labels, "ingress_name", &meta.name);
            add_meta(&mut labels, "ingress", meta);
            if let Some(class) = &ingress.spec.ingress_class_name {
                set(&mut labels, "ingress_class_name", class);
            }
            set(&mut labels, "ingress_scheme", scheme);
            set(&mut labels, "ingress_host", &rule.host);
            set(&mut labels, "ingress_path", path);
            groups.push(group(rule.host.clone(), labels));
        }
    }
    groups
}

/// Targets of endpoints, and the pods behind them with the ports that are targets already.
#[derive(Default)]
struct Behind<'a> {
    groups: Vec<TargetGroup>,
    pods: BTreeMap<(&'a str, &'a str), (&'a Pod, HashSet<u16>)>,
}

impl<'a> Behind<'a> {
    fn add(&mut self, address: &str, port: &Port, mut labels: Labels, pod: Option<&'a Pod>) {
        if let Some(pod) = pod {
            add_pod(&mut labels, pod);
            let containers = pod.spec.containers.iter().map(|container| (container, false));
            let of_init = pod.spec.init_containers.iter().map(|container| (container, true));
            for (container, is_init) in containers.chain(of_init) {
                let same = |known: &&ContainerPort| Some(known.number) == port.number;
                if let Some(known) = container.ports.iter().find(same) {
                    add_container(&mut labels, pod, container, is_init);
                    add_container_port(&mut labels, known);
                }
            }
            let key = (pod.metadata.namespace.as_str(), pod.metadata.name.as_str());
            self.pods
                .entry(key)
                .or_insert((pod, HashSet::new()))
                .1
                .extend(port.number);
        }
        self.groups.push(group(joined(address, port.number), labels));
    }

    fn finish(mut self, common: &Labels) -> Vec<TargetGroup> {
        for (pod, seen) in self.pods.into_values() {
            let others = |port: &&ContainerPort| !seen.contains(&port.number);
            let ports = pod
                .spec
                .containers
                .iter()
                .flat_map(|container| container.ports.iter().filter(others).map(move |port| (container, port)));
            for (container, port) in ports.filter(|_| !pod.status.pod_ip.is_empty()) {
                let mut labels = common.clone();
                add_pod(&mut labels, pod);
                add_container(&mut labels, pod, container, false);
                add_container_port(&mut labels, port);
                self.groups
                    .push(group(joined(&pod.status.pod_ip, Some(port.number)), labels));
            }
        }
        self.groups
    }
}

fn add_endpoint(labels: &mut Labels, address: &EndpointAddress, known: &Joined) {
    if let Some(reference) = &address.target_ref {
        set(labels, "endpoint_address_target_kind", &reference.kind);
        set(labels, "endpoint_address_target_name", &reference.name);
    }
    if let Some(node) = &address.node_name {
        set(labels, "endpoint_node_name", node);
        known.add_node(labels, node);
    }
    if !address.hostname.is_empty() {
        set(labels, "endpoint_hostname", &address.hostname);
    }
}

fn add_slice_port(labels: &mut Labels, port: &Port) {
    let number = port.number.map(|port| port.to_string());
    for (name, value) in [
        ("endpointslice_port_name", port.name.as_deref()),
        ("endpointslice_port_protocol", Some(port.protocol.as_str())),
        ("endpointslice_port", number.as_deref()),
        ("endpointslice_port_app_protocol", port.app_protocol.as_deref()),
    ] {
        if let Some(value) = value {
            set(labels, name, value);
        }
    }
}

fn add_slice_endpoint(labels: &mut Labels, endpoint: &SliceEndpoint, known: &Joined) {
    let conditions = &endpoint.conditions;
    for (name, condition) in [
        ("ready", conditions.ready),
        ("serving", conditions.serving),
        ("terminating", conditions.terminating),
    ] {
        if let Some(condition) = condition {
            set(
                labels,
                &format!("endpointslice_endpoint_conditions_{name}"),
                &condition.to_string(),
            );
        }
    }
    for (name, value) in [
        ("endpointslice_endpoint_hostname", &endpoint.hostname),
        ("endpointslice_endpoint_node_name", &endpoint.node_name),
        ("endpointslice_endpoint_zone", &endpoint.zone),
    ] {
        if let Some(value) = value {
            set(labels, name, value);
        }
    }
    if let Some(reference) = &endpoint.target_ref {
        set(labels, "endpointslice_address_target_kind", &reference.kind);
        set(labels, "endpointslice_address_target_name", &reference.name);
    }
    if let Some(node) = &endpoint.node_name {
        known.add_node(labels, node);
    }
}

fn add_pod(labels: &mut Labels, pod: &Pod) {
    set(labels, "pod_name", &pod.metadata.name);
    set(labels, "pod_ip", &pod.status.pod_ip);
    let ready = pod.status.conditions.iter().find(|condition| condition.kind == "Ready");
    let ready = ready.map_or("unknown".to_owned(), |condition| condition.status.to_lowercase());
    set(labels, "pod_ready", &ready);
    set(labels, "pod_phase", &pod.status.phase);
    set(labels, "pod_node_name", &pod.spec.node_name);
    set(labels, "pod_host_ip", &pod.status.host_ip);
    set(labels, "pod_uid", &pod.metadata.uid);
    if let Some(owner) = pod.metadata.owner_references.iter().find(|owner| owner.controller) {
        set(labels, "pod_controller_kind", &owner.kind);
        set(labels, "pod_controller_name", &owner.name);
    }
    add_meta(labels, "pod", &pod.metadata);
}

fn add_container(labels: &mut Labels, pod: &Pod, container: &Container, is_init: bool) {
    let statuses = if is_init {
        &pod.status.init_container_statuses
    } else {
        &pod.status.container_statuses
    };
    let status = statuses.iter().find(|status| status.name == container.name);
    set(labels, "pod_container_name", &container.name);
    set(labels, "pod_container_image", &container.image);
    set(
        labels,
        "pod_container_id",
        status.map_or("", |status| &status.container_id),
    );
    set(labels, "pod_container_init", if is_init { "true" } else { "false" });
}

fn add_container_port(labels: &mut Labels, port: &ContainerPort) {
    set(labels, "pod_container_port_name", &port.name);
    set(labels, "pod_container_port_number", &port.number.to_string());
    set(labels, "pod_container_port_protocol", &port.protocol);
}

/// Labels and annotations of an object, as labels.
fn add_meta(labels: &mut Labels, role: &str, meta: &Meta) {
    for (kind, pairs) in [("label", &meta.labels), ("annotation", &meta.annotations)] {
        for (name, value) in pairs {
            let name = sanitized(name);
            set(labels, &format!("{role}_{kind}_{name}"), value);
            set(labels, &format!("{role}_{kind}present_{name}"), "true");
        }
    }
}

/// A name with `_` for whatever a label's name may not hold.
fn sanitized(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(allowed).collect()
}

fn set(labels: &mut Labels, name: &str, value: &str) {
    labels.set(format!("{PREFIX}{name}"), value);
}

fn group(target: String, labels: Labels) -> TargetGroup {
    TargetGroup {
        targets: vec![target],
        labels,
    }
}

/// `host:port`, with brackets around IPv6.
fn joined(host: &str, port: Option<u16>) -> String {
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}
