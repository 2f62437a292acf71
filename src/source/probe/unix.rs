//! `prober: unix`: as TCP, on a socket of this machine.

use std::io;

use tokio::net::UnixStream;

use super::Goal;
use super::course::Course;
use super::script::{self, Upgrade, Wire};
use super::settings::UnixModule;
use super::tls::handshake;
use crate::domain::verdict::{Fault, Phase, Reason};

/// One connection.
pub(super) async fn speak(module: &UnixModule, goal: &Goal, course: &mut Course) -> Result<(), Fault> {
    script::begin(course);
    let path = goal.target.as_str();
    let settings = &module.tls_settings;
    let is_named = settings.server_name.is_some() || settings.insecure_skip_verify || goal.hostname.is_some();
    let starts_tls = module.tls || module.script.iter().any(|exchange| exchange.starttls);
    if starts_tls && !is_named {
        let detail = "a Unix socket has no name that a certificate could bear: `tls_config` needs `server_name`";
        return Err(Fault::new(Reason::Misconfigured, detail));
    }
    let name = goal.hostname.as_deref().unwrap_or("localhost");
    let connect = async {
        UnixStream::connect(path)
            .await
            .map_err(|error| unconnected(path, &error))
    };
    let stream = course.during(Phase::Connect, Reason::ConnectTimeout, connect).await?;
    let wire: Box<dyn Wire> = if module.tls {
        Box::new(handshake(stream, settings, name, &[], course).await?)
    } else {
        Box::new(stream)
    };
    script::run(wire, &module.script, Upgrade { settings, name }, course).await
}

fn unconnected(path: &str, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let detail = format!("nines may not write to {path}: give its user or group the right to");
            Fault::new(Reason::NotPermitted, detail)
        }
        io::ErrorKind::ConnectionRefused => Fault::new(Reason::ConnectRefused, format!("nobody listens on {path}")),
        io::ErrorKind::NotFound => Fault::new(Reason::ConnectFailed, format!("there is no socket {path}")),
        _ => Fault::new(Reason::ConnectFailed, format!("no connection to {path}: {error}")),
    }
}
