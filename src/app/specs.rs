//! SLO files: from paths to the SLOs that are to run, with the last good revision in the place of what does not load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::files::{find_slo_files, read_text, shown_path};
use crate::config;
use crate::domain::digest::hex;
use crate::domain::slo::{Slo, SloId};
use crate::domain::time::Timestamp;
use crate::engine::catalog::{Desired, DesiredSlo, IdleSlo};
use crate::engine::ports::RevisionRecord;
use crate::engine::snapshot::DiagnosticView;
use crate::spec::codes::Severity;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Loaded, NamedSlo, Options, SourceFile, load_files};

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
}

/// Reads all SLO files of some paths; the error says which path leads nowhere.
pub fn read(paths: &[PathBuf], base: &Path, options: Options) -> Result<SpecFiles, String> {
    let found = find_slo_files(paths).map_err(|error| error.to_string())?;
    let mut warnings = found.warnings;
    let mut sources = Vec::new();
    for path in &found.files {
        let shown = shown_path(path, base);
        match read_text(path, &shown) {
            Ok(text) if config::is_config(path, &text) => {
                warnings.push(format!("{shown} is a configuration, not an SLO file; it is skipped"));
            }
            Ok(text) => sources.push(SourceFile::new(shown, &text)),
            Err(diagnostic) => sources.push(SourceFile::unreadable(*diagnostic)),
        }
    }
    let loaded = load_files(&sources.iter().collect::<Vec<_>>(), &options).files;
    Ok(SpecFiles {
        sources,
        loaded,
        options,
        warnings,
    })
}

impl SpecFiles {
    /// Puts the last good revision in the place of every file that does not load.
    pub fn resolve(&self, last_good: &LastGood, now: Timestamp) -> Specs {
        let mut specs = Specs {
            warnings: self.warnings.clone(),
            ..Specs::default()
        };
        let mut running = BTreeSet::new();
        for file in &self.loaded {
            let told = file.diagnostics.iter().filter(|found| found.severity != Severity::Note);
            specs.warnings.extend(told.map(Diagnostic::concise));
            if file.is_valid() {
                let diagnostics = views(&file.diagnostics);
                specs.run(&file.slos, false, &diagnostics, &mut running);
                specs.revisions.extend(self.revision(&file.file, now));
            }
        }
        let earlier = self.last_good_slos(last_good);
        for file in self.loaded.iter().filter(|file| !file.is_valid()) {
            let earlier = earlier.get(&file.file).map(Vec::as_slice).unwrap_or_default();
            specs.run_last_good(file, earlier, &mut running);
        }
        specs
    }

    /// The SLOs of the last good revisions of the files that do not load, read together with the files that do: they may
    /// refer to one another.
    fn last_good_slos(&self, last_good: &LastGood) -> HashMap<String, Vec<Slo>> {
        let revised = |file: &SourceFile| {
            let revision = last_good.get(&file.file)?;
            Some(SourceFile::new(revision.file.clone(), &revision.text))
        };
        let is_valid: Vec<bool> = self.loaded.iter().map(Loaded::is_valid).collect();
        if is_valid.iter().all(|valid| *valid) {
            return HashMap::new();
        }
        let files = self.sources.iter().zip(&is_valid);
        let earlier: Vec<Option<SourceFile>> = files
            .map(|(file, valid)| if *valid { None } else { revised(file) })
            .collect();
        let files = self.sources.iter().zip(&earlier).zip(&is_valid);
        let together: Vec<&SourceFile> = files
            .filter_map(|((file, earlier), valid)| if *valid { Some(file) } else { earlier.as_ref() })
            .collect();
        let loaded = load_files(&together, &self.options).files;
        loaded.into_iter().map(|file| (file.file, file.slos)).collect()
    }

    fn revision(&self, file: &str, now: Timestamp) -> Option<RevisionRecord> {
        let text = self.sources.iter().find(|source| source.file == file)?.text.clone();
        let hash = hex(&Sha256::digest(&text));
        Some(RevisionRecord {
            file: file.to_owned(),
            hash,
            text,
            loaded_at: now,
        })
    }
}

impl Specs {
    fn run(&mut self, slos: &[Slo], invalid: bool, diagnostics: &[DiagnosticView], running: &mut BTreeSet<SloId>) {
        for slo in slos {
            if !running.insert(slo.id.clone()) {
                continue;
            }
            let slo = slo.clone().scraped();
            if slo.idle_reason().is_some() {
                self.desired.idle.push(IdleSlo {
                    service: Some(slo.id.service.clone()),
                    name: Some(slo.id.name.clone()),
                    file: slo.origin.file.clone(),
                    line: Some(slo.origin.line),
                    slo: Some(Arc::new(slo)),
                    diagnostics: diagnostics.to_vec(),
                });
            } else {
                self.desired.slos.push(DesiredSlo {
                    slo: Arc::new(slo),
                    invalid,
                    diagnostics: diagnostics.to_vec(),
                });
            }
        }
    }

    /// A file that does not load: its SLOs run as they last loaded, the others are shown as broken.
    fn run_last_good(&mut self, file: &Loaded, earlier: &[Slo], running: &mut BTreeSet<SloId>) {
        let diagnostics = views(&file.diagnostics);
        self.run(earlier, true, &diagnostics, running);
        let runs = |named: &&NamedSlo| {
            let id = named.service.as_ref().zip(named.name.as_ref());
            id.is_some_and(|(service, name)| earlier.iter().any(|slo| slo.id == SloId::new(service, name)))
        };
        let broken = |named: Option<&NamedSlo>| IdleSlo {
            slo: None,
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

fn views(diagnostics: &[Diagnostic]) -> Vec<DiagnosticView> {
    let view = |diagnostic: &Diagnostic| DiagnosticView {
        code: diagnostic.code.to_owned(),
        message: diagnostic.message.clone(),
        file: Some(diagnostic.file.clone()),
        line: Some(diagnostic.line),
        column: Some(diagnostic.column),
        hint: diagnostic.hint.clone(),
    };
    diagnostics.iter().map(view).collect()
}

/// Why a reload is refused that would leave much less than there was; `None` when it may go on.
pub fn refuse_removal(before: &Desired, after: &Desired) -> Option<String> {
    let ids = |desired: &Desired| {
        desired
            .slos
            .iter()
            .map(|desired| desired.slo.id.clone())
            .collect::<BTreeSet<_>>()
    };
    let (before, after) = (ids(before), ids(after));
    let removed: Vec<String> = before.difference(&after).map(ToString::to_string).collect();
    (2 * removed.len() > before.len()).then(|| {
        format!(
            "this would remove {} of {} SLOs ({}); start with --slo.allow-removal if that is meant",
            removed.len(),
            before.len(),
            removed.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
        )
    })
}
