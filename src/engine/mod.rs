//! The engine: the tasks that carry an event from a visit to a person, and the ports that they need.
//!
//! Tasks take no input: they read what is due and do it, on a period and on a nudge. Restart, retry and the happy case
//! are one path.

pub mod active;
pub mod catalog;
pub mod clock;
pub mod collect;
pub mod commit;
pub mod deliver;
pub mod discovered;
pub mod dispatch;
pub mod editions;
pub mod evaluate;
pub mod groups;
pub mod history;
pub mod message;
pub mod ports;
pub mod probe;
pub mod push;
pub mod read;
pub mod retain;
pub mod snapshot;
pub mod stats;
pub mod supervisor;
