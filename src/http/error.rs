//! Errors in Prometheus's envelope, or as problem details (RFC 9457) for clients that ask for them.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::ports::StoreError;

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    errors: Vec<String>,
    retry_after: Option<u32>,
}

impl ApiError {
    /// The request cannot be understood.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// It cannot be done at present.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Something is wrong with nines itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Any other.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// It may be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn add_headers(&self, response: &mut Response) {
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    /// With the single errors of which the message is the summary.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<String>) -> Self {
        self.errors = errors;
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn envelope(&self) -> serde_json::Value {
        let mut body = json!({"status": "error", "errorType": self.kind, "error": self.message});
        if !self.errors.is_empty() {
            body["data"] = json!({"errors": self.errors});
        }
        body
    }

    fn problem(&self, path: &str) -> serde_json::Value {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.message,
            "instance": path,
            "error_type": self.kind,
        });
        if !self.errors.is_empty() {
            let errors: Vec<_> = self.errors.iter().map(|detail| json!({"detail": detail})).collect();
            body["errors"] = json!(errors);
        }
        body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.envelope())).into_response();
        self.add_headers(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let chain = with_sources(&error);
        tracing::warn!(err = %chain, "an API request failed in the store");
        match error {
            StoreError::Data(_) => Self::bad_data("the store refuses these data; the log says why".to_owned()),
            StoreError::Corrupt(_) => Self::internal("the store holds data that cannot be read; the log says which"),
            StoreError::Unavailable(_) | StoreError::Fenced | StoreError::Conflict { .. } => {
                Self::unavailable("the store cannot be reached at present; try again")
            }
        }
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// Turns errors into problem details where the client asks for them; the two bodies cannot be one, because `status` is
/// a word in one and a number in the other.
pub async fn negotiate(request: Request, next: Next) -> Response {
    let wants_problem = request.headers().get_all(header::ACCEPT).iter().any(|value| {
        value
            .as_bytes()
            .windows(20)
            .any(|part| part.eq_ignore_ascii_case(b"application/problem+"))
            && value
                .to_str()
                .is_ok_and(|text| text.to_ascii_lowercase().contains("application/problem+json"))
    });
    let path = wants_problem.then(|| request.uri().path().to_owned());
    let response = next.run(request).await;
    let (Some(path), Some(error)) = (path, response.extensions().get::<ApiError>().cloned()) else {
        return response;
    };
    let mut problem = (error.status, axum::Json(error.problem(&path))).into_response();
    error.add_headers(&mut problem);
    let kind = HeaderValue::from_static("application/problem+json");
    problem.headers_mut().insert(header::CONTENT_TYPE, kind);
    problem
}
