//! `scrape_config_files`: more jobs in files of their own.

use std::fs;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::environment;
use super::scrape::{Global, read_jobs};
use super::shown::mask_snippets;
use crate::paths::expand;
use crate::source::scrape::settings::ScrapeJob;
use crate::spec::codes;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::reader::{Fields, Reader};
use crate::spec::yaml;

/// How many files may be included.
const FILES_MAX: usize = 1_000;

/// A file may not be larger than this.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Adds the jobs of the files that these patterns name. Paths in a file are relative to its own folder. Gives back what
/// is to be said about the files.
pub(super) fn read(
    patterns: &[PathBuf],
    global: &Global,
    is_prometheus: bool,
    env: &dyn Fn(&str) -> Option<String>,
    jobs: &mut Vec<ScrapeJob>,
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut unreadable = |path: &Path, why: String| {
        let shown = path.display().to_string();
        diagnostics.push(Diagnostic::of_file(&codes::UNREADABLE, &shown, why));
    };
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for pattern in patterns {
        match expand(&pattern.to_string_lossy()) {
            Ok(paths) => {
                for path in paths {
                    match read_text(&path) {
                        Ok(text) => files.push((path, text)),
                        Err(why) => unreadable(&path, why),
                    }
                }
            }
            Err(error) => unreadable(pattern, format!("`scrape_config_files`: {error}")),
        }
    }
    if files.len() > FILES_MAX {
        let why = format!("`scrape_config_files` may name {FILES_MAX} files, not {}", files.len());
        unreadable(&patterns[0], why);
        return diagnostics;
    }
    for (path, text) in files {
        let shown = path.display().to_string();
        let base = path.parent().unwrap_or(Path::new(""));
        let mut context = Context::new(Reader::new(&text, &shown).discreet(), base);
        context.is_prometheus = is_prometheus;
        read_file(&mut context, &text, global, env, jobs);
        let mut of_file = context.reader.into_diagnostics();
        mask_snippets(&mut of_file);
        diagnostics.extend(of_file);
    }
    diagnostics
}

fn read_file(
    context: &mut Context<'_>,
    text: &str,
    global: &Global,
    env: &dyn Fn(&str) -> Option<String>,
    jobs: &mut Vec<ScrapeJob>,
) {
    let parsed = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
    for error in parsed.errors {
        context.reader.report_yaml(error);
    }
    let Some(mut root) = parsed.documents.into_iter().next() else {
        return;
    };
    environment::expand(&mut context.reader, &mut root, env, context.is_prometheus);
    let Some(mut fields) = Fields::of_document(&root) else {
        let message = format!("a file of scrape configs is a map, not {}", root.kind());
        context.reader.report(&codes::FORMAT, root.span, message);
        return;
    };
    let found = read_jobs(context, &mut fields, global, jobs);
    context.finish(fields);
    jobs.extend(found);
}

/// A file's text, where the file is not too large.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err("the file is larger than 4 MiB".to_owned());
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}
