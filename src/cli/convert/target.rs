//! Where converted files are written: below one folder, and over nothing that is there already.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// The name of what a file becomes: its path below the folder that was asked for, with the extension `yaml`. Names that
/// are taken get a number.
pub(super) fn name(file: &Path, asked: &[PathBuf], taken: &mut HashSet<PathBuf>) -> PathBuf {
    let below = asked.iter().find_map(|folder| {
        let below = file.strip_prefix(folder).ok()?;
        (!below.as_os_str().is_empty()).then_some(below)
    });
    let own = || file.file_name().map(PathBuf::from).unwrap_or_default();
    let below = below.map_or_else(own, Path::to_path_buf);
    let mut name: PathBuf = below
        .components()
        .filter(|component| matches!(component, Component::Normal(_)))
        .collect();
    let stem = name
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let stem: String = stem.chars().filter(|c| !matches!(c, '<' | '>')).collect();
    name.set_file_name(format!("{stem}.yaml"));
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name.set_file_name(format!("{stem}-{number}.yaml"));
        number += 1;
    }
    name
}

/// Writes a text to a file below a folder, which is made where it is missing; gives back the file's path as people see
/// it, or why it is not written. Links are not followed: they may lead anywhere.
pub(in crate::cli) fn save(folder: &Path, name: &Path, text: &str, force: bool) -> Result<String, String> {
    let target = folder.join(name);
    let shown = target.display().to_string();
    write(folder, name, text, force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{shown} exists already; --force replaces it"),
        _ => format!("{shown} cannot be written: {error}"),
    })?;
    Ok(shown)
}

fn write(folder: &Path, name: &Path, text: &str, force: bool) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut at = folder.to_owned();
    for part in name.parent().into_iter().flat_map(Path::components) {
        at.push(part);
        match at.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(io::Error::other(format!("{} is no folder", at.display()))),
            Err(_) => fs::create_dir(&at)?,
        }
    }
    let target = folder.join(name);
    if !force {
        return write_new(&target, text);
    }
    match target.symlink_metadata() {
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is no regular file")),
        _ => {}
    }
    // Whoever reads the file meanwhile finds the old one or the new one, whole.
    let mut beside = target.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    write_new(&beside, text)?;
    fs::rename(&beside, &target)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
