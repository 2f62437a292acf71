//! What is probed, as it is written: a URL, `host:port`, a host, a path.

use url::{Host, Url};

use super::shown::address_without_secrets;
use super::verdict::ProbeKind;

/// A target that a prober of its kind can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAddress {
    /// What the prober takes; it may hold credentials: `http://` was added where no scheme was written, and port 53 to
    /// a name server.
    pub target: String,
    /// The host that is resolved and connected to, without brackets; `None` where there is none.
    pub host: Option<String>,
    /// As written, without credentials.
    pub shown: String,
}

/// The longest target, in bytes.
const TARGET_BYTES_MAX: usize = 4096;
/// The longest path of a Unix socket, in bytes.
const SOCKET_BYTES_MAX: usize = 107;
/// Where name servers listen.
const DNS_PORT: u16 = 53;

impl ProbeAddress {
    /// Reads a target; the error says which form is expected.
    pub fn parse(kind: ProbeKind, written: &str) -> Result<Self, &'static str> {
        let written = written.trim();
        if written.is_empty() {
            return Err("a target is missing");
        }
        if written.len() > TARGET_BYTES_MAX {
            return Err("a target has 4096 bytes at most");
        }
        let (target, host) = match kind {
            ProbeKind::Http => of_url(written, "http", ["http", "https"]).ok_or(
                "an http probe takes an address such as https://shop.example/health (http:// is added where no scheme \
                 is written)",
            )?,
            ProbeKind::WebSocket => of_url(written, "ws", ["ws", "wss"])
                .ok_or("a websocket probe takes an address such as wss://shop.example/feed")?,
            ProbeKind::Tcp => of_port(written, None).ok_or("a tcp probe takes `host:port`")?,
            ProbeKind::Grpc => {
                let bare = ["http://", "https://"]
                    .iter()
                    .find_map(|scheme| written.strip_prefix(scheme));
                let bare = bare.map_or(written, |bare| bare.trim_end_matches('/'));
                of_port(bare, None).ok_or("a grpc probe takes `host:port`")?
            }
            ProbeKind::Dns => of_port(written, Some(DNS_PORT)).ok_or(
                "a dns probe takes its name server: `host` or `host:port`; the name to ask for is `query_name`",
            )?,
            ProbeKind::Icmp => {
                let host = host(written).ok_or("an icmp probe takes a host: a name or an address, without a port")?;
                (host.clone(), Some(host))
            }
            ProbeKind::Unix => (socket_path(written)?, None),
        };
        let shown = address_without_secrets(written);
        Ok(Self { target, host, shown })
    }
}

/// A URL of one of two schemes; without one, the first is meant.
fn of_url(written: &str, scheme: &str, schemes: [&str; 2]) -> Option<(String, Option<String>)> {
    let has_scheme = schemes.iter().any(|scheme| {
        let begin = written.get(..scheme.len() + 3).unwrap_or_default();
        begin.eq_ignore_ascii_case(&format!("{scheme}://"))
    });
    let url = if has_scheme {
        Url::parse(written).ok()?
    } else {
        Url::parse(&format!("{scheme}://{written}")).ok()?
    };
    // `ftp://x` would else be the host `ftp`.
    if !has_scheme && written.split(['/', '?', '#']).next()?.ends_with(':') {
        return None;
    }
    let host = match url.host()? {
        Host::Domain(name) if name.is_empty() => return None,
        host => bare(&host),
    };
    Some((url.into(), Some(host)))
}

/// `host:port`; a port may be left out where there is a usual one.
fn of_port(written: &str, usual: Option<u16>) -> Option<(String, Option<String>)> {
    let is_v6 = written.parse::<std::net::Ipv6Addr>().is_ok();
    let (host_text, port) = match written.rsplit_once(':') {
        Some((before, port)) if !is_v6 && !port.ends_with(']') => {
            let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (before, port.parse().ok().filter(|port: &u16| is_number && *port > 0)?)
        }
        _ => (written, usual?),
    };
    let host = host(host_text)?;
    let target = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    Some((target, Some(host)))
}

/// A name or an address, however it is encoded, as everybody writes it: `2130706433` is 127.0.0.1.
fn host(written: &str) -> Option<String> {
    if written.parse::<std::net::Ipv6Addr>().is_ok() {
        return host(&format!("[{written}]"));
    }
    let host = Host::parse(written).ok()?;
    Some(bare(&host)).filter(|host| !host.is_empty())
}

fn bare<T: AsRef<str>>(host: &Host<T>) -> String {
    match host {
        Host::Domain(name) => name.as_ref().to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

fn socket_path(written: &str) -> Result<String, &'static str> {
    let path = written.strip_prefix("unix://").unwrap_or(written);
    if !path.starts_with('/') || path.contains('\0') {
        return Err("a unix probe takes the whole path of a socket: /run/app.sock");
    }
    if path.len() > SOCKET_BYTES_MAX {
        return Err("the path of a socket has 107 bytes at most");
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_by_what_is_spoken() {
        use ProbeKind::{Dns, Grpc, Http, Icmp, Tcp, Unix, WebSocket};
        for (kind, written, target, host) in [
            (Http, "shop.example", "http://shop.example/", Some("shop.example")),
            (
                Http,
                "shop.example:8080/a?b=c",
                "http://shop.example:8080/a?b=c",
                Some("shop.example"),
            ),
            (
                Http,
                "HTTPS://Shop.example",
                "https://shop.example/",
                Some("shop.example"),
            ),
            (Http, "http://u:p@[::1]:80/", "http://u:p@[::1]/", Some("::1")),
            (
                Http,
                "http://0xa9fea9fe/",
                "http://169.254.169.254/",
                Some("169.254.169.254"),
            ),
            (WebSocket, "wss://a/b", "wss://a/b", Some("a")),
            (WebSocket, "a/b", "ws://a/b", Some("a")),
            (Tcp, "db:5432", "db:5432", Some("db")),
            (Tcp, "[::1]:22", "[::1]:22", Some("::1")),
            (Tcp, "2852039166:80", "169.254.169.254:80", Some("169.254.169.254")),
            (Grpc, "api:443", "api:443", Some("api")),
            (Grpc, "http://api:443/", "api:443", Some("api")),
            (Dns, "1.1.1.1", "1.1.1.1:53", Some("1.1.1.1")),
            (Dns, "ns.example:5353", "ns.example:5353", Some("ns.example")),
            (Dns, "::1", "[::1]:53", Some("::1")),
            (Dns, "[::1]", "[::1]:53", Some("::1")),
            (Icmp, "db", "db", Some("db")),
            (Icmp, "::1", "::1", Some("::1")),
            (Unix, "/run/a.sock", "/run/a.sock", None),
            (Unix, "unix:///run/a.sock", "/run/a.sock", None),
        ] {
            let read = ProbeAddress::parse(kind, written);
            let read = read.as_ref().map(|read| (read.target.as_str(), read.host.as_deref()));
            assert_eq!(read, Ok((target, host)), "{kind:?} {written}");
        }
    }

    #[test]
    fn what_cannot_be_a_target_is_refused() {
        use ProbeKind::{Dns, Grpc, Http, Icmp, Tcp, Unix, WebSocket};
        for (kind, written) in [
            (Http, ""),
            (Http, "ftp://x/"),
            (Http, "file:///etc/passwd"),
            (Http, "http://"),
            (Http, "http://a b/"),
            (WebSocket, "http://a/"),
            (Tcp, "db"),
            (Tcp, "db:0"),
            (Tcp, "db:65536"),
            (Tcp, "db:+1"),
            (Tcp, "tcp://db:1"),
            (Tcp, "u:p@db:1"),
            (Tcp, ":1"),
            (Grpc, "api"),
            (Dns, "dns://1.1.1.1"),
            (Icmp, "db:80"),
            (Icmp, "http://db"),
            (Unix, "run/a.sock"),
        ] {
            assert!(ProbeAddress::parse(kind, written).is_err(), "{kind:?} {written}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let read = ProbeAddress::parse(ProbeKind::Http, "http://u:hunter2@x/a").expect("a target");
        assert_eq!(read.shown, "http://<secret>@x/a");
        let read = ProbeAddress::parse(ProbeKind::Http, "u:hunter2@x/a").expect("a target");
        assert_eq!(read.shown, "<secret>@x/a");
    }
}
