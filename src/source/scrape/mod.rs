//! Scraping: nines visits `/metrics` itself.
//!
//! [`discovery`] finds targets, [`visitor`] visits one of them, [`exposition`] reads its page and [`cache`] remembers
//! what the page looked like.

pub mod cache;
pub mod discovery;
mod dns_sd;
mod entry;
pub mod exposition;
mod files;
mod halves;
mod http_sd;
pub mod job;
mod known;
#[cfg(feature = "kubernetes")]
mod kubernetes_sd;
mod native;
pub mod protocols;
mod provider;
mod reader;
pub mod rules;
pub mod settings;
pub mod target;
pub mod visitor;

use super::http::{body, failure};
pub use super::http::{client, request};

#[cfg(test)]
mod tests;
