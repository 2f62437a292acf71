//! A verdict as blackbox exporter shows it: its metrics, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::labels::write_label_set;
use super::verdict::{Outcome, Verdict};

/// What the metrics mean, in blackbox exporter's words; the last one is nines's own.
const HELP: [(&str, &str); 39] = [
    (
        "probe_dns_additional_rrs",
        "Returns number of entries in the additional resource record list",
    ),
    (
        "probe_dns_answer_rrs",
        "Returns number of entries in the answer resource record list",
    ),
    (
        "probe_dns_authority_rrs",
        "Returns number of entries in the authority resource record list",
    ),
    ("probe_dns_duration_seconds", "Duration of DNS request by phase"),
    (
        "probe_dns_lookup_time_seconds",
        "Returns the time taken for probe dns lookup in seconds",
    ),
    (
        "probe_dns_query_succeeded",
        "Displays whether or not the query was executed successfully",
    ),
    ("probe_dns_serial", "Returns the serial number of the zone"),
    (
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
    ),
    ("probe_expect_info", "Explicit content matched"),
    ("probe_failed_due_to_bytes", "Indicates if probe failed due to bytes"),
    (
        "probe_failed_due_to_cel",
        "Indicates if probe failed due to CEL expression not matching",
    ),
    ("probe_failed_due_to_regex", "Indicates if probe failed due to regex"),
    ("probe_grpc_duration_seconds", "Duration of gRPC request by phase"),
    ("probe_grpc_healthcheck_response", "Response HealthCheck response"),
    ("probe_grpc_ssl", "Indicates if SSL was used for the connection"),
    ("probe_grpc_status_code", "Response gRPC status code"),
    ("probe_http_content_length", "Length of http content response"),
    (
        "probe_http_duration_seconds",
        "Duration of http request by phase, summed over all redirects",
    ),
    (
        "probe_http_last_modified_timestamp_seconds",
        "Returns the Last-Modified HTTP response header in unixtime",
    ),
    ("probe_http_redirects", "The number of redirects"),
    ("probe_http_ssl", "Indicates if SSL was used for the final redirect"),
    ("probe_http_status_code", "Response HTTP status code"),
    (
        "probe_http_uncompressed_body_length",
        "Length of uncompressed response body",
    ),
    (
        "probe_http_version",
        "Returns the version of HTTP of the probe response",
    ),
    ("probe_icmp_duration_seconds", "Duration of icmp request by phase"),
    ("probe_icmp_reply_hop_limit", "Replied packet hop limit (TTL for ipv4)"),
    (
        "probe_ip_addr_hash",
        "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
    ),
    ("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6"),
    (
        "probe_ssl_earliest_cert_expiry",
        "Returns last SSL chain expiry in unixtime",
    ),
    (
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "Returns last SSL chain expiry in timestamp",
    ),
    ("probe_ssl_last_chain_info", "Contains SSL leaf certificate information"),
    ("probe_success", "Displays whether or not the probe was a success"),
    ("probe_timeout_seconds", "Returns the timeout of the probe in seconds"),
    (
        "probe_tls_cipher_info",
        "Returns the TLS cipher negotiated during handshake",
    ),
    (
        "probe_tls_version_info",
        "Returns the TLS version used or NaN when unknown",
    ),
    (
        "probe_websocket_connection_upgraded",
        "Indicates if the connection was upgraded to a websocket",
    ),
    (
        "probe_websocket_duration_seconds",
        "Duration of websocket request by phase",
    ),
    ("probe_websocket_status_code", "Response HTTP status code"),
    (
        "nines_probe_verdict_info",
        "What the probe came to (good, bad or unknown), and why",
    ),
];

/// The page of one probe that had so much time at most: its metrics in the order of their names, as the library writes
/// them that blackbox exporter uses.
pub fn probe_page(verdict: &Verdict, timeout: Duration) -> String {
    let mut families: BTreeMap<&str, Vec<(Vec<(&str, &str)>, f64)>> = BTreeMap::new();
    let success = f64::from(u8::from(verdict.outcome == Outcome::Good));
    for (name, labels, value) in [
        ("probe_success", Vec::new(), success),
        ("probe_duration_seconds", Vec::new(), verdict.took.as_secs_f64()),
        ("probe_timeout_seconds", Vec::new(), timeout.as_secs_f64()),
        (
            "nines_probe_verdict_info",
            vec![("outcome", verdict.outcome.word()), ("reason", verdict.reason.word())],
            1.0,
        ),
    ] {
        families.entry(name).or_default().push((labels, value));
    }
    for measure in &verdict.measures {
        let labels = measure
            .labels
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_str()));
        let sample = (labels.collect(), measure.value);
        families.entry(measure.name).or_default().push(sample);
    }
    let mut page = String::new();
    for (name, samples) in families {
        write_family(&mut page, name, samples);
    }
    page
}

fn write_family(page: &mut String, name: &str, mut samples: Vec<(Vec<(&str, &str)>, f64)>) {
    let help = HELP.iter().find(|(known, _)| *known == name);
    if let Some((_, help)) = help {
        page.extend(["# HELP ", name, " ", help, "\n"]);
    }
    page.extend(["# TYPE ", name, " gauge\n"]);
    for (labels, _) in &mut samples {
        labels.sort_unstable();
    }
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    for (labels, value) in samples {
        page.push_str(name);
        if !labels.is_empty() {
            // Writing into a text does not fail.
            let _ = write_label_set(page, labels.into_iter());
        }
        page.push(' ');
        let _ = match value {
            _ if value.is_nan() => page.write_str("NaN"),
            _ if value.is_infinite() => page.write_str(if value > 0.0 { "+Inf" } else { "-Inf" }),
            _ => write!(page, "{value}"),
        };
        page.push('\n');
    }
}

/// The same for people who look for what is wrong: attempts with their phases, then the metrics.
pub fn probe_debug(verdict: &Verdict, module: &str, target: &str, timeout: Duration) -> String {
    let mut text = format!(
        "Logs for the probe:\nmodule={module} target={target:?} timeout={}s\n",
        timeout.as_secs_f64()
    );
    for (number, attempt) in verdict.attempts.iter().enumerate() {
        let address = attempt.address.map(|address| format!(" address={address}"));
        let _ = write!(
            text,
            "attempt={}{} outcome={} reason={} duration={:.3}ms",
            number + 1,
            address.unwrap_or_default(),
            attempt.outcome.word(),
            attempt.reason.word(),
            attempt.took.as_secs_f64() * 1000.0
        );
        for (phase, took) in &attempt.phases {
            let _ = write!(text, " {}={:.3}ms", phase.word(), took.as_secs_f64() * 1000.0);
        }
        if !attempt.detail.is_empty() {
            let _ = write!(text, " detail={:?}", attempt.detail);
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "verdict={} reason={}",
        verdict.outcome.word(),
        verdict.reason.word()
    );
    text.push_str("\n\n\nMetrics that would have been returned:\n");
    text.push_str(&probe_page(verdict, timeout));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::{Fault, Measure, Reason};

    #[test]
    fn a_page_is_sorted_typed_and_escaped() {
        let measure = |name, labels: &[(&'static str, &str)], value| Measure {
            name,
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).to_owned()))
                .collect(),
            value,
        };
        let verdict = Verdict {
            took: Duration::from_millis(250),
            measures: vec![
                measure("probe_http_duration_seconds", &[("phase", "tls")], 0.5),
                measure("probe_http_duration_seconds", &[("phase", "connect")], 0.25),
                measure(
                    "probe_ssl_last_chain_info",
                    &[("subject", "a\"b\n"), ("issuer", "c")],
                    1.0,
                ),
            ],
            ..Verdict::untried(Fault::new(Reason::HttpStatus, "503"))
        };
        let expected = r#"# HELP nines_probe_verdict_info What the probe came to (good, bad or unknown), and why
# TYPE nines_probe_verdict_info gauge
nines_probe_verdict_info{outcome="bad",reason="http_status"} 1
# HELP probe_duration_seconds Returns how long the probe took to complete in seconds
# TYPE probe_duration_seconds gauge
probe_duration_seconds 0.25
# HELP probe_http_duration_seconds Duration of http request by phase, summed over all redirects
# TYPE probe_http_duration_seconds gauge
probe_http_duration_seconds{phase="connect"} 0.25
probe_http_duration_seconds{phase="tls"} 0.5
# HELP probe_ssl_last_chain_info Contains SSL leaf certificate information
# TYPE probe_ssl_last_chain_info gauge
probe_ssl_last_chain_info{issuer="c",subject="a\"b\n"} 1
# HELP probe_success Displays whether or not the probe was a success
# TYPE probe_success gauge
probe_success 0
# HELP probe_timeout_seconds Returns the timeout of the probe in seconds
# TYPE probe_timeout_seconds gauge
probe_timeout_seconds 9.5
"#;
        assert_eq!(probe_page(&verdict, Duration::from_millis(9500)), expected);
    }

    #[test]
    fn what_went_wrong_is_told_in_words() {
        let verdict = Verdict::untried(Fault::new(Reason::ConnectRefused, "no connection to 127.0.0.1:9"));
        let text = probe_debug(&verdict, "tcp_connect", "localhost:9", Duration::from_secs(5));
        for part in [
            "reason=connect_refused",
            "no connection to 127.0.0.1:9",
            "probe_success 0",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
