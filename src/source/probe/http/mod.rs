//! `prober: http`: one request with its redirects, and the conditions on its answer, as blackbox exporter has them.

mod body;
mod connection;
mod cookies;
mod judge;
mod memory;
mod metered;
mod request;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::{Method, StatusCode, header};
use url::{Origin, Url};

use self::connection::Answer;
use self::cookies::Cookies;
pub use self::memory::Memory;
use self::request::Sent;
use super::Goal;
use super::course::Course;
use super::reach::Reach;
use super::settings::{HttpModule, IpChoice, REDIRECTS_MAX};
use super::tls;
use crate::domain::verdict::{Fault, Phase, Reason};

/// The phases under blackbox exporter's names for them.
const DURATIONS: [(&str, Phase); 5] = [
    ("resolve", Phase::Resolve),
    ("connect", Phase::Connect),
    ("tls", Phase::Tls),
    ("processing", Phase::Ttfb),
    ("transfer", Phase::Transfer),
];

/// Samples that are always there.
const ALWAYS: [&str; 7] = [
    "probe_http_content_length",
    "probe_http_redirects",
    "probe_http_ssl",
    "probe_http_status_code",
    "probe_http_uncompressed_body_length",
    "probe_http_version",
    "probe_failed_due_to_regex",
];

/// One request, with its redirects.
pub(super) async fn speak(
    module: &HttpModule,
    ip: IpChoice,
    goal: &Goal,
    address: Option<IpAddr>,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    for name in ALWAYS {
        course.gauge(name, 0.0);
    }
    let errand = Errand {
        module,
        ip,
        goal,
        course,
    };
    let result = errand.run(address, reach).await;
    for (phase, counted) in DURATIONS {
        let seconds = course.spent(counted).as_secs_f64();
        course.measure(
            "probe_http_duration_seconds",
            vec![("phase", phase.to_owned())],
            seconds,
        );
    }
    result
}

/// Whether the proxy is to resolve the target's name.
pub(super) fn leaves_names_to_proxy(module: &HttpModule, goal: &Goal) -> bool {
    let proxied = || first_url(goal).is_ok_and(|url| connection::proxy_for(&module.http.proxy, &url).is_some());
    module.skip_resolve_with_proxy && module.http.proxy.is_used() && proxied()
}

/// What one request of several is made to.
struct Hop {
    url: Url,
    /// Where that is; `None` where a proxy resolves it.
    address: Option<IpAddr>,
    reach: Reach,
    method: Method,
    with_body: bool,
    /// Nothing of what is secret goes anywhere but there, where the configuration sends it.
    at_home: bool,
    /// It was a server that led here.
    redirected: bool,
}

/// A request on its way, from redirect to redirect.
struct Errand<'a> {
    module: &'a HttpModule,
    ip: IpChoice,
    goal: &'a Goal,
    course: &'a mut Course,
}

impl Errand<'_> {
    async fn run(mut self, address: Option<IpAddr>, reach: &Reach) -> Result<(), Fault> {
        let first = first_url(self.goal)?;
        let home = first.clone();
        let method = Method::from_bytes(self.module.method.as_bytes());
        let method = method.map_err(|_| Fault::new(Reason::Misconfigured, "method is none of HTTP"))?;
        let mut cookies = Cookies::default();
        let mut redirects = 0;
        let mut token_renewed = false;
        let mut hop = Hop {
            url: first,
            address,
            reach: reach.clone(),
            method,
            with_body: true,
            at_home: true,
            redirected: false,
        };
        loop {
            tls::forget(self.course);
            let sent = request::build(self.module, self.goal, &hop, &cookies).await?;
            let answer = self.ask(&hop, &sent).await?;
            if let (StatusCode::UNAUTHORIZED, Some(token), false) = (answer.head.status, &sent.token, token_renewed) {
                token_renewed = true;
                self.module.memory.forget(token).await;
                continue;
            }
            let Some(target) = redirect_of(&answer, &hop.url)? else {
                return self.judge(answer, &hop).await;
            };
            redirects += 1;
            self.course.gauge("probe_http_redirects", f64::from(redirects));
            if self.module.http.no_redirects {
                return self.judge(answer, &hop).await;
            }
            if redirects as usize > REDIRECTS_MAX {
                judge::note_head(&answer, &hop, self.course);
                let detail = format!(
                    "more than {REDIRECTS_MAX} redirects; the last one led to {}",
                    host_of(&target)
                );
                return Err(Fault::new(Reason::RedirectLoop, detail));
            }
            cookies.take(&hop.url, &answer.head.headers);
            let status = answer.head.status;
            drop(answer);
            hop = self.follow(hop, target, status, &home).await?;
        }
    }

    async fn ask(&mut self, hop: &Hop, sent: &Sent) -> Result<Answer, Fault> {
        let answer = connection::ask(self.module, self.ip, self.goal, hop, sent, self.course).await;
        answer.map_err(|fault| match fault.reason {
            // Where the configuration leads is on our account, where a server leads is on its own.
            Reason::PolicyDenied if hop.redirected => {
                let detail = format!("a redirect leads to {}: {}", host_of(&hop.url), fault.detail);
                Fault::new(Reason::RedirectDenied, detail)
            }
            _ => fault,
        })
    }

    /// The next request.
    async fn follow(&mut self, from: Hop, url: Url, status: StatusCode, home: &Url) -> Result<Hop, Fault> {
        if !matches!(url.scheme(), "http" | "https") {
            let detail = format!("a redirect leads to {}:, which is no HTTP", url.scheme());
            return Err(Fault::new(Reason::RedirectDenied, detail));
        }
        let by = from.address.or(self.course.address);
        let reach = by.map_or_else(|| from.reach.clone(), |by| from.reach.redirected_by(by));
        let address = if url.host() == from.url.host() {
            from.address
        } else {
            let host = url.host_str().unwrap_or_default();
            let found = reach.resolve(host, self.ip, self.course).await?;
            found.first().copied()
        };
        let keeps = matches!(status.as_u16(), 307 | 308);
        let method = if keeps || matches!(from.method, Method::GET | Method::HEAD) {
            from.method
        } else {
            Method::GET
        };
        Ok(Hop {
            at_home: is_home(home, &url),
            url,
            address,
            reach,
            method,
            with_body: from.with_body && keeps,
            redirected: true,
        })
    }

    /// The last answer.
    async fn judge(self, answer: Answer, hop: &Hop) -> Result<(), Fault> {
        judge::note_head(&answer, hop, self.course);
        judge::judge(self.module, answer, hop, self.course).await
    }
}

fn first_url(goal: &Goal) -> Result<Url, Fault> {
    let written = goal.target.trim();
    let has_scheme = ["http://", "https://"].iter().any(|scheme| {
        let start = written.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let whole = if has_scheme {
        written.to_owned()
    } else {
        format!("http://{written}")
    };
    Url::parse(&whole).map_err(|error| Fault::new(Reason::Misconfigured, format!("the target is no URL: {error}")))
}

/// Where an answer leads on, if it does.
fn redirect_of(answer: &Answer, from: &Url) -> Result<Option<Url>, Fault> {
    if !matches!(answer.head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer
        .head
        .headers
        .get(header::LOCATION)
        .filter(|value| !value.is_empty())
    else {
        return Ok(None);
    };
    let unusable = || Fault::new(Reason::RedirectDenied, "a redirect leads to what is no URL");
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| unusable())?;
    from.join(location).map(Some).map_err(|_| unusable())
}

/// Whether secrets that are meant for `home` may be sent there: it has the same origin, or is the same host which wants
/// to be asked over TLS.
fn is_home(home: &Url, url: &Url) -> bool {
    let by_default = |url: &Url| url.port().is_none();
    let is_upgrade = home.scheme() == "http" && url.scheme() == "https" && by_default(home) && by_default(url);
    match (home.origin(), url.origin()) {
        (Origin::Tuple(from, home, at), Origin::Tuple(to, host, port)) => {
            home == host && (is_upgrade || (from == to && at == port))
        }
        _ => false,
    }
}

/// Host and port of a URL, for people: nothing else of it, which may be secret.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
