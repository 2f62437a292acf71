//! Files that load, and would say something else, because an object that they refer to broke or went away.
//!
//! An alert policy that cannot be read must not end the page that it fires: such SLOs run on with the last good
//! revision of what they refer to.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{LastGood, ReadFiles, revised};
use crate::domain::slo::{Origin, Slo};
use crate::domain::time::Timestamp;
use crate::spec::codes::{REFERENCE, UNRESOLVED};
use crate::spec::detect::DocumentKind;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Loaded, SourceFile};

/// So many files are looked at one by one for what an SLO takes from them.
const CULPRITS_MAX: usize = 8;

/// Files as they lie on disk, and as they last loaded.
pub(super) struct Files<'a> {
    pub sources: &'a [SourceFile],
    /// What each of them gave.
    pub loaded: &'a [&'a Loaded],
    pub read: &'a ReadFiles<'a>,
    pub last_good: &'a LastGood,
}

/// What a valid file takes from last good revisions of other files.
#[derive(Default)]
pub(super) struct Held {
    /// Its SLOs that would be others without them.
    pub slos: Vec<Slo>,
    /// Which files those are.
    pub told: Vec<Diagnostic>,
}

/// A file that cannot say any more what it said.
struct Lost {
    revision: SourceFile,
    is_gone: bool,
}

impl Files<'_> {
    /// The valid files that depend on files that do not load or are gone.
    pub fn held(&self) -> HashMap<String, Held> {
        let mut held = HashMap::new();
        let broken = self.broken();
        if !broken.is_empty() {
            self.hold(&broken.iter().collect::<Vec<_>>(), None, &mut held);
        }
        // Whoever removes a catalog of alert windows means it; a reference that leads nowhere now is a mistake.
        for (at, files) in self.dangling() {
            let gone = self.gone(at);
            if gone.is_empty() {
                continue;
            }
            let lost: Vec<&Lost> = broken.iter().chain(&gone).collect();
            self.hold(&lost, Some(&files), &mut held);
        }
        held
    }

    /// Holds what is another thing with what is lost; when files are given, only if a reference in one of them leads
    /// somewhere then.
    fn hold(&self, lost: &[&Lost], referring: Option<&HashSet<&str>>, held: &mut HashMap<String, Held>) {
        let then = self.read_with(lost);
        let both = || self.loaded.iter().zip(&then).filter(|(file, _)| file.is_valid());
        let resolved = both().filter(|(file, then)| resolves(file, then));
        let resolved: Vec<&str> = resolved.map(|(file, _)| file.file.as_str()).collect();
        if referring.is_some_and(|files| !resolved.iter().any(|file| files.contains(file))) {
            return;
        }
        let dependent: Vec<(usize, Vec<Slo>)> = self
            .loaded
            .iter()
            .zip(&then)
            .enumerate()
            .filter(|(_, (file, then))| file.is_valid() && then.is_valid())
            .map(|(at, (file, then))| (at, others(&file.slos, &then.slos)))
            .filter(|(_, slos)| !slos.is_empty())
            .collect();
        if dependent.is_empty() {
            return;
        }
        // A policy whose condition is lost is no new good revision either.
        for file in resolved {
            held.entry(file.to_owned()).or_default();
        }
        let without = self.read_without_each(lost);
        for (at, slos) in dependent {
            let is_culprit = |nth: &usize| {
                let without = without.get(*nth).and_then(|files| files.get(at));
                without.is_some_and(|without| !others(&without.slos, &then[at].slos).is_empty())
            };
            let mut culprits: Vec<&Lost> = (0..lost.len()).filter(is_culprit).map(|nth| lost[nth]).collect();
            if culprits.is_empty() {
                culprits = lost.iter().take(CULPRITS_MAX).copied().collect();
            }
            let file = self.loaded[at];
            let told = culprits.iter().map(|lost| lost.told_in(file)).collect();
            held.insert(file.file.clone(), Held { slos, told });
        }
    }

    /// All files, with what is lost in its place.
    fn read_with(&self, lost: &[&Lost]) -> Vec<Loaded> {
        let (gone, broken): (Vec<&Lost>, Vec<&Lost>) = lost.iter().partition(|lost| lost.is_gone);
        let broken: HashMap<&str, &SourceFile> = broken
            .iter()
            .map(|lost| (lost.revision.file.as_str(), &lost.revision))
            .collect();
        let present = self
            .sources
            .iter()
            .map(|source| broken.get(source.file.as_str()).copied().unwrap_or(source));
        let files: Vec<&SourceFile> = present.chain(gone.iter().map(|lost| &lost.revision)).collect();
        (self.read)(&files)
    }

    /// All files with all but one of what is lost, for each; nothing where that would be too much to read.
    fn read_without_each(&self, lost: &[&Lost]) -> Vec<Vec<Loaded>> {
        if !(2..=CULPRITS_MAX).contains(&lost.len()) {
            return Vec::new();
        }
        let without = |left_out: usize| {
            let others = lost.iter().enumerate().filter(|(nth, _)| *nth != left_out);
            self.read_with(&others.map(|(_, lost)| *lost).collect::<Vec<_>>())
        };
        (0..lost.len()).map(without).collect()
    }

    fn broken(&self) -> Vec<Lost> {
        let invalid = self.loaded.iter().filter(|file| !file.is_valid());
        let revisions = invalid.filter_map(|file| self.last_good.get(&file.file)).map(revised);
        let broken = revisions.map(|revision| Lost {
            revision,
            is_gone: false,
        });
        broken.filter(|lost| lost.revision.has_objects()).collect()
    }

    /// Valid files with references that lead nowhere, by when they last loaded with all that they need.
    fn dangling(&self) -> BTreeMap<Timestamp, HashSet<&str>> {
        let mut dangling: BTreeMap<Timestamp, HashSet<&str>> = BTreeMap::new();
        let valid = self.loaded.iter().filter(|file| file.is_valid());
        for file in valid.filter(|file| unresolved(file).next().is_some()) {
            if let Some(revision) = self.last_good.get(&file.file) {
                dangling.entry(revision.loaded_at).or_default().insert(&file.file);
            }
        }
        dangling
    }

    /// Files that were there at that time, or later, and are not any more; those to which nothing refers by name aside.
    fn gone(&self, at: Timestamp) -> Vec<Lost> {
        let here: HashSet<&str> = self.sources.iter().map(|source| source.file.as_str()).collect();
        let gone = self
            .last_good
            .values()
            .filter(|revision| revision.loaded_at >= at && !here.contains(revision.file.as_str()));
        let gone = gone.map(|revision| Lost {
            revision: revised(revision),
            is_gone: true,
        });
        gone.filter(|lost| lost.revision.has_objects() && lost.revision.kind() != DocumentKind::AlertWindows)
            .collect()
    }
}

impl Lost {
    fn told_in(&self, file: &Loaded) -> Diagnostic {
        let name = &self.revision.file;
        let (state, hint) = if self.is_gone {
            ("is gone", format!("put {name} back, or remove what refers to it"))
        } else {
            ("does not load", format!("mend {name}"))
        };
        let message = format!("{name} {state}; what it gives to this SLO is taken from its last good revision");
        let reference = file.diagnostics.iter().find(|found| found.code == UNRESOLVED.code);
        Diagnostic {
            line: reference.map_or(1, |found| found.line),
            hint: Some(hint),
            ..Diagnostic::of_file(&REFERENCE, &file.file, message)
        }
    }
}

fn unresolved(file: &Loaded) -> impl Iterator<Item = &str> {
    let found = file.diagnostics.iter().filter(|found| found.code == UNRESOLVED.code);
    found.map(|found| found.message.as_str())
}

/// A reference that leads nowhere now led somewhere then.
fn resolves(now: &Loaded, then: &Loaded) -> bool {
    let then: HashSet<&str> = unresolved(then).collect();
    unresolved(now).any(|told| !then.contains(told))
}

/// The SLOs that were not the same before, wherever they stand.
fn others(before: &[Slo], then: &[Slo]) -> Vec<Slo> {
    let bare = |slo: &Slo| Slo {
        origin: Origin::default(),
        source_text: String::new(),
        ..slo.clone()
    };
    let before: HashMap<_, Slo> = before.iter().map(|slo| (slo.id.clone(), bare(slo))).collect();
    let is_other = |slo: &&Slo| before.get(&slo.id) != Some(&bare(slo));
    then.iter().filter(is_other).cloned().collect()
}
