//! Mistakes that keep SLO files from loading.

use super::{Example, GOOD};

/// In the order of their codes.
pub(super) static ALL: &[Example] = &[
    Example {
        code: "N002",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    description: errors: those of the shop
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    description: 'errors: those of the shop'
",
    },
    Example {
        code: "N003",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    window: 7d
",
        right: GOOD,
    },
    Example {
        code: "N004",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objektive: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N005",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N006",
        wrong: "\
version: nines/v1
service: shop
slos:
  name: availability
  objective: 99.9
  window: 30d
  indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N012",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 100
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N013",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30 days
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N014",
        wrong: r#"version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: 
      total: http_requests_total{job=shop}
      bad: http_requests_total{job=shop,code=~"5.."}
"#,
        right: r#"version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: 
      total: http_requests_total{job="shop"}
      bad: http_requests_total{job="shop",code=~"5.."}
"#,
    },
    Example {
        code: "N015",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability of the shop
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N016",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    labels: {severity: high}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    labels: {tier: high}
",
    },
    Example {
        code: "N017",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
  - name: availability
    objective: 99
    window: 7d
    indicator: {total: requests_total, bad: errors_total}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
  - name: availability-7d
    objective: 99
    window: 7d
    indicator: {total: requests_total, bad: errors_total}
",
    },
    Example {
        code: "N019",
        wrong: "\
service: shop
list:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
    Example {
        code: "N020",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total, threshold: 300ms}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {latency: request_duration_seconds, threshold: 300ms}
",
    },
    Example {
        code: "N021",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 5m, short: 1h, factor: 14.4}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 14.4}
",
    },
    Example {
        code: "N022",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 14.4x}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 14.4}
",
    },
    Example {
        code: "N023",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {latency: request_duration, threshold: 300ms}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {latency: request_duration, threshold: 0.3}
",
    },
    Example {
        code: "N024",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: critical, long: 1h, short: 5m, factor: 14.4}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 14.4}
",
    },
    Example {
        code: "N034",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total, good: served_total}
",
        right: GOOD,
    },
    Example {
        code: "N037",
        wrong: "\
version: nines/v2
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
];
