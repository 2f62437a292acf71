//! The pure core: words, arithmetic and decisions of service level objectives.
//!
//! Nothing here does I/O, reads a clock, logs, or knows SQL or HTTP; whoever needs the time passes it in.

pub mod alert;
pub mod answer;
pub mod bounds;
pub mod counting;
pub mod counts;
pub mod digest;
pub mod egress;
pub mod evaluation;
pub mod heartbeat;
pub mod indicator;
pub mod labels;
pub mod ledger;
pub mod matcher;
pub mod native_histogram;
pub mod objective;
pub mod probe_address;
pub mod probe_page;
pub mod promql;
pub mod reading;
pub mod relabel;
pub mod schedule;
pub mod secret_names;
pub mod selection;
pub mod selector_parser;
pub mod shown;
pub mod slo;
pub mod sql;
pub mod suggest;
pub mod time;
pub mod verdict;
pub mod window;
