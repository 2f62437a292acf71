//! Silences as Alertmanager's API v2 has them: bare JSON with its status codes, so that its tools work.

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::REVALIDATE;
use crate::domain::alert::silence::{Silence, SilenceState};
use crate::domain::matcher::{MatchOp, Matcher};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// Matchers of one silence.
const MATCHERS_MAX: usize = 100;
/// Bytes of each of its texts.
const TEXT_MAX: usize = 4 * 1024;

/// All silences that are not over for longer than a day; the ones in force first, then by their ends.
pub async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Response, ApiError> {
    let now = state.clock.now();
    let query = Query::of(&uri);
    let wanted: Vec<&str> = query.all("state").collect();
    let mut silences = state.ports()?.alerts.silences(now).await?;
    silences.retain(|silence| wanted.is_empty() || wanted.contains(&silence.state(now).word()));
    let rank = |state| match state {
        SilenceState::Active => 0,
        SilenceState::Pending => 1,
        SilenceState::Expired => 2,
    };
    silences.sort_by_key(|silence| (rank(silence.state(now)), silence.ends_at, silence.id.clone()));
    Ok(bare(
        silences
            .iter()
            .map(|silence| Shown::of(silence, now))
            .collect::<Vec<_>>(),
    ))
}

/// One silence.
pub async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let now = state.clock.now();
    Ok(bare(Shown::of(&known(&state, id, now).await?, now)))
}

/// Creates a silence, or replaces the one whose id is given.
pub async fn save(State(state): State<HttpState>, body: Result<Bytes, BytesRejection>) -> Result<Response, ApiError> {
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            return Ok(refused(
                error.status(),
                "the silence is larger than 1 MiB, or was not sent whole",
            ));
        }
    };
    let posted: Posted = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => {
            return Ok(refused(
                StatusCode::BAD_REQUEST,
                &format!("this is no silence in JSON: {error}"),
            ));
        }
    };
    let now = state.clock.now();
    let mut silence = match posted.check(now) {
        Ok(silence) => silence,
        Err(why) => return Ok(refused(StatusCode::BAD_REQUEST, &why)),
    };
    let alerts = &state.ports()?.alerts;
    if !silence.id.is_empty() {
        let old = alerts
            .silences(now)
            .await?
            .into_iter()
            .find(|known| known.id == silence.id);
        match old {
            None => {
                return Ok(refused(
                    StatusCode::NOT_FOUND,
                    "there is no silence with this id; leave it out to create one",
                ));
            }
            // What is over stays as it was; Alertmanager makes a new one too.
            Some(old) if old.state(now) == SilenceState::Expired => silence.id.clear(),
            Some(old) if old.state(now) == SilenceState::Active => silence.starts_at = old.starts_at,
            Some(_) => {}
        }
    }
    if silence.id.is_empty() {
        silence.id = uuid::Uuid::now_v7().to_string();
    }
    alerts.save_silence(&silence).await?;
    state.nudge.notify_one();
    tracing::info!(id = silence.id, by = silence.created_by, until = %silence.ends_at, "silence saved");
    Ok(axum::Json(json!({"silenceID": silence.id})).into_response())
}

/// Ends a silence now; it stays listed for a day.
pub async fn expire(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let now = state.clock.now();
    let mut silence = known(&state, id, now).await?;
    if silence.state(now) != SilenceState::Expired {
        silence.starts_at = silence.starts_at.min(now);
        silence.ends_at = now;
        silence.updated_at = now;
        state.ports()?.alerts.save_silence(&silence).await?;
        state.nudge.notify_one();
        tracing::info!(id = silence.id, "silence expired");
    }
    Ok(StatusCode::OK.into_response())
}

async fn known(
    state: &HttpState,
    id: Result<Path<String>, PathRejection>,
    now: Timestamp,
) -> Result<Silence, ApiError> {
    let Path(id) = id.map_err(|error| ApiError::bad_data(error.body_text()))?;
    let silences = state.ports()?.alerts.silences(now).await?;
    let found = silences.into_iter().find(|silence| silence.id == id);
    found.ok_or_else(|| ApiError::not_found("there is no silence with this id; GET /api/v1/silences lists them all"))
}

fn bare<T: Serialize>(data: T) -> Response {
    ([(header::CACHE_CONTROL, REVALIDATE)], axum::Json(data)).into_response()
}

/// Alertmanager answers a refused silence with a bare JSON string.
fn refused(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(why)).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    matchers: Vec<PostedMatcher>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Posted {
    fn check(self, now: Timestamp) -> Result<Silence, String> {
        let texts = self.matchers.iter().flat_map(|matcher| [&matcher.name, &matcher.value]);
        for text in texts.chain([&self.created_by, &self.comment]) {
            if text.contains('\0') {
                return Err("a text holds the character NUL".to_owned());
            }
            if text.len() > TEXT_MAX {
                return Err(format!("a text is longer than {TEXT_MAX} bytes"));
            }
        }
        if self.created_by.trim().is_empty() || self.comment.trim().is_empty() {
            return Err("createdBy and comment must say who silences, and why".to_owned());
        }
        if self.matchers.len() > MATCHERS_MAX {
            return Err(format!("more than {MATCHERS_MAX} matchers"));
        }
        let matchers = self
            .matchers
            .iter()
            .map(PostedMatcher::check)
            .collect::<Result<Vec<_>, _>>()?;
        if matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(
                "at least one matcher must not match the empty string, or everything would be silenced".to_owned(),
            );
        }
        let starts_at = self
            .starts_at
            .as_deref()
            .map_or(Ok(now), |text| time("startsAt", text))?
            .max(now);
        let ends_at = time("endsAt", self.ends_at.as_deref().unwrap_or(""))?;
        if ends_at <= now {
            return Err("endsAt is in the past".to_owned());
        }
        if ends_at <= starts_at {
            return Err("endsAt must be after startsAt".to_owned());
        }
        Ok(Silence {
            id: self.id.unwrap_or_default(),
            matchers,
            starts_at,
            ends_at,
            created_by: self.created_by,
            comment: self.comment,
            updated_at: now,
        })
    }
}

impl PostedMatcher {
    fn check(&self) -> Result<Matcher, String> {
        if self.name.is_empty() {
            return Err("a matcher has no name".to_owned());
        }
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(&self.name, op, &self.value).map_err(|why| format!("the matcher on {:?}: {why}", self.name))
    }
}

fn time(field: &str, text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| format!("{field} must be a time such as 2026-11-21T08:00:00Z"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    status: ShownStatus,
    updated_at: String,
    comment: &'a str,
    created_by: &'a str,
    starts_at: String,
    ends_at: String,
    matchers: Vec<PostedMatcher>,
}

#[derive(Serialize)]
struct ShownStatus {
    state: &'static str,
}

impl<'a> Shown<'a> {
    fn of(silence: &'a Silence, now: Timestamp) -> Self {
        let matchers = silence.matchers.iter().map(|matcher| PostedMatcher {
            name: matcher.name.clone(),
            value: matcher.value.clone(),
            is_regex: matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(matcher.op, MatchOp::Equal | MatchOp::Regex),
        });
        Self {
            id: &silence.id,
            status: ShownStatus {
                state: silence.state(now).word(),
            },
            updated_at: silence.updated_at.to_rfc3339(),
            comment: &silence.comment,
            created_by: &silence.created_by,
            starts_at: silence.starts_at.to_rfc3339(),
            ends_at: silence.ends_at.to_rfc3339(),
            matchers: matchers.collect(),
        }
    }
}
