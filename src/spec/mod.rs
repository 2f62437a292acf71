//! SLO files in everybody's formats: YAML text in, SLOs and diagnostics out. No I/O: the caller reads the files.

#[cfg(test)]
mod asked;
mod circles;
pub mod codes;
mod contents;
pub mod detect;
pub mod diagnostic;
pub mod document;
pub mod examples;
mod fields;
pub mod foreign;
mod helm;
mod lints;
pub mod load;
mod native;
mod objects;
mod openslo;
pub mod options;
mod place;
mod pyrra;
mod query;
pub mod reader;
mod references;
pub mod schema;
pub mod set;
mod slo_generator;
mod sloth;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
pub mod write;
pub mod yaml;

pub use crate::domain::suggest;
pub use document::SourceFile;
pub use load::{Loaded, NamedSlo, load};
pub use options::Options;
pub use set::{LoadedSet, load_all, load_files, read_files};
