//! HTTP as all sources speak it: who nines is, whom it trusts, through whom it goes, and what can go wrong.

pub mod body;
pub mod client;
pub mod failure;
pub mod oauth2;
pub mod request;
pub mod settings;
pub mod way;

use tokio::time::Instant;

/// The time on the clock of the runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "only how long something lasts is measured, on the clock of the runtime, which tests can turn"
)]
pub fn now() -> Instant {
    Instant::now()
}
