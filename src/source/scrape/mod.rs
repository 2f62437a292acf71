//! Scraping: nines visits `/metrics` itself.

pub mod settings;
