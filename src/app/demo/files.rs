//! The demo's files: a config and SLOs such as people write.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where the demo's fakes listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The shop's `/metrics`.
    pub shop: SocketAddr,
    /// The webhook sink.
    pub webhook: SocketAddr,
    /// The mail sink.
    pub smtp: SocketAddr,
}

/// Writes `nines.yml` and `slos/*.yaml` below the folder; the config's path.
pub fn write(folder: &Path, addresses: Addresses) -> anyhow::Result<PathBuf> {
    let slos = folder.join("slos");
    std::fs::create_dir_all(&slos).with_context(|| format!("cannot make the folder {}", slos.display()))?;
    let config = folder.join("nines.yml");
    for (path, text) in [
        (config.clone(), config_text(folder, addresses)),
        (slos.join("checkout.yaml"), CHECKOUT.to_owned()),
        (slos.join("shop.yaml"), SHOP.to_owned()),
    ] {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(config)
}

fn config_text(folder: &Path, addresses: Addresses) -> String {
    let Addresses { shop, webhook, smtp } = addresses;
    let database = folder.join("nines.db").display().to_string().replace('\'', "''");
    format!(
        "# The demo's config: one scraped job, one receiver with a webhook and a mail address.\n\
         global:\n\
         \x20 scrape_interval: 5s\n\
         \x20 scrape_timeout: 3s\n\
         \x20 evaluation_interval: 5s\n\
         slo_files: ['slos/*.yaml']\n\
         storage: {{url: 'sqlite:{database}'}}\n\
         scrape_configs:\n\
         \x20 - job_name: shop\n\
         \x20   static_configs: [{{targets: ['{shop}'], labels: {{env: demo}}}}]\n\
         route: {{receiver: oncall, group_by: [service, slo], group_wait: 0s, group_interval: 1m, repeat_interval: 4h}}\n\
         receivers:\n\
         \x20 - name: oncall\n\
         \x20   webhook_configs: [{{url: 'http://{webhook}/hook'}}]\n\
         \x20   email_configs:\n\
         \x20     - {{to: 'sre@shop.example', from: 'nines@shop.example', smarthost: '{smtp}', require_tls: false}}\n"
    )
}

const CHECKOUT: &str = r#"version: nines/v1
service: checkout
labels: {team: payments}
slos:
  - name: availability
    description: Requests to the shop succeed.
    objective: 99.9
    window: 30d
    indicator:
      total: http_requests_total{job="shop"}
      bad: http_requests_total{job="shop",code=~"5.."}
    annotations: {nines_demo: synthetic history, runbook_url: 'https://runbooks.shop.example/availability'}

  - name: latency
    description: Requests are answered within 300 ms.
    objective: 95
    window: 30d
    indicator: {latency: 'http_request_duration_seconds{job="shop"}', threshold: 300ms}
    annotations: {nines_demo: synthetic history, runbook_url: 'https://runbooks.shop.example/latency'}

  - name: availability-by-region
    description: Requests succeed in every region; each has a budget of its own.
    objective: 99.9
    window: 30d
    indicator:
      total: http_requests_total{job="shop"}
      bad: http_requests_total{job="shop",code=~"5.."}
      group_by: [region]
    annotations: {nines_demo: synthetic history}

  - name: availability-fast
    description: A demo condition with windows of minutes, so that the incident can be watched from page to all-clear.
    objective: 99
    window: 1h
    indicator:
      total: http_requests_total{job="shop"}
      bad: http_requests_total{job="shop",code=~"5.."}
    annotations: {runbook_url: 'https://runbooks.shop.example/availability'}
    alerting:
      name: DemoFastBurn
      burn:
        - {severity: page, long: 2m, short: 1m, factor: 5}
      annotations: {description: This is a demo condition; real ones look at longer windows.}
"#;

const SHOP: &str = r#"version: nines/v1
service: shop
labels: {team: logistics}
slos:
  - name: queue
    description: At most 100 orders wait to be packed.
    objective: 99
    window: 30d
    indicator: {gauge: 'queue_depth{job="shop"}', op: lte, value: 100}
    annotations: {nines_demo: synthetic history}
    alerting: false
"#;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(path: &Path) -> Value {
        let text = std::fs::read_to_string(path).expect("a file");
        serde_saphyr::from_str(&text).expect("YAML")
    }

    #[test]
    fn the_files_are_yaml_and_name_the_fakes() {
        let folder = tempfile::tempdir().expect("a folder");
        let addresses = Addresses {
            shop: ([127, 0, 0, 1], 9100).into(),
            webhook: ([127, 0, 0, 1], 9999).into(),
            smtp: ([127, 0, 0, 1], 2525).into(),
        };
        let config = read(&write(folder.path(), addresses).expect("files"));
        assert_eq!(
            config["scrape_configs"][0]["static_configs"][0]["targets"][0],
            "127.0.0.1:9100"
        );
        assert_eq!(
            config["receivers"][0]["webhook_configs"][0]["url"],
            "http://127.0.0.1:9999/hook"
        );
        assert_eq!(
            config["receivers"][0]["email_configs"][0]["smarthost"],
            "127.0.0.1:2525"
        );
        let checkout = read(&folder.path().join("slos/checkout.yaml"));
        assert_eq!(checkout["slos"][3]["alerting"]["burn"][0]["factor"], 5);
    }

    #[test]
    fn every_slo_has_a_history() {
        for text in [CHECKOUT, SHOP] {
            let file: Value = serde_saphyr::from_str(text).expect("YAML");
            for slo in file["slos"].as_array().expect("SLOs") {
                let id = format!(
                    "{}/{}",
                    file["service"].as_str().unwrap_or(""),
                    slo["name"].as_str().unwrap_or("")
                );
                assert!(super::super::history::profile(&id, None).is_some(), "{id}");
            }
        }
    }
}
