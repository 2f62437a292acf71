//! What `nines import` and `nines export` share: files of any format in, files of one format out, and a report of all
//! that is lost on the way.

mod report;
mod target;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::check::{INVALID, USAGE, VALID};
use super::{ReadArgs, STDIN, Streams, is_stdin, read_stdin, shown, visible};
use crate::app::files::{FindError, find_slo_files, read_text, source_of};
use crate::config;
use crate::domain::slo::Slo;
use crate::spec::detect::DocumentKind;
use crate::spec::write::{self, Written};
use crate::spec::{Loaded, SourceFile, load_files};

pub(super) use target::save;

use report::{Fate, Report};

/// The formats that nines writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `version: nines/v1`
    Native,
    /// `apiVersion: openslo/v1`
    Openslo,
}

impl Format {
    fn write(self, slos: &[Slo]) -> Written {
        match self {
            Self::Native => write::native(slos),
            Self::Openslo => write::openslo(slos),
        }
    }
}

/// What is converted, and where to.
#[derive(Args, Clone, Debug)]
pub struct ConvertArgs {
    /// SLO files, folders, globs, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The folder into which one file is written for each file that is read; - for one stream on standard output, which
    /// is the default for one file.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// The server of `prometheus_servers` that SLOs ask whose own format asks a Prometheus (Pyrra's); without it, what is
    /// written reads the scraped targets.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Exit with status 1 when anything is lost.
    #[arg(long)]
    pub fail_on_loss: bool,
    /// Read as strictly as `nines check --strict`: OpenSLO as its SDK does; keys that another format ignores are errors.
    #[arg(long)]
    pub strict: bool,
    /// Replace files that exist.
    #[arg(long)]
    pub force: bool,
    /// Write the report into this file, too.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How files are read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Converts, reports on standard error, and gives back the exit status.
pub fn run(args: &ConvertArgs, to: Format, streams: &mut Streams<'_>) -> i32 {
    // A closed pipe is no reason to complain: whoever read has seen enough.
    convert(args, to, streams).unwrap_or(INVALID)
}

fn convert(args: &ConvertArgs, to: Format, streams: &mut Streams<'_>) -> io::Result<i32> {
    let (sources, warnings) = match read(&args.paths, streams) {
        Ok(read) => read,
        Err(error) => {
            writeln!(streams.err, "error: {}", visible(&error.to_string()))?;
            return Ok(USAGE);
        }
    };
    let folder = match &args.output {
        Some(folder) if !is_stdin(folder) => Some(folder.as_path()),
        None if sources.len() > 1 => {
            let message = "several files need a folder to be written to: -o DIR, or -o - for one stream";
            writeln!(streams.err, "error: {message}")?;
            return Ok(USAGE);
        }
        _ => None,
    };
    if let Some(file) = folder.filter(|folder| folder.exists() && !folder.is_dir()) {
        writeln!(
            streams.err,
            "error: -o must name a folder; {} is a file",
            file.display()
        )?;
        return Ok(USAGE);
    }
    for warning in &warnings {
        writeln!(streams.err, "warning: {}", visible(warning))?;
    }
    let files: Vec<&SourceFile> = sources.iter().map(|(_, source)| source).collect();
    let loaded = load_files(&files, &args.read.options(args.strict)).files;
    let mut report = Report::default();
    let mut taken = HashSet::new();
    let mut is_first = true;
    for ((path, source), file) in sources.iter().zip(&loaded) {
        let fate = match one(path, source, file, (to, args.source.as_deref())) {
            // A file without any SLO would be no SLO file.
            Ok(written) if written.slos == 0 => Fate::Unspeakable(written.losses),
            Ok(written) => {
                let saved = if let Some(folder) = folder {
                    let name = target::name(path, &args.paths, &mut taken);
                    target::save(folder, &name, &written.text, args.force)
                } else {
                    write_stream(streams.out, &written.text, is_first)?;
                    is_first = false;
                    Ok("standard output".to_owned())
                };
                match saved {
                    Ok(place) => Fate::Written {
                        place,
                        slos: written.slos,
                        losses: written.losses,
                        notes: written.notes,
                    },
                    Err(why) => Fate::Failed(why),
                }
            }
            Err(fate) => fate,
        };
        report.add(file, fate);
    }
    finish(args, &report, streams)
}

/// What one file becomes, or why it becomes nothing.
fn one(path: &Path, source: &SourceFile, file: &Loaded, (to, server): (Format, Option<&str>)) -> Result<Written, Fate> {
    if config::is_config(path, "") || source.kind() == DocumentKind::Config {
        return Err(Fate::Skipped("it is a configuration, not an SLO file"));
    }
    if !file.is_valid() {
        return Err(Fate::Invalid);
    }
    if file.slos.is_empty() {
        return Err(Fate::Skipped("it defines no SLOs"));
    }
    let mut slos = file.slos.clone();
    for slo in slos.iter_mut().filter(|slo| names_no_server(slo)) {
        slo.indicator.source = server.map(str::to_owned);
    }
    let mut written = to.write(&slos);
    if let Some(slo) = slos.iter().find(|slo| names_no_server(slo)) {
        written.notes.push(format!(
            "{}: the file's metrics are those of a Prometheus server, and what is written reads the scraped targets; \
             `--source NAME` names the server.",
            slo.id
        ));
    }
    Ok(written)
}

/// Its format need not say that it asks a server, and ours must.
fn names_no_server(slo: &Slo) -> bool {
    slo.asks_server && slo.indicator.source.is_none()
}

fn finish(args: &ConvertArgs, report: &Report, streams: &mut Streams<'_>) -> io::Result<i32> {
    streams.out.flush()?;
    let text = report.text();
    write!(streams.err, "{text}")?;
    let is_lossy = args.fail_on_loss && report.losses() > 0;
    let mut is_well = !report.has_failed() && !is_lossy;
    if let Some(path) = &args.report {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        if let Err(why) = target::save(folder.unwrap_or(Path::new(".")), &name, &text, args.force) {
            writeln!(streams.err, "error: the report is not written: {why}")?;
            is_well = false;
        }
    }
    Ok(if is_well { VALID } else { INVALID })
}

/// Files that were read and parsed, with their paths.
type Sources = Vec<(PathBuf, SourceFile)>;

/// Reads what lies behind these paths; beside it, what a person should know about the paths themselves.
fn read(paths: &[PathBuf], streams: &mut Streams<'_>) -> Result<(Sources, Vec<String>), FindError> {
    let (dashes, paths): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_stdin(path));
    let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
    let found = find_slo_files(&paths)?;
    let mut sources: Sources = Vec::new();
    if !dashes.is_empty() {
        let source = match read_stdin(streams.input) {
            Ok(text) => SourceFile::new(STDIN, &text),
            Err(diagnostic) => SourceFile::unreadable(*diagnostic),
        };
        sources.push((PathBuf::from(STDIN), source));
    }
    for path in found.files {
        let shown = shown(&path);
        let source = match read_text(&path, &shown) {
            Ok(text) => source_of(&path, shown, &text, &paths),
            Err(diagnostic) => SourceFile::unreadable(*diagnostic),
        };
        sources.push((path, source));
    }
    Ok((sources, found.warnings))
}

/// Writes one part of a stream of documents.
fn write_stream(out: &mut dyn Write, text: &str, is_first: bool) -> io::Result<()> {
    if !is_first && !text.starts_with("---") {
        writeln!(out, "---")?;
    }
    write!(out, "{text}")?;
    if text.ends_with('\n') { Ok(()) } else { writeln!(out) }
}
