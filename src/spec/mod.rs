//! SLO files: YAML text in, SLOs and diagnostics out. No I/O: the caller reads the files.

pub mod codes;
pub mod diagnostic;
pub mod suggest;
pub mod yaml;
