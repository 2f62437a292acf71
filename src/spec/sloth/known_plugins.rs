//! What widely used SLI plugins count: those of `sloth-common`, and Lokalise's for nginx.
//!
//! Their queries divide two sums of rates and guard against time without traffic. Here only the two sums are kept: nines
//! counts the events themselves and knows what no traffic is.

use crate::domain::indicator::RatioPart;

/// One plugin.
pub(super) struct Plugin {
    /// Under what name files ask for it.
    pub id: &'static str,
    /// What can be said to it.
    pub options: &'static [(&'static str, OptionKind)],
    /// What it counts.
    pub counts: Counts,
}

/// What a plugin counts.
pub(super) enum Counts {
    /// All events, the first sum less the others, and the bad or good ones.
    Ratio {
        total: &'static [Sum],
        part: Sum,
        part_is: RatioPart,
    },
    /// Whether targets could be scraped.
    Up,
    /// No event is ever bad.
    Nothing,
}

/// A counter and its matchers besides the filter; `<option>` stands for an option's value.
pub(super) type Sum = (&'static str, &'static str);

/// What an option is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum OptionKind {
    /// Matchers that are added to each selector.
    Filter { needed: bool },
    /// A text that must be there.
    Needed,
    /// A text that may be there.
    Text { default: &'static str },
    /// The bound of a histogram's bucket, in the metric's unit.
    Bucket,
    /// Whether failed requests are left out of a latency.
    ExcludeErrors,
}

impl OptionKind {
    /// The option has no default.
    pub fn is_needed(self) -> bool {
        matches!(self, Self::Needed | Self::Bucket | Self::Filter { needed: true })
    }
}

const FILTER: (&str, OptionKind) = ("filter", OptionKind::Filter { needed: false });
const NEEDED_FILTER: (&str, OptionKind) = ("filter", OptionKind::Filter { needed: true });
const BUCKET: (&str, OptionKind) = ("bucket", OptionKind::Bucket);
const EXCLUDE_ERRORS: (&str, OptionKind) = ("exclude_errors", OptionKind::ExcludeErrors);
const CONTROLLER: (&str, OptionKind) = ("controller", OptionKind::Needed);
const SERVICE_REGEX: (&str, OptionKind) = ("service_name_regex", OptionKind::Needed);
const BACKEND_REGEX: (&str, OptionKind) = ("backend_regex", OptionKind::Needed);
const SERVICE: (&str, OptionKind) = ("service", OptionKind::Needed);
const NAMESPACE: (&str, OptionKind) = ("namespace", OptionKind::Needed);
const RCODES: (&str, OptionKind) = ("custom_rcode_regex", OptionKind::Text { default: "SERVFAIL" });

const fn bad(
    id: &'static str,
    options: &'static [(&'static str, OptionKind)],
    total: &'static [Sum],
    part: Sum,
) -> Plugin {
    let part_is = RatioPart::Bad;
    let counts = Counts::Ratio { total, part, part_is };
    Plugin { id, options, counts }
}

const fn good(
    id: &'static str,
    options: &'static [(&'static str, OptionKind)],
    total: &'static [Sum],
    part: Sum,
) -> Plugin {
    let part_is = RatioPart::Good;
    let counts = Counts::Ratio { total, part, part_is };
    Plugin { id, options, counts }
}

const fn special(id: &'static str, options: &'static [(&'static str, OptionKind)], counts: Counts) -> Plugin {
    Plugin { id, options, counts }
}

/// All that are known.
pub(super) static KNOWN: [Plugin; 24] = [
    bad(
        "sloth-common/coredns/availability",
        &[FILTER, RCODES],
        &[("coredns_dns_responses_total", "")],
        ("coredns_dns_responses_total", "rcode=~\"<custom_rcode_regex>\""),
    ),
    good(
        "sloth-common/coredns/latency",
        &[FILTER, BUCKET],
        &[("coredns_dns_request_duration_seconds_count", "")],
        ("coredns_dns_request_duration_seconds_bucket", "le=\"<bucket>\""),
    ),
    bad(
        "sloth-common/haproxy/frontend/availability",
        &[FILTER],
        &[("haproxy_frontend_http_responses_total", "")],
        ("haproxy_frontend_http_responses_total", "code=\"5xx\""),
    ),
    bad(
        "sloth-common/istio/v1/availability",
        &[FILTER, SERVICE, NAMESPACE],
        &[("istio_requests_total", ISTIO)],
        (
            "istio_requests_total",
            "destination_service_name=\"<service>\",destination_service_namespace=\"<namespace>\",\
             response_code=~\"(5..|429)\"",
        ),
    ),
    good(
        "sloth-common/istio/v1/latency",
        &[FILTER, BUCKET, SERVICE, NAMESPACE, EXCLUDE_ERRORS],
        &[("istio_request_duration_milliseconds_count", ISTIO)],
        (
            "istio_request_duration_milliseconds_bucket",
            "destination_service_name=\"<service>\",destination_service_namespace=\"<namespace>\",le=\"<bucket>\"",
        ),
    ),
    bad(
        "sloth-common/kubernetes/apiserver/availability",
        &[FILTER],
        &[("apiserver_request_total", "")],
        ("apiserver_request_total", "code=~\"(5..|429)\""),
    ),
    good(
        "sloth-common/kubernetes/apiserver/latency",
        &[FILTER, BUCKET],
        &[("apiserver_request_duration_seconds_count", "verb!=\"WATCH\"")],
        (
            "apiserver_request_duration_seconds_bucket",
            "le=\"<bucket>\",verb!=\"WATCH\"",
        ),
    ),
    bad(
        "sloth-common/kubernetes/kooper/availability",
        &[FILTER, CONTROLLER],
        &[
            (
                "kooper_controller_processed_event_duration_seconds_count",
                "controller=\"<controller>\"",
            ),
            (
                "kooper_controller_queued_events_total",
                "controller=\"<controller>\",requeue=\"true\"",
            ),
        ],
        (
            "kooper_controller_processed_event_duration_seconds_count",
            "controller=\"<controller>\",success=\"false\"",
        ),
    ),
    good(
        "sloth-common/kubernetes/kooper/latency",
        &[FILTER, BUCKET, CONTROLLER],
        &[(
            "kooper_controller_processed_event_duration_seconds_count",
            "controller=\"<controller>\"",
        )],
        (
            "kooper_controller_processed_event_duration_seconds_bucket",
            "controller=\"<controller>\",le=\"<bucket>\"",
        ),
    ),
    good(
        "sloth-common/kubernetes/kooper/queue-congestion",
        &[FILTER, BUCKET, CONTROLLER],
        &[(
            "kooper_controller_event_in_queue_duration_seconds_count",
            "controller=\"<controller>\"",
        )],
        (
            "kooper_controller_event_in_queue_duration_seconds_bucket",
            "controller=\"<controller>\",le=\"<bucket>\"",
        ),
    ),
    bad(
        "sloth-common/kubernetes/nginx-ingress/availability",
        &[FILTER],
        &[("nginx_ingress_controller_requests", "")],
        ("nginx_ingress_controller_requests", "status=~\"(5..|429)\""),
    ),
    bad(
        "sloth-common/linkerd/v2/availability",
        &[NEEDED_FILTER],
        &[("response_total", "direction=\"inbound\"")],
        ("response_total", "classification=\"failure\",direction=\"inbound\""),
    ),
    bad(
        "sloth-common/prometheus/rules/eval-availability",
        &[FILTER],
        &[("prometheus_rule_evaluations_total", "")],
        ("prometheus_rule_evaluation_failures_total", ""),
    ),
    special("sloth-common/prometheus/targets/availability", &[FILTER], Counts::Up),
    bad(
        "sloth-common/slok-go-http-metrics/availability",
        &[NEEDED_FILTER],
        &[("http_request_duration_seconds_count", "")],
        ("http_request_duration_seconds_count", "code=~\"(5..|429)\""),
    ),
    good(
        "sloth-common/slok-go-http-metrics/latency",
        &[NEEDED_FILTER, BUCKET, EXCLUDE_ERRORS],
        &[("http_request_duration_seconds_count", "")],
        ("http_request_duration_seconds_bucket", "le=\"<bucket>\""),
    ),
    bad(
        "sloth-common/traefik/v1/availability",
        &[FILTER, BACKEND_REGEX],
        &[("traefik_backend_requests_total", "backend=~\"<backend_regex>\"")],
        (
            "traefik_backend_requests_total",
            "backend=~\"<backend_regex>\",code=~\"(5..|429)\"",
        ),
    ),
    good(
        "sloth-common/traefik/v1/latency",
        &[FILTER, BUCKET, BACKEND_REGEX, EXCLUDE_ERRORS],
        &[(
            "traefik_backend_request_duration_seconds_count",
            "backend=~\"<backend_regex>\"",
        )],
        (
            "traefik_backend_request_duration_seconds_bucket",
            "backend=~\"<backend_regex>\",le=\"<bucket>\"",
        ),
    ),
    bad(
        "sloth-common/traefik/v2/availability",
        &[FILTER, SERVICE_REGEX],
        &[("traefik_service_requests_total", "service=~\"<service_name_regex>\"")],
        (
            "traefik_service_requests_total",
            "service=~\"<service_name_regex>\",code=~\"(5..)\"",
        ),
    ),
    good(
        "sloth-common/traefik/v2/latency",
        &[FILTER, BUCKET, SERVICE_REGEX, EXCLUDE_ERRORS],
        &[(
            "traefik_service_request_duration_seconds_count",
            "service=~\"<service_name_regex>\"",
        )],
        (
            "traefik_service_request_duration_seconds_bucket",
            "service=~\"<service_name_regex>\",le=\"<bucket>\"",
        ),
    ),
    special("sloth_common/noop", &[], Counts::Nothing),
    special("sloth-common/noop", &[], Counts::Nothing),
    bad(
        "lokalise/nginx-http/availability",
        &[FILTER, SERVICE_REGEX],
        &[("nginx_ingress_controller_request_duration_seconds_count", NGINX)],
        (
            "nginx_ingress_controller_request_duration_seconds_count",
            "exported_service=~\"<service_name_regex>\",status=~\"(5..|429|431)\"",
        ),
    ),
    good(
        "lokalise/nginx-http/latency",
        &[FILTER, BUCKET, SERVICE_REGEX],
        &[("nginx_ingress_controller_request_duration_seconds_count", NGINX)],
        (
            "nginx_ingress_controller_request_duration_seconds_bucket",
            "exported_service=~\"<service_name_regex>\",le=\"<bucket>\"",
        ),
    ),
];

const ISTIO: &str = "destination_service_name=\"<service>\",destination_service_namespace=\"<namespace>\"";
const NGINX: &str = "exported_service=~\"<service_name_regex>\"";
