//! SLO files: from paths to the SLOs that are to run, with the last good revision in the place of what does not load.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::held::{Files, Held};
use super::files::{find_slo_files, read_text, shown_path, source_of};
use crate::config;
use crate::domain::digest::hex;
use crate::domain::indicator::Sources;
use crate::domain::slo::{Slo, SloId};
use crate::domain::time::Timestamp;
use crate::engine::catalog::{Desired, DesiredSlo, IdleSlo};
use crate::engine::ports::RevisionRecord;
use crate::engine::snapshot::DiagnosticView;
use crate::spec::codes::{FORMAT, IDLE, SKIPPED, Severity};
use crate::spec::detect::DocumentKind;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Loaded, NamedSlo, Options, SourceFile, load_files, read_files};

mod held;

/// The SLO files as they lie on disk.
#[derive(Debug, Default)]
pub struct SpecFiles {
    /// The files, in the order of their paths.
    sources: Vec<SourceFile>,
    /// What each file gave.
    loaded: Vec<Loaded>,
    /// How they were read.
    options: Options,
    /// Empty folders, globs without matches.
    pub warnings: Vec<String>,
    /// Which servers can be asked.
    pub servers: Sources,
}

/// The last texts that loaded, by the path that is shown.
pub type LastGood = BTreeMap<String, RevisionRecord>;

/// What is to run.
#[derive(Debug, Default)]
pub struct Specs {
    /// The SLOs and the documents that never loaded.
    pub desired: Desired,
    /// Texts that loaded now.
    pub revisions: Vec<RevisionRecord>,
    /// One sentence for each diagnostic.
    pub warnings: Vec<String>,
    /// Which servers can be asked.
    servers: Sources,
}

/// Reads all SLO files of some paths; the error says which path leads nowhere.
pub fn read(paths: &[PathBuf], base: &Path, options: Options) -> Result<SpecFiles, String> {
    let found = find_slo_files(paths).map_err(|error| error.to_string())?;
    let mut warnings = found.warnings;
    let mut sources = Vec::new();
    for path in &found.files {
        let shown = shown_path(path, base);
        match read_text(path, &shown) {
            Ok(text) => {
                let source = source_of(path, shown, &text, paths);
                // By its name, else by the keys that were found while parsing.
                if config::is_config(path, "") || source.kind() == DocumentKind::Config {
                    let file = source.file;
                    warnings.push(format!("{file} is a configuration, not an SLO file; it is skipped"));
                } else {
                    sources.push(source);
                }
            }
            Err(diagnostic) => sources.push(SourceFile::unreadable(*diagnostic)),
        }
    }
    let loaded = load_files(&sources.iter().collect::<Vec<_>>(), &options).files;
    Ok(SpecFiles {
        sources,
        loaded,
        options,
        warnings,
        servers: Sources::default(),
    })
}

impl SpecFiles {
    /// Puts the last good revision in the place of every file that does not load.
    pub fn resolve(&self, last_good: &LastGood, now: Timestamp) -> Specs {
        self.resolve_by(&|files| read_files(files, &self.options).files, last_good, now)
    }

    fn resolve_by(&self, read: &ReadFiles<'_>, last_good: &LastGood, now: Timestamp) -> Specs {
        let mut specs = Specs {
            warnings: self.warnings.clone(),
            servers: self.servers.clone(),
            ..Specs::default()
        };
        let mut running = BTreeSet::new();
        let sources: HashMap<&str, &SourceFile> = self.sources.iter().map(|file| (file.file.as_str(), file)).collect();
        let vanished = self.vanished(read, last_good);
        let files = self.loaded.iter();
        let loaded: Vec<&Loaded> = files.map(|file| vanished.get(&file.file).unwrap_or(file)).collect();
        let kept = Files {
            sources: &self.sources,
            loaded: &loaded,
            read,
            last_good,
        };
        let held = kept.held();
        for file in &loaded {
            let told = file.diagnostics.iter().filter(|found| found.severity != Severity::Note);
            specs.warnings.extend(told.map(Diagnostic::concise));
            if let Some(held) = held.get(&file.file) {
                specs.run_held(file, held, &mut running);
            } else if file.is_valid() {
                specs.run(&file.slos, false, &file.diagnostics, &mut running);
                let source = sources.get(file.file.as_str());
                specs.revisions.extend(source.map(|source| revision(source, now)));
            }
        }
        let earlier = self.last_good_slos(&loaded, read, last_good);
        if earlier.needs_old_objects {
            // What the last good revisions refer to stays the last good revision as well, until all of them load again.
            specs.revisions.retain(|revision| {
                let refers = sources
                    .get(revision.file.as_str())
                    .is_some_and(|file| file.has_objects());
                !refers || !last_good.contains_key(&revision.file)
            });
        }
        for file in loaded.iter().filter(|file| !file.is_valid()) {
            let earlier = earlier.slos.get(&file.file).map(Vec::as_slice).unwrap_or_default();
            specs.run_last_good(file, earlier, &mut running);
        }
        specs
    }

    /// Files that load, yet hold less than their last good revisions and skip more: SLOs became a template, or something of
    /// somebody else. That is hardly meant, so that they are broken files; whoever means it removes the file.
    fn vanished(&self, read: &ReadFiles<'_>, last_good: &LastGood) -> HashMap<String, Loaded> {
        let skipped = |file: &Loaded| {
            file.diagnostics
                .iter()
                .filter(|found| found.code == SKIPPED.code)
                .count()
        };
        let texts: HashMap<&str, &str> = self
            .sources
            .iter()
            .map(|file| (file.file.as_str(), file.text.as_str()))
            .collect();
        let suspects = self.loaded.iter().filter(|file| file.is_valid() && skipped(file) > 0);
        let changed = suspects.filter_map(|file| {
            let earlier = last_good.get(&file.file)?;
            (texts.get(file.file.as_str()) != Some(&earlier.text.as_str())).then(|| (file, revised(earlier)))
        });
        let changed: Vec<(&Loaded, SourceFile)> = changed.collect();
        if changed.is_empty() {
            return HashMap::new();
        }
        // Names are read whatever they refer to.
        let old = read(&changed.iter().map(|(_, old)| old).collect::<Vec<_>>());
        let here: HashSet<SloId> = self
            .loaded
            .iter()
            .flat_map(|file| &file.names)
            .filter_map(id_of)
            .collect();
        let mut vanished = HashMap::new();
        for ((file, _), old) in changed.iter().zip(&old) {
            let gone = old.names.iter().filter_map(id_of).filter(|id| !here.contains(id));
            let lost: Vec<String> = gone.map(|id| id.to_string()).collect();
            if !lost.is_empty() && skipped(file) > skipped(old) {
                vanished.insert(file.file.clone(), broken_by_loss(file, &lost));
            }
        }
        vanished
    }

    /// The SLOs of the last good revisions of the files that do not load. They are read together with the files that
    /// do, since they may refer to one another; where what they refer to is gone, with the last good revisions of all.
    fn last_good_slos(&self, loaded: &[&Loaded], read: &ReadFiles<'_>, last_good: &LastGood) -> Earlier {
        let mut earlier = Earlier::default();
        let is_valid = loaded.iter().map(|file| (file.file.as_str(), file.is_valid()));
        let is_valid: HashMap<&str, bool> = is_valid.collect();
        let valid = |file: &&SourceFile| is_valid.get(file.file.as_str()) == Some(&true);
        let broken = self.sources.iter().filter(|file| !valid(file));
        let old: Vec<SourceFile> = broken
            .filter_map(|file| last_good.get(&file.file))
            .map(revised)
            .collect();
        if old.is_empty() {
            return earlier;
        }
        let mut lost = BTreeSet::new();
        let present = self.sources.iter().filter(valid);
        for file in read(&old.iter().chain(present).collect::<Vec<_>>())
            .into_iter()
            .take(old.len())
        {
            if file.is_valid() {
                earlier.slos.insert(file.file, file.slos);
            } else {
                lost.insert(file.file);
            }
        }
        if lost.is_empty() {
            return earlier;
        }
        let old: Vec<SourceFile> = last_good.values().map(revised).collect();
        let newer = self
            .sources
            .iter()
            .filter(|file| valid(file) && !last_good.contains_key(&file.file));
        for file in read(&old.iter().chain(newer).collect::<Vec<_>>()) {
            if lost.contains(&file.file) && file.is_valid() {
                earlier.needs_old_objects = true;
                earlier.slos.insert(file.file, file.slos);
            }
        }
        earlier
    }
}

/// Reads files together, each for itself.
type ReadFiles<'a> = dyn Fn(&[&SourceFile]) -> Vec<Loaded> + 'a;

/// What ran before of files that do not load.
#[derive(Default)]
struct Earlier {
    slos: HashMap<String, Vec<Slo>>,
    /// Some of them refer to objects that only earlier revisions of other files hold.
    needs_old_objects: bool,
}

fn revised(revision: &RevisionRecord) -> SourceFile {
    SourceFile::new(revision.file.clone(), &revision.text)
}

fn id_of(named: &NamedSlo) -> Option<SloId> {
    let (service, name) = named.service.as_ref().zip(named.name.as_ref())?;
    Some(SloId::new(service, name))
}

/// A file as one that does not load, because these SLOs of its last good revision are not read any more.
fn broken_by_loss(file: &Loaded, lost: &[String]) -> Loaded {
    let message = format!(
        "{} stood here and would be skipped now; what loaded last runs on",
        lost.join(", ")
    );
    let place = file.diagnostics.iter().find(|found| found.code == SKIPPED.code);
    let hint = "mend what is skipped; if the SLOs shall end, remove the file".to_owned();
    let mut broken = file.clone();
    broken.slos.clear();
    broken.diagnostics.push(Diagnostic {
        line: place.map_or(1, |found| found.line),
        hint: Some(hint),
        ..Diagnostic::of_file(&FORMAT, &file.file, message)
    });
    broken
}

fn revision(source: &SourceFile, now: Timestamp) -> RevisionRecord {
    RevisionRecord {
        file: source.file.clone(),
        hash: hex(&Sha256::digest(&source.text)),
        text: source.text.clone(),
        loaded_at: now,
    }
}

impl Specs {
    fn run(&mut self, slos: &[Slo], invalid: bool, diagnostics: &[Diagnostic], running: &mut BTreeSet<SloId>) {
        let mut lines: Vec<u32> = slos.iter().map(|slo| slo.origin.line).collect();
        lines.sort_unstable();
        for slo in slos {
            if !running.insert(slo.id.clone()) {
                continue;
            }
            let slo = slo.clone().fed_by(&self.servers);
            let idle_reason = slo.idle_reason(&self.servers);
            let is_idle = idle_reason.is_some();
            let is_own = |found: &&Diagnostic| match found.code {
                // Why another SLO of the file is not computed is none of this one's business.
                code if code == IDLE.code => is_idle && found.line == slo.origin.line,
                // What keeps a file from loading concerns all that it had.
                _ => invalid || owner(&lines, found.line) == Some(slo.origin.line),
            };
            let mut diagnostics: Vec<DiagnosticView> = diagnostics.iter().filter(is_own).map(view).collect();
            if let Some(reason) = idle_reason {
                self.tell_idle(&slo, &reason, &mut diagnostics);
                self.desired.idle.push(IdleSlo {
                    reason,
                    service: Some(slo.id.service.clone()),
                    name: Some(slo.id.name.clone()),
                    file: slo.origin.file.clone(),
                    line: Some(slo.origin.line),
                    slo: Some(Arc::new(slo)),
                    invalid,
                    diagnostics,
                });
            } else {
                self.desired.slos.push(DesiredSlo {
                    slo: Arc::new(slo),
                    invalid,
                    diagnostics,
                });
            }
        }
    }

    /// Why an SLO does not run stands among its diagnostics, also where only the configuration tells.
    fn tell_idle(&mut self, slo: &Slo, reason: &str, diagnostics: &mut Vec<DiagnosticView>) {
        if diagnostics.iter().any(|found| found.code == IDLE.code) {
            return;
        }
        let message = format!("{} is not computed: {reason}", slo.id);
        let found = Diagnostic {
            line: slo.origin.line,
            ..Diagnostic::of_file(&IDLE, &slo.origin.file, message)
        };
        self.warnings.push(found.concise());
        diagnostics.push(view(&found));
    }

    /// A file that loads, and whose last good revision needed something that broke or went away. It is no good revision
    /// itself, so that what it needs is still looked for the next time.
    fn run_held(&mut self, file: &Loaded, held: &Held, running: &mut BTreeSet<SloId>) {
        let diagnostics: Vec<Diagnostic> = held.told.iter().chain(&file.diagnostics).cloned().collect();
        self.warnings.extend(held.told.iter().map(Diagnostic::concise));
        self.run(&held.slos, true, &diagnostics, running);
        self.run(&file.slos, false, &file.diagnostics, running);
    }

    /// A file that does not load: its SLOs run as they last loaded, the others are shown as broken.
    fn run_last_good(&mut self, file: &Loaded, earlier: &[Slo], running: &mut BTreeSet<SloId>) {
        self.run(earlier, true, &file.diagnostics, running);
        let diagnostics: Vec<DiagnosticView> = file.diagnostics.iter().map(view).collect();
        let runs = |named: &&NamedSlo| {
            let id = named.service.as_ref().zip(named.name.as_ref());
            id.is_some_and(|(service, name)| earlier.iter().any(|slo| slo.id == SloId::new(service, name)))
        };
        let broken = |named: Option<&NamedSlo>| IdleSlo {
            reason: String::new(),
            slo: None,
            invalid: true,
            service: named.and_then(|named| named.service.clone()),
            name: named.and_then(|named| named.name.clone()),
            file: file.file.clone(),
            line: named.map(|named| named.line),
            diagnostics: diagnostics.clone(),
        };
        let never_ran: Vec<&NamedSlo> = file.names.iter().filter(|named| !runs(named)).collect();
        if file.names.is_empty() && earlier.is_empty() {
            self.desired.idle.push(broken(None));
        }
        self.desired
            .idle
            .extend(never_ran.into_iter().map(|named| broken(Some(named))));
    }
}

/// The line of the SLO that has a diagnostic at this line; what stands before all of them is shown with the first. `lines`
/// are those of the file's SLOs, sorted.
fn owner(lines: &[u32], line: u32) -> Option<u32> {
    let begun = lines.iter().take_while(|begin| **begin <= line);
    begun.last().or(lines.first()).copied()
}

fn view(diagnostic: &Diagnostic) -> DiagnosticView {
    DiagnosticView {
        code: diagnostic.code.to_owned(),
        message: diagnostic.message.clone(),
        file: Some(diagnostic.file.clone()),
        line: Some(diagnostic.line),
        column: Some(diagnostic.column),
        hint: diagnostic.hint.clone(),
    }
}

/// Why a reload is refused that would leave much less than there was; `None` when it may go on. An SLO that is paused
/// is not removed: its file still has it.
pub fn refuse_removal(before: &Desired, after: &Desired) -> Option<String> {
    let running =
        |desired: &Desired| -> BTreeSet<SloId> { desired.slos.iter().map(|slo| slo.slo.id.clone()).collect() };
    let (before, mut kept) = (running(before), running(after));
    let idle = after.idle.iter().filter_map(|idle| idle.slo.as_ref());
    kept.extend(idle.map(|slo| slo.id.clone()));
    let removed: Vec<String> = before.difference(&kept).map(ToString::to_string).collect();
    (2 * removed.len() > before.len()).then(|| {
        format!(
            "this would remove {} of {} SLOs ({}); start with --slo.allow-removal if that is meant",
            removed.len(),
            before.len(),
            removed.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
