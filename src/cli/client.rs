//! The client of a running nines, for the commands that ask one.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

/// The exit code when the server cannot be reached.
pub const EXIT_UNREACHABLE: i32 = 4;
/// A request may take so long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which server is asked.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Where nines is reached
    #[arg(
        long,
        visible_alias = "url",
        env = "NINES_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8999",
        value_name = "URL"
    )]
    pub server: String,
}

/// Talks to one server.
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

/// Why a request gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server did not answer.
    #[error("cannot reach nines at {origin}: {why}; start it, or name it with --server or $NINES_URL")]
    Unreachable {
        /// `http://host:port`, without credentials.
        origin: String,
        /// Why, in short.
        why: String,
    },
    /// It cannot do it at present: trying again may help.
    #[error("{message}")]
    Unavailable {
        /// What it said.
        message: String,
    },
    /// It answered with an error.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
    },
}

impl Client {
    /// A client of this server.
    pub fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let mut base = Url::parse(args.server.trim_end_matches('/')).context("--server is no URL")?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            bail!("--server must begin with http:// or https:// and name a host");
        }
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        // It may be installed already, by the program; that is what we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("nines/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .no_proxy()
            .build()
            .context("the HTTP client cannot be set up")?;
        Ok(Self { http, base })
    }

    /// The JSON at a path: `api/v1/slos?limit=10`.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::DELETE, path, None).await
    }

    /// Pushes events, one a line, under a key.
    pub async fn push_events(&self, key: &str, lines: String) -> Result<Value, ClientError> {
        let request = self.request(Method::POST, "api/v1/events")?;
        let request = request
            .header("idempotency-key", key)
            .header("content-type", "application/x-ndjson")
            .body(lines);
        self.answer(request).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            request = request.json(body);
        }
        match self.answer(request).await {
            Err(ClientError::Unavailable { message }) => Err(ClientError::Refused { message }),
            other => other,
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ClientError> {
        let url = self.base.join(path).map_err(|error| ClientError::Refused {
            message: error.to_string(),
        })?;
        Ok(self.http.request(method, url))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(error))?;
        let json = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(json);
        }
        let message = explain(status, &json);
        Err(match status.as_u16() {
            429 | 502 | 503 | 504 => ClientError::Unavailable { message },
            _ => ClientError::Refused { message },
        })
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        // The URL may hold credentials; the origin is named instead.
        let error = error.without_url();
        let mut why = error.to_string();
        let mut next: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(source) = next {
            why = source.to_string();
            next = source.source();
        }
        ClientError::Unreachable {
            origin: self.base.origin().ascii_serialization(),
            why,
        }
    }
}

/// What the server says is wrong: nines's envelope, or Alertmanager's bare text.
fn explain(status: StatusCode, json: &Value) -> String {
    let said = json["error"].as_str().or_else(|| json.as_str());
    let mut text = said.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    let errors = json["data"]["errors"].as_array().into_iter().flatten();
    for error in errors.filter_map(Value::as_str) {
        text.push_str("\n  ");
        text.push_str(error);
    }
    text
}

/// Shows why a command could not do it, and gives its exit code.
pub fn report(error: &ClientError) -> i32 {
    eprintln!("nines: {error}");
    match error {
        ClientError::Unreachable { .. } | ClientError::Unavailable { .. } => EXIT_UNREACHABLE,
        ClientError::Refused { .. } => 1,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::TcpListener;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::http::{HttpState, router, serve};

    /// A server on a port of its own; it ends with its guard.
    pub(crate) fn served(state: HttpState) -> (ServerArgs, tokio_util::sync::DropGuard) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router(state), stop.clone()));
        (ServerArgs { server }, stop.drop_guard())
    }

    /// A server that nobody runs.
    pub(crate) fn nobody() -> ServerArgs {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        ServerArgs {
            server: format!("http://user:hidden-word@{address}"),
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_named_without_credentials() {
        let client = Client::new(&nobody()).expect("a client");
        let error = client.get("api/v1/slos").await.expect_err("nobody listens");
        assert_eq!(report(&error), EXIT_UNREACHABLE);
        let text = error.to_string();
        assert!(
            text.contains("http://127.0.0.1:") && !text.contains("hidden-word"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for server in ["", "localhost:8999", "ftp://x", "http://"] {
            assert!(
                Client::new(&ServerArgs {
                    server: server.to_owned()
                })
                .is_err(),
                "{server}"
            );
        }
    }
}
