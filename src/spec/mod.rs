//! SLO files: YAML text in, SLOs and diagnostics out. No I/O: the caller reads the files.

pub mod codes;
pub mod detect;
pub mod diagnostic;
pub mod load;
mod native;
pub mod reader;
pub mod set;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use load::{Loaded, NamedSlo, load};
pub use set::{LoadedSet, load_all};
