//! Scraping: nines visits `/metrics` itself.
//!
//! [`discovery`] finds targets, [`visitor`] visits one of them, [`exposition`] reads its page and [`cache`] remembers
//! what the page looked like.

mod body;
pub mod cache;
pub mod client;
pub mod discovery;
mod dns_sd;
mod entry;
pub mod exposition;
mod failure;
mod files;
mod halves;
mod http_sd;
mod http_settings;
mod known;
#[cfg(feature = "kubernetes")]
mod kubernetes_sd;
mod native;
mod oauth2;
pub mod protocols;
mod provider;
mod reader;
pub mod request;
pub mod rules;
pub mod settings;
mod target;
pub mod visitor;

#[cfg(test)]
mod tests;
