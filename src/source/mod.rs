//! Where readings come from.

pub mod http;
pub mod probe;
pub mod prometheus;
pub mod scrape;
pub mod sql;
#[cfg(test)]
pub(crate) mod testing;
