//! `dns_sd_configs`: targets that are named by records of DNS.

use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
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

    fn resolver(&self) -> Result<TokioResolver, String> {
        let (config, mut options) = match &self.servers {
            Some(servers) => servers.clone(),
            None => read_system_conf().map_err(|error| format!("/etc/resolv.conf cannot be used: {error}"))?,
        };
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = false;
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| format!("no resolver can be made: {error}"))
    }

    /// The targets of one name; none where the answer is that there are none.
    async fn of_name(&self, resolver: &TokioResolver, name: &str) -> Result<Vec<TargetGroup>, String> {
        let kind = match self.settings.kind {
            RecordKind::Srv => RecordType::SRV,
            RecordKind::A => RecordType::A,
            RecordKind::Aaaa => RecordType::AAAA,
            RecordKind::Mx => RecordType::MX,
            RecordKind::Ns => RecordType::NS,
        };
        let answer = match resolver.lookup(name, kind).await {
            Ok(answer) => answer,
            Err(error) if says_none(&error) => return Ok(Vec::new()),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        let records = answer.answers().iter();
        let mut groups: Vec<TargetGroup> = records.filter_map(|record| self.group(name, &record.data)).collect();
        // Servers rotate their answers; targets stay where they are.
        groups.sort_by(|a, b| a.targets.cmp(&b.targets));
        groups.dedup();
        Ok(groups)
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
    fn name(&self) -> String {
        format!("DNS for {}", self.settings.names.join(", "))
    }

    fn interval(&self) -> Duration {
        self.settings.refresh_interval
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>, String> {
        let resolver = self.resolver()?;
        let mut groups = Vec::new();
        for name in &self.settings.names {
            groups.extend(self.of_name(&resolver, name).await?);
        }
        Ok(groups)
    }
}

/// The answer is that the name, or records of this kind, do not exist; anything else is no answer.
fn says_none(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}
