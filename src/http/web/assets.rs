//! The style sheet, the script and the icon, embedded; each is known by the hash of its text.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::domain::digest::hex;
use crate::http::api::is_known;
use crate::http::error::ApiError;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    path: String,
    etag: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex(&Sha256::digest(text)[..8]);
        Self {
            name,
            kind,
            text,
            path: format!("/static/{name}?v={hash}"),
            etag: format!("\"{hash}\""),
        }
    }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("nines.css", "text/css; charset=utf-8", include_str!("static/nines.css")),
        Asset::new(
            "nines.js",
            "text/javascript; charset=utf-8",
            include_str!("static/nines.js"),
        ),
        Asset::new("icon.svg", "image/svg+xml", include_str!("static/icon.svg")),
    ]
});

/// Where the style sheet is.
pub fn css_path() -> &'static str {
    &ASSETS[0].path
}

/// Where the script is.
pub fn js_path() -> &'static str {
    &ASSETS[1].path
}

/// One of them. Its address changes with its text, so it may be kept for long.
pub async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    let Some(asset) = name
        .ok()
        .and_then(|Path(name)| ASSETS.iter().find(|asset| asset.name == name))
    else {
        return super::problem_page(&ApiError::not_found("there is no such file"));
    };
    let tags = [
        (header::ETAG, asset.etag.as_str()),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::CONTENT_TYPE, asset.kind),
    ];
    if is_known(&headers, &asset.etag) {
        return (StatusCode::NOT_MODIFIED, tags).into_response();
    }
    (tags, asset.text).into_response()
}
