//! `oauth2`: tokens that are fetched with a client's credentials (RFC 6749, section 4.4).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::body::read_whole;
use super::client::{ClientKey, Clients, IDLE_MAX, Redirects};
use super::failure::missing;
use super::now;
use super::request::{expose, sendable};
use super::settings::OAuth2;
use crate::domain::reading::{Missing, MissingReason};

/// A token is not used in its last seconds: it would end on the way.
const MARGIN: Duration = Duration::from_secs(10);

/// After a failure the server of the token is left alone for so long, however many targets want one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer with a token may not be larger than this.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What the server says about a failure is cut to so many characters.
const SAID_MAX: usize = 200;

/// The token of one client, fetched when it is needed and kept until shortly before its end.
#[derive(Debug)]
pub struct Tokens {
    settings: OAuth2,
    clients: Arc<Clients>,
    /// Held while a token is fetched: one request serves all who wait.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    token: Option<Token>,
    failed: Option<(Missing, Instant)>,
    /// The server wants the credentials in the body.
    in_body: bool,
}

#[derive(Clone, Debug)]
struct Token {
    header: HeaderValue,
    /// `None`: until somebody refuses it.
    until: Option<Instant>,
}

/// What a server answers: a token, or what was wrong.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    token_type: String,
    /// Seconds; some servers write them as a text.
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    /// No token yet.
    pub fn new(settings: OAuth2, clients: Arc<Clients>) -> Self {
        Self {
            settings,
            clients,
            known: Mutex::default(),
        }
    }

    /// The value of `Authorization`.
    pub async fn get(&self) -> Result<HeaderValue, Missing> {
        let mut known = self.known.lock().await;
        let now = now();
        let usable = |token: &&Token| token.until.is_none_or(|until| now < until);
        if let Some(token) = known.token.as_ref().filter(usable) {
            return Ok(token.header.clone());
        }
        if let Some((why, _)) = known.failed.as_ref().filter(|(_, at)| now < *at + PATIENCE) {
            return Err(why.clone());
        }
        match self.fetch(&mut known.in_body).await {
            Ok(token) => {
                known.failed = None;
                Ok(known.token.insert(token).header.clone())
            }
            Err(why) => {
                known.failed = Some((why.clone(), now));
                Err(why)
            }
        }
    }

    /// This token was refused.
    pub async fn forget(&self, refused: &HeaderValue) {
        let mut known = self.known.lock().await;
        if known.token.as_ref().is_some_and(|token| token.header == refused) {
            known.token = None;
        }
    }

    /// Asks with the credentials in the header, as the standard recommends; where that is refused, in the body.
    async fn fetch(&self, in_body: &mut bool) -> Result<Token, Missing> {
        let answer = self.ask(*in_body).await.map_err(|why| of_token(&why))?;
        let refused = matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
        if !refused || *in_body {
            return read(answer).await.map_err(|why| of_token(&why));
        }
        let why = read(answer).await;
        let second = self.ask(true).await.map_err(|why| of_token(&why))?;
        match read(second).await {
            Ok(token) => {
                *in_body = true;
                Ok(token)
            }
            Err(_) => why.map_err(|why| of_token(&why)),
        }
    }

    async fn ask(&self, in_body: bool) -> Result<Response, Missing> {
        let settings = &self.settings;
        let secret = expose("client_secret", &settings.client_secret).await?;
        let form = self.form(in_body.then_some(&secret));
        let key = ClientKey {
            tls: settings.tls.clone(),
            proxy: settings.proxy.clone(),
            redirects: Redirects::SameOrigin,
            host_behind_name: None,
            idle_max: IDLE_MAX,
        };
        let way = self.clients.get(&key).await?;
        let url = Url::parse(&settings.token_url);
        let url = url.map_err(|_| missing(MissingReason::Connect, "token_url is no URL"))?;
        let mut request = way
            .request(Method::POST, url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if !in_body {
            let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&settings.client_id), encode(&secret));
            let mut value = sendable(
                "client_id or client_secret",
                &format!("Basic {}", STANDARD.encode(pair)),
            )?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        way.send(request).await
    }

    /// What is asked for, with the credentials where they belong into the body.
    fn form(&self, secret: Option<&String>) -> String {
        let settings = &self.settings;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !settings.scopes.is_empty() {
            form.append_pair("scope", &settings.scopes.join(" "));
        }
        for (name, value) in &settings.endpoint_params {
            form.append_pair(name, value.expose());
        }
        if let Some(secret) = secret {
            form.append_pair("client_id", &settings.client_id);
            form.append_pair("client_secret", secret);
        }
        form.finish()
    }
}

async fn read(answer: Response) -> Result<Token, Missing> {
    let (status, asked_at) = (answer.status(), now());
    let body = read_whole(answer, ANSWER_BYTES_MAX, "the answer is larger than 1 MiB").await?;
    let parsed = serde_json::from_slice::<Answer>(&body);
    if !status.is_success() {
        let said = parsed.ok().map(|answer| match answer.error_description.as_str() {
            "" => answer.error,
            description => format!("{}: {description}", answer.error),
        });
        let said = said.map(|said| {
            said.chars()
                .filter(|c| !c.is_control())
                .take(SAID_MAX)
                .collect::<String>()
        });
        let said = said.filter(|said| !said.is_empty()).map(|said| format!(" ({said})"));
        let detail = format!("HTTP status {status}{}", said.unwrap_or_default());
        return Err(missing(MissingReason::Status, detail));
    }
    let answer = parsed.map_err(|_| missing(MissingReason::Format, "the answer is no JSON object with a token"))?;
    if answer.access_token.is_empty() {
        return Err(missing(MissingReason::Format, "the answer has no access_token"));
    }
    let kind = match answer.token_type.as_str() {
        kind if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind => kind,
    };
    let mut header = sendable("the token", &format!("{kind} {}", answer.access_token))?;
    header.set_sensitive(true);
    let seconds = match &answer.expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let lasts = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    let lasts = lasts
        .filter(|lasts| !lasts.is_zero())
        .map(|lasts| lasts.saturating_sub(MARGIN));
    Ok(Token {
        header,
        until: lasts.and_then(|lasts| asked_at.checked_add(lasts)),
    })
}

/// Says that it is the token that could not be had.
fn of_token(why: &Missing) -> Missing {
    missing(why.reason, format!("no token from oauth2's token_url: {}", why.detail))
}
