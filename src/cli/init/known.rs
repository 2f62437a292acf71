//! The metrics that `nines init` knows: what counts requests, which label tells the bad ones, which histogram times them.

/// A metric from which SLOs can be made.
#[derive(Debug)]
pub(super) struct Known {
    /// What it is about.
    pub kind: Kind,
    /// The counter of all events; of probes and targets the gauge that is 1 while all is well.
    pub metric: &'static str,
    /// The labels that may name a service; the first one that a series has does.
    pub services: &'static [&'static str],
    /// The labels that may tell bad events from good ones, the usual one first.
    pub errors: &'static [Errors],
    /// The histogram of the same events, without `_bucket`.
    pub latency: Option<&'static str>,
    /// A matcher without which events would be counted twice, as where both sides of a connection report.
    pub only: Option<&'static str>,
    /// Taken only where there is nothing else but `up`.
    pub is_last: bool,
}

/// What a metric is about, in the order in which people care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Requests, as the service itself counts them.
    Http,
    /// Calls, as the service itself counts them.
    Grpc,
    /// Requests, as what stands before the service counts them.
    Ingress,
    /// Verdicts of probes.
    Probe,
    /// Whether targets answer.
    Up,
}

impl Kind {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Ingress => "ingress",
            Self::Probe => "probe",
            Self::Up => "up",
        }
    }
}

/// A label that tells bad events, and which of its values do.
#[derive(Debug)]
pub(super) struct Errors {
    pub label: &'static str,
    pub bad: Bad,
}

/// Which values of a label are bad.
#[derive(Debug)]
pub(super) enum Bad {
    /// HTTP's statuses from 500 on: `503`, or `5xx`.
    Status,
    /// Those that this expression matches.
    Matching(&'static str),
}

/// Statuses of gRPC that are the server's fault.
const GRPC_NAMES: &str = "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss";
const GRPC_UPPER: &str = "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS";
const GRPC_NUMBERS: &str = "2|4|12|13|14|15";

const JOB: &[&str] = &["job"];

const fn status(label: &'static str) -> Errors {
    let bad = Bad::Status;
    Errors { label, bad }
}

const fn matching(label: &'static str, bad: &'static str) -> Errors {
    let bad = Bad::Matching(bad);
    Errors { label, bad }
}

/// The usual names of the label with HTTP's status.
const STATUS: &[Errors] = &[
    status("code"),
    status("status"),
    status("status_code"),
    status("http_status"),
    status("http_status_code"),
    status("http_code"),
    status("response_code"),
];

const fn http(metric: &'static str, latency: Option<&'static str>) -> Known {
    Known {
        kind: Kind::Http,
        metric,
        services: JOB,
        errors: STATUS,
        latency,
        only: None,
        is_last: false,
    }
}

const fn labelled(metric: &'static str, latency: &'static str, errors: &'static [Errors]) -> Known {
    Known {
        errors,
        ..http(metric, Some(latency))
    }
}

const fn grpc(metric: &'static str, latency: &'static str, errors: &'static [Errors]) -> Known {
    Known {
        kind: Kind::Grpc,
        errors,
        ..http(metric, Some(latency))
    }
}

const fn ingress(
    metric: &'static str,
    services: &'static [&'static str],
    errors: &'static [Errors],
    latency: Option<&'static str>,
    only: Option<&'static str>,
) -> Known {
    Known {
        kind: Kind::Ingress,
        services,
        errors,
        only,
        ..http(metric, latency)
    }
}

const fn gauge(kind: Kind, metric: &'static str) -> Known {
    Known {
        kind,
        errors: &[],
        ..http(metric, None)
    }
}

/// All of them. Of several that one service has, the first counts.
pub(super) const KNOWN: &[Known] = &[
    http("http_requests_total", Some("http_request_duration_seconds")),
    // Spring (Micrometer)
    labelled(
        "http_server_requests_seconds_count",
        "http_server_requests_seconds",
        &[status("status")],
    ),
    // OpenTelemetry, now and before its names were stable
    labelled(
        "http_server_request_duration_seconds_count",
        "http_server_request_duration_seconds",
        &[status("http_response_status_code"), status("http_status_code")],
    ),
    labelled(
        "http_server_duration_milliseconds_count",
        "http_server_duration_milliseconds",
        &[status("http_status_code"), status("http_response_status_code")],
    ),
    // ASP.NET
    http("http_requests_received_total", Some("http_request_duration_seconds")),
    http("flask_http_request_total", Some("flask_http_request_duration_seconds")),
    http("django_http_responses_total_by_status_total", None),
    http("rails_requests_total", Some("rails_request_duration_seconds")),
    http(
        "caddy_http_request_duration_seconds_count",
        Some("caddy_http_request_duration_seconds"),
    ),
    http("apiserver_request_total", Some("apiserver_request_duration_seconds")),
    http(
        "prometheus_http_requests_total",
        Some("prometheus_http_request_duration_seconds"),
    ),
    http(
        "http_request_duration_seconds_count",
        Some("http_request_duration_seconds"),
    ),
    Known {
        is_last: true,
        ..http("promhttp_metric_handler_requests_total", None)
    },
    grpc(
        "grpc_server_handled_total",
        "grpc_server_handling_seconds",
        &[matching("grpc_code", GRPC_NAMES)],
    ),
    grpc(
        "grpc_server_call_duration_seconds_count",
        "grpc_server_call_duration_seconds",
        &[matching("grpc_status", GRPC_UPPER)],
    ),
    grpc(
        "rpc_server_duration_milliseconds_count",
        "rpc_server_duration_milliseconds",
        &[matching("rpc_grpc_status_code", GRPC_NUMBERS)],
    ),
    ingress(
        "nginx_ingress_controller_requests",
        &["ingress"],
        &[status("status")],
        Some("nginx_ingress_controller_request_duration_seconds"),
        None,
    ),
    ingress(
        "traefik_service_requests_total",
        &["exported_service", "service"],
        &[status("code")],
        Some("traefik_service_request_duration_seconds"),
        None,
    ),
    ingress(
        "istio_requests_total",
        &["destination_service_name"],
        &[status("response_code")],
        Some("istio_request_duration_milliseconds"),
        Some("reporter=\"destination\""),
    ),
    ingress(
        "response_total",
        &["deployment"],
        &[matching("classification", "failure")],
        Some("response_latency_ms"),
        Some("direction=\"inbound\""),
    ),
    ingress(
        "envoy_cluster_upstream_rq",
        &["envoy_cluster_name"],
        &[status("envoy_response_code")],
        Some("envoy_cluster_upstream_rq_time"),
        None,
    ),
    ingress(
        "haproxy_backend_http_responses_total",
        &["proxy", "backend"],
        &[status("code")],
        None,
        None,
    ),
    ingress(
        "kong_http_requests_total",
        &["exported_service", "service"],
        &[status("code")],
        Some("kong_request_latency_ms"),
        None,
    ),
    gauge(Kind::Probe, "probe_success"),
    gauge(Kind::Up, "up"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_metric_is_known_once_and_gauges_alone_have_no_errors() {
        let mut names = HashSet::new();
        for known in KNOWN {
            assert!(names.insert(known.metric), "{} twice", known.metric);
            let is_gauge = matches!(known.kind, Kind::Probe | Kind::Up);
            assert_eq!(known.errors.is_empty(), is_gauge, "{}", known.metric);
            assert!(!known.services.is_empty(), "{}", known.metric);
        }
    }
}
