//! app

pub mod files;
