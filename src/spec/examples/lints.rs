//! What loads, and should be looked at.

use super::{Example, GOOD};

/// In the order of their codes.
pub(super) static ALL: &[Example] = &[
    Example {
        code: "L001",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: requests_total}
",
        right: GOOD,
    },
    Example {
        code: "L002",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 90
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 14.4}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 90
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 8}
",
    },
    Example {
        code: "L003",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 90
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 90
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: page, long: 1h, short: 5m, factor: 8}
",
    },
    Example {
        code: "L004",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 1d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: ticket, long: 3d, short: 6h, factor: 1}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 1d
    indicator: {total: requests_total, bad: errors_total}
    alerting:
      burn:
        - {severity: ticket, long: 6h, short: 30m, factor: 1}
",
    },
    Example {
        code: "L006",
        wrong: "\
version: nines/v1
service: shop
slos: []
",
        right: GOOD,
    },
    Example {
        code: "L011",
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
        - {severity: page, long: 3d, short: 6h, factor: 10}
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
        - {severity: page, long: 6h, short: 30m, factor: 6}
",
    },
    Example {
        code: "L024",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: latency
    objective: 99
    window: 30d
    indicator: {latency: request_duration_seconds, threshold: 300ms, histogram: native}
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: latency
    objective: 99
    window: 30d
    indicator: {latency: request_duration_seconds, threshold: 250ms, histogram: native}
",
    },
    Example {
        code: "L025",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator:
      total: sum(rate(requests_total[{{.window}}]))
      bad: sum(increase(errors_total[{{.window}}]))
",
        right: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator:
      total: sum(rate(requests_total[{{.window}}]))
      bad: sum(rate(errors_total[{{.window}}]))
",
    },
    Example {
        code: "I003",
        wrong: "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
",
        right: GOOD,
    },
];
