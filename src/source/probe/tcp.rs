//! `prober: tcp`: a connection, TLS where it is wanted, and a script.

use std::net::{IpAddr, SocketAddr};

use super::Goal;
use super::course::Course;
use super::place::port_of;
use super::reach::Reach;
use super::script::{self, Upgrade, Wire};
use super::settings::TcpModule;
use super::tls::handshake;
use crate::domain::verdict::Fault;

/// One connection.
pub(super) async fn speak(
    module: &TcpModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    script::begin(course);
    let port = port_of(&goal.target, None)?;
    let stream = reach
        .connect(SocketAddr::new(address, port), module.source, course)
        .await?;
    let name = goal.called();
    let wire: Box<dyn Wire> = if module.tls {
        Box::new(handshake(stream, &module.tls_settings, name, &[], course).await?)
    } else {
        Box::new(stream)
    };
    let upgrade = Upgrade {
        settings: &module.tls_settings,
        name,
    };
    script::run(wire, &module.script, upgrade, course).await
}
