//! The catalog: the SLOs that run, with the numbers under which the store knows them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::collect::reports;
use super::ports::{KeyRecord, LoadedSlo, SloRecord};
use super::snapshot::DiagnosticView;
use crate::domain::digest::fnv1a;
use crate::domain::indicator::IndicatorKind;
use crate::domain::labels::Group;
use crate::domain::selection::Selection;
use crate::domain::slo::{Slo, SloId};
use crate::domain::time::Timestamp;

/// Groups of one SLO that have a budget of their own; the rest is `other` (contract, native SLO file).
pub const GROUPS_MAX: usize = 100;

/// The edition of what the store knows nothing else of.
const FIRST_EDITION: u64 = 1;

/// What the files say: the SLOs that are to run, and those that do not.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The SLOs that are to run.
    pub slos: Vec<DesiredSlo>,
    /// SLOs that do not run.
    pub idle: Vec<IdleSlo>,
}

/// An SLO that is to run.
#[derive(Clone, Debug)]
pub struct DesiredSlo {
    /// The SLO.
    pub slo: Arc<Slo>,
    /// The file on disk does not load: this is an earlier revision.
    pub invalid: bool,
    /// What is wrong with the file.
    pub diagnostics: Vec<DiagnosticView>,
}

/// An SLO that does not run: one that never loaded, or one that is valid and cannot be computed.
#[derive(Clone, Debug)]
pub struct IdleSlo {
    /// Why it does not run although it is valid; empty where it is not.
    pub reason: String,
    /// The SLO, where its file, or an earlier revision of it, is valid.
    pub slo: Option<Arc<Slo>>,
    /// The file on disk does not load.
    pub invalid: bool,
    /// The service, if it can be read.
    pub service: Option<String>,
    /// The name, if it can be read.
    pub name: Option<String>,
    /// Its file.
    pub file: String,
    /// The line of its `- name`, if it can be read.
    pub line: Option<u32>,
    /// What is wrong.
    pub diagnostics: Vec<DiagnosticView>,
}

/// One SLO that runs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The SLO.
    pub slo: Arc<Slo>,
    /// The store's number for it.
    pub id: i64,
    /// The hash of its indicator.
    pub indicator: u64,
    /// When it was first loaded with that indicator.
    pub loaded_at: Timestamp,
    /// In which edition of the catalog.
    pub edition: u64,
    /// The file on disk does not load: this is an earlier revision.
    pub invalid: bool,
    /// What is wrong with the file.
    pub diagnostics: Vec<DiagnosticView>,
}

/// The SLOs that run.
#[derive(Debug, Default)]
pub struct Catalog {
    /// In the order of their ids.
    pub entries: Vec<Entry>,
    /// SLOs that do not run.
    pub idle: Vec<IdleSlo>,
    /// What a scrape has to keep.
    pub selection: Arc<Selection>,
    /// Changes with every catalog.
    pub revision: u64,
    /// Changes when an SLO comes, returns or has another indicator; grows across processes.
    pub edition: u64,
    /// The places of the entries that may use what nines itself says of its targets.
    gauges: Vec<usize>,
    /// The places of the entries that name a metric, and of those that name none.
    by_metric: HashMap<String, Vec<usize>>,
    any_metric: Vec<usize>,
    by_id: HashMap<i64, usize>,
}

impl Desired {
    /// What the store is told of these SLOs.
    pub fn to_loaded(&self) -> Vec<LoadedSlo> {
        let loaded = |desired: &DesiredSlo| LoadedSlo {
            slo: desired.slo.id.clone(),
            previous_names: desired.slo.previous_names.clone(),
            indicator: desired.slo.indicator.fingerprint(),
            begins_anew: desired.slo.indicator.source.is_some(),
        };
        self.slos.iter().map(loaded).collect()
    }
}

impl Catalog {
    /// Joins what the files say with what the store knows; an SLO that the store does not know is left out.
    pub fn new(desired: &Desired, records: &[SloRecord], revision: u64) -> Self {
        let by_slo: HashMap<&SloId, &SloRecord> = records.iter().map(|record| (&record.slo, record)).collect();
        let mut entries: Vec<Entry> = desired
            .slos
            .iter()
            .filter_map(|desired| {
                let record = by_slo.get(&desired.slo.id)?;
                Some(Entry {
                    slo: Arc::clone(&desired.slo),
                    id: record.id,
                    // A changed hash costs a new baseline, so it must not change by itself.
                    indicator: fnv1a(&desired.slo.indicator.fingerprint()),
                    loaded_at: record.indicator_loaded_at,
                    edition: FIRST_EDITION,
                    invalid: desired.invalid,
                    diagnostics: desired.diagnostics.clone(),
                })
            })
            .collect();
        entries.sort_by(|a, b| a.slo.id.cmp(&b.slo.id));
        let wanted = entries.iter().flat_map(|entry| entry.slo.indicator.wanted());
        let selection = Arc::new(Selection::new(wanted, revision));
        let uses_reports = |(_, entry): &(usize, &Entry)| {
            let indicator = &entry.slo.indicator;
            indicator.source.is_none() && reports::may_use(&indicator.kind)
        };
        let gauges = entries.iter().enumerate().filter(uses_reports).map(|(at, _)| at);
        let gauges = gauges.collect();
        let (by_metric, any_metric) = index_by_metric(&entries);
        let by_id = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.id, index))
            .collect();
        Self {
            entries,
            idle: desired.idle.clone(),
            selection,
            revision,
            edition: FIRST_EDITION,
            gauges,
            by_metric,
            any_metric,
            by_id,
        }
    }

    /// The SLOs that may use what nines itself says of its targets.
    pub fn gauges(&self) -> impl Iterator<Item = &Entry> {
        self.gauges.iter().map(|at| &self.entries[*at])
    }

    /// The SLOs that may use series of this metric.
    pub fn users_of(&self, metric: &str) -> impl Iterator<Item = &Entry> {
        let named = self.by_metric.get(metric).into_iter().flatten();
        named.chain(&self.any_metric).map(|at| &self.entries[*at])
    }

    /// The SLO with this number.
    pub fn entry(&self, id: i64) -> Option<&Entry> {
        self.by_id.get(&id).map(|index| &self.entries[*index])
    }
}

/// The places of entries by the metrics that they name, each once, and of those that name none.
fn index_by_metric(entries: &[Entry]) -> (HashMap<String, Vec<usize>>, Vec<usize>) {
    let mut by_metric: HashMap<String, Vec<usize>> = HashMap::new();
    let mut any_metric = Vec::new();
    let is_scraped = |(_, entry): &(usize, &Entry)| entry.slo.indicator.source.is_none();
    for (at, entry) in entries.iter().enumerate().filter(is_scraped) {
        let wanted = entry.slo.indicator.wanted().into_iter();
        let mut selectors: Vec<_> = wanted.map(|wanted| wanted.selector).collect();
        if let IndicatorKind::Latency { histogram, .. } = &entry.slo.indicator.kind {
            // A native histogram bears the family's own name.
            selectors.push(histogram.clone());
        }
        let named: Option<BTreeSet<String>> = selectors.into_iter().map(|selector| selector.metric).collect();
        match named {
            Some(metrics) => metrics
                .into_iter()
                .for_each(|metric| by_metric.entry(metric).or_default().push(at)),
            None => any_metric.push(at),
        }
    }
    (by_metric, any_metric)
}

/// The ledger keys of all SLOs, and which groups have one.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    records: HashMap<(i64, Option<Group>), i64>,
    groups: HashMap<i64, usize>,
}

impl Keys {
    /// Takes keys over from the store.
    pub fn extend(&mut self, records: &[KeyRecord]) {
        for record in records {
            if self
                .records
                .insert((record.slo, record.group.clone()), record.id)
                .is_none()
                && record.group.is_some()
            {
                *self.groups.entry(record.slo).or_default() += 1;
            }
        }
    }

    /// The key of an SLO (`None`) or of one of its groups.
    pub fn get(&self, slo: i64, group: Option<&Group>) -> Option<i64> {
        self.records.get(&(slo, group.cloned())).copied()
    }

    /// All groups of an SLO that have a key.
    pub fn groups_of(&self, slo: i64) -> Vec<(Group, i64)> {
        let of_slo = self.records.iter().filter(|((owner, _), _)| *owner == slo);
        let mut groups: Vec<_> = of_slo
            .filter_map(|((_, group), key)| group.clone().map(|group| (group, *key)))
            .collect();
        groups.sort();
        groups
    }

    /// How many groups of an SLO have a key.
    pub fn group_count(&self, slo: i64) -> usize {
        self.groups.get(&slo).copied().unwrap_or(0)
    }
}
