//! Finds and reads SLO files: files, folders and globs.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::paths::{self, PatternError};
use crate::spec::SourceFile;
use crate::spec::codes;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::yaml::BYTES_MAX;

/// How deeply folders are walked.
const DEPTH_MAX: usize = 32;
/// How many files are taken at most.
const FILES_MAX: usize = 100_000;

/// The files behind some paths, in the order of their paths, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFiles {
    /// The files.
    pub files: Vec<PathBuf>,
    /// What a person should look at: an empty folder, a glob without matches.
    pub warnings: Vec<String>,
}

/// Why a path leads to no files.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A literal path that does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// No glob.
    #[error("{} is no valid pattern: {reason}", path.display())]
    Pattern {
        /// As written.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// More than anybody means.
    #[error("more than {FILES_MAX} files")]
    TooMany,
}

/// Finds the files behind paths that are files, folders or globs.
///
/// Folders are walked for `*.yaml`, `*.yml` and `*.json`; names that begin with `.` are skipped, symlinks to files are
/// followed and those to folders are not, so that a Kubernetes `ConfigMap` loads once. A file that is reached by two
/// paths is taken once, under the first one.
pub fn find_slo_files(paths: &[PathBuf]) -> Result<FoundFiles, FindError> {
    let mut found = FoundFiles::default();
    for path in paths {
        if path.is_dir() {
            walk_named(path, &mut found)?;
        } else if path.symlink_metadata().is_ok() {
            found.files.push(path.clone());
        } else if is_pattern(path) {
            expand(path, &mut found)?;
        } else {
            return Err(FindError::Missing(path.clone()));
        }
    }
    found.files.sort();
    let mut known = HashSet::new();
    found
        .files
        .retain(|path| known.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    Ok(found)
}

/// Reads a file as text; what keeps it from being read is a diagnostic of it. `shown` is what it is called.
pub fn read_text(path: &Path, shown: &str) -> Result<String, Box<Diagnostic>> {
    let unreadable = |why: String| Box::new(Diagnostic::of_file(&codes::UNREADABLE, shown, why));
    let read = || -> std::io::Result<Vec<u8>> {
        if !fs::metadata(path)?.is_file() {
            // Opening a pipe would wait for whoever writes into it.
            return Err(std::io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        // One byte more than is allowed, so that the reader of the text sees that it is too large.
        fs::File::open(path)?
            .take(BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| unreadable(format!("the file cannot be read: {error}")))?;
    if bytes.len() > BYTES_MAX {
        let message = format!("the file has more than {BYTES_MAX} bytes");
        return Err(Box::new(Diagnostic::of_file(&codes::TOO_LARGE, shown, message)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let mut diagnostic = unreadable("the file is not UTF-8".to_owned());
        diagnostic.line = u32::try_from(line).unwrap_or(u32::MAX);
        diagnostic
    })
}

/// Parses the text of a file that lies behind these paths. A file that is none of them was found in a folder, where
/// others than SLO files may lie.
pub fn source_of(path: &Path, shown: impl Into<String>, text: &str, paths: &[PathBuf]) -> SourceFile {
    let source = SourceFile::new(shown, text);
    // Only such a name makes a difference, so that thousands of paths are not compared with one another.
    let is_special = path.file_name().is_some_and(SourceFile::is_name_of_values);
    if is_special && !paths.iter().any(|named| named == path) {
        source.found_in_folder()
    } else {
        source
    }
}

/// A path as people see it: relative to the folder of the configuration where it lies below it.
pub fn shown_path(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).unwrap_or(path).display().to_string()
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[']))
}

fn expand(pattern: &Path, found: &mut FoundFiles) -> Result<(), FindError> {
    let matches = paths::expand(&pattern.to_string_lossy()).map_err(|error| match error {
        PatternError::Invalid(reason) => FindError::Pattern {
            path: pattern.to_owned(),
            reason,
        },
        PatternError::Unreadable { path, error } => unreadable(&path, &error),
    })?;
    if matches.is_empty() {
        found.warnings.push(format!("{} matches no file", pattern.display()));
    }
    for path in matches {
        if path.is_dir() {
            walk_named(&path, found)?;
        } else {
            push(path, found)?;
        }
    }
    Ok(())
}

/// Walks a folder that was asked for by its name, which may be that of a symlink.
fn walk_named(folder: &Path, found: &mut FoundFiles) -> Result<(), FindError> {
    let before = found.files.len();
    walk(folder, 0, found)?;
    if found.files.len() == before {
        found.warnings.push(format!("{} holds no SLO file", folder.display()));
    }
    Ok(())
}

fn walk(folder: &Path, depth: usize, found: &mut FoundFiles) -> Result<(), FindError> {
    if depth > DEPTH_MAX {
        found
            .warnings
            .push(format!("{} lies too deep and is not read", folder.display()));
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, depth + 1, found)?;
        } else if has_slo_extension(&path) && !path.is_dir() {
            push(path, found)?;
        }
    }
    Ok(())
}

fn push(path: PathBuf, found: &mut FoundFiles) -> Result<(), FindError> {
    if found.files.len() >= FILES_MAX {
        return Err(FindError::TooMany);
    }
    found.files.push(path);
    Ok(())
}

fn has_slo_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

fn unreadable(path: &Path, error: &std::io::Error) -> FindError {
    FindError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "x").expect("a file");
        }
        folder
    }

    fn names(folder: &Path, paths: &[&str]) -> Vec<String> {
        let paths: Vec<_> = paths.iter().map(|path| folder.join(path)).collect();
        let found = find_slo_files(&paths).expect("files");
        found.files.iter().map(|path| shown_path(path, folder)).collect()
    }

    #[test]
    fn folders_files_and_globs_give_their_files_in_order_and_once() {
        let folder = folder(&[
            "b.yaml",
            "a.yml",
            "c/d.json",
            "c/readme.md",
            ".hidden/x.yaml",
            ".x.yaml",
            "odd.txt",
        ]);
        let at = folder.path();
        assert_eq!(names(at, &["."]).len(), 3);
        assert_eq!(names(at, &[""]), ["a.yml", "b.yaml", "c/d.json"]);
        assert_eq!(
            names(at, &["odd.txt", "b.yaml", "*.y*ml", "c"]),
            ["a.yml", "b.yaml", "c/d.json", "odd.txt"]
        );
    }

    #[test]
    fn a_kubernetes_configmap_loads_once() {
        let folder = folder(&["..2026_11_21/shop.yaml"]);
        symlink("..2026_11_21", folder.path().join("..data")).expect("a link");
        symlink("..data/shop.yaml", folder.path().join("shop.yaml")).expect("a link");
        assert_eq!(names(folder.path(), &["", "*.yaml"]), ["shop.yaml"]);
    }

    #[test]
    fn loops_of_links_end() {
        let folder = folder(&["a/x.yaml"]);
        symlink("..", folder.path().join("a/up")).expect("a link");
        assert_eq!(names(folder.path(), &[""]), ["a/x.yaml"]);
    }

    #[test]
    fn nothing_is_a_warning_for_folders_and_globs_and_an_error_for_names() {
        let folder = folder(&["readme.md"]);
        let path = |name: &str| folder.path().join(name);
        let found = find_slo_files(&[path(""), path("*.yaml")]).expect("no files");
        assert_eq!(
            (found.files.len(), found.warnings.len()),
            (0, 2),
            "{:?}",
            found.warnings
        );
        let error = find_slo_files(&[path("nowhere.yaml")]).expect_err("a missing file");
        assert!(error.to_string().ends_with("nowhere.yaml does not exist"), "{error}");
        assert!(matches!(find_slo_files(&[path("[")]), Err(FindError::Pattern { .. })));
    }

    #[test]
    fn what_cannot_be_read_is_a_diagnostic() {
        let folder = folder(&["a.yaml"]);
        let path = folder.path().join("a.yaml");
        assert_eq!(read_text(&path, "a.yaml").as_deref(), Ok("x"));
        fs::write(&path, b"a: b\nc: \xff\n").expect("a file");
        let found = read_text(&path, "a.yaml").expect_err("not UTF-8");
        assert_eq!((found.code, found.line), ("N001", 2));
        fs::remove_file(&path).expect("removed");
        assert_eq!(read_text(&path, "a.yaml").expect_err("missing").code, "N001");
    }
}
