//! `POST /api/v1/events`: events that others have counted. They are committed before the answer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::success;
use crate::domain::counts::MICRO;
use crate::domain::time::Timestamp;
use crate::engine::push::PushRefusal;
use crate::engine::push::event::{EVENTS_MAX, PushedEvent, check_key};
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// The largest body, as it is sent and unpacked, in bytes.
pub const BODY_MAX: usize = 8 * 1024 * 1024;
/// Single errors that are listed in one answer.
const ERRORS_MAX: usize = 100;
/// A store that says nothing for so long will not say it in time.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
/// When to try again, in seconds.
const RETRY_AFTER: u32 = 1;

/// Events as they were read: what could not be read says why in its place.
type ReadEvents = Vec<Result<PushedEvent, String>>;

/// One event as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentEvent<'a> {
    #[serde(borrow)]
    slo: Cow<'a, str>,
    total: Option<f64>,
    good: Option<f64>,
    bad: Option<f64>,
    #[serde(default)]
    group: BTreeMap<String, String>,
    key: Option<String>,
    at: Option<String>,
}

/// Counts events, all of a request or none.
pub async fn push(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => ApiError::bad_data("the body was not sent whole"),
    })?;
    let key = idempotency_key(&headers)?;
    let body = unpack(&headers, body)?;
    let (unit, events) = read(&headers, &body)?;
    if events.len() > EVENTS_MAX {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!(
                "{} events in one request; at most {EVENTS_MAX} are taken: send them in several",
                events.len()
            ),
        ));
    }
    let is_keyed = key.is_some() || events.iter().flatten().all(|event| event.key.is_some());
    let pushed = state.pushes.push(events, key.as_deref(), state.clock.now());
    let done = timeout(ANSWER_WITHIN, pushed).await;
    let done = done
        .unwrap_or(Err(PushRefusal::Unknown))
        .map_err(|refusal| refused(refusal, &unit, is_keyed))?;
    Ok(success(
        json!({"accepted": done.accepted, "duplicates": done.duplicates}),
    ))
}

/// What is said of a push that was not counted, or of which nobody knows.
pub fn refused(refusal: PushRefusal, unit: &dyn Fn(usize) -> String, is_keyed: bool) -> ApiError {
    match refusal {
        PushRefusal::Invalid(wrong) => invalid(&wrong, unit),
        PushRefusal::Conflict(place) => {
            let whose = place.map_or_else(|| "`Idempotency-Key`".to_owned(), |place| format!("the key of {}", unit(place)));
            let message = format!(
                "{whose} was used before for something else; nothing of this request was counted: give every push a key \
                 of its own, and repeat a push as it was"
            );
            ApiError::new(StatusCode::CONFLICT, "conflict", message)
        }
        PushRefusal::Busy => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too many requests wait to be counted; nothing of this one was: send it again",
        )
        .retry_after(RETRY_AFTER),
        PushRefusal::Standby => ApiError::unavailable(
            "this process is not the one that counts (a standby, or starting); nothing was counted: ask the active one, \
             or try again",
        )
        .retry_after(RETRY_AFTER),
        PushRefusal::NotCounted => {
            ApiError::unavailable("the store does not work at present; nothing was counted: send it again").retry_after(RETRY_AFTER)
        }
        PushRefusal::Refused => ApiError::bad_data(
            "the store refuses these events: the sum of an SLO would be beyond 64 bits; nothing was counted",
        ),
        PushRefusal::Unknown if is_keyed => ApiError::unavailable(
            "the store has not said whether it was counted: send it again with the same key, and it counts once",
        )
        .retry_after(RETRY_AFTER),
        PushRefusal::Unknown => ApiError::unavailable(
            "it is not known whether this was counted, and without a key nobody can find out: sent again it may count \
             twice; give a key (`Idempotency-Key`, or `key` of each event) to be safe",
        )
        .retry_after(RETRY_AFTER),
        PushRefusal::NoSuchToken => ApiError::not_found("there is nothing here"),
    }
}

fn invalid(wrong: &[(usize, String)], unit: &dyn Fn(usize) -> String) -> ApiError {
    let mut errors: Vec<String> = wrong
        .iter()
        .take(ERRORS_MAX)
        .map(|(place, why)| format!("{}: {why}", unit(*place)))
        .collect();
    let first = errors.first().cloned().unwrap_or_default();
    let message = match wrong.len() {
        1 => format!("nothing was counted: {first}"),
        more => format!("nothing was counted: {more} events are wrong; the first one, {first}"),
    };
    if wrong.len() > ERRORS_MAX {
        errors.push(format!("and {} more", wrong.len() - ERRORS_MAX));
    }
    ApiError::bad_data(message).with_errors(errors)
}

fn too_large() -> ApiError {
    let message = format!(
        "the body is larger than {} MiB, as sent or unpacked; send the events in several requests",
        BODY_MAX >> 20
    );
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .map_err(|_| ApiError::bad_data("`Idempotency-Key` is no plain ASCII"))?;
    check_key(key).map_err(|why| ApiError::bad_data(format!("`Idempotency-Key`: {why}")))?;
    Ok(Some(key.to_owned()))
}

fn unpack(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ApiError> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?").trim());
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some(gzip) if gzip.eq_ignore_ascii_case("gzip") || gzip.eq_ignore_ascii_case("x-gzip") => {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(body.as_ref())
                .take(BODY_MAX as u64 + 1)
                .read_to_end(&mut unpacked)
                .map_err(|_| ApiError::bad_data("the body is no whole gzip"))?;
            if unpacked.len() > BODY_MAX {
                return Err(too_large());
            }
            Ok(unpacked.into())
        }
        Some(_) => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bad_data",
            "`Content-Encoding` may be gzip, or not be there",
        )),
    }
}

/// What events are called in errors: `events[3]`, `line 4`.
type Unit = Box<dyn Fn(usize) -> String + Send + Sync>;

fn read(headers: &HeaderMap, body: &[u8]) -> Result<(Unit, ReadEvents), ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_data("the body is not UTF-8"))?;
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
    ]
    .contains(&kind.as_str())
    {
        return Ok(read_lines(text));
    }
    let not_json =
        |error: serde_json::Error| ApiError::bad_data(format!("the body is not the JSON of events: {error}"));
    let raw: Vec<&RawValue> = match text.trim_start().as_bytes().first() {
        Some(b'[') => serde_json::from_str(text).map_err(not_json)?,
        Some(b'{') => {
            let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).map_err(not_json)?;
            match fields.remove("events") {
                None => vec![serde_json::from_str(text.trim()).map_err(not_json)?],
                Some(list) if fields.is_empty() => serde_json::from_str(list.get()).map_err(not_json)?,
                Some(_) => {
                    return Err(ApiError::bad_data(
                        "beside `events` nothing may stand in the body; keys stand at each event, or in `Idempotency-Key`",
                    ));
                }
            }
        }
        _ => {
            return Err(ApiError::bad_data(
                "the body must be {\"events\": [...]}, one event, or a list of them; for one event a line, send \
                 `Content-Type: application/x-ndjson`",
            ));
        }
    };
    let events = raw.into_iter().map(|raw| read_event(raw.get())).collect();
    Ok((Box::new(|place| format!("events[{place}]")), events))
}

/// One event a line; empty lines do not count.
fn read_lines(text: &str) -> (Unit, ReadEvents) {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (mut numbers, mut events) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        numbers.push(at + 1);
        events.push(read_event(line));
    }
    let name = move |place: usize| format!("line {}", numbers.get(place).copied().unwrap_or(place + 1));
    (Box::new(name), events)
}

fn read_event(text: &str) -> Result<PushedEvent, String> {
    let sent: SentEvent<'_> = serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // The line within the event is of no use, the column hardly.
        said.split(" at line ").next().unwrap_or_default().to_owned()
    })?;
    let amount = |name: &str, value: Option<f64>| value.map(|value| micro(name, value)).transpose();
    let (total, good, bad) = (
        amount("total", sent.total)?,
        amount("good", sent.good)?,
        amount("bad", sent.bad)?,
    );
    let (total, good) = match (total, good, bad) {
        (Some(total), Some(good), None) => (total, good),
        (Some(total), None, Some(bad)) => (total, total - bad),
        (None, Some(good), Some(bad)) => (good + bad, good),
        (Some(total), Some(good), Some(bad)) if good + bad == total => (total, good),
        (Some(_), Some(_), Some(_)) => return Err("`good` and `bad` do not add up to `total`".to_owned()),
        _ => return Err("two of `total`, `good` and `bad` are needed".to_owned()),
    };
    if good < 0 {
        return Err("there are more bad events than events in `total`".to_owned());
    }
    let at = sent.at.as_deref().map(|at| {
        Timestamp::parse_rfc3339(at).ok_or_else(|| "`at` must be a time such as 2026-11-21T08:00:00Z".to_owned())
    });
    Ok(PushedEvent {
        slo: sent.slo.into_owned(),
        total,
        good,
        group: sent.group,
        key: sent.key,
        at: at.transpose()?,
    })
}

/// Millionths of an event: exact for numbers with at most six decimals.
fn micro(name: &str, value: f64) -> Result<i64, String> {
    let scaled = value * MICRO as f64;
    let whole = scaled.round();
    if !value.is_finite() {
        return Err(format!("`{name}` is no number"));
    }
    if value < 0.0 {
        return Err(format!("`{name}` must not be negative"));
    }
    // Beyond that not every millionth can be told apart.
    if whole > 9e15 {
        return Err(format!("`{name}` is too large"));
    }
    if (scaled - whole).abs() > 1e-6 + scaled * f64::EPSILON {
        return Err(format!("`{name}` has more than six decimals"));
    }
    Ok(whole as i64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::body::Body;
    use axum::http::Request;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tower::ServiceExt;

    use super::*;
    use crate::http::{router, testing};

    fn headers(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().expect("a header"))])
    }

    #[test]
    fn three_forms_of_json_and_lines_are_the_same() {
        let one = r#"{"slo":"shop/orders","total":10,"good":9.5,"group":{"region":"eu"},"key":"k","at":"2026-11-21T08:00:00Z"}"#;
        let two = r#"{"slo":"shop/orders","good":1,"bad":0.000001}"#;
        let wanted = vec![
            Ok(PushedEvent {
                slo: "shop/orders".to_owned(),
                total: 10_000_000,
                good: 9_500_000,
                group: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
                key: Some("k".to_owned()),
                at: Some(testing::NOW),
            }),
            Ok(PushedEvent {
                slo: "shop/orders".to_owned(),
                total: 1_000_001,
                good: 1_000_000,
                ..PushedEvent::default()
            }),
        ];
        for (kind, body, unit) in [
            (
                "application/json",
                format!(r#"{{"events":[{one},{two}]}}"#),
                "events[1]",
            ),
            ("", format!(" [{one},\n{two}]"), "events[1]"),
            (
                "application/x-ndjson; charset=utf-8",
                format!("{one}\r\n\n{two}\n"),
                "line 3",
            ),
        ] {
            let (name, events) = read(&headers(kind), body.as_bytes()).expect("it is read");
            assert_eq!((events, name(1)), (wanted.clone(), unit.to_owned()), "{body}");
        }
        let (_, events) = read(&headers("application/json"), two.as_bytes()).expect("one event");
        assert_eq!(events, wanted[1..]);
    }

    #[test]
    fn what_is_no_event_says_why_in_its_place() {
        for (event, wanted) in [
            (r#"{"slo":"a/b","total":1}"#, "two of `total`, `good` and `bad`"),
            (r#"{"slo":"a/b","total":1,"bad":2}"#, "more bad events than events"),
            (r#"{"slo":"a/b","total":3,"good":1,"bad":1}"#, "do not add up"),
            (r#"{"slo":"a/b","good":-1,"bad":2}"#, "must not be negative"),
            (r#"{"slo":"a/b","good":1,"bad":0.1234567}"#, "more than six decimals"),
            (r#"{"slo":"a/b","good":1,"bad":1e300}"#, "too large"),
            (r#"{"slo":"a/b","good":1,"bad":1e999}"#, "out of range"),
            (r#"{"slo":"a/b","good":1,"bad":0,"at":"noon"}"#, "must be a time"),
            (r#"{"slo":"a/b","good":1,"bda":0}"#, "unknown field `bda`"),
            (r#"{"good":1,"bad":0}"#, "missing field `slo`"),
            (r#"{"slo":"a/b","good":"1","bad":0}"#, "invalid type"),
            (r#"{"slo":"a/b","good":1,"bad":0,"group":{"a":1}}"#, "invalid type"),
            ("[]", "invalid"),
            ("17", "invalid type"),
            ("null", "invalid type"),
        ] {
            let body = format!("[{event}]");
            let (_, events) = read(&headers(""), body.as_bytes()).expect("a list");
            let error = events[0].clone().expect_err(event);
            assert!(error.contains(wanted) && !error.contains(" line "), "{event}: {error}");
        }
        for body in [
            "",
            "  ",
            "hello",
            "{",
            "[",
            "{\"events\":{}}",
            "{\"events\":[],\"key\":\"k\"}",
            "[1,]",
        ] {
            assert!(read(&headers(""), body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(&headers(""), b"[\"\xff\"]").is_err());
    }

    #[test]
    fn millionths_are_exact() {
        for (value, wanted) in [
            (0.0, 0),
            (0.1, 100_000),
            (0.7, 700_000),
            (999_999_999.123_456, 999_999_999_123_456),
        ] {
            assert_eq!(micro("good", value), Ok(wanted), "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, -0.5, 0.000_000_1, 123_456.123_456_7] {
            assert!(micro("good", value).is_err(), "{value}");
        }
    }

    async fn answer(headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, HeaderMap) {
        let mut request = Request::post("/api/v1/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = router(testing::state()).oneshot(request).await.expect("an answer");
        (response.status(), response.headers().clone())
    }

    #[tokio::test]
    async fn limits_and_a_standby_have_a_status_each() {
        let pack = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).expect("written");
            encoder.finish().expect("packed")
        };
        let event = br#"{"slo":"a/b","good":1,"bad":0}"#.to_vec();
        let many = format!("[{}0]", "0,".repeat(EVENTS_MAX)).into_bytes();
        for (headers, body, wanted) in [
            (vec![], event.clone(), 503),
            (vec![("accept", "application/problem+json")], event.clone(), 503),
            (vec![("content-encoding", "gzip")], pack(&event), 503),
            (vec![("content-encoding", "gzip")], event.clone(), 400),
            (vec![("content-encoding", "gzip")], pack(&vec![b' '; BODY_MAX + 1]), 413),
            (vec![("content-encoding", "br")], event.clone(), 415),
            (vec![("idempotency-key", "")], event.clone(), 400),
            (vec![], vec![b' '; BODY_MAX + 1], 413),
            (vec![], vec![b' '; BODY_MAX], 400),
            (vec![], many, 413),
        ] {
            let (status, answered) = answer(&headers, body).await;
            assert_eq!(status.as_u16(), wanted, "{headers:?}");
            assert_eq!(answered.contains_key(header::RETRY_AFTER), wanted == 503, "{headers:?}");
        }
    }
}
