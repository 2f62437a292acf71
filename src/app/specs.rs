//! SLO files: from paths to the SLOs that are to run, with the last good revision in the place of what does not load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::files::{find_slo_files, read_text, shown_path};
use crate::config;
use crate::domain::digest::hex;
use crate::domain::slo::SloId;
use crate::domain::time::Timestamp;
use crate::engine::catalog::{BrokenSlo, Desired, DesiredSlo};
use crate::engine::ports::RevisionRecord;
use crate::engine::snapshot::DiagnosticView;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::{Loaded, NamedSlo, load};
use crate::spec::set::join;

/// The SLO files as they lie on disk.
#[derive(Debug, Default)]
pub struct SpecFiles {
    /// What each file gave, in the order of their paths.
    loaded: Vec<Loaded>,
    /// Their texts, by the path that is shown.
    texts: HashMap<String, String>,
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
pub fn read(paths: &[PathBuf], base: &Path) -> Result<SpecFiles, String> {
    let found = find_slo_files(paths).map_err(|error| error.to_string())?;
    let mut files = SpecFiles {
        warnings: found.warnings,
        ..SpecFiles::default()
    };
    let mut loaded = Vec::new();
    for path in &found.files {
        let shown = shown_path(path, base);
        match read_text(path, &shown) {
            Ok(text) if config::is_config(path, &text) => {
                files
                    .warnings
                    .push(format!("{shown} is a configuration, not an SLO file; it is skipped"));
            }
            Ok(text) => {
                loaded.push(load(&text, &shown));
                files.texts.insert(shown, text);
            }
            Err(diagnostic) => loaded.push(Loaded::unreadable(*diagnostic)),
        }
    }
    files.loaded = join(loaded).files;
    Ok(files)
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
            specs.warnings.extend(file.diagnostics.iter().map(Diagnostic::concise));
            if file.is_valid() {
                let diagnostics = views(&file.diagnostics);
                specs.run(&file.slos, false, &diagnostics, &mut running);
                specs.revisions.extend(self.revision(&file.file, now));
            }
        }
        for file in self.loaded.iter().filter(|file| !file.is_valid()) {
            specs.run_last_good(file, last_good, &mut running);
        }
        specs
    }

    fn revision(&self, file: &str, now: Timestamp) -> Option<RevisionRecord> {
        let text = self.texts.get(file)?.clone();
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
    fn run(
        &mut self,
        slos: &[crate::domain::slo::Slo],
        invalid: bool,
        diagnostics: &[DiagnosticView],
        running: &mut BTreeSet<SloId>,
    ) {
        for slo in slos {
            if running.insert(slo.id.clone()) {
                let diagnostics = diagnostics.to_vec();
                self.desired.slos.push(DesiredSlo {
                    slo: Arc::new(slo.clone()),
                    invalid,
                    diagnostics,
                });
            }
        }
    }

    /// A file that does not load: its SLOs run as they last loaded, the others are shown as broken.
    fn run_last_good(&mut self, file: &Loaded, last_good: &LastGood, running: &mut BTreeSet<SloId>) {
        let diagnostics = views(&file.diagnostics);
        let earlier = last_good
            .get(&file.file)
            .map(|revision| load(&revision.text, &file.file));
        let earlier = earlier
            .filter(Loaded::is_valid)
            .map(|earlier| earlier.slos)
            .unwrap_or_default();
        self.run(&earlier, true, &diagnostics, running);
        let runs = |named: &&NamedSlo| {
            let id = named.service.as_ref().zip(named.name.as_ref());
            id.is_some_and(|(service, name)| earlier.iter().any(|slo| slo.id == SloId::new(service, name)))
        };
        let broken = |named: Option<&NamedSlo>| BrokenSlo {
            service: named.and_then(|named| named.service.clone()),
            name: named.and_then(|named| named.name.clone()),
            file: file.file.clone(),
            line: named.map(|named| named.line),
            diagnostics: diagnostics.clone(),
        };
        let never_ran: Vec<&NamedSlo> = file.names.iter().filter(|named| !runs(named)).collect();
        if file.names.is_empty() && earlier.is_empty() {
            self.desired.broken.push(broken(None));
        }
        self.desired
            .broken
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
