//! The pages: complete without JavaScript, nothing from elsewhere, everything escaped.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// What is at no address.
pub async fn not_found(uri: Uri) -> Response {
    missing(&uri, ApiError::not_found("there is nothing at this address"))
}

/// What is there, but not for this method.
pub async fn method_not_allowed(uri: Uri) -> Response {
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "bad_data",
        "this address does not know this method",
    );
    missing(&uri, error)
}

fn missing(_uri: &Uri, error: ApiError) -> Response {
    error.into_response()
}
