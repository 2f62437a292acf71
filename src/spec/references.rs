//! Composites refer to other SLOs, in whatever file: each of them must be there, and none may be its own part.

use std::collections::{HashMap, HashSet};

use super::codes::{self, Code};
use super::diagnostic::Diagnostic;
use super::document::SourceFile;
use super::set::LoadedSet;
use super::suggest::suggest;
use crate::domain::indicator::{CompositePart, Indicator, IndicatorKind};
use crate::domain::slo::{Slo, SloId};

/// What is wrong with one SLO's reference.
struct Problem {
    code: &'static Code,
    message: String,
    hint: Option<String>,
    /// The text of the reference.
    reference: SloId,
    /// The line from which on it stands.
    line: u32,
}

/// Reports references to SLOs that are in none of these files, and circles; a file with one of them does not load. An
/// SLO in a file that does not load exists nevertheless.
pub(super) fn check(files: &[&SourceFile], set: &mut LoadedSet) {
    let edges: HashMap<&SloId, Vec<&SloId>> = set
        .slos()
        .map(|slo| (&slo.id, referred(&slo.indicator)))
        .filter(|(_, to)| !to.is_empty())
        .collect();
    if edges.is_empty() {
        return;
    }
    let names = set.files.iter().flat_map(|file| &file.names);
    let known: HashSet<SloId> = names
        .filter_map(|named| Some(SloId::new(named.service.as_ref()?, named.name.as_ref()?)))
        .collect();
    let problems: Vec<Vec<Problem>> = set
        .files
        .iter()
        .map(|file| {
            let found = file.slos.iter().flat_map(|slo| problems_of(slo, &edges, &known));
            found.collect()
        })
        .collect();
    for ((loaded, source), problems) in set.files.iter_mut().zip(files).zip(problems) {
        if !problems.is_empty() {
            loaded.slos.clear();
        }
        let told = problems.into_iter().map(|problem| diagnostic(source, problem));
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

fn problems_of(slo: &Slo, edges: &HashMap<&SloId, Vec<&SloId>>, known: &HashSet<SloId>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for reference in referred(&slo.indicator) {
        let problem = |code, message, hint| Problem {
            code,
            message,
            hint,
            reference: reference.clone(),
            line: slo.origin.line,
        };
        if !known.contains(reference) {
            let names: Vec<String> = known.iter().map(ToString::to_string).collect();
            let meant = suggest(&reference.to_string(), names.iter().map(String::as_str));
            let hint = meant.map_or_else(
                || "add the file that holds it to the paths, or mend the name: `service/name`".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("{} refers to {reference}, which is in none of these files", slo.id);
            problems.push(problem(&codes::REFERENCE, message, Some(hint)));
        } else if let Some(way) = way_back(&slo.id, reference, edges) {
            let message = format!("{} is a part of itself: {way}", slo.id);
            let hint = Some("take one of these parts out".to_owned());
            problems.push(problem(&codes::CYCLE, message, hint));
        }
    }
    problems
}

/// How one comes back to an SLO by way of one of its parts: `a/x → a/y → a/x`.
fn way_back(start: &SloId, first: &SloId, edges: &HashMap<&SloId, Vec<&SloId>>) -> Option<String> {
    let mut before: HashMap<&SloId, &SloId> = HashMap::new();
    let mut seen = HashSet::from([first]);
    let mut open = vec![first];
    while let Some(at) = open.pop() {
        if at == start {
            let mut way = vec![start.to_string()];
            let mut step = at;
            while let Some(earlier) = before.get(step).filter(|_| step != first) {
                way.push(earlier.to_string());
                step = earlier;
            }
            way.push(start.to_string());
            way.reverse();
            return Some(way.join(" → "));
        }
        for next in edges.get(at).into_iter().flatten() {
            if seen.insert(next) {
                before.insert(next, at);
                open.push(next);
            }
        }
    }
    None
}

/// The diagnostic at the place where the reference is written, as far as it can be found.
fn diagnostic(source: &SourceFile, problem: Problem) -> Diagnostic {
    let Problem {
        code,
        message,
        hint,
        reference,
        line,
    } = problem;
    let whole = reference.to_string();
    let from = (line as usize).saturating_sub(1);
    let lines = || (1_u32..).zip(source.text.lines()).skip(from);
    let find = |text: &str| {
        lines().find_map(|(number, line)| {
            let key = line.find("slo:").or_else(|| line.find("\"slo\""))?;
            let at = key + line[key..].find(text)?;
            Some((number, line, line[..at].chars().count(), text.chars().count()))
        })
    };
    let place = find(&whole).or_else(|| find(&reference.name));
    let (line, snippet, column, length) = place.map_or((line, None, 0, 1), |(number, line, column, length)| {
        let shown = (line.len() <= 2_000).then(|| line.to_owned());
        (number, shown, column, length)
    });
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Diagnostic {
        line,
        column: count(column + 1),
        length: count(length),
        snippet,
        hint,
        ..Diagnostic::of_file(code, &source.file, message)
    }
}
