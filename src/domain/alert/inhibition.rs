//! Inhibition: a firing page keeps the ticket of the same alert name, SLO and group quiet (contract, default policy).

use std::collections::BTreeSet;

use super::AlertKey;
use super::policy::{NO_DATA_NAME, Severity};

/// The firing page that inhibits an alert; never `SLONoData`.
pub fn inhibiting_page(alert: &AlertKey, firing: &BTreeSet<AlertKey>) -> Option<AlertKey> {
    if alert.severity != Severity::Ticket || alert.alertname == NO_DATA_NAME {
        return None;
    }
    let page = AlertKey {
        severity: Severity::Page,
        ..alert.clone()
    };
    firing.contains(&page).then_some(page)
}
