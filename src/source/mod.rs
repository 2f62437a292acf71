//! Where readings come from.

pub mod scrape;
