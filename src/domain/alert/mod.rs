//! Alerts: who they are. Policies, states, silences, inhibition, grouping and backoff are beside this file.

pub mod backoff;
pub mod breaker;
pub mod group;
pub mod inhibition;
pub mod policy;
pub mod route;
pub mod silence;
pub mod state;

use sha2::{Digest, Sha256};

use self::policy::Severity;
use super::digest::hex;
use super::labels::{Group, Labels};
use super::slo::{Slo, SloId};

/// The labels that nines sets on every alert.
pub const RESERVED_LABELS: [&str; 4] = ["alertname", "service", "slo", "severity"];

/// An alert's identity: SLO, group, alert name, severity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// Whose alert.
    pub slo: SloId,
    /// The group, for an SLO with groups.
    pub group: Option<Group>,
    /// `SLOBurn`, `SLONoData`, or the policy's name.
    pub alertname: String,
    /// How loudly it calls.
    pub severity: Severity,
}

impl AlertKey {
    /// The labels of this alert: the SLO's, the policy's, those of its severity, the group's, and the four that every
    /// alert has; a policy may call a severity by another word.
    pub fn labels(&self, slo: &Slo) -> Labels {
        let mut labels = slo.labels.clone();
        let settings = slo.alerting.settings(self.severity);
        for (name, value) in slo.alerting.labels.iter().chain(settings.labels.iter()) {
            labels.set(name, value);
        }
        for (name, value) in self.group.iter().flat_map(|group| &group.0) {
            labels.set(group_label(name), value.as_str());
        }
        labels.set("alertname", self.alertname.as_str());
        labels.set("service", self.slo.service.as_str());
        labels.set("slo", self.slo.name.as_str());
        let word = settings.labels.get("severity");
        labels.set("severity", if word.is_empty() { self.severity.word() } else { word });
        labels
    }
}

/// The label under which a group's value stands on its alerts: its own name and, where nines sets a label of that name
/// itself, `exported_<name>`, as Prometheus calls what it displaces.
pub fn group_label(name: &str) -> String {
    if RESERVED_LABELS.contains(&name) {
        format!("exported_{name}")
    } else {
        name.to_owned()
    }
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertState {
    /// Its condition does not hold.
    #[default]
    Inactive,
    /// Its condition holds, but not long enough yet.
    Pending,
    /// It calls.
    Firing,
}

impl AlertState {
    /// As the API shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// The identity of a label set: 16 hexadecimal digits of its SHA-256.
pub fn fingerprint(labels: &Labels) -> String {
    let mut hash = Sha256::new();
    for (name, value) in labels.iter() {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    hex(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_what_nines_sets_itself_stay_apart() {
        let loaded = [
            ("service", "exported_service"),
            ("region", "region"),
            ("slo", "exported_slo"),
        ];
        for (name, label) in loaded {
            assert_eq!(group_label(name), label);
        }
    }
}
