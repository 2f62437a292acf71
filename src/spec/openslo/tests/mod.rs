//! OpenSLO from outside: a document, and what must be said about it in both modes.

mod habits;
mod kinds;
mod mapping;
mod references;
mod slos;

use crate::spec::codes::Severity;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Loaded, LoadedSet, Options, load_all};

/// An SLO of v1 that nobody objects to.
const RATIO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: served
  labels: {team: web}
spec:
  description: Requests are served.
  service: shop
  indicator:
    metadata: {name: requests}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Prometheus, spec: {query: good_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: all_total}}}
  timeWindow:
    - duration: 28d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.99
";

/// The same with a threshold.
const THRESHOLD: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: queue}
spec:
  service: shop
  indicator:
    metadata: {name: depth}
    spec:
      thresholdMetric: {metricSource: {type: Prometheus, spec: {query: queue_depth}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {target: 0.99, op: lt, value: 100}
";

/// A rule: a sentence, what is replaced by what in a document, and what is said of it leniently and strictly.
type Rule<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// Each rule must hold in both modes.
fn check_rules(document: &str, rules: &[Rule<'_>]) {
    let mut wrong = Vec::new();
    for (sentence, from, to, lenient, strict) in rules {
        assert!(document.contains(from), "{sentence}: the document has no {from:?}");
        let text = document.replacen(from, to, 1);
        for (is_strict, expected) in [(false, *lenient), (true, *strict)] {
            let found = said(&one(&text, is_strict));
            if found != expected {
                wrong.push(format!(
                    "{sentence} (strict: {is_strict})\n  expected {expected}\n  found    {found}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files(files: &[(&str, &str)], strict: bool) -> LoadedSet {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let options = Options {
        strict,
        ..Options::default()
    };
    load_all(&files, &options)
}

fn one(text: &str, strict: bool) -> Loaded {
    files(&[("f.yaml", text)], strict).files.remove(0)
}

/// `line code` of each error and warning, with `!` where it keeps the file from loading.
fn said(loaded: &Loaded) -> String {
    let shown = |found: &Diagnostic| {
        let mark = if found.is_error() { "!" } else { "" };
        format!("{} {}{mark}", found.line, found.code)
    };
    let graver = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity != Severity::Note);
    graver.map(shown).collect::<Vec<_>>().join(", ")
}

/// `line code` of each note about something that is not carried.
fn lost(loaded: &Loaded) -> String {
    let notes = loaded.diagnostics.iter().filter(|found| found.code == "I002");
    notes.map(|found| found.line.to_string()).collect::<Vec<_>>().join(", ")
}
