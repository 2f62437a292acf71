//! What servers have, and what is written then.

/// A server, the lines that must be written in this order, and the words that must not.
pub(super) type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

pub(super) const CASES: &[Case] = &[
    (
        "a counter with `code` and a histogram",
        r#"
        http_requests_total{job="shop",code="200"} 7165.77
        http_requests_total{job="shop",code="503"} 2.725
        http_request_duration_seconds_bucket{job="shop",le="0.1"} 5000
        http_request_duration_seconds_bucket{job="shop",le="0.25"} 7132
        http_request_duration_seconds_bucket{job="shop",le="1"} 7165
        http_request_duration_seconds_bucket{job="shop",le="+Inf"} 7168
        up{job="shop"} 1
        "#,
        &[
            "service: shop",
            "  - name: availability",
            "    # measured: 99.961 % of about 1,204,307 requests in the last 7 days",
            "    objective: 99.95",
            "      source: main",
            "      total: 'http_requests_total{job=\"shop\"}'",
            "      bad: 'http_requests_total{job=\"shop\",code=~\"5..\"}'",
            "  - name: latency",
            "    # measured: 99.497 % of about 1,204,224 requests within 250ms in the last 7 days",
            "    objective: 99",
            "      latency: 'http_request_duration_seconds{job=\"shop\"}'",
            "      threshold: 250ms",
        ],
        &["boolean", "grpc"],
    ),
    (
        "Spring's histogram, and a job of which only `up` is there",
        r#"
        http_server_requests_seconds_count{job="api",status="200",outcome="SUCCESS"} 3600
        http_server_requests_seconds_bucket{job="api",le="0.001"} 3599
        http_server_requests_seconds_bucket{job="api",le="+Inf"} 3600
        up{job="api"} 1
        up{job="node"} 0.9995
        "#,
        &[
            "service: api",
            "    objective: 99.99",
            "      total: 'http_server_requests_seconds_count{job=\"api\"}'",
            "      bad: 'http_server_requests_seconds_count{job=\"api\",status=~\"5..\"}'",
            "      threshold: 1ms",
            "service: node",
            "  - name: up",
            "    # measured: 99.95 % of about 40,320 samples in the last 7 days",
            "    objective: 99.95",
            "      boolean: 'up{job=\"node\"}'",
        ],
        &["up{job=\"api\"}"],
    ),
    (
        "gRPC beside HTTP of OpenTelemetry, in one service",
        r#"
        http_server_request_duration_seconds_count{job="shop",http_response_status_code="200"} 100
        grpc_server_handled_total{job="shop",grpc_code="OK"} 980
        grpc_server_handled_total{job="shop",grpc_code="Internal"} 20
        grpc_server_handled_total{job="shop",grpc_code="NotFound"} 100
        "#,
        &[
            "  - name: availability",
            "      bad: 'http_server_request_duration_seconds_count{job=\"shop\",http_response_status_code=~\"5..\"}'",
            "  - name: grpc-availability",
            "    # measured: 98.181 % of about 184,800 requests in the last 7 days",
            "    objective: 98",
            "      bad: 'grpc_server_handled_total{job=\"shop\",grpc_code=~\"Unknown|DeadlineExceeded|",
        ],
        &["latency"],
    ),
    (
        "a mesh in which both sides report",
        r#"
        istio_requests_total{reporter="destination",destination_service_name="cart",response_code="200"} 50
        istio_requests_total{reporter="source",destination_service_name="cart",response_code="503"} 50
        istio_requests_total{reporter="source",destination_service_name="elsewhere",response_code="503"} 50
        istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="cart",le="2500"} 50
        istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="cart",le="+Inf"} 50
        "#,
        &[
            "service: cart",
            "  - name: ingress-availability",
            "      total: 'istio_requests_total{reporter=\"destination\",destination_service_name=\"cart\"}'",
            "  - name: ingress-latency",
            "      threshold: 2500ms",
        ],
        &["elsewhere"],
    ),
    (
        "an ingress and HAProxy's classes of statuses",
        r#"
        nginx_ingress_controller_requests{job="nginx",ingress="front",status="200"} 999
        nginx_ingress_controller_requests{job="nginx",ingress="front",status="500"} 1
        traefik_service_requests_total{job="traefik",service="api@docker",code="200"} 10
        haproxy_backend_http_responses_total{job="haproxy",proxy="db",code="5xx"} 50
        haproxy_backend_http_responses_total{job="haproxy",proxy="db",code="2xx"} 50
        "#,
        &[
            "service: api-docker",
            "      total: 'traefik_service_requests_total{service=\"api@docker\"}'",
            "service: db",
            "    # measured: 50 % of about 16,800 requests in the last 7 days; 90 was not met",
            "    objective: 90",
            "      bad: 'haproxy_backend_http_responses_total{proxy=\"db\",code=~\"5..\"}'",
            "service: front",
            "    objective: 99.9",
        ],
        &[],
    ),
    (
        "probes",
        r#"
        probe_success{job="blackbox",instance="a"} 1
        probe_success{job="blackbox",instance="b"} 0.99
        up{job="blackbox"} 1
        "#,
        &[
            "service: blackbox",
            "  - name: probes",
            "    # measured: 99.5 % of about 80,640 samples in the last 7 days",
            "    objective: 99.5",
            "      boolean: 'probe_success{job=\"blackbox\"}'",
        ],
        &["up{"],
    ),
    (
        "an exporter's own handler, where there is nothing else",
        r#"
        promhttp_metric_handler_requests_total{job="node",code="200"} 240
        up{job="node"} 1
        "#,
        &[
            "  - name: availability",
            "      total: 'promhttp_metric_handler_requests_total{job=\"node\"}'",
        ],
        &["up{"],
    ),
    (
        "an exporter's own handler, where there is something else",
        r#"
        promhttp_metric_handler_requests_total{job="node",code="200"} 240
        probe_success{job="web"} 1
        up{job="node"} 1
        "#,
        &["service: web", "service: node", "  - name: up"],
        &["promhttp"],
    ),
    (
        "a label with names of statuses is passed over for one with statuses",
        r#"
        http_requests_total{job="shop",code="ok",status="200"} 100
        "#,
        &["      bad: 'http_requests_total{job=\"shop\",status=~\"5..\"}'"],
        &["code=~"],
    ),
    (
        "nothing has happened",
        r#"
        http_requests_total{job="shop",code="200"} 0
        http_request_duration_seconds_bucket{job="shop",le="0.25"} 0
        http_request_duration_seconds_bucket{job="shop",le="1.0"} 0
        http_request_duration_seconds_bucket{job="shop",le="+Inf"} 0
        "#,
        &[
            "    # measured: no requests in the last 7 days, 99 is a guess",
            "    objective: 99",
            "    # measured: no requests in the last 7 days, 99 is a guess",
            "    objective: 99",
            "      threshold: 1s",
        ],
        &[],
    ),
    (
        "so few requests that 99.99 would leave no budget",
        r#"
        http_requests_total{job="shop",code="200"} 2
        "#,
        &[
            "    # measured: 100 % of about 336 requests in the last 7 days; a higher objective would leave less than one bad",
            "    objective: 99.9",
        ],
        &[],
    ),
    (
        "names that no service may have, and no job at all",
        r#"
        http_requests_total{job="a b",code="200"} 100
        http_requests_total{job="a-b",code="200"} 100
        http_requests_total{job="it's \"x\"",code="200"} 100
        http_requests_total{code="200"} 100
        http_requests_total{job="true",code="200"} 100
        "#,
        &[
            "service: a-b",
            "service: a-b-2",
            "service: it-s-x",
            "      total: 'http_requests_total{job=\"it''s \\\"x\\\"\"}'",
            "service: 'true'",
            "service: unnamed",
            "      total: 'http_requests_total{job=\"\"}'",
        ],
        &[],
    ),
    (
        "a bound that is written in two ways, and a histogram without a unit",
        r#"
        envoy_cluster_upstream_rq{envoy_cluster_name="x",envoy_response_code="200"} 100
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="250"} 60
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="250.0"} 40
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="x",le="+Inf"} 100
        "#,
        &[
            "    # measured: 100 % of about 16,800 requests within 250 in the last 7 days",
            "      latency: 'envoy_cluster_upstream_rq_time{envoy_cluster_name=\"x\"}'",
            "      threshold: 250",
        ],
        &[],
    ),
];
