//! All SLO files together.

use std::collections::HashMap;

use super::codes;
use super::diagnostic::Diagnostic;
use super::document::SourceFile;
use super::load::{Context, Loaded, NamedSlo, load_file};
use super::objects::Objects;
use super::options::Options;
use super::references;
use crate::domain::slo::{Slo, SloId};

/// All files, in the order of their paths.
#[derive(Clone, Debug, Default)]
pub struct LoadedSet {
    /// What each file gave.
    pub files: Vec<Loaded>,
}

impl LoadedSet {
    /// The SLOs of all files that load.
    pub fn slos(&self) -> impl Iterator<Item = &Slo> {
        self.files.iter().flat_map(|file| &file.slos)
    }

    /// All diagnostics, file by file.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.files.iter().flat_map(|file| &file.diagnostics)
    }
}

/// Reads files (display path and text each), which are in the order of their paths.
pub fn load_all(files: &[(String, String)], options: &Options) -> LoadedSet {
    let files: Vec<SourceFile> = files.iter().map(|(file, text)| SourceFile::new(file, text)).collect();
    load_files(&files.iter().collect::<Vec<_>>(), options)
}

/// Reads parsed files, which are in the order of their paths; documents may refer to objects in any of them.
pub fn load_files(files: &[&SourceFile], options: &Options) -> LoadedSet {
    let mut set = join(read_files(files, options).files);
    references::check(files, &mut set);
    set
}

/// The same where files may name the same SLO: that is for the caller to settle.
pub fn read_files(files: &[&SourceFile], options: &Options) -> LoadedSet {
    let objects = Objects::of(files);
    let context = Context {
        options,
        objects: &objects,
    };
    LoadedSet {
        files: files.iter().map(|file| load_file(file, &context)).collect(),
    }
}

/// Puts files together: an SLO that an earlier file names already is an error of the later one, which then does not
/// load. An invalid file keeps its claim on its names: its last good revision may still run.
pub(super) fn join(files: Vec<Loaded>) -> LoadedSet {
    let mut claimed: HashMap<SloId, (String, u32)> = HashMap::new();
    let mut set = LoadedSet { files };
    for file in &mut set.files {
        let mut twice = Vec::new();
        for NamedSlo { service, name, line } in &file.names {
            let (Some(service), Some(name)) = (service, name) else {
                continue;
            };
            let id = SloId::new(service.as_str(), name.as_str());
            match claimed.get(&id) {
                // Within one file it is reported already.
                Some((first, _)) if *first == file.file => {}
                Some((first, first_line)) => {
                    twice.push((*line, format!("{id} is defined already, in {first}:{first_line}")));
                }
                None => drop(claimed.insert(id, (file.file.clone(), *line))),
            }
        }
        for (line, message) in twice {
            file.slos.clear();
            let diagnostic = Diagnostic::of_file(&codes::DUPLICATE_SLO, &file.file, message);
            let hint = Some("rename it or remove one of the two".to_owned());
            file.diagnostics.push(Diagnostic {
                line,
                hint,
                ..diagnostic
            });
        }
    }
    set
}
