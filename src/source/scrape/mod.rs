//! Scraping: nines visits `/metrics` itself.
//!
//! [`discovery`] finds targets, [`visitor`] visits one of them, [`exposition`] reads its page and [`cache`] remembers
//! what the page looked like.

pub mod cache;
pub mod client;
pub mod discovery;
pub mod exposition;
mod failure;
mod files;
mod known;
mod reader;
pub mod rules;
pub mod settings;
mod target;
pub mod visitor;

#[cfg(test)]
mod tests;
