//! Tests of the client as a whole, against a server that answers byte for byte what a test wants.

mod answers;
mod asking;
mod failures;

use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::PrometheusServer;
use super::settings::{PartialResponse, ServerSettings};
use crate::domain::matcher::Selector;
use crate::domain::selector_parser::parse_selector;
use crate::engine::stats::Stats;
use crate::secret::Secret;
use crate::source::http::settings::{HttpSettings, SecretHeader, SecretSource};
use crate::source::testing::{Act, response};

/// An answer without series.
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// An answer with one sample.
const ONE: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[60,"1"]}]}}"#;

/// The same as series with many samples.
fn series(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
}

fn selector(text: &str) -> Selector {
    parse_selector(text).expect("a selector")
}

/// The server at this URL, with all defaults but a secret header.
fn settings(url: &str) -> ServerSettings {
    ServerSettings {
        name: "main".to_owned(),
        url: Secret::new(url),
        http: HttpSettings {
            headers: vec![SecretHeader {
                name: "X-Scope-OrgID".to_owned(),
                values: vec![SecretSource::Inline(Secret::new("hunter2"))],
                is_secret: true,
            }],
            ..HttpSettings::default()
        },
        query_offset: Duration::from_mins(1),
        interval: Duration::from_mins(1),
        timeout: Duration::from_secs(30),
        concurrency: 4,
        pace: Duration::from_millis(1),
        partial_response: PartialResponse::Abort,
        answer_bytes_max: 64_000_000,
        is_default: true,
    }
}

/// Asks it, without pauses between tries.
fn server(settings: ServerSettings) -> (PrometheusServer, Arc<Stats>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stats = Arc::new(Stats::default());
    let server = PrometheusServer::new(Arc::new(settings), Arc::default(), Arc::clone(&stats));
    (server.expect("a URL").hasty(), stats)
}

/// A whole answer in JSON.
fn json(status: &str, body: &str) -> Vec<Act> {
    vec![Act::Send(response(status, "Content-Type: application/json\r\n", body))]
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}
