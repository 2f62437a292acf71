//! Patterns of paths: `slos/*.yaml`, `targets/**/[a-z]*.json`.
//!
//! The crate `glob` says what matches; the folders are read here, because its own walk panics at a name that is not UTF-8.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use glob::{MatchOptions, Pattern};

/// How deeply `**` goes.
const DEPTH_MAX: usize = 32;
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Why a pattern leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// No pattern at all.
    #[error("{0}")]
    Invalid(String),
    /// A folder on the way cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The paths that match, in their order. Names that begin with `.` match only where the pattern has the dot; names that are not
/// UTF-8 match nothing.
pub fn expand(pattern: &str) -> Result<Vec<PathBuf>, PatternError> {
    Pattern::new(pattern).map_err(|error| PatternError::Invalid(error.to_string()))?;
    let mut found = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        found = match component {
            Component::Normal(name) => {
                let name = name.to_string_lossy();
                if name == "**" {
                    below_all(&found)?
                } else if name.contains(['*', '?', '[']) {
                    matching(&found, &name)?
                } else {
                    let joined = found.iter().map(|path| path.join(&*name));
                    joined.filter(|path| path.symlink_metadata().is_ok()).collect()
                }
            }
            other => found.iter().map(|path| path.join(other)).collect(),
        };
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn matching(folders: &[PathBuf], name: &str) -> Result<Vec<PathBuf>, PatternError> {
    let pattern = Pattern::new(name).map_err(|error| PatternError::Invalid(error.to_string()))?;
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| is_folder(folder)) {
        let names = names(folder)?
            .into_iter()
            .filter(|name| pattern.matches_with(name, OPTIONS));
        found.extend(names.map(|name| folder.join(name)));
    }
    Ok(found)
}

/// The folders and all that lie in them; links to folders are not followed.
fn below_all(folders: &[PathBuf]) -> Result<Vec<PathBuf>, PatternError> {
    let mut found = Vec::new();
    let mut open: Vec<(PathBuf, usize)> = folders.iter().map(|folder| (folder.clone(), 0)).collect();
    while let Some((folder, depth)) = open.pop() {
        if depth < DEPTH_MAX {
            let inner = names(&folder)?.into_iter().filter(|name| !name.starts_with('.'));
            let inner = inner.map(|name| folder.join(name));
            let inner = inner.filter(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir()));
            open.extend(inner.map(|path| (path, depth + 1)));
        }
        found.push(folder);
    }
    Ok(found)
}

fn is_folder(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.is_dir()
}

/// The names in a folder; those that are not UTF-8 are left out.
fn names(folder: &Path) -> Result<Vec<String>, PatternError> {
    let unreadable = |error| PatternError::Unreadable {
        path: folder.to_owned(),
        error,
    };
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(here).map_err(unreadable)? {
        names.extend(entry.map_err(unreadable)?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn patterns_find_what_they_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        for file in [
            "a.yaml",
            "b.yml",
            ".c.yaml",
            "in/d.yaml",
            "in/deep/e.yaml",
            "in/.f/g.yaml",
        ] {
            let path = at.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "x").expect("a file");
        }
        fs::write(at.join(OsStr::from_bytes(b"\xff.yaml")), "x").expect("a file");
        for (pattern, expected) in [
            ("*.yaml", "a.yaml"),
            ("*.y*ml", "a.yaml b.yml"),
            (".*.yaml", ".c.yaml"),
            ("in/*.yaml", "in/d.yaml"),
            ("*/d.yaml", "in/d.yaml"),
            ("**/*.yaml", "a.yaml in/d.yaml in/deep/e.yaml"),
            ("in/**/e.yaml", "in/deep/e.yaml"),
            ("[ab].y*", "a.yaml b.yml"),
            ("nothing/*.yaml", ""),
            ("?", ""),
        ] {
            let escaped = Pattern::escape(&at.display().to_string());
            let found = expand(&format!("{escaped}/{pattern}")).expect(pattern);
            let names = found
                .iter()
                .map(|path| path.strip_prefix(at).unwrap_or(path).display().to_string());
            assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{pattern}");
        }
        assert!(matches!(expand("a/[x"), Err(PatternError::Invalid(_))));
    }
}
