//! `kubernetes_sd_configs`: targets from the API of Kubernetes.
//!
//! What there is is always read as a whole list, page by page; a watch only tells when it is worth reading again.

mod groups;
mod objects;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select_all;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use self::groups::{Joined, of_endpoints, of_ingress, of_node, of_pod, of_service, of_slice};
use self::objects::{EndpointSlice, Endpoints, Ingress, Node, Page, Pod, Service};
use super::body::read_whole;
use super::client::Clients;
use super::failure::broken_body;
use super::files::without_content;
use super::provider::Provide;
use super::request::{Access, Requester};
use super::settings::{Auth, HttpSettings, KubernetesDiscovery, KubernetesRole, SecretSource, TargetGroup};
use crate::domain::shown::shown_url;

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API as pods reach it.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";

/// How many objects are asked for at once.
const PAGE: usize = 500;

/// How many objects of one kind are taken.
const OBJECTS_MAX: usize = 100_000;

/// A page may not be larger than this.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// After a change others follow: they are read together.
const SETTLE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 5_000 });

/// How often everything is read without any change.
const RESYNC: Duration = Duration::from_mins(5);

/// How often everything is read while it cannot be watched.
const WITHOUT_WATCH: Duration = Duration::from_secs(30);

/// Reads objects of one role.
pub(super) struct KubernetesProvider {
    settings: KubernetesDiscovery,
    access: Access,
    /// What to watch, and from which version on, after the last look.
    watched: Vec<(String, String)>,
}

impl KubernetesProvider {
    pub fn new(settings: KubernetesDiscovery, clients: Arc<Clients>) -> Self {
        let http = match &settings.api_server {
            Some(_) => settings.http.clone(),
            None => as_pod(settings.http.clone()),
        };
        Self {
            access: Access::new(http, clients),
            settings,
            watched: Vec::new(),
        }
    }

    fn server(&self) -> &str {
        self.settings
            .api_server
            .as_deref()
            .unwrap_or(IN_CLUSTER)
            .trim_end_matches('/')
    }

    /// The namespaces to ask for; an empty name is all of them.
    async fn namespaces(&self) -> Result<Vec<String>, String> {
        let mut names = self.settings.namespaces.clone();
        if self.settings.own_namespace {
            let path = format!("{ACCOUNT}/namespace");
            let own = tokio::fs::read_to_string(&path).await;
            let own = own.map_err(|error| format!("own_namespace: {path} cannot be read: {error}"))?;
            names.push(own.trim().to_owned());
        }
        if names.is_empty() {
            names.push(String::new());
        }
        Ok(names)
    }

    /// All objects of a role, from all namespaces that are asked for.
    async fn list<T: DeserializeOwned>(&mut self, role: KubernetesRole) -> Result<Vec<T>, String> {
        let namespaces = match role {
            KubernetesRole::Node => vec![String::new()],
            _ => self.namespaces().await?,
        };
        let mut objects = Vec::new();
        for namespace in namespaces {
            let address = format!("{}{}", self.server(), path(role, &namespace));
            let mut next = String::new();
            loop {
                let mut url = Url::parse(&address).map_err(|_| "api_server is no URL")?;
                url.query_pairs_mut().append_pair("limit", &PAGE.to_string());
                if !next.is_empty() {
                    url.query_pairs_mut().append_pair("continue", &next);
                }
                self.select(&mut url, role);
                let page: Page<T> = self.page(&url).await?;
                objects.extend(page.items);
                if objects.len() > OBJECTS_MAX {
                    return Err(format!(
                        "there are more than {OBJECTS_MAX} objects; namespaces or selectors make them fewer"
                    ));
                }
                next = page.metadata.next;
                if next.is_empty() {
                    let mut url = Url::parse(&address).map_err(|_| "api_server is no URL")?;
                    self.select(&mut url, role);
                    self.watched.push((url.to_string(), page.metadata.resource_version));
                    break;
                }
            }
        }
        Ok(objects)
    }

    fn select(&self, url: &mut Url, role: KubernetesRole) {
        for selector in self.settings.selectors.iter().filter(|selector| selector.role == role) {
            for (name, text) in [("labelSelector", &selector.label), ("fieldSelector", &selector.field)] {
                if !text.is_empty() {
                    url.query_pairs_mut().append_pair(name, text);
                }
            }
        }
    }

    async fn page<T: DeserializeOwned>(&self, url: &Url) -> Result<Page<T>, String> {
        let answer = self.ask(url).await?;
        let body = read_whole(answer, PAGE_BYTES_MAX, "a page of the list is larger than 64 MiB").await;
        let body = body.map_err(|missing| missing.detail)?;
        serde_json::from_slice(&body)
            .map_err(|error| format!("the list is not understood: {}", without_content(&error.to_string())))
    }

    async fn ask(&self, url: &Url) -> Result<Response, String> {
        let requester = Requester::new(self.access.clone(), url);
        let answer = requester.get(|request| {
            request
                .header(ACCEPT, "application/json")
                .header(ACCEPT_ENCODING, "gzip")
        });
        let answer = answer.await.map_err(|missing| missing.detail)?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::FORBIDDEN => Err(format!(
                "HTTP status 403 Forbidden: the account may not list and watch {}",
                url.path()
            )),
            status => Err(format!("HTTP status {status} for {}", url.path())),
        }
    }

    /// What pods, services and nodes the targets are joined with.
    async fn joined(&mut self, with_services: bool) -> Result<Joined, String> {
        let mut joined = Joined::default();
        if self.settings.attach_node {
            joined.set_nodes(self.list::<Node>(KubernetesRole::Node).await?);
        }
        if with_services {
            let key = |meta: &objects::Meta| (meta.namespace.clone(), meta.name.clone());
            let pods = self.list::<Pod>(KubernetesRole::Pod).await?;
            joined.pods = pods.into_iter().map(|pod| (key(&pod.metadata), pod)).collect();
            let services = self.list::<Service>(KubernetesRole::Service).await?;
            joined.services = services
                .into_iter()
                .map(|service| (key(&service.metadata), service))
                .collect();
        }
        Ok(joined)
    }

    /// Ends with the first event of a list; an error when it cannot be watched.
    async fn watch(&self, address: &str, version: &str) -> Result<(), String> {
        let mut url = Url::parse(address).map_err(|_| "api_server is no URL")?;
        url.query_pairs_mut()
            .append_pair("watch", "1")
            .append_pair("resourceVersion", version)
            .append_pair("timeoutSeconds", &RESYNC.as_secs().to_string());
        let mut answer = self.ask(&url).await?;
        answer
            .chunk()
            .await
            .map(drop)
            .map_err(|error| broken_body(&error).detail)
    }
}

#[async_trait]
impl Provide for KubernetesProvider {
    fn mechanism(&self) -> &'static str {
        "kubernetes"
    }

    fn name(&self) -> String {
        format!("Kubernetes at {}", shown_url(self.server()))
    }

    fn interval(&self) -> Duration {
        WITHOUT_WATCH
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>, String> {
        self.watched.clear();
        let role = self.settings.role;
        let groups: Vec<TargetGroup> = match role {
            KubernetesRole::Node => self.list::<Node>(role).await?.iter().filter_map(of_node).collect(),
            KubernetesRole::Service => self.list::<Service>(role).await?.iter().flat_map(of_service).collect(),
            KubernetesRole::Ingress => self.list::<Ingress>(role).await?.iter().flat_map(of_ingress).collect(),
            KubernetesRole::Pod => {
                let known = self.joined(false).await?;
                let pods = self.list::<Pod>(role).await?;
                pods.iter().flat_map(|pod| of_pod(pod, &known)).collect()
            }
            KubernetesRole::Endpoints => {
                let known = self.joined(true).await?;
                let endpoints = self.list::<Endpoints>(role).await?;
                endpoints
                    .iter()
                    .flat_map(|endpoints| of_endpoints(endpoints, &known))
                    .collect()
            }
            KubernetesRole::EndpointSlice => {
                let known = self.joined(true).await?;
                let slices = self.list::<EndpointSlice>(role).await?;
                slices.iter().flat_map(|slice| of_slice(slice, &known)).collect()
            }
        };
        Ok(groups)
    }

    async fn wait(&mut self) {
        let this = &*self;
        let watches = this
            .watched
            .iter()
            .map(|(url, version)| Box::pin(this.watch(url, version)));
        let watches: Vec<_> = watches.collect();
        if watches.is_empty() {
            return tokio::time::sleep(WITHOUT_WATCH).await;
        }
        match tokio::time::timeout(RESYNC, select_all(watches)).await {
            Ok((Ok(()), _, _)) => tokio::time::sleep(SETTLE).await,
            Ok((Err(_), _, _)) => tokio::time::sleep(WITHOUT_WATCH).await,
            Err(_) => {}
        }
    }
}

/// Where the objects of a role are listed.
fn path(role: KubernetesRole, namespace: &str) -> String {
    let (api, plural) = match role {
        KubernetesRole::Node => ("/api/v1", "nodes"),
        KubernetesRole::Pod => ("/api/v1", "pods"),
        KubernetesRole::Service => ("/api/v1", "services"),
        KubernetesRole::Endpoints => ("/api/v1", "endpoints"),
        KubernetesRole::EndpointSlice => ("/apis/discovery.k8s.io/v1", "endpointslices"),
        KubernetesRole::Ingress => ("/apis/networking.k8s.io/v1", "ingresses"),
    };
    match namespace {
        "" => format!("{api}/{plural}"),
        namespace => format!("{api}/namespaces/{namespace}/{plural}"),
    }
}

/// Settings with the service account of the pod in which nines runs, where they say nothing else.
fn as_pod(mut http: HttpSettings) -> HttpSettings {
    if matches!(http.auth, Auth::None) {
        http.auth = Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(format!("{ACCOUNT}/token").into()),
        };
    }
    http.tls.ca_file = http.tls.ca_file.or_else(|| Some(format!("{ACCOUNT}/ca.crt").into()));
    http
}
