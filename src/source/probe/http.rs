//! `prober: http`.

use std::net::IpAddr;

use super::Goal;
use super::course::Course;
use super::reach::Reach;
use super::settings::{HttpModule, IpChoice};
use crate::domain::verdict::{Fault, Reason};

/// One request, with its redirects.
pub(super) async fn speak(
    _module: &HttpModule,
    _ip: IpChoice,
    _goal: &Goal,
    _address: Option<IpAddr>,
    _reach: &Reach,
    _course: &mut Course,
) -> Result<(), Fault> {
    Err(Fault::new(Reason::Misconfigured, "this prober is not built yet"))
}
