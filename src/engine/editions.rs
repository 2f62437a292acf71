//! Editions of the catalog: since which one each SLO has been counted with its present indicator.
//!
//! A target remembers the edition that its last visit was counted with. An SLO of that edition, or of an older one, has
//! seen that visit; no row for each SLO and target must say so, and no clock is asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catalog::Catalog;
use super::ports::Epoch;

/// The fact under which the store keeps them.
pub const EDITIONS: &str = "catalog_editions";

/// The edition of every SLO that runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Editions {
    last: u64,
    slos: BTreeMap<i64, Loaded>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Loaded {
    since: i64,
    indicator: u64,
    edition: u64,
}

impl Editions {
    /// As they were stored. Without them every SLO takes a new baseline: that invents nothing.
    pub fn parse(stored: Option<&str>) -> Self {
        let Some(stored) = stored else { return Self::default() };
        serde_json::from_str(stored).unwrap_or_else(|error| {
            tracing::error!(%error, "the stored editions of the SLOs are unreadable; all of them take a new baseline");
            Self::default()
        })
    }

    /// Tells a catalog its editions; `true` when the store must hear of them first. What is new, has returned, or has
    /// another indicator belongs to a new edition. Each holder of the lease has numbers of its own, above all earlier
    /// ones, so that a number is never used twice, even where the stored ones were lost.
    pub fn assign(&mut self, catalog: &mut Catalog, epoch: Epoch) -> bool {
        let next = (self.last + 1).max(u64::try_from(epoch).unwrap_or(0) << EDITIONS_OF_EPOCH_BITS);
        let mut slos = BTreeMap::new();
        for entry in &mut catalog.entries {
            let known = self.slos.get(&entry.id).copied();
            let is_same = |known: &Loaded| (known.since, known.indicator) == (entry.loaded_at.0, entry.indicator);
            let loaded = known.filter(is_same).unwrap_or(Loaded {
                since: entry.loaded_at.0,
                indicator: entry.indicator,
                edition: next,
            });
            entry.edition = loaded.edition;
            slos.insert(entry.id, loaded);
        }
        let has_new = slos.values().any(|loaded| loaded.edition == next);
        let has_changed = has_new || slos.len() != self.slos.len();
        self.slos = slos;
        if has_new {
            self.last = next;
        }
        catalog.edition = self.last;
        has_changed
    }

    /// As they are stored.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// A process may load so many editions, as a power of two, before its numbers meet those of the next.
const EDITIONS_OF_EPOCH_BITS: u32 = 20;
