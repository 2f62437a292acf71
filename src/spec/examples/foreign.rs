//! Mistakes in the formats of others, and in what they share with the native one: queries and calendars.

use super::{Example, GOOD};

const SLOTH: &str = "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: ShopAvailability}
";

const OPENSLO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: errors_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
";

const QUERY: &str = "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator:
      total: sum(rate(requests_total[{{.window}}]))
      bad: sum(rate(errors_total[{{.window}}]))
";

const CALENDAR: &str = "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: {calendar: month, start: '2026-01-01 00:00:00', zone: Europe/Berlin}
    indicator: {total: requests_total, bad: errors_total}
";

/// In the order of their codes.
pub(super) static ALL: &[Example] = &[
    Example {
        code: "N038",
        wrong: "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      plugin: {id: our-own/availability, options: {job: shop}}
    alerting: {name: ShopAvailability}
",
        right: SLOTH,
    },
    Example {
        code: "N040",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator:
      total: sum(rate(requests_total[{{.window}}])
      bad: sum(rate(errors_total[{{.window}}]))
",
        right: QUERY,
    },
    Example {
        code: "N041",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator:
      total: sum(rate(requests_total[5m]))
      bad: sum(rate(errors_total[5m]))
",
        right: QUERY,
    },
    Example {
        code: "N042",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: {calendar: month, start: '2026-01-01 00:00:00', zone: Berlin}
    indicator: {total: requests_total, bad: errors_total}
",
        right: CALENDAR,
    },
    Example {
        code: "N043",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: {calendar: month, start: '1st of January', zone: Europe/Berlin}
    indicator: {total: requests_total, bad: errors_total}
",
        right: CALENDAR,
    },
    Example {
        code: "N044",
        wrong: "\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: availability, namespace: shop}
spec:
  target: '99.9'
  window: 30d
  indicator:
    ratio:
      errors: {metric: 'errors_total{job=\"shop\"}'}
      total: {metric: 'requests_total{job=\"shop\"}'}
    bool_gauge: {metric: 'up{job=\"shop\"}'}
",
        right: "\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: availability, namespace: shop}
spec:
  target: '99.9'
  window: 30d
  indicator:
    ratio:
      errors: {metric: 'errors_total{job=\"shop\"}'}
      total: {metric: 'requests_total{job=\"shop\"}'}
",
    },
    Example {
        code: "L008",
        wrong: "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting:
      name: ShopAvailability
      pageAlert: {labels: {severity: critical}}
",
        right: "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting:
      name: ShopAvailability
      page_alert: {labels: {severity: critical}}
",
    },
    Example {
        code: "L009",
        wrong: "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: Shop_Availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: errors_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
",
        right: OPENSLO,
    },
    Example {
        code: "L010",
        wrong: "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: errors_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
  alertPolicies: [{alertPolicyRef: fast-burn}]
",
        right: OPENSLO,
    },
    Example {
        code: "L013",
        wrong: "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'max(increase(errors_total[5m]))'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'max(increase(requests_total[5m]))'}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
",
        right: "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'sum(increase(errors_total[{{.window}}]))'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'sum(increase(requests_total[{{.window}}]))'}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
",
    },
    Example {
        code: "L014",
        wrong: "\
version: prometheus/v1
service: shop
slos:
  - name: latency
    objective: 99.9
    sli:
      events:
        error_query: histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket[{{.window}}]))) > 0.3
        total_query: sum(rate(request_seconds_count[{{.window}}]))
    alerting: {name: ShopLatency}
",
        right: "\
version: prometheus/v1
service: shop
slos:
  - name: latency
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(request_seconds_count[{{.window}}])) - sum(rate(request_seconds_bucket{le=\"0.3\"}[{{.window}}]))
        total_query: sum(rate(request_seconds_count[{{.window}}]))
    alerting: {name: ShopLatency}
",
    },
    Example {
        code: "L015",
        wrong: "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(requests_total{code=~\"2..\"}[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: ShopAvailability}
",
        right: "\
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(requests_total{code=~\"5..\"}[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: ShopAvailability}
",
    },
    Example {
        code: "L019",
        wrong: "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 0.999
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
",
        right: GOOD,
    },
];
