//! The command line: one subcommand per file.

pub mod client;
pub mod silence;
pub mod status;
