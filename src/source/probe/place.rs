//! Targets as they are written: `host:port`, `[::1]:53`, `host`.

use crate::domain::verdict::{Fault, Reason};

/// Host and port of a target; the host without brackets. `None` where the port is no port.
pub(super) fn split(target: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match target.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match target.rsplit_once(':') {
            // Another colon before it: an IPv6 address, and no port.
            Some((host, _)) if host.contains(':') => (target, None),
            Some((host, port)) => (host, Some(port)),
            None => (target, None),
        },
    };
    match port {
        None => Some((host, None)),
        Some(port) => Some((host, Some(port.parse().ok()?))),
    }
}

/// The port of a target, or what is usual; an error where neither is.
pub(super) fn port_of(target: &str, usual: Option<u16>) -> Result<u16, Fault> {
    let port = split(target).and_then(|(_, port)| port.or(usual));
    port.ok_or_else(|| {
        let detail = "the target has no port: write it as `host:port`, or `[2001:db8::1]:port`";
        Fault::new(Reason::Misconfigured, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_apart() {
        for (target, expected) in [
            ("example.com:25", Some(("example.com", Some(25)))),
            ("example.com", Some(("example.com", None))),
            ("192.0.2.1:53", Some(("192.0.2.1", Some(53)))),
            ("[::1]:53", Some(("::1", Some(53)))),
            ("[::1]", Some(("::1", None))),
            ("2001:db8::1", Some(("2001:db8::1", None))),
            ("example.com:smtp", None),
            ("example.com:70000", None),
            ("[::1", None),
        ] {
            assert_eq!(split(target), expected, "{target}");
        }
    }

    #[test]
    fn a_port_is_written_or_usual() {
        assert_eq!(port_of("a:1", Some(53)), Ok(1));
        assert_eq!(port_of("a", Some(53)), Ok(53));
        assert_eq!(
            port_of("a", None).map_err(|fault| fault.reason),
            Err(Reason::Misconfigured)
        );
    }
}
