//! `probe_module_files`: blackbox exporter's own files, read as they are.

use std::path::{Path, PathBuf};

use super::Modules;
use super::module::{add_builtin, read_all};
use crate::config::context::Context;
use crate::config::included::read_text;
use crate::config::shown::mask_snippets;
use crate::paths::expand;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::spec::codes;
use crate::spec::detect::DocumentKind;
use crate::spec::diagnostic::{Diagnostic, has_errors};
use crate::spec::reader::{Fields, Reader};
use crate::spec::yaml;

/// How many files of modules there may be.
const FILES_MAX: usize = 1_000;

/// Adds the modules of the files that these patterns name. Paths in a file are relative to its own folder, and nothing
/// in it is replaced from the environment: blackbox exporter does not. Gives back what is to be said about the files.
pub(super) fn read(patterns: &[PathBuf], modules: &mut Modules) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let unreadable =
        |path: &Path, why: String| Diagnostic::of_file(&codes::UNREADABLE, &path.display().to_string(), why);
    let mut files = Vec::new();
    for pattern in patterns {
        match expand(&pattern.to_string_lossy()) {
            Ok(paths) if paths.is_empty() && !pattern.to_string_lossy().contains(['*', '?', '[']) => {
                diagnostics.push(unreadable(
                    pattern,
                    "`probe_module_files`: there is no such file".to_owned(),
                ));
            }
            Ok(paths) => files.extend(paths),
            Err(error) => diagnostics.push(unreadable(pattern, format!("`probe_module_files`: {error}"))),
        }
    }
    if files.len() > FILES_MAX {
        let why = format!("`probe_module_files` may name {FILES_MAX} files, not {}", files.len());
        diagnostics.push(unreadable(&patterns[0], why));
        return diagnostics;
    }
    for path in files {
        match read_text(&path) {
            Ok(text) => {
                let base = path.parent().unwrap_or(Path::new(""));
                diagnostics.extend(read_file(&text, &path.display().to_string(), base, modules));
            }
            Err(why) => diagnostics.push(unreadable(&path, why)),
        }
    }
    diagnostics
}

/// Checks a file of blackbox exporter's; gives back how many modules it has, where it is valid.
pub fn check(text: &str, file: &str, base: &Path) -> (Option<usize>, Vec<Diagnostic>) {
    let mut modules = Modules::new();
    let diagnostics = read_file(text, file, base, &mut modules);
    let count = (!has_errors(&diagnostics)).then_some(modules.len());
    (count, diagnostics)
}

/// Whether a text is a file of blackbox exporter's.
pub fn is_blackbox(text: &str) -> bool {
    let parsed = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
    parsed.documents.first().map(DocumentKind::of) == Some(DocumentKind::Blackbox)
}

/// What there is to probe with where there is nothing but a file of blackbox exporter's.
pub fn read_only(text: &str, file: &str, base: &Path) -> (Option<ProbeSettings>, Vec<Diagnostic>) {
    let mut modules = Modules::new();
    let diagnostics = read_file(text, file, base, &mut modules);
    add_builtin(&mut modules);
    let settings = ProbeSettings {
        modules,
        ..ProbeSettings::default()
    };
    ((!has_errors(&diagnostics)).then_some(settings), diagnostics)
}

fn read_file(text: &str, file: &str, base: &Path, modules: &mut Modules) -> Vec<Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut context = Context::new(Reader::new(text, file).discreet(), base);
    // What nines does not know is a warning: newer versions of blackbox exporter may.
    context.is_prometheus = true;
    let parsed = yaml::parse(text);
    for error in parsed.errors {
        context.reader.report_yaml(error);
    }
    if let Some(root) = parsed.documents.into_iter().next() {
        match Fields::of_document(&root) {
            Some(mut fields) => {
                if let Some(field) = fields.require("modules") {
                    read_all(&mut context, field, modules);
                }
                context.finish(fields);
            }
            None => {
                let message = format!("a file of probe modules is a map with `modules`, not {}", root.kind());
                context.reader.report(&codes::FORMAT, root.span, message);
            }
        }
    }
    let mut diagnostics = context.reader.into_diagnostics();
    mask_snippets(&mut diagnostics);
    diagnostics
}
