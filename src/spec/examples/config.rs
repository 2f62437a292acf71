//! Mistakes in the configuration.

use super::Example;

/// In the order of their codes.
pub(super) static ALL: &[Example] = &[
    Example {
        code: "N030",
        wrong: "\
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['127.0.0.1:9100']}]
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://${HOOK_HOST}/nines'}]
",
        right: "\
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['127.0.0.1:9100']}]
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://hooks.example/nines'}]
",
    },
    Example {
        code: "N031",
        wrong: "\
global: {scrape_interval: 15s, scrape_timeout: 30s}
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['127.0.0.1:9100']}]
",
        right: "\
global: {scrape_interval: 15s, scrape_timeout: 10s}
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['127.0.0.1:9100']}]
",
    },
    Example {
        code: "N032",
        wrong: "\
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://hooks.example/nines'}]
route: {receiver: on-call}
",
        right: "\
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://hooks.example/nines'}]
route: {receiver: oncall}
",
    },
    Example {
        code: "N033",
        wrong: "\
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['http://127.0.0.1:9100/metrics']}]
",
        right: "\
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['127.0.0.1:9100']}]
",
    },
    Example {
        code: "N035",
        wrong: "\
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://hooks.example/nines', secret: hunter2}]
",
        right: "\
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://hooks.example/nines', secret: 'whsec_aHVudGVyMmh1bnRlcjJodW50ZXIy'}]
",
    },
    Example {
        code: "N049",
        wrong: "\
probe_modules:
  shop:
    prober: http
    http: {fail_if_body_not_matches_regexp: ['(healthy|ok']}
probes:
  - {job_name: shop, module: shop, targets: ['https://shop.example/']}
",
        right: "\
probe_modules:
  shop:
    prober: http
    http: {fail_if_body_not_matches_regexp: ['(healthy|ok)']}
probes:
  - {job_name: shop, module: shop, targets: ['https://shop.example/']}
",
    },
];
