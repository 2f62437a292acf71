//! app

pub mod demo;
pub mod files;
