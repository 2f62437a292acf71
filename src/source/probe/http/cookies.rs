//! Cookies that one request of a probe gives to the next one, as a browser would: gone when the probe ends.

use http::{HeaderMap, header};
use url::{Host, Url};

/// So many cookies are kept.
const COOKIES_MAX: usize = 64;
/// A longer cookie is left out, in bytes.
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one probe.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    /// Which host it is for.
    domain: String,
    /// It is for that host and none below it.
    host_only: bool,
    path: String,
    secure: bool,
}

impl Cookies {
    /// Takes up what an answer from this URL sets.
    pub fn take(&mut self, from: &Url, headers: &HeaderMap) {
        for written in headers.get_all(header::SET_COOKIE) {
            let Ok(written) = written.to_str() else { continue };
            if let Some((cookie, is_gone)) = read(from, written) {
                self.0.retain(|known| !known.is_same(&cookie));
                if !is_gone && self.0.len() < COOKIES_MAX {
                    self.0.push(cookie);
                }
            }
        }
    }

    /// The value of `Cookie` for this URL; `None` where there is none for it.
    pub fn for_url(&self, url: &Url) -> Option<String> {
        let fits = self.0.iter().filter(|cookie| cookie.is_for(url));
        let pairs: Vec<String> = fits.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Cookie {
    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let at_host = host == self.domain || (!self.host_only && is_below(host, &self.domain));
        let path = url.path();
        let below = path.strip_prefix(self.path.as_str());
        let at_path = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        at_host && at_path && (!self.secure || url.scheme() == "https")
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A cookie, and whether it is to be dropped.
fn read(from: &Url, written: &str) -> Option<(Cookie, bool)> {
    if written.len() > COOKIE_BYTES_MAX {
        return None;
    }
    let mut parts = written.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = from.host_str()?;
    let upto = from.path().rfind('/').filter(|at| *at > 0).unwrap_or(1);
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host.to_owned(),
        host_only: true,
        path: from.path().get(..upto).unwrap_or("/").to_owned(),
        secure: false,
    };
    let mut is_gone = false;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let is_name = matches!(from.host(), Some(Host::Domain(_))) && domain.contains('.');
                if domain != host && !(is_name && is_below(host, &domain)) {
                    return None;
                }
                cookie.host_only = domain == host && !is_name;
                cookie.domain = domain;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => is_gone = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
            _ => {}
        }
    }
    (!cookie.name.is_empty()).then_some((cookie, is_gone))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_go_where_they_are_meant_for() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        for (set, from, to, sent) in [
            ("a=1", "http://shop.example/in", "http://shop.example/out", Some("a=1")),
            ("a=1", "http://shop.example/in", "http://pay.example/", None),
            ("a=1", "http://shop.example/", "http://www.shop.example/", None),
            (
                "a=1; Domain=shop.example",
                "http://shop.example/",
                "http://www.shop.example/",
                Some("a=1"),
            ),
            (
                "a=1; Domain=example",
                "http://shop.example/",
                "http://pay.example/",
                None,
            ),
            (
                "a=1; Domain=pay.example",
                "http://shop.example/",
                "http://pay.example/",
                None,
            ),
            (
                "a=1; Path=/in",
                "http://shop.example/",
                "http://shop.example/inside",
                None,
            ),
            (
                "a=1; Path=/in",
                "http://shop.example/",
                "http://shop.example/in/side",
                Some("a=1"),
            ),
            ("a=1; Secure", "https://shop.example/", "http://shop.example/", None),
            (
                "a=1; Secure",
                "http://shop.example/",
                "https://shop.example/",
                Some("a=1"),
            ),
            ("a=1; Max-Age=0", "http://shop.example/", "http://shop.example/", None),
            ("a", "http://shop.example/", "http://shop.example/", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SET_COOKIE, HeaderValue::from_static(set));
            let mut cookies = Cookies::default();
            cookies.take(&url(from), &headers);
            assert_eq!(cookies.for_url(&url(to)).as_deref(), sent, "{set} from {from} to {to}");
        }
    }
}
