//! `/api/v1/heartbeats`: jobs that say when they have run, and `/api/v1/heartbeat/{token}`, where they say it.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::events::refused;
use super::{success, tagged};
use crate::domain::heartbeat::Ping;
use crate::engine::push::PushRefusal;
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// All heartbeats, by their names; never their tokens.
pub async fn list(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = state.shown()?;
    let data = json!({"heartbeats": snapshot.heartbeats});
    Ok(tagged(&headers, &state.etag(&snapshot), data))
}

/// A run has ended well.
pub async fn ended(State(state): State<HttpState>, Path(token): Path<String>) -> Result<Response, ApiError> {
    ping(&state, &token, None).await
}

/// A run has begun, failed, or ended with an exit code.
pub async fn told(
    State(state): State<HttpState>,
    Path((token, word)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    ping(&state, &token, Some(&word)).await
}

async fn ping(state: &HttpState, token: &str, word: Option<&str>) -> Result<Response, ApiError> {
    let unit = |_| String::new();
    let ping = Ping::parse(word).ok_or_else(|| refused(PushRefusal::NoSuchToken, &unit, true))?;
    let counted = state.pushes.ping(token, ping).await;
    // A ping that comes again soon is the same one, so it may be sent again.
    let counted = counted.map_err(|refusal| refused(refusal, &unit, true))?;
    Ok(success(json!({"counted": counted})))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use crate::http::{router, testing};

    #[tokio::test]
    async fn a_ping_is_answered_and_what_is_none_is_not_found() {
        for (method, path, wanted) in [
            ("GET", "0123456789abcdef", StatusCode::SERVICE_UNAVAILABLE),
            ("HEAD", "0123456789abcdef", StatusCode::SERVICE_UNAVAILABLE),
            ("POST", "0123456789abcdef/start", StatusCode::SERVICE_UNAVAILABLE),
            ("GET", "0123456789abcdef/255", StatusCode::SERVICE_UNAVAILABLE),
            ("GET", "0123456789abcdef/256", StatusCode::NOT_FOUND),
            ("GET", "0123456789abcdef/stop", StatusCode::NOT_FOUND),
            ("PUT", "0123456789abcdef", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(format!("/api/v1/heartbeat/{path}"));
            let request = request.body(Body::empty()).expect("a request");
            let response = router(testing::state()).oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), wanted, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn heartbeats_are_listed() {
        let request = Request::get("/api/v1/heartbeats")
            .body(Body::empty())
            .expect("a request");
        let response = router(testing::state()).oneshot(request).await.expect("an answer");
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let listed = &answer["data"]["heartbeats"][0];
        assert_eq!(
            (&listed["name"], &listed["state"]),
            (&"nightly-backup".into(), &"missed".into())
        );
        assert!(listed.get("token").is_none());
    }
}
