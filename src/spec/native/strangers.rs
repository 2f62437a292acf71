//! Keys that people write at the wrong level, or bring from other tools. Each with the key of this map that it stands
//! for (none where the right place is another map), and the hint.

type Stranger = (&'static str, &'static str, &'static str);

const IN_SLOS: &str = "it belongs to an SLO: an item of the list `slos`";
const IN_INDICATOR: &str = "it belongs into `indicator`, one level deeper";
const IN_ALERTING: &str = "it belongs into `alerting`, one level deeper";
const IN_BURN: &str = "it belongs to an item of the list `burn` in `alerting`";
const BESIDE: &str = "it belongs to the SLO, beside `indicator`";

/// At the top of a document.
pub(super) const DOCUMENT: &[Stranger] = &[
    ("name", "", IN_SLOS),
    ("objective", "", IN_SLOS),
    ("objectives", "", IN_SLOS),
    ("window", "", IN_SLOS),
    ("indicator", "", IN_SLOS),
    ("alerting", "", IN_SLOS),
    ("owner", "", IN_SLOS),
    ("annotations", "", IN_SLOS),
    ("description", "", IN_SLOS),
    ("slo", "slos", "the key is `slos`, a list"),
    ("apiVersion", "", "the native format has only `version: nines/v1`"),
    (
        "kind",
        "",
        "the native format has no kinds; `version: nines/v1` says all",
    ),
    (
        "metadata",
        "",
        "the native format has no metadata; write `service` and each SLO's `name`",
    ),
    (
        "spec",
        "",
        "the native format has no spec; write `service` and `slos` at the top",
    ),
];

/// In an SLO.
pub(super) const SLO: &[Stranger] = &[
    ("total", "", IN_INDICATOR),
    ("bad", "", IN_INDICATOR),
    ("good", "", IN_INDICATOR),
    ("latency", "", IN_INDICATOR),
    (
        "threshold",
        "",
        "`threshold` belongs into `indicator`, one level deeper",
    ),
    ("gauge", "", IN_INDICATOR),
    ("boolean", "", IN_INDICATOR),
    ("op", "", IN_INDICATOR),
    ("value", "", IN_INDICATOR),
    ("probe", "", IN_INDICATOR),
    ("source", "", IN_INDICATOR),
    ("error_ratio", "", IN_INDICATOR),
    ("success_ratio", "", IN_INDICATOR),
    ("composite", "", IN_INDICATOR),
    ("group_by", "", IN_INDICATOR),
    ("grouping", "", "the key is `group_by`, in `indicator`"),
    ("burn", "", IN_ALERTING),
    ("min_events", "", IN_ALERTING),
    ("min_failures", "", IN_ALERTING),
    ("no_data_for", "", IN_ALERTING),
    ("keep_firing_for", "", IN_ALERTING),
    ("page", "", IN_ALERTING),
    ("ticket", "", IN_ALERTING),
    (
        "runbook_url",
        "",
        "it belongs into `annotations`: `annotations: {runbook_url: …}`",
    ),
    ("runbook", "", "write `annotations: {runbook_url: …}`"),
    ("service", "", "`service` stands once at the top of the document"),
    (
        "target",
        "objective",
        "the key is `objective`, in percent: `objective: 99.9`",
    ),
    (
        "goal",
        "objective",
        "the key is `objective`, in percent: `objective: 99.9`",
    ),
    (
        "slo_target",
        "objective",
        "the key is `objective`, in percent: `objective: 99.9`",
    ),
    (
        "sli",
        "indicator",
        "the key is `indicator`, with `total` and `bad` (or `good`)",
    ),
    (
        "indicatorRef",
        "indicator",
        "the key is `indicator`; it stands in full with its SLO",
    ),
    (
        "events",
        "indicator",
        "the key is `indicator`, with `total` and `bad` (or `good`)",
    ),
    (
        "ratio",
        "indicator",
        "the key is `indicator`, with `total` and `bad` (or `good`)",
    ),
    (
        "ratioMetric",
        "indicator",
        "the key is `indicator`, with `total` and `bad` (or `good`)",
    ),
    (
        "thresholdMetric",
        "indicator",
        "the key is `indicator`, with `gauge`, `op` and `value`",
    ),
    ("error_query", "indicator", "write `bad` in `indicator`"),
    ("total_query", "indicator", "write `total` in `indicator`"),
    ("timeWindow", "window", "the key is `window`: `window: 30d`"),
    ("time_window", "window", "the key is `window`: `window: 30d`"),
    ("rolling", "window", "the key is `window`: `window: 30d`"),
    ("calendar", "window", "write `window: {calendar: month}`"),
    (
        "budgetingMethod",
        "method",
        "the key is `method`: occurrences, timeslices or ratio_timeslices",
    ),
    (
        "budgeting_method",
        "method",
        "the key is `method`: occurrences, timeslices or ratio_timeslices",
    ),
    ("timeSliceWindow", "timeslice", "the key is `timeslice`"),
    (
        "timeSliceTarget",
        "timeslice_target",
        "the key is `timeslice_target`, in percent",
    ),
    (
        "displayName",
        "name",
        "the key is `name`; a longer text fits into `description`",
    ),
    ("alertPolicies", "alerting", "the key is `alerting`"),
    ("alerts", "alerting", "the key is `alerting`"),
    ("alert", "alerting", "the key is `alerting`"),
    ("page_alert", "alerting", "write `page` in `alerting`"),
    ("ticket_alert", "alerting", "write `ticket` in `alerting`"),
];

/// In an indicator.
pub(super) const INDICATOR: &[Stranger] = &[
    ("objective", "", BESIDE),
    ("window", "", BESIDE),
    ("alerting", "", BESIDE),
    ("labels", "", BESIDE),
    ("method", "", BESIDE),
    ("no_data", "", BESIDE),
    ("error_query", "bad", "the key is `bad`"),
    ("errors", "bad", "the key is `bad`"),
    ("error", "bad", "the key is `bad`"),
    ("success", "good", "the key is `good`"),
    ("total_query", "total", "the key is `total`"),
    ("valid", "total", "the key is `total`"),
    ("error_ratio_query", "error_ratio", "the key is `error_ratio`"),
    ("raw", "error_ratio", "the key is `error_ratio`"),
    (
        "ratio",
        "error_ratio",
        "the key is `error_ratio`, or `total` with `bad`",
    ),
    ("ratioMetric", "total", "write `total` and `bad` (or `good`)"),
    ("thresholdMetric", "gauge", "write `gauge`, `op` and `value`"),
    ("bool_gauge", "boolean", "the key is `boolean`"),
    ("histogram_name", "latency", "the key is `latency`"),
    (
        "query",
        "",
        "write `total` and `bad`, `error_ratio`, or `gauge` with `op` and `value`",
    ),
    (
        "metric",
        "",
        "write the selector itself under `total` and `bad`, `latency`, or `gauge`",
    ),
    ("grouping", "group_by", "the key is `group_by`"),
    ("server", "source", "the key is `source`"),
    ("datasource", "source", "the key is `source`"),
];

/// In `alerting`.
pub(super) const ALERTING: &[Stranger] = &[
    ("severity", "", IN_BURN),
    ("long", "", IN_BURN),
    ("short", "", IN_BURN),
    ("factor", "", IN_BURN),
    ("page_alert", "page", "the key is `page`"),
    ("pageAlert", "page", "the key is `page`"),
    ("ticket_alert", "ticket", "the key is `ticket`"),
    ("ticketAlert", "ticket", "the key is `ticket`"),
    ("disable", "enabled", "write `alerting: false`"),
    ("disabled", "enabled", "write `alerting: false`"),
    ("burnrates", "burn", "the key is `burn`"),
    ("absent", "no_data_for", "the key is `no_data_for`"),
    (
        "no_data",
        "",
        "`no_data` belongs to the SLO, beside `indicator`; the alert is `no_data_for`",
    ),
    ("runbook_url", "annotations", "it belongs into `annotations`"),
    ("windows", "burn", "the key is `burn`"),
    ("conditions", "burn", "the key is `burn`"),
];

/// In an item of `burn`.
pub(super) const BURN: &[Stranger] = &[
    ("alertAfter", "for", "the key is `for`"),
    ("alert_after", "for", "the key is `for`"),
    (
        "threshold",
        "factor",
        "the key is `factor`: how many times faster than the budget allows",
    ),
    ("burnrate", "factor", "the key is `factor`"),
    ("burn_rate", "factor", "the key is `factor`"),
    ("rate", "factor", "the key is `factor`"),
    ("window", "long", "the keys are `long` and `short`"),
    ("lookbackWindow", "long", "the keys are `long` and `short`"),
    ("long_window", "long", "the key is `long`"),
    ("longWindow", "long", "the key is `long`"),
    ("short_window", "short", "the key is `short`"),
    ("shortWindow", "short", "the key is `short`"),
    (
        "labels",
        "",
        "labels of one severity belong into `page` or `ticket` of `alerting`",
    ),
];
