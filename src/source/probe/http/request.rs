//! What is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::io::AsyncReadExt;
use url::Url;

use super::Hop;
use super::cookies::Cookies;
use crate::domain::secret_names::sounds_secret;
use crate::domain::verdict::{Fault, Reason};
use crate::source::http::request::expose;
use crate::source::http::settings::{Auth, SecretSource};
use crate::source::probe::Goal;
use crate::source::probe::settings::{BODY_MAX, HttpModule};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("nines/", env!("CARGO_PKG_VERSION")));

/// Headers that say who asks, however they were written: for nobody but whom they were written for.
const WHO: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// A request, as it is sent whatever the version of HTTP is.
pub(super) struct Sent {
    pub method: Method,
    /// Without `Host`.
    pub headers: HeaderMap,
    /// What the host is called: `host`, `host:port`.
    pub authority: String,
    pub body: Bytes,
    /// The token of `oauth2` that is shown.
    pub token: Option<HeaderValue>,
}

/// The request of a hop.
pub(super) async fn build(module: &HttpModule, goal: &Goal, hop: &Hop, cookies: &Cookies) -> Result<Sent, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, AGENT);
    for (name, value) in &module.headers {
        let (name, value) = (header_name(name)?, header_value(name, value)?);
        let says_who = WHO.contains(&name) || sounds_secret(name.as_str());
        if name != header::HOST && (hop.at_home || !says_who) {
            headers.insert(name, value);
        }
    }
    for written in &module.http.headers {
        let name = header_name(&written.name)?;
        if written.is_secret && !hop.at_home || name == header::HOST {
            continue;
        }
        for source in &written.values {
            let mut value = header_value(&written.name, &secret("a header", source).await?)?;
            value.set_sensitive(written.is_secret);
            headers.append(&name, value);
        }
    }
    let token = if hop.at_home {
        module.memory.token(&module.http, hop.reach.policy()).await?
    } else {
        None
    };
    if let Some(value) = authorization(module, hop, token.as_ref()).await? {
        headers.insert(header::AUTHORIZATION, value);
    }
    if let Some(pairs) = cookies.for_url(&hop.url) {
        headers.append(header::COOKIE, header_value("a cookie", &pairs)?);
    }
    if let Some(packing) = &module.compression
        && !headers.contains_key(header::ACCEPT_ENCODING)
    {
        headers.insert(header::ACCEPT_ENCODING, header_value("compression", packing)?);
    }
    Ok(Sent {
        method: hop.method.clone(),
        headers,
        authority: authority(module, goal, hop),
        body: if hop.with_body {
            body(module).await?
        } else {
            Bytes::new()
        },
        token,
    })
}

/// What the host is called that a module or a goal names otherwise than the URL.
pub(super) fn other_name<'a>(module: &'a HttpModule, goal: &'a Goal) -> Option<&'a str> {
    let mut headers = module.headers.iter();
    let written = headers.find(|(name, _)| name.eq_ignore_ascii_case("host"));
    goal.hostname.as_deref().or(written.map(|(_, value)| value.as_str()))
}

fn authority(module: &HttpModule, goal: &Goal, hop: &Hop) -> String {
    match other_name(module, goal) {
        Some(name) if hop.at_home => name.to_owned(),
        _ => super::host_of(&hop.url),
    }
}

async fn authorization(
    module: &HttpModule,
    hop: &Hop,
    token: Option<&HeaderValue>,
) -> Result<Option<HeaderValue>, Fault> {
    let basic = |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let written = match &module.http.auth {
        Auth::Basic { username, password } if hop.at_home => basic(
            &secret("the user", username).await?,
            &secret("the password", password).await?,
        ),
        Auth::Header { kind, credentials } if hop.at_home => {
            format!("{kind} {}", secret("the credentials", credentials).await?)
        }
        Auth::OAuth2(_) if token.is_some() => return Ok(token.cloned()),
        _ => match of_url(&hop.url) {
            Some((user, password)) => basic(&user, &password),
            None => return Ok(None),
        },
    };
    let mut value = header_value("the credentials", &written)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The credentials that a URL holds.
fn of_url(url: &Url) -> Option<(String, String)> {
    let decoded = |text: &str| {
        let pairs = format!("x={}", text.replace('+', "%2B"));
        let decoded = url::form_urlencoded::parse(pairs.as_bytes()).next();
        decoded.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let has_any = !url.username().is_empty() || url.password().is_some();
    has_any.then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())))
}

async fn body(module: &HttpModule) -> Result<Bytes, Fault> {
    let Some(path) = &module.body_file else {
        return Ok(Bytes::copy_from_slice(module.body.as_bytes()));
    };
    let read = async {
        let mut read = Vec::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(BODY_MAX + 1).read_to_end(&mut read).await?;
        Ok::<_, std::io::Error>(read)
    };
    let unusable = |why: String| {
        let detail = format!("body_file {} cannot be used: {why}", path.display());
        Fault::new(Reason::Misconfigured, detail)
    };
    match read.await {
        Ok(read) if read.len() as u64 > BODY_MAX => Err(unusable("it is larger than 64 MiB".to_owned())),
        Ok(read) => Ok(read.into()),
        Err(error) => Err(unusable(error.to_string())),
    }
}

async fn secret(what: &str, source: &SecretSource) -> Result<String, Fault> {
    let text = expose(what, source).await;
    text.map_err(|missing| Fault::new(Reason::Misconfigured, missing.detail))
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    let unusable = |_| Fault::new(Reason::Misconfigured, format!("{name:?} is no name of a header"));
    HeaderName::from_bytes(name.as_bytes()).map_err(unusable)
}

fn header_value(what: &str, value: &str) -> Result<HeaderValue, Fault> {
    let unusable = |_| {
        let detail = format!("{what} holds a character that no header may hold");
        Fault::new(Reason::Misconfigured, detail)
    };
    HeaderValue::from_str(value).map_err(unusable)
}
