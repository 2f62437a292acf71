//! `kubernetes_sd_configs`

use super::client::read_http;
use super::context::Context;
use super::proxy::read_web_address;
use crate::source::scrape::settings::{KubernetesDiscovery, KubernetesRole, KubernetesSelector};
use crate::spec::reader::{Field, Fields};

const ROLES: [(&str, KubernetesRole); 6] = [
    ("node", KubernetesRole::Node),
    ("pod", KubernetesRole::Pod),
    ("service", KubernetesRole::Service),
    ("endpoints", KubernetesRole::Endpoints),
    ("endpointslice", KubernetesRole::EndpointSlice),
    ("ingress", KubernetesRole::Ingress),
];

/// Reads one way to find targets in Kubernetes.
pub(super) fn read(context: &mut Context<'_>, item: Field<'_>) -> Option<KubernetesDiscovery> {
    let mut fields = Fields::open(&mut context.reader, item)?;
    let role = fields.require("role");
    let role = role.and_then(|field| context.reader.choice(field, &ROLES));
    let api_server = fields.get("api_server");
    let api_server = api_server.and_then(|field| read_web_address(context, field));
    let (namespaces, own_namespace) = fields
        .get("namespaces")
        .map(|field| read_namespaces(context, field))
        .unwrap_or_default();
    let selectors = fields.get("selectors");
    let selectors = selectors
        .map(|field| read_selectors(context, field))
        .unwrap_or_default();
    let attach_node = fields.get("attach_metadata");
    let attach_node = attach_node.is_some_and(|field| read_attached(context, field));
    let http = read_http(context, &mut fields);
    let instead = "write `api_server`, and `tls_config` and `authorization` where they are needed";
    context.unsupported(&mut fields, &[("kubeconfig_file", instead)]);
    context.finish(fields);
    Some(KubernetesDiscovery {
        role: role?,
        api_server,
        namespaces,
        own_namespace,
        selectors,
        attach_node,
        http,
    })
}

fn read_namespaces(context: &mut Context<'_>, field: Field<'_>) -> (Vec<String>, bool) {
    let Some(mut fields) = Fields::open(&mut context.reader, field) else {
        return Default::default();
    };
    let names = fields.get("names").map(|field| context.reader.texts(field));
    let own = context.boolean(&mut fields, "own_namespace", false);
    context.finish(fields);
    (names.unwrap_or_default(), own)
}

fn read_selectors(context: &mut Context<'_>, field: Field<'_>) -> Vec<KubernetesSelector> {
    let mut selectors = Vec::new();
    for item in context.reader.list(field) {
        let Some(mut fields) = Fields::open(&mut context.reader, item) else {
            continue;
        };
        let role = fields.require("role");
        let role = role.and_then(|field| context.reader.choice(field, &ROLES));
        let texts = [fields.get("label"), fields.get("field")];
        let [label, of_field] =
            texts.map(|field| field.and_then(|field| context.reader.text(field)).unwrap_or_default());
        context.finish(fields);
        selectors.extend(role.map(|role| KubernetesSelector {
            role,
            label,
            field: of_field,
        }));
    }
    selectors
}

fn read_attached(context: &mut Context<'_>, field: Field<'_>) -> bool {
    let Some(mut fields) = Fields::open(&mut context.reader, field) else {
        return false;
    };
    let node = context.boolean(&mut fields, "node", false);
    context.unsupported(&mut fields, &[("namespace", "only `node` is attached")]);
    context.finish(fields);
    node
}
