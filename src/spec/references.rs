//! Composites refer to other SLOs, in whatever file: each of them must be there, and none may be its own part.

use std::collections::{HashMap, HashSet};

use super::circles::{circles, way_back};
use super::codes::{self, Code};
use super::diagnostic::Diagnostic;
use super::document::SourceFile;
use super::reader::SNIPPET_MAX;
use super::set::LoadedSet;
use super::suggest::suggest;
use crate::domain::indicator::{CompositePart, Indicator, IndicatorKind};
use crate::domain::slo::{Slo, SloId};

/// What is wrong with one SLO's reference.
struct Problem {
    code: &'static Code,
    message: String,
    hint: String,
    /// The text of the reference.
    reference: SloId,
    /// The line from which on it stands.
    line: u32,
}

impl Problem {
    fn of(slo: &Slo, reference: &SloId, code: &'static Code, message: String, hint: String) -> Self {
        Self {
            code,
            message,
            hint,
            reference: reference.clone(),
            line: slo.origin.line,
        }
    }
}

/// More parts than this make no composite that a person could follow.
pub(super) const PARTS_MAX: usize = 64;
/// So many names of a circle are shown.
const NAMES_SHOWN: usize = 5;
/// So many unknown names are compared with all that are known.
const SUGGESTIONS_MAX: usize = 20;
/// A reference is looked for in so many lines of its SLO.
const LINES_MAX: usize = 500;

/// Reports references to SLOs that are in none of these files, and circles; a file with one of them does not load. An
/// SLO in a file that does not load exists nevertheless. All of it is linear in what is written: files may be hostile.
pub(super) fn check(files: &[&SourceFile], set: &mut LoadedSet) {
    let slos: Vec<&Slo> = set.slos().collect();
    let references: Vec<Vec<&SloId>> = slos.iter().map(|slo| referred(&slo.indicator)).collect();
    if references.iter().all(Vec::is_empty) {
        return;
    }
    let names = set.files.iter().flat_map(|file| &file.names);
    let known: HashSet<SloId> = names
        .filter_map(|named| Some(SloId::new(named.service.as_ref()?, named.name.as_ref()?)))
        .collect();
    let mut problems: Vec<Vec<Problem>> = files.iter().map(|_| Vec::new()).collect();
    let file_of = set.files.iter().enumerate();
    let file_of: Vec<usize> = file_of
        .flat_map(|(at, file)| file.slos.iter().map(move |_| at))
        .collect();
    for (node, problem) in unknown(&slos, &references, &known)
        .into_iter()
        .chain(in_circles(&slos, &references))
    {
        if let Some(found) = file_of.get(node).and_then(|file| problems.get_mut(*file)) {
            found.push(problem);
        }
    }
    for ((loaded, source), problems) in set.files.iter_mut().zip(files).zip(problems) {
        if problems.is_empty() {
            continue;
        }
        loaded.slos.clear();
        let lines: Vec<&str> = source.text.lines().collect();
        let told = problems.into_iter().map(|problem| diagnostic(source, &lines, problem));
        loaded.diagnostics.extend(told);
        loaded.diagnostics.sort_by_key(|found| (found.line, found.column));
    }
}

fn referred(indicator: &Indicator) -> Vec<&SloId> {
    let IndicatorKind::Composite(members) = &indicator.kind else {
        return Vec::new();
    };
    let parts = members.iter().flat_map(|member| match &member.part {
        CompositePart::Slo(id) => vec![id],
        CompositePart::Indicator { indicator, .. } => referred(indicator),
    });
    parts.collect()
}

/// References to what is not there, each with the number of its SLO.
fn unknown(slos: &[&Slo], references: &[Vec<&SloId>], known: &HashSet<SloId>) -> Vec<(usize, Problem)> {
    let mut names: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for (node, (slo, references)) in slos.iter().zip(references).enumerate() {
        for reference in references.iter().filter(|reference| !known.contains(**reference)) {
            if names.is_empty() {
                names = known.iter().map(ToString::to_string).collect();
            }
            let meant = Some(reference.to_string())
                .filter(|_| problems.len() < SUGGESTIONS_MAX)
                .and_then(|text| suggest(&text, names.iter().map(String::as_str)));
            let hint = meant.map_or_else(
                || "add the file that holds it to the paths, or mend the name: `service/name`".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("{} refers to {reference}, which is in none of these files", slo.id);
            problems.push((node, Problem::of(slo, reference, &codes::REFERENCE, message, hint)));
        }
    }
    problems
}

/// One problem for each SLO that is in a circle; the first of a circle tells the way, the others where it is told.
fn in_circles(slos: &[&Slo], references: &[Vec<&SloId>]) -> Vec<(usize, Problem)> {
    let nodes: HashMap<&SloId, usize> = slos.iter().enumerate().map(|(node, slo)| (&slo.id, node)).collect();
    let edges: Vec<Vec<usize>> = references
        .iter()
        .map(|to| to.iter().filter_map(|id| nodes.get(id).copied()).collect())
        .collect();
    let circles = circles(&edges);
    let mut told: HashMap<usize, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (node, slo) in slos.iter().enumerate() {
        let Some(circle) = circles[node] else {
            continue;
        };
        let first = *told.entry(circle).or_insert(node);
        let (next, message) = if first == node {
            let way = way_back(node, &edges, &circles);
            let message = format!("{} is a part of itself: {}", slo.id, shown(&way, slos));
            (way.get(1).copied(), message)
        } else {
            let place = &slos[first].origin;
            let place = if place.file == slo.origin.file {
                format!("line {}", place.line)
            } else {
                format!("{}:{}", place.file, place.line)
            };
            let message = format!("{} is part of the same circle, see {place}", slo.id);
            let next = edges[node].iter().find(|to| circles[**to] == Some(circle));
            (next.copied(), message)
        };
        let reference = next.map_or(&slo.id, |next| &slos[next].id);
        let hint = "take one of these parts out".to_owned();
        problems.push((node, Problem::of(slo, reference, &codes::CYCLE, message, hint)));
    }
    problems
}

/// `a/x → a/y → a/x`; only the beginning of a long way.
fn shown(way: &[usize], slos: &[&Slo]) -> String {
    let names = way.iter().take(NAMES_SHOWN).map(|node| slos[*node].id.to_string());
    let mut names: Vec<String> = names.collect();
    if way.len() > NAMES_SHOWN {
        names.push("…".to_owned());
    }
    names.join(" → ")
}

/// The diagnostic at the place where the reference is written, as far as it can be found.
fn diagnostic(source: &SourceFile, lines: &[&str], problem: Problem) -> Diagnostic {
    let Problem {
        code,
        message,
        hint,
        reference,
        line,
    } = problem;
    let whole = reference.to_string();
    let from = (line as usize).saturating_sub(1);
    let lines = lines.get(from..).unwrap_or_default();
    let find = |text: &str| {
        (line..).zip(lines.iter().take(LINES_MAX)).find_map(|(number, line)| {
            let key = line.find("slo:").or_else(|| line.find("\"slo\""))?;
            let at = key + line[key..].find(text)?;
            Some((number, line, line[..at].chars().count(), text.chars().count()))
        })
    };
    let place = find(&whole).or_else(|| find(&reference.name));
    let (line, snippet, column, length) = place.map_or((line, None, 0, 1), |(number, line, column, length)| {
        let shown = (line.len() <= SNIPPET_MAX).then(|| (*line).to_owned());
        (number, shown, column, length)
    });
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Diagnostic {
        line,
        column: count(column + 1),
        length: count(length),
        snippet,
        hint: Some(hint),
        ..Diagnostic::of_file(code, &source.file, message)
    }
}
