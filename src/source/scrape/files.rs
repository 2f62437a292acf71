//! `file_sd_configs`: targets in JSON or YAML files that others write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::settings::{FileDiscovery, TargetGroup};
use crate::paths::expand;

/// A file of targets may not be larger than this.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files as they were last understood.
#[derive(Debug, Default)]
pub(super) struct TargetFiles {
    last_good: HashMap<PathBuf, Vec<TargetGroup>>,
}

/// A group as it is written.
#[derive(Deserialize)]
struct WrittenGroup {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl TargetFiles {
    /// The groups of all files that these settings name. A file that is gone has no targets; one that cannot be
    /// understood keeps those that it had, and a complaint says why.
    pub(super) fn read(&mut self, settings: &[FileDiscovery], complaints: &mut Vec<String>) -> Vec<TargetGroup> {
        let mut groups = Vec::new();
        for path in paths(settings, complaints) {
            match read_file(&path) {
                Ok(Some(mut found)) => {
                    for group in &mut found {
                        group.labels.set("__meta_filepath", path.display().to_string());
                    }
                    groups.extend(found.iter().cloned());
                    self.last_good.insert(path, found);
                }
                Ok(None) => drop(self.last_good.remove(&path)),
                Err(why) => {
                    let kept = self.last_good.get(&path).map_or(&[][..], Vec::as_slice);
                    groups.extend(kept.iter().cloned());
                    let kept: usize = kept.iter().map(|group| group.targets.len()).sum();
                    let path = path.display();
                    complaints.push(format!(
                        "{path} cannot be used, its {kept} known targets are kept: {why}"
                    ));
                }
            }
        }
        groups
    }
}

/// The files, each once, in the order of their paths.
fn paths(settings: &[FileDiscovery], complaints: &mut Vec<String>) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for pattern in settings.iter().flat_map(|discovery| &discovery.files) {
        let Some(text) = pattern.to_str() else {
            complaints.push(format!("{} is left out: the path is not UTF-8", pattern.display()));
            continue;
        };
        match expand(text) {
            Ok(found) => paths.extend(found),
            Err(error) => complaints.push(format!("{text} is left out: {error}")),
        }
    }
    paths
}

/// A file's groups; `None` when it is gone.
fn read_file(path: &Path) -> Result<Option<Vec<TargetGroup>>, String> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if path.extension().is_some_and(|extension| extension == "json") {
        return read_json(&text).map(Some);
    }
    let written: Vec<WrittenGroup> = if text.trim().is_empty() {
        Vec::new()
    } else {
        serde_saphyr::from_str(&text).map_err(|error| without_content(&first_line(&error.to_string())))?
    };
    Ok(Some(as_meant(written)))
}

/// Groups as JSON has them.
pub(super) fn read_json(text: &str) -> Result<Vec<TargetGroup>, String> {
    let written = serde_json::from_str(text).map_err(|error| without_content(&error.to_string()))?;
    Ok(as_meant(written))
}

fn as_meant(written: Vec<WrittenGroup>) -> Vec<TargetGroup> {
    let group = |written: WrittenGroup| TargetGroup {
        targets: written.targets,
        labels: written.labels.into_iter().collect(),
    };
    written.into_iter().map(group).collect()
}

fn read_text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("the file is larger than 16 MiB"));
    }
    fs::read_to_string(path)
}

/// What was expected where, without what stands there instead: a list may hold secrets.
pub(super) fn without_content(why: &str) -> String {
    let expected = why.rsplit_once(", expected ");
    expected.map_or_else(|| why.to_owned(), |(_, expected)| format!("expected {expected}"))
}

/// Diagnostics with snippets are for people at a terminal, not for a log line.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
