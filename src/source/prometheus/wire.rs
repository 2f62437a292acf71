//! One question over HTTP, and its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::error::Category;
use tokio::task;
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer;
use super::failure::{Failure, cut, is_page, of_error, of_status, shown_server};
use super::question::{Endpoint, Question, seconds};
use super::settings::{PartialResponse, ServerSettings};
use crate::domain::answer::Answer;
use crate::domain::reading::MissingReason;
use crate::domain::secret_names::sounds_secret;
use crate::domain::time::millis;
use crate::engine::ports::QueryFailureReason;
use crate::secret::Secret;
use crate::source::http::body::read_pieces;
use crate::source::http::client::Clients;
use crate::source::http::failure::missing;
use crate::source::http::request::{Access, Requester};
use crate::source::http::settings::{Auth, SecretSource};
use crate::source::http::way::was_redirected;

/// What is read of an answer that is a failure.
const FAILURE_BYTES_MAX: u64 = 64 * 1024;

/// So many remarks of a server are kept.
const NOTES_MAX: usize = 20;

/// A secret of fewer bytes is not looked for in what servers say: it would be found everywhere.
const SECRET_BYTES_MIN: usize = 6;

/// What such warnings begin with: they are about the query, not about the data that it saw.
const REMARKS: [&str; 2] = ["PromQL info:", "PromQL warning:"];

/// The way to one server.
#[derive(Debug)]
pub(super) struct Wire {
    settings: Arc<ServerSettings>,
    query: Requester,
    query_range: Requester,
    /// The server, or who stands before it, takes no POST.
    by_get: AtomicBool,
    /// What questions are asked with and nobody may read.
    secrets: Vec<Secret>,
}

impl Wire {
    /// The way to the server at this URL; `None` where no path can be added to it.
    pub fn new(settings: &Arc<ServerSettings>, url: &Url, clients: Arc<Clients>) -> Option<Self> {
        let access = Access::new(settings.http.clone(), clients).for_many(settings.concurrency);
        let requester = |endpoint: &str| {
            let mut url = url.clone();
            let mut path = url.path_segments_mut().ok()?;
            path.pop_if_empty().extend(["api", "v1", endpoint]);
            drop(path);
            Some(Requester::new(access.clone(), &url))
        };
        Some(Self {
            query: requester("query")?,
            query_range: requester("query_range")?,
            settings: Arc::clone(settings),
            by_get: AtomicBool::new(false),
            secrets: secrets(settings, url),
        })
    }

    /// Asks once.
    pub async fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        let response = self.response(question).await?;
        let asked = shown_server(self.requester(question).url());
        let answering = was_redirected(&response).then(|| shown_server(response.url()));
        let elsewhere = answering.filter(|url| *url != asked);
        self.answer(response, question)
            .await
            .map_err(|failure| match elsewhere {
                Some(url) => Failure {
                    detail: format!("{} (it redirects to {url}: write that as `url`)", failure.detail),
                    ..failure
                },
                None => failure,
            })
    }

    async fn answer(&self, response: Response, question: &Question) -> Result<Answer, Failure> {
        if !response.status().is_success() {
            return Err(failed(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html")) {
            return Err(a_page());
        }
        let body = self.body(response).await?;
        let (partial, answered_by) = (self.settings.partial_response, question.answered_by);
        // Tens of megabytes take a while; others must not wait for that.
        let read = task::spawn_blocking(move || read(&body, partial, answered_by)).await;
        let mut answer =
            read.unwrap_or_else(|_| Err(Failure::new(QueryFailureReason::Format, "the answer could not be read")))?;
        answer.notes = answer.notes.into_iter().map(|note| self.discreet(note)).collect();
        Ok(answer)
    }

    /// A text without the secrets that questions are asked with, should somebody repeat them.
    pub fn discreet(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            if text.contains(secret.expose()) {
                text.replace(secret.expose(), "<secret>")
            } else {
                text
            }
        })
    }

    /// The answer's head. Queries may be long, so they are sent by POST; who takes none is asked by GET from then on.
    async fn response(&self, question: &Question) -> Result<Response, Failure> {
        if self.by_get.load(Ordering::Relaxed) {
            return self.send(&Method::GET, question).await;
        }
        let response = self.send(&Method::POST, question).await?;
        let takes_no_post = match response.status().as_u16() {
            404 | 405 | 501 => true,
            // On the way a redirect has made a GET without parameters of it.
            400 | 422 => was_redirected(&response),
            _ => false,
        };
        if !takes_no_post {
            return Ok(response);
        }
        let response = self.send(&Method::GET, question).await?;
        if response.status().is_success() {
            self.by_get.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }

    async fn send(&self, method: &Method, question: &Question) -> Result<Response, Failure> {
        let parameters = self.parameters(question);
        let form = Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let shape = |request: RequestBuilder| {
            let request = request
                .header(ACCEPT, "application/json")
                .header(ACCEPT_ENCODING, "gzip");
            if *method == Method::GET {
                return request.query(&parameters);
            }
            request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone())
        };
        Ok(self.requester(question).ask(method, shape).await?)
    }

    fn requester(&self, question: &Question) -> &Requester {
        match question.endpoint {
            Endpoint::Query => &self.query,
            Endpoint::QueryRange => &self.query_range,
        }
    }

    /// The question's parameters, and those by which servers answer with all of the data as they keep them. A server
    /// passes over what it does not know.
    fn parameters(&self, question: &Question) -> Vec<(&'static str, String)> {
        let mut parameters = question.parameters.clone();
        let abort = self.settings.partial_response == PartialResponse::Abort;
        parameters.extend([
            ("timeout", seconds(millis(self.settings.timeout))),
            // Thanos: refuse partial answers, and take no downsampled data.
            ("partial_response", (!abort).to_string()),
            ("max_source_resolution", "0s".to_owned()),
            // VictoriaMetrics: answer at the times that are asked for, which its cache would move.
            ("nocache", "1".to_owned()),
        ]);
        if abort {
            parameters.push(("deny_partial_response", "1".to_owned()));
        }
        parameters
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let limit = self.settings.answer_bytes_max;
        let too_large = || {
            let detail = format!("the answer is larger than `max_answer_size` ({limit} bytes)");
            missing(MissingReason::TooLarge, detail)
        };
        let length = response.content_length().unwrap_or(0);
        if length > limit {
            return Err(too_large().into());
        }
        let mut body = Vec::with_capacity(length as usize);
        let taken = read_pieces(response, limit, too_large, |piece| {
            body.extend_from_slice(piece);
            Ok(())
        });
        taken.await?;
        Ok(body)
    }
}

async fn failed(response: Response) -> Failure {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    let read = read_pieces(
        response,
        FAILURE_BYTES_MAX,
        || missing(MissingReason::TooLarge, ""),
        |piece| {
            body.extend_from_slice(piece);
            Ok(())
        },
    );
    // What came of it is enough: the status says that it is a failure.
    let _ = read.await;
    of_status(status, &headers, &body)
}

/// What an answer with the status 200 says.
fn read(body: &[u8], partial: PartialResponse, answered_by: &[&str]) -> Result<Answer, Failure> {
    let envelope = answer::parse(body).map_err(|error| unreadable(body, &error))?;
    match envelope.status.as_ref() {
        "success" => {}
        "error" => return Err(of_error(&envelope.error_type, &envelope.error)),
        _ => return Err(of_another_shape("it has no `status`")),
    }
    let (infos, warnings) = (
        envelope.infos.unwrap_or_default(),
        envelope.warnings.unwrap_or_default(),
    );
    let is_remark = |warning: &String| REMARKS.iter().any(|remark| warning.starts_with(remark));
    let lack = warnings.iter().find(|warning| !is_remark(warning));
    let lack = lack.map(|warning| cut(warning)).or_else(|| {
        let said = "some of its nodes did not answer (isPartial)";
        envelope.is_partial.then(|| said.to_owned())
    });
    if let (Some(lack), PartialResponse::Abort) = (&lack, partial) {
        let detail = format!("the answer is partial: {lack}; `partial_response: warn` takes it nevertheless");
        return Err(Failure::new(QueryFailureReason::Partial, detail));
    }
    let data = envelope.data.unwrap_or_default();
    let found = data.result.ok_or_else(|| of_another_shape("it has no `data.result`"))?;
    if !answered_by.contains(&&*data.result_type) {
        let (is, asked) = (cut(&data.result_type), answered_by.join(" or a "));
        return Err(of_another_question(&format!(
            "its `resultType` is \"{is}\", and a {asked} was asked for"
        )));
    }
    let mut notes: Vec<String> = warnings.iter().chain(&infos).map(|note| cut(note)).collect();
    if envelope.is_partial {
        notes.extend(lack.filter(|lack| !notes.contains(lack)));
    }
    if found.histograms > 0 {
        let series = found.histograms;
        notes.push(format!(
            "native histograms are left out, in {series} series of the answer"
        ));
    }
    notes.truncate(NOTES_MAX);
    Ok(Answer {
        series: found.series,
        notes,
    })
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> Failure {
    if is_page(body) {
        return a_page();
    }
    match error.classify() {
        Category::Eof => Failure::new(QueryFailureReason::Body, "the answer ended early: its JSON has no end"),
        Category::Data => of_another_shape(&cut(&error.to_string())),
        Category::Io | Category::Syntax => {
            let detail = format!("the answer is not JSON: {}", cut(&error.to_string()));
            Failure::new(QueryFailureReason::Format, detail)
        }
    }
}

fn of_another_shape(what: &str) -> Failure {
    let detail = format!("the answer is JSON, but not of Prometheus's query API: {what}");
    Failure::new(QueryFailureReason::Format, detail)
}

/// An answer that would be one to another question.
pub(super) fn of_another_question(how: &str) -> Failure {
    let detail = format!("it answers another question: {how}; check what stands between nines and the server");
    Failure::new(QueryFailureReason::Format, detail)
}

fn a_page() -> Failure {
    let detail = "it answers with a web page, perhaps the login of a proxy before it; \
                  check `url`, and what nines says who it is with";
    Failure::new(QueryFailureReason::Format, detail)
}

/// Values of headers, credentials and parameters, as far as they stand in the configuration. A short one would be found
/// in any text.
fn secrets(settings: &ServerSettings, url: &Url) -> Vec<Secret> {
    let headers = settings.http.headers.iter().filter(|header| header.is_secret);
    let mut sources: Vec<&SecretSource> = headers.flat_map(|header| &header.values).collect();
    match &settings.http.auth {
        Auth::None => {}
        Auth::Basic { password, .. } => sources.push(password),
        Auth::Header { credentials, .. } => sources.push(credentials),
        Auth::OAuth2(oauth2) => sources.push(&oauth2.client_secret),
    }
    let inline = sources.into_iter().filter_map(|source| match source {
        SecretSource::Inline(secret) => Some(secret.clone()),
        SecretSource::File(_) => None,
    });
    let parameters = url.query_pairs().filter(|(name, _)| sounds_secret(name));
    let parameters = parameters.map(|(_, value)| Secret::new(value));
    let all = inline.chain(parameters);
    all.filter(|secret| secret.expose().len() >= SECRET_BYTES_MIN).collect()
}
