//! Messages out: webhook, email, Alertmanager.

pub mod settings;
