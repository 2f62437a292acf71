//! Which files are checked, and what each of them came to.

use std::collections::HashMap;
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use crate::app::files::{FindError, find_slo_files, read_text, source_of};
use crate::cli::{STDIN, counted, environment, is_stdin, read_stdin, shown};
use crate::config;
use crate::spec::detect::DocumentKind;
use crate::spec::diagnostic::{Diagnostic, has_errors};
use crate::spec::{Loaded, Options, SourceFile, codes, load_files};

/// What one file came to.
pub(super) struct Checked {
    /// The file.
    pub path: PathBuf,
    /// The file, as it is shown.
    pub file: String,
    /// The format of its first document.
    pub kind: DocumentKind,
    /// All that was found in it, in the order of its text.
    pub diagnostics: Vec<Diagnostic>,
    /// What it holds, in words, where it is valid.
    pub contents: String,
    /// The ids of its SLOs, and the format of each; in an invalid file those whose names can be read.
    pub slos: Vec<(String, DocumentKind)>,
}

impl Checked {
    /// The file loads.
    pub fn is_valid(&self) -> bool {
        !has_errors(&self.diagnostics)
    }
}

/// How many there are of everything.
#[derive(Default)]
pub(super) struct Totals {
    /// Files.
    pub files: usize,
    /// Files that do not load.
    pub invalid: usize,
    /// Files about which something is said.
    pub touched: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
    /// SLOs.
    pub slos: usize,
    /// SLOs by format, in the order in which the formats occur.
    pub formats: Vec<(DocumentKind, usize)>,
}

impl Totals {
    /// Counts.
    pub fn of(checked: &[Checked]) -> Self {
        let mut totals = Self {
            files: checked.len(),
            ..Self::default()
        };
        for file in checked {
            totals.invalid += usize::from(!file.is_valid());
            totals.touched += usize::from(!file.diagnostics.is_empty());
            totals.slos += file.slos.len();
            for found in &file.diagnostics {
                match found.severity {
                    codes::Severity::Error => totals.errors += 1,
                    codes::Severity::Warning => totals.warnings += 1,
                    codes::Severity::Note => totals.notes += 1,
                }
            }
            for (_, kind) in &file.slos {
                match totals.formats.iter_mut().find(|(known, _)| known == kind) {
                    Some((_, count)) => *count += 1,
                    None => totals.formats.push((*kind, 1)),
                }
            }
        }
        totals
    }
}

/// Files that were read, by their paths: those with SLOs, configurations, and what the latter name.
#[derive(Default)]
struct Sources {
    slos: HashMap<PathBuf, SourceFile>,
    configs: Vec<Checked>,
    named: Vec<PathBuf>,
}

/// Checks what lies behind these paths, and the files that the configurations among them name, in the order of their
/// paths; beside it, what a person should know about the paths themselves.
pub(super) fn check(
    paths: &[PathBuf],
    options: Options,
    input: &mut dyn Read,
) -> Result<(Vec<Checked>, Vec<String>), FindError> {
    let (dashes, paths): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_stdin(path));
    let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
    let found = find_slo_files(&paths)?;
    let (mut files, mut warnings) = (found.files, found.warnings);
    let mut read = Sources::default();
    for (path, source) in files.iter().zip(parse_all(&files, &paths)) {
        read.add(path, source, &mut warnings);
    }
    if !read.named.is_empty() {
        // Each file once, also where a configuration names one that was given by itself.
        files.extend(read.named.iter().cloned());
        files = find_slo_files(&files)?.files;
        let more: Vec<PathBuf> = files.iter().filter(|path| !read.has(path)).cloned().collect();
        for (path, source) in more.iter().zip(parse_all(&more, &paths)) {
            read.add(path, source, &mut warnings);
        }
    }
    if !dashes.is_empty() {
        let path = PathBuf::from(STDIN);
        let source = read_stdin(input).map(|text| SourceFile::new(STDIN, &text));
        read.add(&path, source, &mut warnings);
        files.push(path);
        files.sort();
    }
    Ok((read.finish(&files, options), warnings))
}

impl Sources {
    fn has(&self, path: &Path) -> bool {
        self.slos.contains_key(path) || self.configs.iter().any(|config| config.path == path)
    }

    /// Adds a file; a configuration is checked at once.
    fn add(&mut self, path: &Path, source: Result<SourceFile, Box<Diagnostic>>, warnings: &mut Vec<String>) {
        // A configuration is known by its name or by its keys; the keys were looked at while parsing.
        let is_config = |source: &SourceFile| config::is_config(path, "") || source.kind() == DocumentKind::Config;
        let source = match source {
            Ok(source) if source.kind() == DocumentKind::Blackbox => {
                self.configs.push(check_blackbox(path, &source.text));
                return;
            }
            Ok(source) if is_config(&source) => {
                let (config, named) = check_config(path, &source.text, warnings);
                self.configs.push(config);
                self.named.extend(named);
                return;
            }
            Ok(source) => source,
            Err(diagnostic) => SourceFile::unreadable(*diagnostic),
        };
        self.slos.insert(path.to_owned(), source);
    }

    fn finish(mut self, files: &[PathBuf], options: Options) -> Vec<Checked> {
        let sources: Vec<(&PathBuf, SourceFile)> = files
            .iter()
            .filter_map(|path| self.slos.remove(path).map(|source| (path, source)))
            .collect();
        let set = load_files(&sources.iter().map(|(_, source)| source).collect::<Vec<_>>(), &options);
        let mut checked = self.configs;
        let loaded = sources.iter().zip(set.files);
        checked.extend(loaded.map(|((path, source), loaded)| slo_file(path, source, loaded)));
        checked.sort_by(|a, b| a.path.cmp(&b.path));
        checked
    }
}

/// Reads and parses files, on all processors where there are many.
fn parse_all(files: &[PathBuf], paths: &[PathBuf]) -> Vec<Result<SourceFile, Box<Diagnostic>>> {
    const WORTH_A_THREAD: usize = 64;
    let one = |path: &PathBuf| {
        let text = read_text(path, &shown(path))?;
        Ok(source_of(path, shown(path), &text, paths))
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = files.len().div_ceil(processors).max(WORTH_A_THREAD);
    thread::scope(|scope| {
        let workers: Vec<_> = files
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault)))
            .collect()
    })
}

fn slo_file(path: &Path, source: &SourceFile, loaded: Loaded) -> Checked {
    let enabled = loaded
        .slos
        .iter()
        .map(|slo| &slo.alerting)
        .filter(|policy| policy.enabled);
    let rules: usize = enabled
        .map(|policy| policy.burn.len() + usize::from(policy.no_data_for.is_some()))
        .sum();
    let slos: Vec<(String, DocumentKind)> = if loaded.is_valid() {
        let slos = loaded.slos.iter();
        slos.map(|slo| (slo.id.to_string(), source.kind_at(slo.origin.line)))
            .collect()
    } else {
        let names = loaded.names.iter();
        let part = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        names
            .map(|named| {
                let id = format!("{}/{}", part(&named.service), part(&named.name));
                (id, source.kind_at(named.line))
            })
            .collect()
    };
    Checked {
        path: path.to_owned(),
        file: loaded.file,
        kind: loaded.kind,
        contents: format!("{}, {}", counted(slos.len(), "SLO"), counted(rules, "alert rule")),
        diagnostics: loaded.diagnostics,
        slos,
    }
}

/// A file of blackbox exporter's.
fn check_blackbox(path: &Path, text: &str) -> Checked {
    let base = path.parent().unwrap_or(Path::new(""));
    let (count, diagnostics) = config::probes::check_blackbox(text, &shown(path), base);
    Checked {
        path: path.to_owned(),
        file: shown(path),
        kind: DocumentKind::Blackbox,
        contents: count.map_or_else(String::new, |count| counted(count, "probe module")),
        diagnostics,
        slos: Vec::new(),
    }
}

/// A configuration, and the files that its `slo_files` lead to.
fn check_config(path: &Path, text: &str, warnings: &mut Vec<String>) -> (Checked, Vec<PathBuf>) {
    let base = path.parent().unwrap_or(Path::new(""));
    let (config, mut diagnostics) = config::parse(text, &shown(path), base, &environment);
    let mut files = Vec::new();
    let mut contents = String::new();
    if let Some(config) = config {
        let servers = match config.servers.len() {
            0 => String::new(),
            number => format!("{}, ", counted(number, "Prometheus server")),
        };
        let probes = match config.probes.jobs.len() {
            0 => String::new(),
            number => format!("{}, ", counted(number, "probe")),
        };
        contents = format!(
            "{}, {servers}{probes}{}",
            counted(config.jobs.len(), "scrape config"),
            counted(config.receivers.len(), "receiver")
        );
        match find_slo_files(&config.slo_files) {
            Ok(found) => {
                files = found.files;
                warnings.extend(found.warnings);
            }
            Err(error) => {
                let message = format!("`slo_files`: {error}");
                diagnostics.push(Diagnostic::of_file(&codes::UNREADABLE, &shown(path), message));
            }
        }
    }
    let checked = Checked {
        path: path.to_owned(),
        file: shown(path),
        kind: DocumentKind::Config,
        diagnostics,
        contents,
        slos: Vec::new(),
    };
    (checked, files)
}
