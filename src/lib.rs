//! nines: keeps service level objectives honest.
//!
//! The map, in reading order: [`domain`] decides and does nothing else; [`spec`] turns YAML into SLOs; [`engine`] holds
//! the tasks and the ports that they need; [`source`], [`store`] and [`notify`] implement the ports; [`http`] shows the
//! engine's snapshot; [`egress`] is the way out; [`config`] is `nines.yml`; [`app`] wires all of it; [`cli`] is the
//! command line.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod egress;
pub mod engine;
pub mod http;
pub mod notify;
pub mod paths;
pub mod secret;
pub mod source;
pub mod spec;
pub mod store;
