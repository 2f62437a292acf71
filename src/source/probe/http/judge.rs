//! What an answer must be like.

use chrono::NaiveDateTime;
use http::{HeaderMap, Method, StatusCode, Version, header};
use hyper::body::Body;
use serde_json::{Number, Value};

use super::connection::Answer;
use super::{Hop, body};
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::probe::course::Course;
use crate::source::probe::settings::{HeaderMatch, HttpModule, JsonCondition, JsonTest};

/// A larger body is judged beside the runtime, so that it holds up nothing else, in bytes.
const BESIDE_FROM_BYTES: usize = 64 * 1024;
/// A larger body is not read as JSON, which takes many times as much memory, in bytes.
const JSON_BYTES_MAX: usize = 8 << 20;
/// So many bytes of a value are shown.
const SHOWN_MAX: usize = 60;

/// What the head of an answer says, under blackbox exporter's names.
pub(super) fn note_head(answer: &Answer, hop: &Hop, course: &mut Course) {
    let head = &answer.head;
    let is_tls = hop.url.scheme() == "https";
    course.gauge("probe_http_ssl", if is_tls { 1.0 } else { 0.0 });
    course.gauge("probe_http_status_code", f64::from(head.status.as_u16()));
    course.gauge("probe_http_version", version_of(head.version).0);
    course.gauge("probe_http_content_length", content_length(answer, &hop.method));
    let changed = head
        .headers
        .get(header::LAST_MODIFIED)
        .and_then(|value| value.to_str().ok());
    if let Some(at) = changed.and_then(http_time) {
        course.gauge("probe_http_last_modified_timestamp_seconds", at as f64);
    }
}

/// The body's length as it comes over the wire, -1 where nobody says it, as in Go.
fn content_length(answer: &Answer, method: &Method) -> f64 {
    let head = &answer.head;
    let written = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let written = written.and_then(|value| value.trim().parse::<u64>().ok());
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    let has_none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match written {
        _ if has_none && method != Method::HEAD => 0.0,
        Some(length) if !is_chunked => length as f64,
        _ if method == Method::HEAD => -1.0,
        _ if head.version == Version::HTTP_2 && answer.body.is_end_stream() => 0.0,
        _ => -1.0,
    }
}

/// A time in one of the three forms of HTTP, in unix seconds.
fn http_time(text: &str) -> Option<i64> {
    [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok())
    .map(|at| at.and_utc().timestamp())
}

fn version_of(version: Version) -> (f64, &'static str) {
    match version {
        Version::HTTP_2 => (2.0, "HTTP/2.0"),
        Version::HTTP_10 => (1.0, "HTTP/1.0"),
        Version::HTTP_09 => (0.9, "HTTP/0.9"),
        Version::HTTP_3 => (3.0, "HTTP/3.0"),
        _ => (1.1, "HTTP/1.1"),
    }
}

/// Holds an answer against everything that the module wants of it; the first thing that is wrong counts, in blackbox
/// exporter's order. The body is read to its end in any case: its length and how long it took are shown.
pub(super) async fn judge(module: &HttpModule, answer: Answer, hop: &Hop, course: &mut Course) -> Result<(), Fault> {
    let version = answer.head.version;
    let of_head = judge_status(module, answer.head.status).and_then(|()| {
        let judged = judge_headers(module, &answer.head.headers);
        if judged.is_err() {
            course.gauge("probe_failed_due_to_regex", 1.0);
        }
        judged
    });
    let keep = of_head.is_ok() && looks_at_body(module);
    let read = body::read(answer.body, module, keep, course).await;
    of_head?;
    judge_body(module, read?, course).await?;
    judge_version(module, version)?;
    match hop.url.scheme() == "https" {
        true if module.fail_if_ssl => Err(Fault::new(Reason::IsTls, "the answer came over TLS")),
        false if module.fail_if_not_ssl => Err(Fault::new(Reason::NotTls, "the answer did not come over TLS")),
        _ => Ok(()),
    }
}

fn judge_status(module: &HttpModule, status: StatusCode) -> Result<(), Fault> {
    let valid = &module.valid_status_codes;
    let (is_valid, wanted) = if valid.is_empty() {
        (status.is_success(), "2xx".to_owned())
    } else {
        let listed: Vec<String> = valid.iter().map(ToString::to_string).collect();
        (valid.contains(&status.as_u16()), listed.join(", "))
    };
    if is_valid {
        return Ok(());
    }
    let detail = format!("the status is {}, not {wanted}", status.as_u16());
    Err(Fault::new(Reason::HttpStatus, detail))
}

fn judge_version(module: &HttpModule, version: Version) -> Result<(), Fault> {
    let (_, word) = version_of(version);
    let mut valid = module.valid_http_versions.iter();
    if module.valid_http_versions.is_empty() || valid.any(|wanted| wanted == word) {
        return Ok(());
    }
    let detail = format!("the version is {word}, not {}", module.valid_http_versions.join(", "));
    Err(Fault::new(Reason::HttpVersion, detail))
}

fn judge_headers(module: &HttpModule, headers: &HeaderMap) -> Result<(), Fault> {
    let mismatch = |wanted: &HeaderMatch, how: &str| {
        let detail = format!("header {} {how}", wanted.header);
        Err(Fault::new(Reason::HeaderMismatch, detail))
    };
    let all = [
        (&module.fail_if_header_matches, true),
        (&module.fail_if_header_not_matches, false),
    ];
    for (wanted, fails) in all
        .iter()
        .flat_map(|(list, fails)| list.iter().map(move |wanted| (wanted, *fails)))
    {
        let values: Vec<&[u8]> = headers
            .get_all(wanted.header.as_str())
            .iter()
            .map(http::HeaderValue::as_bytes)
            .collect();
        if values.is_empty() {
            if wanted.allow_missing {
                continue;
            }
            return mismatch(wanted, "is missing");
        }
        let matches = values.iter().any(|value| wanted.regexp.is_match(value));
        if matches && fails {
            return mismatch(wanted, &format!("matches {}", wanted.regexp));
        }
        if !matches && !fails {
            return mismatch(wanted, &format!("does not match {}", wanted.regexp));
        }
    }
    Ok(())
}

fn looks_at_body(module: &HttpModule) -> bool {
    !module.fail_if_body_matches.is_empty() || !module.fail_if_body_not_matches.is_empty() || looks_at_json(module)
}

fn looks_at_json(module: &HttpModule) -> bool {
    has_cel(module) || !module.json_conditions.is_empty()
}

fn has_cel(module: &HttpModule) -> bool {
    module.fail_if_json_matches_cel.is_some() || module.fail_if_json_not_matches_cel.is_some()
}

/// A body that is as it should be, or not; which of its conditions failed, blackbox exporter shows.
struct Judged {
    result: Result<(), Fault>,
    by_regex: bool,
    by_cel: bool,
}

async fn judge_body(module: &HttpModule, body: Vec<u8>, course: &mut Course) -> Result<(), Fault> {
    if !looks_at_body(module) {
        return Ok(());
    }
    let judged = if body.len() < BESIDE_FROM_BYTES {
        judged(module, &body)
    } else {
        let module = module.clone();
        let beside = tokio::task::spawn_blocking(move || judged(&module, &body));
        let beside = async {
            beside
                .await
                .map_err(|_| Fault::new(Reason::BodyMismatch, "the body cannot be judged"))
        };
        course.during(Phase::Transfer, Reason::Timeout, beside).await?
    };
    if judged.by_regex {
        course.gauge("probe_failed_due_to_regex", 1.0);
    }
    if has_cel(module) {
        course.gauge("probe_failed_due_to_cel", if judged.by_cel { 1.0 } else { 0.0 });
    }
    judged.result
}

fn judged(module: &HttpModule, body: &[u8]) -> Judged {
    let mut judged = Judged {
        result: judge_text(module, body),
        by_regex: false,
        by_cel: false,
    };
    if judged.result.is_err() {
        judged.by_regex = true;
    } else if looks_at_json(module) {
        judged.result = match read_json(body) {
            Ok(json) => {
                let by_cel = judge_cel(module, &json);
                judged.by_cel = by_cel.is_err();
                by_cel.and_then(|()| judge_json(&module.json_conditions, &json))
            }
            Err(fault) => {
                judged.by_cel = has_cel(module);
                Err(fault)
            }
        };
    }
    judged
}

fn judge_text(module: &HttpModule, body: &[u8]) -> Result<(), Fault> {
    let mismatch = |how: String| Err(Fault::new(Reason::BodyMismatch, how));
    if let Some(regexp) = module.fail_if_body_matches.iter().find(|regexp| regexp.is_match(body)) {
        return mismatch(format!("the body matches {regexp}"));
    }
    if let Some(regexp) = module
        .fail_if_body_not_matches
        .iter()
        .find(|regexp| !regexp.is_match(body))
    {
        return mismatch(format!("the body does not match {regexp}"));
    }
    Ok(())
}

fn read_json(body: &[u8]) -> Result<Value, Fault> {
    if body.len() > JSON_BYTES_MAX {
        return Err(Fault::new(
            Reason::TooLarge,
            "the body is larger than 8 MiB, too large to be read as JSON",
        ));
    }
    serde_json::from_slice(body).map_err(|_| Fault::new(Reason::JsonMismatch, "the body is no JSON"))
}

/// `body` is the JSON, with numbers that are all doubles, as blackbox exporter has it.
fn judge_cel(module: &HttpModule, json: &Value) -> Result<(), Fault> {
    let conditions = [
        (&module.fail_if_json_matches_cel, true),
        (&module.fail_if_json_not_matches_cel, false),
    ];
    for (text, fails_on) in conditions {
        let Some(text) = text else { continue };
        let program = module.memory.program(text)?;
        let mismatch = |how: String| Err(Fault::new(Reason::JsonMismatch, how));
        let mut context = cel::Context::default();
        if context.add_variable("body", as_doubles(json)).is_err() {
            return mismatch("the body's JSON cannot be given to CEL".to_owned());
        }
        match program.execute(&context) {
            Ok(cel::Value::Bool(held)) if held != fails_on => {}
            Ok(cel::Value::Bool(_)) if fails_on => return mismatch(format!("the body fulfils {text}")),
            Ok(cel::Value::Bool(_)) => return mismatch(format!("the body does not fulfil {text}")),
            Ok(_) => return mismatch(format!("{text} gives neither true nor false")),
            Err(error) => {
                let why: String = error.to_string().chars().take(SHOWN_MAX).collect();
                return mismatch(format!("{text} cannot be asked of the body: {why}"));
            }
        }
    }
    Ok(())
}

fn as_doubles(json: &Value) -> Value {
    match json {
        Value::Number(number) => {
            let double = number.as_f64().and_then(Number::from_f64);
            double.map_or(Value::Null, Value::Number)
        }
        Value::Array(values) => Value::Array(values.iter().map(as_doubles).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), as_doubles(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn judge_json(conditions: &[JsonCondition], json: &Value) -> Result<(), Fault> {
    for condition in conditions {
        let mismatch = |how: String| Err(Fault::new(Reason::JsonMismatch, format!("{} {how}", condition.written)));
        let selected = condition.path.query(json).all();
        if selected.is_empty() {
            return mismatch("selects nothing in the body".to_owned());
        }
        if let Some(value) = selected.into_iter().find(|value| !passes(&condition.test, value)) {
            let mut shown = value.to_string();
            if let Some((at, _)) = shown.char_indices().nth(SHOWN_MAX) {
                shown.truncate(at);
                shown.push('…');
            }
            return mismatch(format!("is {shown}, which is not as it should be"));
        }
    }
    Ok(())
}

fn passes(test: &JsonTest, value: &Value) -> bool {
    match test {
        JsonTest::Exists => true,
        JsonTest::Equals(wanted) => match (wanted.as_f64(), value.as_f64()) {
            (Some(wanted), Some(found)) => wanted.total_cmp(&found).is_eq(),
            _ => wanted == value,
        },
        JsonTest::Matches(regexp) => match value {
            Value::String(text) => regexp.is_match(text.as_bytes()),
            Value::Number(number) => regexp.is_match(number.to_string().as_bytes()),
            _ => false,
        },
        JsonTest::Compares(op, wanted) => value.as_f64().is_some_and(|found| op.holds(found, *wanted)),
    }
}
