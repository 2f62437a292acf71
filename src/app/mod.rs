//! Wiring: the only place that knows all parts.

pub mod clock;
pub mod demo;
pub mod files;
mod heartbeats;
pub mod reload;
pub mod serve;
pub mod specs;
pub mod telemetry;
