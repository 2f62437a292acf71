//! `dns_sd_configs`: targets that are named by records of DNS.

use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver, TokioResolver};

use super::provider::Provide;
use super::settings::{DnsDiscovery, RecordKind, TargetGroup};

/// Asks for the records of some names.
pub(super) struct DnsProvider {
    settings: DnsDiscovery,
    /// Whom to ask; `None`: whom `/etc/resolv.conf` names, which is read again each time.
    servers: Option<(ResolverConfig, ResolverOpts)>,
}

impl DnsProvider {
    pub fn new(settings: DnsDiscovery) -> Self {
        Self {
            settings,
            servers: None,
        }
    }

    /// Asks these servers.
    #[cfg(test)]
    pub fn asking(settings: DnsDiscovery, servers: ResolverConfig) -> Self {
        Self {
            settings,
            servers: Some((servers, ResolverOpts::default())),
        }
    }

    fn servers(&self) -> Result<(ResolverConfig, ResolverOpts), String> {
        match &self.servers {
            Some(servers) => Ok(servers.clone()),
            None => read_system_conf().map_err(|error| format!("/etc/resolv.conf cannot be used: {error}")),
        }
    }

    /// The targets of one name, which may be meant within a search domain; none where all answers are that there are
    /// none. Where some name server fails and nobody else knows the name, nothing is known.
    async fn of_name(
        &self,
        resolver: &TokioResolver,
        name: &str,
        candidates: Vec<String>,
    ) -> Result<Vec<TargetGroup>, String> {
        let kind = match self.settings.kind {
            RecordKind::Srv => RecordType::SRV,
            RecordKind::A => RecordType::A,
            RecordKind::Aaaa => RecordType::AAAA,
            RecordKind::Mx => RecordType::MX,
            RecordKind::Ns => RecordType::NS,
        };
        let mut failed = None;
        for candidate in candidates {
            match resolver.lookup(candidate, kind).await {
                Ok(answer) => return Ok(self.groups(name, answer.answers())),
                Err(error) => match negative(&error) {
                    Some(ResponseCode::NoError) => return Ok(Vec::new()),
                    Some(_) => {}
                    None => failed = Some(format!("{name}: {error}")),
                },
            }
        }
        failed.map_or(Ok(Vec::new()), Err)
    }

    fn groups(&self, name: &str, records: &[Record]) -> Vec<TargetGroup> {
        let groups = records.iter().filter_map(|record| self.group(name, &record.data));
        let mut groups: Vec<TargetGroup> = groups.collect();
        // Servers rotate their answers; targets stay where they are.
        groups.sort_by(|a, b| a.targets.cmp(&b.targets));
        groups.dedup();
        groups
    }

    fn group(&self, name: &str, record: &RData) -> Option<TargetGroup> {
        let mut group = TargetGroup::default();
        for label in [
            "__meta_dns_srv_record_target",
            "__meta_dns_srv_record_port",
            "__meta_dns_mx_record_target",
            "__meta_dns_ns_record_target",
        ] {
            group.labels.set(label, "");
        }
        group.labels.set("__meta_dns_name", name);
        let mut port = self.settings.port;
        let host = match record {
            RData::SRV(srv) => {
                port = srv.port;
                group.labels.set("__meta_dns_srv_record_target", srv.target.to_string());
                group.labels.set("__meta_dns_srv_record_port", port.to_string());
                srv.target.to_string()
            }
            RData::MX(mx) => {
                group.labels.set("__meta_dns_mx_record_target", mx.exchange.to_string());
                mx.exchange.to_string()
            }
            RData::NS(ns) => {
                group.labels.set("__meta_dns_ns_record_target", ns.to_string());
                ns.to_string()
            }
            RData::A(address) => address.to_string(),
            RData::AAAA(address) => format!("[{address}]"),
            _ => return None,
        };
        group.targets.push(format!("{}:{port}", host.trim_end_matches('.')));
        Some(group)
    }
}

#[async_trait]
impl Provide for DnsProvider {
    fn mechanism(&self) -> &'static str {
        "dns"
    }

    fn name(&self) -> String {
        format!("DNS for {}", self.settings.names.join(", "))
    }

    fn interval(&self) -> Duration {
        self.settings.refresh_interval
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>, String> {
        let (config, mut options) = self.servers()?;
        options.use_hosts_file = ResolveHosts::Never;
        let (search, ndots) = (search_domains(&config), options.ndots);
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| format!("no resolver can be made: {error}"))?;
        let mut groups = Vec::new();
        for name in &self.settings.names {
            let candidates = candidates(name, &search, ndots);
            groups.extend(self.of_name(&resolver, name, candidates).await?);
        }
        Ok(groups)
    }
}

/// The code of an answer that the name (`NXDomain`), or records of this kind (`NoError`), do not exist; `None` where
/// there was no answer.
fn negative(error: &NetError) -> Option<ResponseCode> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let is_answer = matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
            is_answer.then_some(none.response_code)
        }
        _ => None,
    }
}

/// The domains within which names may be meant.
fn search_domains(config: &ResolverConfig) -> Vec<String> {
    let search = config.search().iter().map(ToString::to_string);
    let search: Vec<String> = search.collect();
    if search.is_empty() {
        return config.domain().iter().map(ToString::to_string).collect();
    }
    search
}

/// The full names that a name may stand for, in the order in which they are asked for, as resolvers do it.
fn candidates(name: &str, search: &[String], ndots: usize) -> Vec<String> {
    if name.ends_with('.') {
        return vec![name.to_owned()];
    }
    let full = format!("{name}.");
    let domains = search.iter().map(|domain| domain.trim_matches('.'));
    let domains = domains.filter(|domain| !domain.is_empty());
    let within = domains.map(|domain| format!("{name}.{domain}."));
    if name.matches('.').count() >= ndots {
        std::iter::once(full).chain(within).collect()
    } else {
        within.chain(std::iter::once(full)).collect()
    }
}
