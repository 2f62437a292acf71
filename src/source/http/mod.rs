//! HTTP as all sources speak it: who nines is, whom it trusts, through whom it goes, and what can go wrong.

pub mod body;
pub mod client;
pub mod failure;
pub mod oauth2;
pub mod request;
pub mod settings;
